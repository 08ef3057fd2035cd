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

"""How often decisions on windows are right: the numbers that `mumu test` and `mumu evaluate` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation.metrics import confusion_matrix, expected_calibration_error, macro_f1, per_class, top1, top_k
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.decision import UNKNOWN

__all__ = ["JudgedWindows", "window_scores", "worst_confusions"]


@dataclass(frozen=True, eq=False)
class JudgedWindows:
    """Decisions on N windows of a model with G groups and K activities, beside the truth.

    Attributes:
        true_group: int64 (N,), index of the group; G where the model does not know it.
        true_activity: int64 (N,), likewise, K where the model does not know it.
        group: int64 (N,), decided; G: unknown.
        activity: int64 (N,), decided; K: unknown.
        probabilities: (N, K).
        inside: bool (N,): whether the whole window lies within the activity.
    """

    true_group: NDArray[np.int64]
    true_activity: NDArray[np.int64]
    group: NDArray[np.int64]
    activity: NDArray[np.int64]
    probabilities: NDArray[np.floating[Any]]
    inside: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.true_activity)


def window_scores(windows: JudgedWindows, taxonomy: Taxonomy) -> dict[str, Any]:
    """Compare decisions with the truth.

    Returns:
        accuracy, macro_f1, group_accuracy, group_macro_f1: "unknown" is right where the model does not know the
        activity; accuracy_inside: of the windows within one activity; top1, top3, ece: of the activities that the model
        knows, by their probabilities; per_class: precision, recall, f1 and support by activity; confusion,
        group_confusion: labels and counts of the classes that occur. A number of no windows is None; without
        any window the result is empty.
    """
    if not len(windows):
        return {}
    names, groups = (*taxonomy.activities, UNKNOWN), (*taxonomy.group_names, UNKNOWN)
    truth, decided, inside = windows.true_activity, windows.activity, windows.inside
    known = truth < len(taxonomy.activities)
    probabilities, own = windows.probabilities[known], truth[known]
    return {
        "accuracy": top1(truth, decided),
        "accuracy_inside": top1(truth[inside], decided[inside]) if inside.any() else None,
        "macro_f1": macro_f1(truth, decided, len(names)),
        "group_accuracy": top1(windows.true_group, windows.group),
        "group_macro_f1": macro_f1(windows.true_group, windows.group, len(groups)),
        "top1": top_k(probabilities, own, 1) if len(own) else None,
        "top3": top_k(probabilities, own, 3) if len(own) else None,
        "ece": expected_calibration_error(probabilities, own) if len(own) else None,
        "per_class": per_class(truth, decided, names),
        "confusion": _confusion(truth, decided, names),
        "group_confusion": _confusion(windows.true_group, windows.group, groups),
    }


def worst_confusions(confusion: dict[str, Any]) -> list[tuple[str, str, float]]:
    """The five most frequent errors.

    Returns:
        Truth, decision, and its share of the truth's windows.
    """
    names, counts = confusion["labels"], np.array(confusion["counts"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * (1 - np.eye(len(names)))
    worst = np.argsort(shares, axis=None, kind="stable")[::-1][:5]
    pairs = zip(*np.unravel_index(worst, shares.shape), strict=True)
    return [(names[i], names[j], round(float(shares[i, j]), 3)) for i, j in pairs if shares[i, j] > 0]


def _confusion(truth: NDArray[np.int64], decided: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, Any]:
    counts = confusion_matrix(truth, decided, len(names))
    there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    return {"labels": [names[i] for i in there.tolist()], "counts": counts[np.ix_(there, there)].tolist()}
