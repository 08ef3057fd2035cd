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

"""Depth images drawn as pictures, so that what looks for people in colour pictures can look at depth."""

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["KINECT_FOCAL", "shade"]

KINECT_FOCAL = 0.89
"""Focal length of UTD-MHAD's Kinect, in widths of the picture."""

_Grey = npt.NDArray[np.float32]

_LIGHT = np.array((0.3, -0.5, 0.8)) / np.linalg.norm((0.3, -0.5, 0.8))
"""From the surface to the light, in the camera's optical frame with z turned round: above the camera, on its right."""
_AMBIENT = 0.13
_RELIEF = 1.5
"""Slopes are drawn this much steeper than they are."""
_LIT_TO_MM = 2600
"""What is nearer is fully lit; the light falls off with the square of the distance."""
_BRIGHTEST = 235.0
_COLOUR = (1.0, 0.88, 0.78)
_AROUND = 8.0
"""Pixels over which the surroundings of a surface are averaged."""
_STEP_MM = 200.0
"""What is half of this nearer than its surroundings is half as bright again."""


def shade(depth: npt.NDArray[np.uint16], *, scale: int = 3) -> npt.NDArray[np.uint8]:
    """Draw a depth image of the Kinect as a surface lit from the camera.

    Args:
        depth: (H, W) uint16 millimetres, 0 where there is no reading: a plain backdrop is drawn there.
        scale: How much larger the picture is.

    Returns:
        (scale × H, scale × W, 3) uint8, RGB.
    """
    filled = depth
    for _ in range(2):
        filled = np.where(filled > 0, filled, cv2.medianBlur(filled, 5)).astype(np.uint16)
    seen = filled > 0
    metric = filled.astype(np.float32)
    light = np.clip((_LIT_TO_MM / np.maximum(metric, 1)) ** 2, 0.25, 1.15) * (1 + _nearness(metric, seen))
    surface = _BRIGHTEST * light * (_AMBIENT + (1 - _AMBIENT) * _lambert(metric))
    backdrop = np.linspace(90, 130, len(depth), dtype=np.float32)[:, None]
    grey = np.where(seen, surface, backdrop).astype(np.float32)
    large, there = (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=how)[..., None]
        for image, how in ((grey, cv2.INTER_CUBIC), (seen.astype(np.uint8), cv2.INTER_NEAREST))
    )
    return np.clip(np.where(there, large * np.array(_COLOUR, np.float32), large), 0, 255).astype(np.uint8)


def _nearness(depth_mm: _Grey, seen: npt.NDArray[np.bool_]) -> _Grey:
    """How much nearer a surface is than what is seen around it, from -0.5 to 0.5: an arm before the chest stands out.

    Unsharp masking of depth: Luft, Colditz and Deussen, SIGGRAPH 2006.
    """
    share = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), _AROUND)
    around = cv2.GaussianBlur(np.where(seen, depth_mm, 0), (0, 0), _AROUND) / np.maximum(share, 1e-3)
    return np.asarray(np.clip((around - depth_mm) / _STEP_MM, -0.5, 0.5), np.float32)


def _lambert(depth_mm: _Grey) -> _Grey:
    """Cosine between the surface's normal and the light, at least 0."""
    pixel_mm = np.maximum(depth_mm, 1) / (_RELIEF * KINECT_FOCAL * depth_mm.shape[1])
    x, y = (cv2.Sobel(depth_mm, cv2.CV_32F, *order, ksize=3) / 8 / pixel_mm for order in ((1, 0), (0, 1)))
    facing = (_LIGHT[2] - x * _LIGHT[0] - y * _LIGHT[1]) / np.sqrt(x**2 + y**2 + 1)
    return np.asarray(np.maximum(facing, 0), np.float32)
