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

"""Temporal smoothing of decisions: fewer flickers for a little more delay."""

from __future__ import annotations

import math

import numpy as np

from mumu_ros.streams import NS_PER_S

__all__ = ["Smoother"]


class Smoother:
    """Averages distributions over time and keeps a label until another leads by a margin.

    Args:
        time_constant_s: Of the exponential average; after this time 63 % of a change has arrived. 0: no average.
        hysteresis: By how much probability another label must lead before it replaces the current one.
    """

    def __init__(self, time_constant_s: float, hysteresis: float) -> None:
        self._time_constant_ns = time_constant_s * NS_PER_S
        self._hysteresis = hysteresis
        self.clear()

    def clear(self) -> None:
        """Reset the average and the label."""
        self._stamp_ns: int | None = None
        self._mean = np.zeros(0)
        self._current = -1

    def update(self, stamp_ns: int, probabilities: np.ndarray) -> tuple[np.ndarray, int]:
        """Add one distribution (K,); a stamp that decreases resets the average.

        Returns:
            The smoothed distribution (K,) and the index of the label to report.

        Raises:
            ValueError: A probability is not finite: it would stay in the average.
        """
        if not np.isfinite(probabilities).all():
            raise ValueError(f"probabilities are {probabilities.tolist()}; expected finite numbers")
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self.clear()
        if self._stamp_ns is None or self._time_constant_ns == 0:
            self._mean = probabilities
        else:
            keep = math.exp(-(stamp_ns - self._stamp_ns) / self._time_constant_ns)
            self._mean = keep * self._mean + (1.0 - keep) * probabilities
        self._stamp_ns = stamp_ns
        best = int(self._mean.argmax())
        if self._current < 0 or self._mean[best] > self._mean[self._current] + self._hysteresis:
            self._current = best
        return self._mean, self._current
