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

"""Dual-branch embedding of UV-M3TL: features that tasks share, and features of each task.

Liu et al.: UV-M3TL: A Unified and Versatile Multimodal Multi-Task Learning Framework for Assistive Driving Perception
(2026), arXiv 2602.01594, as its architecture figure shows it. Parts of the window stand in for the places of a picture.
What the figure leaves open is ours: queries and keys are scaled by √C, features are averaged over time before their
fully connected layer, and a ReLU follows it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from mumu_ros.model.layers import masked_mean, masked_softmax, zero_masked

__all__ = ["ChannelAttention", "DualBranch", "Shared", "Specific", "TimeAttention", "overlap"]


class TimeAttention(nn.Module):
    """Self-attention over time, added to its input by a learned weight: x + γ · V softmax(QᵀK / √C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv1d(channels, channels, 1) for _ in range(3))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """(B, C, P) with bool (B, P) of the same shape; masked parts are not attended to."""
        scores = self.query(x).transpose(1, 2) @ self.key(x) / math.sqrt(x.shape[1])
        weights = masked_softmax(scores, there.unsqueeze(1).expand_as(scores))
        attended: Tensor = x + self.gamma * (self.value(x) @ weights.transpose(1, 2))
        return attended


class ChannelAttention(nn.Module):
    """Self-attention over the channels' means, whose query, key and value are convolutions of width 3 over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv1d(1, 1, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor, there: Tensor, channels: Tensor) -> Tensor:
        """Weigh the channels.

        Args:
            x: (B, C, P).
            there: bool (B, P): which parts count.
            channels: bool (B, C): which channels are attended to.

        Returns:
            Between 0 and 1, (B, C).
        """
        mean = masked_mean(x.transpose(1, 2), there).unsqueeze(1)
        scores = self.query(mean).transpose(1, 2) @ self.key(mean)
        weights = masked_softmax(scores, channels.unsqueeze(1).expand_as(scores))
        return torch.sigmoid(weights @ self.value(mean).transpose(1, 2)).squeeze(-1)


class Specific(nn.Module):
    """A task's own view: all modalities side by side, attention over time, then over channels."""

    def __init__(self, modalities: int, size: int) -> None:
        super().__init__()
        self.time, self.channels = TimeAttention(modalities * size), ChannelAttention()
        self.project = nn.Linear(modalities * size, size)

    def forward(self, features: Tensor, mask: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the features.

        Args:
            features: (B, M, P, D), 0 where absent.
            mask: bool (B, M): which modalities are present.
            parts: bool (B, M, P): which parts of each are.

        Returns:
            (B, D), and the modalities' shares in the channels' weights (B, M).
        """
        size, there = features.shape[-1], parts.any(dim=1)
        side_by_side = features.transpose(2, 3).flatten(1, 2)
        attended = self.time(side_by_side, there)
        gate = self.channels(attended, there, mask.unsqueeze(-1).expand(-1, -1, size).flatten(1))
        gated = masked_mean((gate.unsqueeze(-1) * attended).transpose(1, 2), there)
        weights = zero_masked(gate.reshape(*mask.shape, size).mean(dim=-1), mask)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
        return torch.relu(self.project(gated)), weights


class _Fusion(nn.Module):
    """σ · first + (1 − σ) · second, where σ is attention over time, then channels, of their convolved sum."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv1d(size, size, 1), nn.Conv1d(size, size, 3, padding=1)
        self.time, self.channels = TimeAttention(size), ChannelAttention()

    def forward(self, first: Tensor, second: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D, P) twice, with bool (B, P): their mixture, and σ (B, D)."""
        both = first + second
        attended = self.time(self.narrow(both) + self.wide(both), there)
        sigma = self.channels(attended, there, torch.ones_like(attended[..., 0], dtype=torch.bool))
        share = sigma.unsqueeze(-1)
        return share * first + (1 - share) * second, sigma


class Shared(nn.Module):
    """The view that all tasks share: the modalities are fused one after the other. An absent one is left out."""

    def __init__(self, modalities: int, size: int) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(_Fusion(size) for _ in range(modalities - 1))
        self.project = nn.Linear(size, size)

    def forward(self, features: Tensor, mask: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the features, as `Specific.forward` does; a modality's weight is its mean share in the mixture."""
        first, *others = features.transpose(2, 3).unbind(dim=1)
        there, known, weights = mask[:, 0], parts[:, 0], [mask[:, 0].to(features.dtype)]
        for index, (fusion, second) in enumerate(zip(self.fusions, others, strict=True), start=1):
            new = mask[:, index]
            fused, sigma = fusion(first, second, known | parts[:, index])
            share = torch.where(there & new, sigma.mean(dim=1), (~new).to(features.dtype))
            alone = torch.where(new[:, None, None], second, first)
            first = torch.where((there & new)[:, None, None], fused, alone)
            weights = [*(weight * share for weight in weights), 1 - share]
            there, known = there | new, known | parts[:, index]
        pooled = masked_mean(first.transpose(1, 2), known)
        return torch.relu(self.project(pooled)), torch.stack(weights, dim=1)


class DualBranch(nn.Module):
    """A shared branch, one for each task, and how far each task uses either.

    A task's feature is σ(a) · shared + (1 − σ(a)) · specific, where σ(a) is learned from one half on.
    """

    def __init__(self, modalities: int, size: int, tasks: int) -> None:
        super().__init__()
        self.size = size
        self.shared = Shared(modalities, size)
        self.specific = nn.ModuleList(Specific(modalities, size) for _ in range(tasks))
        self.a = nn.Parameter(torch.zeros(tasks))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed.

        Args:
            features: (B, M, P · D), of P parts of the window; a part in which all is 0 is absent.
            mask: bool (B, M): which modalities are present.

        Returns:
            The tasks' features (B, T, D), their weights of the modalities (B, T, M), and the branches' features
            (B, 1 + T, D), the shared one first.
        """
        features = zero_masked(features, mask).reshape(*mask.shape, -1, self.size)
        parts = (features != 0).any(dim=-1)
        seen = [branch(features, mask, parts) for branch in (self.shared, *self.specific)]
        branches, attention = (torch.stack(x, dim=1) for x in zip(*seen, strict=True))
        share = torch.sigmoid(self.a).unsqueeze(-1)

        def mix(x: Tensor) -> Tensor:
            return share * x[:, :1] + (1 - share) * x[:, 1:]

        return mix(branches), mix(attention), branches


def overlap(branches: Tensor) -> Tensor:
    """How far specific features repeat the shared one, the first of the branches (B, 1 + T, D): mean of their squared
    cosines; 0 if they are orthogonal.

    Inspired by the decoupling constraint that the abstract of UV-M3TL names; its formula was not available.
    """
    return cosine_similarity(branches[:, :1], branches[:, 1:], dim=-1).square().mean()
