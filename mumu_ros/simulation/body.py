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

"""The person as a kinematic chain: joint angles to joint positions and segment orientations.

World frame as in REP 103: x towards the camera (forward for the person), y left, z up, floor at z = 0.
At zero angles the person stands upright with hanging arms; every limb extends along −z of its own frame. Arms
and legs are called dominant and off: a left-hander is the mirror image of a right-hander, at the same place and
with the same heading.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "BODIES", "CHANNELS", "JOINTS", "METRES", "Pose", "Skeleton", "channel"]

Array = npt.NDArray[np.float64]

_ARM = ("flexion", "abduction", "rotation", "elbow", "pronation", "wrist")
_LEG = ("hip", "knee")
CHANNELS: tuple[str, ...] = (
    *("x", "y", "yaw", "pelvis_pitch", "pelvis_roll", "pelvis_yaw", "splay"),
    *(f"{side}_{angle}" for side in ("dominant", "off") for angle in _LEG),
    *("spine_pitch", "spine_roll", "spine_yaw", "head_pitch", "head_yaw"),
    *(f"{side}_{angle}" for side in ("dominant", "off") for angle in _ARM),
)
"""Degrees of freedom: those in METRES are the place on the floor, all others angles in radians."""
METRES = frozenset(("x", "y"))

_LIMB_JOINTS = ("hip", "knee", "ankle", "toe", "shoulder", "elbow", "wrist", "hand")
JOINTS: tuple[str, ...] = (
    *("pelvis", "chest", "neck", "head"),
    *(f"{side}_{joint}" for side in ("dominant", "off") for joint in _LIMB_JOINTS),
)
BODIES: tuple[str, ...] = (
    *("pelvis", "chest", "head"),
    *(f"{side}_{body}" for side in ("dominant", "off") for body in ("forearm", "hand")),
)
"""Rigid segments whose orientation is of interest: they carry a sensor, an object or a face."""

_CHANNEL_INDEX: Mapping[str, int] = {name: index for index, name in enumerate(CHANNELS)}
_SOFTNESS_M = 0.012
"""How softly the pelvis height passes from one supporting leg to the other."""


def channel(name: str) -> int:
    """Column of a degree of freedom in an array of angles."""
    return _CHANNEL_INDEX[name]


@dataclass(frozen=True)
class Pose:
    """The body at T instants.

    Attributes:
        positions: (T, len(JOINTS), 3), metres, world frame.
        rotations: (T, len(BODIES), 3, 3), segment frame to world frame.
    """

    positions: Array
    rotations: Array

    def at(self, t: int) -> "Pose":
        """One instant of it."""
        return Pose(self.positions[t : t + 1], self.rotations[t : t + 1])

    def position(self, joint: str) -> Array:
        """(T, 3) of one joint."""
        return self.positions[:, JOINTS.index(joint)]

    def rotation(self, body: str) -> Array:
        """(T, 3, 3) of one segment."""
        return self.rotations[:, BODIES.index(body)]


@dataclass(frozen=True)
class Skeleton:
    """Segment lengths in metres and the dominant side.

    Attributes:
        side: +1 for a left-hander (left is +y), −1 for a right-hander.
    """

    pelvis_half_width: float
    trunk: float
    shoulder_half_width: float
    neck: float
    head: float
    upper_arm: float
    forearm: float
    hand: float
    thigh: float
    shin: float
    foot: float
    ankle_height: float
    side: int

    def pose(self, angles: Array) -> Pose:
        """Forward kinematics of angles (T, len(CHANNELS))."""
        return _Chain(self, angles).pose()


class _Chain:
    """One evaluation of the forward kinematics; the feet stand on the floor and carry everything else."""

    def __init__(self, skeleton: Skeleton, angles: Array) -> None:
        self._skeleton = skeleton
        self._angles = angles
        self._positions: dict[str, Array] = {}
        self._rotations: dict[str, Array] = {}

    def pose(self) -> Pose:
        self._lower_body()
        self._trunk()
        for name, side in (("dominant", self._skeleton.side), ("off", -self._skeleton.side)):
            self._arm(name, side)
        return Pose(
            np.stack([self._positions[joint] for joint in JOINTS], axis=1),
            np.stack([self._rotations[body] for body in BODIES], axis=1),
        )

    def _angle(self, name: str) -> Array:
        return self._angles[:, channel(name)]

    def _turn(self, name: str) -> Array:
        """An angle of the trunk out of the plane of symmetry, as a left-hander has it the other way."""
        return -self._skeleton.side * self._angle(name)

    def _lower_body(self) -> None:
        skeleton = self._skeleton
        heading = _rotation("z", self._angle("yaw"))
        pelvis = (
            heading
            @ _rotation("z", self._turn("pelvis_yaw"))
            @ _rotation("y", self._angle("pelvis_pitch"))
            @ _rotation("x", self._turn("pelvis_roll"))
        )
        # Legs hang from the heading, not from the tilted pelvis: a bow then moves the trunk and not the feet.
        legs = {}
        for name, side in (("dominant", skeleton.side), ("off", -skeleton.side)):
            hip = _along(heading, (0.0, side * skeleton.pelvis_half_width, 0.0))
            thigh = heading @ _rotation("x", side * self._angle("splay")) @ _rotation("y", -self._angle(f"{name}_hip"))
            shin = thigh @ _rotation("y", self._angle(f"{name}_knee"))
            knee = hip - skeleton.thigh * thigh[:, :, 2]
            ankle = knee - skeleton.shin * shin[:, :, 2]
            legs[name] = {
                "hip": hip,
                "knee": knee,
                "ankle": ankle,
                "toe": ankle + skeleton.foot * heading[:, :, 0],
            }
        ankles = [leg["ankle"] for leg in legs.values()]
        root = -np.mean(ankles, axis=0)
        root[:, 0] += self._angle("x")
        root[:, 1] += self._angle("y")
        root[:, 2] = skeleton.ankle_height + _soft_maximum(-ankles[0][:, 2], -ankles[1][:, 2])
        for name, leg in legs.items():
            self._positions |= {f"{name}_{joint}": root + position for joint, position in leg.items()}
        for name in legs:
            self._positions[f"{name}_toe"][:, 2] -= 0.6 * skeleton.ankle_height
        self._positions["pelvis"] = root
        self._rotations["pelvis"] = pelvis

    def _trunk(self) -> None:
        skeleton = self._skeleton
        chest = (
            self._rotations["pelvis"]
            @ _rotation("z", self._turn("spine_yaw"))
            @ _rotation("y", self._angle("spine_pitch"))
            @ _rotation("x", self._turn("spine_roll"))
        )
        head = chest @ _rotation("z", self._turn("head_yaw")) @ _rotation("y", self._angle("head_pitch"))
        # Half of the trunk belongs to the pelvis, so that bending rounds the back.
        waist = self._positions["pelvis"] + 0.35 * skeleton.trunk * self._rotations["pelvis"][:, :, 2]
        self._positions["chest"] = waist + 0.65 * skeleton.trunk * chest[:, :, 2]
        self._positions["neck"] = self._positions["chest"] + skeleton.neck * chest[:, :, 2]
        self._positions["head"] = self._positions["neck"] + skeleton.head * head[:, :, 2]
        self._rotations |= {"chest": chest, "head": head}

    def _arm(self, name: str, side: int) -> None:
        skeleton = self._skeleton
        chest = self._rotations["chest"]
        upper = (
            chest
            @ _rotation("y", -self._angle(f"{name}_flexion"))
            @ _rotation("x", side * self._angle(f"{name}_abduction"))
            @ _rotation("z", -side * self._angle(f"{name}_rotation"))
        )
        forearm = (
            upper
            @ _rotation("y", -self._angle(f"{name}_elbow"))
            @ _rotation("z", -side * self._angle(f"{name}_pronation"))
        )
        hand = forearm @ _rotation("x", -side * self._angle(f"{name}_wrist"))
        shoulder = self._positions["chest"] + _along(chest, (0.0, side * skeleton.shoulder_half_width, 0.0))
        elbow = shoulder - skeleton.upper_arm * upper[:, :, 2]
        wrist = elbow - skeleton.forearm * forearm[:, :, 2]
        self._positions |= {
            f"{name}_shoulder": shoulder,
            f"{name}_elbow": elbow,
            f"{name}_wrist": wrist,
            f"{name}_hand": wrist - skeleton.hand * hand[:, :, 2],
        }
        self._rotations |= {f"{name}_forearm": forearm, f"{name}_hand": hand}


def _rotation(axis: str, angle: Array) -> Array:
    """(T, 3, 3) right-handed rotations about a coordinate axis."""
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.zeros((len(angle), 3, 3))
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix[:, i, i] = 1.0
    matrix[:, j, j] = matrix[:, k, k] = cosine
    matrix[:, k, j] = sine
    matrix[:, j, k] = -sine
    return matrix


def _along(rotation: Array, vector: tuple[float, float, float]) -> Array:
    return np.asarray(rotation @ np.array(vector))


def _soft_maximum(a: Array, b: Array) -> Array:
    """A maximum without a kink: a kink in the height would be an infinite acceleration."""
    return 0.5 * (a + b + np.sqrt((a - b) ** 2 + _SOFTNESS_M**2))
