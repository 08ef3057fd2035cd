"""Transforms skeletons to another frame by TF."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from mumu_ros.nodes.camera_source import View

__all__ = ["FrameChanger"]

WAIT = Duration(seconds=0.05)
"""A transform may arrive a little later than its picture."""
MIN_FORWARD = 0.5
"""Minimum cosine of the angle between the camera's and the target's optical axis."""


class FrameChanger:
    """Transforms joints to another optical frame.

    Args:
        node: Subscriber of TF.
        target: The frame.

    Raises:
        ImportError: tf2_ros is not installed.
    """

    def __init__(self, node: Node, target: str) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise ImportError(
                f"parameter target_frame is {target!r}, but tf2_ros is not installed ({error}): apt install "
                "ros-$ROS_DISTRO-tf2-ros-py, or leave it empty for joints in the camera's frame"
            ) from error
        self._target = target
        self._failure = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self.problem = ""

    def close(self) -> None:
        """Unsubscribe."""
        self._listener.unregister()

    def apply(self, view: View) -> View:
        """The people in the target frame; unchanged if there is a `problem`."""
        try:
            stamped = self._buffer.lookup_transform(
                self._target, view.frame_id, Time(nanoseconds=view.stamp_ns), timeout=WAIT
            )
        except self._failure as error:
            self.problem = f"no transform from {view.frame_id!r} to target_frame {self._target!r}: {error}"
            return view
        rotation = _matrix(stamped.transform.rotation)
        if rotation[2, 2] < MIN_FORWARD:
            self.problem = (
                f"target_frame {self._target!r} is not optical: its z axis does not point along the camera's; name "
                "one like the camera's (x right, y down, z forward)"
            )
            return view
        self.problem = ""
        t = stamped.transform.translation
        offset = np.array([t.x, t.y, t.z])
        moved = [replace(p, joints=(p.joints @ rotation.T + offset).astype(np.float32)) for p in view.people]
        return replace(view, frame_id=self._target, people=moved)


def _matrix(q: Any) -> NDArray[np.float64]:
    """Rotation matrix of a geometry_msgs/msg/Quaternion."""
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
