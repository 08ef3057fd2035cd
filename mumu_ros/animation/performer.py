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

"""A person of random size and posture, and their joints at each pose of the body.

Vectors of the body are (forward, left, up); limbs bend as two segments do whose end is to be at a place (inverse
kinematics in closed form).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.skeletons import LAYOUTS

__all__ = ["LAYOUT", "PARTS", "Array", "Performer"]

Array = NDArray[np.float64]

LAYOUT = "florence15"
PARTS = ("right", "left", "trunk", "pelvis", "right_foot", "left_foot")
"""What a pose (6, 3) says of each part: where a hand is from its shoulder, in arm lengths, (forward, outwards, up),
turned about the vertical as the trunk is; how far the trunk is pitched forward, turned to the left and rolled to the
right, in degrees; where the pelvis and the feet are from where they are when the person stands, in leg lengths,
(forward, outwards, up), for the pelvis (forward, to the right, up)."""

_HEIGHT_M = (1.5, 1.95)
_HANGING = -0.93
"""How far below the shoulder a hand at rest is, in arm lengths."""
_NEAREST = 0.45
"""Least distance of a hand from its shoulder, in arm lengths."""
_FORWARD, _AHEAD = np.array([1.0, 0, 0]), np.array([0.7, 0.5, -0.5]) / np.linalg.norm([0.7, 0.5, -0.5])
"""(forward, outwards, up): straight ahead, and about the middle of where arms point: the elbow turns with the arm from
there, and a hand passes by its shoulder there."""
_STANDING = 0.985
"""Share of the legs' length by which the hips of somebody who stands are above the ankles."""
_SHORTEST_M, _LONGEST = 0.02, 0.995
"""Limits of the distance between the ends of a limb: more than the difference of its segments by this, and at most this
share of their sum."""
_CAMERA_HEIGHT_M = 1.0


@dataclass(frozen=True, eq=False)
class Performer:
    """Somebody's measures, in metres unless said, and habits.

    Attributes:
        stance: Distance of the feet, in widths of the hips.
        spine: Height of the spine's joint, as a share of the trunk.
        distance: From the camera.
        yaw_deg: How far they face away from the camera, to their left.
        stoop_deg: Pitch of the trunk at rest.
        hanging: Where a hand hangs at rest; see `PARTS`.
        elbows: How far the elbows are turned outwards, radians, right and left.
        tempo: Factor on all speeds.
        size: Factor on the size of gestures.
    """

    trunk: float
    neck: float
    shoulders: float
    hips: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    ankle: float
    stance: float
    spine: float
    distance: float
    yaw_deg: float
    stoop_deg: float
    hanging: Array
    elbows: Array
    tempo: float
    size: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Performer:
        """Somebody at random."""
        height = generator.uniform(*_HEIGHT_M)

        def part(share: float) -> float:
            return float(share * height * generator.uniform(0.92, 1.08))

        return cls(
            trunk=part(0.29), neck=part(0.1), shoulders=part(0.105), hips=part(0.06), upper_arm=part(0.17),
            forearm=part(0.15), thigh=part(0.24), shin=part(0.235), ankle=part(0.05),
            stance=generator.uniform(0.9, 2.2),
            spine=generator.uniform(0.35, 0.65),
            distance=generator.uniform(2, 3.5),
            yaw_deg=generator.normal(0, 12),
            stoop_deg=generator.uniform(-4, 10),
            hanging=np.array([generator.uniform(-0.05, 0.25), generator.uniform(0, 0.3), _HANGING]),
            elbows=np.radians(generator.normal(0, 15, 2)),
            tempo=np.exp(generator.normal(0.55, 0.2)),
            size=np.exp(generator.normal(0, 0.12)),
        )  # fmt: skip

    def rest(self, generator: np.random.Generator) -> Array:
        """A pose (6, 3) of standing with hanging arms."""
        pose = np.zeros((len(PARTS), 3))
        pose[:2] = self.hanging + generator.normal(0, 0.02, (2, 3))
        pose[2, 0] = self.stoop_deg
        return pose

    def joints(self, poses: Array) -> NDArray[np.float32]:
        """Joints (T, 15, 3) of poses (T, 6, 3), in the layout `LAYOUT`, in metres in a camera's optical frame."""
        right, left, trunk, pelvis, right_foot, left_foot = np.moveaxis(poses, 1, 0)
        pitch, turn, roll = np.radians(trunk).T
        level = _rotation(2, turn)
        back = level @ _rotation(1, pitch) @ _rotation(0, roll)
        hip_turn = _rotation(2, 0.35 * turn)
        leg = self.thigh + self.shin
        root = pelvis * leg * (1, -1, 1) + (0, 0, _STANDING * leg + self.ankle)
        up = back[:, :, 2]
        neck = root + self.trunk * up
        head = up + np.array([0.15, 0, 0.6])
        found = {
            "head": neck + self.neck * head / np.linalg.norm(head, axis=1, keepdims=True),
            "neck": neck,
            "spine": root + self.spine * self.trunk * up,
        }
        for side, sign, hand, foot, elbow_turn in (
            ("right", -1, right, right_foot, self.elbows[0]),
            ("left", 1, left, left_foot, self.elbows[1]),
        ):
            shoulder = neck + back @ (0, sign * self.shoulders, -0.03)
            elbow, wrist = self._arm(shoulder, hand, level, sign, elbow_turn)
            hip = root + hip_turn @ (0, sign * self.hips, 0)
            ground = foot * leg * (1, sign, 1) + (0, sign * self.hips * self.stance, self.ankle)
            knee, ankle = _bent(hip, ground, self.thigh, self.shin, np.array([1.0, sign * 0.15, 0.05]))
            limbs = {"shoulder": shoulder, "elbow": elbow, "wrist": wrist, "hip": hip, "knee": knee, "ankle": ankle}
            found |= {f"{side}_{name}": place for name, place in limbs.items()}
        joints = np.stack([found[name] for name in LAYOUTS[LAYOUT].joints], axis=1)
        forward, across, above = np.moveaxis(joints @ _rotation(2, np.radians([self.yaw_deg]))[0].T, 2, 0)
        return np.stack([across, _CAMERA_HEIGHT_M - above, self.distance - forward], axis=2).astype(np.float32)

    def _arm(self, shoulder: Array, hand: Array, level: Array, sign: int, elbow_turn: float) -> tuple[Array, Array]:
        """Elbow and wrist (T, 3), m, of the arm at a shoulder (T, 3), by the place of its hand (T, 3); see `PARTS`."""
        place = _off_shoulder(hand)
        pole = np.array([0, 0.35 + np.sin(elbow_turn), -np.cos(elbow_turn)])
        pole = _carried(pole, _FORWARD, _AHEAD)
        pole = _carried(pole, _AHEAD, place / np.linalg.norm(place, axis=1, keepdims=True))
        reach, pole = (np.einsum("tij,tj->ti", level, vectors * (1, sign, 1)) for vectors in (place, pole))
        target = shoulder + reach * (self.upper_arm + self.forearm)
        return _bent(shoulder, target, self.upper_arm, self.forearm, pole)


def _rotation(axis: int, angle: Array) -> Array:
    """Right-handed rotations (T, 3, 3) about an axis of the body."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.tile(np.eye(3), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, j, i] = np.sin(angle)
    matrix[:, i, j] = -matrix[:, j, i]
    return matrix


def _off_shoulder(hand: Array) -> Array:
    """Places (T, 3) of a hand; those that are too near to the shoulder are moved away, so that a hand goes round it."""
    distance = np.linalg.norm(hand, axis=1, keepdims=True)
    along = hand @ _AHEAD[:, None]
    across = hand - along * _AHEAD
    aside = np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.arctan2(aside, along) * distance / _NEAREST
    moved = _NEAREST * (np.cos(angle) * _AHEAD + np.sin(angle) * across / np.maximum(aside, 1e-6))
    return np.where(distance < _NEAREST, moved, hand)


def _carried(direction: Array, begin: Array, end: Array) -> Array:
    """A direction across `begin`, turned by the smallest rotation from there to other unit vectors: (T, 3).

    It is undefined where they are opposed to `begin`.
    """
    share = end @ direction / np.maximum(1 + end @ begin, 1e-6)
    carried: Array = direction - share[..., None] * (begin + end)
    return carried


def _bent(begin: Array, target: Array, first: float, second: float, pole: Array) -> tuple[Array, Array]:
    """Middle and end (T, 3) of two segments that reach for a target, bent towards `pole`."""
    along = target - begin
    distance = np.linalg.norm(along, axis=1, keepdims=True)
    along = along / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(first - second) + _SHORTEST_M, _LONGEST * (first + second))
    share = (first**2 - second**2 + distance**2) / (2 * distance)
    side = pole - (pole * along).sum(axis=1, keepdims=True) * along
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    middle = begin + share * along + np.sqrt(np.maximum(first**2 - share**2, 0)) * side
    return middle, begin + distance * along
