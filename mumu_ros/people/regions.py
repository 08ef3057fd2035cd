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

"""Square regions of a picture, turned so that the person in them is upright, and parts of them painted over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Region", "cut", "paint_over"]

_MARGIN = 1.25
"""Size of a person's region, in diameters of the circle that holds the person."""


@dataclass(frozen=True)
class Region:
    """A square of the picture.

    Attributes:
        x: Of its middle, pixels.
        y: Of its middle, pixels.
        size: Length of a side, pixels.
        angle: By which it is turned, radians; positive is clockwise as one sees it. 0: upright.
    """

    x: float
    y: float
    size: float
    angle: float = 0.0

    @classmethod
    def around(cls, middle: NDArray[np.floating], top: NDArray[np.floating]) -> Region:
        """The region of a person, with a margin.

        Args:
            middle: (2,) middle of the hips, pixels.
            top: (2,) end of the radius of a circle around `middle` that holds the whole person; it lies above the head.
        """
        dx, dy = (float(d) for d in np.asarray(top) - np.asarray(middle))
        size = 2 * _MARGIN * float(np.hypot(dx, dy))
        return cls(float(middle[0]), float(middle[1]), size, float(np.arctan2(dx, -dy)))

    def moved(self, by: NDArray[np.floating]) -> Region:
        """The same region elsewhere: (2,) pixels."""
        return replace(self, x=self.x + float(by[0]), y=self.y + float(by[1]))

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """(…, 2) points of the region, from 0 to 1, to pixels of the picture."""
        centered = (np.asarray(points) - 0.5) * self.size
        return self.turn(centered) + np.array([self.x, self.y], np.float32)

    def turn(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors of the region, (…, 2) or (…, 3), along the picture's axes; a third coordinate is kept."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.array(vectors, np.float32)
        turned[..., 0] = cos * vectors[..., 0] - sin * vectors[..., 1]
        turned[..., 1] = sin * vectors[..., 0] + cos * vectors[..., 1]
        return turned


def cut(picture: NDArray[np.uint8], region: Region, size: int) -> NDArray[np.uint8]:
    """A region of a picture as a square picture of `size` pixels, black beyond the edges."""
    # Far smaller pictures are taken from a smaller picture first: bilinear sampling would skip pixels.
    shrink = 1
    while region.size / shrink > 2 * size:
        shrink *= 2
    source: NDArray[Any] = picture
    if shrink > 1:
        source, region = _shrunk(picture, region, shrink)
    corners = region.to_picture(np.array([[0, 0], [1, 0], [0, 1]], np.float32)).astype(np.float32)
    target = np.array([[0, 0], [size, 0], [0, size]], np.float32)
    matrix = cv2.getAffineTransform(corners, target)
    return np.asarray(cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def paint_over(
    crop: NDArray[np.uint8], region: Region, width: int, painted: NDArray[np.uint8] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Replace what a network must not look at by its blurred surroundings.

    Args:
        crop: RGB, square: the region as `cut` gives it.
        region: The region.
        width: Of the whole picture, pixels.
        painted: The whole picture or a smaller one of the same aspect: 255 where it is painted over, else 0.

    Returns:
        The picture, and bool (size, size) where it is painted over.
    """
    if painted is None:
        return crop, np.zeros(crop.shape[:2], np.bool_)
    scale = painted.shape[1] / width
    smaller = Region(region.x * scale, region.y * scale, region.size * scale, region.angle)
    mask = cut(painted, smaller, len(crop)) > 127
    if not mask.any():
        return crop, mask
    blurred = cv2.blur(crop, (len(crop) // 3, len(crop) // 3))
    return np.asarray(cv2.copyTo(blurred, mask.view(np.uint8), crop.copy()), np.uint8), mask


def _shrunk(picture: NDArray[Any], region: Region, factor: int) -> tuple[NDArray[Any], Region]:
    """The part of a picture around a region, smaller by a whole factor (for which OpenCV's averaging is fast)."""
    half = region.size * 0.75  # more than half the diagonal of the turned square
    x0, y0 = (max(0, int(v - half)) for v in (region.x, region.y))
    part = picture[y0 : int(region.y + half) + 1, x0 : int(region.x + half) + 1]
    width, height = part.shape[1] // factor, part.shape[0] // factor
    if not width or not height:
        return picture, region
    part = part[: height * factor, : width * factor]
    smaller: NDArray[Any] = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    middle = ((region.x - x0) / factor, (region.y - y0) / factor)
    return smaller, Region(*middle, region.size / factor, region.angle)
