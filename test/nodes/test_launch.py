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

"""The launch files and what takes their place without ros2 launch."""

from __future__ import annotations

import itertools
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import ANY, MagicMock

import numpy as np
import psutil
import pytest
import yaml

from mumu_ros.conversions import array_to_imu
from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes import demo, launch_plans, parameters
from mumu_ros.nodes.demo import DemoError, default_faults, run_demo
from mumu_ros.nodes.demo_monitor import Summary
from mumu_ros.nodes.launch_arguments import CAMERAS, DEMO, HRI, REPLAY, Argument
from mumu_ros.nodes.launch_plans import plan_demo, plan_hri, plan_replay
from mumu_ros.nodes.overlay import Overlay
from mumu_ros.pipeline.configuration import read_sensor_sync
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.recordings import RecordingWriter
from mumu_ros.share import share_path

LAUNCH_FILES = sorted(share_path("launch").glob("*.launch.py"))
DEMO_TIMEOUT_S = 120.0
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize("arguments", [HRI, REPLAY, DEMO], ids=["hri", "replay", "demo"])
def test_every_launch_argument_is_described_and_its_default_is_allowed(arguments: Sequence[Argument]) -> None:
    assert all(len(a.description) > 10 for a in arguments)
    assert all(a.default in a.choices for a in arguments if a.choices)


def test_the_plans_start_installed_executables_only(wrist: Path) -> None:
    cmake = (Path(__file__).resolve().parents[2] / "CMakeLists.txt").read_text()
    installed = re.search(r"foreach\(node ([\w ]+)\)", cmake)
    assert installed
    plans = [
        *plan_hri(given(HRI, simulate="true", overlay="true")),
        *plan_replay(given(REPLAY, bag=str(wrist), model="sim")),
        *plan_demo(given(DEMO)),
    ]
    assert {plan.name for plan in plans} <= set(installed[1].split())


def test_the_demo_offers_nothing_that_needs_people() -> None:
    """It runs without them: an overlay would wait for them for ever."""
    assert not {"overlay", "camera"} & {argument.name for argument in DEMO}
    assert {plan.name for plan in plan_demo(given(DEMO))} == {"sensor_sync", "inference", "simulator", "watch"}


@pytest.fixture
def wrist(tmp_path: Path) -> Path:
    """A recording of one message of the simulator."""
    path = tmp_path / "wrist"
    with RecordingWriter(path) as writer:
        message = array_to_imu(np.zeros((2, 3)), 1, "imu_wrist", writer.types)
        writer.write("/imu/wrist", "sensor_msgs/msg/Imu", message, 1)
    return path


def given(arguments: Sequence[Argument], **values: str) -> dict[str, str]:
    """A value for each argument, as a launch file has them."""
    return {a.name: a.default or "" for a in arguments} | values


def test_a_real_camera_gets_people_and_a_model_of_real_people() -> None:
    plans = {plan.name: plan for plan in plan_hri(given(HRI))}
    assert set(plans) == {"people", "inference"}
    assert {plan.params_file for plan in plans.values()} == {share_path("config", "hri.yaml")}


def test_simulated_people_come_with_their_own_parameters_and_model() -> None:
    plans = {plan.name: plan for plan in plan_hri(given(HRI, simulate="true", overlay="true"))}
    assert set(plans) == {"people", "sensor_sync", "inference", "overlay", "simulator"}
    assert {plan.params_file for plan in plans.values()} == {share_path("config", "sim.yaml")}
    bare = {plan.name for plan in plan_hri(given(HRI, simulate="true"))}
    assert bare == {"sensor_sync", "inference", "simulator"}, "its model sees whole pictures"


@pytest.mark.parametrize("where", ["on the command line", "in the file", "by default"])
def test_a_model_of_simulated_people_is_refused_before_a_real_camera(tmp_path: Path, where: str) -> None:
    file = tmp_path / "mine.yaml"
    section = {"in the file": {"model": "sim"}, "on the command line": {"model": "utd-mhad-dp"}}.get(where, {})
    nodes = {"/**/sensor_sync": {"ros__parameters": {}}, "/**/inference": {"ros__parameters": section}}
    file.write_text(yaml.safe_dump(nodes))
    values = {"params_file": str(file), **({"model": "sim"} if where == "on the command line" else {})}
    if where != "by default" or default_model() == "sim":
        with pytest.raises(ParameterError, match="'sim' was trained on simulated people only"):
            plan_hri(given(HRI, **values))
    assert plan_hri(given(HRI, **values, use_sim_time="true")), "a recording may show simulated people"


def test_one_process_gets_the_parameters_of_each_of_its_nodes() -> None:
    plans = plan_hri(given(HRI, camera="realsense", composed="true", overlay="true", respawn="true"))
    composed, overlay = plans
    assert (composed.name, overlay.name) == ("composed", "overlay")
    separate = plan_hri(given(HRI, camera="realsense"))
    assert composed.arguments[:2] == ("people", "inference")
    texts = {f"people.{name}={json.dumps(value)}" for name, value in separate[0].parameters.items()}
    assert texts == set(composed.arguments[2:])
    assert not any(":=" in text for text in texts), "rcl would take it for a remapping, and warn"
    assert texts
    assert composed.respawn
    assert not composed.parameters


def test_a_replay_takes_the_streams_of_its_model_and_of_its_recording(wrist: Path) -> None:
    simulated = {plan.name: plan for plan in plan_replay(given(REPLAY, bag=str(wrist), model="sim"))}
    assert simulated.keys() == {"sensor_sync", "inference", "evaluation", "player"}
    assert simulated["sensor_sync"].params_file == share_path("config", "sim.yaml")
    with pytest.raises(ParameterError, match=r"wrist has none of /camera/.*hri\.yaml names; it has /imu/wrist: give"):
        plan_replay(given(REPLAY, bag=str(wrist)))


@pytest.mark.parametrize("overlay", ["true", "false"])
def test_a_file_without_the_streams_that_the_model_needs_starts_nothing(wrist: Path, overlay: str) -> None:
    values = {"params_file": str(hri_file()), "model": "sim"}
    text = "no section for sensor_sync, and model 'sim' takes rgb, depth, imu_wrist, imu_belt from it"
    with pytest.raises(ParameterError, match=text):
        plan_hri(given(HRI, **values, use_sim_time="true", overlay=overlay))
    with pytest.raises(ParameterError, match=text):
        plan_replay(given(REPLAY, bag=str(wrist), **values))


def test_a_parameter_file_of_the_package_is_found_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plans = plan_hri(given(HRI, params_file="config/sim.yaml", model="sim", use_sim_time="true"))
    assert {plan.params_file for plan in plans} == {share_path("config", "sim.yaml")}
    with pytest.raises(ParameterError, match=r"params_file:=config/gone\.yaml is not a file"):
        plan_hri(given(HRI, params_file="config/gone.yaml"))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"camera": "usb_cam"}, r"hri\.yaml has no section for sensor_sync, and camera:=usb_cam no depth\.topic"),
        ({}, r"hri\.yaml has no section for sensor_sync, and no depth\.topic for people"),
    ],
    ids=["camera", "file"],
)
def test_a_model_of_which_nothing_would_come_starts_nothing(values: dict[str, str], text: str) -> None:
    with pytest.raises(ParameterError, match=rf"model 'utd-mhad-dp' takes depth, imu, and none would come: .*{text}"):
        plan_hri(given(HRI, **values, model="utd-mhad-dp"))
    assert plan_hri(given(HRI, **values, model="utd-mhad-dsp")), "skeletons need no depth"


@pytest.mark.parametrize(
    "sections", ["people: {ros__parameters: {depth.topic: /depth}}", "sensor_sync: {}\npeople: {}"]
)
def test_a_model_of_depth_starts_with_a_topic_of_it_or_with_sensor_sync(sections: str, tmp_path: Path) -> None:
    assert plan_hri(given(HRI, camera="realsense", model="utd-mhad-dp"))
    file = tmp_path / "mine.yaml"
    file.write_text(sections)
    assert plan_hri(given(HRI, params_file=str(file), model="utd-mhad-dp"))


def test_a_replay_without_a_recognition_ends_with_an_error(ros: Any, wrist: Path) -> None:
    result = run_mumu("launch", "replay", f"bag:={wrist}", "model:=sim", ROS_DOMAIN_ID=str(ros.domain))
    assert result.returncode == 1
    assert "no recognition was received" in result.stderr
    assert "evaluation ended with an error" in result.stderr


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What launch_actions.py defines, where ros2 launch is missing with mocks of it; `Node` records its calls."""
    for name in ("launch", "launch_ros") if find_spec("launch_ros") is None else ():
        for module in (name, f"{name}.actions", f"{name}.events.process", f"{name}.substitutions"):
            monkeypatch.setitem(sys.modules, module, MagicMock())
    defined = runpy.run_module("mumu_ros.nodes.launch_actions")
    defined["Node"] = MagicMock(wraps=defined["Node"])
    return defined


def test_ros2_launch_gives_parameters_to_the_node_itself(actions: dict[str, Any]) -> None:
    """In a file of their own, as launch_ros writes it, they would lose to a section of the parameter file."""
    remapped = {"annotation": "/notes"}
    plan = launch_plans.NodePlan("people", Path("mine.yaml"), {"image.topic": "/usb"}, ("more",), remapped)
    actions["_action"](plan, "", [])
    passed = actions["Node"].call_args.kwargs
    assert passed["remappings"] == list(remapped.items())
    assert (passed["arguments"], passed["parameters"]) == (["more", 'image.topic="/usb"'], ["mine.yaml"])


@pytest.mark.parametrize(("name", "timeout_s"), [("people", "30.0"), ("evaluation", "600.0")])
def test_ros2_launch_gives_evaluation_the_time_for_its_report(
    actions: dict[str, Any], name: str, timeout_s: str
) -> None:
    actions["_action"](launch_plans.NodePlan(name), "", [])
    assert actions["Node"].call_args.kwargs["sigterm_timeout"] == timeout_s


@pytest.fixture
def after(actions: dict[str, Any]) -> Callable[..., Any]:
    """after(name, ended, status, is_shutdown): what a launch file does when a node ends."""
    action = actions["_after"]

    def call(name: str, ended: list[str], status: int, is_shutdown: bool) -> Any:
        return action(
            launch_plans.NodePlan(name), ended, Namespace(returncode=status), Namespace(is_shutdown=is_shutdown)
        )

    return call


@pytest.mark.parametrize("status", [0, 1, 255, -signal.SIGINT])
def test_ctrl_c_ends_ros2_launch_without_an_error_whatever_the_nodes_end_with(
    after: Callable[..., Any], status: int
) -> None:
    assert after("inference", [], status, True) is None


def test_a_node_that_ends_the_launch_finds_the_errors_of_the_others(after: Callable[..., Any]) -> None:
    ended: list[str] = []
    assert after("player", ended, 0, False) is not None, "the others are stopped"
    for status in (0, 255, -signal.SIGTERM):
        assert after("inference", ended, status, True) is None
    with pytest.raises(RuntimeError, match="evaluation has ended with status 1"):
        after("evaluation", ended, 1, True)


@pytest.mark.parametrize("status", [1, 255, -signal.SIGSEGV])
def test_a_node_that_dies_ends_ros2_launch_with_an_error(after: Callable[..., Any], status: int) -> None:
    with pytest.raises(RuntimeError, match=f"people has ended with status {status}"):
        after("people", [], status, False)


def default_model() -> Any:
    return next(row.default for row in parameters.INFERENCE if row.name == "model")


def test_only_what_is_given_wins_over_the_parameter_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**/people: {ros__parameters: {}}\n/**/inference: {ros__parameters: {model: utd-mhad-dsp}}\n")
    for plan in plan_hri(given(HRI, params_file=str(file))):
        assert plan.parameters == {}
    plans = {p.name: p for p in plan_hri(given(HRI, params_file=str(file), model="people", autostart="false"))}
    assert plans["inference"].parameters == {"autostart": False, "model": "people"}
    assert plans["people"].parameters == {"autostart": False}


def test_sensor_sync_gets_the_model_that_inference_has(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    sync = "/**/sensor_sync: {ros__parameters: {streams: [imu]MODEL}}\n"
    for own, expected in (("", "utd-mhad-dp"), (", model: people", None)):
        content = sync.replace("MODEL", own) + "/**/inference: {ros__parameters: {model: utd-mhad-dp}}\n"
        file.write_text(content)
        plans = {plan.name: plan for plan in plan_hri(given(HRI, params_file=str(file)))}
        assert plans["sensor_sync"].parameters.get("model") == expected
        plans = {plan.name: plan for plan in plan_hri(given(HRI, params_file=str(file), model="utd-mhad-dsp"))}
        assert plans["sensor_sync"].parameters["model"] == "utd-mhad-dsp"


def test_nodes_are_started_where_the_file_has_a_section_for_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    for sections, started in (
        ("/**/sensor_sync: {}", {"sensor_sync", "inference"}),
        ("/robot/people: {}", {"people", "inference"}),
        ("/robot/people: {}\n/robot/sensor_sync: {}\n/**: {}", {"sensor_sync", "people", "inference"}),
    ):
        file.write_text(sections)
        plans = plan_hri(given(HRI, params_file=str(file), model="utd-mhad-dsp", namespace="robot"))
        assert {plan.name for plan in plans} == started
    file.write_text("/**/inference: {}")
    with pytest.raises(ParameterError, match="no section for sensor_sync or people"):
        plan_hri(given(HRI, params_file=str(file), model="utd-mhad-dp"))


@pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS environment is set up")
@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_give_nodes_where_launch_is_installed(path: Path, wrist: Path) -> None:
    pytest.importorskip("launch_ros", reason="launch_ros is not installed; the launch files cannot be loaded here")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file
    from launch_ros.actions import Node

    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update({"bag": str(wrist), "model": "sim"} if "replay" in path.name else {})
    entities = get_launch_description_from_python_launch_file(str(path)).entities
    actions = [action for entity in entities for action in entity.visit(context) or ()]
    assert any(isinstance(action, Node) for action in actions)


@pytest.mark.parametrize("name", ["hri", "sim", "utd_mhad", *(f"cameras/{camera}" for camera in CAMERAS)])
def test_the_parameter_files_name_known_parameters_only(name: str) -> None:
    path = share_path("config", f"{name}.yaml")
    assert ParameterFile(path).nodes() <= set(parameters.TABLES)
    for node in ParameterFile(path).nodes():
        ParameterFile(path).check_names(node, parameters.TABLES[node])


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_camera_by_name_gives_the_nodes_topics_that_fit_together(camera: str) -> None:
    plans = {p.name: p for p in plan_hri(given(HRI, camera=camera, overlay="true", params_file=str(hri_file())))}
    people, overlay = plans["people"].parameters, plans["overlay"].parameters
    assert people["image.topic"] == overlay["image.topic"]
    assert all(people[name].startswith("/") for name in ("image.topic", "camera_info.topic")), "whatever the namespace"
    assert people["image.topic"] != ParameterFile(hri_file()).read("people", parameters.PEOPLE).read("image.topic") or (
        camera == "realsense"
    )
    assert plans["inference"].parameters == {}
    driver = share_path("config", "cameras", f"{camera}.yaml").read_text().split("/**")[0]
    assert re.search(r"ros2 launch \w+ [\w.]+launch\.py", driver), "how to start it"
    assert re.search(r"\d+\.\d+|[0-9a-f]{7}", driver), "which version"
    with pytest.raises(ParameterError, match=f"camera:={camera} is a real camera"):
        plan_hri(given(HRI, camera=camera, simulate="true"))


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_camera_by_name_has_its_own_types(camera: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    compressed = "{image.type: sensor_msgs/msg/CompressedImage, depth.type: sensor_msgs/msg/CompressedImage}"
    file.write_text(f"/**/people: {{ros__parameters: {compressed}}}\n")
    plans = {p.name: p for p in plan_hri(given(HRI, camera=camera, overlay="true", params_file=str(file)))}
    people, overlay = plans["people"].parameters, plans["overlay"].parameters
    assert people["image.type"] == overlay["image.type"] == "sensor_msgs/msg/Image"
    assert not people["depth.topic"] or people["depth.type"] == "sensor_msgs/msg/Image"


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("sections", ["sensor_sync: {ros__parameters: {streams: [imu]}}", "inference: {}"])
def test_a_camera_by_name_starts_people_whatever_the_file_has_a_section_for(
    camera: str, sections: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/**/{sections}\n")
    values = {"camera": camera, "params_file": str(file), "model": "utd-mhad-dsp"}
    plans = {plan.name: plan for plan in plan_hri(given(HRI, **values))}
    assert set(plans) == {"people", "inference"} | ({"sensor_sync"} & ParameterFile(file).nodes())
    preset = ParameterFile(share_path("config", "cameras", f"{camera}.yaml")).read("people", parameters.PEOPLE)
    for name in ("image.topic", "camera_info.topic", "depth.topic"):
        assert plans["people"].parameters[name] == preset.read(name)
    bare = {"params_file": str(file), "camera": camera, "model": "utd-mhad-dp"}
    if camera == "usb_cam" and "sensor_sync" not in sections:
        with pytest.raises(ParameterError, match=r"camera:=usb_cam no depth\.topic"):
            plan_hri(given(HRI, **bare))
    else:
        assert plan_hri(given(HRI, **bare))


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", {"image.topic": "/mine", "image.type": "sensor_msgs/msg/CompressedImage", "reliability": "reliable"}),
        ("{jpeg_quality: 90, reliability: best_effort}", {"image.topic": "/mine", "image.type": ANY}),
        ("{image.topic: /small}", {}),
    ],
    ids=["no section", "no topic", "another topic"],
)
def test_the_overlay_reads_the_picture_of_people_unless_the_file_names_another(
    own: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    picture = "{topic: /mine, type: sensor_msgs/msg/CompressedImage}"
    file.write_text(
        f"/**/people: {{ros__parameters: {{image: {picture}, reliability: reliable, rate_hz: 5.0}}}}\n"
        + (f"/**/overlay: {{ros__parameters: {own}}}\n" if own else "")
    )
    plans = {plan.name: plan for plan in plan_hri(given(HRI, params_file=str(file), overlay="true"))}
    assert plans["overlay"].parameters == expected
    plans = {plan.name: plan for plan in plan_hri(given(HRI, params_file=str(file), overlay="true", camera="zed"))}
    assert plans["overlay"].parameters["image.topic"] == plans["people"].parameters["image.topic"]


@pytest.mark.parametrize("name", ["simulate", "use_sim_time"])
def test_flags_may_be_written_as_in_python(name: str) -> None:
    argument = next(argument for argument in HRI if argument.name == name)
    assert [argument.read(text) for text in ("True", "False", "true", "maybe")] == ["true", "false", "true", "maybe"]
    assert set(argument.accepted) == {*argument.choices, "True", "False"}
    camera = next(argument for argument in HRI if argument.name == "camera")
    assert camera.accepted == camera.choices


def hri_file() -> Path:
    return share_path("config", "hri.yaml")


def test_a_name_that_no_node_has_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**/people: {ros__parameters: {}}\n/**/inference: {ros__parameters: {treads: 2}}\n")
    with pytest.raises(ParameterError, match=r"mine\.yaml: inference has no parameter 'treads'; did you mean threads"):
        plan_hri(given(HRI, params_file=str(file)))


def test_a_replay_without_its_label_file_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"labels:=/no/such\.csv is not a file"):
        plan_replay(given(REPLAY, bag=str(tmp_path), labels="/no/such.csv"))


@pytest.mark.parametrize("name", ["inferense", "infrence", "sensorsync", "peple", "simulater"])
def test_a_section_with_a_misspelt_name_starts_nothing(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/robot/{name}: {{ros__parameters: {{model: utd-mhad-dp}}}}\n")
    with pytest.raises(ParameterError, match=rf"mine\.yaml has a section for '{name}', .* did you mean \w+\?"):
        plan_hri(given(HRI, params_file=str(file)))


@pytest.mark.parametrize("name", ["people_2", "camera", "replayer", "watcher", "evaluator"])
def test_a_section_of_another_node_is_left_alone(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"people: {{ros__parameters: {{}}}}\n{name}: {{ros__parameters: {{speed: 2}}}}\n")
    assert plan_hri(given(HRI, params_file=str(file)))


def test_the_page_of_parameters_is_what_the_nodes_read() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"
    assert page.read_text() == parameters.markdown(), "run: python -m mumu_ros.nodes.parameters > docs/parameters.md"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["simulate"], "'simulate' is not an argument"),
        (["speed:=2"], "expected NAME:=VALUE with one of"),
        (["simulate:=maybe"], "simulate:=true or simulate:=false"),
        (["params_file:=/no/such.yaml"], "is not a file"),
        (["model:=no/such/model"], "no model folder 'no/such/model'"),
        (["model:=sim"], "was trained on simulated people only"),
    ],
)
def test_mumu_launch_refuses_what_it_cannot_mean(arguments: list[str], text: str) -> None:
    result = run_mumu("launch", "hri", *arguments)
    assert result.returncode == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def run_mumu(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mumu_ros.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_TIMEOUT_S,
        env={**os.environ, **environment},
    )


@pytest.fixture
def launched(ros: Any, started: Start) -> Callable[..., subprocess.Popen[str]]:
    """`mumu launch hri simulate:=true` under a namespace, in the test's domain, as a script's background job."""
    command = [sys.executable, "-m", "mumu_ros.cli", "launch", "hri", "simulate:=true", "namespace:=robot1"]
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    return lambda *arguments: started([*command, *arguments], ignoring_sigint=True, env=environment, **output)


def test_mumu_launch_runs_the_chain_in_one_process_and_ctrl_c_leaves_nothing(
    ros: Any, launched: Callable[..., subprocess.Popen[str]]
) -> None:
    launcher_process = launched("composed:=true", "model:=sim")
    recognitions = ros.collect(ActivityRecognition, "/robot1/activity")
    ros.wait(lambda: len(recognitions) >= 3, timeout_s=60.0)
    assert {"sensor_sync", "inference"} <= set(ros.node.get_node_names())
    children = psutil.Process(launcher_process.pid).children()
    assert [child.cmdline()[4] for child in children] == ["composed", "simulator"]
    launcher_process.send_signal(signal.SIGINT)
    assert launcher_process.wait(20) == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_the_nodes_end_when_the_launcher_is_killed(ros: Any, launched: Callable[..., subprocess.Popen[str]]) -> None:
    launcher_process = psutil.Process(launched().pid)
    ros.wait(lambda: len(launcher_process.children()) == 3, timeout_s=60.0)
    children = launcher_process.children()
    launcher_process.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


@pytest.fixture
def broken(ros: Any, started: Start, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """`mumu launch hri` with a node that dies at its start: a topic is missing."""
    file = tmp_path / "mine.yaml"
    file.write_text('/**/people: {ros__parameters: {image.topic: ""}}')
    command = [sys.executable, "-m", "mumu_ros.cli", "launch", "hri", f"params_file:={file}"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    return lambda *arguments: started([*command, *arguments], stdout=subprocess.DEVNULL, env=environment)


def test_a_node_that_dies_at_its_start_ends_the_launch_with_an_error(broken: Callable[..., Any]) -> None:
    process = broken()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "parameter image.topic is empty" in errors
    assert "people ended with status 1; stopping the others" in errors


def test_it_is_started_again_if_that_is_asked_for(broken: Callable[..., Any]) -> None:
    process = broken("respawn:=true")
    lines = iter(process.stderr.readline, "")
    again = itertools.islice((line for line in lines if "people ended with status 1; restarting it" in line), 1)
    assert list(again)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_the_demo_recognises_the_person_and_says_how_well() -> None:
    faults = ("--fault", "imu_wrist:stuck:4.4-11", "--fault", "rgb:12.4-17")
    result = run_mumu("demo", "--seconds", "20", "--seed", "3", "--json", *faults)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert set(report["accuracy_by_fault"]) == {"none", "imu_wrist stuck", "rgb"}
    assert report["accuracy"] > 0.5, "untrained it would be 1 in 14"
    assert report["recognitions"] >= 15, "five a second; fewer on a busy machine"
    assert set(report["latency_ms"]) == {"p50", "p99", "max"}
    assert "truth" in result.stdout
    assert "absent" in result.stdout, "an unplugged sensor is shown"
    assert re.search(r"imu_wrist stuck +(\d|nothing)", result.stdout)
    assert re.search(r"imu_wrist stuck for \d", result.stdout), "the flagged sensor is shown"
    assert re.search(r"without rgb +(\d|nothing)", result.stdout)


def test_the_demo_lets_two_sensors_drop_out_by_default() -> None:
    assert list(map(str, default_faults(60.0))) == ["imu_wrist:13.2-27", "rgb:37.2-51"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"seconds": 60.0, "fault": ["sonar:1-2"]}, "'sonar'"),
        ({"seconds": 0.0, "fault": None}, "--seconds is 0"),
    ],
)
def test_the_demo_refuses_what_it_cannot_mean(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        run_demo(Namespace(**arguments))


def test_the_demo_says_which_models_there_are() -> None:
    result = run_mumu("demo", "--model", "no/such/model")
    assert result.returncode == 2
    assert "no model folder 'no/such/model'; give" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("model", ["people", "utd-mhad-dp"])
def test_a_model_that_would_recognise_nothing_starts_no_demo(model: str) -> None:
    text = (
        rf"model '{model}' takes \w+, imu, and the demo has rgb, depth, imu_wrist, imu_belt and looks for no people: "
        rf"give a model such as sim, or try it with: mumu launch hri simulate:=true model:={model}"
    )
    with pytest.raises(ParameterError, match=text):
        plan_demo(given(DEMO, model=model))
    with pytest.raises(ParameterError, match=text):
        run_demo(Namespace(seconds=60.0, fault=None, model=model))
    assert {"people", "sensor_sync"} <= {p.name for p in plan_hri(given(HRI, simulate="true", model=model))}
    kinds = {stream.name: stream.kind for stream in read_sensor_sync(share_path("config", "sim.yaml"), model).streams}
    assert kinds["depth"] == "depth", "the model may have no stream of that name"


def test_a_demo_without_a_recognition_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = Summary(None, {"none": None}, None, {"p50": None, "p99": None, "max": None}, 0)
    monkeypatch.setattr(demo, "_perform", lambda *_: summary)
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    assert run_demo(Namespace(seconds=60.0, fault=None, model="sim", json=False)) == 1
    printed = capsys.readouterr()
    assert "p50 —   p99 —" in printed.out
    assert "inference made no decision" in printed.err


@pytest.mark.parametrize(
    ("error", "status", "kept"),
    [(KeyboardInterrupt(), 130, []), (DemoError("inference ended with status 1"), 1, ["nodes.log"])],
    ids=["interrupted", "failed"],
)
def test_a_demo_keeps_its_log_only_if_it_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, status: int, kept: list[str]
) -> None:
    def perform(_arguments: object, _faults: object, log: Path) -> None:
        log.touch()
        raise error

    monkeypatch.setattr(demo, "_perform", perform)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    assert run_demo(Namespace(seconds=60.0, fault=None, model="sim")) == status
    assert [path.name for path in tmp_path.glob("mumu-demo-*/*")] == kept
    assert len(list(tmp_path.iterdir())) == len(kept)


def test_the_demo_says_why_a_node_could_not_start(tmp_path: Path) -> None:
    result = run_mumu("demo", "--model", tmp_path)
    assert result.returncode == 1
    assert "inference ended with status 1" in result.stderr
    assert f"{tmp_path}/config.json" in result.stderr
    assert "Traceback" not in result.stderr


SHOWN_BY = {
    "rviz_default_plugins/Image": {"sensor_msgs/msg/Image"},
    "rviz_default_plugins/MarkerArray": {"visualization_msgs/msg/MarkerArray"},
    "Image": {"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"},
    "3D": {"visualization_msgs/msg/MarkerArray"},
    "DiagnosticSummary": {"diagnostic_msgs/msg/DiagnosticArray"},
}
"""Types that a display of RViz or a panel of Foxglove can show."""


def test_the_layouts_show_topics_that_the_overlay_publishes_in_panels_for_their_type(ros: Any) -> None:
    layout = json.loads(share_path("config", "foxglove_layout.json").read_text())
    panels = layout["configById"]
    assert set(re.findall(r'"((?:\w+)!(?:\w+))"', json.dumps(layout["layout"]))) == set(panels)
    rviz = yaml.safe_load(share_path("config", "mumu.rviz").read_text())
    displays = rviz["Visualization Manager"]["Displays"]
    shown = [(display["Class"], display["Topic"]["Value"]) for display in displays if "Topic" in display]
    assert {name for name, _ in shown} == {name for name in SHOWN_BY if "/" in name}
    shown += [("Image", panels["Image!overlay"]["imageMode"]["imageTopic"])]
    shown += [("3D", topic) for topic in panels["3D!people"]["topics"]]
    shown += [("DiagnosticSummary", panels["DiagnosticSummary!nodes"]["topicToRender"])]
    node = ros.add(Overlay)
    published = dict(node.get_publisher_names_and_types_by_node("overlay", "/"))
    for panel, topic in shown:
        assert set(published[topic]) <= SHOWN_BY[panel], (panel, topic)
    for topic, field in (path["value"].removesuffix("[:]").split(".") for path in layout_paths(layout)):
        assert topic == "/activity"
        assert field in ActivityRecognition.get_fields_and_field_types()


def layout_paths(layout: dict[str, Any]) -> list[dict[str, Any]]:
    return [path for panel in layout["configById"].values() for path in panel.get("paths", [])]
