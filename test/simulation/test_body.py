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

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.simulation.body import CHANNELS, channel
from mumu_ros.simulation.subject import Subject


def _skeleton(subject, side=None):
    skeleton = Subject.draw(np.random.default_rng(subject)).skeleton
    return skeleton if side is None else replace(skeleton, side=side)


def _angles(**degrees):
    angles = np.zeros((1, len(CHANNELS)))
    for name, value in degrees.items():
        angles[0, channel(name)] = np.radians(value)
    return angles


def test_at_zero_angles_the_person_stands_upright_on_the_floor():
    pose = _skeleton(0).pose(_angles())
    head, pelvis, ankle, hand = (pose.position(j)[0] for j in ("head", "pelvis", "off_ankle", "off_hand"))
    assert head[:2] == pytest.approx(pelvis[:2])
    assert 0 < ankle[2] < 0.1 < hand[2] < pelvis[2] < head[2] < 2.1


@pytest.mark.parametrize(("side", "sign"), [(1, 1), (-1, -1)])
def test_the_dominant_arm_is_left_for_left_handers(side, sign):
    pose = _skeleton(0, side).pose(_angles(dominant_abduction=90))
    assert sign * pose.position("dominant_hand")[0, 1] > 0.5


def test_flexion_brings_the_arm_forward_and_a_bent_elbow_lifts_the_hand():
    skeleton = _skeleton(0)
    raised = skeleton.pose(_angles(dominant_flexion=90))
    shoulder, hand = raised.position("dominant_shoulder")[0], raised.position("dominant_hand")[0]
    reach = skeleton.upper_arm + skeleton.forearm + skeleton.hand
    assert hand - shoulder == pytest.approx((reach, 0, 0), abs=1e-9)
    bent = skeleton.pose(_angles(dominant_flexion=90, dominant_elbow=90))
    assert bent.position("dominant_hand")[0, 2] > shoulder[2] + 0.2


def test_sitting_lowers_the_pelvis_to_the_knees():
    pose = _skeleton(0).pose(_angles(**{f"{s}_{j}": 90 for s in ("dominant", "off") for j in ("hip", "knee")}))
    assert pose.position("pelvis")[0, 2] == pytest.approx(pose.position("off_knee")[0, 2], abs=0.02)


_LIMBS = [
    (f"{side}_{start}", f"{side}_{end}", length)
    for side in ("dominant", "off")
    for start, end, length in (
        ("shoulder", "elbow", "upper_arm"),
        ("elbow", "wrist", "forearm"),
        ("wrist", "hand", "hand"),
        ("hip", "knee", "thigh"),
        ("knee", "ankle", "shin"),
    )
]


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=len(CHANNELS), max_size=len(CHANNELS)), st.integers(0, 50))
def test_limbs_keep_their_length_feet_the_floor_and_frames_stay_rotations(values, subject):
    skeleton = _skeleton(subject)
    pose = skeleton.pose(np.array([values]))
    for start, end, length in _LIMBS:
        distance = np.linalg.norm(pose.position(end) - pose.position(start))
        assert distance == pytest.approx(getattr(skeleton, length))
    lowest = min(pose.position(f"{side}_ankle")[0, 2] for side in ("dominant", "off"))
    assert -1e-9 <= lowest - skeleton.ankle_height <= 0.01
    rotations = pose.rotations[0]
    assert np.allclose(rotations @ np.swapaxes(rotations, 1, 2), np.eye(3))
    assert np.allclose(np.linalg.det(rotations), 1)


@settings(max_examples=50)
@given(st.lists(st.floats(-3, 3), min_size=len(CHANNELS), max_size=len(CHANNELS)), st.integers(0, 50))
def test_a_left_hander_is_a_right_handers_mirror_image(values, subject):
    angles = np.array([values])
    right = _skeleton(subject, -1).pose(angles)
    angles[:, [channel("y"), channel("yaw")]] *= -1  # the place and the heading are the world's
    left = _skeleton(subject, 1).pose(angles)
    mirror = np.diag((1.0, -1.0, 1.0))
    np.testing.assert_allclose(left.positions, right.positions @ mirror, atol=1e-9)
    np.testing.assert_allclose(left.rotations, mirror @ right.rotations @ mirror, atol=1e-9)
