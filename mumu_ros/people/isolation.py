"""What a depth sensor sees of one person and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import BONES, LAYOUT, TORSO
from mumu_ros.skeletons import layout

__all__ = ["FOCAL", "SIZE", "isolate"]

SIZE = (96, 128)
"""Height and width of a person's depth picture."""
FOCAL = 0.89
"""Focal length of its camera in widths: that of UTD-MHAD's Kinect, which the shipped depth models were trained with."""
_NEAR_M = 0.22
"""A pixel within this distance of a bone belongs to the person: bones may be 10 cm off, limbs are 10 cm thick."""
_NEAR_FEET_M = 0.12
"""The same for shins and feet, which stand on a floor that is not the person."""
_FEET = frozenset(layout(LAYOUT).index("left_ankle", "right_ankle", "left_toe", "right_toe"))


def isolate(
    depth: NDArray[np.float32], camera: Camera, skeletons: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.uint16]]:
    """Depth pictures of one person each, without walls, floor and other people.

    A reading belongs to the person whose bones are nearest to it in space, if they are near enough. Each picture is
    what an upright 4:3 camera would see that stands where the real one does and is panned to the person, whatever the
    lens and the resolution of the real one are.

    Args:
        depth: (H, W) metres, registered to the camera's picture (its size may differ), 0 for no reading.
        camera: Of the picture.
        skeletons: (33, 3) joints of everybody in view, in the camera's optical frame, hidden ones too.

    Returns:
        For each uint16 (96, 128) millimetres, 0 for everything else.
    """
    own = camera.resized(depth.shape[1], depth.shape[0])
    views = []
    for joints in skeletons:
        turn = _turn_to(joints)
        points = _points(depth, own, turn)
        distances = np.stack([_distance_to_bones(points, other) for other in skeletons])
        mine = distances[[other is joints for other in skeletons]][0]
        belongs = (mine <= 1) & (mine <= distances.min(axis=0))
        z = np.where(belongs, (points @ turn.T)[..., 2], 0.0)
        views.append((z * 1000).clip(0, 65535).astype(np.uint16))
    return views


def _turn_to(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows: axes of a camera that is panned to a person."""
    middle = joints[TORSO].mean(axis=0)
    pan = float(np.arctan2(middle[0], middle[2]))
    cos, sin = np.cos(pan), np.sin(pan)
    return np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], np.float32)


def _points(depth: NDArray[np.float32], camera: Camera, turn: NDArray[np.float32]) -> NDArray[np.float32]:
    """(96, 128, 3) what is seen at each pixel of the panned camera, in the real camera's frame; NaN: nothing."""
    height, width = SIZE
    focal = FOCAL * width
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    rays = np.stack([(x + 0.5 - width / 2) / focal, (y + 0.5 - height / 2) / focal, np.ones_like(x)], axis=-1) @ turn
    pixels = np.rint(camera.project(rays))
    inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=-1)
    columns, rows = (np.where(inside, pixels[..., i], 0).astype(np.intp) for i in (0, 1))
    z = np.where(inside, depth[rows, columns], 0.0)[..., np.newaxis]
    return np.where(z > 0, rays / rays[..., 2:] * z, np.nan).astype(np.float32)


def _distance_to_bones(points: NDArray[np.float32], joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of each point to the nearest bone of a skeleton: 1 is as far as a person reaches; infinite: no point."""
    nearest = np.full(points.shape[:-1], np.inf, np.float32)
    low, high = joints.min(axis=0) - _NEAR_M, joints.max(axis=0) + _NEAR_M
    some = ((points > low) & (points < high)).all(axis=-1)
    found = points[some]
    for a, b in BONES:
        start, end = joints[a], joints[b]
        bone = end - start
        share = ((found - start) @ bone / max(float(bone @ bone), 1e-6)).clip(0, 1)
        apart = found - (start + share[:, np.newaxis] * bone)
        away = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        nearest[some] = np.minimum(nearest[some], away / (_NEAR_FEET_M if b in _FEET else _NEAR_M))
    return nearest
