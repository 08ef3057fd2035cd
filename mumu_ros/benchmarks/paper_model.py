"""A model of the paper's size that has learned nothing: what it costs is what a trained one costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint, select_device
from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.backends import choose_backend, export_backend, takes_long

__all__ = ["export_paper_model", "paper_config", "write_paper_model"]

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
        for name, frames in _noise().items():
            network.encode_frames(name, torch.from_numpy(frames))
    save_checkpoint(folder, network.eval(), provenance={"command": "mumu bench", "weights": "random"})


def export_paper_model(folder: Path, backend: str = "auto") -> None:
    """Prepare the model for a back end where that takes long, on noise where it wants frames."""
    if backend == "auto":
        backend = choose_backend(load_checkpoint(folder, select_device("auto")), folder)
    if takes_long(backend):
        export_backend(backend, load_checkpoint(folder), folder, {name: list(f) for name, f in _noise().items()})


def _noise() -> dict[str, np.ndarray]:
    """Prepared frames of both cameras."""
    rng = np.random.default_rng(0)
    size = (_CALIBRATION_FRAMES, _IMAGE, _IMAGE)
    depth = rng.uniform(0.5, 4.5, (*size, 1)).astype(np.float32)
    return {"rgb": rng.integers(0, 256, (*size, 3), np.uint8), "depth": depth}
