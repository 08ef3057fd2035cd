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

"""Sets of messages by stamp, where `message_filters` is not installed, and where it is."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mumu_ros.streams.message_filter import MessageFilter
from mumu_ros.streams.stamps import NS_PER_S, seconds_to_ns

__all__ = ["ApproximateTimeSynchronizer"]

_logger = logging.getLogger(__name__)

try:
    from message_filters import SimpleFilter
except ImportError:

    class SimpleFilter:  # type: ignore[no-redef]
        """As that of message_filters."""

        def __init__(self) -> None:
            self.callbacks: dict[int, tuple[Callable[..., None], tuple[Any, ...]]] = {}

        def registerCallback(self, cb: Callable[..., None], *args: Any) -> int:  # noqa: N802
            """Have `cb(*messages, *args)` called for each output; return the connection's number."""
            connection = len(self.callbacks)
            self.callbacks[connection] = (cb, args)
            return connection

        def signalMessage(self, *msg: Any) -> None:  # noqa: N802
            """Give an output to all callbacks."""
            for cb, args in list(self.callbacks.values()):
                cb(*msg, *args)


class ApproximateTimeSynchronizer(SimpleFilter):
    """Complete sets of messages whose stamps differ by at most the slop: stands in for the stock filter of this name.

    It is constructed and used like that of message_filters, and is a SimpleFilter of message_filters where that is
    installed. Stamps may be messages (0, too) or `rclpy.time.Time`. What differs on purpose:

    ==========================  ===========================  =================================
    behaviour                   stock                        this class
    ==========================  ===========================  =================================
    stamps that differ by slop  no set (slop 0: never one)   a set
    a full queue forgets        the smallest stamp: after a  what came first: after a jump
                                jump back no set, for long   back it goes on at once
    a callback that raises      leaves the filter locked     raises in whoever added the
                                for ever                     message; the filter goes on
    a callback that brings in   waits for itself for ever    is served, after its own set
    the next message
    ==========================  ===========================  =================================

    Upstream's `InputAligner` (message_filters 6, C++ only) solves another problem: it has an output for each input, and
    no sets. It delivers every message, those of all inputs in the order of their stamps.

    `SynchronizerFilter` does more: it waits for the nearest frame, goes on without a stream that is silent, and
    delivers every message of range streams.

    Args:
        fs: Filters of the streams.
        queue_size: Most messages kept of each.
        slop: Most seconds between the stamps of a set.
        allow_headerless: Take messages without `header.stamp` at the time of their arrival; otherwise they are passed
            over, with a warning.

    Raises:
        ValueError: `queue_size` is below 1, or `slop` is negative.
    """

    def __init__(
        self, fs: Sequence[MessageFilter], queue_size: int, slop: float, allow_headerless: bool = False
    ) -> None:
        super().__init__()
        if queue_size < 1 or not slop >= 0:
            raise ValueError(f"queue_size is {queue_size} and slop {slop}; expected 1 or more, and 0 s or more")
        self.queue_size = queue_size
        self.allow_headerless = allow_headerless
        self._slop_ns = seconds_to_ns(slop)
        # Reentrant: a callback may bring in the next message. Held while callbacks run: sets leave in order.
        self._lock = threading.RLock()
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[MessageFilter]) -> None:  # noqa: N802
        """Take messages from these filters, with empty queues."""
        self.queues: list[dict[int, Any]] = [{} for _ in fs]
        self.input_connections = [f.registerCallback(self.add, self.queues[i], i) for i, f in enumerate(fs)]

    def add(self, msg: Any, my_queue: dict[int, Any], my_queue_index: int | None = None) -> None:
        """Take in a message, and deliver the set that it completes."""
        stamp_ns = self._stamp_ns(msg)
        if stamp_ns is None:
            return
        with self._lock:
            my_queue.pop(stamp_ns, None)
            my_queue[stamp_ns] = msg
            while len(my_queue) > self.queue_size:
                del my_queue[next(iter(my_queue))]
            index = next((i for i, queue in enumerate(self.queues) if queue is my_queue), my_queue_index)
            stamps = next(self._sets(stamp_ns, index), None)
            if stamps and all(stamp in queue for stamp, queue in zip(stamps, self.queues, strict=True)):
                found = [queue.pop(stamp) for stamp, queue in zip(stamps, self.queues, strict=True)]
                self.signalMessage(*found)

    def _sets(self, stamp_ns: int, index: int | None) -> Iterator[tuple[int, ...]]:
        """The stamps of each set that a message is part of; first those that are nearest to its own."""
        candidates = [
            [stamp_ns] if i == index else sorted(queue, key=lambda stamp: abs(stamp - stamp_ns))
            for i, queue in enumerate(self.queues)
        ]
        near = [[s for s in stamps if abs(s - stamp_ns) <= self._slop_ns] for stamps in candidates]
        return (stamps for stamps in itertools.product(*near) if max(stamps) - min(stamps) <= self._slop_ns)

    def _stamp_ns(self, msg: Any) -> int | None:
        stamp = getattr(getattr(msg, "header", None), "stamp", None)
        if stamp is None:
            if self.allow_headerless:
                return time.time_ns()
            _logger.warning("a %s has no header.stamp and is passed over: see allow_headerless", type(msg).__name__)
            return None
        if hasattr(stamp, "nanoseconds"):
            return int(stamp.nanoseconds)
        return int(stamp.sec * NS_PER_S + stamp.nanosec)
