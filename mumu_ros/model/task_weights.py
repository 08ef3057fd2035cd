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

"""How much the losses of the two tasks count: fixed, by what each leaves uncertain, or by how fast each falls."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AdaptiveWeights", "FixedWeights", "TaskWeights", "UncertaintyWeights"]


class TaskWeights(nn.Module):
    """Weighs the losses of T tasks: first the activities', then the groups'."""

    def weights(self) -> Tensor:
        """What each loss is multiplied by now, (T,)."""
        raise NotImplementedError

    def forward(self, losses: Tensor) -> Tensor:
        """One number to minimise, of the losses (T,)."""
        return (self.weights().to(losses) * losses).sum()

    def next_epoch(self) -> None:
        """An epoch begins."""


class FixedWeights(TaskWeights):
    """Equation 13 of MuMu (Islam and Iqbal 2022): weights that stay."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self._weights = weights

    def weights(self) -> Tensor:
        """See `TaskWeights.weights`."""
        return torch.tensor(self._weights, dtype=torch.float64)


class UncertaintyWeights(TaskWeights):
    """Learned with the network: Σ exp(−s_t) L_t + s_t / 2, where s_t = log σ_t² (Kendall, Gal and Cipolla 2018)."""

    def __init__(self, tasks: int = 2) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.zeros(tasks))

    def weights(self) -> Tensor:
        """See `TaskWeights.weights`."""
        return torch.exp(-self.log_variances)

    def forward(self, losses: Tensor) -> Tensor:
        """See `TaskWeights.forward`. Large variances would be free without the second part."""
        return super().forward(losses) + self.log_variances.sum() / 2


class AdaptiveWeights(TaskWeights):
    """The task whose loss falls more slowly counts more: dynamic weight average (Liu, Johns and Davison 2019).

    w_t = T softmax(r_t / 2), where r_t is the mean loss of the last epoch over that of the one before. In the first two
    epochs all are 1. What is remembered is part of a training's checkpoint.
    """

    _TEMPERATURE = 2.0

    def __init__(self, tasks: int = 2) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(tasks))
        self.register_buffer("steps", torch.zeros(()))
        self.register_buffer("means", torch.ones(2, tasks))
        self.register_buffer("epochs", torch.zeros(()))

    sums: Tensor
    steps: Tensor
    means: Tensor
    epochs: Tensor

    def weights(self) -> Tensor:
        """See `TaskWeights.weights`."""
        before, last = self.means
        ratio = last / before.clamp(min=torch.finfo(before.dtype).tiny)
        return len(ratio) * torch.softmax(ratio / self._TEMPERATURE, dim=0)

    def forward(self, losses: Tensor) -> Tensor:
        """See `TaskWeights.forward`."""
        if self.training:
            self.sums += losses.detach()
            self.steps += 1
        return super().forward(losses)

    def next_epoch(self) -> None:
        """Compare the epoch that ends with the one before."""
        if self.steps == 0:
            return
        mean = self.sums / self.steps
        before = mean if self.epochs == 0 else self.means[1]
        self.means.copy_(torch.stack([before, mean]))
        self.epochs += 1
        self.sums.zero_()
        self.steps.zero_()
