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

"""Whose pose it is: how well an observation fits a track, and when two poses are of one person."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.appearance import OTHER_CLOTHES, differences, unlike
from mumu_ros.people.landmarks import Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.track import BESIDE, COAST_S, FAR_M, Observation, Track
from mumu_ros.streams import NS_PER_S

__all__ = ["GATE", "IMPOSSIBLE", "SHARES_LIMBS", "UNASSIGNED", "cost", "same_person", "same_place", "shares_limbs"]

_OVERLAP = 0.8
"""Whoever is so near to the middle of another person, to the side and in lengths of the torso, is before or behind."""
_SAME_PERSON = 0.25
"""Mean distance of the keypoints of two poses of one person, at most, in lengths of the torso."""
SHARES_LIMBS = 0.6
"""The same for a new pose beside somebody who is seen already."""
_SAME_PLACE_M = 0.3
"""Two torsos that a depth sensor sees nearer to each other than this are one."""
GATE, _HIDDEN_GATE = 2.5, 3.5
"""Highest cost of an assignment; and to somebody who was hidden and is near where they should be, as depth tells: of
whoever comes out from behind another person half is hidden."""
UNASSIGNED = _HIDDEN_GATE
"""Cost of a track without a pose: two that fit badly are not taken instead of one that fits well."""
_AWAY, _AWAY_PER_S = 1.5, 4.0
"""So far from where they should be somebody is found at most, in lengths of the torso, and for each second out of sight
until then: whoever comes out from behind another person does so beside them."""
_BLINK_S, _WANDERING = 0.1, 2.0
"""After a moment out of sight distances count less: by how much, for each second."""
_OTHER_SIZE, _SAME_CLOTHES = 0.2, 0.35
"""Whoever is seen nearer or farther by more than `FAR_M` is larger or smaller in the picture, but for this share, or is
farther off in the same clothes: else the depth is that of the wall behind somebody partly hidden, say. Whoever was
hidden and wears the same on torso and thighs may have any size and distance: what was seen of them last may have been a
part, or the distance that of somebody else."""
_SAME_CLOTHES_STEP_M = 0.3
"""Whoever wears the same on torso and thighs may be so much nearer or farther than they could have gone: the distance
before was that of somebody beside them."""
_OWN_BONUS = 0.3
_APPEARANCE_WEIGHT = 2.0
_OTHER_CLOTHES_COST, _ASIDE, _FAR_ASIDE, _STEP_M, _REASONS = 1.0, 0.4, 1.0, 0.2, 3
"""Who wears other clothes may hold something before them. Beside another person it is rather that one. It is not the
same person for three of these reasons: other clothes on the torso; on the thighs; they were beside another one; out of
sight; so far from where they should be, in lengths of the torso; farther; nearer or farther by such a step. Nor is it
where depth steps far: that is the wall."""
_OTHER_WITHOUT_DEPTH = 0.7
"""Distance of two appearances above which clothes differ if no depth separates them from what is in front."""
IMPOSSIBLE = 1e6


def cost(track: Track, observation: Observation, stamp_ns: int) -> float:
    """How badly a pose fits a track: place, size, clothes and distance; IMPOSSIBLE where it cannot be that person."""
    pose = observation.pose
    size = max(track.pose.torso, pose.torso)
    # Whoever was out of sight has gone on somehow: in depth unseen, to the side until they were behind somebody.
    elapsed_s = (stamp_ns - track.seen_ns) / NS_PER_S
    coasted_s = min(elapsed_s, COAST_S)
    is_hidden = track.hider is not None and elapsed_s > _BLINK_S
    away = track.off_way(stamp_ns, pose.middle) / size
    if away > _AWAY + _AWAY_PER_S * coasted_s:
        return IMPOSSIBLE
    clothes = differences(track.appearance, observation.appearance)
    is_same = float(clothes.mean()) < _SAME_CLOTHES  # NaN if not both are seen
    is_recognised = is_hidden and is_same
    total = (
        away / _wandering(coasted_s)
        + abs(math.log(pose.torso / track.pose.torso)) * (not is_recognised)
        + _APPEARANCE_WEIGHT * unlike(clothes)
        - _OWN_BONUS * (observation.origin is track)
    )
    other_parts = _other_clothes(track, observation, clothes)
    step_m = track.step_m(stamp_ns, observation.depth_m)
    is_step = step_m is not None and step_m > _STEP_M
    reasons = (track.hider is not None, elapsed_s > _BLINK_S, away > _ASIDE, away > _FAR_ASIDE, is_step)
    if other_parts and other_parts + sum(reasons) >= _REASONS:
        return IMPOSSIBLE
    now_m = observation.depth_m
    if step_m is None or now_m is None:
        return total if total < GATE else IMPOSSIBLE
    reach_m = track.reach_m(stamp_ns) + _SAME_CLOTHES_STEP_M * is_same
    if step_m > reach_m or (is_hidden and _is_hider(track, pose, now_m)):
        return IMPOSSIBLE
    if is_recognised:
        return total if total < _HIDDEN_GATE else IMPOSSIBLE
    if step_m > FAR_M and (other_parts or not _is_as_seen(track, observation, clothes)):
        return IMPOSSIBLE
    if other_parts and track.hider:
        total += _OTHER_CLOTHES_COST
    total += 2 * step_m / (_wandering(elapsed_s) if track.hider else 1)
    return total if total < (_HIDDEN_GATE if is_hidden and away < BESIDE else GATE) else IMPOSSIBLE


def same_person(a: Pose, b: Pose, limit: float = _SAME_PERSON) -> bool:
    """Whether two poses are of one person: their keypoints are `limit` torso lengths apart or less, on average."""
    weight = a.visibility * b.visibility + 1e-3
    apart = np.linalg.norm(a.keypoints - b.keypoints, axis=1)
    return float(apart @ weight / weight.sum()) < limit * min(a.torso, b.torso)


def shares_limbs(observation: Observation, track: Track, stamp_ns: int) -> bool:
    """Whether a pose shares limbs with somebody who was just seen, and is not before or behind them as depth tells."""
    clothes = differences(track.appearance, observation.appearance)
    if _other_clothes(track, observation, clothes):
        return False
    if not same_person(observation.pose, track.expected(stamp_ns), SHARES_LIMBS):
        return False
    step_m = track.step_m(stamp_ns, observation.depth_m)
    return step_m is None or step_m <= track.reach_m(stamp_ns)


def same_place(a: Lifted | None, b: Lifted | None) -> bool:
    """Whether a depth sensor sees two torsos where there is room for one."""
    if a is None or b is None or not a.source == b.source == "depth":
        return False
    return math.dist(a.middle, b.middle) < _SAME_PLACE_M


def _is_hider(track: Track, pose: Pose, now_m: float) -> bool:
    """Whether a pose, at a distance from the sensor, is a part of the one behind whom somebody was when last seen."""
    if track.hider is None:
        return False
    before_m, hider_m = track.depth_m, track.hider.depth_m
    if before_m is None or hider_m is None or before_m - hider_m <= _SAME_PLACE_M:
        return False
    if now_m - hider_m > min(_SAME_PLACE_M, before_m - now_m):  # nearer to where they were
        return False
    x, y = pose.middle - track.hider.pose.middle
    top, bottom = (limit(track.hider.pose.keypoints[:, 1]) - track.hider.pose.middle[1] for limit in (np.min, np.max))
    return bool(abs(x) < _OVERLAP * track.hider.pose.torso and top < y < bottom)


def _other_clothes(track: Track, observation: Observation, clothes: NDArray[np.float32]) -> int:
    """Of how many of torso and thighs clothes are known, if they differ on all of them; else 0. The limit is higher
    where no depth separates them from what is in front.
    """
    are_known = track.depth_m is not None and observation.depth_m is not None
    known = clothes[~np.isnan(clothes)]
    return len(known) if (known > (OTHER_CLOTHES if are_known else _OTHER_WITHOUT_DEPTH)).all() else 0


def _is_as_seen(track: Track, observation: Observation, clothes: NDArray[np.float32]) -> bool:
    """Whether somebody is as large as they would be seen at another distance; or in the same clothes there, farther
    off: then the one before was that of somebody who hid them.
    """
    before_m, now_m = track.depth_m, observation.depth_m
    if before_m is None or now_m is None:
        return True
    growth = math.log(now_m * observation.pose.torso / (before_m * track.pose.torso))
    return abs(growth) <= _OTHER_SIZE or bool(now_m > before_m and clothes[0] < _SAME_CLOTHES)


def _wandering(elapsed_s: float) -> float:
    """By how much less a distance counts after so long out of sight."""
    return 1 + _WANDERING * max(0.0, elapsed_s - _BLINK_S)
