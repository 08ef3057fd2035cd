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

"""Stamps are integer nanoseconds; this module decides which of them to accept.

The rule, in one place for the synchroniser and the window assembler:

* A stamp of zero or less, or beyond a signed 64-bit integer, is rejected.
* A stamp is *on the timeline* when it is at most `JUMP_NS` behind its own stream's newest stamp and at most
  `JUMP_NS` ahead of the newest stamp of all streams. A stream's first stamp may lag the others by any amount.
* A stamp off the timeline is held back. It is invalid as soon as its own stream continues where it was. It is a
  jump when its stream went on from there for `CONFIRM_NS` (in its own stamps), and the streams that moved to the
  same place outnumber those that meanwhile went on along the old timeline. When they are as many, those with the
  stream that is declared first are followed: neither the order in which sensors start nor which clock was set decides.
* A confirmed jump loses nothing: what was held back is released in order of arrival. A forward jump (clock set by
  NTP, every sensor paused) continues the epoch. A backward jump (bag loop, simulator reset) starts a new one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Generic, TypeVar

__all__ = [
    "CONFIRM_NS",
    "FOREVER_NS",
    "JUMP_NS",
    "NS_PER_S",
    "StampGuard",
    "StreamClock",
    "Verdict",
    "ns_to_seconds",
    "seconds_to_ns",
]

NS_PER_S = 1_000_000_000
FOREVER_NS = 2**63 - 1
"""Later than every stamp: the largest signed 64-bit integer."""
JUMP_NS = NS_PER_S
"""How far a stamp may be behind its stream, or ahead of all streams, without being a jump."""
CONFIRM_NS = NS_PER_S // 2
"""How long, in its own stamps, a stream must go on from a new place to confirm a jump."""
_RUN_GAP_NS = 10 * NS_PER_S
"""The longest pause between two held messages of one run: lets a stream slower than 1 Hz confirm a jump."""


def seconds_to_ns(seconds: float) -> int:
    """Convert seconds to the nearest whole nanosecond."""
    return round(seconds * NS_PER_S)


def ns_to_seconds(nanoseconds: int) -> float:
    """Convert nanoseconds to seconds."""
    return nanoseconds / NS_PER_S


class Verdict(Enum):
    """What to do with a message."""

    GOOD = auto()
    """Take it: it is on the timeline, though it may be out of order."""
    TURNED_AWAY = auto()
    """Drop it: it was rejected or is held back, and is counted in its stream's clock."""
    FORWARD = auto()
    """A jump ahead is confirmed: `release` it and what was held with it."""
    BACKWARD = auto()
    """A jump back is confirmed: clear every buffer, then `release`. The guard's epoch has been raised."""


class StreamClock:
    """One stream's newest accepted stamp (0: none in this timeline) and the counts of rejected ones.

    The caller that accepts a message writes `newest_ns`; the guard reads it.
    """

    __slots__ = ("hold_limit", "late", "newest_ns", "refused", "run")

    def __init__(self, hold_limit: int) -> None:
        self.hold_limit = hold_limit
        self.newest_ns = 0
        self.late = 0
        self.refused = 0
        self.run: _Run | None = None

    @property
    def rejected(self) -> tuple[int, int]:
        """`late` and `refused` without what is held back now, which may yet be taken."""
        run = self.run
        if run is None or run.stood_ns != self.newest_ns:
            return self.late, self.refused
        held = len(run.held)
        return (self.late - held, self.refused) if run.behind else (self.late, self.refused - held)


class _Run:
    """Consecutive messages of one stream, off the timeline but consistent with one another."""

    __slots__ = ("before_ns", "behind", "held", "last_ns", "start_ns", "stood_ns")

    def __init__(self, clock: StreamClock, stamp_ns: int, before_ns: tuple[int, ...]) -> None:
        self.start_ns = self.last_ns = stamp_ns
        self.stood_ns = clock.newest_ns
        self.behind = stamp_ns < clock.newest_ns
        self.before_ns = before_ns
        self.held: deque[tuple[int, int, Any]] = deque(maxlen=clock.hold_limit)  # (arrival number, stamp, message)


ClockT = TypeVar("ClockT", bound=StreamClock)
MessageT = TypeVar("MessageT")


class StampGuard(Generic[ClockT, MessageT]):
    """Distinguishes valid stamps, invalid ones and jumps of time, over all streams (rule: see the module).

    A clock holds back at most its `hold_limit` newest messages.
    """

    def __init__(self, clocks: Sequence[ClockT]) -> None:
        self.epoch = 0
        self._clocks = tuple(clocks)
        self._arrivals = 0
        self._jumped_to_ns = 0
        self._released: list[tuple[ClockT, int, MessageT]] = []

    def judge(self, clock: ClockT, stamp_ns: int, message: MessageT) -> Verdict:
        """Judge one message. A stamp at most `JUMP_NS` after its stream's newest is good without asking."""
        if not 0 < stamp_ns <= FOREVER_NS:
            clock.refused += 1
            return Verdict.TURNED_AWAY
        front_ns = self._front_ns()
        if stamp_ns >= clock.newest_ns - JUMP_NS and (not front_ns or stamp_ns <= front_ns + JUMP_NS):
            return Verdict.GOOD

        run = self._hold(clock, stamp_ns, message)
        if run.last_ns - run.start_ns < CONFIRM_NS:
            return Verdict.TURNED_AWAY
        movers = self._movers(clock, run)
        if not movers:
            clock.run = None
            return Verdict.TURNED_AWAY
        self._released = self._take_held(movers)
        if run.behind:
            self.begin_epoch()
            return Verdict.BACKWARD
        for c in self._clocks:
            c.run = None
        self._jumped_to_ns = run.last_ns
        return Verdict.FORWARD

    def release(self) -> list[tuple[ClockT, int, MessageT]]:
        """Return, once, what the confirmed jump had held back: (clock, stamp, message) in order of arrival."""
        released, self._released = self._released, []
        return released

    def begin_epoch(self) -> None:
        """Start a new epoch: every clock is reset and what is still held stays rejected."""
        self.epoch += 1
        self._jumped_to_ns = 0
        for clock in self._clocks:
            clock.newest_ns = 0
            clock.run = None

    def _front_ns(self) -> int:
        return max(self._jumped_to_ns, max(c.newest_ns for c in self._clocks))

    def _hold(self, clock: ClockT, stamp_ns: int, message: MessageT) -> _Run:
        run = clock.run
        broken = (
            run is None
            or run.stood_ns != clock.newest_ns  # the stream continued where it was: the held messages were invalid
            or not -JUMP_NS <= stamp_ns - run.last_ns <= _RUN_GAP_NS
        )
        if run is None or broken:
            run = clock.run = _Run(clock, stamp_ns, tuple(c.newest_ns for c in self._clocks))
        run.last_ns = max(run.last_ns, stamp_ns)
        self._arrivals += 1
        run.held.append((self._arrivals, stamp_ns, message))
        if run.behind:
            clock.late += 1
        else:
            clock.refused += 1
        return run

    def _movers(self, clock: ClockT, run: _Run) -> list[ClockT]:
        """The streams that moved to where `run` is; none if those that stayed have the majority."""
        front_ns = self._front_ns()
        movers: list[ClockT] = [clock]
        stayed: list[ClockT] = []
        for other, before_ns in zip(self._clocks, run.before_ns, strict=True):
            if other is clock:
                continue
            theirs = other.run
            if theirs is not None and theirs.stood_ns == other.newest_ns:
                if abs(theirs.last_ns - run.last_ns) <= JUMP_NS:
                    movers.append(other)
            elif other.newest_ns > before_ns and other.newest_ns >= front_ns - JUMP_NS:
                stayed.append(other)  # a stream that lags the front has no influence on where the front is
        if len(movers) == len(stayed):
            moved_first = min(map(self._clocks.index, movers)) < min(map(self._clocks.index, stayed))
            return movers if moved_first else []
        return movers if len(movers) > len(stayed) else []

    @staticmethod
    def _take_held(movers: Sequence[ClockT]) -> list[tuple[ClockT, int, MessageT]]:
        held: list[tuple[int, int, ClockT, MessageT]] = []
        for clock in movers:
            run = clock.run
            assert run is not None
            held += [(arrival, stamp_ns, clock, message) for arrival, stamp_ns, message in run.held]
            if run.behind:
                clock.late -= len(run.held)
            else:
                clock.refused -= len(run.held)
        held.sort(key=lambda entry: entry[0])
        return [(clock, stamp_ns, message) for _, stamp_ns, clock, message in held]
