"""Multitask learning loss (section 3.6 of the MuMu paper)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mumu_ros.model.mumu import MuMuOutput

__all__ = ["LossParts", "MuMuLoss"]


@dataclass(frozen=True)
class LossParts:
    """A loss and what it is made of, each a scalar.

    Attributes:
        total: What to minimise.
        target: L^t, of the activities.
        auxiliary: L^aux, of the activity groups.
        unimodal: Mean over the present modalities of their own activity losses; 0 without deep supervision.
    """

    total: Tensor
    target: Tensor
    auxiliary: Tensor
    unimodal: Tensor


class MuMuLoss(nn.Module):
    """Cross-entropy of activities and of groups (equations 11 to 13).

    In print, 11 and 12 lack the minus sign, without which training would maximise the error.

    Args:
        beta_aux: β^aux, weight of the auxiliary loss.
        deep_supervision_weight: Weight of the unimodal activity losses (ours; the paper has none).
        label_smoothing: Probability spread evenly over all classes, in every part (ours).
    """

    def __init__(self, beta_aux: float, deep_supervision_weight: float = 0.0, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.beta_aux = beta_aux
        self.deep_supervision_weight = deep_supervision_weight
        self.label_smoothing = label_smoothing

    def forward(self, output: MuMuOutput, activity: Tensor, group: Tensor) -> LossParts:
        """Loss of B windows.

        Args:
            output: Of the network.
            activity: int64 (B,), index of the true activity.
            group: int64 (B,), index of the true group.

        Raises:
            ValueError: Deep supervision is weighted but the network has none.
        """
        target = cross_entropy(output.activity_logits, activity, label_smoothing=self.label_smoothing)  # (12)
        auxiliary = cross_entropy(output.group_logits, group, label_smoothing=self.label_smoothing)  # (11)
        unimodal = self._unimodal(output, activity)
        total = target + self.beta_aux * auxiliary + self.deep_supervision_weight * unimodal  # (13)
        return LossParts(total, target, auxiliary, unimodal)

    def _unimodal(self, output: MuMuOutput, activity: Tensor) -> Tensor:
        if self.deep_supervision_weight == 0:
            return torch.zeros_like(output.activity_logits[0, 0])
        if output.unimodal_logits is None:
            raise ValueError(
                f"deep_supervision_weight is {self.deep_supervision_weight:g} but the model has no unimodal "
                "classifiers; set deep_supervision in its configuration"
            )
        rows, modalities = output.present.nonzero(as_tuple=True)
        logits = output.unimodal_logits[rows, modalities]
        if len(logits) == 0:
            return logits.sum()
        return cross_entropy(logits, activity[rows], label_smoothing=self.label_smoothing)
