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

"""Faults are written down in one notation; ordered together, each changes its own streams at its own time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.failures import KINDS, Failure, Fault, FaultInjector, Injector, find_streams, kinds_for, parse_fault

SENSORS = {"rgb": "rgb", "depth": "depth", "imu_wrist": "vector", "imu_belt": "vector"}
NS = 1_000_000_000
IMU = ("imu_wrist", "imu_belt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("imu:10-20", Fault("imu", IMU, Failure("dropout"), 10, 20)),
        ("imu_wrist:stuck:12-20", Fault("imu_wrist", ("imu_wrist",), Failure("stuck"), 12, 20)),
        ("imu:noise=2:5-15.5", Fault("imu", IMU, Failure("noise", 2.0), 5, 15.5)),
        ("camera:black:10-20", Fault("camera", ("rgb", "depth"), Failure("black"), 10, 20)),
        ("depth+imu_belt:shift=0.2", Fault("depth+imu_belt", ("depth", "imu_belt"), Failure("shift", 0.2))),
        ("rgb:dropout", Fault("rgb", ("rgb",), Failure("dropout"))),
    ],
)
def test_the_notation(text: str, expected: Fault) -> None:
    assert parse_fault(text, SENSORS) == expected


@given(
    st.sampled_from(["camera", "imu", *SENSORS]),
    st.sampled_from(list(KINDS)),
    st.none() | st.tuples(st.integers(0, 400), st.integers(1, 400)),
)
def test_what_is_written_is_read_again(target: str, kind: str, interval: tuple[int, int] | None) -> None:
    streams = find_streams(target, SENSORS)
    if any(kind not in kinds_for(SENSORS[stream]) for stream in streams):
        return
    times = () if interval is None else (interval[0] / 4, sum(interval) / 4)
    fault = Fault(target, streams, Failure(kind), *times)
    assert parse_fault(str(fault), SENSORS) == fault


@pytest.mark.parametrize("text", ["imu", "imu:10", "imu:a-b", "imu:10-", "imu:-5-10", "10-20", "imu:1:2", "", "imu::"])
def test_a_wrong_notation_is_quoted_and_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not TARGET\[:KIND\[=AMOUNT\]\]\[:START-END\]") as caught:
        parse_fault(text, SENSORS)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lidar:1-2",
            "'lidar' is no stream and no device; expected one of camera, imu, rgb, depth, imu_wrist, imu_belt",
        ),
        ("imu:fog:1-2", "failure 'fog' is unknown; expected one of dropout, half_rate, stuck"),
        (
            "imu:black",
            "black does not apply to imu_wrist .vector.; expected one of dropout, half_rate, stuck, saturation",
        ),
        ("camera:stuck", "stuck does not apply to rgb .rgb.; expected one of .*frozen, black"),
        ("imu:noise=loud", "'loud' is no number"),
        ("imu:noise=", "'' is no number"),
        ("imu:noise=-1", "expected a number above 0"),
        ("imu:20-10", "empty"),
        ("imu:stuck:5-5", "empty"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_quoted_and_what_fits_is_listed(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_fault(text, SENSORS)
    assert repr(text) in str(caught.value)


def test_each_fault_changes_its_own_streams_at_its_own_time(make_stream) -> None:
    stamps_ns, samples = make_stream("vector", 100)
    start_ns = int(stamps_ns[0])
    faults = [parse_fault(text, SENSORS) for text in ("imu_wrist:bias=4:2-6", "imu_wrist:5-6", "imu_belt:half_rate")]
    together = FaultInjector(faults, SENSORS, start_ns)
    arrived_ns = together.arrive("imu_wrist", stamps_ns)
    seconds = (stamps_ns - start_ns) / NS
    np.testing.assert_array_equal(arrived_ns, stamps_ns[(seconds < 5) | (seconds >= 6)])
    there = np.isin(stamps_ns, arrived_ns)
    _, shown = together.show("imu_wrist", arrived_ns, samples[there])
    changed = (shown != samples[there]).all(axis=(1, 2))
    np.testing.assert_array_equal(changed, ((seconds >= 2) & (seconds < 5))[there])
    assert len(together.arrive("imu_belt", stamps_ns)) == 50
    assert together.arrive("rgb", stamps_ns) is stamps_ns


def test_what_drops_out_together_drops_out_at_the_same_time() -> None:
    fault = parse_fault("camera:dropout=0.5", SENSORS)
    together = FaultInjector([fault], SENSORS, 0)
    stamps_ns = np.arange(0, 200 * NS, NS)
    gone = together.arrive("rgb", stamps_ns)
    np.testing.assert_array_equal(gone, together.arrive("depth", stamps_ns))
    assert 40 < len(gone) < 160


def test_faults_after_one_another_act_on_what_the_one_before_left(make_stream) -> None:
    stamps_ns, samples = make_stream("vector", 30)
    faults = [Fault("imu_belt", ("imu_belt",), Failure(kind)) for kind in ("stuck", "noise")]
    spoiled = FaultInjector(faults, SENSORS, 0).show("imu_belt", stamps_ns, samples)[1]
    stuck = Injector(Failure("stuck"), "vector").apply(stamps_ns, samples)[1]
    np.testing.assert_array_equal(spoiled, stuck, "what is stuck does not vary: its noise is none")
    assert math.isinf(faults[0].end_s)
