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

"""Parameters as ROS sees them: listed and described before configuring, refused when set, never dropped in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from mumu_ros.nodes.evaluation import Evaluation
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.overlay import Overlay
from mumu_ros.nodes.parameters import TABLES
from mumu_ros.nodes.people import People
from mumu_ros.nodes.player import Player
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.nodes.simulator import Simulator
from mumu_ros.pipeline.parameter_tables import STREAM
from mumu_ros.recognition.backends.choice import BACKENDS

SUCCESS = TransitionCallbackReturn.SUCCESS
NODES = (SensorSync, People, Inference, Overlay, Simulator, Player, Evaluation)
OF_ANOTHER_TYPE = {bool: "maybe", int: 1.5, float: "fast", str: 3, list: "one"}


def refused(row: Any) -> list[Any]:
    """Values that a parameter cannot have: of another type, beyond its bounds, none of its choices."""
    is_list = isinstance(row.default, list)
    beyond = [limit for limit in (row.low - 1, row.high + 1) if abs(limit) < 2**40]
    kind = type(row.default[0] if is_list else row.default)
    beyond = [[kind(limit)] if is_list else kind(limit) for limit in beyond]
    return [OF_ANOTHER_TYPE[type(row.default)], *beyond, *(["neither of them"] if row.choices else [])]


@pytest.mark.parametrize("node_class", NODES, ids=lambda node_class: node_class.__name__)
def test_what_a_parameter_cannot_be_is_refused_when_it_is_set(ros: Any, node_class: Any) -> None:
    node = ros.add(node_class)
    rows = {row.name: row for row in TABLES[node.get_name()]}
    if node_class is SensorSync:
        rows |= {f"{stream}.{row.name}": row for stream in rows["streams"].default for row in STREAM}
    for name, row in rows.items():
        assert node.describe_parameter(name).description == row.description
        before = node.get_parameter(name).value
        for value in refused(row):
            (result,) = node.set_parameters([Parameter(name, value=value)])
            assert not result.successful, (name, value)
            assert f"parameter {name} is" in result.reason
        assert node.get_parameter(name).value == before
        (result,) = node.set_parameters([Parameter(name, value=row.default)])
        assert result.successful, result.reason


@pytest.mark.parametrize(
    ("node_class", "name", "value", "text"),
    [
        (SensorSync, "streams", ["a", "a"], "a list of different, non-empty names"),
        (SensorSync, "rgb.crop", [1, 2, 3], "x, y, width, height: integers from 0 to 65536, height from 1 on"),
        (SensorSync, "rgb.width", 8, "0, or an integer from 16 to 4096"),
        (SensorSync, "rgb.width", 5000, "0, or an integer from 16 to 4096"),
        (SensorSync, "rgb.shape", [2, 0], "a list of integers from 1 to 4096, or [0]"),
        (Inference, "unknown_threshold", -0.5, "a number from 0 to 1, or -1"),
        (Inference, "imu_bodies", ["wrist"], "a list of <modality>=<body id>"),
    ],
)
def test_so_is_what_has_the_right_type_and_cannot_be_meant(
    ros: Any, node_class: Any, name: str, value: Any, text: str
) -> None:
    node = ros.add(node_class)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert f"; expected {text}" in result.reason
    assert result.reason.endswith(node.describe_parameter(name).additional_constraints), "as in docs/parameters.md"


def test_so_is_a_fault_of_no_sensor(ros: Any) -> None:
    (result,) = ros.add(Simulator).set_parameters([Parameter("faults", value=["sonar:1-2"])])
    assert not result.successful
    assert "'sonar'" in result.reason


def test_a_stream_that_is_named_has_its_parameters_at_once(ros: Any) -> None:
    node = ros.add(SensorSync, streams=["imu"])
    assert node.has_parameter("imu.topic")
    assert not node.has_parameter("belt.topic")
    (result,) = node.set_parameters([Parameter("streams", value=["imu", "belt"])])
    assert result.successful
    assert all(node.has_parameter(f"belt.{row.name}") for row in STREAM)
    assert node.set_parameters([Parameter("belt.topic", value="imu/belt")])[0].successful


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"streams": ["belt"], "belt.topic": "imu/belt"}, ""),
        ({"belt.topic": "imu/belt", "streams": ["belt", "imu"]}, ""),
        ({"streams": ["belt"], "belt.width": -1}, "belt.width is -1"),
        ({"streams": ["belt", "belt"], "belt.topic": "imu/belt"}, "undeclared"),
        ({"streams": 3}, "streams is 3"),
    ],
)
def test_a_stream_is_named_and_described_in_one_call(ros: Any, given: dict[str, Any], refusal: str) -> None:
    node = ros.add(SensorSync, streams=["imu"])
    client = ros.node.create_client(SetParametersAtomically, "sensor_sync/set_parameters_atomically")
    ros.wait(client.service_is_ready)
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in given.items()]
    future = client.call_async(SetParametersAtomically.Request(parameters=parameters))
    ros.wait(future.done)
    result = future.result().result
    assert (result.successful, refusal in result.reason) == (not refusal, True)
    assert node.get_parameter("streams").value == (["imu"] if refusal else given["streams"])
    assert refusal or node.get_parameter("belt.topic").value == "imu/belt"


def test_an_unknown_name_is_in_the_diagnostics(ros: Any) -> None:
    given = {"rate_hs": 5.0, "belt.topic": "belt", "belt.widht": 3, "use_sim_time": False}
    node = ros.add(SensorSync, streams=["imu"], **{"imu.topic": "imu", "imu.shpae": [2, 3], **given})
    statuses: dict[str, str] = {}

    def note(message: DiagnosticArray) -> None:
        statuses.update({status.name: status.message for status in message.status})

    ros.node.create_subscription(DiagnosticArray, "/diagnostics", note, 10)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    text = ros.wait(lambda: statuses.get("sensor_sync: parameters"))
    for wrong, right in (("rate_hs", "rate_hz"), ("imu.shpae", "imu.shape"), ("belt.widht", "belt.width")):
        assert f"no parameter {wrong!r}; did you mean {right}?" in text
    assert "use_sim_time" not in text
    assert "'belt.topic'" not in text, "a stream that is not used now"


def test_what_a_file_gives_all_nodes_may_be_of_another_one_but_of_one(ros: Any, tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text(
        "/**: {ros__parameters: {image.topic: front, encoding: bgr8, robot: walter}}\n"
        "/**/inference: {ros__parameters: {threads: 2, jpeg_quality: 70}}\n"
    )
    file = ["--ros-args", "--params-file", str(tmp_path / "shared.yaml")]
    node = ros.add(lambda **options: Inference(cli_args=[*file, "-p", "rate_hs:=1.0"], **options))
    told = {text.partition(";")[0] for text in node._unknown}
    assert told == {f"no parameter '{name}'" for name in ("robot", "jpeg_quality", "rate_hs")}


def test_every_back_end_may_be_chosen() -> None:
    (row,) = (row for row in TABLES["inference"] if row.name == "backend")
    assert set(row.choices) == {"auto", *BACKENDS}
