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

"""Acceleration and angular velocity on topics of their own, as some cameras publish them, as one stream of Imu."""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import time_to_ns
from mumu_ros.pipeline.framing import content

__all__ = ["ImuPair", "PairedImu"]

_MOST_GAP_NS = 100_000_000
"""Between accelerations farther apart than this none is interpolated."""
_KEPT = 512


@dataclass(frozen=True, eq=False)
class PairedImu:
    """Fields of a sensor_msgs/msg/Imu that come from two messages; its header is that of the angular velocity."""

    header: Any
    linear_acceleration: Any
    linear_acceleration_covariance: Any
    angular_velocity: Any
    angular_velocity_covariance: Any


class ImuPair:
    """Gives each angular velocity the acceleration at its stamp, interpolated linearly between the two around it.

    Messages of either topic may come first. An angular velocity that has no acceleration on both sides within 0.1 s is
    left out.
    """

    def __init__(self) -> None:
        self._accelerations: deque[tuple[int, NDArray[np.float64], Any]] = deque(maxlen=_KEPT)
        self._velocities: deque[tuple[int, Any]] = deque(maxlen=_KEPT)

    def add_acceleration(self, message: Any) -> list[PairedImu]:
        """Add an Imu message with an acceleration; returns what can be paired now, oldest first."""
        stamp_ns, inner = time_to_ns(message.header.stamp), content(message)
        if self._accelerations and stamp_ns <= self._accelerations[-1][0]:
            self._accelerations.clear()  # time has jumped back
        a = inner.linear_acceleration
        self._accelerations.append((stamp_ns, np.array((a.x, a.y, a.z)), inner.linear_acceleration_covariance))
        return self._pair()

    def add_angular_velocity(self, message: Any) -> list[PairedImu]:
        """Add an Imu message with an angular velocity; returns what can be paired now, oldest first."""
        stamp_ns = time_to_ns(message.header.stamp)
        if self._velocities and stamp_ns <= self._velocities[-1][0]:
            self._velocities.clear()
        self._velocities.append((stamp_ns, message))
        return self._pair()

    def _pair(self) -> list[PairedImu]:
        stamps_ns = [stamp_ns for stamp_ns, _, _ in self._accelerations]
        paired = []
        while stamps_ns and self._velocities and self._velocities[0][0] <= stamps_ns[-1]:
            stamp_ns, message = self._velocities.popleft()
            later = bisect.bisect_left(stamps_ns, stamp_ns)
            if stamps_ns[later] == stamp_ns:
                paired.append(_paired(message, self._accelerations[later], 0.0, self._accelerations[later]))
            elif later and (gap_ns := stamps_ns[later] - stamps_ns[later - 1]) <= _MOST_GAP_NS:
                share = (stamp_ns - stamps_ns[later - 1]) / gap_ns
                paired.append(_paired(message, self._accelerations[later - 1], share, self._accelerations[later]))
        return paired


def _paired(message: Any, before: tuple[int, Any, Any], share: float, after: tuple[int, Any, Any]) -> PairedImu:
    inner = content(message)
    x, y, z = (float(value) for value in before[1] + share * (after[1] - before[1]))
    return PairedImu(
        message.header,
        SimpleNamespace(x=x, y=y, z=z),
        after[2],
        inner.angular_velocity,
        inner.angular_velocity_covariance,
    )
