"""Sensor time: which stamps to accept, which messages belong together, and windows of samples."""

from mumu_ros.streams.buffers import BufferStatistics, Series, StreamSpec
from mumu_ros.streams.message_filter import ApproximateTimeSynchronizer
from mumu_ros.streams.queues import StreamStatistics
from mumu_ros.streams.sampler import RateSampler
from mumu_ros.streams.stamps import NS_PER_S, ns_to_seconds, seconds_to_ns, stamp_ns
from mumu_ros.streams.synchronizer import SynchronizedSet, Synchronizer
from mumu_ros.streams.window import Window, WindowAssembler

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
    "Window",
    "WindowAssembler",
    "ns_to_seconds",
    "seconds_to_ns",
    "stamp_ns",
]
