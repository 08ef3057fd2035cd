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

"""Record topics as a rosbag2, where `ros2 bag record` is not installed."""

from __future__ import annotations

import argparse
import math
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.expand_topic_name import expand_topic_name
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.subscription import Subscription
from rclpy.validate_full_topic_name import validate_full_topic_name
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

from mumu_ros.nodes.__main__ import on_first_signal
from mumu_ros.nodes.humans_topics import BODIES, TRACKED
from mumu_ros.nodes.launch_arguments import node_namespace
from mumu_ros.nodes.node_configuration import input_topics
from mumu_ros.nodes.rclpy_compat import SubscriptionEventCallbacks, UnsupportedEventTypeError
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.options import new_folder
from mumu_ros.recordings.raw_writer import RawWriter
from mumu_ros.recordings.typestore import InstalledTypes
from mumu_ros.share import located
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import shorten

__all__ = ["Recorder", "register"]

NODE = "mumu_record"
LOOK_S = 0.2
"""New topics are looked for this often."""
PATIENCE_S = 3.0
"""After this long a topic that was asked for and is not there is named."""
GONE_S = 10.0
"""After this long without a publisher a topic is no longer subscribed to, until one returns: people come and go."""
DRAIN_S = 0.2
"""So long is taken in, at the end, what has arrived."""
DEPTH = 200
"""Messages that a subscription holds: a second of an IMU, several of a camera."""
MAX_WAITING_BYTES = 2**30
"""Of messages that the disk has not taken yet; further ones are lost, and counted."""


def register(commands: Any) -> None:
    """Add `mumu record`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "record",
        description="Record topics as a rosbag2 (MCAP) until Ctrl-C, as `ros2 bag record` does. A topic that appears "
        "later is recorded from then on. Quality of service is that of the publishers.",
    )
    parser.add_argument("out", type=new_folder, metavar="OUT", help="folder of the new recording")
    listed = parser.add_argument("topics", nargs="*", metavar="TOPIC", help="what to record; by default all topics")
    parser.set_defaults(listed=listed)
    parser.add_argument("--params", type=located, metavar="FILE", help="record the topics that a parameter file names")
    parser.add_argument(
        "--namespace", default="", help="of topics without a slash in front, and of FILE's sections; default: theirs"
    )
    parser.add_argument("--max-size", type=_mebibytes, metavar="MIB", help="begin a new file after so many MiB")
    parser.set_defaults(run=_run)


def _mebibytes(text: str) -> int:
    size = float(text) * 2**20
    if not 1 <= size < math.inf:
        raise argparse.ArgumentTypeError(f"{text} MiB; expected more than 0")
    return round(size)


@dataclass
class _Topic:
    """A topic that is recorded; without a subscription while it has had no publisher for long."""

    type_name: str
    qos: QoSProfile
    subscription: Subscription | None
    received: int = 0
    lost: int = 0
    seen_s: float = 0.0  # when it last had a publisher


class Recorder:
    """Subscribes to topics, all but hidden ones if none is wanted by name, as they appear, and writes what comes on a
    thread of its own.

    Attributes:
        overrun: Topics of which messages may have been lost uncounted, and why: as many waited as a subscription holds,
            or it was replaced by one of another quality of service.
        error: Why not everything was written; None: everything was.
    """

    def __init__(
        self, node: Node, writer: RawWriter, wanted: Collection[str] | None, say: Callable[[str], None]
    ) -> None:
        self._node = node
        self._writer = writer
        self._say = say
        self._wanted = None if wanted is None else {node.resolve_topic_name(topic) for topic in wanted}
        self._types = InstalledTypes()
        self._topics: dict[str, _Topic] = {}
        self._refused: set[str] = set()
        self._started = time.monotonic()
        self._has_named_absent = False
        self._jobs: queue.SimpleQueue[tuple[str, int, bytes] | None] = queue.SimpleQueue()
        self._taken_bytes = self._written_bytes = 0
        self._overflow: Counter[str] = Counter()
        self.overrun: dict[str, str] = {}
        self.error: RecordingError | None = None
        self._thread = threading.Thread(target=self._write, name="record", daemon=True)
        self._thread.start()
        # Not on the node's clock, which stands still after it is set back.
        node.create_timer(LOOK_S, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def absent(self) -> list[str]:
        """Topics that were asked for and are not recorded."""
        return sorted((self._wanted or set()) - self._topics.keys())

    def counts(self) -> dict[str, tuple[int, int]]:
        """Messages received and lost, by topic."""
        return {name: (topic.received, topic.lost + self._overflow[name]) for name, topic in self._topics.items()}

    def close(self) -> None:
        """Take and write what waits, and finish the recording.

        Raises:
            RecordingError: Not everything was written.
        """
        for name in self._topics:
            self._end(name)
        self._jobs.put(None)
        self._thread.join()
        try:
            self._writer.close()
        except RecordingError as error:
            self.error = self.error or error
        if self.error:
            raise self.error

    def _look(self) -> None:
        """Subscribe to what is new, and anew where a publisher has come that the subscription does not fit.

        What nobody publishes any more is unsubscribed from: the subscription itself would keep its name in the graph.
        """
        now_s = time.monotonic()
        for name, types in self._node.get_topic_names_and_types():
            if name in self._refused or not self._is_wanted(name):
                continue
            publishers, known = self._node.get_publishers_info_by_topic(name), self._topics.get(name)
            if publishers and known:
                known.seen_s = now_s
                self._adapt(name, known, _fitting_qos(publishers))
            elif publishers:
                self._begin(name, types, _fitting_qos(publishers), publishers)
            elif known and now_s - known.seen_s > GONE_S:
                self._end(name)
        if not self._has_named_absent and now_s - self._started > PATIENCE_S:
            self._has_named_absent = True
            for name in self.absent:
                self._say(f"nobody publishes {name} yet")

    def _is_wanted(self, name: str) -> bool:
        if self._wanted is not None:
            # With the bodies come their skeletons, which people reads: a tracker names them as it goes.
            is_skeleton = name.startswith(f"{BODIES}/") and name.endswith("/skeleton2d")
            return name in self._wanted or (is_skeleton and TRACKED in self._wanted)
        return not any(part.startswith("_") for part in name.split("/"))

    def _begin(self, name: str, types: Sequence[str], qos: QoSProfile, publishers: Sequence[Any]) -> None:
        try:
            if len(types) > 1:
                raise RecordingError(f"it has several types: {', '.join(types)}")
            store = self._types.store(types[0])
            subscription = self._subscribe(name, types[0], qos)
        except (ImportError, RecordingError) as error:
            self._refused.add(name)
            self._say(shorten(f"{name} is not recorded: {error}"))
            return
        self._writer.add_topic(name, types[0], store, list(dict.fromkeys(_offered(p.qos_profile) for p in publishers)))
        self._topics[name] = _Topic(types[0], qos, subscription, seen_s=time.monotonic())
        self._say(f"recording {name} [{types[0]}], {qos.reliability.name.lower()}")

    def _adapt(self, name: str, topic: _Topic, qos: QoSProfile) -> None:
        """Have a topic's subscription fit what is offered."""
        if topic.subscription:
            if (topic.qos.reliability, topic.qos.durability) == (qos.reliability, qos.durability):
                return
            self._end(name)
            self.overrun[name] = "other publishers came or went"  # what is sent until the new one is found
        topic.qos, topic.subscription = qos, self._subscribe(name, topic.type_name, qos)

    def _end(self, name: str) -> None:
        """Take what waits, and unsubscribe."""
        self._take_waiting(name)
        if subscription := self._topics[name].subscription:
            self._node.destroy_subscription(subscription)
            self._topics[name].subscription = None

    def _subscribe(self, name: str, type_name: str, qos: QoSProfile) -> Subscription:
        take, cls = partial(self._take_all, name), message_class(type_name)
        try:
            events = SubscriptionEventCallbacks(message_lost=partial(self._lose, name))
            return self._node.create_subscription(cls, name, take, qos, event_callbacks=events, raw=True)
        except UnsupportedEventTypeError:
            return self._node.create_subscription(cls, name, take, qos, raw=True)

    def _take_all(self, name: str, data: bytes) -> None:
        """One message and all that wait behind it: one at a time is too slow for an IMU on a busy machine."""
        self._take(name, data)
        self._take_waiting(name)

    def _take_waiting(self, name: str) -> None:
        """What publishers have been told has arrived: a busy machine may not have come to it."""
        subscription, count = self._topics[name].subscription, 0
        if subscription is None:
            return
        with subscription.handle:
            while count < DEPTH and (taken := subscription.handle.take_message(subscription.msg_type, True)):
                self._take(name, taken[0])
                count += 1
        if count >= DEPTH - 1:  # the executor may have taken one
            self.overrun[name] = "the machine was too busy"

    def _take(self, name: str, data: bytes) -> None:
        self._topics[name].received += 1
        if self._taken_bytes + len(data) - self._written_bytes > MAX_WAITING_BYTES:
            self._overflow[name] += 1
            return
        self._taken_bytes += len(data)
        self._jobs.put((name, time.time_ns(), data))

    def _lose(self, name: str, info: Any) -> None:
        self._topics[name].lost += info.total_count_change

    def _write(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self.error is None:
                    self._writer.write(*job)
            except Exception as error:  # otherwise the thread would end without a word
                what = f"{type(error).__name__}: {error}"
                self.error = error if isinstance(error, RecordingError) else RecordingError(what)
            self._written_bytes += len(job[2])


def _fitting_qos(publishers: Sequence[Any]) -> QoSProfile:
    """The strongest quality of service that all publishers offer."""
    is_reliable = all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers)
    is_latched = all(p.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in publishers)
    return QoSProfile(
        depth=DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )


def _offered(qos: QoSProfile) -> Qos:
    """A quality of service as a recording has it."""

    def span(duration: Any) -> QosTime:
        return QosTime(*divmod(duration.nanoseconds, NS_PER_S))

    return Qos(
        history=QosHistory(qos.history.value),
        depth=qos.depth,
        reliability=QosReliability(qos.reliability.value),
        durability=QosDurability(qos.durability.value),
        deadline=span(qos.deadline),
        lifespan=span(qos.lifespan),
        liveliness=QosLiveliness(qos.liveliness.value),
        liveliness_lease_duration=span(qos.liveliness_lease_duration),
        avoid_ros_namespace_conventions=qos.avoid_ros_namespace_conventions,
    )


def _run(arguments: argparse.Namespace) -> int:
    namespace = _namespace(arguments)
    wanted = set(arguments.topics)
    if arguments.params:
        wanted |= input_topics(ParameterFile(arguments.params, namespace if arguments.namespace else None))
    for topic in sorted(wanted):
        _check_name(topic, namespace)
    writer = RawWriter(arguments.out, arguments.max_size)
    stop = threading.Event()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    on_first_signal(stop.set)
    # It says nothing itself: its own topics are no part of what is recorded.
    node = rclpy.create_node(NODE, namespace=namespace, enable_rosout=False, start_parameter_services=False)
    try:
        recorder = Recorder(node, writer, wanted or None, partial(print, file=sys.stderr, flush=True))
        _record(node, recorder, stop)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return _summarise(arguments.out, recorder)


def _namespace(arguments: argparse.Namespace) -> str:
    """The namespace that is given, else that of the parameter file's sections, else the root.

    Raises:
        ParameterError: No node can be in it, or the sections are of several.
    """
    if arguments.namespace or not arguments.params:
        return "/" + node_namespace(arguments.namespace).strip("/")
    namespace, *others = ParameterFile(arguments.params).namespaces(["sensor_sync", "people"])
    if others:
        raise ParameterError(
            f"{arguments.params} has sections in {' and '.join([namespace, *others])}: give --namespace {namespace} or "
            "another of them"
        )
    return namespace


def _check_name(topic: str, namespace: str) -> None:
    """Refuse what no topic can be named, before a folder is made."""
    try:
        validate_full_topic_name(expand_topic_name(topic, NODE, namespace))
    except (ValueError, InvalidTopicNameException) as error:
        raise ValueError(
            f"topic {topic!r} cannot be one: expected letters, digits and _ between single slashes, no digit first, "
            "at most 247 characters, such as /imu/wrist"
        ) from error


def _record(node: Node, recorder: Recorder, stop: threading.Event) -> None:
    """Record until `stop` is set.

    Raises:
        RecordingError: Not everything was written.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set() and recorder.error is None:
            executor.spin_once(timeout_sec=0.1)
        end = time.monotonic() + DRAIN_S
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.0)
    except ExternalShutdownException:
        pass
    finally:
        executor.shutdown()
        recorder.close()


def _summarise(out: Path, recorder: Recorder) -> int:
    counts = recorder.counts()
    for name, (received, lost) in sorted(counts.items()):
        more = f", more may be lost: {recorder.overrun[name]}" if name in recorder.overrun else ""
        print(f"{received:8d} {name}{f', {lost} lost' if lost else ''}{more}")
    for name in recorder.absent:
        print(f"nobody published {name}", file=sys.stderr)
    if not any(received for received, _ in counts.values()):
        print("nothing has come: nothing is written", file=sys.stderr)
        return 1
    print(f"{out} is written")
    return 0
