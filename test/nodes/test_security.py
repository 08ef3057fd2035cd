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

"""The policies of SROS 2 are what the nodes do: compared with running nodes, over DDS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rclpy.action import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from std_msgs.msg import Empty

from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.launch_arguments import HRI
from mumu_ros.nodes.launch_plans import COMPOSED, enclave, plan_hri
from mumu_ros.nodes.overlay import Overlay
from mumu_ros.nodes.people import People
from mumu_ros.nodes.processes import Processes
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.nodes.simulator import Simulator
from mumu_ros.people import Person
from mumu_ros.share import share_path

from ..conftest import ScriptedFinder

etree = pytest.importorskip("lxml.etree")

POLICY = share_path("config", "security") / "policy.xml"
PARAMETERS = share_path("config", "sim.yaml")
NODES = {
    "sensor_sync": SensorSync,
    "people": People,
    "inference": Inference,
    "overlay": Overlay,
    "simulator": Simulator,
}
RULES: dict[tuple[str, str], Callable[..., list[tuple[str, list[str]]]]] = {
    ("topics", "publish"): Node.get_publisher_names_and_types_by_node,
    ("topics", "subscribe"): Node.get_subscriber_names_and_types_by_node,
    ("services", "reply"): Node.get_service_names_and_types_by_node,
    ("services", "request"): Node.get_client_names_and_types_by_node,
    ("actions", "execute"): get_action_server_names_and_types_by_node,
    ("actions", "call"): get_action_client_names_and_types_by_node,
}
Access = dict[tuple[str, str], set[str]]

# What these nodes use in other settings: `use_sim_time`, `target_frame`, `room`, and REP 155, which is not in pip.
IN_OTHER_SETTINGS = {"/clock", "/tf", "/tf_static", "/truth/people", "/humans/bodies/tracked", "/intents"} | {
    f"/humans/bodies/*/{name}" for name in ("cropped", "position", "roi", "skeleton2d")
}


def allowed() -> dict[str, Access]:
    """Enclave to what it may do, with names written out."""
    tree = etree.parse(str(POLICY))
    tree.xinclude()
    result: dict[str, Access] = {}
    for element in tree.iter("enclave"):
        access: Access = {rule: set() for rule in RULES}
        for profile in element.iter("profile"):
            assert profile.get("ns") == "/"
            own = f"/{profile.get('node')}"
            for group in profile:
                if not isinstance(group.tag, str):
                    continue  # a comment
                for rule, qualifier in group.items():
                    assert qualifier == "ALLOW", "what is not allowed is denied"
                    names = (name.text for name in group)
                    access[group.tag, rule] |= {
                        name if name[0] == "/" else own + name[1:] if name[0] == "~" else f"/{name}" for name in names
                    }
        result[element.get("path")] = access
    return result


ALLOWED = allowed()


def of(node: str) -> Access:
    return ALLOWED[enclave(node)]


def used(ros: Any, node: str, rule: tuple[str, str]) -> set[str]:
    """What a node does by the graph of ROS."""
    # The topics and services of which an action consists are not named one by one.
    return {name for name, _ in RULES[rule](ros.node, node, "/") if "/_action/" not in name}


def denied(node: str, rule: tuple[str, str], names: set[str]) -> set[str]:
    """Those of the names that the policy does not allow."""
    return {name for name in names if not any(fnmatchcase(name, e) for e in of(node)[rule])}


def with_one_person(*_: Any) -> ScriptedFinder:
    """In the place of `PeopleFinder`: somebody is always in view."""
    points, joints, seen = np.full((33, 2), 30.0, np.float32), np.ones((33, 3), np.float32), np.ones(33, np.float32)
    return ScriptedFinder([Person("abcde", 0.9, (10.0, 10.0, 20.0, 40.0), points, joints, seen, "nominal")])


@pytest.fixture
def measured(ros: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Access]:
    """What the nodes of `hri.launch.py simulate:=true overlay:=true` do, by the graph of ROS."""
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", with_one_person)
    for node_class in NODES.values():
        node = ros.add(partial(node_class, cli_args=["--ros-args", "--params-file", str(PARAMETERS)]))
        node.trigger_configure()
        node.trigger_activate()

    names = partial(used, ros)
    # A body has come, and the graph is known.
    ros.wait(lambda: "/humans/bodies/abcde/activity" in names("inference", ("topics", "publish")), 60.0)
    return {node: {rule: names(node, rule) for rule in RULES} for node in NODES}


def test_the_nodes_do_what_the_policy_allows_and_all_of_it(measured: dict[str, Access]) -> None:
    for node, access in measured.items():
        for rule, names in access.items():
            expressions = of(node)[rule]
            unused = {e for e in expressions if not any(fnmatchcase(name, e) for name in names)}
            assert not (missing := denied(node, rule, names)), f"{node} would not be allowed to {rule[1]} {missing}"
            assert unused <= IN_OTHER_SETTINGS, f"{node} is allowed to {rule[1]} {unused - IN_OTHER_SETTINGS}"


def listen_to_tf(_buffer: Any, node: Node) -> SimpleNamespace:
    """In the place of a tf2_ros.TransformListener, which is not in pip."""
    subscriptions = [node.create_subscription(Empty, topic, print, 10) for topic in ("/tf", "/tf_static")]
    return SimpleNamespace(unregister=lambda: [node.destroy_subscription(s) for s in subscriptions])


@pytest.mark.parametrize(
    ("node", "parameters", "rule", "names"),
    [
        ("sensor_sync", {"imu_wrist.target_frame": "base"}, ("topics", "subscribe"), {"/tf", "/tf_static"}),
        ("people", {"target_frame": "base"}, ("topics", "subscribe"), {"/tf", "/tf_static"}),
        ("simulator", {"room": True}, ("topics", "publish"), {"/truth/people"}),
    ],
)
def test_what_other_settings_add_is_allowed(
    ros: Any,
    monkeypatch: pytest.MonkeyPatch,
    node: str,
    parameters: dict[str, Any],
    rule: tuple[str, str],
    names: set[str],
) -> None:
    tf = SimpleNamespace(TransformException=RuntimeError, Buffer=object, TransformListener=listen_to_tf)
    monkeypatch.setitem(sys.modules, "tf2_ros", tf)  # type: ignore[arg-type]
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", with_one_person)
    started = ros.add(partial(NODES[node], cli_args=["--ros-args", "--params-file", str(PARAMETERS)]), **parameters)
    assert started.trigger_configure() == started.trigger_activate() == TransitionCallbackReturn.SUCCESS
    ros.wait(lambda: names <= used(ros, node, rule))
    assert not denied(node, rule, used(ros, node, rule))


def test_every_node_that_is_launched_has_an_enclave() -> None:
    arguments = {a.name: a.default or "" for a in HRI} | {"simulate": "true", "overlay": "true"}
    assert {plan.name for plan in plan_hri(arguments)} <= set(NODES)
    assert {enclave(node) for node in (*NODES, "composed", "manager", "listener")} == set(ALLOWED)


def test_the_process_of_several_nodes_may_do_what_each_of_them_may() -> None:
    assert of("composed") == {rule: set().union(*(of(node)[rule] for node in COMPOSED)) for rule in RULES}


def test_a_node_is_started_in_its_enclave(ros: Any) -> None:
    with Processes({"ROS_DOMAIN_ID": str(ros.domain)}) as nodes:
        nodes.start("overlay", {})
        assert ros.wait(
            lambda: ("overlay", "/", enclave("overlay")) in ros.node.get_node_names_and_namespaces_with_enclaves(), 60.0
        )


def test_a_node_without_keys_does_not_start_and_says_so_in_a_line(tmp_path: Path) -> None:
    security = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
    }
    command = [sys.executable, "-m", "mumu_ros.nodes", "overlay", "--ros-args", "--enclave", enclave("overlay")]
    ended = subprocess.run(command, env=os.environ | security, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "cannot start: " in ended.stderr.splitlines()[-1]
    assert "security" in ended.stderr.splitlines()[-1].lower()


def test_nobody_but_sensor_sync_publishes_its_frames_and_nobody_but_the_sources_what_they_find() -> None:
    sources = {
        "/multimodal_frame": "sensor_sync",
        "/people": "people",
        "/activity": "inference",
        "/activity_event": "inference",
    }
    for topic, source in sources.items():
        publishers = {
            path for path, access in ALLOWED.items() if any(fnmatchcase(topic, e) for e in access["topics", "publish"])
        }
        assert publishers == {enclave(source), enclave("composed")}


def test_the_manager_alone_may_call_services_and_may_call_all_of_every_node() -> None:
    callers = {path for path, access in ALLOWED.items() if access["services", "request"]}
    assert callers == {"/mumu_ros/manager"}
    served = {name for node in NODES for name in of(node)["services", "reply"]}
    assert of("manager")["services", "request"] == served
    for node in NODES:
        own = of(node)["services", "reply"]
        assert {f"/{node}/change_state", f"/{node}/set_parameters"} <= own
        assert all(name.startswith(f"/{node}/") for name in own)


def test_who_listens_changes_nothing_and_may_wait() -> None:
    published = of("listener")["topics", "publish"]
    assert published == {"/parameter_events", "/rosout"}
    assert of("listener")["actions", "call"] == of("inference")["actions", "execute"]
