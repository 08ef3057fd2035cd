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

"""What heads for missing modalities learn besides the activity."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.parts import FUSIONS


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["actionmae", "centaur"])
def test_a_missing_modality_is_rebuilt_from_the_others(config: ModelConfig, fusion: str) -> None:
    """The second modality follows from the first; after some steps its error is far below its variance."""
    torch.manual_seed(0)
    head = FUSIONS[fusion](dataclasses.replace(config, modalities=config.modalities[:2]))
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    mask = torch.ones(64, 2, dtype=torch.bool)
    turn = torch.linalg.qr(torch.randn(16, 16))[0]
    losses = []
    for _ in range(150):
        first = torch.randn(64, 4) @ torch.eye(4, 16)
        loss = head(torch.stack([first, first @ turn], dim=1), mask, None).own_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    assert head.eval()(torch.zeros(1, 2, 16), mask[:1], None).own_loss is None


@pytest.mark.parametrize("fusion", ["actionmae", "centaur"])
def test_with_one_modality_there_is_nothing_to_drop(config: ModelConfig, fusion: str) -> None:
    head = FUSIONS[fusion](config).train()
    mask = torch.tensor([[True, False, False, False]] * 8)
    features = torch.randn(8, 4, 16) * mask.unsqueeze(-1)
    output = head(features, mask, None)
    assert output.activity_logits.isfinite().all()
    assert output.own_loss.isfinite()
    assert fusion != "actionmae" or output.own_loss == 0
