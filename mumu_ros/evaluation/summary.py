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

from mumu_ros.evaluation.decisions import UNDECIDED, Decisions
from mumu_ros.evaluation.metrics import cluster_bootstrap
from mumu_ros.evaluation.results import BagResult
from mumu_ros.evaluation.segment_scores import edit_score, false_alarms, onset_delays, overlap_f1_counts
from mumu_ros.evaluation.window_scores import JudgedWindows, window_scores
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.taxonomy import Taxonomy

__all__ = ["headline", "reliability", "summarize"]

_OVERLAPS = (0.10, 0.25, 0.50)
_DIGITS = 6
_BINS = 10
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
        "decisions", "judged", "accuracy", "accuracy_interval", "accuracy_inside", "top1", "top3", "macro_f1",
        "group_accuracy", "ece", *(_f1_name(overlap) for overlap in _OVERLAPS), *_SEGMENT_NUMBERS, "unknown_share",
        "undecided_share",
    )  # fmt: skip
    return {name: pooled.get(name) for name in names}


def reliability(bags: Sequence[BagResult]) -> list[dict[str, float]]:
    """Confidence and accuracy of decisions by bins of confidence, for a reliability diagram (Guo et al. 2017)."""
    windows = _judged(bags)
    known = windows.true_activity < windows.probabilities.shape[1]
    if not known.any():
        return []
    probabilities = windows.probabilities[known]
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == windows.true_activity[known]
    index = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    return [
        {
            "confidence": float(confidence[index == i].mean()),
            "accuracy": float(right[index == i].mean()),
            "count": int((index == i).sum()),
        }
        for i in range(_BINS)
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
    if labelled := [bag for bag in bags if bag.truth]:
        numbers |= _of_windows(labelled, taxonomy) | _of_segments(labelled, taxonomy)
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
    windows = _judged(bags)
    return {"judged": len(windows), **window_scores(windows, taxonomy)}


def _of_segments(bags: Sequence[BagResult], taxonomy: Taxonomy) -> dict[str, Any]:
    runs = [run for bag in bags for run in bag.runs(taxonomy.activities)]
    numbers: dict[str, Any] = {"segments": sum(len(run.truth) for run in runs)}
    for overlap in _OVERLAPS:
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
    labelled = [bag for bag in bags if bag.truth]
    bags = labelled or bags
    result: dict[str, Any] = {}
    for level, names in (("group", config.taxonomy.group_names), ("activity", config.taxonomy.activities)):
        classes = [getattr(bag.labels if labelled else bag.decisions, level) for bag in bags]
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


def _judged(bags: Sequence[BagResult]) -> JudgedWindows:
    rows = [_judged_rows(bag) for bag in bags]

    def joined(column: Callable[[BagResult], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([column(bag)[r] for bag, r in zip(bags, rows, strict=True)])

    return JudgedWindows(
        true_group=joined(lambda bag: bag.labels.group),
        true_activity=joined(lambda bag: bag.labels.activity),
        group=joined(lambda bag: bag.decisions.group),
        activity=joined(lambda bag: bag.decisions.activity),
        probabilities=joined(lambda bag: bag.decisions.activity_probabilities),
        inside=joined(lambda bag: bag.labels.inside),
    )


def _judged_rows(bag: BagResult) -> NDArray[np.bool_]:
    rows: NDArray[np.bool_] = bag.decisions.decided & (bag.labels.activity != UNDECIDED)
    return rows


def _interval(bags: Sequence[BagResult]) -> list[float] | None:
    """Of the accuracy, over people where the annotations name them, else over recordings: errors come in those."""
    right: dict[tuple[str, str], list[NDArray[np.bool_]]] = {}
    for bag in bags:
        rows = _judged_rows(bag)
        is_right, subjects = (bag.labels.activity == bag.decisions.activity)[rows], bag.labels.subject[rows]
        for subject in sorted(set(subjects)):
            cluster = ("subject", subject) if subject else ("bag", bag.name)
            right.setdefault(cluster, []).append(is_right[subjects == subject])
    values = [np.concatenate(parts).astype(float) for parts in right.values()]
    return list(cluster_bootstrap(values)) if len(values) > 1 else None


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
