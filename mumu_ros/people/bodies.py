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

"""Positions in space of people whose joints in the picture were detected elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import TORSO
from mumu_ros.people.lifting import head_depth, hips_behind

__all__ = ["lift_keypoints"]

_HALF_WINDOW = 0.06
"""Half side of the window in which depth is read, in lengths of the torso."""
_SURFACE_M = 0.04
"""So far a joint is behind the skin that the sensor sees."""
_NOT_SEEN = -1e6
"""Pixel outside every picture."""
_MAX_OFFSET_M = 0.6
"""A reading that is farther than this before or behind the torso is of something else."""


def lift_keypoints(keypoints: NDArray[np.float32], camera: Camera, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lift joints into space by the depth around them.

    Args:
        keypoints: (33, 2) pixels in the layout blazepose33; NaN where a joint is not seen.
        camera: Of the picture.
        depth: (H, W) metres, registered to the picture (its size may differ), 0 for no reading.

    Returns:
        (33, 3) metres in the camera's optical frame; NaN outside the picture and where the sensor reads nothing, or
        something else, as at hips behind a table.
    """
    scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
    torso = keypoints[TORSO]
    length = float(np.nan_to_num(np.linalg.norm((torso[0] + torso[1] - torso[2] - torso[3]) / 2)))
    half = _HALF_WINDOW * length
    z = np.array([_reading(point * scale, np.maximum(half * scale, 1.0), depth) for point in keypoints])
    seen = np.nan_to_num(keypoints, nan=_NOT_SEEN)
    z[hips_behind(seen, length, camera, depth, head_depth(seen, length, camera, depth))] = np.nan
    near = z[TORSO][np.isfinite(z[TORSO])]
    middle = np.median(near if len(near) else z[np.isfinite(z)]) if np.isfinite(z).any() else np.nan
    z = np.where(np.abs(z - middle) <= _MAX_OFFSET_M, z + _SURFACE_M, np.nan)[:, np.newaxis]
    return np.concatenate([camera.rays(keypoints) * z, z], axis=1).astype(np.float32)


def _reading(point: NDArray[np.floating], half: NDArray[np.floating], depth: NDArray[np.float32]) -> float:
    if not ((point >= 0) & (point <= depth.shape[::-1])).all():  # not seen, which is NaN, or outside
        return float("nan")
    (x0, y0), (x1, y1) = (np.maximum(np.rint(point + sign * half), 0).astype(int) for sign in (-1, 1))
    window = depth[y0 : y1 + 1, x0 : x1 + 1]
    readings = window[window > 0]
    return float(np.median(readings)) if readings.size else float("nan")
