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

"""Small sensors of every message type that sensor_sync takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mumu_ros.conversions import RosTypes, array_to_image, array_to_imu, array_to_pose_array, ns_to_time

__all__ = ["JOINTS", "SENSORS", "TYPES", "SensorKind"]

TYPES = RosTypes()
JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_SIZE = (24, 32)
_RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class SensorKind:
    """A message type, and what sensor_sync needs to know to read it.

    Attributes:
        type: Of the messages.
        kind: The parameter `<stream>.kind`.
        rate_hz: Messages a second.
        make: A good message of this stamp.
        shape: The parameter `<stream>.shape`, of a vector.
    """

    type: str
    kind: str
    rate_hz: float
    make: Callable[[int], Any]
    shape: tuple[int, ...] = (2, 3)

    def parameters(self, name: str) -> dict[str, Any]:
        """The parameters of a stream of this name on the topic of the same name; images are 32×32."""
        values: dict[str, Any] = {"topic": name, "type": self.type, "kind": self.kind, "shape": list(self.shape)}
        values |= {"width": 32, "height": 32} if self.kind != "vector" else {"depth": 20}
        return {f"{name}.{key}": value for key, value in values.items()}


def _rgb(stamp_ns: int) -> Any:
    return array_to_image(_RNG.integers(0, 255, (*_SIZE, 3), np.uint8), stamp_ns, "camera", TYPES)


def _depth(stamp_ns: int) -> Any:
    return array_to_image(_RNG.integers(500, 4000, _SIZE, np.uint16), stamp_ns, "camera", TYPES)


def _compressed(extension: str) -> Callable[[int], Any]:
    pictures = [
        cv2.imencode(f".{extension}", _RNG.integers(0, 255, (*_SIZE, 3), np.uint8))[1].tobytes() for _ in range(8)
    ]

    def make(stamp_ns: int) -> Any:
        data = TYPES.sequence(np.frombuffer(pictures[_RNG.integers(len(pictures))], np.uint8))
        return _stamped("sensor_msgs/msg/CompressedImage", stamp_ns, format=extension, data=data)

    return make


_AT_REST = np.array(((0.0, 0.0, 9.81), (0.0, 0.0, 0.0)))


def _imu(stamp_ns: int) -> Any:
    return array_to_imu(_RNG.normal(size=(2, 3)) + _AT_REST, stamp_ns, "wrist", TYPES)


def _joints(stamp_ns: int) -> Any:
    position = _RNG.normal(size=len(JOINTS)).tolist()
    return _stamped("sensor_msgs/msg/JointState", stamp_ns, name=list(JOINTS), position=position)


def _skeleton(stamp_ns: int) -> Any:
    return array_to_pose_array(_RNG.normal(size=(4, 3)), stamp_ns, "camera", TYPES)


def _floats(_: int) -> Any:
    return TYPES.message("std_msgs/msg/Float32MultiArray", data=_RNG.normal(size=6).tolist())


def _stamped(type_name: str, stamp_ns: int, **fields: Any) -> Any:
    message = TYPES.message(type_name, **fields)
    message.header.stamp = ns_to_time(stamp_ns, TYPES)
    return message


SENSORS: Mapping[str, SensorKind] = {
    "rgb": SensorKind("sensor_msgs/msg/Image", "rgb", 5.0, _rgb),
    "png": SensorKind("sensor_msgs/msg/CompressedImage", "rgb", 5.0, _compressed("png")),
    "jpeg": SensorKind("sensor_msgs/msg/CompressedImage", "rgb", 5.0, _compressed("jpg")),
    "depth": SensorKind("sensor_msgs/msg/Image", "depth", 5.0, _depth),
    "imu": SensorKind("sensor_msgs/msg/Imu", "vector", 10.0, _imu),
    "joints": SensorKind("sensor_msgs/msg/JointState", "vector", 5.0, _joints),
    "skeleton": SensorKind("geometry_msgs/msg/PoseArray", "vector", 5.0, _skeleton, (4, 3)),
    "floats": SensorKind("std_msgs/msg/Float32MultiArray", "vector", 5.0, _floats),
}
