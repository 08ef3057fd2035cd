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

"""Decisions as columns: small enough for hours of them, and as arrays for the metrics."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision
from mumu_ros.recordings.label_files import format_seconds

__all__ = ["UNDECIDED", "DecisionLog", "Decisions", "TrueLabels", "to_csv"]

UNDECIDED = -1
"""Class index where there was no decision, or no truth."""
_WHOLE = 5
"""Fields of `Decisions` that are whole numbers, the first ones; the others are real."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """N decisions of a model with G groups, K activities and M modalities, in the order in which they were made.

    Attributes:
        epoch: int64 (N,), how often time had jumped back.
        start_ns: int64 (N,), start of the window.
        stamp_ns: int64 (N,), its end.
        group: int64 (N,), index of the group; G: unknown; `UNDECIDED` where no modality had enough samples.
        activity: int64 (N,), likewise, K: unknown.
        group_probabilities: float32 (N, G); NaN where undecided, as in all that follow.
        activity_probabilities: float32 (N, K).
        present: float32 (N, M), 1 or 0.
        coverage: float32 (N, M).
        ages_s: float32 (N, M).
        sm_weights: float32 (N, M).
        gm_weights: float32 (N, M).
        anomaly: float32 (N, M), anomaly scores, healthy modalities rarely exceed 1; NaN without fault detection.
        flagged: float32 (N, M), 1 or 0, likewise.
        confidences: float32 (N, 3): of the group, of the activity, and the novelty (NaN if it is not known).
    """

    epoch: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    group: NDArray[np.int64]
    activity: NDArray[np.int64]
    group_probabilities: NDArray[np.float32]
    activity_probabilities: NDArray[np.float32]
    present: NDArray[np.float32]
    coverage: NDArray[np.float32]
    ages_s: NDArray[np.float32]
    sm_weights: NDArray[np.float32]
    gm_weights: NDArray[np.float32]
    anomaly: NDArray[np.float32]
    flagged: NDArray[np.float32]
    confidences: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.stamp_ns)

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Bool (N,): where there is a decision."""
        decided: NDArray[np.bool_] = self.activity != UNDECIDED
        return decided


@dataclass(frozen=True, eq=False)
class TrueLabels:
    """The truth at the stamps of N decisions.

    Attributes:
        group: int64 (N,), index of the group; G where the model does not know it; `UNDECIDED` where unlabelled.
        activity: int64 (N,), likewise, K where the model does not know it.
        inside: bool (N,): whether the whole window lies inside the segment.
        subject: Text (N,): the person; empty where unlabelled.
    """

    group: NDArray[np.int64]
    activity: NDArray[np.int64]
    inside: NDArray[np.bool_]
    subject: NDArray[np.object_]


class DecisionLog:
    """Collects decisions."""

    def __init__(self, taxonomy: Taxonomy, modalities: Sequence[str]) -> None:
        self._groups = [*taxonomy.group_names, UNKNOWN]
        self._activities = [*taxonomy.activities, UNKNOWN]
        self._sizes = (len(taxonomy.group_names), len(taxonomy.activities), *[len(modalities)] * 7, 3)
        self._whole = array("q")
        self._real = array("f")

    def append(self, epoch: int, decision: Decision | NoDecision) -> None:
        """Take in one decision, or the fact that there was none.

        Raises:
            ValueError: It has another number of groups, activities or modalities.
        """
        d = decision
        if isinstance(d, NoDecision):
            self._whole.extend((epoch, d.stamp_ns, d.stamp_ns, UNDECIDED, UNDECIDED))
            self._real.extend([float("nan")] * sum(self._sizes))
            return
        group, activity = self._groups.index(d.group), self._activities.index(d.activity)
        no_health = [float("nan")] * self._sizes[-2]
        parts = (
            d.group_probabilities,
            d.activity_probabilities,
            d.present,
            d.coverage,
            d.ages_s,
            d.sm_weights,
            d.gm_weights,
            [h.score for h in d.health] or no_health,
            [bool(h.fault) for h in d.health] or no_health,
            [d.group_confidence, d.activity_confidence, d.novelty],
        )
        if sizes := [(len(p), size) for p, size in zip(parts, self._sizes, strict=True) if len(p) != size]:
            raise ValueError(f"a decision has {sizes[0][0]} values of a field; expected {sizes[0][1]}")
        self._whole.extend((epoch, d.start_ns, d.stamp_ns, group, activity))
        self._real.frombytes(np.concatenate(parts).astype(np.float32).tobytes())

    def table(self) -> Decisions:
        """What was collected so far."""
        whole = np.array(self._whole, np.int64).reshape(-1, _WHOLE)
        real = np.array(self._real, np.float32).reshape(-1, sum(self._sizes))
        return Decisions(*whole.T.copy(), *np.split(real, np.cumsum(self._sizes)[:-1], axis=1))


def to_csv(
    decisions: Decisions, truth: TrueLabels, bag: str, taxonomy: Taxonomy, modalities: Sequence[str], *, header: bool
) -> str:
    """Decisions as lines of predictions.csv: the same decisions give the same bytes.

    An empty `activity` says that no modality had enough samples, an empty `true_activity` that nobody labelled the
    instant.
    """
    groups, activities = [*taxonomy.group_names, UNKNOWN, ""], [*taxonomy.activities, UNKNOWN, ""]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        of_modalities = [
            f"{what}:{name}"
            for what in ("present", "coverage", "age_s", "sm", "gm", "anomaly", "flagged")
            for name in modalities
        ]
        writer.writerow(
            ["bag", "epoch", "window_start", "stamp", "group", "activity", "true_group", "true_activity"]
            # A group may be called as an activity is.
            + [f"p_group:{name}" for name in taxonomy.group_names]
            + [f"p:{name}" for name in taxonomy.activities]
            + of_modalities
            + ["group_confidence", "activity_confidence", "novelty"]
        )
    numbers = np.concatenate([getattr(decisions, field.name) for field in fields(decisions)[_WHOLE:]], axis=1)
    for i in range(len(decisions)):
        writer.writerow(
            [
                bag,
                decisions.epoch[i],
                format_seconds(int(decisions.start_ns[i])),
                format_seconds(int(decisions.stamp_ns[i])),
                groups[decisions.group[i]],
                activities[decisions.activity[i]],
                groups[truth.group[i]],
                activities[truth.activity[i]],
                *("" if math.isnan(value) else f"{value:.5g}" for value in numbers[i].tolist()),
            ]
        )
    return text.getvalue()
