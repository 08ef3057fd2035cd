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

"""Recorded people in simulated rooms: what belongs to whom is known, and nothing of the people changes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.simulation.furniture import furnished_room
from mumu_ros.simulation.rooms import RecordedPerson, compose
from mumu_ros.simulation.shading import shade

SIZE = (120, 160)
FOCAL_PX = 0.89 * SIZE[1]
FEET_ROW = 115


def _clip(frames: int = 3, away_mm: int = 2800, column: int = 80) -> np.ndarray:
    """A slab with a step in it, as wide as a person, that walks to the right."""
    depth = np.zeros((frames, *SIZE), np.uint16)
    for t in range(frames):
        depth[t, 30 : FEET_ROW + 1, column - 9 + t : column + 10 + t] = away_mm
        depth[t, 60:75, column - 3 + t : column + 4 + t] = away_mm - 200
    return depth


@pytest.fixture(scope="module")
def crowd():
    """Somebody, somebody else half a metre behind and to the right, and a third one far to the left."""
    return [
        RecordedPerson(_clip()),
        RecordedPerson(_clip(5), right=0.25, away=0.5),
        RecordedPerson(_clip(2), right=-0.9),
    ]


@pytest.fixture(scope="module")
def composed(crowd):
    return compose(crowd, 3)


def test_equal_arguments_give_equal_bytes(crowd, composed):
    again, other = compose(crowd, 3), compose(crowd, 4)
    assert composed.depth.tobytes() == again.depth.tobytes()
    assert composed.masks.tobytes() == again.masks.tobytes()
    assert composed.depth.tobytes() != other.depth.tobytes()


def test_a_person_who_is_not_moved_keeps_every_reading_that_is_not_lost_at_an_edge(crowd, composed):
    mask, exact = composed.masks[0], crowd[0].depth
    np.testing.assert_array_equal(mask, exact > 0)  # nobody is before the first
    seen = mask & (composed.depth > 0)
    np.testing.assert_array_equal(composed.depth[seen], exact[seen])
    assert seen.sum() > 0.8 * mask.sum()


def test_the_nearest_wins(crowd, composed):
    assert not (composed.masks.sum(axis=0) > 1).any()
    alone = compose([crowd[0], RecordedPerson(crowd[1].depth, right=2.0)], 3)
    hidden = compose([crowd[0], RecordedPerson(crowd[0].depth, away=0.5)], 3)
    assert composed.masks[1].any()
    assert not hidden.masks[1][:, 40:110].any()
    assert alone.masks[0].sum() == composed.masks[0].sum()


def test_whoever_is_moved_is_where_the_shift_says(composed):
    right, _, away = composed.shifts[1]
    assert (right, away) == (0.25, 0.5)
    readings = composed.depth[0][composed.masks[1][0]]
    assert np.median(readings[readings > 0]) == pytest.approx(3300)
    columns = np.nonzero(composed.masks[1][0])[1]
    assert columns.max() == pytest.approx(80 + (9 * 2.8 / FOCAL_PX + 0.25) / 3.3 * FOCAL_PX, abs=1.5)


@settings(max_examples=10, deadline=None)
@given(right=st.floats(-0.6, 0.6), away=st.floats(-1.0, 1.0))
def test_a_moved_person_has_no_gaps(right, away):
    flat = np.where(_clip(1) > 0, 2800, 0).astype(np.uint16)
    mask = compose([RecordedPerson(flat, right=right, away=away)], 0).masks[0, 0]
    body = mask[:, mask.any(axis=0)][40:80]
    assert body.mean() > 0.97


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), away_mm=st.integers(2000, 3500))
def test_the_floor_touches_the_feet_and_the_room_is_all_round(seed, away_mm):
    composed = compose([RecordedPerson(_clip(1, away_mm))], seed)
    below = composed.depth[0, FEET_ROW + 1, 60:100]
    assert np.median(below[below > 0]) == pytest.approx(away_mm, rel=0.06)
    around = composed.depth[0][~composed.masks[0, 0]]
    assert (around > 0).mean() > 0.85
    above = composed.depth[0, 20:28, 70:90]
    assert np.median(above[above > 0]) > away_mm + 200


def test_noise_grows_with_the_distance_and_changes_from_frame_to_frame():
    composed = compose([RecordedPerson(np.repeat(_clip(1), 40, axis=0))], 1)
    readings = np.where(composed.depth > 0, composed.depth, np.nan)[:, ~composed.masks[0].any(axis=0)]
    always = readings[:, np.isfinite(readings).all(axis=0)]
    distance, spread = always.mean(axis=0), always.std(axis=0)
    near, far = (spread[(distance > low) & (distance < low + 500)].mean() for low in (1500, 3300))
    assert 0 < near < 0.6 * far


def test_furniture_leaves_the_stage_free():
    stage = np.array(((-3.0, -0.8), (0.0, 0.8)))
    for seed in range(30):
        room = furnished_room(np.random.default_rng(seed), stage)
        low, high = room.boxes[:, 0, :2], room.boxes[:, 1, :2]
        indoors = room.boxes[:, 0, 2] < 2.5  # all but the ceiling
        overlap = ((low < stage[1]) & (high > stage[0])).all(axis=1)
        assert not (overlap & indoors).any()
        assert len(room.boxes) > 3 or seed
        assert len(room.colours) == 2 + len(room.boxes)


@pytest.mark.parametrize(
    ("people", "quoted"),
    [
        ([], "empty"),
        ([RecordedPerson(np.zeros((0, *SIZE), np.uint16))], r"\(0, 120, 160\)"),
        ([RecordedPerson(np.zeros((2, *SIZE), np.float32))], "person 0 is float32"),
        ([RecordedPerson(_clip()), RecordedPerson(_clip()[:, ::2])], r"person 1 .*\(3, 60, 160\)"),
    ],
)
def test_nonsense_is_refused_with_its_value(people, quoted):
    with pytest.raises(ValueError, match=quoted):
        compose(people, 0)


def test_a_shaded_picture_is_larger_and_shows_edges_shape_and_distance():
    depth = np.full(SIZE, 4000, np.uint16)
    depth[30:110, 60:100] = 2500
    depth[30:110, 80:100] = 2500 + 50 * np.arange(20)  # a surface that turns away
    depth[50:52, 70:72] = 0
    picture = shade(depth)
    assert picture.shape == (360, 480, 3)
    assert picture.dtype == np.uint8
    wall, front, turned, hole = (picture[3 * y, 3 * x].mean() for y, x in ((60, 20), (60, 70), (60, 90), (51, 71)))
    assert front > turned > 0
    assert front > wall + 40
    assert abs(float(hole) - float(front)) < 5


@pytest.mark.parametrize("away_mm", [1500, 2500, 4000])
def test_an_arm_before_the_chest_stands_out(away_mm):
    depth = np.zeros(SIZE, np.uint16)
    depth[30:110, 60:100] = away_mm
    depth[60:66, 66:94] = away_mm - 60
    picture = shade(depth).mean(axis=2)
    arm, chest = picture[3 * 61 : 3 * 65, 3 * 75 : 3 * 85].mean(), picture[3 * 72 : 3 * 76, 3 * 75 : 3 * 85].mean()
    assert arm > 1.15 * chest


def test_without_readings_there_is_a_plain_backdrop():
    picture = shade(np.zeros(SIZE, np.uint16), scale=2).astype(int)
    assert np.ptp(picture, axis=1).max() <= 1
