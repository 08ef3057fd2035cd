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

"""Times of several ways to do a thing, in turn, so that what else the machine does hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["interleave", "percentiles", "seconds_of", "speedup"]


def interleave(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Call every run once a round; each returns its cost, such as `seconds_of` gives.

    Returns:
        By name, the cost in each round.
    """
    costs: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            costs[name].append(run())
    return costs


def seconds_of(
    act: Callable[[], object], repetitions: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds that one call of `act` takes by the clock, over several calls."""
    start = clock()
    for _ in range(repetitions):
        act()
    return (clock() - start) / repetitions


def speedup(baseline: Sequence[float], costs: Sequence[float]) -> float:
    """How many times cheaper than the baseline: the median over rounds of the ratio within a round."""
    return statistics.median(slow / fast for slow, fast in zip(baseline, costs, strict=True))


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """p50 and p99; None where there is no value."""
    return {f"p{q}": round(float(np.percentile(values, q)), 3) if len(values) else None for q in (50, 99)}
