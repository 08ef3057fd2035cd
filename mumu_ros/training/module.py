"""MuMu under Lightning."""

from __future__ import annotations

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.mumu import MuMu
from mumu_ros.training.augmentation import Augmentation, augment
from mumu_ros.training.settings import Optimization
from mumu_ros.training.windows import WindowSet

__all__ = ["MuMuModule", "one_cycle", "training_batches"]

Batch = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


def training_batches(
    windows: WindowSet, config: ModelConfig, augmentation: Augmentation, batch_size: int, seed: int
) -> DataLoader[Batch]:
    """Shuffled, augmented batches: inputs, masks and the index of the activity."""
    generator = np.random.default_rng(seed)

    def collate(rows: list[int]) -> Batch:
        inputs, masks = augment(*windows.batch(rows), config, augmentation, generator)
        return (
            {name: torch.from_numpy(x) for name, x in inputs.items()},
            {name: torch.from_numpy(mask) for name, mask in masks.items()},
            torch.from_numpy(windows.activity[rows]),
        )

    return DataLoader(
        range(len(windows)),  # type: ignore[arg-type]  # a range is a map-style dataset
        batch_size,
        shuffle=True,
        drop_last=len(windows) > batch_size,
        collate_fn=collate,
        generator=torch.Generator().manual_seed(seed),
    )


class MuMuModule(L.LightningModule):
    """The network with its loss and its optimiser.

    Args:
        model: The network.
        optimization: How to train it.
    """

    def __init__(self, model: MuMu, optimization: Optimization) -> None:
        super().__init__()
        self.model = model
        self.optimization = optimization
        self.loss = MuMuLoss(optimization.beta_aux, optimization.deep_supervision_weight, optimization.label_smoothing)
        groups = torch.from_numpy(model.config.taxonomy.group_indices)
        self.register_buffer("groups", groups, persistent=False)

    groups: Tensor

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """One step's loss."""
        inputs, masks, activity = batch
        output = self.model(inputs, masks)
        parts = self.loss(output, activity, self.groups[activity])
        accuracy = (output.activity_logits.argmax(dim=-1) == activity).float().mean()
        self.log_dict({"loss": parts.total, "accuracy": accuracy}, prog_bar=True)
        total: Tensor = parts.total
        return total

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        """See `one_cycle`."""
        return one_cycle(self.model, self.optimization, self.trainer)


def one_cycle(model: nn.Module, optimization: Optimization, trainer: L.Trainer) -> dict[str, object]:
    """AdamW over one cycle of the learning rate; no decay of biases and of normalisation, whose size means nothing."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": optimization.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=optimization.learning_rate)
    steps = int(trainer.estimated_stepping_batches)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=optimization.learning_rate, total_steps=steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
