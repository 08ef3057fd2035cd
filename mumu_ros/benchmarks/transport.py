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

"""Images and IMU samples from one process to another, with the shipped DDS profile and with Fast DDS's default.

One process publishes 640×480 rgb8 and 16UC1 at 30 Hz and an IMU at 200 Hz, best effort; another one listens. Latency
is from the stamp, which is taken just before a message is published, to its callback in the other process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mumu_ros.benchmarks.conversion import measure_conversion
from mumu_ros.benchmarks.rounds import percentiles
from mumu_ros.benchmarks.sensors import KINDS, PATIENCE_S
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.nodes.processes import PROFILE_VARIABLES, Processes, own_domain
from mumu_ros.share import share_path

__all__ = ["measure", "register", "table"]

START_TIMEOUT_S = PATIENCE_S + 15.0
_CONVERSION_ROUNDS = 15
# An empty name is no profile to Fast DDS: it takes its default.
_PROFILES = {"shipped": str(share_path("config", "fastdds.xml")), "default": ""}


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="of each run (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs with each profile (default: 3)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        delivered_fraction and latency_ms (p50, p99), by profile ("shipped", "default") and stream, over all rounds;
        delivered_fraction_worst: of the shipped profile's runs and streams; conversion: see `measure_conversion`.
    """
    runs: dict[str, list[dict[str, tuple[int, list[float]]]]] = {profile: [] for profile in _PROFILES}
    for _ in range(arguments.rounds):
        for profile, path in _PROFILES.items():
            runs[profile].append(_transport(path, arguments.seconds))
    delivered: dict[str, dict[str, float]] = {}
    latency: dict[str, dict[str, dict[str, float | None]]] = {}
    for profile, rounds in runs.items():
        delivered[profile], latency[profile] = {}, {}
        for name in KINDS:
            latencies = [value for run in rounds for value in run[name][1]]
            delivered[profile][name] = len(latencies) / max(1, sum(run[name][0] for run in rounds))
            latency[profile][name] = percentiles(latencies)
    worst = min(len(run[name][1]) / max(1, run[name][0]) for run in runs["shipped"] for name in KINDS)
    return {
        "delivered_fraction": delivered,
        "delivered_fraction_worst": worst,
        "latency_ms": latency,
        "conversion": measure_conversion(_preprocessing(), _CONVERSION_ROUNDS),
    }


def table(result: dict[str, Any]) -> list[list[str]]:
    """One row for each stream and profile, then one for the conversion of each stream."""
    rows = [["", "delivered", "p50", "p99"]]
    for profile, streams in result["delivered_fraction"].items():
        for name, fraction in streams.items():
            quantiles = result["latency_ms"][profile][name].values()
            times = ["-" if value is None else f"{value:.2f} ms" for value in quantiles]
            rows.append([f"{name}, {profile} profile", f"{fraction:.2%}", *times])
    rows.append(["", "to array", "to sample", "by list"])
    for name, costs in result["conversion"].items():
        times = [f"{costs[key]:.1f} µs" if key in costs else "-" for key in ("array_us", "sample_us", "list_us")]
        rows.append([f"{name}, conversion", *times])
    return rows


def _transport(profile: str, seconds: float) -> dict[str, tuple[int, list[float]]]:
    """By stream, how many messages were sent, and the latency in milliseconds of those that came."""
    streams = [f"{kind}:{kind}" for kind in KINDS]
    with tempfile.TemporaryDirectory(prefix="mumu-bench-") as folder:
        sent, arrivals, log = (Path(folder, name) for name in ("sent.json", "arrivals.json", "log"))
        with Processes({**own_domain(), **dict.fromkeys(PROFILE_VARIABLES, profile)}) as processes:
            processes.run("listener", "mumu_ros.benchmarks.listener", [str(arrivals), *streams], log)
            options = ["--seconds", str(seconds)]
            processes.run("sensors", "mumu_ros.benchmarks.sensors", [str(sent), *streams, *options], log)
            deadline = time.monotonic() + START_TIMEOUT_S + seconds
            while not (ended := processes.ended()):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        if ended.get("sensors") != 0 or not arrivals.exists():
            raise ChildProcessError(f"{ended or 'no process'} ended in time; their output:\n{log.read_text()}")
        return _compare(json.loads(sent.read_text()), json.loads(arrivals.read_text()))


def _compare(
    sent: Mapping[str, list[int]], arrivals: Mapping[str, list[tuple[int, int]]]
) -> dict[str, tuple[int, list[float]]]:
    return {
        name: (len(stamps), [(arrived - stamp) * 1e-6 for stamp, arrived in dict(arrivals[name]).items()])
        for name, stamps in sent.items()
    }


def _preprocessing() -> Preprocessing:
    """Of a model with ResNet-50 for both images."""
    modalities = (
        Modality("rgb", "rgb", (224, 224, 3), 10.0, "resnet50"),
        Modality("depth", "depth", (224, 224, 1), 10.0, "resnet50"),
        Modality("imu", "vector", (2, 3), 100.0, "cooccurrence"),
    )
    taxonomy = Taxonomy("bench", {"still": ("sit", "stand"), "moving": ("walk", "run")})
    return Preprocessing(ModelConfig("bench", modalities, taxonomy, window_s=3.0))
