"""Real recordings through the whole chain: dataset → bag → player → sensor_sync → inference."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rclpy
import torch
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import time_to_ns
from mumu_ros.evaluation.scoring import Recognition, Truth, TruthSegment
from mumu_ros.model.checkpoint import save_checkpoint
from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.player import Player
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.share import share_path

from .conftest import Ros

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", ROOT.parent / "shared/data/utd_mhad"))
SUCCESS = TransitionCallbackReturn.SUCCESS

CLIPS = 6
SHIPPED = ("utd-mhad-dp", "utd-mhad-dsp")
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to the folder with Depth, Skeleton, Inertial"
)


def untrained(path: Path) -> Path:
    """A model of UTD-MHAD's sensors: what is looked at with it is the way of the data."""
    modalities = (
        Modality("depth", "depth", (32, 32, 1), 15.0, "small_cnn"),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", stride=5),
        Modality("skeleton", "vector", (20, 3), 15.0, "cooccurrence", stride=3),
    )
    taxonomy = Taxonomy.read(share_path("config", "taxonomies", "utd_mhad.yaml"))
    torch.manual_seed(0)
    save_checkpoint(path, Network(ModelConfig("untrained", modalities, taxonomy, 1.0, feature_size=16)).eval())
    return path


def parameters_of(node: str) -> dict[str, Any]:
    """The node's values in config/utd_mhad.yaml, names flat."""
    path = str(share_path("config", "utd_mhad.yaml"))
    values = rclpy.parameter.parameter_dict_from_yaml_file(path, False, [f"/**/{node}"])
    return {name: rclpy.parameter.parameter_value_to_python(value.value) for name, value in values.items()}


@dataclass(frozen=True)
class Heard:
    """What was published while the first clips of subject 1 were played."""

    recognitions: list[ActivityRecognition]
    annotations: list[ActivityAnnotation]

    def by(self, model: str) -> list[ActivityRecognition]:
        """What one model said."""
        return [m for m in self.recognitions if m.model.partition("@")[0] == model]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """The clips played once, to an untrained model and the shipped ones."""
    folder = tmp_path_factory.mktemp("replay")
    command = ["convert", "utd-mhad", str(DATA), str(folder / "bag"), "--subjects", "1", "--limit", str(CLIPS)]
    subprocess.run([sys.executable, "-m", "mumu_ros.cli", *command], check=True, capture_output=True, timeout=120)
    ros = Ros()
    try:
        models = [untrained(folder / "model"), *(share_path("models", name) for name in SHIPPED)]
        common = {**parameters_of("inference"), "backend": "eager"}
        nodes = [ros.add(Inference, **{**common, "model": str(model)}) for model in models]
        nodes.append(ros.add(SensorSync, **parameters_of("sensor_sync")))
        nodes.append(player := ros.add(Player, bag=str(folder / "bag")))
        recognitions = ros.collect(ActivityRecognition, "activity")
        annotations: list[ActivityAnnotation] = []
        late = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        ros.node.create_subscription(ActivityAnnotation, "annotation", annotations.append, late)
        for node in nodes:
            assert node.trigger_configure() == node.trigger_activate() == SUCCESS
        ros.wait(lambda: player.finished, timeout_s=120.0)
        ros.wait(lambda: len(annotations) == CLIPS)
        yield Heard(recognitions, annotations)
    finally:
        ros.close()


def labelled(
    recognitions: list[ActivityRecognition], annotations: list[ActivityAnnotation]
) -> list[tuple[ActivityRecognition, str | None]]:
    """Each recognition with what was being done, None where that was nothing."""
    truth = Truth(TruthSegment(time_to_ns(a.start), time_to_ns(a.end), a.activity) for a in annotations)
    return [
        (m, truth.label(Recognition(time_to_ns(m.window_start), time_to_ns(m.header.stamp), m.activity)))
        for m in recognitions
    ]


def test_converted_clips_give_recognitions_on_the_time_base_of_their_annotations(heard: Heard) -> None:
    said = labelled(heard.by("untrained"), heard.annotations)
    assert {label for _, label in said if label} == {a.activity for a in heard.annotations}
    inside = [m for m, label in said if label]
    assert len(inside) >= 30
    assert all(list(m.modalities) == ["depth", "imu", "skeleton"] for m in inside)
    assert any(all(m.present) for m in inside)
    assert {m.activity for m in inside} <= {*inside[0].activity_labels, "unknown"}
    assert len(inside[0].activity_labels) == 27


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_models_recognise_converted_clips(heard: Heard, name: str) -> None:
    """They have learned from these very clips: what is looked at is that live data look to them as those did."""
    at_end = []
    for clip in heard.annotations:
        begin, end = time_to_ns(clip.start), time_to_ns(clip.end)
        *_, last = [m.activity for m in heard.by(name) if begin < time_to_ns(m.header.stamp) <= end]
        at_end.append((clip.activity, last))
    assert len({truth for truth, _ in at_end}) == 2
    assert sum(truth == said for truth, said in at_end) >= 5, at_end
