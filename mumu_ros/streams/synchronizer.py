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

"""Approximate-time synchronisation, without clocks, locks or ROS.

Streams come in two kinds. Of a *frame* stream a set has the frame nearest to the set's stamp, of a *range* stream
(IMU, joint angles) every sample since the set before. The stamps of the sets are those of the reference: the first
stream, in declared order with frame streams first, that is alive. While it is silent, the next one replaces it.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mumu_ros.streams.queues import FrameQueue, RangeQueue, StreamQueue, StreamStatistics
from mumu_ros.streams.sampler import RateSampler
from mumu_ros.streams.stamps import FOREVER_NS, JUMP_NS, NS_PER_S, StampGuard, Verdict, seconds_to_ns

__all__ = ["SynchronizedSet", "Synchronizer"]

_STALL_NS = 2 * NS_PER_S
_STALL_PERIODS = 3
_STALL_MESSAGES = 5
_STALL_MARGIN_NS = NS_PER_S
"""Beyond the longest time between two sets that the parameters allow."""


class SynchronizedSet(NamedTuple):
    """The samples of all streams at one time.

    A tuple, because making a frozen dataclass takes a third of the time that a whole set does.

    Attributes:
        stamp_ns: The reference's stamp. Increases from set to set within an epoch.
        epoch: Rises by one whenever time jumped back.
        items: Per stream in declared order, frame streams first: the frame or None; a tuple of (stamp_ns, sample).
        present: Per stream, whether it has anything in this set.
    """

    stamp_ns: int
    epoch: int
    items: tuple[Any, ...]
    present: tuple[bool, ...]


class Synchronizer:
    """Brings the messages of several streams together by their acquisition stamps.

    A set leaves as soon as no message can improve it: at once when the stamps are equal; otherwise when each live frame
    stream has passed its stamp or cannot have a nearer frame, its shortest period seen being the bound, and each live
    range stream has passed it; at the latest `deadline_s` after its reference came. A stream silent for longer than
    `timeout_s` is not waited for until it sends again. One frame may be the nearest to two
    references. A range sample that comes after its set left goes into the next one. `StampGuard` says which stamps are
    refused and when time jumped; a jump back empties the queues, its messages until then make sets of their own.
    Whatever clocks do: when messages come and no set has left for two seconds, for three periods, or for a second more
    than timeout, deadline and period together, an epoch starts.

    Arrival times (`now_ns`) are of any one monotonic clock and serve deadlines and timeouts only: equal input gives
    equal output.

    Args:
        frames: Names of the frame streams.
        ranges: Names of the range streams.
        queue_size: Most frames kept of a frame stream.
        slop_s: Most that a frame's stamp may differ from the set's.
        period_s: Makes sets of the reference frames nearest to a grid of this period only; 0 for all of them.
        deadline_s: Longest wait of a reference for the others.
        timeout_s: Longest silence of a live stream.
        range_size: Most undelivered samples kept of a range stream.

    Raises:
        ValueError: No streams, two of one name, or a number out of range.
    """

    def __init__(
        self,
        frames: Sequence[str],
        ranges: Sequence[str] = (),
        *,
        queue_size: int = 30,
        slop_s: float = 0.05,
        period_s: float = 0.0,
        deadline_s: float = 0.1,
        timeout_s: float = 0.5,
        range_size: int = 2048,
    ) -> None:
        names = (*frames, *ranges)
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a synchroniser needs one or more streams with names of their own, not {names}")
        for what, size in (("queue_size", queue_size), ("range_size", range_size)):
            if size < 1:
                raise ValueError(f"{what} must be at least 1, not {size}")
        for what, value in (("slop_s", slop_s), ("period_s", period_s), ("deadline_s", deadline_s)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{what} must be zero or a positive number of seconds, not {value}")
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s must be a positive number of seconds, not {timeout_s}")

        self._streams: tuple[StreamQueue, ...] = (
            *(FrameQueue(name, i, queue_size) for i, name in enumerate(frames)),
            *(RangeQueue(name, i, range_size) for i, name in enumerate(ranges, len(frames))),
        )
        self._by_name = {s.name: s for s in self._streams}
        self._slop_ns = seconds_to_ns(slop_s)
        self._deadline_ns = seconds_to_ns(deadline_s)
        self._timeout_ns = seconds_to_ns(timeout_s)
        self._sampler = RateSampler(seconds_to_ns(period_s)) if period_s else None
        self._guard: StampGuard[StreamQueue, tuple[Any, int]] = StampGuard(self._streams)
        self._epoch = 0
        self._pending: deque[tuple[int, int]] = deque()  # sets to be made: (stamp, deadline)
        self._last_ns = 0  # stamp of the last set of this epoch
        self._floor_ns = 0  # a reference must be later than this
        self._lead = len(self._streams)  # order of the reference; past the last stream: none
        self._blocker: StreamQueue | None = None  # the stream that the first pending set waits for
        self._wake_ns = 0  # arrival time from which something may be due
        self._out: list[SynchronizedSet] = []
        # A reference that falls silent is waited for: no set leaves until its timeout has passed.
        longest_ns = self._timeout_ns + self._deadline_ns + seconds_to_ns(period_s)
        self._stall_ns = max(_STALL_NS, seconds_to_ns(_STALL_PERIODS * period_s), longest_ns + _STALL_MARGIN_NS)
        self._heard = 0  # messages since the last set that stood for a decision about time
        self._heard_from_ns = self._heard_last_ns = 0  # arrival of the first and the last of them

    @property
    def epoch(self) -> int:
        """How often time has jumped back."""
        return self._epoch

    @property
    def reference(self) -> str | None:
        """The stream whose stamps the sets have; None before the first message."""
        return self._streams[self._lead].name if self._lead < len(self._streams) else None

    def add(self, stream: str, stamp_ns: int, item: object, now_ns: int) -> Sequence[SynchronizedSet]:
        """Take one message; return the sets that it completes or that are due.

        Args:
            stream: A declared stream's name (KeyError otherwise).
            stamp_ns: Acquisition time.
            item: Anything; handed back in sets.
            now_ns: Arrival time.
        """
        s = self._by_name[stream]
        step_ns = stamp_ns - s.newest_ns
        if not s.newest_ns or not 0 < step_ns <= JUMP_NS:
            return self._add_irregular(s, stamp_ns, item, now_ns)
        # The path of nearly all messages. A stream's alarm is the stamp from which its messages may complete a set.
        s.newest_ns = stamp_ns
        s.seen_ns = now_ns
        s.accepted += 1
        s.shortest.note(step_ns)
        s.append((stamp_ns, item))
        if stamp_ns >= s.alarm_ns or now_ns >= self._wake_ns:
            return self._arrived(s, stamp_ns, now_ns)
        return ()

    def poll(self, now_ns: int) -> Sequence[SynchronizedSet]:
        """Return the sets that are due at this time. Call it from a timer, so that silence is noticed."""
        if now_ns >= self._wake_ns:
            self._flush(now_ns)
            self._elect(now_ns)
            self._flush(now_ns)
        return self._take()

    def limit(self, stream: str, queue_size: int) -> None:
        """From now on keep at most so many frames, 1 or more, of a declared stream (KeyError otherwise)."""
        self._by_name[stream].limit = queue_size

    def statistics(self, now_ns: int) -> Mapping[str, StreamStatistics]:
        """Counters and state of each stream at this time, by name in declared order."""
        for s in self._streams:
            s.mark()
        return {s.name: s.statistics(now_ns, self._timeout_ns) for s in self._streams}

    def _take(self) -> Sequence[SynchronizedSet]:
        if not self._out:
            return ()
        out, self._out = self._out, []
        return out

    def _add_irregular(self, s: StreamQueue, stamp_ns: int, item: object, now_ns: int) -> Sequence[SynchronizedSet]:
        """Take a message that is the first, a duplicate, out of order, after a gap, or has an unacceptable stamp."""
        if stamp_ns == s.newest_ns > 0:
            s.duplicate += 1
            return self.poll(now_ns)
        verdict = self._guard.judge(s, stamp_ns, (item, now_ns))
        if verdict is Verdict.TURNED_AWAY:
            self._recover(now_ns)
            return self.poll(now_ns)
        if verdict is not Verdict.GOOD:
            return self._replay(backward=verdict is Verdict.BACKWARD)
        self._end_pause(now_ns)
        s.seen_ns = now_ns
        s.begin(stamp_ns)
        if stamp_ns > s.newest_ns:
            s.newest_ns = stamp_ns
            s.append((stamp_ns, item))
        elif s.holds(stamp_ns):
            s.duplicate += 1
            return self.poll(now_ns)
        else:
            s.sort_in(stamp_ns, item)
        s.accepted += 1
        return self._arrived(s, stamp_ns, now_ns)

    def _end_pause(self, now_ns: int) -> None:
        """When the first stream resumes after all had paused, give the others their timeout to follow."""
        heard_ns = max(s.seen_ns for s in self._streams)
        if now_ns - heard_ns > self._timeout_ns:
            for s in self._streams:
                if s.seen_ns >= heard_ns - self._timeout_ns:
                    s.seen_ns = now_ns

    def _arrived(self, s: StreamQueue, stamp_ns: int, now_ns: int) -> Sequence[SynchronizedSet]:
        """Draw the consequences of a message just queued."""
        if self._recover(now_ns):
            return ()
        if stamp_ns <= self._last_ns:
            if self._outlived(now_ns):
                return ()
            if s.is_frames:
                self._drop_late(s, stamp_ns)
                return self.poll(now_ns)
        if s.is_frames and len(s.queue) > s.limit:
            self._make_room(s)
        due = now_ns >= self._wake_ns
        if not ((due or s.order < self._lead) and self._elect(now_ns)) and s.order == self._lead:
            self._propose(stamp_ns, now_ns)
        if due or (self._pending and self._blocker in (s, None)):
            self._flush(now_ns)
        if self._out:
            return self._take()
        return ()

    def _outlived(self, now_ns: int) -> bool:
        """Start an epoch if all live streams are far behind the last set.

        The stream with that stamp had a wrong clock, and is silent now.
        """
        living = [s.newest_ns for s in self._streams if now_ns - s.seen_ns <= self._timeout_ns]
        if max(living) >= self._last_ns - JUMP_NS:
            return False
        self._guard.begin_epoch()
        self._clear()
        return True

    def _recover(self, now_ns: int) -> bool:
        """Start an epoch if messages keep arriving without a set for long: their clocks have changed."""
        if not self._heard or now_ns - self._heard_last_ns > self._timeout_ns:
            self._heard = 0
            self._heard_from_ns = now_ns
        self._heard += 1
        self._heard_last_ns = now_ns
        if self._heard < _STALL_MESSAGES or now_ns - self._heard_from_ns < self._stall_ns:
            return False
        self._heard = 0
        self._guard.begin_epoch()
        self._clear()
        return True

    @staticmethod
    def _drop_late(s: StreamQueue, stamp_ns: int) -> None:
        """Take back a frame that came after the set it belonged to."""
        s.queue.remove(next(entry for entry in s.queue if entry[0] == stamp_ns))
        s.late += 1
        s.late_kept += 1

    def _make_room(self, s: StreamQueue) -> None:
        """Bring a frame queue back to its size: what no set can want, then the first pending set, then the oldest."""
        assert isinstance(s, FrameQueue)
        queue, pending = s.queue, self._pending
        reference_ns = self._streams[self._lead].newest_ns if self._lead < len(self._streams) else 0
        s.prune(pending[0][0] if pending else max(self._last_ns, reference_ns))
        if len(queue) > s.limit and s.order == self._lead and pending:
            self._emit(pending.popleft()[0])
        while len(queue) > s.limit:
            s.dropped += queue.popleft()[0] > self._last_ns

    def _elect(self, now_ns: int) -> bool:
        """Update the reference. Returns whether it is another one, whose queued messages are then proposed."""
        for s in self._streams:
            s.seen_ns = min(s.seen_ns, now_ns)  # a stream not heard yet is given its timeout from now
        # Silent means silent while others are active: when all pause, none replaces another.
        heard_ns = max(s.seen_ns for s in self._streams)
        lead = next(s.order for s in self._streams if s.seen_ns >= heard_ns - self._timeout_ns)
        if lead == self._lead:
            return False

        self._lead = lead
        self._blocker = None
        for s in self._streams:
            s.alarm_ns = 0 if s.is_frames or s.order <= lead else FOREVER_NS
        reference = self._streams[lead] if lead < len(self._streams) else None
        stamps = [entry[0] for entry in reference.queue if entry[0] > self._last_ns] if reference else []
        while self._pending and (not stamps or self._pending[0][0] < stamps[0]):
            self._emit(self._pending.popleft()[0])
        self._pending.clear()
        self._floor_ns = self._last_ns
        if self._sampler and self._last_ns:
            self._sampler.follow()
        elif self._sampler:
            self._sampler.reset()  # no set of this epoch has left: the grid may be on another clock
        elif reference and self._last_ns and reference.shortest.ns < FOREVER_NS:
            # Less than half a period after the last set, it is the same moment seen by the other stream.
            self._floor_ns += reference.shortest.ns // 2
        for stamp_ns in stamps:
            self._propose(stamp_ns, now_ns)
        return True

    def _propose(self, stamp_ns: int, now_ns: int) -> None:
        """Note that a set of this reference stamp is to be made, if one is."""
        if stamp_ns <= self._floor_ns or (self._sampler and not self._sampler.accept(stamp_ns)):
            return
        pending = self._pending
        if pending and stamp_ns < pending[-1][0]:
            insort(pending, (stamp_ns, now_ns + self._deadline_ns))
        else:
            pending.append((stamp_ns, now_ns + self._deadline_ns))

    def _flush(self, now_ns: int) -> None:
        """Make the sets that are complete or due, and set the alarms for the next one."""
        pending = self._pending
        before, self._blocker = self._blocker, None
        if before is not None and not before.is_frames:
            before.alarm_ns = FOREVER_NS
        while pending:
            stamp_ns, deadline_ns = pending[0]
            if now_ns < deadline_ns:
                blocker = self._waited_for(stamp_ns, now_ns)
                if blocker is not None:
                    self._blocker = blocker
                    self._wake_ns = min(deadline_ns, blocker.seen_ns + self._timeout_ns + 1)
                    if not blocker.is_frames:
                        blocker.alarm_ns = stamp_ns
                    return
            pending.popleft()
            self._emit(stamp_ns)
        if self._lead < len(self._streams):
            self._wake_ns = self._streams[self._lead].seen_ns + self._timeout_ns + 1
        else:
            self._wake_ns = FOREVER_NS

    def _waited_for(self, stamp_ns: int, now_ns: int) -> StreamQueue | None:
        """The first live stream that may still improve the set of this stamp."""
        for s in self._streams:
            if (
                s.newest_ns < stamp_ns
                and now_ns - s.seen_ns <= self._timeout_ns
                and not s.settled(stamp_ns, self._slop_ns)
            ):
                return s
        return None

    def _emit(self, stamp_ns: int) -> None:
        slop_ns = self._slop_ns
        items, present = [], []
        for s in self._streams:
            item, there = s.collect(stamp_ns, slop_ns)
            items.append(item)
            present.append(there)
        self._out.append(SynchronizedSet(stamp_ns, self._epoch, tuple(items), tuple(present)))
        self._last_ns = self._floor_ns = stamp_ns
        self._heard = 0

    def _replay(self, *, backward: bool) -> Sequence[SynchronizedSet]:
        """After a confirmed jump of time, take again, as of their arrival, the messages that it held back."""
        while self._pending:
            self._emit(self._pending.popleft()[0])
        if backward:
            self._clear()
        out = list(self._take())
        for s, stamp_ns, (item, came_ns) in self._guard.release():
            out += self.add(s.name, stamp_ns, item, came_ns)
        return out

    def _clear(self) -> None:
        """Drop the epoch that has ended."""
        for s in self._streams:
            s.clear()
        self._epoch = self._guard.epoch
        self._pending.clear()
        self._last_ns = self._floor_ns = 0
        self._lead = len(self._streams)
        if self._sampler:
            self._sampler.reset()
