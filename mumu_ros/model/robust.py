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

"""Heads for missing and corrupted modalities that MuMu's is compared with, after three papers, on the same encoders.

Each takes one feature of a modality as a token. So does ActionMAE; X-Fi has several, and Centaur cleans and fuses the
sensors' samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.heads import Head, HeadOutput, classifier, equal_weights, self_attention
from mumu_ros.model.layers import masked_mean, masked_softmax, zero_masked

__all__ = ["ActionMAEHead", "CentaurHead", "XFiHead"]


class _Block(nn.Module):
    """A transformer layer over tokens (B, N, D), of which bool (B, N) are there; 0 where they are not."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.attention = self_attention(size)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.feed_forward = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Attend to what is there."""
        # Attention over nothing at all is not a number: such a row looks at its zeros.
        there = mask | ~mask.any(dim=1, keepdim=True)
        x = self.norms[0](tokens)
        tokens = tokens + self.attention(x, x, x, key_padding_mask=~there, need_weights=False)[0]
        return zero_masked(tokens + self.feed_forward(self.norms[1](tokens)), mask)


class ActionMAEHead(Head):
    """Missing modalities are rebuilt from the present ones and a memory token, after ActionMAE (Woo et al., AAAI 2023).

    In training one more modality of every second window is dropped at random (theirs: any number), and the error of
    rebuilding it is part of the loss. The modalities are fused by a mean (theirs: by a transformer).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, count = config.feature_size, len(config.modalities)
        self.place = nn.Parameter(0.02 * torch.randn(count, size))
        self.missing = nn.Parameter(0.02 * torch.randn(size))
        self.memory = nn.Parameter(0.02 * torch.randn(1, 1, size))
        self.encoder, self.decoder = _Block(size), _Block(size)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Rebuild and classify; see `Head.forward`. Every present modality has the same weight."""
        seen = _without_one(mask) if self.training else mask
        memory = self.memory.expand(len(features), 1, -1)
        always = torch.ones_like(mask[:, :1])
        tokens = torch.cat([memory, zero_masked(features + self.place, seen)], dim=1)
        encoded = self.encoder(tokens, torch.cat([always, seen], dim=1))
        filled = torch.where(seen.unsqueeze(-1), encoded[:, 1:], self.missing) + self.place
        tokens = torch.cat([encoded[:, :1], filled], dim=1)
        rebuilt = self.decoder(tokens, torch.ones_like(tokens[..., 0], dtype=torch.bool))[:, 1:]
        fused = torch.where(seen.unsqueeze(-1), features, rebuilt).mean(dim=1)
        hidden = mask & ~seen
        weights = equal_weights(mask, features)
        error = _error(rebuilt, features, hidden) if self.training else None
        return HeadOutput(self.activity_head(fused), None, weights, weights, own_loss=error)


class XFiHead(Head):
    """Any subset of modalities through one transformer, then fusion by keys and values of each modality's own.

    After X-Fi (Chen and Yang, ICLR 2025).
    """

    _ROUNDS = 2

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, count = config.feature_size, len(config.modalities)
        self.place = nn.Parameter(0.02 * torch.randn(count, size))
        self.cross = _Block(size)
        self.query = nn.Linear(size, size)
        self.key = nn.Parameter(torch.randn(count, size, size) / size**0.5)
        self.value = nn.Parameter(torch.randn(count, size, size) / size**0.5)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(2))
        self.feed_forward = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Fuse and classify; see `Head.forward`. Weights are those of the last round's attention."""
        fused = masked_mean(self.cross(zero_masked(features + self.place, mask), mask), mask)
        keys = torch.einsum("bmd,mde->bme", features, self.key)
        values = torch.einsum("bmd,mde->bme", features, self.value)
        for _ in range(self._ROUNDS):
            scores = torch.einsum("bd,bmd->bm", self.query(fused), keys) / features.shape[-1] ** 0.5
            weights = masked_softmax(scores, mask)
            fused = self.norms[0](fused + torch.einsum("bm,bmd->bd", weights, values))
            fused = self.norms[1](fused + self.feed_forward(fused))
        return HeadOutput(self.activity_head(fused), None, weights, weights)


class CentaurHead(Head):
    """A denoising autoencoder over all modalities, then self-attention over what it gives, after Centaur.

    (Xaviar, Yang and Ardakanian 2023.) In training the autoencoder is given features with noise and, in every second
    window, one modality less, and its error is part of the loss.
    """

    _NOISE = 0.3

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, count = config.feature_size, len(config.modalities)
        self.denoise = nn.Sequential(
            nn.Linear(count * (size + 1), 2 * size), nn.ReLU(), nn.Linear(2 * size, 2 * size), nn.ReLU(),
            nn.Linear(2 * size, count * size),
        )  # fmt: skip
        self.attention = _Block(size)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Denoise, fuse and classify; see `Head.forward`. Every present modality has the same weight."""
        seen, given = mask, features
        if self.training:
            seen = _without_one(mask)
            noise = self._NOISE * features.detach().std() * torch.randn_like(features)
            given = zero_masked(features + noise, seen)
        known = torch.cat([given, seen.unsqueeze(-1).to(given.dtype)], dim=-1)
        clean = self.denoise(known.flatten(1)).reshape(features.shape)
        fused = self.attention(clean, torch.ones_like(mask)).mean(dim=1)
        weights = equal_weights(mask, features)
        error = _error(clean, features, mask) if self.training else None
        return HeadOutput(self.activity_head(fused), None, weights, weights, own_loss=error)


def _without_one(mask: Tensor) -> Tensor:
    """Of every second window, on average, one modality less; one always stays."""
    lot = torch.rand(mask.shape, device=mask.device).masked_fill(~mask, -1.0)
    least = mask.sum(dim=1) > 1
    chosen = least & (torch.rand(len(mask), device=mask.device) < 0.5)
    dropped = nn.functional.one_hot(lot.argmax(dim=1), mask.shape[1]).bool() & chosen.unsqueeze(1)
    return mask & ~dropped


def _error(rebuilt: Tensor, features: Tensor, which: Tensor) -> Tensor:
    """Mean squared error of the features of these modalities (B, M); 0 if there are none."""
    squares = (rebuilt - features.detach()).square().mean(dim=-1)
    return (squares * which).sum() / which.sum().clamp(min=1)
