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

"""The worker thread of a node, so that callbacks only store."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Worker"]

Job = TypeVar("Job")


class Worker(Generic[Job]):
    """Handles jobs one after the other on its own thread; of more than `capacity` waiting ones the oldest are dropped.

    An exception goes to `on_error`, on that thread, and the worker continues.

    Attributes:
        dropped: Number of jobs that were dropped for newer ones.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[Job], None],
        on_error: Callable[[Exception], None],
        capacity: int = 1,
    ) -> None:
        self._handle = handle
        self._on_error = on_error
        self._jobs: deque[Job] = deque()
        self._capacity = self._room = capacity
        self._changed = threading.Condition()
        self._stopping = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Submit a job; never blocks."""
        with self._changed:
            for _ in range(len(self._jobs) + 1 - self._room):
                self._jobs.popleft()
                self.dropped += 1
                self._shrink()
            self._jobs.append(job)
            self._changed.notify()

    def make_room(self, jobs: int) -> None:
        """Let so many jobs wait that come together.

        The room shrinks to `capacity` again: by one for each job behind which none waits, and for each one dropped, so
        that a thread that does not catch up is not late for long.
        """
        with self._changed:
            self._room = max(self._room, len(self._jobs) + jobs)

    def stop(self) -> None:
        """End the thread after the current job; waiting jobs are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _shrink(self) -> None:
        self._room = max(self._room - 1, self._capacity)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
                if self._stopping:
                    return
                job = self._jobs.popleft()
                if not self._jobs:
                    self._shrink()
            try:
                self._handle(job)
            except Exception as error:  # no job may end the worker; the node reports the error
                with contextlib.suppress(Exception):  # reporting fails in a context that has ended
                    self._on_error(error)
