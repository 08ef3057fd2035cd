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

"""Real recordings through the whole chain: dataset → bag → player → sensor_sync → inference."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rclpy
import torch
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import time_to_ns
from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment
from mumu_ros.model.checkpoint import save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.player import Player
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.share import share_path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", ROOT.parent / "shared/data/utd_mhad"))
SUCCESS = TransitionCallbackReturn.SUCCESS

Replay = Callable[[Path, int], tuple[list[ActivityRecognition], list[ActivityAnnotation]]]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An untrained model of UTD-MHAD's sensors: what is looked at here is the way of the data."""
    modalities = (
        Modality("depth", "depth", (32, 32, 1), 15.0, "small_cnn"),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", stride=5),
        Modality("skeleton", "vector", (20, 3), 15.0, "cooccurrence", stride=3),
    )
    taxonomy = Taxonomy.read(share_path("config", "taxonomies", "utd_mhad.yaml"))
    torch.manual_seed(0)
    path = tmp_path / "model"
    save_checkpoint(path, Network(ModelConfig("utd", modalities, taxonomy, window_s=1.0, feature_size=16)).eval())
    return path


def parameters_of(node: str) -> dict[str, Any]:
    """The node's values in config/utd_mhad.yaml, names flat."""
    path = str(share_path("config", "utd_mhad.yaml"))
    values = rclpy.parameter.parameter_dict_from_yaml_file(path, False, [f"/**/{node}"])
    return {name: rclpy.parameter.parameter_value_to_python(value.value) for name, value in values.items()}


needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to the folder with Depth, Skeleton, Inertial"
)


@pytest.fixture
def replay(ros: Any, tmp_path: Path) -> Replay:
    """replay(model, clips): play so many clips of subject 1, and hear recognitions and annotations."""

    def play(model: Path, clips: int) -> tuple[list[ActivityRecognition], list[ActivityAnnotation]]:
        bag = tmp_path / "bag"
        command = ["convert", "utd-mhad", str(DATA), str(bag), "--subjects", "1", "--limit", str(clips)]
        subprocess.run([sys.executable, "-m", "mumu_ros.cli", *command], check=True, capture_output=True, timeout=120)
        sensor_sync = ros.add(SensorSync, **parameters_of("sensor_sync"))
        inference = ros.add(Inference, **{**parameters_of("inference"), "model": str(model), "backend": "eager"})
        player = ros.add(Player, bag=str(bag))
        recognitions = ros.collect(ActivityRecognition, "activity")
        annotations: list[ActivityAnnotation] = []
        late = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        ros.node.create_subscription(ActivityAnnotation, "annotation", annotations.append, late)
        for node in (inference, sensor_sync, player):
            assert node.trigger_configure() == SUCCESS
            assert node.trigger_activate() == SUCCESS
        ros.wait(lambda: player.finished, timeout_s=120.0)
        ros.wait(lambda: len(annotations) == clips)
        return recognitions, annotations

    return play


def labelled(
    recognitions: list[ActivityRecognition], annotations: list[ActivityAnnotation]
) -> list[tuple[ActivityRecognition, str | None]]:
    """Each recognition with what was being done, None where that was nothing."""
    truth = Truth(TruthSegment(time_to_ns(a.start), time_to_ns(a.end), a.activity) for a in annotations)
    return [
        (m, truth.label(Recognition(time_to_ns(m.window_start), time_to_ns(m.header.stamp), m.activity)))
        for m in recognitions
    ]


@needs_data
def test_converted_clips_give_recognitions_on_the_time_base_of_their_annotations(replay: Replay, model: Path) -> None:
    recognitions, annotations = replay(model, 2)
    heard = labelled(recognitions, annotations)
    assert {label for _, label in heard if label} == {a.activity for a in annotations}
    inside = [m for m, label in heard if label]
    assert inside, "a busy machine decides less often"
    assert all(list(m.modalities) == ["depth", "imu", "skeleton"] for m in inside)
    assert any(all(m.present) for m in inside)
    assert {m.activity for m in inside} <= {*inside[0].activity_labels, "unknown"}
    assert len(inside[0].activity_labels) == 27


@needs_data
def test_a_shipped_model_recognises_converted_clips(replay: Replay) -> None:
    """It has learned from these very clips: what is looked at is that live data look to it as those did."""
    recognitions, annotations = replay(share_path("models", "utd-mhad-dsp"), 6)
    at_end = []
    for clip in annotations:
        begin, end = time_to_ns(clip.start), time_to_ns(clip.end)
        late = [m.activity for m in recognitions if (begin + end) // 2 < time_to_ns(m.header.stamp) <= end]
        at_end += [(clip.activity, said) for said in late[-1:]]  # a busy machine decides about some clips only
    assert len({clip.activity for clip in annotations}) == 2
    assert at_end
    assert sum(truth == said for truth, said in at_end) >= len(at_end) - 1, at_end
