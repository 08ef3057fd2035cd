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

"""Decisions become what somebody did from when to when."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.recognize.segments import Labelled, Segment, Stretch, segments

LABELS = st.lists(st.sampled_from(["wave", "sit", "unknown"]), min_size=1, max_size=40)
ALL = (0.0, 1000.0)


def labelled(labels: list[str], window_s: float = 2.0, period_s: float = 0.2) -> list[Labelled]:
    """Decisions about sliding windows."""
    ends = [(k + 1) * period_s for k in range(len(labels))]
    return [Labelled(end - window_s, end, label, 0.5) for end, label in zip(ends, labels, strict=True)]


@given(LABELS)
def test_segments_follow_each_other_without_gaps_from_the_first_to_the_last_moment(labels: list[str]) -> None:
    decisions = labelled(labels)
    rows = segments({"anna": [Stretch(*ALL, decisions)]})["anna"]
    assert rows[0].from_s == 0
    assert rows[-1].to_s == decisions[-1].end_s
    for one, other in itertools.pairwise(rows):
        assert one.to_s == other.from_s
        assert one.activity != other.activity
    assert all(row.from_s < row.to_s for row in rows)


@given(LABELS)
def test_every_change_is_a_border(labels: list[str]) -> None:
    rows = segments({"anna": [Stretch(*ALL, labelled(labels))]})["anna"]
    changes = sum(a != b for a, b in itertools.pairwise(labels))
    assert len(rows) == changes + 1
    assert rows[0].confidence == pytest.approx(0.5)


@given(LABELS, st.floats(-1, 10), st.floats(0.01, 10))
def test_segments_are_of_the_time_in_which_the_person_was_seen(labels: list[str], from_s: float, seen_s: float) -> None:
    """Their windows may begin before it, and decisions may go on after it."""
    rows = segments({"anna": [Stretch(from_s, from_s + seen_s, labelled(labels))]}).get("anna", [])
    assert all(from_s <= row.from_s < row.to_s <= from_s + seen_s for row in rows)
    assert all(one.to_s <= other.from_s for one, other in itertools.pairwise(rows))


def test_a_change_is_where_the_middles_of_the_windows_are() -> None:
    decisions = [Labelled(0, 2, "sit", 1.0), Labelled(1, 3, "stand", 0.8), Labelled(2, 4, "stand", 0.6)]
    assert segments({"a": [Stretch(*ALL, decisions)]}) == {
        "a": [Segment(0, 1.5, "sit", 1.0), Segment(1.5, 4, "stand", 0.7)]
    }


def test_what_was_decided_of_somebody_who_had_left_is_about_the_time_before() -> None:
    decisions = [Labelled(0, 3, "sit", 1.0), Labelled(1, 4, "stand", 0.8)]
    assert segments({"a": [Stretch(1.0, 3.0, decisions)]}) == {
        "a": [Segment(1.0, 2.0, "sit", 1.0), Segment(2, 3, "stand", 0.8)]
    }


def test_an_activity_before_and_after_a_break_is_two() -> None:
    before, after = Stretch(0, 3, [Labelled(0, 3, "sit", 1.0)]), Stretch(8, 9, [Labelled(6, 9, "sit", 0.5)])
    assert segments({"a": [before, after]}) == {"a": [Segment(0, 3, "sit", 1.0), Segment(8, 9, "sit", 0.5)]}


def test_nobody_did_nothing() -> None:
    assert segments({}) == segments({"anna": []}) == segments({"anna": [Stretch(0, 3)]}) == {}
