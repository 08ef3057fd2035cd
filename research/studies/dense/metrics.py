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

"""How good dense estimates are."""

from __future__ import annotations

import torch
from torch import Tensor

from studies.dense.pictures import IGNORED

__all__ = ["depth_scores", "class_scores"]


def class_scores(decided: Tensor, truth: Tensor, classes: int) -> dict[str, float]:
    """Mean intersection over union of the classes that occur, and the share of pixels that are right.

    Args:
        decided: (N, H, W) int64.
        truth: Likewise, or `IGNORED`, which does not count.
        classes: How many there are.
    """
    known = truth != IGNORED
    pairs = torch.bincount(truth[known] * classes + decided[known], minlength=classes**2)
    table = pairs.reshape(classes, classes).double()
    hits, occurs = table.diag(), table.sum(dim=1) > 0
    union = table.sum(dim=0) + table.sum(dim=1) - hits
    iou = hits[occurs] / union[occurs]
    return {"miou": iou.mean().item(), "pixels": (hits.sum() / table.sum()).item()}


def depth_scores(said: Tensor, truth: Tensor) -> dict[str, float]:
    """Root mean squared error in metres and of the natural logarithm, and the mean error relative to the distance.

    Args:
        said: (N, H, W) metres, above 0.
        truth: Likewise; 0 where it is unknown.
    """
    known = truth > 0
    a, b = said[known].double(), truth[known].double()
    return {
        "rmse": (a - b).square().mean().sqrt().item(),
        "log_rmse": (a.log() - b.log()).square().mean().sqrt().item(),
        "relative": ((a - b).abs() / b).mean().item(),
    }
