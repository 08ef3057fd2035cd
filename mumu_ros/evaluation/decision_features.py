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

"""The features behind decisions, and a map of them (as in figure 3 of Islam and Iqbal 2022)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation.decisions import UNDECIDED
from mumu_ros.evaluation.results import BagResult
from mumu_ros.model.config import ModelConfig
from mumu_ros.recognition import Decision, NoDecision

__all__ = ["FUSED", "FeatureLog", "FeatureMap", "map_features"]

FUSED = "fused"
_KEPT = 1024
"""Decisions of a recording whose features are kept at most; of more, every second, fourth, …"""
_DRAWN = 400
"""Points of a map."""


class FeatureLog:
    """Collects the features of decisions, thinned out where there are many."""

    def __init__(self) -> None:
        self._features: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self._rows = array("q")
        self._seen = 0
        self._step = 1

    def append(self, decision: Decision | NoDecision) -> None:
        """Take in one decision; one that was not made has no features."""
        if isinstance(decision, Decision):
            if decision.features is not None and self._seen % self._step == 0:
                self._features.append((decision.features, decision.gm_weights @ decision.features))
                self._rows.append(self._seen)
            self._seen += 1
        if len(self._rows) > _KEPT:
            self._features, self._rows = self._features[::2], self._rows[::2]
            self._step *= 2

    def features(self, bag: BagResult) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]] | None:
        """Features of decisions whose activity is known: rows of the table, unimodal (n, M, D), fused (n, D).

        Fused is the sum of the unimodal features, weighted by the attention for the activity. None without decisions.
        """
        if not self._rows:
            return None
        rows = np.flatnonzero(bag.decisions.decided)[np.array(self._rows)]
        truth = bag.labels.activity[rows]
        chosen = np.flatnonzero((truth != UNDECIDED) & (truth < bag.decisions.activity_probabilities.shape[1]))
        unimodal, fused = map(np.stack, zip(*self._features, strict=True))
        return rows[chosen], unimodal[chosen], fused[chosen]


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The features of one kind on a plane.

    Attributes:
        kind: A modality, or `FUSED`.
        points: float64 (n, 2).
        activity: int64 (n,), the truth.
        silhouette: Silhouette score by activity of the features themselves (Rousseeuw 1987): 1 is compact and far
            apart, 0 overlapping; None where one activity only was seen.
    """

    kind: str
    points: NDArray[np.float64]
    activity: NDArray[np.int64]
    silhouette: float | None


def map_features(bags: list[BagResult], logs: list[FeatureLog], config: ModelConfig) -> list[FeatureMap]:
    """Lay features out on a plane by t-SNE (van der Maaten and Hinton 2008), one map a modality and one fused.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    parts = [(bag, found) for bag, log in zip(bags, logs, strict=True) if (found := log.features(bag)) is not None]
    if not parts or sum(len(rows) for _, (rows, _, _) in parts) < 8:
        return []
    unimodal = np.concatenate([found[1] for _, found in parts])
    fused = np.concatenate([found[2] for _, found in parts])
    activity = np.concatenate([bag.labels.activity[found[0]] for bag, found in parts])
    present = np.concatenate([bag.decisions.present[found[0]] > 0 for bag, found in parts])
    drawn = np.unique(np.linspace(0, len(activity) - 1, _DRAWN).astype(int))
    maps = []
    for index, kind in enumerate((*config.names, FUSED)):
        rows = drawn if kind == FUSED else drawn[present[drawn, index]]
        if len(rows) >= 8:
            maps.append(_map(kind, fused[rows] if kind == FUSED else unimodal[rows, index], activity[rows]))
    return maps


def _map(kind: str, features: NDArray[np.float32], activity: NDArray[np.int64]) -> FeatureMap:
    from sklearn.manifold import TSNE
    from sklearn.metrics import silhouette_score

    classes = len(np.unique(activity))
    score = float(silhouette_score(features, activity)) if 1 < classes < len(activity) else None
    perplexity = min(30.0, (len(features) - 1) / 3)
    points = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(features.astype(np.float64))
    return FeatureMap(kind, np.asarray(points, np.float64), activity, score)
