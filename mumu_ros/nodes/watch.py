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

"""`ros2 run mumu_ros watch`, `mumu watch`: the recognitions of a running system, in the terminal."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from mumu_ros.nodes.__main__ import on_signals
from mumu_ros.nodes.declaring import declare, own_arguments
from mumu_ros.nodes.demo_monitor import Monitor, Summary
from mumu_ros.nodes.launch_arguments import node_namespace
from mumu_ros.nodes.parameters import WATCH
from mumu_ros.nodes.screen import Screen

__all__ = ["SETTLE_S", "print_summary", "register"]

SETTLE_S = 2.5
"""Time after the last sample for pending messages and the final counts of every node."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "watch",
        description="Shows the topic `activity` until Ctrl-C, with the ground truth if it is published.",
    )
    parser.add_argument("--namespace", default="", help="of the nodes to watch")
    parser.set_defaults(run=lambda arguments: _watch(namespace=node_namespace(arguments.namespace)))


def print_summary(summary: Summary) -> None:
    """Print the results of a run."""

    def percent(value: float | None) -> str:
        return "no decisions" if value is None else f"{value:6.1%}"

    print("\nAccuracy over decisions whose window lies inside one activity")
    for fault, value in summary.accuracy_by_fault.items():
        text = "all sensors" if fault == "none" else fault if " " in fault else f"without {fault}"
        print(f"  {text:22} {percent(value)}")
    print("Accuracy over all decisions, including changes of activity")
    print(f"  {f'{summary.recognitions} decisions':22} {percent(summary.accuracy_all)}")
    p50, p99 = ("—" if ms is None else f"{ms} ms" for ms in map(summary.latency_ms.get, ("p50", "p99")))
    print(f"Latency from sensor stamp to message   p50 {p50}   p99 {p99}")
    print(f"Sensor messages lost   {sum(summary.messages_lost.values())}", flush=True)


def _watch(**options: Any) -> int:
    """Watch until interrupted or until the end given by the parameter `seconds`."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    on_signals(signal.default_int_handler)
    executor = SingleThreadedExecutor()
    monitor = Monitor(**options)
    executor.add_node(monitor)
    try:
        values = declare(monitor, WATCH)
        monitor.faults = values.read("faults")
        seconds = values.read("seconds") or math.inf
        screen = Screen(monitor, seconds, monitor.get_namespace())
        deadline = math.inf
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
            screen.show()
            if deadline == math.inf and monitor.start_ns is not None:
                deadline = time.monotonic() + seconds + SETTLE_S
    except KeyboardInterrupt:
        pass
    except ValueError as error:
        print(f"watch: {error}", file=sys.stderr)
        return 2
    finally:
        on_signals(signal.SIG_IGN)
        summary = monitor.summary()
        executor.shutdown()
        monitor.destroy_node()
        rclpy.try_shutdown()
    if summary.recognitions:
        print_summary(summary)
    return 0


def main(_arguments: Sequence[str] | None = None) -> int:
    """Entry point of `ros2 run mumu_ros watch`; for its arguments, see `own_arguments`."""
    try:
        own = own_arguments(remove_ros_args(sys.argv)[1:])
    except ValueError as error:
        print(f"watch: {error}", file=sys.stderr)
        return 2
    return _watch(cli_args=own)


if __name__ == "__main__":
    sys.exit(main())
