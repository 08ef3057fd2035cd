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

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from mumu_ros.animation import ACTIVITIES, LAYOUT, RATE_HZ, Performer, animate
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
    "catch", "tennis_swing", "drink", "phone",
)  # fmt: skip
UNSTEADY_M = 0.05


def acted(activity: str, seeds: Sequence[int]) -> NDArray[np.float32]:
    person, performance = seeds
    return animate(activity, Performer.draw(np.random.default_rng(person)), np.random.default_rng(performance))


def height(joints: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Above the camera, m: y of an optical frame is down."""
    return -joints[:, JOINTS.index(name), 1]


def travel(joints: NDArray[np.float32], name: str) -> float:
    """How far a joint moves from where it begins, m."""
    places = joints[:, JOINTS.index(name)]
    return float(np.linalg.norm(places - places[0], axis=1).max())


def test_every_activity_of_people_is_acted_but_rest_and_what_has_no_name() -> None:
    taxonomy = Taxonomy.read(share_path("config", "taxonomies") / "people.yaml")
    assert set(ACTIVITIES) == set(taxonomy.activities) - {IDLE, OTHER}


@pytest.mark.parametrize("activity", ACTIVITIES)
@given(seeds=ANYBODY)
@examples(max_examples=15)
def test_a_body_keeps_its_measures_and_moves_as_fast_as_people_do(activity: str, seeds: tuple[int, int]) -> None:
    joints = acted(activity, seeds)
    assert joints.dtype == np.float32
    assert joints.shape[1:] == (15, 3)
    assert 0.3 * RATE_HZ < len(joints) < 30 * RATE_HZ
    assert np.isfinite(joints).all()
    for one, other in BONES:
        lengths = np.linalg.norm(joints[:, JOINTS.index(one)] - joints[:, JOINTS.index(other)], axis=1)
        assert np.ptp(lengths) < 2 * UNSTEADY_M
        assert 0.15 < np.median(lengths) < 0.6
    assert np.linalg.norm(np.diff(joints, axis=0), axis=2).max() * RATE_HZ < 25, "m/s"
    assert (joints[..., 2] > 0.3).all(), "in front of the camera"


@given(seeds=ANYBODY)
def test_somebody_who_faces_the_camera_has_their_left_at_the_right_of_the_picture(seeds: tuple[int, int]) -> None:
    joints = acted("wave", seeds)
    for name in ("shoulder", "hip", "knee"):
        left, right = (joints[:, JOINTS.index(f"{side}_{name}"), 0] for side in ("left", "right"))
        assert left.mean() > right.mean()


@pytest.mark.parametrize("activity", ONE_HANDED)
@given(seeds=ANYBODY)
@examples(max_examples=20)
def test_one_handed_activities_are_those_of_a_right_hander(activity: str, seeds: tuple[int, int]) -> None:
    joints = acted(activity, seeds)
    assert travel(joints, "right_wrist") > travel(joints, "left_wrist")
    assert travel(joints, "right_ankle") < 0.15


@given(seeds=ANYBODY)
def test_hands_that_clap_meet_before_the_body(seeds: tuple[int, int]) -> None:
    joints = acted("clap", seeds)
    left, right = joints[:, JOINTS.index("left_wrist")], joints[:, JOINTS.index("right_wrist")]
    nearest = int(np.linalg.norm(left - right, axis=1).argmin())
    assert np.linalg.norm(left[nearest] - right[nearest]) < 0.3
    assert left[nearest, 2] < joints[nearest, JOINTS.index("neck"), 2]


@given(seeds=ANYBODY)
def test_who_sits_down_ends_low_and_who_stands_up_ends_high(seeds: tuple[int, int]) -> None:
    down, up = height(acted("sit_down", seeds), "left_hip"), height(acted("stand_up", seeds), "left_hip")
    assert down[0] - down.min() > 0.1
    assert up.max() - up[0] > 0.02
    assert up[0] - up.min() < UNSTEADY_M
    assert down.max() - down[0] < UNSTEADY_M


@given(seeds=ANYBODY)
def test_a_foot_goes_up_to_kick_and_both_do_to_walk_and_to_jog(seeds: tuple[int, int]) -> None:
    kick = acted("kick", seeds)
    assert travel(kick, "right_ankle") > 0.2
    assert travel(kick, "left_ankle") < 0.15
    for gait in ("walk", "jog"):
        joints = acted(gait, seeds)
        assert travel(joints, "right_ankle") > 0.02
        assert travel(joints, "left_ankle") > 0.02


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_the_seeds_decide_how_somebody_does_it(activity: str) -> None:
    assert np.array_equal(acted(activity, (1, 1)), acted(activity, (1, 1)))
    first, *others = (acted(activity, seeds)[:9] for seeds in ((1, 1), (1, 2), (2, 1)))
    assert not any(np.allclose(first, other, atol=0.01) for other in others)
