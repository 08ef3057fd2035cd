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

"""From logits to a confidence: how likely it is that a decision is right."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mumu_ros.model.config import ConfigError

__all__ = ["Calibration", "log_odds_of"]

_LEAST_PROBABILITY = 1e-9


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities and confidences, and which confidence is too low to name an activity.

    With `novelty_weight` the confidence estimates how often decisions for an activity are right in data that were not
    trained on, with people who also do what is not in the training data: a logistic regression on probability and
    novelty. Without, the confidence is the probability.

    Attributes:
        temperature: Logits are divided by this before the softmax (Guo et al. 2017).
        unknown_threshold: A lower confidence means "unknown".
        novelty_weight: By how much the log-odds of being right fall for each unit of novelty; 0: novelty is not used.
        slope: By how much the log-odds of being right rise with those of the highest probability.
        bias: Log-odds of being right at a probability of 0.5 and a novelty of 0.
        shift: Where the novelty is not known, the log-odds of being right are those of the probability plus this.

    Raises:
        ConfigError: A value is out of range; quotes it.
    """

    temperature: float = 1.0
    unknown_threshold: float = 0.0
    novelty_weight: float = 0.0
    slope: float = 1.0
    bias: float = 0.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        signed = (-1e6, 1e6)
        limits = {
            "temperature": (1e-6, 1e6),
            "unknown_threshold": (0.0, 1.0),
            "bias": signed,
            "shift": signed,
        }
        for name in (field.name for field in fields(self)):
            value, (low, high) = getattr(self, name), limits.get(name, (0.0, 1e6))
            if not isinstance(value, int | float) or not low <= value <= high:
                raise ConfigError(f"calibration: {name} is {value!r}; expected a number from {low:g} to {high:g}")

    def confidence(self, probability: ArrayLike, novelty: ArrayLike) -> NDArray[np.float64]:
        """Confidence of decisions.

        Args:
            probability: Of the decided class, calibrated.
            novelty: Of the window, of the same shape; NaN if it is not known.
        """
        p = np.asarray(probability, np.float64)
        if not self.novelty_weight:
            return p
        odds, novelty = log_odds_of(p), np.asarray(novelty, np.float64)
        by_both = self.bias + self.slope * odds - self.novelty_weight * novelty
        log_odds = np.where(np.isnan(novelty), odds + self.shift, by_both)
        confidence: NDArray[np.float64] = 1 / (1 + np.exp(-log_odds.clip(-500, 500)))
        return confidence


def log_odds_of(probability: ArrayLike) -> NDArray[np.float64]:
    """log(p / (1 - p)), finite at 0 and 1."""
    p = np.asarray(probability, np.float64).clip(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    odds: NDArray[np.float64] = np.log(p / (1 - p))
    return odds
