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

"""Annotations become segments: open ends, overlaps, repetitions, nonsense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mumu_ros.conversions import segment_to_annotation
from mumu_ros.evaluation.decisions import DecisionLog, Decisions
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.evaluation.truth import covering, from_annotations, from_labels, from_runs
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition import Decision, NoDecision
from mumu_ros.recordings.label_files import Label
from mumu_ros.recordings.typestore import BagTypes
from mumu_ros.streams.stamps import FOREVER_NS

TYPES = BagTypes()
S = 1_000_000_000


def annotation(start_s: int, end_s: int, activity: str) -> Any:
    return segment_to_annotation(start_s * S, end_s * S, "group", activity, TYPES)


def read(*annotations: Any) -> tuple[list[tuple[int, int, str]], list[str]]:
    problems: list[str] = []
    segments = from_annotations(annotations, problems)
    assert all(segment.group == "group" for segment in segments)
    return [(s.start_ns // S, s.end_ns // S, s.activity) for s in segments], problems


def test_annotations_come_in_order_of_time_and_once() -> None:
    walk, sit = annotation(1, 3, "walk"), annotation(3, 5, "sit")
    assert read(sit, walk, sit) == ([(1, 3, "walk"), (3, 5, "sit")], [])


def test_an_open_end_lasts_until_the_next_one() -> None:
    segments, problems = read(annotation(1, 0, "walk"), annotation(4, 0, ""), annotation(6, 0, "sit"))
    assert segments[0] == (1, 4, "walk")
    assert segments[1][0] == 6
    assert segments[1][1] > 10**9
    assert not problems


def test_an_end_that_becomes_known_replaces_none() -> None:
    notes = [annotation(1, 0, "walk"), annotation(1, 3, "walk"), annotation(5, 0, "sit"), annotation(5, 6, "sit")]
    assert read(*notes) == ([(1, 3, "walk"), (5, 6, "sit")], [])
    assert read(*reversed(notes)) == read(*notes)


def test_an_overlap_is_cut_and_named() -> None:
    segments, (problem,) = read(annotation(1, 5, "walk"), annotation(3, 6, "sit"))
    assert segments == [(1, 3, "walk"), (3, 6, "sit")]
    assert problem == "1 annotations overlap the next one and were cut where that begins, first walk at 1000000000 ns"


def test_an_end_before_its_start_is_left_out_and_named() -> None:
    segments, (problem,) = read(annotation(5, 2, "walk"), annotation(6, 7, "sit"))
    assert segments == [(6, 7, "sit")]
    assert problem == "1 annotations last no time and were left out, first walk at 5000000000 ns"


def test_two_bodies_are_named_and_what_both_do_counts_once() -> None:
    walk = annotation(1, 3, "walk")
    others = [type(note)(**{**vars(note), "body_id": "b"}) for note in (walk, annotation(3, 5, "sit"))]
    segments, (problem,) = read(walk, *others)
    assert segments == [(1, 3, "walk"), (3, 5, "sit")]
    assert "2 bodies" in problem


def decided(*stamps_s: int) -> Decisions:
    """Decisions at these instants, and none one second after the first annotation began."""
    log = DecisionLog(Taxonomy("tiny", {"gait": ("walk",)}), ["imu"])
    log.append(0, NoDecision(2 * S, "nothing there"))
    for second in stamps_s:
        log.append(0, Decision(0, second * S, "gait", "walk", *[np.ones(1)] * 7))
    return log.table()


@pytest.mark.parametrize("stamps_s", [[1], [0, 3, 9], [5], []], ids=["first", "some", "open end", "no decision"])
def test_truth_that_covers_a_decision_is_taken(stamps_s: list[int]) -> None:
    truth = from_annotations([annotation(1, 3, "walk"), annotation(5, 0, "sit")], [])
    problems: list[str] = []
    assert covering(truth, decided(*stamps_s), problems) == truth
    assert problems == []


def test_truth_that_covers_no_decision_is_none_and_both_times_are_named() -> None:
    problems: list[str] = []
    truth = from_annotations([annotation(1, 3, "walk"), annotation(7, 9, "sit")], [])
    assert covering(truth, decided(0, 3, 5, 10), problems) == ()
    assert covering(from_annotations([annotation(6, 0, "sit")], []), decided(5), problems) == ()
    between, before = problems
    assert "they are from 0.000 to 10.000 s, and no annotation or label from 1.000 to 9.000 s covers one" in between
    assert "from 6.000 s on covers one" in before


def test_each_run_has_the_annotations_that_came_in_it() -> None:
    walk, sit, late = annotation(1, 3, "walk"), annotation(2, 5, "sit"), annotation(3, 3, "late")
    problems: list[str] = []
    segments = from_runs([[walk], [sit, late]], problems)
    assert [(s.start_ns // S, s.end_ns // S, s.activity, s.epoch) for s in segments] == [
        (1, 3, "walk", 0),
        (2, 3, "sit", 1),
    ]
    assert len(problems) == 2, "both of the second run"
    once = from_runs([[walk], []], problems)
    assert [(s.activity, s.epoch) for s in once] == [("walk", 0), ("walk", 1)], "a loop that repeats no annotation"
    assert from_runs([[walk, sit]], []) == from_annotations([walk, sit], [])


def test_labels_are_truth_too() -> None:
    assert from_labels([Label(1, 2, "g", "walk")]) == [TruthSegment(1, 2, "walk", "g")]


def test_repetitions_that_touch_are_one_activity() -> None:
    walks = [annotation(1, 3, "walk"), annotation(3, 5, "walk"), annotation(5, 0, "walk"), annotation(6, 7, "walk")]
    others = [annotation(7, 9, "sit"), annotation(10, 11, "sit"), annotation(11, 0, "sit"), annotation(12, 0, "sit")]
    segments, problems = read(*walks, *others)
    assert segments[:3] == [(1, 7, "walk"), (7, 9, "sit"), (10, FOREVER_NS // S, "sit")]
    assert len(segments) == 3
    assert not problems
    labels = [Label(1, 2, "g", "walk"), Label(2, 4, "g", "walk"), Label(5, 6, "g", "walk"), Label(6, 7, "h", "walk")]
    assert from_labels(labels) == [TruthSegment(a, b, "walk", g) for a, b, g in ((1, 4, "g"), (5, 6, "g"), (6, 7, "h"))]


def test_repetitions_of_two_people_are_two_activities() -> None:
    notes = [annotation(1, 3, "walk"), annotation(3, 5, "walk")]
    people = [type(note)(**{**vars(note), "subject": name}) for note, name in zip(notes, "ab", strict=True)]
    assert [segment.subject for segment in from_annotations(people, [])] == ["a", "b"]
