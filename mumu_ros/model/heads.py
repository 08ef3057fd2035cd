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

"""What becomes of the unimodal features: MuMu's two cooperating tasks, and the fusions that it is compared with.

Tables and equations are those of MuMu (Islam and Iqbal 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mumu_ros.model.concept import ConceptFusion, PublishedConceptFusion
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.dual_branch import DualBranch
from mumu_ros.model.fusion import GMFusion, SMFusion
from mumu_ros.model.layers import masked_softmax, zero_masked
from mumu_ros.model.parts import FUSIONS

__all__ = [
    "ConcatHead",
    "ConceptHead",
    "DualBranchHead",
    "HamletHead",
    "Head",
    "HeadOutput",
    "MuMuHead",
    "NonAttentionHead",
    "PublishedConceptHead",
    "TrustedMuMuHead",
    "classifier",
    "equal_weights",
    "head_attribute",
    "self_attention",
]


@dataclass(frozen=True, eq=False)
class HeadOutput:
    """Output of a head for B windows.

    Attributes:
        activity_logits: (B, K).
        group_logits: (B, N); None for a head without the auxiliary task.
        sm_weights: Weight of each modality in the group's feature, (B, M); 0 for an absent one.
        gm_weights: Weight of each modality in the activity's feature, (B, M); 0 for an absent one.
        trust_logits: Reliability of each modality, before the sigmoid, (B, M); None for heads without it.
        branches: Shared feature and those of group and activity, (B, 3, D); None but for `dual_branch`.
        own_loss: What the head itself adds to the loss, a scalar, in training; None for heads that add nothing.
    """

    activity_logits: Tensor
    group_logits: Tensor | None
    sm_weights: Tensor
    gm_weights: Tensor
    trust_logits: Tensor | None = None
    branches: Tensor | None = None
    own_loss: Tensor | None = None


class Head(nn.Module):
    """Fuses unimodal features and classifies. Constructed with the `ModelConfig`."""

    has_groups: bool = False
    """Whether the output has `group_logits`."""
    parts: int = 1
    """P > 1: a feature is those of P parts of the window side by side, the oldest first, each the mean of its steps."""
    attends_time: bool = True
    """False: features are the last states of the LSTM instead of attention over time."""

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:
        """Fuse and classify.

        Args:
            features: X^u, (B, M, D), or (B, M, P * D); 0 where absent.
            mask: bool (B, M): which modalities are present.
            unimodal_logits: (B, M, K), of each modality by itself, where the model has deep supervision.
        """
        raise NotImplementedError


def head_attribute(fusion: str, name: str) -> Any:
    """A class attribute of the head of `FUSIONS`; the default of `Head` if it is a foreign module without it."""
    return getattr(FUSIONS[fusion], name, getattr(Head, name))


def classifier(size: int, classes: int, dropout: float) -> nn.Sequential:
    """Two fully connected layers, ReLU after the first (Islam and Iqbal 2022); dropout between them is ours."""
    return nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Dropout(dropout), nn.Linear(size, classes))


def self_attention(size: int) -> nn.MultiheadAttention:
    """Of four heads, or of one where the size cannot be divided."""
    return nn.MultiheadAttention(size, 4 if size % 4 == 0 else 1, batch_first=True)


def equal_weights(mask: Tensor, like: Tensor) -> Tensor:
    """The same weight for each modality that is present, (B, M)."""
    return mask.to(like.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1)


class MuMuHead(Head):
    """MuMu's (equations 1 to 10): the activity group guides the fusion for the activity."""

    has_groups = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.sm_fusion = SMFusion(size)
        self.group_head = classifier(size, len(config.taxonomy.group_names), config.dropout)
        self.gm_fusion = GMFusion(size)
        self.W_f = nn.Linear(2 * size, size, bias=False)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Fuse and classify; see `Head.forward`."""
        x_aux, sm_weights = self.sm_fusion(features, mask)
        x_c, gm_weights = self.gm_fusion(features, x_aux, mask)
        x_f = self.W_f(torch.cat([x_c, x_aux], dim=-1))  # (9)
        return HeadOutput(
            activity_logits=self.activity_head(x_f),  # (10)
            group_logits=self.group_head(x_aux),  # (4)
            sm_weights=sm_weights,
            gm_weights=gm_weights,
        )


class TrustedMuMuHead(Head):
    """Ours: MuMu whose weights are the estimated reliability of each modality.

    Each modality's own classifier (deep supervision) predicts the activity. A small network takes its confidence and
    how far the others agree, and gives its trust γ, learned from modalities that were corrupted on purpose. As in
    equation 2 the weights of the modalities are the softmax of γ; it learns the odds of being right, so an
    absent modality is the limit of an unreliable one. The weighted mean of the features goes to the
    group's head and to the activity's, and the modalities vote, by the same weights:

        y^t = F^t(Σ w_m X_m) + Σ w_m F_m(X_m)

    The loss of the decision does not reach the trust: it would teach to ignore what is harder to learn.
    research/results.md compares this with the paper's head, whose queries, keys and values cost accuracy where data are
    few.
    """

    has_groups = True

    _HIDDEN = 32
    _EVIDENCE = 5

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.group_head = classifier(size, len(config.taxonomy.group_names), config.dropout)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)
        self.trust = nn.Sequential(nn.Linear(self._EVIDENCE, self._HIDDEN), nn.ReLU(), nn.Linear(self._HIDDEN, 1))

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:
        """Fuse and classify; see `Head.forward`.

        Raises:
            ValueError: The model has no deep supervision.
        """
        if unimodal_logits is None:
            raise ValueError("trusted_mumu asks each modality's own classifier; set deep_supervision: true")
        trust = self.trust(_evidence(unimodal_logits.detach(), mask)).squeeze(-1)
        weights = masked_softmax(trust.detach(), mask)
        fused = torch.einsum("bm,bmd->bd", weights, features)
        votes = torch.einsum("bm,bmk->bk", weights, unimodal_logits)
        return HeadOutput(self.activity_head(fused) + votes, self.group_head(fused), weights, weights, trust)


def _evidence(logits: Tensor, mask: Tensor) -> Tensor:
    """Confidence of each modality by itself, and agreement of the others with it: (B, M, 5)."""
    own = zero_masked(torch.softmax(logits, dim=-1), mask)
    others = (own.sum(dim=1, keepdim=True) - own) / (mask.sum(dim=1) - 1).clamp(min=1)[:, None, None]
    agreement = (own * others).sum(dim=-1)
    alignment = agreement / (own.norm(dim=-1) * others.norm(dim=-1)).clamp(min=1e-6)
    entropy = -(own * own.clamp(min=torch.finfo(own.dtype).tiny).log()).sum(dim=-1)
    return torch.stack([own.amax(dim=-1), entropy, others.amax(dim=-1), agreement, alignment], dim=-1)


class ConcatHead(Head):
    """One task, and no attention over the modalities: they are put side by side, or added (table 3).

    With attention over time in the encoders this is Keyless (Long et al. 2018), which is also B2 of table 7. With
    `merge: sum` present modalities are averaged, so that an absent one does not change the scale.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, self.is_sum = config.feature_size, config.merge == "sum"
        inputs = size if self.is_sum else size * len(config.modalities)
        self.project = nn.Linear(inputs, size)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Fuse and classify; see `Head.forward`. Every present modality has the same weight."""
        weights = equal_weights(mask, features)
        merged = torch.einsum("bm,bmd->bd", weights, features) if self.is_sum else features.flatten(1)
        logits = self.activity_head(torch.relu(self.project(merged)))
        return HeadOutput(logits, None, weights, weights)


class NonAttentionHead(ConcatHead):
    """No attention in time either: Non-Attention of tables 3 and 6, or B1 of table 7."""

    attends_time = False


class HamletHead(Head):
    """One task, multi-head self-attention over the modalities: HAMLET-like, in place of B3 of table 7.

    HAMLET (Islam and Iqbal 2020) has multi-head self-attention over time, and another attention over the modalities.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = self_attention(config.feature_size)
        self.norm = nn.LayerNorm(config.feature_size)
        self.concat = ConcatHead(config)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:
        """Fuse and classify; see `Head.forward`. A modality's weight is how much the present ones ask for it."""
        # Attention over nothing at all is not a number: such a row looks at its zeros.
        there = mask | ~mask.any(dim=1, keepdim=True)
        attended, weights = self.attention(features, features, features, key_padding_mask=~there)
        output = self.concat(zero_masked(self.norm(features + attended), mask), mask, unimodal_logits)
        asked = zero_masked(weights, mask).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return HeadOutput(output.activity_logits, None, asked, asked)


class ConceptHead(Head):
    """One task, and concept-guided fusion of the modalities: see `ConceptFusion`."""

    variant: type[nn.Module] = ConceptFusion

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.fusion = self.variant(len(config.modalities), size)
        self.activity_head = classifier(size, len(config.taxonomy.activities), config.dropout)

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Fuse and classify; see `Head.forward`. Elements are weighed, modalities are not: all have the same."""
        fused, _ = self.fusion(features, mask)
        weights = equal_weights(mask, features)
        return HeadOutput(self.activity_head(fused), None, weights, weights)


class PublishedConceptHead(ConceptHead):
    """The fusion as its authors published it: see `PublishedConceptFusion`."""

    variant = PublishedConceptFusion


class DualBranchHead(Head):
    """Two tasks that share one view of the modalities' sequences and have one each for themselves: see `DualBranch`."""

    has_groups = True
    parts = 8

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.feature_size
        self.embedding = DualBranch(len(config.modalities), size, tasks=2)
        self.dropout = nn.Dropout(config.dropout)
        self.group_head = nn.Linear(size, len(config.taxonomy.group_names))
        self.activity_head = nn.Linear(size, len(config.taxonomy.activities))

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        """Fuse and classify; see `Head.forward`. A task's weights are mixed of both branches as its feature is."""
        mixed, weights, branches = self.embedding(features, mask)
        group, activity = self.dropout(mixed).unbind(dim=1)
        return HeadOutput(
            activity_logits=self.activity_head(activity),
            group_logits=self.group_head(group),
            sm_weights=weights[:, 0],
            gm_weights=weights[:, 1],
            branches=branches,
        )
