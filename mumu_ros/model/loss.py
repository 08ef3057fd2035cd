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

"""Multitask learning loss of MuMu (Islam and Iqbal 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from mumu_ros.model.dual_branch import overlap
from mumu_ros.model.network import NetworkOutput
from mumu_ros.model.task_weights import FixedWeights, TaskWeights

__all__ = ["LossParts", "MuMuLoss"]


@dataclass(frozen=True, eq=False)
class LossParts:
    """A loss and what it is made of, each a scalar.

    Attributes:
        total: What to minimise.
        target: L^t, of the activities.
        auxiliary: L^aux, of the activity groups.
        unimodal: Mean over the present modalities of their own activity losses; 0 without deep supervision.
        trust: Of the trust in the present modalities; 0 where the head has none.
        decoupling: How far task-specific features repeat the shared one; 0 where the head has no such branches.
        head: What the head itself adds, such as the error of rebuilding a modality; 0 where it adds nothing.
    """

    total: Tensor
    target: Tensor
    auxiliary: Tensor
    unimodal: Tensor
    trust: Tensor
    decoupling: Tensor
    head: Tensor


class MuMuLoss(nn.Module):
    """Cross-entropy of activities and of groups (equations 11 to 13).

    In print, 11 and 12 lack the minus sign, without which training would maximise the error.

    Args:
        beta_aux: β^aux, weight of the auxiliary loss; or how else the losses of activities and groups are weighed.
        deep_supervision_weight: Weight of the unimodal activity losses (ours).
        trust_weight: Weight of distinguishing corrupted modalities from clean ones (ours).
        label_smoothing: Probability spread evenly over all classes, in every part (ours).
        decoupling_weight: Weight of keeping shared and task-specific features apart: see `overlap`.
    """

    def __init__(
        self,
        beta_aux: float | TaskWeights,
        deep_supervision_weight: float = 0.0,
        trust_weight: float = 0.0,
        label_smoothing: float = 0.0,
        decoupling_weight: float = 0.0,
    ) -> None:
        super().__init__()
        self.task_weights = beta_aux if isinstance(beta_aux, TaskWeights) else FixedWeights(1.0, beta_aux)
        self.deep_supervision_weight = deep_supervision_weight
        self.trust_weight = trust_weight
        self.label_smoothing = label_smoothing
        self.decoupling_weight = decoupling_weight

    def forward(
        self, output: NetworkOutput, activity: Tensor, group: Tensor, corrupted: Tensor | None = None
    ) -> LossParts:
        """Loss of B windows.

        Args:
            output: Of the network.
            activity: int64 (B,), index of the true activity; or float (B, K), its probabilities, where a window whose
                row is zero is not labelled: it teaches its group only.
            group: int64 (B,), index of the true group.
            corrupted: bool (B, M), modalities that are there but wrong: they are not to be trusted, and their own
                classifiers learn nothing from them. None: all are right.

        Raises:
            ValueError: Deep supervision is weighted but the network has none.
        """
        target = self._cross_entropy(output.activity_logits, activity)  # (12)
        auxiliary = cross_entropy(output.group_logits, group, label_smoothing=self.label_smoothing)  # (11)
        good = output.present if corrupted is None else output.present & ~corrupted
        unimodal = self._unimodal(output, activity, good)
        trust = self._trust(output, good)
        decoupling = torch.zeros_like(target) if output.branches is None else overlap(output.branches)
        total = self.task_weights(torch.stack([target, auxiliary]))  # (13)
        total = total + self.deep_supervision_weight * unimodal + self.trust_weight * trust
        head = torch.zeros_like(target) if output.own_loss is None else output.own_loss
        total = total + self.decoupling_weight * decoupling + head
        return LossParts(total, target, auxiliary, unimodal, trust, decoupling, head)

    def _unimodal(self, output: NetworkOutput, activity: Tensor, good: Tensor) -> Tensor:
        if self.deep_supervision_weight == 0:
            return torch.zeros_like(output.activity_logits[0, 0])
        if output.unimodal_logits is None:
            raise ValueError(
                f"deep_supervision_weight is {self.deep_supervision_weight:g} but the model has no unimodal "
                "classifiers; set deep_supervision in its configuration"
            )
        rows, modalities = good.nonzero(as_tuple=True)
        logits = output.unimodal_logits[rows, modalities]
        return self._cross_entropy(logits, activity[rows])

    def _cross_entropy(self, logits: Tensor, activity: Tensor) -> Tensor:
        """Mean over the labelled ones of N windows; 0 if there is none."""
        if activity.is_floating_point():
            labelled = activity.any(dim=-1)
            logits, activity = logits[labelled], activity[labelled]
        if len(logits) == 0:
            return logits.sum()
        return cross_entropy(logits, activity, label_smoothing=self.label_smoothing)

    def _trust(self, output: NetworkOutput, good: Tensor) -> Tensor:
        if self.trust_weight == 0 or output.trust_logits is None or not output.present.any():
            return torch.zeros_like(output.activity_logits[0, 0])
        logits, truth = output.trust_logits[output.present], good[output.present]
        losses = binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="none")
        # Few modalities are corrupted; together they count as much as the good ones.
        sides = [losses[side].mean() for side in (truth, ~truth) if side.any()]
        return torch.stack(sides).mean()
