"""Real nodes over real DDS, each test in a domain of its own."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy.executors", reason="ROS 2 is not set up: run `make setup` and `. ./env.sh`")
rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup` and `. ./env.sh`")
pytest.importorskip("mumu_ros.msg", reason="the messages are not built: run `make setup`")

os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.pop("ROS_LOCALHOST_ONLY", None)

TIMEOUT_S = 20.0
_numbers = itertools.count()


class Ros:
    """A context in a domain of its own, an executor that the test spins, and a node to talk to the node under test."""

    def __init__(self) -> None:
        # Domains up to 101 have ports below the ephemeral ones; two test processes start at different places.
        self.domain = 1 + (os.getpid() * 13 + next(_numbers)) % 100
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.domain)
        self.executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self.node = rclpy.create_node("test", context=self.context)
        self.executor.add_node(self.node)
        self._nodes: list[Any] = []

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
