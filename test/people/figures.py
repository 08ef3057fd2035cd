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

"""A figure whose joints are known: its pose in a picture and what a depth sensor sees of it."""

from __future__ import annotations

import numpy as np

from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import BONES, LAYOUT, TORSO, Pose
from mumu_ros.people.regions import Region
from mumu_ros.skeletons import layout


def standing() -> np.ndarray:
    """(33, 3) somebody who stands with the arms apart, metres around the middle of the hips."""
    places = {
        "nose": (0, -0.68, -0.1),
        "ear": (0.08, -0.68, 0),
        "mouth": (0.03, -0.62, -0.08),
        "eye": (0.03, -0.7, -0.09),
        "shoulder": (0.18, -0.5, 0),
        "elbow": (0.4, -0.35, 0),
        "wrist": (0.6, -0.45, -0.05),
        "pinky": (0.66, -0.5, -0.05),
        "index": (0.66, -0.52, -0.06),
        "thumb": (0.62, -0.5, -0.07),
        "hip": (0.1, 0, 0),
        "knee": (0.12, 0.42, 0),
        "ankle": (0.13, 0.82, 0.03),
        "heel": (0.13, 0.86, 0.06),
        "toe": (0.14, 0.88, -0.1),
    }
    joints = []
    for joint in layout(LAYOUT).joints:
        side = -1 if joint.startswith("right") else 1  # seen from the front, left is to the right
        part = next(name for name in sorted(places, key=len, reverse=True) if name in joint)
        x, y, z = places[part]
        joints.append((side * x if part != "nose" else 0.0, y, z))
    return np.array(joints, np.float32)


def pose_of(joints: np.ndarray, camera: Camera, world: np.ndarray) -> Pose:
    keypoints = camera.project(joints)
    visibility = np.ones(33, np.float32)
    return Pose(1.0, keypoints, visibility, world, Region(*keypoints[TORSO].mean(axis=0), 300.0))


def depth_of(
    skeletons: list[np.ndarray], camera: Camera, wall_m: float | None = 6.0, radius_m: float = 0.07
) -> np.ndarray:
    """What a depth sensor sees of people made of balls along their bones, before a wall."""
    depth = np.full((camera.height, camera.width), wall_m or 100.0, np.float32)
    for joints in skeletons:
        for a, b in BONES:
            for share in np.linspace(0, 1, 25):
                point = joints[a] + share * (joints[b] - joints[a])
                x, y = camera.project(point)
                r = radius_m * camera.fx / point[2]
                x0, x1, y0, y1 = (int(max(0, v)) for v in (x - r, x + r + 1, y - r, y + r + 1))
                part = depth[y0:y1, x0:x1]
                np.minimum(part, point[2] - 0.04, out=part)
    return np.where(depth < 100, depth, np.float32(0))
