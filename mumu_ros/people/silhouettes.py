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

"""Pixels of known people, which are masked so that the networks find others.

Both networks look at the most conspicuous person: somebody beside or behind another one is found once that one is
painted over.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.landmarks import BONES, LAYOUT, TORSO, Pose
from mumu_ros.people.track import Observation, Track
from mumu_ros.skeletons import layout

__all__ = ["of_others", "other_surfaces", "silhouettes"]

_HEAD = layout(LAYOUT).index("left_ear", "right_ear", "nose")
_LIMB_WIDTH, _HEAD_RADIUS = 0.25, 0.32
"""In lengths of the torso."""
_WIDER = 1.4
"""Where depth takes away what is too much."""
_HALF = 2
"""Masks have half of the picture's size."""
_THICKNESS_M = 0.45
"""So much nearer or farther than a torso are the other pixels of the same person."""
_NEAREST_M = 1e-3
"""Smallest reading; 0 is none."""
_APART_M = 0.5
"""Difference in distance of two people from which on depth tells whose a pixel is."""


def silhouettes(
    people: Sequence[Observation], size: tuple[int, int], depth: NDArray[np.float32] | None
) -> NDArray[np.uint8] | None:
    """The pixels of some people: around their bones and, where depth is known, at their distance.

    Args:
        people: Who.
        size: Width and height of the picture.
        depth: Metres, registered to it, 0 for no reading; None: no sensor.

    Returns:
        255 where they are, else 0, in half of the picture's size; None for nobody.
    """
    if not people:
        return None
    whole = np.zeros((size[1] // _HALF, size[0] // _HALF), np.uint8)
    small = None if depth is None else _smaller(depth, size)
    for person in people:
        distance_m = person.depth_m
        mask = _around_bones(person.pose, whole.shape, _WIDER if distance_m else 1.0)
        if small is not None and distance_m:
            mask &= _between(distance_m - _THICKNESS_M, distance_m + _THICKNESS_M, small) | _between(0.0, 0.0, small)
        whole |= mask
    return whole


def of_others(
    track: Track, others: Sequence[Track], stamp_ns: int, size: tuple[int, int], depth: NDArray[np.float32] | None
) -> NDArray[np.uint8] | None:
    """The pixels of whoever stands well before or behind a person, as depth tells.

    Args:
        track: The person.
        others: Who may be there: around their bones, where those should be by now.
        stamp_ns: Of the picture.
        size: As for `silhouettes`.
        depth: As for `silhouettes`.

    Returns:
        As `silhouettes`; None where nobody is before or behind.
    """
    own_m = track.depth_m
    if depth is None or own_m is None:
        return None
    distances = [(other, other.depth_m) for other in others]
    apart = [(other, other_m) for other, other_m in distances if other_m and abs(other_m - own_m) >= _APART_M]
    if not apart:
        return None
    small = _smaller(depth, size)
    whole = np.zeros(small.shape, np.uint8)
    for other, other_m in apart:
        reach = min(_THICKNESS_M, abs(other_m - own_m) / 2)
        mask = _around_bones(other.expected(stamp_ns), whole.shape, _WIDER)
        whole |= mask & _between(max(other_m - reach, _NEAREST_M), other_m + reach, small)
    return whole


def other_surfaces(
    own_m: float, other_m: float, size: tuple[int, int], depth: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The pixels that are nearer than a person, or farther, from half the way to another surface on.

    Args:
        own_m: Distance of the person, metres.
        other_m: Of the other surface.
        size: As for `silhouettes`.
        depth: As for `silhouettes`.

    Returns:
        As `silhouettes`, with a margin around what is the person's.
    """
    small = _smaller(depth, size)
    middle = (own_m + other_m) / 2
    painted = (small > middle) if other_m > own_m else (small > 0) & (small < middle)
    return np.asarray(cv2.erode(painted.astype(np.uint8) * 255, np.ones((5, 5), np.uint8)), np.uint8)


def _between(nearest_m: float, farthest_m: float, depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """255 where the sensor reads a distance, else 0."""
    return np.asarray(cv2.inRange(depth, nearest_m, farthest_m), np.uint8)


def _smaller(depth: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    half = (size[0] // _HALF, size[1] // _HALF)
    return np.asarray(cv2.resize(depth, half, interpolation=cv2.INTER_NEAREST), np.float32)


def _around_bones(pose: Pose, shape: tuple[int, ...], width: float) -> NDArray[np.uint8]:
    mask = np.zeros(shape, np.uint8)
    points = (pose.keypoints / _HALF).clip(-4096, 4096).astype(np.int32)
    torso = pose.torso / _HALF
    for a, b in BONES:
        cv2.line(mask, points[a].tolist(), points[b].tolist(), 255, max(1, round(width * _LIMB_WIDTH * torso)))
    cv2.fillConvexPoly(mask, cv2.convexHull(points[TORSO]), 255)
    cv2.circle(
        mask, points[_HEAD].mean(axis=0).astype(int).tolist(), max(1, round(width * _HEAD_RADIUS * torso)), 255, -1
    )
    return mask
