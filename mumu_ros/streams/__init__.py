"""Sensor time: which stamps to accept, which messages belong together, and windows of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mumu_ros.streams.buffers import BufferStatistics, Series, StreamSpec
from mumu_ros.streams.message_filter import SynchronizerFilter
from mumu_ros.streams.queues import StreamStatistics
from mumu_ros.streams.sampler import RateSampler
from mumu_ros.streams.stamps import NS_PER_S, ns_to_seconds, seconds_to_ns, stamp_ns
from mumu_ros.streams.synchronizer import SynchronizedSet, Synchronizer
from mumu_ros.streams.window import Window, WindowAssembler

if TYPE_CHECKING:
    from mumu_ros.streams.approximate_time import ApproximateTimeSynchronizer

__all__ = [
    "NS_PER_S",
    "ApproximateTimeSynchronizer",
    "BufferStatistics",
    "RateSampler",
    "Series",
    "StreamSpec",
    "StreamStatistics",
    "SynchronizedSet",
    "Synchronizer",
    "SynchronizerFilter",
    "Window",
    "WindowAssembler",
    "ns_to_seconds",
    "seconds_to_ns",
    "stamp_ns",
]


def __getattr__(name: str) -> Any:
    """Loads what derives from message_filters when it is asked for: that imports rclpy."""
    if name != "ApproximateTimeSynchronizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mumu_ros.streams.approximate_time import ApproximateTimeSynchronizer

    return ApproximateTimeSynchronizer
