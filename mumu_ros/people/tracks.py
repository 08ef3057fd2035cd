"""Following people from frame to frame: which pose is whose."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mumu_ros.people.landmarks import TORSO, Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.regions import Region

__all__ = ["Observation", "Track", "Tracker", "same_person"]

_NS_PER_S = 1_000_000_000
_MEMORY_NS = 1_200_000_000
"""Somebody who is not seen for so long is forgotten, and is a new person afterwards."""
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
_GATE = 2.5
"""Highest cost of an assignment."""
_COAST_S = 0.7
"""Somebody out of sight is expected to walk on for so long."""
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
    """One person who is followed.

    Attributes:
        body_id: Five letters, never given to anybody else.
        pose: As last seen.
        seen_ns: When.
        hits: In how many frames it was seen.
        lifted: Where it was then.
        velocity: (2,) of the torso's middle, pixels a second.
    """

    body_id: str
    pose: Pose
    seen_ns: int
    appearance: NDArray[np.float32]
    lifted: Lifted | None
    hits: int = 1
    velocity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))

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

    def region(self, stamp_ns: int) -> Region:
        """Where to look for it now."""
        dx, dy = self.velocity * self._elapsed_s(stamp_ns)
        last = self.pose.region
        return Region(last.x + float(dx), last.y + float(dy), last.size, last.angle)

    def see(self, stamp_ns: int, observation: Observation) -> None:
        """Take in where it is now."""
        pose = observation.pose
        dt = (stamp_ns - self.seen_ns) / _NS_PER_S
        if dt > 0:
            velocity = (pose.middle - self.pose.middle) / dt
            self.velocity = (self.velocity + _SPEED_WEIGHT * (velocity - self.velocity)).astype(np.float32)
        self.appearance = self.appearance + _APPEARANCE_RATE * (observation.appearance - self.appearance)
        self.pose, self.lifted, self.seen_ns = pose, observation.lifted, stamp_ns
        self.hits += 1

    def _elapsed_s(self, stamp_ns: int) -> float:
        # Somebody out of sight does not walk on for ever.
        return min((stamp_ns - self.seen_ns) / _NS_PER_S, _COAST_S)


class Tracker:
    """Assigns the poses of each frame to the people who are followed.

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
        """Forget everybody."""
        self.tracks = []

    def forget(self, stamp_ns: int) -> None:
        """Forget whoever has not been seen for long; tracks that were never confirmed at once."""
        newest_ns = max((track.seen_ns for track in self.tracks), default=0)
        if stamp_ns - newest_ns > _MEMORY_NS // 4:
            newest_ns = -1  # nobody is in view, so that nobody is behind anybody
        seen = [track for track in self.tracks if track.seen_ns == newest_ns and track.is_confirmed]
        self.tracks = [t for t in self.tracks if 0 <= stamp_ns - t.seen_ns <= self._patience_ns(t, seen)]

    def update(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Track]:
        """Take in a frame.

        Returns:
            Who is seen in it, confirmed tracks only.
        """
        unique = self.merge(stamp_ns, observations)
        costs = np.array([[self._cost(track, o, stamp_ns) for o in unique] for track in self.tracks])
        taken: set[int] = set()
        if costs.size:
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if costs[row, column] < _IMPOSSIBLE:
                    self.tracks[row].see(stamp_ns, unique[column])
                    taken.add(int(column))
        self.left_out = 0
        for column, observation in enumerate(unique):
            if column not in taken and observation.origin is None and not self._is_mixture(stamp_ns, observation):
                self._add(stamp_ns, observation)
        return [track for track in self.tracks if track.seen_ns == stamp_ns and track.is_confirmed]

    def merge(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Observation]:
        """Each person once: where two tracks have found the same one, it is that of the track which it fits better."""
        fit = {id(o): self._cost(o.origin, o, stamp_ns) if o.origin else _GATE for o in observations}
        unique: list[Observation] = []
        for o in sorted(observations, key=lambda o: fit[id(o)]):
            if not any(same_person(o.pose, other.pose) for other in unique):
                unique.append(o)
        return unique

    def _patience_ns(self, track: Track, seen: Sequence[Track]) -> int:
        if not track.is_confirmed:
            return _MEMORY_NS // 8
        # Somebody who was last seen beside somebody else may stand behind them.
        beside = [o for o in seen if o is not track and _apart(o.pose, track.pose) < _BESIDE]
        return _HIDDEN_MEMORY_NS if beside else _MEMORY_NS

    def _is_mixture(self, stamp_ns: int, observation: Observation) -> bool:
        """Whether a new pose shares limbs with somebody who is seen: no third person between two."""
        seen = [track.pose for track in self.tracks if track.seen_ns == stamp_ns]
        return any(same_person(observation.pose, pose, _SHARES_LIMBS) for pose in seen)

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
        hidden_s = max(0.0, (stamp_ns - track.seen_ns) / _NS_PER_S - _BLINK_S)
        away = float(np.linalg.norm(pose.middle - track.predicted(stamp_ns))) / size / (1 + _WANDERING * hidden_s)
        growth = abs(float(np.log(pose.torso / track.pose.torso)))
        look = _APPEARANCE_WEIGHT * difference(track.appearance, observation.appearance)
        behind = 0.0
        depths = [_depth(track.lifted), _depth(observation.lifted)]
        if depths[0] and depths[1]:
            behind = 2 * abs(depths[0] - depths[1])
        cost = away + growth + look + behind - _OWN_BONUS * (observation.origin is track)
        return cost if cost < _GATE else _IMPOSSIBLE

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
    return float(np.average(apart, weights=weight)) < limit * min(a.torso, b.torso)


def _depth(lifted: Lifted | None) -> float | None:
    """How far the torso is as a depth sensor says; None: there is none."""
    return float(lifted.joints[TORSO, 2].mean()) if lifted and lifted.source == "depth" else None


def _apart(a: Pose, b: Pose) -> float:
    """Distance of two torsos, in lengths of the larger one."""
    return float(np.linalg.norm(a.middle - b.middle)) / max(a.torso, b.torso)


def difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Hellinger distance of two histograms, from 0 to 1."""
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))
