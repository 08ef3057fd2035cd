"""Unimodal feature encoder (section 3.3): segments, spatial encoder, LSTM, attention over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mumu_ros.model.config import Modality
from mumu_ros.model.encoders import CoOccurrence, ResNet50, SmallCNN
from mumu_ros.model.layers import KeylessAttention, compact, zero_masked

__all__ = ["UnimodalEncoder"]

_ENCODERS = {"small_cnn": SmallCNN, "resnet50": ResNet50, "cooccurrence": CoOccurrence}


class UnimodalEncoder(nn.Module):
    """One modality's window to one feature of D numbers.

    For images the two halves can be called apart: `encode` each frame once when it arrives, keep the result,
    and `summarize` the kept ones at every decision. That gives what `forward` gives for the whole window.

    Args:
        modality: The modality.
        size: D.
        dropout: Probability on segment features.
    """

    def __init__(self, modality: Modality, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.modality = modality
        self.size = size
        self.spatial = _ENCODERS[modality.encoder](modality, size)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(size, size, batch_first=True)
        self.attention = KeylessAttention(size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode windows.

        Args:
            x: (B, T, *shape) prepared samples; what masked steps hold is never looked at.
            mask: bool (B, T): which steps are there, anywhere in the window.

        Returns:
            (B, D), zero for a window without any step.
        """
        if self.modality.is_image:
            # Only the frames that become segments are encoded, and only those that are there: batch
            # statistics never see padding.
            first = (x.shape[1] - 1) % self.modality.stride
            x, mask = x[:, first :: self.modality.stride], mask[:, first :: self.modality.stride]
            features = self._scatter(self.encode(x[mask]), mask)
            return self._over_time(features, mask)
        present = mask.any(dim=1)
        if not present.any():
            return torch.zeros(len(x), self.size, device=x.device)
        encoded, segments = self.spatial(x[present], mask[present])
        return self._scatter(self._over_time(encoded, segments), present)

    def encode(self, frames: Tensor) -> Tensor:
        """Encode image frames, each by itself: (N, H, W, C) to (N, F).

        Raises:
            TypeError: The modality is no image; a vector's segments depend on their neighbours.
        """
        if not self.modality.is_image:
            raise TypeError(f"{self.modality.name}: only image frames can be encoded one by one; call the encoder")
        if len(frames) == 0:
            return torch.zeros(0, self.size, device=frames.device)
        features: Tensor = self.spatial(frames)
        return features

    def summarize(self, features: Tensor, mask: Tensor) -> Tensor:
        """Windows of encoded frames to one feature each.

        Args:
            features: (B, T, F), one a frame as `encode` gave them, oldest first.
            mask: bool (B, T).

        Returns:
            (B, D), zero for a window without any frame.
        """
        first = (features.shape[1] - 1) % self.modality.stride
        return self._over_time(features[:, first :: self.modality.stride], mask[:, first :: self.modality.stride])

    def _over_time(self, features: Tensor, mask: Tensor) -> Tensor:
        features, mask = compact(features, mask)
        steps, _ = self.lstm(self.dropout(features))
        summary: Tensor = self.attention(zero_masked(steps, mask), mask)[0]
        return summary

    def _scatter(self, rows: Tensor, mask: Tensor) -> Tensor:
        full = torch.zeros(*mask.shape, self.size, dtype=rows.dtype, device=rows.device)
        return full.masked_scatter(mask.unsqueeze(-1), rows)
