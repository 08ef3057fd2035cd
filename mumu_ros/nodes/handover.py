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

"""Topics that nodes of one process hand over to each other as they are, instead of over DDS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from rclpy.lifecycle import LifecycleNode

__all__ = ["Input", "Output", "connect"]

Message = TypeVar("Message")
DEPTH = 10


class Input(Generic[Message]):
    """Receives a topic while it is open: over DDS or, if connected, from outputs of this process only.

    Of more than `DEPTH` waiting messages the oldest is replaced.

    Attributes:
        topic_name: The topic's full name.
        is_connected: See `connect`.
    """

    def __init__(self, node: LifecycleNode, message_type: Any, topic: str, callback: Callable[[Message], None]) -> None:
        self.topic_name: str = node.resolve_topic_name(topic)
        self.is_connected = False
        self._node = node
        self._subscribe: Callable[[], Any] = lambda: node.create_subscription(message_type, topic, callback, DEPTH)
        self._callback = callback
        self._waiting: deque[Message] = deque(maxlen=DEPTH)
        self._subscription: Any = None
        self._is_open = False

    def open(self) -> None:
        """Begin to receive."""
        self._is_open = True
        if not self.is_connected:
            self._subscription = self._subscribe()

    def close(self) -> None:
        """Stop receiving; waiting messages are dropped."""
        self._is_open = False
        self._waiting.clear()
        if self._subscription:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def put(self, message: Message) -> None:
        """Hand over a message, from any thread."""
        if self._is_open and self._node.executor:
            self._waiting.append(message)
            # A task, because EventsExecutor has no guard conditions.
            self._node.executor.create_task(self._take)

    def _take(self) -> None:
        if self._waiting:
            self._callback(self._waiting.popleft())


class Output(Generic[Message]):
    """Publishes a topic while its node is active: to connected inputs, and over DDS if somebody subscribes there.

    Attributes:
        topic_name: The topic's full name.
        inputs: See `connect`.
    """

    def __init__(self, node: LifecycleNode, message_type: Any, topic: str) -> None:
        self._publisher = node.create_lifecycle_publisher(message_type, topic, DEPTH)
        self.topic_name: str = self._publisher.topic_name
        self.inputs: list[Input[Message]] = []

    def publish(self, message: Message) -> None:
        """Publish a message; it must not be changed afterwards."""
        if not self._publisher.is_activated:
            return
        for receiver in self.inputs:
            receiver.put(message)
        if self._publisher.get_subscription_count():
            self._publisher.publish(message)


def connect(outputs: Iterable[Output[Any]], inputs: Iterable[Input[Any]]) -> None:
    """Connect outputs with the inputs of their topic, before these are opened."""
    inputs = list(inputs)
    for output in outputs:
        output.inputs += (matching := [i for i in inputs if i.topic_name == output.topic_name])
        for receiver in matching:
            receiver.is_connected = True
