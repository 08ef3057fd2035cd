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

"""Intents of ROS4HRI over real DDS, where hri_actions_msgs is installed; what is refused where it is not."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any

import pytest
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.pipeline.parameter_values import ParameterError

FAILURE = TransitionCallbackReturn.FAILURE
IS_INSTALLED = importlib.util.find_spec("hri_actions_msgs") is not None
needs_messages = pytest.mark.skipif(not IS_INSTALLED, reason="hri_actions_msgs is not installed")
ACTIVITIES = ("wave", "point", "walk", "run", "stand")


@needs_messages
def test_an_activity_that_begins_asks_for_what_it_means(robot: Callable[..., Any]) -> None:
    from hri_actions_msgs.msg import Intent

    meanings = [f"{activity}=bring_object:{activity}" for activity in ACTIVITIES]
    r = robot(body_id="b1", begin_after=2, unknown_threshold=0.0, intents=meanings)
    intents = r.ros.collect(Intent, "/intents")
    r.start()
    r.ros.wait(lambda: r.ros.node.count_publishers("/intents"))
    r.play(0, 15)
    intent = r.ros.wait(lambda: intents)[0]
    assert (intent.intent, intent.modality, intent.source) == (Intent.BRING_OBJECT, Intent.MODALITY_MOTION, "b1")
    assert json.loads(intent.data) == {"object": r.recognitions[0].activity, "recipient": "b1"}
    assert intent.priority == 128
    assert 0 < intent.confidence <= 1
    second = r.ros.node.create_publisher(Intent, "/intents", 10)
    r.ros.wait(lambda: r.diagnosed("2 publishers send /intents (/inference, /test)"))
    r.ros.node.destroy_publisher(second)
    assert r.node.trigger_deactivate() == r.node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    r.ros.wait(lambda: not r.ros.node.count_publishers("/intents"))


@needs_messages
@pytest.mark.parametrize(
    ("meaning", "text"),
    [
        ("drill=greet", "parameter intents: no activity 'drill'; the model has wave, point"),
        ("wave=sing", "parameter intents: no intent 'sing'; expected a constant of Intent.msg, such as greet"),
    ],
)
def test_an_activity_or_intent_that_does_not_exist_is_refused(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str], meaning: str, text: str
) -> None:
    assert robot(intents=[meaning]).node.trigger_configure() == FAILURE
    assert text in capfd.readouterr().err


@pytest.mark.skipif(IS_INSTALLED, reason="hri_actions_msgs is installed")
def test_without_its_messages_intents_are_refused(robot: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert robot(intents=["wave=greet"]).node.trigger_configure() == FAILURE
    assert "install or build its package 'hri_actions_msgs'" in capfd.readouterr().err


def test_a_meaning_without_an_intent_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"intents .*'wave'.*expected a list of <activity>=<intent>"):
        InferenceConfig.of(intents=["wave"])
    assert InferenceConfig.of(intents=["wave=greet", ""]).intents == {"wave": "greet"}
