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

"""The numbers of an evaluation, as metrics.json has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation.decisions import UNDECIDED, Decisions, TrueLabels
from mumu_ros.evaluation.metrics import (
    cluster_bootstrap,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    per_class,
    top1,
    top_k,
)
from mumu_ros.evaluation.results import BagResult
from mumu_ros.evaluation.segment_scores import edit_score, false_alarms, onset_delays, overlap_f1_counts
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.decision import UNKNOWN

__all__ = ["OVERLAPS", "headline", "reliability", "summarize"]

OVERLAPS = (0.10, 0.25, 0.50)
_DIGITS = 6
_TOP = 3
_SEGMENT_NUMBERS = ("edit", "onset_delay_s", "onset_delay_p90_s", "missed_segments", "false_alarms_per_min")


def summarize(bags: Sequence[BagResult], config: ModelConfig) -> dict[str, Any]:
    """Return the numbers of every recording and of all together, JSON-able. docs/evaluation.md says what each means."""
    pooled = _numbers(bags, config)
    pooled["accuracy_interval"] = _interval(bags)
    return {
        "pooled": _rounded(pooled),
        "bags": {bag.name: _rounded({**_numbers([bag], config), **_recording(bag)}) for bag in bags},
    }


def headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers that fit on a line."""
    pooled = summary["pooled"]
    names = (
        "decisions", "judged", "accuracy", "accuracy_interval", "accuracy_inside", "top1", f"top{_TOP}", "macro_f1",
        "group_accuracy", "ece", *(_f1_name(overlap) for overlap in OVERLAPS), *_SEGMENT_NUMBERS, "unknown_share",
        "undecided_share",
    )  # fmt: skip
    return {name: pooled.get(name) for name in names}


def reliability(bags: Sequence[BagResult], bins: int = 10) -> list[dict[str, float]]:
    """Confidence and accuracy of decisions by bins of confidence, for a reliability diagram (Guo et al. 2017)."""
    probabilities, truth = _known(bags)
    if not len(truth):
        return []
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        {
            "confidence": float(confidence[index == i].mean()),
            "accuracy": float(right[index == i].mean()),
            "count": int((index == i).sum()),
        }
        for i in range(bins)
        if (index == i).any()
    ]


def _numbers(bags: Sequence[BagResult], config: ModelConfig) -> dict[str, Any]:
    taxonomy = config.taxonomy
    decided = [bag.decisions.decided for bag in bags]
    count = sum(map(np.count_nonzero, decided))
    moments = sum(map(len, decided))
    unknown = sum(int((bag.decisions.activity == len(taxonomy.activities)).sum()) for bag in bags)
    numbers: dict[str, Any] = {
        "minutes": sum(bag.minutes for bag in bags),
        "decisions": count,
        "undecided_share": 1 - count / moments if moments else None,
        "unknown_share": unknown / count if count else None,
    }
    if any(bag.truth for bag in bags):
        numbers |= _of_windows(bags, taxonomy) | _of_segments(bags, taxonomy)
    numbers["modalities"] = _of_modalities(bags, config)
    numbers["attention"] = _attention(bags, config)
    return numbers


def _recording(bag: BagResult) -> dict[str, Any]:
    waits = None if bag.waits_ms is None else dict(zip(("p50", "p99"), bag.waits_ms, strict=True))
    return {
        "sensors": {name: asdict(report) for name, report in bag.sensors.items()},
        "pauses": [asdict(pause) for pause in bag.pauses],
        "synchroniser_wait_ms": waits,
        "problems": list(bag.problems),
    }


def _of_windows(bags: Sequence[BagResult], taxonomy: Taxonomy) -> dict[str, Any]:
    truth, predicted, inside = (np.concatenate(parts) for parts in zip(*map(_judged, bags), strict=True))
    group_truth, group_predicted = (np.concatenate(parts) for parts in zip(*map(_judged_groups, bags), strict=True))
    names, groups = (*taxonomy.activities, UNKNOWN), (*taxonomy.group_names, UNKNOWN)
    numbers: dict[str, Any] = {"judged": len(truth)}
    if not len(truth):
        return numbers
    probabilities, known = _known(bags)
    numbers |= {
        "accuracy": top1(truth, predicted),
        "accuracy_inside": top1(truth[inside], predicted[inside]) if inside.any() else None,
        "macro_f1": macro_f1(truth, predicted, len(names)),
        "group_accuracy": top1(group_truth, group_predicted),
        "group_macro_f1": macro_f1(group_truth, group_predicted, len(groups)),
        "top1": top_k(probabilities, known, 1) if len(known) else None,
        f"top{_TOP}": top_k(probabilities, known, _TOP) if len(known) else None,
        "ece": expected_calibration_error(probabilities, known) if len(known) else None,
        "per_class": per_class(truth, predicted, names),
        "confusion": _confusion(truth, predicted, names),
        "group_confusion": _confusion(group_truth, group_predicted, groups),
    }
    return numbers


def _of_segments(bags: Sequence[BagResult], taxonomy: Taxonomy) -> dict[str, Any]:
    runs = [run for bag in bags for run in bag.runs(taxonomy.activities)]
    numbers: dict[str, Any] = {"segments": sum(len(run.truth) for run in runs)}
    for overlap in OVERLAPS:
        right, wrong, missed = np.sum([overlap_f1_counts(run.truth, run.found, overlap) for run in runs], axis=0)
        numbers[_f1_name(overlap)] = 2 * right / max(2 * right + wrong + missed, 1)
    numbers["edit"] = np.mean([edit_score(run.truth, run.found) for run in runs])
    delays = [delay for run in runs for delay in onset_delays(run.truth, run.stamps_ns, run.predicted)]
    found_delays = [delay for delay in delays if delay is not None]
    numbers["onset_delay_s"] = np.median(found_delays) if found_delays else None
    numbers["onset_delay_p90_s"] = np.quantile(found_delays, 0.9) if found_delays else None
    numbers["missed_segments"] = sum(delay is None for delay in delays)
    minutes = sum(bag.minutes for bag in bags)
    alarms = sum(false_alarms(run.truth, run.found) for run in runs)
    numbers["false_alarms_per_min"] = alarms / minutes if minutes else None
    return numbers


def _of_modalities(bags: Sequence[BagResult], config: ModelConfig) -> dict[str, Any]:
    rows = [bag.decisions.decided for bag in bags]
    present = _stacked(bags, rows, lambda d: d.present)
    coverage = _stacked(bags, rows, lambda d: d.coverage)
    if not len(present):
        return {}
    return {
        name: {"present_share": present[:, m].mean(), "coverage": coverage[:, m].mean()}
        for m, name in enumerate(config.names)
    }


def _attention(bags: Sequence[BagResult], config: ModelConfig) -> dict[str, Any]:
    """Mean attention to each modality where it was present, by true label; without ground truth by predicted label."""
    has_truth = any(bag.truth for bag in bags)
    result: dict[str, Any] = {}
    for level, names in (("group", config.taxonomy.group_names), ("activity", config.taxonomy.activities)):
        classes = [getattr(bag.labels if has_truth else bag.decisions, level) for bag in bags]
        rows = [bag.decisions.decided & (c >= 0) & (c < len(names)) for bag, c in zip(bags, classes, strict=True)]
        index = np.concatenate([c[r] for c, r in zip(classes, rows, strict=True)])
        present = _stacked(bags, rows, lambda d: d.present) > 0
        for stage, weights in (
            ("sm", _stacked(bags, rows, lambda d: d.sm_weights)),
            ("gm", _stacked(bags, rows, lambda d: d.gm_weights)),
        ):
            result[f"{stage}_by_{level}"] = {
                names[i]: _means(weights[index == i], present[index == i], config.names)
                for i in np.unique(index).tolist()
            }
    return result


def _means(weights: NDArray[np.float32], present: NDArray[np.bool_], names: Sequence[str]) -> dict[str, float | None]:
    return {
        name: float(weights[present[:, m], m].mean()) if present[:, m].any() else None for m, name in enumerate(names)
    }


def _stacked(
    bags: Sequence[BagResult], rows: Sequence[NDArray[np.bool_]], column: Callable[[Decisions], NDArray[np.float32]]
) -> NDArray[np.float32]:
    return np.concatenate([column(bag.decisions)[r] for bag, r in zip(bags, rows, strict=True)])


def _judged(bag: BagResult) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    rows = _judged_rows(bag)
    return bag.labels.activity[rows], bag.decisions.activity[rows], bag.labels.inside[rows]


def _judged_groups(bag: BagResult) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = _judged_rows(bag)
    return bag.labels.group[rows], bag.decisions.group[rows]


def _judged_rows(bag: BagResult) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = bag.decisions.decided & (bag.labels.activity != UNDECIDED)
    return rows


def _known(bags: Sequence[BagResult]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Distributions, and the activities where they are of the model's own."""

    def rows(d: Decisions, labels: TrueLabels) -> NDArray[np.bool_]:
        classes = d.activity_probabilities.shape[1]
        known: NDArray[np.bool_] = d.decided & (labels.activity != UNDECIDED) & (labels.activity < classes)
        return known

    chosen = [rows(bag.decisions, bag.labels) for bag in bags]
    probabilities = _stacked(bags, chosen, lambda d: d.activity_probabilities)
    return probabilities, np.concatenate([bag.labels.activity[r] for bag, r in zip(bags, chosen, strict=True)])


def _interval(bags: Sequence[BagResult]) -> list[float] | None:
    """Of the accuracy, over people where the annotations name them, else over recordings: errors come in those."""
    right: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    for bag in bags:
        truth, predicted, _ = _judged(bag)
        subjects = bag.labels.subject[_judged_rows(bag)]
        for subject in sorted(set(subjects)):
            cluster = ("subject", subject) if subject else ("bag", bag.name)
            right.setdefault(cluster, []).append((truth == predicted)[subjects == subject])
    values = [np.concatenate(parts).astype(float) for parts in right.values()]
    return list(cluster_bootstrap(values)) if len(values) > 1 else None


def _confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Of the classes that occur only."""
    counts = confusion_matrix(truth, predicted, len(names))
    there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    return {"labels": [names[i] for i in there.tolist()], "counts": counts[np.ix_(there, there)].tolist()}


def _f1_name(overlap: float) -> str:
    return f"f1@{round(100 * overlap)}"


def _rounded(value: Any) -> Any:
    """JSON's types, with as many digits as mean something."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float | np.floating):
        return round(float(value), _DIGITS)
    return int(value) if isinstance(value, np.integer) else value
