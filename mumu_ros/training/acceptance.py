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

"""Which decisions are accepted as a known activity, where people also do what is not in the training data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import ClipInfo
from mumu_ros.evaluation.metrics import auroc
from mumu_ros.model.calibration import Calibration, log_odds_of
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.novelty import Novelty
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.training.scoring import Predictions, predict, softmax
from mumu_ros.training.whole_clips import combine
from mumu_ros.training.windows import WindowSet

__all__ = [
    "TRAINING_FEATURES",
    "ClipDecisions",
    "accept",
    "accepting_threshold",
    "calibrate_acceptance",
    "equal_error_threshold",
    "fit_confidence",
    "novelties",
    "novelty_modality",
    "score_accepted",
    "share",
    "training_features",
]

TRAINING_FEATURES = 2000
"""Number of windows that novelty is measured by."""
_KEPT = 0.85
"""Share of the known clips that the threshold accepts."""
_LEAST_WEIGHT = 0.01
_RIDGE = 1e-4
_NEWTON_STEPS = 50

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ClipDecisions:
    """Decisions about N clips, of which several activities may be right, or none.

    Attributes:
        logits: (N, K).
        novelty: (N,), NaN where it is not known.
        right: bool (N, K), which activities are right.
        known: bool (N,), whether one of them, neither `idle` nor `other`, is in the training data.
    """

    logits: Array
    novelty: Array
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, checkpoint: Checkpoint, predictions: Predictions, windows: WindowSet) -> ClipDecisions:
        """Predictions for windows whose `labels` are 1 for each right activity, and all 0 for an unknown one.

        The windows of a clip follow one another.
        """
        assert windows.labels is not None, "see load_test_windows"
        first = np.append(True, windows.clip[1:] != windows.clip[:-1])
        clip = np.cumsum(first) - 1
        right: NDArray[np.bool_] = windows.labels[first] > 0
        novelty = novelties(checkpoint.novelty, checkpoint.config.names, predictions.features)
        decided = combine(predictions.activity_logits, novelty, clip, checkpoint.config.taxonomy)
        known = right[:, _named_activities(checkpoint.config.taxonomy)].any(axis=1)  # the others are never accepted
        return cls(*decided, right, np.asarray(known))

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether the most probable activity is right and in the training data, bool (N,)."""
        hits: NDArray[np.bool_] = self.known & self.right[np.arange(len(self.logits)), self.logits.argmax(axis=1)]
        return hits


def _named_activities(taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """Which activities are neither `idle` nor `other`, bool (K,)."""
    return np.array([name not in (IDLE, OTHER) for name in taxonomy.activities])


def novelty_modality(config: ModelConfig) -> str:
    """The modality whose features tell what is novel: the skeleton.

    Others are not used: the probability tells unknown activities better than the features of an IMU do, and with an IMU
    better than those of the skeleton (research/results.md).

    Raises:
        ConfigError: There is none.
    """
    modality = next((m.name for m in config.measured if m.layout), None)
    if modality is None:
        raise ConfigError(
            f"novelty is measured by a skeleton's features, but {config.name!r} has {', '.join(config.names)}; use a "
            "calibration without novelty_weight"
        )
    return modality


def training_features(network: Network, windows: WindowSet) -> Novelty:
    """Unimodal features of the skeleton in up to `TRAINING_FEATURES` windows.

    Raises:
        ConfigError: See `novelty_modality`.
    """
    modality = novelty_modality(network.config)
    # At random: composed windows take the datasets in turn.
    rows = np.random.default_rng(0).permutation(len(windows))[:TRAINING_FEATURES]
    features = predict(network, windows.take(rows)).features[:, network.config.names.index(modality)]
    return Novelty(modality, features[features.any(axis=1)])


def novelties(novelty: Novelty | None, names: Sequence[str], features: Array) -> Array:
    """Novelty of windows by their unimodal features (N, M, D), (N,): NaN where it is not known."""
    if novelty is None:
        return np.full(len(features), np.nan, np.float32)
    return novelty.score(names, features)


def accept(
    logits: Array, novelty: Array, taxonomy: Taxonomy, calibration: Calibration
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Decide by logits (N, K) and novelty (N,).

    Returns:
        The most probable activities (N,); bool (N,): which of them are accepted, being neither `idle` nor `other` and
        of no less confidence than the threshold; and the highest confidence of any activity but those two (N,).
    """
    probabilities = softmax(logits / calibration.temperature)
    decided, named = probabilities.argmax(axis=1), _named_activities(taxonomy)
    confidence = calibration.confidence(probabilities.max(axis=1), novelty)
    accepted = named[decided] & (confidence >= calibration.unknown_threshold)
    return decided, accepted, calibration.confidence(np.where(named, probabilities, 0).max(axis=1), novelty)


def fit_confidence(sets: Sequence[ClipDecisions], taxonomy: Taxonomy, calibration: Calibration) -> Calibration:
    """Make the confidence an estimate of how often decisions are right, each dataset counting alike.

    A logistic regression on the log-odds of the probability and the novelty, over the decisions that are neither `idle`
    nor `other`.

    Args:
        sets: Decisions about datasets that were not trained on. Those of unknown novelty are left out.
        taxonomy: Of the decisions.
        calibration: Has the temperature. It is returned as it is if the novelty tells nothing. If the probability tells
            nothing beside it, its log-odds count `_LEAST_WEIGHT`, so that the confidence still rises with them.
    """
    named, rows, right, weights = _named_activities(taxonomy), [], [], []
    for tested in sets:
        probabilities = softmax(tested.logits / calibration.temperature)
        which = named[probabilities.argmax(axis=1)] & ~np.isnan(tested.novelty)
        if not which.any():
            continue
        odds = log_odds_of(probabilities.max(axis=1)[which])
        rows.append(np.stack([np.ones(len(odds)), odds, -tested.novelty[which]], axis=1))
        right.append(tested.hits[which])
        weights.append(np.full(len(odds), 1 / len(odds)))
    if not rows:
        return calibration
    x, truth, shares = map(np.concatenate, (rows, right, weights))
    bias, slope, weight = _logistic_regression(x, truth, shares)
    if slope < _LEAST_WEIGHT:
        slope = _LEAST_WEIGHT
        bias, weight = _logistic_regression(x[:, [0, 2]], truth, shares, slope * x[:, 1])
    if weight < _LEAST_WEIGHT:
        return calibration
    return replace(calibration, bias=bias, slope=slope, novelty_weight=weight)


def calibrate_acceptance(sets: Sequence[ClipDecisions], taxonomy: Taxonomy, calibration: Calibration) -> Calibration:
    """Confidence and threshold by datasets that were not trained on.

    Where the novelty is not known, as with an IMU, the probability decides, by the threshold that is found without
    novelty.

    Args:
        sets: Decisions about them, some of known and some of unknown activities.
        taxonomy: Of the decisions.
        calibration: Has the temperature; its novelty is not used yet.
    """
    by_probability = equal_error_threshold(sets, taxonomy, calibration)
    found = fit_confidence(sets, taxonomy, calibration)
    if not found.novelty_weight:
        return replace(calibration, unknown_threshold=by_probability)
    threshold = equal_error_threshold(sets, taxonomy, found)
    shift = log_odds_of(threshold) - log_odds_of(by_probability)
    return replace(found, unknown_threshold=threshold, shift=float(shift))


def _logistic_regression(
    x: NDArray[Any], truth: NDArray[Any], weights: NDArray[Any], offset: NDArray[Any] | float = 0.0
) -> list[float]:
    """Coefficients of the columns of x (N, F), by Newton's method; N weights; the offset is added to the log-odds."""
    coefficients = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-(x @ coefficients + offset).clip(-500, 500)))
        gradient = x.T @ (weights * (truth - p)) - _RIDGE * coefficients
        hessian = (x.T * (weights * p * (1 - p))) @ x + _RIDGE * np.eye(len(coefficients))
        coefficients += np.linalg.solve(hessian, gradient)
    return [float(value) for value in coefficients]


def accepting_threshold(sets: Sequence[ClipDecisions], taxonomy: Taxonomy, calibration: Calibration) -> float:
    """The threshold that accepts 85 % of the known clips, each dataset counting alike.

    Args:
        sets: Decisions about datasets or people that were not trained on.
        taxonomy: Of the decisions.
        calibration: Of everything but the threshold.
    """
    named, thresholds = _named_activities(taxonomy), []
    for tested in sets:
        probabilities = softmax(tested.logits / calibration.temperature)[tested.known]
        confidence = calibration.confidence(probabilities.max(axis=1), tested.novelty[tested.known])
        # `idle` and `other` are never accepted.
        thresholds.append(np.quantile(np.where(named[probabilities.argmax(axis=1)], confidence, 0), 1 - _KEPT))
    return float(np.mean(thresholds))


def equal_error_threshold(sets: Sequence[ClipDecisions], taxonomy: Taxonomy, calibration: Calibration) -> float:
    """The threshold at which the share of known clips refused equals that of unknown ones accepted (equal error rate).

    Datasets count alike.

    Args:
        sets: Decisions about datasets that were not trained on, some of known and some of unknown activities.
        taxonomy: Of the decisions.
        calibration: Of everything but the threshold.
    """

    def difference(threshold: float) -> float:
        candidate = replace(calibration, unknown_threshold=threshold)
        accepted = [(accept(t.logits, t.novelty, taxonomy, candidate)[1], t.known) for t in sets]
        return abs(float(np.mean([(~which[known]).mean() - which[~known].mean() for which, known in accepted])))

    return float(min(np.linspace(0.01, 0.99, 99).round(2), key=difference))


def score_accepted(
    tested: ClipDecisions, clips: Sequence[ClipInfo], taxonomy: Taxonomy, calibration: Calibration
) -> dict[str, Any]:
    """Compare decisions with what is right, where several activities may be and some are unknown.

    Returns:
        clips: how many; known, unknown: of them; top1: share of the known ones whose most probable activity is right;
        accepted_top1: right and accepted; known_refused, unknown_accepted: shares of the known and of the unknown ones;
        auroc: how well the confidence in activities other than `idle` and `other` tells known from unknown; threshold;
        per_class: clips, right, refused and most frequent decisions by the dataset's activities. Shares of nothing are
        None.
    """
    decided, accepted, confidence = accept(tested.logits, tested.novelty, taxonomy, calibration)
    known, right = tested.known, tested.hits
    each = {}
    for activity in sorted({clip.activity for clip in clips}):
        rows = np.array([clip.activity == activity for clip in clips])
        each[activity] = {
            "clips": int(rows.sum()),
            "right": share(right[rows & known]),
            "refused": share(~accepted[rows]),
            "decided": dict(Counter(taxonomy.activities[i] for i in decided[rows]).most_common(3)),
        }
    return {
        "clips": len(clips),
        "known": int(known.sum()),
        "unknown": int((~known).sum()),
        "top1": share(right[known]),
        "accepted_top1": share((right & accepted)[known]),
        "known_refused": share(~accepted[known]),
        "unknown_accepted": share(accepted[~known]),
        "auroc": auroc(confidence[known], confidence[~known]) if known.any() and not known.all() else None,
        "threshold": calibration.unknown_threshold,
        "per_class": each,
    }


def share(which: NDArray[np.bool_]) -> float | None:
    """Of a list that is true; None for an empty one."""
    return float(which.mean()) if len(which) else None
