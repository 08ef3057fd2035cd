"""Unimodal feature encoder (section 3.3): segments, spatial encoder, LSTM, attention over time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.encoders import CoOccurrence, CoOccurrence1d, ReliefCNN, ResNet50, SmallCNN
from mumu_ros.model.layers import KeylessAttention, compact, masked_mean, reverse, zero_masked

__all__ = ["UnimodalEncoder"]

_ENCODERS = {
    "small_cnn": SmallCNN,
    "relief_cnn": ReliefCNN,
    "resnet50": ResNet50,
    "cooccurrence": CoOccurrence,
    "cooccurrence1d": CoOccurrence1d,
}


class UnimodalEncoder(nn.Module):
    """One modality's window to one feature of D numbers.

    For images the two halves can be called apart: `encode` each frame once when it arrives, keep the result,
    and `summarize` the kept ones at every decision. That gives what `forward` gives for the whole window.

    Args:
        modality: The modality.
        config: Of the model.
    """

    def __init__(self, modality: Modality, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.modality = modality
        self.size = size
        self.spatial = _ENCODERS[modality.encoder](modality, size)
        self.dropout = nn.Dropout(config.dropout)
        self.motion = _Motion(size) if modality.is_image and modality.centered else None
        width = size // 2 if config.bidirectional else size
        self.lstm = nn.LSTM(size, width, batch_first=True)
        self.backward_lstm = nn.LSTM(size, width, batch_first=True) if config.bidirectional else None
        # Non-Attention (section 5.3) has none in time either: the last state stands for all.
        self.attention = None if config.fusion == "non_attention" else KeylessAttention(size)
        self.norm = nn.LayerNorm(size) if config.layer_norm else nn.Identity()

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
        present = self.sees(mask)
        if not present.any():
            return torch.zeros(len(x), self.size, device=x.device)
        encoded, segments = self.spatial(x[present], mask[present])
        return self._scatter(self._over_time(encoded, segments), present)

    def sees(self, mask: Tensor) -> Tensor:
        """Which windows have a segment with any step, bool (B,): frames between segments are not looked at.

        Args:
            mask: bool (B, T).
        """
        stride = self.modality.stride
        if self.modality.is_image:
            return mask[:, (mask.shape[1] - 1) % stride :: stride].any(dim=1)
        return mask[:, mask.shape[1] % stride :].any(dim=1)

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
        if self.motion is not None:
            features = self.motion(features, mask)
        features = self.dropout(features)
        steps = self.lstm(features)[0]
        if self.backward_lstm is not None:
            back = reverse(self.backward_lstm(reverse(features, mask))[0], mask)
            steps = torch.cat([steps, back], dim=-1)
        steps = zero_masked(steps, mask)
        summary = self._last(steps, mask) if self.attention is None else self.attention(steps, mask)[0]
        return zero_masked(self.norm(summary), mask.any(dim=1))

    def _last(self, steps: Tensor, mask: Tensor) -> Tensor:
        """The last state of each direction, which has seen all of the window."""
        last = (mask.sum(dim=1) - 1).clamp(min=0).reshape(-1, 1, 1).expand(-1, 1, steps.shape[-1])
        forward = torch.gather(steps, 1, last).squeeze(1)
        if self.backward_lstm is None:
            return forward
        half = steps.shape[-1] // 2
        return torch.cat([forward[:, :half], steps[:, 0, half:]], dim=-1)

    def _scatter(self, rows: Tensor, mask: Tensor) -> Tensor:
        full = torch.zeros(*mask.shape, self.size, dtype=rows.dtype, device=rows.device)
        return full.masked_scatter(mask.unsqueeze(-1), rows)


class _Motion(nn.Module):
    """What changes in a sequence of encoded frames: their differences from the window's mean and from frame to frame.

    Frames are encoded each by itself, once; this is done anew for every window, from what is kept of them.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(2 * size, size, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm1d(size)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) with mask (B, T), True first, to (B, T, F); 0 where masked."""
        change = zero_masked(features[:, 1:] - features[:, :-1], mask[:, 1:])
        centered = zero_masked(features - masked_mean(features, mask).unsqueeze(1), mask)
        both = torch.cat([centered, nn.functional.pad(change, (0, 0, 1, 0))], dim=-1)
        moved = torch.relu(self.norm(self.convolution(both.transpose(1, 2)))).transpose(1, 2)
        return zero_masked(moved, mask)
