"""The features behind decisions, and a map of them (the paper's figure 3)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_ros.evaluation.decisions import UNDECIDED
from mumu_ros.evaluation.results import BagResult
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.network import Network

__all__ = ["FUSED", "FeatureMap", "FeatureTap", "map_features"]

FUSED = "fused"
_KEPT = 1024
"""Decisions of a recording whose features are kept at most; of more, every second, fourth, …"""
_DRAWN = 400
"""Points of a map."""


class FeatureTap:
    """Keeps what a network's head is given, and what goes into its classifier of activities, decision by decision.

    A context manager: it listens inside. Where the network does not run through these modules, as with another back
    end, nothing is kept.

    Args:
        network: The network; any head.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._handles: list[Any] = []
        self._unimodal: list[NDArray[np.float32]] = []
        self._fused: list[NDArray[np.float32]] = []
        self._rows = array("q")
        self._heard = 0
        self._step = 1
        self._last: Tensor | None = None

    def __enter__(self) -> FeatureTap:
        head = self._network.head
        classifiers = [module for name, module in head.named_modules() if name.split(".")[-1] == "activity_head"]
        self._handles = [
            head.register_forward_pre_hook(self._before_head),
            *(module.register_forward_pre_hook(self._before_classifier) for module in classifiers),
        ]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _before_head(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._last = inputs[0]

    def _before_classifier(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self._last is not None and self._heard % self._step == 0:
            self._unimodal.append(self._last[0].float().cpu().numpy())
            self._fused.append(inputs[0][0].float().cpu().numpy())
            self._rows.append(self._heard)
        self._heard += 1
        if len(self._rows) > _KEPT:
            self._unimodal, self._fused, self._rows = self._unimodal[::2], self._fused[::2], self._rows[::2]
            self._step *= 2

    def features(self, bag: BagResult) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]] | None:
        """Features of decisions whose activity is known: rows of the table, unimodal (n, M, D), fused (n, D).

        None where the decisions are not those that were heard.
        """
        decided = np.flatnonzero(bag.decisions.decided)
        if self._heard != len(decided) or not self._heard:
            return None
        rows = decided[np.array(self._rows)]
        truth = bag.labels.activity[rows]
        chosen = np.flatnonzero((truth != UNDECIDED) & (truth < bag.decisions.activity_probabilities.shape[1]))
        return rows[chosen], np.stack(self._unimodal)[chosen], np.stack(self._fused)[chosen]


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


def map_features(bags: list[BagResult], taps: list[FeatureTap], config: ModelConfig) -> list[FeatureMap]:
    """Lay features out on a plane by t-SNE (van der Maaten and Hinton 2008), one map a modality and one fused.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    parts = [(bag, found) for bag, tap in zip(bags, taps, strict=True) if (found := tap.features(bag)) is not None]
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
