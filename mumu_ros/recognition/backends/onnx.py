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

"""ONNX Runtime: whatever execution provider it has, TensorRT and CUDA on a Jetson among them."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn

from mumu_ros.model.network import Network
from mumu_ros.recognition.backends.graphs import (
    TAIL,
    FrameEncoder,
    Tail,
    example_frames,
    image_names,
    part_files,
)
from mumu_ros.recognition.backends.interface import BackendError, Outputs, rows

__all__ = ["OnnxRuntime", "check_device", "convert", "read", "write"]

Models = Mapping[str, bytes]
"""An ONNX model for the encoder of each image modality, and one called `TAIL`."""

_TENSORRT = "TensorrtExecutionProvider"
_PROVIDERS = (_TENSORRT, "CUDAExecutionProvider", "CPUExecutionProvider")


class OnnxRuntime:
    """Runs converted models.

    TensorRT keeps the engines that it builds for minutes in `folder`. They are code: it must be this user's own.

    Raises:
        BackendError: A CUDA device is asked for, and ONNX Runtime as it is installed has no provider for it.
    """

    def __init__(self, network: Network, models: Models, device: torch.device, threads: int, folder: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self._tail = Tail(network)
        providers = _providers(device, folder)
        self._sessions = {name: ort.InferenceSession(model, options, providers) for name, model in models.items()}
        self._inputs = {name: [given.name for given in s.get_inputs()] for name, s in self._sessions.items()}

    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""
        return torch.from_numpy(self._run(name, [frames])[0])

    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        return rows(self._run(TAIL, [tensor.numpy() for tensor in self._tail.arrange(inputs, masks)]))

    def _run(self, name: str, arrays: list[np.ndarray]) -> list[Any]:
        found: list[Any] = self._sessions[name].run(None, dict(zip(self._inputs[name], arrays, strict=True)))
        return found


def check_device(device: torch.device) -> None:
    """Check that ONNX Runtime, as it is installed, runs on this device.

    Raises:
        BackendError: It does not.
    """
    if device.type == "cuda" and not _on_cuda():
        raise BackendError(
            f"backend onnxruntime: the model is on {device}, and ONNX Runtime here has "
            f"{', '.join(ort.get_available_providers())} only; install onnxruntime-gpu, or set device: cpu"
        )


def _on_cuda() -> list[str]:
    """The execution providers for CUDA devices that are installed, the best first."""
    return [name for name in _PROVIDERS[:-1] if name in ort.get_available_providers()]


def _providers(device: torch.device, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    if device.type != "cuda":
        return [(_PROVIDERS[-1], {})]
    check_device(device)
    options: dict[str, dict[str, Any]] = {name: {"device_id": device.index or 0} for name in _on_cuda()}
    if _TENSORRT in options:
        folder.mkdir(parents=True, exist_ok=True)
        options[_TENSORRT] |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(folder)}
    return [*options.items(), (_PROVIDERS[-1], {})]


def convert(network: Network) -> dict[str, bytes]:
    """Convert a network: half a minute for ResNet-50."""
    network = copy.deepcopy(network).cpu()  # Its owner may have it on another device, and goes on using it.
    many, windows = (torch.export.Dim(name, min=1, max=1024) for name in ("frames", "windows"))
    models = {
        name: _convert(FrameEncoder(network, name), [example_frames(network, name)], ({0: many},))
        for name in image_names(network)
    }
    tail = Tail(network)
    example = tail.example(3)
    models[TAIL] = _convert(tail, example, (tuple({0: windows} for _ in example),))
    return models


def _convert(module: nn.Module, example: list[Tensor], dynamic: Any) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # It misses torchvision, which nothing here needs.
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, tuple(example), dynamic_shapes=dynamic, dynamo=True, verbose=False)
    assert program is not None
    model: bytes = program.model_proto.SerializeToString()
    return model


def write(network: Network, models: Models, folder: Path) -> None:
    """Write the models of a network into a folder."""
    for name, file in part_files(network, ".onnx").items():
        (folder / file).write_bytes(models[name])


def read(network: Network, folder: Path) -> dict[str, bytes]:
    """Read what `write` has written."""
    return {name: (folder / file).read_bytes() for name, file in part_files(network, ".onnx").items()}
