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

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.people import LAYOUT, Camera, Person
from mumu_ros.people.bodies import lift_keypoints
from mumu_ros.people.inputs import FROZEN_S, Frozen, Since, depth_problem, is_upside_down, picture_problem
from mumu_ros.skeletons import layout

from .figures import depth_of, standing

JOINTS = layout(LAYOUT)
S = 1_000_000_000


@given(st.lists(st.tuples(st.integers(0, 10**12), st.booleans()), min_size=1))
def test_a_condition_holds_since_it_began_and_has_not_ended(notes: list[tuple[int, bool]]) -> None:
    since = Since()
    start: int | None = None
    last = 0
    for stamp_ns, holds in notes:
        since.note(stamp_ns, holds)
        if not holds:
            start = None
        elif start is None or stamp_ns < last:  # time that jumps back begins anew
            start = stamp_ns
        last = stamp_ns
        assert since.seconds == (0 if start is None else (last - start) / S)


def test_a_camera_is_frozen_when_its_pictures_have_been_the_same_for_a_second() -> None:
    frozen = Frozen()
    said = [frozen.look(k * S // 10, bytes([min(k, 5)])) for k in range(20)]
    assert said == [k * 0.1 > 0.6 + FROZEN_S + 0.01 for k in range(20)], "the first repeat is at 0.6 s"
    assert not frozen.look(2 * S, b"new")


@pytest.mark.parametrize(("picture", "depth"), [("", "c"), ("c", ""), ("", ""), ("c", "c")])
def test_a_frame_that_is_not_named_is_none_that_differs(picture: str, depth: str) -> None:
    assert depth_problem((128, 96), picture, (64, 48), depth) is None
    assert "another aspect" in str(depth_problem((128, 96), picture, (64, 64), depth))


def person(shoulders: tuple[float, float], hips: tuple[float, float]) -> Person:
    keypoints = np.full((33, 2), np.nan, np.float32)
    keypoints[JOINTS.index("left_shoulder", "right_shoulder")] = shoulders
    keypoints[JOINTS.index("left_hip", "right_hip")] = hips
    nothing = np.full((33, 3), np.nan, np.float32)
    return Person("abcde", 1.0, (0.0, 0.0, 1.0, 1.0), keypoints, nothing, np.ones(33, np.float32), "nominal")


def test_people_are_upside_down_when_all_of_them_are() -> None:
    upright, lying, turned = (person((100, 100), hips) for hips in ((100, 200), (200, 90), (110, 20)))
    unseen = person((np.nan, np.nan), (100, 20))
    assert is_upside_down([turned], LAYOUT)
    assert is_upside_down([turned, turned], LAYOUT)
    for people in ([], [upright], [lying], [turned, upright], [turned, lying], [turned, unseen]):
        assert not is_upside_down(people, LAYOUT)


def test_joints_are_lifted_to_where_the_sensor_reads_them_and_no_further() -> None:
    """A person at 2 m before a wall at 4 m: what is seen beside the person is not invented."""
    camera = Camera(640, 480, 600.0, 600.0, 320.0, 240.0)
    depth = np.full((240, 320), 4.0, np.float32)  # half the picture's resolution
    depth[50:210, 120:200] = 2.0
    depth[100:104, 150:154] = 0.0  # a hole
    keypoints = np.full((33, 2), np.nan, np.float32)
    on = {"left_shoulder": (280, 150), "right_shoulder": (360, 150), "left_hip": (290, 300), "right_hip": (350, 300)}
    for joint, pixel in on.items():
        keypoints[JOINTS.index(joint)] = pixel
    keypoints[JOINTS.index("left_wrist")] = (60, 200)  # before the wall
    joints = lift_keypoints(keypoints, camera, depth)
    for joint, pixel in on.items():
        x, y, z = joints[JOINTS.index(joint)[0]]
        assert 2.0 <= z <= 2.1, "the skin, and the joint behind it"
        np.testing.assert_allclose(camera.project(np.array([x, y, z])), pixel, atol=0.01)
    assert np.isnan(joints[JOINTS.index("left_wrist")]).all()
    assert np.isfinite(joints).all(axis=1).sum() == 4
    assert np.isnan(lift_keypoints(keypoints, camera, np.zeros_like(depth))).all()


@settings(max_examples=30)
@given(x=st.floats(-4, 4), y=st.floats(-3, 3), z=st.floats(1.0, 5.0), scale=st.sampled_from([1, 2, 4]))
def test_joints_outside_the_picture_have_no_position_on_every_side_alike(
    x: float, y: float, z: float, scale: int
) -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    keypoints = camera.project(standing() + np.array([x, y, z], np.float32))
    joints = lift_keypoints(keypoints, camera, np.full((480 // scale, 640 // scale), z, np.float32))
    inside = ((keypoints >= 0) & (keypoints <= (640, 480))).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(joints), np.repeat(inside[:, np.newaxis], 3, axis=1))


@settings(max_examples=20)
@given(gap=st.floats(0.2, 0.55), z=st.floats(2.0, 4.0))
def test_hips_behind_a_counter_have_no_position_and_the_rest_is_where_it_is(gap: float, z: float) -> None:
    camera = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
    joints = standing() + np.array([0, 0.25, z], np.float32)
    keypoints, depth = camera.project(joints).astype(np.float32), depth_of([joints], camera, radius_m=0.12)
    hips = JOINTS.index("left_hip", "right_hip")
    keypoints[hips[0] + 2 :] = np.nan  # the legs
    whole = lift_keypoints(keypoints, camera, depth)
    depth[int(keypoints[hips, 1].min()) - 30 :] = z - gap
    part = lift_keypoints(keypoints, camera, depth)
    assert np.isnan(part[hips]).all()
    np.testing.assert_array_equal(np.delete(part, hips, axis=0), np.delete(whole, hips, axis=0))
    np.testing.assert_allclose(whole[hips, 2], z, atol=0.15)


RGB, DEPTH = np.zeros((48, 64, 3), np.uint8), np.zeros((24, 32), np.uint16)


@pytest.mark.parametrize("depth", [None, DEPTH, DEPTH[..., None], DEPTH.astype(np.float32), DEPTH.astype(">u2")])
def test_pictures_with_and_without_depth_are_taken(depth: np.ndarray | None) -> None:
    assert picture_problem(RGB, depth) is None


@pytest.mark.parametrize(
    ("rgb", "depth", "problem"),
    [
        (RGB[..., 0], None, r"uint8 of shape \(48, 64\); expected uint8 of shape \(H, W, 3\)"),
        (RGB[..., [0, 1, 2, 2]], None, r"shape \(48, 64, 4\); expected"),
        (RGB / 255, None, r"the picture is float64 of shape"),
        (RGB[:0], None, r"shape \(0, 64, 3\)"),
        (RGB, RGB, r"depth is uint8 of shape \(48, 64, 3\); expected \(H, W\)"),
        (RGB, DEPTH.astype(str), "depth is <U"),
        (RGB, DEPTH[:0], r"shape \(0, 32\)"),
        (RGB, DEPTH[:20], "depth has 32×20 pixels, the picture 64×48, another aspect"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(rgb: np.ndarray, depth: np.ndarray | None, problem: str) -> None:
    assert re.search(problem, picture_problem(rgb, depth) or "")
