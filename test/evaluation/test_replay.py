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
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import array_to_floats, array_to_imu, segment_to_annotation
from mumu_ros.conversions.messages import make_header
from mumu_ros.evaluation.replay import Chain, SharedConversions, replay
from mumu_ros.pipeline.configuration import InferenceConfig, SensorSyncConfig, StreamConfig
from mumu_ros.recognition import Session
from mumu_ros.recordings import Recording, RecordingWriter
from mumu_ros.recordings.typestore import BagTypes

S = 1_000_000_000
START_NS = 1_700_000_000 * S
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


@pytest.mark.parametrize("names", [["left_elbow"], ["right_elbow"]])
def test_joints_of_another_driver_on_the_topic_are_passed_over_as_live(tiny_model: Path, names: list[str]) -> None:
    """Both drivers stamp by the same step of a simulator's clock; if nobody sends the joints it is said."""
    session = Session.open(InferenceConfig.of(model=str(tiny_model), backend="eager"))
    topics = {"left_arm": "joint_states"}
    chain = Chain(topics, SensorSyncConfig((arm("left"),), 10.0, 0.05, 0.5, 30), session)
    types = BagTypes()
    for k in range(20):
        stamp_ns = START_NS + k * 10**8
        for message_names in (["finger"], names):
            header = make_header(stamp_ns, "", types)
            message = SimpleNamespace(header=header, name=message_names, position=[1.0])
            chain.take("left_arm", message, stamp_ns)
    chain.drain(stamp_ns)
    result = chain.result([])
    sensor = result.sensors["left_arm"]
    assert sensor.duplicate == sensor.unreadable == 0
    if names == ["left_elbow"]:
        assert (sensor.messages, result.problems) == (20, ())
    else:
        said = "no message of joint_states has any of the joints ['left_elbow']: correct left_arm.joints"
        assert (sensor.messages, result.problems) == (0, (said,))


def test_an_offset_is_added_to_the_log_times_of_messages_without_a_header_as_live(tiny_model: Path) -> None:
    session = Session.open(InferenceConfig.of(model=str(tiny_model), backend="eager"))
    stream = replace(arm("left"), type="std_msgs/msg/Float32MultiArray", joints=(), offset_s=-0.15)
    chain = Chain({"left_arm": "glove"}, SensorSyncConfig((stream,), 10.0, 0.05, 0.5, 30), session)
    for k in range(20):
        chain.take("left_arm", array_to_floats(np.ones(1), BagTypes()), START_NS + k * S // 10)
    chain.drain(START_NS + 2 * S)
    result = chain.result([])
    assert (result.start_ns, result.end_ns) == (START_NS - 15 * S // 100, START_NS + 175 * S // 100)


def imu_chain(model: Path) -> Chain:
    session = Session.open(InferenceConfig.of(model=str(model), backend="eager"))
    stream = replace(arm("left"), name="imu", type="sensor_msgs/msg/Imu", size=(2, 3), shape=(2, 3), joints=())
    return Chain({"imu": "/imu"}, SensorSyncConfig((stream,), 10.0, 0.05, 0.5, 30), session)


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


def test_annotations_are_of_the_run_in_which_they_came(tiny_model: Path, tmp_path: Path) -> None:
    """A simulator is reset after 10 s: stamps begin again, log times go on."""
    with RecordingWriter(tmp_path / "bag") as writer:
        for k in range(1000):
            log_ns, stamp_ns = START_NS + k * S // 50, START_NS + k % 500 * S // 50
            if k % 500 in (0, 250):
                note = segment_to_annotation(stamp_ns, 0, "", f"at {k}", writer.types)
                writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, log_ns - 1)
            imu = array_to_imu(np.zeros((2, 3)), stamp_ns, "", writer.types)
            writer.write("/imu", "sensor_msgs/msg/Imu", imu, log_ns)
    with Recording(tmp_path / "bag") as recording:
        (result,) = replay(recording, {"imu": "/imu"}, [imu_chain(tiny_model)], annotations="/annotation")
    assert [[note.activity for note in run] for run in result.annotations] == [["at 0", "at 250"], ["at 500", "at 750"]]


@pytest.mark.parametrize(("ahead_s", "known"), [(0, True), (1_699_999_995, False)])
def test_waits_are_unknown_where_the_log_has_another_clock(
    tiny_model: Path, tmp_path: Path, ahead_s: int, known: bool
) -> None:
    """Simulated time begins at 0 s, and the log's clock is the recorder's."""
    with RecordingWriter(tmp_path / "bag") as writer:
        for k in range(100):
            imu = array_to_imu(np.zeros((2, 3)), START_NS - ahead_s * S + k * S // 50, "", writer.types)
            writer.write("/imu", "sensor_msgs/msg/Imu", imu, START_NS + k * S // 50)
    with Recording(tmp_path / "bag") as recording:
        (result,) = replay(recording, {"imu": "/imu"}, [imu_chain(tiny_model)])
    assert (result.waits_ms is not None) == known


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_clock_that_is_set_back_while_recording_begins_an_epoch(
    tiny_model: Path, tmp_path: Path, storage: str
) -> None:
    """After 10 s, stamps and log times are 6 s earlier: 20 s of one moment after the other, at the same rate."""
    with RecordingWriter(tmp_path / "bag", storage) as writer:
        for k in range(1000):
            stamp_ns = START_NS + k * S // 50 - (6 * S if k >= 500 else 0)
            imu = array_to_imu(np.zeros((2, 3)), stamp_ns, "", writer.types)
            writer.write("/imu", "sensor_msgs/msg/Imu", imu, stamp_ns)
    with Recording(tmp_path / "bag") as recording:
        (result,) = replay(recording, {"imu": "/imu"}, [imu_chain(tiny_model)])
    assert result.epochs == 1
    assert "the recorder's clock was set back by 6.0 s" in result.problems[0]
    sensor = result.sensors["imu"]
    assert (sensor.messages, sensor.lost, sensor.late, sensor.dropped, len(result.pauses)) == (1000, 0, 0, 0, 0)
    assert sensor.rate_hz == pytest.approx(50)
    assert result.waits_ms is not None
    assert 0 <= min(result.waits_ms) <= max(result.waits_ms) < 1000
