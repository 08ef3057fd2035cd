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

"""How long the stages take."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["Stopwatch"]


class Stopwatch:
    """Adds up the wall time of the stages."""

    def __init__(self) -> None:
        self._ms: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time of the block for a stage."""
        start = time.perf_counter()
        yield
        self.add(stage, (time.perf_counter() - start) * 1e3)

    def add(self, stage: str, ms: float) -> None:
        """Count a time that was measured elsewhere, in milliseconds."""
        self._ms[stage].append(ms)

    def summary(self) -> dict[str, dict[str, float]]:
        """By stage: how often, total seconds, mean, median and 99th percentile in milliseconds."""
        return {
            stage: {
                "count": len(ms),
                "total_s": float(np.sum(ms)) * 1e-3,
                "mean_ms": float(np.mean(ms)),
                "p50_ms": float(np.median(ms)),
                "p99_ms": float(np.quantile(ms, 0.99)),
            }
            for stage, ms in self._ms.items()
        }
