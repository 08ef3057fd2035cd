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
_STARTS, _ENDS = ([bone[i] for bone in BONES] for i in (0, 1))
_REACH = [_NEAR_FEET_M if end in _FEET else _NEAR_M for end in _ENDS]


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
        reach = _reach(joints)
        places = np.flatnonzero(((points > reach[0]) & (points < reach[1])).all(axis=-1))
        near = points.reshape(-1, 3)[places]
        distance = _distance_to_bones(near, joints)
        belongs = distance <= 1
        for other in skeletons:
            if other is not joints and (_reach(other)[0] < reach[1]).all() and (reach[0] < _reach(other)[1]).all():
                belongs &= distance <= _distance_to_bones(near, other)
        view = np.zeros(SIZE, np.uint16)
        view.reshape(-1)[places[belongs]] = (near[belongs] @ turn[2] * 1000).clip(0, 65535)
        views.append(view)
    return views


def _reach(joints: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of the box that holds a person."""
    return joints.min(axis=0) - _NEAR_M, joints.max(axis=0) + _NEAR_M


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
    """Distance of (N, 3) points to the nearest bone of a skeleton, (N,): 1 is as far as a person reaches."""
    start, bone = joints[_STARTS], joints[_ENDS] - joints[_STARTS]
    square = np.maximum(np.einsum("bi,bi->b", bone, bone), 1e-6)
    share = ((points @ bone.T - np.einsum("bi,bi->b", start, bone)) / square).clip(0, 1)
    nearest = np.full(len(points), np.inf, np.float32)
    for i, reach in enumerate(_REACH):
        apart = points - start[i] - share[:, i : i + 1] * bone[i]
        np.minimum(nearest, np.einsum("ni,ni->n", apart, apart) / reach**2, out=nearest)
    return np.sqrt(nearest)
