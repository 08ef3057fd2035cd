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

"""People who act out activities: what their joints do, whoever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from mumu_ros.animation import ACTIVITIES, LAYOUT, RATE_HZ, Performer, animate
from mumu_ros.animation.keyframes import Keyframes
from mumu_ros.animation.performer import PARTS
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.share import share_path
from mumu_ros.skeletons import LAYOUTS

JOINTS = LAYOUTS[LAYOUT].joints
BONES = [
    (f"{side}_{one}", f"{side}_{other}")
    for side in ("left", "right")
    for one, other in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]
ANYBODY = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
ONE_HANDED = (
    "wave", "swipe_inward", "swipe_outward", "draw_x", "draw_tick", "draw_circle", "draw_triangle", "knock", "throw",
    "catch", "drink", "phone",
)  # fmt: skip


def performed(activity: str, seeds: Sequence[int]) -> NDArray[np.float32]:
    """A whole performance without noise."""
    performer, performance = (np.random.default_rng(seed) for seed in seeds)
    person = Performer.draw(performer)
    keyframes = Keyframes(person, performance)
    ACTIVITIES[activity](keyframes)
    return person.joints(keyframes.poses())


def acted(activity: str, seeds: Sequence[int]) -> NDArray[np.float32]:
    person, performance = (np.random.default_rng(seed) for seed in seeds)
    return animate(activity, Performer.draw(person), performance)


def height(joints: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Above the camera, m: y of an optical frame is down."""
    return -joints[:, JOINTS.index(name), 1]


def travel(joints: NDArray[np.float32], name: str) -> float:
    """How far a joint moves from where it begins, m."""
    places = joints[:, JOINTS.index(name)]
    return float(np.linalg.norm(places - places[0], axis=1).max())


def facing(**pose: Sequence[float]) -> NDArray[np.float32]:
    """Joints (15, 3) of a pose of somebody who faces the camera."""
    person = replace(Performer.draw(np.random.default_rng(0)), yaw_deg=0.0)
    poses = person.rest(np.random.default_rng(0))[None]
    for part, value in pose.items():
        poses[0, PARTS.index(part)] = value
    return person.joints(poses)[0]


def test_every_activity_of_people_is_acted_but_rest_and_what_has_no_name() -> None:
    taxonomy = Taxonomy.read(share_path("config", "taxonomies") / "people.yaml")
    assert set(ACTIVITIES) == set(taxonomy.activities) - {IDLE, OTHER}


@pytest.mark.parametrize("activity", ACTIVITIES)
@given(seeds=ANYBODY)
@examples(max_examples=15)
def test_a_body_keeps_its_measures_stays_in_view_and_moves_as_fast_as_people_can(
    activity: str, seeds: tuple[int, int]
) -> None:
    joints = performed(activity, seeds)
    assert joints.dtype == np.float32
    assert joints.shape[1:] == (15, 3)
    assert np.isfinite(joints).all()
    for one, other in BONES:
        lengths = np.linalg.norm(joints[:, JOINTS.index(one)] - joints[:, JOINTS.index(other)], axis=1)
        assert np.ptp(lengths) < 1e-5
        assert 0.15 < lengths[0] < 0.6
    assert np.linalg.norm(np.diff(joints, axis=0), axis=2).max(initial=0) * RATE_HZ < 40, "m/s"
    assert (joints[..., 2] > 0.3).all(), "in front of the camera"


@pytest.mark.parametrize("activity", ACTIVITIES)
@given(seeds=ANYBODY)
@examples(max_examples=10)
def test_no_joint_jumps_from_a_pose_to_the_next(activity: str, seeds: tuple[int, int]) -> None:
    performer, performance = (np.random.default_rng(seed) for seed in seeds)
    person = Performer.draw(performer)
    keyframes = Keyframes(person, performance)
    ACTIVITIES[activity](keyframes)
    poses = keyframes.poses()
    at = np.arange(0, len(poses) - 1, 1 / 20)
    share = (at % 1)[:, None, None]
    between = poses[at.astype(int)] * (1 - share) + poses[at.astype(int) + 1] * share
    steps = np.linalg.norm(np.diff(person.joints(between), axis=0), axis=2)
    assert steps.max() < 0.1, "m in a 600th of a second"


@given(where=st.tuples(*[st.floats(-1, 1)] * 3))
def test_a_hand_stays_off_its_shoulder(where: tuple[float, float, float]) -> None:
    joints = facing(right=where)
    arm, elbow, shoulder = (joints[JOINTS.index(f"right_{name}")] for name in ("wrist", "elbow", "shoulder"))
    length = np.linalg.norm(arm - elbow) + np.linalg.norm(elbow - shoulder)
    assert np.linalg.norm(arm - shoulder) > 0.44 * length


@pytest.mark.parametrize("activity", ACTIVITIES)
@given(seeds=ANYBODY)
@examples(max_examples=10)
def test_a_clip_is_a_performance_or_its_beginning_with_noise(activity: str, seeds: tuple[int, int]) -> None:
    whole, clip = performed(activity, seeds), acted(activity, seeds)
    assert len(whole) / 2 < len(clip) + 1 <= len(whole) + 1
    assert 0 < np.abs(clip - whole[: len(clip)]).max() < 0.06


def test_a_third_of_the_clips_are_cut_early() -> None:
    cut = [len(acted("wave", (0, seed))) < len(performed("wave", (0, seed))) for seed in range(200)]
    assert 0.2 < np.mean(cut) < 0.5


def test_directions_are_those_of_somebody_who_faces_the_camera() -> None:
    at = JOINTS.index
    rest = facing()
    for name in ("shoulder", "hip", "knee", "wrist"):
        assert rest[at(f"left_{name}")][0] > rest[at(f"right_{name}")][0]
    assert facing(right=(0.9, 0, 0))[at("right_wrist")][0] < rest[at("left_shoulder")][0]
    assert facing(right=(0.9, 0, 0))[at("right_wrist")][2] < rest[at("right_wrist")][2], "forward: towards the camera"
    assert facing(right=(0, 0.9, 0))[at("right_wrist")][0] < rest[at("right_wrist")][0], "outwards"
    assert facing(left=(0, 0.9, 0))[at("left_wrist")][0] > rest[at("left_wrist")][0]
    assert facing(trunk=(60, 0, 0))[at("head")][2] < rest[at("head")][2], "pitched forward"
    turned = facing(trunk=(0, 40, 0))
    assert turned[at("right_shoulder")][2] < turned[at("left_shoulder")][2], "turned to the left"
    assert facing(trunk=(0, 0, 20))[at("head")][0] < rest[at("head")][0], "rolled to the right"
    assert facing(right_foot=(0, 0.5, 0.2))[at("right_ankle")][0] < rest[at("right_ankle")][0]
    assert facing(pelvis=(0, 0, -0.4))[at("neck")][1] > rest[at("neck")][1], "lower"


@pytest.mark.parametrize("activity", ONE_HANDED)
@given(seeds=ANYBODY)
@examples(max_examples=20)
def test_one_handed_activities_are_those_of_a_right_hander(activity: str, seeds: tuple[int, int]) -> None:
    joints = performed(activity, seeds)
    assert travel(joints, "right_wrist") > travel(joints, "left_wrist")
    assert travel(joints, "right_ankle") < 1e-3


@given(seeds=ANYBODY)
def test_swipes_go_inward_and_outward(seeds: tuple[int, int]) -> None:
    for activity, way in (("swipe_inward", 1), ("swipe_outward", -1)):
        joints = performed(activity, seeds)
        left = joints[0, JOINTS.index("left_shoulder")] - joints[0, JOINTS.index("right_shoulder")]
        raised = joints[height(joints, "right_wrist") > height(joints, "right_wrist")[0] + 0.15]
        across = (raised[:, JOINTS.index("right_wrist")] - raised[:, JOINTS.index("neck")]) @ left
        assert way * (int(across.argmax()) - int(across.argmin())) > 0


@given(seeds=ANYBODY)
def test_hands_that_clap_come_near_each_other_before_the_body(seeds: tuple[int, int]) -> None:
    joints = performed("clap", seeds)
    left, right = joints[:, JOINTS.index("left_wrist")], joints[:, JOINTS.index("right_wrist")]
    apart = np.linalg.norm(left - right, axis=1)
    assert apart.min() < 0.45
    assert left[apart.argmin(), 2] < joints[apart.argmin(), JOINTS.index("neck"), 2]


@given(seeds=ANYBODY)
def test_who_sits_down_ends_low_and_who_stands_up_ends_high(seeds: tuple[int, int]) -> None:
    down, up = height(performed("sit_down", seeds), "left_hip"), height(performed("stand_up", seeds), "left_hip")
    assert down[0] - down[-1] > 0.15
    assert up[-1] - up[0] > 0.15


@given(seeds=ANYBODY)
def test_a_foot_goes_up_to_kick_and_both_do_to_walk_and_to_jog(seeds: tuple[int, int]) -> None:
    kick = performed("kick", seeds)
    assert travel(kick, "right_ankle") > 0.2
    assert travel(kick, "left_ankle") < 0.02
    for gait in ("walk", "jog"):
        joints = performed(gait, seeds)
        assert travel(joints, "right_ankle") > 0.01
        assert travel(joints, "left_ankle") > 0.01


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_the_seeds_decide_how_somebody_does_it(activity: str) -> None:
    assert np.array_equal(performed(activity, (1, 1)), performed(activity, (1, 1)))
    first, again, other = (performed(activity, seeds) for seeds in ((1, 1), (1, 2), (2, 1)))
    body = np.linalg.norm(first[0, JOINTS.index("neck")] - first[0, JOINTS.index("spine")])
    assert first.shape != again.shape or not np.allclose(first, again, atol=0.05)
    assert body != pytest.approx(np.linalg.norm(other[0, JOINTS.index("neck")] - other[0, JOINTS.index("spine")]))
