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
