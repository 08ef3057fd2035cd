"""Why nothing arrives on a topic, read from the graph of publishers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

from mumu_ros.pipeline.configuration import StreamConfig

__all__ = ["why_silent"]


def why_silent(node: Node, stream: StreamConfig, has_spoken: bool) -> str:
    """What keeps the messages of a stream away, and the remedy.

    Args:
        node: Subscribes to it.
        stream: Its configuration.
        has_spoken: Whether messages came before: then the quality of service is not to blame.
    """
    publishers = node.get_publishers_info_by_topic(node.resolve_topic_name(stream.topic))
    if not publishers:
        return "nothing publishes it: check the driver" + ("" if has_spoken else " and the topic name")
    who = _names(publishers)
    types = {p.topic_type for p in publishers}
    if stream.type not in types:
        return f"{who} publishes {', '.join(sorted(types))}, and {stream.name}.type is {stream.type}"
    if has_spoken:
        return f"{who} publishes it, and sends nothing: check the driver and the network"
    if stream.reliability == "reliable" and all(
        p.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT for p in publishers
    ):
        return f"{who} publishes it best effort, and {stream.name}.reliability is reliable: set best_effort"
    return (
        f"{who} publishes it, and its type and quality of service fit: check that the driver sends, the network and, "
        "for images, the DDS profile config/fastdds.xml"
    )


def _names(publishers: Iterable[Any]) -> str:
    return ", ".join(sorted({f"{p.node_namespace.rstrip('/')}/{p.node_name}" for p in publishers}))
