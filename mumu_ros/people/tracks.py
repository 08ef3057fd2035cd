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

"""Tracking people from frame to frame: assignment of poses to tracks."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mumu_ros.people.landmarks import Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.regions import Region
from mumu_ros.streams import NS_PER_S

__all__ = ["RECENT_NS", "Observation", "Track", "Tracker", "same_person", "torso_depth"]

_MEMORY_NS = 1_200_000_000
"""A person not seen for this long is dropped, and is a new person afterwards."""
_HIDDEN_MEMORY_NS = 5_000_000_000
"""The same for somebody who may be behind another person."""
_BESIDE = 2.0
"""Distance of two torsos, in lengths of the larger one, at which one may hide the other."""
_CONFIRMATIONS = 3
_SURE_SCORE = 0.95
_SAME_PERSON = 0.25
"""Mean distance of the keypoints of two poses of one person, at most, in lengths of the torso."""
_SHARES_LIMBS = 0.6
"""The same for a new pose beside somebody who is seen already."""
_SAME_PLACE_M = 0.3
"""Two torsos that a depth sensor sees nearer to each other than this are one."""
_STRIDE_M, _SPEED_MPS = 0.2, 2.0
"""How much nearer or farther somebody is from one frame to the next, at most, and for each second out of sight."""
RECENT_NS = 250_000_000
"""Whoever was seen since then has the first choice."""
_GATE, _HIDDEN_GATE = 2.5, 3.5
"""Highest cost of an assignment; and to somebody who was hidden and is where they should be, as depth tells: of whoever
comes out from behind another person the clothes are half those of that person."""
_COAST_S = 0.7
"""Somebody out of sight is expected to walk on for so long."""
_AWAY, _AWAY_PER_S = 1.5, 4.0
"""So far from where they should be somebody is found at most, in lengths of the torso, and for each second out of sight
until then: whoever comes out from behind another person does so beside them."""
_BLINK_S, _WANDERING = 0.1, 2.0
"""After a moment out of sight distances count less: by how much, for each second."""
_OWN_BONUS = 0.3
_SPEED_WEIGHT = 0.4
_APPEARANCE_WEIGHT = 2.0
_APPEARANCE_RATE = 0.05
_IMPOSSIBLE = 1e6


@dataclass(frozen=True, eq=False)
class Observation:
    """A pose that is seen in a frame.

    Attributes:
        pose: The pose.
        origin: The track in whose region it was found; None: it was detected.
        appearance: What the person's clothes look like: a histogram that sums to 1.
        lifted: Where the person is; None: not known.
    """

    pose: Pose
    origin: Track | None
    appearance: NDArray[np.float32]
    lifted: Lifted | None = None


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
        may_be_hidden: Whether it is beside another person, behind whom it may stop.
    """

    body_id: str
    pose: Pose
    seen_ns: int
    appearance: NDArray[np.float32]
    lifted: Lifted | None
    hits: int = 1
    velocity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    may_be_hidden: bool = False

    @property
    def is_confirmed(self) -> bool:
        """Whether it has been seen often enough to be a person."""
        return self.hits >= self.needed

    @property
    def needed(self) -> int:
        """How often it has to be seen before it is told to anybody."""
        return 1 if self.pose.score >= _SURE_SCORE else _CONFIRMATIONS

    def predicted(self, stamp_ns: int) -> NDArray[np.float32]:
        """(2,) where the middle of its torso should be now."""
        return self.pose.middle + self.velocity * self._elapsed_s(stamp_ns)

    def expected(self, stamp_ns: int) -> Pose:
        """Its pose, moved to where it should be now."""
        return replace(self.pose, keypoints=self.pose.keypoints + self.velocity * self._elapsed_s(stamp_ns))

    def region(self, stamp_ns: int) -> Region:
        """Where to look for it now."""
        dx, dy = self.velocity * self._elapsed_s(stamp_ns)
        last = self.pose.region
        return Region(last.x + float(dx), last.y + float(dy), last.size, last.angle)

    def reach_m(self, stamp_ns: int) -> float:
        """How much nearer or farther it may be by now, metres."""
        return _STRIDE_M + _SPEED_MPS * (stamp_ns - self.seen_ns) / NS_PER_S

    def see(self, stamp_ns: int, observation: Observation) -> None:
        """Take in where it is now."""
        pose = observation.pose
        dt = (stamp_ns - self.seen_ns) / NS_PER_S
        if dt > 0:
            velocity = (pose.middle - self.pose.middle) / dt
            self.velocity = (self.velocity + _SPEED_WEIGHT * (velocity - self.velocity)).astype(np.float32)
        self.appearance = self.appearance + _APPEARANCE_RATE * (observation.appearance - self.appearance)
        self.pose, self.lifted, self.seen_ns = pose, observation.lifted, stamp_ns
        self.hits += 1

    def _elapsed_s(self, stamp_ns: int) -> float:
        # Somebody out of sight does not walk on for ever.
        return min((stamp_ns - self.seen_ns) / NS_PER_S, _COAST_S)


class Tracker:
    """Assigns the poses of each frame to the tracked people.

    Args:
        max_people: How many are followed at most.
        seed: Of the ids; None: other ids at every start.
    """

    def __init__(self, max_people: int, seed: int | None = None) -> None:
        self._max_people = max_people
        self._random = random.Random(seed)
        self._used: set[str] = set()
        self.tracks: list[Track] = []
        self.left_out = 0

    def clear(self) -> None:
        """Drop everybody."""
        self.tracks = []

    def expire(self, stamp_ns: int) -> None:
        """Drop people who have not been seen for long; unconfirmed tracks at once."""
        newest_ns = max((track.seen_ns for track in self.tracks), default=0)
        if stamp_ns - newest_ns > _MEMORY_NS // 4:
            newest_ns = -1  # nobody is in view, so that nobody is behind anybody
        seen = [t for t in self.tracks if 0 <= newest_ns - t.seen_ns <= RECENT_NS and t.is_confirmed]
        self.tracks = [t for t in self.tracks if 0 <= stamp_ns - t.seen_ns <= self._patience_ns(t, seen)]

    def update(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Track]:
        """Take in a frame.

        Returns:
            Who is seen in it, confirmed tracks only.
        """
        left = self.merge(stamp_ns, observations)
        # As in Wojke et al. 2017: whoever is hidden does not take the pose of somebody who is not.
        recent = [track for track in self.tracks if stamp_ns - track.seen_ns <= RECENT_NS and track.is_confirmed]
        left = self._assign(stamp_ns, recent, left)
        left = [o for o in left if not any(_is_part_of(o, track, stamp_ns) for track in recent)]
        left = self._assign(stamp_ns, [track for track in self.tracks if track not in recent], left)
        self.left_out = 0
        for observation in left:
            if observation.origin is None and not self._is_mixture(stamp_ns, observation):
                self._add(stamp_ns, observation)
        return [track for track in self.tracks if track.seen_ns == stamp_ns and track.is_confirmed]

    def merge(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Observation]:
        """Each person once: where two tracks have found the same one, it is that of the track which it fits better."""
        if len(observations) < 2:
            return list(observations)
        unique: list[Observation] = []
        for o in sorted(observations, key=lambda o: self._fit(stamp_ns, o)):
            if not any(same_person(o.pose, other.pose) or _same_place(o.lifted, other.lifted) for other in unique):
                unique.append(o)
        return unique

    def _fit(self, stamp_ns: int, observation: Observation) -> tuple[bool, float]:
        track = observation.origin
        if track is None:
            return True, _GATE
        return stamp_ns - track.seen_ns > RECENT_NS, self._cost(track, observation, stamp_ns)

    def _assign(self, stamp_ns: int, tracks: Sequence[Track], observations: Sequence[Observation]) -> list[Observation]:
        """Give each track the observation that is its; the observations that are left."""
        costs = np.array([[self._cost(track, o, stamp_ns) for o in observations] for track in tracks])
        taken: set[int] = set()
        if costs.size:
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < _IMPOSSIBLE:
                    tracks[row].see(stamp_ns, observations[column])
                    taken.add(int(column))
        return [o for column, o in enumerate(observations) if column not in taken]

    def _patience_ns(self, track: Track, seen: Sequence[Track]) -> int:
        if not track.is_confirmed:
            return _MEMORY_NS // 8
        # Somebody who was last seen beside somebody else may stand behind them.
        track.may_be_hidden = any(o is not track and _apart(o.pose, track.pose) < _BESIDE for o in seen)
        return _HIDDEN_MEMORY_NS if track.may_be_hidden else _MEMORY_NS

    def _is_mixture(self, stamp_ns: int, observation: Observation) -> bool:
        """Whether a new pose shares limbs with somebody who is seen: no third person between two."""
        seen = [track for track in self.tracks if track.seen_ns == stamp_ns]
        return any(same_person(observation.pose, track.pose, _SHARES_LIMBS) for track in seen)

    def _add(self, stamp_ns: int, observation: Observation) -> None:
        if len(self.tracks) >= self._max_people:
            self.left_out += 1
            return
        o = observation
        self.tracks.append(Track(self._new_id(), o.pose, stamp_ns, o.appearance, o.lifted))

    def _cost(self, track: Track, observation: Observation, stamp_ns: int) -> float:
        pose = observation.pose
        size = max(track.pose.torso, pose.torso)
        # Whoever was out of sight has gone on somehow.
        elapsed_s = (stamp_ns - track.seen_ns) / NS_PER_S
        wandering = 1 + _WANDERING * max(0.0, elapsed_s - _BLINK_S)
        expected = track.predicted(stamp_ns)
        away = _to_way(pose.middle, track.pose.middle if track.may_be_hidden else expected, expected)
        if away > size * (_AWAY + _AWAY_PER_S * min(elapsed_s, _COAST_S)):
            return _IMPOSSIBLE
        away /= size * wandering
        growth = abs(math.log(pose.torso / track.pose.torso))
        unlike = difference(track.appearance, observation.appearance)
        behind, gate = 0.0, _GATE
        before_m, now_m = torso_depth(track.lifted), torso_depth(observation.lifted)
        if before_m and now_m:
            behind = 2 * abs(before_m - now_m) / (wandering if track.may_be_hidden else 1)
            if abs(before_m - now_m) > track.reach_m(stamp_ns):
                return _IMPOSSIBLE
            gate = _HIDDEN_GATE if track.may_be_hidden and elapsed_s > _BLINK_S else _GATE
        cost = away + growth + _APPEARANCE_WEIGHT * unlike + behind - _OWN_BONUS * (observation.origin is track)
        return cost if cost < gate else _IMPOSSIBLE

    def _new_id(self) -> str:
        while True:
            body_id = "".join(self._random.choices(string.ascii_lowercase, k=5))
            if body_id not in self._used:
                self._used.add(body_id)
                return body_id


def same_person(a: Pose, b: Pose, limit: float = _SAME_PERSON) -> bool:
    """Whether two poses are of one person: their keypoints are `limit` torso lengths apart or less, on average."""
    weight = a.visibility * b.visibility + 1e-3
    apart = np.linalg.norm(a.keypoints - b.keypoints, axis=1)
    return float(apart @ weight / weight.sum()) < limit * min(a.torso, b.torso)


def _is_part_of(observation: Observation, track: Track, stamp_ns: int) -> bool:
    """Whether a pose shares limbs with somebody who was just seen, and is not before or behind them as depth tells."""
    if not same_person(observation.pose, track.expected(stamp_ns), _SHARES_LIMBS):
        return False
    before_m, now_m = torso_depth(track.lifted), torso_depth(observation.lifted)
    return before_m is None or now_m is None or abs(now_m - before_m) <= track.reach_m(stamp_ns)


def _same_place(a: Lifted | None, b: Lifted | None) -> bool:
    """Whether a depth sensor sees two torsos where there is room for one."""
    if a is None or b is None or not a.source == b.source == "depth":
        return False
    return math.dist(a.middle, b.middle) < _SAME_PLACE_M


def torso_depth(lifted: Lifted | None) -> float | None:
    """Distance of the torso from the depth sensor, metres; None: there is none."""
    return float(lifted.middle[2]) if lifted and lifted.source == "depth" else None


def _to_way(point: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32]) -> float:
    """Distance of a point from the way between two others: somebody may have stopped anywhere on it."""
    (way_x, way_y), (x, y) = (end - start).tolist(), (point - start).tolist()
    along = min(max((x * way_x + y * way_y) / max(way_x**2 + way_y**2, 1e-6), 0.0), 1.0)
    return math.hypot(x - along * way_x, y - along * way_y)


def _apart(a: Pose, b: Pose) -> float:
    """Distance of two torsos, in lengths of the larger one."""
    return math.dist(a.middle, b.middle) / max(a.torso, b.torso)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms, from 0 to 1."""
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))
