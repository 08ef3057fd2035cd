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

"""Numbers of a finished cross-validation: accuracy over seeds and subjects, calibration, and what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from mumu_ros.evaluation.metrics import (
    auroc,
    cluster_bootstrap,
    expected_calibration_error,
    macro_f1,
    per_class,
    threshold_at_false_accept_rate,
)
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.conditions import CLEAN
from mumu_ros.training.cross_validation import FoldResult, Study
from mumu_ros.training.scoring import fit_temperature, softmax, tell_all_right

__all__ = ["FALSE_ACCEPT_RATE", "summarize", "table"]

FALSE_ACCEPT_RATE = 0.1
"""Share of clips of never-seen activities that may pass for a known one."""


def summarize(study: Study, taxonomy: Taxonomy) -> dict[str, Any]:
    """The numbers of a study, in JSON-able form.

    A seed's accuracy is the share of all test windows, over all folds, that are recognised; its macro F1 and the
    numbers of each class are over all folds, too, and averaged over the seeds. The confidence interval is a bootstrap
    over subjects of each window's mean over the seeds. Each fold's temperature is fitted on the clips of the other
    folds, all of them of training subjects, so the calibration error is of clips that it was not fitted on. Clips of
    activities that a fold could not learn are errors, and have no part in the calibration.

    `calibration` is a `Calibration` for a model of all clips: the temperature over all folds, and the threshold at
    `FALSE_ACCEPT_RATE` where there are unknown activities.
    """
    lacked = {fold.name: fold.unknown for fold in study.manifest.folds}  # on purpose
    known = [r.take(~r.is_of(lacked, taxonomy)) for r in study.results]
    unknown = [r.take(r.is_of(lacked, taxonomy)) for r in study.results]
    taught = [r.take(~r.is_of(study.untaught, taxonomy)) for r in known]
    chosen = _calibration(taught, _logits(unknown))
    summary: dict[str, Any] = {
        "dataset": study.manifest.dataset,
        "protocol": study.manifest.protocol,
        "folds": len(study.manifest.folds),
        "missing": study.manifest.missing,
        "seeds": sorted({result.seed for result in study.results}),
        "clips": _clips(study.results),
        "skipped": study.skipped,
        "untaught": study.untaught,
        "parameters": study.results[0].parameters,
        "cpu_s_per_fold": float(np.median([result.cpu_s for result in study.results])),
        "conditions": {name: _condition(known, name, taxonomy) for name in study.results[0].logits},
    }
    summary["group_top1"] = float(
        np.mean(np.concatenate([taxonomy.group_indices[r.truth] == r.group_logits.argmax(axis=1) for r in known]))
    )
    summary["ece"] = _calibration_error(taught)
    summary["per_class"] = _per_class(known, taxonomy)
    summary["calibration"] = asdict(chosen)
    if study.manifest.protocol == "open_set":
        summary["unknown"] = _unknown(known, unknown, chosen)
    return summary


def table(summary: dict[str, Any]) -> str:
    """The accuracies as text for a terminal."""
    seeds = len(summary["seeds"])
    rows = [f"{'':24} {'top-1 %':>8} {'± seeds':>8} {'macro F1 %':>11}   95 % by subject"]
    for name, c in summary["conditions"].items():
        interval = "" if c["interval"] is None else f"{100 * c['interval'][0]:.1f} to {100 * c['interval'][1]:.1f}"
        rows.append(
            f"{name:24} {_percent(c['top1'], 8)} {_percent(c['std'], 8, '')} {_percent(c['macro_f1'], 11)}   {interval}"
        )
        if c["left_out"]:
            rows.append(f"{'':24} not counted: {c['left_out']:g} clips of which nothing is left")
    missing = f", {summary['missing']} missing" if summary["missing"] else ""
    rows.append(
        f"{summary['protocol']}, {summary['folds']} folds{missing}, {summary['clips']} clips, {seeds} seeds; "
        f"{summary['parameters']:,} parameters, {summary['cpu_s_per_fold']:.0f} CPU s a fold; "
        f"calibration error {_percent(summary['ece'], digits=1)} %"
    )
    if "unknown" in summary:
        rows.append(
            "never-seen activities: AUROC {auroc:.3f}; with {false_accept_rate:.0%} of them accepted, "
            "{false_reject_rate:.1%} of the known are refused".format(**summary["unknown"])
        )
    return "\n".join(rows)


def _percent(share: float | None, width: int = 0, none: str = "–", digits: int = 2) -> str:
    return f"{none if share is None else f'{100 * share:.{digits}f}':>{width}}"


def _per_class(results: Sequence[FoldResult], taxonomy: Taxonomy) -> dict[str, dict[str, float]]:
    """Precision, recall and F1, means over the seeds, and the support, which is the same in each."""
    seeds = [per_class(*_pooled(own, CLEAN), taxonomy.activities) for own in _by_seed(results)]
    return {
        activity: {key: type(value)(np.mean([seed[activity][key] for seed in seeds])) for key, value in part.items()}
        for activity, part in seeds[0].items()
    }


def _by_seed(results: Sequence[FoldResult]) -> list[list[FoldResult]]:
    return [[r for r in results if r.seed == seed] for seed in dict.fromkeys(r.seed for r in results)]


def _condition(results: Sequence[FoldResult], name: str, taxonomy: Taxonomy) -> dict[str, Any]:
    """Accuracy over the windows of which anything is left, None if there is none; and how many clips have no such
    window, of each seed.
    """
    shown = [result.take(result.weights[name].max(axis=1) > 0) for result in results]
    by_subject: dict[int, list[np.ndarray]] = {}
    for result in shown:
        right = result.logits[name].argmax(axis=1) == result.truth
        for subject in np.unique(result.subject):
            by_subject.setdefault(int(subject), []).append(right[result.subject == subject])
    pooled = [_pooled(own, name) for own in _by_seed(shown)]
    seeds = [(truth, decided) for truth, decided in pooled if len(truth)]
    top1 = [float((truth == decided).mean()) for truth, decided in seeds]
    f1 = [macro_f1(truth, decided, len(taxonomy.activities)) for truth, decided in seeds]
    values = [np.concatenate(parts).astype(float) for parts in by_subject.values()]
    return {
        "left_out": sum(_clips([r]) - _clips([s]) for r, s in zip(results, shown, strict=True)) / len(pooled),
        "top1": float(np.mean(top1)) if seeds else None,
        "std": _std(top1),
        "by_seed": top1,
        "macro_f1": float(np.mean(f1)) if seeds else None,
        "macro_f1_std": _std(f1),
        "interval": cluster_bootstrap(values) if len(values) > 1 else None,
        "by_subject": {str(s): float(v.mean()) for s, v in zip(by_subject, values, strict=True)},
    }


def _std(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _clips(results: Sequence[FoldResult]) -> int:
    """How many clips there are windows of, however many each has and in however many results."""
    return len({clip for result in results for clip in result.clips.tolist()})


def _pooled(results: Sequence[FoldResult], name: str) -> tuple[np.ndarray, np.ndarray]:
    decided = [result.logits[name].argmax(axis=1) for result in results]
    return np.concatenate([result.truth for result in results]), np.concatenate(decided)


def _logits(results: Sequence[FoldResult]) -> np.ndarray:
    return np.concatenate([result.logits[CLEAN] for result in results])


def _calibration_error(results: Sequence[FoldResult]) -> float | None:
    if not any(len(result.truth) for result in results):
        return None
    folds = sorted({result.fold for result in results})
    if len(folds) == 1:
        return expected_calibration_error(softmax(_logits(results)), np.concatenate([r.truth for r in results]))
    probabilities: list[np.ndarray] = []
    truths: list[np.ndarray] = []
    for fold in folds:
        own, others = [r for r in results if r.fold == fold], [r for r in results if r.fold != fold]
        temperature = fit_temperature(_logits(others), np.concatenate([r.truth for r in others]))
        probabilities.append(softmax(_logits(own) / temperature))
        truths.extend(r.truth for r in own)
    return expected_calibration_error(np.concatenate(probabilities), np.concatenate(truths))


def _calibration(known: Sequence[FoldResult], unknown: np.ndarray) -> Calibration:
    logits, truth = _logits(known), np.concatenate([r.truth for r in known])
    tell_all_right(logits, truth)
    temperature = fit_temperature(logits, truth)
    if not len(unknown):
        return Calibration(temperature)
    return Calibration(
        temperature, threshold_at_false_accept_rate(_confidences(unknown, temperature), FALSE_ACCEPT_RATE)
    )


def _unknown(known: Sequence[FoldResult], unknown: Sequence[FoldResult], chosen: Calibration) -> dict[str, float]:
    of_known, of_unknown = (_confidences(_logits(results), chosen.temperature) for results in (known, unknown))
    return {
        "clips": _clips(unknown),
        "auroc": auroc(of_known, of_unknown),
        "threshold": chosen.unknown_threshold,
        "false_accept_rate": float((of_unknown >= chosen.unknown_threshold).mean()),
        "false_reject_rate": float((of_known < chosen.unknown_threshold).mean()),
    }


def _confidences(logits: np.ndarray, temperature: float) -> np.ndarray:
    highest: np.ndarray = softmax(logits / temperature).max(axis=1)
    return highest
