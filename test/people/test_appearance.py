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

"""What people wear, as far as it is theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.people.appearance import OTHER_CLOTHES, appearance, differences, unlike
from mumu_ros.people.camera import Camera
from mumu_ros.people.landmarks import KNEES, TORSO, Pose

from .figures import pose_of, standing

WIDTH, HEIGHT = 640, 480
FAR_M = 3.0
RED, BLUE, GREY = ([200, 30, 30], [30, 40, 200], [128, 128, 128])


def somebody() -> Pose:
    return pose_of(standing() + np.array([0, 0, FAR_M], np.float32), Camera.nominal(WIDTH, HEIGHT), standing())


def picture(colour: list[int]) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.clip(np.array(colour) + rng.integers(-10, 10, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(
    covered=st.floats(0.0, 0.75),
    from_the_left=st.booleans(),
    gap_m=st.floats(0.4, 2.5),
    smaller=st.sampled_from([1, 2, 4]),
)
def test_what_is_before_or_behind_a_torso_is_none_of_its_clothes(
    covered: float, from_the_left: bool, gap_m: float, smaller: int
) -> None:
    pose = somebody()
    left, right = pose.keypoints[TORSO, 0].min(), pose.keypoints[TORSO, 0].max()
    rgb, depth = picture(RED), np.full((HEIGHT, WIDTH), FAR_M, np.float32)
    expected = appearance(rgb, pose)
    at = left + covered * (right - left) if from_the_left else right - covered * (right - left)
    other = np.arange(WIDTH) < at if from_the_left else np.arange(WIDTH) > at
    rgb[:, other], depth[:, other] = picture(BLUE)[:, other], FAR_M - gap_m if from_the_left else FAR_M + gap_m
    assert unlike(differences(appearance(rgb, pose, depth[::smaller, ::smaller], FAR_M), expected)) < 0.3
    if covered > 0.7:
        assert unlike(differences(appearance(rgb, pose), expected)) > 0.4, "without depth it counts"


def test_clothes_that_are_not_seen_are_not_known() -> None:
    depth = np.full((HEIGHT, WIDTH), FAR_M - 1, np.float32)
    assert appearance(picture(BLUE), somebody(), depth, FAR_M) is None
    assert appearance(picture(BLUE), somebody(), depth, None) is not None
    known = appearance(picture(RED), somebody())
    assert 0 < unlike(differences(None, known)) < OTHER_CLOTHES
    assert unlike(differences(known, None)) == unlike(differences(None, None))


def test_other_clothes_are_told_apart() -> None:
    red, blue, grey = (appearance(picture(colour), somebody()) for colour in (RED, BLUE, GREY))
    assert unlike(differences(red, red)) < 1e-3
    for one, other in ((red, blue), (blue, grey), (grey, red)):
        assert unlike(differences(one, other)) > OTHER_CLOTHES


@settings(max_examples=30, deadline=None)
@given(light=st.floats(0.5, 1.2), colour=st.sampled_from([RED, BLUE, [120, 90, 60]]))
def test_clothes_are_the_same_in_shade(light: float, colour: list[int]) -> None:
    shaded = (picture(colour) * light).clip(0, 255).astype(np.uint8)
    assert unlike(differences(appearance(picture(colour), somebody()), appearance(shaded, somebody()))) < 0.4


def test_trousers_are_told_from_the_shirt_where_the_knees_are_seen() -> None:
    pose = somebody()
    hips = int(pose.keypoints[TORSO[2:], 1].mean())
    rgb = picture(RED)
    rgb[hips:] = picture(BLUE)[hips:]
    same, trousers = differences(appearance(picture(RED), pose), appearance(rgb, pose))
    assert same < 0.1
    assert trousers > OTHER_CLOTHES
    visibility = pose.visibility.copy()
    visibility[KNEES] = 0
    sits = appearance(rgb, replace(pose, visibility=visibility))
    assert np.isnan(differences(appearance(rgb, pose), sits)).tolist() == [False, True]
    assert unlike(differences(appearance(picture(RED), pose), sits)) == same, "what is not seen does not count"


@settings(max_examples=100, deadline=None)
@given(
    points=st.lists(st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000)), min_size=4, max_size=4),
    torso_m=st.one_of(st.none(), st.floats(0.1, 20)),
)
def test_a_torso_may_be_anywhere(points: list[tuple[float, float]], torso_m: float | None) -> None:
    pose = somebody()
    keypoints = pose.keypoints.copy()
    keypoints[TORSO] = points
    found = appearance(picture(RED), replace(pose, keypoints=keypoints), np.zeros((120, 160), np.float32), torso_m)
    assert found is None or set(found.sum(axis=1).round(5).tolist()) <= {0, 1}
