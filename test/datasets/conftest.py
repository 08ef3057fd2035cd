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

"""Preprocessing for streams of any name, and small files in the formats of the datasets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mumu_ros.cli import main
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy


def make_preprocessing(**shapes: tuple[int, ...]) -> Preprocessing:
    """That of a model with modalities of these names and shapes; rgb and depth are images."""
    modalities = tuple(
        Modality(name, name, shape, 10.0, "small_cnn")
        if name in ("rgb", "depth")
        else Modality(name, "vector", shape, 50.0, "cooccurrence")
        for name, shape in shapes.items()
    )
    taxonomy = Taxonomy("t", {"g": ("wave", "walk")})
    return Preprocessing(ModelConfig("t", modalities, taxonomy, window_s=1.0, feature_size=8))


@pytest.fixture(scope="session")
def preprocessing() -> Callable[..., Preprocessing]:
    return make_preprocessing


@pytest.fixture(scope="session")
def write_video() -> Callable[[Path, int], None]:
    """write_video(path, frames, rate_hz): 64×48, red at the left and blue at the right, brighter with each frame."""

    def write(path: Path, frames: int, rate_hz: float = 30.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter_fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        writer = cv2.VideoWriter(str(path), code, rate_hz, (64, 48))
        for index in range(frames):
            image = np.zeros((48, 64, 3), np.uint8)
            image[:, :32, 2] = image[:, 32:, 0] = 100 + 100 * index // frames
            writer.write(image)
        writer.release()

    return write


@pytest.fixture(scope="session")
def write_trial() -> Callable[..., dict[str, np.ndarray]]:
    """write_trial(root, "a1_s1_t1", depth=array, …) in the format of UTD-MHAD; what its three files hold."""
    savemat = pytest.importorskip("scipy.io", reason="UTD-MHAD needs scipy (extra train)").savemat
    frames, samples = 4, 11

    def write(root: Path, name: str, **replaced: np.ndarray) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        arrays = {
            "depth": rng.integers(0, 4000, (240, 320, frames)).astype(np.uint16),
            "skeleton": rng.normal(size=(20, 3, frames)),
            "inertial": rng.normal(size=(samples, 6)),
        } | replaced
        for modality, variable in (("depth", "d_depth"), ("skeleton", "d_skel"), ("inertial", "d_iner")):
            folder = root / modality.capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            savemat(folder / f"{name}_{modality}.mat", {variable: arrays[modality]}, do_compression=True)
        return arrays

    return write


@pytest.fixture
def mumu() -> Callable[[Sequence[object]], int]:
    """Run a command; its exit status."""
    return lambda arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def write_utd_mhad() -> Callable[..., Path]:
    """Write tiny clips in the format of UTD-MHAD; the root."""
    savemat = pytest.importorskip("scipy.io", reason="UTD-MHAD needs scipy (extra train)").savemat

    def write(root: Path, names: Sequence[str], frames: int = 6, samples: int = 16) -> Path:
        rng = np.random.default_rng(0)
        for name in names:
            for modality, variable, array in (
                ("depth", "d_depth", rng.integers(0, 4000, (240, 320, frames)).astype(np.uint16)),
                ("skeleton", "d_skel", rng.normal(size=(20, 3, frames))),
                ("inertial", "d_iner", rng.normal(size=(samples, 6))),
            ):
                folder = root / modality.capitalize()
                folder.mkdir(parents=True, exist_ok=True)
                savemat(folder / f"{name}_{modality}.mat", {variable: array}, do_compression=True)
        return root

    return write
