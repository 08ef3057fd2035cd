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

"""The interface of every back end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

__all__ = ["Backend", "BackendError", "Outputs", "rows"]


class BackendError(ValueError):
    """A back end that cannot be used: names it, says why and what would help."""


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a network says about one window, on the host. Modalities are in the model's order.

    Attributes:
        group_logits: (N,).
        activity_logits: (K,).
        sm_weights: (M,).
        gm_weights: (M,).
        features: Unimodal features X^u, (M, D); 0 for an absent modality.
        present: bool (M,).
    """

    group_logits: np.ndarray
    activity_logits: np.ndarray
    sm_weights: np.ndarray
    gm_weights: np.ndarray
    features: np.ndarray
    present: np.ndarray


class Backend(Protocol):
    """Runs the two halves of one network: frames to features, and a window's features to a decision."""

    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """Encode prepared frames of an image modality, each by itself: (N, H, W, C) to (N, F), on its device."""

    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """Decide about B windows, B ≥ 1.

        Args:
            inputs: Per modality that is present in any of them (B, T, F) encoded frames as `encode` gave them, or
                (B, T, J, C) vectors.
            masks: For each of those bool (B, T); a modality is absent from a window where none is True.

        Returns:
            What the network says about each.
        """


def rows(fields: Sequence[np.ndarray]) -> list[Outputs]:
    """Outputs of B windows, of fields (B, …) in the order of `Outputs`."""
    return [Outputs(*(field[row] for field in fields)) for row in range(len(fields[0]))]
