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

"""Standard deviation of a stream, the unit of noise, bias and similar failures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningSpread", "Spread"]


class Spread(NamedTuple):
    """Of the finite values of each element of a stream; both may have an axis of time before the sample's own.

    Attributes:
        mean: Mean; NaN for an element that was never seen.
        std: Standard deviation; 0 for an element that was never seen.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, samples: NDArray[Any]) -> Spread:
        """Of samples (N, *shape)."""
        values = samples.astype(np.float64)
        seen = np.isfinite(values)
        counts = seen.sum(axis=0)
        means = np.where(seen, values, 0.0).sum(axis=0) / np.maximum(counts, 1)
        differences = np.where(seen, values - means, 0.0)
        variances = (differences**2).sum(axis=0) / np.maximum(counts, 1)
        return cls(np.where(counts > 0, means, np.nan), np.sqrt(variances))


class RunningSpread:
    """Running spread of a stream, bit-identical for any division into chunks."""

    def __init__(self) -> None:
        self._counts: Any = 0
        self._origin: Any = None
        self._sum: Any = 0.0
        self._squares: Any = 0.0
        self._latest: Spread | None = None

    def update(self, samples: NDArray[Any], learned: NDArray[np.bool_]) -> Spread:
        """Add samples (N, *shape), of which `learned` (N,) are used.

        Returns:
            The spread at each sample, itself included: (N, *shape), or (1, *shape) if it is constant.
        """
        if self._latest is not None and not learned.any():
            return self._latest
        if self._origin is None:
            self._origin = np.full(samples.shape[1:], np.nan)
            self._sum = self._squares = np.zeros_like(self._origin)
        used = learned.reshape(-1, *[1] * (samples.ndim - 1))
        if np.issubdtype(samples.dtype, np.floating):
            used = used & np.isfinite(samples)
        new = np.isnan(self._origin) & used.any(axis=0)
        if new.any():
            # Differences from a nearby value keep their precision when squared.
            first = np.take_along_axis(samples, used.argmax(axis=0)[None], axis=0)[0]
            self._origin = np.where(new, first, self._origin)
        differences = np.where(used, samples - self._origin, 0.0)
        squares = _accumulated(self._squares, differences**2)
        sums = _accumulated(self._sum, differences)
        counts = self._counts + np.cumsum(used, axis=0)
        self._sum, self._squares, self._counts = sums[-1], squares[-1], counts[-1]
        means = sums / np.maximum(counts, 1)
        variances = squares / np.maximum(counts, 1) - means**2
        found = Spread(np.where(counts > 0, self._origin + means, np.nan), np.sqrt(np.maximum(variances, 0)))
        self._latest = Spread(found.mean[-1:], found.std[-1:])
        return found


def _accumulated(start: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running sums, in place; for images much faster than `cumsum`."""
    for i in range(len(steps)):
        steps[i] += steps[i - 1] if i else start
    return steps
