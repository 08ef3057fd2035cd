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

"""What is remembered of one person to smooth its keypoints and joints."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.filters import OneEuro
from mumu_ros.people.landmarks import LAYOUT, MIN_VISIBILITY, Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.skeletons import layout

__all__ = ["BodyFilter"]

_JOINTS = len(layout(LAYOUT))


class BodyFilter:
    """Takes the jitter of somebody at rest away and follows fast hands: at 15 Hz they are less than 10 ms late.

    Joints that are not seen are NaN.
    """

    def __init__(self) -> None:
        # Chosen on clips of UTD-MHAD's subjects 1 to 5: stronger filters put moving wrists 5 cm farther off.
        self._keypoints = OneEuro(2.0, 8.0)
        self._last = np.full((_JOINTS, 2), np.nan, np.float32)
        self._way = np.zeros((_JOINTS, 2), np.float32)  # of each keypoint so far, in torso lengths
        self._place = OneEuro(2.0, 6.0)
        self._shape = OneEuro(2.0, 15.0)

    def keypoints(self, stamp_ns: int, pose: Pose) -> NDArray[np.float32]:
        """(33, 2) pixels of the picture."""
        # Speeds are in torso lengths, so that one setting fits near and far. Not places: noise of the torso's length
        # would move somebody by more the farther they are from the picture's corner.
        seen = np.where(_seen(pose), pose.keypoints, np.nan).astype(np.float32)
        self._way = self._way + np.nan_to_num(seen - self._last) / np.float32(pose.torso)
        self._last = seen
        way = np.where(np.isnan(seen), np.nan, self._way)
        return seen + (self._keypoints.update(stamp_ns, way) - way) * np.float32(pose.torso)

    def joints(self, stamp_ns: int, pose: Pose, lifted: Lifted | None) -> NDArray[np.float32]:
        """(33, 3) metres in the camera's optical frame: place and shape apart, since the distance is noisier."""
        if lifted is None:
            return np.full((len(pose.keypoints), 3), np.nan, np.float32)
        middle = lifted.middle
        there = _seen(pose) & (lifted.joints[:, 2:] > 0)
        shape = np.where(there, lifted.joints - middle, np.nan).astype(np.float32)
        return self._place.update(stamp_ns, middle) + self._shape.update(stamp_ns, shape)


def _seen(pose: Pose) -> NDArray[np.bool_]:
    seen: NDArray[np.bool_] = (pose.visibility >= MIN_VISIBILITY)[:, np.newaxis]
    return seen
