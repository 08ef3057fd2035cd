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

"""Real nodes over real DDS, each test in a domain of its own."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy.executors", reason="ROS 2 is not set up: run `make setup` and `. ./env.sh`")
rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup` and `. ./env.sh`")
pytest.importorskip("mumu_ros.msg", reason="the messages are not built: run `make setup`")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402

from mumu_ros.conversions import RosTypes, samples_to_frame  # noqa: E402
from mumu_ros.msg import ActivityRecognition, MultimodalFrame  # noqa: E402
from mumu_ros.nodes.inference import Inference  # noqa: E402
from mumu_ros.nodes.processes import unused_domain  # noqa: E402

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.pop("ROS_LOCALHOST_ONLY", None)

TIMEOUT_S = 20.0
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


def domain_of_this_process() -> int:
    """An unused domain, for each process of tests among others: two could find the same one at once."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return next(domain for domain in iter(unused_domain, None) if domain % count == number)


class Ros:
    """A context in a domain of its own, an executor that the test spins, and a node to talk to the node under test.

    At the end no node may have counted an unexpected error, unless the test `provokes_errors`.
    """

    def __init__(self) -> None:
        self.domain = domain_of_this_process()
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.node = rclpy.create_node("test", context=self.context)
        self.executor.add_node(self.node)
        self._nodes: list[Any] = []
        self.provokes_errors = False

    def add(self, node_class: Any, **parameters: Any) -> Any:
        """A node of the package with these parameters."""
        overrides = [rclpy.Parameter(name, value=value) for name, value in parameters.items()]
        node = node_class(context=self.context, parameter_overrides=overrides)
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def collect(self, message_type: Any, topic: str, depth: int = 100) -> list[Any]:
        """A list that the messages of a topic are appended to."""
        messages: list[Any] = []
        self.node.create_subscription(message_type, topic, messages.append, depth)
        return messages

    def wait(self, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Spin until the condition gives something true, and return it; fail after the timeout."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, "timed out waiting for a condition"
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def wait_for_last(self, messages: list[Any], value: Callable[[Any], Any], last: Any) -> list[Any]:
        """Spin until a message of this value has come (a node that has published it is ahead of us); all the values."""
        self.wait(lambda: messages and value(messages[-1]) == last)
        return [value(message) for message in messages]

    def close(self) -> None:
        for node in self._nodes:
            with contextlib.suppress(RuntimeError):  # a test has shut it down
                node.trigger_shutdown()
        self.executor.shutdown()
        for node in (*self._nodes, self.node):
            node.destroy_node()
        rclpy.shutdown(context=self.context)
        errors = [
            f"{type(node).__name__}: {text}" for node in self._nodes if (text := getattr(node, "_last_error", ""))
        ]
        assert self.provokes_errors or not errors


@pytest.fixture
def ros() -> Iterator[Ros]:
    value = Ros()
    yield value
    value.close()


@pytest.fixture
def images() -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """A colour image (48, 64, 3) and a depth image (48, 64) in millimetres, by number."""

    def make(number: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(number)
        return rng.integers(0, 255, (48, 64, 3), np.uint8), rng.integers(500, 4000, (48, 64), np.uint16)

    return make


class Robot:
    """An inference node, and a sensor_sync's output before it."""

    def __init__(self, ros: Ros, model: Path, **parameters: Any) -> None:
        self.ros = ros
        self.node = ros.add(Inference, model=str(model), **{"backend": "eager", **parameters})
        self.recognitions = ros.collect(ActivityRecognition, "activity")
        self.status: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.publisher = ros.node.create_publisher(MultimodalFrame, "multimodal_frame", 100)

    def start(self) -> None:
        assert self.node.trigger_configure() == self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.ros.wait(self.publisher.get_subscription_count)

    def play(
        self,
        first: int,
        count: int,
        without: tuple[str, ...] = (),
        epoch: int = 0,
        imu_shape: tuple[int, ...] = (2, 3),
        stuck: str = "",
        noise: float = 1.0,
    ) -> None:
        """Frames number `first` to `first + count`, ten a second; one stream repeats itself, or the IMU is as noisy."""
        for number in range(first, first + count):
            stamp_ns = START_NS + number * 100 * MS
            rng = np.random.default_rng(number)

            def still(name: str, rng: np.random.Generator = rng) -> np.random.Generator:
                return np.random.default_rng(0) if name == stuck else rng

            images = {
                "rgb": (stamp_ns, "camera", still("rgb").integers(0, 255, (40, 40, 3), np.uint8)),
                "depth": (stamp_ns + MS, "camera", still("depth").integers(500, 4000, (40, 40), np.uint16)),
            }
            times = [stamp_ns - i * 10 * MS for i in reversed(range(10))]
            series = {"imu": (times, [still("imu").normal(scale=noise, size=imu_shape) for _ in times])}
            frame = samples_to_frame(
                stamp_ns,
                "camera",
                {name: image for name, image in images.items() if name not in without},
                {name: part for name, part in series.items() if name not in without},
                RosTypes(),
                epoch=epoch,
                missing=without,
            )
            self.publisher.publish(frame)
            for _ in range(4):
                self.ros.executor.spin_once(timeout_sec=0.01)

    def diagnosed(self, text: str) -> Any:
        return next((s for s in self.status.values() if text in s.message), None)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in message.status})


@pytest.fixture
def robot(ros: Ros, tiny_model: Path) -> Callable[..., Robot]:
    return lambda **parameters: Robot(ros, tiny_model, **parameters)
