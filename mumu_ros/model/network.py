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

"""The network: an encoder for each modality, and a head that fuses their features and decides.

Where the configuration asks for several members, they are networks of one shape that were trained apart, and their
probabilities are averaged (Lakshminarayanan et al. 2017).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.heads import HeadOutput
from mumu_ros.model.layers import zero_masked
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.unimodal import UnimodalEncoder

__all__ = ["Network", "NetworkOutput"]


@dataclass(frozen=True, eq=False)
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
        branches: Shared feature and those of group and activity, (B, 3, D); None but for `dual_branch`, and for
            several members.
        own_loss: What the head adds to the loss, in training; None for several members.
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
    """The network: the first of `config.members`, which holds the `others`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        activities = len(config.taxonomy.activities)
        # A list, not a dictionary: modality names may hold dots, parameter names may not.
        self.encoders = nn.ModuleList(UnimodalEncoder(m, config) for m in config.modalities)
        self.head = FUSIONS[config.fusion](config)
        self.unimodal_heads = nn.ModuleList(
            nn.Linear(self.encoder(name).unimodal_size, activities) for name in config.names if config.deep_supervision
        )
        # (K, N): an activity's group.
        groups = torch.from_numpy(config.taxonomy.group_indices).unsqueeze(1)
        membership = (groups == torch.arange(len(config.taxonomy.group_names))).to(torch.get_default_dtype())
        self.register_buffer("membership", membership, persistent=False)
        alone = replace(config, members=1)
        self.others = nn.ModuleList(Network(alone) for _ in range(config.members - 1))

    membership: Tensor

    @classmethod
    def of(cls, members: Sequence[Network]) -> Network:
        """The network of one or more members, which have one configuration."""
        first = members[0]
        whole = cls(replace(first.config, members=len(members))).train(first.training)
        state = dict(first.state_dict())
        for index, member in enumerate(members[1:]):
            state |= {f"others.{index}.{key}": value for key, value in member.state_dict().items()}
        whole.load_state_dict(state)
        return whole

    def members(self) -> list[Network]:
        """A copy of each member as a network by itself, on this one's device; the reverse of `of`."""
        first = copy.deepcopy(self, {id(self.others): nn.ModuleList()})  # without the others
        first.config = replace(self.config, members=1)
        return [first, *copy.deepcopy(self._others)]

    @property
    def _others(self) -> list[Network]:
        return [other for other in self.others if isinstance(other, Network)]

    @property
    def unimodal_size(self) -> int:
        """Numbers in a unimodal feature: `feature_size` for each part that the head asks for, of each member."""
        return self.config.members * self.encoder(self.config.names[0]).unimodal_size

    def encoder(self, name: str) -> UnimodalEncoder:
        """The unimodal encoder of a modality, of the first member.

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
        features = {name: self._encode(name, x, masks[name]) for name, x in inputs.items()}
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
        if self.others:
            parts = {name: x.chunk(self.config.members, dim=-1) for name, x in features.items()}
            mine = [{name: part[i] for name, part in parts.items()} for i in range(self.config.members)]
            others = zip(self._others, mine[1:], strict=True)
            return _average([self._decide(mine[0], present), *(other.decide(x, present) for other, x in others)])
        return self._decide(features, present)

    def _encode(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        feature: Tensor = self.encoder(name)(x, mask)
        others = [other.encoder(name)(x, mask) for other in self._others]
        return torch.cat([feature, *others], dim=-1) if others else feature

    def _decide(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> NetworkOutput:
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


def _average(outputs: Sequence[NetworkOutput]) -> NetworkOutput:
    """Probabilities and weights are averaged; features lie side by side."""

    def of(field: str, join: Callable[[Tensor], Tensor]) -> Tensor:
        return join(torch.stack([getattr(output, field) for output in outputs]))

    first = outputs[0]
    return NetworkOutput(
        group_logits=of("group_logits", _log_mean),
        activity_logits=of("activity_logits", _log_mean),
        sm_weights=of("sm_weights", _mean),
        gm_weights=of("gm_weights", _mean),
        features=torch.cat([output.features for output in outputs], dim=-1),
        present=first.present,
        unimodal_logits=None if first.unimodal_logits is None else of("unimodal_logits", _log_mean),
        trust_logits=None if first.trust_logits is None else of("trust_logits", _mean),
    )


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=0)


def _log_mean(logits: Tensor) -> Tensor:
    """Logarithm of the mean over members of the probabilities of logits (members, …, K)."""
    return torch.logsumexp(torch.log_softmax(logits, dim=-1), dim=0) - math.log(len(logits))
