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

import random
import string
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mumu_ros.people.matching import (
    GATE,
    IMPOSSIBLE,
    SHARES_LIMBS,
    UNASSIGNED,
    cost,
    same_person,
    same_place,
    shares_limbs,
)
from mumu_ros.people.track import Observation, Track

__all__ = ["Tracker"]

_RECENT_NS = 250_000_000
"""Whoever was seen since then has the first choice."""
_CLEARLY = 1.0
"""By how much less the cost has to be at which a pose is that of somebody hidden, and not of somebody who is seen."""
_UNSEEN_NS = 300_000_000
"""Where nobody was seen for so long, nobody is behind anybody."""
_LEFT_NS = 1_000_000_000
"""Whoever was not seen for so long makes room for somebody new."""
_STEPS = 1.5
"""These times, and the memory of a track, are at least so many intervals between pictures."""
_LONGEST_NS = 5_000_000_000
"""Limit of times that are lengthened by slow pictures: after a longer time it may be another person."""


class Tracker:
    """Assigns the poses of each frame to the tracked people.

    Args:
        max_people: How many are followed at most, and one more who is not confirmed yet.
        seed: Of the ids; None: other ids at every start.

    Attributes:
        tracks: Everybody who is followed, seen or not.
        left_out: How many more would be published of the last picture if there were room.
    """

    def __init__(self, max_people: int, seed: int | None = None) -> None:
        self._max_people = max_people
        self._random = random.Random(seed)
        self._used: set[str] = set()
        self.tracks: list[Track] = []
        self.left_out = 0
        self._stamps_ns: deque[int] = deque(maxlen=6)
        self._step_ns = 0

    def clear(self) -> None:
        """Drop everybody."""
        self.tracks = []
        self._stamps_ns.clear()
        self._step_ns = 0

    def is_recent(self, track: Track, stamp_ns: int) -> bool:
        """Whether a track was seen lately, such as in the picture before."""
        return stamp_ns - track.seen_ns <= self._at_least_steps(_RECENT_NS)

    def expire(self, stamp_ns: int, size: tuple[int, int]) -> None:
        """Drop people who have not been seen for long; unconfirmed tracks at once.

        Args:
            stamp_ns: Of the frame that comes now.
            size: Width and height of the picture: whoever leaves it, from near its edge, is not behind anybody.
        """
        self._stamps_ns.append(stamp_ns)
        if len(self._stamps_ns) > 1:  # a single gap does not count
            self._step_ns = median_low([b - a for a, b in pairwise(self._stamps_ns)])
        newest_ns = max((track.seen_ns for track in self.tracks), default=0)
        if stamp_ns - newest_ns > self._at_least_steps(_UNSEEN_NS):
            newest_ns = -1  # nobody is in view, so that nobody is behind anybody
        seen = [t for t in self.tracks if t.seen_ns <= newest_ns and self.is_recent(t, newest_ns) and t.is_confirmed]
        for track in self.tracks:
            has_left = not (
                _is_within(track.predicted(stamp_ns), size) or _is_within(track.pose.middle, size, track.pose.torso)
            )
            track.hide(() if has_left else seen, is_seen=track in seen)
        gone = [t for t in self.tracks if not 0 <= stamp_ns - t.seen_ns <= self._at_least_steps(t.patience_ns)]
        self._forget([track for track in gone if not track.is_confirmed])
        self.tracks = [track for track in self.tracks if track not in gone]

    def update(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Track]:
        """Take in a frame.

        Returns:
            Who is seen in it, confirmed tracks only.
        """
        left = self.merge(stamp_ns, observations)
        # As in Wojke et al. 2017: whoever is hidden does not take the pose of somebody who is not; and is preferred to
        # somebody new.
        known = [track for track in self.tracks if track.is_confirmed]
        new = [track for track in self.tracks if not track.is_confirmed]
        recent = [track for track in known if self.is_recent(track, stamp_ns)]
        hidden = [track for track in known if track not in recent]
        left = self._assign(stamp_ns, recent, left, hidden)
        left = [o for o in left if not any(shares_limbs(o, track, stamp_ns) for track in recent)]
        left = self._assign(stamp_ns, hidden, left)
        left = self._assign(stamp_ns, new, left)
        for o in left:
            if o.origin is None and not self._is_mixture(stamp_ns, o):
                self.tracks.append(Track(self._new_id(), o.pose, stamp_ns, o.appearance, o.lifted))
        self._limit(stamp_ns, known)
        return [track for track in self.tracks if track.seen_ns == stamp_ns and track.is_confirmed]

    def merge(self, stamp_ns: int, observations: Sequence[Observation]) -> list[Observation]:
        """Each person once: where two tracks have found the same one, it is that of the track which it fits better."""
        if len(observations) < 2:
            return list(observations)
        unique: list[Observation] = []
        for o in sorted(observations, key=lambda o: self._fit(stamp_ns, o)):
            if not any(same_person(o.pose, other.pose) or same_place(o.lifted, other.lifted) for other in unique):
                unique.append(o)
        return unique

    def _fit(self, stamp_ns: int, observation: Observation) -> float:
        track = observation.origin
        if track is None:
            return GATE + _CLEARLY
        return cost(track, observation, stamp_ns) + (0 if self.is_recent(track, stamp_ns) else _CLEARLY)

    def _at_least_steps(self, time_ns: int) -> float:
        return max(time_ns, min(_STEPS * self._step_ns, _LONGEST_NS))

    def _assign(
        self, stamp_ns: int, tracks: Sequence[Track], observations: Sequence[Observation], rivals: Sequence[Track] = ()
    ) -> list[Observation]:
        """Give each track the observation that is its, and is not clearly a rival's; the observations that are left."""
        costs, theirs = (self._costs(stamp_ns, some, observations) for some in (tracks, rivals))
        costs = np.where(costs > theirs.min(axis=0, initial=IMPOSSIBLE) + _CLEARLY, IMPOSSIBLE, costs)
        taken: set[int] = set()
        for row, column in zip(*linear_sum_assignment(np.minimum(costs, UNASSIGNED)), strict=True):
            if costs[row, column] < IMPOSSIBLE:
                tracks[row].see(stamp_ns, observations[column])
                taken.add(int(column))
        return [o for column, o in enumerate(observations) if column not in taken]

    def _costs(
        self, stamp_ns: int, tracks: Sequence[Track], observations: Sequence[Observation]
    ) -> NDArray[np.float64]:
        costs = [cost(track, o, stamp_ns) for track in tracks for o in observations]
        return np.array(costs).reshape(len(tracks), len(observations))

    def _is_mixture(self, stamp_ns: int, observation: Observation) -> bool:
        """Whether a new pose shares limbs with somebody who is seen: no third person between two."""
        seen = [track for track in self.tracks if track.seen_ns == stamp_ns]
        return any(same_person(observation.pose, track.pose, SHARES_LIMBS) for track in seen)

    def _limit(self, stamp_ns: int, known: Sequence[Track]) -> None:
        """Drop tracks beyond `max_people`: those out of sight for longest, then those that are none of the known."""
        confirmed = [track for track in self.tracks if track.is_confirmed]
        surplus = max(len(confirmed) - self._max_people, 0)
        gone = [track for track in known if stamp_ns - track.seen_ns > self._at_least_steps(_LEFT_NS)]
        gone = sorted(gone, key=lambda track: track.seen_ns)[:surplus]
        self.left_out = surplus - len(gone)
        new = [track for track in confirmed if track not in known]
        unpublished = new[len(new) - self.left_out :]
        unconfirmed = [track for track in self.tracks if not track.is_confirmed]
        unpublished += unconfirmed[self._max_people + 1 - (len(confirmed) - surplus) :]
        self._forget(unpublished)
        self.tracks = [track for track in self.tracks if track not in gone and track not in unpublished]

    def _forget(self, unpublished: Sequence[Track]) -> None:
        """Give ids free that nobody has seen; else they would be used up."""
        self._used -= {track.body_id for track in unpublished}

    def _new_id(self) -> str:
        while True:
            body_id = "".join(self._random.choices(string.ascii_lowercase, k=5))
            if body_id not in self._used:
                self._used.add(body_id)
                return body_id


def _is_within(point: NDArray[np.float32], size: tuple[int, int], margin: float = 0.0) -> bool:
    return bool(((point > margin) & (point < np.array(size) - margin)).all())
