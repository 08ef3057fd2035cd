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

"""A process that listens to sensors and does nothing else: `python -m mumu_ros.benchmarks.listener OUT NAME:KIND…`.

At a signal it writes, by name, pairs of stamp and arrival in nanoseconds as JSON to OUT.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from mumu_ros.benchmarks.interruption import Interruption
from mumu_ros.benchmarks.sensors import KINDS, split_streams, topic_of
from mumu_ros.conversions import time_to_ns
from mumu_ros.nodes.subscribers import sensor_qos, subscribe

__all__: list[str] = []


def main() -> None:
    """Listen until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("streams", nargs="+")
    arguments = parser.parse_args()
    interruption = Interruption()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("bench_listener")
    arrivals: dict[str, list[tuple[int, int]]] = {}

    def receive(seen: list[tuple[int, int]], message: Any) -> None:
        seen.append((time_to_ns(message.header.stamp), time.time_ns()))

    for name, kind in split_streams(arguments.streams).items():
        qos = sensor_qos("best_effort", KINDS[kind].depth)
        subscriber = subscribe(node, KINDS[kind].type_name, topic_of(name), qos)
        subscriber.registerCallback(partial(receive, arrivals.setdefault(name, [])))
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not interruption.wait():
        executor.spin_once(timeout_sec=0.1)
    arguments.out.write_text(json.dumps(arrivals))
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
