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

"""Transforms skeletons, and the axes of IMUs, to another frame by TF.

tf2_ros is needed for that; it is part of every ROS 2 installation, and not among the wheels.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from mumu_ros.pipeline.framing import Frame
from mumu_ros.streams.stamps import JUMP_NS

if TYPE_CHECKING:
    from mumu_ros.nodes.camera_source import View

__all__ = ["AxesTurner", "FrameChanger", "is_optical", "turn_axes"]

WAIT = Duration(seconds=0.05)
"""A transform may arrive a little later than its picture."""
AGAIN_S = 1.0
"""After waiting in vain, a transform is not waited for during this time: other streams would wait, too."""
MIN_ALIGNED = 0.7
"""Minimum cosine of the angle between an axis of the camera and the same axis of an optical frame."""


class _Transforms:
    """What TF publishes.

    Raises:
        ImportError: tf2_ros is not installed.
    """

    def __init__(self, node: Node, parameter: str) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise ImportError(
                f"parameter {parameter}, but tf2_ros is not installed ({error}): apt install "
                "ros-$ROS_DISTRO-tf2-ros-py, or leave it empty"
            ) from error
        self.failure = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._newest_ns: dict[tuple[str, str], int] = {}  # by target and source
        self._waits_from_s: dict[tuple[str, str], float] = {}

    def lookup(self, target: str, source: str, stamp_ns: int) -> Any:
        """The transform at a stamp; raises `failure` if there is none."""
        pair, now_s = (target, source), time.monotonic()
        if stamp_ns < self._newest_ns.get(pair, 0) - JUMP_NS:
            # Time jumped back. The buffer refuses what is ten seconds older than its newest; static transforms stay.
            self._buffer.clear()
            self._newest_ns.clear()
        self._newest_ns[pair] = max(stamp_ns, self._newest_ns.get(pair, 0))
        wait = WAIT if now_s >= self._waits_from_s.get(pair, 0.0) else Duration()
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns), timeout=wait)
        except self.failure:
            if wait is WAIT:
                self._waits_from_s[pair] = now_s + AGAIN_S
            raise
        self._waits_from_s[pair] = 0.0
        return found.transform

    def close(self) -> None:
        """Unsubscribe."""
        self._listener.unregister()


class AxesTurner:
    """Turns the axes of IMUs to other frames; call it in a worker thread, because it may wait.

    A stream whose transform is not known is left out of the frame, because the model cannot use other axes.

    Attributes:
        problems: Stream to why it was left out of the last frame.

    Raises:
        ImportError: tf2_ros is not installed.
    """

    def __init__(self, node: Node, targets: Mapping[str, str]) -> None:
        name, target = next(iter(targets.items()))
        self._transforms = _Transforms(node, f"{name}.target_frame is {target!r}")
        self._targets = targets
        self.problems: dict[str, str] = {}

    def close(self) -> None:
        """Unsubscribe."""
        self._transforms.close()

    def apply(self, frame: Frame) -> Frame:
        """The frame with the axes of its IMUs turned, by the transform at its stamp."""
        series, frame_ids, missing = dict(frame.series), dict(frame.frame_ids), list(frame.missing)
        for name, target in self._targets.items():
            if name not in series:
                continue
            stamps_ns, samples = series[name]
            try:
                transform = self._transforms.lookup(target, frame_ids[name], stamps_ns[-1])
            except self._transforms.failure as error:
                self.problems[name] = f"no transform from {frame_ids[name]!r} to target_frame {target!r}: {error}"
                del series[name], frame_ids[name]
                missing.append(name)
                continue
            self.problems.pop(name, None)
            series[name] = (stamps_ns, [turn_axes(sample, transform.rotation) for sample in samples])
            frame_ids[name] = target
        return replace(frame, series=series, frame_ids=frame_ids, missing=missing)


class FrameChanger:
    """Transforms joints to another optical frame.

    Until the first transform they stay in the camera's frame; without a later one they are unknown, because joints in
    two frames would be a motion of the person.

    Raises:
        ImportError: tf2_ros is not installed.
    """

    def __init__(self, node: Node, target: str) -> None:
        self._transforms = _Transforms(node, f"target_frame is {target!r}")
        self._target = target
        self.restart()

    def restart(self) -> None:
        """As if there had been no transform yet."""
        self._has_moved = False
        self._problem = ""
        self._unreported = ""

    def close(self) -> None:
        """Unsubscribe."""
        self._transforms.close()

    def problem(self) -> str:
        """What is wrong, or was since the last call; empty: nothing."""
        unreported, self._unreported = self._unreported, ""
        return self._problem or unreported

    def apply(self, view: View) -> View:
        """The people in the target frame, or unchanged until there is a transform to it."""
        try:
            rotation, offset = self._find(view)
        except LookupError as error:
            what = "joints are unknown" if self._has_moved else "joints are in the camera's frame"
            self._problem = self._unreported = f"{error}; {what}"
            if not self._has_moved:
                return view
            moved = [replace(p, joints=np.full_like(p.joints, np.nan)) for p in view.people]
        else:
            self._has_moved, self._problem = True, ""
            moved = [replace(p, joints=(p.joints @ rotation.T + offset).astype(np.float32)) for p in view.people]
        return replace(view, frame_id=self._target, people=moved)

    def _find(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rotation and translation to the target frame; LookupError: there are none that can be used."""
        try:
            transform = self._transforms.lookup(self._target, view.frame_id, view.stamp_ns)
        except self._transforms.failure as error:
            raise LookupError(
                f"no transform from {view.frame_id!r} to target_frame {self._target!r}: {error}"
            ) from error
        rotation, t = _matrix(transform.rotation), transform.translation
        if not is_optical(rotation):
            raise LookupError(
                f"target_frame {self._target!r} is not optical, or the camera looks up or down by more than 45°: "
                "neither its y nor its z axis is near the camera's; name one with x right, y down, z forward"
            )
        return rotation, np.array([t.x, t.y, t.z])


def is_optical(rotation: NDArray[np.float64]) -> bool:
    """Whether a frame, given the rotation from a camera's frame, has axes like a camera's (REP 103): z forward, or y
    down, whichever way it looks; the camera may be upside down.
    """
    return bool(max(rotation[2, 2], abs(rotation[1, 1])) >= MIN_ALIGNED)


def turn_axes(sample: NDArray[np.float32], rotation: Any) -> NDArray[np.float32]:
    """Rows of vectors (N, 3), such as acceleration and angular rate, in the axes of another frame: `rotation` is the
    geometry_msgs/msg/Quaternion from theirs to it.
    """
    return (sample @ _matrix(rotation).T).astype(np.float32)


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
