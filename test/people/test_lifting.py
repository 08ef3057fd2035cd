"""Joints in metres, and the depth of one person alone, against a scene whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.people.camera import Camera
from mumu_ros.people.isolation import FOCAL, SIZE, isolate
from mumu_ros.people.landmarks import BONES, LAYOUT, TORSO, Pose
from mumu_ros.people.lifting import lift
from mumu_ros.people.regions import Region
from mumu_ros.skeletons import layout

CAMERAS = st.sampled_from([Camera(640, 480, 525.0, 525.0, 319.5, 239.5), Camera(848, 480, 614.0, 614.0, 430.0, 236.0)])
PLACES = st.tuples(st.floats(-0.7, 0.7), st.floats(-0.2, 0.2), st.floats(2.2, 5.0))


def standing() -> np.ndarray:
    """(33, 3) somebody who stands with the arms apart, metres around the middle of the hips."""
    places = {
        "nose": (0, -0.68, -0.1),
        "ear": (0.08, -0.68, 0),
        "mouth": (0.03, -0.62, -0.08),
        "eye": (0.03, -0.7, -0.09),
        "shoulder": (0.18, -0.5, 0),
        "elbow": (0.4, -0.35, 0),
        "wrist": (0.6, -0.45, -0.05),
        "pinky": (0.66, -0.5, -0.05),
        "index": (0.66, -0.52, -0.06),
        "thumb": (0.62, -0.5, -0.07),
        "hip": (0.1, 0, 0),
        "knee": (0.12, 0.42, 0),
        "ankle": (0.13, 0.82, 0.03),
        "heel": (0.13, 0.86, 0.06),
        "toe": (0.14, 0.88, -0.1),
    }
    joints = []
    for joint in layout(LAYOUT).joints:
        side = -1 if joint.startswith("right") else 1  # seen from the front, left is to the right
        part = next(name for name in sorted(places, key=len, reverse=True) if name in joint)
        x, y, z = places[part]
        joints.append((side * x if part != "nose" else 0.0, y, z))
    return np.array(joints, np.float32)


def pose_of(joints: np.ndarray, camera: Camera, world: np.ndarray) -> Pose:
    keypoints = camera.project(joints)
    visibility = np.ones(33, np.float32)
    return Pose(1.0, keypoints, visibility, world, Region(*keypoints[TORSO].mean(axis=0), 300.0))


def depth_of(
    skeletons: list[np.ndarray], camera: Camera, wall_m: float | None = 6.0, radius_m: float = 0.07
) -> np.ndarray:
    """What a depth sensor sees of people made of balls along their bones, before a wall."""
    depth = np.full((camera.height, camera.width), wall_m or 100.0, np.float32)
    for joints in skeletons:
        for a, b in BONES:
            for share in np.linspace(0, 1, 25):
                point = joints[a] + share * (joints[b] - joints[a])
                x, y = camera.project(point)
                r = radius_m * camera.fx / point[2]
                x0, x1, y0, y1 = (int(max(0, v)) for v in (x - r, x + r + 1, y - r, y + r + 1))
                part = depth[y0:y1, x0:x1]
                np.minimum(part, point[2] - 0.04, out=part)
    return np.where(depth < 100, depth, np.float32(0))


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


def test_nobody_is_placed_whose_torso_is_not_seen() -> None:
    camera = Camera.nominal(640, 480)
    pose = pose_of(standing() + np.array([0, 0, 3], np.float32), camera, standing())
    pose.visibility[TORSO] = 0.0
    assert lift(pose, camera, None) is None


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
