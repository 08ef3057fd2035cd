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

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision
from mumu_ros.recognition.events import ENDED_S, ActivityEvent, EventTracker

GROUPS = {"drill": "work", "screw": "work", "wave": "talk"}
STEP_NS = 200
WINDOW_NS = 1000
NOTHING = "nothing"
labels = st.sampled_from([*GROUPS, UNKNOWN, NOTHING])


def answer(label: str, stamp_ns: int, probability: float = 0.75) -> Decision | NoDecision:
    if label == NOTHING:
        return NoDecision(stamp_ns, "too little")
    nobody = np.zeros(1)
    distribution = np.array([probability, 1 - probability])
    group = GROUPS.get(label, UNKNOWN)
    start_ns = stamp_ns - WINDOW_NS
    decision = Decision(start_ns, stamp_ns, group, label, distribution, distribution, *[nobody] * 5)
    return replace(decision, group_confidence=probability, activity_confidence=probability)


def play(
    tracker: EventTracker, outputs: Sequence[str], body: str = "anna", first: int = 10
) -> list[list[ActivityEvent]]:
    """The events of each decision about a body."""
    stamps = [number * STEP_NS for number in range(first, first + len(outputs))]
    return [tracker.update(t, [(body, answer(label, t))], [body]) for t, label in zip(stamps, outputs, strict=True)]


def brief(events: Sequence[ActivityEvent]) -> list[str]:
    return [f"{'-' if e.has_ended else '+'}{e.activity or e.group}" for e in events]


def middle(number: int) -> int:
    return number * STEP_NS - WINDOW_NS // 2


def test_an_activity_begins_when_it_is_named_often_enough_and_ends_when_it_is_not() -> None:
    outputs = ["drill", UNKNOWN, "drill", "drill", "drill", NOTHING, "drill", UNKNOWN, NOTHING, UNKNOWN]
    events = play(EventTracker(GROUPS, 3, 2), outputs)
    assert [brief(e) for e in events] == [[], [], [], [], ["+work", "+drill"], [], [], [], ["-work", "-drill"], []]
    begin, end = events[4][1], events[8][1]
    assert begin == ActivityEvent("anna", "work", "drill", middle(12), middle(14), pytest.approx(0.75))
    assert (end.start_ns, end.end_ns) == (middle(12), middle(16)), "the flicker in between is part of it"


def test_another_activity_ends_the_first_and_the_group_goes_on() -> None:
    events = play(EventTracker(GROUPS, 2, 5), ["drill"] * 3 + ["screw"] * 3 + ["wave"] * 2)
    assert [brief(e) for e in events[3:]] == [[], ["-drill", "+screw"], [], [], ["-work", "-screw", "+talk", "+wave"]]
    ended, begun = events[4]
    assert (ended.end_ns, begun.start_ns) == (middle(12), middle(13))


@given(st.lists(labels, max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_events_alternate_and_say_what_was_named(outputs: list[str], begin_after: int, end_after: int) -> None:
    tracker = EventTracker(GROUPS, begin_after, end_after)
    heard = play(tracker, outputs)
    for is_group in (False, True):
        of_level = [[e for e in events if (not e.activity) == is_group] for events in heard]
        named = [GROUPS.get(label, UNKNOWN) if is_group else label for label in outputs]
        flat = [event for events in of_level for event in events]
        assert [e.has_ended for e in flat] == [bool(n % 2) for n in range(len(flat))], "one at a time"
        for begin, end in itertools.pairwise(flat):
            if end.has_ended:
                assert (begin.activity, begin.group, begin.start_ns) == (end.activity, end.group, end.start_ns)
            else:
                assert begin.end_ns < end.start_ns
        for number, events in enumerate(of_level):
            for event in events:
                label, before = event.group if is_group else event.activity, named[: number + 1]
                since = before[(event.start_ns + WINDOW_NS // 2) // STEP_NS - 10 :]
                assert since[0] == label
                if event.has_ended:
                    assert label not in named[(event.end_ns + WINDOW_NS // 2) // STEP_NS - 9 : number + 1]
                else:
                    assert since == [label] * begin_after
        going = [e for e in tracker.ongoing() if (not e.activity) == is_group]
        assert len(going) == len(flat) % 2


@given(st.lists(st.tuples(labels, labels), max_size=30))
def test_what_one_body_does_changes_nothing_about_another(outputs: list[tuple[str, str]]) -> None:
    both, alone = EventTracker(GROUPS, 2, 2), EventTracker(GROUPS, 2, 2)
    for number, (anna, ben) in enumerate(outputs):
        t = number * STEP_NS + WINDOW_NS
        heard = both.update(t, [("anna", answer(anna, t)), ("ben", answer(ben, t))], ["anna", "ben"])
        assert [e for e in heard if e.body_id == "anna"] == alone.update(t, [("anna", answer(anna, t))], ["anna"])


def test_a_body_that_leaves_ends_what_it_did_and_begins_anew_when_it_is_back() -> None:
    tracker = EventTracker(GROUPS, 2, 5)
    play(tracker, ["drill", "drill"])
    assert brief(tracker.update(13 * STEP_NS, [], ["anna"])) == [], "there is nothing to decide yet"
    assert brief(tracker.update(14 * STEP_NS, [], ["ben"])) == ["-drill", "-work"]
    assert [brief(e) for e in play(tracker, ["drill", "drill"], first=20)] == [[], ["+work", "+drill"]]


def test_a_jump_back_of_time_ends_everything() -> None:
    tracker = EventTracker(GROUPS, 2, 5)
    play(tracker, ["drill", "drill"])
    assert [brief(e) for e in play(tracker, ["drill", "drill"], first=2)] == [["-drill", "-work"], ["+work", "+drill"]]


@given(st.one_of(st.integers(0, 4 * 10**9), st.integers(0, 10**13)))
def test_what_is_done_after_a_gap_is_another_activity(gap_ns: int) -> None:
    """As of a computer that slept for an hour, or a clock that was set forward."""
    tracker = EventTracker(GROUPS, 1, 5)
    stamp_ns = 10 * STEP_NS
    tracker.update(stamp_ns, [("anna", answer("wave", stamp_ns))], ["anna"])
    stamp_ns += gap_ns
    heard = brief(tracker.update(stamp_ns, [("anna", answer("wave", stamp_ns))], ["anna"]))
    assert heard == ([] if gap_ns <= ENDED_S * 1e9 else ["-wave", "-talk", "+talk", "+wave"])


def test_clearing_ends_everything_once() -> None:
    tracker = EventTracker(GROUPS, 1, 5)
    play(tracker, ["wave"])
    assert brief(tracker.clear()) == ["-wave", "-talk"]
    assert not tracker.clear()
    assert not list(tracker.ongoing())


def test_the_confidence_is_that_of_the_newest_decisions() -> None:
    tracker = EventTracker(GROUPS, 2, 5)
    for number, probability in enumerate([0.5, 0.75, 1.0]):
        t = WINDOW_NS + number * STEP_NS
        tracker.update(t, [("anna", answer("wave", t, probability))], ["anna"])
    assert {event.confidence for event in tracker.ongoing()} == {0.875}
