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

"""Images of the person in the room: colour and depth, with the sensors' noise."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mumu_ros.simulation.body import Array
from mumu_ros.simulation.figure import Shapes
from mumu_ros.simulation.scene import Camera, Room

__all__ = ["DEPTH_RANGE_MM", "Renderer"]

DEPTH_RANGE_MM = (400, 8000)
"""Readings outside are 0, as a depth camera gives them."""

_Image = npt.NDArray[np.uint8]
_DepthImage = npt.NDArray[np.uint16]

_SHIFT = 3
"""Polygon corners have 2⁻³ pixel resolution."""
_CIRCLE: Array = np.stack([f(np.arange(10) * (2 * np.pi / 10)) for f in (np.cos, np.sin)], axis=1)
_LIGHT: Array = np.array((0.5, 0.35, 0.6))
_SHADOW = 0.72
_DEPTH_PIECES = 4
_TILE_MARGIN = 32
_RGB_NOISE = 2.5
_DEPTH_NOISE_PER_MM = 1.4e-6
"""Standard deviation of depth over depth squared: stereo and structured light grow noisy with the square."""
_EDGE_MM = 150


class Renderer:
    """Draws shapes far to near over the empty room."""

    def __init__(self, camera: Camera, room: Room, rng: np.random.Generator) -> None:
        self._camera = camera
        self._brightness = rng.uniform(0.75, 1.05) * rng.uniform(0.93, 1.07, 3)
        colour, depth = room.view(camera)
        self._room_rgb: _Image = np.clip(colour * self._brightness, 0, 255).astype(np.uint8)
        self._room_depth: _DepthImage = np.round(depth * 1000).astype(np.uint16)
        tile = tuple(side + _TILE_MARGIN for side in camera.size)
        self._rgb_noise = np.round(rng.normal(0, _RGB_NOISE, (*tile, 3))).astype(np.int16)
        self._depth_noise = rng.normal(0, _DEPTH_NOISE_PER_MM, tile).astype(np.float32)

    def rgb_images(self, shapes: Shapes, noise: Sequence[int]) -> Iterator[_Image]:
        """One uint8 H×W×3 image per instant; `noise` chooses a frame's noise."""
        outlines, depths = self._outlines(shapes.spheres, shapes.radii)
        lit, _ = self._outlines(shapes.spheres + 0.3 * shapes.radii[..., None] * _LIGHT, 0.72 * shapes.radii)
        colours = np.clip(shapes.colours * self._brightness, 0, 255)
        for index, order in enumerate(_far_to_near(depths, shapes.visible)):
            image = self._room_rgb.copy()
            for i in order:
                _fill(image, outlines[index, i], (_SHADOW * colours[i]).tolist(), cv2.LINE_AA)
                _fill(image, lit[index, i], colours[i].tolist(), cv2.LINE_AA)
            yield cv2.add(image, self._rgb_noise[self._window(noise[index])], dtype=cv2.CV_8U).astype(
                np.uint8, copy=False
            )

    def depth_images(self, shapes: Shapes, noise: Sequence[int]) -> Iterator[_DepthImage]:
        """One uint16 H×W image in millimetres per instant, 0 where there is no reading."""
        for image, choice in zip(self.exact_depths(shapes), noise, strict=True):
            yield self._measured(image, self._depth_noise[self._window(choice)])

    def exact_depths(self, shapes: Shapes) -> Iterator[_DepthImage]:
        """One uint16 H×W image in millimetres per instant, as no sensor has it: without noise, with every reading."""
        pieces = _split(shapes)
        outlines, depths = self._outlines(pieces.spheres, pieces.radii)
        surface = np.round(1000 * (depths - 0.7 * pieces.radii.mean(axis=1)))
        for index, order in enumerate(_far_to_near(depths, pieces.visible)):
            image = self._room_depth.copy()
            for i in order:
                _fill(image, outlines[index, i], surface[index, i], cv2.LINE_8)
            yield image

    def numbers(self, shapes: Shapes, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Which shape is seen where at one instant, H×W: its number (from 1 on), 0 for the room."""
        outlines, depths = self._outlines(shapes.spheres, shapes.radii)
        image = np.zeros(self._camera.size, np.uint8)
        for i in next(_far_to_near(depths, shapes.visible)):
            _fill(image, outlines[0, i], float(numbers[i]), cv2.LINE_8)
        return image

    def owners(self, people: Sequence[Shapes]) -> tuple[npt.NDArray[np.uint8], Array]:
        """Who is seen where at one instant.

        Returns:
            H×W: 0 for the room, n for the nth person; and (N,) which share of each person is seen: neither hidden by
            another one nor outside of the picture.
        """
        owner = np.repeat(np.arange(1, len(people) + 1), [len(person.radii) for person in people])
        shapes = Shapes.together(people)
        outlines, _ = self._outlines(shapes.spheres, shapes.radii)
        image = self.numbers(shapes, owner.tolist())
        numbers = range(1, len(people) + 1)
        seen = np.array([np.count_nonzero(image == n) for n in numbers])
        whole = np.array([self._area(outlines[0, (owner == n) & shapes.visible[0]]) for n in numbers])
        return image, np.minimum(seen / np.maximum(whole, 1), 1.0)

    def _area(self, outlines: npt.NDArray[np.int32]) -> int:
        """Pixels that shapes would cover in a picture that is large enough."""
        low, high = outlines.min(axis=(0, 1)), outlines.max(axis=(0, 1))
        width, height = (np.minimum(high - low, 8 * np.array(self._camera.size[::-1]) << _SHIFT) >> _SHIFT) + 2
        image = np.zeros((int(height), int(width)), np.uint8)
        for outline in outlines:
            _fill(image, outline - low, 1.0, cv2.LINE_8)
        return int(np.count_nonzero(image))

    def _outlines(self, spheres: Array, radii: Array) -> tuple[npt.NDArray[np.int32], Array]:
        """Circles (T, P, 40, 2) around the spheres in fixed-point pixels, and the shapes' depths (T, P)."""
        centres, depth = self._camera.project(spheres)
        pixels = self._camera.focal_length * radii / depth
        points = centres[..., None, :] + pixels[..., None, None] * _CIRCLE
        fixed = np.round(points * 2**_SHIFT).astype(np.int32)
        return fixed.reshape(*fixed.shape[:2], -1, 2), depth.mean(axis=2)

    def _measured(self, depth: _DepthImage, noise: npt.NDArray[np.float32]) -> _DepthImage:
        """Depth as a sensor gives it: noisy, without readings beside edges and out of range."""
        exact = depth.astype(np.float32)
        measured = exact + exact * exact * noise
        edges = cv2.morphologyEx(depth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _EDGE_MM
        measured[edges & (noise > 0)] = 0
        measured[(measured < DEPTH_RANGE_MM[0]) | (measured > DEPTH_RANGE_MM[1])] = 0
        return measured.astype(np.uint16)

    def _window(self, choice: int) -> tuple[slice, slice]:
        """A place of the image in the larger noise tiles."""
        y, x = divmod(choice % _TILE_MARGIN**2, _TILE_MARGIN)
        return slice(y, y + self._camera.size[0]), slice(x, x + self._camera.size[1])


def _fill(
    image: npt.NDArray[np.uint8] | _DepthImage,
    points: npt.NDArray[np.int32],
    colour: Sequence[float] | float,
    line: int,
) -> None:
    cv2.fillConvexPoly(image, cv2.convexHull(points), colour, line, _SHIFT)


def _far_to_near(depths: Array, visible: npt.NDArray[np.bool_]) -> Iterator[list[int]]:
    for order, seen in zip(np.argsort(-depths, axis=1, kind="stable"), visible, strict=True):
        yield order[seen[order]].tolist()


def _split(shapes: Shapes) -> Shapes:
    """Every shape cut along its length: a limb that points at the camera has more than one depth."""
    steps = np.arange(_DEPTH_PIECES)[:, None] / _DEPTH_PIECES
    share = np.concatenate((steps, steps, steps + 1 / _DEPTH_PIECES, steps + 1 / _DEPTH_PIECES), axis=1)
    ends = shapes.spheres[:, :, None]
    near, far = ends[..., [0, 1, 0, 1], :], ends[..., [2, 3, 2, 3], :]
    spheres = near + share[..., None] * (far - near)
    radii = shapes.radii[:, None, :1] + share * (shapes.radii[:, None, 2:3] - shapes.radii[:, None, :1])
    count = _DEPTH_PIECES * len(shapes.radii)
    return Shapes(
        spheres.reshape(len(spheres), count, 4, 3),
        radii.reshape(count, 4),
        np.repeat(shapes.colours, _DEPTH_PIECES, axis=0),
        np.repeat(shapes.visible, _DEPTH_PIECES, axis=1),
        tuple(part for part in shapes.parts for _ in range(_DEPTH_PIECES)),
    )
