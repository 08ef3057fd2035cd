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

"""Models small enough for tests, with one modality of each kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.dual_branch import TimeAttention
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]
HEADS = [
    ("mumu", "concat"),
    ("trusted_mumu", "concat"),
    ("concept", "concat"),
    ("concept_published", "concat"),
    ("dual_branch", "concat"),
    ("actionmae", "concat"),
    ("xfi", "concat"),
    ("centaur", "concat"),
    *[(fusion, merge) for fusion in ("non_attention", "keyless", "hamlet") for merge in ("concat", "sum")],
]

torch.set_num_threads(1)


@pytest.fixture
def taxonomy() -> Taxonomy:
    return Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run", "stand")})


@pytest.fixture
def config(taxonomy: Taxonomy) -> ModelConfig:
    modalities = (
        Modality("rgb", "rgb", (32, 40, 3), 5, "small_cnn", (110.0,), (60.0,)),
        Modality("depth", "depth", (32, 32, 1), 3, "small_cnn", (2.0,), (1.0,)),
        Modality("imu", "vector", (2, 3), 20, "cooccurrence", std=(10, 10, 10, 3, 3, 3), stride=4),
        Modality("skeleton", "vector", (20, 3), 10, "cooccurrence", stride=5),
    )
    return ModelConfig("tiny", modalities, taxonomy, window_s=1.0, feature_size=16, deep_supervision=True)


@pytest.fixture
def rich_config(config: ModelConfig) -> ModelConfig:
    """The same modalities with encoders that can do all that encoders can."""
    changes = {
        "depth": {"encoder": "pose_cnn", "joints": 5, "mean": (0.0,), "std": (1.0,), "body": (0, 1, 2, 3)},
        "skeleton": {"encoder": "cooccurrence1d", "centered": True, "body": (0, 1, 2, 3)},
    }
    modalities = tuple(dataclasses.replace(m, **changes.get(m.name, {})) for m in config.modalities)
    return dataclasses.replace(config, modalities=modalities, dropout=0.2, bidirectional=True, layer_norm=True)


@pytest.fixture
def model(config: ModelConfig, trained: Callable[[Network], Network]) -> Network:
    """The paper's network."""
    torch.manual_seed(7)
    return trained(Network(config))


@pytest.fixture(params=HEADS, ids="-".join)
def network(request: pytest.FixtureRequest, rich_config: ModelConfig, trained: Callable[[Network], Network]) -> Network:
    """Every head in turn, on the rich encoders."""
    torch.manual_seed(7)
    fusion, merge = request.param
    network = Network(dataclasses.replace(rich_config, fusion=fusion, merge=merge))
    for module in network.modules():
        if isinstance(module, TimeAttention):
            nn.init.constant_(module.gamma, 0.5)  # 0 before training
    return trained(network)


@pytest.fixture
def make_batch(config: ModelConfig) -> Callable[..., Batch]:
    """make_batch(size, seed=0): random inputs of every modality, all steps there."""

    def make(size: int, seed: int = 0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        inputs, masks = {}, {}
        for m in config.modalities:
            shape = (size, config.steps(m.name), *m.shape)
            x = torch.rand(shape, generator=generator) * 4
            inputs[m.name] = (x * 63).to(torch.uint8) if m.kind == "rgb" else x
            masks[m.name] = torch.ones(shape[:2], dtype=torch.bool)
        return inputs, masks

    return make
