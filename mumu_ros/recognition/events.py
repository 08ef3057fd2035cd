"""From decisions to events: who begins and who ends what, with hysteresis."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision

__all__ = ["ActivityEvent", "EventTracker"]


@dataclass(frozen=True)
class ActivityEvent:
    """Somebody begins or ends an activity, or whatever they do of a group.

    Attributes:
        body_id: Who.
        group: The group.
        activity: The activity; empty where the event is of the group.
        start_ns: Middle of the first window in which it was named.
        end_ns: Middle of the last one so far.
        confidence: Mean probability of the newest decisions that named it, as many as it takes to begin.
        has_ended: Whether it is over.
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
    """Decisions that named a label: the middles of the first and last window, and the newest probabilities."""

    label: str
    start_ns: int
    end_ns: int
    newest: tuple[float, ...] = ()


class EventTracker:
    """Follows each body's activity and group, each with hysteresis.

    Args:
        groups: The group of each activity.
        begin_after: Decisions in a row that must name a label before it begins.
        end_after: Decisions in a row that must not name it before it ends, unless another one begins before.
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
        """Take in what was decided at an instant.

        Args:
            stamp_ns: The instant; one before the last one's ends everything: time has jumped.
            answers: About each body, as a session gives them. No decision names nothing.
            present: Who is there. Everybody else has left.

        Returns:
            What has begun and ended, ends first.
        """
        left = [body for body, _ in self._levels if body not in present or stamp_ns < self._stamp_ns]
        events = [event for body in dict.fromkeys(left) for event in self._forget(body)]
        self._stamp_ns = stamp_ns
        for body, answer in answers:
            for is_group in (True, False):
                level = self._levels.setdefault((body, is_group), _Level(self._begin_after, self._end_after))
                for run, has_ended in level.update(*_named(answer, is_group=is_group)):
                    events.append(self._event(body, run, is_group=is_group, has_ended=has_ended))
        return sorted(events, key=lambda event: not event.has_ended)

    def clear(self) -> list[ActivityEvent]:
        """Forget everybody; what was going on has ended."""
        return [event for body in dict.fromkeys(body for body, _ in self._levels) for event in self._forget(body)]

    def ongoing(self) -> Iterator[ActivityEvent]:
        """What goes on now."""
        for (body, is_group), level in self._levels.items():
            if level.ongoing:
                yield self._event(body, level.ongoing, is_group=is_group)

    def _forget(self, body: str) -> Iterator[ActivityEvent]:
        for is_group in (False, True):
            level = self._levels.pop((body, is_group))
            if level.ongoing:
                yield self._event(body, level.ongoing, is_group=is_group, has_ended=True)

    def _event(self, body: str, run: _Run, *, is_group: bool, has_ended: bool = False) -> ActivityEvent:
        group, activity = (run.label, "") if is_group else (self._groups[run.label], run.label)
        confidence = sum(run.newest) / len(run.newest)
        return ActivityEvent(body, group, activity, run.start_ns, run.end_ns, confidence, has_ended)


class _Level:
    """What one body does, of activities or of groups: one label at most.

    Attributes:
        ongoing: It; None: nothing.
    """

    def __init__(self, begin_after: int, end_after: int) -> None:
        self._begin_after = begin_after
        self._end_after = end_after
        self.ongoing: _Run | None = None
        self._next: _Run | None = None
        self._missed = 0

    def update(self, label: str, probability: float, at_ns: int) -> Iterator[tuple[_Run, bool]]:
        """Take in what one decision names, `UNKNOWN` for nothing; what has ended (True) or begun (False) with it."""
        before = self.ongoing
        self._take(label, probability, at_ns)
        if before and (self.ongoing is None or self.ongoing.label != before.label):
            yield before, True
        if self.ongoing and (before is None or self.ongoing.label != before.label):
            yield self.ongoing, False

    def _take(self, label: str, probability: float, at_ns: int) -> None:
        if self.ongoing and label == self.ongoing.label:
            self.ongoing = self._extended(self.ongoing, probability, at_ns)
            self._next, self._missed = None, 0
            return
        self._missed += 1
        if label == UNKNOWN:
            self._next = None
        else:
            run = self._next if self._next and self._next.label == label else _Run(label, at_ns, at_ns)
            self._next = self._extended(run, probability, at_ns)
        if self._next and len(self._next.newest) == self._begin_after:
            self.ongoing, self._next, self._missed = self._next, None, 0
        elif self._missed >= self._end_after:
            self.ongoing = None

    def _extended(self, run: _Run, probability: float, at_ns: int) -> _Run:
        return replace(run, end_ns=at_ns, newest=(*run.newest, probability)[-self._begin_after :])


def _named(answer: Decision | NoDecision, *, is_group: bool) -> tuple[str, float, int]:
    """The label that an answer names, its probability, and the middle of the window."""
    if isinstance(answer, NoDecision):
        return UNKNOWN, 0.0, answer.stamp_ns
    label, probabilities = (
        (answer.group, answer.group_probabilities) if is_group else (answer.activity, answer.activity_probabilities)
    )
    return label, float(probabilities.max()), (answer.start_ns + answer.stamp_ns) // 2
