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

"""Trains dense models: on labels that are there, on those that a teacher fills in."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate, one_hot
from torch.utils.data import DataLoader, TensorDataset

from mumu_ros.model.config import ConfigError
from studies.dense.model import DenseConfig, DenseModel, DenseOutput
from studies.dense.pictures import CLASSES, IGNORED, Picture

__all__ = ["Recipe", "Tensors", "fill_in", "fit", "predict", "stack"]

CONFIDENT = 0.9
"""The threshold of a pseudo-label's probability in Erkent (2025), τ."""
_BATCH = 8


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        steps: Of the optimiser, the same for every row of a table.
        learning_rate: The highest one of a cycle.
        seed: Of the weights and the order.

    Raises:
        ConfigError: There are no steps.
    """

    steps: int
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:  # -1 is for ever in Lightning
            raise ConfigError(f"steps is {self.steps!r}; expected 1 or more")


@dataclass(frozen=True, eq=False)
class Tensors:
    """N pictures of one size.

    Attributes:
        colour: (N, 3, H, W) uint8.
        depth: (N, H, W) float32 metres, 0 where unknown.
        classes: (N, H, W) int64, or `IGNORED`.
    """

    colour: Tensor
    depth: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.colour)

    def take(self, count: int) -> Tensors:
        """The first ones."""
        return Tensors(self.colour[:count], self.depth[:count], self.classes[:count])

    def hide(self, task: str, count: int) -> Tensors:
        """All of them, of which only the first `count` keep the labels of a task."""
        unknown = 0 if task == "depth" else IGNORED
        hidden = getattr(self, task).clone()
        hidden[count:] = unknown
        return replace(self, **{task: hidden})

    def extra(self, name: str) -> Tensor | None:
        """What a teacher sees: (N, C, H, W)."""
        if name == "depth":
            return self.depth.unsqueeze(1)
        if name == "classes":
            known = one_hot(self.classes.clamp(min=0), len(CLASSES)) * (self.classes != IGNORED).unsqueeze(-1)
            return known.permute(0, 3, 1, 2).float()
        return None


def stack(pictures: Sequence[Picture]) -> Tensors:
    """Pictures as tensors."""
    return Tensors(
        torch.from_numpy(np.stack([picture.colour for picture in pictures])).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(np.stack([picture.depth for picture in pictures])),
        torch.from_numpy(np.stack([picture.classes for picture in pictures]).astype(np.int64)),
    )


def fit(config: DenseConfig, data: Tensors, recipe: Recipe) -> DenseModel:
    """Train a network on whatever is labelled.

    The loss is that of Erkent (2025), mean absolute error of depth in metres plus cross-entropy (α = 1), of the result
    and, as in MTI-Net, of the estimates at each scale. A pixel without a label (`IGNORED`, 0) counts nothing.

    Returns:
        In evaluation mode.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    L.seed_everything(recipe.seed, verbose=False)
    module = _Module(DenseModel(config), recipe)
    parts = [data.colour, data.depth, data.classes]
    extra = data.extra(config.extra)
    dataset = TensorDataset(*parts) if extra is None else TensorDataset(*parts, extra)
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=recipe.steps,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, DataLoader(dataset, _BATCH, shuffle=True, drop_last=True))
    return module.model.eval()


class _Module(L.LightningModule):
    def __init__(self, model: DenseModel, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
        colour, depth, classes, *extra = (_mirrored(part) for part in batch)
        output = self.model(colour, *extra)
        return _loss(output, depth, classes)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        optimizer = torch.optim.AdamW(self.parameters(), self.recipe.learning_rate, weight_decay=0.01)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.recipe.learning_rate, self.recipe.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}


def _mirrored(x: Tensor) -> Tensor:
    """Every second picture is mirrored, the same ones in each part of a batch; which comes up there is shuffled."""
    return torch.cat([x[0::2], x[1::2].flip(-1)])


def _loss(output: DenseOutput, depth: Tensor, classes: Tensor) -> Tensor:
    total = torch.zeros(())
    for estimate in (output.final, *output.first):
        size = next(iter(estimate.values())).shape[-2:]
        # The nearest pixel's label: the mean of two labels is none.
        metres = interpolate(depth.unsqueeze(1), size=tuple(size), mode="nearest").squeeze(1)
        label = interpolate(classes.unsqueeze(1).float(), size=tuple(size), mode="nearest").squeeze(1).long()
        if "depth" in estimate:
            known = metres > 0
            error = (estimate["depth"].squeeze(1) - metres).abs() * known
            total = total + error.sum() / known.sum().clamp(min=1)
        if "classes" in estimate:
            of_pixels = cross_entropy(estimate["classes"], label, ignore_index=IGNORED, reduction="sum")
            total = total + of_pixels / (label != IGNORED).sum().clamp(min=1)
    return total


@torch.inference_mode()
def predict(model: DenseModel, data: Tensors) -> dict[str, Tensor]:
    """By task: probabilities (N, K, H, W), or depth (N, H, W)."""
    parts: dict[str, list[Tensor]] = {task: [] for task in model.config.tasks}
    extra = data.extra(model.config.extra)
    for start in range(0, len(data), _BATCH):
        rows = slice(start, start + _BATCH)
        output = model(data.colour[rows], None if extra is None else extra[rows]).final
        for task, value in output.items():
            parts[task].append(torch.softmax(value, dim=1) if task == "classes" else value.squeeze(1))
    return {task: torch.cat(values) for task, values in parts.items()}


def fill_in(teacher: DenseModel, data: Tensors, task: str) -> Tensors:
    """Let a teacher label what has no label of a task.

    Args:
        teacher: It sees colour, and what it was made to see besides.
        data: With labels missing.
        task: `classes`, of which those below the threshold stay missing, or `depth`.
    """
    said = predict(teacher, data)[task]
    if task == "depth":
        return replace(data, depth=torch.where(data.depth > 0, data.depth, said))
    confidence, label = said.max(dim=1)
    label = torch.where(confidence > CONFIDENT, label, IGNORED)
    return replace(data, classes=torch.where(data.classes == IGNORED, label, data.classes))
