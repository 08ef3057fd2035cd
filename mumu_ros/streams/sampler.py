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

"""Sampling a stream of frames at a lower rate, by time."""

from __future__ import annotations

from mumu_ros.streams.shortest_step import ShortestStep
from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["RateSampler"]


class RateSampler:
    """Chooses, as they come, the frames nearest to due times one period apart.

    A frame is chosen once no later one can be nearer to the due time, given the shortest period of late, so nothing
    waits for the next frame. Due times accumulate: any camera faster than the rate gives the rate exactly, a slower
    one gives all its frames. After a gap the phase restarts at the first frame.

    Raises:
        ValueError: The period is not positive.
    """

    __slots__ = ("_due_ns", "_newest_ns", "_period_ns", "_shortest")

    def __init__(self, period_ns: int) -> None:
        if period_ns <= 0:
            raise ValueError(f"the sampling period must be positive, not {period_ns} ns")
        self._period_ns = period_ns
        self.reset()

    def reset(self) -> None:
        """Reset: the next frame is chosen and sets the phase."""
        self._due_ns = 0
        self.follow()

    def follow(self) -> None:
        """Continue with another stream's frames: keep the phase, reset the period seen."""
        self._newest_ns = 0
        self._shortest = ShortestStep()

    def accept(self, stamp_ns: int, *, is_rare: bool = False) -> bool:
        """Whether to choose the frame of this stamp. A stamp not after the newest is never chosen.

        A rare frame is also chosen up to a period early. Due times stay as they were, so that the rate is the same.
        """
        step_ns = stamp_ns - self._newest_ns
        if step_ns <= 0:
            return False
        if self._newest_ns:
            self._shortest.note(step_ns)
        self._newest_ns = stamp_ns

        early_ns = self._due_ns - stamp_ns
        tolerance_ns = self._shortest.ns if self._shortest.ns < FOREVER_NS else 0
        if 2 * early_ns > tolerance_ns and not (is_rare and early_ns < self._period_ns):
            return False
        self._due_ns += self._period_ns
        if self._due_ns <= stamp_ns:
            self._due_ns = stamp_ns + self._period_ns
        return True
