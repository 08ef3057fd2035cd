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

"""A recording's messages reach every stream that takes them."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import array_to_floats
from mumu_ros.evaluation.replay import Chain, SharedConversions, replay
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.recordings import Recording, RecordingWriter

START_NS = 1_700_000_000 * 1_000_000_000
TOPICS = ("/left", "/right", "/both")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """Message i of 12 holds the number i; topics take turns."""
    path = tmp_path_factory.mktemp("bags") / "numbers"
    with RecordingWriter(path) as writer:
        for index in range(12):
            message = array_to_floats(np.array([index]), writer.types)
            writer.write(TOPICS[index % 3], "std_msgs/msg/Float32MultiArray", message, START_NS + index)
    with Recording(path) as opened:
        yield opened


class Taken:
    """In the place of a chain."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[float]] = {}

    def take(self, stream: str, message: Any, log_ns: int) -> None:
        assert log_ns == START_NS + message.data[0]
        self.numbers.setdefault(stream, []).append(message.data[0])

    def drain(self, log_ns: int) -> None:
        assert log_ns == max((START_NS + max(numbers) for numbers in self.numbers.values()), default=0)

    def result(self, *_: object) -> None:
        pass


@given(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(TOPICS)), st.integers(1, 2))
def test_each_stream_gets_all_messages_of_its_topic(recording: Recording, topics: dict[str, str], count: int) -> None:
    chains = [Taken() for _ in range(count)]
    replay(recording, topics, cast(list[Chain], chains))
    expected = {stream: list(range(TOPICS.index(topic), 12, 3)) for stream, topic in topics.items()}
    assert [chain.numbers for chain in chains] == [expected] * count


def test_a_message_is_converted_once_for_each_stream_as_that_one_takes_it() -> None:
    arms = {name: arm(name) for name in ("left", "right")}
    message = SimpleNamespace(name=["right_elbow", "left_elbow"], position=[1.0, 2.0])
    convert = SharedConversions()
    assert {name: convert(stream, message).tolist() for name, stream in arms.items()} == {"left": [2], "right": [1]}
    assert all(convert(stream, message) is convert(stream, message) for stream in arms.values())


def arm(side: str) -> StreamConfig:
    return StreamConfig(
        name=f"{side}_arm",
        topic="joint_states",
        type="sensor_msgs/msg/JointState",
        kind="vector",
        size=(1, 1),
        crop=None,
        shape=(1,),
        reliability="best_effort",
        depth=10,
        joints=(f"{side}_elbow",),
    )
