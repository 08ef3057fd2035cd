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

"""Configuration of each node, read from its parameters: frozen, and validated across fields."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mumu_ros.conversions import ImageKind, compressed_image_to_array, image_to_array
from mumu_ros.failures import Fault
from mumu_ros.files import expanded
from mumu_ros.model.checkpoint import find_model
from mumu_ros.nodes.humans_topics import TRACKED
from mumu_ros.nodes.parameters import PEOPLE, SENSOR_SYNC, ParameterError, Values
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.parameter_file import ParameterFile

__all__ = [
    "EvaluationConfig",
    "OverlayConfig",
    "PeopleConfig",
    "PictureTopic",
    "PlayerConfig",
    "SimulatorConfig",
    "input_topics",
]


@dataclass(frozen=True)
class PictureTopic:
    """A topic of pictures."""

    topic: str
    type: str
    reliability: str
    encoding: str

    @classmethod
    def read(cls, values: Values, name: str) -> PictureTopic:
        """Read the parameters `<name>.topic`, `<name>.type`, `reliability` and `encoding`.

        Raises:
            ParameterError: One of them is invalid.
        """
        common = {field: values.read(field) for field in ("reliability", "encoding")}
        return values.fill(cls, f"{name}.", **common)

    @classmethod
    def of_colour_camera(cls, values: Values) -> PictureTopic:
        """Read the parameters of the topic `image`.

        Raises:
            ParameterError: One of them is invalid, or there is no topic.
        """
        image = cls.read(values, "image")
        if not image.topic:
            raise ParameterError("parameter image.topic is empty; give the topic of the colour camera")
        return image

    def array(self, message: Any, kind: ImageKind) -> NDArray[Any]:
        """The pixels of a message of the topic, as by `image_to_array`.

        Raises:
            ConversionError: It holds none.
        """
        if self.type == "sensor_msgs/msg/Image":
            return image_to_array(message, kind, encoding=self.encoding)
        return compressed_image_to_array(message, kind)


@dataclass(frozen=True)
class PeopleConfig:
    """See the table PEOPLE in parameters.py. `depth` and `weights` are None if the parameter is empty."""

    source: str
    image: PictureTopic
    depth: PictureTopic | None
    camera_info_topic: str
    weights: Path | None
    threads: int
    max_people: int
    rate_hz: float
    min_confidence: float
    target_frame: str
    humans: bool

    @classmethod
    def read(cls, values: Values) -> PeopleConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
        """
        image, depth = PictureTopic.of_colour_camera(values), PictureTopic.read(values, "depth")
        weights = values.read("weights")
        return values.fill(
            cls,
            image=image,
            depth=depth if depth.topic else None,
            camera_info_topic=values.read("camera_info.topic"),
            weights=expanded(weights) if weights else None,
        )


@dataclass(frozen=True)
class OverlayConfig:
    """See the table OVERLAY in parameters.py."""

    image: PictureTopic
    jpeg_quality: int

    @classmethod
    def read(cls, values: Values) -> OverlayConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
        """
        return values.fill(cls, image=PictureTopic.of_colour_camera(values))


@dataclass(frozen=True)
class SimulatorConfig:
    """See the table SIMULATOR in parameters.py.

    `seconds` is infinite if the parameter is 0; more than one person have a `room`.
    """

    seed: int
    subject: int
    seconds: float
    image_size: tuple[int, int]
    people: int
    room: bool
    faults: tuple[Fault, ...]

    @classmethod
    def read(cls, values: Values) -> SimulatorConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
        """
        return values.fill(
            cls,
            seconds=values.read("seconds") or math.inf,
            image_size=(values.read("height"), values.read("width")),
            room=values.read("room") or values.read("people") > 1,
        )


@dataclass(frozen=True)
class PlayerConfig:
    """See the table PLAYER in parameters.py."""

    bag: Path
    rate: float
    start_s: float
    loop: bool
    wait_for: tuple[str, ...]
    clock_hz: float

    @classmethod
    def read(cls, values: Values) -> PlayerConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
        """
        bag = values.read("bag")
        if not bag:
            raise ParameterError("parameter bag is empty; give the folder of the rosbag2 to play")
        return values.fill(cls, bag=expanded(bag), wait_for=tuple(filter(None, values.read("wait_for"))))


@dataclass(frozen=True)
class EvaluationConfig:
    """See the table EVALUATION in parameters.py."""

    model: Path
    labels: Path | None
    out: Path

    @classmethod
    def read(cls, values: Values) -> EvaluationConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
            CheckpointError: `model` is neither a folder nor a shipped model.
        """
        labels, out = values.read("labels"), values.read("out")
        if not out:
            raise ParameterError("parameter out is empty; give the folder for the report")
        return cls(
            model=find_model(values.read("model")),
            labels=expanded(labels) if labels else None,
            out=expanded(out),
        )


def input_topics(file: ParameterFile, nodes: Collection[str] = ("sensor_sync", "people")) -> frozenset[str]:
    """Topics of sensors that a parameter file names for these nodes.

    Raises:
        ParameterError: It names none, or a parameter is invalid.
        OSError: It cannot be read.
    """
    sections = file.nodes() & set(nodes)
    topics: list[str] = []
    if "sensor_sync" in sections:
        config = SensorSyncConfig.read(file.read("sensor_sync", SENSOR_SYNC))
        topics += (topic for stream in config.streams for topic in stream.topics)
    if "people" in sections:
        people = PeopleConfig.read(file.read("people", PEOPLE))
        topics += (people.image.topic, people.camera_info_topic, people.depth.topic if people.depth else "")
        topics += (TRACKED,) if people.source == "hri" else ()
    if not topics:
        raise ParameterError(f"{file.path} has no section for sensor_sync or people, which name topics")
    return frozenset(filter(None, topics))
