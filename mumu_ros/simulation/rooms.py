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

"""Real people in simulated rooms: depth clips without a background, composed with a furnished room.

The people are recorded ones, such as those of UTD-MHAD; everything around them is drawn from a seed, and which pixels
belong to whom is known exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mumu_ros.simulation.body import Array
from mumu_ros.simulation.furniture import furnished_room
from mumu_ros.simulation.renderer import DEPTH_RANGE_MM
from mumu_ros.simulation.scene import Camera
from mumu_ros.simulation.shading import KINECT_FOCAL

__all__ = ["ComposedClip", "RecordedPerson", "compose"]

DepthImage = npt.NDArray[np.uint16]
Mask = npt.NDArray[np.bool_]

_FLOOR_M = 1.1
"""How far below the camera the floor is, where a clip shows nobody."""
_MARGIN_M = 0.3
"""Room to move around everybody's readings."""
_TOUCH_MM = 150
"""How far readings of feet may lie behind the floor that they stand on."""
_BASELINE_M = 0.075
"""Between the projector and the camera of a structured-light sensor (first Kinect)."""
_EDGE_MM = 150
_EDGE_LOSS = 0.4
_PATCH_PX = 12
_PATCH_LOSS = 0.04


@dataclass(frozen=True, eq=False)
class RecordedPerson:
    """A depth clip of one person, and where in the room the person is put.

    Attributes:
        depth: (T, H, W) uint16 millimetres, an upright picture that is not mirrored; 0 is not the person.
        right: Metres to the right of where the person was recorded, as the camera sees it.
        away: Metres farther from the camera than recorded.
    """

    depth: DepthImage
    right: float = 0.0
    away: float = 0.0


@dataclass(frozen=True, eq=False)
class ComposedClip:
    """What a depth sensor sees of people in a room, and the truth about it.

    Attributes:
        depth: (T, H, W) uint16 millimetres, 0 where there is no reading.
        masks: (P, T, H, W), where each person is the nearest thing. A pixel of a mask has the person's depth or, beside
            an edge, no reading.
        shifts: (P, 3) metres by which each person was moved, in the camera's optical frame: what to add to the joints.
    """

    depth: DepthImage
    masks: Mask
    shifts: Array


def compose(people: Sequence[RecordedPerson], seed: int) -> ComposedClip:
    """Put recorded people into a furnished room.

    The camera is level, and the floor is where the first person's feet are; everybody stands on it. Furniture stands
    beside and behind the people. Equal arguments give equal bytes.

    Args:
        people: At least one, of the Kinect, all of one image size. The first one's clip gives the length; a shorter
            one begins again.
        seed: Decides the room and the sensor's noise.

    Raises:
        ValueError: `people` is empty, or a clip is no depth clip or of another size than the first.
    """
    _validate(people)
    count, height, width = people[0].depth.shape
    floors = [_floor(person.depth) for person in people]
    camera = _level_camera((height, width), floors[0])
    shifts = np.array([(p.right, floors[0] - floor, p.away) for p, floor in zip(people, floors, strict=True)])
    layers = np.stack(
        [
            np.stack([_moved(p.depth[t % len(p.depth)], shift, camera) for t in range(count)])
            for p, shift in zip(people, shifts, strict=True)
        ]
    )
    rng = np.random.default_rng(seed)
    _, empty = furnished_room(rng, _stage(layers, camera)).view(camera)
    empty_mm = np.round(1000 * empty)
    distances = np.where(layers > 0, layers, np.inf)
    nearest = distances.min(axis=0)
    masks = (distances == nearest) & (nearest < empty_mm + _TOUCH_MM)
    masks[1:] &= ~np.logical_or.accumulate(masks[:-1])  # two who are equally near: the first
    depth = [
        _measured(np.where(seen.any(axis=0), near, empty_mm), seen.any(axis=0), camera.focal_length, rng)
        for near, seen in zip(nearest, masks.swapaxes(0, 1), strict=True)
    ]
    return ComposedClip(np.stack(depth), masks, shifts)


def _validate(people: Sequence[RecordedPerson]) -> None:
    if not people:
        raise ValueError("people is empty; expected at least one")
    for index, person in enumerate(people):
        if person.depth.ndim != 3 or person.depth.dtype != np.uint16 or not len(person.depth):
            raise ValueError(
                f"depth of person {index} is {person.depth.dtype} of shape {person.depth.shape}; expected uint16 "
                "millimetres (T, H, W)"
            )
        if person.depth.shape[1:] != people[0].depth.shape[1:]:
            raise ValueError(
                f"depth of person {index} is of shape {person.depth.shape}; expected images as the first's, "
                f"{people[0].depth.shape[1:]}"
            )


def _level_camera(size: tuple[int, int], height_m: float) -> Camera:
    """At the world's origin, `height_m` above the floor, looking along −x."""
    field_of_view = 2 * np.arctan(size[0] / (2 * KINECT_FOCAL * size[1]))
    axes = np.array(((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)))
    return Camera(np.array((0.0, 0.0, height_m)), axes, size, field_of_view)


def _floor(clip: DepthImage) -> float:
    """Metres from the camera down to the floor: the lowest reading of a frame, the median over the frames."""
    _, height, width = clip.shape
    down = (np.arange(height) + 0.5 - (height - 1) / 2) / (KINECT_FOCAL * width)  # of a pixel's lower edge
    lowest = (clip * down[:, None].astype(np.float32)).max(axis=(1, 2)) / 1000
    lowest = lowest[lowest > 0]
    return float(np.median(lowest)) if len(lowest) else _FLOOR_M


def _moved(depth: DepthImage, shift: Array, camera: Camera) -> DepthImage:
    """The image of a person who is `shift` metres elsewhere: every reading becomes a point and is seen again."""
    if not shift.any():
        return depth
    rows, columns = np.nonzero(depth)
    away = depth[rows, columns] / 1000
    copies = 1 + int(np.ceil(np.max(away / np.maximum(away + shift[2], 0.3), initial=1.0)))
    offsets = (np.arange(copies) + 0.5) / copies - 0.5  # parts of a pixel, or there would be gaps
    pixels = np.stack((columns, rows), axis=-1)[:, None, None] + np.stack(np.meshgrid(offsets, offsets), axis=-1)
    scale = away[:, None, None, None] / camera.focal_length
    right_down = (pixels - camera.centre) * scale + shift[:2]
    distance = np.broadcast_to((away + shift[2])[:, None, None], right_down.shape[:-1]).ravel()
    kept = distance > DEPTH_RANGE_MM[0] / 1000
    distance, right_down = distance[kept], right_down.reshape(-1, 2)[kept]
    x, y = np.round(right_down / distance[:, None] * camera.focal_length + camera.centre).astype(np.intp).T
    height, width = camera.size
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    order = np.argsort(-distance[inside], kind="stable")
    image = np.zeros_like(depth)
    image[y[inside][order], x[inside][order]] = np.round(1000 * distance[inside][order])  # the nearest comes last
    return _without_specks(image)


def _without_specks(depth: DepthImage) -> DepthImage:
    """Pixels without a reading that most of their neighbours have one around get the neighbours' median."""
    return np.where(depth > 0, depth, cv2.medianBlur(depth, 3)).astype(np.uint16)


def _stage(layers: DepthImage, camera: Camera) -> Array:
    """The floor that the people use, and between them and the camera: corners (x, y) in the world."""
    seen = layers > 0
    if not seen.any():
        return np.array(((-3.0, -0.5), (0.0, 0.5)))
    columns = np.broadcast_to(np.arange(camera.size[1]) - camera.centre[0], layers.shape)[seen]
    away = layers[seen] / 1000
    across = columns * away / camera.focal_length
    right, left = np.percentile(across, (0.1, 99.9))
    return np.array(
        (
            (-np.percentile(away, 99.9) - _MARGIN_M, min(right - _MARGIN_M, -0.5)),
            (0.0, max(left + _MARGIN_M, 0.5)),
        )
    )


def _measured(exact: Array, person: Mask, focal_px: float, rng: np.random.Generator) -> DepthImage:
    """What a structured-light sensor gives of exact depths in millimetres.

    Noise grows with the square of the distance (Nguyen, Izadi and Lovell 2012); people have it already. Nothing is read
    where the projector's light does not come, of some pixels at edges, and of patches of the room.
    """
    metres = exact / 1000
    noise = 1.2 + 1.9 * (metres - 0.4) ** 2
    measured = np.where(person, exact, exact + noise * rng.standard_normal(exact.shape))
    lit_column = np.arange(exact.shape[1]) + focal_px * _BASELINE_M / metres
    shadow = lit_column < np.maximum.accumulate(lit_column, axis=1) - 0.5
    edge = cv2.morphologyEx(exact.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > _EDGE_MM
    lost = shadow & ~person | edge & (rng.random(exact.shape) < _EDGE_LOSS)
    patches = rng.random((exact.shape[0] // _PATCH_PX + 1, exact.shape[1] // _PATCH_PX + 1), np.float32)
    patchy = cv2.resize(patches, exact.shape[::-1], interpolation=cv2.INTER_LINEAR) > 1 - _PATCH_LOSS
    lost |= patchy & ~person | (measured < DEPTH_RANGE_MM[0]) | (measured > DEPTH_RANGE_MM[1])
    return np.where(lost, 0, np.round(measured)).astype(np.uint16)
