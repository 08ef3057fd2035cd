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

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.people import Person


@pytest.fixture
def people_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A skeleton without joint masks, depth of one person, a worn IMU; one second."""
    torch.manual_seed(5)
    modalities = (
        Modality("skeleton", "vector", (20, 3), 20.0, "cooccurrence", stride=2),
        Modality("depth", "depth", (48, 64, 1), 10.0, "pose_cnn", joints=5, body=(0, 1, 2, 3), focal=0.9),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", std=(10.0, 10.0, 10.0, 3.0, 3.0, 3.0), stride=5),
    )
    config = ModelConfig("people", modalities, load_checkpoint(tiny_model).config.taxonomy, 1.0, 16)
    save_checkpoint(tmp_path / "people", Network(config).eval())
    return tmp_path / "people"


def make_person(body_id: str, number: int, unseen: tuple[int, ...] = ()) -> Person:
    """Somebody who moves a little from one number to the next."""
    rng = np.random.default_rng([number, *body_id.encode()])
    joints = np.random.default_rng(7).normal(size=(33, 3)) + rng.normal(scale=0.05, size=(33, 3))
    joints[list(unseen)] = np.nan
    depth = np.zeros((96, 128), np.uint16)
    depth[20:80, 50:75] = 2500 + number % 50
    keypoints, visibility = np.zeros((33, 2), np.float32), np.ones(33, np.float32)
    return Person(body_id, 0.9, (10, 10, 50, 90), keypoints, joints.astype(np.float32), visibility, "depth", depth)
