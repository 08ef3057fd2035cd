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

from mumu_ros.people.landmarks import TORSO, Pose

__all__ = ["OTHER_CLOTHES", "appearance", "unlike"]

OTHER_CLOTHES = 0.6
"""Distance of two appearances from which on they are other clothes, or something else is before them."""
_USUALLY_UNLIKE = 0.3
_TORSO_REACH_M, _LEAST_OWN = 0.35, 0.1
"""Pixels so much nearer or farther than a torso are not of it; and share of its box that has to be of it."""
_SAMPLES = 24


def appearance(
    rgb: NDArray[np.uint8], pose: Pose, depth: NDArray[np.float32] | None = None, torso_m: float | None = None
) -> NDArray[np.float32] | None:
    """Colours of what a torso wears: a histogram of hue and saturation, and of brightness, that sums to 1.

    What depth tells to be before or behind the torso, such as somebody else, does not count.

    Args:
        rgb: uint8 (H, W, 3).
        pose: In this picture.
        depth: (H, W) metres, registered to it (its size may differ); None: no sensor.
        torso_m: Distance of the torso by that sensor; None: it was not read.

    Returns:
        None if hardly anything of the torso is seen.
    """
    height, width = rgb.shape[:2]
    (x0, y0), (x1, y1) = (
        limit(pose.keypoints[TORSO], axis=0).clip(0, (width - 1, height - 1)).astype(int) for limit in (np.min, np.max)
    )
    step = max(1, min(x1 - x0 + 1, y1 - y0 + 1) // _SAMPLES)
    rows, columns = np.arange(y0, y1 + 1, step), np.arange(x0, x1 + 1, step)
    own = None
    if depth is not None and torso_m is not None:
        scale_y, scale_x = np.divide(depth.shape, (height, width))
        readings = depth[np.ix_((rows * scale_y).astype(int), (columns * scale_x).astype(int))]
        is_own = np.abs(readings - torso_m) < _TORSO_REACH_M
        if is_own.mean() < _LEAST_OWN:
            return None
        own = is_own.astype(np.uint8)
    hsv = cv2.cvtColor(rgb[np.ix_(rows, columns)], cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1], own, [8, 4], [0, 180, 0, 256]).ravel()
    brightness = cv2.calcHist([hsv], [2], own, [8], [0, 256]).ravel()
    counts = np.concatenate([colours, brightness]) + 0.5
    found: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)
    return found


def unlike(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> float:
    """Hellinger distance of two appearances, from 0 to 1; a usual one where either is not known."""
    if a is None or b is None:
        return _USUALLY_UNLIKE
    return float(np.sqrt(max(0.0, 1.0 - float(np.sqrt(a * b).sum()))))
