"""What a recogniser answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import ModalityHealth

__all__ = ["UNKNOWN", "Decision", "NoDecision"]

UNKNOWN = "unknown"
"""Label of a decision that no class was probable enough for; equal to ActivityRecognition.UNKNOWN."""


@dataclass(frozen=True)
class Decision:
    """What one person did in (start_ns, stamp_ns].

    Arrays over groups, activities and modalities are in the order of the model's taxonomy and modalities.

    Attributes:
        start_ns: Start of the window.
        stamp_ns: Its end.
        group: The activity group, or `UNKNOWN`.
        activity: The activity, or `UNKNOWN`.
        group_probabilities: (N,), calibrated, smoothed if the recogniser smooths.
        activity_probabilities: (K,), likewise.
        present: bool (M,): which modalities took part: they had enough samples and are not accused.
        coverage: (M,) share of the expected samples that the window held.
        ages_s: (M,) age of the newest sample at `stamp_ns`; NaN where there is none.
        sm_weights: (M,) attention of SM-Fusion, 0 where absent.
        gm_weights: (M,) attention of GM-Fusion, 0 where absent.
        health: What is thought of each modality; empty where nobody looks.
        faults: What is wrong with each modality; empty where it is not known.
        modalities: Their names; empty where they are not known.
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

    @property
    def probability(self) -> float:
        """Of the most probable activity."""
        return float(self.activity_probabilities.max())

    @property
    def attention(self) -> dict[str, float]:
        """How much of the activity was decided by each modality (GM-Fusion); 0 where it is absent."""
        return dict(zip(self.modalities, map(float, self.gm_weights), strict=False))

    def __str__(self) -> str:
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in self.attention.items())
        return f"{self.group}/{self.activity} ({self.probability:.2f}); {weights}"


@dataclass(frozen=True)
class NoDecision:
    """Why there is no decision.

    Attributes:
        stamp_ns: The window's end.
        reason: For a person to read: which modality has how little.
        code: The same as a word.
    """

    stamp_ns: int
    reason: str
    code: FaultCode = FaultCode.SPARSE
