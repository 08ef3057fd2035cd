"""From a region of the picture to the landmarks of the person in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.networks import LANDMARK_SIZE, PoseNetworks
from mumu_ros.people.regions import Region, cut
from mumu_ros.skeletons import layout

__all__ = ["BONES", "LAYOUT", "MIN_VISIBILITY", "TORSO", "Pose", "find_pose", "hide"]

LAYOUT = "blazepose33"
_LIMBS = (
    *(("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index")),
    *(("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "toe")),
)
TORSO = layout(LAYOUT).index("left_shoulder", "right_shoulder", "left_hip", "right_hip")
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
_HEAD = layout(LAYOUT).index("left_ear", "right_ear", "nose")
_LIMB_WIDTH, _HEAD_RADIUS = 0.25, 0.32
"""Of a person who is painted over, in lengths of the torso."""
_MIDDLE, _TOP = 33, 34
"""Two more landmarks: the middle of the hips, and the end of the person's circle, for the region in the next frame."""


@dataclass(frozen=True, eq=False)
class Pose:
    """What the landmark network says of one person.

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


def find_pose(networks: PoseNetworks, picture: NDArray[np.uint8], region: Region, hidden: Sequence[Pose] = ()) -> Pose:
    """Look for the landmarks of the person in a region.

    Args:
        networks: The networks.
        picture: RGB, uint8 (H, W, 3).
        region: Where the person is.
        hidden: Other people, who are painted over; a joint that is found behind them is not seen.
    """
    crop, paint = hide(cut(picture, region, LANDMARK_SIZE), region, hidden)
    landmarks, world, score = networks.landmarks(crop)
    points = region.to_picture(landmarks[:, :2] / LANDMARK_SIZE)
    visible, present = _probability(landmarks[:_JOINTS, 3]), _probability(landmarks[:_JOINTS, 4])
    inside = ((points[:_JOINTS] >= 0) & (points[:_JOINTS] < (picture.shape[1], picture.shape[0]))).all(axis=1)
    columns, rows = landmarks[:_JOINTS, :2].clip(0, LANDMARK_SIZE - 1).astype(int).T
    inside &= paint[rows, columns] == 0
    return Pose(
        score=score,
        keypoints=points[:_JOINTS],
        visibility=np.minimum(visible, present) * inside,
        world=region.turn(world[:_JOINTS]),
        region=Region.around(points[_MIDDLE], points[_TOP]),
    )


def hide(crop: NDArray[np.uint8], region: Region, poses: Sequence[Pose]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A square picture of a region in which people are painted over, so that somebody behind or beside them is found.

    Both networks look at the most conspicuous person. What is known is therefore replaced by its blurred surroundings.

    Args:
        crop: RGB, square: the region as `cut` gives it.
        region: The region.
        poses: Whom to hide.

    Returns:
        The picture, and uint8 (size, size) where it is painted over.
    """
    mask = np.zeros(crop.shape[:2], np.uint8)
    if not poses:
        return crop, mask
    for pose in poses:
        points = (region.from_picture(pose.keypoints) * len(crop)).clip(-4096, 4096).astype(np.int32)
        torso = pose.torso / region.size * len(crop)
        for a, b in BONES:
            cv2.line(mask, points[a].tolist(), points[b].tolist(), 255, max(1, round(_LIMB_WIDTH * torso)))
        cv2.fillConvexPoly(mask, cv2.convexHull(points[TORSO]), 255)
        cv2.circle(mask, points[_HEAD].mean(axis=0).astype(int).tolist(), max(1, round(_HEAD_RADIUS * torso)), 255, -1)
    blurred = cv2.blur(crop, (len(crop) // 3, len(crop) // 3))
    return np.where(mask[..., np.newaxis] > 0, blurred, crop), mask


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = 1 / (1 + np.exp(-logits.clip(-50, 50)))
    return found
