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

"""Publishes timed events: the thread of the simulator and the player."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["LATE_S", "Playback"]

LATE_S = 1.0
"""Delay from which the computer is too slow to simulate or to play at the speed that is wanted."""


class Playback:
    """Fires timed events one by one when they are due.

    Args:
        name: Of the thread.
        events: (stamp in nanoseconds, action), in time order; the next is prepared in advance. A stamp
            before the previous one restarts the timeline there (a bag that loops).
        now_ns: The current stamp; None: that of the first event, once it is ready.
        rate: Speed: 2 fires twice as fast as the stamps.
        on_end: Called on the thread after the last event.
        on_error: Called there if the events raise; no further events are fired.

    Attributes:
        late_s: Time from when the last event was due to when it was ready, in seconds.
    """

    def __init__(
        self,
        name: str,
        events: Iterator[tuple[int, Callable[[], None]]],
        now_ns: int | None,
        rate: float,
        on_end: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._events = events
        self._now_ns = now_ns
        self._started_ns = time.monotonic_ns()
        self._rate = rate
        self._on_end = on_end
        self._on_error = on_error
        self._stopping = threading.Event()
        self.late_s = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread before its next event."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            if self._fire():
                self._on_end()
        except Exception as error:  # reported by the node; a thread has nobody else to tell
            self._on_error(error)

    def _fire(self) -> bool:
        first_ns = last_ns = self._now_ns
        started_ns = self._started_ns
        for stamp_ns, act in self._events:
            if first_ns is None or last_ns is None or stamp_ns < last_ns:
                first_ns, started_ns = stamp_ns, time.monotonic_ns()
            last_ns = stamp_ns
            due_ns = started_ns + (stamp_ns - first_ns) / self._rate
            self.late_s = (time.monotonic_ns() - due_ns) * 1e-9
            if self._stopping.wait(max(0.0, -self.late_s)):
                return False
            act()
        return True
