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

"""Simulated people and sensors, live: a first run without hardware."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import RosTypes
from mumu_ros.failures import Fault
from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import SimulatorConfig
from mumu_ros.nodes.parameters import SIMULATOR
from mumu_ros.nodes.playback import LATE_S, Playback
from mumu_ros.nodes.running import main
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.recordings.simulate import simulator_messages
from mumu_ros.recordings.topics import (
    ANNOTATION_TOPIC,
    ANNOTATION_TYPE,
    CAMERA_INFO_TOPICS,
    CAMERA_INFO_TYPE,
    SIMULATOR_TOPICS,
    TRUTH_TOPIC,
    TRUTH_TYPE,
)
from mumu_ros.simulation import Simulator as Simulation
from mumu_ros.streams import NS_PER_S

__all__ = ["Simulator"]

PERFORMANCE_S = 60.0
ROOM_PERFORMANCE_S = 600.0
"""An endless simulation is a chain of performances of this length; in a room people jump at its end."""

LEAD_NS = NS_PER_S
"""Time to draw the person and for subscribers to discover the topics before the performance begins."""


class Simulator(ManagedNode):
    """Publishes the simulator's sensor streams and annotations as they happen."""

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", SIMULATOR, **options)

    def configure(self) -> None:
        """Read the parameters."""
        config = self._config = SimulatorConfig.read(self.values)
        self._published: Counter[str] = Counter()
        self._simulation(0)  # rejects invalid settings now, not at the start
        self._name = f"subject {config.subject}, seed {config.seed}"

    def activate(self) -> None:
        """Begin the performance, now."""
        annotation_qos = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        types = {topic.name: topic.type_name for topic in SIMULATOR_TOPICS.values()}
        types |= dict.fromkeys(CAMERA_INFO_TOPICS.values(), CAMERA_INFO_TYPE)
        if self._config.room:
            types[TRUTH_TOPIC] = TRUTH_TYPE
        # Relative names, so that a namespace moves them.
        self._publishers_by_topic = {
            name: self.create_publisher(message_class(type_name), name.lstrip("/"), 10)
            for name, type_name in types.items()
        }
        self._publishers_by_topic[ANNOTATION_TOPIC] = self.create_publisher(
            message_class(ANNOTATION_TYPE), ANNOTATION_TOPIC.lstrip("/"), annotation_qos
        )
        now_ns = self.get_clock().now().nanoseconds
        events = self._events(now_ns + LEAD_NS)
        self._playback = Playback("simulator", events, now_ns, 1.0, self.finish, self.report_worker_error)

    def deactivate(self) -> None:
        """Stop the performance."""
        self._playback.stop()
        for publisher in self._publishers_by_topic.values():
            self.destroy_publisher(publisher)

    def _simulation(self, number: int, start_ns: int = NS_PER_S) -> Simulation:
        config = self._config
        seconds = config.seconds
        if math.isinf(seconds):
            seconds = ROOM_PERFORMANCE_S if config.room else PERFORMANCE_S
        return Simulation(
            seed=config.seed + number,
            subject=config.subject,
            seconds=seconds,
            start_ns=start_ns,
            faults=_after(config.faults, number * seconds),
            image_size=config.image_size,
            people=config.people,
            room=config.room,
        )

    def _events(self, start_ns: int) -> Iterator[tuple[int, Callable[[], None]]]:
        types = RosTypes()
        number = 0
        while True:
            simulation = self._simulation(number, start_ns)
            for topic, _type_name, stamp_ns, message in simulator_messages(simulation, types):
                yield stamp_ns, partial(self._publish, topic, message)
            number += 1
            start_ns += round(simulation.seconds * NS_PER_S)
            if not math.isinf(self._config.seconds):
                return

    def _publish(self, topic: str, message: Any) -> None:
        publisher = self._publishers_by_topic[topic]
        publisher.publish(message)
        # Messages without a subscriber cannot be lost: `published` counts those that a subscriber should have received.
        self._published[topic] += publisher.get_subscription_count() > 0

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: whether the simulation is on time, and the number of messages of each topic with a subscriber."""
        problem = FaultCode.NONE, self._name
        if (late_s := self._playback.late_s) > LATE_S:
            height, width = self._config.image_size
            text = f"{late_s:.1f} s behind: pictures of {width}×{height} take longer than their period"
            problem = FaultCode.TOO_SLOW, f"{text}; lower width and height, or people"
        yield self.status("person", problem, **dict(self._published))


def _after(faults: Sequence[Fault], begin_s: float) -> list[Fault]:
    """The faults of a performance that begins then; one that lasts already continues."""
    return [
        replace(fault, start_s=max(fault.start_s - begin_s, 0.0), end_s=fault.end_s - begin_s)
        for fault in faults
        if fault.end_s > begin_s
    ]


if __name__ == "__main__":
    main(Simulator)
