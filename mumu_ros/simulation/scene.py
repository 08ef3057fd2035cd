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

"""Where the person is seen: the camera and an empty room with some furniture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mumu_ros.people.camera import Camera as Intrinsics
from mumu_ros.simulation.body import Array

__all__ = ["Camera", "Room"]

_FIELD_OF_VIEW = np.radians(52.0)
_LIGHT: Array = np.array((0.45, 0.35, 0.82))
_FAR_M = 50.0


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; the depth camera is registered to it, so both share it.

    Attributes:
        position: (3,) metres, world frame.
        axes: (3, 3), rows are the optical frame's axes in the world: right, down, forward (REP 103).
        size: Height and width in pixels.
        field_of_view: Vertical, radians.
    """

    position: Array
    axes: Array
    size: tuple[int, int]
    field_of_view: float = _FIELD_OF_VIEW

    @classmethod
    def draw(cls, rng: np.random.Generator, size: tuple[int, int]) -> "Camera":
        """A camera 2.3 to 3.4 m in front of the person, at table to chest height, roughly aimed."""
        azimuth, distance = rng.uniform(-0.3, 0.3), rng.uniform(2.3, 3.4)
        position = np.array((distance * np.cos(azimuth), distance * np.sin(azimuth), rng.uniform(0.95, 1.5)))
        target = np.array((0.0, rng.uniform(-0.12, 0.12), rng.uniform(0.9, 1.05)))
        return cls._aimed(position, target, rng.normal(0, 0.015), size)

    @classmethod
    def overlooking(cls, rng: np.random.Generator, size: tuple[int, int]) -> "Camera":
        """A camera 3 to 6 m before people who walk about, at chest height."""
        position = np.array((rng.uniform(3.5, 3.9), rng.uniform(-0.3, 0.3), rng.uniform(1.2, 1.6)))
        target = np.array((-0.4, rng.uniform(-0.15, 0.15), rng.uniform(0.85, 1.0)))
        return cls._aimed(position, target, rng.normal(0, 0.01), size)

    @classmethod
    def _aimed(cls, position: Array, target: Array, roll: float, size: tuple[int, int]) -> "Camera":
        forward = _unit(target - position)
        right = _unit(np.cross(forward, (0.0, np.sin(roll), np.cos(roll))))
        return cls(position, np.stack((right, np.cross(forward, right), forward)), size)

    @property
    def focal_length(self) -> float:
        """Pixels."""
        return float(self.size[0] / 2 / np.tan(self.field_of_view / 2))

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (x, y) in pixels; pixel (0, 0) is centred on 0, 0."""
        return ((self.size[1] - 1) / 2, (self.size[0] - 1) / 2)

    @property
    def intrinsics(self) -> Intrinsics:
        """The same camera without its place."""
        height, width = self.size
        return Intrinsics(width, height, self.focal_length, self.focal_length, *self.centre)

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (…, 2) as x, y and depths (…) along the optical axis in metres, of points (…, 3)."""
        local = (points - self.position) @ self.axes.T
        depth = np.maximum(local[..., 2], 0.05)
        return local[..., :2] / depth[..., None] * self.focal_length + np.array(self.centre), depth

    def window(self, box: Array) -> tuple[slice, slice]:
        """The part of the picture that a box with corners (2, 3) can be in."""
        corners = np.array([(x, y, z) for x in box[:, 0] for y in box[:, 1] for z in box[:, 2]])
        if ((corners - self.position) @ self.axes[2] < 0.1).any():  # it reaches behind the camera
            return slice(None), slice(None)
        pixels, _ = self.project(corners)
        low, high = np.floor(pixels.min(axis=0)).astype(int) - 1, np.ceil(pixels.max(axis=0)).astype(int) + 2
        return slice(max(low[1], 0), max(high[1], 0)), slice(max(low[0], 0), max(high[0], 0))

    def rays(self) -> Array:
        """(H, W, 3) viewing directions in the world frame, scaled to unit depth."""
        height, width = self.size
        x = (np.arange(width) - self.centre[0]) / self.focal_length
        y = (np.arange(height) - self.centre[1]) / self.focal_length
        rays: Array = x[None, :, None] * self.axes[0] + y[:, None, None] * self.axes[1] + self.axes[2]
        return rays


@dataclass(frozen=True)
class Room:
    """A floor, a back wall, a stool behind the person and furniture along the wall.

    Attributes:
        wall_x: Position of the back wall.
        boxes: (N, 2, 3) lower and upper corners of axis-aligned boxes; the first is the stool.
        colours: (2 + N, 3) of floor, wall and boxes, 0…255.
        plank_m: Width of the floor's planks.
    """

    wall_x: float
    boxes: Array
    colours: Array
    plank_m: float

    @classmethod
    def draw(cls, rng: np.random.Generator, seat_height: float) -> "Room":
        """A random room with a stool of the given height."""
        wall_x = -rng.uniform(1.1, 2.6)
        boxes = [((-0.62, -0.19, 0.0), (-0.27, 0.19, seat_height))]
        for _ in range(int(rng.integers(2, 5))):
            side = rng.choice((-1, 1))
            width, depth, height = rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.5), rng.uniform(0.4, 1.9)
            near = side * rng.uniform(0.55, 1.6)
            boxes.append(
                (
                    (wall_x, min(near, near + side * width), 0.0),
                    (wall_x + depth, max(near, near + side * width), height),
                )
            )
        grey = rng.uniform(90, 210, (2 + len(boxes), 1))
        return cls(wall_x, np.array(boxes), grey + rng.uniform(-35, 35, (len(grey), 3)), rng.uniform(0.12, 0.3))

    def view(self, camera: Camera) -> tuple[npt.NDArray[np.uint8], Array]:
        """The empty room: colours (H, W, 3) and depth along the optical axis (H, W) in metres."""
        surface, depth, normal = self._trace(camera)
        points = camera.position + camera.rays() * depth[..., None]
        shade = 0.55 + 0.5 * np.clip(normal @ _LIGHT, 0, 1) - 0.05 * np.linalg.norm(points[..., :2], axis=-1)
        planks = np.floor(points[..., 1] / self.plank_m) % 2
        shade = shade * np.where(surface == 0, 0.94 + 0.06 * planks, 1.0)
        colour = np.clip(self.colours[surface] * shade[..., None], 0, 255)
        return colour.astype(np.uint8), depth

    def surfaces(self, camera: Camera) -> npt.NDArray[np.intp]:
        """What of the empty room is seen where, (H, W): 0 for the floor, 1 for the back wall, 2 + i for box i."""
        return self._trace(camera)[0]

    def _trace(self, camera: Camera) -> tuple[npt.NDArray[np.intp], Array, Array]:
        """Surface and depth of each pixel (H, W), and the surface's normal (H, W, 3)."""
        rays, origin = camera.rays(), camera.position
        with np.errstate(divide="ignore", invalid="ignore"):
            floor = np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], _FAR_M)
            wall = np.where(rays[..., 0] < 0, (self.wall_x - origin[0]) / rays[..., 0], _FAR_M)
            behind = wall < floor
            depth, surface = np.where(behind, wall, floor), behind.astype(np.intp)
            normal = np.where(behind[..., None], (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
            for index, box in enumerate(self.boxes, start=2):
                part = camera.window(box)
                entered, axis = _enter(rays[part], origin, box)
                nearer = entered < depth[part]
                depth[part][nearer], surface[part][nearer] = entered[nearer], index
                normal[part][nearer] = np.eye(3)[axis[nearer]] * -np.sign(rays[part][nearer])
        return surface, depth, normal


def _enter(rays: Array, origin: Array, box: Array) -> tuple[Array, npt.NDArray[np.intp]]:
    """Depth at which rays enter a box (_FAR_M where they miss) and the axis of the face (the slab method)."""
    slabs = (box[:, None, None, :] - origin) / rays
    near, far = slabs.min(axis=0), slabs.max(axis=0)
    depth = near.max(axis=-1)
    return np.where((depth < far.min(axis=-1)) & (depth > 0), depth, _FAR_M), near.argmax(axis=-1)


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))
