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

"""Where the detector looks next, and what is painted over meanwhile."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mumu_ros.people.camera import Camera
from mumu_ros.people.detection import tiles
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.search import Search
from mumu_ros.people.silhouettes import of_others, silhouettes
from mumu_ros.people.track import Observation, Track

from .figures import depth_of, pose_of, standing

CAMERA = Camera(640, 480, 525.0, 525.0, 319.5, 239.5)
CLOTHES = np.array([1.0], np.float32)


def person(x: float, z: float) -> Observation:
    joints = standing() + np.array([x, 0, z], np.float32)
    return Observation(pose_of(joints, CAMERA, standing()), None, CLOTHES, Lifted(joints, "depth"))


def track(observation: Observation) -> Track:
    return Track("a", observation.pose, 1, CLOTHES, observation.lifted)


@settings(max_examples=25)
@given(x=st.integers(60, 540), y=st.integers(100, 330), known=st.booleans())
def test_what_moves_is_looked_at_unless_it_is_known(x: int, y: int, known: bool) -> None:
    search, still = Search(), np.full((480, 640, 3), 90, np.uint8)
    search.parts(still, None)
    picture = still.copy()
    picture[y - 60 : y + 60, x - 25 : x + 25] = 200
    mask = np.zeros((240, 320), np.uint8)
    mask[y // 2 - 32 : y // 2 + 32, x // 2 - 15 : x // 2 + 15] = 255
    found = []
    for shown in (still, picture, picture, picture):  # every other turn is for what moves
        assert search.is_due(is_complete=False)
        found += search.parts(shown, mask if known else None)
    moving = [tile for tile in found if tile not in tiles(640, 480)]
    assert bool(moving) == (not known)
    for tile in moving:
        assert abs(tile.x - x) < 16
        assert abs(tile.y - y) < 16
        assert tile.size >= 192
    assert bool(search.moved) == (not known)
    if search.moved:
        assert 120 <= search.moved.size <= 2 * 120  # a person of 120 pixels, and some room


def test_every_part_of_a_picture_has_its_turn_and_every_fifth_picture_while_everybody_is_followed() -> None:
    search, still, parts = Search(), np.full((480, 640, 3), 90, np.uint8), tiles(640, 480)
    assert search.is_due(is_complete=True)
    assert search.parts(still, None) == parts
    found = []
    for _ in range(2 * len(parts)):  # somebody whom the first picture did not show well is not waited for long
        assert search.is_due(is_complete=True)
        found += search.parts(still, None)
    assert set(found) == set(parts)
    search.parts(still, None)
    assert sum(search.is_due(is_complete=True) for _ in range(15)) == 3
    assert all(search.is_due(is_complete=False) for _ in range(15))


@settings(max_examples=25)
@given(width=st.integers(80, 400), height=st.integers(80, 400))
@example(width=480, height=480)
@example(width=480, height=481)
@example(width=400, height=80)
def test_large_and_small_parts_take_turns_in_a_picture_of_any_shape(width: int, height: int) -> None:
    search, still, parts = Search(), np.full((height, width, 3), 90, np.uint8), tiles(width, height)
    search.parts(still, None)
    found = [part for _ in range(2 * len(parts)) for part in search.parts(still, None)]
    large = [part for part in parts if part.size >= min(width, height)]
    assert found[::2] == [large[turn % len(large)] for turn in range(len(parts))]
    assert set(found[1::2]) == set(parts) - set(large)
    assert all(part != after for part, after in pairwise(found))


@pytest.mark.parametrize("gap", [-1.0, -0.6, 0.6, 1.5])
def test_with_depth_a_silhouette_has_no_pixel_of_somebody_before_or_behind(gap: float) -> None:
    one, other = person(0.0, 3.0), person(0.15, 3.0 + gap)
    assert one.lifted
    assert other.lifted
    alone = depth_of([one.lifted.joints], CAMERA, wall_m=None)
    both = depth_of([one.lifted.joints, other.lifted.joints], CAMERA, wall_m=None)
    theirs = (np.abs(both - (3.0 + gap)) < 0.25)[::2, ::2]
    found = silhouettes([one], (640, 480), both)
    assert found is not None
    assert not (found[theirs] > 0).any()
    mine = (np.abs(both - alone) < 0.01)[::2, ::2] & (alone[::2, ::2] > 0)
    assert (found[mine] > 0).mean() > 0.95


@pytest.mark.parametrize("gap", [-2.0, -0.6, -0.3, 0.0, 0.3, 0.6, 2.0])
def test_who_stands_before_or_behind_is_painted_over_where_depth_tells(gap: float) -> None:
    one, other = person(0.0, 3.0), person(0.3, 3.0 + gap)
    assert one.lifted
    assert other.lifted
    depth = depth_of([one.lifted.joints, other.lifted.joints], CAMERA)
    painted = of_others(track(one), [track(other)], 2, (640, 480), depth)
    if abs(gap) < 0.5:
        assert painted is None
        return
    assert painted is not None
    small = depth[::2, ::2]
    assert (painted[np.abs(small - 3.0 - gap) < 0.15] > 0).mean() > 0.95
    assert not (painted[np.abs(small - 3.0) < 0.15] > 0).any()
    assert not (painted[small == 6.0] > 0).any(), "the wall stays"
