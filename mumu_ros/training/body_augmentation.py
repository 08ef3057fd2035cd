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

"""What cameras, trackers and people themselves do to skeletons, for training."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.config import ConfigError
from mumu_ros.skeletons import LAYOUTS, mirror

__all__ = ["BodyAugmentation", "mirror_imu", "vary_bodies"]

Array = NDArray[np.float32]
_LOWER = ("knee", "ankle", "foot", "heel", "toe")
_HAND = ("wrist", "hand", "pinky", "index", "thumb")
_SMOOTH_STEPS = 8


@dataclass(frozen=True)
class BodyAugmentation:
    """How strongly skeletons with a layout are changed; each window by an amount of its own, up to this.

    Attributes:
        mirror: Probability that a window shows a left-handed person: mirrored, left and right exchanged, and a worn
            IMU on the other side.
        yaw_deg: The camera goes around the person by up to this to either side.
        pitch_deg: The camera looks up or down by up to this.
        noise_m: Standard deviation of the joints' noise, half of its variance from frame to frame, half smooth; along
            the camera's axis up to twice as much.
        bias_m: Standard deviation of an error of each joint that stays.
        size: People are larger or smaller by up to this share.
        unplaced: Probability that only the pose is known, not where the person is: each frame's hips are at the same
            place, as in the world landmarks of picture pose networks.
        joint_dropout: Probability that up to half of the joints are not seen for a while.
        legs_dropout: Probability that the picture ends above the knees, or above the hips.
        arms_dropout: Probability that the hand of one arm is never seen, in half of the cases the elbow neither.

    Raises:
        ConfigError: A value is negative, a probability or share above 1, or an angle above 180.
    """

    mirror: float = 0.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    noise_m: float = 0.0
    bias_m: float = 0.0
    size: float = 0.0
    unplaced: float = 0.0
    joint_dropout: float = 0.0
    legs_dropout: float = 0.0
    arms_dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            high = 180 if name.endswith("_deg") else 1
            if not isinstance(value, int | float) or not 0 <= value <= high:
                raise ConfigError(f"augmentation.body: {name} is {value!r}; expected 0 to {high}")


def vary_bodies(
    x: Array, layout: str, body: BodyAugmentation, mirrored: NDArray[np.bool_], generator: np.random.Generator
) -> Array:
    """Change skeletons (B, T, J, 3) in metres in an optical frame, NaN where a joint is not seen; `mirrored` (B,) are
    shown as a mirror shows them.
    """
    x = np.where(mirrored[:, None, None, None], mirror(x, layout), x)
    batch, _, joints = x.shape[:3]
    hips = _hips(x, layout)
    unplaced = generator.random((batch, 1, 1)) < body.unplaced
    middle = np.where(np.isnan(hips).all(axis=1, keepdims=True), 0, _mean(hips, axis=1))
    x = np.where(unplaced[..., None], x - (hips - middle)[:, :, None], x) - middle[:, :, None]
    size = 1 + generator.uniform(-body.size, body.size, (batch, 1, 1, 1))
    x = np.einsum("btjc,bdc->btjd", x * size, _views(body, batch, generator))
    along = np.array([1, 1, 1 + generator.random()])
    scale = generator.uniform(0, body.noise_m, (batch, 1, 1, 1)) * np.sqrt(0.5) * along
    noise = generator.normal(size=x.shape) + _smooth(x.shape, generator)
    bias = generator.uniform(0, body.bias_m, (batch, 1, 1, 1)) * along * generator.normal(size=(batch, 1, joints, 3))
    x = (x + scale * noise + bias + middle[:, :, None]).astype(np.float32)
    return np.where(_lost(layout, body, x.shape, generator)[..., None], np.float32(np.nan), x)


def mirror_imu(x: Array, mirrored: NDArray[np.bool_]) -> Array:
    """The mirror image of IMU samples (B, T, 2, 3): accelerations reverse along x, angular rates about y and z."""
    image = x * np.array([[-1, 1, 1], [1, -1, -1]], np.float32)
    return np.where(mirrored[:, None, None, None], image, x)


def _mean(x: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    """Mean over what is not NaN, the axis kept; 0 where nothing is."""
    there = ~np.isnan(x)
    mean: NDArray[np.floating] = np.where(there, x, 0).sum(axis=axis, keepdims=True) / np.maximum(
        there.sum(axis=axis, keepdims=True), 1
    )
    return mean


def _hips(x: Array, layout: str) -> Array:
    """(B, T, 3); the middle of all joints where they are not seen."""
    hips = x[:, :, LAYOUTS[layout].index("left_hip", "right_hip")].mean(axis=2)
    found: Array = np.where(np.isnan(hips), _mean(x, axis=2)[:, :, 0], hips).astype(np.float32)
    return found


def _views(body: BodyAugmentation, batch: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Rotations about the vertical and then about the camera's x, (B, 3, 3)."""
    yaw, pitch = (np.deg2rad(generator.uniform(-a, a, batch)) for a in (body.yaw_deg, body.pitch_deg))
    zero, one = np.zeros(batch), np.ones(batch)
    turn = np.stack([np.cos(yaw), zero, np.sin(yaw), zero, one, zero, -np.sin(yaw), zero, np.cos(yaw)], axis=1)
    nod = np.stack([one, zero, zero, zero, np.cos(pitch), -np.sin(pitch), zero, np.sin(pitch), np.cos(pitch)], axis=1)
    views: NDArray[np.float64] = nod.reshape(-1, 3, 3) @ turn.reshape(-1, 3, 3)
    return views


def _smooth(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.float64]:
    """Noise of about unit variance that changes within half a second."""
    batch, steps, joints, axes = shape
    knots = generator.normal(size=(batch, steps // _SMOOTH_STEPS + 2, joints, axes))
    at = np.arange(steps) / _SMOOTH_STEPS
    low = at.astype(np.int64)
    part = (at - low)[:, None, None]
    smooth: NDArray[np.float64] = knots[:, low] * (1 - part) + knots[:, low + 1] * part
    return smooth


def _lost(
    layout: str, body: BodyAugmentation, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Which joints are not seen, (B, T, J); of each step one at least is."""
    batch, steps, joints = shape[:3]
    share = generator.uniform(0, 0.5, (batch, 1)) * (generator.random((batch, 1)) < body.joint_dropout)
    begin, end = np.sort(generator.uniform(-0.5, 1.5, (2, batch, 1)), axis=0) * steps
    stretch = (np.arange(steps) >= begin) & (np.arange(steps) < end)
    lost = stretch[:, :, None] & (generator.random((batch, joints)) < share)[:, None]
    legs = generator.random(batch) < body.legs_dropout
    lost |= legs[:, None, None] & _parts(layout, _LOWER)
    lost |= (legs & (generator.random(batch) < 0.4))[:, None, None] & _parts(layout, ("hip", "center"))
    lost |= _hidden_arms(layout, body.arms_dropout, batch, generator)[:, None]
    # The neck, or what is nearest to it, stays.
    kept = LAYOUTS[layout].index("neck" if "neck" in LAYOUTS[layout].joints else "left_shoulder")
    lost[..., kept] = False
    return np.asarray(lost)


def _hidden_arms(layout: str, probability: float, batch: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Joints of one arm, from the elbow or from the hand on, (B, J)."""
    hidden, left, from_elbow = (generator.random((batch, 1)) < p for p in (probability, 0.5, 0.5))
    hands, arms = (
        np.where(left, _parts(layout, parts, "left"), _parts(layout, parts, "right"))
        for parts in (_HAND, (*_HAND, "elbow"))
    )
    return np.asarray(hidden & np.where(from_elbow, arms, hands))


def _parts(layout: str, parts: Collection[str], side: str = "") -> NDArray[np.bool_]:
    return np.array([name.startswith(side) and name.split("_")[-1] in parts for name in LAYOUTS[layout].joints])
