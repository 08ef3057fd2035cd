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

"""Faults that a window's samples show by themselves: the same one again and again, or at the end of the range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.fault_codes import FaultCode
from mumu_ros.model.modality import Modality
from mumu_ros.streams import NS_PER_S, Series

__all__ = ["find_fault"]

_SHORTEST_NS = NS_PER_S // 2
"""Repeated for no longer than this, a sample is not stuck: at most 0.07 s in UTD-MHAD, MSR Action3D and Florence 3D."""
_SATURATED = 0.1
"""Share of the steps that an element is held at its extreme: at most 0.033 in the clips of UTD-MHAD, at least 0.19 if
they are clipped at one standard deviation."""
_MOVING = 1.0
"""Least range of an element that can be saturated, m/s² or rad/s: at rest a coarse sensor alternates between two."""


def find_fault(modality: Modality, series: Series) -> FaultCode:
    """STUCK, SATURATED or NONE.

    Cameras, worn IMUs and skeletons have noise, so that no two samples are equal. Other vectors, such as joint angles
    of a robot, may repeat without a fault and are never flagged.
    """
    has_noise = modality.is_image or modality.is_worn_imu or modality.joint_layout or modality.body
    if has_noise and _is_stuck(series):
        return FaultCode.STUCK
    if modality.is_worn_imu and _is_saturated(np.asarray(series.samples), series.mask):
        return FaultCode.SATURATED
    return FaultCode.NONE


def _is_stuck(series: Series) -> bool:
    """Whether one sample is repeated for more than half of the time between the first and the last."""
    there = np.flatnonzero(series.mask)
    if not len(there):
        return False
    stamps_ns = series.stamps_ns[there]
    half_ns = (stamps_ns[-1] - stamps_ns[0]) // 2
    first = last = middle = int(np.searchsorted(stamps_ns, stamps_ns[0] + half_ns, side="right")) - 1
    sample = series.samples[there[middle]]
    while first > 0 and _is_same(series.samples[there[first - 1]], sample):
        first -= 1
    while last + 1 < len(there) and _is_same(series.samples[there[last + 1]], sample):
        last += 1
    return bool(stamps_ns[last] - stamps_ns[first] > max(half_ns, _SHORTEST_NS))


def _is_same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _is_saturated(samples: NDArray[np.float32], mask: NDArray[np.bool_]) -> bool:
    """Whether an element of an IMU's samples is held at its lowest or highest value while others move."""
    x = samples[mask].reshape(-1, 6)
    held = x[1:] == x[:-1]
    least = _SATURATED * len(mask)
    if np.count_nonzero(held, axis=0).max() <= least:
        return False
    low, high = x.min(axis=0), x.max(axis=0)
    held &= ~held.all(axis=1, keepdims=True) & ((x[1:] == low) | (x[1:] == high))
    return bool(((np.count_nonzero(held, axis=0) > least) & (high - low > _MOVING)).any())
