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

"""Subscriptions that feed the synchroniser.

Messages are taken as bytes. Their header is read at once; the rest by rosbags, as from a recording, when it is used:
rclpy would build an object of every message, which takes 70 µs for an Imu and 2 ms for a picture.
"""

from __future__ import annotations

import functools
import importlib
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from mumu_ros.conversions import ConversionError
from mumu_ros.install_hints import remedy
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.rclpy_compat import SubscriptionEventCallbacks, UnsupportedEventTypeError
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.framing import Received, is_of_stream
from mumu_ros.pipeline.imu_pair import ImuPair, PairedImu
from mumu_ros.recordings import RecordingError
from mumu_ros.recordings.typestore import InstalledTypes
from mumu_ros.streams import NS_PER_S, seconds_to_ns
from mumu_ros.streams.stamps import JUMP_NS

__all__ = ["ImuPairSubscriber", "Subscriber", "message_class", "sensor_qos", "subscribe", "subscribe_to_stream"]

_LAST_NS = 2**31 * NS_PER_S - 1
_STAMP = {0: struct.Struct(">iII"), 1: struct.Struct("<iII")}
"""Seconds, nanoseconds and length of frame_id, by the byte order that the second byte of a message gives."""
_MOST_WAITING = 1000
"""Messages kept while simulated time stands still."""
_types = InstalledTypes()


def message_class(type_name: str) -> Any:
    """The class of a message type such as "sensor_msgs/msg/Image".

    Raises:
        ImportError: Its package is not installed or has no such message; contains the remedy.
    """
    package, _, name = type_name.partition("/msg/")
    if not (package.isidentifier() and name.isidentifier()):
        raise ImportError(f"{type_name!r} is not a message type; expected one such as sensor_msgs/msg/Image")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        how = remedy("mumu_ros.msg") if package == "mumu_ros" else f"install or build its package {package!r}"
        raise ImportError(f"no message type {type_name!r}: {how}") from error


def sensor_qos(reliability: str, depth: int) -> QoSProfile:
    """Keep-last quality of service of a sensor topic; `reliability` is best_effort or reliable."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def subscribe(node: Node, type_name: str, topic: str, qos: QoSProfile) -> Subscriber:
    """Subscribe for a message filter.

    Raises:
        ImportError: See `message_class`.
    """
    return Subscriber(node.create_subscription, node, type_name, topic, qos)


def subscribe_to_stream(node: ManagedNode, stream: StreamConfig) -> Subscriber | ImuPairSubscriber:
    """Subscribe with the parameters of a stream of sensor_sync; messages of other streams than images are polled.

    Raises:
        ImportError: See `message_class`.
    """
    qos = sensor_qos(stream.reliability, stream.depth)
    create = node.create_subscription if stream.is_image else node.create_polled_subscription
    offset_ns = seconds_to_ns(stream.offset_s)
    is_meant = functools.partial(is_of_stream, stream) if stream.joints else None
    parts = [Subscriber(create, node, stream.type, topic, qos, offset_ns, is_meant) for topic in stream.topics]
    return parts[0] if len(parts) == 1 else ImuPairSubscriber(*parts)


class ImuPairSubscriber:
    """Two subscriptions to halves of an Imu, merged; see `ImuPair`.

    Attributes:
        subscriptions: Both.
    """

    def __init__(self, acceleration: Subscriber, angular_velocity: Subscriber) -> None:
        pair = ImuPair()
        self._parts = (acceleration, angular_velocity)
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.subscriptions = (*acceleration.subscriptions, *angular_velocity.subscriptions)
        acceleration.registerCallback(self._receive, pair.add_acceleration)
        angular_velocity.registerCallback(self._receive, pair.add_angular_velocity)

    @property
    def lost(self) -> int | None:
        """Messages lost by the middleware, of both; None if it cannot tell."""
        counts = [part.lost for part in self._parts if part.lost is not None]
        return sum(counts) if len(counts) == len(self._parts) else None

    @property
    def came_ns(self) -> int:
        """See `Subscriber`."""
        return self._parts[1].came_ns

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        """Register `callback(message, *args)` for each PairedImu."""
        self._callbacks.append((callback, args))

    def take(self) -> None:
        """See `Subscriber`."""
        for part in self._parts:
            part.take()

    def _receive(self, message: Any, add: Callable[[Any], list[PairedImu]]) -> None:
        for paired in add(message):
            for callback, args in self._callbacks:
                callback(paired, *args)


class Subscriber:
    """A subscription with the interface of message filters, in place of `message_filters.Subscriber`.

    Messages are delivered as `Received`, those of a type without header under the node's time at their arrival: only
    a polled subscription knows it, see `_ArrivalTimes`.

    Args:
        create: The node's method that creates the subscription.
        node: Owner.
        type_name: Of the messages.
        topic: Their topic.
        qos: Of the subscription.
        offset_ns: Added to the stamps.
        is_meant: Whether a message is delivered; None: every one is.

    Attributes:
        other: The last message that was not delivered; None: all were.
        sub: The subscription.
        lost: Messages lost by the middleware; None if it cannot tell.
        came_ns: System time at which the message being delivered came to this process.

    Raises:
        ImportError: See `message_class`.
    """

    def __init__(
        self,
        create: Callable[..., Any],
        node: Node,
        type_name: str,
        topic: str,
        qos: QoSProfile,
        offset_ns: int = 0,
        is_meant: Callable[[Any], bool] | None = None,
    ) -> None:
        cls = message_class(type_name)
        self._type_name = type_name
        self._offset_ns = offset_ns
        self._depth = qos.depth
        self._is_meant = is_meant
        self.other: Any = None
        self._has_header = next(iter(cls.get_fields_and_field_types().items()), None) == ("header", "std_msgs/Header")
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._waiting: deque[tuple[bytes, Mapping[str, int]]] = deque(maxlen=_MOST_WAITING)
        self._times = _ArrivalTimes(node.get_clock())
        self.lost: int | None = 0
        self.came_ns = 0
        try:
            self._read = _types.store(type_name).deserialize_cdr
        except RecordingError as error:
            raise ImportError(f"{type_name}: {error}") from error

        @functools.wraps(self._arrive)  # rclpy looks at its signature
        def arrive(*arguments: Any) -> None:
            self._arrive(*(arguments if len(arguments) > 1 else arguments[0]))  # EventsExecutor passes both as one

        create = functools.partial(create, cls, topic, arrive, qos, raw=True)
        try:
            self.sub = create(event_callbacks=SubscriptionEventCallbacks(message_lost=self._lose))
        except UnsupportedEventTypeError:
            self.lost = None
            self.sub = create()

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        """Register `callback(message, *args)` for each message."""
        self._callbacks.append((callback, args))

    @property
    def subscriptions(self) -> tuple[Any, ...]:
        """Entities to destroy at the end."""
        return (self.sub,)

    def take(self) -> None:
        """Deliver the messages that wait in a polled subscription: a full queue at most, however fast they come.

        Without header they wait until the clock has gone on: simulated time stands still between two of its steps.
        """
        with self.sub.handle:
            for _ in range(self._depth):
                taken = self.sub.handle.take_message(self.sub.msg_type, self.sub.raw)
                if taken is None:
                    break
                self._waiting.append(taken)
        if not self._has_header and not self._times.read():
            if not self._times.has_begun:
                self._waiting.clear()
            return
        while self._waiting:
            self._receive(*self._waiting.popleft())

    def _arrive(self, data: bytes, info: Mapping[str, int]) -> None:
        """Called by the executor, which may be late: it passes the time of arrival if two arguments are required."""
        self._receive(data, info)

    def _receive(self, data: bytes, info: Mapping[str, int] | None = None) -> None:
        self.came_ns = (info and info["received_timestamp"]) or time.time_ns()
        try:
            header = self._header(data)
        except (struct.error, IndexError):  # shorter than a header; rmw drops what it cannot read, too
            return
        received = Received(header, functools.partial(self._message, data), len(data))
        if self._is_meant and not self._is_meant(received):
            self.other = received.message
            return
        for callback, args in self._callbacks:
            callback(received, *args)

    def _header(self, data: bytes) -> Header:
        if self._has_header:
            # Four bytes that name the encoding, seconds, nanoseconds, and frame_id with its length and a final 0.
            sec, nanosec, length = _STAMP[data[1] & 1].unpack_from(data, 4)
            frame_id = data[16 : 15 + length].decode(errors="replace")
        else:
            sec, nanosec = divmod(self._times.at(self.came_ns), NS_PER_S)
            frame_id = ""
        if self._offset_ns:
            # Stamps out of range become 0, which is rejected and counted like any other stamp of 0.
            stamp_ns = sec * NS_PER_S + nanosec + self._offset_ns
            sec, nanosec = divmod(stamp_ns if 0 <= stamp_ns <= _LAST_NS else 0, NS_PER_S)
        return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)

    def _message(self, data: bytes) -> Any:
        try:
            return self._read(data, self._type_name)
        except Exception as error:  # what was sent may be anything
            raise ConversionError(f"no {self._type_name} can be read from its bytes: {error!r}") from error

    def _lose(self, info: Any) -> None:
        self.lost = info.total_count


class _ArrivalTimes:
    """The node's time at the arrival of messages, in proportion between two readings of its clock.

    Simulated time comes in steps, and what arrives between two of them is to have stamps that differ.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._from = (-1, -1)  # system time and the node's, in nanoseconds
        self._to = (0, 0)

    @property
    def has_begun(self) -> bool:
        """Whether the node has had a time: simulated time is 0 before the first /clock."""
        return self._to[1] > 0

    def read(self) -> bool:
        """Read the clock; False if it has stood still."""
        system_ns, node_ns = time.time_ns(), self._clock.now().nanoseconds
        step_ns = node_ns - self._to[1]
        if not step_ns:
            return False
        self._from, self._to = self._to, (system_ns, node_ns)
        if self._from[0] >= system_ns or not 0 < step_ns <= JUMP_NS:
            # The first reading, or a clock has jumped: from now backwards at the speed of the system's.
            self._from = (system_ns - NS_PER_S, node_ns - NS_PER_S)
        return True

    def at(self, system_ns: int) -> int:
        """The node's time at a system time near the last reading."""
        (from_ns, node_from_ns), (to_ns, node_to_ns) = self._from, self._to
        return node_from_ns + (system_ns - from_ns) * (node_to_ns - node_from_ns) // (to_ns - from_ns)
