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

"""What a subscription knows of its messages."""

from __future__ import annotations

import time
from typing import Any

import pytest
import rclpy
from rclpy.task import Future
from sensor_msgs.msg import Image

from mumu_ros.nodes.rclpy_compat import EventsExecutor
from mumu_ros.nodes.subscribers import sensor_qos, subscribe


def test_a_message_came_when_it_arrived_however_late_the_executor_calls_for_it(ros: Any) -> None:
    """Else a machine that was busy for a second looks like a camera whose clock is a second behind."""
    subscriber = subscribe(ros.node, "sensor_msgs/msg/Image", "image", sensor_qos("reliable", 10))
    came_ns: list[int] = []
    subscriber.registerCallback(lambda _: came_ns.append(subscriber.came_ns))
    publisher = ros.node.create_publisher(Image, "image", 10)
    ros.wait(publisher.get_subscription_count)
    publisher.publish(Image())
    publisher.wait_for_all_acked()
    acknowledged_ns = time.time_ns()
    ros.wait(lambda: came_ns)
    assert came_ns[0] <= acknowledged_ns


@pytest.mark.skipif(EventsExecutor is None, reason="rclpy has no EventsExecutor")
def test_the_executor_of_the_nodes_delivers_messages_too(ros: Any) -> None:
    """It calls otherwise than that of the tests."""
    node = rclpy.create_node("receiver", context=ros.context)
    subscriber = subscribe(node, "sensor_msgs/msg/Image", "image", sensor_qos("reliable", 10))
    came_ns: list[int] = []
    subscriber.registerCallback(lambda _: came_ns.append(subscriber.came_ns))
    publisher = ros.node.create_publisher(Image, "image", 10)
    ros.wait(publisher.get_subscription_count)
    executor = EventsExecutor(context=ros.context)
    executor.add_node(node)
    began_ns = time.time_ns()
    publisher.publish(Image())
    try:
        ros.wait(lambda: executor.spin_until_future_complete(Future(), timeout_sec=0.1) or came_ns)
    finally:
        executor.shutdown()
        node.destroy_node()
    assert began_ns <= came_ns[0] <= time.time_ns()
