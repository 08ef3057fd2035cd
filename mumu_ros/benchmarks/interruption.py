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

"""SIGINT and SIGTERM as something to wait for."""

from __future__ import annotations

import select
import signal
import socket

__all__ = ["Interruption"]


class Interruption:
    """Takes both signals over; rclpy's own handlers would end the context before the results are written.

    Make it on the main thread. Which thread a signal reaches does not matter: libraries such as OpenBLAS start some
    while they are imported, and those can't be told to leave signals alone.
    """

    def __init__(self) -> None:
        self._come = False
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float = 0.0) -> bool:
        """Wait so long, not at all where negative, and say whether a signal has come."""
        if not self._come:
            readable, _, _ = select.select([self._reader], [], [], max(0.0, seconds))
            self._come = bool(readable)
        return self._come
