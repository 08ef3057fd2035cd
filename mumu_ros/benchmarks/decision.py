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

"""Cost of one decision: all frames of the window encoded for it, against the new ones only.

Five decisions a second, so that each finds two new frames of a 10 Hz camera. Costs are CPU time, on a CUDA device time.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mumu_ros.benchmarks.encoder import cost_clock, named_backends
from mumu_ros.benchmarks.paper_model import model_folder, noise_frames
from mumu_ros.health import HealthMonitor, load_health
from mumu_ros.health.monitor import PERIOD_S
from mumu_ros.model.checkpoint import HEALTH_FILE, Checkpoint, load_checkpoint, select_device
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.recognition import Decision, Recognizer
from mumu_ros.recognition.backends import Backend, Outputs, open_backend
from mumu_ros.recognition.window_assembly import window_assembler
from mumu_ros.streams import NS_PER_S

__all__ = ["measure", "register", "table"]

_DECISIONS_HZ = 5
_START_NS = 1_700_000_000 * NS_PER_S
_HEALTH_ROUNDS = 20
_HEALTH_DECISIONS = math.ceil(PERIOD_S * _DECISIONS_HZ)
"""In a round: one of them evaluates the health."""
_SOURCE_HZ = 200
"""Of vectors; the model resamples them."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", help="model folder, or a shipped one (default: ResNet-50 with random weights)")
    parser.add_argument("--backends", default="eager,auto", help="(default: eager,auto)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default: 1)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="(default: 3)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        speedup_cached, max_logit_difference: of the first back end; the latter between decisions from kept features and
        the network run on the pixels of the whole window.
        backends: for each, recomputed_ms, cached_ms, speedup_cached, max_logit_difference, and of a decision from kept
        features encoder_ms, tail_ms (everything after the encoders) and other_ms (windows, resampling). Where the model
        has a health model also health, the cost of decisions with fault detection, without faults, as a multiple of
        that of decisions without it.
    """
    torch.set_num_threads(arguments.threads)
    with model_folder(arguments.model) as folder:
        checkpoint = load_checkpoint(folder, select_device(arguments.device))
        names = named_backends(arguments.backends, checkpoint, folder)
        rows = {name: _measure(name, checkpoint, folder, arguments) for name in names}
        first = rows[names[0]]
        return {
            "model": checkpoint.id,
            "frames": {m.name: checkpoint.config.steps(m.name) for m in checkpoint.config.modalities if m.is_image},
            "speedup_cached": first["speedup_cached"],
            "max_logit_difference": first["max_logit_difference"],
            "backends": rows,
        }


@dataclass
class _Stopwatch:
    """A back end that adds up what its halves cost, and remembers what it said."""

    backend: Backend
    device: torch.device
    encoder_s: float = 0.0
    tail_s: float = 0.0
    predicted: list[Outputs] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clock = cost_clock(self.device)

    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        start = self._clock()
        features = self.backend.encode(name, frames)
        self.encoder_s += self._clock() - start
        return features

    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        start = self._clock()
        outputs = self.backend.decide(inputs, masks)
        self.tail_s += self._clock() - start
        self.predicted.extend(outputs)
        return outputs


def _measure(name: str, checkpoint: Checkpoint, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    device = next(checkpoint.model.parameters()).device
    clock = cost_clock(device)
    stopwatch = _Stopwatch(open_backend(name, checkpoint, folder, arguments.threads), device)
    live = Recognizer(checkpoint, backend=stopwatch)
    live.warm_up()
    period_ns = NS_PER_S // _DECISIONS_HZ
    window_ns = round(checkpoint.config.window_s * NS_PER_S)
    end_ns = _START_NS + window_ns
    _push(live, checkpoint, _START_NS, end_ns)
    _decide(live, end_ns)
    stopwatch.encoder_s = stopwatch.tail_s = 0.0
    cached, recomputed, differences = [], [], []
    for _ in range(arguments.rounds):
        _push(live, checkpoint, end_ns, end_ns + period_ns)
        end_ns += period_ns
        start = clock()
        _decide(live, end_ns)
        cached.append(clock() - start)
        differences.append(_difference(stopwatch.predicted[-1], checkpoint, end_ns))
        fresh = Recognizer(checkpoint, backend=stopwatch.backend)
        _push(fresh, checkpoint, end_ns - window_ns, end_ns)
        start = clock()
        _decide(fresh, end_ns)
        recomputed.append(clock() - start)
    health = {"health": _health(checkpoint, folder, stopwatch.backend)} if (folder / HEALTH_FILE).exists() else {}
    return {
        **health,
        "recomputed_ms": statistics.median(recomputed) * 1e3,
        "cached_ms": statistics.median(cached) * 1e3,
        "speedup_cached": statistics.median(slow / fast for slow, fast in zip(recomputed, cached, strict=True)),
        "max_logit_difference": max(differences),
        "encoder_ms": stopwatch.encoder_s / len(cached) * 1e3,
        "tail_ms": stopwatch.tail_s / len(cached) * 1e3,
        "other_ms": (sum(cached) - stopwatch.encoder_s - stopwatch.tail_s) / len(cached) * 1e3,
    }


def _health(checkpoint: Checkpoint, folder: Path, backend: Backend) -> float:
    """Ratio of the costs of decisions with a monitor and without, in turn: the median over rounds."""
    # Noise is no healthy sensor: with thresholds out of reach it costs what one does.
    model = load_health(folder, checkpoint)
    monitor = HealthMonitor(replace(model, thresholds=np.full_like(model.thresholds, np.inf)))
    recognizers = (
        Recognizer(checkpoint, backend=backend),
        Recognizer(checkpoint, backend=backend, health=lambda: monitor),
    )
    clock = cost_clock(next(checkpoint.model.parameters()).device)
    end_ns = _START_NS + round(checkpoint.config.window_s * NS_PER_S)
    for recognizer in recognizers:
        _push(recognizer, checkpoint, _START_NS, end_ns)
        _decide(recognizer, end_ns)
    ratios = []
    for _ in range(_HEALTH_ROUNDS):
        costs = [0.0, 0.0]
        for _ in range(_HEALTH_DECISIONS):
            start_ns, end_ns = end_ns, end_ns + NS_PER_S // _DECISIONS_HZ
            for index, recognizer in enumerate(recognizers):
                _push(recognizer, checkpoint, start_ns, end_ns)
                start = clock()
                _decide(recognizer, end_ns)
                costs[index] += clock() - start
        ratios.append(costs[1] / costs[0])
    return statistics.median(ratios)


def _decide(recognizer: Recognizer, stamp_ns: int) -> None:
    decision = recognizer.recognize(stamp_ns)
    assert isinstance(decision, Decision), decision


def _push(to: Any, checkpoint: Checkpoint, after_ns: int, until_ns: int) -> None:
    """Everything that a model's sensors see in (after, until]: always the same at the same time."""
    for modality in checkpoint.config.modalities:
        step_ns = NS_PER_S // (round(modality.rate_hz) if modality.is_image else _SOURCE_HZ)
        for stamp_ns in range(after_ns - after_ns % step_ns + step_ns, until_ns + 1, step_ns):
            if modality.is_image:
                frame = noise_frames(checkpoint.config, modality.name, 1)[0]
                shift = stamp_ns // step_ns % 31
                to.push(modality.name, stamp_ns, np.roll(frame, shift, axis=1))
            else:
                rng = np.random.default_rng(stamp_ns % 2**32)
                to.push(modality.name, stamp_ns, rng.normal(size=modality.shape).astype(np.float32))


@torch.inference_mode()
def _difference(predicted: Outputs, checkpoint: Checkpoint, end_ns: int) -> float:
    """How far decisions are from those of the network on the whole window's pixels."""
    preprocessing = Preprocessing(checkpoint.config)
    assembler = window_assembler(checkpoint.config)
    _push(assembler, checkpoint, end_ns - round(checkpoint.config.window_s * NS_PER_S), end_ns)
    inputs, masks = preprocessing.batch([assembler.window(end_ns)])
    device = next(checkpoint.model.parameters()).device
    output = checkpoint.model(
        {name: torch.from_numpy(x).to(device) for name, x in inputs.items()},
        {name: torch.from_numpy(mask).to(device) for name, mask in masks.items()},
    )
    pairs = ((predicted.group_logits, output.group_logits), (predicted.activity_logits, output.activity_logits))
    return max(float(np.abs(found - expected[0].cpu().numpy()).max()) for found, expected in pairs)


def table(result: dict[str, Any]) -> list[list[str]]:
    """Rows of text, the header first."""
    rows = [
        ["back end", "recomputed ms", "cached ms", "ratio", "encoder ms", "tail ms", "other ms", "logits differ by"]
    ]
    for name, row in result["backends"].items():
        rows.append(
            [
                name,
                f"{row['recomputed_ms']:.1f}",
                f"{row['cached_ms']:.1f}",
                f"{row['speedup_cached']:.1f}x",
                f"{row['encoder_ms']:.2f}",
                f"{row['tail_ms']:.2f}",
                f"{row['other_ms']:.2f}",
                f"{row['max_logit_difference']:.1e}",
            ]
        )
    rows += [
        [f"{name}, with the health model: {row['health']:.2f} times the cost"]
        for name, row in result["backends"].items()
        if "health" in row
    ]
    frames = ", ".join(f"{count} of {name}" for name, count in result["frames"].items())
    rows.append([f"{result['model']}, frames of a window: {frames}"])
    return rows
