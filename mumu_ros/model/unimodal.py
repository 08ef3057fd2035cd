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

"""Unimodal feature encoder of MuMu (Islam and Iqbal 2022): segments, spatial encoder, LSTM, attention over time.

For a head that looks at the time itself (`Head.parts`), means over parts of the window stand in for attention.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.encoders import CoOccurrence1d
from mumu_ros.model.heads import head_attribute
from mumu_ros.model.layers import KeylessAttention, TimePool, compact, reverse, spread, zero_masked
from mumu_ros.model.modality import Modality
from mumu_ros.model.parts import ENCODERS
from mumu_ros.model.pose import PoseCNN

__all__ = ["UnimodalEncoder"]


class UnimodalEncoder(nn.Module):
    """One modality's window to one feature of D numbers (`unimodal_size`).

    For images the two halves can be called apart: `encode` each frame once when it arrives, keep the result,
    and `summarize` the kept ones at every decision. That gives what `forward` gives for the whole window.
    """

    def __init__(self, modality: Modality, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.modality = modality
        self.size = size
        self.spatial: nn.Module
        self.poses: CoOccurrence1d | None = None
        if modality.sees_poses:
            self.spatial = PoseCNN(modality)
            shape = (modality.joints, 3)
            joints = replace(modality, kind="vector", shape=shape, encoder="cooccurrence1d", joints=0)
            self.poses = CoOccurrence1d(joints, size)
        else:
            self.spatial = ENCODERS[modality.kind][modality.encoder](modality, size)
        self.dropout = nn.Dropout(config.dropout)
        width = size // 2 if config.bidirectional else size
        self.lstm = nn.LSTM(size, width, batch_first=True)
        self.backward_lstm = nn.LSTM(size, width, batch_first=True) if config.bidirectional else None
        parts: int = head_attribute(config.fusion, "parts")
        self.unimodal_size = parts * size
        self.pool = TimePool(self._segments(config.steps(modality.name)), parts) if parts > 1 else None
        keyless = head_attribute(config.fusion, "attends_time") and self.pool is None
        self.attention = KeylessAttention(size) if keyless else None
        self.norm = nn.LayerNorm(size) if config.layer_norm else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode windows.

        Args:
            x: (B, T, *shape) prepared samples, or (B, T, F) frames that `encode` has encoded; what masked steps hold
                is never looked at.
            mask: bool (B, T): which steps are there, anywhere in the window.

        Returns:
            (B, D), zero for a window without any step.
        """
        if not self.modality.is_image:
            return self._over_sequence(self.spatial, x, mask)
        if x.dim() == 3:
            return self.summarize(x, mask)
        # Only the frames that become segments are encoded, and only those that are there: batch statistics never see
        # padding.
        shown = self.shown(x.shape[1])
        x, mask = x[:, shown], mask[:, shown]
        return self._over_frames(self._scatter(self.encode(x[mask]), mask), mask)

    @property
    def encoded_shape(self) -> tuple[int, ...]:
        """Of what `encode` makes of one frame, (F,); empty for vectors."""
        if not self.modality.is_image:
            return ()
        return (3 * self.modality.joints if self.modality.sees_poses else self.size,)

    def sees(self, mask: Tensor) -> Tensor:
        """Which windows have a segment with any step, bool (B,): frames between segments are not looked at."""
        pools = self.poses is not None or not self.modality.is_image
        steps = mask.shape[1]
        return mask[:, slice(steps % self.modality.stride, None) if pools else self.shown(steps)].any(dim=1)

    def encode(self, frames: Tensor) -> Tensor:
        """Encode image frames, each by itself: (N, H, W, C) to (N, F).

        Raises:
            TypeError: The modality is no image; a vector's segments depend on their neighbours.
        """
        if not self.modality.is_image:
            raise TypeError(f"{self.modality.name}: only image frames can be encoded one by one; call the encoder")
        if len(frames) == 0:
            return torch.zeros(0, *self.encoded_shape, device=frames.device)
        features: Tensor = self.spatial(frames)
        return features

    def summarize(self, features: Tensor, mask: Tensor) -> Tensor:
        """Windows of encoded frames (B, T, F), oldest first, to one feature each.

        Returns:
            (B, D), zero for a window without any frame.
        """
        shown = self.shown(mask.shape[1])
        return self._over_frames(features[:, shown], mask[:, shown])

    def shown(self, steps: int) -> slice:
        """Which of a window's frames are looked at: every one that poses pool over, else every `stride`-th."""
        stride = 1 if self.poses is not None else self.modality.stride
        return slice((steps - 1) % stride, None, stride)

    def _segments(self, steps: int) -> int:
        """How many a window of so many steps has."""
        pools = self.poses is not None or not self.modality.is_image
        return steps // self.modality.stride if pools else len(range(steps)[self.shown(steps)])

    def _over_frames(self, features: Tensor, mask: Tensor) -> Tensor:
        if self.poses is None:
            return self._over_time(features, mask)
        return self._over_sequence(self.poses, features.reshape(*mask.shape, self.modality.joints, 3), mask)

    def _over_sequence(self, encoder: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
        if not self.training:
            # No branch on what the mask holds: the same operations for every window, as a graph needs them.
            return self._over_time(*encoder(x, mask))
        present = self.sees(mask)
        if not present.any():
            return torch.zeros(len(x), self.unimodal_size, device=x.device)
        encoded, segments = encoder(x[present], mask[present])
        return self._scatter(self._over_time(encoded, segments), present)

    def _over_time(self, features: Tensor, mask: Tensor) -> Tensor:
        there = mask
        features, mask = compact(features, mask)
        features = self.dropout(features)
        steps = self.lstm(features)[0]
        if self.backward_lstm is not None:
            back = reverse(self.backward_lstm(reverse(features, mask))[0], mask)
            steps = torch.cat([steps, back], dim=-1)
        steps = zero_masked(steps, mask)
        if self.pool is not None:
            return self._over_parts(self.pool, spread(steps, there), there)
        summary = self._last(steps, mask) if self.attention is None else self.attention(steps, mask)[0]
        return zero_masked(self.norm(summary), mask.any(dim=1))

    def _over_parts(self, pool: TimePool, steps: Tensor, mask: Tensor) -> Tensor:
        """A feature of each part of the window, side by side; 0 for a part without any step."""
        there = pool(mask.unsqueeze(-1).to(steps.dtype), mask).squeeze(-1) > 0
        return zero_masked(self.norm(pool(steps, mask)), there).flatten(1)

    def _last(self, steps: Tensor, mask: Tensor) -> Tensor:
        """The last state of each direction, which has seen all of the window."""
        last = (mask.sum(dim=1) - 1).clamp(min=0).reshape(-1, 1, 1).expand(-1, 1, steps.shape[-1])
        forward = torch.gather(steps, 1, last).squeeze(1)
        if self.backward_lstm is None:
            return forward
        half = steps.shape[-1] // 2
        return torch.cat([forward[:, :half], steps[:, 0, half:]], dim=-1)

    def _scatter(self, rows: Tensor, mask: Tensor) -> Tensor:
        full = torch.zeros(*mask.shape, rows.shape[-1], dtype=rows.dtype, device=rows.device)
        return full.masked_scatter(mask.unsqueeze(-1), rows)
