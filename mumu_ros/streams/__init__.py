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

"""Sensor time: which stamps to accept, which messages belong together, and windows of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mumu_ros.streams.buffers import BufferStatistics, Series, StreamSpec
from mumu_ros.streams.message_filter import SynchronizerFilter
from mumu_ros.streams.queues import StreamStatistics
from mumu_ros.streams.sampler import RateSampler
from mumu_ros.streams.stamps import NS_PER_S, ns_to_seconds, seconds_to_ns
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
]


def __getattr__(name: str) -> Any:
    """Loads what derives from message_filters when it is asked for: that imports rclpy."""
    if name != "ApproximateTimeSynchronizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mumu_ros.streams.approximate_time import ApproximateTimeSynchronizer

    return ApproximateTimeSynchronizer
