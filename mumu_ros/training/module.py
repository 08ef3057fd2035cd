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

"""The network under Lightning."""

from __future__ import annotations

from functools import partial

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mumu_ros.model.heads import head_attribute
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.network import Network
from mumu_ros.model.task_weights import AdaptiveWeights, FixedWeights, TaskWeights, UncertaintyWeights
from mumu_ros.model.unimodal import UnimodalEncoder
from mumu_ros.training.augmentation import Augmented, augment, crop_to_data
from mumu_ros.training.settings import Optimization, Settings
from mumu_ros.training.windows import WindowSet

__all__ = ["NetworkModule", "WarmAverage", "encode_frames", "one_cycle"]

_FRAMES = 256
_PARTS = ("target", "auxiliary", "unimodal", "trust", "decoupling", "head")


class NetworkModule(L.LightningModule):
    """The network with its data, its loss and its optimiser.

    Everything random in an epoch follows from the seed, the epoch and the process's rank, so that a training that was
    killed and resumed gives the same weights as one that was not.
    """

    def __init__(self, model: Network, windows: WindowSet, settings: Settings) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        o = settings.optimization
        self.loss = MuMuLoss(
            _task_weights(model, o), o.deep_supervision_weight, o.trust_weight, o.label_smoothing, o.decoupling_weight
        )
        self._windows = windows
        for encoder in self._pose_encoders():
            encoder.spatial.requires_grad_(False)
        groups = torch.from_numpy(model.config.taxonomy.group_indices)
        self.register_buffer("groups", groups, persistent=False)

    groups: Tensor

    def _pose_encoders(self) -> list[UnimodalEncoder]:
        return [self.model.encoder(m.name) for m in self.model.config.modalities if m.sees_poses]

    def on_fit_start(self) -> None:
        """Find the poses in all frames: what finds them has learned to already, and does not change any more."""
        for encoder in self._pose_encoders():
            self._windows = self._windows.encoded(encoder.modality.name, partial(encode_frames, encoder))

    def train_dataloader(self) -> DataLoader[Augmented]:
        """Shuffled, augmented batches of the current epoch."""
        optimization = self.settings.optimization
        seeds = (optimization.seed, self.current_epoch, self.global_rank)
        generator = np.random.default_rng(seeds)
        mine = len(self._windows) // (self._trainer.world_size if self._trainer else 1)

        def collate(rows: list[int]) -> Augmented:
            batch = augment(self._windows, rows, self.model.config, self.settings.augmentation, generator)
            return crop_to_data(batch, self.model.config)

        loader: DataLoader[Augmented] = DataLoader(
            range(len(self._windows)),  # type: ignore[arg-type]  # a range is a map-style dataset
            optimization.batch_size,
            shuffle=True,
            drop_last=mine > optimization.batch_size,
            collate_fn=collate,
            generator=torch.Generator().manual_seed(optimization.seed * 100_003 + self.current_epoch),
        )
        # Lightning begins to iterate twice in an epoch, which draws from the generator, but only once in the first and
        # in the one that it resumes with.
        if self.current_epoch > 0 and self.trainer.fit_loop.is_resuming:
            iter(loader)
        return loader

    def on_train_epoch_start(self) -> None:
        """Make dropout repeatable from here on, and reset the task weights."""
        torch.manual_seed((self.settings.optimization.seed * 100_003 + self.current_epoch) * 1009 + self.global_rank)
        self.loss.task_weights.next_epoch()

    def training_step(self, batch: Augmented, batch_idx: int) -> Tensor:  # noqa: ARG002 - Lightning's signature
        """One step's loss."""
        output = self.model(batch.inputs, batch.masks)
        labels = batch.activity if batch.labels is None else batch.labels
        known = batch.activity >= 0
        group = torch.where(known, self.groups[batch.activity * known], -1 - batch.activity)
        parts = self.loss(output, labels, group, batch.corrupted)
        accuracy = (output.activity_logits.argmax(dim=-1) == batch.activity).float().mean()
        self.log_dict({"loss": parts.total, "accuracy": accuracy}, prog_bar=True)
        self.log_dict({f"loss/{name}": getattr(parts, name) for name in _PARTS})
        weights = self.loss.task_weights.weights().float()
        self.log_dict({"weight/target": weights[0], "weight/auxiliary": weights[1]})
        total: Tensor = parts.total
        return total

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        """See `one_cycle`."""
        return one_cycle(self, self.settings, self.trainer)


def _task_weights(model: Network, optimization: Optimization) -> TaskWeights:
    if optimization.task_weighting == "uncertainty":
        return UncertaintyWeights()
    if optimization.task_weighting == "adaptive":
        return AdaptiveWeights()
    # A head that does not classify groups is of a single task.
    beta_aux = optimization.beta_aux if head_attribute(model.config.fusion, "has_groups") else 0.0
    return FixedWeights(optimization.target_weight, beta_aux)


def one_cycle(model: nn.Module, settings: Settings, trainer: L.Trainer) -> dict[str, object]:
    """AdamW over one cycle of the learning rate; no decay of biases and of normalisation, whose size means nothing."""
    optimization = settings.optimization
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": optimization.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=optimization.learning_rate)
    steps = int(trainer.estimated_stepping_batches)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=optimization.learning_rate, total_steps=steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


@torch.inference_mode()
def encode_frames(encoder: UnimodalEncoder, frames: np.ndarray) -> np.ndarray:
    """Encode frames (N, *shape) in evaluation mode, float32 (N, F)."""
    was_training = encoder.spatial.training
    encoder.spatial.eval()
    device = next(encoder.parameters()).device
    starts = range(0, max(len(frames), 1), _FRAMES)
    parts = [encoder.encode(torch.from_numpy(frames[i : i + _FRAMES]).float().to(device)) for i in starts]
    encoded: np.ndarray = torch.cat(parts).cpu().numpy()
    encoder.spatial.train(was_training)
    return encoded


class WarmAverage(WeightAveraging):
    """Exponential moving average of the weights whose memory grows with the training.

    With a fixed decay of 0.99 a training of 150 steps would end with a fifth of its random initial weights. It reaches
    `decay` after about 10 / (1 − decay) steps.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(avg_fn=partial(_average, decay))

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Give the average also to a training that was killed after its last epoch: nothing of it is run again."""
        self.on_train_end(trainer, pl_module)


def _average(decay: float, mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
    step = float(count)
    warm = min(decay, (1 + step) / (10 + step))
    return mean.lerp(new, 1 - warm) if mean.is_floating_point() else new.clone()
