"""A model of the paper's size that has learned nothing: what it costs is what a trained one costs."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mumu_ros.model.checkpoint import save_checkpoint
from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy

__all__ = ["paper_config", "write_paper_model"]

_IMAGE = 224
_CALIBRATION_FRAMES = 4


def paper_config() -> ModelConfig:
    """ResNet-50 on 224×224 colour and depth at 10 Hz and an IMU at 100 Hz, in windows of 3 s."""
    modalities = (
        Modality("rgb", "rgb", (_IMAGE, _IMAGE, 3), 10.0, "resnet50", mean=(120.0,), std=(60.0,)),
        Modality("depth", "depth", (_IMAGE, _IMAGE, 1), 10.0, "resnet50", mean=(2.5,), std=(1.5,)),
        Modality("imu", "vector", (2, 3), 100.0, "cooccurrence", std=(6.0, 6.0, 6.0, 2.0, 2.0, 2.0), stride=8),
    )
    taxonomy = Taxonomy("bench", {f"group_{g}": tuple(f"activity_{g}_{a}" for a in range(9)) for g in range(3)})
    return ModelConfig("bench", modalities, taxonomy, window_s=3.0)


def write_paper_model(folder: Path) -> None:
    """Write the model's folder.

    The weights are random; its batch normalisations know the statistics of noise, or features would vanish or blow up
    on their way through fifty layers.
    """
    torch.manual_seed(0)
    network = Network(paper_config()).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average over all that is seen
            module.train()
    with torch.inference_mode():
        noise = torch.randint(0, 256, (_CALIBRATION_FRAMES, _IMAGE, _IMAGE, 3))
        network.encode_frames("rgb", noise.to(torch.uint8))
        network.encode_frames("depth", 0.5 + 4 * torch.rand(_CALIBRATION_FRAMES, _IMAGE, _IMAGE, 1))
    save_checkpoint(folder, network.eval(), provenance={"command": "mumu bench", "weights": "random"})
