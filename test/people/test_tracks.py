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

"""Which pose is whose: somebody who is hidden, somebody nearer, two poses in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mumu_ros.people.camera import Camera
from mumu_ros.people.lifting import Body, Lifted
from mumu_ros.people.track import Observation, Track
from mumu_ros.people.tracks import Tracker

from .figures import pose_of, standing

SIZE = (640, 480)
CAMERA = Camera.nominal(*SIZE)
START_NS, STEP_NS = 1_000_000_000, 66_000_000
RED, BLUE, GREY = (np.array([p, p], np.float32) for p in ((0.9, 0.1, 0.0), (0.1, 0.9, 0.0), (0.0, 0.05, 0.95)))
"""Of torso and thighs."""


def seen(x: float, z: float, clothes: np.ndarray, origin: Track | None = None) -> Observation:
    joints = standing() + np.array([x, 0, z], np.float32)
    return Observation(pose_of(joints, CAMERA, standing()), origin, clothes, Lifted(joints, "depth"))


def see(tracker: Tracker, frame: int, *observations: Observation) -> list[Track]:
    stamp_ns = START_NS + frame * STEP_NS
    tracker.expire(stamp_ns, SIZE)
    return tracker.update(stamp_ns, observations)


def meet(tracker: Tracker, *people: Observation) -> list[Track]:
    """See people in three pictures, the last one being number 0, so that they are remembered."""
    found: list[Track] = []
    for frame in (-2, -1, 0):
        origins: Sequence[Track | None] = found or [None] * len(people)
        found = see(tracker, frame, *(replace(o, origin=track) for o, track in zip(people, origins, strict=True)))
    return found


@settings(max_examples=30)
@given(gap=st.floats(0.6, 2.0), clothes=st.sampled_from([(RED, BLUE), (RED, RED)]), hidden=st.integers(3, 40))
def test_somebody_who_walks_behind_another_person_is_the_same_on_the_other_side(
    gap: float, clothes: tuple[np.ndarray, np.ndarray], hidden: int
) -> None:
    """While hidden it is found where the other one is, and once where the wall behind is read."""
    tracker = Tracker(4, seed=0)
    walk = np.concatenate([np.linspace(-1, -0.3, 10), np.full(hidden, np.nan), np.linspace(0.3, 1, 10)])
    ids: list[tuple[str, ...]] = []
    for k, x in enumerate(walk):
        stamp_ns = 1 + k * STEP_NS
        tracker.expire(stamp_ns, SIZE)
        tracks = {t.body_id: t for t in tracker.tracks}
        front, behind = (tracks.get(name) for name in (ids[-1] if ids else ("", "")))
        found = [seen(0.0, 3.0, clothes[0], front)]
        if np.isfinite(x):
            found.append(seen(x, 3.0 + gap, clothes[1], behind if k < 10 else None))
        elif behind:
            found.append(seen(0.02, 3.0, clothes[0], behind))
        people = {float(np.round(t.lifted.joints[:, 2].mean())): t for t in tracker.update(stamp_ns, found) if t.lifted}
        nearest = sorted(people.values(), key=lambda t: float(t.lifted.joints[0, 2]) if t.lifted else 0.0)
        assert len(nearest) == 1 + bool(np.isfinite(x))
        ids.append((nearest[0].body_id, nearest[1].body_id if len(nearest) > 1 else ids[-1][1]))
    assert set(ids) == {ids[0]}


def test_ids_of_people_whom_nobody_has_seen_are_free_again() -> None:
    tracker = Tracker(4, seed=0)
    doubtful = replace(seen(0.0, 3.0, RED), pose=replace(seen(0.0, 3.0, RED).pose, score=0.5))
    for frame in range(400):
        assert not see(tracker, frame, *([] if frame % 40 else [doubtful]))
    assert len(tracker._used) <= 1


def test_what_depth_said_of_a_body_is_its_size_for_good_and_its_shape_for_a_while() -> None:
    joints, tracker = standing() + np.array([0, 0, 3.0], np.float32), Tracker(4, seed=0)
    body = Body(0.65, np.full(33, 0.2, np.float32))
    (track,) = see(tracker, 0, replace(seen(0.0, 3.0, RED), lifted=Lifted(joints, "depth", body)))
    for frame in range(1, 41):
        see(tracker, frame, replace(seen(0.0, 3.0, RED, track), lifted=Lifted(joints, "perspective")))
        known = track.body(START_NS + frame * STEP_NS)
        assert known is not None
        assert known.size == 0.65
        at_s = frame * STEP_NS / 1e9
        np.testing.assert_allclose(known.offsets, 0.2 * np.clip(2 - at_s / 1.2, 0, 1), atol=1e-6)


@settings(max_examples=20)
@given(share=st.floats(0.0, 1.0))
def test_who_comes_out_from_behind_another_person_is_known_by_their_clothes(share: float) -> None:
    """A part of what is seen of them is a thing before them; somebody in other clothes is somebody else."""
    red, blue = (np.array([p, p], np.float32) for p in ((1.0, 0.0), (0.0, 1.0)))
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, red), seen(-0.3, 3.8, blue))
    for k in range(1, 8):
        (front,) = see(tracker, k, seen(0.0, 3.0, red, tracker.tracks[0]))
    partly = share * red + (1 - share) * blue
    found = see(tracker, 8, seen(0.0, 3.0, red, front), seen(0.4, 3.9, partly))
    if share <= 0.5:
        assert len(found) == len(tracker.tracks) == 2
    if share >= 0.7:
        assert len(tracker.tracks) == 3


@settings(max_examples=20)
@given(gap=st.floats(0.32, 0.6), hidden=st.integers(4, 12))
def test_who_comes_out_from_close_behind_another_person_is_no_part_of_that_one(gap: float, hidden: int) -> None:
    """A third of a metre behind, and found nearer to where they were than to the one before them."""
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED), seen(-0.4, 3.0 + gap, BLUE))
    for k in range(1, hidden):
        (front,) = see(tracker, k, seen(0.0, 3.0, RED, tracker.tracks[0]))
    found = see(tracker, hidden, seen(0.0, 3.0, RED, front), seen(0.35, 3.0 + 0.8 * gap, BLUE))
    assert len(found) == len(tracker.tracks) == 2


@settings(max_examples=20)
@given(wall=st.floats(0.6, 2.0), hidden=st.integers(4, 30))
def test_the_wall_beside_another_person_is_not_who_was_hidden(wall: float, hidden: int) -> None:
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED), seen(-0.4, 3.8, BLUE))
    (_, behind) = tracker.tracks
    for k in range(1, hidden):
        (front,) = see(tracker, k, seen(0.0, 3.0, RED, tracker.tracks[0]))
    found = see(tracker, hidden, seen(0.0, 3.0, RED, front), seen(0.2, 3.8 + wall, GREY, behind))
    assert behind not in found


@settings(max_examples=20)
@given(covered=st.integers(1, 60), walks=st.floats(-0.03, 0.03))
def test_who_holds_something_before_the_clothes_is_the_same(covered: int, walks: float) -> None:
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED))
    (person,) = tracker.tracks
    for k in range(1, 40 + covered):
        clothes = GREY if 30 <= k < 30 + covered else RED
        assert see(tracker, k, seen(walks * k, 3.0, clothes, person)) == [person]


@settings(max_examples=20)
@given(nearer=st.floats(0.25, 0.45), beside=st.floats(0.0, 0.1))
def test_whoever_comes_in_directly_before_another_person_is_somebody_else(nearer: float, beside: float) -> None:
    """Nearer than anybody steps in a picture, and in other clothes on torso and thighs: no box before the torso."""
    tracker = Tracker(4, seed=0)
    (known,) = meet(tracker, seen(0.0, 3.0, RED))
    assert known not in see(tracker, 1, seen(beside, 3.0 - nearer, BLUE, known))
    holds_box = np.stack([BLUE[0], RED[1]])
    assert see(tracker, 2, seen(beside, 3.0 - nearer, holds_box, known)) == [known]


@given(
    clothes=st.lists(st.floats(0.0, 1.0), min_size=12, max_size=12),
    apart=st.floats(0.45, 0.8),
    farther=st.floats(-0.2, 0.3),
    nearer=st.floats(0.1, 0.33),
    step=st.floats(-0.1, 0.1),
)
def test_whoever_is_where_they_were_in_their_clothes_stays_who_they_are_whatever_is_beside_them(
    clothes: list[float], apart: float, farther: float, nearer: float, step: float
) -> None:
    """Such as a box that another one, in any clothes, lifts before them."""
    mixed = np.array(clothes, np.float32).reshape(3, 2, 2)
    one, other = (np.concatenate([c, 1.1 - c.mean(axis=1, keepdims=True)], axis=1) for c in mixed[:2])
    one, other = (c / c.sum(axis=1, keepdims=True) for c in (one, other))
    box = np.array([[0, 0, 1], [0, 1, 0]], np.float32)
    tracker = Tracker(4, seed=0)
    found = meet(tracker, seen(0.0, 3.0, one), seen(apart, 3.0 + farther, other))
    assume(len(found) == 2)
    first, second = found
    see(tracker, 1, seen(step, 3.0, one, first), seen(apart + step, 3.0 + farther - nearer, box, second))
    assert first.lifted is not None
    assert first.lifted.joints[0, 0] == pytest.approx(seen(step, 3.0, one).lifted.joints[0, 0])  # type: ignore[union-attr]


@given(first=st.floats(0.2, 0.3), second=st.floats(0.1, 0.25), nearer=st.booleans())
def test_whose_distance_was_that_of_somebody_beside_them_is_the_same_by_their_clothes(
    first: float, second: float, nearer: bool
) -> None:
    tracker = Tracker(4, seed=0)
    (track,) = meet(tracker, seen(0.0, 4.0, RED))
    sign = -1 if nearer else 1
    for k, z in enumerate((4.0 + sign * first, 4.0 + sign * (first + second), 4.0), 1):
        assert see(tracker, k, seen(0.0, z, RED)) == [track]


@settings(max_examples=20)
@given(apart=st.floats(0.35, 0.5), hidden=st.integers(3, 20))
def test_of_two_in_one_shirt_each_is_who_wears_their_trousers(apart: float, hidden: int) -> None:
    left, right = RED, np.stack([RED[0], BLUE[1]])
    tracker = Tracker(4, seed=0)
    _, behind = meet(tracker, seen(0.0, 3.0, left), seen(apart, 3.4, right))
    for k in range(1, hidden):
        (front,) = see(tracker, k, seen(apart * k / hidden, 3.0, left, tracker.tracks[0]))
    found = see(tracker, hidden, seen(apart, 3.0, left, behind), seen(apart / 2, 3.3, right, front))
    assert found == [front, behind]


@settings(max_examples=20)
@given(apart=st.floats(0.35, 0.5), frames=st.integers(1, 20))
def test_a_pose_beside_another_person_is_whose_clothes_it_wears(apart: float, frames: int) -> None:
    """Of two side by side the network finds the other one in both regions."""
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.5, RED), seen(apart, 3.5, BLUE))
    left, right = tracker.tracks
    for k in range(1, frames + 1):
        see(tracker, k, seen(0.0, 3.5, RED, left), seen(apart, 3.5, BLUE, right))
    for k in range(frames + 1, frames + 9):  # out of sight for half a second
        see(tracker, k, seen(0.0, 3.5, RED, left))
    found = see(tracker, frames + 9, seen(apart, 3.5, BLUE, left), seen(apart, 3.5, BLUE, right))
    assert found == [right]


def test_who_was_hidden_for_long_is_expected_where_they_were_found() -> None:
    """And not where they would be as fast as they were before."""
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED), seen(-1.2, 3.8, BLUE))
    for k in range(1, 10):
        see(tracker, k, seen(0.0, 3.0, RED, tracker.tracks[0]), seen(-1.2 + 0.12 * k, 3.8, BLUE, tracker.tracks[1]))
    front, behind = tracker.tracks
    for k in range(10, 50):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    see(tracker, 50, seen(0.0, 3.0, RED, front), seen(0.4, 3.8, BLUE))
    assert behind.seen_ns == START_NS + 50 * STEP_NS
    assert np.linalg.norm(behind.velocity) < behind.pose.torso


@settings(max_examples=20)
@given(gap=st.floats(0.8, 2.5), beside=st.floats(0.0, 0.2))
def test_somebody_found_where_they_were_is_not_taken_for_a_part_of_another_person_nearer_or_farther(
    gap: float, beside: float
) -> None:
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(-1.5, 3.0, RED), seen(beside, 3.0 + gap, BLUE))
    (_, hidden) = tracker.tracks
    for k in range(1, 6):  # out of sight, while another person comes to stand there
        see(tracker, k, seen(0.0, 3.0, RED))
    found = see(tracker, 6, seen(0.0, 3.0, RED), seen(beside, 3.0 + gap, BLUE, hidden))
    assert hidden.body_id in [track.body_id for track in found]


@settings(max_examples=20)
@given(hidden=st.integers(10, 60), speed=st.floats(-1.5, 1.5), stays=st.booleans())
def test_somebody_behind_another_person_is_the_same_where_that_one_goes_and_where_it_was(
    hidden: int, speed: float, stays: bool
) -> None:
    tracker = Tracker(4, seed=0)
    walk = speed * STEP_NS / 1e9 * np.arange(hidden + 1)
    meet(tracker, seen(0.0, 3.0, RED), seen(0.3, 3.8, BLUE))
    known = {track.body_id for track in tracker.tracks}
    for k in range(1, hidden):
        see(tracker, k, seen(walk[k], 3.0, RED, tracker.tracks[0]))
    there = 0.3 if stays and abs(walk[-1]) < 1 else 0.3 + walk[-1]
    found = see(tracker, hidden, seen(walk[-1], 3.0, RED, tracker.tracks[0]), seen(there, 3.8, BLUE))
    assert {track.body_id for track in found} == known


@settings(max_examples=20)
@given(hidden=st.integers(10, 60), farther=st.floats(1.3, 2.0), share=st.floats(0.3, 1.0))
def test_the_wall_behind_somebody_half_hidden_is_not_where_they_are(hidden: int, farther: float, share: float) -> None:
    """They are as large in the picture as before, and the wall does not look like their clothes."""
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED), seen(0.3, 3.8, BLUE))
    front, behind = tracker.tracks
    for k in range(1, hidden):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    there = seen(0.3, 3.8, (share * GREY + (1 - share) * BLUE).astype(np.float32), behind)
    assert there.lifted
    on_the_wall = replace(there, lifted=Lifted(there.lifted.joints * np.float32(farther), "depth"))
    assert see(tracker, hidden, seen(0.0, 3.0, RED, front), on_the_wall) == [front]
    found = see(tracker, hidden + 1, seen(0.0, 3.0, RED, front), seen(0.32, 3.8, BLUE))
    assert {track.body_id for track in found} == {front.body_id, behind.body_id}


@settings(max_examples=20)
@given(hidden=st.integers(10, 60), farther=st.floats(1.15, 1.3))
def test_whose_clothes_are_read_at_another_distance_is_the_same_there(hidden: int, farther: float) -> None:
    """The distance that was read last may have been that of the person before them."""
    tracker = Tracker(4, seed=0)
    front, behind = meet(tracker, seen(0.0, 3.0, RED), seen(0.3, 3.8, BLUE))
    for k in range(1, hidden):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    there = seen(0.3, 3.8, BLUE, behind)
    assert there.lifted
    farther_off = replace(there, lifted=Lifted(there.lifted.joints * np.float32(farther), "depth"))
    assert see(tracker, hidden, seen(0.0, 3.0, RED, front), farther_off) == [front, behind]


@settings(max_examples=20)
@given(hidden=st.integers(10, 60), size=st.floats(0.3, 0.7), farther_m=st.floats(0.6, 1.2))
def test_whoever_was_hidden_is_known_by_their_clothes_at_any_size_and_distance(
    hidden: int, size: float, farther_m: float
) -> None:
    """What was last seen of them may have been a part of them at the distance of the wall."""
    tracker = Tracker(4, seed=0)
    front, behind = meet(tracker, seen(0.0, 3.0, RED), seen(0.3, 3.8, BLUE))
    assert behind.depth_m is not None
    behind.depth_m += farther_m
    keypoints = behind.pose.middle + np.float32(size) * (behind.pose.keypoints - behind.pose.middle)
    behind.pose = replace(behind.pose, keypoints=keypoints)
    for k in range(1, hidden):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    assert see(tracker, hidden, seen(0.0, 3.0, RED, front), seen(0.5, 3.8, BLUE)) == [front, behind]


@settings(max_examples=20)
@given(hidden=st.integers(12, 60), farther_m=st.floats(0.6, 1.2), frames=st.integers(1, 10))
def test_somebody_whose_distance_was_read_wrong_is_the_same_where_they_were_before(
    hidden: int, farther_m: float, frames: int
) -> None:
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(0.0, 3.0, RED), seen(0.3, 3.8, BLUE))
    front, behind = tracker.tracks
    for k in range(1, hidden):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    for k in range(hidden, hidden + frames):
        assert behind in see(tracker, k, seen(0.0, 3.0, RED, front), seen(0.35, 3.8 + farther_m, BLUE, behind))
    found = see(tracker, hidden + frames, seen(0.0, 3.0, RED, front), seen(0.3, 3.8, BLUE))
    assert {track.body_id for track in found} == {front.body_id, behind.body_id}


@settings(max_examples=20)
@given(hidden=st.integers(10, 60), away=st.floats(2.8, 4.6))
def test_somebody_who_comes_in_on_the_other_side_of_the_picture_is_not_who_was_hidden_here(
    hidden: int, away: float
) -> None:
    tracker = Tracker(4, seed=0)
    meet(tracker, seen(-1.5, 3.0, RED), seen(-2.3, 3.6, RED))
    known = {track.body_id for track in tracker.tracks}
    for k in range(1, hidden):
        see(tracker, k, seen(-1.5, 3.0, RED))
    (_, new) = see(tracker, hidden, seen(-1.5, 3.0, RED), seen(-2.3 + away, 3.6, RED))
    assert new.body_id not in known


@settings(max_examples=20)
@given(gap=st.floats(0.1, 0.25), beside=st.floats(0.0, 0.1))
def test_a_pose_in_the_clothes_and_place_of_who_is_hidden_is_not_taken_by_the_person_before_them(
    gap: float, beside: float
) -> None:
    tracker = Tracker(4, seed=0)
    (front, _) = meet(tracker, seen(-0.6, 3.0, RED), seen(0.0, 3.0 + gap, BLUE))
    for k in range(1, 7):
        see(tracker, k, seen(0.1 * k - 0.6, 3.0, RED, front))
    found = see(tracker, 7, seen(beside, 3.0 + gap, BLUE, front))
    assert front not in found


def test_whoever_has_left_the_picture_does_not_go_on_behind_somebody_who_was_beside_them() -> None:
    tracker = Tracker(4, seed=0)
    edge = 3.0 * SIZE[0] / 2 / CAMERA.fx
    meet(tracker, seen(edge - 0.5, 3.0, RED), seen(edge + 0.05, 3.0, RED))
    known = {track.body_id for track in tracker.tracks}
    for k in range(1, 25):
        see(tracker, k, seen(edge - 0.5 - 0.05 * k, 3.0, RED, tracker.tracks[0]))
    assert [track.body_id for track in tracker.tracks if track.body_id in known] == [tracker.tracks[0].body_id]


@settings(max_examples=20)
@given(hidden=st.integers(1, 60), beside=st.floats(-0.3, 0.0), farther=st.floats(0.4, 2.0))
def test_whoever_is_farther_hides_nobody(hidden: int, beside: float, farther: float) -> None:
    """The one in front does, though the other is nearer to the side."""
    tracker = Tracker(4, seed=0)
    people = seen(0.3, 3.3, RED), seen(-0.5, 4.4, BLUE), seen(-1.0 + beside, 4.4 + farther, GREY)
    front, behind, other = meet(tracker, *people)
    for k in range(1, 1 + hidden):
        see(tracker, k, replace(people[0], origin=front), replace(people[2], origin=other))
    assert behind.hider is front


@settings(max_examples=20)
@given(unread=st.integers(1, 40), step=st.floats(1.0, 3.0))
def test_the_distance_read_last_counts_while_none_is_read_but_not_for_long(unread: int, step: float) -> None:
    tracker = Tracker(4, seed=0)
    (known,) = meet(tracker, seen(0, 5, BLUE))
    there = seen(0, 5, BLUE, known)
    for k in range(1, 1 + unread):
        assert see(tracker, k, replace(there, lifted=None)) == [known]
    nearer = replace(there, lifted=seen(0, 5 - step, BLUE).lifted)
    assert see(tracker, 1 + unread, nearer) == ([known] if unread * STEP_NS > 1_200_000_000 else [])


@pytest.mark.parametrize("hits", [1, 2, 3, 10])
def test_whoever_was_seen_once_or_twice_beside_another_person_is_not_expected_back_for_long(hits: int) -> None:
    tracker = Tracker(4, seed=0)
    front, other = see(tracker, 0, seen(0.0, 3.0, RED), seen(0.5, 3.6, BLUE))
    for k in range(1, hits):
        see(tracker, k, seen(0.0, 3.0, RED, front), seen(0.5, 3.6, BLUE, other))
    for k in range(hits, hits + 30):
        see(tracker, k, seen(0.0, 3.0, RED, front))
    assert (other in tracker.tracks) == (hits >= 3)


@settings(max_examples=20)
@given(hidden=st.integers(20, 100), speed=st.floats(1.7, 2.5))
def test_whoever_is_hidden_far_from_the_edge_is_expected_back_however_fast_they_were(hidden: int, speed: float) -> None:
    """Two seconds and more behind another person, though by their speed they would be outside by now."""
    tracker = Tracker(4, seed=0)
    step = STEP_NS * 1e-9 * speed
    front, behind = meet(tracker, seen(-0.9, 2.5, RED), seen(-0.6 + 5 * step, 3.2, BLUE))
    for k in range(1, 5):
        see(tracker, k, seen(-0.9, 2.5, RED, front), seen(-0.6 + (4 - k) * step, 3.2, BLUE, behind))
    for k in range(5, 5 + hidden):
        see(tracker, k, seen(-0.9, 2.5, RED, front))
    found = see(tracker, 5 + hidden, seen(-0.9, 2.5, RED, front), seen(-0.55, 3.2, BLUE))
    assert found == [front, behind]


@settings(max_examples=20)
@given(away=st.floats(0.6, 2.0), nearer=st.floats(-0.3, 0.3))
def test_whoever_comes_in_where_another_one_leaves_is_somebody_else(away: float, nearer: float) -> None:
    """In the next picture, in other clothes and more than a torso away."""
    tracker = Tracker(4, seed=0)
    (left,) = meet(tracker, seen(1.2, 3.0, BLUE))
    assert left not in see(tracker, 1, seen(1.2 - away, 3.0 + nearer, RED, left))


@settings(max_examples=20)
@given(share=st.floats(0.0, 0.15), hidden=st.integers(3, 30))
def test_clothes_tell_who_was_hidden_also_where_no_distance_is_read(share: float, hidden: int) -> None:
    def without_depth(observation: Observation) -> Observation:
        return replace(observation, lifted=None)

    tracker = Tracker(4, seed=0)
    meet(tracker, without_depth(seen(0.0, 3.0, RED)), without_depth(seen(-0.4, 3.4, BLUE)))
    for k in range(1, hidden):
        (front,) = see(tracker, k, without_depth(seen(0.0, 3.0, RED, tracker.tracks[0])))
    _, behind = tracker.tracks
    clothes = ((1 - share) * GREY + share * BLUE).astype(np.float32)
    found = see(
        tracker, hidden, without_depth(seen(0.0, 3.0, RED, front)), without_depth(seen(0.4, 3.4, clothes, behind))
    )
    assert behind not in found


@settings(max_examples=20)
@given(below=st.floats(0.0, 0.9), hidden=st.integers(10, 40))
def test_the_legs_of_who_is_in_front_are_not_the_person_behind(below: float, hidden: int) -> None:
    tracker = Tracker(4, seed=0)
    (_, behind) = meet(tracker, seen(0.0, 3.0, RED), seen(0.0, 4.5, BLUE))
    for k in range(1, hidden):
        see(tracker, k, seen(0.0, 3.0, RED, tracker.tracks[0]))
    joints = standing() * 0.7 + np.array([0.05, below, 3.1], np.float32)
    legs = Observation(pose_of(joints, CAMERA, standing()), behind, BLUE, Lifted(joints, "depth"))
    found = see(tracker, hidden, seen(0.0, 3.0, RED, tracker.tracks[0]), legs)
    assert behind not in found


def unsure(observation: Observation) -> Observation:
    """As of a thing on a table, or of somebody behind one."""
    return replace(observation, pose=replace(observation.pose, score=0.6))


@settings(max_examples=20)
@given(hidden=st.integers(1, 60), is_sure=st.booleans())
def test_whoever_is_new_takes_the_place_of_whoever_was_not_seen_for_a_second(hidden: int, is_sure: bool) -> None:
    tracker = Tracker(2, seed=0)
    front, behind = meet(tracker, seen(0.0, 3.0, RED), seen(0.4, 3.4, BLUE))
    for k in range(1, hidden):
        assert see(tracker, k, seen(0.0, 3.0, RED, front)) == [front]
    comes = seen(-1.4, 3.0, GREY) if is_sure else unsure(seen(-1.4, 3.0, GREY))
    pictures = 1 if is_sure else 3
    for k in range(hidden, hidden + pictures):
        assert front in tracker.tracks
        assert behind in tracker.tracks
        origin = next((track for track in tracker.tracks if track not in (front, behind)), None)
        found = see(tracker, k, seen(0.0, 3.0, RED, front), replace(comes, origin=origin))
    has_left = (hidden + pictures - 1) * STEP_NS > 1_000_000_000
    assert len(found) == 2 if has_left else found == [front]
    assert (behind in tracker.tracks) != has_left
    assert len(tracker.tracks) == 2
    assert tracker.left_out == (not has_left)
    assert behind.body_id not in [track.body_id for track in found]


def test_whoever_is_out_of_sight_for_longest_makes_room_and_nobody_who_is_seen() -> None:
    tracker = Tracker(3, seed=0)
    front, first, second = meet(tracker, seen(0.0, 3.0, RED), seen(0.4, 3.4, BLUE), seen(-0.4, 3.4, GREY))
    for k in range(1, 30):
        both = [seen(0.0, 3.0, RED, front), seen(-0.4, 3.4, GREY, second)]
        see(tracker, k, *both[: 2 if k < 5 else 1])
    found = see(tracker, 30, seen(0.0, 3.0, RED, front), seen(-1.4, 3.0, RED))
    assert tracker.tracks == [front, second, found[1]]
    assert first not in tracker.tracks
    others = [seen(x, 3.0, clothes) for x, clothes in ((1.0, RED), (1.5, RED), (-0.8, RED))]
    found = see(tracker, 31, seen(0.0, 3.0, RED, front), seen(-1.4, 3.0, RED, found[1]), *others)
    assert len(found) == len(tracker.tracks) == 3
    assert front in found
    assert tracker.left_out == 2


@pytest.mark.parametrize("pictures", [1, 2, 3, 30])
def test_only_who_would_be_published_is_left_out_and_no_ids_are_used_up(pictures: int) -> None:
    tracker = Tracker(2, seed=0)
    people = meet(tracker, seen(-0.5, 3.0, RED), seen(0.5, 3.0, BLUE))
    left_out = []
    for k in range(1, 1 + pictures):
        candidate = next((track for track in tracker.tracks if track not in people), None)
        known = seen(-0.5, 3.0, RED, people[0]), seen(0.5, 3.0, BLUE, people[1])
        things = [unsure(seen(1.4, 3.0, GREY, candidate)), *(unsure(seen(1.4, z, GREY)) for z in (4.0, 5.0))]
        assert see(tracker, k, *known, *things) == people
        assert len(tracker.tracks) <= 3
        left_out.append(tracker.left_out)
    assert left_out[:3] == [0, 0, 1][:pictures]
    assert max(left_out) <= 1
    assert len(tracker._used) <= 3


def test_ids_are_never_given_again() -> None:
    tracker = Tracker(2, seed=0)
    ids = []
    for k in range(1, 400):
        tracker.expire(k * 6_000_000_000, SIZE)
        ids += [track.body_id for track in tracker.update(k * 6_000_000_000, [seen(0, 3, RED), seen(1, 3, BLUE)])]
    assert len(set(ids)) == len(ids) == 2 * 399


@settings(max_examples=30)
@given(step=st.floats(0.65, 3.0))
def test_nobody_steps_that_far_towards_the_camera_in_a_frame(step: float) -> None:
    tracker = Tracker(4, seed=0)
    (first,) = tracker.update(1, [seen(0, 4, RED)])
    assert tracker.update(1 + STEP_NS, [seen(0, 4 - step, RED, first)]) == []


@settings(max_examples=30)
@given(apart=st.floats(0.0, 0.25), angle=st.floats(0, np.pi))
def test_two_poses_where_there_is_room_for_one_are_one_person(apart: float, angle: float) -> None:
    tracker = Tracker(4, seed=0)
    x, z = apart * np.cos(angle), apart * np.sin(angle)
    assert len(tracker.update(1, [seen(0, 3, RED), seen(x, 3 + z, BLUE)])) == 1
    assert len(tracker.update(2, [seen(0, 3, RED), seen(1, 3 + z, BLUE)])) == 2


@pytest.mark.parametrize("rate_hz", [0.5, 1, 3, 5, 6, 10, 30])
def test_people_are_told_and_keep_their_ids_however_slow_the_pictures_come(rate_hz: float) -> None:
    tracker = Tracker(4, seed=0)
    generator = np.random.default_rng(round(10 * rate_hz))
    stamp_ns, ids = 0, []
    for _ in range(30):
        stamp_ns += round(1e9 / rate_hz * generator.uniform(0.8, 1.2))
        tracker.expire(stamp_ns, (640, 480))
        o = seen(0.0, 3.0, RED, tracker.tracks[0] if tracker.tracks else None)
        ids.append([t.body_id for t in tracker.update(stamp_ns, [replace(o, pose=replace(o.pose, score=0.9))])])
    assert ids[:2] == [[], []]
    assert ids[2:] == [ids[2]] * 28
    assert len(ids[2]) == 1


@pytest.mark.parametrize("rate_hz", [5, 30])
def test_after_a_gap_in_the_pictures_somebody_is_new(rate_hz: float) -> None:
    tracker = Tracker(4, seed=0)
    stamps_ns = [round(1e9 * n / rate_hz) for n in range(10)]
    ids = []
    for stamp_ns in [*stamps_ns, stamps_ns[-1] + 5_000_000_000]:
        tracker.expire(stamp_ns, (640, 480))
        ids += [t.body_id for t in tracker.update(stamp_ns, [seen(0.0, 3.0, RED, next(iter(tracker.tracks), None))])]
    assert len(set(ids[:-1])) == 1
    assert ids[-1] not in ids[:-1]


@settings(max_examples=50)
@given(
    score=st.floats(0.5, 1.0),
    landmarks=st.integers(0, 33),
    later=st.lists(st.tuples(st.floats(0.3, 1.0), st.integers(0, 33)), max_size=5),
)
def test_somebody_new_is_told_at_once_if_seen_well_and_else_from_the_third_picture_on(
    score: float, landmarks: int, later: list[tuple[float, int]]
) -> None:
    tracker = Tracker(4, seed=0)
    was_sure = False
    for frame, (at, count) in enumerate([(score, landmarks), *later]):
        o = seen(0.0, 3.0, RED, tracker.tracks[0] if tracker.tracks else None)
        visibility = (np.arange(33) < count).astype(np.float32)
        was_sure |= at >= 0.95 and count >= 24
        told = see(tracker, frame, replace(o, pose=replace(o.pose, score=at, visibility=visibility)))
        assert bool(told) == (was_sure or frame >= 2)
