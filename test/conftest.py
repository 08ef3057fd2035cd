"""What tests of several rooms share: a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mumu_ros.model.checkpoint import Calibration, save_checkpoint
from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy

torch.set_num_threads(1)


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """Folder of an untrained model: rgb 32×32 and depth 32×32 at 10 Hz, an IMU at 50 Hz, one second."""
    torch.manual_seed(3)
    modalities = (
        Modality("rgb", "rgb", (32, 32, 3), 10.0, "small_cnn", mean=(128.0,), std=(64.0,)),
        Modality("depth", "depth", (32, 32, 1), 10.0, "small_cnn", mean=(2.0,), std=(2.0,)),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", std=(10.0, 10.0, 10.0, 3.0, 3.0, 3.0), stride=5),
    )
    taxonomy = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run", "stand")})
    config = ModelConfig("tiny", modalities, taxonomy, window_s=1.0, feature_size=16)
    path = tmp_path / "tiny"
    save_checkpoint(path, Network(config).eval(), calibration=Calibration(temperature=1.5))
    return path
