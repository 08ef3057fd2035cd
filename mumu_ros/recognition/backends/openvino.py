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

"""OpenVINO on the CPU: bf16 where the processor computes with it, int8 where the encoders were calibrated for it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from torch import Tensor
from torch.jit._trace import TracerWarning

from mumu_ros.model.network import Network
from mumu_ros.recognition.backends.graphs import (
    TAIL,
    FrameEncoder,
    Tail,
    example_frames,
    image_names,
    part_files,
    stays_in_fp32,
)
from mumu_ros.recognition.backends.interface import BackendError, Outputs, rows

__all__ = ["OpenVino", "convert", "quantizable", "quantize", "read", "write"]

Models = Mapping[str, Any]
"""An OpenVINO model for the encoder of each image modality, and one called `TAIL`."""


class OpenVino:
    """Runs converted models."""

    def __init__(self, network: Network, models: Models, threads: int) -> None:
        core = ov.Core()
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self._tail = Tail(network)
        self._requests = {}
        for name, model in models.items():
            is_coarse = has_bf16 and name != TAIL and not stays_in_fp32(network, name)
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "bf16" if is_coarse else "f32",
                "ENABLE_CPU_PINNING": False,
            }
            self._requests[name] = core.compile_model(model, "CPU", options).create_infer_request()

    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""
        return torch.from_numpy(self._requests[name].infer([frames], share_inputs=True)[0])

    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        tensors = [tensor.numpy() for tensor in self._tail.arrange(inputs, masks)]
        result = self._requests[TAIL].infer(tensors, share_inputs=True)
        return rows([np.array(result[index]) for index in range(len(result))])


def convert(network: Network) -> dict[str, Any]:
    """Convert a network: some seconds for a small one, half a minute for ResNet-50."""
    models = {}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Shown for parts of other packages only: ours have Python values that are the same for every window.
        warnings.filterwarnings("default", category=TracerWarning)
        warnings.filterwarnings("ignore", category=TracerWarning, module=r"(mumu_ros|torch|transformers)\.")
        for name in image_names(network):
            frames = example_frames(network, name)
            models[name] = ov.convert_model(
                FrameEncoder(network, name), example_input=frames, input=[(-1, *frames.shape[1:])]
            )
        tail = Tail(network)
        example = tail.example(3)
        shapes = [(-1, *tensor.shape[1:]) for tensor in example]
        models[TAIL] = ov.convert_model(tail, example_input=tuple(example), input=shapes)
    return models


def quantizable(network: Network) -> list[str]:
    """Modalities that gain by int8: those of a ResNet-50.

    Raises:
        BackendError: There are none.
    """
    names = [name for name in image_names(network) if network.config.modality(name).encoder == "resnet50"]
    if not names:
        encoders = ", ".join(modality.encoder for modality in network.config.modalities if modality.is_image)
        raise BackendError(f"openvino_int8 is for resnet50, and this model has {encoders or 'no camera'}; use openvino")
    return names


def quantize(models: Models, frames: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Any]:
    """The models with those of some modalities in int8.

    The small encoders stay as they are: int8 saves them nothing, and moves their features by a fifth
    (docs/benchmarks.md). Prepared frames to calibrate on are by modality that is `quantizable`, a few hundred of all
    that a camera shows.
    """
    import nncf

    quantized = dict(models)
    for name, shown in frames.items():
        batches = [frame[np.newaxis] for frame in shown]
        quantized[name] = nncf.quantize(models[name], nncf.Dataset(batches), subset_size=len(batches))
    return quantized


def write(network: Network, models: Models, folder: Path) -> None:
    """Write the models of a network into a folder."""
    for name, file in part_files(network, ".xml").items():
        ov.save_model(models[name], folder / file, compress_to_fp16=False)


def read(network: Network, folder: Path) -> dict[str, Any]:
    """Read what `write` has written."""
    core = ov.Core()
    return {name: core.read_model(folder / file) for name, file in part_files(network, ".xml").items()}
