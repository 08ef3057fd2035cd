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

"""From the detector's anchors to regions of people, in the whole picture and in parts of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.networks import DETECTOR_SIZE, PoseNetworks
from mumu_ros.people.regions import Region, cut, paint_over

__all__ = ["Detection", "detect", "tiles"]

_STRIDES = (8, 16, 32, 32, 32)
_ANCHORS_EACH = 2
_MIN_SCORE = 0.5
_MAX_OVERLAP = 0.3


@dataclass(frozen=True)
class Detection:
    """A person that the detector sees.

    Attributes:
        score: Its probability.
        region: Where the landmark network should look.
    """

    score: float
    region: Region


def tiles(width: int, height: int) -> list[Region]:
    """The squares of a picture in which people are looked for, from the whole to the parts.

    The detector sees one or two people that fill much of its picture. So it also looks at squares of the picture's
    height (or width) and of a bit more than half of that, each overlapping the next by half.
    """
    long, short = max(width, height), min(width, height)
    found = [Region(width / 2, height / 2, float(long))]
    for size in (short, 0.56 * short):
        if size < long:
            found += [Region(x, y, size) for y in _middles(height, size) for x in _middles(width, size)]
    return found


def detect(
    networks: PoseNetworks, picture: NDArray[np.uint8], tile: Region, painted: NDArray[np.uint8] | None = None
) -> list[Detection]:
    """Find the people in a part of a picture, best first.

    `painted` covers people who are known already, see `paint_over`.
    """
    crop, _ = paint_over(cut(picture, tile, DETECTOR_SIZE), tile, picture.shape[1], painted)
    numbers, logits = networks.detect(crop)
    scores = 1 / (1 + np.exp(-logits.clip(-50, 50)))
    places = np.flatnonzero(scores >= _MIN_SCORE)
    places = places[np.argsort(-scores[places])]
    # Center, size, and four points; the first two are the hips' middle and the end of the person's circle.
    found = numbers[places] / DETECTOR_SIZE
    points = found.reshape(len(places), 6, 2) + _anchors()[places, np.newaxis]
    boxes = np.concatenate([points[:, 0] - found[:, 2:4] / 2, points[:, 0] + found[:, 2:4] / 2], axis=1)
    detections = []
    for group in _groups(boxes):
        weights = scores[places[group]]
        middle, top = np.average(points[group, 2:4], axis=0, weights=weights)
        region = Region.around(tile.to_picture(middle), tile.to_picture(top))
        detections.append(Detection(float(weights[0]), region))
    return detections


def _groups(boxes: NDArray[np.float32]) -> list[list[int]]:
    """Boxes, best first, that overlap: each group is one person."""
    left = list(range(len(boxes)))
    groups = []
    while left:
        first = left[0]
        group = [i for i in left if _overlap(boxes[first], boxes[i]) > _MAX_OVERLAP or i == first]
        groups.append(group)
        left = [i for i in left if i not in group]
    return groups


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(sides.clip(min=0)))
    either = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    return both / either if either > 0 else 0.0


def _middles(length: int, size: float) -> list[float]:
    """Middles of squares along a side, each overlapping the next by half or more."""
    if size >= length:
        return [length / 2]
    count = int(np.ceil((length - size) / (size / 2))) + 1
    return [float(middle) for middle in np.linspace(size / 2, length - size / 2, count)]


@functools.cache
def _anchors() -> NDArray[np.float32]:
    """(2254, 2) middles of the anchors, from 0 to 1."""
    grids = []
    for stride in _STRIDES:
        count = DETECTOR_SIZE // stride
        middles = (np.arange(count, dtype=np.float32) + 0.5) / count
        grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, _ANCHORS_EACH, axis=0))
    # Grids of the same stride share their places: all anchors of a place follow each other.
    same = [np.concatenate([g.reshape(-1, _ANCHORS_EACH, 2) for g in grids[2:]], axis=1).reshape(-1, 2)]
    return np.concatenate([*grids[:2], *same])
