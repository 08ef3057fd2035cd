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

"""What is known of a stream's shortest period is of late: one irregular step does not count for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.streams import RateSampler, Synchronizer
from mumu_ros.streams.shortest_step import ShortestStep


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=500))
def test_it_is_the_shortest_of_the_last_100_to_200_steps(steps: list[int]) -> None:
    shortest = ShortestStep()
    for step in steps:
        shortest.note(step)
    assert min(steps[-200:]) <= shortest.ns <= min(steps[-100:])


@pytest.mark.parametrize("rate_hz", [15, 30])
def test_after_two_frames_close_together_sets_leave_as_soon_as_before(traffic: Any, rate_hz: float) -> None:
    """Depth 3 ms before colour; as of a driver that stamps on arrival and was held up once."""
    messages = traffic.merge(
        traffic.stream("rgb", rate_hz, 40), traffic.stream("depth", rate_hz, 40, offset_ms=-3, delay_ms=0)
    )
    double = messages[40]
    messages.insert(41, type(double)(double.arrival_ns, double.stream, double.stamp_ns + 2 * traffic.MS))
    synchronizer = Synchronizer(["rgb", "depth"])
    completed_by = [m.stream for m in messages if synchronizer.add(m.stream, m.stamp_ns, None, m.arrival_ns)]
    assert set(completed_by[-200:]) == {"rgb"}


def test_after_two_frames_close_together_the_nearest_to_the_due_time_are_chosen_again(traffic: Any) -> None:
    """A camera of 29 Hz, every third or so of which is nearest when it comes before its due time."""
    stamps = [traffic.START_NS + round(k * 1e9 / 29) for k in range(1000)]
    regular, irregular = RateSampler(100 * traffic.MS), RateSampler(100 * traffic.MS)
    expected = [stamp for stamp in stamps if regular.accept(stamp)]
    chosen = [stamp for stamp in sorted([*stamps, stamps[10] + traffic.MS]) if irregular.accept(stamp)]
    assert chosen[-60:] == expected[-60:]
