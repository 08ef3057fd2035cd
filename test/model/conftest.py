"""A model small enough for tests, with one modality of each kind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.mumu import MuMu
from mumu_ros.model.taxonomy import Taxonomy

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]

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
def model(config: ModelConfig) -> MuMu:
    torch.manual_seed(7)
    return MuMu(config).eval()


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
