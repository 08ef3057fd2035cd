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

"""A shared encoder, a decoder for each task, and exchange between the tasks at every scale.

After MTI-Net (Vandenhende, Georgoulis and Van Gool 2020), as Erkent (2025) uses it: first estimates at each scale,
which coarser scales help (feature propagation), distillation between the tasks at each scale, and the scales together
for the result. A teacher has a second encoder for what it sees besides colour; features are added at each scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, softplus

from mumu_ros.model.config import ConfigError
from mumu_ros.model.layers import conv_block

__all__ = ["DenseConfig", "DenseModel", "DenseOutput"]

Task = Literal["classes", "depth"]
_TASKS = ("classes", "depth")
_MOST = 1024
_NEAREST_M = 0.1


@dataclass(frozen=True)
class DenseConfig:
    """What a network sees and predicts.

    Attributes:
        classes: How many there are.
        tasks: What is predicted.
        extra: What a teacher sees besides colour; empty: nothing.
        encoder: `small`, or `resnet50` of `transformers`; both from random weights (Erkent: a pretrained HRNet_w18).
        width: Channels of the decoders.

    Raises:
        ConfigError: A value is impossible.
    """

    classes: int
    tasks: tuple[Task, ...] = ("classes", "depth")
    extra: Literal["", "classes", "depth"] = ""
    encoder: Literal["small", "resnet50"] = "small"
    width: int = 16

    def __post_init__(self) -> None:
        for name in ("classes", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
                raise ConfigError(f"{name} is {value!r}; expected an integer from 1 to {_MOST}")
        # Lists, as of a file, are no keys of a dictionary.
        for name, choices in (("tasks", _TASKS), ("extra", ("", *_TASKS)), ("encoder", ("small", "resnet50"))):
            value = getattr(self, name)
            values = value if name == "tasks" and isinstance(value, tuple) and value else (value,)
            if not all(isinstance(v, str) and v in choices for v in values) or len(set(values)) < len(values):
                raise ConfigError(f"{name} is {value!r}; expected {' or '.join(map(repr, choices))}")


@dataclass(frozen=True)
class DenseOutput:
    """Estimates of B pictures.

    Attributes:
        final: By task: logits (B, K, H, W) of the classes, or depth in metres (B, 1, H, W).
        first: The estimates at each scale, finest first, likewise; smaller than the picture.
    """

    final: dict[str, Tensor]
    first: list[dict[str, Tensor]]


class DenseModel(nn.Module):
    """The network."""

    def __init__(self, config: DenseConfig) -> None:
        super().__init__()
        self.config = config
        self.colour = _encoder(config, 3)
        channels = {"": 0, "classes": config.classes, "depth": 1}[config.extra]
        self.extra = _encoder(config, channels) if channels else None
        self.scales = nn.ModuleList(_Scale(config, size) for size in self.colour.sizes)
        outputs = {"classes": config.classes, "depth": 1}
        scales = len(self.scales)
        self.aggregate = nn.ModuleDict(
            {
                task: nn.Sequential(
                    conv_block(scales * config.width, config.width, (1, 1)),
                    conv_block(config.width, config.width, (3, 3)),
                    nn.Conv2d(config.width, outputs[task], 1),
                )
                for task in config.tasks
            }
        )

    def forward(self, colour: Tensor, extra: Tensor | None = None) -> DenseOutput:
        """Estimate.

        Args:
            colour: (B, 3, H, W), bytes or floats, 0 to 255.
            extra: (B, C, H, W): depth in metres, or one-hot classes; for teachers only.

        Raises:
            ValueError: `extra` is missing, or the network does not look at it.
        """
        if (extra is None) != (self.extra is None):
            raise ValueError(
                f"extra is {'missing' if extra is None else 'given'}; the network sees {self.config.extra!r}"
            )
        features = self.colour((colour.float() - 118) / 60)
        if self.extra is not None and extra is not None:
            features = [a + b for a, b in zip(features, self.extra(extra), strict=True)]
        known: dict[str, Tensor] = {}
        first: list[dict[str, Tensor]] = []
        distilled: dict[str, list[Tensor]] = {task: [] for task in self.config.tasks}
        for scale, feature in zip(reversed(self.scales), reversed(features), strict=True):
            known, estimate = scale(feature, known)
            first.insert(0, estimate)
            for task, value in known.items():
                distilled[task].append(value)
        size = colour.shape[-2:]
        final = {task: self._join(task, parts, size) for task, parts in distilled.items()}
        return DenseOutput(final, first)

    def _join(self, task: str, parts: list[Tensor], size: torch.Size) -> Tensor:
        finest = parts[-1].shape[-2:]
        together = torch.cat([_resized(part, finest) for part in parts], dim=1)
        return _resized(_in_range(task, self.aggregate[task](together)), size)


class _Scale(nn.Module):
    """One scale: features of each task from the encoder's and the coarser scale's, estimates, and distillation."""

    def __init__(self, config: DenseConfig, inputs: int) -> None:
        super().__init__()
        width, outputs = config.width, {"classes": config.classes, "depth": 1}
        self.enter = nn.ModuleDict({task: conv_block(inputs, width, (1, 1)) for task in config.tasks})
        self.task = nn.ModuleDict({task: conv_block(width, width, (3, 3)) for task in config.tasks})
        self.estimate = nn.ModuleDict({task: nn.Conv2d(width, outputs[task], 1) for task in config.tasks})
        pairs = [f"{a}_to_{b}" for a in config.tasks for b in config.tasks if a != b]
        self.message = nn.ModuleDict({pair: nn.Conv2d(width, width, 1) for pair in pairs})
        self.gate = nn.ModuleDict({pair: nn.Conv2d(width, width, 1) for pair in pairs})

    def forward(self, feature: Tensor, coarser: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Distilled features and estimates, by task."""
        own, estimates = {}, {}
        for task in self.enter:
            x = self.enter[task](feature)
            if task in coarser:
                x = x + _resized(coarser[task], x.shape[-2:])
            own[task] = self.task[task](x)
            estimates[task] = _in_range(task, self.estimate[task](own[task]))
        distilled = dict(own)
        for pair, message in self.message.items():
            source, _, target = pair.partition("_to_")
            gate = torch.sigmoid(self.gate[pair](own[source]))
            distilled[target] = distilled[target] + gate * message(own[source])
        return distilled, estimates


class _Small(nn.Module):
    """Four scales, from half to a sixteenth of the picture."""

    sizes = (16, 32, 64, 96)

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = (channels, *self.sizes[:-1])
        self.stages = nn.ModuleList(
            nn.Sequential(conv_block(a, b, (3, 3), stride=2), conv_block(b, b, (3, 3)))
            for a, b in zip(inputs, self.sizes, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to the features of each scale, finest first."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class _ResNet50(nn.Module):
    """Four scales, from a quarter to a 32nd of the picture."""

    sizes = (256, 512, 1024, 2048)

    def __init__(self, channels: int) -> None:
        super().__init__()
        from transformers import ResNetConfig, ResNetModel

        self.backbone = ResNetModel(ResNetConfig(num_channels=channels))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to the features of each scale, finest first."""
        return list(self.backbone(x, output_hidden_states=True).hidden_states[1:])


def _encoder(config: DenseConfig, channels: int) -> _Small | _ResNet50:
    return _Small(channels) if config.encoder == "small" else _ResNet50(channels)


def _resized(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[-2:] == size else interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


def _in_range(task: str, x: Tensor) -> Tensor:
    """Depth is above zero, and about three metres before training."""
    return _NEAREST_M + 4 * softplus(x) if task == "depth" else x
