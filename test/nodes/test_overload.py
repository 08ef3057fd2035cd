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

"""What happens when decisions take longer than the time between them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.conversions import RosTypes, samples_to_frame, time_to_ns
from mumu_ros.msg import ActivityRecognition, MultimodalFrame
from mumu_ros.nodes.inference import Inference
from mumu_ros.recognition import Recognizer

START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 200_000_000
FRAMES = 10
TIMEOUT_S = 20.0


def test_the_newest_frame_wins_and_the_others_are_counted_in_the_diagnostics(
    ros: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, go = threading.Event(), threading.Event()
    recognize = Recognizer.recognize_all

    def slowly(*arguments: Any, **keywords: Any) -> Any:
        busy.set()
        assert go.wait(TIMEOUT_S)
        return recognize(*arguments, **keywords)

    monkeypatch.setattr(Recognizer, "recognize_all", slowly)
    node = ros.add(Inference, model=str(tiny_model), backend="eager", min_coverage=[0.05])
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    recognitions = ros.collect(ActivityRecognition, "activity")
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    publisher = ros.node.create_publisher(MultimodalFrame, "multimodal_frame", FRAMES)
    ros.wait(publisher.get_subscription_count)

    types = RosTypes()
    stamps = [START_NS + number * PERIOD_NS for number in range(FRAMES)]
    for stamp_ns in stamps:
        image = np.zeros((32, 32, 3), np.uint8)
        publisher.publish(samples_to_frame(stamp_ns, "", {"rgb": (stamp_ns, "", image)}, {}, types))
        ros.wait(busy.is_set)  # the first frame is in the worker's hands before the others come

    def reported(key: str) -> list[int]:
        values = [{pair.key: pair.value for pair in status.values} for r in reports for status in r.status]
        return [int(value[key]) for value in values if key in value]

    ros.wait(lambda: FRAMES in reported("frames"))
    go.set()
    ros.wait(lambda: len(recognitions) == 2)
    assert [time_to_ns(message.header.stamp) for message in recognitions] == [stamps[0], stamps[-1]]
    assert reported("dropped")[-1] == FRAMES - 2
