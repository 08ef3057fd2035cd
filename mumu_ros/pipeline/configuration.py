"""What sensor_sync and inference read from their parameters: frozen, and validated across fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_ros.conversions import MAX_PIXELS, SUPPORTED_TYPES
from mumu_ros.model.checkpoint import find_model
from mumu_ros.pipeline.parameter_file import given_parameters
from mumu_ros.pipeline.parameters import INFERENCE, ParameterError, Values, declare_streams

__all__ = ["InferenceConfig", "SensorSyncConfig", "StreamConfig"]


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
        fits = "vector" if self.kind == "vector" else "image"
        if SUPPORTED_TYPES[self.type] != fits:
            raise ParameterError(
                f"parameter {self.name}.type is {self.type!r}, no {fits} type; kind {self.kind!r} needs one of "
                f"{', '.join(t for t, k in SUPPORTED_TYPES.items() if k == fits)}"
            )

    @classmethod
    def read(cls, values: Values, name: str) -> StreamConfig:
        """Read the parameters `<name>.…`.

        Raises:
            ParameterError: One of them is invalid.
        """
        return cls(
            name=name,
            topic=values.read(f"{name}.topic"),
            type=values.read(f"{name}.type"),
            kind=values.read(f"{name}.kind"),
            size=(values.read(f"{name}.height"), values.read(f"{name}.width")),
            crop=values.read(f"{name}.crop"),
            shape=tuple(values.read(f"{name}.shape")),
            reliability=values.read(f"{name}.reliability"),
            depth=values.read(f"{name}.depth"),
            max_pixels=values.read(f"{name}.max_pixels"),
            joints=tuple(joint for joint in values.read(f"{name}.joints") if joint),
            offset_s=values.read(f"{name}.offset_s"),
            angular_velocity_topic=values.read(f"{name}.angular_velocity_topic"),
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
    def read(cls, values: Values) -> SensorSyncConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
        """
        names = declare_streams(values)
        streams = tuple(StreamConfig.read(values, name) for name in names)
        # The synchroniser takes images first: the first of them is the reference.
        ordered = tuple(sorted(streams, key=lambda stream: not stream.is_image))
        return cls(
            streams=ordered,
            rate_hz=values.read("rate_hz"),
            slop_s=values.read("slop_s"),
            timeout_s=values.read("timeout_s"),
            queue_size=values.read("queue_size"),
            black_box=_folder("black_box", values.read("black_box")),
        )


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

    @classmethod
    def read(cls, values: Values) -> InferenceConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them is invalid.
            CheckpointError: `model` is neither a folder nor a shipped model.
        """
        return cls(
            model=find_model(values.read("model")),
            device=values.read("device"),
            backend=values.read("backend"),
            threads=values.read("threads"),
            rate_hz=values.read("rate_hz"),
            min_coverage=tuple(values.read("min_coverage")),
            unknown_threshold=values.read("unknown_threshold"),
            smoothing_s=values.read("smoothing_s"),
            hysteresis=values.read("hysteresis"),
            begin_after=values.read("begin_after"),
            end_after=values.read("end_after"),
            health=values.read("health"),
            body_id=values.read("body_id"),
            max_people=values.read("max_people"),
            imu_bodies=values.read("imu_bodies"),
        )

    @classmethod
    def of(cls, **given: Any) -> InferenceConfig:
        """The parameters by name, such as `model="sim"`; the defaults of the others.

        Raises:
            ParameterError, CheckpointError: See `read`.
        """
        return cls.read(given_parameters(given, INFERENCE))


def _folder(name: str, value: str) -> Path | None:
    """A folder that may not be there yet; None: the parameter is empty."""
    path = Path(value).expanduser() if value else None
    if path is not None and path.exists() and not path.is_dir():
        raise ParameterError(f"parameter {name} is {value!r}, which is no folder")
    return path
