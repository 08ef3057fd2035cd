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

"""Joints in metres, and the depth of one person alone, against a scene whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.people.camera import Camera
from mumu_ros.people.finder import _metres
from mumu_ros.people.isolation import FOCAL, SIZE, isolate
from mumu_ros.people.landmarks import BONES, LAYOUT, TORSO
from mumu_ros.people.lifting import head_depth, is_flat, lift, surfaces_under, tiny_size
from mumu_ros.skeletons import convert, layout

from .figures import depth_of, pose_of, standing

CAMERAS = st.sampled_from([Camera(640, 480, 525.0, 525.0, 319.5, 239.5), Camera(848, 480, 614.0, 614.0, 430.0, 236.0)])
JOINTS = layout(LAYOUT)
FEET = JOINTS.index("left_ankle", "right_ankle", "left_toe", "right_toe")
PLACES = st.tuples(st.floats(-0.7, 0.7), st.floats(-0.2, 0.2), st.floats(2.2, 5.0))


@settings(max_examples=30)
@given(CAMERAS, PLACES)
def test_without_depth_the_body_is_where_its_size_in_the_picture_says(
    camera: Camera, place: tuple[float, float, float]
) -> None:
    joints = standing() + np.array([place[0], 0.25, place[2]], np.float32)
    # The network sees the person along its ray; the torso's middle is at the height of the camera.
    ray = joints[TORSO].mean(axis=0)
    pan = np.arctan2(ray[0], ray[2])
    cos, sin = np.cos(pan), np.sin(pan)
    world = standing() @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], np.float32)
    lifted = lift(pose_of(joints, camera, world), camera, None)
    assert lifted is not None
    assert lifted.source == "perspective"
    assert np.linalg.norm(lifted.joints - joints, axis=1).max() < 0.12


@settings(max_examples=10)
@given(CAMERAS, PLACES, st.integers(0, 2**16))
def test_with_depth_joints_are_where_the_sensor_reads_them(
    camera: Camera, place: tuple[float, float, float], seed: int
) -> None:
    """Also where the network's own third dimension is 10 cm off."""
    joints = standing() + np.array(place, np.float32)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=33).astype(np.float32)
    world = standing()
    world[:, 2] += noise
    lifted = lift(pose_of(joints, camera, world), camera, depth_of([joints], camera))
    assert lifted is not None
    assert lifted.source == "depth"
    error = np.linalg.norm(lifted.joints - joints, axis=1)
    assert np.median(error) < 0.06
    assert error[TORSO].max() < 0.15


@settings(max_examples=10)
@given(CAMERAS, PLACES, st.floats(0.6, 1.2), st.integers(0, 2**16))
def test_where_depth_fails_the_body_is_as_it_was_read_before(
    camera: Camera, place: tuple[float, float, float], size: float, seed: int
) -> None:
    """A child is no average body farther away; also where the network's own third dimension is 10 cm off."""
    joints = size * standing() + np.array(place, np.float32)
    world = standing()
    world[:, 2] += np.random.default_rng(seed).normal(scale=0.1, size=33).astype(np.float32)
    pose = pose_of(joints, camera, world)
    read = lift(pose, camera, depth_of([joints], camera))
    assert read is not None
    assert read.body is not None
    again = lift(pose, camera, None, body=read.body)
    assert again is not None
    assert (again.source, again.depth_m, again.body) == ("perspective", None, None)
    np.testing.assert_allclose(again.joints, read.joints, atol=0.01)


def test_joints_that_are_hidden_do_not_move_the_rest() -> None:
    camera = Camera.nominal(640, 480)
    joints = standing() + np.array([0, 0, 3], np.float32)
    pose = pose_of(joints, camera, standing())
    whole = lift(pose, camera, None)
    hidden = layout(LAYOUT).index("left_wrist", "right_ankle")
    pose.visibility[hidden] = 0.1
    pose.keypoints[hidden] += 200
    part = lift(pose, camera, None)
    assert whole is not None
    assert part is not None
    assert part.source == "nominal"
    np.testing.assert_allclose(part.joints, whole.joints, atol=0.02)


@pytest.mark.parametrize("covered", [1, 2])
def test_a_torso_that_is_partly_behind_somebody_nearer_stays_where_it_was(covered: int) -> None:
    camera = Camera.nominal(640, 480)
    joints = standing() + np.array([0, 0, 4], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera)
    for x, y in pose.keypoints[TORSO[:covered]].astype(int):
        depth[y - 25 : y + 26, x - 25 : x + 26] = 2.5
    lifted = lift(pose, camera, depth, reach=(4.0, 0.3))
    assert lifted is not None
    assert lifted.joints[TORSO, 2].mean() == pytest.approx(4.0, abs=0.1)


@settings(max_examples=20)
@given(gap=st.floats(0.2, 0.9), z=st.floats(2.0, 4.5), is_tracked=st.booleans())
def test_a_torso_with_a_box_before_it_is_where_its_head_is(gap: float, z: float, is_tracked: bool) -> None:
    """Whoever picks up a box does not jump towards the camera, neither as a whole nor joint by joint."""
    camera = Camera.nominal(640, 480)
    joints = standing() + np.array([0, 0, z], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera)
    hips = pose.keypoints[TORSO[2:]].astype(int)
    depth[hips[:, 1].min() - 40 : hips[:, 1].max() + 41, hips[:, 0].min() - 40 : hips[:, 0].max() + 41] = z - gap
    lifted = lift(pose, camera, depth, reach=(z - 0.3, 1.5) if is_tracked else None)
    assert lifted is not None
    assert lifted.middle[2] == pytest.approx(z, abs=0.15)
    np.testing.assert_allclose(lifted.joints[TORSO, 2], z, atol=0.15)


@settings(max_examples=20)
@given(gap=st.floats(0.2, 0.6), share=st.floats(0.5, 0.9), z=st.floats(2.0, 4.0), is_tracked=st.booleans())
def test_the_hips_of_somebody_behind_a_table_are_not_on_it(
    gap: float, share: float, z: float, is_tracked: bool
) -> None:
    """The table hides what is below this share of the torso; the network sees the hips nevertheless."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0.25, z], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera, radius_m=0.12)
    top, bottom = pose.keypoints[TORSO[0], 1], pose.keypoints[TORSO[2], 1]
    depth[int(top + share * (bottom - top)) :] = z - gap
    lifted = lift(pose, camera, depth, reach=(z, 0.33) if is_tracked else None)
    assert lifted is not None
    np.testing.assert_allclose(lifted.joints[TORSO, 2], z, atol=0.15)


@settings(max_examples=30)
@given(lean=st.floats(0, 60), z=st.floats(2.0, 4.0), is_noticed=st.booleans(), is_tracked=st.booleans())
def test_whoever_reclines_has_the_hips_where_the_sensor_reads_them(
    lean: float, z: float, is_noticed: bool, is_tracked: bool
) -> None:
    """Also where the network takes the person for upright."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    world = standing()
    above = JOINTS.index(*(joint for joint in JOINTS.joints if world[JOINTS.joints.index(joint), 1] < -0.1))
    angle, heights = np.radians(lean), -world[above, 1]
    world[above, 1], world[above, 2] = -np.cos(angle) * heights, world[above, 2] + np.sin(angle) * heights
    joints = world + np.array([0, 0.25, z], np.float32)
    pose = pose_of(joints, camera, world if is_noticed else standing())
    depth = depth_of([joints], camera, radius_m=0.12)
    lifted = lift(pose, camera, depth, reach=(float(joints[TORSO, 2].mean()), 0.33) if is_tracked else None)
    assert lifted is not None
    np.testing.assert_allclose(lifted.joints[TORSO[2:], 2], z, atol=0.15)


@settings(max_examples=20)
@given(gap=st.floats(0.5, 1.2), z=st.floats(2.0, 4.0), is_tracked=st.booleans())
def test_in_black_clothes_before_a_wall_somebody_is_where_their_head_is(gap: float, z: float, is_tracked: bool) -> None:
    """The sensor reads skin, and of black clothes nothing."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0.25, z], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera, z + gap)
    rows, columns = np.indices(depth.shape)
    chin = pose.keypoints[TORSO[:2], 1].min() - 0.1 * pose.torso
    clothes = (depth_of([joints], camera, radius_m=0.12) < 6) & (rows > chin)
    for x, y in pose.keypoints[JOINTS.index("left_index", "right_index")]:
        clothes &= np.hypot(columns - x, rows - y) > 0.07 * 525 / z
    depth[clothes] = 0
    lifted = lift(pose, camera, depth, reach=(z, 0.33) if is_tracked else None)
    assert lifted is not None
    assert lifted.source == "depth"
    assert lifted.middle[2] == pytest.approx(z, abs=0.15)


@given(z=st.floats(2.0, 4.0), wall=st.floats(1.5, 2.5))
@settings(max_examples=20)
def test_a_wall_behind_somebody_who_would_be_a_giant_there_is_not_where_they_are(z: float, wall: float) -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0.25, z], np.float32)
    lifted = lift(pose_of(joints, camera, standing()), camera, np.full((480, 640), wall * z, np.float32))
    assert lifted is not None
    assert lifted.depth_m is None
    assert lifted.middle[2] == pytest.approx(z, rel=0.1)


@settings(max_examples=50)
@given(size=st.one_of(st.floats(0.02, 0.3), st.floats(0.25, 1.3)), z=st.floats(2.0, 4.0))
def test_a_body_in_a_tool_is_tiny_and_a_child_is_not(size: float, z: float) -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    pose = pose_of(size * standing() + np.array([0, 0.1, z], np.float32), camera, standing())
    found = tiny_size(pose, camera, z)
    assert (found is not None) == (size < 0.55) or 0.5 < size < 0.6
    assert found is None or found == pytest.approx(size, rel=0.15)


@pytest.mark.parametrize("kind", ["=u2", ">u2", "=i4", "=f4", ">f4", "=f8"])
def test_depth_of_whole_numbers_is_in_millimetres_whatever_their_size_and_byte_order(kind: str) -> None:
    depth = np.array([[0, 3]]).astype(kind) if "f" in kind else np.array([[0, 3000]]).astype(kind)
    found = _metres(depth)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 3]], rtol=1e-6)


@pytest.mark.parametrize("hidden", [0, 2])
def test_a_distance_in_millimetres_is_none(hidden: int) -> None:
    """Also where shoulders and hips are too little in view for the size of the body to say so."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0.25, 3], np.float32)
    pose = pose_of(joints, camera, standing())
    pose.visibility[TORSO[:hidden]] = 0.1
    lifted = lift(pose, camera, 1000 * depth_of([joints], camera))
    assert lifted is None if hidden else lifted is not None and lifted.source == "perspective"


def test_a_head_is_where_the_sensor_reads_it_also_where_the_torso_is_on_the_wall() -> None:
    camera = Camera.nominal(640, 480)
    joints = standing() + np.array([0, 0, 4], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera, radius_m=0.12)
    depth[int(pose.keypoints[TORSO, 1].min() - 0.17 * pose.torso) :] = 6.0
    lifted, head_m = lift(pose, camera, depth), head_depth(pose.keypoints, pose.torso, camera, depth)
    assert lifted is not None
    assert (lifted.middle[2], head_m) == pytest.approx((6.0, 4.0), abs=0.15)
    assert head_depth(pose.keypoints, pose.torso, camera, np.zeros_like(depth)) is None


def turned(joints: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return (joints @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], np.float32)).astype(np.float32)


@settings(max_examples=15)
@given(angle=st.floats(-np.pi, np.pi), z=st.floats(1.5, 5.0), carries=st.booleans())
def test_one_body_is_one_surface_also_turned_and_with_a_box_before_it(angle: float, z: float, carries: bool) -> None:
    camera = Camera.nominal(640, 480)
    joints = turned(standing(), angle) + np.array([0, 0, z], np.float32)
    pose, depth = pose_of(joints, camera, standing()), depth_of([joints], camera, radius_m=0.12)
    if carries:
        (x0, y0), (x1, y1) = pose.keypoints[TORSO].min(axis=0), pose.keypoints[TORSO].max(axis=0)
        depth[int((y0 + y1) / 2) : int(y1) + 20, int(x0) - 30 : int(x1) + 30] = z - 0.6
    assert surfaces_under(pose, camera, depth) is None


@settings(max_examples=15)
@given(gap=st.floats(0.5, 2.0), z=st.floats(2.0, 4.0), side=st.sampled_from([-1, 1]))
def test_a_pose_across_two_bodies_is_on_two_surfaces(gap: float, z: float, side: int) -> None:
    camera = Camera.nominal(640, 480)
    near, far = (standing() + np.array([x, 0, d], np.float32) for x, d in ((-0.25 * side, z), (0.3 * side, z + gap)))
    depth = depth_of([near, far], camera, radius_m=0.12)
    across = standing() + np.array([0.05 * side, 0, z], np.float32)
    found = surfaces_under(pose_of(across, camera, standing()), camera, depth)
    assert found is not None
    assert found == pytest.approx((z, z + gap), abs=0.2)


def test_nobody_is_placed_whose_torso_is_not_seen() -> None:
    camera = Camera.nominal(640, 480)
    pose = pose_of(standing() + np.array([0, 0, 3], np.float32), camera, standing())
    pose.visibility[TORSO] = 0.0
    assert lift(pose, camera, None) is None


@settings(max_examples=20)
@given(CAMERAS, PLACES)
def test_at_a_table_the_shoulders_the_face_and_the_arms_are_enough(
    camera: Camera, place: tuple[float, float, float]
) -> None:
    joints = standing() + np.array([place[0], 0.25, place[2]], np.float32)
    pose = pose_of(joints, camera, standing())
    pose.visibility[np.flatnonzero(standing()[:, 1] > -0.1)] = 0.1  # hips and legs
    pose.keypoints[JOINTS.index("left_knee", "right_knee")] += 200
    lifted = lift(pose, camera, None)
    assert lifted is not None
    assert lifted.joints[TORSO[:2], 2].mean() == pytest.approx(place[2], rel=0.15)
    pose.visibility[JOINTS.index("left_shoulder")] = 0.1
    assert lift(pose, camera, None) is None
    pose.visibility[:] = 0.1
    pose.visibility[JOINTS.index("left_shoulder", "right_shoulder", "nose", "left_wrist")] = 1.0
    assert lift(pose, camera, None) is None


def test_a_pose_of_which_nothing_is_seen_is_not_flat() -> None:
    camera = Camera.nominal(640, 480)
    pose = pose_of(standing() + np.array([0, 0, 3], np.float32), camera, standing())
    pose.visibility[:] = 0.0
    assert not is_flat(pose, camera, np.full((480, 640), 3.0, np.float32))


@settings(max_examples=8, deadline=None)
@given(z=st.floats(1.5, 4.0), slope=st.floats(-0.4, 0.4), angle=st.floats(-np.pi, np.pi), seed=st.integers(0, 99))
def test_a_person_on_a_poster_is_flat_and_one_of_flesh_and_blood_is_not(
    z: float, slope: float, angle: float, seed: int
) -> None:
    """The poster may hang askew; the noise is that of a depth sensor, which grows with the square of the distance."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    walking = standing()
    walking[JOINTS.index("left_wrist", "right_ankle", "right_toe"), 2] -= 0.3
    walking[JOINTS.index("right_wrist", "left_ankle", "left_toe"), 2] += 0.25
    walking[JOINTS.index("left_shoulder", "left_elbow", "right_knee"), 2] -= 0.12
    joints = turned(walking, angle) + np.array([0, 0, z], np.float32)
    pose, rng = pose_of(joints, camera, walking), np.random.default_rng(seed)
    plane = np.broadcast_to(z / (1 + slope * (np.arange(640) - 319.5) / 525), (480, 640))
    noise = rng.normal(0, 1.4e-3, (480, 640))
    assert is_flat(pose, camera, (plane + plane**2 * noise).astype(np.float32))
    body = depth_of([joints], camera)
    assert not is_flat(pose, camera, (body + body**2 * noise).astype(np.float32))
    assert not is_flat(pose, camera, np.zeros((480, 640), np.float32))


@settings(max_examples=10, deadline=None)
@given(z=st.floats(2.0, 5.5), pixels_m=st.sampled_from([30.0, 60.0]))
def test_nobody_is_flat_before_a_stereo_camera_that_reads_whole_pixels(z: float, pixels_m: float) -> None:
    """Focal length in pixels times the distance of the two lenses: a whole body may be one step deep."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0, z], np.float32)
    floor = 1.0 * 525 / np.maximum(np.arange(480) - 239.5, 1)[:, None]
    scene = np.minimum(depth_of([joints], camera, 6.0), floor)
    coarse = (pixels_m / np.maximum(np.round(pixels_m / scene), 1)).astype(np.float32)
    assert not is_flat(pose_of(joints, camera, standing()), camera, coarse)


@pytest.mark.parametrize("before_m", [None, 5.0])
def test_somebody_half_behind_another_person_is_not_between_the_two(before_m: float | None) -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    pose = pose_of(standing() + np.array([0, 0, 5.0], np.float32), camera, standing())
    depth = np.full((480, 640), 5.0, np.float32)
    depth[:, 320:] = 3.4
    lifted = lift(pose, camera, depth, before_m and (before_m, 1.0))
    assert lifted is not None
    assert lifted.middle[2] == pytest.approx(before_m or 3.4, abs=0.25)


@settings(max_examples=20)
@given(gap=st.floats(0.5, 2.0), beside=st.integers(30, 60))
def test_whoever_steps_in_front_of_a_person_is_not_where_that_one_was(gap: float, beside: int) -> None:
    """Of the person behind, something is seen beside the one before them, on whom the pose lies."""
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    pose = pose_of(standing() + np.array([0, 0, 3.0], np.float32), camera, standing())
    depth = np.full((480, 640), 3.0 + gap, np.float32)
    depth[:, : 320 + beside] = 3.0
    lifted = lift(pose, camera, depth, (3.0 + gap, 0.35))
    assert lifted is not None
    assert lifted.middle[2] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize(("apart", "behind"), [(0.9, 0.0), (0.7, 0.8), (1.6, -0.4)])
def test_a_person_is_cut_out_of_a_room_with_another_one(apart: float, behind: float) -> None:
    """What is left is the person: no wall, and nothing of the other one who stands beside and behind."""
    camera = Camera(848, 480, 614.0, 614.0, 430.0, 236.0)
    one = standing() + np.array([-apart / 2, 0, 3.0], np.float32)
    other = standing() + np.array([apart / 2, 0, 3.0 + behind], np.float32)
    alone = isolate(depth_of([one], camera, wall_m=None), camera, [one])[0]
    both = isolate(depth_of([one, other], camera), camera, [one, other])[0]
    assert alone.shape == SIZE
    seen = alone > 0
    assert seen.sum() > 200
    assert (both > 0)[~seen].sum() < 0.12 * seen.sum()
    kept = (both > 0) & seen
    assert kept.sum() > 0.55 * seen.sum()  # the other one's arm may be before it
    assert np.median(np.abs(both[kept].astype(float) - alone[kept])) < 20


def test_the_depth_picture_is_that_of_another_lens_at_the_place_of_this_one() -> None:
    """A ball 0.1 m above the optical axis at 3 m is where a camera of that focal length sees it."""
    camera = Camera(848, 480, 614.0, 614.0, 424.0, 240.0)
    joints = np.tile(np.array([0, 0, 3.0], np.float32), (33, 1))
    depth = np.zeros((480, 848), np.float32)
    x, y = camera.project(np.array([0.0, -0.1, 3.0]))
    depth[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] = 3.0
    rows, columns = np.nonzero(isolate(depth, camera, [joints])[0])
    assert columns.mean() == pytest.approx(SIZE[1] / 2 - 0.5, abs=0.7)
    assert rows.mean() == pytest.approx(SIZE[0] / 2 - 0.5 - 0.1 / 3 * FOCAL * SIZE[1], abs=0.7)


def pixel_by_pixel(depth: np.ndarray, camera: Camera, joints: np.ndarray) -> np.ndarray:
    """What `isolate` shows of a person who is alone, by definition."""
    middle = np.nanmean(joints[TORSO], axis=0)
    pan = np.arctan2(middle[0], middle[2])
    turn = np.array([[np.cos(pan), 0, -np.sin(pan)], [0, 1, 0], [np.sin(pan), 0, np.cos(pan)]], np.float32)
    rows, columns = np.indices(SIZE).reshape(2, -1)
    focal = FOCAL * SIZE[1]
    x, y = (columns + 0.5 - SIZE[1] / 2) / focal, (rows + 0.5 - SIZE[0] / 2) / focal
    rays = np.stack([x, y, np.ones_like(x)], axis=1) @ turn
    seen = np.rint(camera.project(rays))
    inside = ((seen >= 0) & (seen < (camera.width, camera.height))).all(axis=1)
    z = np.array([depth[int(v), int(u)] if is_in else 0.0 for (u, v), is_in in zip(seen, inside, strict=True)])
    points = rays / rays[:, 2:] * z[:, np.newaxis]
    belongs = np.zeros(len(points), bool)
    for a, b in BONES:
        known = [end for end in joints[[a, b]].astype(float) if np.isfinite(end).all()]
        if not known:
            continue
        start, bone = known[0], known[-1] - known[0]
        share = ((points - start) @ bone / max(bone @ bone, 1e-6)).clip(0, 1)
        reach_m = 0.12 if b in FEET else 0.22
        belongs |= np.linalg.norm(points - start - share[:, np.newaxis] * bone, axis=1) <= reach_m
    return np.where(belongs & (z > 0), points @ turn[2] * 1000, 0).reshape(SIZE)


@settings(max_examples=30, deadline=None)
@given(
    CAMERAS,
    st.tuples(st.floats(-1.5, 1.5), st.floats(-0.6, 0.6), st.floats(0.5, 6.0)),
    st.integers(0, 99),
    st.sets(st.integers(0, 32)),
)
def test_the_depth_picture_is_what_it_is_pixel_by_pixel(
    camera: Camera, place: tuple[float, float, float], seed: int, unknown: set[int]
) -> None:
    """Of a bone with an unknown end there is the other end; without any joint of the torso there is no picture."""
    joints = standing() + np.array(place, np.float32)
    joints[list(unknown)] = np.nan
    shape = (60, 80 * camera.width * 3 // (camera.height * 4))
    depth = np.random.default_rng(seed).normal(place[2], 0.3, shape).astype(np.float32).clip(0)
    shown = isolate(depth, camera, [joints])[0]
    if unknown >= set(TORSO):
        assert shown is None
        return
    assert shown is not None
    expected = pixel_by_pixel(depth, camera.resized(shape[1], shape[0]), joints)
    assert (np.abs(shown - expected) > 1).sum() <= 2  # readings that are as far as a person reaches


@settings(max_examples=20, deadline=None)
@given(CAMERAS, PLACES, st.floats(-np.pi, np.pi))
def test_a_body_with_the_joints_of_rep_155_is_cut_out_but_for_its_hands_and_toes(
    camera: Camera, place: tuple[float, float, float], angle: float
) -> None:
    joints = turned(standing(), angle) + np.array(place, np.float32)
    of_hri = convert(convert(joints, LAYOUT, "hri18"), "hri18", LAYOUT)
    assert np.isnan(of_hri).all(axis=1).sum() == 16
    whole, part = (isolate(depth_of([joints], camera), camera, [known])[0] for known in (joints, of_hri))
    assert whole is not None
    assert part is not None
    shown = part > 0
    np.testing.assert_array_equal(part[shown], whole[shown])
    assert shown.sum() > 0.85 * (whole > 0).sum()


def test_a_body_without_a_torso_has_no_picture_and_keeps_its_limbs_out_of_that_of_others() -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    one, other = (standing() + np.array([x, 0, 3.0], np.float32) for x in (-0.6, 0.6))
    arm = np.full_like(other, np.nan)
    hand = JOINTS.index("right_elbow", "right_wrist", "right_index")
    arm[hand] = other[hand]
    depth = depth_of([one, other], camera)
    alone, beside = isolate(depth, camera, [one])[0], isolate(depth, camera, [one, arm])
    both = isolate(depth, camera, [one, other])[0]
    assert beside[1] is None
    np.testing.assert_array_equal(beside[0], both)
    assert not np.array_equal(alone, both)
    for joints in ([], JOINTS.index("nose", "left_eye")):  # no bone ends there
        face = np.full_like(one, np.nan)
        face[joints] = one[joints]
        np.testing.assert_array_equal(isolate(depth, camera, [one, face])[0], alone)
