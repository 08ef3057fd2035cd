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

"""Sensors as a process: cameras and IMUs that publish at their rates, whatever becomes of it.

`python -m mumu_ros.benchmarks.sensors OUT NAME:KIND…` waits until each topic has a listener, publishes, and writes the
stamps of all that it published, by name, as JSON to OUT. KIND is rgb (640×480 rgb8, 30 Hz), depth (640×480 16UC1,
30 Hz) or imu (200 Hz).
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions

from mumu_ros.benchmarks.interruption import Interruption
from mumu_ros.conversions import RosTypes, array_to_image, array_to_imu, ns_to_time
from mumu_ros.nodes.subscribers import sensor_qos

__all__ = ["KINDS", "PATIENCE_S", "Kind", "sensor_message", "split_streams", "topic_of"]

LEAD_S = 1.0
"""From the discovery of the last listener to the first message: the listener must find the sensor, too."""
LINGER_S = 0.5
"""From the last message to the end: a process that ends takes its shared memory with it."""
PATIENCE_S = 120.0
"""As long as the benchmarks wait for what listens."""
_VARIANTS = 4
"""A sensor sends so many different messages in turn: one that repeats a single message counts as stuck."""


@dataclass(frozen=True)
class Kind:
    """A kind of sensor: the type of its messages, their rate, and how long after the others' its first one comes."""

    type_name: str
    rate_hz: float
    offset_s: float = 0.0
    depth: int = 10
    """Messages that a listener's queue keeps."""


KINDS = {
    "rgb": Kind("sensor_msgs/msg/Image", 30.0),
    "depth": Kind("sensor_msgs/msg/Image", 30.0, 0.011),
    "imu": Kind("sensor_msgs/msg/Imu", 200.0, depth=200),
}


def split_streams(texts: list[str]) -> dict[str, str]:
    """NAME:KIND texts as a dictionary."""
    return dict(text.split(":", 1) for text in texts)


def topic_of(name: str) -> str:
    """The topic that a stream is published on."""
    return f"/bench/{name}"


def sensor_message(kind: str, seed: int = 0) -> Any:
    """A message as the sensor would send it; its content is noise."""
    rng = np.random.default_rng(seed)
    types = RosTypes()
    if kind == "imu":
        return array_to_imu(rng.normal(0.0, 3.0, (2, 3)), 0, "imu", types)
    if kind == "rgb":
        return array_to_image(rng.integers(0, 256, (480, 640, 3), np.uint8), 0, "camera", types)
    return array_to_image(rng.integers(500, 5000, (480, 640), np.uint16), 0, "camera", types)


def main() -> None:
    """Publish until the time is over or a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("streams", nargs="+")
    parser.add_argument("--seconds", type=float, default=math.inf)
    arguments = parser.parse_args()
    streams = split_streams(arguments.streams)
    interruption = Interruption()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("bench_sensors")
    publishers = {
        name: node.create_publisher(type(sensor_message(kind)), topic_of(name), sensor_qos("best_effort", 10))
        for name, kind in streams.items()
    }
    deadline = time.monotonic() + PATIENCE_S
    while not all(p.get_subscription_count() for p in publishers.values()):
        if time.monotonic() > deadline or interruption.wait(0.01):
            raise SystemExit("nobody listens")
    interruption.wait(LEAD_S)
    sent = _publish(streams, publishers, arguments.seconds, interruption)
    time.sleep(LINGER_S)
    arguments.out.write_text(json.dumps(sent))
    node.destroy_node()
    rclpy.shutdown()


def _publish(
    streams: dict[str, str], publishers: dict[str, Any], seconds: float, interruption: Interruption
) -> dict[str, list[int]]:
    types = RosTypes()
    messages = {
        name: itertools.cycle([sensor_message(kind, seed) for seed in range(_VARIANTS)])
        for name, kind in streams.items()
    }
    sent: dict[str, list[int]] = {name: [] for name in streams}
    start = time.monotonic()
    due = [(KINDS[kind].offset_s, name) for name, kind in streams.items()]
    heapq.heapify(due)
    while due[0][0] < seconds and not interruption.wait(start + due[0][0] - time.monotonic()):
        offset_s, name = due[0]
        stamp_ns = time.time_ns()
        message = next(messages[name])
        message.header.stamp = ns_to_time(stamp_ns, types)
        publishers[name].publish(message)
        sent[name].append(stamp_ns)
        heapq.heapreplace(due, (offset_s + 1 / KINDS[streams[name]].rate_hz, name))
    return sent


if __name__ == "__main__":
    main()
