"""Dual-branch embedding: shared and task-specific features, after the abstract of UV-M3TL (Liu et al. 2026).

It is not the architecture of the paper's text (arXiv 2602.01594). Where the abstract has spatial attention, there are
modalities here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from mumu_ros.model.fusion import SMFusion
from mumu_ros.model.layers import masked_mean, zero_masked

__all__ = ["Branch", "DualBranch", "overlap"]

_REDUCTION = 4


class Branch(nn.Module):
    """A view of the features of all modalities: attention over their channels, then over the modalities.

        g = σ(V ReLU(U mean_m X_m))    f = ReLU(W Σ_m α_m (g ⊙ X_m) + b)

    α is that of SM-Fusion. An absent modality has weight exactly 0, and what it holds changes no bit.

    Args:
        size: D.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        hidden = max(size // _REDUCTION, 1)
        self.channels = nn.Sequential(nn.Linear(size, hidden), nn.ReLU(), nn.Linear(hidden, size), nn.Sigmoid())
        self.modalities = SMFusion(size)
        self.project = nn.Sequential(nn.Linear(size, size), nn.ReLU())

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Look at the features.

        Args:
            features: X^u, (B, M, D).
            mask: bool (B, M): which modalities are present.

        Returns:
            f (B, D) and α (B, M).
        """
        gate = self.channels(masked_mean(features, mask)).unsqueeze(1)
        fused, weights = self.modalities(gate * zero_masked(features, mask), mask)
        return self.project(fused), weights


class DualBranch(nn.Module):
    """A shared branch, one for each task, and how far each task uses either.

    A task's feature is σ(a) · shared + (1 − σ(a)) · specific, with a learned from 0.5 on. What follows is linear, so
    that its logits are mixed as its features are.

    Args:
        size: D.
        tasks: T.
    """

    def __init__(self, size: int, tasks: int) -> None:
        super().__init__()
        self.shared = Branch(size)
        self.specific = nn.ModuleList(Branch(size) for _ in range(tasks))
        self.a = nn.Parameter(torch.full((tasks,), 0.5))

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed.

        Args:
            features: X^u, (B, M, D).
            mask: bool (B, M): which modalities are present.

        Returns:
            The tasks' features (B, T, D), their weights of the modalities (B, T, M), and what the branches said
            (B, 1 + T, D), the shared one first.
        """
        outputs, weights = zip(*(branch(features, mask) for branch in (self.shared, *self.specific)), strict=True)
        branches, attention = torch.stack(outputs, dim=1), torch.stack(weights, dim=1)
        share = torch.sigmoid(self.a).unsqueeze(-1)

        def mix(x: Tensor) -> Tensor:
            return share * x[:, :1] + (1 - share) * x[:, 1:]

        return mix(branches), mix(attention), branches


def overlap(branches: Tensor) -> Tensor:
    """How far specific features repeat the shared one: mean of their squared cosines; 0 if they are orthogonal.

    Args:
        branches: (B, 1 + T, D), the shared one first.
    """
    return cosine_similarity(branches[:, :1], branches[:, 1:], dim=-1).square().mean()
