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

"""Cost of one camera frame on each back end that is installed.

Batches of one and of two frames go to every back end in turn; costs are CPU time, on a CUDA device time. The floor is
what the frame's arithmetic would take at the rate of a matrix product, measured in the same rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mumu_ros.benchmarks.floor import matmul_gflops
from mumu_ros.benchmarks.paper_model import export_on_noise, model_folder, noise_frames
from mumu_ros.benchmarks.rounds import interleave, speedup
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, select_device
from mumu_ros.recognition.backends import BACKENDS, Backend, BackendError, choose_backend, open_backend
from mumu_ros.recognition.backends.compiled import computes_bf16

__all__ = ["cost_clock", "measure", "named_backends", "register", "table"]

_BATCHES = (1, 2)
_BASELINE = "eager"


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", help="model folder, or a shipped one (default: ResNet-50 with random weights)")
    parser.add_argument("--modality", help="camera of the model (default: the first)")
    parser.add_argument("--backends", help="such as auto,openvino (default: all that are installed)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:<index>")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads (default: 1)")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="(default: 10)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        speedup: by back end and frames in a batch, how many times cheaper a batch is than on `eager`.
        ms: of a batch, likewise; feature_error: relative L2 distance to the features of `eager`.
        prepare_s: until the back end was ready. share_of_floor: of a batch's cost, what fp32 arithmetic would take.
        gflop_per_frame; matmul_gflops: billions of operations a second in fp32, and in bf16 where the device has it.
        left_out: back ends that do not run here, and why.
    """
    torch.set_num_threads(arguments.threads)
    with model_folder(arguments.model) as folder:
        checkpoint = load_checkpoint(folder, select_device(arguments.device))
        images = [m.name for m in checkpoint.config.modalities if m.is_image]
        if not images:
            raise ValueError(
                f"--model is {checkpoint.id}, which has no camera: {', '.join(checkpoint.config.names)}; give one that "
                "has, such as sim, or none for ResNet-50"
            )
        name = arguments.modality or images[0]
        if name not in images:
            raise ValueError(f"--modality is {name!r}; the model's cameras are {', '.join(images)}")
        asked = named_backends(arguments.backends, checkpoint, folder) if arguments.backends else BACKENDS
        backends, prepare_s, left_out = _open(asked, checkpoint, folder, arguments)
        return {
            "model": checkpoint.id,
            "modality": name,
            "prepare_s": prepare_s,
            "left_out": left_out,
            **_compare(backends, checkpoint, name, arguments.rounds),
        }


def cost_clock(device: torch.device) -> Callable[[], float]:
    """Seconds: of the processor's work for this process, or of the time that a CUDA device needs."""
    if device.type == "cpu":
        return time.process_time

    def synchronized() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronized


def named_backends(text: str, checkpoint: Checkpoint, folder: Path) -> list[str]:
    """The back ends of a list such as "eager, auto", each once; auto is what it means for this model here."""
    names = (name.strip() for name in text.split(","))
    return list(dict.fromkeys(choose_backend(checkpoint, folder) if name == "auto" else name for name in names))


def _open(
    names: Any, checkpoint: Checkpoint, folder: Path, arguments: argparse.Namespace
) -> tuple[dict[str, Backend], dict[str, float], dict[str, str]]:
    backends: dict[str, Backend] = {}
    prepare_s: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for name in dict.fromkeys((_BASELINE, *names)):
        start = time.perf_counter()
        try:
            if name == "openvino_int8" and not arguments.model:  # Nobody but us can have calibrated it.
                export_on_noise(name, checkpoint, folder)
            backends[name] = open_backend(name, checkpoint, folder, arguments.threads)
        except BackendError as error:
            if arguments.backends:
                raise
            left_out[name] = str(error)
        else:
            prepare_s[name] = round(time.perf_counter() - start, 1)
    return backends, prepare_s, left_out


def _compare(backends: dict[str, Backend], checkpoint: Checkpoint, name: str, rounds: int) -> dict[str, Any]:
    device = next(checkpoint.model.parameters()).device
    clock = cost_clock(device)
    frames = {count: noise_frames(checkpoint.config, name, count) for count in _BATCHES}
    expected = backends[_BASELINE].encode(name, frames[2]).cpu()

    def cost(backend: Backend, count: int) -> float:
        backend.encode(name, frames[count])  # Another back end has filled the caches.
        start = clock()
        backend.encode(name, frames[count])
        return clock() - start

    runs: dict[str, Callable[[], float]] = {
        f"{backend} {count}": lambda backend=backend, count=count: cost(backends[backend], count)  # type: ignore[misc]
        for backend in backends
        for count in _BATCHES
    }
    dtypes = {"fp32": torch.float32}
    if device.type == "cuda" or computes_bf16():
        dtypes["bf16"] = torch.bfloat16
    for key, dtype in dtypes.items():
        runs[key] = lambda dtype=dtype: matmul_gflops(dtype, device, clock)  # type: ignore[misc]
    costs = interleave(runs, rounds)
    gflop = _gflop_per_frame(checkpoint, name)
    rates = {key: statistics.median(costs[key]) for key in dtypes}
    result: dict[str, Any] = {
        "speedup": {},
        "ms": {},
        "share_of_floor": {},
        "feature_error": {},
        "gflop_per_frame": gflop,
        "matmul_gflops": rates,
    }
    for backend, engine in backends.items():
        for key in ("speedup", "ms", "share_of_floor"):
            result[key][backend] = {}
        for count in _BATCHES:
            taken = costs[f"{backend} {count}"]
            result["speedup"][backend][count] = speedup(costs[f"{_BASELINE} {count}"], taken)
            result["ms"][backend][count] = statistics.median(taken) * 1e3
            result["share_of_floor"][backend][count] = statistics.median(
                gflop * count / (rate * cost) for rate, cost in zip(costs["fp32"], taken, strict=True)
            )
        found = engine.encode(name, frames[2]).cpu()
        result["feature_error"][backend] = float((found - expected).norm() / expected.norm())
    return result


def _gflop_per_frame(checkpoint: Checkpoint, name: str) -> float:
    frame = torch.from_numpy(noise_frames(checkpoint.config, name, 1)).to(next(checkpoint.model.parameters()).device)
    with FlopCounterMode(display=False) as counter:
        checkpoint.model.encode_frames(name, frame)
    return float(counter.get_total_flops()) / 1e9


def table(result: dict[str, Any]) -> list[list[str]]:
    """Rows of text, the header first."""
    rows = [["back end", "ms: 1 frame", "2", "ratio: 1", "2", "fp32 floor / cost", "feature error", "ready after"]]
    for name, ms in result["ms"].items():
        ratio, share = result["speedup"][name], result["share_of_floor"][name]
        rows.append(
            [
                name,
                *(f"{ms[count]:.2f}" for count in _BATCHES),
                *(f"{ratio[count]:.2f}x" for count in _BATCHES),
                f"{share[2]:.2f}",
                f"{result['feature_error'][name]:.1e}",
                f"{result['prepare_s'][name]:.1f} s",
            ]
        )
    rates = ", ".join(f"{key} {rate:.0f} GFLOP/s" for key, rate in result["matmul_gflops"].items())
    rows.append([f"{result['model']}, {result['modality']}: {result['gflop_per_frame']:.2f} GFLOP a frame; {rates}"])
    return rows + [[f"not here: {reason}"] for reason in result["left_out"].values()]
