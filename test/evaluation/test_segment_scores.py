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
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.evaluation import segment_scores
from mumu_ros.evaluation.segment_scores import (
    Segment,
    edit_score,
    false_alarms,
    longest_step,
    merge,
    onset_delays,
    overlap_f1_counts,
)
from mumu_ros.streams import RateSampler

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


def by_hand(truth: list[Segment], found: list[Segment], overlap: float) -> tuple[int, int]:
    """Found segments that are right, and those that share no time with a true one: each is compared with all."""

    def ratio(a: Segment, b: Segment) -> float:
        shared, both = (set(range(s.start_ns, s.end_ns)) for s in (a, b))
        return len(shared & both) / len(shared | both) if a.label == b.label else 0.0

    rows = [[ratio(segment, other) for other in truth] for segment in found]
    best = {row.index(max(row)) for row in rows if max(row, default=0.0) >= overlap}
    return len(best), sum(not any(row) for row in rows)


def distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    change = distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, distance(a[1:], b) + 1, distance(a, b[1:]) + 1)


@given(timelines(), timelines(), st.sampled_from([0.1, 0.25, 0.5]))
def test_scores_are_those_that_one_would_count_by_hand(
    truth: list[Segment], found: list[Segment], overlap: float
) -> None:
    right, alarms = by_hand(truth, found, overlap)
    assert overlap_f1_counts(truth, found, overlap)[0] == right
    assert false_alarms(truth, found) == alarms
    words = ["".join(segment.label for segment in segments) for segments in (truth, found)]
    assert edit_score(truth, found) == pytest.approx(1 - distance(*words) / max(*map(len, words), 1))
    decisions = [(t, s.label) for s in found for t in range(s.start_ns, s.end_ns)]
    stamps, labels = [t for t, _ in decisions], [label for _, label in decisions]
    first = [[t for t, label in decisions if s.start_ns <= t < s.end_ns and label == s.label][:1] for s in truth]
    expected = [pytest.approx((t[0] - s.start_ns) * 1e-9) if t else None for s, t in zip(truth, first, strict=True)]
    assert onset_delays(truth, stamps, labels) == expected


class Counted(list[int]):
    """Counts how many of its items are looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[int]:
        self.looks += len(self)
        return super().__iter__()


def test_twice_as_long_a_day_is_not_four_times_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Segment] = []

    def ratio(a: Segment, b: Segment) -> float:
        compared.append(a)
        return float(a == b)

    monkeypatch.setattr(segment_scores, "_intersection_over_union", ratio)
    truth = [Segment(50 * k, 50 * (k + 1), "ab"[k % 2]) for k in range(1000)]
    stamps = Counted(range(50_000))
    assert onset_delays(truth, stamps, ["ab"[t // 50 % 2] for t in range(50_000)]) == [0.0] * 1000
    assert stamps.looks < 50_000
    assert overlap_f1_counts(truth, truth, 0.5) == (1000, 0, 0)
    assert false_alarms(truth, truth) == 0
    assert len(compared) <= 2000


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
    stamps = [1 * S, 2 * S, 3 * S, 4 * S, 8 * S, 9 * S]
    labels = ["a", "a", None, "b", "b", "b"]
    assert merge(stamps, labels, S) == seconds((0, 2, "a"), (3, 4, "b"), (7, 9, "b"))
    assert merge([], [], S) == []


def sampled(camera_hz: float, rate_hz: float, loss: float = 0.0) -> tuple[list[int], int]:
    """Stamps of the frames of a minute that are decided about, and the nominal time between them."""
    generator, period_ns = np.random.default_rng(0), round(S / rate_hz)
    sampler = RateSampler(period_ns)
    stamps = (round((1 + i / camera_hz) * S) for i in range(round(60 * camera_hz)) if generator.random() >= loss)
    return [stamp_ns for stamp_ns in stamps if sampler.accept(stamp_ns)], period_ns


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("camera_hz", "rate_hz", "loss"),
    [(30, 5, 0), (6, 5, 0), (10, 8, 0), (15, 12, 0), (3, 5, 0), (5, 10, 0), (10, 10, 0.1), (30, 5, 0.3), (1.1, 1, 0)],
)
def test_frames_that_do_not_come_at_a_multiple_of_the_rate_split_nothing(
    camera_hz: float, rate_hz: float, loss: float, live: bool
) -> None:
    """Also with the usual step in place of the rate, as the node `evaluation` has it."""
    stamps, period_ns = sampled(camera_hz, rate_hz, loss)
    if live:
        period_ns = int(np.median(np.diff(stamps)))
    truth = seconds(*((1 + 6 * k, 7 + 6 * k, "ab"[k % 2]) for k in range(10)))
    labels = [next(s.label for s in truth if s.start_ns <= stamp_ns < s.end_ns) for stamp_ns in stamps]
    found = merge(stamps, labels, period_ns)
    assert overlap_f1_counts(truth, found, 0.5) == (10, 0, 0)
    assert sum(s.end_ns - s.start_ns for s in found) == stamps[-1] - stamps[0] + period_ns, "and none is lost"


@given(st.lists(st.tuples(st.integers(1, 3 * S), st.sampled_from(["a", "b", None]))), st.integers(1, S))
def test_each_decision_stands_for_the_time_since_the_last_or_for_one_period(
    rows: list[tuple[int, str | None]], period_ns: int
) -> None:
    stamps = list(itertools.accumulate((step for step, _ in rows), initial=10 * S))[1:]
    expected = 0
    for number, (step_ns, label) in enumerate(rows):
        is_next = number > 0 and step_ns <= longest_step(period_ns)
        expected += (step_ns if is_next else period_ns) * (label is not None)
    segments = merge(stamps, [label for _, label in rows], period_ns)
    assert sum(s.end_ns - s.start_ns for s in segments) == expected
    assert all(a.end_ns <= b.start_ns for a, b in itertools.pairwise(segments))


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
