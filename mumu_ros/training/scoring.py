"""How good a model is on windows, whole or with modalities taken away, and how its confidence is calibrated."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch

from mumu_ros.model.checkpoint import Calibration
from mumu_ros.model.mumu import MuMu
from mumu_ros.training.windows import WindowSet

__all__ = ["activity_logits", "calibrate", "score"]

_BATCH = 64


@torch.inference_mode()
def activity_logits(
    model: MuMu, windows: WindowSet, drop: Collection[str] = (), share: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Logits of a network in evaluation mode, float32 (N, K).

    Args:
        model: The network.
        windows: N windows.
        drop: Modalities to take away.
        share: From this share of the windows, drawn at random; where nothing is left the logits are those of
            knowing nothing.
        seed: Of the draw.
    """
    device = next(model.parameters()).device
    loses = np.random.default_rng(seed).random(len(windows)) < share
    logits = []
    for start in range(0, len(windows), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(windows)))
        inputs, masks = windows.batch(rows)
        for name in drop:
            masks[name] &= ~loses[rows, None]
        output = model(
            {name: torch.from_numpy(x).to(device) for name, x in inputs.items()},
            {name: torch.from_numpy(mask).to(device) for name, mask in masks.items()},
        )
        logits.append(output.activity_logits.float().cpu().numpy())
    return np.concatenate(logits)


def score(logits: np.ndarray, windows: WindowSet, activities: tuple[str, ...]) -> dict[str, Any]:
    """Compare decisions with the truth.

    Returns:
        windows: how many; accuracy: over all; accuracy_inside: over those within one activity; macro_f1;
            by_activity:
        share of each activity's windows (within one activity) that were recognised; confusions: the most
        frequent errors there, as [truth, decision, share of the truth's windows].
    """
    decided, inside = logits.argmax(axis=1), windows.inside
    counts = np.zeros((len(activities), len(activities)), np.int64)
    np.add.at(counts, (windows.activity[inside], decided[inside]), 1)
    everything = np.zeros_like(counts)
    np.add.at(everything, (windows.activity, decided), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    errors = shares * (1 - np.eye(len(activities)))
    worst = np.argsort(errors, axis=None)[::-1][:5]
    confusions = [
        (activities[i], activities[j], round(errors[i, j], 3))
        for i, j in zip(*np.unravel_index(worst, errors.shape), strict=True)
    ]
    f1 = 2 * everything.diagonal() / np.maximum(everything.sum(axis=0) + everything.sum(axis=1), 1)
    return {
        "windows": len(windows),
        "accuracy": float((decided == windows.activity).mean()),
        "accuracy_inside": float((decided == windows.activity)[inside].mean()),
        "macro_f1": float(f1[everything.sum(axis=1) > 0].mean()),
        "by_activity": {a: float(s) for a, s in zip(activities, shares.diagonal(), strict=True)},
        "confusions": [[a, b, float(s)] for a, b, s in confusions if s > 0],
    }


def calibrate(model: MuMu, windows: WindowSet, *, rejected: float = 0.01) -> Calibration:
    """Fit the temperature and the threshold below which a decision means "unknown".

    The temperature minimises the cross-entropy over windows of people that were not trained on, whole and
    with each modality taken away in turn (Guo et al. 2017). The threshold then refuses the least certain of
    the right decisions.

    Args:
        model: In evaluation mode.
        windows: Of those people.
        rejected: Share of the right decisions to refuse.
    """
    sets = [(), *((name,) for name in model.config.names if len(model.config.names) > 1)]
    logits = np.concatenate([activity_logits(model, windows, drop) for drop in sets]).astype(np.float64)
    truth = np.tile(windows.activity, len(sets))
    # The loss is convex in 1/T: a fine grid over two orders of magnitude finds its minimum well enough.
    temperatures = np.geomspace(0.2, 20, 101)
    losses = [-_log_softmax(logits / t)[np.arange(len(truth)), truth].mean() for t in temperatures]
    temperature = float(temperatures[int(np.argmin(losses))])
    confidence = np.exp(_log_softmax(logits / temperature)).max(axis=1)
    right = logits.argmax(axis=1) == truth
    threshold = float(np.quantile(confidence[right], rejected)) if right.any() else 0.0
    return Calibration(temperature, threshold)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
