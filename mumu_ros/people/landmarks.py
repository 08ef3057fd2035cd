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

"""From a region of the picture to the landmarks of the person in it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.networks import LANDMARK_SIZE, PoseNetworks
from mumu_ros.people.regions import Region, cut, paint_over
from mumu_ros.skeletons import layout

__all__ = ["BONES", "FACE", "KNEES", "LAYOUT", "MIN_VISIBILITY", "TORSO", "Pose", "find_pose"]

LAYOUT = "blazepose33"
_LIMBS = (
    *(("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index")),
    *(("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "toe")),
)
TORSO = layout(LAYOUT).index("left_shoulder", "right_shoulder", "left_hip", "right_hip")
KNEES = layout(LAYOUT).index("left_knee", "right_knee")
FACE = layout(LAYOUT).index("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_mouth", "right_mouth")
BONES = tuple(
    (layout(LAYOUT).joints.index(a), layout(LAYOUT).joints.index(b))
    for a, b in (
        *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _LIMBS),
        ("left_shoulder", "right_shoulder"),
        ("left_hip", "right_hip"),
        ("left_shoulder", "right_hip"),
        ("right_shoulder", "left_hip"),
        ("left_ear", "right_ear"),
    )
)
"""Pairs of joints that are joined by a limb or by the trunk."""
_JOINTS = len(layout(LAYOUT))
MIN_VISIBILITY = 0.3
"""A joint that is less certain is not seen."""
_MIDDLE, _TOP = 33, 34
"""Two more landmarks: the middle of the hips, and the end of the person's circle, for the region in the next frame."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Output of the landmark network for one person.

    Attributes:
        score: Probability that this is a person.
        keypoints: (33, 2) pixels of the picture.
        visibility: (33,) probability that a joint is in the picture and not hidden.
        world: (33, 3) metres around the middle of the hips; x and y along the picture, z away from the camera.
        region: Where to look for this person in the next frame.
    """

    score: float
    keypoints: NDArray[np.float32]
    visibility: NDArray[np.float32]
    world: NDArray[np.float32]
    region: Region

    @functools.cached_property
    def middle(self) -> NDArray[np.float32]:
        """(2,) middle of the torso, pixels."""
        middle: NDArray[np.float32] = self.keypoints[TORSO].mean(axis=0)
        return middle

    @functools.cached_property
    def torso(self) -> float:
        """Length of the torso, pixels; where it is seen from above or below, at least half of the shoulders' width."""
        left, right, left_hip, right_hip = self.keypoints[TORSO]
        length = float(np.linalg.norm((left + right - left_hip - right_hip) / 2))
        return max(length, 0.5 * float(np.linalg.norm(left - right)), 1.0)


def find_pose(
    networks: PoseNetworks, picture: NDArray[np.uint8], region: Region, painted: NDArray[np.uint8] | None = None
) -> Pose:
    """Look for the landmarks of the person in a region.

    A joint behind what is painted over, see `paint_over`, is not seen.
    """
    crop, paint = paint_over(cut(picture, region, LANDMARK_SIZE), region, picture.shape[1], painted)
    landmarks, world, score = networks.landmarks(crop)
    points = region.to_picture(landmarks[:, :2] / LANDMARK_SIZE)
    visible, present = _probability(landmarks[:_JOINTS, 3]), _probability(landmarks[:_JOINTS, 4])
    inside = ((points[:_JOINTS] >= 0) & (points[:_JOINTS] < (picture.shape[1], picture.shape[0]))).all(axis=1)
    columns, rows = landmarks[:_JOINTS, :2].clip(0, LANDMARK_SIZE - 1).astype(int).T
    inside &= ~paint[rows, columns]
    return Pose(
        score=score,
        keypoints=points[:_JOINTS],
        visibility=np.minimum(visible, present) * inside,
        world=region.turn(world[:_JOINTS]),
        region=Region.around(points[_MIDDLE], points[_TOP]),
    )


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = 1 / (1 + np.exp(-logits.clip(-50, 50)))
    return found
