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

"""Fault detection over time: which modality is flagged, with which fault and since when; scores with hysteresis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health.model import PLAIN, Description, HealthModel
from mumu_ros.health.statistics import EDGE, describe, split
from mumu_ros.streams import NS_PER_S

__all__ = ["PERIOD_S", "Describer", "HealthMonitor", "ModalityHealth", "fault_age_s", "flag"]

PERIOD_S = 0.5
FLAG_S = 0.5
CLEAR_S = 1.0
_GAP_S = 10.0
"""Time without evaluations after which those before say nothing about how long a score has been high or low."""
_WHOLE = 0.9
"""Share of the steps above which a window counts as whole."""


@dataclass(frozen=True)
class ModalityHealth:
    """Health of one modality.

    Attributes:
        score: Anomaly score; healthy modalities rarely exceed 1; NaN without a health model, if it cannot tell, or of a
            modality that is absent.
        fault: The fault; NONE if it is not flagged.
        since_ns: When the fault began to show; None if it is not flagged.
    """

    score: float
    fault: FaultCode = FaultCode.NONE
    since_ns: int | None = None


def fault_age_s(health: ModalityHealth, stamp_ns: int) -> float:
    """How long a modality has shown its fault, seconds; NaN if it is not flagged."""
    return float("nan") if health.since_ns is None else (stamp_ns - health.since_ns) / NS_PER_S


class Describer:
    """Assembles the description of a window's modalities for the autoencoder."""

    def __init__(self, ends: NDArray[np.int64]) -> None:
        self._ends = ends

    def __call__(self, samples: Sequence[tuple[np.ndarray, np.ndarray] | None], features: np.ndarray) -> Description:
        """Describe a window.

        Args:
            samples: For each modality its vectors or encoded frames (T, …) and bool (T,), or None if it is absent.
            features: Unimodal features (M, D).
        """
        values = np.zeros((len(self._ends), int(self._ends.max())), np.float32)
        present, whole = np.zeros((2, len(self._ends)), np.bool_)
        for index, (given, (feature, end)) in enumerate(zip(samples, self._ends, strict=True)):
            if given is not None and (statistics := describe(*given)) is not None:
                values[index, :feature], values[index, feature:end] = features[index], statistics
                present[index], whole[index] = True, given[1].mean() > _WHOLE
        return Description(values[None], present[None], whole[None])


class HealthMonitor:
    """Evaluates the modalities of one body from decision to decision.

    A modality is flagged when its score has been above 1 for `FLAG_S`, and cleared when it has been there and at most 1
    for `CLEAR_S`; NaN does neither. The modality with the highest score is flagged first; the rest are scored again
    without it, since its error affects theirs. At least one is kept. Evaluated every `PERIOD_S` only: an evaluation
    costs a fifth of a decision of a small model.

    Attributes:
        state: Health of each modality, as of the last evaluation. One that is absent keeps its flag for its return.
    """

    def __init__(self, health: HealthModel) -> None:
        self.health = health
        self._describe = Describer(health.ends)
        self.clear()

    def clear(self) -> None:
        """Clear all flags."""
        self.state: tuple[ModalityHealth, ...] = tuple(ModalityHealth(0.0) for _ in self.health.modalities)
        self._evaluated_ns: int | None = None
        count = len(self.health.modalities)
        self._above_since: list[int | None] = [None] * count
        self._below_since: list[int | None] = [None] * count
        self._fault = [FaultCode.NONE] * count

    @property
    def flagged(self) -> set[str]:
        """The flagged modalities."""
        return {name for name, fault in zip(self.health.modalities, self._fault, strict=True) if fault}

    def is_due(self, stamp_ns: int) -> bool:
        """Whether an evaluation is due."""
        return self._evaluated_ns is None or stamp_ns - self._evaluated_ns >= PERIOD_S * NS_PER_S

    def update(
        self, stamp_ns: int, inputs: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray], features: np.ndarray
    ) -> None:
        """Evaluate a window.

        Args:
            stamp_ns: Its end.
            inputs: For each present modality (1, T, …) vectors or encoded frames.
            masks: For each of those bool (1, T).
            features: Unimodal features (M, D).
        """
        if self._evaluated_ns is not None and stamp_ns - self._evaluated_ns > _GAP_S * NS_PER_S:
            self._below_since = [None] * len(self._fault)
            self._above_since = [
                since if fault else None for since, fault in zip(self._above_since, self._fault, strict=True)
            ]
        self._evaluated_ns = stamp_ns
        samples = [(inputs[n][0], masks[n][0]) if n in inputs else None for n in self.health.modalities]
        description = self._describe(samples, features)
        present, scores = description.present[0], flag(self.health, description)[0][0]
        for index, there in enumerate(present):
            if there:
                self._follow(index, stamp_ns, float(scores[index]), description)
            else:
                self._below_since[index] = None
                if not self._fault[index]:
                    self._above_since[index] = None
        if present.any() and all(self._fault[index] for index in np.flatnonzero(present)):
            known = np.nan_to_num(scores, nan=float(np.finfo(np.float32).max))
            self._clear_flag(int(np.argmin(np.where(present, known, np.inf))))
        self.state = tuple(
            ModalityHealth(float(score) if there else math.nan, fault, since if fault else None)
            for there, score, fault, since in zip(present, scores, self._fault, self._above_since, strict=True)
        )

    def _follow(self, index: int, stamp_ns: int, score: float, description: Description) -> None:
        if score > 1:
            self._below_since[index] = None
            since = self._above_since[index]
            self._above_since[index] = since = stamp_ns if since is None else since
            if stamp_ns - since >= FLAG_S * NS_PER_S:
                fault = name_fault(self.health, description, index)
                self._fault[index] = fault if fault is FaultCode.STUCK else self._fault[index] or fault
            return
        if math.isnan(score):
            self._below_since[index] = None
            return
        well = self._below_since[index]
        self._below_since[index] = well = stamp_ns if well is None else well
        if not self._fault[index] or stamp_ns - well >= CLEAR_S * NS_PER_S:
            self._clear_flag(index)

    def _clear_flag(self, index: int) -> None:
        self._fault[index], self._above_since[index], self._below_since[index] = FaultCode.NONE, None, None


def flag(health: HealthModel, description: Description) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Flag the modalities with scores above 1, one by one, and score the others again without the flagged ones.

    Returns:
        Scores (B, M): a flagged modality's at the time it was flagged, the others' without the flagged ones. And bool
        (B, M): which are flagged; at least one modality never is.
    """
    kept = description.present.copy()
    scores = health.judge(description, kept).scores
    for _ in range(len(health.modalities) - 1):
        candidates = np.where(kept & (scores > 1), scores, -np.inf)
        highest = candidates.argmax(axis=1)
        rows = np.flatnonzero((candidates.max(axis=1) > 1) & (kept.sum(axis=1) > 1))
        if not len(rows):
            break
        kept[rows, highest[rows]] = False
        again = health.judge(description.take(rows), kept[rows]).scores
        scores[rows] = np.where(kept[rows], again, scores[rows])
    return scores, description.present & ~kept


def name_fault(health: HealthModel, description: Description, index: int) -> FaultCode:
    """The fault that describes the deviation of a modality of the first window best."""
    feature, end = health.ends[index]
    deviation = health.standardize(description)[0, index, feature:end]
    means, spreads, steps = split(deviation)
    if health.is_stuck(description)[0, index]:
        return FaultCode.STUCK
    if deviation[EDGE] > PLAIN:
        return FaultCode.SATURATED
    if steps.mean() > PLAIN / 2:
        return FaultCode.NOISY
    if max(spreads.mean(), steps.mean()) < -PLAIN / 2:
        return FaultCode.TOO_STILL
    if np.abs(means).max() > PLAIN:
        return FaultCode.OFFSET
    return FaultCode.UNLIKE_OTHERS
