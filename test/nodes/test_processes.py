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

"""Processes that are isolated from the others of this machine, and their DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from std_msgs.msg import String

from mumu_ros.nodes import processes
from mumu_ros.nodes.launch_plans import parameter_texts
from mumu_ros.share import share_path

ROOT = Path(__file__).resolve().parents[2]

_SUBSCRIBER = """
import ctypes, sys, rclpy
from std_msgs.msg import String

class Usage(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "abcdefghij"]

def used():  # on the heap, and in pages of their own
    usage = libc.mallinfo2()
    return usage.h + usage.e

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Usage
rclpy.init()
node, got = rclpy.create_node("subscriber"), []
node.create_subscription(String, "large", lambda _: got.append(1), 40, raw=True)
print(used(), flush=True)
sys.stdin.readline()
while len(got) < 40:
    rclpy.spin_once(node)
print(used(), flush=True)
"""
_INTERRUPTED = """
import os, signal, sys, threading
from mumu_ros.nodes.processes import Processes

def interrupt():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

hook, module = sys.argv[1:]
os.register_at_fork(**{hook: interrupt})
with Processes() as nodes:
    try:
        nodes.run("one", module, ["sensor_sync"])
    except KeyboardInterrupt:
        print("interrupted", end=" ")
    print(nodes.stop()["one"])
"""


@pytest.mark.parametrize(
    ("hook", "module", "said"),
    [
        ("after_in_parent", "mumu_ros.nodes", "interrupted 0\n"),
        ("after_in_child", "mumu_ros.nodes", "0\n"),
        ("after_in_child", "another", "-2\n"),
    ],
)
def test_an_interrupt_while_a_process_starts_waits_until_it_can_be_handled(
    started: Callable[..., subprocess.Popen[str]], hook: str, module: str, said: str
) -> None:
    process = started([sys.executable, "-c", _INTERRUPTED, hook, module])
    assert process.communicate(timeout=60) == (said, "")
    assert process.returncode == 0


@pytest.mark.parametrize("order", [1, -1])
def test_parameters_override_every_section_of_a_file_whatever_their_order(ros: Any, tmp_path: Path, order: int) -> None:
    sections = ["/**: {ros__parameters: {image.topic: /all, use_sim_time: true}}"]
    sections += [f"/**/{node}: {{ros__parameters: {{image.topic: /own}}}}" for node in ("overlay", "people")]
    file = tmp_path / "mine.yaml"
    file.write_text("\n".join(sections[::order]))
    chosen = {"image.topic": "/given 😀", "use_sim_time": False, "autostart": False}
    inside = [f"people.{text}" for text in parameter_texts(chosen)]
    with processes.Processes({"ROS_DOMAIN_ID": str(ros.domain)}) as nodes:
        nodes.start("overlay", chosen, file)
        nodes.start("composed", {}, file, arguments=["people", *inside])
        for node in ("overlay", "people"):
            client = ros.node.create_client(GetParameters, f"{node}/get_parameters")
            ros.wait(client.service_is_ready, 60.0)
            future = client.call_async(GetParameters.Request(names=list(chosen)))
            ros.wait(future.done)
            topic, *flags = future.result().values
            assert topic.string_value == "/given 😀"
            assert not any(flag.bool_value for flag in flags)


def test_a_node_starts_from_the_source_folder_on_python_3_10(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which does not know PYTHONSAFEPATH; and in a colcon workspace nobody sets it."""
    monkeypatch.chdir(ROOT)
    with processes.Processes({"PYTHONSAFEPATH": "", "ROS_DOMAIN_ID": str(ros.domain)}) as nodes:
        nodes.start("overlay", {})
        ros.wait(lambda: nodes.ended() or "overlay" in ros.node.get_node_names(), timeout_s=60.0)
        assert nodes.ended() == {}


def test_a_node_typed_by_hand_in_the_source_folder_says_what_hides_the_messages(
    started: Callable[..., subprocess.Popen[str]],
) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": ""}
    process = started([sys.executable, "-m", "mumu_ros.nodes", "sensor_sync"], cwd=ROOT, env=environment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{str(ROOT / 'mumu_ros')!r} hides the built package" in errors
    code = "from mumu_ros.nodes.subscribers import message_class; message_class('mumu_ros/msg/People')"
    _, errors = started([sys.executable, "-c", code], cwd=ROOT, env=environment).communicate(timeout=60)
    assert "hides the built package" in errors


@pytest.mark.parametrize("name", ["overlay", "watch"])
def test_an_argument_that_is_no_parameter_is_refused(name: str, started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started([sys.executable, "-m", "mumu_ros.nodes", name, "/camera", "--ros-args", "-r", "__ns:=/a"])
    _, errors = process.communicate(timeout=60)
    assert process.returncode
    assert errors == f"{name}: '/camera': expected a parameter as NAME=VALUE, or ROS's arguments after --ros-args\n"


_STUB = """
import os, signal, sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("up", flush=True)
while signal.sigwait([signal.SIGINT]):  # signal.pause() would miss one that comes just before it
    print("told", os.getpid(), flush=True) or {reaction}
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """stub(reaction): the name of a module that says `up`, and evaluates something when it is interrupted."""
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{path}" if path else str(tmp_path))

    def write(reaction: str) -> str:
        (tmp_path / "stub.py").write_text(_STUB.format(reaction=reaction))
        return "stub"

    return write


def test_evaluation_has_the_time_for_its_report_and_other_nodes_that_do_not_end_are_killed(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: Callable[[str], str]
) -> None:
    monkeypatch.setattr(processes, "STOP_TIMEOUT_S", 0.0)
    log = tmp_path / "log"
    with processes.Processes() as nodes:
        for name, reaction in (("people", "None"), ("evaluation", "sys.exit(3)")):
            nodes.run(name, stub(reaction), [], log)
            ros.wait(lambda: not nodes.ended() and log.exists() and log.read_text() == "up\n", timeout_s=60.0)
            log.unlink()
        assert nodes.stop() == {"people": -signal.SIGKILL, "evaluation": 3}


def test_no_process_is_left_where_waiting_for_its_end_is_interrupted(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stub: Callable[[str], str]
) -> None:
    wait = subprocess.Popen.wait

    def interrupt(*_: object) -> None:
        monkeypatch.setattr(subprocess.Popen, "wait", wait)
        raise KeyboardInterrupt

    log = tmp_path / "log"
    with processes.Processes() as nodes:
        for name in ("one", "two"):
            nodes.run(name, stub("None"), [], log)
        ros.wait(lambda: log.exists() and log.read_text() == "up\n" * 2, timeout_s=60.0)
        left = list(nodes._running.values())
        monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            nodes.stop()
        assert [process.returncode for process in left] == [-signal.SIGKILL] * 2


_LAUNCHER = """
import sys
from mumu_ros import cli
from mumu_ros.nodes import launch_command, processes
from mumu_ros.nodes.launch_plans import NodePlan

processes.Processes.start = lambda self, node, *_, **__: self.run(node, "stub", [])
launch_command.PLANS["hri"] = (launch_command.HRI, lambda _: [NodePlan("people")])
sys.exit(cli.main(["launch", "hri"]))
"""


@pytest.mark.parametrize(
    ("reaction", "status"),
    [("sys.exit(0)", 0), ("sys.exit(1)", 1), ("None", 130)],
    ids=["ended", "failed", "killed"],
)
def test_ctrl_c_ends_mumu_launch_with_its_nodes_and_once_more_kills_them(
    started: Callable[..., subprocess.Popen[str]], stub: Callable[[str], str], reaction: str, status: int
) -> None:
    stub(reaction)
    process = started([sys.executable, "-c", _LAUNCHER], ignoring_sigint=True)
    assert process.stdout
    lines = iter(process.stdout.readline, "")
    assert "up\n" in lines
    process.send_signal(signal.SIGINT)
    told = next(line for line in lines if line.startswith("told"))
    if status == 130:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert ("people ended with an error" in errors) == (status == 1)
    assert not psutil.pid_exists(int(told.split()[1]))


def test_a_domain_that_somebody_is_in_is_not_chosen(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(map(processes._is_bound, processes._ports(ros.domain)))
    taken = processes._ports(1)
    monkeypatch.setattr(processes, "_is_bound", lambda port: port == taken[-1])
    monkeypatch.setattr(processes, "_DOMAINS", range(1, 3))
    assert {processes.unused_domain() for _ in range(20)} == {2}


def test_without_a_free_domain_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_is_bound", lambda _: True)
    with pytest.raises(OSError, match=r"domains 1 to 100 are in use; end some ROS processes"):
        processes.unused_domain()


def test_the_shipped_dds_profile_is_read_completely_unless_another_is_chosen() -> None:
    shipped, complete = str(share_path("config", "fastdds.xml")), "RMW_FASTRTPS_USE_QOS_FROM_XML"
    for chosen in ({}, dict.fromkeys(processes.PROFILE_VARIABLES, shipped)):
        assert set(processes.dds_variables(chosen).values()) == {shipped, "1"}
    for other in ("", "/etc/mine.xml"):
        chosen = dict.fromkeys(processes.PROFILE_VARIABLES, other)
        assert processes.dds_variables(chosen) == chosen
        assert complete not in processes.dds_variables({processes.PROFILE_VARIABLES[0]: other})


def test_a_queue_gives_the_memory_of_large_messages_back(
    ros: Any, started: Callable[..., subprocess.Popen[str]]
) -> None:
    """By default the middleware keeps 40 times the largest message for a queue of 40."""
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    publisher = ros.node.create_publisher(String, "large", 40)
    environment |= processes.dds_variables(environment)
    subscriber = started([sys.executable, "-c", _SUBSCRIBER], env=environment, stdin=subprocess.PIPE)
    ros.wait(publisher.get_subscription_count)
    for _ in range(40):
        publisher.publish(String(data="a" * 400_000))
    assert publisher.wait_for_all_acked(Duration(seconds=20))
    before, after = subscriber.communicate("\n", timeout=20)[0].split()
    assert int(after) - int(before) < 4e6
