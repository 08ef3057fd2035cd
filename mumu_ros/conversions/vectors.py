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

"""Inertial, joint and skeleton messages to arrays of SI units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.fault_codes import FaultCode

__all__ = [
    "MOST_ACCELERATION",
    "MOST_ANGULAR_VELOCITY",
    "VECTOR_TYPES",
    "float_array_to_array",
    "imu_to_array",
    "joint_state_to_array",
    "pose_array_to_array",
    "vector_to_array",
]

MOST_ACCELERATION = 4000.0
"""m/s²: 400 times gravity, the range of the least sensitive accelerometers on the market."""
MOST_ANGULAR_VELOCITY = 175.0
"""rad/s: 10,000 degrees a second, more than twice what gyroscopes of IMUs measure."""
_MOST_JOINT_POSITION = 1e6
"""Radians or metres; a wheel that turns for days comes far."""
_FARTHEST_M = 1000.0
"""Of a skeleton's joint from the origin of its frame."""


def imu_to_array(msg: Any) -> NDArray[np.float64]:
    """Return a sensor_msgs/msg/Imu as (2, 3): linear acceleration in m/s², angular velocity in rad/s.

    Raises:
        ConversionError: a quantity is marked as not measured (REP 145: the first element of its covariance is
            −1), the IMU turns and feels no acceleration at all, or a value is not finite or more than any IMU measures.
    """
    for quantity in ("linear_acceleration", "angular_velocity"):
        if getattr(msg, f"{quantity}_covariance")[0] == -1:
            raise ConversionError(
                f"the IMU does not measure {quantity} ({quantity}_covariance[0] = -1, REP 145); "
                "use a topic that carries both, or two: topic and angular_velocity_topic"
            )
    a, w = msg.linear_acceleration, msg.angular_velocity
    acceleration, turn = (a.x, a.y, a.z), (w.x, w.y, w.z)
    array = np.array((acceleration, turn))
    if not all(-MOST_ACCELERATION <= value <= MOST_ACCELERATION for value in acceleration):
        _require_below(MOST_ACCELERATION, array[:1], "linear_acceleration", "m/s²")
    if not all(-MOST_ANGULAR_VELOCITY <= value <= MOST_ANGULAR_VELOCITY for value in turn):
        _require_below(MOST_ANGULAR_VELOCITY, array[1:], "angular_velocity", "rad/s")
    if not any(acceleration) and any(turn):
        raise ConversionError(
            "linear_acceleration is exactly 0 and angular_velocity is not: the topic carries a gyroscope only; make it "
            "the stream's angular_velocity_topic, with the accelerometer's as topic, or use one that carries both "
            "(RealSense: unite_imu_method)"
        )
    return array


def float_array_to_array(msg: Any) -> NDArray[np.float64]:
    """Return the data of a std_msgs/msg/Float32MultiArray, flat, from `layout.data_offset` on.

    The type has no header: such a sample can only be stamped with the time at which it arrived.

    Raises:
        ConversionError: a value is not finite.
    """
    array = np.asarray(msg.data, np.float64)[msg.layout.data_offset :]
    _require_below(float(np.finfo(np.float32).max), array, "data", "")
    return array


def joint_state_to_array(msg: Any, joints: Sequence[str] = ()) -> NDArray[np.float64]:
    """Return the positions of a sensor_msgs/msg/JointState, radians or metres, of `joints` in their order, or of all.

    Raises:
        ConversionError: a joint is missing or there twice, or a value is not finite or impossible.
    """
    array = np.asarray(msg.position, np.float64)
    if joints:
        names = list(msg.name)
        wrong = [joint for joint in joints if names.count(joint) != 1]
        if wrong or len(names) != array.size:
            raise ConversionError(
                f"joints {wrong or list(joints)} are not there once each, with a position; the message has {names}"
            )
        array = array[[names.index(joint) for joint in joints]]
    _require_below(_MOST_JOINT_POSITION, array, "position", "rad or m")
    return array


def pose_array_to_array(msg: Any) -> NDArray[np.float64]:
    """Return the positions of a geometry_msgs/msg/PoseArray, a skeleton of J joints, as (J, 3) metres.

    A joint that is not seen, NaN in one or more coordinates, is NaN in all of them.

    Raises:
        ConversionError: no joint is seen, or one is infinite or farther away than 1 km.
    """
    positions = [pose.position for pose in msg.poses]
    array = np.array([(p.x, p.y, p.z) for p in positions], np.float64).reshape(-1, 3)
    array[np.isnan(array).any(axis=1)] = np.nan
    seen = ~np.isnan(array)
    if array.size and not seen.any():
        raise ConversionError(f"none of the {len(array)} joints is seen: all are NaN")
    _require_below(_FARTHEST_M, np.where(seen, array, 0.0), "position", "m")
    return array


VECTOR_TYPES: Mapping[str, Callable[[Any], NDArray[np.float64]]] = {
    "sensor_msgs/msg/Imu": imu_to_array,
    "std_msgs/msg/Float32MultiArray": float_array_to_array,
    "sensor_msgs/msg/JointState": joint_state_to_array,
    "geometry_msgs/msg/PoseArray": pose_array_to_array,
}


def vector_to_array(msg: Any, type_name: str, shape: Sequence[int], joints: Sequence[str] = ()) -> NDArray[np.float64]:
    """Return a vector message as an array of the stream's shape.

    Args:
        msg: The message, of rclpy or rosbags.
        type_name: Its ROS type, such as "sensor_msgs/msg/Imu"; a key of `VECTOR_TYPES`.
        shape: Shape of one sample: (2, 3) of an IMU, (J, 3) of a skeleton, (N,) of joint angles.
        joints: Of a JointState: which joints, in which order; empty: as in the message.

    Returns:
        Values that float32 holds; NaN only in joints of a skeleton that are not seen.

    Raises:
        ConversionError: another type, another number of values, or a value that is not finite or that no sensor has.
    """
    if type_name not in VECTOR_TYPES:
        raise ConversionError(f"type {type_name!r} is not a vector; expected one of {', '.join(VECTOR_TYPES)}")
    array = joint_state_to_array(msg, joints) if joints else VECTOR_TYPES[type_name](msg)
    if array.size != math.prod(shape):
        raise ConversionError(
            f"{array.size} values in {type_name}, but the stream's shape {list(shape)} needs {math.prod(shape)}"
        )
    return array.reshape(shape)


def _require_below(limit: float, array: NDArray[np.float64], what: str, unit: str) -> None:
    good = np.abs(array) <= limit  # false for NaN
    if not good.all():
        index = tuple(int(i) for i in np.argwhere(~good)[0])
        code = FaultCode.IMPLAUSIBLE
        value = f"{what} {array[index]:g} {unit}".rstrip()
        if not np.isfinite(array[index]):
            raise ConversionError(f"{value} at {list(index)} is not finite; check the sensor driver", code)
        text = f"{value} at {list(index)} is beyond any sensor (±{limit:g}); check the driver's units"
        raise ConversionError(text, code)
