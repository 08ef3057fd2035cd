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

"""One performance: which activities when, and the body's movement through all of them."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mumu_ros.simulation.activities import HELD_OBJECT, activity_angles
from mumu_ros.simulation.body import CHANNELS, Array
from mumu_ros.simulation.manner import Manner, Move
from mumu_ros.simulation.simulated_activities import ACTIVITIES, GROUP_OF
from mumu_ros.simulation.subject import Subject
from mumu_ros.simulation.vibration import vibration

__all__ = ["BODY_BLEND_S", "Performance", "Segment", "activity_order", "draw_schedule", "smooth_step"]

_ARMS_BLEND_S = 0.4
BODY_BLEND_S = 0.7
"""How long the body takes from one activity to the next."""
_BLEND_S: Array = np.array(
    [
        _ARMS_BLEND_S
        if name.startswith(("dominant_", "off_", "head")) and "hip" not in name and "knee" not in name
        else BODY_BLEND_S
        for name in CHANNELS
    ]
)


@dataclass(frozen=True)
class Segment:
    """An activity's interval [start_ns, end_ns); the transition into it lies inside its beginning."""

    start_ns: int
    end_ns: int
    group: str
    activity: str


def draw_schedule(
    rng: np.random.Generator,
    *,
    seconds: float,
    start_ns: int,
    activities: Sequence[str] | None,
    segment_s: tuple[float, float],
) -> tuple[Segment, ...]:
    """Segments that cover [start_ns, start_ns + seconds) without gaps.

    Durations are drawn from `segment_s` and then stretched by a common factor so that they fill `seconds`. Activities
    are played over and over; without them the order is random, and each occurs before any occurs again.
    """
    count = max(1, round(seconds / (sum(segment_s) / 2)))
    durations = rng.uniform(*segment_s, count)
    edges_s = np.concatenate(((0.0,), np.cumsum(durations))) * (seconds / durations.sum())
    edges_ns = [start_ns + round(edge * 1e9) for edge in edges_s]
    order = activity_order(rng, activities)
    return tuple(
        Segment(start, end, GROUP_OF[activity], activity)
        for start, end, activity in zip(edges_ns[:-1], edges_ns[1:], order, strict=False)
    )


def activity_order(rng: np.random.Generator, activities: Sequence[str] | None) -> Iterator[str]:
    """A script over and over, or all activities in a random order in which each occurs before any occurs again."""
    return _shuffled(rng) if activities is None else itertools.cycle(activities)


def _shuffled(rng: np.random.Generator) -> Iterator[str]:
    last = ""
    while True:
        deck = [str(activity) for activity in rng.permutation(ACTIVITIES)]
        if deck[0] == last:
            deck.append(deck.pop(0))
        yield from deck
        last = deck[-1]


class Performance:
    """A subject going through segments.

    Times are seconds since the first segment's start, in any order.
    """

    def __init__(self, subject: Subject, segments: Sequence[Segment], rng: np.random.Generator) -> None:
        start_ns = segments[0].start_ns
        self._starts_s: Array = np.array([(segment.start_ns - start_ns) / 1e9 for segment in segments])
        self._lengths_s: Array = np.diff(self._starts_s, append=np.inf)
        self._activities = [segment.activity for segment in segments]
        # The manner does not depend on the activity: activities that look the same look exactly the same.
        self._manners = [
            replace(manner, tempo=manner.tempo * subject.tempo, amplitude=manner.amplitude * subject.amplitude)
            for manner in (Manner.draw(rng) for _ in segments)
        ]

    def angles(self, time_s: Array) -> Array:
        """(T, len(CHANNELS)) joint angles."""
        return self._blended(activity_angles, time_s, _BLEND_S)

    def vibration(self, time_s: Array) -> Array:
        """(T, 3, 3) vibration of wrist and belt, as `vibration` gives it."""
        return self._blended(vibration, time_s, np.full((3, 3), _ARMS_BLEND_S))

    def held_objects(self, time_s: Array) -> list[str | None]:
        """What is in the hands at each time; it changes halfway through a transition."""
        return [HELD_OBJECT.get(self._activities[i]) for i in self._indices(time_s - _ARMS_BLEND_S / 2)]

    def sits(self, time_s: Array) -> list[bool]:
        """Whether something to sit on is needed: also while the person is getting up."""
        now, before = self._indices(time_s), self._indices(time_s - BODY_BLEND_S / 2)
        return ["sit" in (self._activities[i], self._activities[j]) for i, j in zip(now, before, strict=True)]

    def _indices(self, time_s: Array) -> npt.NDArray[np.intp]:
        return np.maximum(np.searchsorted(self._starts_s, time_s, side="right") - 1, 0)

    def _blended(self, describe: Callable[[str, Move], Array], time_s: Array, blend_s: Array) -> Array:
        """What `describe` says of the activity at each time, passing smoothly from one activity to the next."""
        result = np.empty((len(time_s), *blend_s.shape))
        indices = self._indices(time_s)
        for index in np.unique(indices).tolist():
            chosen = indices == index
            values = describe(self._activities[index], self._move(index, time_s[chosen]))
            since_s = time_s[chosen] - self._starts_s[index]
            passing_s = np.minimum(blend_s, self._lengths_s[index])
            if index and since_s.min() < passing_s.max():
                before = describe(self._activities[index - 1], self._move(index - 1, time_s[chosen]))
                values = before + smooth_step(np.divide.outer(since_s, passing_s)) * (values - before)
            result[chosen] = values
        return result

    def _move(self, index: int, time_s: Array) -> Move:
        return Move(time_s - self._starts_s[index], self._manners[index])


def smooth_step(fraction: Array) -> Array:
    """0 to 1 over [0, 1] with continuous acceleration (minimum jerk, Flash and Hogan 1985)."""
    x = np.clip(fraction, 0.0, 1.0)
    return x**3 * (10 + x * (6 * x - 15))
