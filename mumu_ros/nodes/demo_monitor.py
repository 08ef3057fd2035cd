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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import header_stamp_ns, time_to_ns
from mumu_ros.evaluation.live_accuracy import Recognition, Truth
from mumu_ros.evaluation.truth import from_annotations
from mumu_ros.failures import Fault
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.managed import BUSY, OVER
from mumu_ros.recordings.annotations import of_body
from mumu_ros.streams import NS_PER_S

__all__ = ["NO_FAULT", "STALE_S", "Monitor", "Summary"]

NO_FAULT = "none"
ALL = "all"
"""All decisions, in the tally."""
UNJUDGED = 300
"""Recognitions that wait to be judged: annotations may come later than the recognitions about them."""
ANNOTATIONS = 1000
"""The newest annotations, which are kept."""
STALE_S = 5.0
"""A node that has not reported for this long, of one report a second, has ended or was deactivated."""


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


@dataclass
class _Tally:
    right: int = 0
    judged: int = 0

    def add(self, *, right: bool) -> None:
        self.right += right
        self.judged += 1

    @property
    def share(self) -> float | None:
        return self.right / self.judged if self.judged else None


class Monitor(Node):
    """Collects recognitions, annotations and diagnostics. Faults count from the first annotation.

    Its memory is bounded: recognitions are counted once `UNJUDGED` newer ones have come.

    Attributes:
        recognitions: Those that are not counted yet, each with its body.
        latencies_s: From the stamp to the arrival, of the newest recognitions.
        start_ns: Start of the first annotated segment; None: there is none yet.
    """

    def __init__(self, faults: Sequence[Fault] = (), **options: Any) -> None:
        super().__init__("monitor", **options)
        self.faults = tuple(faults)
        self.latest: ActivityRecognition | None = None
        self.latest_s = 0.0  # when it came, by the monotonic clock
        self.status: dict[str, dict[str, str]] = {}
        self.messages: dict[str, str] = {}
        self.busy = ""
        self.busy_s = 0.0  # when a node last reported, by the monotonic clock, that it is busy
        self.recognitions: deque[tuple[str, Recognition]] = deque()
        self.latencies_s: deque[float] = deque(maxlen=100_000)
        self._received = 0
        self._tallies: dict[str, _Tally] = {}
        self._annotations: deque[ActivityAnnotation] = deque(maxlen=ANNOTATIONS)
        self._truths: dict[str, Truth] = {}
        self.start_ns: int | None = None
        self._reported_s: dict[str, float] = {}  # by the monotonic clock
        self._groups: dict[str, str] = {}
        self.create_subscription(ActivityRecognition, "activity", self._on_recognition, 100)
        late = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(ActivityAnnotation, "annotation", self._on_annotation, late)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)

    def truth(self, body_id: str) -> Truth:
        """What is annotated of a body."""
        if not self._annotations:
            return Truth(())
        if body_id not in self._truths:
            self._truths[body_id] = Truth(from_annotations(of_body(self._annotations, body_id), []))
        return self._truths[body_id]

    def reported(self) -> dict[str, tuple[str, str]]:
        """Fault code, empty if there is none, and text of each status of this package's nodes, by its name.

        Before the name is the namespace if it is another within the monitor's: `rear/people: image`.
        """
        since_s = time.monotonic() - STALE_S
        return {
            name: (values["code"], self.messages[name])
            for name, values in self.status.items()
            if "code" in values and self._reported_s[name] > since_s
        }

    def group_of(self, activity: str) -> str:
        """The annotated group of an activity."""
        return self._groups.get(activity, "")

    def active_faults(self, stamp_ns: int) -> tuple[Fault, ...]:
        """The faults at an instant."""
        if self.start_ns is None:
            return ()
        seconds = (stamp_ns - self.start_ns) / NS_PER_S
        return tuple(fault for fault in self.faults if fault.start_s <= seconds < fault.end_s)

    def accuracy(self) -> dict[str, float | None]:
        """Share of right recognitions so far, as `Summary.accuracy_by_fault`; and of all of them, as `ALL`."""
        tallies = {name: replace(tally) for name, tally in self._tallies.items()}
        for body_id, recognition in self.recognitions:
            self._judge(body_id, recognition, tallies)
        names = dict.fromkeys([NO_FAULT, *map(_label, self.faults), ALL])
        return {name: tallies.get(name, _Tally()).share for name in names}

    def summary(self) -> Summary:
        """The results so far."""
        by_fault = self.accuracy()
        accuracy_all = by_fault.pop(ALL)
        latencies = np.array(self.latencies_s or [np.nan]) * 1e3
        quantiles = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return Summary(
            accuracy=by_fault[NO_FAULT],
            accuracy_by_fault=by_fault,
            accuracy_all=accuracy_all,
            latency_ms={
                name: round(float(np.quantile(latencies, q)), 1) if self.latencies_s else None
                for name, q in quantiles.items()
            },
            recognitions=self._received,
            messages_lost=self._messages_lost(),
        )

    def _judge(self, body_id: str, recognition: Recognition, tallies: dict[str, _Tally]) -> None:
        truth = self.truth(body_id)
        label = truth.label(recognition)
        if label is None:
            return
        names = [ALL]
        if truth.is_inside(recognition):
            names += self._conditions(recognition)
        for name in names:
            tallies.setdefault(name, _Tally()).add(right=recognition.activity == label)

    def _conditions(self, recognition: Recognition) -> Iterator[str]:
        """No fault, if its window touches none; and each fault that its window lies in."""
        start_s, end_s = (
            (stamp_ns - (self.start_ns or 0)) / NS_PER_S for stamp_ns in (recognition.start_ns, recognition.stamp_ns)
        )
        if not any(start_s < fault.end_s and end_s >= fault.start_s for fault in self.faults):
            yield NO_FAULT
        inside = (fault for fault in self.faults if fault.start_s <= start_s and end_s <= fault.end_s)
        yield from dict.fromkeys(map(_label, inside))

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
        self.latest_s = time.monotonic()
        self._received += 1
        recognition = Recognition(time_to_ns(message.window_start), stamp_ns, message.activity)
        self.recognitions.append((message.body_id, recognition))
        if len(self.recognitions) > UNJUDGED:
            self._judge(*self.recognitions.popleft(), self._tallies)

    def _on_annotation(self, message: ActivityAnnotation) -> None:
        self._groups[message.activity] = message.group
        self._annotations.append(message)
        self._truths.clear()
        start_ns = time_to_ns(message.start)
        self.start_ns = start_ns if self.start_ns is None else min(self.start_ns, start_ns)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        namespace = self.get_namespace().rstrip("/")
        for status in message.status:
            if namespace and not status.hardware_id.startswith(f"{namespace}/"):
                continue  # /diagnostics is shared by all robots
            name = _below(namespace, status.hardware_id) + status.name
            if name.endswith(f": {BUSY}"):
                if status.message != OVER:
                    self.busy_s, self.busy = time.monotonic(), f"{name.removesuffix(f': {BUSY}')}: {status.message}"
                continue
            self.status[name] = {pair.key: pair.value for pair in status.values}
            self.messages[name] = status.message
            self._reported_s[name] = time.monotonic()


def _below(namespace: str, node: str) -> str:
    """The namespace of a node within this one, with a slash at its end; empty if it is this one.

    Two robots have statuses of the same name, and one must not hide the other.
    """
    if not node.startswith("/"):
        return ""  # of a driver, which names its hardware as it likes
    return node[len(namespace) + 1 : node.rindex("/") + 1]


def _label(fault: Fault) -> str:
    return fault.target if fault.is_unplugged else f"{fault.target} {fault.failure}"
