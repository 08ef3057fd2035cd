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

"""Properties of a simulated person: body, clothes, temperament and sensor mounting."""

from dataclasses import dataclass

import numpy as np

from mumu_ros.simulation.body import Array, Skeleton

__all__ = ["Colour", "Looks", "Mounting", "Subject"]

Colour = tuple[float, float, float]
"""Red, green, blue in 0…255."""

_SKINS: tuple[Colour, ...] = ((241, 205, 178), (224, 178, 142), (193, 137, 98), (141, 92, 61), (92, 60, 42))
_HAIR: tuple[Colour, ...] = ((35, 28, 25), (70, 48, 34), (120, 85, 50), (190, 160, 100), (150, 150, 150))


@dataclass(frozen=True)
class Looks:
    """Colours and girth.

    Attributes:
        girth: Factor on the thickness of trunk and limbs.
        sleeve: Colour of the forearms: the shirt's or the skin's.
    """

    skin: Colour
    hair: Colour
    shirt: Colour
    sleeve: Colour
    trousers: Colour
    shoes: Colour
    box: Colour
    girth: float


@dataclass(frozen=True)
class Mounting:
    """How one inertial sensor sits on its segment, and its calibration errors.

    Attributes:
        rotation: (3, 3) sensor frame to segment frame.
        offset: (3,) metres from the segment's origin, in the segment frame.
        bias: (2, 3) constant errors of specific force (m/s²) and angular rate (rad/s).
        noise: Standard deviations of the same, white, per sample.
    """

    rotation: Array
    offset: Array
    bias: Array
    noise: tuple[float, float]


@dataclass(frozen=True)
class Subject:
    """One person with their sensors.

    Attributes:
        tempo, amplitude: Factors on all this person's movements.
    """

    skeleton: Skeleton
    looks: Looks
    tempo: float
    amplitude: float
    wrist: Mounting
    belt: Mounting

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Subject":
        """A random person."""
        skeleton = _draw_skeleton(rng)
        return cls(
            skeleton=skeleton,
            looks=_draw_looks(rng),
            tempo=rng.uniform(0.92, 1.1),
            amplitude=rng.uniform(0.9, 1.12),
            wrist=_draw_mounting(rng, (0.02, 0.0, 0.03), tilt_deg=6.0),
            belt=_draw_mounting(rng, (0.0, 0.12, 0.05), tilt_deg=4.0),
        )


def _draw_skeleton(rng: np.random.Generator) -> Skeleton:
    """Proportions vary around the usual shares of body height (Winter, Biomechanics, figure 4.1)."""
    height = float(np.clip(rng.normal(1.71, 0.09), 1.5, 1.95))
    leg, arm, breadth = (height * float(rng.uniform(0.96, 1.04)) for _ in range(3))
    return Skeleton(
        pelvis_half_width=0.055 * breadth,
        trunk=0.818 * height - 0.53 * leg,
        shoulder_half_width=0.108 * breadth,
        neck=0.035 * height,
        head=0.065 * height,
        upper_arm=0.186 * arm,
        forearm=0.146 * arm,
        hand=0.09 * arm,
        thigh=0.245 * leg,
        shin=0.246 * leg,
        foot=0.11 * height,
        ankle_height=0.039 * leg,
        side=1 if rng.random() < 0.15 else -1,
    )


def _draw_looks(rng: np.random.Generator) -> Looks:
    skin = _SKINS[rng.integers(len(_SKINS))]
    shirt = _draw_colour(rng)
    return Looks(
        skin=skin,
        hair=_HAIR[rng.integers(len(_HAIR))],
        shirt=shirt,
        sleeve=shirt if rng.random() < 0.4 else skin,
        trousers=_draw_colour(rng, 0.65),
        shoes=_draw_colour(rng, 0.4),
        box=(rng.uniform(150, 200), rng.uniform(110, 145), rng.uniform(60, 95)),
        girth=float(rng.uniform(0.88, 1.2)),
    )


def _draw_colour(rng: np.random.Generator, brightness: float = 1.0) -> Colour:
    red, green, blue = rng.uniform(40, 235, 3) * brightness
    return (float(red), float(green), float(blue))


def _draw_mounting(rng: np.random.Generator, offset: tuple[float, float, float], tilt_deg: float) -> Mounting:
    tilt = np.radians(rng.normal(0, tilt_deg / 2, 3).clip(-tilt_deg, tilt_deg))
    return Mounting(
        rotation=_rotation_from_vector(tilt),
        offset=np.array(offset) + rng.normal(0, 0.008, 3),
        bias=np.stack((rng.normal(0, 0.08, 3), rng.normal(0, 0.01, 3))),
        noise=(float(rng.uniform(0.03, 0.07)), float(rng.uniform(0.004, 0.01))),
    )


def _rotation_from_vector(vector: Array) -> Array:
    """(3, 3) rotation by |vector| radians about `vector` (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / angle if angle else vector
    cross = np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
