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

"""One tracked person: where they were seen, where they may be now, and behind whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.appearance import OTHER_CLOTHES, differences
from mumu_ros.people.landmarks import Pose
from mumu_ros.people.lifting import Body, Lifted
from mumu_ros.people.regions import Region
from mumu_ros.streams import NS_PER_S

__all__ = ["BESIDE", "COAST_S", "FAR_M", "Observation", "Track"]

_MEMORY_NS = 1_200_000_000
"""A person not seen for this long is dropped, and is a new person afterwards."""
_HIDDEN_MEMORY_NS = 10_000_000_000
"""The same for a person seen in `_CONFIRMATIONS` frames whom another one may hide."""
BESIDE = 2.0
"""Distance of two torsos, in lengths of the larger one, at which one may hide the other."""
_FARTHER_M = 0.3
"""A person farther away by this cannot hide another one."""
_CONFIRMATIONS = 3
_SURE_SCORE, _SURE_LANDMARKS = 0.95, 24
"""Somebody with such a score and so many landmarks that are seen (of 33) is a person at once; a thing on a table may
have the one or the other."""
_STRIDE_M, _SPEED_MPS = 0.2, 2.0
"""How much nearer or farther somebody is from one frame to the next, at most, and for each second out of sight."""
COAST_S = 0.7
"""Somebody out of sight is expected to walk on for so long."""
FAR_M, _JUMP_NS = 0.5, 1_000_000_000
"""After such a step the depth may be that of something else, such as the wall behind somebody who is partly hidden: for
this long they may also be where they were before."""
_SPEED_WEIGHT, _FASTEST = 0.4, 6.0
"""In lengths of the torso a second: faster ones are steps from one person to another, or to a part of one."""
_APPEARANCE_RATE, _OTHER_RATE = 0.05, 0.01


@dataclass(frozen=True, eq=False)
class Observation:
    """A pose that is seen in a frame.

    Attributes:
        pose: The pose.
        origin: The track in whose region it was found; None: it was detected.
        appearance: What the person's clothes look like, as `appearance` says; None: they are not seen.
        lifted: Where the person is; None: not known.
    """

    pose: Pose
    origin: Track | None
    appearance: NDArray[np.float32] | None
    lifted: Lifted | None = None

    @property
    def depth_m(self) -> float | None:
        """Distance of the torso from the depth sensor, metres; None: it was not read."""
        return self.lifted.depth_m if self.lifted else None


@dataclass(eq=False)
class Track:
    """One tracked person.

    Attributes:
        body_id: Five letters, never given to anybody else.
        pose: As last seen.
        seen_ns: When.
        hits: In how many frames it was seen.
        lifted: Where it was then.
        velocity: (2,) of the torso's middle, pixels a second.
        depth_m: Distance of the torso from the depth sensor as last read, metres; None: not read recently.
        hider: Another person whom it is beside, or was when it was last seen, and behind whom it may be; None: nobody.
    """

    body_id: str
    pose: Pose
    seen_ns: int
    appearance: NDArray[np.float32] | None
    lifted: Lifted | None
    hits: int = 1
    velocity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    hider: Track | None = None
    depth_m: float | None = field(init=False)
    _hider_from: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    _body: Body | None = field(init=False)
    _body_ns: int = field(init=False)
    _was_sure: bool = field(init=False)
    _depth_ns: int = field(init=False)
    _before_jump_m: float | None = None
    _jumped_ns: int = 0

    def __post_init__(self) -> None:
        self._was_sure = _is_sure(self.pose)
        self.depth_m, self._depth_ns = self.lifted.depth_m if self.lifted else None, self.seen_ns
        self._body, self._body_ns = self.lifted.body if self.lifted else None, self.seen_ns

    def step_m(self, stamp_ns: int, depth_m: float | None) -> float | None:
        """How much nearer or farther a distance is, metres; None: it, or that of the track, was not read."""
        if self.depth_m is None or depth_m is None:
            return None
        known_m = [self.depth_m]
        if self._before_jump_m is not None and stamp_ns - self._jumped_ns <= _JUMP_NS:
            known_m.append(self._before_jump_m)
        return min(abs(depth_m - m) for m in known_m)

    @property
    def is_confirmed(self) -> bool:
        """Whether it has been seen well, or often enough, to be a person."""
        return self._was_sure or self.hits >= _CONFIRMATIONS

    @property
    def patience_ns(self) -> int:
        """For how long it is kept without being seen."""
        if not self.is_confirmed:
            return _MEMORY_NS // 8
        return _HIDDEN_MEMORY_NS if self.hider and self.hits >= _CONFIRMATIONS else _MEMORY_NS

    def predicted(self, stamp_ns: int) -> NDArray[np.float32]:
        """(2,) where the middle of its torso should be now."""
        return self.pose.middle + self.velocity * self._elapsed_s(stamp_ns)

    def expected(self, stamp_ns: int) -> Pose:
        """Its pose, moved to where it should be now."""
        return replace(self.pose, keypoints=self.pose.keypoints + self.velocity * self._elapsed_s(stamp_ns))

    def region(self, stamp_ns: int) -> Region:
        """Where to look for it now."""
        return self.pose.region.moved(self.velocity * self._elapsed_s(stamp_ns))

    def region_behind(self) -> Region:
        """Where to look for it if it has gone on behind another person."""
        return self.pose.region.moved(self._with_hider())

    def hide(self, hiders: Sequence[Track], *, is_seen: bool) -> None:
        """Note who may hide it: the nearest to the side of the visible people who are not farther away. While it is out
        of sight, that does not change.
        """
        if not is_seen and self.hider in hiders:
            return
        beside = [other for other in hiders if self._may_be_behind(other)]
        self.hider = min(beside, key=lambda other: _apart(other.pose, self.pose), default=None)
        if self.hider:
            self._hider_from = self.hider.pose.middle

    def off_way(self, stamp_ns: int, point: NDArray[np.float32]) -> float:
        """Distance, in pixels, of a point from where the middle of its torso may be now."""
        expected = self.predicted(stamp_ns)
        if self.hider is None:
            return math.dist(point, expected)
        behind = self.pose.middle + self._with_hider()
        return min(_to_way(point, self.pose.middle, expected), math.dist(point, behind))

    def reach_m(self, stamp_ns: int) -> float:
        """How much nearer or farther it may be by now, metres."""
        return _STRIDE_M + _SPEED_MPS * (stamp_ns - self._depth_ns) / NS_PER_S

    def body(self, stamp_ns: int) -> Body | None:
        """What depth said of the body. Its size is that for good, its offsets, of one posture, fade after a while."""
        fresh = min(max(2 - (stamp_ns - self._body_ns) / _MEMORY_NS, 0.0), 1.0)
        return self._body and replace(self._body, offsets=self._body.offsets * np.float32(fresh))

    def see(self, stamp_ns: int, observation: Observation) -> None:
        """Take in where it is now."""
        pose = observation.pose
        dt = (stamp_ns - self.seen_ns) / NS_PER_S
        if dt > 0:
            velocity = (pose.middle - self.pose.middle) / dt
            # How fast somebody was before they were hidden for long says nothing any more.
            before = velocity if dt > COAST_S else self.velocity
            smoothed = before + _SPEED_WEIGHT * (velocity - before)
            too_fast = float(np.linalg.norm(smoothed)) / (_FASTEST * pose.torso)
            self.velocity = (smoothed / max(too_fast, 1.0)).astype(np.float32)
        self._notice_jump(stamp_ns, observation.depth_m)
        self._learn(observation.appearance)
        self.pose, self.lifted, self.seen_ns = pose, observation.lifted, stamp_ns
        # A distance that was read long ago says nothing any more.
        if observation.depth_m is not None or stamp_ns - self._depth_ns > _MEMORY_NS:
            self.depth_m, self._depth_ns = observation.depth_m, stamp_ns
        if observation.lifted and observation.lifted.body:
            self._body, self._body_ns = observation.lifted.body, stamp_ns
        self.hits += 1
        self._was_sure |= _is_sure(pose)

    def _learn(self, appearance: NDArray[np.float32] | None) -> None:
        """The mean at first, then a slow average, in which what may be of somebody else counts little."""
        if self.appearance is None or appearance is None:
            self.appearance = self.appearance if appearance is None else appearance
            return
        distances = differences(self.appearance, appearance)
        rate = np.maximum(np.where(distances > OTHER_CLOTHES, _OTHER_RATE, _APPEARANCE_RATE), 1 / (self.hits + 1))
        # A part that is seen for the first time is taken as it is, one that is not seen stays as it was.
        rate = np.where(np.isnan(distances), appearance.any(axis=1), rate).astype(np.float32)
        self.appearance = self.appearance + rate[:, None] * (appearance - self.appearance)

    def _notice_jump(self, stamp_ns: int, depth_m: float | None) -> None:
        step_m = self.step_m(stamp_ns, depth_m)
        if step_m is None or self.depth_m is None or depth_m is None:
            return
        if step_m > FAR_M:
            self._before_jump_m, self._jumped_ns = self.depth_m, stamp_ns
        elif abs(self.depth_m - depth_m) > FAR_M:
            self._before_jump_m = None  # back where it was before

    def _may_be_behind(self, other: Track) -> bool:
        if other is self or _apart(other.pose, self.pose) >= BESIDE:
            return False
        return self.depth_m is None or other.depth_m is None or other.depth_m < self.depth_m + _FARTHER_M

    def _with_hider(self) -> NDArray[np.float32]:
        return self.hider.pose.middle - self._hider_from if self.hider else np.zeros(2, np.float32)

    def _elapsed_s(self, stamp_ns: int) -> float:
        # Somebody out of sight does not walk on for ever.
        return min((stamp_ns - self.seen_ns) / NS_PER_S, COAST_S)


def _is_sure(pose: Pose) -> bool:
    return bool(pose.score >= _SURE_SCORE and np.count_nonzero(pose.visibility >= 0.5) >= _SURE_LANDMARKS)


def _to_way(point: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32]) -> float:
    """Distance of a point from the way between two others: somebody may have stopped anywhere on it."""
    (way_x, way_y), (x, y) = (end - start).tolist(), (point - start).tolist()
    along = min(max((x * way_x + y * way_y) / max(way_x**2 + way_y**2, 1e-6), 0.0), 1.0)
    return math.hypot(x - along * way_x, y - along * way_y)


def _apart(a: Pose, b: Pose) -> float:
    """Distance of two torsos, in lengths of the larger one."""
    return math.dist(a.middle, b.middle) / max(a.torso, b.torso)
