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

"""What sensor_sync and inference read from their parameters: frozen, and validated across fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_ros.conversions import MAX_PIXELS, SUPPORTED_TYPES
from mumu_ros.files import expanded
from mumu_ros.model.checkpoint import find_model, read_config
from mumu_ros.model.modality import Modality
from mumu_ros.pipeline.parameter_file import ParameterFile, given_parameters
from mumu_ros.pipeline.parameter_tables import INFERENCE, SENSOR_SYNC, declare_streams
from mumu_ros.pipeline.parameter_values import ParameterError, Values

__all__ = ["InferenceConfig", "SensorSyncConfig", "StreamConfig", "read_sensor_sync"]

_SIZE = (224, 224)
_IMU_SHAPE = (2, 3)


@dataclass(frozen=True)
class StreamConfig:
    """One stream of sensor_sync; see the table STREAM in parameters.py."""

    name: str
    topic: str
    type: str
    kind: str
    size: tuple[int, int]
    crop: tuple[int, int, int, int] | None
    shape: tuple[int, ...]
    reliability: str
    depth: int
    max_pixels: int = MAX_PIXELS
    joints: tuple[str, ...] = ()
    offset_s: float = 0.0
    angular_velocity_topic: str = ""
    target_frame: str = ""
    encoding: str = ""

    def __post_init__(self) -> None:
        if not self.topic:
            raise ParameterError(f"parameter {self.name}.topic is empty; give the topic of stream {self.name!r}")
        if self.joints and self.type != "sensor_msgs/msg/JointState":
            raise ParameterError(
                f"parameter {self.name}.joints names joints of a JointState, and type is {self.type!r}"
            )
        if self.angular_velocity_topic and self.type != "sensor_msgs/msg/Imu":
            raise ParameterError(
                f"parameter {self.name}.angular_velocity_topic is half of an Imu, and type is {self.type!r}"
            )
        if self.target_frame and self.type != "sensor_msgs/msg/Imu":
            raise ParameterError(
                f"parameter {self.name}.target_frame turns the axes of an Imu, and type is {self.type!r}"
            )
        fits = "vector" if self.kind == "vector" else "image"
        if SUPPORTED_TYPES[self.type] != fits:
            raise ParameterError(
                f"parameter {self.name}.type is {self.type!r}, no {fits} type; kind {self.kind!r} needs one of "
                f"{', '.join(t for t, k in SUPPORTED_TYPES.items() if k == fits)}"
            )

    @classmethod
    def read(cls, values: Values, name: str, modality: Modality | None = None) -> StreamConfig:
        """Read the parameters `<name>.…`; the modality gives what they leave open.

        Raises:
            ParameterError: One of them is invalid.
        """
        type_name = values.read(f"{name}.type")
        by_type = "vector" if SUPPORTED_TYPES[type_name] == "vector" else "rgb"
        height, width = modality.shape[:2] if modality and modality.is_image else _SIZE
        shape = modality.shape if modality and not modality.is_image else _IMU_SHAPE
        return values.fill(
            cls,
            f"{name}.",
            name=name,
            kind=values.read(f"{name}.kind") or (modality.kind if modality else by_type),
            size=(values.read(f"{name}.height") or height, values.read(f"{name}.width") or width),
            shape=values.read(f"{name}.shape") or shape,
            joints=tuple(joint for joint in values.read(f"{name}.joints") if joint),
        )

    @property
    def topics(self) -> tuple[str, ...]:
        """The subscribed topics: one, or those of two halves of an Imu."""
        return (self.topic, self.angular_velocity_topic) if self.angular_velocity_topic else (self.topic,)

    @property
    def is_image(self) -> bool:
        """Whether its messages are images."""
        return self.kind != "vector"


@dataclass(frozen=True)
class SensorSyncConfig:
    """See the table SENSOR_SYNC in parameters.py."""

    streams: tuple[StreamConfig, ...]
    rate_hz: float
    slop_s: float
    timeout_s: float
    queue_size: int
    black_box: Path | None = None

    @classmethod
    def read(cls, values: Values, model: str = "") -> SensorSyncConfig:
        """Read the parameters; `model`, else the one that they name, gives what they leave open.

        Raises:
            ParameterError: One of them is invalid.
            CheckpointError: `model` is neither a folder nor a shipped model.
        """
        names = declare_streams(values)
        known = model or values.read("model")
        modalities = {modality.name: modality for modality in read_config(known).modalities} if known else {}
        streams = tuple(StreamConfig.read(values, name, modalities.get(name)) for name in names)
        # The synchroniser takes images first: the first of them is the reference.
        ordered = tuple(sorted(streams, key=lambda stream: not stream.is_image))
        return values.fill(cls, streams=ordered, black_box=_folder("black_box", values.read("black_box")))


@dataclass(frozen=True)
class InferenceConfig:
    """See the table INFERENCE in parameters.py."""

    model: Path
    device: str
    backend: str
    threads: int
    rate_hz: float
    min_coverage: tuple[float, ...]
    unknown_threshold: float | None
    smoothing_s: float
    hysteresis: float
    begin_after: int
    end_after: int
    health: bool
    body_id: str
    max_people: int
    imu_bodies: Mapping[str, str]
    intents: Mapping[str, str]
    humans: bool

    @classmethod
    def read(cls, values: Values) -> InferenceConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
            CheckpointError: `model` is neither a folder nor a shipped model.
        """
        return values.fill(cls, model=find_model(values.read("model")))

    @classmethod
    def of(cls, **given: Any) -> InferenceConfig:
        """The parameters by name, such as `model="sim"`; the defaults of the others.

        Raises:
            ParameterError, CheckpointError: See `read`.
        """
        return cls.read(given_parameters(given, INFERENCE))


def read_sensor_sync(path: Path | None, model: str = "") -> SensorSyncConfig:
    """Read sensor_sync's parameters from a file (None: the defaults), with the model that a launch with it gives it.

    Raises:
        ParameterError, CheckpointError: See `SensorSyncConfig.read`.
        OSError: The file cannot be read.
    """
    file = ParameterFile(path)
    of_inference = file.read("inference", INFERENCE).read("model") if "inference" in file.nodes() else ""
    values = file.read("sensor_sync", SENSOR_SYNC)
    return SensorSyncConfig.read(values, model or values.read("model") or of_inference)


def _folder(name: str, value: str) -> Path | None:
    """A folder that may not be there yet; None: the parameter is empty."""
    path = expanded(value) if value else None
    if path is not None and path.exists() and not path.is_dir():
        raise ParameterError(f"parameter {name} is {value!r}, which is no folder")
    return path
