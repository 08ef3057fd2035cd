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

"""Topics are found by parameter, or guessed by type, shape and name; what is ambiguous is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mumu_ros.conversions import array_to_image, array_to_imu, array_to_pose_array
from mumu_ros.model.checkpoint import read_config
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.stream_topics import guess_streams, resolve_topics
from mumu_ros.share import share_path

RGB = np.zeros((4, 4, 3), np.uint8)
DEPTH = np.zeros((4, 4), np.uint16)
ZSTD = np.zeros(8, np.uint8)
IMU = np.zeros((2, 3))
SKELETON = np.zeros((20, 3))

Write = Callable[[Mapping[str, NDArray[np.generic]]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write({topic: sample}): a recording with one message of each."""

    def record(topics: Mapping[str, NDArray[np.generic]]) -> Path:
        with RecordingWriter(tmp_path / "bag") as writer:
            for topic, sample in topics.items():
                if sample is IMU:
                    name, message = "sensor_msgs/msg/Imu", array_to_imu(sample, 1, "", writer.types)
                elif sample is SKELETON:
                    name, message = "geometry_msgs/msg/PoseArray", array_to_pose_array(sample, 1, "", writer.types)
                elif sample is ZSTD:
                    name = "sensor_msgs/msg/CompressedImage"
                    header = array_to_imu(IMU, 1, "", writer.types).header
                    message = writer.types.message(name, header=header, format="zstd", data=sample)
                else:
                    name, message = "sensor_msgs/msg/Image", array_to_image(sample, 1, "", writer.types)
                writer.write(topic, name, message, 1)
        return tmp_path / "bag"

    return record


def guessed(path: Path, model: str) -> dict[str, str]:
    with Recording(path) as recording:
        config = guess_streams(read_config(share_path("models", model)), recording)
        assert resolve_topics(config, recording) == {stream.name: stream.topic for stream in config.streams}
    assert [s.is_image for s in config.streams] == sorted([s.is_image for s in config.streams], reverse=True)
    return {stream.name: stream.topic for stream in config.streams}


def test_topics_are_told_by_type_shape_and_name(write: Write) -> None:
    path = write({"/cam/a": RGB, "/cam/b": DEPTH, "/robot/imu/belt": IMU, "/robot/imu/wrist": IMU, "/bones": SKELETON})
    assert guessed(path, "sim") == {
        "rgb": "/cam/a",
        "depth": "/cam/b",
        "imu_wrist": "/robot/imu/wrist",
        "imu_belt": "/robot/imu/belt",
    }


def test_what_was_not_recorded_is_left_out(write: Write) -> None:
    assert guessed(write({"/bones": SKELETON, "/x": RGB}), "utd-mhad-dsp") == {"skeleton": "/bones"}


def test_what_zstd_image_transport_sent_is_no_second_camera(write: Write) -> None:
    """Beside the colour picture that it is a copy of, it cannot be decoded."""
    path = write({"/cam/a": RGB, "/cam/a/zstd": ZSTD})
    assert guessed(path, "sim") == {"rgb": "/cam/a"}


def test_two_topics_that_fit_alike_are_named(write: Write) -> None:
    path = write({"/imu/one": IMU, "/imu/two": IMU})
    with pytest.raises(RecordingError, match="modality 'imu' could be /imu/one or /imu/two; say with --params which"):
        guessed(path, "utd-mhad-dp")


@pytest.mark.parametrize(
    ("topics", "complaint"),
    [
        (["/imu"], "topic /imu could be imu_wrist or imu_belt"),
        (["/imu/data"], "topic /imu/data could be imu_wrist or imu_belt"),
        (["/sensor"], "topic /sensor could be imu_wrist or imu_belt"),
        (["/belt/wrist/imu"], "topic /belt/wrist/imu could be imu_wrist or imu_belt"),
        (["/a", "/b"], "'imu_wrist' could be /a or /b"),
        (["/imu/wrist/left", "/imu/wrist/right"], "'imu_wrist' could be /imu/wrist/left or /imu/wrist/right"),
    ],
)
def test_a_topic_that_fits_two_modalities_alike_is_asked_for(write: Write, topics: list[str], complaint: str) -> None:
    path = write({"/cam/a": RGB, **dict.fromkeys(topics, IMU)})
    with pytest.raises(RecordingError, match=rf"{complaint}; say with --params which"):
        guessed(path, "sim")


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (["/imu/belt"], {"imu_belt": "/imu/belt"}),
        (["/wrist"], {"imu_wrist": "/wrist"}),
        (["/imu", "/imu/belt"], {"imu_wrist": "/imu", "imu_belt": "/imu/belt"}),
        (["/IMU_Wrist/raw", "/imu_belt/raw"], {"imu_wrist": "/IMU_Wrist/raw", "imu_belt": "/imu_belt/raw"}),
    ],
)
def test_what_one_name_tells_needs_no_question(write: Write, topics: list[str], expected: dict[str, str]) -> None:
    path = write({"/cam/a": RGB, **dict.fromkeys(topics, IMU)})
    assert guessed(path, "sim") == {"rgb": "/cam/a", **expected}


def test_a_recording_without_any_fitting_topic_is_refused(write: Write) -> None:
    with pytest.raises(RecordingError, match=r"no topic fits .* it has /bones \(geometry_msgs/msg/PoseArray\)"):
        guessed(write({"/bones": SKELETON}), "utd-mhad-dp")


def test_a_refusal_says_that_the_recording_is_cut_off(write: Write) -> None:
    file = next(write({"/imu": IMU}).glob("*.mcap"))
    cut = file.with_name("cut.mcap")
    # The last whole record is the header.
    cut.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecordingError, match=r"it has no topic; .* is truncated"):
        guessed(cut, "utd-mhad-dp")


def resolved(path: Path, **fields: str) -> dict[str, str]:
    """The topics by the simulator's parameters, with fields of its belt IMU changed."""
    config = SensorSyncConfig.read(ParameterFile(share_path("config", "sim.yaml")).read("sensor_sync", SENSOR_SYNC))
    streams = tuple(replace(s, **fields) if s.name == "imu_belt" else s for s in config.streams)
    with Recording(path) as recording:
        return resolve_topics(replace(config, streams=streams), recording)


def test_relative_topics_are_found_at_the_root_and_in_a_namespace(write: Write) -> None:
    path = write({"/camera/color/image_raw": RGB, "/robot1/camera/color/image_raw": RGB, "/robot1/imu/belt": IMU})
    assert resolved(path) == {"rgb": "/camera/color/image_raw", "imu_belt": "/robot1/imu/belt"}


@pytest.mark.parametrize(
    ("topics", "complaint"),
    [
        ({"/a/imu/belt": IMU, "/b/imu/belt": IMU}, "'imu_belt' could be /a/imu/belt or /b/imu/belt"),
        ({"/imu/belt": RGB}, "/imu/belt has type sensor_msgs/msg/Image, the parameters say sensor_msgs/msg/Imu"),
        ({"/other": IMU}, "has none of camera/color/image_raw"),
    ],
)
def test_topics_that_cannot_be_meant_are_refused(
    write: Write, topics: Mapping[str, NDArray[np.generic]], complaint: str
) -> None:
    with pytest.raises(RecordingError, match=complaint):
        resolved(write(topics))


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ("angular_velocity_topic", "stream 'imu_belt' has its angular velocity on a topic of its own.*unite"),
        ("target_frame", "parameter imu_belt.target_frame is 'torso'.*leave it empty"),
    ],
)
def test_what_is_done_to_an_imu_live_only_is_refused(write: Write, field: str, complaint: str) -> None:
    """Clips and evaluations would have other samples than the model gets on the robot."""
    with pytest.raises(RecordingError, match=complaint):
        resolved(write({"/imu/belt": IMU}), **{field: "torso"})
