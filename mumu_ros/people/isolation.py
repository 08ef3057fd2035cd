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
        window = _window(joints @ turn.T)
        points = _points(depth, own, turn, window)
        reach = _reach(joints)
        places = np.flatnonzero(((points > reach[0]) & (points < reach[1])).all(axis=-1))
        near = points.reshape(-1, 3)[places]
        distance = _distance_to_bones(near, joints)
        belongs = distance <= 1
        for other in skeletons:
            if other is not joints and (_reach(other)[0] < reach[1]).all() and (reach[0] < _reach(other)[1]).all():
                belongs &= distance <= _distance_to_bones(near, other)
        view = np.zeros(SIZE, np.uint16)
        seen = np.zeros(points.shape[:2], np.uint16)
        seen.reshape(-1)[places[belongs]] = (near[belongs] @ turn[2] * 1000).clip(0, 65535)
        view[window] = seen
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


def _window(joints: NDArray[np.float32]) -> tuple[slice, slice]:
    """The part of the panned camera's picture, rows and columns, that readings of a person can be in.

    Args:
        joints: In the panned camera's frame.
    """
    nearest_m = max(float(joints[:, 2].min()) - _NEAR_M, _NEAR_M)
    slopes = joints[:, 1::-1] / np.maximum(joints[:, 2:], nearest_m)
    # A reading beside a bone is off it along the picture and, seen at a slant, also by being nearer or farther.
    margin = _NEAR_M / nearest_m * np.sqrt(1 + np.abs(slopes).max(axis=0) ** 2)
    ends = np.stack([slopes.min(axis=0) - margin, slopes.max(axis=0) + margin]) * FOCAL * SIZE[1] + np.divide(SIZE, 2)
    (top, left), (bottom, right) = np.stack([np.floor(ends[0]), np.ceil(ends[1])]).clip(0, SIZE).astype(int)
    return slice(top, bottom), slice(left, right)


def _points(
    depth: NDArray[np.float32], camera: Camera, turn: NDArray[np.float32], window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """(H, W, 3) what is seen in a window of the panned camera's picture, in the real camera's frame; NaN: nothing."""
    height, width = SIZE
    focal = FOCAL * width
    rows_of, columns_of = (np.arange(size, dtype=np.float32)[part] for size, part in zip(SIZE, window, strict=True))
    x, y = np.meshgrid(columns_of, rows_of)
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
