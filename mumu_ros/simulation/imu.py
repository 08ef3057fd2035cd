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

"""Inertial sensors: what an accelerometer and a gyroscope on a moving segment read."""

import numpy as np

from mumu_ros.simulation.body import Array, Pose
from mumu_ros.simulation.subject import Mounting

__all__ = ["DIFFERENCE_S", "GRAVITY", "inertial_samples"]

GRAVITY = 9.80665
"""m/s², standard gravity."""
DIFFERENCE_S = 1e-3
"""Half the span of the central differences; their error is under 1 % for movement below 40 Hz."""

_ACCELERATION_RANGE = 16 * GRAVITY
_RATE_RANGE = float(np.radians(2000))


def inertial_samples(
    poses: tuple[Pose, Pose, Pose],
    joint: str,
    body: str,
    mounting: Mounting,
    vibration: tuple[Array, Array],
    rng: np.random.Generator,
) -> Array:
    """Specific force and angular rate in the sensor's frame.

    f = Rᵀ(a + g), with g pointing up: a sensor at rest reads 9.81 m/s² upwards (REP 145).

    Args:
        poses: The body DIFFERENCE_S before, at and after the T sampling instants.
        joint: The segment's origin.
        body: The segment that carries the sensor.
        mounting: How the sensor sits on the segment.
        vibration: Acceleration (T, 3) and angular rate (T, 3) to add, in the segment's frame.
        rng: Source of the noise.

    Returns:
        (T, 2, 3): m/s², rad/s.
    """
    rotations = [pose.rotation(body) for pose in poses]
    before, now, after = (
        pose.position(joint) + rotation @ mounting.offset for pose, rotation in zip(poses, rotations, strict=True)
    )
    acceleration = (before - 2 * now + after) / DIFFERENCE_S**2
    force = np.einsum("tji,tj->ti", rotations[1], acceleration + np.array((0.0, 0.0, GRAVITY))) + vibration[0]
    rate = _rotation_vector(np.swapaxes(rotations[0], 1, 2) @ rotations[2]) / (2 * DIFFERENCE_S) + vibration[1]
    samples = np.stack((force, rate), axis=1) @ mounting.rotation
    samples += mounting.bias + rng.standard_normal(samples.shape) * np.array(mounting.noise)[:, None]
    limits = np.array((_ACCELERATION_RANGE, _RATE_RANGE))[:, None]
    return np.clip(samples, -limits, limits)


def _rotation_vector(rotation: Array) -> Array:
    """(T, 3) axis times angle of small rotations (T, 3, 3), from their antisymmetric part."""
    sine_axis = 0.5 * np.stack(
        (
            rotation[:, 2, 1] - rotation[:, 1, 2],
            rotation[:, 0, 2] - rotation[:, 2, 0],
            rotation[:, 1, 0] - rotation[:, 0, 1],
        ),
        axis=1,
    )
    sine = np.linalg.norm(sine_axis, axis=1, keepdims=True)
    # arcsin(x) / x tends to 1: below 1e-9 the quotient would be noise.
    return sine_axis * np.where(sine > 1e-9, np.arcsin(np.minimum(sine, 1.0)) / np.maximum(sine, 1e-9), 1.0)
