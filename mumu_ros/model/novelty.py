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

"""How far a window's features are from those of the training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mumu_ros.reading import parse_json

__all__ = ["Novelty"]

_NEIGHBOR = 5
"""Which nearest neighbour's distance counts."""
_LEAST_SPREAD = 0.01
"""Standard deviation of a feature that hardly varies, as a share of the mean of all; and least mean."""
_LEAST_DISTANCE = 0.01
"""Usual distance between training windows that are alike, as a share of that between random ones."""
_MAX_WINDOWS = 2000
_MAX_VALUE = 1e4

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Novelty:
    """Features of training windows, and the distance of others to the nearest of them (Sun et al. 2022).

    Ours: the features are those of one modality, standardised, and distances are in units of the usual one between
    training windows.

    Attributes:
        modality: Its name.
        features: Unimodal features of training windows in which it is present, float32 (N, D).

    Raises:
        ValueError: There are too few or too many windows, or the features are no numbers (N, D) of usual size.
    """

    modality: str
    features: Array
    _mean: Array = field(init=False, repr=False)
    _std: Array = field(init=False, repr=False)
    _standardized: Array = field(init=False, repr=False)
    _squares: Array = field(init=False, repr=False)
    _usual: np.float32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        x = self.features
        is_table = x.ndim == 2 and _NEIGHBOR < x.shape[0] <= _MAX_WINDOWS and x.shape[1] > 0
        if not is_table or not (np.abs(x) <= _MAX_VALUE).all():
            raise ValueError(
                f"features of {self.modality} are {x.dtype} {x.shape}; expected numbers (N, D) of at most "
                f"{_MAX_VALUE:g}, N from {_NEIGHBOR + 1} to {_MAX_WINDOWS}"
            )
        mean, std = x.mean(axis=0), x.std(axis=0)
        std = np.maximum(std, _LEAST_SPREAD * max(std.mean(), _LEAST_SPREAD))
        standardized = (x - mean) / std
        squares = (standardized * standardized).sum(axis=1)
        # The nearest to each is itself.
        usual = np.median(_nearest(standardized, standardized, squares, _NEIGHBOR + 1))
        usual = max(usual, _LEAST_DISTANCE * np.sqrt(x.shape[1]))
        kept = {"mean": mean, "std": std, "standardized": standardized, "squares": squares, "usual": usual}
        for name, value in kept.items():
            object.__setattr__(self, f"_{name}", np.asarray(value, np.float32))

    def score(self, names: Sequence[str], features: Array) -> Array:
        """Novelty of B windows: about 1 for windows like those of the training data, larger for others.

        Args:
            names: Of the M modalities.
            features: Unimodal features, (B, M, D), 0 where absent.

        Returns:
            float32 (B,); NaN unless the modality takes part alone: with another one the probability alone detects
            unknown activities better (research/results.md).
        """
        m, there = names.index(self.modality), np.asarray(features.any(axis=2))
        alone = there[:, m] & (there.sum(axis=1) == 1)
        x = (features[:, m] - self._mean) / self._std
        distances = _nearest(x, self._standardized, self._squares, _NEIGHBOR)
        return np.where(alone, distances / self._usual, np.float32(np.nan))

    def to_bytes(self, weights: str) -> bytes:
        """The content of a file, in half precision.

        Args:
            weights: Which weights computed the features: a part of their hash.
        """
        from safetensors.numpy import save

        data: bytes = save({self.modality: self.features.astype(np.float16)}, {"weights": weights})
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[Novelty, str]:
        """What `to_bytes` wrote, and which weights computed it.

        Raises:
            ValueError: It is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            ((modality, features),) = load(data).items()
            weights = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["weights"]
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(str(error)) from error
        return cls(modality, features.astype(np.float32)), weights


def _nearest(x: Array, others: Array, squares: Array, k: int) -> Array:
    """Distance of each of x (B, D) to the k-th nearest of others (N, D), of which the squares are (N,)."""
    from_x = squares - 2 * x @ others.T
    nearest: Array = np.partition(from_x, k - 1, axis=1)[:, k - 1] + (x * x).sum(axis=1)
    return np.sqrt(np.maximum(nearest, 0))
