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

"""Acceleration and angular velocity of two topics as one stream, whatever the order in which they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.conversions import array_to_imu, imu_to_array, time_to_ns
from mumu_ros.pipeline.imu_pair import ImuPair, PairedImu
from mumu_ros.recordings.typestore import BagTypes

TYPES = BagTypes()
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


def acceleration_at(ms: float) -> np.ndarray:
    return np.array((1.0, 2.0, 9.81)) + ms * np.array((1e-2, -2e-2, 1e-3))


def turning_at(ms: float) -> np.ndarray:
    return np.array((0.1, 0.2, ms * 1e-3))


def add(pair: ImuPair, ms: int, is_acceleration: bool, start_ns: int = START_NS) -> list[PairedImu]:
    """A message as a RealSense publishes it: the other half is zero."""
    sample = np.zeros((2, 3))
    sample[0 if is_acceleration else 1] = acceleration_at(ms) if is_acceleration else turning_at(ms)
    message = array_to_imu(sample, start_ns + ms * MS, "imu", TYPES)
    return pair.add_acceleration(message) if is_acceleration else pair.add_angular_velocity(message)


def milliseconds(paired: list[PairedImu]) -> list[int]:
    return [(time_to_ns(p.header.stamp) - START_NS) // MS for p in paired]


@settings(max_examples=30)
@given(
    slow=st.integers(3, 40),
    fast=st.integers(2, 10),
    delays=st.lists(st.integers(0, 60), min_size=4, max_size=4),
)
def test_every_angular_velocity_gets_the_acceleration_at_its_stamp_once(
    slow: int, fast: int, delays: list[int]
) -> None:
    """Each topic comes in order, and one may come later than the other."""
    messages = [(ms + delays[0], ms, True) for ms in range(0, 500, slow)]
    messages += [(ms + delays[1], ms, False) for ms in range(delays[2] % fast, 500, fast)]
    pair = ImuPair()
    paired = [p for _, ms, is_acceleration in sorted(messages) for p in add(pair, ms, is_acceleration)]
    last = (499 // slow) * slow
    assert milliseconds(paired) == [ms for ms in range(delays[2] % fast, 500, fast) if ms <= last]
    expected = [(acceleration_at(ms), turning_at(ms)) for ms in milliseconds(paired)]
    np.testing.assert_allclose([imu_to_array(p) for p in paired], expected, atol=1e-9)


def test_nothing_is_invented_across_a_gap() -> None:
    pair = ImuPair()
    add(pair, 0, True)
    for ms in (10, 150, 295):
        assert add(pair, ms, False) == []
    assert add(pair, 290, True) == []
    assert milliseconds(add(pair, 300, True)) == [295]


@pytest.mark.parametrize("first", [True, False])
def test_it_goes_on_after_time_has_jumped_back(first: bool) -> None:
    pair = ImuPair()
    for ms in range(5000, 5100, 5):
        add(pair, ms, True)
        add(pair, ms + 2, False)
    paired = [p for ms in range(0, 100, 5) for half in (first, not first) for p in add(pair, ms, half)]
    assert milliseconds(paired)[-10:] == list(range(50, 100, 5))
