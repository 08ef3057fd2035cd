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

"""Image encoders learn on single frames first.

Windows teach them slowly: an inertial sensor tells most activities within minutes, and what is left for the images to
explain is little. A pose, however, can be seen in one frame, and a frame costs a twentieth of a window. `pose_cnn`
learns where the joints of the dataset's skeleton (`data.pose`) are; the others learn to tell activities from single
frames.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, smooth_l1_loss
from torch.utils.data import DataLoader

from mumu_ros.model.config import ConfigError
from mumu_ros.model.modality import Modality
from mumu_ros.model.unimodal import UnimodalEncoder
from mumu_ros.training.module import one_cycle
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

__all__ = ["FrameModule", "labelled_frames"]

BATCH_SIZE = 128
"""Frames in a batch."""

_OUTLIER_M = 0.05


def labelled_frames(windows: WindowSet, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Frames of an image modality that lie inside one activity, which is labelled.

    Returns:
        Indices into `windows.frames[name]`, and the index of the activity of each.
    """
    labels = np.full(len(windows.frames[name]), -1)
    activity = windows.activity
    if windows.labels is not None:
        activity = np.where(windows.labels.any(axis=1), windows.labels.argmax(axis=1), -1)
    for row in np.flatnonzero(windows.inside & (activity >= 0)):
        shown = windows.indices[name][row]
        labels[shown[shown >= 0]] = activity[row]
    known = np.flatnonzero(labels >= 0)
    return known, labels[known]


def _poses(windows: WindowSet, modality: Modality) -> np.ndarray:
    poses = windows.poses.get(modality.name)
    if poses is None:
        raise ConfigError(
            f"modality {modality.name!r}: pose_cnn learns from a skeleton; name the dataset's in data.pose"
        )
    if poses.shape[1] != 3 * modality.joints:
        raise ConfigError(
            f"modality {modality.name!r}: joints is {modality.joints}; the skeleton of data.pose has "
            f"{poses.shape[1] // 3}"
        )
    return poses


class FrameModule(L.LightningModule):
    """An image encoder, trained in place, that learns poses; or activities, with a head that is thrown away afterwards.

    Where there is no frame to learn from, it says so; it cannot be fitted then.

    Attributes:
        count: Frames to learn from.

    Raises:
        ConfigError: The encoder is to learn poses and there are none, or of another number of joints.
    """

    def __init__(self, encoder: UnimodalEncoder, windows: WindowSet, settings: Settings) -> None:
        super().__init__()
        self.encoder = encoder.spatial.requires_grad_(True)
        name = encoder.modality.name
        self._frames = windows.frames[name]
        self.teaches_poses = encoder.modality.sees_poses
        if self.teaches_poses:  # where joints are needs no label
            windows = replace(windows, labels=None, activity=np.zeros_like(windows.activity))
        self._indices, self._targets = labelled_frames(windows, name)
        self.count = len(self._indices)
        if not self.count and not rank_zero_only.rank:  # type: ignore[attr-defined]
            print(
                f"modality {name!r}: no clip has a frame of it, or none inside a labelled activity; its encoder learns "
                "from no single frames",
                file=sys.stderr,
                flush=True,
            )
        if self.teaches_poses:
            self._targets = _poses(windows, encoder.modality)[self._indices]
        else:
            activities = len(settings.model.taxonomy.activities)
            self.head = nn.Sequential(nn.Dropout(settings.model.dropout), nn.Linear(encoder.size, activities))
        self.is_color = encoder.modality.kind == "rgb"
        self.settings = settings

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        """Shuffled frames (B, H, W, C) and their poses (B, P) or activities (B,), in the current epoch's order."""
        optimization = self.settings.optimization

        def collate(rows: list[int]) -> tuple[Tensor, Tensor]:
            frames = torch.from_numpy(self._frames[self._indices[rows]])
            return frames.float(), torch.from_numpy(self._targets[rows])

        return DataLoader(
            range(self.count),  # type: ignore[arg-type]  # a range is a map-style dataset
            BATCH_SIZE,
            shuffle=True,
            collate_fn=collate,
            generator=torch.Generator().manual_seed(optimization.seed * 100_003 + self.current_epoch),
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:  # noqa: ARG002
        """One step's loss."""
        frames, target = batch
        if self.teaches_poses:
            loss = smooth_l1_loss(self.encoder(frames), target, beta=_OUTLIER_M)
            self.log_dict({"loss": loss}, prog_bar=True)
        else:
            output = self.head(self.encoder(self._augment(frames)))
            loss = cross_entropy(output, target, label_smoothing=self.settings.optimization.label_smoothing)
            accuracy = (output.argmax(dim=-1) == target).float().mean()
            self.log_dict({"loss": loss, "accuracy": accuracy}, prog_bar=True)
        return loss

    def configure_optimizers(self) -> dict[str, object]:  # type: ignore[override]
        """See `one_cycle`."""
        return one_cycle(self, self.settings, self.trainer)

    def _augment(self, frames: Tensor) -> Tensor:
        """Shift, zoom and mirror each frame by itself; change the colours of colour images."""
        augmentation = self.settings.augmentation
        if not any((augmentation.zoom, augmentation.shift, augmentation.flip, augmentation.color)):
            return frames

        def within(share: float, *shape: int) -> Tensor:
            return share * (2 * torch.rand(len(frames), *shape, device=frames.device) - 1)

        affine = torch.zeros(len(frames), 2, 3, device=frames.device)
        zoom = 1 + within(augmentation.zoom)
        mirrored = torch.rand(len(frames), device=frames.device) < 0.5 * augmentation.flip
        affine[:, 0, 0] = torch.where(mirrored, -zoom, zoom)
        affine[:, 1, 1] = zoom
        affine[:, :, 2] = 2 * within(augmentation.shift, 2)  # the image spans -1 to 1
        images = frames.permute(0, 3, 1, 2)
        grid = affine_grid(affine, list(images.shape), align_corners=False)
        mode = "bilinear" if self.is_color else "nearest"
        images = grid_sample(images, grid, mode, padding_mode="border", align_corners=False)
        if self.is_color:
            gain, offset = 1 + within(augmentation.color, 3, 1, 1), 128 * within(augmentation.color, 3, 1, 1)
            images = (images * gain + offset).clamp(0, 255)
        return images.permute(0, 2, 3, 1)
