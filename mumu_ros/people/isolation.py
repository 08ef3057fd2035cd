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
_REACH_SQUARE = np.square([_NEAR_FEET_M if end in _FEET else _NEAR_M for end in _ENDS], dtype=np.float32)


def isolate(
    depth: NDArray[np.float32], camera: Camera, skeletons: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.uint16] | None]:
    """Depth pictures of one person each, without walls, floor and other people.

    A reading belongs to the person whose bones are nearest to it in space, if they are near enough. Each picture is
    what an upright 4:3 camera would see that stands where the real one does and is panned to the person, whatever the
    lens and the resolution of the real one are.

    Args:
        depth: (H, W) metres, registered to the camera's picture (its size may differ), 0 for no reading.
        camera: Of the picture.
        skeletons: (33, 3) joints of everybody in view, in the camera's optical frame, hidden ones too where they are
            known; the others are NaN.

    Returns:
        For each uint16 (96, 128) millimetres, 0 for everything else; None if no joint of the torso is known.
    """
    own = camera.resized(depth.shape[1], depth.shape[0])
    views: list[NDArray[np.uint16] | None] = []
    for joints in skeletons:
        if np.isnan(joints[TORSO]).all():
            views.append(None)
            continue
        turn = _turn_to(joints)
        window = _window(joints @ turn.T)
        reach = _reach(joints)
        places, near = _readings(depth, own, turn, window, reach)
        distance = _distance_to_bones(near, joints)
        belongs = distance <= 1
        for other in skeletons:
            if other is not joints and (_reach(other)[0] < reach[1]).all() and (reach[0] < _reach(other)[1]).all():
                belongs &= distance <= _distance_to_bones(near, other)
        view = np.zeros(SIZE, np.uint16)
        rows, columns = (found[belongs] for found in places)
        view[rows, columns] = (near[belongs] @ turn[2] * 1000).clip(0, 65535)
        views.append(view)
    return views


def _reach(joints: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Corners of the box that holds a person; NaN if no joint is known."""
    # fmin and fmax are nanmin and nanmax, without the warning.
    return np.fmin.reduce(joints) - _NEAR_M, np.fmax.reduce(joints) + _NEAR_M


def _turn_to(joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows: axes of a camera that is panned to a person."""
    middle = np.nanmean(joints[TORSO], axis=0)
    pan = float(np.arctan2(middle[0], middle[2]))
    cos, sin = np.cos(pan), np.sin(pan)
    return np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], np.float32)


def _window(joints: NDArray[np.float32]) -> tuple[slice, slice]:
    """The part of the panned camera's picture, rows and columns, that readings of a person can be in."""
    nearest_m = max(float(np.nanmin(joints[:, 2])) - _NEAR_M, _NEAR_M)
    slopes = joints[:, 1::-1] / np.maximum(joints[:, 2:], nearest_m)
    # A reading beside a bone is off it along the picture and, seen at a slant, also by being nearer or farther.
    margin = _NEAR_M / nearest_m * np.sqrt(1 + np.nanmax(np.abs(slopes), axis=0) ** 2)
    ends = np.stack([np.nanmin(slopes, axis=0) - margin, np.nanmax(slopes, axis=0) + margin])
    ends = ends * FOCAL * SIZE[1] + np.divide(SIZE, 2)
    (top, left), (bottom, right) = np.stack([np.floor(ends[0]), np.ceil(ends[1])]).clip(0, SIZE).astype(int)
    return slice(top, bottom), slice(left, right)


def _readings(
    depth: NDArray[np.float32],
    camera: Camera,
    turn: NDArray[np.float32],
    window: tuple[slice, slice],
    reach: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float32]]:
    """What is seen in a window of the panned camera's picture and in the box that holds the person.

    Returns:
        Rows and columns of N pixels of the panned camera's picture, and (N, 3) metres in the real camera's frame.
    """
    height, width = SIZE
    rows, columns = (part.ravel() for part in np.mgrid[window])
    focal = FOCAL * width
    pan = np.stack([(columns + 0.5 - width / 2) / focal, (rows + 0.5 - height / 2) / focal, np.ones(len(rows))], axis=1)
    rays = pan.astype(np.float32) @ turn
    pixels = np.rint(camera.project(rays))
    inside = ((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=1)
    x, y = np.where(inside, pixels.T, 0).astype(np.intp)
    z = np.where(inside, depth[y, x], 0)
    low, high = reach
    # Most of what is seen is wall or floor, so that the distance is looked at first.
    found = np.flatnonzero((z > max(float(low[2]), 0)) & (z < high[2]))
    points = rays[found] * (z[found] / rays[found, 2])[:, np.newaxis]
    within = ((points > low) & (points < high)).all(axis=1)
    found = found[within]
    return (rows[found], columns[found]), points[within]


def _distance_to_bones(points: NDArray[np.float32], joints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distance of (N, 3) points to the nearest bone of a skeleton, (N,): 1 is as far as a person reaches.

    Of a bone with one end that is known there is only this end: of a head in profile, the ear. Without any, nobody is
    near.
    """
    start, end = joints[_STARTS], joints[_ENDS]
    start, end = np.where(np.isnan(start), end, start), np.where(np.isnan(end), start, end)
    middle = np.nanmean(joints, axis=0)
    points, start, bone = points - middle, start - middle, end - start
    square = np.maximum((bone**2).sum(axis=1), 1e-6)
    along = points @ bone.T - (start * bone).sum(axis=1)
    share = (along / square).clip(0, 1)
    # |p - a - s b|² with p - a expanded: arrays of points × bones instead of points × bones × 3.
    from_start = (points**2).sum(axis=1, keepdims=True) - 2 * points @ start.T + (start**2).sum(axis=1)
    apart = (from_start - share * (2 * along - share * square)) / _REACH_SQUARE
    nearest: NDArray[np.float32] = np.sqrt(np.fmin.reduce(apart, axis=1, initial=np.inf).clip(min=0))
    return nearest
