"""Subscriptions that feed the synchroniser: message_filters' where it is installed, the same few lines where not."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from mumu_ros.pipeline.framing import Restamped

try:
    from message_filters import Subscriber as StockSubscriber
except ImportError:
    StockSubscriber = None

__all__ = ["message_class", "sensor_qos", "subscribe"]


def message_class(type_name: str) -> Any:
    """The class of a message type such as "sensor_msgs/msg/Image".

    Raises:
        ImportError: Its package is not installed or has no such message; says how to get it.
    """
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ImportError(f"no message type {type_name!r}: install or build its package {package!r}") from error


def sensor_qos(reliability: str, depth: int) -> QoSProfile:
    """Keep-last quality of service of a sensor topic; `reliability` is best_effort or reliable."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def subscribe(node: Node, type_name: str, topic: str, qos: QoSProfile) -> Any:
    """Subscribe for a message filter.

    Returns:
        An object with `registerCallback(callback)` and the subscription itself as `sub`. Messages of a type without
        header reach the callbacks as `Restamped`, with the node's time at
        their arrival.
    """
    cls = message_class(type_name)
    if "header" not in cls.get_fields_and_field_types():
        return _Subscriber(node, cls, topic, qos, lambda message: _stamped(node, message))
    if StockSubscriber is not None:
        return StockSubscriber(node, cls, topic, qos_profile=qos)
    return _Subscriber(node, cls, topic, qos, lambda message: message)


class _Subscriber:
    def __init__(self, node: Node, cls: Any, topic: str, qos: QoSProfile, convert: Callable[[Any], Any]) -> None:
        self._callbacks: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._convert = convert
        self.sub = node.create_subscription(cls, topic, self._receive, qos)

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        self._callbacks.append((callback, args))

    def _receive(self, message: Any) -> None:
        converted = self._convert(message)
        for callback, args in self._callbacks:
            callback(converted, *args)


def _stamped(node: Node, message: Any) -> Restamped:
    return Restamped(Header(stamp=node.get_clock().now().to_msg()), message)
