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

"""What people wear: by their clothes somebody who was hidden is told from another person, and from the wall."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.landmarks import KNEES, MIN_VISIBILITY, TORSO, Pose

__all__ = ["OTHER_CLOTHES", "appearance", "differences", "unlike"]

OTHER_CLOTHES = 0.6
"""Distance of two appearances from which on they are other clothes, or something else is before them."""
_USUALLY_UNLIKE = 0.3
_TORSO_REACH_M, _LEAST_OWN = 0.35, 0.1
"""Pixels so much nearer or farther than a torso are not of it; and share of a part that has to be of it."""
_SAMPLES, _THIGH_SAMPLES = 20, (12, 6)
"""Points along the sides of the torso; along and across a thigh."""
_THIGH_BREADTH = 0.24
"""In lengths of the torso: of its middle, so that the points are on it."""
_HUES, _SATURATIONS, _BRIGHTNESSES = 18, 4, 6
_LEAST_CHROMA = 16 * 255
"""Of saturation times brightness, 255 each: pixels with less have no hue that could be relied on."""
_UNIFORM = 0.05
"""Share of a histogram that is spread over all bins: colours that were never seen before are not impossible."""


def appearance(
    rgb: NDArray[np.uint8], pose: Pose, depth: NDArray[np.float32] | None = None, torso_m: float | None = None
) -> NDArray[np.float32] | None:
    """Colours of what somebody wears on the torso and on the thighs.

    A histogram of hue and saturation, with the brightness of pixels without a hue (Pérez et al. 2002, section 3.1), so
    that shade and exposure hardly matter. What depth tells to be before or behind the torso, such as somebody else,
    does not count.

    Args:
        rgb: uint8 (H, W, 3).
        pose: In this picture.
        depth: (H, W) metres, registered to it (its size may differ); None: no sensor.
        torso_m: Distance of the torso by that sensor; None: it was not read.

    Returns:
        (2, bins) of torso and thighs: each sums to 1, or to 0 where hardly anything of it is seen; None if that is so
        of both.
    """
    parts = (_torso_points(pose), _thigh_points(pose))
    found = np.stack([_histogram(rgb, points, depth, torso_m) for points in parts])
    return found if found.any() else None


def differences(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(2,) Hellinger distances, from 0 to 1, of the torso and the thighs of two appearances; NaN: not known of both."""
    if a is None or b is None:
        return np.full(2, np.nan, np.float32)
    distances = np.sqrt(np.maximum(0, 1 - np.sqrt(a * b).sum(axis=1)))
    return np.where(a.any(axis=1) & b.any(axis=1), distances, np.nan).astype(np.float32)


def unlike(distances: NDArray[np.float32]) -> float:
    """Mean of the `differences` that are known, from 0 to 1; a usual one where none is."""
    known = [distance for distance in distances.tolist() if distance == distance]
    return sum(known) / len(known) if known else _USUALLY_UNLIKE


def _torso_points(pose: Pose) -> NDArray[np.float32]:
    """(N, 2) in pixels: between shoulders and hips."""
    left, right, left_hip, right_hip = pose.keypoints[TORSO]
    at = np.linspace(0.05, 0.95, _SAMPLES, dtype=np.float32)
    return _between(_between(left, right, at), _between(left_hip, right_hip, at), at).reshape(-1, 2)


def _thigh_points(pose: Pose) -> NDArray[np.float32]:
    """(N, 2) in pixels: between hips and knees that are seen, about the bones."""
    along = np.linspace(0.15, 0.95, _THIGH_SAMPLES[0], dtype=np.float32)
    across = np.linspace(-0.5, 0.5, _THIGH_SAMPLES[1], dtype=np.float32) * np.float32(_THIGH_BREADTH * pose.torso)
    points = [np.empty((0, 2), np.float32)]
    for hip, knee in zip(pose.keypoints[TORSO[2:]], KNEES, strict=True):
        if pose.visibility[knee] >= MIN_VISIBILITY:
            bone = pose.keypoints[knee] - hip
            side = np.array((-bone[1], bone[0]), np.float32) / np.float32(max(np.hypot(*bone), 1e-6))
            points.append((_between(hip, pose.keypoints[knee], along)[:, None] + across[:, None] * side).reshape(-1, 2))
    return np.concatenate(points)


def _between(start: NDArray[np.float32], end: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, …, 2) points on the ways from `start` to `end`, (…, 2)."""
    points: NDArray[np.float32] = start + np.multiply.outer(at, end - start)
    return points


def _histogram(
    rgb: NDArray[np.uint8], points: NDArray[np.float32], depth: NDArray[np.float32] | None, torso_m: float | None
) -> NDArray[np.float32]:
    """(bins,) of the colours at some points that are as far away as the torso; zeros where too few are."""
    size = np.array(rgb.shape[1::-1])
    inside = points[((points >= 0) & (points < size)).all(axis=1)]
    x, y = inside.astype(int).T
    if depth is not None and torso_m is not None:
        scale_y, scale_x = np.divide(depth.shape, rgb.shape[:2])
        is_own = np.abs(depth[(y * scale_y).astype(int), (x * scale_x).astype(int)] - torso_m) < _TORSO_REACH_M
        x, y = x[is_own], y[is_own]
    if len(x) <= _LEAST_OWN * len(points):
        return np.zeros(_HUES * _SATURATIONS + _BRIGHTNESSES, np.float32)
    hsv = cv2.cvtColor(rgb[None, y, x], cv2.COLOR_RGB2HSV)
    has_hue = (np.multiply(hsv[..., 1], hsv[..., 2], dtype=np.int32) > _LEAST_CHROMA).astype(np.uint8)
    colours = cv2.calcHist([hsv], [0, 1], has_hue, [_HUES, _SATURATIONS], [0, 180, 0, 256])
    colours = (np.roll(colours, 1, axis=0) + 2 * colours + np.roll(colours, -1, axis=0)) / 4
    greys = cv2.calcHist([hsv], [2], 1 - has_hue, [_BRIGHTNESSES], [0, 256])
    counts = np.concatenate([colours.ravel(), greys.ravel()])
    return ((1 - _UNIFORM) * counts / len(x) + _UNIFORM / len(counts)).astype(np.float32)
