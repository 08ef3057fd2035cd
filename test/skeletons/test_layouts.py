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

"""Joint layouts: every conversion keeps what both layouts have, and left stays left."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.skeletons import LAYOUTS, LayoutError, convert, layout, mirror

NAMES = st.sampled_from(sorted(LAYOUTS))


def skeleton(name: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(5, len(LAYOUTS[name]), 3)).astype(np.float32)


@pytest.mark.parametrize("name", LAYOUTS)
def test_joints_are_named_once_and_come_in_pairs(name: str) -> None:
    joints = LAYOUTS[name].joints
    assert len(set(joints)) == len(joints) > 10
    for joint in joints:
        other = joint.replace("left", "r_i_g").replace("right", "left").replace("r_i_g", "right")
        assert other in joints


@given(NAMES, NAMES)
def test_joints_of_both_layouts_are_kept(source: str, target: str) -> None:
    joints = skeleton(source)
    converted = convert(joints, source, target)
    for place, joint in enumerate(LAYOUTS[target].joints):
        if joint in LAYOUTS[source].joints:
            assert np.array_equal(converted[:, place], joints[:, LAYOUTS[source].joints.index(joint)])


@given(NAMES, NAMES)
def test_left_stays_left(source: str, target: str) -> None:
    """A conversion commutes with a mirror, which exchanges left and right."""
    joints = skeleton(source)
    one = convert(mirror(joints, source), source, target)
    np.testing.assert_allclose(one, mirror(convert(joints, source, target), target), rtol=1e-6)


@given(NAMES, NAMES, st.integers(0, 14))
def test_a_joint_that_is_not_seen_leaves_the_others_alone(source: str, target: str, joint: int) -> None:
    joints = skeleton(source)
    whole = convert(joints, source, target)
    joints[2, joint] = np.nan
    converted = convert(joints, source, target)
    assert np.array_equal(np.delete(converted, 2, axis=0), np.delete(whole, 2, axis=0), equal_nan=True)
    seen = ~np.isnan(converted[2]).any(axis=-1)
    if LAYOUTS[source].joints[joint] in LAYOUTS[target].joints:
        assert not seen[LAYOUTS[target].joints.index(LAYOUTS[source].joints[joint])]


def test_the_body_of_every_layout_becomes_that_of_every_other() -> None:
    """Shoulders, elbows, wrists, hips, knees, ankles and the trunk's middle can be had from all of them."""
    limbs = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    body = ["head", "neck", "hip_center", *(f"{s}_{j}" for s in ("left", "right") for j in limbs)]
    for source in LAYOUTS:
        converted = convert(skeleton(source), source, "kinect20")
        assert np.isfinite(converted[:, layout("kinect20").index(*body)]).all(), source


@pytest.mark.parametrize("name", LAYOUTS)
def test_mirrored_twice_is_as_before(name: str) -> None:
    joints = skeleton(name)
    assert np.array_equal(mirror(mirror(joints, name), name), joints)


def test_there_and_back_between_layouts_of_the_same_joints() -> None:
    for source, target in itertools.permutations(("kinect20", "utkinect20", "msr20"), 2):
        joints = skeleton(source)
        assert np.array_equal(convert(convert(joints, source, target), target, source), joints)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LayoutError, match=r"no joint layout 'kinect'; expected one of kinect20"):
        layout("kinect")
    with pytest.raises(LayoutError, match=r"shape \(15, 3\); layout kinect20 has 20"):
        convert(np.zeros((15, 3)), "kinect20", "coco17")
