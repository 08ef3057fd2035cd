"""Cost and quality of synchronisation: `python -m mumu_ros.streams.benchmark [--json]`.

Traffic: rgb at 30 Hz, depth at 30 Hz 11 ms after it, an IMU at 200 Hz, 10 % jitter, 2 % of the messages missing. Where
the stock `message_filters` can be imported, it gets the same messages in turn with ours, so that their ratio holds on a
busy machine too; the times are medians of CPU time.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from mumu_ros.streams.message_filter import ApproximateTimeSynchronizer
from mumu_ros.streams.stamps import NS_PER_S
from mumu_ros.streams.synchronizer import SynchronizedSet, Synchronizer

__all__ = ["main", "measure"]

_STREAMS = (("rgb", 30.0, 0.0), ("depth", 30.0, 0.011), ("imu", 200.0, 0.0))  # name, rate in Hz, offset in s
_START_NS = 1_700_000_000 * NS_PER_S
_SLOP_S = 0.05
_QUEUE_SIZE = 10
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


def make_traffic(seconds: float, seed: int) -> Traffic:
    """The (stream, stamp) of each message, in order of time."""
    rng = random.Random(seed)
    messages = []
    for name, rate_hz, offset_s in _STREAMS:
        for k in range(int(seconds * rate_hz)):
            stamp_s = (k + rng.uniform(-0.1, 0.1)) / rate_hz + offset_s
            if rng.random() >= 0.02:
                messages.append((_START_NS + round(stamp_s * NS_PER_S), name))
    return [(name, stamp_ns) for stamp_ns, name in sorted(messages)]


def measure(seconds: float = 20.0, rounds: int = 15) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        By implementation ("Synchronizer", "ApproximateTimeSynchronizer" and, where installed, "message_filters"):
        µs a message, sets, percent of the rgb–depth pairs that are not the nearest, sets out of order.
    """
    traffic = make_traffic(seconds, seed=0)
    messages, filters = _message_filters(traffic)
    runs: dict[str, Callable[[], tuple[float, list[tuple[int, int]]]]] = {
        "Synchronizer": lambda: _run_synchronizer(traffic)
    }
    for name, cls in filters.items():
        runs[name] = lambda cls=cls: _run_filter(cls, messages)  # type: ignore[misc]

    costs: dict[str, list[float]] = {name: [] for name in runs}
    pairs: dict[str, list[tuple[int, int]]] = {}
    for _ in range(rounds):
        for name, run in runs.items():
            cost_s, pairs[name] = run()
            costs[name].append(cost_s * 1e6 / len(traffic))

    depth = [stamp_ns for name, stamp_ns in traffic if name == "depth"]
    result: dict[str, Any] = {name: _quality(pairs[name], depth) for name in runs}
    for name in runs:
        result[name]["us_per_message"] = statistics.median(costs[name])
    if "message_filters" in runs:
        for name in ("Synchronizer", "ApproximateTimeSynchronizer"):
            ratios = [stock / ours for stock, ours in zip(costs["message_filters"], costs[name], strict=True)]
            result[name]["speedup"] = statistics.median(ratios)
    return result


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
    if cls is ApproximateTimeSynchronizer:
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
    filters: dict[str, Any] = {"ApproximateTimeSynchronizer": ApproximateTimeSynchronizer}
    make_stamp: Callable[..., Any] = SimpleNamespace
    try:
        import message_filters
        from builtin_interfaces.msg import Time
    except ImportError:
        pass
    else:
        filters["message_filters"] = message_filters.ApproximateTimeSynchronizer
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


def main(argv: Sequence[str] | None = None) -> None:
    """Print the benchmark's result."""
    parser = argparse.ArgumentParser(description="Measure the synchroniser, against message_filters where installed.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json: bool = parser.parse_args(argv).json
    result = measure()
    if as_json:
        print(json.dumps(result))
        return
    print(f"{'':28} µs/message  speedup  not nearest  out of order  sets")
    for name, row in result.items():
        speedup = f"{row['speedup']:.1f}x" if "speedup" in row else "-"
        print(
            f"{name:28} {row['us_per_message']:10.2f} {speedup:>8} {row['not_nearest_percent']:11.1f}% "
            f"{row['out_of_order']:13} {row['sets']:5}"
        )
    if "message_filters" not in result:
        print("message_filters is not installed here: nothing to compare with.")


if __name__ == "__main__":
    main()
