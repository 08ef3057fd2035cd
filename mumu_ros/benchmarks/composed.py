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

"""sensor_sync and inference in one process, against two: latency, processor time and memory.

The sensors are those of `mumu bench end-to-end`. In each round both ways run, one after the other.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mumu_ros.benchmarks.end_to_end import DECISIONS_HZ, START_TIMEOUT_S, stream_kinds, sync_parameters
from mumu_ros.benchmarks.live import Live, live
from mumu_ros.benchmarks.rounds import percentiles
from mumu_ros.model.checkpoint import find_model, read_config
from mumu_ros.model.config import ModelConfig
from mumu_ros.nodes.launch_plans import parameter_texts

__all__ = ["measure", "register", "table"]

_NODES = {"two": ("sensor_sync", "inference"), "one": ("composed",)}
"""Processes by how many there are."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", type=float, default=20.0, metavar="N", help="of each way in a round (default: 20)")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="(default: 4)")
    parser.add_argument("--model", default="sim", help="model folder, or the name of a shipped one (default: sim)")


@dataclass
class _Seen:
    """Measurements of one way; the lists have a value for each round."""

    latency_ms: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)
    lost: int = 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        For `two` processes and `one`: latency_ms (p50 and p99 from the stamp of the newest frame that a decision saw to
        its arrival in this process), cpu (cores of all), memory_mib, lost (messages that sensor_sync says are lost);
        the latter's medians over rounds. ratio: of the medians of latency, and of cpu and memory, within a round.
    """
    model = find_model(arguments.model)
    config = read_config(model)
    parameters: dict[str, dict[str, object]] = {
        "sensor_sync": sync_parameters(config),
        "inference": {"model": str(model), "rate_hz": DECISIONS_HZ},
    }
    seen = {ways: _Seen() for ways in _NODES}
    with live() as run:
        streams = [f"{name}:{kind}" for name, kind in stream_kinds(config).items()]
        run.processes.run("sensors", "mumu_ros.benchmarks.sensors", [str(run.folder / "sent"), *streams], run.log)
        for number in range(arguments.rounds):
            for way in sorted(_NODES, reverse=number % 2 == 0):
                _start(run, way, parameters)
                _measure(run, _NODES[way], config, arguments.seconds, seen[way])
    ratios = {
        name: statistics.median(
            b / a for a, b in zip(getattr(seen["two"], name), getattr(seen["one"], name), strict=True)
        )
        for name in ("p50_ms", "cpu", "memory_mib")
    }
    return {**{way: _summary(values) for way, values in seen.items()}, "ratio": ratios}


def _start(run: Live, way: str, parameters: Mapping[str, Mapping[str, object]]) -> None:
    if way == "two":
        for node, values in parameters.items():
            run.processes.start(node, values, log=run.log)
        return
    texts = [f"{node}.{text}" for node, values in parameters.items() for text in parameter_texts(values)]
    run.processes.start("composed", {}, log=run.log, arguments=[*parameters, *texts])


def _measure(run: Live, nodes: tuple[str, ...], config: ModelConfig, seconds: float, seen: _Seen) -> None:
    monitor, processes = run.monitor, run.processes
    run.wait(START_TIMEOUT_S, lambda: bool(monitor.latencies_s))
    run.wait(config.window_s)  # the window fills
    monitor.latencies_s.clear()
    start, cpu_s = time.monotonic(), sum(map(processes.cpu_s, nodes))
    run.wait(seconds)
    seen.cpu.append((sum(map(processes.cpu_s, nodes)) - cpu_s) / (time.monotonic() - start))
    seen.memory_mib.append(sum(processes.resources()[node].memory_mib for node in nodes))
    if not monitor.latencies_s:
        raise ValueError(f"no decision within {seconds:g} s of {' and '.join(nodes)}; raise --seconds")
    latency_ms = [1e3 * s for s in monitor.latencies_s]
    seen.p50_ms.append(statistics.median(latency_ms))
    seen.latency_ms += latency_ms
    lost = (run.report(f"sensor_sync: {name}")["lost"] for name in config.names)
    seen.lost += sum(int(count) for count in lost if count.isdigit())
    run.stop(*nodes)


def _summary(seen: _Seen) -> dict[str, Any]:
    return {
        "latency_ms": percentiles(seen.latency_ms),
        "cpu": statistics.median(seen.cpu),
        "memory_mib": statistics.median(seen.memory_mib),
        "lost": seen.lost,
    }


def table(result: dict[str, Any]) -> list[list[str]]:
    """One row for each number."""
    two, one, ratio = result["two"], result["one"], result["ratio"]
    rows = [["", "two processes", "one process", "ratio"]]
    for quantile in two["latency_ms"]:
        share = f"{ratio['p50_ms']:.2f}" if quantile == "p50" else ""
        rows.append([f"latency {quantile}", *(f"{way['latency_ms'][quantile]:.1f} ms" for way in (two, one)), share])
    rows.append(["CPU", *(f"{way['cpu']:.3f} cores" for way in (two, one)), f"{ratio['cpu']:.2f}"])
    rows.append(["memory", *(f"{way['memory_mib']:.0f} MiB" for way in (two, one)), f"{ratio['memory_mib']:.2f}"])
    return [*rows, ["messages lost", str(two["lost"]), str(one["lost"]), ""]]
