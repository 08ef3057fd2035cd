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

"""Concept-guided fusion for any number of modalities, some of them absent.

Altinses and Schwung: Fault-tolerant Multimodal Representations Learning: Fusion of Intermodal and Intramodal
Correlations (IEEE Transactions on Artificial Intelligence, 2025), doi 10.1109/TAI.2025.3649763. What is said of it here
is of its repository, github.com/Diyarino/concept-guided-multimodal-fusion; the article was not available.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mumu_ros.model.layers import zero_masked

__all__ = ["ConceptFusion", "PublishedConceptFusion"]


class ConceptFusion(nn.Module):
    """Ours: a concept of one layer between the mean of the features (joint) and their maximum (marginal).

        a = σ(W [z_1; …; z_M] + b)
        f = a ⊙ mean_m z_m + (1 − a) ⊙ max_m z_m
        z_c = LayerNorm(f + mean_m P_m z_m)

    a is one number for each element. Means and maximum are over the modalities that are present; an absent one does
    not affect the result.
    """

    def __init__(self, modalities: int, size: int) -> None:
        super().__init__()
        self.attention = nn.Linear(modalities * size, size)
        self.residual = nn.Parameter(torch.empty(modalities, size, size))
        nn.init.normal_(self.residual, std=size**-0.5)
        self.norm = nn.LayerNorm(size)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse features z (B, M, D), of which `mask` (B, M) are present.

        Returns:
            z_c (B, D), and the concept a (B, D): near 1 where the joint feature (mean) dominates, near 0 where the
            marginal one does.
        """
        features = zero_masked(features, mask)
        concept = torch.sigmoid(self.attention(features.flatten(1)))
        residual = torch.einsum("bmd,mde->be", features, self.residual) / _count(mask, features)
        normalized: Tensor = self.norm(_between(concept, features, -_lowest(-features, mask), mask) + residual)
        return normalized, concept


class PublishedConceptFusion(nn.Module):
    """As the authors' code has it: a concept of two layers between the mean and the minimum.

        a = σ(W_2 ReLU(W_1 [z_1; …; z_M] + b_1) + b_2)
        f = a ⊙ mean_m z_m + (1 − a) ⊙ min_m z_m
        z_c = LayerNorm(f + Σ_m (P_m z_m + p_m))

    An earlier README of theirs has the maximum in place of the minimum. W_2 is drawn around 0 and b_2 around 0.5, with
    a deviation of 0.1. They have two modalities, always present; here an absent one does not affect the result.
    """

    _BIAS, _STD = 0.5, 0.1

    def __init__(self, modalities: int, size: int) -> None:
        super().__init__()
        self.concept = nn.Sequential(nn.Linear(modalities * size, size), nn.ReLU(), nn.Linear(size, size))
        last = self.concept[2]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=self._STD)
        nn.init.normal_(last.bias, self._BIAS, self._STD)
        self.projections = nn.ModuleList(nn.Linear(size, size) for _ in range(modalities))
        self.norm = nn.LayerNorm(size)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse; see `ConceptFusion.forward`."""
        features = zero_masked(features, mask)
        concept = torch.sigmoid(self.concept(features.flatten(1)))
        projected = [project(z) for project, z in zip(self.projections, features.unbind(dim=1), strict=True)]
        residual = zero_masked(torch.stack(projected, dim=1), mask).sum(dim=1)
        normalized: Tensor = self.norm(_between(concept, features, _lowest(features, mask), mask) + residual)
        return normalized, concept


def _count(mask: Tensor, like: Tensor) -> Tensor:
    """How many modalities are present, at least 1: (B, 1)."""
    return mask.sum(dim=1, keepdim=True).clamp(min=1).to(like.dtype)


def _lowest(features: Tensor, mask: Tensor) -> Tensor:
    """Minimum over the modalities that are present, (B, D); 0 where none is."""
    highest = torch.finfo(features.dtype).max
    lowest = features.masked_fill(~mask.unsqueeze(-1), highest).amin(dim=1)
    return zero_masked(lowest, mask.any(dim=1))


def _between(concept: Tensor, features: Tensor, marginal: Tensor, mask: Tensor) -> Tensor:
    """A ⊙ mean + (1 − a) ⊙ marginal."""
    return concept * features.sum(dim=1) / _count(mask, features) + (1 - concept) * marginal
