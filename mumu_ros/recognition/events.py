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

"""From decisions to events: beginnings and ends of activities, with hysteresis."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision
from mumu_ros.streams import seconds_to_ns

__all__ = ["ENDED_S", "ActivityEvent", "EventTracker"]

ENDED_S = 2.0
"""Time without decisions after which what was going on has ended, in seconds."""


@dataclass(frozen=True)
class ActivityEvent:
    """Beginning or end of an activity or group of one body.

    Attributes:
        body_id: The body.
        group: The group.
        activity: The activity; empty if the event is of the group.
        start_ns: Middle of the first window with this label.
        end_ns: Middle of the last one so far.
        confidence: Mean confidence of the newest decisions with this label, as many as it takes to begin.
        has_ended: Whether it has ended.
    """

    body_id: str
    group: str
    activity: str
    start_ns: int
    end_ns: int
    confidence: float
    has_ended: bool = False


@dataclass(frozen=True)
class _Run:
    """Decisions with one label: the middles of the first and last window, and the newest confidences."""

    label: str
    start_ns: int
    end_ns: int
    newest: tuple[float, ...] = ()


class EventTracker:
    """Tracks each body's activity and group, each with hysteresis.

    A label begins after `begin_after` consecutive decisions with it, and ends after `end_after` without it, or when
    another one begins.
    """

    def __init__(self, groups: Mapping[str, str], begin_after: int, end_after: int) -> None:
        self._groups = groups
        self._begin_after = begin_after
        self._end_after = end_after
        self._levels: dict[tuple[str, bool], _Level] = {}
        self._stamp_ns = 0

    def update(
        self, stamp_ns: int, answers: Sequence[tuple[str, Decision | NoDecision]], present: Collection[str]
    ) -> list[ActivityEvent]:
        """Take the decisions at an instant.

        A stamp that decreases, or is more than `ENDED_S` after the last one, ends everything: time has jumped, or
        nobody was watched meanwhile. No decision has no label; bodies that are not `present` have left.

        Returns:
            Beginnings and ends, ends first.
        """
        is_continued = 0 <= stamp_ns - self._stamp_ns <= seconds_to_ns(ENDED_S)
        left = [body for body, _ in self._levels if body not in present or not is_continued]
        events = [event for body in dict.fromkeys(left) for event in self._drop(body)]
        self._stamp_ns = stamp_ns
        for body, answer in answers:
            for is_group in (True, False):
                level = self._levels.setdefault((body, is_group), _Level(self._begin_after, self._end_after))
                for run, has_ended in level.update(*_named(answer, is_group=is_group)):
                    events.append(self._event(body, run, is_group=is_group, has_ended=has_ended))
        return sorted(events, key=lambda event: not event.has_ended)

    def clear(self) -> list[ActivityEvent]:
        """Drop everybody; ongoing events end."""
        return [event for body in dict.fromkeys(body for body, _ in self._levels) for event in self._drop(body)]

    def ongoing(self) -> Iterator[ActivityEvent]:
        """The ongoing events."""
        for (body, is_group), level in self._levels.items():
            if level.ongoing:
                yield self._event(body, level.ongoing, is_group=is_group)

    def _drop(self, body: str) -> Iterator[ActivityEvent]:
        for is_group in (False, True):
            level = self._levels.pop((body, is_group))
            if level.ongoing:
                yield self._event(body, level.ongoing, is_group=is_group, has_ended=True)

    def _event(self, body: str, run: _Run, *, is_group: bool, has_ended: bool = False) -> ActivityEvent:
        group, activity = (run.label, "") if is_group else (self._groups[run.label], run.label)
        confidence = sum(run.newest) / len(run.newest)
        return ActivityEvent(body, group, activity, run.start_ns, run.end_ns, confidence, has_ended)


class _Level:
    """Activities or groups of one body: one label at most.

    Attributes:
        ongoing: The current label; None: none.
    """

    def __init__(self, begin_after: int, end_after: int) -> None:
        self._begin_after = begin_after
        self._end_after = end_after
        self.ongoing: _Run | None = None
        self._next: _Run | None = None
        self._missed = 0

    def update(self, label: str, confidence: float, at_ns: int) -> Iterator[tuple[_Run, bool]]:
        """Take the label of one decision, `UNKNOWN` for none; yields what has ended (True) or begun (False)."""
        before = self.ongoing
        self._take(label, confidence, at_ns)
        if before and (self.ongoing is None or self.ongoing.label != before.label):
            yield before, True
        if self.ongoing and (before is None or self.ongoing.label != before.label):
            yield self.ongoing, False

    def _take(self, label: str, confidence: float, at_ns: int) -> None:
        if self.ongoing and label == self.ongoing.label:
            self.ongoing = self._extended(self.ongoing, confidence, at_ns)
            self._next, self._missed = None, 0
            return
        self._missed += 1
        if label == UNKNOWN:
            self._next = None
        else:
            run = self._next if self._next and self._next.label == label else _Run(label, at_ns, at_ns)
            self._next = self._extended(run, confidence, at_ns)
        if self._next and len(self._next.newest) == self._begin_after:
            self.ongoing, self._next, self._missed = self._next, None, 0
        elif self._missed >= self._end_after:
            self.ongoing = None

    def _extended(self, run: _Run, confidence: float, at_ns: int) -> _Run:
        return replace(run, end_ns=at_ns, newest=(*run.newest, confidence)[-self._begin_after :])


def _named(answer: Decision | NoDecision, *, is_group: bool) -> tuple[str, float, int]:
    """The label of an answer, its confidence, and the middle of the window."""
    if isinstance(answer, NoDecision):
        return UNKNOWN, 0.0, answer.stamp_ns
    label, confidence = (
        (answer.group, answer.group_confidence) if is_group else (answer.activity, answer.activity_confidence)
    )
    return label, confidence, (answer.start_ns + answer.stamp_ns) // 2
