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

"""Fault detection: from statistics of samples to flagged modalities."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.health import (
    Description,
    HealthError,
    HealthModel,
    HealthMonitor,
    flag,
    layout,
    load_health,
    save_health,
)
from mumu_ros.health.autoencoder import ConceptAutoencoder, Forward
from mumu_ros.health.monitor import PERIOD_S, fault_age_s
from mumu_ros.health.statistics import CHANNELS, EDGE, STILL, describe, split, statistics_size
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.training.health import fit_health

pytestmark = pytest.mark.slow

S = 1_000_000_000
NAMES = ("rgb", "depth", "imu")

arrays = st.builds(
    lambda seed, steps, channels, offset: (
        np.random.default_rng(seed).normal(offset, 2.0, (steps, channels)).astype(np.float32)
    ),
    st.integers(0, 2**32 - 1),
    st.integers(2, 60),
    st.integers(1, 200),
    st.sampled_from([0.0, 9.81, -300.0]),
)


@given(samples=arrays, seed=st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_a_description_is_of_the_steps_that_are_there(samples: np.ndarray, seed: int) -> None:
    mask = np.random.default_rng(seed).random(len(samples)) < 0.7
    mask[[0, -1]] = True
    garbage = np.where(mask[:, None], samples, np.float32(np.nan))
    described = describe(garbage, mask)
    assert described is not None
    assert len(described) == statistics_size(samples.shape[1])
    assert np.isfinite(described).all()
    there = samples[mask]
    if samples.shape[1] <= CHANNELS:
        means, spreads, steps = split(described)
        np.testing.assert_allclose(means, there.mean(axis=0), rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(np.exp(spreads) - 1e-3, there.std(axis=0), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(
            np.exp(steps) - 1e-3, np.abs(np.diff(there, axis=0)).mean(axis=0), rtol=1e-3, atol=1e-3
        )


@given(samples=arrays.filter(lambda x: x.shape[1] <= CHANNELS), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_a_description_is_of_the_joints_that_are_seen(samples: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(samples.shape) < rng.choice([0.1, 0.9]), samples, np.float32(np.nan))
    described = describe(x, np.ones(len(x), np.bool_))
    seen = ~np.isnan(x)
    twice, followed = seen.sum(axis=0) > 1, (seen[1:] & seen[:-1]).any(axis=0)
    assert (described is not None) == twice.any()
    if described is None:
        return
    means, spreads, steps = split(described)
    for found, known in ((means, twice), (spreads, twice), (steps, followed)):
        np.testing.assert_array_equal(np.isfinite(found), known)
    np.testing.assert_allclose(means[twice], np.nanmean(x[:, twice], axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.exp(spreads[twice]) - 1e-3, np.nanstd(x[:, twice], axis=0), rtol=1e-3, atol=1e-3)
    moves = np.nanmean(np.abs(np.diff(x[:, followed], axis=0)), axis=0)
    np.testing.assert_allclose(np.exp(steps[followed]) - 1e-3, moves, rtol=1e-3, atol=1e-3)
    assert ((described[-2:] >= 0) & (described[-2:] <= 1)).all()


@given(samples=arrays.filter(lambda x: x.shape[1] < CHANNELS), still=st.booleans(), at=st.floats(0, 1))
@settings(deadline=None, max_examples=50)
def test_a_joint_that_is_never_seen_changes_nothing_else(samples: np.ndarray, still: bool, at: float) -> None:
    if still:
        samples = samples[np.arange(len(samples)) // 2]
    unseen = round(at * samples.shape[1])
    there = np.ones(len(samples), np.bool_)
    whole, gappy = describe(samples, there), describe(np.insert(samples, unseen, np.nan, axis=1), there)
    assert whole is not None
    assert gappy is not None
    channels = samples.shape[1] + 1
    assert np.isnan(gappy[[unseen, channels + unseen, 2 * channels + unseen]]).all()
    np.testing.assert_allclose(gappy[np.isfinite(gappy)], whole, rtol=1e-3, atol=1e-3)


def test_a_stuck_stretch_and_a_ceiling_show() -> None:
    moving = np.random.default_rng(0).normal(0, 3, (100, 6)).astype(np.float32)
    stuck, saturated = moving.copy(), moving.clip(-2, 2)
    stuck[60:] = stuck[60]
    there = np.ones(100, np.bool_)
    shares = {name: describe(x, there) for name, x in (("moving", moving), ("stuck", stuck), ("saturated", saturated))}
    assert shares["moving"][STILL] == 0
    assert shares["stuck"][STILL] == pytest.approx(39 / 99)
    assert shares["moving"][EDGE] == pytest.approx(0.02)
    assert shares["saturated"][EDGE] > 0.4


def test_one_sample_is_too_few() -> None:
    assert describe(np.ones((3, 2), np.float32), np.array([False, True, False])) is None


def test_numpy_computes_what_the_autoencoder_does() -> None:
    torch.manual_seed(0)
    autoencoder = ConceptAutoencoder(3, 40, 8)
    torch.nn.init.normal_(autoencoder.fusion.norm.weight)
    forward = Forward(autoencoder)
    x, mask = torch.randn(20, 3, 40), torch.rand(20, 3) > 0.4
    decoded, concept = autoencoder(x, mask)
    z = forward.encode(x.numpy())
    concepts, scores = forward.fuse(z, mask.numpy()[:, None])
    found = forward.decode(np.broadcast_to(concepts[:, :1], (20, 3, 8))[:, :, None])
    np.testing.assert_allclose(found[:, :, 0], decoded.detach().numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(scores[:, 0], concept.detach().numpy(), rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def healthy() -> tuple[Description, np.ndarray]:
    """400 windows of 4 people, in which one hidden movement shows in all three modalities."""
    return people(0, 400), np.repeat(np.arange(4), 100)


def people(seed: int, count: int) -> Description:
    rng, mix = np.random.default_rng(seed), np.random.default_rng(99)
    hidden = rng.normal(size=(count, 3))
    size = 16 + statistics_size(16)
    values = np.zeros((count, 3, size), np.float32)
    for m, end in enumerate((size, size, 16 + statistics_size(6))):
        values[:, m, :end] = hidden @ mix.normal(size=(3, end)) + 0.1 * rng.normal(size=(count, end))
        values[:, m, end - 2 : end] = (0.0, 0.02)  # neither repeats itself nor is at its limits
    return Description(values, np.ones((count, 3), np.bool_), np.arange(3) < rng.integers(4, size=(count, 1)))


@pytest.fixture
def checkpoint(tiny_model: Path) -> Checkpoint:
    return load_checkpoint(tiny_model)


FITTED: dict[str, HealthModel] = {}


@pytest.fixture
def health(
    checkpoint: Checkpoint, healthy: tuple[Description, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> HealthModel:
    """Fitted once."""
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 300)
    if checkpoint.id not in FITTED:
        FITTED[checkpoint.id] = fit_health(checkpoint, *healthy, false_alarms=0.02)
    return FITTED[checkpoint.id]


def changed(description: Description, modality: int, change: Callable[[np.ndarray], np.ndarray]) -> Description:
    values = description.values.copy()
    values[:, modality] = change(values[:, modality])
    return replace(description, values=values)


def repeats(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[:, 16 + statistics_size(6) + STILL] = 0.5
    return values


def test_false_alarms_are_as_rare_with_new_people_as_was_asked(health: HealthModel) -> None:
    assert (flag(health, people(1, 1000))[0] > 1).mean(axis=0).max() < 0.06


def test_only_the_modality_that_repeats_itself_is_flagged(health: HealthModel) -> None:
    scores, flagged = flag(health, changed(people(1, 200), 2, repeats))
    assert (scores[:, 2] > 1).all()
    assert (scores[:, :2] > 1).mean() < 0.06
    assert flagged[:, 2].all()
    assert flagged[:, :2].mean() < 0.06


def test_a_modality_that_contradicts_the_others_is_flagged(health: HealthModel) -> None:
    other = people(2, 200).values[:, 1]
    scores, flagged = flag(health, changed(people(1, 200), 1, lambda _: other))
    assert (scores[:, 1] > 1).mean() > 0.6
    assert flagged[:, [0, 2]].mean() < 0.05


def test_an_absent_modality_is_neither_judged_nor_heard(health: HealthModel) -> None:
    description = people(1, 50)
    description.present[:, 0] = False
    garbage = changed(description, 0, lambda values: values + 1e6)
    np.testing.assert_array_equal(health.judge(description).scores, health.judge(garbage).scores)
    assert (health.judge(description).scores[:, 0] == 0).all()


def test_what_is_not_seen_is_not_judged_but_the_rest_is(health: HealthModel) -> None:
    description, rng = people(1, 200), np.random.default_rng(0)
    statistics = slice(16, 16 + statistics_size(16) - 2)
    unseen = rng.random((200, statistics.stop - 16)) < 0.3
    hidden = changed(description, 0, lambda x: _with(x, statistics, np.where(unseen, np.nan, x[:, statistics])))
    wild = changed(description, 0, lambda x: _with(x, statistics, np.where(unseen, np.nan, x[:, statistics] + 5)))
    scores = health.judge(hidden).scores
    assert np.isfinite(scores).all()
    assert (scores > 1).mean() < 0.06
    assert (health.judge(wild).scores[:, 0] > 1).mean() > 0.95


def _with(values: np.ndarray, where: slice, new: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[:, where] = new
    return values


def test_a_modality_that_cannot_be_judged_hides_no_other(health: HealthModel) -> None:
    description = changed(people(1, 50), 2, repeats)
    scores, flagged = flag(health, changed(description, 0, lambda x: _with(x, slice(16), np.full(1, np.nan))))
    assert np.isnan(scores[:, 0]).all()
    assert not flagged[:, 0].any()
    assert flagged[:, 2].all()


def test_a_window_with_gaps_is_judged_by_what_such_windows_are_like(health: HealthModel) -> None:
    description = people(1, 50)
    health = replace(health, thresholds=np.array([[2, 3, 4], [1, 1, 1]], np.float32))
    gaps, whole = (health.judge(replace(description, whole=np.full((50, 3), there))).scores for there in (False, True))
    np.testing.assert_allclose(gaps * [2, 3, 4], whole, rtol=1e-5)


def test_a_lonely_modality_is_compared_with_itself_only(health: HealthModel) -> None:
    description = people(1, 50)
    description.present[:, :2] = False
    assert (flag(health, description)[0][:, 2] > 1).mean() < 0.1
    scores, flagged = flag(health, changed(description, 2, repeats))
    assert (scores[:, 2] > 1).all()
    assert not flagged.any(), "the last one stays"


def test_it_is_kept_beside_the_model_and_belongs_to_it(health: HealthModel, tiny_model: Path) -> None:
    checkpoint = load_checkpoint(tiny_model)
    with pytest.raises(HealthError, match=r"tiny@\w+ has no health model .*mumu health .*tiny DATASET ROOT"):
        load_health(tiny_model, checkpoint)
    with pytest.raises(HealthError, match=r"mumu health 'my models/tiny' DATASET ROOT"):
        load_health("my models/tiny", checkpoint)
    path = save_health(tiny_model, health, {"command": "mumu health"})
    again = load_health(tiny_model, checkpoint)
    description = people(1, 20)
    np.testing.assert_array_equal(again.judge(description).scores, health.judge(description).scores)
    assert again.false_alarms == 0.02
    with pytest.raises(HealthError, match=r"belongs to tiny@\w+, not to other@1"):
        load_health(tiny_model, replace(checkpoint, id="other@1"))
    for damage in (path.read_bytes()[:-50], b"", b"no safetensors at all"):
        path.write_bytes(damage)
        with pytest.raises(HealthError, match=r"health\.safetensors' is damaged .*mumu health"):
            load_health(tiny_model, checkpoint)


def test_thresholds_need_people_and_a_share(checkpoint: Checkpoint, healthy: tuple[Description, np.ndarray]) -> None:
    description, subjects = healthy
    with pytest.raises(ConfigError, match=r"subjects are \[1\].*two"):
        fit_health(checkpoint, description, np.ones_like(subjects))
    with pytest.raises(ConfigError, match=r"false_alarms is 1\.5"):
        fit_health(checkpoint, description, subjects, false_alarms=1.5)


def test_joints_that_are_not_seen_spoil_no_training(
    checkpoint: Checkpoint, healthy: tuple[Description, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 200)
    description, subjects = healthy
    unseen = np.random.default_rng(0).random((400, 30)) < 0.2
    unseen[:, :3] = True  # by nobody
    gappy = changed(description, 0, lambda x: _with(x, slice(20, 50), np.where(unseen, np.nan, x[:, 20:50])))
    health = fit_health(checkpoint, gappy, subjects, false_alarms=0.02)
    assert (flag(health, people(1, 500))[0] > 1).mean(axis=0).max() < 0.1, "nor does what was never seen flag later"
    assert flag(health, changed(people(1, 200), 2, repeats))[1][:, 2].all()


@pytest.mark.filterwarnings("error")
def test_a_modality_that_no_window_shows_is_refused_by_name(
    checkpoint: Checkpoint, healthy: tuple[Description, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 2)
    description, subjects = healthy
    absent = replace(description, present=np.arange(3) != np.full((400, 1), 1))
    with pytest.raises(ConfigError, match=r"no window has depth, .* give a dataset with rgb, depth, imu"):
        fit_health(checkpoint, absent, subjects)
    unseen = changed(description, 1, lambda x: _with(x, slice(16), np.full(1, np.nan)))
    with pytest.raises(HealthError, match=r"weights of depth are not finite.*in which depth can be seen"):
        fit_health(checkpoint, unseen, subjects)


@pytest.mark.parametrize("part", ["thresholds", "encode1.weight", "fusion.norm.bias"])
def test_what_is_not_finite_is_neither_saved_nor_loaded(
    health: HealthModel, tiny_model: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(health, thresholds=health.thresholds.copy(), autoencoder=deepcopy(health.autoencoder))
    if part == "thresholds":
        broken.thresholds[0, 2] = np.inf
    else:
        broken.autoencoder.get_parameter(part).data[2] = np.nan
    names = "rgb, depth, imu" if "fusion" in part else "imu"
    with pytest.raises(HealthError, match=f"weights of {names} are not finite"):
        save_health(tiny_model, broken)
    assert not (tiny_model / "health.safetensors").exists()
    with monkeypatch.context() as older:
        older.setattr("mumu_ros.health.model.check_finite", lambda _: None)
        save_health(tiny_model, broken)
    with pytest.raises(HealthError, match=rf"health\.safetensors': thresholds or weights of {names} are not finite"):
        load_health(tiny_model, load_checkpoint(tiny_model))


def test_it_is_trained_by_one_thread_and_the_others_are_given_back(
    checkpoint: Checkpoint, healthy: tuple[Description, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, before = set(), torch.get_num_threads()
    monkeypatch.setattr("mumu_ros.training.health._train", lambda *_: threads.add(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        fit_health(checkpoint, *healthy)
        assert (threads, torch.get_num_threads()) == ({1}, 2)
    finally:
        torch.set_num_threads(before)


def test_a_health_model_of_another_version_is_refused(health: HealthModel, tiny_model: Path) -> None:
    save_health(tiny_model, replace(health, thresholds=np.ones(3, np.float32)))
    with pytest.raises(HealthError, match=r"another version \(thresholds are \(3,\), not \(2, 3\)\); make one with"):
        load_health(tiny_model, load_checkpoint(tiny_model))


class Sensors:
    """An IMU and two cameras' encoded frames, looked at by a monitor every `PERIOD_S`."""

    def __init__(self, health: HealthModel, checkpoint: Checkpoint) -> None:
        self.monitor = HealthMonitor(health)
        self.scores = {"rgb": 0.5, "depth": 0.5, "imu": 0.5}
        self.inputs = {"rgb": (10, 16), "depth": (10, 16), "imu": (50, 2, 3)}
        self.frozen: set[str] = set()
        self.stamp_ns = 100 * S
        self.ends = layout(checkpoint.model)

    def look(self, monkeypatch: pytest.MonkeyPatch, seconds: float = PERIOD_S) -> None:
        """Let time go on, while the scores are as they are."""
        scores = np.array([[self.scores[name] for name in NAMES]], np.float32)
        monkeypatch.setattr("mumu_ros.health.monitor.flag", lambda *_: (scores, scores > 1))
        inputs = {n: np.random.default_rng(0).normal(size=(1, *self.inputs[n])).astype(np.float32) for n in self.inputs}
        for name in self.frozen:
            inputs[name][:] = inputs[name][:, :1]
        masks = {n: np.ones(x.shape[:2], np.bool_) for n, x in inputs.items()}
        for _ in range(round(seconds / PERIOD_S)):
            self.stamp_ns += round(PERIOD_S * S)
            assert self.monitor.is_due(self.stamp_ns)
            self.monitor.update(self.stamp_ns, inputs, masks, np.zeros((3, 16), np.float32))


@pytest.fixture
def sensors(health: HealthModel, checkpoint: Checkpoint) -> Sensors:
    return Sensors(health, checkpoint)


def test_one_high_score_flags_nothing_and_one_low_score_clears_nothing(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensors.scores["imu"] = 3.0
    sensors.look(monkeypatch)
    assert sensors.monitor.flagged == set()
    first_ns = sensors.stamp_ns
    sensors.look(monkeypatch, 1.5)
    assert sensors.monitor.flagged == {"imu"}
    state = sensors.monitor.state[2]
    assert (state.since_ns, state.score) == (first_ns, 3.0)
    assert fault_age_s(state, sensors.stamp_ns) == 1.5
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"imu"}, "it must look well for a second"
    sensors.scores["imu"] = 1.2
    sensors.look(monkeypatch, 0.5)
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"imu"}, "for a whole second"
    sensors.look(monkeypatch, 1.5)
    assert sensors.monitor.flagged == set()
    assert np.isnan(fault_age_s(sensors.monitor.state[2], sensors.stamp_ns))


@pytest.mark.parametrize(("gap_s", "goes_on"), [(5, True), (11, False), (3600, False)])
def test_how_long_a_score_has_been_high_or_low_is_not_told_over_a_gap(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch, gap_s: int, goes_on: bool
) -> None:
    sensors.scores["imu"] = 3.0
    sensors.look(monkeypatch)
    sensors.stamp_ns += gap_s * S
    sensors.look(monkeypatch)
    assert (sensors.monitor.flagged == {"imu"}) == goes_on
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"imu"}
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch)
    sensors.stamp_ns += gap_s * S
    sensors.look(monkeypatch)
    assert (sensors.monitor.flagged == set()) == goes_on


def test_a_score_that_cannot_be_told_is_not_well(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors.scores["imu"] = np.nan
    sensors.look(monkeypatch, 2.0)
    assert sensors.monitor.flagged == set()
    sensors.scores["imu"] = 3.0
    sensors.look(monkeypatch, 1.5)
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch)
    sensors.scores["imu"] = np.nan
    sensors.look(monkeypatch, 5.0)
    assert sensors.monitor.flagged == {"imu"}
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"imu"}, "it must look well for a whole second"
    sensors.look(monkeypatch)
    assert sensors.monitor.flagged == set()


def test_an_absence_does_not_count_as_well(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors.scores["imu"] = 3.0
    sensors.look(monkeypatch, 1.5)
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch)
    shape = sensors.inputs.pop("imu")
    sensors.look(monkeypatch, 5.0)
    assert np.isnan(sensors.monitor.state[2].score)
    sensors.inputs["imu"] = shape
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"imu"}, "it must look well for a whole second"
    sensors.look(monkeypatch)
    assert sensors.monitor.flagged == set()


def test_of_flagged_modalities_the_last_to_stay_is_one_that_can_be_told(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensors.scores = {"rgb": 3.0, "depth": 0.5, "imu": 3.0}
    sensors.look(monkeypatch, 2.0)
    assert sensors.monitor.flagged == {"rgb", "imu"}
    sensors.scores = {"rgb": np.nan, "depth": 3.0, "imu": 2.0}
    sensors.look(monkeypatch, 1.0)
    assert sensors.monitor.flagged == {"rgb", "depth"}


def test_a_flagged_modality_that_then_repeats_itself_is_stuck(
    sensors: Sensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensors.scores = {"rgb": 2.0, "depth": 0.5, "imu": 2.0}
    sensors.look(monkeypatch, 2.0)
    assert sensors.monitor.flagged == {"rgb", "imu"}
    sensors.frozen = {"imu", "depth"}
    sensors.look(monkeypatch)
    assert sensors.monitor.flagged == {"rgb", "imu"}
    assert [state.fault == "stuck" for state in sensors.monitor.state] == [False, False, True]
    sensors.scores["imu"] = 0.5
    sensors.look(monkeypatch, 1.5)
    assert sensors.monitor.flagged == {"rgb"}


def test_the_last_modality_is_never_flagged(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors.scores = {"rgb": 3.0, "depth": 9.0, "imu": 2.0}
    sensors.look(monkeypatch, 3.0)
    assert sensors.monitor.flagged == {"rgb", "depth"}


def test_it_does_not_look_more_often_than_that(sensors: Sensors, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors.look(monkeypatch)
    assert not sensors.monitor.is_due(sensors.stamp_ns + round(0.4 * S))
    sensors.monitor.clear()
    assert sensors.monitor.is_due(sensors.stamp_ns)
