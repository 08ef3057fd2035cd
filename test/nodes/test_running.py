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

"""A node as a process: whenever a signal comes, it ends in order and without a traceback."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import psutil
import pytest
from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.action import ActionClient
from sensor_msgs.msg import Imu

from mumu_ros.action import WaitForActivity

Start = Callable[..., "subprocess.Popen[str]"]
NODES = [sys.executable, "-m", "mumu_ros.nodes"]
ROS = ["--ros-args", "-p"]
INFERENCE = [*NODES, "inference", *ROS, "model:=sim"]
SIMULATOR = [*NODES, "simulator"]


def has_loaded(process: subprocess.Popen[str], library: str) -> bool:
    return any(library in mapped.path for mapped in psutil.Process(process.pid).memory_maps())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("library", ["numpy", "libtorch", "librcl"])
def test_a_node_that_is_being_imported_ends_without_a_word(
    ros: Any, started: Start, number: signal.Signals, library: str
) -> None:
    process = started(INFERENCE, ignoring_sigint=True, env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)})
    ros.wait(lambda: has_loaded(process, library), timeout_s=60.0)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in output + errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["sensor_sync", *ROS, "streams:=[imu]", "-p", "imu.topic:=imu", "-p", "imu.type:=sensor_msgs/msg/Imu"],
        ["inference", *ROS, "model:=sim"],
        ["people"],
        ["overlay"],
        ["simulator"],
        ["composed", "people", "inference", "inference.model=sim"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_node_that_has_ended_is_no_longer_in_the_graph(ros: Any, started: Start, arguments: list[str]) -> None:
    process = started([*NODES, *arguments], env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)})

    def others() -> set[str]:
        return set(ros.node.get_node_names()) - {ros.node.get_name()}

    diagnostics = ros.collect(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: diagnostics and others(), timeout_s=60.0)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    ros.wait(lambda: not others(), timeout_s=5.0)  # a participant that has not left is forgotten after 20 s


@pytest.mark.parametrize("by_a_service", [False, True], ids=["active", "after lifecycle shutdown"])
def test_a_node_ends_well_in_every_state_and_whatever_else_comes(ros: Any, started: Start, by_a_service: bool) -> None:
    messages = ros.collect(Imu, "imu/wrist")
    process = started(SIMULATOR, ignoring_sigint=True, env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)})
    ros.wait(lambda: messages, timeout_s=60.0)
    if by_a_service:
        client = ros.node.create_client(ChangeState, "/simulator/change_state")
        ros.wait(client.service_is_ready)
        shutdown = Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN)
        future = client.call_async(ChangeState.Request(transition=shutdown))
        ros.wait(future.done)
        assert future.result().success
    process.send_signal(signal.SIGINT)
    while process.poll() is None:  # as a launcher that loses patience, up to the very end of the interpreter
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        ros.executor.spin_once(timeout_sec=0.01)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in output + errors


def test_whoever_waits_for_an_activity_is_told_that_the_node_ends(ros: Any, started: Start) -> None:
    process = started(INFERENCE, ignoring_sigint=True, env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)})
    client = ActionClient(ros.node, WaitForActivity, "inference/wait_for_activity")
    ros.wait(client.server_is_ready, timeout_s=60.0)
    goal = client.send_goal_async(WaitForActivity.Goal())
    ros.wait(goal.done, timeout_s=60.0)
    result = goal.result().get_result_async()
    process.send_signal(signal.SIGINT)
    ros.wait(result.done)
    assert result.result().status == GoalStatus.STATUS_ABORTED
    assert process.wait(30) == 0


_UNHANDLED = """
import _signal, sys

class Finder:  # of nothing: it tells what is imported while a signal would still interrupt the import
    def find_spec(name, *_):
        if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            print(name)

sys.meta_path.insert(0, Finder)
from mumu_ros.nodes.__main__ import main
main()
"""


def test_signals_are_handled_before_anything_slow_is_imported(started: Start) -> None:
    output, errors = started([sys.executable, "-c", _UNHANDLED, "no node"]).communicate(timeout=60)
    assert "there is no node" in errors
    package = {"mumu_ros", "mumu_ros.nodes", "mumu_ros.nodes.__main__"}
    assert package <= set(output.split()) <= package | {"__future__"}


_NESTED = """
import os, signal, sys
from mumu_ros.nodes.__main__ import on_first_signal

def end():
    print("ends", flush=True)
    for _ in range(3):  # of a launcher without patience, while the handler runs
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)

if sys.argv[1] == "under nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
on_first_signal(end)
os.kill(os.getpid(), signal.SIGHUP)
print("goes on", flush=True)
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(
    ("how", "expected"), [("in a terminal", "ends\ngoes on\n"), ("under nohup", "goes on\nends\n")]
)
def test_signals_after_the_first_do_not_interrupt_its_handler(started: Start, how: str, expected: str) -> None:
    process = started([sys.executable, "-c", _NESTED, how])
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, expected, "")


def test_a_node_that_lacks_a_module_says_how_to_install_it(started: Start) -> None:
    code = "import sys; sys.modules['rosbags'] = None; from mumu_ros.nodes.__main__ import main; main()"
    process = started([sys.executable, "-c", code, "sensor_sync"])
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "rosbags" in errors
    assert "; install it: pip install rosbags" in errors
    assert "Traceback" not in errors


def test_an_autostart_that_is_neither_true_nor_false_is_refused(started: Start) -> None:
    process = started([*NODES, "overlay", *ROS, "autostart:=0"])
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "parameter autostart is 0; expected true or false" in output + errors
    assert "Traceback" not in output + errors


def test_the_names_of_humble_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rclpy has other modules; they are replaced by one with its names, because there are no wheels of it."""
    older = types.ModuleType("rclpy.qos_event")
    vars(older).update(SubscriptionEventCallbacks=object(), UnsupportedEventTypeError=RuntimeError)
    for name, module in {"rclpy.event_handler": None, "rclpy.experimental": None, "rclpy.qos_event": older}.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    found = runpy.run_module("mumu_ros.nodes.rclpy_compat")
    assert found["EventsExecutor"] is None
    assert {found[name] for name in vars(older) if name[0] != "_"} == {v for k, v in vars(older).items() if k[0] != "_"}


def test_a_name_that_is_no_node_is_refused(started: Start) -> None:
    process = started([sys.executable, "-m", "mumu_ros.nodes", "sensor-sync"])
    _, errors = process.communicate(timeout=60)
    assert "there is no node 'sensor-sync'" in errors
    assert process.returncode == 1
