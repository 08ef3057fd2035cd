"""How much a stream varies: what the strength of noise, bias and the like is measured in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["RunningSpread", "Spread"]


class Spread(NamedTuple):
    """Of each element of a stream; both may have an axis of time before the sample's own.

    Attributes:
        mean: Mean.
        std: Standard deviation.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, samples: NDArray[Any]) -> Spread:
        """Of samples (N, *shape)."""
        values = samples.astype(np.float64)
        return cls(values.mean(axis=0), values.std(axis=0))


class RunningSpread:
    """Of what a stream has shown so far. The same numbers to the last bit, however the samples are cut into chunks."""

    def __init__(self) -> None:
        self._count = 0
        self._origin: Any = None
        self._sum: Any = 0.0
        self._squares: Any = 0.0

    def update(self, samples: NDArray[Any], learned: NDArray[np.bool_]) -> Spread:
        """Take in samples.

        Args:
            samples: (N, *shape).
            learned: (N,), which of them count.

        Returns:
            At each sample, itself included: (N, *shape), or (1, *shape) if it stays the same.
        """
        if self._origin is None:
            # Differences from something near keep their digits when they are squared.
            self._origin = samples[0].astype(np.float64)
            self._sum = self._squares = np.zeros_like(self._origin)
        if learned.any():
            weights = learned.reshape(-1, *[1] * (samples.ndim - 1))
            differences = (samples - self._origin) * weights
            sums = np.cumsum(np.concatenate([self._sum[None], differences]), axis=0)[1:]
            squares = np.cumsum(np.concatenate([self._squares[None], differences**2]), axis=0)[1:]
            counts = self._count + np.cumsum(weights, axis=0)
            self._sum, self._squares, self._count = sums[-1], squares[-1], int(counts.ravel()[-1])
        else:
            sums, squares, counts = self._sum[None], self._squares[None], np.array([self._count])
        mean = sums / np.maximum(counts, 1)
        variance = squares / np.maximum(counts, 1) - mean**2
        return Spread(self._origin + mean, np.sqrt(np.maximum(variance, 0)))
