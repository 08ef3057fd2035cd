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

"""A person in the simulation: body, performance and, where it walks about, its way."""

from collections.abc import Sequence

from mumu_ros.simulation.body import Array, Pose, channel
from mumu_ros.simulation.figure import Shapes, figure_shapes
from mumu_ros.simulation.performance import Performance, Segment
from mumu_ros.simulation.subject import Subject
from mumu_ros.simulation.way import Way

__all__ = ["Actor"]


class Actor:
    """One person. Times are seconds since the simulation's start, in any order.

    Attributes:
        body_id: The true id; empty for the only person of a simulation without a furnished room.
        subject: Body, looks and sensors.
        performance: The movements.
        segments: What it does when, as long as it is about.
    """

    def __init__(
        self,
        body_id: str,
        subject: Subject,
        performance: Performance,
        segments: Sequence[Segment],
        way: Way | None = None,
    ) -> None:
        self.body_id = body_id
        self.subject = subject
        self.performance = performance
        self.segments = tuple(segments)
        self._way = way

    def pose(self, time_s: Array) -> Pose:
        """The body."""
        angles = self.performance.angles(time_s)
        if self._way is not None:
            angles[:, [channel("x"), channel("y")]] += self._way.position(time_s)
            angles[:, channel("yaw")] += self._way.heading(time_s)
        return self.subject.skeleton.pose(angles)

    def shapes(self, time_s: Array) -> Shapes:
        """What there is to draw."""
        held = self.performance.held_objects(time_s)
        if self._way is not None:
            held = ["stool" if sits else name for name, sits in zip(held, self.performance.sits(time_s), strict=True)]
        return figure_shapes(self.pose(time_s), self.subject.looks, held)
