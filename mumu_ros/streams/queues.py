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

"""The queue of a stream in the synchroniser: short and sorted, with counters."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from mumu_ros.streams.shortest_step import ShortestStep
from mumu_ros.streams.stamps import FOREVER_NS, NS_PER_S, StreamClock

__all__ = ["FrameQueue", "RangeQueue", "StreamQueue", "StreamStatistics"]

_HOLD_FRAMES = 64  # half a second of 90 Hz, with room: how long a jump must last before it is accepted
_FEW = 5  # frames: the shortest of so few periods may yet be one with a frame lost in it
_RATE_SPAN_NS = 2 * NS_PER_S

Entry = tuple[int, Any]
"""A stamp in nanoseconds and the item that bears it."""
_stamp_of = itemgetter(0)


@dataclass(frozen=True, slots=True)
class StreamStatistics:
    """One stream's counters since the start, and its state at the time asked.

    Attributes:
        received: Messages received in total.
        paired: Frames put into sets (a frame near two references counts twice), or range samples delivered.
        late: Frames that came after their set had left and were dropped, range samples that did and went into the
            next set, and messages rejected as too old.
        duplicate: Dropped because the stream had already brought that stamp.
        refused: Rejected: a zero, negative or implausibly distant stamp. What is held back, since it may be after a
            jump of time, counts neither as this nor as late.
        dropped: Lost because the stream's queue was full.
        alive: Whether a message arrived within its timeout.
        age_s: Time since the last message, by the arrival clock; None if there was none.
        rate_hz: Messages a second of stamps, over the last seconds; 0 if unknown.
        shortest_period_ns: Shortest of the last steps between two consecutive stamps; None if unknown.
        mean_skew_ns: Mean distance of the paired frames from their reference; None for range streams.
    """

    received: int
    paired: int
    late: int
    duplicate: int
    refused: int
    dropped: int
    alive: bool
    age_s: float | None
    rate_hz: float
    shortest_period_ns: int | None
    mean_skew_ns: float | None


class StreamQueue(StreamClock):
    """What both kinds of stream share. `order` is the place in the declaration, `alarm_ns` see Synchronizer.add,
    `limit` the most entries kept.
    """

    __slots__ = (
        "accepted", "alarm_ns", "append", "duplicate", "late_kept", "limit", "marks", "name", "order", "paired",
        "queue", "seen_ns", "shortest", "spoke",
    )  # fmt: skip
    is_frames: bool

    def __init__(self, name: str, order: int, hold_limit: int, maxlen: int | None, limit: int) -> None:
        super().__init__(hold_limit)
        self.name = name
        self.limit = limit
        self.order = order
        self.queue: deque[Entry] = deque(maxlen=maxlen)
        self.append = self.queue.append
        self.alarm_ns = 0
        self.shortest = ShortestStep()
        self.seen_ns = FOREVER_NS
        self.spoke = False
        self.accepted = 0
        self.duplicate = 0
        self.paired = 0
        self.late_kept = 0  # late, and counted in `accepted` too
        self.marks = ((0, 0),) * 2  # (newest stamp, accepted): two earlier states, for the rate

    def begin(self, stamp_ns: int) -> None:
        """Note an arrival, and the start of the rate measurement for the first one."""
        self.spoke = True
        if not self.newest_ns:
            self.marks = ((stamp_ns, self.accepted + 1),) * 2

    def mark(self) -> None:
        """Store the state from time to time, from which a recent rate is computed."""
        if self.newest_ns - self.marks[1][0] >= _RATE_SPAN_NS:
            self.marks = (self.marks[1], (self.newest_ns, self.accepted))

    def holds(self, stamp_ns: int) -> bool:
        """Whether the queue has an entry of just this stamp."""
        i = bisect_left(self.queue, stamp_ns, key=_stamp_of)
        return i < len(self.queue) and self.queue[i][0] == stamp_ns

    def sort_in(self, stamp_ns: int, item: object) -> None:
        """Insert an entry that came out of order."""
        if len(self.queue) == self.queue.maxlen:
            self.queue.popleft()
        insort(self.queue, (stamp_ns, item), key=_stamp_of)

    def settled(self, stamp_ns: int, slop_ns: int) -> bool:
        """Whether, though the stream has not reached the stamp, nothing better can come for a set of it."""
        raise NotImplementedError

    def collect(self, stamp_ns: int, slop_ns: int) -> tuple[Any, bool]:
        """What goes into a set of this stamp, and whether that is anything."""
        raise NotImplementedError

    def clear(self) -> None:
        """Drop the epoch."""
        raise NotImplementedError

    def statistics(self, now_ns: int, timeout_ns: int) -> StreamStatistics:
        """The counters and the state at `now_ns`."""
        (from_ns, from_count), _ = self.marks
        span_ns = self.newest_ns - from_ns
        late, refused = self.rejected
        return StreamStatistics(
            received=self.accepted + self.late - self.late_kept + self.duplicate + self.refused,
            paired=self.paired,
            late=late,
            duplicate=self.duplicate,
            refused=refused,
            dropped=self._dropped(),
            alive=self.spoke and now_ns - self.seen_ns <= timeout_ns,
            age_s=(now_ns - self.seen_ns) / NS_PER_S if self.spoke else None,
            rate_hz=(self.accepted - from_count) * NS_PER_S / span_ns if span_ns > 0 and from_ns else 0.0,
            shortest_period_ns=self.shortest.ns if self.shortest.ns < FOREVER_NS else None,
            mean_skew_ns=self._mean_skew_ns(),
        )

    def _dropped(self) -> int:
        raise NotImplementedError

    def _mean_skew_ns(self) -> float | None:
        return None


class FrameQueue(StreamQueue):
    """Frames that a set may still want: the newest at or before the last set, and all after it."""

    __slots__ = ("dropped", "skew_ns")
    is_frames = True

    def __init__(self, name: str, order: int, queue_size: int) -> None:
        super().__init__(name, order, max(queue_size, _HOLD_FRAMES), None, queue_size)
        self.dropped = 0
        self.skew_ns = 0

    def settled(self, stamp_ns: int, slop_ns: int) -> bool:
        """Whether no frame nearer to the stamp can come, given the shortest period seen of late.

        With a tenth off for the jitter not seen yet: without it 1 pair in 10⁴ is not the nearest (10 % jitter).
        """
        ahead_ns = stamp_ns - self.newest_ns
        shortest_ns = self.shortest.ns
        if self.accepted <= _FEW or shortest_ns == FOREVER_NS:
            return False
        shortest_ns -= shortest_ns // 10
        return 2 * ahead_ns <= shortest_ns or shortest_ns - ahead_ns > slop_ns

    def collect(self, stamp_ns: int, slop_ns: int) -> tuple[Any, bool]:
        """The frame nearest to the stamp, the earlier of two as near; drops those that later sets cannot use."""
        queue = self.queue
        while len(queue) > 1 and queue[1][0] <= stamp_ns:
            queue.popleft()
        nearest: Entry | None = None
        distance_ns = slop_ns + 1
        for entry in queue:  # the last one at or before the stamp, and the first after it
            away_ns = abs(entry[0] - stamp_ns)
            if away_ns < distance_ns:
                nearest, distance_ns = entry, away_ns
            elif entry[0] > stamp_ns:
                break
        if nearest is None:
            return None, False
        self.paired += 1
        self.skew_ns += distance_ns
        return nearest[1], True

    def prune(self, stamp_ns: int) -> None:
        """Drop the frames that are not the nearest for any set at or after the stamp."""
        queue = self.queue
        while len(queue) > 1 and queue[1][0] <= stamp_ns:
            queue.popleft()

    def clear(self) -> None:
        """Drop the epoch."""
        self.queue.clear()

    def _dropped(self) -> int:
        return self.dropped

    def _mean_skew_ns(self) -> float | None:
        return self.skew_ns / self.paired if self.paired else None


class RangeQueue(StreamQueue):
    """Samples that no set has delivered yet, and the stamps of the newest delivered, to know duplicates by."""

    __slots__ = ("cleared", "collected_ns", "delivered")
    is_frames = False

    def __init__(self, name: str, order: int, range_size: int) -> None:
        super().__init__(name, order, range_size, range_size, range_size)
        self.delivered: deque[int] = deque(maxlen=range_size)
        self.cleared = 0
        self.collected_ns = 0

    def holds(self, stamp_ns: int) -> bool:
        """Whether this stamp is waiting or was delivered lately."""
        return super().holds(stamp_ns) or stamp_ns in self.delivered

    def settled(self, stamp_ns: int, slop_ns: int) -> bool:  # noqa: ARG002
        """Never: any number of samples may come before the stream has passed the stamp."""
        return False

    def collect(self, stamp_ns: int, slop_ns: int) -> tuple[Any, bool]:  # noqa: ARG002
        """Every sample up to the stamp that was not delivered before, sorted."""
        queue = self.queue
        later: list[Entry] = []
        while queue and queue[-1][0] > stamp_ns:
            later.append(queue.pop())
        samples = tuple(queue)
        queue.clear()
        if later:
            queue.extend(reversed(later))
        late = 0
        while late < len(samples) and samples[late][0] <= self.collected_ns:
            late += 1
        self.late += late
        self.late_kept += late
        self.collected_ns = stamp_ns
        self.delivered.extend(map(_stamp_of, samples))
        self.paired += len(samples)
        return samples, bool(samples)

    def clear(self) -> None:
        """Drop the epoch."""
        self.cleared += len(self.queue)
        self.collected_ns = 0
        self.queue.clear()
        self.delivered.clear()

    def _dropped(self) -> int:
        return self.accepted - self.paired - self.cleared - len(self.queue)
