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

"""Node processes that a benchmark starts and watches, in a domain of their own."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from mumu_ros.nodes.demo_monitor import Monitor
from mumu_ros.nodes.processes import Processes, own_domain

__all__ = ["Live", "live"]

_REPORT_TIMEOUT_S = 20.0
"""Nodes report once a second."""
_ARRIVAL_S = 0.5
"""Time for messages that are on their way."""


@dataclass(frozen=True, eq=False)
class Live:
    """The processes and what is heard of them.

    Attributes:
        processes: To start nodes with.
        monitor: Collects recognitions and diagnostics while `wait` spins.
        folder: For what the processes write.
        log: Their output, if they are started with it.
    """

    processes: Processes
    monitor: Monitor
    folder: Path
    _executor: SingleThreadedExecutor

    @property
    def log(self) -> Path:
        """See the class."""
        return self.folder / "log"

    def wait(self, seconds: float, done: Callable[[], bool] | None = None) -> None:
        """Spin so long, or until the condition comes true.

        Raises:
            ChildProcessError: A process failed, or the condition did not come true.
        """
        deadline = time.monotonic() + seconds
        while not (done and done()):
            if failed := {name: code for name, code in self.processes.ended().items() if code}:
                raise ChildProcessError(f"{failed} ended; their output:\n{self.log.read_text()}")
            if time.monotonic() > deadline:
                if done:
                    raise ChildProcessError(f"timed out after {seconds:g} s; their output:\n{self.log.read_text()}")
                return
            self._executor.spin_once(timeout_sec=0.02)

    def stop(self, *names: str) -> None:
        """End processes and discard their messages, also those still on the way.

        Raises:
            ChildProcessError: See `wait`.
        """
        self.processes.stop(*names)
        self.wait(_ARRIVAL_S)
        self.monitor.latencies_s.clear()
        self.monitor.status.clear()

    def report(self, status: str) -> dict[str, str]:
        """The values of the next diagnostics of this name, such as "sensor_sync: imu".

        Raises:
            ChildProcessError: See `wait`.
        """
        last = self.monitor.status.get(status)
        self.wait(_REPORT_TIMEOUT_S, lambda: self.monitor.status.get(status) is not last)
        return self.monitor.status[status]


@contextmanager
def live() -> Iterator[Live]:
    """Processes can be started inside; they end with it."""
    os.environ.update(own_domain())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor, monitor = SingleThreadedExecutor(), Monitor()
    executor.add_node(monitor)
    try:
        with tempfile.TemporaryDirectory(prefix="mumu-bench-") as folder, Processes() as processes:
            yield Live(processes, monitor, Path(folder), executor)
    finally:
        executor.shutdown()
        monitor.destroy_node()
        rclpy.try_shutdown()
