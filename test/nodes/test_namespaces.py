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

"""Two robots, each in a namespace of its own, with one parameter file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import yaml

from mumu_ros.conversions import array_to_imu, segment_to_annotation
from mumu_ros.evaluation.evaluate import Evaluation, evaluate_bag, open_setup
from mumu_ros.model.checkpoint import find_model, load_checkpoint
from mumu_ros.nodes import launch_command
from mumu_ros.nodes.launch_arguments import HRI, REPLAY
from mumu_ros.nodes.launch_plans import NodePlan, plan_hri, plan_replay
from mumu_ros.pipeline.configuration import InferenceConfig, read_sensor_sync
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import INFERENCE
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.recordings import RecordingWriter

S = 1_000_000_000

TWO_ROBOTS = """
/robot1/people:
  ros__parameters: {image.topic: /robot1/cam/image_raw}
/robot1/inference:
  ros__parameters: {model: people}
/robot2/people:
  ros__parameters: {image.topic: /robot2/cam/image_raw, reliability: reliable}
robot2:
  sensor_sync:
    ros__parameters: {streams: [imu], imu.topic: /robot2/imu, imu.type: sensor_msgs/msg/Imu}
  inference:
    ros__parameters: {model: utd-mhad-dsp}
"""


@pytest.fixture
def two_robots(tmp_path: Path) -> Path:
    path = tmp_path / "two.yaml"
    path.write_text(TWO_ROBOTS)
    return path


def plan(params_file: Path, namespace: str) -> dict[str, Any]:
    """What is passed to each node, beside the file."""
    given = {argument.name: argument.default or "" for argument in HRI}
    given |= {"params_file": str(params_file), "namespace": namespace, "overlay": "true"}
    return {plan.name: plan.parameters for plan in plan_hri(given)}


def test_each_robot_gets_its_own_sections_of_a_file(two_robots: Path) -> None:
    assert plan(two_robots, "robot1") == {
        "people": {},
        "inference": {},
        "overlay": {"image.topic": "/robot1/cam/image_raw"},
    }
    assert plan(two_robots, "/robot2/") == {
        "sensor_sync": {"model": "utd-mhad-dsp"},
        "people": {},
        "inference": {},
        "overlay": {"image.topic": "/robot2/cam/image_raw", "reliability": "reliable"},
    }


@pytest.mark.parametrize(("namespace", "full"), [("", "/"), ("robot3", "/robot3")])
def test_a_file_for_other_namespaces_starts_nothing(two_robots: Path, namespace: str, full: str) -> None:
    with pytest.raises(ParameterError, match=f"nodes in /robot1 and /robot2, and these are in {full}: give that names"):
        plan(two_robots, namespace)


def test_a_bag_of_a_robot_is_replayed_in_its_namespace(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for robot in ("robot1", "fleet/robot2"):
            message = array_to_imu(np.zeros((2, 3)), 1, "imu_wrist", writer.types)
            writer.write(f"/{robot}/imu/wrist", "sensor_msgs/msg/Imu", message, 1)
    given = {argument.name: argument.default or "" for argument in REPLAY}
    given |= {"bag": str(tmp_path / "bag"), "model": "sim"}
    for namespace, full in (("", "/imu/wrist"), ("robot2", "/robot2/imu/wrist")):
        remedy = "give namespace:=fleet/robot2 or give namespace:=robot1$"
        with pytest.raises(ParameterError, match=f"has none of .*{full}, which .*; it has .*: {remedy}"):
            plan_replay(given | {"namespace": namespace})
    for namespace in ("robot1", "/robot1", "fleet/robot2/"):
        assert {"player", "inference"} <= {plan.name for plan in plan_replay(given | {"namespace": namespace})}


@pytest.mark.parametrize("namespace", ["robot1", "robot2"])
@pytest.mark.parametrize("annotated", [("/operator/annotation",), ("/robot1/annotation", "/robot2/annotation"), ()])
def test_a_replay_has_the_truth_of_mumu_evaluate(tmp_path: Path, namespace: str, annotated: Sequence[str]) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for robot in ("robot1", "robot2"):
            for index in range(100):
                message = array_to_imu(np.zeros((2, 3)), S + index * S // 50, "imu_wrist", writer.types)
                writer.write(f"/{robot}/imu/wrist", "sensor_msgs/msg/Imu", message, S + index * S // 50)
        for topic in annotated:
            note = segment_to_annotation(S, 3 * S, "", topic, writer.types)
            writer.write(topic, "mumu_ros/msg/ActivityAnnotation", note, S)
    imu = {"topic": f"/{namespace}/imu/wrist", "type": "sensor_msgs/msg/Imu"}
    sections: dict[str, dict[str, Any]] = {
        "sensor_sync": {"streams": ["imu_wrist"], "model": "sim", "imu_wrist": imu},
        "inference": {"model": "sim"},
    }
    nodes = {f"/{namespace}/{node}": {"ros__parameters": section} for node, section in sections.items()}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(nodes))
    given = {argument.name: argument.default or "" for argument in REPLAY}
    given |= {"bag": str(tmp_path / "bag"), "params_file": str(tmp_path / "mine.yaml"), "namespace": namespace}
    remapped = next(plan.remappings for plan in plan_replay(given) if plan.name == "evaluation")
    checkpoint = load_checkpoint(find_model("sim"), "cpu")
    sync = read_sensor_sync(tmp_path / "mine.yaml", "sim")
    setup = open_setup(tmp_path / "bag", None, sync, checkpoint.config)
    inference = InferenceConfig.read(ParameterFile(None).read("inference", INFERENCE))
    (result,) = evaluate_bag(Evaluation(checkpoint, inference), setup, name="bag")
    assert list(remapped.values()) == [segment.activity for segment in result.truth]


def test_a_bag_of_the_root_is_replayed_without_a_namespace(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        message = array_to_imu(np.zeros((2, 3)), 1, "imu_wrist", writer.types)
        writer.write("/imu/wrist", "sensor_msgs/msg/Imu", message, 1)
    given = {argument.name: argument.default or "" for argument in REPLAY}
    given |= {"bag": str(tmp_path / "bag"), "model": "sim", "namespace": "robot1"}
    with pytest.raises(ParameterError, match=r"which .* names; it has /imu/wrist: leave out namespace:=$"):
        plan_replay(given)


@pytest.mark.parametrize(("namespace", "command"), [("", "mumu watch\n"), ("/a/b", "mumu watch --namespace /a/b\n")])
def test_mumu_launch_says_how_to_watch_its_namespace(
    capsys: pytest.CaptureFixture[str], namespace: str, command: str
) -> None:
    nodes = MagicMock()
    nodes.ended.return_value = {"people": 1}
    assert launch_command._watch(nodes, {"people": NodePlan("people")}, namespace), "one has failed"
    assert capsys.readouterr().out.endswith(f"Display it with: {command}")
