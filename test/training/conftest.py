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

"""A small model, clips of made-up people, and a small data set in the folder format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.datasets.clips import Clip, Segment, Stream
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.settings import Data, Machine, Optimization, Settings
from mumu_ros.training.windows import WindowSet

S = 1_000_000_000
START = 1_700_000_000 * S


@pytest.fixture
def config() -> ModelConfig:
    modalities = (
        Modality("rgb", "rgb", (32, 32, 3), 5, "small_cnn"),
        Modality("depth", "depth", (32, 32, 1), 5, "small_cnn"),
        Modality("imu_wrist", "vector", (2, 3), 20, "cooccurrence", stride=4),
    )
    taxonomy = Taxonomy("t", {"still": ("stand", "sit"), "moving": ("walk",)})
    return ModelConfig("t", modalities, taxonomy, window_s=1.0, feature_size=8)


@pytest.fixture
def pose_config(config: ModelConfig) -> ModelConfig:
    """The same, but two joints are looked for in depth images."""
    depth = replace(config.modality("depth"), encoder="pose_cnn", joints=2, centered=True)
    return replace(config, modalities=tuple(depth if m.name == "depth" else m for m in config.modalities))


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    """make_clip(seed, subject=0): 6 s of prepared samples, 3 s standing and 3 s walking."""

    def make(seed: int, subject: int = 0) -> Clip:
        generator = np.random.default_rng(seed)

        def stream(rate: int, sample: Callable[[], np.ndarray]) -> Stream:
            times = np.arange(0, 6, 1 / rate) + generator.uniform(0, 0.2 / rate, 6 * rate)
            return Stream(START + (times * S).astype(np.int64), [sample() for _ in times])

        streams = {
            "rgb": stream(15, lambda: generator.integers(0, 256, (32, 32, 3), np.uint8)),
            "depth": stream(15, lambda: generator.uniform(1, 4, (32, 32, 1)).astype(np.float16).astype(np.float32)),
            "imu_wrist": stream(50, lambda: generator.normal(size=(2, 3)).astype(np.float32)),
        }
        segments = (Segment(START, START + 3 * S, "stand"), Segment(START + 3 * S, START + 6 * S, "walk"))
        return Clip(streams, segments, subject, f"c{seed}")

    return make


@pytest.fixture
def vector_settings() -> Settings:
    """Three epochs for a tiny model of two vector streams, on the CPU; everything random is switched on."""
    modalities = tuple(
        Modality(name, "vector", (2, 3), 20, "cooccurrence1d", stride=4) for name in ("imu_wrist", "imu_belt")
    )
    taxonomy = Taxonomy("t", {"gesture": ("wave", "point"), "gait": ("walk",)})
    return Settings(
        ModelConfig("t", modalities, taxonomy, 1.0, feature_size=8, dropout=0.2, deep_supervision=True),
        Data("folder"),
        Optimization(epochs=3, batch_size=4, deep_supervision_weight=0.3, ema_decay=0.9),
        Augmentation(modality_dropout=0.4, corruption=0.3, crop=0.2, rotation_deg=10, scale=0.1),
        Machine("cpu"),
    )


@pytest.fixture
def vector_windows(vector_settings: Settings) -> WindowSet:
    """Twelve windows of three subjects for `vector_settings`; each activity has its own mean."""
    generator = np.random.default_rng(0)
    activity = np.arange(12) % 3
    shape = (12, 20, 2, 3)
    vectors = {
        name: (generator.normal(size=shape) + activity.reshape(-1, 1, 1, 1)).astype(np.float32)
        for name in vector_settings.model.names
    }
    masks = {name: np.ones(shape[:2], np.bool_) for name in vectors}
    clips = np.array([f"c{i}" for i in range(12)])
    return WindowSet({}, {}, vectors, masks, activity, np.arange(12) // 4, np.ones(12, np.bool_), clips)


TAXONOMY = """
name: two
groups:
  gesture: [wave]
  gait: [walk]
"""

CONFIGURATION = """
model:
  name: two
  taxonomy: two.yaml
  window_s: 1.0
  feature_size: 8
  deep_supervision: true
  modalities:
    - {name: imu_wrist, kind: vector, shape: [2, 3], rate_hz: 20, encoder: cooccurrence1d, stride: 4}
    - {name: imu_belt, kind: vector, shape: [2, 3], rate_hz: 20, encoder: cooccurrence1d, stride: 4}
data: {dataset: folder, root: ROOT, windows_per_s: 0}
optimization: {epochs: 1, batch_size: 4, deep_supervision_weight: 0.3}
augmentation: {modality_dropout: 0.3}
machine: {accelerator: cpu}
"""


@pytest.fixture
def write_folder() -> Callable[[Path], Path]:
    """write_folder(path): a data set of subjects 1 to 3, who wave and walk twice each; returns a configuration."""

    def write(path: Path) -> Path:
        generator = np.random.default_rng(0)
        lines = ["id,subject,activity"]
        for subject in (1, 2, 3):
            for number, activity in enumerate(("wave", "walk", "wave", "walk")):
                clip = f"{activity}_s{subject}_{number}"
                lines.append(f"{clip},{subject},{activity}")
                (path / clip).mkdir(parents=True)
                for name in ("imu_wrist", "imu_belt"):
                    values = generator.normal(size=(24, 6)) + 3 * (activity == "walk")
                    rows = (f"{i / 20}," + ",".join(f"{v:.4f}" for v in row) for i, row in enumerate(values))
                    text = "\n".join(("stamp_s,ax,ay,az,wx,wy,wz", *rows))
                    (path / clip / f"{name}.csv").write_text(text)
        (path / "clips.csv").write_text("\n".join(lines))
        (path / "two.yaml").write_text(TAXONOMY)
        (path / "two_train.yaml").write_text(CONFIGURATION.replace("ROOT", str(path)))
        return path / "two_train.yaml"

    return write
