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

"""Protocols: no subject is both trained on and tested, and missing ones are named."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.datasets.clips import ClipInfo
from mumu_ros.training.protocols import PROTOCOLS, Fold, Manifest, make_manifest

ACTIVITIES = ("clap", "jog", "point", "sit", "walk", "wave")

Where = tuple[int, str, int, int, int]


def clip(subject: int, activity: str, session: int = 0, scene: int = 0, camera: int = 0) -> ClipInfo:
    return ClipInfo(f"{activity}_s{subject}_{session}_{scene}_{camera}", subject, activity, session, scene, camera)


def grid(subjects: Sequence[int], activities: Sequence[str] = ACTIVITIES) -> list[ClipInfo]:
    return [clip(s, a, session) for s in subjects for a in activities for session in (1, 2)]


wheres = st.tuples(
    st.integers(1, 20), st.sampled_from(ACTIVITIES), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5)
)
some_clips = st.lists(wheres, unique=True, max_size=80).map(lambda places: [clip(*place) for place in places])


def manifest_or_none(protocol: str, clips: Sequence[ClipInfo]) -> Manifest | None:
    """None where the clips do not suffice for the protocol."""
    try:
        return make_manifest(protocol, "mmact", clips)
    except ValueError as error:
        assert f"{protocol} needs" in str(error)  # noqa: PT017
        return None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(clips=some_clips)
@settings(max_examples=25, deadline=None)
def test_parts_are_disjoint_and_neither_train_nor_test_is_empty(protocol: str, clips: list[ClipInfo]) -> None:
    manifest = manifest_or_none(protocol, clips)
    for fold in manifest.folds if manifest else ():
        parts = [set(fold.train), set(fold.validation), set(fold.test)]
        assert len(set.union(*parts)) == sum(map(len, parts))
        assert set.union(*parts) <= {c.id for c in clips}
        assert fold.train
        assert fold.test


KEYS: dict[str, Callable[[ClipInfo], object]] = {
    "leave_one_subject_out": lambda c: c.subject,
    "three_fold": lambda c: c.subject,
    "odd_even": lambda c: c.subject,
    "validate_7": lambda c: c.subject,
    "open_set": lambda c: c.subject,
    "cross_subject": lambda c: c.subject,
    "cross_session": lambda c: (c.subject, c.session),
    "cross_view": lambda c: c.camera,
    "cross_scene": lambda c: c.scene,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(clips=some_clips)
@settings(max_examples=25, deadline=None)
def test_no_tested_subject_session_view_or_scene_is_trained_on(protocol: str, clips: list[ClipInfo]) -> None:
    manifest = manifest_or_none(protocol, clips)
    key = {c.id: KEYS[protocol](c) for c in clips}
    for fold in manifest.folds if manifest else ():
        assert not {key[c] for c in fold.test} & {key[c] for c in (*fold.train, *fold.validation)}
        assert not {key[c] for c in fold.train} & {key[c] for c in fold.validation}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(clips=some_clips, seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_clips_does_not_matter(protocol: str, clips: list[ClipInfo], seed: int) -> None:
    shuffled = random.Random(seed).sample(clips, len(clips))
    assert manifest_or_none(protocol, clips) == manifest_or_none(protocol, shuffled)


@given(clips=some_clips.filter(lambda clips: len({c.subject for c in clips}) > 1))
@settings(max_examples=40, deadline=None)
def test_leave_one_subject_out_tests_every_clip_once_and_trains_on_all_others(clips: list[ClipInfo]) -> None:
    folds = make_manifest("leave_one_subject_out", "own", clips).folds
    ids = {c.id for c in clips}
    assert sorted(c for fold in folds for c in fold.test) == sorted(ids)
    assert all({*fold.train, *fold.test} == ids and not fold.unknown for fold in folds)
    assert [fold.name for fold in folds] == [f"subject_{s}" for s in sorted({c.subject for c in clips})]


@pytest.mark.parametrize(
    ("protocol", "train", "validation", "test"),
    [
        ("odd_even", {1, 3, 5, 7}, set(), {2, 4, 6, 8}),
        ("validate_7", {1, 3, 5}, {7}, {2, 4, 6, 8}),
        ("cross_subject", set(range(1, 17)), set(), {17, 18, 19, 20}),
    ],
)
def test_subjects_of_a_fixed_split(protocol: str, train: set[int], validation: set[int], test: set[int]) -> None:
    clips = grid(range(1, 23))
    (fold,) = make_manifest(protocol, "own", clips).folds
    subject = {c.id: c.subject for c in clips}
    assert [{subject[c] for c in part} for part in (fold.train, fold.validation, fold.test)] == [
        train,
        validation,
        test,
    ]


@pytest.mark.parametrize(
    ("protocol", "attribute", "train", "test"),
    [("cross_view", "camera", {1, 2, 3}, {4}), ("cross_scene", "scene", {1, 3, 4}, {2})],
)
def test_views_and_scenes(protocol: str, attribute: str, train: set[int], test: set[int]) -> None:
    clips = [clip(1, "walk", scene=scene, camera=camera) for scene in range(6) for camera in range(6)]
    (fold,) = make_manifest(protocol, "mmact", clips).folds
    value = {c.id: getattr(c, attribute) for c in clips}
    assert {value[c] for c in fold.train} == train
    assert {value[c] for c in fold.test} == test


def test_cross_session_trains_on_the_first_four_fifths_of_each_subjects_sessions() -> None:
    sessions = {1: [3, 1, 2, 5, 4], 2: [10, 20], 3: [7], 4: [1, 2, 3, 4, 5, 6]}
    clips = [clip(s, "walk", n, camera=camera) for s, numbers in sessions.items() for n in numbers for camera in (1, 2)]
    (fold,) = make_manifest("cross_session", "mmact", clips).folds
    tested = {(c.subject, c.session) for c in clips if c.id in fold.test}
    assert tested == {(1, 5), (2, 20), (4, 5), (4, 6)}
    assert len(fold.train) + len(fold.test) == len(clips)


@given(clips=some_clips)
@settings(max_examples=40, deadline=None)
def test_open_set_trains_on_no_unknown_activity_and_leaves_the_test_subject_whole(clips: list[ClipInfo]) -> None:
    manifest = manifest_or_none("open_set", clips)
    info = {c.id: c for c in clips}
    for fold in manifest.folds if manifest else ():
        (subject,) = {info[c].subject for c in fold.test}
        assert fold.unknown
        assert set(fold.test) == {c.id for c in clips if c.subject == subject}
        assert set(fold.train) == {c.id for c in clips if c.subject != subject and c.activity not in fold.unknown}


def test_open_set_makes_each_activity_unknown_once() -> None:
    folds = make_manifest("open_set", "own", grid([1, 2, 3, 4])).folds
    assert sorted(a for fold in folds for a in fold.unknown) == sorted(ACTIVITIES)
    assert {len(fold.unknown) for fold in folds} == {1, 2}


@given(subjects=st.integers(2, 12), activities=st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_open_set_tests_every_subject_however_few_activities_there_are(subjects: int, activities: int) -> None:
    manifest = make_manifest("open_set", "own", grid(range(subjects), ACTIVITIES[:activities]))
    assert [fold.name for fold in manifest.folds] == [f"subject_{s}" for s in range(subjects)]
    assert not manifest.missing
    counts = [sum(a in fold.unknown for fold in manifest.folds) for a in ACTIVITIES[:activities]]
    assert sum(counts) == max(subjects, activities), "each activity once, or one in each fold"
    assert max(counts) - min(counts) <= 1


@given(clips=some_clips)
@settings(max_examples=40, deadline=None)
def test_open_set_names_the_folds_that_have_nothing_to_train_on(clips: list[ClipInfo]) -> None:
    manifest = manifest_or_none("open_set", clips)
    if manifest:
        tested = {fold.name for fold in manifest.folds}
        untested = sorted({c.subject for c in clips} - {int(name.removeprefix("subject_")) for name in tested})
        named = ", ".join(f"subject_{s}" for s in untested)
        assert ("fold" in manifest.missing) == bool(untested)
        assert manifest.missing.endswith(named)


def test_open_set_does_not_train_on_clips_that_may_show_what_is_unknown() -> None:
    """Of some clips only the group is known; a group may have the name of an activity in it."""
    groups = {"hands": ("clap", "wave"), "jog": ("jog",)}
    clips = grid([1, 2, 3], ["clap", "wave", "jog", "hands"])
    folds = make_manifest("open_set", "own", clips, groups).folds
    assert sorted(a for fold in folds for a in fold.unknown) == ["clap", "jog", "wave"]
    for fold in folds:
        trained = {c.activity for c in clips if c.id in fold.train}
        others = {"clap", "wave", "jog"} - set(fold.unknown)
        assert trained == others | ({"hands"} if fold.unknown == ("jog",) else set())
    with pytest.raises(ValueError, match="open_set needs two subjects and two activities"):
        make_manifest("open_set", "own", grid([1, 2], ["hands"]), groups)


def test_open_set_refuses_clips_of_several_activities() -> None:
    clips = [ClipInfo("a", 1, "walk"), ClipInfo("whole_morning", 2)]
    with pytest.raises(ValueError, match="one activity each; clip 'whole_morning'"):
        make_manifest("open_set", "own", clips)


@pytest.mark.parametrize(
    ("protocol", "dataset", "clips", "missing"),
    [
        ("leave_one_subject_out", "utd_mhad", grid(range(1, 9)), ""),
        ("leave_one_subject_out", "utd_mhad", grid(range(1, 7)), "subjects 7, 8"),
        ("leave_one_subject_out", "own", grid([3, 9]), ""),
        ("odd_even", "utd_mhad", grid([1, 2, 3, 4, 5, 6, 8]), "subject 7"),
        ("validate_7", "own", grid(range(1, 7)), "subjects 7, 8"),
        ("cross_view", "own", [clip(1, "a", camera=c) for c in (1, 4)], "cameras 2, 3"),
        (
            "cross_scene",
            "mmact",
            [clip(s, "a", scene=n) for s in range(1, 20) for n in (2, 3, 4)],
            "subject 20, scene 1",
        ),
    ],
)
def test_what_is_missing_is_named(protocol: str, dataset: str, clips: list[ClipInfo], missing: str) -> None:
    assert make_manifest(protocol, dataset, clips).missing == missing


@pytest.mark.parametrize(
    ("protocol", "clips", "reason"),
    [
        ("leave_one_subject_out", grid([4]), "needs two subjects; the clips of 'own' have subject 4"),
        ("leave_one_subject_out", [], "needs two subjects; the clips of 'own' have nothing"),
        ("open_set", grid([1, 2], ["walk"]), "two activities"),
        ("odd_even", grid([1, 3]), "some of subjects 2, 4, 6, 8; .* subjects 1, 3"),
        ("cross_session", [clip(1, "walk"), clip(2, "walk")], "a subject with two sessions"),
        ("cross_view", grid([1, 2]), "some of cameras 1, 2, 3 and some of camera 4; .* camera 0"),
    ],
)
def test_clips_that_do_not_suffice_are_refused(protocol: str, clips: list[ClipInfo], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_manifest(protocol, "own", clips)


def test_an_unknown_protocol_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'loso'.*leave_one_subject_out, three_fold"):
        make_manifest("loso", "own", grid([1, 2]))


def test_an_id_that_occurs_twice_is_refused() -> None:
    clips = [ClipInfo("a", 1, "walk"), ClipInfo("b", 1, "walk"), ClipInfo("a", 2, "walk")]
    with pytest.raises(ValueError, match="id 'a'"):
        make_manifest("leave_one_subject_out", "own", clips)


def test_a_fold_cannot_hold_a_clip_in_two_parts() -> None:
    fold = Fold("f", ("a",), (), ("b",))
    with pytest.raises(ValueError, match="clip 'a' twice"):
        dataclasses.replace(fold, validation=("a",))
