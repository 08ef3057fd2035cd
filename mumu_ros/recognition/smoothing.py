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

from mumu_ros.recognition.events import ENDED_S
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
        self._newest: tuple[int, np.ndarray, int] | None = None  # stamp, average and label
        self._before: tuple[int, np.ndarray, int] | None = None  # the same of the stamp before it

    def update(self, stamp_ns: int, probabilities: np.ndarray) -> tuple[np.ndarray, int]:
        """Add one distribution (K,), or replace the one of the same stamp.

        A stamp that decreases, or is more than `ENDED_S` after the last one, resets the average and the label.

        Returns:
            The smoothed distribution (K,) and the index of the label to report.

        Raises:
            ValueError: A probability is not finite: it would stay in the average.
        """
        if not np.isfinite(probabilities).all():
            raise ValueError(f"probabilities are {probabilities.tolist()}; expected finite numbers")
        if self._newest is not None and not 0 <= stamp_ns - self._newest[0] <= ENDED_S * NS_PER_S:
            self.clear()
        if self._newest is not None and stamp_ns > self._newest[0]:
            self._before = self._newest
        mean, label = probabilities, -1
        if self._before is not None:
            before_ns, mean_before, label = self._before
            if self._time_constant_ns:
                keep = math.exp(-(stamp_ns - before_ns) / self._time_constant_ns)
                mean = keep * mean_before + (1.0 - keep) * probabilities
        best = int(mean.argmax())
        if label < 0 or mean[best] > mean[label] + self._hysteresis:
            label = best
        self._newest = stamp_ns, mean, label
        return mean, label
