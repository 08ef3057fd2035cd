"""From the landmarks of a picture to joints in metres in the camera's optical frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import MIN_VISIBILITY, TORSO, Pose
from mumu_ros.people.person import PositionSource

__all__ = ["Lifted", "lift"]

_NEAREST_M, _FARTHEST_M = 0.2, 20.0
_TORSO_WINDOW, _JOINT_WINDOW = 0.15, 0.06
"""Half sides of the windows in which depth is read, in lengths of the torso."""
_MIN_READINGS = 3
_SURFACE_M = 0.04
"""So far a joint is behind the skin that the sensor sees."""
_MAX_OFFSET_M = 0.45
"""A reading that is farther than this from where the network expects the joint is of something else."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """Where a person is.

    Attributes:
        joints: (33, 3) metres in the camera's optical frame, also of joints that are hidden: where the network expects
            them.
        source: Where the distance comes from.
    """

    joints: NDArray[np.float32]
    source: PositionSource


def lift(pose: Pose, camera: Camera, depth: NDArray[np.float32] | None) -> Lifted | None:
    """Lift a pose into space.

    With depth, a joint is where its pixel's ray meets what the sensor reads around it; where that is none, or something
    else before or behind the person, the network's own third dimension is added to the depth of the torso. Without
    depth, the world landmarks are moved to where the camera would see them at their pixels.

    Args:
        pose: What the landmark network says.
        camera: Of the picture.
        depth: (H, W) metres, registered to the picture (its size may differ), 0 for no reading; None: no sensor.

    Returns:
        None where the torso is not seen well enough to say how far it is.
    """
    rays = camera.rays(pose.keypoints)
    world = _turned_to_ray(pose.world, rays[TORSO].mean(axis=0))
    torso_m = None if depth is None else _torso_depth(pose, camera, depth)
    if depth is None or torso_m is None:
        place = _perspective(rays, world, pose.visibility)
        if place is None:
            return None
        joints = world + place
        source: PositionSource = "nominal" if camera.is_nominal else "perspective"
    else:
        expected = torso_m + _SURFACE_M + world[:, 2] - world[TORSO, 2].mean()
        z = _joint_depths(pose, camera, depth, expected)
        joints = np.concatenate([rays * z[:, np.newaxis], z[:, np.newaxis]], axis=1)
        source = "depth"
    return Lifted(joints.astype(np.float32), source)


def _turned_to_ray(world: NDArray[np.float32], ray: NDArray[np.float32]) -> NDArray[np.float32]:
    """World landmarks along the camera's axes: the network sees the person as if it stood on the optical axis."""
    z = np.array([ray[0], ray[1], 1.0])
    z /= np.linalg.norm(z)
    x = np.array([z[2], 0.0, -z[0]])
    x /= np.linalg.norm(x)
    turned: NDArray[np.float32] = (world @ np.stack([x, np.cross(z, x), z])).astype(np.float32)
    return turned


def _perspective(
    rays: NDArray[np.float32], world: NDArray[np.float32], visibility: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Where the middle of the hips is, so that the world landmarks are seen along the rays: weighted least squares.

    For each landmark (X + t_x) = r_x (Z + t_z), and the same for y: linear in the place t.
    """
    weight = np.where(visibility >= MIN_VISIBILITY, visibility, 0.0)
    if np.count_nonzero(weight[TORSO]) < 3:
        return None
    zero, one = np.zeros(len(rays)), np.ones(len(rays))
    matrix = np.concatenate([np.stack([one, zero, -rays[:, 0]], 1), np.stack([zero, one, -rays[:, 1]], 1)])
    target = np.concatenate([rays[:, i] * world[:, 2] - world[:, i] for i in (0, 1)])
    double = np.concatenate([weight, weight])
    place = np.linalg.lstsq(matrix * double[:, np.newaxis], target * double, rcond=None)[0]
    found: NDArray[np.float32] = place.astype(np.float32)
    return found if _NEAREST_M < found[2] < _FARTHEST_M else None


def _torso_depth(pose: Pose, camera: Camera, depth: NDArray[np.float32]) -> float | None:
    """Median of what the sensor reads around shoulders and hips; None where it reads nothing."""
    readings = [_read(point, _TORSO_WINDOW * pose.torso, camera, depth) for point in pose.keypoints[TORSO]]
    found = [float(np.median(r)) for r in readings if len(r) >= _MIN_READINGS]
    return float(np.median(found)) if len(found) >= 2 else None


def _joint_depths(
    pose: Pose, camera: Camera, depth: NDArray[np.float32], expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    z = expected.copy()
    for joint, point in enumerate(pose.keypoints):
        readings = _read(point, _JOINT_WINDOW * pose.torso, camera, depth)
        if len(readings) >= _MIN_READINGS:
            reading = float(np.median(readings)) + _SURFACE_M
            if abs(reading - expected[joint]) <= _MAX_OFFSET_M:
                z[joint] = reading
    return z


def _read(point: NDArray[np.float32], half: float, camera: Camera, depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the sensor reads in a window around a pixel of the picture."""
    scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
    x, y = point * scale
    rx, ry = np.maximum(half * scale, 1.0)
    window = depth[max(0, round(y - ry)) : max(0, round(y + ry) + 1), max(0, round(x - rx)) : max(0, round(x + rx) + 1)]
    found: NDArray[np.float32] = window[window > 0]
    return found
