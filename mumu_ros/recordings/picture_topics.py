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

"""Which topics of a rosbag2 hold the pictures, depth, CameraInfo and IMUs."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from mumu_ros.conversions.transports import picture_kind, raw_topic
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.reader import Recording, Topic

__all__ = ["IMU", "PictureTopics"]

IMU = "sensor_msgs/msg/Imu"
_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class PictureTopics:
    """Which topics of a bag are used.

    Attributes:
        rgb: Colour pictures.
        depth: Depth pictures; empty: none.
        info: The CameraInfo beside the colour pictures; empty: none.
        imus: Topic of each IMU, by modality.
    """

    rgb: str
    depth: str
    info: str
    imus: dict[str, str]

    @classmethod
    def of(cls, recording: Recording, imus: tuple[str, ...]) -> PictureTopics:
        """Find the topics of a bag; `imus` are the modalities that need one.

        Raises:
            RecordingError: There is no colour picture that can be read, or several could be meant.
        """
        kinds: dict[str, list[str]] = {"rgb": [], "depth": []}
        for topic in recording.topics.values():
            if topic.type_name in (_IMAGE, _COMPRESSED) and (kind := _kind(recording, topic.name)):
                kinds[kind].append(topic.name)
        rgb, depth = (_without_copies(topics) for topics in kinds.values())
        if not rgb:
            listed = "; ".join([f"its topics are {', '.join(recording.topics) or 'none'}", *recording.problems])
            raise RecordingError(
                f"{recording.path} has no colour picture that can be read: {listed}; record one as Image, or as "
                "CompressedImage of JPEG or PNG"
            )
        for what, topics in (("colour", rgb), ("depth", depth)):
            if len(topics) > 1:
                raise RecordingError(
                    f"{recording.path} has several {what} pictures, {', '.join(topics)}; record one of them, or copy "
                    "the bag with `topics:` in the options of `ros2 bag convert`"
                )
        infos = [t.name for t in _decoded(recording) if t.type_name == _INFO]
        beside = [name for name in infos if _namespace(name) == _namespace(raw_topic(rgb[0]))]
        return cls(rgb[0], "".join(depth), "".join(beside[:1]), _imus(recording, imus))


def _without_copies(topics: list[str]) -> list[str]:
    """Of a picture that was recorded both raw and compressed, only the raw one."""
    return [topic for topic in topics if topic == raw_topic(topic) or raw_topic(topic) not in topics]


def _namespace(topic: str) -> str:
    return topic.rpartition("/")[0]


def _decoded(recording: Recording) -> list[Topic]:
    return [topic for topic in recording.topics.values() if topic.name not in recording.undecoded]


def _kind(recording: Recording, topic: str) -> str:
    """What a topic shows; empty where no message can be read or decoded."""
    if topic in recording.undecoded or (first := next(recording.messages([topic]), None)) is None:
        return ""
    return picture_kind(first[2])


def _imus(recording: Recording, imus: tuple[str, ...]) -> dict[str, str]:
    topics = [t.name for t in _decoded(recording) if t.type_name == IMU and t.count]
    if len(topics) == len(imus) == 1:
        return {imus[0]: topics[0]}
    found = {}
    for name in imus:
        fitting = [t for t in topics if all(word in t.lower() for word in name.lower().split("_"))]
        if len(fitting) == 1:
            found[name] = fitting[0]
        elif topics:
            print(f"{name} is not used: it could be {' or '.join(topics)}", file=sys.stderr)
    return found
