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

"""Plays a rosbag2 if `ros2 bag play` is not installed."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import takewhile
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.exceptions import InvalidTopicNameException
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.validate_topic_name import validate_topic_name
from rosgraph_msgs.msg import Clock

from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.endpoints import CLOCK, CLOCK_TYPE, contest
from mumu_ros.nodes.humans_topics import BODIES, TRACKED
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import PlayerConfig
from mumu_ros.nodes.parameters import PLAYER, ParameterError
from mumu_ros.nodes.playback import LATE_S, Playback
from mumu_ros.nodes.running import main
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.recordings import Recording, RecordingError, Topic
from mumu_ros.recordings.topics import ANNOTATION_TYPE
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import shorten

__all__ = ["Player"]

OF_RECORDED_NODES = frozenset(
    {
        "diagnostic_msgs/msg/DiagnosticArray",
        "lifecycle_msgs/msg/TransitionEvent",
        "rcl_interfaces/msg/Log",
        "rcl_interfaces/msg/ParameterEvent",
    }
)
"""Types by which nodes report on themselves: those of the recording do not run."""
OUTPUT_TYPES = frozenset(
    f"mumu_ros/msg/{name}" for name in ("ActivityEvent", "ActivityRecognition", "MultimodalFrame", "People")
)
OUTPUT_NAMES = ("/intents", "/overlay", "/overlay/compressed", "/people_markers")
"""Types and ends of names of what the nodes of this package publish, beside REP 155's bodies."""

QOS = QoSProfile(depth=100)
LATCHED_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WAIT_PERIOD_S = 0.05
"""How often `wait_for` is checked."""
PATIENCE_S = 3.0
"""After this long, what is waited for is logged."""
SILENCE_S = 10.0
"""A longer wait for the next message is logged when it begins."""


class Player(ManagedNode):
    """Publishes the messages of a bag at their log times, byte for byte, and /clock.

    Left out are what nodes reported on themselves, and the outputs of those nodes of this package that run now.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("player", PLAYER, **options)
        self._recording: Recording | None = None

    def configure(self) -> None:
        """Open the bag and resolve its message types."""
        config = self._config = PlayerConfig.read(self.values)
        for name in config.wait_for:
            self.require_topic("wait_for", name)
        try:
            self._recording = Recording(config.bag)
        except RecordingError as error:
            raise ParameterError(f"parameter bag: {error}") from error
        if config.start_s >= self._recording.duration_s > 0:
            raise ParameterError(
                f"parameter start_s is {config.start_s:g}, but {config.bag} lasts {self._recording.duration_s:.1f} s"
            )
        self._classes: dict[str, Any] = {}
        self._signs = {topic.name: sign for topic in self._recording.topics.values() if (sign := self._sign(topic))}
        for topic in self._recording.topics.values():
            if topic.type_name in OF_RECORDED_NODES or (topic.name == CLOCK and not self._has_clock):
                continue
            try:
                validate_topic_name(topic.name)
                self._classes[topic.name] = message_class(topic.type_name)
            except (ImportError, InvalidTopicNameException) as error:
                self.get_logger().warning(f"{topic.name} is not played: {error}")
        self._latched = {name for name in self._classes if _is_latched(self._recording.topics[name])}
        for problem in self._recording.problems:
            self.get_logger().warning(problem)
        self._played: Counter[str] = Counter()
        left_out = sorted(set(self._recording.topics) - set(self._classes))
        self.get_logger().info(
            f"{config.bag}: {self._recording.duration_s:.1f} s, topics {', '.join(sorted(self._classes))}"
            + (f"; not played: {', '.join(left_out)}" if left_out else "")
        )

    def cleanup(self) -> None:
        """Close the bag."""
        assert self._recording is not None
        self._recording.close()
        self._recording = None

    def activate(self) -> None:
        """Play from the start."""
        self._publishers_by_topic = {
            name: self.create_publisher(cls, name, LATCHED_QOS if name in self._latched else QOS)
            for name, cls in {**self._classes, CLOCK: Clock}.items()
        }
        self._leaving = threading.Event()
        self._waits_for = ""
        self._playback = Playback("player", self._events(), None, self._config.rate, self.finish, self._fail)

    def deactivate(self) -> None:
        """Stop playing."""
        self._leaving.set()
        self._playback.stop()
        for publisher in self._publishers_by_topic.values():
            self.destroy_publisher(publisher)

    def _fail(self, error: Exception) -> None:
        self.report_worker_error(error)
        self.failed = True
        self.finish()

    def _events(self) -> Iterator[tuple[int, Callable[[], None]]]:
        assert self._recording is not None
        clock_hz, start_s = 0.0 if CLOCK in self._classes else self._config.clock_hz, self._config.start_s
        start_ns = self._recording.start_ns + round(start_s * NS_PER_S)
        self._wait()
        self._give_way()
        while True:
            # What is latched holds at the start, too.
            for topic, _, data in takewhile(lambda row: row[1] < start_ns, self._recording.raw_messages(self._latched)):
                yield start_ns, partial(self._publish, topic, data)
            clock_ns = last_ns = 0
            for topic, stamp_ns, data in self._recording.raw_messages(tuple(self._classes), start_s):
                if not clock_ns or stamp_ns < last_ns:  # the recorder's clock was set back
                    clock_ns = stamp_ns
                self._name_silence(last_ns or stamp_ns, stamp_ns)
                last_ns = stamp_ns
                while clock_hz and clock_ns <= stamp_ns:
                    yield clock_ns, partial(self._publish_clock, clock_ns)
                    clock_ns += round(NS_PER_S / clock_hz)
                yield stamp_ns, partial(self._publish, topic, data)
            if not self._config.loop or not self._played:
                return
            if self._recording.duration_s <= 0:
                self.get_logger().warning("all messages have one log time: they are not played again (loop)")
                return

    def _wait(self) -> None:
        """Wait until all required subscribers exist, or playing is stopped."""
        named_s = time.monotonic() + PATIENCE_S
        while text := self._unheard():
            self._waits_for = text
            if time.monotonic() >= named_s:
                named_s = math.inf
                self.get_logger().info(shorten(text))
            if self._leaving.wait(WAIT_PERIOD_S):
                break
        self._waits_for = ""

    def _unheard(self) -> str:
        """Which required subscribers are missing, in a sentence; empty: none."""
        topics = self._config.wait_for
        absent = [name for name in map(self.resolve_topic_name, topics) if not self.count_subscribers(name)]
        if absent:
            return f"waiting for a subscriber of {', '.join(absent)}: are wait_for and the namespace right?"
        others = [
            publisher
            for name, publisher in self._publishers_by_topic.items()
            if name not in (*topics, CLOCK) and not self._is_live(name)
        ]
        if topics and others and not any(publisher.get_subscription_count() for publisher in others):
            return f"waiting for a subscriber of any topic of {self._config.bag}: are names and the namespace right?"
        return ""

    @property
    def _has_clock(self) -> bool:
        """Whether the bag has a clock, which is played then: the stamps may be of its time, and not of the log's."""
        assert self._recording is not None
        clock = self._recording.topics.get(CLOCK)
        is_clock = clock is not None and clock.type_name == CLOCK_TYPE and clock.count > 0
        return is_clock and CLOCK not in self._recording.undecoded

    def _sign(self, topic: Topic) -> str | None:
        """The topic whose publishers show that the node runs that a topic is of; None: it is of no node of ours."""
        if topic.name.startswith(f"{BODIES}/"):  # each node has bodies of its own
            return "activity" if topic.type_name in OUTPUT_TYPES else TRACKED
        return topic.name if topic.type_name in OUTPUT_TYPES or topic.name.endswith(OUTPUT_NAMES) else None

    def _is_live(self, name: str) -> bool:
        """Whether somebody else publishes what this topic of the bag is."""
        sign = self._signs.get(name)
        infos = self.get_publishers_info_by_topic(sign) if sign else ()
        return any(info.node_name != self.get_name() for info in infos)

    def _give_way(self) -> None:
        """Play no output of a node that runs: what it publishes would be mixed with what one like it did then."""
        live = [name for name in self._signs if name in self._publishers_by_topic and self._is_live(name)]
        for name in live:
            self.destroy_publisher(self._publishers_by_topic.pop(name))
        if live:
            text = f"not played, because nodes that run publish them: {', '.join(live)}"
            self.get_logger().warning(shorten(text))

    def _publish(self, topic: str, data: bytes) -> None:
        if topic in self._publishers_by_topic and self._is_live(topic):
            self._give_way()
        if topic in self._publishers_by_topic:
            self._publishers_by_topic[topic].publish(bytes(data))
            self._played[topic] += 1

    def _name_silence(self, last_ns: int, next_ns: int) -> None:
        """Log what would look like a player that hangs: a pause, or a clock that was set forward while recording."""
        assert self._recording is not None
        wait_s = (next_ns - last_ns) / NS_PER_S / self._config.rate
        if wait_s >= SILENCE_S:
            start_s = (next_ns - self._recording.start_ns) // NS_PER_S
            self.get_logger().warning(
                f"nothing was recorded for {(next_ns - last_ns) / NS_PER_S:.0f} s: the next message is played in "
                f"{wait_s:.0f} s, at rate {self._config.rate:g}; start_s:={start_s}.0 begins there"
            )

    def _publish_clock(self, stamp_ns: int) -> None:
        sec, nanosec = divmod(stamp_ns, NS_PER_S)
        self._publishers_by_topic[CLOCK].publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: what is waited for, or else how late it is and the number of messages played of each topic."""
        assert self._recording is not None
        problems = self._recording.problems
        problem = (FaultCode.DAMAGED if problems else FaultCode.NONE, "; ".join(problems))
        if (late_s := self._playback.late_s) > LATE_S:
            problem = FaultCode.TOO_SLOW, f"{late_s:.1f} s behind rate {self._config.rate:g}; lower it"
        if self._waits_for:
            problem = FaultCode.WAITING, self._waits_for
        yield self.status("bag", contest(self, CLOCK, CLOCK_TYPE, problem), **dict(self._played))


def _is_latched(topic: Topic) -> bool:
    """Whether late subscribers need its messages: annotations and static transforms, whatever they were offered as."""
    return topic.is_latched or topic.type_name == ANNOTATION_TYPE or topic.name.endswith("/tf_static")


if __name__ == "__main__":
    main(Player)
