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

"""Furnished rooms: walls, a ceiling and pieces of furniture around a stage that stays free."""

from collections.abc import Callable, Iterator

import numpy as np

from mumu_ros.simulation.body import Array
from mumu_ros.simulation.scene import Room

__all__ = ["furnished_room"]

_HEIGHT_M = 2.6
_WALL_M = 0.1
_ATTEMPTS = 40
_MOST_PIECES = 12
_BEHIND = 0.6
"""Share of the pieces that stand at the back wall, where the camera sees them best."""


def furnished_room(rng: np.random.Generator, stage: Array) -> Room:
    """A random room around a stage, (2, 2), lower and upper corner (x, y) of the floor that stays free, in metres.

    The camera stands on it, and looks along −x.
    """
    wall_x = stage[0, 0] - rng.uniform(0.25, 1.3)
    right, left = stage[0, 1] - rng.uniform(0.25, 1.2), stage[1, 1] + rng.uniform(0.25, 1.2)
    ahead = stage[1, 0] + 1.0
    walls = [
        ((wall_x, left, 0.0), (ahead, left + _WALL_M, _HEIGHT_M)),
        ((wall_x, right - _WALL_M, 0.0), (ahead, right, _HEIGHT_M)),
        ((wall_x, right, _HEIGHT_M), (ahead, left, _HEIGHT_M + _WALL_M)),
    ]
    pieces = list(_pieces(rng, stage, wall_x, (right, left)))
    floor, wall = _colour(rng, 110, 190), _colour(rng, 185, 235)
    colours = [floor, wall, wall, wall, np.minimum(1.1 * wall, 245)]
    colours += [colour for piece in pieces for colour in np.tile(_colour(rng, 50, 190), (len(piece), 1))]
    return Room(wall_x, np.concatenate((np.array(walls), *pieces)), np.array(colours), rng.uniform(0.12, 0.3))


def _pieces(rng: np.random.Generator, stage: Array, wall_x: float, sides: tuple[float, float]) -> Iterator[Array]:
    """Pieces (N, 2, 3) along the walls that touch neither the stage nor each other."""
    taken = [stage]
    for _ in range(_ATTEMPTS):
        piece = _KINDS[rng.integers(len(_KINDS))](rng)
        if rng.random() < _BEHIND:
            piece = piece + np.array((wall_x, rng.uniform(*sides), 0.0))
        else:
            side = rng.integers(2)
            along = rng.uniform(wall_x + 0.5, stage[1, 0] - 0.5)
            turned = piece[..., (1, 0, 2)] * (1.0, (1.0, -1.0)[side], 1.0) + (along, sides[side], 0.0)
            piece = np.stack((turned.min(axis=1), turned.max(axis=1)), axis=1)
        footprint = np.stack((piece[:, 0, :2].min(axis=0), piece[:, 1, :2].max(axis=0)))
        inside = sides[0] <= footprint[0, 1] and footprint[1, 1] <= sides[1] and footprint[0, 0] >= wall_x
        if inside and not any(_overlap(footprint, other) for other in taken):
            taken.append(footprint)
            yield piece
        if len(taken) > _MOST_PIECES:
            return


def _overlap(a: Array, b: Array) -> bool:
    return bool(np.all(a[0] < b[1]) and np.all(b[0] < a[1]))


def _colour(rng: np.random.Generator, darkest: float, brightest: float) -> Array:
    return np.asarray(rng.uniform(darkest, brightest) + rng.uniform(-25, 25, 3))


# Each piece: (N, 2, 3) corners of its boxes; its back at x = 0, centred on y = 0, standing on z = 0.


def _cupboard(rng: np.random.Generator) -> Array:
    depth, width, height = rng.uniform(0.35, 0.6), rng.uniform(0.5, 1.4), rng.uniform(0.7, 2.0)
    return np.array([((0, -width / 2, 0), (depth, width / 2, height))])


def _shelf(rng: np.random.Generator) -> Array:
    depth, width, height = rng.uniform(0.25, 0.4), rng.uniform(0.6, 1.2), rng.uniform(1.2, 2.0)
    sides = [((0, y - 0.015, 0), (depth, y + 0.015, height)) for y in (-width / 2, width / 2)]
    boards = [((0, -width / 2, z - 0.015), (depth, width / 2, z + 0.015)) for z in np.linspace(0.1, height, 5)]
    books = [
        ((0.03, y, z + 0.015), (0.22, y + rng.uniform(0.08, 0.3), z + rng.uniform(0.15, 0.24)))
        for z in np.linspace(0.1, height, 5)[:-1]
        for y in (rng.uniform(-width / 2 + 0.03, width / 2 - 0.33),)
    ]
    return np.array(sides + boards + books)


def _table(rng: np.random.Generator) -> Array:
    depth, width, height = rng.uniform(0.5, 0.8), rng.uniform(0.7, 1.5), rng.uniform(0.65, 0.8)
    top = ((0.1, -width / 2, height - 0.04), (0.1 + depth, width / 2, height))
    legs = [
        ((x - 0.025, y - 0.025, 0), (x + 0.025, y + 0.025, height))
        for x in (0.15, 0.05 + depth)
        for y in (-width / 2 + 0.05, width / 2 - 0.05)
    ]
    return np.array([top, *legs])


def _chair(rng: np.random.Generator) -> Array:
    seat, width = rng.uniform(0.42, 0.48), rng.uniform(0.4, 0.5)
    legs = [
        ((x - 0.02, y - 0.02, 0), (x + 0.02, y + 0.02, seat))
        for x in (0.17, 0.1 + width)
        for y in (-width / 2 + 0.03, width / 2 - 0.03)
    ]
    board = ((0.15, -width / 2, seat - 0.04), (0.15 + width, width / 2, seat))
    back = ((0.15, -width / 2, seat), (0.19, width / 2, seat + rng.uniform(0.35, 0.5)))
    return np.array([board, back, *legs])


def _sofa(rng: np.random.Generator) -> Array:
    depth, width, seat = rng.uniform(0.75, 0.9), rng.uniform(1.2, 2.0), rng.uniform(0.38, 0.45)
    boxes = [((0, -width / 2, 0), (depth, width / 2, seat)), ((0, -width / 2, 0), (0.22, width / 2, seat + 0.4))]
    arms = [((0, y, 0), (depth, y + 0.18, seat + rng.uniform(0.12, 0.25))) for y in (-width / 2 - 0.18, width / 2)]
    return np.array(boxes + arms)


def _picture(rng: np.random.Generator) -> Array:
    width, height, low = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.7), rng.uniform(1.2, 1.5)
    return np.array([((0, -width / 2, low), (0.03, width / 2, low + height))])


_KINDS: tuple[Callable[[np.random.Generator], Array], ...] = (_cupboard, _shelf, _table, _chair, _sofa, _picture)
