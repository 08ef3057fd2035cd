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

"""The result of a recogniser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mumu_ros.fault_codes import FaultCode
from mumu_ros.text import UNKNOWN

if TYPE_CHECKING:  # it loads torch, which whoever watches does not need
    from mumu_ros.health import ModalityHealth

__all__ = ["UNKNOWN", "Decision", "NoDecision"]


@dataclass(frozen=True, eq=False)
class Decision:
    """The activity of one person in (start_ns, stamp_ns].

    Arrays over groups, activities and modalities are in the order of the model's taxonomy and modalities.

    Attributes:
        start_ns: Start of the window.
        stamp_ns: Its end.
        group: The activity group, or `UNKNOWN`.
        activity: The activity, or `UNKNOWN`.
        group_probabilities: (N,), calibrated, smoothed if the recogniser smooths.
        activity_probabilities: (K,), likewise.
        present: bool (M,): which modalities took part: they had enough samples and were not masked.
        coverage: (M,) share of the expected samples that the window held.
        ages_s: (M,) age of the newest sample at `stamp_ns`; NaN where there is none.
        sm_weights: (M,) attention of SM-Fusion, 0 where absent.
        gm_weights: (M,) attention of GM-Fusion, 0 where absent.
        health: Health of each modality; empty without a health model while nothing is flagged.
        faults: Fault of each modality; empty if unknown.
        modalities: Their names; empty if unknown.
        features: Unimodal features X^u, (M, D), 0 where absent; None if unknown.
        group_confidence: That the group is right (`Calibration.confidence`); by default its probability.
        activity_confidence: That the activity is right, likewise. `UNKNOWN` is an activity of too little confidence.
        novelty: Distance of the features from those of the training data, about 1 for what was trained; NaN if it is
            not known (`Novelty.score`).
        group_probability: Of the group, also where it is `UNKNOWN`; by default the highest. With hysteresis another one
            may be more probable.
        activity_probability: Of the activity, likewise.
    """

    start_ns: int
    stamp_ns: int
    group: str
    activity: str
    group_probabilities: np.ndarray
    activity_probabilities: np.ndarray
    present: np.ndarray
    coverage: np.ndarray
    ages_s: np.ndarray
    sm_weights: np.ndarray
    gm_weights: np.ndarray
    health: tuple[ModalityHealth, ...] = ()
    faults: tuple[FaultCode, ...] = ()
    modalities: tuple[str, ...] = ()
    features: np.ndarray | None = None
    group_confidence: float = math.nan
    activity_confidence: float = math.nan
    novelty: float = math.nan
    group_probability: float = math.nan
    activity_probability: float = math.nan

    def __post_init__(self) -> None:
        for name in ("group", "activity"):
            if math.isnan(getattr(self, f"{name}_probability")):
                object.__setattr__(self, f"{name}_probability", float(getattr(self, f"{name}_probabilities").max()))
            if math.isnan(getattr(self, f"{name}_confidence")):
                object.__setattr__(self, f"{name}_confidence", getattr(self, f"{name}_probability"))

    @property
    def probability(self) -> float:
        """Probability of the activity."""
        return self.activity_probability

    @property
    def attention(self) -> dict[str, float]:
        """Attention of GM-Fusion to each modality; 0 where it is absent."""
        return dict(zip(self.modalities, map(float, self.gm_weights), strict=False))

    def __str__(self) -> str:
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in self.attention.items())
        return f"{self.group}/{self.activity} ({self.activity_confidence:.2f}); {weights}"


@dataclass(frozen=True)
class NoDecision:
    """The reason why there is no decision.

    Attributes:
        stamp_ns: The window's end.
        reason: For people: the coverage of each modality.
        code: The same as a fault code.
    """

    stamp_ns: int
    reason: str
    code: FaultCode = FaultCode.SPARSE
