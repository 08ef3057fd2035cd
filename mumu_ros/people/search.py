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

"""The regions of a picture in which the detector looks for people who are not tracked yet."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.detection import tiles
from mumu_ros.people.regions import Region

__all__ = ["Search"]

_PERIOD = 5
"""Pictures from one run of the detector to the next while everybody is followed."""
_SMALL = 8
"""Movement is looked for in a picture that is smaller by this factor."""
_CHANGE = 12
"""Grey levels that a pixel changes by where something moves."""
_MIN_PIXELS = 6
"""Of the smaller picture, that have to change."""
_BLUR = 5
"""Of the smaller picture: what changes in pixels that are as near as this is one thing."""
_BODY = 1.3
"""Size of the region of somebody, in their height."""
_MARGIN, _LEAST = 2.0, (0.56, 0.4)
"""Size of the square around what moves: in its own size, and at least in the picture's shorter side, by turns."""


class Search:
    """Chooses parts of one picture after the other.

    The first picture is looked at as a whole and in all parts. Later one part has its turn: by turns what moves and is
    of nobody known, and the next part in order. In the first two rounds, and while somebody is not found, that is in
    every picture, otherwise in every fifth.

    Attributes:
        moved: Where somebody would be if what moves, as the last `parts` found, is a person; None: nothing moves.
    """

    def __init__(self) -> None:
        self._tiles: list[Region] = []
        self._pictures = self._turn = self._looks = 0
        self._seen: deque[tuple[int, NDArray[np.uint8], NDArray[np.bool_]]] = deque()
        self.moved: Region | None = None

    def clear(self) -> None:
        """Reset before the next picture."""
        self._tiles, self._looks, self.moved = [], 0, None
        self._seen.clear()

    def is_due(self, *, is_complete: bool) -> bool:
        """Whether to look in this picture; call it once for each.

        Args:
            is_complete: Whether somebody is followed and everybody who is was found in this picture.
        """
        self._pictures += 1
        return not (is_complete and self._pictures % _PERIOD and self._looks > 2 * len(self._tiles) > 0)

    def parts(self, rgb: NDArray[np.uint8], known: NDArray[np.uint8] | None) -> list[Region]:
        """The parts to look at.

        Args:
            rgb: uint8 (H, W, 3).
            known: The pixels of people who are followed, see `silhouettes`.
        """
        if not self._tiles:
            self._tiles = tiles(rgb.shape[1], rgb.shape[0])
            return self._tiles
        self._turn += 1
        moving = self._moving(rgb, known)
        self.moved = moving and Region(moving.x, moving.y, _BODY * moving.size)
        if not moving or self._turn % 2 == 0:
            return [self._next(min(rgb.shape[:2]))]
        least = _LEAST[self._turn // 2 % 2] * min(rgb.shape[:2])
        return [Region(moving.x, moving.y, min(max(_MARGIN * moving.size, least), float(max(rgb.shape[:2]))))]

    def _next(self, shorter: int) -> Region:
        """The whole picture and the parts as large as its shorter side have every other turn."""
        large = [tile for tile in self._tiles if tile.size >= shorter]
        small = [tile for tile in self._tiles if tile.size < shorter]
        chosen = small if self._looks % 2 else large
        self._looks += 1
        return chosen[((self._looks - 1) // 2) % len(chosen)]

    def _moving(self, rgb: NDArray[np.uint8], known: NDArray[np.uint8] | None) -> Region | None:
        """A square around the largest thing that has moved in the last pictures and is nobody who is known."""
        size = (max(1, rgb.shape[1] // _SMALL), max(1, rgb.shape[0] // _SMALL))
        now = np.asarray(
            cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.uint8
        )
        around = np.zeros(now.shape, np.bool_)
        if known is not None:
            around = cv2.dilate(cv2.resize(known, size, interpolation=cv2.INTER_AREA), np.ones((3, 3), np.uint8)) > 0
        self._seen.append((self._pictures, now, around))
        # From one picture to the next somebody far away moves too little.
        while len(self._seen) > 1 and self._pictures - self._seen[1][0] >= _PERIOD:
            self._seen.popleft()
        _, before, around_before = self._seen[0]
        changed = np.asarray((cv2.absdiff(now, before) > _CHANGE) & ~around & ~around_before, np.uint8)
        _, _, found, _ = cv2.connectedComponentsWithStats(cv2.dilate(changed, np.ones((_BLUR, _BLUR), np.uint8)))
        if len(found) < 2 or int(changed.sum()) < _MIN_PIXELS:
            return None
        x, y, width, height, _ = (float(value) for value in found[1 + int(found[1:, cv2.CC_STAT_AREA].argmax())])
        extent = max(width, height) - (_BLUR - 1)
        return Region(_SMALL * (x + width / 2), _SMALL * (y + height / 2), _SMALL * max(extent, 1.0))
