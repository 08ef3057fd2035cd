"""Concept-guided fusion (Altinses and Schwung, IEEE TAI 2025), for any number of modalities, some of them absent."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from mumu_ros.model.layers import zero_masked

__all__ = ["ConceptFusion"]


Extreme = Literal["max", "min"]


class ConceptFusion(nn.Module):
    """Attention between the mean of the features (joint) and their maximum (marginal), a residual, normalisation.

        f = a ⊙ mean_m z_m + (1 − a) ⊙ max_m z_m
        z_c = LayerNorm(f + mean_m P_m z_m)

    a = σ(W [z_1; …; z_M]) is one number for each element. The paper has two modalities; here mean and maximum are over
    those that are present, and an absent one does not affect the result.

    Args:
        modalities: M.
        size: D.
        extreme: The counterpart of the mean: the paper's text has the maximum, its authors' code the minimum.
    """

    def __init__(self, modalities: int, size: int, extreme: Extreme = "max") -> None:
        super().__init__()
        self._sign = 1.0 if extreme == "max" else -1.0
        self.attention = nn.Linear(modalities * size, size)
        self.residual = nn.Parameter(torch.empty(modalities, size, size))
        nn.init.normal_(self.residual, std=size**-0.5)
        self.norm = nn.LayerNorm(size)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            features: z, (B, M, D).
            mask: bool (B, M): which modalities are present.

        Returns:
            z_c (B, D), and the concept a (B, D): near 1 where the joint feature (mean) dominates, near 0 where the
            marginal one does.
        """
        features = zero_masked(features, mask)
        count = mask.sum(dim=1, keepdim=True).clamp(min=1).to(features.dtype)
        concept = torch.sigmoid(self.attention(features.flatten(1)))
        mean = features.sum(dim=1) / count
        lowest = torch.finfo(features.dtype).min
        extreme = (self._sign * features).masked_fill(~mask.unsqueeze(-1), lowest).amax(dim=1) * self._sign
        extreme = torch.where(mask.any(dim=1, keepdim=True), extreme, torch.zeros_like(extreme))
        fused = concept * mean + (1 - concept) * extreme
        residual = torch.einsum("bmd,mde->be", features, self.residual) / count
        normalized: Tensor = self.norm(fused + residual)
        return normalized, concept
