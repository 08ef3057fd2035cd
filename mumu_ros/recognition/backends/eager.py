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

"""PyTorch as it is, on any device: the back end that the others are measured against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mumu_ros.model.network import Network
from mumu_ros.recognition.backends.interface import Outputs, rows

__all__ = ["Eager"]


class Eager:
    """Runs a network operation by operation, in fp32."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""
        return self._network.encode_frames(name, torch.from_numpy(frames).to(self._device))

    @torch.inference_mode()
    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        output = self._network(
            {name: x.to(self._device) for name, x in inputs.items()},
            {name: torch.from_numpy(masks[name]).to(self._device) for name in inputs},
        )
        fields = (output.group_logits, output.activity_logits, output.sm_weights, output.gm_weights, output.features)
        return rows([field.cpu().numpy() for field in (*fields, output.present)])
