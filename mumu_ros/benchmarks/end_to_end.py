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

"""Sensors, sensor_sync and inference as processes: latency, losses and whether the sensors are still served in time.

Cameras of 640×480 at 30 Hz and IMUs of 200 Hz, as many as the model has, publish noise. In each round the IMU's way
into sensor_sync is timed without inference and with it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mumu_ros.benchmarks.live import live
from mumu_ros.benchmarks.paper_model import export_on_noise, model_folder
from mumu_ros.benchmarks.rounds import percentiles
from mumu_ros.benchmarks.sensors import KINDS, PATIENCE_S, topic_of
from mumu_ros.model.checkpoint import load_checkpoint, read_config, select_device
from mumu_ros.model.config import ModelConfig
from mumu_ros.recognition.backends import choose_backend, takes_long

__all__ = ["DECISIONS_HZ", "START_TIMEOUT_S", "measure", "register", "stream_kinds", "sync_parameters", "table"]

DECISIONS_HZ = 5.0
START_TIMEOUT_S = PATIENCE_S
_NODES = ("sensors", "sensor_sync", "inference")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="N", help="with inference, a round (default: 20)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: 3)")
    parser.add_argument(
        "--model",
        help="model folder, or the name of a shipped one (default: ResNet-50 for both cameras, with random weights)",
    )
    parser.add_argument("--backend", default="auto", help="of inference: auto, eager, openvino_int8, … (default: auto)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of inference (default: 1)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        latency_ms: p50 and p99 from the stamp of the newest frame that a decision saw to its arrival in this process.
        processing_ms: of one decision, as inference says, p50.
        decisions_per_s; dropped: pieces of work that inference gave up for newer ones; skipped_frames: never encoded.
        backend: that inference ran on.
        lost: messages of each stream that sensor_sync did not get, of so many `sent`.
        imu_delay_ms: p99 of an IMU message's way into sensor_sync, the median over seconds, `without` inference and
        `with` it, and their `ratio`; medians over rounds.
        cpu: cores that each process used.
    """
    with model_folder(arguments.model) as model:
        if not arguments.model:  # others are as their owners prepared them
            _prepare(model, arguments.backend)
        run = _Run(read_config(model))
        inference = {
            "model": str(model),
            "rate_hz": DECISIONS_HZ,
            "backend": arguments.backend,
            "threads": arguments.threads,
        }
        with run.started():
            for _ in range(arguments.rounds):
                run.round(inference, arguments.seconds)
        return run.result()


def table(result: dict[str, Any]) -> list[list[str]]:
    """One row for each number."""
    rows = [["", result["backend"], ""]]
    rows += [[f"latency {q}", _number(value, "ms"), ""] for q, value in result["latency_ms"].items()]
    rows += [["decisions", f"{result['decisions_per_s']:.2f} Hz", f"{result['skipped_frames']} frames skipped"]]
    rows += [[f"lost of {n}", str(lost), f"of {result['sent'][n]}"] for n, lost in result["lost"].items()]
    rows += [
        [f"IMU delay p99, {k}", _number(v, "ms" if k != "ratio" else ""), ""] for k, v in result["imu_delay_ms"].items()
    ]
    return rows + [[f"CPU of {name}", f"{cores:.2f} cores", ""] for name, cores in result["cpu"].items()]


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.2f} {unit}".rstrip()


def _prepare(folder: Path, backend: str) -> None:
    """Have the back end in the model's folder, so that inference starts in seconds."""
    if backend == "auto":
        backend = choose_backend(load_checkpoint(folder, select_device("auto")), folder)
    if takes_long(backend):
        export_on_noise(backend, load_checkpoint(folder), folder)


def stream_kinds(config: ModelConfig) -> dict[str, str]:
    """Name of each modality of a model to the kind of its sensor, see `KINDS`.

    Raises:
        ValueError: The model has a modality that no simulated sensor gives.
    """
    kinds = {m.name: m.kind if m.is_image else "imu" for m in config.modalities}
    wrong = [m.name for m in config.modalities if not m.is_image and m.shape != (2, 3)]
    if wrong or "imu" not in kinds.values():
        raise ValueError(f"model {config.name!r} has modalities {list(config.names)}; give one of cameras and IMUs")
    return kinds


def sync_parameters(config: ModelConfig) -> dict[str, object]:
    """The parameters of sensor_sync for a model's sensors."""
    images = [m for m in config.modalities if m.is_image]
    parameters: dict[str, object] = {"streams": list(config.names)}
    parameters["rate_hz"] = max((m.rate_hz for m in images), default=10.0)
    for name, kind_name in stream_kinds(config).items():
        kind, modality = KINDS[kind_name], config.modality(name)
        values: dict[str, object] = {"topic": topic_of(name), "type": kind.type_name, "kind": modality.kind}
        values["depth"] = kind.depth
        if modality.is_image:
            values["height"], values["width"] = modality.shape[:2]
        parameters |= {f"{name}.{key}": value for key, value in values.items()}
    return parameters


@dataclass
class _Seen:
    """What the rounds have shown."""

    latency_s: list[float] = field(default_factory=list)
    seconds: float = 0.0
    dropped: int = 0
    skipped_frames: int = 0
    backend: str = ""
    processing_ms: list[float] = field(default_factory=list)
    delay_ms: dict[str, list[float]] = field(default_factory=lambda: {"without": [], "with": []})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _NODES})


class _Run:
    """The processes, and what is watched of them.

    Raises:
        ValueError: See `stream_kinds`.
    """

    def __init__(self, config: ModelConfig) -> None:
        self._config = config
        self._kinds = stream_kinds(config)
        self._imu = f"sensor_sync: {next(name for name, kind in self._kinds.items() if kind == 'imu')}"
        self._sent: dict[str, int] = {}
        self._received: dict[str, int] = {}
        self._seen = _Seen()

    @contextmanager
    def started(self) -> Iterator[None]:
        """Sensors and sensor_sync run inside, and what is lost until the end is counted."""
        with live() as self._live:
            processes, log, sent = self._live.processes, self._live.log, self._live.folder / "sent.json"
            processes.start("sensor_sync", sync_parameters(self._config), log=log)
            streams = [f"{name}:{kind}" for name, kind in self._kinds.items()]
            processes.run("sensors", "mumu_ros.benchmarks.sensors", [str(sent), *streams], log)
            self._live.wait(START_TIMEOUT_S, lambda: self._value(self._imu, "delay_ms_p99") > 0)
            yield
            self._live.stop("sensors")
            self._received = {name: int(self._live.report(f"sensor_sync: {name}")["received"]) for name in self._kinds}
            self._sent = {name: len(stamps) for name, stamps in json.loads(sent.read_text()).items()}

    def round(self, inference: Mapping[str, object], seconds: float) -> None:
        """Time the IMU without inference, then everything with it."""
        monitor, seen = self._live.monitor, self._seen
        without = self._delays_ms(seconds / 2)
        self._live.processes.start("inference", inference, log=self._live.log)
        self._live.wait(START_TIMEOUT_S, lambda: bool(monitor.latencies_s))
        self._live.wait(self._config.window_s)  # the window fills
        monitor.latencies_s.clear()
        start, cpu = time.monotonic(), {name: self._live.processes.cpu_s(name) for name in _NODES}
        with_inference = self._delays_ms(seconds)
        elapsed = time.monotonic() - start
        seen.seconds += elapsed
        seen.latency_s += monitor.latencies_s
        for name in _NODES:
            seen.cpu[name].append((self._live.processes.cpu_s(name) - cpu[name]) / elapsed)
        values = self._live.report("inference: recogniser")
        seen.backend = values["backend"]
        seen.dropped += int(values["dropped"])
        seen.skipped_frames += int(values["skipped_frames"])
        seen.processing_ms.append(float(values["processing_ms_p50"]))
        seen.delay_ms["without"].append(statistics.median(without))
        seen.delay_ms["with"].append(statistics.median(with_inference))
        self._live.stop("inference")

    def result(self) -> dict[str, Any]:
        """See `measure`."""
        seen = self._seen
        delay = {name: statistics.median(values) for name, values in seen.delay_ms.items()}
        ratios = [b / a for a, b in zip(seen.delay_ms["without"], seen.delay_ms["with"], strict=True)]
        return {
            "latency_ms": percentiles([1e3 * s for s in seen.latency_s]),
            "decisions_per_s": len(seen.latency_s) / seen.seconds,
            "dropped": seen.dropped,
            "skipped_frames": seen.skipped_frames,
            "backend": seen.backend,
            "lost": {name: count - self._received[name] for name, count in self._sent.items()},
            "sent": self._sent,
            "imu_delay_ms": {**delay, "ratio": statistics.median(ratios)},
            "cpu": {name: statistics.median(values) for name, values in seen.cpu.items()},
            "processing_ms": statistics.median(seen.processing_ms),
        }

    def _value(self, status: str, key: str) -> float:
        return float(self._live.monitor.status.get(status, {}).get(key, "nan"))

    def _delays_ms(self, seconds: float) -> list[float]:
        """The p99 that sensor_sync reports of the IMU, second after second."""
        delays: list[float] = []
        end = time.monotonic() + seconds
        while not delays or time.monotonic() < end:
            delays.append(float(self._live.report(self._imu)["delay_ms_p99"]))
        return delays
