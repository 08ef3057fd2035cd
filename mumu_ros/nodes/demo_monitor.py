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

"""Monitors a demo: recognitions compared with annotations, and the accuracy at the end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import header_stamp_ns, time_to_ns
from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment, accuracy
from mumu_ros.failures import Fault
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.managed import BUSY
from mumu_ros.streams import NS_PER_S

__all__ = ["Monitor", "Summary"]

NO_FAULT = "none"


@dataclass(frozen=True)
class Summary:
    """Results of a run.

    Attributes:
        accuracy: Over decisions whose window lies inside one activity and touches no fault.
        accuracy_by_fault: The same while a sensor is unplugged or fails (window inside the fault), by the given target
            and, unless it was unplugged, the kind of fault: `imu_wrist`, `imu_wrist stuck`; `none` is `accuracy`.
        accuracy_all: Over all decisions, including those across a change of activity or a fault; truth at the stamp.
        latency_ms: p50, p99 and max from the stamp of the window's last sample to the message's arrival here.
        recognitions: Messages that arrived.
        messages_lost: Sensor messages that a subscriber missed, by topic.
    """

    accuracy: float | None
    accuracy_by_fault: dict[str, float | None]
    accuracy_all: float | None
    latency_ms: dict[str, float | None]
    recognitions: int
    messages_lost: dict[str, int] = field(default_factory=dict)


class Monitor(Node):
    """Collects recognitions, annotations and diagnostics. Faults count from the first annotation."""

    def __init__(self, faults: Sequence[Fault] = (), **options: Any) -> None:
        super().__init__("monitor", **options)
        self.faults = tuple(faults)
        self.latest: ActivityRecognition | None = None
        self.status: dict[str, dict[str, str]] = {}
        self.messages: dict[str, str] = {}
        self.busy = ""
        self.busy_s = 0.0  # when a node last reported, by the monotonic clock, that it is busy
        self.recognitions: list[Recognition] = []
        self.latencies_s: deque[float] = deque(maxlen=100_000)
        self._segments: list[TruthSegment] = []
        self._groups: dict[str, str] = {}
        self.create_subscription(ActivityRecognition, "activity", self._on_recognition, 100)
        late = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ActivityAnnotation, "annotation", self._on_annotation, late)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)

    @property
    def truth(self) -> Truth:
        """The annotations so far."""
        return Truth(self._segments)

    @property
    def start_ns(self) -> int | None:
        """Start of the first annotated segment."""
        return min((segment.start_ns for segment in self._segments), default=None)

    def group_of(self, activity: str) -> str:
        """The annotated group of an activity."""
        return self._groups.get(activity, "")

    def active_faults(self, stamp_ns: int) -> tuple[Fault, ...]:
        """The faults at an instant."""
        if self.start_ns is None:
            return ()
        seconds = (stamp_ns - self.start_ns) / NS_PER_S
        return tuple(fault for fault in self.faults if fault.start_s <= seconds < fault.end_s)

    def summary(self) -> Summary:
        """The results so far."""
        truth = self.truth
        inside = [r for r in self.recognitions if truth.is_inside(r)]
        whole = [r for r in inside if not self._touches(r, self.faults)]
        by_fault = {NO_FAULT: accuracy(whole, truth)}
        for label in dict.fromkeys(map(_label, self.faults)):
            faults = [fault for fault in self.faults if _label(fault) == label]
            by_fault[label] = accuracy([r for r in inside if self._within(r, faults)], truth)
        latencies = np.array(self.latencies_s or [np.nan]) * 1e3
        quantiles = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return Summary(
            accuracy=by_fault[NO_FAULT],
            accuracy_by_fault=by_fault,
            accuracy_all=accuracy(self.recognitions, truth),
            latency_ms={
                name: round(float(np.quantile(latencies, q)), 1) if self.latencies_s else None
                for name, q in quantiles.items()
            },
            recognitions=len(self.recognitions),
            messages_lost=self._messages_lost(),
        )

    def _touches(self, recognition: Recognition, faults: Sequence[Fault]) -> bool:
        start_s, end_s = self._seconds(recognition)
        return any(start_s < fault.end_s and end_s >= fault.start_s for fault in faults)

    def _within(self, recognition: Recognition, faults: Sequence[Fault]) -> bool:
        start_s, end_s = self._seconds(recognition)
        return any(fault.start_s <= start_s and end_s <= fault.end_s for fault in faults)

    def _seconds(self, recognition: Recognition) -> tuple[float, float]:
        start_ns = self.start_ns or 0
        return (recognition.start_ns - start_ns) / NS_PER_S, (recognition.stamp_ns - start_ns) / NS_PER_S

    def _messages_lost(self) -> dict[str, int]:
        sent = {key: int(n) for key, n in self.status.get("simulator: person", {}).items() if key.startswith("/")}
        got = {
            values["topic"].removeprefix(self.get_namespace().rstrip("/")): int(values["received"])
            for name, values in self.status.items()
            if name.startswith("sensor_sync: ") and "topic" in values
        }
        return {topic: max(0, sent[topic] - got[topic]) for topic in got if topic in sent}

    def _on_recognition(self, message: ActivityRecognition) -> None:
        stamp_ns = header_stamp_ns(message) or 0
        self.latencies_s.append((self.get_clock().now().nanoseconds - stamp_ns) / NS_PER_S)
        self.latest = message
        self.recognitions.append(Recognition(time_to_ns(message.window_start), stamp_ns, message.activity))

    def _on_annotation(self, message: ActivityAnnotation) -> None:
        self._groups[message.activity] = message.group
        self._segments.append(TruthSegment(time_to_ns(message.start), time_to_ns(message.end), message.activity))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(f": {BUSY}"):
                self.busy_s, self.busy = time.monotonic(), f"{status.name.removesuffix(f': {BUSY}')}: {status.message}"
                continue
            self.status[status.name] = {pair.key: pair.value for pair in status.values}
            self.messages[status.name] = status.message


def _label(fault: Fault) -> str:
    return fault.target if fault.is_unplugged else f"{fault.target} {fault.failure}"
