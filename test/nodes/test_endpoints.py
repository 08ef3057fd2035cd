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

"""What the graph of publishers says about a topic."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu

from mumu_ros.conversions import RosTypes, array_to_imu, ns_to_time
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.overlay import Overlay
from mumu_ros.nodes.people import People
from mumu_ros.nodes.sensor_sync import SensorSync

from ..conftest import ScriptedFinder

TYPES = RosTypes()
START_NS = 1_700_000_000_000_000_000
STREAMS = {"streams": ["imu"], "imu.topic": "imu", "imu.kind": "vector", "imu.type": "sensor_msgs/msg/Imu"}


def test_two_drivers_of_one_imu_are_named_until_one_has_left(ros: Any) -> None:
    node = ros.add(SensorSync, **STREAMS)
    arrays = ros.collect(DiagnosticArray, "/diagnostics")
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    imu = ros.node.create_publisher(Imu, "imu", 10)
    stamps = itertools.count(START_NS, 10_000_000)

    def diagnosed(code: str) -> str:
        arrays.clear()

        def found() -> str | None:
            imu.publish(array_to_imu(np.ones((2, 3)), next(stamps), "wrist", TYPES))
            said = [s for array in arrays for s in array.status if s.name == "sensor_sync: imu"]
            return next((s.message for s in said if s.values[0].value == code), None)

        return str(ros.wait(found))

    diagnosed("")
    second = ros.node.create_publisher(Imu, "imu", 10)
    assert "; 2 publishers send /imu (/test, /test), such as a driver started twice" in diagnosed("contested")
    ros.node.destroy_publisher(second)
    diagnosed("")


@pytest.mark.parametrize(
    ("node_class", "topic"), [(People, "people"), (Inference, "activity"), (SensorSync, "multimodal_frame")]
)
def test_two_nodes_of_one_kind_name_each_other_until_one_has_ended(
    ros: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, node_class: Any, topic: str
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: ScriptedFinder())
    given = {SensorSync: STREAMS, Inference: {"model": str(tiny_model), "backend": "eager"}}.get(node_class, {})
    first = ros.add(node_class, **given)
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    second = node_class(context=ros.context, parameter_overrides=overrides)
    for node in (first, second):
        assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS

    def are_named(*nodes: Any) -> bool:
        name = first.get_fully_qualified_name()
        text = f"2 publishers send /{topic} ({name}, {name})"
        return all(any(text in status.message for status in node.diagnose()) for node in nodes)

    ros.wait(lambda: are_named(first, second))
    second.trigger_shutdown()
    second.destroy_node()
    ros.wait(lambda: not are_named(first))


def test_topics_exchanged_by_remapping_are_looked_up_where_they_are_read(ros: Any) -> None:
    exchanged = ["--ros-args", "-r", "imu:=other", "-r", "other:=imu"]
    node = ros.add(partial(SensorSync, cli_args=exchanged), **STREAMS)
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS

    def diagnosed() -> str:
        return next(status.message for status in node.diagnose() if status.name == "sensor_sync: imu")

    ros.node.create_publisher(Imu, "imu", 10)
    ros.wait(lambda: node.count_publishers("/imu"))
    ros.wait(lambda: "nothing publishes it" in diagnosed())
    imu = [ros.node.create_publisher(Imu, "other", 10)]
    ros.wait(lambda: "/test publishes it with the right type and QoS" in diagnosed())
    imu.append(ros.node.create_publisher(Imu, "other", 10))
    stamps = itertools.count(START_NS, 10_000_000)

    def contested() -> bool:
        imu[0].publish(array_to_imu(np.ones((2, 3)), next(stamps), "wrist", TYPES))
        return "; 2 publishers send /other (/test, /test)" in diagnosed()

    ros.wait(contested)


@pytest.mark.parametrize(
    ("node_class", "status"), [(People, "image"), (Inference, "recogniser"), (Overlay, "picture"), (SensorSync, "imu")]
)
def test_nothing_is_silent_while_simulated_time_stands_still(
    ros: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, node_class: Any, status: str
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: ScriptedFinder())
    given = {SensorSync: STREAMS, Inference: {"model": str(tiny_model), "backend": "eager"}}.get(node_class, {})
    node = ros.add(node_class, **given, use_sim_time=True)
    clock = ros.node.create_publisher(Clock, "/clock", 10)
    people = ros.node.create_publisher(PeopleMessage, "people", 10)
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    ros.wait(clock.get_subscription_count)
    steps = itertools.count(START_NS, 20_000_000)

    def is_said(code: str, text: str, goes_on: bool) -> bool:
        if goes_on:
            clock.publish(Clock(clock=ns_to_time(next(steps), TYPES)))
            ros.executor.spin_once(timeout_sec=0.02)
        said = next(s for s in node._statuses() if s.name.endswith(f": {status}"))
        return said.values[0].value == code and text in said.message

    ros.wait(lambda: is_said("waiting", "simulated time is 0: does /clock come?", False))
    if node_class is Inference:
        ros.wait(people.get_subscription_count)
        people.publish(PeopleMessage())
    silent = "silent" if node_class is Inference else "unpublished"
    ros.wait(lambda: is_said(silent, "", True))
    ros.wait(lambda: is_said("waiting", "/clock stands still at 17000", False))
    ros.wait(lambda: is_said(silent, "", True))
