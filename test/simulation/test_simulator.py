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

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.failures import KINDS, FaultInjector, kinds_for
from mumu_ros.simulation import ACTIVITIES, GROUP_OF, GROUPS, SENSORS, STREAMS, Simulator, parse_fault
from mumu_ros.simulation.performance import Performance, Segment, draw_schedule
from mumu_ros.simulation.subject import Subject

SMALL = (48, 64)


def _bytes(**options):
    simulator = Simulator(seconds=1.2, image_size=SMALL, **options)
    return [(sample.stream, sample.stamp_ns, sample.data.tobytes()) for sample in simulator.samples()]


def test_equal_arguments_give_equal_bytes():
    assert _bytes(seed=3, subject=4) == _bytes(seed=3, subject=4)


def test_samples_can_be_read_twice():
    simulator = Simulator(seed=0, seconds=1, image_size=SMALL)
    first, second = ([sample.data.tobytes() for sample in simulator.samples()] for _ in range(2))
    assert first == second


def test_seed_changes_the_performance_and_subject_the_person():
    reference = Simulator(seed=3, subject=4, seconds=30, image_size=SMALL)
    other_seed = Simulator(seed=5, subject=4, seconds=30, image_size=SMALL)
    other_subject = Simulator(seed=3, subject=6, seconds=30, image_size=SMALL)
    assert np.array_equal(reference.camera.position, other_seed.camera.position)
    assert reference.segments != other_seed.segments
    assert not np.array_equal(reference.camera.position, other_subject.camera.position)
    assert _bytes(seed=3, subject=4) != _bytes(seed=5, subject=4)


def test_data_are_what_the_streams_declare(record):
    streams = record()
    assert set(streams) == {stream.name for stream in STREAMS}
    expected = {"rgb": ((*SMALL, 3), np.uint8), "depth": (SMALL, np.uint16), "imu": ((2, 3), np.float64)}
    for stream in STREAMS:
        shape, dtype = expected[stream.kind]
        for sample in streams[stream.name]:
            assert (sample.data.shape, sample.data.dtype) == (shape, dtype)


@pytest.mark.parametrize("seconds", [0.3, 2.0, 2.45])
def test_streams_keep_time_order_and_rate(seconds):
    simulator = Simulator(seed=1, seconds=seconds, image_size=SMALL, start_ns=5_000_000_000)
    samples = list(simulator.samples())
    stamps = [sample.stamp_ns for sample in samples]
    assert stamps == sorted(stamps)
    assert stamps[0] >= 5_000_000_000
    assert stamps[-1] < 5_000_000_000 + seconds * 1e9
    for stream in STREAMS:
        own = np.array([sample.stamp_ns for sample in samples if sample.stream == stream.name])
        assert len(own) == pytest.approx(seconds * stream.rate_hz, abs=1)
        periods = np.diff(own) * 1e-9 * stream.rate_hz
        assert np.abs(periods - 1).max() < 0.1
        assert len(np.unique(periods.round(6))) > 1


def test_depth_follows_colour_by_a_few_milliseconds(record):
    streams = record()
    lags = [depth.stamp_ns - rgb.stamp_ns for rgb, depth in zip(streams["rgb"], streams["depth"], strict=True)]
    assert np.mean(lags) == pytest.approx(5e6, abs=1e6)
    assert min(lags) > 0


@settings(max_examples=30, deadline=None)
@given(
    seconds=st.floats(0.5, 300),
    segment_s=st.tuples(st.floats(1, 8), st.floats(0, 4)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    activities=st.none() | st.lists(st.sampled_from(sorted(GROUP_OF)), min_size=1),
    seed=st.integers(0, 2**31),
)
def test_segments_cover_the_time_without_gaps(seconds, segment_s, activities, seed):
    simulator = Simulator(
        seed=seed,
        seconds=seconds,
        segment_s=segment_s,
        activities=activities,
        image_size=(16, 16),
        start_ns=7,
    )
    segments = simulator.segments
    assert segments[0].start_ns == 7
    assert segments[-1].end_ns == pytest.approx(7 + seconds * 1e9, abs=1)
    assert all(a.end_ns == b.start_ns for a, b in pairwise(segments))
    assert all(segment.start_ns < segment.end_ns for segment in segments)
    assert all(segment.group == GROUP_OF[segment.activity] for segment in segments)
    if activities is not None:
        assert all(s.activity == activities[i % len(activities)] for i, s in enumerate(segments))


def test_order_is_balanced_and_never_repeats_at_once():
    seconds = 2 * len(ACTIVITIES) * 5.0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        schedule = draw_schedule(rng, seconds=seconds, start_ns=0, activities=None, segment_s=(5, 5))
        performed = [segment.activity for segment in schedule]
        assert all(performed.count(activity) == 2 for activity in ACTIVITIES)
        assert all(a != b for a, b in pairwise(performed))


@settings(max_examples=30, deadline=None)
@given(
    lengths_s=st.lists(st.floats(0.1, 1.5), min_size=2, max_size=6),
    activities=st.lists(st.sampled_from(sorted(GROUP_OF)), min_size=6, max_size=6),
    seed=st.integers(0, 999),
)
def test_the_body_does_not_jump_however_short_an_activity_is(lengths_s, activities, seed):
    """Segments are stretched to fill the time, so some are shorter than was asked for."""
    edges_s = np.concatenate(((0.0,), np.cumsum(lengths_s)))
    segments = [
        Segment(round(a * 1e9), round(b * 1e9), GROUP_OF[activity], activity)
        for (a, b), activity in zip(pairwise(edges_s), activities, strict=False)
    ]
    rng = np.random.default_rng(seed)
    performance = Performance(Subject.draw(rng), segments, rng)
    for described in (performance.angles, performance.vibration):
        before, after = (described(edges_s[1:-1] + moment_s) for moment_s in (-1e-7, 1e-7))
        np.testing.assert_allclose(before, after, atol=1e-3)


def _keep(samples, faults):
    start = 1_000
    return [
        (sample.stream, sample.stamp_ns, sample.data.tobytes())
        for sample in samples
        if not any(
            sample.stream in fault.streams and fault.start_s * 1e9 <= sample.stamp_ns - start < fault.end_s * 1e9
            for fault in faults
        )
    ]


@pytest.mark.parametrize(
    "faults",
    [
        ("imu:0.35-1.2",),
        ("camera:0.5-1", "imu_belt:0-0.25"),
        ("depth:0-9",),
    ],
)
def test_a_fault_silences_its_streams_and_changes_nothing_else(faults):
    faults = [parse_fault(text) for text in faults]
    options = {"seed": 8, "seconds": 1.5, "image_size": SMALL, "start_ns": 1_000}
    whole = list(Simulator(**options).samples())
    faulty = list(Simulator(**options, faults=faults).samples())
    assert _keep(faulty, ()) == _keep(whole, faults)
    assert len(faulty) < len(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_sensor_fails_in_its_time_and_the_others_do_not(kind):
    options = {"seed": 8, "seconds": 1.5, "image_size": SMALL, "start_ns": 1_000}
    target = "imu" if kind in kinds_for("vector") else "camera"
    fault = parse_fault(f"{target}:{kind}:0.5-1.25")
    whole = list(Simulator(**options).samples())
    simulator = Simulator(**options, faults=[fault])
    faulty = list(simulator.samples())
    assert _keep(faulty, [fault]) == _keep(whole, [fault])
    assert _keep(faulty, ()) != _keep(whole, ())
    assert _keep(faulty, ()) == _keep(simulator.samples(), ()), "the same each time"


def test_an_injected_failure_is_the_librarys():
    """Second by second or at once."""
    options = {"seed": 3, "seconds": 2.5, "image_size": SMALL, "start_ns": 1_000}
    fault = parse_fault("imu_wrist:drift:0.5-2")
    healthy, failing = (
        [sample for sample in Simulator(**options, faults=faults).samples() if sample.stream == "imu_wrist"]
        for faults in ((), [fault])
    )
    stamps_ns, samples = np.array([s.stamp_ns for s in healthy]), np.stack([s.data for s in healthy])
    _, shown = FaultInjector([fault], SENSORS, 1_000, seed=3).show("imu_wrist", stamps_ns, samples)
    np.testing.assert_array_equal(np.stack([s.data for s in failing]), shown)


def test_shipped_taxonomy_is_the_simulators():
    path = Path(__file__).parents[2] / "config" / "taxonomies" / "sim.yaml"
    taxonomy = yaml.safe_load(path.read_text())
    assert taxonomy == {
        "name": "sim",
        "groups": {name: list(activities) for name, activities in GROUPS.items()},
    }
    assert list(taxonomy["groups"]) == list(GROUPS)


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        ({"seconds": 0.0}, "0.0"),
        ({"seconds": float("nan")}, "nan"),
        ({"seed": -1}, "-1"),
        ({"subject": -7}, "-7"),
        ({"image_size": (240, 3)}, r"\(240, 3\)"),
        ({"image_size": (16, 129)}, r"\(16, 129\).*at most 8 times the height"),
        ({"segment_s": (5.0, 4.0)}, r"\(5.0, 4.0\)"),
        ({"segment_s": (0.6, 4.0)}, r"\(0.6, 4.0\); expected 0.7 <= shortest"),
        ({"segment_s": (1.0, float("inf"))}, r"\(1.0, inf\)"),
        ({"activities": ()}, "at least one"),
        ({"activities": ("wave", "moonwalk")}, "'moonwalk'.*stop_sign"),
    ],
)
def test_nonsense_is_refused_with_its_value(options, quoted):
    with pytest.raises(ValueError, match=quoted):
        Simulator(**{"seed": 0, "seconds": 1.0, **options})
