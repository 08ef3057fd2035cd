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

"""Pictures with what is known about each pixel, and synthetic ones of people in furnished rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.simulation import Simulator
from mumu_ros.simulation.figure import Shapes
from mumu_ros.simulation.renderer import Renderer

__all__ = ["CLASSES", "IGNORED", "Picture", "draw", "split"]

CLASSES = ("floor", "wall", "furniture", "object", "trunk", "head", "leg", "arm")
IGNORED = -1
"""Class of a pixel that is not labelled."""

_PARTS = {"held": 3, "trunk": 4, "head": 5, "leg": 6, "arm": 7}
_WALLS = 5
"""Surfaces of a furnished room before its furniture: floor, back wall, two side walls, ceiling."""
_SECONDS = 8.0
_MOST_PEOPLE = 3
_SIZES = {"train": 500, "test": 395}
"""As in Erkent (2025) for NYUv2: 500 with depth, of which 250 have classes, and 395 for validation."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture.

    Attributes:
        colour: (H, W, 3) uint8, RGB.
        depth: (H, W) float32 metres along the optical axis; 0 where it is unknown.
        classes: (H, W) int16, index of the class, or `IGNORED`.
    """

    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    classes: NDArray[np.int16]


def split(name: str, size: tuple[int, int], count: int | None = None) -> list[Picture]:
    """The synthetic pictures to `train` on (500) or to `test` on (395), the same ones every time; they share no
    picture, room or person.
    """
    first = 0 if name == "train" else _SIZES["train"]
    return [draw(first + index, size) for index in range(_SIZES[name] if count is None else count)]


def draw(seed: int, size: tuple[int, int]) -> Picture:
    """One to three people in a furnished room, with light, textures and a camera of its own; equal arguments give equal
    bytes.
    """
    rng = np.random.default_rng((seed, 17))
    people = int(rng.integers(1, _MOST_PEOPLE + 1))
    simulator = Simulator(seed=seed, seconds=_SECONDS, people=people, room=True, image_size=size)
    moved = simulator.camera.position + rng.uniform((-0.3, -0.4, -0.3), (0.2, 0.4, 0.3))
    camera = replace(simulator.camera, position=moved, field_of_view=np.radians(rng.uniform(45, 65)))
    renderer = Renderer(camera, simulator.room, rng)
    time_s = np.array([rng.uniform(0, _SECONDS)])
    shapes = Shapes.together([actor.shapes(time_s) for actor in simulator.people])
    surfaces = simulator.room.surfaces(camera)
    classes = np.select([surfaces == 0, surfaces < _WALLS], [0, 1], 2).astype(np.int16)
    part = renderer.numbers(shapes, [_PARTS[part] for part in shapes.parts])
    classes = np.where(part > 0, part, classes).astype(np.int16)
    colour = next(renderer.rgb_images(shapes, [int(rng.integers(1024))]))
    depth = next(renderer.exact_depths(shapes)) / 1000
    return Picture(_lit(colour, surfaces, part > 0, rng), depth.astype(np.float32), classes)


def _lit(
    colour: NDArray[np.uint8], surfaces: NDArray[np.intp], person: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Textures on the room's surfaces, light that falls from somewhere, a tint, exposure."""
    height, width = colour.shape[:2]
    relief = np.zeros((height, width), np.float32)
    for surface in np.unique(surfaces):
        cells = rng.integers(2, 24, 2)
        pattern = _smooth(rng.uniform(-1, 1, cells), (height, width), cv2.INTER_NEAREST if rng.random() < 0.3 else None)
        relief += rng.uniform(0, 0.2) * np.where(surfaces == surface, pattern, 0)
    light = _smooth(rng.uniform(0.55, 1.2, (2, 3)), (height, width))
    shade = np.where(person, light, light * (1 + relief))[..., None] * rng.uniform(0.9, 1.1, 3)
    exposed = 255 * np.clip(colour / 255 * shade, 0, 1) ** rng.uniform(0.75, 1.3)
    return np.round(exposed).astype(np.uint8)


def _smooth(cells: NDArray[np.float64], size: Sequence[int], interpolation: int | None = None) -> NDArray[np.float32]:
    """A coarse grid of numbers as a picture."""
    kind = cv2.INTER_LINEAR if interpolation is None else interpolation
    return np.asarray(cv2.resize(cells.astype(np.float32), (size[1], size[0]), interpolation=kind), np.float32)
