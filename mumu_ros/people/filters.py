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

"""Smoothing that does not lag: the one-euro filter (Casiez, Roussel and Vogel, CHI 2012)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OneEuro"]


class OneEuro:
    """A low-pass filter whose cutoff rises with speed: still things are calm, fast ones are not late.

    Each element is filtered by itself. NaN means "not seen": it stays NaN, and the element begins anew afterwards.

    Args:
        cutoff_hz: Cutoff at rest (f_c,min of the paper).
        beta: By how many Hz the cutoff rises for a speed of 1 a second.
    """

    _SPEED_CUTOFF_HZ = 1.0

    def __init__(self, cutoff_hz: float, beta: float) -> None:
        self._cutoff_hz = cutoff_hz
        self._beta = beta
        self._stamp_ns = 0
        self._value: NDArray[np.float32] | None = None
        self._speed: NDArray[np.float32] | None = None

    def update(self, stamp_ns: int, value: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter the next value; stamps increase."""
        if self._value is None or self._speed is None:
            self._value, self._speed = value, np.zeros_like(value)
        else:
            dt = max((stamp_ns - self._stamp_ns) * 1e-9, 1e-3)
            speed = np.nan_to_num((value - self._value) / dt)
            self._speed = self._speed + _weight(self._SPEED_CUTOFF_HZ, dt) * (speed - self._speed)
            weight = _weight(self._cutoff_hz + self._beta * np.abs(self._speed), dt)
            mixed = self._value + weight * (value - self._value)
            self._value = np.where(np.isnan(self._value), value, mixed).astype(np.float32)
        self._stamp_ns = stamp_ns
        return self._value


def _weight(cutoff_hz: Any, dt: float) -> Any:
    turn = 2 * np.pi * np.asarray(cutoff_hz, np.float32) * np.float32(dt)
    return turn / (turn + 1)
