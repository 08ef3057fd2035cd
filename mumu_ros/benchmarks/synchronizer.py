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

"""Cost and quality of pairing messages by stamp.

Traffic: rgb at 30 Hz, depth at 30 Hz 11 ms after it, an IMU at 200 Hz, 10 % jitter, 2 % of the messages missing. Where
the stock `message_filters` can be imported, it gets the same messages in turn with ours. Costs are CPU time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from mumu_ros.benchmarks.rounds import interleave, speedup
from mumu_ros.streams.message_filter import SynchronizerFilter
from mumu_ros.streams.stamps import NS_PER_S
from mumu_ros.streams.synchronizer import SynchronizedSet, Synchronizer

__all__ = ["measure", "register", "table"]

_STREAMS = (("rgb", 30.0, 0.0), ("depth", 30.0, 0.011), ("imu", 200.0, 0.0))  # name, rate in Hz, offset in s
_START_NS = 1_700_000_000 * NS_PER_S
_SLOP_S = 0.05
_QUEUE_SIZE = 10
_SECONDS = 20.0
_CORE, _STOCK = "Synchronizer", "message_filters"
Traffic = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class _Message:
    header: Any


class _Source:
    """A filter to feed by hand."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.send: Callable[[Any], None]

    def registerCallback(self, cb: Callable[..., None], *args: Any) -> None:  # noqa: N802
        self.send = (lambda message: cb(message, *args)) if args else cb


def make_traffic(seconds: float) -> Traffic:
    """The (stream, stamp) of each message, in order of time."""
    rng = random.Random(0)
    messages = []
    for name, rate_hz, offset_s in _STREAMS:
        for k in range(int(seconds * rate_hz)):
            stamp_s = (k + rng.uniform(-0.1, 0.1)) / rate_hz + offset_s
            if rng.random() >= 0.02:
                messages.append((_START_NS + round(stamp_s * NS_PER_S), name))
    return [(name, stamp_ns) for stamp_ns, name in sorted(messages)]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="(default: 15)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        us_per_message and, where message_filters is installed, speedup_over_stock: of `Synchronizer`.
        implementations: for each of "Synchronizer", "SynchronizerFilter" and, where installed,
        "message_filters": the same, sets, percent of the rgb–depth pairs that are not the nearest, sets out of order.
    """
    traffic = make_traffic(_SECONDS)
    messages, filters = _message_filters(traffic)
    depth = [stamp_ns for name, stamp_ns in traffic if name == "depth"]
    rows: dict[str, dict[str, Any]] = {}

    def cost_of(name: str, run: Callable[[], tuple[float, list[tuple[int, int]]]]) -> float:
        cost_s, pairs = run()
        rows[name] = _quality(pairs, depth)
        return cost_s * 1e6 / len(traffic)

    runs = {_CORE: partial(cost_of, _CORE, partial(_run_synchronizer, traffic))}
    for name, cls in filters.items():
        runs[name] = partial(cost_of, name, partial(_run_filter, cls, messages))
    costs = interleave(runs, arguments.rounds)
    for name, row in rows.items():
        row["us_per_message"] = statistics.median(costs[name])
        if _STOCK in costs:
            row["speedup_over_stock"] = speedup(costs[_STOCK], costs[name])
    costs_of_core = {
        key: value for key, value in rows[_CORE].items() if key in ("us_per_message", "speedup_over_stock")
    }
    return {**costs_of_core, "implementations": rows}


def table(result: dict[str, Any]) -> list[list[str]]:
    """One row for each implementation."""
    rows = [["", "µs/message", "speedup", "not nearest", "out of order", "sets"]]
    for name, row in result["implementations"].items():
        ratio = f"{row['speedup_over_stock']:.1f}×" if "speedup_over_stock" in row else "no stock"
        wrong = f"{row['not_nearest_percent']:.1f} %"
        rows.append([name, f"{row['us_per_message']:.2f}", ratio, wrong, str(row["out_of_order"]), str(row["sets"])])
    return rows


def _run_synchronizer(traffic: Traffic) -> tuple[float, list[tuple[int, int]]]:
    synchronizer = Synchronizer(["rgb", "depth"], ["imu"], queue_size=_QUEUE_SIZE, slop_s=_SLOP_S)
    add = synchronizer.add
    sets: list[SynchronizedSet] = []
    begin = time.process_time()
    for name, stamp_ns in traffic:
        found = add(name, stamp_ns, stamp_ns, stamp_ns)
        if found:
            sets.extend(found)
    cost_s = time.process_time() - begin
    return cost_s, [(s.items[0], s.items[1]) for s in sets if all(s.present[:2])]


def _run_filter(cls: Any, messages: Sequence[tuple[str, Any]]) -> tuple[float, list[tuple[int, int]]]:
    sources = {name: _Source(name) for name, _, _ in _STREAMS}
    frames = [sources["rgb"], sources["depth"]]
    if cls is SynchronizerFilter:
        synchronizer = cls(frames, _QUEUE_SIZE, _SLOP_S, ranges=[sources["imu"]])
    else:
        synchronizer = cls([*frames, sources["imu"]], _QUEUE_SIZE, _SLOP_S)
    found: list[tuple[Any, Any]] = []
    synchronizer.registerCallback(lambda rgb, depth, imu: found.append((rgb, depth)))  # noqa: ARG005
    send = {name: source.send for name, source in sources.items()}
    begin = time.process_time()
    for name, message in messages:
        send[name](message)
    cost_s = time.process_time() - begin
    stamps = [
        tuple(m.header.stamp.sec * NS_PER_S + m.header.stamp.nanosec for m in pair) for pair in found if all(pair)
    ]
    return cost_s, [(rgb, depth) for rgb, depth in stamps]


def _message_filters(traffic: Traffic) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """The traffic as messages, and the classes to compare; the stock one insists on real ROS stamps."""
    filters: dict[str, Any] = {"SynchronizerFilter": SynchronizerFilter}
    make_stamp: Callable[..., Any] = SimpleNamespace
    try:
        import message_filters
        from builtin_interfaces.msg import Time
    except ImportError:
        pass
    else:
        filters[_STOCK] = message_filters.ApproximateTimeSynchronizer
        make_stamp = Time
    messages = []
    for name, stamp_ns in traffic:
        sec, nanosec = divmod(stamp_ns, NS_PER_S)
        messages.append((name, _Message(SimpleNamespace(stamp=make_stamp(sec=sec, nanosec=nanosec)))))
    return messages, filters


def _quality(pairs: Sequence[tuple[int, int]], depth: Sequence[int]) -> dict[str, Any]:
    wrong = 0
    for rgb_ns, depth_ns in pairs:
        i = bisect_left(depth, rgb_ns)
        wrong += abs(depth_ns - rgb_ns) > min(abs(near - rgb_ns) for near in depth[max(0, i - 1) : i + 1])
    stamps = [rgb_ns for rgb_ns, _ in pairs]
    return {
        "sets": len(pairs),
        "not_nearest_percent": 100 * wrong / max(1, len(pairs)),
        "out_of_order": sum(b <= a for a, b in pairwise(stamps)),
    }
