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

"""Masked arithmetic: masked values do not affect the result, whatever they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = [
    "KeylessAttention",
    "Normalize",
    "TimePool",
    "compact",
    "conv_block",
    "masked_mean",
    "masked_softmax",
    "reverse",
    "spread",
    "zero_masked",
]


def conv_block(
    inputs: int, outputs: int, kernel: tuple[int, int], *after: nn.Module, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution with an odd kernel, batch normalisation and ReLU, and what comes after; sizes stay, but for the
    stride.
    """
    padding = (kernel[0] // 2, kernel[1] // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), *after)


def zero_masked(x: Tensor, mask: Tensor) -> Tensor:
    """Zero masked values of x (*mask.shape, …), NaN and infinity included (multiplying by 0 would keep those)."""
    return torch.where(mask.reshape(*mask.shape, *[1] * (x.dim() - mask.dim())), x, x.new_zeros(()))


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the unmasked steps; 0 where there is none.

    Args:
        x: (B, T, …).
        mask: bool (B, T), or with more of the axes of x: the mean of each entry over its own steps.

    Returns:
        (B, …).
    """
    count = mask.sum(dim=1).clamp(min=1)
    count = count.reshape(*count.shape, *[1] * (x.dim() - 1 - count.dim()))
    return zero_masked(x, mask).sum(dim=1) / count


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis among the unmasked entries; exactly 0 at masked ones, and all 0 where none
    is left.
    """
    # The lowest finite number instead of -inf: a row without any entry then has no NaN in its gradient.
    lowest = torch.finfo(scores.dtype).min
    return torch.softmax(scores.masked_fill(~mask, lowest), dim=-1).masked_fill(~mask, 0.0)


def compact(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Move the unmasked steps of each row of x (B, T, …) to its front, in their order, and zero the rest.

    A recurrence from front to back then never sees a masked step before it has seen all the others.

    Returns:
        x of the same shape, and its mask, True first.
    """
    steps = torch.arange(mask.shape[1], device=mask.device)
    order = torch.argsort(torch.where(mask, steps, steps + mask.shape[1]), dim=1)
    front = torch.gather(mask, 1, order)
    index = order.reshape(*order.shape, *[1] * (x.dim() - 2)).expand_as(x)
    return zero_masked(torch.gather(x, 1, index), front), front


def reverse(x: Tensor, mask: Tensor) -> Tensor:
    """Turn the unmasked steps of each row, which are at its front as `compact` leaves them, into the opposite order."""
    count = mask.sum(dim=1, keepdim=True)
    step = torch.arange(x.shape[1], device=x.device)
    index = torch.where(mask, count - 1 - step, step).unsqueeze(-1).expand_as(x)
    return torch.gather(x, 1, index)


def spread(x: Tensor, mask: Tensor) -> Tensor:
    """Put steps that `compact` has moved to the front back into their places; 0 where masked."""
    index = (mask.long().cumsum(dim=1) - 1).clamp(min=0).unsqueeze(-1).expand_as(x)
    return zero_masked(torch.gather(x, 1, index), mask)


class TimePool(nn.Module):
    """Means over equal parts of a window, whose edges are rounded outwards to whole steps.

    A sequence of fewer steps is a window's newest.
    """

    covered: Tensor

    def __init__(self, steps: int, parts: int) -> None:
        super().__init__()
        step, part = torch.arange(steps), torch.arange(parts).unsqueeze(-1)
        covered = (step >= part * steps // parts) & (step < -(-(part + 1) * steps // parts))
        self.register_buffer("covered", covered, persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F), T ≤ N, with mask (B, T) to (B, P, F); 0 for a part without any step."""
        covered = (self.covered[:, -mask.shape[1] :] & mask.unsqueeze(1)).to(x.dtype)
        return covered / covered.sum(dim=-1, keepdim=True).clamp(min=1) @ zero_masked(x, mask)


class Normalize(nn.Module):
    """First layer: prepared samples to floats of about zero mean and unit variance.

    Args:
        mean: One number, or one a channel or element.
        std: Likewise.
        shape: What the numbers are laid out as; they broadcast over the axes before.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], shape: tuple[int, ...]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            tensor = torch.tensor(values, dtype=torch.float32)
            self.register_buffer(name, tensor.expand(1) if len(values) == 1 else tensor.reshape(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (…, *shape) of any element type."""
        return (x.to(self.mean.dtype) - self.mean) / self.std


class KeylessAttention(nn.Module):
    """Attention over time whose query is a learned vector: softmax(wᵀ h_t) (Long et al. 2018)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.score = nn.Linear(size, 1, bias=False)

    def forward(self, steps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Sum finite steps (B, T, size), of which `mask` (B, T) are there, by their weights.

        Returns:
            (B, size), zero where no step is there; and the weights (B, T).
        """
        weights = masked_softmax(self.score(steps).squeeze(-1), mask)
        return (weights.unsqueeze(-1) * steps).sum(dim=1), weights
