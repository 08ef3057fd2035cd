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

"""Several people at once: their activities and paths."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mumu_ros.simulation.actor import Actor
from mumu_ros.simulation.performance import Performance, Segment, activity_order
from mumu_ros.simulation.simulated_activities import GROUP_OF
from mumu_ros.simulation.subject import Subject
from mumu_ros.simulation.way import Stage, Way, draw_way

__all__ = ["MAX_PEOPLE", "draw_crowd"]

MAX_PEOPLE = 6
_WALK = "walk"
_ABSENT = "stand"
"""What the body of somebody does who waits out of view."""


def draw_crowd(
    count: int,
    stage: Stage,
    *,
    subject: int,
    rng: Callable[..., np.random.Generator],
    seconds: float,
    start_ns: int,
    activities: Sequence[str] | None,
    segment_s: tuple[float, float],
) -> tuple[Actor, ...]:
    """People who perform activities on a stage, walk from place to place, and at times out of view and back.

    `rng(purpose, …)` gives the source of one part of the performance; without `activities` each has a random order.
    """
    actors: list[Actor] = []
    ways: list[Way] = []
    for index in range(count):
        who = (subject, 0, index) if index else (subject, 0)
        person = Subject.draw(np.random.default_rng(who))
        ways.append(draw_way(rng(3, index), stage, ways, seconds=seconds, stay_s=segment_s))
        steps = list(_steps(ways[-1], activity_order(rng(0, index), activities)))
        performed = [Segment(*_ns(start_ns, a, b), GROUP_OF[activity], activity) for a, b, activity, _ in steps]
        segments = [
            Segment(*_ns(start_ns, a, min(b, seconds)), GROUP_OF[activity], activity)
            for a, b, activity, is_there in steps
            if is_there and a < seconds
        ]
        performance = Performance(person, performed, rng(1, index))
        actors.append(Actor(f"sim{index + 1:02d}", person, performance, segments, ways[-1]))
    return tuple(actors)


def _steps(way: Way, order: Iterator[str]) -> Iterator[tuple[float, float, str, bool]]:
    """(start, end, activity, whether it is performed in view) of every stop and of every walk."""
    for stop, following in zip(way.stops, (*way.stops[1:], None), strict=True):
        yield stop.arrive_s, stop.leave_s, next(order) if stop.is_inside else _ABSENT, stop.is_inside
        if following is not None:
            yield stop.leave_s, following.arrive_s, _WALK, True


def _ns(start_ns: int, first_s: float, last_s: float) -> tuple[int, int]:
    return start_ns + round(first_s * 1e9), start_ns + round(last_s * 1e9)
