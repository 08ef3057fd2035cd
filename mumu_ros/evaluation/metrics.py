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

"""Accuracy of decisions about clips or windows, and calibration of their probabilities.

The truth and decisions are indices (N,) of K classes; probabilities are (N, K).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "auroc",
    "cluster_bootstrap",
    "confusion_matrix",
    "expected_calibration_error",
    "macro_f1",
    "per_class",
    "threshold_at_false_accept_rate",
    "top1",
    "top_k",
]


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count decisions by class.

    Returns:
        (K, K), the truth along rows.

    Raises:
        ValueError: The lengths differ, or an index is none of 0 to K - 1.
    """
    truth, predicted = _indices("truth", truth, classes), _indices("predicted", predicted, classes)
    _same_length(truth, predicted)
    counts = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def top1(truth: ArrayLike, predicted: ArrayLike) -> float:
    """Share of decisions that are right.

    Raises:
        ValueError: There are none, or the lengths differ.
    """
    truth, predicted = _filled("truth", truth), _filled("predicted", predicted)
    _same_length(truth, predicted)
    return float((truth == predicted).mean())


def top_k(probabilities: ArrayLike, truth: ArrayLike, k: int) -> float:
    """Share of distributions whose k highest probabilities include the true class's.

    Of equal probabilities the first is the higher, as `argmax` has it.

    Raises:
        ValueError: The shapes do not fit, an index is none of 0 to K - 1, or k is less than 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    p, truth = _distributions(probabilities, truth)
    own = p[np.arange(len(p)), truth][:, None]
    before = np.arange(p.shape[1]) < truth[:, None]
    rank = ((p > own) | ((p == own) & before)).sum(axis=1)
    return float((rank < k).mean())


def macro_f1(truth: ArrayLike, predicted: ArrayLike, classes: int) -> float:
    """Mean of the F1 scores of the classes that occur in the truth.

    Raises:
        ValueError: There are no decisions, the lengths differ, or an index is out of range.
    """
    counts = confusion_matrix(_filled("truth", truth), predicted, classes)
    _, _, f1 = _precision_recall_f1(counts)
    return float(f1[counts.sum(axis=1) > 0].mean())


def per_class(truth: ArrayLike, predicted: ArrayLike, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Judge each class that occurs in the truth.

    Returns:
        By name: precision (0 where the class was never decided on), recall, f1 and support, how often it occurs.

    Raises:
        ValueError: The lengths differ, or an index is none of 0 to K - 1.
    """
    counts = confusion_matrix(truth, predicted, len(names))
    support = counts.sum(axis=1)
    precision, recall, f1 = _precision_recall_f1(counts)
    return {
        name: {
            "precision": float(precision[i]),
            "recall": float(recall[i]),
            "f1": float(f1[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(names)
        if support[i]
    }


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over bins of equal width (Guo et al. 2017, equation 3).

    A bin holds its upper edge; the highest probability of a distribution is its confidence.

    Raises:
        ValueError: The shapes do not fit, a probability is not within 0 to 1, or an index is out of range.
    """
    p, truth = _distributions(probabilities, truth)
    confidence = _probabilities("probabilities", p).max(axis=1)
    right = p.argmax(axis=1) == truth
    index = np.maximum(np.ceil(confidence * bins).astype(np.int64) - 1, 0)
    gaps = np.bincount(index, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))


def auroc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under the ROC curve of separating clips of trained activities from others by a score, such as a confidence.

    It is the probability that a known one scores higher than an unknown one, ties counting half (Mann and
    Whitney 1947): 0.5 is chance, 1 perfect.

    Raises:
        ValueError: One is empty or has a NaN.
    """
    known, unknown = _numbers("known", known), np.sort(_numbers("unknown", unknown))
    below = np.searchsorted(unknown, known, side="left")
    not_above = np.searchsorted(unknown, known, side="right")
    return float((below + not_above).mean() / (2 * len(unknown)))


def threshold_at_false_accept_rate(unknown_confidences: ArrayLike, rate: float) -> float:
    """The lowest threshold at which at most a share `rate` of the clips of untrained activities is taken for known.

    A decision is "unknown" where its confidence is below the threshold, as in the recogniser.

    Returns:
        0 to 1. Should more than that share have the confidence 1, nothing keeps them out, and it is 1.

    Raises:
        ValueError: There are no confidences, one is no probability, or so is the rate.
    """
    confidences = _probabilities("unknown_confidences", _numbers("unknown_confidences", unknown_confidences))
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; expected 0 to 1")
    # A share of 0.29 of 100 is 29, whatever 0.29 × 100 is in binary.
    accepted = int(rate * len(confidences) + 1e-9)
    if accepted == len(confidences):
        return 0.0
    highest_refused = np.sort(confidences)[::-1][accepted]
    # In single precision, as the recogniser's probabilities: a finer threshold would round down onto one of them.
    return min(float(np.nextafter(np.float32(highest_refused), np.float32(np.inf))), 1.0)


def cluster_bootstrap(
    values_by_cluster: Sequence[Sequence[float] | np.ndarray],
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile confidence interval of the mean of values that come in clusters: of each subject's or bag's clips.

    Errors come in whole subjects: people, not clips, are a sample of those to come, so whole clusters are drawn
    with replacement (Davison and Hinkley 1997, section 3.8). With few clusters the interval is too narrow.

    Returns:
        Low and high end.

    Raises:
        ValueError: There are fewer than two clusters, one is empty or has a NaN, or `level` is not within 0 to 1.
    """
    if len(values_by_cluster) < 2:
        raise ValueError(f"there are {len(values_by_cluster)} clusters; an interval needs at least two")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; expected between 0 and 1")
    clusters = [_numbers(f"cluster {i}", values) for i, values in enumerate(values_by_cluster)]
    sums, sizes = np.array([c.sum() for c in clusters]), np.array([len(c) for c in clusters])
    drawn = np.random.default_rng(seed).integers(len(clusters), size=(resamples, len(clusters)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _precision_recall_f1(counts: NDArray[np.int64]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    right, decided, occurred = counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)
    return (
        right / np.maximum(decided, 1),
        right / np.maximum(occurred, 1),
        2 * right / np.maximum(decided + occurred, 1),
    )


def _distributions(probabilities: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not p.size:
        raise ValueError(f"probabilities have the shape {p.shape}; expected (clips, classes)")
    indices = _indices("truth", truth, p.shape[1])
    _same_length(indices, p)
    return p, indices


def _indices(name: str, values: ArrayLike, classes: int) -> NDArray[np.int64]:
    indices = np.asarray(values)
    if indices.ndim != 1 or (indices.size and not np.issubdtype(indices.dtype, np.integer)):
        raise ValueError(f"{name} is {indices.dtype} {indices.shape}; expected class indices, one a clip")
    outside = indices[(indices < 0) | (indices >= classes)]
    if outside.size:
        raise ValueError(f"{name} has {outside[0]}; expected 0 to {classes - 1}")
    return indices.astype(np.int64)


def _filled(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has the shape {array.shape}; expected at least one value in one dimension")
    return array


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    numbers = _filled(name, values).astype(np.float64)
    if np.isnan(numbers).any():
        raise ValueError(f"{name} has a NaN; expected numbers")
    return numbers


def _probabilities(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    # A softmax in single precision may end just above 1.
    if not ((values >= 0) & (values <= 1 + 1e-6)).all():
        raise ValueError(f"{name} reach from {values.min()} to {values.max()}; expected 0 to 1")
    return np.minimum(values, 1)


def _same_length(a: np.ndarray, b: np.ndarray) -> None:
    if len(a) != len(b):
        raise ValueError(f"{len(a)} true classes do not fit {len(b)} decisions; expected one for each")
