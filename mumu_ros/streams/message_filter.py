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

"""The synchroniser as a message filter."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from mumu_ros.streams.queues import StreamStatistics
from mumu_ros.streams.stamps import NS_PER_S
from mumu_ros.streams.synchronizer import SynchronizedSet, Synchronizer

__all__ = ["SynchronizerFilter", "MessageFilter"]

_logger = logging.getLogger(__name__)


class MessageFilter(Protocol):
    """A source of messages: `message_filters.Subscriber`, another filter, or the like."""

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> object:  # noqa: N802
        """Have `cb(message, *args)` called for each message."""


class SynchronizerFilter:
    """Synchronises stamped messages of several filters, live: constructed and used like `ApproximateTimeSynchronizer`.

    Unlike that it pairs the nearest frames, goes on with None for a stream that is missing, and takes range
    streams, all of whose messages it delivers. A callback that raises is logged and counted, and hinders neither the
    other callbacks nor later messages. Callbacks run outside the lock, one set at a time and in order, also when a
    callback brings in the next message or several threads do.

    Args:
        fs: Filters of the frame streams.
        queue_size: Most messages kept of each.
        slop: Most seconds that a message's stamp may differ from the set's.
        ranges: Filters of the range streams.
        names: Names of all streams in order, for statistics; by default each filter's `topic`, else its number.
        period_s: See Synchronizer, as for the next two.
        deadline_s: Longest wait for the other streams.
        timeout_s: Longest silence of a live stream.
        clock: Monotonic arrival time in nanoseconds.

    Raises:
        ValueError: See Synchronizer, or the number of names differs from that of the filters.
    """

    def __init__(
        self,
        fs: Sequence[MessageFilter],
        queue_size: int,
        slop: float,
        *,
        ranges: Sequence[MessageFilter] = (),
        names: Sequence[str] | None = None,
        period_s: float = 0.0,
        deadline_s: float = 0.1,
        timeout_s: float = 0.5,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        filters = [*fs, *ranges]
        if names is None:
            names = [str(getattr(f, "topic", i)) for i, f in enumerate(filters)]
        if len(names) != len(filters):
            raise ValueError(f"{len(filters)} streams need as many names, not {list(names)}")
        self._synchronizer = Synchronizer(
            names[: len(fs)],
            names[len(fs) :],
            queue_size=queue_size,
            slop_s=slop,
            period_s=period_s,
            deadline_s=deadline_s,
            timeout_s=timeout_s,
        )
        self._first_range = len(fs)
        self._clock = clock
        self._lock = threading.Lock()
        self._outbox: deque[SynchronizedSet] = deque()
        self._delivering = False
        self._closed = False
        self._callbacks: dict[int, tuple[Callable[..., None], Callable[[SynchronizedSet], None]]] = {}
        self._registered = 0
        self._callback_errors = 0
        for f, name in zip(filters, names, strict=True):
            f.registerCallback(self._input(name))

    @property
    def epoch(self) -> int:
        """How often time has jumped back."""
        return self._synchronizer.epoch

    @property
    def reference(self) -> str | None:
        """The stream whose stamps the sets have; None before the first message."""
        return self._synchronizer.reference

    @property
    def callback_errors(self) -> int:
        """How often a callback raised."""
        return self._callback_errors

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:  # noqa: N802
        """Have `cb(*items, *args)` called for each set; return the connection's number.

        An item is a message, or None where the frame is missing; of a range stream, the list of its messages.
        """

        def deliver(found: SynchronizedSet) -> None:
            samples = ([message for _, message in entries] for entries in found.items[self._first_range :])
            cb(*found.items[: self._first_range], *samples, *args)

        return self._register(cb, deliver)

    def registerSetCallback(self, cb: Callable[[SynchronizedSet], None]) -> int:  # noqa: N802
        """Have `cb` called with each SynchronizedSet; return the connection's number."""
        return self._register(cb, cb)

    def poll(self) -> None:
        """Deliver the sets that are due. Call it from a timer, so that silence is noticed."""
        with self._lock:
            if self._closed:
                return
            self._outbox.extend(self._synchronizer.poll(self._clock()))
        self._deliver()

    def limit(self, name: str, queue_size: int) -> None:
        """From now on keep at most so many messages, 1 or more, of a frame stream."""
        with self._lock:
            self._synchronizer.limit(name, queue_size)

    def statistics(self) -> Mapping[str, StreamStatistics]:
        """Counters and state of each stream, by name in declared order."""
        with self._lock:
            return self._synchronizer.statistics(self._clock())

    def close(self) -> None:
        """Ignore all further messages and deliver nothing more."""
        with self._lock:
            self._closed = True
            self._outbox.clear()

    def _input(self, name: str) -> Callable[[Any], None]:
        """The callback for the messages of one stream: TypeError for a message without `header.stamp`."""
        lock, clock, add, outbox = self._lock, self._clock, self._synchronizer.add, self._outbox

        def take(message: Any) -> None:
            try:
                stamp = message.header.stamp
                stamp_ns = stamp.sec * NS_PER_S + stamp.nanosec
            except AttributeError:
                raise TypeError(
                    f"{type(message).__name__} on stream {name!r} has no header.stamp to synchronise by: "
                    "use a stamped message type, or give it to Synchronizer.add with a stamp of your own"
                ) from None
            with lock:
                found = () if self._closed else add(name, stamp_ns, message, clock())
                if not found:
                    return
                outbox.extend(found)
            self._deliver()

        return take

    def _register(self, cb: Callable[..., None], deliver: Callable[[SynchronizedSet], None]) -> int:
        with self._lock:
            connection = self._registered
            self._registered += 1
            self._callbacks = {**self._callbacks, connection: (cb, deliver)}
        return connection

    def _deliver(self) -> None:
        """Empty the outbox, unless a caller further up the stack or in another thread is doing so."""
        with self._lock:
            if self._delivering:
                return
            self._delivering = True
        try:
            while True:
                with self._lock:
                    if not self._outbox:
                        self._delivering = False
                        return
                    found = self._outbox.popleft()
                    callbacks = self._callbacks
                for cb, deliver in callbacks.values():
                    self._call(cb, deliver, found)
        except BaseException:  # KeyboardInterrupt and the like end the program, not the filter
            with self._lock:
                self._delivering = False
            raise

    def _call(
        self, cb: Callable[..., None], deliver: Callable[[SynchronizedSet], None], found: SynchronizedSet
    ) -> None:
        try:
            deliver(found)
        except Exception:
            self._callback_errors += 1
            name = getattr(cb, "__qualname__", repr(cb))
            _logger.exception("callback %s failed on the set of stamp %d ns", name, found.stamp_ns)
