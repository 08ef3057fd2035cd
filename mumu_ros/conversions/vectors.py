"""Inertial, joint and skeleton messages to arrays of SI units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError

__all__ = [
    "VECTOR_TYPES",
    "float_array_to_array",
    "imu_to_array",
    "joint_state_to_array",
    "pose_array_to_array",
    "vector_to_array",
]


def imu_to_array(msg: Any) -> NDArray[np.float64]:
    """Return a sensor_msgs/msg/Imu as (2, 3): linear acceleration in m/s², angular velocity in rad/s.

    Raises:
        ConversionError: a quantity is marked as not measured (REP 145: the first element of its covariance is
            −1), or a value is not finite.
    """
    for quantity in ("linear_acceleration", "angular_velocity"):
        if getattr(msg, f"{quantity}_covariance")[0] == -1:
            raise ConversionError(
                f"the IMU does not measure {quantity} ({quantity}_covariance[0] = -1, REP 145); "
                "use a topic that carries both"
            )
    a, w = msg.linear_acceleration, msg.angular_velocity
    array = np.array(((a.x, a.y, a.z), (w.x, w.y, w.z)))
    _require_finite(array)
    return array


def float_array_to_array(msg: Any) -> NDArray[np.float64]:
    """Return the data of a std_msgs/msg/Float32MultiArray, flat, from `layout.data_offset` on.

    The type has no header: such a sample can only be stamped with the time at which it arrived.

    Raises:
        ConversionError: a value is not finite.
    """
    array = np.asarray(msg.data, np.float64)[msg.layout.data_offset :]
    _require_finite(array)
    return array


def joint_state_to_array(msg: Any) -> NDArray[np.float64]:
    """Return the positions of a sensor_msgs/msg/JointState in the order of the message, radians or metres.

    Raises:
        ConversionError: a value is not finite.
    """
    array = np.asarray(msg.position, np.float64)
    _require_finite(array)
    return array


def pose_array_to_array(msg: Any) -> NDArray[np.float64]:
    """Return the positions of a geometry_msgs/msg/PoseArray, a skeleton of J joints, as (J, 3) metres.

    Raises:
        ConversionError: a value is not finite.
    """
    positions = [pose.position for pose in msg.poses]
    array = np.array([(p.x, p.y, p.z) for p in positions], np.float64).reshape(-1, 3)
    _require_finite(array)
    return array


VECTOR_TYPES: Mapping[str, Callable[[Any], NDArray[np.float64]]] = {
    "sensor_msgs/msg/Imu": imu_to_array,
    "std_msgs/msg/Float32MultiArray": float_array_to_array,
    "sensor_msgs/msg/JointState": joint_state_to_array,
    "geometry_msgs/msg/PoseArray": pose_array_to_array,
}


def vector_to_array(msg: Any, type_name: str, shape: Sequence[int]) -> NDArray[np.float64]:
    """Return a vector message as an array of the stream's shape.

    Args:
        msg: The message, of rclpy or rosbags.
        type_name: Its ROS type, such as "sensor_msgs/msg/Imu"; a key of `VECTOR_TYPES`.
        shape: Shape of one sample: (2, 3) of an IMU, (J, 3) of a skeleton, (N,) of joint angles.

    Raises:
        ConversionError: another type, another number of values, or a value that is not finite.
    """
    if type_name not in VECTOR_TYPES:
        raise ConversionError(f"type {type_name!r} is not a vector; expected one of {', '.join(VECTOR_TYPES)}")
    array = VECTOR_TYPES[type_name](msg)
    if array.size != math.prod(shape):
        raise ConversionError(
            f"{array.size} values in {type_name}, but the stream's shape {list(shape)} needs {math.prod(shape)}"
        )
    return array.reshape(shape)


def _require_finite(array: NDArray[np.float64]) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ConversionError(f"value {array[index]} at {list(index)} is not finite; check the sensor driver")
