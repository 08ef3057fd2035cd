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

"""From the landmarks of a picture to joints in metres in the camera's optical frame."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import BONES, FACE, MIN_VISIBILITY, TORSO, Pose
from mumu_ros.people.person import PositionSource

__all__ = ["Body", "Lifted", "head_depth", "hips_behind", "is_flat", "lift", "surfaces_under", "tiny_size"]

_NEAREST_M, _FARTHEST_M = 0.2, 20.0
_TORSO_WINDOW, _JOINT_WINDOW, _INSIDE_WINDOW = 0.15, 0.06, 0.03
"""Half sides of the windows in which depth is read, in lengths of the torso."""
_SAMPLES, _MIN_READINGS = np.linspace(-1, 1, 7)[:, np.newaxis], 3
"""Where along a side of a window there are readings, and how many there must be in all of it."""
_MIN_OWN = 10
"""Readings of somebody who is partly hidden, in all windows together, that are enough."""
_SMALLEST, _TALLEST = 0.55, 1.4
"""Nobody is smaller or taller than this, in heights of an average body; simulated people are from 0.86 to 1.14."""
_MIN_SEEN = 8
"""Joints of which both shoulders are seen, and not both hips, that are enough for the distance."""
_HEAD_REACH_M, _OTHERS = 0.35, 2
"""A torso is this near to the head in depth, unless the person bends. A pose is of another person in front if its head
is nearer than the person was and this many times more readings of the torso are near the head than within reach."""
_INSIDE, _FEWEST_READ = np.linspace(0.25, 0.75, 5)[:, np.newaxis], 0.3
"""Where between the shoulders, and from there to the hips, a torso is looked at. Where a smaller share of readings is
there, the clothes absorb the sensor's light: what is read beside them is behind the person."""
_STEPS = 7
_GAP_M = 0.35
"""A step between two bodies; a surface that is one has smaller ones."""
_BEFORE_M = 0.1
"""A larger step towards the camera between a shoulder and its hip is the edge of something before the hip: of somebody
who leans back by 60°, steps are 0.07 m."""
_NEARER = 0.2
"""Quantile of the readings that is taken where a wall may be among them."""
_SURFACE_M = 0.04
"""So far a joint is behind the skin that the sensor sees."""
_FLAT_M, _ON_PLANE, _MIN_FLAT, _FITS = 0.015, 0.8, 20, 3
"""A pose of which this share is off a plane by less is flat: people of UTD-MHAD and simulated ones are off by 0.035 m
or more, a plane with a sensor's noise at 4 m by 0.009 m. Readings that are needed, and how often the plane is fitted.
"""
_COARSE_M, _SPARSE, _MIN_STEPS = 0.05, 8, 2
"""Step of a sensor within which a whole body may look flat; it is told by every so many pixels, if they have so many
distances."""
_MAX_OFFSET_M = 0.45
"""A reading that is farther than this from where the network expects the joint is of something else."""


@dataclass(frozen=True, eq=False)
class Body:
    """What depth tells of a body, and the network does not know.

    Attributes:
        size: In heights of an average body: its distance by depth to that by perspective.
        offsets: (33,) how much farther from the torso each joint is in depth than the network says, metres.
    """

    size: float
    offsets: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Lifted:
    """Where a person is.

    Attributes:
        joints: (33, 3) metres in the camera's optical frame, also of joints that are hidden: where the network expects
            them.
        source: Where the distance comes from.
        body: What depth tells of the body; None: it was not read.
    """

    joints: NDArray[np.float32]
    source: PositionSource
    body: Body | None = None

    @functools.cached_property
    def middle(self) -> NDArray[np.float32]:
        """(3,) middle of the torso, metres."""
        middle: NDArray[np.float32] = self.joints[TORSO].mean(axis=0)
        return middle

    @property
    def depth_m(self) -> float | None:
        """Distance of the torso from the depth sensor, metres; None: it was not read."""
        return float(self.middle[2]) if self.source == "depth" else None


def lift(
    pose: Pose,
    camera: Camera,
    depth: NDArray[np.float32] | None,
    reach: tuple[float, float] | None = None,
    body: Body | None = None,
) -> Lifted | None:
    """Lift a pose into space.

    With depth, a joint is where its pixel's ray meets what the sensor reads around it; where that is none, or something
    else before or behind the person, the network's own third dimension is added to the depth of the torso. Without
    depth, the world landmarks are moved to where the camera would see them at their pixels.

    Args:
        pose: Output of the landmark network.
        camera: Of the picture.
        depth: (H, W) metres, registered to the picture (its size may differ), 0 for no reading; None: no sensor.
        reach: Distance of the torso a moment ago and how much it may have changed, metres: where shoulders and hips are
            partly hidden, readings within that are preferred.
        body: What depth said of the body a moment ago.

    Returns:
        None if the torso is not visible enough to determine its distance.
    """
    rays = camera.rays(pose.keypoints)
    world = _turned_to_ray(pose.world, rays[TORSO].mean(axis=0))
    place = _perspective(rays, world, pose.visibility)
    if place is not None and not _NEAREST_M < place[2] < _FARTHEST_M:
        place = None
    torso_m = None
    if depth is not None:
        head_m = head_depth(pose.keypoints, pose.torso, camera, depth)
        behind = hips_behind(pose.keypoints, pose.torso, camera, depth, head_m)
        own = replace(pose, visibility=np.where(behind, np.float32(0), pose.visibility))
        torso_m = _torso_depth(own, camera, depth, reach, head_m)
    if torso_m is not None and not torso_m < _FARTHEST_M:
        torso_m = None  # in another unit
    if torso_m and place is not None and torso_m > _TALLEST * place[2] and not camera.is_nominal:
        torso_m = None  # of somebody seen from the side the sensor may read the wall behind
    if depth is not None and torso_m is not None:
        expected = torso_m + _SURFACE_M + world[:, 2] - world[TORSO, 2].mean()
        lifted = _along(rays, _joint_depths(pose, camera, depth, expected, behind))
        return Lifted(lifted, "depth", None if place is None else _body(lifted, world + place))
    if place is None:
        return None
    joints = (world + place).astype(np.float32)
    if body is not None:
        nearer = (body.size - 1) * joints[TORSO, 2].mean()
        joints = _along(rays, joints[:, 2] + nearer + body.offsets)
    return Lifted(joints, "nominal" if camera.is_nominal else "perspective")


def _along(rays: NDArray[np.float32], z: NDArray[np.float32]) -> NDArray[np.float32]:
    z = z[:, np.newaxis]
    return np.concatenate([rays * z, z], axis=1).astype(np.float32)


def _body(joints: NDArray[np.float32], average: NDArray[np.float32]) -> Body:
    """What depth tells of a body, by its joints and those of an average one that looks like it."""
    z, average_z = joints[TORSO, 2].mean(), average[TORSO, 2].mean()
    return Body(float(z / average_z), (joints[:, 2] - z) - (average[:, 2] - average_z))


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

    For each landmark (X + t_x) = r_x (Z + t_z), and the same for y: linear in the place t. None if too few are visible.
    """
    weight = np.where(visibility >= MIN_VISIBILITY, visibility, 0.0)
    has_arms = weight[TORSO[:2]].all() and np.count_nonzero(weight) >= _MIN_SEEN
    if np.count_nonzero(weight[TORSO]) < 3 and not has_arms:
        return None
    zero, one = np.zeros(len(rays)), np.ones(len(rays))
    matrix = np.concatenate([np.stack([one, zero, -rays[:, 0]], 1), np.stack([zero, one, -rays[:, 1]], 1)])
    target = np.concatenate([rays[:, i] * world[:, 2] - world[:, i] for i in (0, 1)])
    double = np.concatenate([weight, weight])
    place = np.linalg.lstsq(matrix * double[:, np.newaxis], target * double, rcond=None)[0]
    found: NDArray[np.float32] = place.astype(np.float32)
    return found


def surfaces_under(pose: Pose, camera: Camera, depth: NDArray[np.float32]) -> tuple[float, float] | None:
    """Distances of two bodies side by side that one pose lies on; None: it lies on one, as far as the sensor tells.

    From shoulder to shoulder, and from hip to hip, the surface of one body has no step, also if it is turned or bends.
    Between shoulders and hips it may have one: a box that is carried, a table.
    """
    left, right = pose.keypoints[TORSO[::2], np.newaxis], pose.keypoints[TORSO[1::2], np.newaxis]
    points = (left + np.linspace(0, 1, _STEPS)[:, np.newaxis] * (right - left)).reshape(-1, 2)
    # A nearer one of the readings: beside a shoulder that is seen from the side there is always a wall.
    found = _read(points, _TORSO_WINDOW * pose.torso, camera, depth, _NEARER).reshape(2, _STEPS)
    steps = np.abs(np.diff(found, axis=1))
    if not (steps > _GAP_M).any():  # a comparison with NaN is false
        return None
    return float(np.nanmin(found)), float(np.nanmax(found))


def is_flat(pose: Pose, camera: Camera, depth: NDArray[np.float32]) -> bool:
    """Whether a pose lies on a plane: on a poster or a screen. False where the sensor reads too little or too coarsely
    to tell.

    A plane has an inverse distance that is linear in the pixels.
    """
    start, end = (pose.keypoints[[bone[i] for bone in BONES]] for i in (0, 1))
    seen = (pose.visibility[np.array(BONES)] >= MIN_VISIBILITY).all(axis=1)
    points = (start + np.linspace(0, 1, _STEPS)[:, np.newaxis, np.newaxis] * (end - start))[:, seen].reshape(-1, 2)
    z = _read(points, _JOINT_WINDOW * pose.torso, camera, depth)
    known = np.isfinite(z)
    if known.sum() < _MIN_FLAT or _step(depth) * np.median(z[known]) ** 2 > _COARSE_M:
        return False
    terms, inverse = np.column_stack([points[known], np.ones(known.sum())]), 1 / z[known]
    near = np.ones(len(inverse), np.bool_)
    for _ in range(_FITS):  # without what is read beside the limbs
        plane = np.linalg.lstsq(terms[near], inverse[near], rcond=None)[0]
        off_m = np.abs(terms @ plane - inverse) * z[known] ** 2
        near = off_m <= np.quantile(off_m, _ON_PLANE)
    return bool(np.quantile(off_m, _ON_PLANE) < _FLAT_M)


def _step(depth: NDArray[np.float32]) -> float:
    """The usual step between two inverse distances that a sensor reads, 1/m; 0 where the picture has too few to tell.

    Of a stereo camera without subpixels it is that of one pixel of disparity.
    """
    some = depth[::_SPARSE, ::_SPARSE]
    steps = np.diff(np.unique(1 / some[some > 0]))
    return float(np.median(steps)) if len(steps) >= _MIN_STEPS else 0.0


def tiny_size(pose: Pose, camera: Camera, torso_m: float) -> float | None:
    """Size of a pose at this distance, in heights of an average body, where that is smaller than anybody: a hand or a
    tool. None where it is not, or its size is not known.
    """
    rays = camera.rays(pose.keypoints)
    place = _perspective(rays, _turned_to_ray(pose.world, rays[TORSO].mean(axis=0)), pose.visibility)
    if camera.is_nominal or place is None or not torso_m < _SMALLEST * float(place[2]):
        return None
    return torso_m / float(place[2])


def head_depth(
    keypoints: NDArray[np.float32], torso: float, camera: Camera, depth: NDArray[np.float32]
) -> float | None:
    """Median distance of what the sensor reads around the face, metres; None where it reads nothing.

    See `hips_behind` for the arguments.
    """
    found = _windows(keypoints[FACE], _JOINT_WINDOW * torso, camera, depth)
    return float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else None


def hips_behind(
    keypoints: NDArray[np.float32], torso: float, camera: Camera, depth: NDArray[np.float32], head_m: float | None
) -> NDArray[np.bool_]:
    """Which joints are hips behind something, such as a counter, a table or the lap, also if the network sees them.

    From a shoulder near the head to its hip, the surface of a body has no step towards the camera.

    Args:
        keypoints: (33, 2) pixels of the picture.
        torso: Length of the torso, pixels.
        camera: Of the picture.
        depth: (H, W) metres, registered to the picture (its size may differ), 0 for no reading.
        head_m: See `head_depth`.

    Returns:
        bool (33,); False at all joints but the hips.
    """
    shoulders, hips = keypoints[TORSO[:2], np.newaxis], keypoints[TORSO[2:], np.newaxis]
    points = (shoulders + np.linspace(0, 1, _STEPS)[:, np.newaxis] * (hips - shoulders)).reshape(-1, 2)
    found = _read(points, _TORSO_WINDOW * torso, camera, depth, _NEARER).reshape(2, _STEPS)
    is_own = np.abs(found[:, 0] - (np.nan if head_m is None else head_m)) <= _HEAD_REACH_M
    has_step = (np.diff(found, axis=1) < -_BEFORE_M).any(axis=1)
    behind = np.zeros(len(keypoints), np.bool_)
    behind[TORSO[2:]] = is_own & has_step & (found[:, -1] < found[:, 0] - _BEFORE_M)
    return behind


def _torso_depth(
    pose: Pose,
    camera: Camera,
    depth: NDArray[np.float32],
    reach: tuple[float, float] | None,
    head_m: float | None,
) -> float | None:
    """Distance of shoulders and hips; of the head, if in clothes that the sensor does not read only the wall behind is
    read around them; None where nothing is read.
    """
    torso_m = _girdle_depth(pose, camera, depth, reach, head_m)
    if head_m is None or (torso_m is not None and abs(torso_m - head_m) <= _HEAD_REACH_M):
        return torso_m
    left, right = pose.keypoints[TORSO[::2]], pose.keypoints[TORSO[1::2]]
    above, below = left[:, np.newaxis] + _INSIDE * (right - left)[:, np.newaxis]
    inside = (above + _INSIDE[:, np.newaxis] * (below - above)).reshape(-1, 2)
    is_read = np.isfinite(_windows(inside, _INSIDE_WINDOW * pose.torso, camera, depth))
    return torso_m if is_read.mean() >= _FEWEST_READ else head_m


def _girdle_depth(
    pose: Pose,
    camera: Camera,
    depth: NDArray[np.float32],
    reach: tuple[float, float] | None,
    head_m: float | None,
) -> float | None:
    """Median of what the sensor reads around shoulders and hips; None where it reads nothing.

    Somebody who is partly hidden has the one who is before them, and the wall, around their shoulders: the readings
    within reach are theirs, unless head and torso are nearer. Of either, the ones near the head are the torso:
    others may be of a box that is carried before it.
    """
    seen = pose.visibility[TORSO] >= MIN_VISIBILITY
    points = pose.keypoints[TORSO][seen] if seen.sum() >= 2 else pose.keypoints[TORSO]
    windows = _windows(points, _TORSO_WINDOW * pose.torso, camera, depth)
    near = _within(windows, head_m, _HEAD_REACH_M)
    own = _within(windows, reach[0] - _SURFACE_M, reach[1]) if reach else None
    if reach and head_m and own is not None and near is not None:
        is_other = head_m < reach[0] - _HEAD_REACH_M and _count(near) > _OTHERS * _count(own)
        own = None if is_other else own
    if own is not None:
        near = _within(own, head_m, _HEAD_REACH_M)
        torso = own if near is None else near
        return float(np.median(torso[np.isfinite(torso)]))
    found = _quantiles(windows if near is None else near)
    known = np.sort(found[np.isfinite(found)])
    # One of the readings: between two of them there may be nothing.
    return float(known[(len(known) - 1) // 2]) if len(known) >= 2 else None


def _within(windows: NDArray[np.float32], middle_m: float | None, reach_m: float) -> NDArray[np.float32] | None:
    """The readings that are within reach of a distance, sorted, the others infinite; None: they are too few."""
    if middle_m is None:
        return None
    within = np.sort(np.where(np.abs(windows - middle_m) <= reach_m, windows, np.float32(np.inf)), axis=1)
    return within if _count(within) >= _MIN_OWN else None


def _count(windows: NDArray[np.float32]) -> int:
    return int(np.count_nonzero(np.isfinite(windows)))


def _joint_depths(
    pose: Pose,
    camera: Camera,
    depth: NDArray[np.float32],
    expected: NDArray[np.float32],
    behind: NDArray[np.bool_],
) -> NDArray[np.float32]:
    reading = _read(pose.keypoints, _JOINT_WINDOW * pose.torso, camera, depth) + _SURFACE_M
    # A comparison with NaN is false: where nothing is read, the expected depth stays.
    is_own = (np.abs(reading - expected) <= _MAX_OFFSET_M) & ~behind
    return np.where(is_own, reading, expected).astype(np.float32)


def _read(
    points: NDArray[np.float32], half: float, camera: Camera, depth: NDArray[np.float32], share: float = 0.5
) -> NDArray[np.float32]:
    """Quantiles of what the sensor reads in windows around pixels of the picture, (N, 2) to (N,); NaN: nothing."""
    return _quantiles(_windows(points, half, camera, depth), share)


def _windows(
    points: NDArray[np.float32], half: float, camera: Camera, depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What the sensor reads in windows around pixels of the picture, (N, 2) to (N, 49), sorted; infinite: nothing."""
    height, width = depth.shape
    scale = np.array([width / camera.width, height / camera.height])
    steps = _SAMPLES * np.maximum(half * scale, 1.0)
    columns, rows = (np.rint(points[:, i : i + 1] * scale[i] + steps[:, i]).astype(np.intp) for i in (0, 1))
    inside = ((columns >= 0) & (columns < width))[:, np.newaxis, :] & ((rows >= 0) & (rows < height))[:, :, np.newaxis]
    window = depth[rows.clip(0, height - 1)[:, :, np.newaxis], columns.clip(0, width - 1)[:, np.newaxis, :]]
    found = np.where(inside & (window > 0), window, np.float32(np.inf))
    return np.sort(found.reshape(len(points), _SAMPLES.size**2), axis=1)


def _quantiles(windows: NDArray[np.float32], share: float = 0.5) -> NDArray[np.float32]:
    """Quantile of each of some windows, (N, 49) to (N,); NaN where there are too few readings."""
    counts = np.isfinite(windows).sum(axis=1)
    chosen = windows[np.arange(len(windows)), (share * (counts - 1).clip(min=0)).astype(np.intp)]
    return np.where(counts >= _MIN_READINGS, chosen, np.nan).astype(np.float32)
