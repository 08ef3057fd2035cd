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

"""A model of the size of MuMu's (Islam and Iqbal 2022) that has learned nothing: it costs what a trained one costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mumu_ros.model.checkpoint import Checkpoint, find_model, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.backends import export_backend

__all__ = ["export_on_noise", "model_folder", "noise_frames"]

_IMAGE = 224
_BATCH = 4
_CALIBRATION_FRAMES = 32


def _config() -> ModelConfig:
    """ResNet-50 on 224×224 colour and depth at 10 Hz and an IMU at 100 Hz, in windows of 3 s."""
    modalities = (
        Modality("rgb", "rgb", (_IMAGE, _IMAGE, 3), 10.0, "resnet50", mean=(120.0,), std=(60.0,)),
        Modality("depth", "depth", (_IMAGE, _IMAGE, 1), 10.0, "resnet50", mean=(2.5,), std=(1.5,)),
        Modality("imu", "vector", (2, 3), 100.0, "cooccurrence", std=(6.0, 6.0, 6.0, 2.0, 2.0, 2.0), stride=8),
    )
    taxonomy = Taxonomy("bench", {f"group_{g}": tuple(f"activity_{g}_{a}" for a in range(9)) for g in range(3)})
    return ModelConfig("bench", modalities, taxonomy, window_s=3.0)


def _write_paper_model(folder: Path) -> None:
    """Write the model's folder.

    The weights are random; its batch normalisations know the statistics of noise, or features would vanish or grow
    without bounds in fifty layers.
    """
    torch.manual_seed(0)
    network = Network(_config()).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain average over all that is seen
            module.train()
    with torch.inference_mode():
        for name in ("rgb", "depth"):
            network.encode_frames(name, torch.from_numpy(noise_frames(network.config, name, _BATCH)))
    save_checkpoint(folder, network.eval(), provenance={"command": "mumu bench", "weights": "random"})


@contextmanager
def model_folder(model: str | None) -> Iterator[Path]:
    """The folder of a model or, where none is named, of the one above, which is made for the moment."""
    if model:
        yield find_model(model)
        return
    with tempfile.TemporaryDirectory(prefix="mumu-bench-") as temporary:
        folder = Path(temporary, "bench")
        _write_paper_model(folder)
        yield folder


def noise_frames(config: ModelConfig, name: str, count: int) -> np.ndarray:
    """Frames of an image modality, as `Preprocessing.prepare` gives them."""
    modality = config.modality(name)
    rng = np.random.default_rng(count)
    if modality.kind == "rgb":
        return rng.integers(0, 256, (count, *modality.shape), np.uint8)
    return rng.uniform(0.5, 4.5, (count, *modality.shape)).astype(np.float32)


def export_on_noise(backend: str, checkpoint: Checkpoint, folder: Path) -> None:
    """Prepare a back end, calibrated on noise where it is calibrated.

    Raises:
        BackendError: See `export_backend`.
    """
    images = [m.name for m in checkpoint.config.modalities if m.is_image]
    frames = {name: list(noise_frames(checkpoint.config, name, _CALIBRATION_FRAMES)) for name in images}
    export_backend(backend, checkpoint, folder, frames)
