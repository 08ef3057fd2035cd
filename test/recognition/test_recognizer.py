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

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import HealthMonitor, ModalityHealth, fault_age_s
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint
from mumu_ros.model.novelty import Novelty
from mumu_ros.model.preprocessing import SampleError
from mumu_ros.recognition import Decision, NoDecision, Recognizer, RecognizerSettings
from mumu_ros.recognition.backends import Eager
from mumu_ros.recognition.decision import UNKNOWN

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
END_NS = START_NS + 1_500 * MS
PERIODS_MS = {"rgb": 100, "depth": 100, "imu": 5}

Sample = tuple[str, int, np.ndarray]


def make_samples(seed: int = 0, start_ns: int = START_NS, end_ns: int = END_NS) -> list[Sample]:
    """What three sensors give from start to end, in time order."""
    rng = np.random.default_rng(seed)
    makers: dict[str, Callable[[], np.ndarray]] = {
        "rgb": lambda: rng.integers(0, 255, (48, 64, 3), np.uint8),
        "depth": lambda: rng.integers(500, 4000, (48, 64), np.uint16),
        "imu": lambda: rng.normal(0, 5, (2, 3)),
    }
    samples = [
        (name, stamp_ns, makers[name]())
        for name, period in PERIODS_MS.items()
        for stamp_ns in range(start_ns, end_ns + 1, period * MS)
    ]
    return sorted(samples, key=lambda sample: sample[1])


@pytest.fixture
def checkpoint(tiny_model: Path) -> Checkpoint:
    return load_checkpoint(tiny_model)


def feed(recognizer: Recognizer, samples: list[Sample], without: tuple[str, ...] = ()) -> None:
    for name, stamp_ns, sample in samples:
        if name not in without:
            recognizer.push(name, stamp_ns, sample)


def decide(
    checkpoint: Checkpoint, samples: list[Sample], without: tuple[str, ...] = (), **settings: object
) -> Decision:
    recognizer = Recognizer(checkpoint, RecognizerSettings(**settings))  # type: ignore[arg-type]
    feed(recognizer, samples, without)
    decision = recognizer.recognize(END_NS)
    assert isinstance(decision, Decision), decision
    return decision


def test_a_decision_says_what_when_and_from_which_sensors(checkpoint: Checkpoint) -> None:
    decision = decide(checkpoint, make_samples())
    assert (decision.start_ns, decision.stamp_ns) == (END_NS - 1_000 * MS, END_NS)
    taxonomy = checkpoint.config.taxonomy
    assert decision.activity == taxonomy.activities[decision.activity_probabilities.argmax()]
    assert decision.group == taxonomy.group_names[decision.group_probabilities.argmax()]
    for distribution in (
        decision.activity_probabilities,
        decision.group_probabilities,
        decision.sm_weights,
        decision.gm_weights,
    ):
        assert distribution.min() >= 0
        assert distribution.sum() == pytest.approx(1, abs=1e-5)
    assert decision.present.all()
    assert decision.coverage == pytest.approx(1)
    assert (decision.ages_s <= 0.1).all()


@pytest.mark.parametrize("absent", ["rgb", "depth", "imu"])
def test_an_absent_modality_has_no_attention_and_the_rest_renormalises(checkpoint: Checkpoint, absent: str) -> None:
    decision = decide(checkpoint, make_samples(), without=(absent,))
    index = checkpoint.config.names.index(absent)
    assert not decision.present[index]
    assert decision.gm_weights[index] == decision.sm_weights[index] == 0
    assert decision.gm_weights.sum() == pytest.approx(1, abs=1e-5)
    assert np.isnan(decision.ages_s[index])


def test_without_enough_samples_the_reason_names_every_modality(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint)
    recognizer.push("rgb", END_NS, np.zeros((48, 64, 3), np.uint8))
    answer = recognizer.recognize(END_NS)
    assert isinstance(answer, NoDecision)
    for text in ("rgb 10% of 25%", "depth 0% of 25%", "imu 0% of 25%"):
        assert text in answer.reason


def test_minimum_coverage_is_set_for_each_modality(checkpoint: Checkpoint) -> None:
    samples = [s for s in make_samples() if s[0] != "imu" or s[1] > END_NS - 500 * MS]
    assert decide(checkpoint, samples, min_coverage=(0.4,)).present.tolist() == [True, True, True]
    assert decide(checkpoint, samples, min_coverage=(0.4, 0.4, 0.9)).present.tolist() == [True, True, False]
    for least in (0.9, [0.4, 0.4, 0.9], np.array([0.4, 0.4, 0.9])):
        assert decide(checkpoint, samples, min_coverage=least).present.tolist() == [True, True, False]
    assert RecognizerSettings(np.array([0.5])) == RecognizerSettings(0.5) == RecognizerSettings((0.5,))
    with pytest.raises(ValueError, match=r"\[0.4, 0.4\].*one each for rgb, depth, imu"):
        Recognizer(checkpoint, RecognizerSettings(min_coverage=(0.4, 0.4)))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), data=st.data())
def test_the_result_depends_on_the_samples_up_to_the_end_only(
    checkpoint: Checkpoint, seed: int, data: st.DataObject
) -> None:
    """Streams interleaved in another order, and samples that are newer than the window, change nothing."""
    samples = make_samples(seed)
    expected = decide(checkpoint, samples)
    order = data.draw(st.permutations(list(PERIODS_MS)))
    by_stream = [sample for name in order for sample in samples if sample[0] == name]
    newer = make_samples(seed + 1, END_NS + 5 * MS, END_NS + 500 * MS)
    decision = decide(checkpoint, by_stream + newer)
    assert decision.activity_probabilities.tolist() == expected.activity_probabilities.tolist()
    assert decision.gm_weights.tolist() == expected.gm_weights.tolist()


ALONE = ("rgb", "depth")


def knowing(checkpoint: Checkpoint, distance: float) -> Checkpoint:
    """A checkpoint whose training windows had IMU features at this distance from those of the samples."""
    features = decide(checkpoint, make_samples(), ALONE).features
    assert features is not None
    rng = np.random.default_rng(0)
    seen = features[2] + distance + rng.normal(0, 0.1, (50, features.shape[1]))
    calibration = Calibration(unknown_threshold=0.1, novelty_weight=2.0, bias=2.0)
    return replace(checkpoint, novelty=Novelty("imu", seen.astype(np.float32)), calibration=calibration)


def test_what_is_far_from_the_training_data_is_unknown_however_probable(checkpoint: Checkpoint) -> None:
    near, far = (decide(knowing(checkpoint, distance), make_samples(), ALONE) for distance in (0.0, 1.0))
    assert near.activity != UNKNOWN
    assert (near.novelty, far.activity, far.group) == (pytest.approx(1, abs=0.5), UNKNOWN, UNKNOWN)
    assert far.novelty > 3
    assert far.activity_confidence < 0.01 < near.activity_confidence
    np.testing.assert_array_equal(far.activity_probabilities, near.activity_probabilities)


def test_beside_other_sensors_and_without_the_modality_the_novelty_is_not_known(checkpoint: Checkpoint) -> None:
    for without in ((), ("imu",)):
        decision = decide(knowing(checkpoint, 1.0), make_samples(), without)
        assert np.isnan(decision.novelty)
        assert decision.activity != UNKNOWN
    plain = decide(checkpoint, make_samples(), ALONE)
    assert np.isnan(plain.novelty)
    assert plain.activity_confidence == pytest.approx(plain.probability)
    assert plain.group_confidence == pytest.approx(plain.group_probabilities.max())


def test_a_low_probability_is_unknown_and_the_distribution_still_there(checkpoint: Checkpoint) -> None:
    decision = decide(checkpoint, make_samples(), unknown_threshold=0.999)
    assert decision.activity == decision.group == UNKNOWN
    assert decision.activity_probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert decide(checkpoint, make_samples(), unknown_threshold=0.0).activity != UNKNOWN


def test_after_clear_nothing_of_the_last_recording_is_left(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint, RecognizerSettings(smoothing_s=5.0))
    feed(recognizer, make_samples(seed=1))
    recognizer.recognize(END_NS)
    recognizer.clear()
    assert isinstance(recognizer.recognize(END_NS), NoDecision)
    feed(recognizer, make_samples(seed=2))
    decision = recognizer.recognize(END_NS)
    assert isinstance(decision, Decision)
    assert (
        decision.activity_probabilities.tolist()
        == decide(checkpoint, make_samples(seed=2)).activity_probabilities.tolist()
    )


def test_the_only_person_can_be_dropped_and_begins_anew(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint)
    feed(recognizer, make_samples(seed=1))
    recognizer.drop("")
    assert isinstance(recognizer.recognize(END_NS), NoDecision)
    feed(recognizer, make_samples(seed=2))
    assert str(recognizer.recognize(END_NS)) == str(decide(checkpoint, make_samples(seed=2)))


class KnownHealth(HealthMonitor):
    """Evaluates nothing: health and flags are what the test says."""

    def __init__(self, flagged: str, state: tuple[ModalityHealth, ...] = ()) -> None:
        self._flagged, self.state = {flagged}, state

    @property
    def flagged(self) -> set[str]:
        return self._flagged

    def is_due(self, stamp_ns: int) -> bool:  # noqa: ARG002
        return False


@pytest.mark.parametrize("faulty", ["rgb", "depth", "imu"])
def test_a_modality_that_the_health_model_flags_is_masked_if_that_raises_the_top1_probability(
    checkpoint: Checkpoint, faulty: str
) -> None:
    samples = make_samples()
    with_it, without = decide(checkpoint, samples), decide(checkpoint, samples, (faulty,))
    expected = max(with_it, without, key=lambda decision: decision.activity_probabilities.max())
    recognizer = Recognizer(checkpoint, health=lambda: KnownHealth(faulty))
    feed(recognizer, samples)
    decision = recognizer.recognize(END_NS)
    assert isinstance(decision, Decision)
    assert decision.present.tolist() == expected.present.tolist()
    np.testing.assert_allclose(decision.activity_probabilities, expected.activity_probabilities, atol=1e-6)


@pytest.mark.parametrize(("shown_ms", "fault"), [(0, "silent"), (100, "sparse"), (500, "noisy")])
def test_a_flagged_modality_that_is_absent_is_silent_or_sparse(
    checkpoint: Checkpoint, shown_ms: int, fault: str
) -> None:
    state = (ModalityHealth(0.5), ModalityHealth(0.5), ModalityHealth(3.0, FaultCode.NOISY, START_NS))
    recognizer = Recognizer(checkpoint, health=lambda: KnownHealth("imu", state))
    unplugged_ns = END_NS - (1_000 - shown_ms) * MS
    feed(recognizer, [s for s in make_samples() if s[0] != "imu" or s[1] <= unplugged_ns])
    decision = recognizer.recognize(END_NS)
    assert isinstance(decision, Decision)
    assert decision.faults == ("", "", fault)
    assert decision.health[:2] == state[:2]
    is_told = fault == "noisy"
    assert np.isnan(decision.health[2].score) != is_told
    assert np.isnan(fault_age_s(decision.health[2], END_NS)) != is_told


def stuck(samples: list[Sample], *names: str, from_ns: int = START_NS) -> list[Sample]:
    """The same with sensors that repeat a sample from a time on."""
    held = {name: next(x for n, t, x in samples if n == name and t >= from_ns) for name in names}
    return [(n, t, held[n] if n in held and t >= from_ns else x) for n, t, x in samples]


@pytest.mark.parametrize("faulty", ["rgb", "depth", "imu"])
def test_a_stuck_modality_is_masked_without_a_health_model(checkpoint: Checkpoint, faulty: str) -> None:
    samples = make_samples()
    decision, without = decide(checkpoint, stuck(samples, faulty)), decide(checkpoint, samples, (faulty,))
    index = checkpoint.config.names.index(faulty)
    assert decision.faults == tuple("stuck" if i == index else "" for i in range(3))
    assert [health.fault for health in decision.health] == list(decision.faults)
    assert np.isnan([health.score for health in decision.health]).all()
    assert decision.present.tolist() == without.present.tolist()
    assert decision.activity_probabilities.tolist() == without.activity_probabilities.tolist()
    assert decide(checkpoint, samples).health == ()


def test_if_every_modality_is_stuck_all_are_flagged_and_none_is_masked(checkpoint: Checkpoint) -> None:
    decision = decide(checkpoint, stuck(make_samples(), "rgb", "depth", "imu"))
    assert decision.faults == ("stuck",) * 3
    assert decision.present.all()


def test_a_stuck_modality_takes_part_again_half_a_window_after_it_is_well(checkpoint: Checkpoint) -> None:
    samples = make_samples(end_ns=START_NS + 4_000 * MS)
    first_ns, last_ns = START_NS + 1_200 * MS, START_NS + 2_000 * MS
    failing = [s for s in stuck(samples, "imu", from_ns=first_ns) if s[1] < last_ns]
    failing += [s for s in samples if s[1] >= last_ns]
    recognizer, ages, fed_ns = Recognizer(checkpoint), {}, 0
    for end_ns in range(START_NS + 1_000 * MS, START_NS + 4_000 * MS + 1, 100 * MS):
        feed(recognizer, [s for s in failing if fed_ns < s[1] <= end_ns])
        fed_ns = end_ns
        decision = recognizer.recognize(end_ns)
        assert isinstance(decision, Decision)
        assert decision.present[2] == (decision.faults[2] != "stuck")
        if decision.faults[2]:
            ages[(end_ns - START_NS) // MS] = fault_age_s(decision.health[2], end_ns)
    assert list(ages) == list(range(1_800, 2_500, 100)), (
        "from half a window after the fault's beginning to after its end"
    )
    assert list(ages.values()) == pytest.approx([0.1 * i for i in range(7)])


def test_a_bag_that_loops_gives_the_same_decisions_again(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint)
    samples = make_samples(end_ns=START_NS + 4_000 * MS)
    rounds = []
    for _ in range(2):
        feed(recognizer, samples)
        decision = recognizer.recognize(START_NS + 4_000 * MS)
        assert isinstance(decision, Decision)
        rounds.append(decision.activity_probabilities.tolist())
    assert rounds[0] == rounds[1]


def test_a_sample_that_does_not_fit_is_refused_by_name(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint)
    with pytest.raises(SampleError, match=r"imu: got .*\(3, 3\).*expected .*\(2, 3\)"):
        recognizer.push("imu", START_NS, np.zeros((3, 3)))
    with pytest.raises(SampleError, match=r"no modality 'lidar'; the model has rgb, depth, imu"):
        recognizer.push("lidar", START_NS, np.zeros((2, 3)))


def test_warming_up_leaves_no_trace(checkpoint: Checkpoint) -> None:
    recognizer = Recognizer(checkpoint)
    recognizer.warm_up()
    assert isinstance(recognizer.recognize(END_NS), NoDecision)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"min_coverage": (0.0,)}, "min_coverage is [0.0]"),
        ({"min_coverage": 1.5}, "min_coverage is [1.5]"),
        ({"min_coverage": np.full((1, 2), 0.5)}, "min_coverage is [[0.5, 0.5]]"),
        ({"min_coverage": ()}, "min_coverage is []"),
        ({"unknown_threshold": 1.5}, "unknown_threshold is 1.5"),
        ({"smoothing_s": -1.0}, "smoothing_s is -1.0"),
        ({"hysteresis": 1.0}, "hysteresis is 1.0"),
    ],
)
def test_impossible_settings_are_quoted(values: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        RecognizerSettings(**values)  # type: ignore[arg-type]
    assert text in str(caught.value)


def as_recording(samples: list[Sample]) -> dict[str, tuple[np.ndarray, list[np.ndarray]]]:
    """Stamps and samples of each modality."""
    return {
        name: (np.array([t for n, t, _ in samples if n == name]), [x for n, _, x in samples if n == name])
        for name in dict.fromkeys(name for name, _, _ in samples)
    }


def test_a_recording_is_classified_as_a_stream_is_and_leaves_the_stream_alone(checkpoint: Checkpoint) -> None:
    samples = make_samples()
    streamed = decide(checkpoint, samples)
    recognizer = Recognizer(checkpoint)
    feed(recognizer, make_samples(seed=1))
    before = recognizer.recognize(END_NS)
    decision = recognizer.classify(as_recording(samples))
    assert decision.stamp_ns == END_NS
    assert str(decision) == str(streamed)
    np.testing.assert_array_equal(decision.activity_probabilities, streamed.activity_probabilities)
    assert decision.probability == streamed.activity_probabilities.max()
    assert list(decision.attention) == ["rgb", "depth", "imu"]
    assert sum(decision.attention.values()) == pytest.approx(1)
    assert str(recognizer.recognize(END_NS)) == str(before)
    alone = recognizer.classify({"imu": as_recording(samples)["imu"]})
    assert alone.attention == {"rgb": 0, "depth": 0, "imu": 1}


def test_a_recording_is_classified_by_its_newest_samples_also_after_a_gap_and_with_a_backlog(
    checkpoint: Checkpoint,
) -> None:
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, window_s=2.0))
    samples = [s for s in make_samples() if not START_NS < s[1] < START_NS + 1_200 * MS]
    encode = MagicMock(wraps=Eager(checkpoint.model).encode)
    backend = MagicMock(encode=encode, decide=Eager(checkpoint.model).decide)
    recognizer = Recognizer(checkpoint, RecognizerSettings(min_coverage=(0.1,), backlog=1), backend)
    decision = recognizer.classify(as_recording(samples))
    assert decision.ages_s.tolist() == [0, 0, 0]
    assert decision.coverage[:2] == pytest.approx(5 / 20)
    assert [len(call.args[1]) for call in encode.call_args_list] == [5, 5]


IMU = np.zeros((3, 2, 3))


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        ({"sonar": ([1], IMU[:1])}, "no modality 'sonar'; the model has rgb, depth, imu"),
        ({"imu": ([1, 2, 3], np.zeros((3, 6)))}, r"imu: got float64 of shape \(6,\); expected .*\(2, 3\)"),
        ({"imu": ([1, 2], IMU)}, r"imu: stamps of shape \(2,\) for 3 samples; expected one for each"),
        ({"imu": ([0.1, 0.2, 0.3], IMU)}, r"imu: stamps are float64; expected whole nanoseconds, \(seconds \* 1e9\)"),
        ({"imu": ([5, 9, 9], IMU)}, "imu: stamp number 2 is 9 ns; stamps must be positive and increasing"),
        ({"imu": ([0, 9, 10], IMU)}, "imu: stamp number 0 is 0 ns"),
        ({"imu": ([1, 2, 3], IMU)}, r"no modality has enough samples .*imu 2% of 25%"),
        ({"imu": ([], [])}, "no modality has enough samples"),
        ({}, "no modality has enough samples"),
    ],
)
def test_a_recording_that_cannot_be_classified_is_refused_by_value(
    checkpoint: Checkpoint, recording: dict[str, tuple[list[int], np.ndarray]], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Recognizer(checkpoint).classify(recording)
