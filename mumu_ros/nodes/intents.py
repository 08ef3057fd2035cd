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

"""Intents of ROS4HRI: what an activity of a person asks of the robot, for its mission controller.

An intent is something that the robot is to do, so that only activities that the user has given a meaning publish one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.recognition.events import ActivityEvent

__all__ = ["INTENTS", "INTENTS_TYPE", "Intents"]

INTENTS = "/intents"
INTENTS_TYPE = "hri_actions_msgs/msg/Intent"
_DEFAULT_PRIORITY = 128


class Intents:
    """Publishes an intent when an activity begins that means one.

    A meaning is `<intent>` or `<intent>:<object>`, an intent being a constant of Intent.msg, such as greet.

    Raises:
        ImportError: hri_actions_msgs is not installed.
        ValueError: There is no such activity or intent.
    """

    def __init__(self, node: ManagedNode, meanings: Mapping[str, str], activities: Collection[str]) -> None:
        self._intent = message_class(INTENTS_TYPE)
        if unknown := sorted(set(meanings) - set(activities)):
            raise ValueError(f"parameter intents: no activity {unknown[0]!r}; the model has {', '.join(activities)}")
        self._meanings = {activity: self._parse(text) for activity, text in meanings.items()}
        self._node = node
        self._publisher = node.create_publisher(self._intent, INTENTS, 10)

    def close(self) -> None:
        """Stop publishing."""
        self._node.destroy_publisher(self._publisher)

    def publish(self, event: ActivityEvent) -> None:
        """Publish what this event means."""
        if event.has_ended or event.activity not in self._meanings:
            return
        cls, (intent, data) = self._intent, self._meanings[event.activity]
        source = event.body_id or cls.UNKNOWN_AGENT
        self._publisher.publish(
            cls(
                intent=intent,
                data=json.dumps({**data, "recipient": source}),
                source=source,
                modality=cls.MODALITY_MOTION,
                priority=_DEFAULT_PRIORITY,
                confidence=event.confidence,
            )
        )

    def _parse(self, text: str) -> tuple[str, dict[str, str]]:
        """The value of the constant, and the data that is the same each time."""
        name, _, what = text.partition(":")
        intent = getattr(self._intent, name.upper(), "")
        if not str(intent).startswith("__intent_"):
            raise ValueError(f"parameter intents: no intent {name!r}; expected a constant of Intent.msg, such as greet")
        return intent, {"object": what} if what else {}
