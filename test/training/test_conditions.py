"""Conditions take away, corrupt and delay what they say, the same for every model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.training.conditions import CLEAN, Condition, standard_conditions, stress_conditions
from mumu_ros.training.corruption import CORRUPTIONS
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

Arrays = dict[str, np.ndarray]


@pytest.fixture
def many(vector_windows: WindowSet) -> WindowSet:
    return vector_windows.take(np.arange(600) % 12)


def apply(
    settings: Settings, windows: WindowSet, condition: Condition, seed: int = 0, rows: np.ndarray | None = None
) -> tuple[Arrays, Arrays]:
    rows = np.arange(len(windows)) if rows is None else rows
    return condition.apply(settings.model, windows, rows, windows.batch(rows), seed)


def gone(masks: Arrays) -> np.ndarray:
    """(N, M): which modalities are away altogether."""
    return np.stack([~mask.any(axis=1) for mask in masks.values()], axis=1)


def test_clean_changes_nothing(vector_settings: Settings, many: WindowSet) -> None:
    inputs, masks = apply(vector_settings, many, Condition(CLEAN))
    for name in vector_settings.model.names:
        np.testing.assert_array_equal(inputs[name], many.vectors[name])
        np.testing.assert_array_equal(masks[name], many.masks[name])


@pytest.mark.parametrize(("share", "low", "high"), [(1.0, 1, 1), (0.5, 0.43, 0.57), (0.2, 0.15, 0.25), (0.0, 0, 0)])
def test_a_modality_is_gone_from_a_share_of_the_windows(
    vector_settings: Settings, many: WindowSet, share: float, low: float, high: float
) -> None:
    away = gone(apply(vector_settings, many, Condition("c", ("imu_belt",), share))[1])
    assert not away[:, 0].any()
    assert low <= away[:, 1].mean() <= high


def test_modalities_go_together(vector_settings: Settings, many: WindowSet) -> None:
    away = gone(apply(vector_settings, many, Condition("c", ("imu_wrist", "imu_belt"), 0.5))[1])
    np.testing.assert_array_equal(away[:, 0], away[:, 1])


@given(st.floats(0, 1), st.integers(0, 999))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_missing_always_leaves_one(vector_settings: Settings, many: WindowSet, probability: float, seed: int) -> None:
    away = gone(apply(vector_settings, many, Condition("missing", missing=probability), seed)[1])
    assert not away.all(axis=1).any()


def test_missing_takes_each_alike(vector_settings: Settings, many: WindowSet) -> None:
    away = gone(apply(vector_settings, many, Condition("missing", missing=0.5))[1])
    assert all(0.2 < share < 0.4 for share in away.mean(axis=0))


@pytest.mark.parametrize("condition", stress_conditions(("imu_wrist", "imu_belt")), ids=lambda c: c.name)
def test_the_draw_follows_from_the_seed(vector_settings: Settings, many: WindowSet, condition: Condition) -> None:
    first, again, other = (apply(vector_settings, many, condition, seed) for seed in (1, 1, 2))
    before = (many.vectors, many.masks)
    same = [all(np.array_equal(a[i][n], first[i][n]) for i in (0, 1) for n in first[i]) for a in (again, other, before)]
    is_drawn = condition.name not in (CLEAN, "-imu_wrist", "-imu_belt")
    assert same == [True, not is_drawn, condition.name == CLEAN]


def test_victims_do_not_depend_on_the_batch(vector_settings: Settings, many: WindowSet) -> None:
    """The whole set at once and in parts."""
    condition = Condition("late", late_s=0.2)
    whole = apply(vector_settings, many, condition)[0]
    for rows in np.array_split(np.arange(len(many)), 4):
        part = apply(vector_settings, many, condition, rows=rows)[0]
        for name, x in part.items():
            np.testing.assert_array_equal(x, whole[name][rows])


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_hits_its_victims_only(vector_settings: Settings, many: WindowSet, kind: str) -> None:
    condition = Condition(kind, corruption=kind)
    victims = condition.victims(vector_settings.model, len(many), 0)
    assert set(victims) == {0, 1}
    inputs, _ = apply(vector_settings, many, condition)
    for index, name in enumerate(vector_settings.model.names):
        changed = (inputs[name] != many.vectors[name]).any(axis=(1, 2, 3))
        assert not changed[victims != index].any()
        assert changed[victims == index].mean() > 0.8


def test_nobody_is_a_victim_where_nothing_lies(vector_settings: Settings) -> None:
    assert (Condition("c", missing=0.5).victims(vector_settings.model, 5, 0) == -1).all()


@pytest.mark.parametrize(("late_s", "steps"), [(0.1, 2), (0.5, 10), (1.0, 20), (3.0, 20)])
def test_late_shows_what_was_earlier(vector_settings: Settings, many: WindowSet, late_s: float, steps: int) -> None:
    condition = Condition("late", late_s=late_s)
    victims = condition.victims(vector_settings.model, len(many), 0)
    many.masks["imu_belt"][3, 4] = False
    inputs, masks = apply(vector_settings, many, condition)
    for index, name in enumerate(vector_settings.model.names):
        hit = victims == index
        kept = 20 - steps
        np.testing.assert_array_equal(inputs[name][hit][:, steps:], many.vectors[name][hit][:, :kept])
        np.testing.assert_array_equal(masks[name][hit][:, steps:], many.masks[name][hit][:, :kept])
        assert not masks[name][hit][:, :steps].any()
        np.testing.assert_array_equal(inputs[name][~hit], many.vectors[name][~hit])


def test_the_names_of_the_conditions() -> None:
    names = ("a", "b")
    assert [c.name for c in standard_conditions(names)] == ["clean", "-a:0.5", "-b:0.5", "-a", "-b"]
    assert [c.name for c in standard_conditions(("a",))] == ["clean"], "without its only sensor it knows nothing"
    stress = [c.name for c in stress_conditions(names)][5:]
    assert stress == ["missing", *CORRUPTIONS, "late 0.1 s", "late 0.2 s", "late 0.5 s", "late 1 s"]
