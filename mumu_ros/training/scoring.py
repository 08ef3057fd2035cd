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

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
import torch

from mumu_ros.evaluation.window_scores import JudgedWindows, window_scores, worst_confusions
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.backends import Backend, Outputs
from mumu_ros.training.conditions import CLEAN, Condition, standard_conditions
from mumu_ros.training.windows import WindowSet

__all__ = [
    "Predictions",
    "calibrate",
    "fit_temperature",
    "predict",
    "score",
    "softmax",
    "tell_all_right",
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
        gm_weights: float32 (N, M); 0 for an absent modality.
        features: float32 (N, M, D).
    """

    activity_logits: np.ndarray
    group_logits: np.ndarray
    unimodal_logits: np.ndarray | None
    sm_weights: np.ndarray
    gm_weights: np.ndarray
    features: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """Whether anything was left of a window, bool (N,): otherwise nothing is decided live."""
        shown: np.ndarray = self.gm_weights.max(axis=1) > 0
        return shown

    def take(self, rows: np.ndarray) -> Predictions:
        """Those for the windows of these rows."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Predictions(**{name: None if x is None else x[rows] for name, x in parts.items()})  # type: ignore[arg-type]


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
    if not len(windows):
        return _of_none(model, windows)
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


def _of_none(model: Network, windows: WindowSet) -> Predictions:
    """Predictions for no windows: those for one without any sample, taken away."""
    inputs, masks = ({n: np.zeros((1, *x.shape[1:]), x.dtype) for n, x in part.items()} for part in windows.batch([]))
    found = {name: values[:0] for name, values in _run(model, inputs, masks).items()}
    return Predictions(**{"unimodal_logits": None, **found})  # type: ignore[arg-type]


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
    """Compare decisions with the truth, where anything was left to decide by.

    Returns:
        clips, windows: how many; left_out: windows of which nothing was left; top1, macro_f1, group_top1: over all
        other windows; top1_inside: over those within one activity; ece: expected calibration error; per_class:
        precision, recall, f1 and support by activity; per_subject: top1 by subject; confusions: the most frequent
        errors, as [truth, decision, share of the truth's windows]. Only the first three where there is no other window.
    """
    rows = np.flatnonzero(predictions.shown)
    left_out = len(windows) - len(rows)
    if not len(rows):
        return {"clips": 0, "windows": 0, "left_out": left_out}
    predictions, windows = predictions.take(rows), windows.take(rows)
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
        "left_out": left_out,
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


def calibrate(model: Network, windows: WindowSet) -> Calibration:
    """Fit the temperature and a threshold that refuses the least certain percent of the right decisions.

    The temperature is fitted over windows of people that were not trained on, whole and with each modality taken
    away in turn, where another one is left. The threshold is no higher than what so many right decisions support:
    (n + 1) / (n + 2), Laplace's rule of succession.
    """
    sets = [condition for condition in standard_conditions(model.config.names) if condition.share == 1]
    predicted = [predict(model, windows, condition) for condition in sets]
    logits = np.concatenate([each.activity_logits[each.shown] for each in predicted])
    truth = np.concatenate([windows.activity[each.shown] for each in predicted])
    tell_all_right(logits, truth)
    temperature = fit_temperature(logits, truth)
    right = logits.argmax(axis=1) == truth
    confidence = softmax(logits / temperature).max(axis=1)[right]
    threshold = min(float(np.quantile(confidence, 0.01)), _supported(len(confidence))) if right.any() else 0.0
    return Calibration(temperature, threshold)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature that minimises the cross-entropy of logits (N, K) (Guo et al. 2017); 1 where there are none.

    The target of the right class is (N + 1) / (N + 2), as in Platt (1999), "Probabilistic outputs for support vector
    machines": with targets of 1 the cross-entropy of decisions that are all right falls without end as the
    temperature does, and every confidence would be 1.
    """
    count, classes = logits.shape
    if not count:
        return 1.0
    rest = (1 - _supported(count)) / max(classes - 1, 1)
    targets = np.full((count, classes), rest)
    targets[np.arange(count), truth] = _supported(count)
    # The loss is convex in 1/T: a fine grid over two orders of magnitude finds its minimum well enough.
    temperatures = np.geomspace(0.05, 20, 301)
    losses = [-(targets * _log_softmax(logits / t)).sum() for t in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def tell_all_right(logits: np.ndarray, truth: np.ndarray) -> None:
    """Say, on the standard error stream, when no decision is wrong that a temperature is to be fitted on."""
    if (logits.argmax(axis=1) == truth).all():
        print(
            f"none of the {len(truth)} decisions that the confidence is calibrated on is wrong: the temperature "
            "follows from their number; calibrate on more people",
            file=sys.stderr,
            flush=True,
        )


def _supported(count: int) -> float:
    """Probability of being right after so many decisions that all were."""
    return (count + 1) / (count + 2)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64, over the last axis."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities in float64, over the last axis."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result
