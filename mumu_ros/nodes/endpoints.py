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

"""Finds out why no messages of a topic are used: from the graph of publishers, their stamps and simulated time.

Topics are given as they are subscribed to: `get_publishers_info_by_topic` remaps a name, and would remap a resolved one
once more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from mumu_ros.conversions import time_to_ns
from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.humans_topics import IDS_TYPE, TRACKED
from mumu_ros.streams import NS_PER_S
from mumu_ros.streams.stamps import CONFIRM_NS, JUMP_NS

if TYPE_CHECKING:
    from mumu_ros.nodes.managed import ManagedNode
    from mumu_ros.nodes.subscribers import Subscriber

__all__ = [
    "CLOCK",
    "CLOCK_TYPE",
    "INFO_TYPE",
    "Arrivals",
    "CameraInfoTopic",
    "SimulatedTime",
    "contest",
    "contest_tracked",
    "why_node_silent",
    "why_silent",
]

CLOCK = "/clock"
CLOCK_TYPE = "rosgraph_msgs/msg/Clock"
INFO_TYPE = "sensor_msgs/msg/CameraInfo"
_STOP_OTHERS = "such as a driver started twice, a bag beside a camera or a launch that still runs: stop all but one"
_ONE_TRACKER = "whose name all robots of a network share: stop all but one, or set humans: false in people nodes"
_SILENT_S = JUMP_NS / NS_PER_S
"""Stamps that go on after a longer silence are off the timeline until they have gone on for `CONFIRM_NS`."""
_COMPARED_S = CONFIRM_NS / NS_PER_S + 1.0
"""Time after a silence before stamps count as wrong: that, and two periods of a slow sensor."""
_STILL_S = 0.5
"""Simulated time that has not gone on for so long stands still."""
_OF_PAUSE = (FaultCode.SILENT, FaultCode.UNPUBLISHED)
"""What is wrong with every topic of a simulation that has paused or ended."""
_UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""Name that rcl gives to a node that is not discovered yet, while its publisher is."""


class SimulatedTime:
    """Whether the clock of a node, which shows simulated time with `use_sim_time`, goes on.

    Attributes:
        now_ns: What it showed when it was read last.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._went_on_s = time.monotonic()
        self.now_ns = 0
        self.read()

    def read(self) -> None:
        """Read the clock; to be called once a second or more often."""
        now_ns = self._clock.now().nanoseconds
        if now_ns != self.now_ns:
            self.now_ns, self._went_on_s = now_ns, time.monotonic()

    def problem(self, timeout_s: float = _STILL_S) -> Problem:
        """What is wrong if it has not gone on for so long."""
        if not self.now_ns:
            return FaultCode.WAITING, "simulated time is 0: does /clock come?"
        if time.monotonic() - self._went_on_s > timeout_s:
            text = f"/clock stands still at {self.now_ns / NS_PER_S:.3f} s: is it paused, or has it ended?"
            return FaultCode.WAITING, text
        return FaultCode.NONE, ""


def why_silent(node: ManagedNode, topic: str, type_name: str, reliability: str, has_spoken: bool) -> Problem:
    """Why no messages of a topic arrive, and the remedy.

    If messages arrived before (`has_spoken`), the quality of service is right. While simulated time stands still,
    nothing is wrong with a topic that is silent.
    """
    node.simulated_time.read()
    problem, of_clock = _of_graph(node, topic, type_name, reliability, has_spoken), node.simulated_time.problem()
    return of_clock if of_clock[0] and problem[0] in _OF_PAUSE else problem


def why_node_silent(node: ManagedNode, topic: str, type_name: str, publisher: str, has_spoken: bool) -> Problem:
    """The same for a topic of another node of this package, by its name: it may be inactive, or report why itself."""
    code, text = why_silent(node, topic, type_name, "reliable", has_spoken)
    if code is FaultCode.UNPUBLISHED:
        return code, f"nothing publishes it: does {publisher} run, in this namespace?"
    if code is FaultCode.SILENT:
        who = _names(node.get_publishers_info_by_topic(topic))
        return code if has_spoken else FaultCode.WAITING, (
            f"{who} publishes it, but sends nothing: is it active (ros2 lifecycle get {who})? If so, see its statuses"
        )
    return code, text


def _of_graph(node: Node, topic: str, type_name: str, reliability: str, has_spoken: bool) -> Problem:
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return FaultCode.UNPUBLISHED, "nothing publishes it: check the driver" + (
            "" if has_spoken else " and the topic name"
        )
    who = _names(publishers)
    types = {p.topic_type for p in publishers}
    if type_name not in types:
        return FaultCode.WRONG_TYPE, f"{who} publishes {', '.join(sorted(types))}, but {type_name} is expected"
    if has_spoken:
        return FaultCode.SILENT, f"{who} publishes it, but sends no messages: check the driver and the network"
    if reliability == "reliable" and all(
        p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers
    ):
        return FaultCode.WRONG_QOS, f"{who} publishes it best effort, but reliability is reliable: set best_effort"
    return FaultCode.SILENT, (
        f"{who} publishes it with the right type and QoS: check that the driver sends, the network and, "
        "for images, the DDS profile config/fastdds.xml"
    )


def contest(node: Node, topic: str, type_name: str, problem: Problem, remedy: str = _STOP_OTHERS) -> Problem:
    """A problem of a topic, with the names of its publishers if there are several: their messages are mixed."""
    name = node.resolve_topic_name(topic)
    if node.count_publishers(name) < 2:
        return problem
    publishers = [p for p in node.get_publishers_info_by_topic(topic) if p.topic_type == type_name]
    if len(publishers) < 2:
        return problem
    code, text = problem
    several = f"{len(publishers)} publishers send {name} ({', '.join(sorted(map(_name, publishers)))}), {remedy}"
    return code or FaultCode.CONTESTED, f"{text}; {several}" if text else several


def contest_tracked(node: Node, problem: Problem) -> Problem:
    """The same for the ids of tracked bodies, whose topic is the same in all namespaces."""
    return contest(node, TRACKED, IDS_TYPE, problem, _ONE_TRACKER)


class CameraInfoTopic:
    """The newest CameraInfo of a topic, also one that is latched: sent once, perhaps before the node was there.

    Attributes:
        latest: The newest one; None: none has come.
    """

    def __init__(self, node: ManagedNode, topic: str) -> None:
        self._node = node
        self._topic = topic
        self.latest: CameraInfo | None = None
        self._subscriptions = [self._subscribe(QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))]

    def _subscribe(self, qos: QoSProfile) -> Any:
        return self._node.create_subscription(CameraInfo, self._topic, self._take, qos)

    def _take(self, message: CameraInfo) -> None:
        self.latest = message

    def close(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def refresh(self) -> None:
        """Subscribe to a latched publisher once there is one; another would warn that it cannot serve this."""
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        is_latched = any(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers)
        if is_latched and len(self._subscriptions) == 1:
            latched = DurabilityPolicy.TRANSIENT_LOCAL
            qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=latched)
            self._subscriptions.append(self._subscribe(qos))

    def why_missing(self) -> str:
        """Why none has come, in a sentence."""
        _, reason = why_silent(self._node, self._topic, INFO_TYPE, "best_effort", False)
        return f"no CameraInfo on {self._node.resolve_topic_name(self._topic)} yet; {reason}"


class Arrivals:
    """What arrives on a topic, whatever its stamps are: with some, none of the messages is used."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._stamps_ns = (0, 0)  # of the last two messages
        self._came_s = self._resumed_s = -math.inf
        subscriber.registerCallback(self._note)

    def _note(self, message: Any) -> None:
        self._stamps_ns = self._stamps_ns[1], time_to_ns(message.header.stamp)
        now_s = time.monotonic()
        if now_s - self._came_s > _SILENT_S:
            self._resumed_s = now_s
        self._came_s = now_s

    def stamps_problem(self, timeout_s: float) -> Problem | None:
        """What is wrong with the stamps of messages that are not used; None: none has come within this time."""
        now_s = time.monotonic()
        if now_s - self._came_s > timeout_s:
            return None
        before_s, last_s = (stamp_ns / NS_PER_S for stamp_ns in self._stamps_ns)
        if last_s <= 0:
            return FaultCode.STAMPS, f"its stamps are {last_s:g} s: the driver does not set them; no message is used"
        if last_s == before_s:
            return FaultCode.STAMPS, f"its stamps stay at {last_s:.3f} s: the driver repeats them; no message is used"
        if now_s - self._resumed_s < _COMPARED_S:
            return FaultCode.WAITING, "it comes again, and its stamps are being compared with those before"
        return FaultCode.CLOCK, (
            f"its stamps are off the timeline of the messages before, or of other topics: the last two are "
            f"{before_s:.3f} and {last_s:.3f} s; no message is used: let the drivers stamp by one clock"
        )


def _names(publishers: Iterable[Any]) -> str:
    return ", ".join(sorted({_name(publisher) for publisher in publishers}))


def _name(publisher: Any) -> str:
    if publisher.node_name == _UNKNOWN:
        return "a node that is not known by name yet"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
