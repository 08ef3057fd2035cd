# Copyright 2026 mumu_ros contributors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Conditions take away, corrupt and delay what they say, the same for every model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.datasets.clips import Clip
from mumu_ros.failures import Failure, kinds_for
from mumu_ros.model.config import ModelConfig
from mumu_ros.training.conditions import (
    CLEAN,
    Condition,
    failure_conditions,
    standard_conditions,
    stress_conditions,
)
from mumu_ros.training.corruption import CORRUPTIONS
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends

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
    condition = Condition("late", failure=Failure("shift", 0.2))
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


def test_no_modality_is_changed_without_a_corruption(vector_settings: Settings) -> None:
    assert (Condition("c", missing=0.5).victims(vector_settings.model, 5, 0) == -1).all()


@pytest.mark.parametrize(("late_s", "steps"), [(0.1, 2), (0.5, 10), (1.0, 20), (3.0, 20)])
def test_late_shows_what_was_earlier(vector_settings: Settings, many: WindowSet, late_s: float, steps: int) -> None:
    condition = Condition("late", failure=Failure("shift", late_s))
    victims = condition.victims(vector_settings.model, len(many), 0)
    inputs, masks = apply(vector_settings, many, condition)
    for index, name in enumerate(vector_settings.model.names):
        hit = victims == index
        kept = 20 - steps
        np.testing.assert_array_equal(inputs[name][hit][:, steps:], many.vectors[name][hit][:, :kept])
        np.testing.assert_array_equal(masks[name][hit][:, steps:], many.masks[name][hit][:, :kept])
        assert not masks[name][hit][:, :steps].any()
        np.testing.assert_array_equal(inputs[name][~hit], many.vectors[name][~hit])


def test_each_modality_fails_in_each_way_that_fits_it(vector_settings: Settings) -> None:
    conditions = failure_conditions(vector_settings.model.modalities)
    expected = [f"{name}:{kind}" for name in ("imu_wrist", "imu_belt") for kind in kinds_for("vector")]
    assert [c.name for c in conditions] == expected


@pytest.mark.parametrize("kind", kinds_for("vector"))
def test_a_failure_hits_its_modality_only_the_same_in_any_batch(
    vector_settings: Settings, many: WindowSet, kind: str
) -> None:
    condition = Condition(kind, failure=Failure(kind), on="imu_belt")
    assert (condition.victims(vector_settings.model, len(many), 0) == 1).all()
    inputs, masks = apply(vector_settings, many, condition)
    np.testing.assert_array_equal(inputs["imu_wrist"], many.vectors["imu_wrist"])
    np.testing.assert_array_equal(masks["imu_wrist"], many.masks["imu_wrist"])
    changed = (inputs["imu_belt"] != many.vectors["imu_belt"]).any(axis=(1, 2, 3))
    assert changed.mean() > 0.9
    rows = np.arange(100, 140)
    part = apply(vector_settings, many, condition, rows=rows)
    np.testing.assert_array_equal(part[0]["imu_belt"], inputs["imu_belt"][rows])
    np.testing.assert_array_equal(part[1]["imu_belt"], masks["imu_belt"][rows])
    other = apply(vector_settings, many, condition, seed=1)[0]["imu_belt"]
    is_drawn = kind in ("noise", "drift", "bias", "axis_swap", "mounting", "repeated_buffer")
    assert is_drawn != np.array_equal(other, inputs["imu_belt"])


def test_images_in_windows_fail_as_live(config: ModelConfig, make_clip: Callable[..., Clip]) -> None:
    clip = make_clip(0)
    windows = cut_windows(clip, config, random_ends(clip, 1.0, 2.0, np.random.default_rng(0)), 0.6)
    rows = np.arange(len(windows))
    whole, there = windows.batch(rows)
    images = [m for m in config.modalities if m.is_image]
    for condition in failure_conditions(images):
        inputs, masks = condition.apply(config, windows, rows, windows.batch(rows), 0)
        name = condition.on
        assert inputs[name].dtype == whole[name].dtype
        assert not (masks[name] & ~there[name]).any()
        kept = masks[name].sum() / there[name].sum()
        expected = {"dropout": 0, "half_rate": 0.5, "shift": 0.5}.get(condition.name.partition(":")[2], 1)
        assert kept == pytest.approx(expected, abs=0.1)
        assert not np.array_equal(inputs[name], whole[name])


def test_the_failing_modality_is_drawn_unless_it_is_given(vector_settings: Settings, many: WindowSet) -> None:
    condition = Condition("c", failure=Failure("stuck"))
    victims = condition.victims(vector_settings.model, len(many), 0)
    assert set(victims) == {0, 1}
    inputs, _ = apply(vector_settings, many, condition)
    assert (inputs["imu_wrist"][victims == 0] == inputs["imu_wrist"][victims == 0][:, :1]).all()
    assert (Condition("c", failure=Failure("black")).victims(vector_settings.model, 5, 0) == -1).all(), "no images"


def test_a_failure_leaves_what_is_missing_missing(vector_settings: Settings, many: WindowSet) -> None:
    many.masks["imu_belt"][:, 5:9] = False
    for kind in kinds_for("vector"):
        _, masks = apply(vector_settings, many, Condition(kind, failure=Failure(kind), on="imu_belt"))
        assert not masks["imu_belt"][:, 5:9].any()


def test_at_half_the_rate_vectors_are_interpolated_as_live(vector_settings: Settings, many: WindowSet) -> None:
    inputs, masks = apply(vector_settings, many, Condition("c", failure=Failure("half_rate"), on="imu_belt"))
    x, before = inputs["imu_belt"], many.vectors["imu_belt"]
    assert masks["imu_belt"].all(), "steps are 0.05 s apart, and 0.1 s is no gap"
    np.testing.assert_array_equal(x[:, ::2], before[:, ::2])
    np.testing.assert_allclose(x[:, 1:-1:2], (before[:, :-2:2] + before[:, 2::2]) / 2, atol=1e-6)


def test_a_repeated_buffer_is_another_window(vector_settings: Settings, many: WindowSet) -> None:
    inputs, _ = apply(vector_settings, many, Condition("c", failure=Failure("repeated_buffer"), on="imu_belt"))
    known = {window.tobytes() for window in many.vectors["imu_belt"]}
    assert all(window.tobytes() in known for window in inputs["imu_belt"])


def test_the_names_of_the_conditions() -> None:
    names = ("a", "b")
    assert [c.name for c in standard_conditions(names)] == ["clean", "-a:0.5", "-b:0.5", "-a", "-b"]
    assert [c.name for c in standard_conditions(("a",))] == ["clean"], "without its only sensor it knows nothing"
    stress = [c.name for c in stress_conditions(names)][5:]
    assert stress == ["missing", *CORRUPTIONS, "late 0.1 s", "late 0.2 s", "late 0.5 s", "late 1 s"]
