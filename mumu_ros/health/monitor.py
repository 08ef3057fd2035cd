"""Which sensor is accused, of what and since when: anomaly scores with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health.model import PLAIN, Description, HealthModel
from mumu_ros.health.statistics import EDGE, describe, split

__all__ = ["PERIOD_S", "Describer", "HealthMonitor", "ModalityHealth", "blame", "fault_age_s"]

_NS_PER_S = 1_000_000_000
PERIOD_S = 0.5
_WHOLE = 0.9
"""Share of the steps above which a window has no gaps worth speaking of."""


@dataclass(frozen=True)
class ModalityHealth:
    """What is thought of one modality.

    Attributes:
        score: How odd it looks; healthy ones seldom pass 1.
        fault: What it looks like; NONE while it is believed.
        since_ns: When it first looked odd; None while it is believed.
    """

    score: float
    fault: FaultCode = FaultCode.NONE
    since_ns: int | None = None


def fault_age_s(health: ModalityHealth, stamp_ns: int) -> float:
    """For how long a modality has looked odd, seconds; NaN while it is believed."""
    return float("nan") if health.since_ns is None else (stamp_ns - health.since_ns) / _NS_PER_S


class Describer:
    """Lays out what is known of a window's modalities as the autoencoder takes it.

    Args:
        ends: `layout` of the network.
    """

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
    """Follows the modalities of one recogniser from decision to decision.

    A modality is accused when its score has been above 1 for `accuse_s`, and believed again when it has been at most 1
    for `restore_s`. The oddest is accused first, and the others are looked at again without it, because who listens to
    a liar looks odd, too. The last one is never accused. It looks every `PERIOD_S` only: a look costs a fifth of what
    the decision of a small model does.

    Args:
        health: Of the recogniser's checkpoint.
        accuse_s: Seconds; 0: at once.
        restore_s: Seconds.

    Attributes:
        verdict: What is thought of each modality, as of the last look.
    """

    def __init__(self, health: HealthModel, accuse_s: float = 0.5, restore_s: float = 1.0) -> None:
        self.health = health
        self._describe = Describer(health.ends)
        self._accuse_ns, self._restore_ns = round(accuse_s * _NS_PER_S), round(restore_s * _NS_PER_S)
        self.clear()

    def clear(self) -> None:
        """Forget all suspicions."""
        self.verdict: tuple[ModalityHealth, ...] = tuple(ModalityHealth(0.0) for _ in self.health.modalities)
        self._looked_ns: int | None = None
        count = len(self.health.modalities)
        self._odd_since: list[int | None] = [None] * count
        self._well_since: list[int | None] = [None] * count
        self._fault = [FaultCode.NONE] * count

    @property
    def accused(self) -> set[str]:
        """The modalities that look odd."""
        return {name for name, fault in zip(self.health.modalities, self._fault, strict=True) if fault}

    @property
    def stuck(self) -> set[str]:
        """Those of the accused that showed nothing new."""
        pairs = zip(self.health.modalities, self._fault, strict=True)
        return {name for name, fault in pairs if fault is FaultCode.STUCK}

    def is_due(self, stamp_ns: int) -> bool:
        """Whether it is time for a look."""
        return self._looked_ns is None or stamp_ns - self._looked_ns >= PERIOD_S * _NS_PER_S

    def update(
        self, stamp_ns: int, inputs: Mapping[str, np.ndarray], masks: Mapping[str, np.ndarray], features: np.ndarray
    ) -> None:
        """Look at a window.

        Args:
            stamp_ns: Its end.
            inputs: Per present modality (1, T, …) vectors or encoded frames.
            masks: For each of those bool (1, T).
            features: Unimodal features (M, D).
        """
        self._looked_ns = stamp_ns
        samples = [(inputs[n][0], masks[n][0]) if n in inputs else None for n in self.health.modalities]
        description = self._describe(samples, features)
        present, scores = description.present[0], blame(self.health, description)[0][0]
        for index, there in enumerate(present):
            if there:
                self._follow(index, stamp_ns, float(scores[index]), description)
            elif not self._fault[index]:
                self._odd_since[index] = None
        if present.any() and all(self._fault[index] for index in np.flatnonzero(present)):
            self._absolve(int(np.argmin(np.where(present, scores, np.inf))))
        self.verdict = tuple(
            ModalityHealth(float(score), fault, since if fault else None)
            for score, fault, since in zip(scores, self._fault, self._odd_since, strict=True)
        )

    def _follow(self, index: int, stamp_ns: int, score: float, description: Description) -> None:
        if score > 1:
            self._well_since[index] = None
            since = self._odd_since[index]
            self._odd_since[index] = since = stamp_ns if since is None else since
            if stamp_ns - since >= self._accuse_ns:
                fault = name_fault(self.health, description, index)
                self._fault[index] = fault if fault is FaultCode.STUCK else self._fault[index] or fault
            return
        well = self._well_since[index]
        self._well_since[index] = well = stamp_ns if well is None else well
        if not self._fault[index] or stamp_ns - well >= self._restore_ns:
            self._absolve(index)

    def _absolve(self, index: int) -> None:
        self._fault[index], self._odd_since[index], self._well_since[index] = FaultCode.NONE, None, None


def blame(health: HealthModel, description: Description) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Find out who is odd by itself, and who only because it listens to one that is.

    Returns:
        Scores (B, M): a modality's own where it is the oddest, else that which it has without the odder ones. And bool
        (B, M): which are accused; one modality never is.
    """
    trusted = description.present.copy()
    scores = health.judge(description, trusted).scores
    for _ in range(len(health.modalities) - 1):
        candidates = np.where(trusted, scores, -np.inf)
        oddest = candidates.argmax(axis=1)
        rows = np.flatnonzero((candidates.max(axis=1) > 1) & (trusted.sum(axis=1) > 1))
        if not len(rows):
            break
        trusted[rows, oddest[rows]] = False
        again = health.judge(description.take(rows), trusted[rows]).scores
        scores[rows] = np.where(trusted[rows], again, scores[rows])
    return scores, description.present & ~trusted


def name_fault(health: HealthModel, description: Description, index: int) -> FaultCode:
    """Say in a word what is odd about a modality of the first window."""
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
