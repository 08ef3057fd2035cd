"""The launch files and what takes their place without ros2 launch."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes import launcher, parameters
from mumu_ros.nodes.demo import default_faults
from mumu_ros.share import share_path

LAUNCH_FILES = sorted(share_path("launch").glob("*.launch.py"))
DEMO_TIMEOUT_S = 120.0


def declared_arguments(path: Path) -> dict[str, str]:
    """Arguments of a launch file: name and description."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {
        ast.literal_eval(call.args[0]): next(ast.literal_eval(k.value) for k in call.keywords if k.arg == "description")
        for call in calls
        if getattr(call.func, "id", "") == "DeclareLaunchArgument"
    }


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_every_launch_argument_is_described(path: Path) -> None:
    arguments = declared_arguments(path)
    assert arguments
    assert all(len(text) > 10 for text in arguments.values())


@pytest.mark.parametrize("name", launcher.ARGUMENTS)
def test_mumu_launch_takes_the_arguments_of_the_launch_file(name: str) -> None:
    assert set(launcher.ARGUMENTS[name]) == set(declared_arguments(share_path("launch", f"{name}.launch.py")))


def test_the_launch_files_start_installed_executables_only() -> None:
    text = "".join(path.read_text() for path in LAUNCH_FILES)
    cmake = (Path(__file__).resolve().parents[2] / "CMakeLists.txt").read_text()
    installed = re.search(r"foreach\(node ([\w ]+)\)", cmake)
    assert installed
    assert set(re.findall(r'executable="(\w+)"', text)) <= set(installed[1].split())


@pytest.mark.skipif(not os.environ.get("AMENT_PREFIX_PATH"), reason="no ROS environment is set up")
@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_launch_files_load_where_launch_is_installed(path: Path) -> None:
    pytest.importorskip("launch_ros", reason="launch_ros is not installed; the launch files cannot be loaded here")
    from launch.launch_description_sources import get_launch_description_from_python_launch_file

    assert get_launch_description_from_python_launch_file(str(path)).entities


def test_the_parameter_file_names_known_parameters_only() -> None:
    content = yaml.safe_load(share_path("config", "hri.yaml").read_text())
    tables = {"/**/sensor_sync": parameters.SENSOR_SYNC, "/**/inference": parameters.INFERENCE}
    assert set(content) == set(tables)
    for node, table in tables.items():
        known = {row.name for row in table}
        values = content[node]["ros__parameters"]
        streams = values.get("streams", [])
        assert set(values) <= known | set(streams)
        for stream in streams:
            assert set(values[stream]) <= {row.name for row in parameters.STREAM}


def test_the_page_of_parameters_is_what_the_nodes_read() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"
    assert page.read_text() == parameters.markdown(), "run: python -m mumu_ros.nodes.parameters > docs/parameters.md"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["simulate"], "'simulate' is no argument"),
        (["speed:=2"], "expected NAME:=VALUE with one of"),
        (["simulate:=maybe"], "simulate:=true or simulate:=false"),
        (["params_file:=/no/such.yaml"], "is no file"),
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
def launched(ros: Any) -> Iterator[subprocess.Popen[str]]:
    """`mumu launch hri simulate:=true` under a namespace, in the test's domain."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mumu_ros.cli", "launch", "hri", "simulate:=true", "namespace:=robot1"],
        env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_mumu_launch_runs_the_chain_and_ctrl_c_leaves_nothing(ros: Any, launched: subprocess.Popen[str]) -> None:
    recognitions = ros.collect(ActivityRecognition, "/robot1/activity")
    ros.wait(lambda: len(recognitions) >= 3, timeout_s=60.0)
    children = psutil.Process(launched.pid).children()
    assert len(children) == 3
    launched.send_signal(signal.SIGINT)
    assert launched.wait(20) == 0
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_the_nodes_end_when_the_launcher_is_killed(ros: Any, launched: subprocess.Popen[str]) -> None:
    launcher_process = psutil.Process(launched.pid)
    ros.wait(lambda: len(launcher_process.children()) == 3, timeout_s=60.0)
    children = launcher_process.children()
    launched.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_the_demo_recognises_the_person_and_says_how_well() -> None:
    faults = ("--fault", "imu_wrist:stuck:4.4-11", "--fault", "rgb:12.4-17")
    result = run_mumu("demo", "--seconds", "20", "--seed", "3", "--json", *faults)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert set(report["accuracy_by_fault"]) == {"none", "imu_wrist stuck", "rgb"}
    assert report["accuracy"] > 0.5, "untrained it would be 1 in 14"
    assert report["recognitions"] >= 60
    assert set(report["latency_ms"]) == {"p50", "p99", "max"}
    assert "does" in result.stdout
    assert "absent" in result.stdout, "an unplugged sensor is shown"
    assert re.search(r"imu_wrist stuck +(\d|nothing)", result.stdout)
    assert re.search(r"imu_wrist stuck for \d", result.stdout), "who is accused"
    assert re.search(r"without rgb +(\d|nothing)", result.stdout)


def test_the_demo_unplugs_two_sensors_if_nobody_says_what_fails() -> None:
    assert list(map(str, default_faults(60.0))) == ["imu_wrist:13.2-27", "rgb:37.2-51"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fault", "sonar:1-2"], "'sonar'"),
        (["--seconds", "0"], "--seconds is 0"),
    ],
)
def test_the_demo_refuses_what_it_cannot_mean(arguments: list[str], text: str) -> None:
    result = run_mumu("demo", *arguments)
    assert result.returncode == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_the_demo_says_which_models_there_are() -> None:
    result = run_mumu("demo", "--model", "no/such/model")
    assert result.returncode == 2
    assert "no model folder 'no/such/model'; give" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_demo_says_why_a_node_could_not_start(tmp_path: Path) -> None:
    result = run_mumu("demo", "--model", tmp_path)
    assert result.returncode == 1
    assert "inference ended with status 1" in result.stderr
    assert f"{tmp_path}/config.json" in result.stderr
    assert "Traceback" not in result.stderr
