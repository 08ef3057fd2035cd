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

"""The multimodal autoencoder around concept-guided fusion (Altinses and Schwung 2025)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_ros.model.concept import ConceptFusion
from mumu_ros.model.layers import zero_masked

__all__ = ["ConceptAutoencoder", "Forward"]


Array = NDArray[np.float32]
_LOWEST = np.float32(np.finfo(np.float32).min)


class ConceptAutoencoder(nn.Module):
    """Encodes each modality's description, fuses all into one concept, and decodes each from it.

        z_m = E_m(x_m),  z_c = F(z_1, …, z_M),  x̂_m = D_m(z_c)

    Encoders and decoders have two layers. All modalities are computed at once: their descriptions are padded with
    zeros to the same length, and every layer has one matrix for each.

    Args:
        modalities: M.
        size: Length of the padded descriptions (P).
        hidden: Numbers in z_m and z_c.
    """

    def __init__(self, modalities: int, size: int, hidden: int = 32) -> None:
        super().__init__()
        self.hidden = hidden
        self.encode1, self.encode2 = _Layer(modalities, size, hidden), _Layer(modalities, hidden, hidden)
        self.fusion = ConceptFusion(modalities, hidden)
        self.decode1, self.decode2 = _Layer(modalities, hidden, hidden), _Layer(modalities, hidden, size)

    def encode(self, x: Tensor) -> Tensor:
        """Descriptions (B, M, P) to z (B, M, H)."""
        encoded: Tensor = self.encode2(torch.relu(self.encode1(x)))
        return encoded

    def decode(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse the modalities of z (B, M, H) that `mask` (B, M) names, and decode all of them.

        Returns:
            x̂ (B, M, P); and the concept score (B,), here the mean of the attention: high where the joint feature
            (mean) dominates, low where the marginal one (maximum) does.
        """
        concept, attention = self.fusion(zero_masked(z, mask), mask)
        each = concept.unsqueeze(1).expand(-1, z.shape[1], -1)
        decoded: Tensor = self.decode2(torch.relu(self.decode1(each)))
        return decoded, attention.mean(dim=1)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`encode` and `decode`."""
        return self.decode(self.encode(zero_masked(x, mask)), mask)


class _Layer(nn.Module):
    """A fully connected layer for each modality: (B, M, I) to (B, M, O)."""

    def __init__(self, modalities: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(modalities, inputs, outputs) * inputs**-0.5)
        self.bias = nn.Parameter(torch.zeros(modalities, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = torch.baddbmm(self.bias, x.transpose(0, 1), self.weight)
        return product.transpose(0, 1)


class Forward:
    """A copy of a trained autoencoder in numpy, for single windows, for which PyTorch takes four times as long."""

    def __init__(self, autoencoder: ConceptAutoencoder) -> None:
        a = autoencoder
        self._encode = [(_array(layer.weight), _array(layer.bias)) for layer in (a.encode1, a.encode2)]
        self._decode = [(_array(layer.weight), _array(layer.bias)) for layer in (a.decode1, a.decode2)]
        self._attention, self._attention_bias = _array(a.fusion.attention.weight).T, _array(a.fusion.attention.bias)
        self._residual = _array(a.fusion.residual)
        self._scale, self._shift, self._epsilon = (
            _array(a.fusion.norm.weight),
            _array(a.fusion.norm.bias),
            a.fusion.norm.eps,
        )

    def encode(self, x: Array) -> Array:
        """See `ConceptAutoencoder.encode`: (B, M, P) to (B, M, H)."""
        return _layers(self._encode, x.transpose(1, 0, 2)).transpose(1, 0, 2)

    def fuse(self, z: Array, masks: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Fuse several subsets, `masks` (B, V, M), of the modalities of z (B, M, H).

        Returns:
            Concepts (B, V, H), and concept scores (B, V).
        """
        batch, versions, _ = masks.shape
        there = masks[..., None]
        share = masks / np.maximum(masks.sum(axis=-1, keepdims=True), 1)
        share = share.astype(np.float32)
        chosen = z[:, None] * there
        attention = chosen.reshape(batch, versions, -1) @ self._attention
        attention = 1 / (1 + np.exp(-self._attention_bias - attention))
        mean = share @ z
        highest = np.maximum.reduce(np.where(there, chosen, _LOWEST), axis=2) * masks.any(axis=-1, keepdims=True)
        residual = share @ np.matmul(z.transpose(1, 0, 2), self._residual).transpose(1, 0, 2)
        fused = highest + attention * (mean - highest) + residual
        fused -= np.add.reduce(fused, axis=-1, keepdims=True) / fused.shape[-1]
        variance = np.einsum("bvh,bvh->bv", fused, fused)[..., None] / fused.shape[-1]
        fused *= self._scale / np.sqrt(variance + self._epsilon)
        return fused + self._shift, np.add.reduce(attention, axis=-1) / attention.shape[-1]

    def decode(self, concepts: Array) -> Array:
        """Decode each modality from its own concepts: (B, M, V, H) to (B, M, V, P)."""
        batch, modalities, versions, hidden = concepts.shape
        flat = concepts.transpose(1, 0, 2, 3).reshape(modalities, batch * versions, hidden)
        return _layers(self._decode, flat).reshape(modalities, batch, versions, -1).transpose(1, 0, 2, 3)


def _layers(layers: list[tuple[Array, Array]], x: Array) -> Array:
    """Two layers for each modality: (M, N, I) to (M, N, O)."""
    (weight1, bias1), (weight2, bias2) = layers
    hidden: Array = np.maximum(np.matmul(x, weight1) + bias1, 0)
    output: Array = np.matmul(hidden, weight2) + bias2
    return output


def _array(parameter: Tensor) -> Array:
    copied: Array = parameter.detach().cpu().numpy().copy()
    return copied
