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

"""What is true of the simulated people at one instant, in the terms of the front end that looks for them."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt

from mumu_ros.people.person import Person
from mumu_ros.simulation.body import Array, Pose
from mumu_ros.simulation.scene import Camera
from mumu_ros.skeletons import LAYOUTS

__all__ = ["TRUTH_LAYOUT", "true_person"]

TRUTH_LAYOUT = "blazepose33"
_HEEL_M = 0.05
# Joint of the face: metres forward, left and up from the middle of the head.
_FACE: Mapping[str, tuple[float, float, float]] = {
    "nose": (0.095, 0.0, -0.015),
    **{
        f"{side}_{name}": (forward, sign * left, up)
        for side, sign in (("left", 1), ("right", -1))
        for name, forward, left, up in (
            ("eye_inner", 0.085, 0.018, 0.015),
            ("eye", 0.083, 0.03, 0.015),
            ("eye_outer", 0.078, 0.042, 0.015),
            ("ear", 0.0, 0.078, 0.0),
            ("mouth", 0.08, 0.025, -0.05),
        )
    },
}


def true_person(
    body_id: str, pose: Pose, side: int, camera: Camera, owners: npt.NDArray[np.uint8], number: int, share: float
) -> Person:
    """One person as the perfect front end would give it.

    `owners` (H, W) says whom each pixel shows, by `number`; `share` is how much of the person is seen.
    """
    world = _joints(pose, side)
    joints = (world - camera.position) @ camera.axes.T
    pixels, _ = camera.project(world)
    keypoints = np.asarray(np.where(joints[:, 2:] > 0.1, pixels, np.nan), np.float32)
    own = owners == number
    visible = _is_seen(keypoints, own)
    x, y, width, height = cv2.boundingRect(own.view(np.uint8))
    roi = (float(x), float(y), float(width), float(height))
    return Person(body_id, share, roi, keypoints, joints.astype(np.float32), visible, "depth")


def _is_seen(keypoints: npt.NDArray[np.float32], own: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """1 for a joint in the picture at a pixel of its person, else 0."""
    height, width = own.shape
    x, y = np.nan_to_num(np.round(keypoints), nan=-1.0).clip(-1, (width, height)).astype(np.intp).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    seen = np.zeros(len(x), np.float32)
    seen[inside] = own[y[inside], x[inside]]
    return seen


def _joints(pose: Pose, side: int) -> Array:
    """(33, 3) metres in the world, in the layout of the truth."""
    named = {joint: pose.position("head")[0] + pose.rotation("head")[0] @ offset for joint, offset in _FACE.items()}
    for name, sign in (("dominant", side), ("off", -side)):
        own = "left" if sign > 0 else "right"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe"):
            named[f"{own}_{joint}"] = pose.position(f"{name}_{joint}")[0]
        ankle, toe = named[f"{own}_ankle"], named[f"{own}_toe"]
        ahead = (toe - ankle) * (1.0, 1.0, 0.0)
        named[f"{own}_heel"] = ankle * (1.0, 1.0, 0.0) + (0.0, 0.0, toe[2]) - _HEEL_M * ahead / np.linalg.norm(ahead)
        hand, palm = pose.position(f"{name}_hand")[0], pose.rotation(f"{name}_hand")[0][:, 0]
        named[f"{own}_index"], named[f"{own}_pinky"] = hand + 0.02 * palm, hand - 0.02 * palm
        named[f"{own}_thumb"] = 0.5 * (hand + named[f"{own}_wrist"]) + 0.03 * palm
    return np.array([named[joint] for joint in LAYOUTS[TRUTH_LAYOUT].joints])
