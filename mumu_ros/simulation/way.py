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

"""Walking about: from place to place over the stage and out of view, and past each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mumu_ros.simulation.body import Array
from mumu_ros.simulation.performance import smooth_step
from mumu_ros.simulation.scene import Camera

__all__ = ["Stage", "Stop", "Way", "draw_way"]

_SPEED = 0.8
"""Mean of a walk, metres per second: it begins and ends at rest."""
_SHORTEST_WALK_S = 1.2
_TURN_S = 0.7
_LEAVES = 0.25
"""How often a walk goes out of view."""
_OUTSIDE_S = (1.0, 5.0)
_MARGIN_M = 0.45
_MARGIN = 0.45
"""How far from the picture's edge people stand, and of a narrow view at most which share of its width."""
_CLEARANCE_M = 0.6
_ATTEMPTS = 60
_DETOURS = 30
"""How often at most a stop is drawn anew because the next one cannot be reached without running into somebody."""
_STEP_S = 0.2


@dataclass(frozen=True)
class Stage:
    """Where people are: a strip of the floor that the camera sees from one side to the other.

    Attributes:
        x: Its far and its near edge, metres in the world.
        slopes: How far the picture's left and right edge are from the camera's y, for each metre before the camera.
        camera: x and y of the camera.
    """

    x: tuple[float, float]
    slopes: tuple[float, float]
    camera: tuple[float, float]

    @classmethod
    def before(cls, camera: Camera) -> "Stage":
        """The stage of a camera that overlooks it."""
        left, right = camera.rays()[camera.size[0] // 2, (0, -1)]
        slopes = (float(left[1] / -left[0]), float(right[1] / -right[0]))
        return cls((-1.7, 0.8), slopes, (float(camera.position[0]), float(camera.position[1])))

    @property
    def floor(self) -> Array:
        """(2, 2) corners (x, y) of the floor that is used, to the camera and behind it."""
        left, right = (self._edge(self.x[0], side) for side in (0, 1))
        return np.array(((self.x[0] - 0.4, left - 1.0), (self.camera[0] + 0.4, right + 1.0)))

    def place(self, rng: np.random.Generator, *, inside: bool) -> Array:
        """(2,) A random place in view, or beside the view."""
        x = rng.uniform(*self.x)
        left, right = self._edge(x, 0), self._edge(x, 1)
        if inside:
            margin = min(_MARGIN_M, _MARGIN * (right - left))
            return np.array((x, rng.uniform(left + margin, right - margin)))
        return np.array((x, left - 0.7 if rng.random() < 0.5 else right + 0.7))

    def _edge(self, x: float, side: int) -> float:
        return self.camera[1] + self.slopes[side] * (self.camera[0] - x)


@dataclass(frozen=True, eq=False)
class Stop:
    """Where somebody stands from one time to another.

    Attributes:
        place: (2,) metres.
        arrive_s: Since when.
        leave_s: Until when.
        is_inside: Whether it is in view.
    """

    place: Array
    arrive_s: float
    leave_s: float
    is_inside: bool


class Way:
    """Stops and the walks between them. Times are seconds since the simulation's start, in any order."""

    def __init__(self, stops: Sequence[Stop]) -> None:
        self.stops = tuple(stops)
        self._places: Array = np.array([stop.place for stop in stops])
        self._arrive_s: Array = np.array([stop.arrive_s for stop in stops])
        self._leave_s: Array = np.array([stop.leave_s for stop in stops])

    def position(self, time_s: Array) -> Array:
        """(T, 2) place on the floor."""
        index, to, share = self._walk(time_s)
        start = self._places[index]
        return np.asarray(start + smooth_step(share)[:, None] * (self._places[to] - start))

    def heading(self, time_s: Array) -> Array:
        """(T,) radians from facing the camera: where a walk leads to, and back to the camera at its end."""
        index, to, _ = self._walk(time_s)
        x, y = (self._places[to] - self._places[index]).T
        turned = smooth_step((time_s - self._leave_s[index]) / _TURN_S)
        back = smooth_step((self._arrive_s[to] - time_s) / _TURN_S)
        return np.asarray(np.where(to > index, np.arctan2(y, x) * turned * back, 0.0))

    def _walk(self, time_s: Array) -> tuple[Array, Array, Array]:
        """The last stop, the next one and which share of the time from one to the other is over."""
        index = np.maximum(np.searchsorted(self._arrive_s, time_s, side="right") - 1, 0)
        to = np.where(time_s > self._leave_s[index], np.minimum(index + 1, len(self.stops) - 1), index)
        taken = np.maximum(self._arrive_s[to] - self._leave_s[index], 1e-9)
        return index, to, np.clip((time_s - self._leave_s[index]) / taken, 0, 1) * (to > index)


def draw_way(
    rng: np.random.Generator, stage: Stage, others: Sequence[Way], *, seconds: float, stay_s: tuple[float, float]
) -> Way:
    """A random way that keeps clear of everybody else's, as far as there is room."""

    def first() -> Stop:
        return Stop(stage.place(rng, inside=True), 0.0, rng.uniform(*stay_s), True)

    def following() -> Stop:
        place = stage.place(rng, inside=inside)
        arrive_s = here.leave_s + _walking_s(here.place, place)
        return Stop(place, arrive_s, arrive_s + stay, inside)

    stops: list[Stop] = []
    detours = 0
    while not stops or stops[-1].leave_s < seconds:
        if stops:
            here = stops[-1]
            inside = not here.is_inside or rng.random() > _LEAVES
            stay = rng.uniform(*(stay_s if inside else _OUTSIDE_S))
        apart_m, stop = _clearest(following, here, others) if stops else _clearest(first, None, others)
        if apart_m < _CLEARANCE_M and stops and detours < _DETOURS:
            stops.pop()  # somebody comes by whom there is no way around: be somewhere else then
            detours += 1
        else:
            stops.append(stop)
    return Way(stops)


def _walking_s(start: Array, end: Array) -> float:
    return max(_SHORTEST_WALK_S, float(np.linalg.norm(end - start)) / _SPEED)


def _clearest(draw: Callable[[], Stop], here: Stop | None, others: Sequence[Way]) -> tuple[float, Stop]:
    """The first drawn stop that is reached and kept at a distance from everybody, or else the most distant one."""
    drawn: list[tuple[float, Stop]] = []
    while len(drawn) < _ATTEMPTS:
        stop = draw()
        way = Way([stop] if here is None else [here, stop])
        time_s = np.arange(stop.arrive_s if here is None else here.leave_s, stop.leave_s, _STEP_S)
        place = way.position(time_s)
        apart_m = [float(np.linalg.norm(place - other.position(time_s), axis=1).min()) for other in others]
        drawn.append((min(apart_m, default=np.inf), stop))
        if drawn[-1][0] >= _CLEARANCE_M:
            break
    return max(drawn, key=lambda pair: pair[0])
