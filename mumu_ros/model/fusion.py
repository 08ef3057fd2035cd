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

"""SM-Fusion and GM-Fusion of MuMu (Islam and Iqbal 2022), with modalities that may be absent."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mumu_ros.model.layers import masked_softmax, zero_masked

__all__ = ["GMFusion", "SMFusion"]


class SMFusion(nn.Module):
    """Self multimodal fusion: weigh the modalities by what they hold (equations 1 to 3).

    An absent modality has weight exactly 0, the others' weights sum to 1, and what its feature holds changes
    no bit. With none present, weights and result are 0.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        # A bias would cancel in the softmax.
        self.W_aux = nn.Conv1d(size, 1, kernel_size=1, bias=False)

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            features: X^u, (B, M, D).
            mask: bool (B, M): which modalities are present.

        Returns:
            X^aux (B, D) and α (B, M).
        """
        features = zero_masked(features, mask)
        gamma = self.W_aux(features.transpose(1, 2)).squeeze(1)  # (1)
        alpha = masked_softmax(gamma, mask)  # (2)
        return torch.einsum("bm,bmd->bd", alpha, features), alpha  # (3)


class GMFusion(nn.Module):
    """Guided multimodal fusion: the activity-group feature asks, the modalities answer (equations 5 to 8).

    Absent modalities are treated as in `SMFusion`.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.W_K = nn.Linear(size, size, bias=False)
        self.W_V = nn.Linear(size, size, bias=False)
        self.W_Q = nn.Linear(size, size, bias=False)
        self.W_o = nn.Linear(size, size, bias=False)

    def forward(self, features: Tensor, x_aux: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse.

        Args:
            features: X^u, (B, M, D).
            x_aux: X^aux of SM-Fusion, (B, D).
            mask: bool (B, M): which modalities are present.

        Returns:
            X^c (B, D) and the attention weights (B, M).
        """
        features = zero_masked(features, mask)
        keys, values = self.W_K(features), self.W_V(features)  # (5)
        query = self.W_Q(x_aux)  # (6)
        scores = torch.einsum("bd,bmd->bm", query, keys) / math.sqrt(features.shape[-1])
        weights = masked_softmax(scores, mask)
        fused = torch.einsum("bm,bmd->bd", weights, values)  # (7)
        return self.W_o(fused), weights  # (8)
