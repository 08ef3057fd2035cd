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

"""The network: an encoder for each modality, and a head that fuses their features and decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.heads import HeadOutput
from mumu_ros.model.layers import zero_masked
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.unimodal import UnimodalEncoder

__all__ = ["Network", "NetworkOutput"]


@dataclass(frozen=True)
class NetworkOutput:
    """Output of the network for B windows. Modalities are in the configuration's order.

    Attributes:
        group_logits: y^aux before the softmax, (B, N groups).
        activity_logits: y^t before the softmax, (B, K activities).
        sm_weights: α of SM-Fusion, (B, M); 0 for an absent modality.
        gm_weights: Attention of GM-Fusion, (B, M); 0 for an absent modality.
        features: Unimodal features X^u, (B, M, `unimodal_size`); 0 for an absent modality.
        trust_logits: Reliability of each modality, before the sigmoid, (B, M); None but for `trusted_mumu`.
        present: bool (B, M).
        unimodal_logits: (B, M, K) where the model has deep supervision, else None.
        branches: Shared feature and those of group and activity, (B, 3, D); None but for `dual_branch`.
        own_loss: What the head adds to the loss, in training.
    """

    group_logits: Tensor
    activity_logits: Tensor
    sm_weights: Tensor
    gm_weights: Tensor
    features: Tensor
    present: Tensor
    unimodal_logits: Tensor | None
    trust_logits: Tensor | None = None
    branches: Tensor | None = None
    own_loss: Tensor | None = None


class Network(nn.Module):
    """The network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        activities = len(config.taxonomy.activities)
        # A list, not a dictionary: modality names may hold dots, parameter names may not.
        self.encoders = nn.ModuleList(UnimodalEncoder(m, config) for m in config.modalities)
        self.head = FUSIONS[config.fusion](config)
        self.unimodal_heads = nn.ModuleList(
            nn.Linear(self.unimodal_size, activities) for _ in config.modalities if config.deep_supervision
        )
        # (K, N): an activity's group.
        membership = torch.eye(len(config.taxonomy.group_names))[torch.from_numpy(config.taxonomy.group_indices)]
        self.register_buffer("membership", membership, persistent=False)

    membership: Tensor

    @property
    def unimodal_size(self) -> int:
        """Numbers in a unimodal feature: `feature_size` for each part of the window that the head asks for."""
        return self.encoder(self.config.names[0]).unimodal_size

    def encoder(self, name: str) -> UnimodalEncoder:
        """The unimodal encoder of a modality.

        Raises:
            ValueError: There is no such modality.
        """
        self._check_names([name])
        encoder = self.encoders[self.config.names.index(name)]
        assert isinstance(encoder, UnimodalEncoder)
        return encoder

    def forward(self, inputs: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> NetworkOutput:
        """Recognise windows, as `Preprocessing.batch` lays them out.

        Args:
            inputs: Per modality (B, T, *shape) prepared samples; of images also (B, T, F), as `encode_frames` encodes
                them. A modality that is not in it is absent.
            masks: For each of those bool (B, T): which time steps are there. A modality is present in a
                window where any is. What masked steps hold changes no bit of the result.

        Raises:
            ValueError: No modality, one that the model does not have, one without its mask, or a wrong shape.
        """
        self._check_names(inputs)
        for name, x in inputs.items():
            shape, encoded = self.config.modality(name).shape, self.encoder(name).encoded_shape
            if name not in masks or masks[name].shape != x.shape[:2] or x.shape[2:] not in (shape, encoded):
                mask = tuple(masks[name].shape) if name in masks else None
                expected = f"(B, T, {', '.join(map(str, shape))}) with mask (B, T)"
                raise ValueError(f"{name}: input {tuple(x.shape)} with mask {mask}; expected {expected}")
        features = {name: self.encoder(name)(x, masks[name]) for name, x in inputs.items()}
        return self.decide(features, {name: self.encoder(name).sees(masks[name]) for name in inputs})

    def encode_frames(self, name: str, frames: Tensor) -> Tensor:
        """Encode prepared frames of an image modality, each by itself: (N, H, W, C) to (N, F). See
        `summarize`.

        Raises:
            TypeError: The modality is no image.
            ValueError: There is no such modality.
        """
        return self.encoder(name).encode(frames)

    def summarize(self, name: str, features: Tensor, mask: Tensor) -> Tensor:
        """Encoded frames (B, T, F) with mask (B, T) to unimodal features (B, D).

        Raises:
            ValueError: There is no such modality.
        """
        return self.encoder(name).summarize(features, mask)

    def decide(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> NetworkOutput:
        """Fuse unimodal features and classify.

        Args:
            features: Per modality X^u_m, (B, D). A modality that is not in it is absent.
            present: For each of those bool (B,).

        Raises:
            ValueError: No modality, or one that the model does not have.
        """
        self._check_names(features)
        like = next(iter(features.values()))
        absent = torch.zeros_like(like), torch.zeros(like.shape[0], dtype=torch.bool, device=like.device)
        pairs = [(features[n], present[n]) if n in features else absent for n in self.config.names]
        mask = torch.stack([there for _, there in pairs], dim=1)
        stacked = zero_masked(torch.stack([feature for feature, _ in pairs], dim=1), mask)

        unimodal_logits = self._unimodal_logits(stacked)
        decided: HeadOutput = self.head(stacked, mask, unimodal_logits)
        group_logits = decided.group_logits
        if group_logits is None:
            # A group is as probable as its activities together.
            group_logits = (torch.softmax(decided.activity_logits, dim=-1) @ self.membership).clamp(min=1e-12).log()
        return NetworkOutput(
            group_logits=group_logits,
            activity_logits=decided.activity_logits,
            sm_weights=decided.sm_weights,
            gm_weights=decided.gm_weights,
            features=stacked,
            present=mask,
            unimodal_logits=unimodal_logits,
            trust_logits=decided.trust_logits,
            branches=decided.branches,
            own_loss=decided.own_loss,
        )

    def _unimodal_logits(self, features: Tensor) -> Tensor | None:
        if not self.config.deep_supervision:
            return None
        heads = zip(self.unimodal_heads, features.unbind(dim=1), strict=True)
        return torch.stack([head(feature) for head, feature in heads], dim=1)

    def _check_names(self, names: Mapping[str, Tensor] | list[str]) -> None:
        unknown = sorted(set(names) - set(self.config.names))
        if unknown or not names:
            raise ValueError(f"got modalities {unknown or 'none'}; the model has {', '.join(self.config.names)}")
