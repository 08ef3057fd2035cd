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

"""Several nodes in one process: their topics do not pass DDS, and one that fails does not stop the others."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image

from mumu_ros.conversions import RosTypes, array_to_image, time_to_ns
from mumu_ros.msg import ActivityRecognition, MultimodalFrame
from mumu_ros.nodes.composed import parse
from mumu_ros.nodes.handover import connect
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.sensor_sync import SensorSync

SUCCESS = TransitionCallbackReturn.SUCCESS
START_NS = 1_700_000_000_000_000_000
STREAMS = {"streams": ["rgb"], "rgb.topic": "rgb", "rgb.width": 32, "rgb.height": 32}


class Composed:
    """A camera, and sensor_sync and inference in one process; what is heard of them outside."""

    def __init__(self, ros: Any, model: Path) -> None:
        self.ros = ros
        self.sync = ros.add(SensorSync, **STREAMS)
        self.inference = ros.add(Inference, model=str(model), backend="eager", min_coverage=[0.05])
        connect(self.sync.outputs, self.inference.inputs)
        self.recognitions = ros.collect(ActivityRecognition, "activity")
        self.reports = ros.collect(DiagnosticArray, "/diagnostics")
        self._camera = ros.node.create_publisher(Image, "rgb", 10)
        self._numbers = itertools.count()
        for node in (self.inference, self.sync):
            assert node.trigger_configure() == node.trigger_activate() == SUCCESS
        ros.wait(self._camera.get_subscription_count)

    def play_until(self, condition: Callable[[], Any]) -> None:
        """Pictures, 50 ms apart by their stamps, until the condition is true."""

        def play() -> Any:
            picture = np.full((32, 32, 3), (number := next(self._numbers)) % 256, np.uint8)
            stamp_ns = START_NS + number * 50_000_000
            self._camera.publish(array_to_image(picture, stamp_ns, "camera", RosTypes()))
            for _ in range(10):  # a message each, and a timer now and then
                self.ros.executor.spin_once(timeout_sec=0.005)
            return condition()

        self.ros.wait(play)

    def reported(self, status: str) -> bool:
        """Whether /diagnostics had this status."""
        return any(s.name == status for report in self.reports for s in report.status)


def count(node: Any, key: str) -> int:
    """A count of the node's diagnostics."""
    return int(next(pair.value for status in node.diagnose() for pair in status.values if pair.key == key))


@pytest.fixture
def composed(ros: Any, tiny_model: Path) -> Composed:
    return Composed(ros, tiny_model)


def test_frames_are_handed_over_and_published_only_for_others(composed: Composed) -> None:
    c = composed
    c.play_until(lambda: len(c.recognitions) >= 2)
    assert not c.ros.node.count_subscribers("multimodal_frame")
    frames = c.ros.collect(MultimodalFrame, "multimodal_frame")
    c.play_until(lambda: len(frames) >= 2)
    last_ns = time_to_ns(frames[-1].header.stamp)
    c.play_until(lambda: time_to_ns(c.recognitions[-1].header.stamp) > last_ns)
    received, published = count(c.inference, "frames"), count(c.sync, "published")
    assert 0 < received <= published, "each frame comes once, also when somebody else subscribes"


def test_a_node_that_fails_says_so_itself_and_the_others_go_on(
    composed: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = composed
    c.ros.provokes_errors = True

    def fail(*_: Any) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("mumu_ros.nodes.inference.frame_to_samples", fail)
    c.play_until(lambda: c.reported("inference: errors"))
    assert not c.reported("sensor_sync: errors")
    monkeypatch.undo()
    c.play_until(lambda: c.recognitions)


def test_a_node_that_is_paused_gets_nothing_and_goes_on_afterwards(composed: Composed) -> None:
    c = composed
    c.play_until(lambda: c.recognitions)
    assert c.inference.trigger_deactivate() == SUCCESS
    c.recognitions.clear()
    published = count(c.sync, "published")
    c.play_until(lambda: count(c.sync, "published") > published + 2)
    assert not c.recognitions
    assert c.inference.trigger_activate() == SUCCESS
    c.play_until(lambda: c.recognitions)


def test_only_topics_of_the_same_name_are_connected(ros: Any, tiny_model: Path) -> None:
    inference = ros.add(Inference, model=str(tiny_model))
    other = ros.add(lambda **options: SensorSync(namespace="other", **options))
    connect(other.outputs, inference.inputs)
    assert not any(source.is_connected for source in inference.inputs)
    assert [source.topic_name for source in inference.inputs] == ["/multimodal_frame", "/people"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no node is named; expected some of sensor_sync, people, inference"),
        (["sensor_sync", "overlay"], "'overlay': expected names of"),
        (["sensor_sync", "people.rate_hz=2"], "'people.rate_hz=2': expected names of"),
    ],
)
def test_what_composed_cannot_mean_is_refused(arguments: list[str], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse(arguments)


def test_one_name_for_all_nodes_is_refused(ros: Any, started: Callable[..., Any]) -> None:
    """As a launch file gives it with `name`: each would read the parameters of that name."""
    command = [sys.executable, "-m", "mumu_ros.nodes", "composed", "people", "inference"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    process = started([*command, "--ros-args", "-r", "__node:=mumu"], env=environment)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot start: several nodes are named /mumu; name each: -r people:__node:=NAME" in errors
    assert "Traceback" not in errors
