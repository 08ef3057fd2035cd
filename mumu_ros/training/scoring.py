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

"""Accuracy of a model on windows, with all or some modalities, and calibration of its confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

import numpy as np
import torch

from mumu_ros.datasets.clips import ClipInfo
from mumu_ros.evaluation.metrics import auroc
from mumu_ros.evaluation.window_scores import JudgedWindows, window_scores, worst_confusions
from mumu_ros.model.checkpoint import Calibration
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.backends import Backend, Outputs
from mumu_ros.training.composition import IDLE, OTHER
from mumu_ros.training.conditions import CLEAN, Condition, standard_conditions
from mumu_ros.training.windows import WindowSet

__all__ = [
    "Predictions",
    "accept",
    "calibrate",
    "fit_temperature",
    "named_activities",
    "predict",
    "score",
    "score_accepted",
    "separating_threshold",
    "softmax",
]

_BATCH = 64
_ON_ANY_BACKEND = ("activity_logits", "group_logits", "sm_weights", "gm_weights", "features")
Arrays: TypeAlias = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of a network for N windows.

    Attributes:
        activity_logits: float32 (N, K).
        group_logits: float32 (N, G).
        unimodal_logits: float32 (N, M, K); None without deep supervision.
        sm_weights: float32 (N, M).
        gm_weights: float32 (N, M).
        features: float32 (N, M, D).
    """

    activity_logits: np.ndarray
    group_logits: np.ndarray
    unimodal_logits: np.ndarray | None
    sm_weights: np.ndarray
    gm_weights: np.ndarray
    features: np.ndarray


@torch.inference_mode()
def predict(
    model: Network,
    windows: WindowSet,
    condition: Condition = Condition(CLEAN),  # noqa: B008 - frozen
    seed: int = 0,
    backend: Backend | None = None,
) -> Predictions:
    """Run a network in evaluation mode.

    Args:
        model: The network.
        windows: N windows.
        condition: What to do to the windows before. Where nothing is left of one, the logits are those of knowing
            nothing.
        seed: Of the condition's draw.
        backend: What the network runs on, frame by frame and window by window as in the node; None: PyTorch, many
            windows at a time.
    """
    collected: dict[str, list[np.ndarray]] = {field.name: [] for field in fields(Predictions)}
    for start in range(0, len(windows), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(windows)))
        inputs, masks = condition.apply(model.config, windows, rows, windows.batch(rows), seed)
        if backend is None:
            found = _run(model, inputs, masks)
        else:
            each = [_run_window(model, backend, inputs, masks, i) for i in range(len(rows))]
            found = {name: np.stack([getattr(outputs, name) for outputs in each]) for name in _ON_ANY_BACKEND}
        for name, values in found.items():
            collected[name].append(values)
    return Predictions(**{name: np.concatenate(parts) if parts else None for name, parts in collected.items()})  # type: ignore[arg-type]


def _run(model: Network, inputs: Arrays, masks: Arrays) -> dict[str, np.ndarray]:
    device = next(model.parameters()).device
    output = model(
        {name: torch.from_numpy(x).to(device) for name, x in inputs.items()},
        {name: torch.from_numpy(mask).to(device) for name, mask in masks.items()},
    )
    found = {field.name: getattr(output, field.name) for field in fields(Predictions)}
    return {name: value.float().cpu().numpy() for name, value in found.items() if value is not None}


def _run_window(model: Network, backend: Backend, inputs: Arrays, masks: Arrays, row: int) -> Outputs:
    tensors: dict[str, torch.Tensor] = {}
    there = {name: mask[row : row + 1] for name, mask in masks.items()}
    for name, x in inputs.items():
        tensors[name] = torch.from_numpy(x[row : row + 1])
        if model.config.modality(name).is_image:
            shown = np.flatnonzero(there[name][0])
            shown = np.intersect1d(shown, np.arange(len(there[name][0]))[model.encoder(name).shown(x.shape[1])])
            features = torch.zeros(1, x.shape[1], *model.encoder(name).encoded_shape)
            if len(shown):
                features[0, shown] = backend.encode(name, x[row, shown]).cpu()
            tensors[name] = features
    return backend.decide(tensors, there)[0]


def score(predictions: Predictions, windows: WindowSet, taxonomy: Taxonomy, temperature: float = 1.0) -> dict[str, Any]:
    """Compare decisions with the truth.

    Returns:
        clips, windows: how many; top1, macro_f1, group_top1: over all windows; top1_inside: over those within one
        activity; ece: expected calibration error; per_class: precision, recall, f1 and support by activity;
        per_subject: top1 by subject; confusions: the most frequent errors, as [truth, decision, share of the
        truth's windows].
    """
    truth, decided = windows.activity, predictions.activity_logits.argmax(axis=1)
    judged = JudgedWindows(
        taxonomy.group_indices[truth],
        truth,
        predictions.group_logits.argmax(axis=1),
        decided,
        softmax(predictions.activity_logits / temperature),
        windows.inside,
    )
    scores = window_scores(judged, taxonomy)
    return {
        "clips": len(np.unique(windows.clip)),
        "windows": len(windows),
        "top1": scores["accuracy"],
        "top1_inside": scores["accuracy_inside"],
        "macro_f1": scores["macro_f1"],
        "group_top1": scores["group_accuracy"],
        "ece": scores["ece"],
        "per_class": scores["per_class"],
        "per_subject": _accuracy_by_subject(windows, truth == decided),
        "confusions": worst_confusions(scores["confusion"]),
    }


def _accuracy_by_subject(windows: WindowSet, right: np.ndarray) -> dict[str, float]:
    return {str(subject): float(right[windows.subject == subject].mean()) for subject in np.unique(windows.subject)}


def named_activities(taxonomy: Taxonomy) -> np.ndarray:
    """Which activities are neither `idle` nor `other`, bool (K,)."""
    return np.array([name not in (IDLE, OTHER) for name in taxonomy.activities])


def accept(
    logits: np.ndarray, taxonomy: Taxonomy, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Decide by logits (N, K).

    Returns:
        The most probable activities (N,); bool (N,): which of them are accepted, being neither `idle` nor `other` and
        at least as probable as the threshold; and the highest probability of any activity but those two (N,).
    """
    probabilities = softmax(logits / calibration.temperature)
    decided, named = probabilities.argmax(axis=1), named_activities(taxonomy)
    accepted = named[decided] & (probabilities.max(axis=1) >= calibration.unknown_threshold)
    return decided, accepted, np.where(named, probabilities, 0).max(axis=1)


def separating_threshold(
    sets: Sequence[tuple[np.ndarray, np.ndarray]], taxonomy: Taxonomy, calibration: Calibration
) -> float:
    """The threshold that separates known from unknown activities best, each dataset counting alike (Youden 1950).

    Args:
        sets: Of each dataset the logits (N, K) of clips, and bool (N,): which of them are of known activities.
        taxonomy: Of the logits.
        calibration: Has the temperature.

    Returns:
        Where the share of known clips that are accepted exceeds that of unknown ones most.
    """

    def excess(threshold: float) -> float:
        candidate = replace(calibration, unknown_threshold=threshold)
        accepted = [(accept(logits, taxonomy, candidate)[1], known) for logits, known in sets]
        return float(np.mean([which[known].mean() - which[~known].mean() for which, known in accepted]))

    return float(max(np.linspace(0.05, 0.99, 95), key=excess))


def score_accepted(
    predictions: Predictions,
    windows: WindowSet,
    clips: Sequence[ClipInfo],
    taxonomy: Taxonomy,
    calibration: Calibration,
) -> dict[str, Any]:
    """Compare decisions with what is right, where several activities may be and some are unknown.

    `labels` of the windows are 1 for each activity that is right; a row of zeros is an unknown activity.

    Returns:
        clips: how many; known, unknown: of them; top1: share of the known ones whose most probable activity is right;
        accepted_top1: right and accepted; known_refused, unknown_accepted: shares of the known and of the unknown ones;
        auroc: how well the probability that is given to activities other than `idle` and `other` tells known from
        unknown; threshold; per_class: clips, right, refused and most frequent decisions by the dataset's activities.
        Shares of nothing are None.
    """
    decided, accepted, confidence = accept(predictions.activity_logits, taxonomy, calibration)
    labels = windows.labels
    assert labels is not None, "see load_test_windows"
    known, right = labels.any(axis=1), labels[np.arange(len(labels)), decided] > 0
    each = {}
    for activity in sorted({clip.activity for clip in clips}):
        rows = np.array([clip.activity == activity for clip in clips])
        each[activity] = {
            "clips": int(rows.sum()),
            "right": _share(right[rows & known]),
            "refused": _share(~accepted[rows]),
            "decided": dict(Counter(taxonomy.activities[i] for i in decided[rows]).most_common(3)),
        }
    return {
        "clips": len(clips),
        "known": int(known.sum()),
        "unknown": int((~known).sum()),
        "top1": _share(right[known]),
        "accepted_top1": _share((right & accepted)[known]),
        "known_refused": _share(~accepted[known]),
        "unknown_accepted": _share(accepted[~known]),
        "auroc": auroc(confidence[known], confidence[~known]) if known.any() and not known.all() else None,
        "threshold": calibration.unknown_threshold,
        "per_class": each,
    }


def _share(which: np.ndarray) -> float | None:
    return float(which.mean()) if len(which) else None


def calibrate(model: Network, windows: WindowSet) -> Calibration:
    """Fit the temperature and a threshold that refuses the least certain percent of the right decisions.

    The temperature is fitted over windows of people that were not trained on, whole and with each modality taken
    away in turn.
    """
    sets = [condition for condition in standard_conditions(model.config.names) if condition.share == 1]
    logits = np.concatenate([predict(model, windows, condition).activity_logits for condition in sets])
    truth = np.tile(windows.activity, len(sets))
    temperature = fit_temperature(logits, truth)
    confidence = softmax(logits / temperature).max(axis=1)
    right = logits.argmax(axis=1) == truth
    threshold = float(np.quantile(confidence[right], 0.01)) if right.any() else 0.0
    return Calibration(temperature, threshold)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that minimises the cross-entropy of logits (N, K) (Guo et al. 2017)."""
    # The loss is convex in 1/T: a fine grid over two orders of magnitude finds its minimum well enough.
    temperatures = np.geomspace(0.05, 20, 301)
    rows = np.arange(len(truth))
    losses = [-np.log(softmax(logits / t)[rows, truth].clip(1e-12)).mean() for t in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities in float64, over the last axis."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result
