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

"""The ways in which a driver, a clock or a network fails, and a sensor that fails in them: one table."""

from __future__ import annotations

import copy
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from rclpy.node import Node
from std_msgs.msg import String

from mumu_ros.conversions import array_to_image, ns_to_time
from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.streams import NS_PER_S
from mumu_ros.trials.tiny_sensors import JOINTS, TYPES, SensorKind

__all__ = ["FAULTS", "FailingSensor", "SensorFault"]

Spoil: TypeAlias = Callable[[Any], Any]
_DIFFERENT = 8
"""Messages of a sensor that differ; then they come again."""


def _as_it_is(message: Any) -> Any:
    return message


_ANY: Mapping[str, Spoil] = dict.fromkeys(("rgb", "png", "depth", "imu", "joints", "skeleton"), _as_it_is)
"""What has nothing to do with the contents happens to any kind of sensor."""


@dataclass(frozen=True)
class SensorFault:
    """One way to fail.

    Attributes:
        name: In words.
        code: What it is called in /diagnostics or, if it is SPARSE, in ActivityRecognition; NONE: it does no harm.
        first: What it may be called before, while that is all that can be known; NONE: nothing else.
        spoil: What it does to a message, by the kind of sensor (`sensors.SENSORS`).
        stamp: Number and true stamp of a message, and the last stamp before the fault, to the stamp that it bears.
        rate_hz: So many messages come a second; None: as many as there should.
        times: So many come in the place of one.
        delay_s: So much later they come; those on the way at the end of the fault do not.
        is_gone: There is no driver any more.
        is_replaced: There is another one, which publishes something else.
    """

    name: str
    code: FaultCode
    first: FaultCode = FaultCode.NONE
    spoil: Mapping[str, Spoil] = field(default_factory=lambda: _ANY)
    stamp: Callable[[int, int, int], int] = lambda _, stamp_ns, __: stamp_ns
    rate_hz: float | None = None
    times: int = 1
    delay_s: float = 0.0
    is_gone: bool = False
    is_replaced: bool = False


def _half_of_data(message: Any) -> Any:
    message.data = message.data[: len(message.data) // 2]
    return message


def _acceleration(x: float, y: float, z: float) -> Spoil:
    def spoil(message: Any) -> Any:
        a = message.linear_acceleration
        a.x, a.y, a.z = x, y, z
        return message

    return spoil


def _first_joint(value: float) -> Spoil:
    def spoil(message: Any) -> Any:
        message.position[0] = value
        return message

    return spoil


def _every_pose(value: float) -> Spoil:
    def spoil(message: Any) -> Any:
        for pose in message.poses:
            pose.position.x = value
        return message

    return spoil


def _half_of(name: str) -> Spoil:
    def spoil(message: Any) -> Any:
        values = getattr(message, name)
        setattr(message, name, values[: len(values) // 2])
        return message

    return spoil


def _field(name: str, value: Any) -> Spoil:
    def spoil(message: Any) -> Any:
        setattr(message, name, value)
        return message

    return spoil


def _huge_image(message: Any) -> Any:
    message.width = message.height = 65535
    message.step = 65535 * message.step // 32
    return message


def _huge_png(message: Any) -> Any:
    """A header that declares 65535 × 65535."""
    data = bytes(message.data)
    header = b"IHDR" + struct.pack(">II", 65535, 65535) + data[24:29]
    message.data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    return message


def _larger(message: Any) -> Any:
    return array_to_image(np.full((96, 128), 2000, np.uint16), 1, message.header.frame_id, TYPES)


_NAN, _INF = float("nan"), float("inf")
FAULTS = (
    SensorFault("stops", FaultCode.SILENT, rate_hz=0.0),
    SensorFault("unplugged", FaultCode.UNPUBLISHED, is_gone=True),
    SensorFault("wrong type", FaultCode.WRONG_TYPE, is_gone=True, is_replaced=True),
    SensorFault("slow", FaultCode.SPARSE, FaultCode.SILENT, rate_hz=1.0),
    SensorFault("late", FaultCode.CLOCK, FaultCode.SILENT, delay_s=2.0),
    SensorFault("somewhat late", FaultCode.LATE, FaultCode.SILENT, delay_s=0.6),
    SensorFault("ahead", FaultCode.CLOCK, stamp=lambda _, stamp_ns, __: stamp_ns + 3 * NS_PER_S),
    SensorFault("behind", FaultCode.CLOCK, stamp=lambda _, stamp_ns, __: stamp_ns - 3 * NS_PER_S),
    SensorFault("other clock", FaultCode.CLOCK, stamp=lambda n, *_: 1000 * NS_PER_S + n * 20_000_000),
    SensorFault("no stamp", FaultCode.STAMPS, stamp=lambda *_: 0),
    SensorFault("last stamp there is", FaultCode.CLOCK, stamp=lambda *_: (2**31 - 1) * NS_PER_S),
    SensorFault("jumps", FaultCode.CLOCK, stamp=lambda n, ns, _: ns + (n // 40 + 1) * 100 * NS_PER_S),
    SensorFault("stuck stamp", FaultCode.CLOCK, FaultCode.LATE, stamp=lambda _, __, last_ns: last_ns),
    SensorFault("flood", FaultCode.NONE, times=10),
    SensorFault("flood beyond the queue", FaultCode.LOST, times=50),
    SensorFault(
        "NaN",
        FaultCode.IMPLAUSIBLE,
        spoil={"imu": _acceleration(_NAN, 0, 0), "joints": _first_joint(_NAN), "skeleton": _every_pose(_INF)},
    ),
    SensorFault(
        "huge",
        FaultCode.IMPLAUSIBLE,
        spoil={"imu": _acceleration(0, 3e38, 0), "joints": _first_joint(1e300), "skeleton": _every_pose(1e300)},
    ),
    SensorFault(
        "half",
        FaultCode.UNREADABLE,
        spoil={
            **dict.fromkeys(("rgb", "png", "depth"), _half_of_data),
            "imu": _acceleration(0, 0, 0),
            "joints": _half_of("position"),
            "skeleton": _half_of("poses"),
        },
    ),
    SensorFault("wrong size", FaultCode.UNREADABLE, spoil=dict.fromkeys(("rgb", "depth"), _field("width", 300))),
    SensorFault(
        "wrong encoding",
        FaultCode.UNREADABLE,
        spoil={
            **dict.fromkeys(("rgb", "depth"), _field("encoding", "9UC7" * 100_000)),
            "png": _field("format", "16UC1; compressedDepth"),
        },
    ),
    SensorFault("bomb", FaultCode.UNREADABLE, spoil={"png": _huge_png, "rgb": _huge_image, "depth": _huge_image}),
    SensorFault("other joints", FaultCode.UNREADABLE, spoil={"joints": _field("name", list(reversed(JOINTS)))}),
    SensorFault("another size of picture", FaultCode.NONE, spoil={"depth": _larger}),
)


class FailingSensor:
    """A driver that publishes good messages at its rate, except as its fault says.

    `stranger`, a node of another context, publishes what does not belong there: one cannot have two types on one topic.
    """

    def __init__(
        self,
        node: Node,
        stranger: Node,
        topic: str,
        kind: tuple[str, SensorKind],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.topic = topic
        self.fault: SensorFault | None = None
        self._node, self._stranger = node, stranger
        self._name, self._kind = kind
        self._clock = clock
        self._publisher: Any = self._made()
        self._other: Any = None
        self._due_s = 0.0
        self._sent = 0
        self._last_ns = 0
        self._held: deque[tuple[float, Any]] = deque()
        self._messages = [self._kind.make(1) for _ in range(_DIFFERENT)]

    def fail(self, fault: SensorFault | None) -> None:
        """Fail so from now on; None: be well again."""
        self.fault = fault
        self._held.clear()
        if self._other is not None:
            self._stranger.destroy_publisher(self._other)
            self._other = None
        if fault is not None and fault.is_gone:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
            self._other = self._stranger.create_publisher(String, self.topic, 10) if fault.is_replaced else None
        elif self._publisher is None:
            self._publisher = self._made()

    def tick(self) -> int:
        """Publish what is due; how many messages that was."""
        published = 0
        now_s = self._clock() / NS_PER_S
        rate_hz = self._kind.rate_hz
        if self.fault is not None and self.fault.rate_hz is not None:
            rate_hz = self.fault.rate_hz
        if rate_hz and now_s >= self._due_s:
            self._due_s = (now_s * rate_hz // 1 + 1) / rate_hz  # a grid that all sensors have in common
            self._sent += 1
            self._take(now_s)
        while self._held and self._held[0][0] <= now_s:
            _, message = self._held.popleft()
            if self._publisher is not None:
                self._publisher.publish(message)
                published += 1
        return published

    def _take(self, now_s: float) -> None:
        """Take what is to be published now, or later."""
        fault, now_ns = self.fault, self._clock()
        times = fault.times if fault else 1
        for i in range(times):
            stamp_ns = now_ns - round((times - 1 - i) * NS_PER_S / (self._kind.rate_hz * times))
            message = self._messages[self._sent % _DIFFERENT]
            if fault is None:
                at_s, self._last_ns = now_s, stamp_ns
            else:
                at_s, stamp_ns = now_s + fault.delay_s, fault.stamp(self._sent, stamp_ns, self._last_ns)
                message = fault.spoil[self._name](copy.deepcopy(message))
            if hasattr(message, "header"):
                message.header.stamp = ns_to_time(stamp_ns, TYPES)
            self._held.append((at_s, message))

    def _made(self) -> Any:
        return self._node.create_publisher(message_class(self._kind.type), self.topic, 100)
