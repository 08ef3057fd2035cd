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

"""Subscriptions that feed the synchroniser."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from mumu_ros.conversions import RosTypes, ns_to_time, time_to_ns
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.framing import Restamped
from mumu_ros.pipeline.imu_pair import ImuPair, PairedImu
from mumu_ros.streams import seconds_to_ns

__all__ = ["ImuPairSubscriber", "Subscriber", "message_class", "sensor_qos", "subscribe", "subscribe_to_stream"]

_LAST_NS = 2**31 * 10**9 - 1
_TYPES = RosTypes()


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
        raise ImportError(f"no message type {type_name!r}: install or build its package {package!r}") from error


def sensor_qos(reliability: str, depth: int) -> QoSProfile:
    """Keep-last quality of service of a sensor topic; `reliability` is best_effort or reliable."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def subscribe(node: Node, type_name: str, topic: str, qos: QoSProfile, offset_ns: int = 0) -> Subscriber:
    """Subscribe for a message filter; `offset_ns` is added to the stamps.

    Raises:
        ImportError: See `message_class`.
    """
    cls = message_class(type_name)
    if "header" not in cls.get_fields_and_field_types():
        return Subscriber(node, cls, topic, qos, lambda message: _stamped(node, message))
    if offset_ns:
        return Subscriber(node, cls, topic, qos, lambda message: _shifted(message, offset_ns))
    return Subscriber(node, cls, topic, qos, lambda message: message)


def subscribe_to_stream(node: Node, stream: StreamConfig) -> Subscriber | ImuPairSubscriber:
    """Subscribe with the parameters of a stream of sensor_sync.

    Raises:
        ImportError: See `message_class`.
    """
    qos = sensor_qos(stream.reliability, stream.depth)
    parts = [subscribe(node, stream.type, topic, qos, seconds_to_ns(stream.offset_s)) for topic in stream.topics]
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

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        """Register `callback(message, *args)` for each PairedImu."""
        self._callbacks.append((callback, args))

    def _receive(self, message: Any, add: Callable[[Any], list[PairedImu]]) -> None:
        for paired in add(message):
            for callback, args in self._callbacks:
                callback(paired, *args)


class Subscriber:
    """A subscription with the interface of message filters, in place of `message_filters.Subscriber`.

    Messages of a type without header are delivered as `Restamped`, with the node's time at their arrival, and
    so are those of a stream with an offset.

    Attributes:
        sub: The subscription.
        lost: Messages lost by the middleware; None if it cannot tell.
    """

    def __init__(self, node: Node, cls: Any, topic: str, qos: QoSProfile, convert: Callable[[Any], Any]) -> None:
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._convert = convert
        self.lost: int | None = 0
        events = SubscriptionEventCallbacks(message_lost=self._lose)
        try:
            self.sub = node.create_subscription(cls, topic, self._receive, qos, event_callbacks=events)
        except UnsupportedEventTypeError:
            self.lost = None
            self.sub = node.create_subscription(cls, topic, self._receive, qos)

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        """Register `callback(message, *args)` for each message."""
        self._callbacks.append((callback, args))

    @property
    def subscriptions(self) -> tuple[Any, ...]:
        """Entities to destroy at the end."""
        return (self.sub,)

    def _receive(self, message: Any) -> None:
        converted = self._convert(message)
        for callback, args in self._callbacks:
            callback(converted, *args)

    def _lose(self, info: Any) -> None:
        self.lost = info.total_count


def _shifted(message: Any, offset_ns: int) -> Restamped:
    # Stamps out of range become 0, which is rejected and counted like any other stamp of 0.
    stamp_ns = time_to_ns(message.header.stamp) + offset_ns
    stamp = ns_to_time(stamp_ns if 0 <= stamp_ns <= _LAST_NS else 0, _TYPES)
    return Restamped(Header(stamp=stamp, frame_id=message.header.frame_id), message)


def _stamped(node: Node, message: Any) -> Restamped:
    return Restamped(Header(stamp=node.get_clock().now().to_msg()), message)
