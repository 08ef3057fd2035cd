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

"""Several simulated people in a room: where each is, who hides whom, and what is said to be true of them."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from mumu_ros.simulation import GROUP_OF, TRUTH_LAYOUT, Simulator
from mumu_ros.simulation.scene import Camera
from mumu_ros.simulation.way import Stage
from mumu_ros.skeletons import LAYOUTS

SIZE = (120, 160)
SECONDS = 60.0


@pytest.fixture(scope="module")
def simulator():
    return Simulator(seed=1, subject=2, seconds=SECONDS, image_size=SIZE, people=3)


@pytest.fixture(scope="module")
def truth(simulator):
    """Everybody, twice a second."""
    return list(simulator.people_at(np.arange(0, SECONDS, 0.5)))


def _joint(person, *names):
    return person.joints[LAYOUTS[TRUTH_LAYOUT].index(*names)].mean(axis=0)


def test_equal_arguments_give_equal_bytes_and_other_seeds_other_ways():
    def samples(seed):
        simulator = Simulator(seed=seed, subject=2, seconds=0.2, image_size=(48, 64), people=2)
        return [(s.stream, s.stamp_ns, s.data.tobytes()) for s in simulator.samples()]

    assert samples(1) == samples(1)
    assert samples(1) != samples(2)


def test_everybody_has_an_id_a_body_and_ways_of_their_own(simulator):
    people = simulator.people
    assert [person.body_id for person in people] == ["sim01", "sim02", "sim03"]
    for a, b in combinations(people, 2):
        assert a.subject.looks != b.subject.looks
        assert a.segments != b.segments


@pytest.mark.parametrize("seed", [2, 6, 16])
def test_people_do_not_walk_through_each_other(seed):
    people = Simulator(seed=seed, seconds=60, image_size=(48, 64), people=3).people
    pelvises = [person.pose(np.arange(0, 60, 0.1)).position("pelvis")[:, :2] for person in people]
    for one, other in combinations(pelvises, 2):
        assert np.linalg.norm(one - other, axis=1).min() > 0.45


def test_one_person_without_a_room_stays_in_its_place_and_has_no_id():
    simulator = Simulator(seed=1, subject=2, seconds=30, image_size=(48, 64))
    assert [person.body_id for person in simulator.people] == [""]
    pelvis = simulator.pose(np.arange(0, 30, 0.5)).position("pelvis")
    assert np.ptp(pelvis[:, :2], axis=0).max() < 1.0


def test_segments_of_a_body_do_not_overlap_and_begin_and_end_in_time(simulator):
    start_ns, end_ns = simulator.start_ns, simulator.start_ns + round(SECONDS * 1e9)
    for person in simulator.people:
        edges = [edge for s in person.segments for edge in (s.start_ns, s.end_ns)]
        assert edges == sorted(edges)
        assert start_ns <= edges[0]
        assert edges[-1] <= end_ns
        assert {segment.activity for segment in person.segments} <= set(GROUP_OF)


def test_people_leave_the_view_and_come_back_at_a_walk():
    simulator = Simulator(seed=4, seconds=240, image_size=(48, 64), room=True)
    time_s = np.arange(0, 240, 0.05)
    pelvis = simulator.pose(time_s).position("pelvis")
    speed = np.linalg.norm(np.diff(pelvis[:, :2], axis=0), axis=1) / 0.05
    assert 0.8 < speed.max() < 2.5
    columns = simulator.camera.project(pelvis)[0][:, 0]
    inside = (columns > 0) & (columns < 64)
    assert inside[0]
    assert 0.5 < inside.mean() < 1
    assert np.count_nonzero(inside[1:] > inside[:-1]) >= 2


@settings(max_examples=50, deadline=None)
@given(height=st.integers(16, 480), width=st.integers(16, 480), seed=st.integers(0, 999))
def test_people_stand_in_a_picture_of_any_width(height, width, seed):
    assume(width <= 8 * height)  # Simulator refuses wider ones
    rng = np.random.default_rng(seed)
    camera = Camera.overlooking(rng, (height, width))
    stage = Stage.before(camera)
    places = np.array([(*stage.place(rng, inside=True), 0.95) for _ in range(20)])
    columns = camera.project(places)[0][:, 0]
    assert ((columns > -0.5) & (columns < width - 0.5)).all()


def test_people_cross_each_other_in_the_picture_and_keep_apart_in_the_room():
    simulator = Simulator(seed=3, seconds=240, image_size=(48, 64), people=3)
    time_s = np.arange(0, 240, 0.25)
    pelvis = np.stack([person.pose(time_s).position("pelvis") for person in simulator.people], axis=1)
    apart = [np.linalg.norm(pelvis[:, a, :2] - pelvis[:, b, :2], axis=1) for a, b in combinations(range(3), 2)]
    assert np.percentile(apart, 1) > 0.4
    order = rankdata(simulator.camera.project(pelvis)[0][..., 0], axis=1)
    assert np.count_nonzero((np.diff(order, axis=0) != 0).any(axis=1)) > 20


def test_keypoints_are_the_joints_as_the_camera_sees_them(simulator, truth):
    for person in truth[10]:
        assert person.joints.shape == (len(LAYOUTS[TRUTH_LAYOUT]), 3)
        before = person.joints[:, 2] > 0.5
        expected = simulator.camera.intrinsics.project(person.joints)
        np.testing.assert_allclose(person.keypoints[before], expected[before], atol=0.01)


def test_left_is_the_persons_own_and_the_nose_points_where_the_person_looks(truth):
    for people in truth[::10]:
        for person in people:
            up = _joint(person, "nose") - _joint(person, "left_hip", "right_hip")
            across = _joint(person, "left_shoulder") - _joint(person, "right_shoulder")
            ahead = _joint(person, "nose") - _joint(person, "left_ear", "right_ear")
            # In an optical frame (x right, y down, z forward) across × up is where the chest faces.
            assert np.dot(np.cross(across, up), ahead) > 0


def test_a_joint_that_is_seen_has_the_depth_of_the_body_before_it(simulator):
    depth = [sample for sample in _first_second(simulator) if sample.stream == "depth"][12]
    now = (depth.stamp_ns - simulator.start_ns) / 1e9
    checked = 0
    for person in next(simulator.people_at(np.array([now]))):
        for (x, y), joint, visible in zip(person.keypoints, person.joints, person.visibility, strict=True):
            if not visible:
                continue
            reading = depth.data[round(float(y)), round(float(x))] / 1000
            if reading:
                checked += 1
                assert joint[2] - 0.5 < reading < joint[2] + 0.25
    assert checked > 15


def _first_second(simulator):
    for sample in simulator.samples():
        if sample.stamp_ns > simulator.start_ns + 10**9:
            return
        yield sample


def test_confidence_is_the_share_that_is_seen(truth, simulator):
    shares = {"out": [], "in": [], "hidden": []}
    for people in truth:
        for person in people:
            x, z = person.joints[:, 0], person.joints[:, 2]
            nearer = [p for p in people if p.joints[:, 2].mean() < z.mean() and p is not person]
            alone = all(abs(np.nanmean(p.keypoints[:, 0]) - np.nanmean(person.keypoints[:, 0])) > 60 for p in nearer)
            columns = person.keypoints[:, 0]
            if (columns < -8).all() or (columns > SIZE[1] + 8).all():
                shares["out"].append(person.confidence)
            elif alone and columns.min() > 8 and columns.max() < SIZE[1] - 8 and np.ptp(x) < 1:
                shares["in"].append(person.confidence)
            elif 0 < person.confidence < 0.9:
                shares["hidden"].append(person.confidence)
                assert person.visibility.min() == 0
    assert max(shares["out"]) == 0
    assert min(shares["in"]) > 0.9
    assert shares["hidden"]


def test_the_first_person_wears_the_inertial_sensors():
    """Whoever else is there changes nothing in them."""

    def inertial(people):
        simulator = Simulator(seed=5, subject=2, seconds=0.5, image_size=(48, 64), people=people, room=True)
        return [s.data.tobytes() for s in simulator.samples() if s.stream.startswith("imu")]

    assert inertial(1) == inertial(3)


@pytest.mark.parametrize("people", [0, -1, 7])
def test_an_impossible_number_of_people_is_refused(people):
    with pytest.raises(ValueError, match=f"people is {people}; expected 1 to 6"):
        Simulator(seed=0, seconds=1, people=people)
