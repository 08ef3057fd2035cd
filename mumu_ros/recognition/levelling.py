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

"""How a camera is tilted, learned from the people in view: models expect skeletons as a level camera sees them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mumu_ros.skeletons import LAYOUTS
from mumu_ros.streams import NS_PER_S

__all__ = ["CameraTilt"]

_TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_KNEES = ("left_knee", "right_knee")
_RATE = np.radians(2.0)
"""Radians a second: slow enough that a turn of a whole skeleton is not taken for motion."""
_IN_LINE = np.cos(np.radians(30.0))
"""Cosine of how far the thighs may be from the line of the torso of somebody who stands."""
_NOT_STANDING, _LEAN = 0.1, np.radians(20.0)
"""Weight of the torso of whoever sits, bends or whose legs are not seen, and how far from upright it may be for long:
where nobody stands, a torso that is as near to the estimate teaches nothing."""
_ENOUGH = 0.1
"""Share of the torsos of a recording."""
_UPRIGHT = np.cos(np.radians(60.0))
"""Cosine of how far a torso may be from upright to be counted: nobody who lies or bends down."""
_FARTHEST = np.cos(np.radians(60.0))
"""Cosine of the largest tilt."""
_LONGEST_S = 0.5
"""Time between two pictures that counts, at most."""
_ITERATIONS = 100
"""Of Weiszfeld's method for the geometric median."""
_NEAREST = 1e-6
"""Distance below which a torso counts no more."""
_LEVEL_UP = np.array([0.0, -1.0, 0.0])
"""In an optical frame (REP 103)."""


class CameraTilt:
    """The direction of up in a camera's optical frame.

    It is where torsos point, as a median over time: with every picture the estimate turns towards the mean torso of
    that picture, by at most 2° a second, however far away that is. While nobody is seen to stand, with thighs in line
    with the torso, it turns by a tenth of that, and only until the torso is within 20° of it. So a camera that looks
    down by 30° is known after 15 seconds with somebody who stands or walks in view, whoever reclines for 20 seconds
    turns the estimate by 4° at most, and whoever leans by 20° at a table for hours does not turn it.
    """

    def __init__(self) -> None:
        self.clear()

    @classmethod
    def of_recording(cls, layout_name: str, skeletons: Iterable[NDArray[np.float32]]) -> CameraTilt:
        """The tilt of a camera that was not turned, by the people in all of its pictures.

        Up is the geometric median of the torsos of whoever stands, if those are a tenth of all; those more than 60°
        from it are not counted. Else it is that of all torsos, and 20° nearer to a level camera's.

        Args:
            layout_name: Of the skeletons, one of `LAYOUTS`.
            skeletons: As for `see`, of all pictures.
        """
        tilt, torsos = cls(), _torsos(layout_name, skeletons)
        units = np.array([unit for unit, _ in torsos], np.float64).reshape(-1, 3)
        stand = np.array([weight == 1 for _, weight in torsos], np.bool_)
        enough = bool(stand.sum() >= _ENOUGH * len(units))
        units = units[stand] if enough else units
        up = tilt._up
        for _ in range(_ITERATIONS):
            upright = units[units @ up > _UPRIGHT]
            direction = (1 / np.linalg.norm(upright - up, axis=1).clip(_NEAREST)) @ upright
            if not len(upright) or direction @ _LEVEL_UP < _FARTHEST * np.linalg.norm(direction):
                break
            up = direction / np.linalg.norm(direction)
        tilt._turn_towards(up, np.pi, 0.0 if enough else _LEAN)
        return tilt

    def clear(self) -> None:
        """Take the camera as level: another recording begins."""
        self._up = _LEVEL_UP
        self._stamp_ns: int | None = None

    @property
    def radians(self) -> float:
        """The angle between the camera's picture and a level one, about its optical axis and about the horizontal."""
        return float(np.arccos(np.clip(self._up @ _LEVEL_UP, -1, 1)))

    def see(self, stamp_ns: int, layout_name: str, skeletons: Iterable[NDArray[np.float32]]) -> None:
        """Learn from the people in a picture.

        Args:
            stamp_ns: Of the picture.
            layout_name: Of the skeletons; from those of an unknown one nothing is learned.
            skeletons: (J, 3) joints in the camera's optical frame, NaN where not seen.
        """
        if layout_name not in LAYOUTS:
            return
        upright = [(unit, weight) for unit, weight in _torsos(layout_name, skeletons) if unit @ self._up > _UPRIGHT]
        elapsed_s = 0.0 if self._stamp_ns is None else max(stamp_ns - self._stamp_ns, 0) / NS_PER_S
        self._stamp_ns = max(stamp_ns, self._stamp_ns or stamp_ns)
        if upright:
            units, weights = zip(*upright, strict=True)
            direction = np.average(np.array(units, np.float64), axis=0, weights=weights)
            most = max(weights) * _RATE * min(elapsed_s, _LONGEST_S)
            self._turn_towards(direction, most, 0.0 if max(weights) == 1 else _LEAN)

    def level(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joints (J, 3) as a level camera in the same place would see them."""
        axis = np.cross(self._up, _LEVEL_UP)
        x, y, z = axis
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        # Rodrigues' formula for the smallest turn from one direction to another.
        turn = np.eye(3) + cross + cross @ cross / (1 + self._up @ _LEVEL_UP)
        level: NDArray[np.float32] = (joints @ turn.T).astype(np.float32)
        return level

    def _turn_towards(self, direction: NDArray[np.float64], most: float, lean: float) -> None:
        """Turn by at most so many radians, until the direction is within `lean` of the estimate."""
        direction = direction / np.linalg.norm(direction)
        angle = float(np.arccos(np.clip(direction @ self._up, -1, 1)))
        turn = min(most, angle - lean)
        if turn <= 0:
            return
        up = direction
        if turn < angle:
            across = direction - (direction @ self._up) * self._up
            up = np.cos(turn) * self._up + np.sin(turn) * across / np.linalg.norm(across)
        if up @ _LEVEL_UP >= _FARTHEST:
            self._up = up


def _torsos(layout_name: str, skeletons: Iterable[NDArray[np.float32]]) -> list[tuple[NDArray[np.float32], float]]:
    """Directions from hips to shoulders, NaN where not seen, and how much each counts."""
    known = LAYOUTS[layout_name]
    left, right, left_hip, right_hip = known.index(*_TORSO)
    left_knee, right_knee = known.index(*_KNEES)
    found = []
    for j in skeletons:
        if len(j) != len(known):
            continue
        torso = j[left] + j[right] - j[left_hip] - j[right_hip]
        thighs = np.nansum([j[left_knee] - j[left_hip], j[right_knee] - j[right_hip]], axis=0)
        if (length := np.linalg.norm(torso)) > 0:
            stands = -thighs @ torso > _IN_LINE * length * np.linalg.norm(thighs)
            found.append((torso / length, 1.0 if stands else _NOT_STANDING))
    return found
