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

"""The two halves of a network as functions from tensors to tensors, as compilers and exporters want them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mumu_ros.model.network import Network

__all__ = [
    "TAIL",
    "FrameEncoder",
    "Tail",
    "by_window",
    "channels_last",
    "example_frames",
    "image_names",
    "in_batches",
    "part_files",
    "stays_in_fp32",
]

TAIL = "tail"
"""Beside the names of image modalities, whose encoders are the other parts of a converted network."""


class FrameEncoder(nn.Module):
    """Frames of one image modality to their features."""

    def __init__(self, network: Network, name: str) -> None:
        super().__init__()
        self.spatial = network.encoder(name).spatial

    def forward(self, frames: Tensor) -> Tensor:
        """(N, H, W, C) to (N, F)."""
        features: Tensor = self.spatial(frames)
        return features


class Tail(nn.Module):
    """All that follows the frames, for B windows and all modalities; an absent one is one without any step."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        config = network.config
        self.names = config.names
        self.shapes = {
            m.name: (config.steps(m.name), *(network.encoder(m.name).encoded_shape or m.shape))
            for m in config.modalities
        }

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Inputs of all modalities in order, then their masks, bool (B, T), to the fields of `Outputs`, (B, …)."""
        count = len(self.names)
        inputs = dict(zip(self.names, tensors[:count], strict=True))
        output = self.network(inputs, dict(zip(self.names, tensors[count:], strict=True)))
        fields = (output.group_logits, output.activity_logits, output.sm_weights, output.gm_weights, output.features)
        return (*(field.float() for field in fields), output.present)

    def arrange(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Tensor]:
        """The arguments of `forward`: inputs as they are, zeros for the modalities that are not there."""
        count = len(next(iter(masks[name] for name in inputs)))
        tensors, there = [], []
        for name, shape in self.shapes.items():
            is_there = name in inputs
            tensors.append(inputs[name] if is_there else torch.zeros(count, *shape))
            there.append(torch.from_numpy(masks[name]) if is_there else torch.zeros(count, shape[0], dtype=torch.bool))
        return [*tensors, *there]

    def example(self, count: int = 1) -> list[Tensor]:
        """Arguments of the right shapes and types for so many windows."""
        shapes = self.shapes.values()
        return [
            *(torch.zeros(count, *shape) for shape in shapes),
            *(torch.ones(count, shape[0], dtype=torch.bool) for shape in shapes),
        ]


def example_frames(network: Network, name: str, count: int = 5) -> Tensor:
    """Frames of the right shape and type, as `Preprocessing.prepare` gives them."""
    modality = network.config.modality(name)
    return torch.ones(count, *modality.shape, dtype=torch.uint8 if modality.kind == "rgb" else torch.float32)


def image_names(network: Network) -> list[str]:
    """The modalities whose frames are encoded one by one."""
    return [modality.name for modality in network.config.modalities if modality.is_image]


def part_files(network: Network, suffix: str) -> dict[str, str]:
    """A file name for each part of a converted network. Modality names may hold anything, file names may not."""
    encoders = {name: f"encoder{index}{suffix}" for index, name in enumerate(image_names(network))}
    return {**encoders, TAIL: f"tail{suffix}"}


def stays_in_fp32(network: Network, name: str) -> bool:
    """Whether an image encoder gives joints: metres, of which bf16 keeps no centimetre at three metres."""
    return network.config.modality(name).sees_poses


def in_batches(frames: Tensor, sizes: Sequence[int], run: Callable[[Tensor], Tensor]) -> Tensor:
    """Run frames (N, …) through what takes batches of a few sizes only.

    Args:
        frames: One or more.
        sizes: The sizes, largest first, 1 last.
        run: A batch to its features; they are copied if the next call overwrites them.
    """
    parts = []
    while len(frames):
        count = next(size for size in sizes if size <= len(frames))
        parts.append(run(frames[:count]))
        frames = frames[count:]
    return torch.cat(parts)


def by_window(tensors: Sequence[Tensor], run: Callable[[list[Tensor]], Sequence[Tensor]]) -> list[np.ndarray]:
    """Run the arguments of `Tail` for B windows through what takes one window.

    Args:
        tensors: Each (B, …).
        run: The arguments for one window to the fields of `Outputs`, each (1, …); they are copied if the next call
            overwrites them.

    Returns:
        The fields, each (B, …), on the host.
    """
    found = [
        [field.cpu().numpy() for field in run([t[row : row + 1] for t in tensors])] for row in range(len(tensors[0]))
    ]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def channels_last(module: nn.Module) -> None:
    """Lay the weights of convolutions out as fast kernels read them, in place: a pixel's channels side by side."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
