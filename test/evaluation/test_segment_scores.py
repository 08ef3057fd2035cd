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

"""Segmental scores: of perfect, shifted, split and empty answers; and against counting by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.evaluation.segment_scores import (
    Segment,
    edit_score,
    false_alarms,
    merge,
    onset_delays,
    overlap_f1_counts,
)

S = 1_000_000_000


def seconds(*rows: tuple[float, float, str]) -> list[Segment]:
    return [Segment(round(a * S), round(b * S), label) for a, b, label in rows]


@st.composite
def timelines(draw: st.DrawFn) -> list[Segment]:
    at, found = 0, []
    for _ in range(draw(st.integers(0, 5))):
        at += draw(st.integers(0, 4))
        end = at + draw(st.integers(1, 5))
        found.append(Segment(at, end, draw(st.sampled_from("abc"))))
        at = end
    return found


@given(timelines(), timelines(), st.sampled_from([0.1, 0.25, 0.5]))
def test_every_segment_is_counted_once(truth: list[Segment], found: list[Segment], overlap: float) -> None:
    right, wrong, missed = overlap_f1_counts(truth, found, overlap)
    assert right + wrong == len(found)
    assert right + missed == len(truth)
    assert overlap_f1_counts(truth, truth, overlap) == (len(truth), 0, 0)
    assert 0 <= edit_score(truth, found) <= 1
    assert edit_score(truth, found) == edit_score(found, truth)
    assert edit_score(truth, truth) == 1
    assert false_alarms(truth, truth) == 0
    assert false_alarms(truth, found) <= len(found)


def test_f1_counts_overlap_and_takes_a_true_segment_once() -> None:
    truth = seconds((0, 10, "walk"), (10, 20, "sit"))
    late = seconds((4, 12, "walk"), (12, 20, "sit"))
    # walk: 6 of 12 s in common; sit: 8 of 10 s.
    assert overlap_f1_counts(truth, late, 0.5) == (2, 0, 0)
    assert overlap_f1_counts(truth, late, 0.51) == (1, 1, 1)
    split = seconds((0, 5, "walk"), (5, 6, "sit"), (6, 10, "walk"), (10, 20, "sit"))
    assert overlap_f1_counts(truth, split, 0.1) == (2, 2, 0)


@pytest.mark.parametrize(
    ("truth", "found", "score"),
    [("", "", 1), ("abc", "abc", 1), ("abc", "", 0), ("abc", "abbc", 0.75), ("abc", "axc", 2 / 3), ("ab", "ba", 0)],
)
def test_edit_score_is_about_the_order_only(truth: str, found: str, score: float) -> None:
    a, b = ([Segment(i, i + 1, label) for i, label in enumerate(word)] for word in (truth, found))
    assert edit_score(a, b) == pytest.approx(score)


def test_decisions_are_joined_over_short_gaps_only() -> None:
    stamps = [1, 2, 3, 4, 8, 9]
    labels = ["a", "a", None, "b", "b", "b"]
    assert merge(stamps, labels, 1) == [Segment(0, 2, "a"), Segment(3, 4, "b"), Segment(7, 9, "b")]
    assert merge([], [], 1) == []


@given(st.lists(st.sampled_from(["a", "b", None]), max_size=20))
def test_merged_segments_have_the_labels_of_the_decisions(labels: list[str | None]) -> None:
    stamps = list(range(1, len(labels) + 1))
    segments = merge(stamps, labels, 1)
    again = [next((s.label for s in segments if s.start_ns < stamp <= s.end_ns), None) for stamp in stamps]
    assert again == labels
    assert all(a.end_ns < b.start_ns or a.label != b.label for a, b in itertools.pairwise(segments))


def test_onset_delay_is_to_the_first_right_decision_inside_the_segment() -> None:
    truth = seconds((0, 4, "walk"), (4, 8, "sit"), (8, 12, "lie"))
    stamps = [round(t * S) for t in (1.0, 2.0, 3.0, 4.5, 6.0, 9.0, 13.0)]
    labels = [None, "walk", "walk", "walk", "sit", "sit", "lie"]
    assert onset_delays(truth, stamps, labels) == [2.0, 2.0, None]


def test_a_false_alarm_is_a_segment_where_nobody_did_that() -> None:
    truth = seconds((0, 4, "walk"), (8, 12, "sit"))
    assert false_alarms(truth, seconds((3, 6, "walk"), (6, 7, "walk"), (8, 9, "lie"), (9, 12, "sit"))) == 2
