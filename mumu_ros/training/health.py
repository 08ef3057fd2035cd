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

"""Trains the health model of a checkpoint on data without faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mumu_ros.datasets.clips import Clip
from mumu_ros.health import Describer, Description, HealthModel, layout
from mumu_ros.health.autoencoder import ConceptAutoencoder
from mumu_ros.health.model import check_finite
from mumu_ros.health.statistics import STILL
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.training.loading import load_windows
from mumu_ros.training.settings import Data
from mumu_ros.training.several_datasets import has_labels, worn_on_wrist
from mumu_ros.training.windows import WindowSet

__all__ = ["ANY_OVERLAP", "Change", "describe_windows", "fit_health", "healthy_windows", "learn_health"]

Arrays = dict[str, np.ndarray]
Change = Callable[[np.ndarray, Arrays, Arrays], tuple[Arrays, Arrays]]
"""Rows of a batch, inputs and masks, to modified inputs and masks."""

ANY_OVERLAP = 1e-3
"""`Data.min_overlap` for health: windows across a change of activity are healthy, too."""
_LEAST_FILLED = 0.2
HIDDEN = 32
FOLDS = 5
_BATCH = 64
_STEPS = 1500
_LEARNING_RATE = 2e-3
_NEVER_SEEN = 1e9
"""Standard deviation of what no window shows: it says nothing later either."""
_LEAST_SPREAD = 0.02
_LEAST_SPREAD_STILL = 0.1
"""Lower bound of standard deviations: with a share that never varies, any change would have an infinite score."""
_LEAST_VARIATION = np.array([1e-3, 1e-3, 0.5] * 2)
"""The same for the logarithms of the errors."""


def healthy_windows(config: ModelConfig, data: Data, subjects: Collection[int] = ()) -> WindowSet:
    """Windows to learn from, of any activities: those of the dataset need not be the model's.

    Raises:
        DatasetError: See `load_windows`.
    """
    return load_windows(config, data, subjects, partial(_as_worn, config, data.dataset)).windows


def _as_worn(config: ModelConfig, dataset: str, clip: Clip) -> Clip:
    """A clip of the model's sensors, worn where they were in its training, without its activities."""
    if has_labels(config.taxonomy):
        clip = worn_on_wrist(dataset, clip)
    segments = (replace(segment, activity=config.taxonomy.activities[0]) for segment in clip.segments)
    return replace(clip, segments=tuple(segments))


def learn_health(
    checkpoint: Checkpoint, sets: Sequence[WindowSet], false_alarms: float = 0.01, seed: int = 0
) -> HealthModel:
    """Train a health model on whole windows and on windows that are still filling.

    Raises:
        ConfigError, HealthError: See `fit_health`.
    """
    generator = np.random.default_rng(seed)
    described = [
        describe_windows(checkpoint.model, windows, change)
        for change in (None, partial(_filling, generator))
        for windows in sets
    ]
    subjects = np.concatenate([windows.subject for windows in (*sets, *sets)])
    return fit_health(checkpoint, _concatenate(described), subjects, false_alarms, seed)


def _concatenate(parts: Sequence[Description]) -> Description:
    names = [field.name for field in fields(Description)]
    return Description(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _filling(generator: np.random.Generator, rows: np.ndarray, inputs: Arrays, masks: Arrays) -> tuple[Arrays, Arrays]:
    """Windows as after a start: half of each modality's are whole, the others have their newest steps only."""
    there = {}
    for name, mask in masks.items():
        steps = mask.shape[1]
        newest = np.where(generator.random(len(rows)) < 0.5, 1.0, generator.uniform(_LEAST_FILLED, 1.0, len(rows)))
        there[name] = mask & (np.arange(steps) >= steps * (1 - newest[:, None]))
    return inputs, there


@torch.inference_mode()
def describe_windows(network: Network, windows: WindowSet, change: Change | None = None) -> Description:
    """Describe windows as the recogniser's monitor does."""
    describe = Describer(layout(network))
    described = []
    for start in range(0, len(windows), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(windows)))
        inputs, masks = windows.batch(rows)
        if change:
            inputs, masks = change(rows, inputs, masks)
        given = {name: _encode(network, name, torch.from_numpy(x), masks[name]) for name, x in inputs.items()}
        features = network(given, {name: torch.from_numpy(mask) for name, mask in masks.items()}).features.numpy()
        for row in range(len(rows)):
            samples = [
                (given[name][row].numpy(), masks[name][row]) if masks[name][row].any() else None
                for name in network.config.names
            ]
            described.append(describe(samples, features[row]))
    return _concatenate(described)


def _encode(network: Network, name: str, x: Tensor, mask: np.ndarray) -> Tensor:
    """Images (B, T, …) to encoded frames (B, T, F), of the present ones; vectors are unchanged."""
    if not network.config.modality(name).is_image:
        return x
    there = torch.from_numpy(mask)
    encoded = network.encode_frames(name, x[there])
    frames = torch.zeros(*x.shape[:2], encoded.shape[-1])
    frames[there] = encoded
    return frames


def fit_health(
    checkpoint: Checkpoint, description: Description, subjects: np.ndarray, false_alarms: float = 0.01, seed: int = 0
) -> HealthModel:
    """Fit an autoencoder to healthy windows, and thresholds to its errors on people that it was not trained on.

    `false_alarms` is the share of healthy windows in which a modality may be flagged.

    Raises:
        ConfigError: The windows are of fewer than two people or lack a modality, or `false_alarms` is not a share.
        HealthError: A modality's features or samples are not finite.
    """
    people = np.unique(subjects)
    if len(people) < 2:
        raise ConfigError(
            f"subjects are {people.tolist()}; thresholds need people outside the training data: give at least two"
        )
    if not 0 < false_alarms < 1:
        raise ConfigError(f"false_alarms is {false_alarms}; expected a share of the windows above 0, below 1")
    names = checkpoint.config.names
    if absent := [name for m, name in enumerate(names) if not description.present[:, m].any()]:
        raise ConfigError(
            f"no window has {', '.join(absent)}, so that no fault of it would be found; give a dataset with "
            f"{', '.join(names)}"
        )
    fold = np.searchsorted(people, subjects) % min(FOLDS, len(people))
    logs = np.zeros((*description.present.shape, 6), np.float32)
    parts = {}
    for k in np.unique(fold):
        parts[k] = _fit(checkpoint, description.take(fold != k), seed)
        logs[fold == k], _ = parts[k].errors(description.take(fold == k), description.present[fold == k])
    usual = _usual(logs, description.present)
    scores = np.zeros(description.present.shape, np.float32)
    for k, part in parts.items():
        judged = replace(part, usual=usual)
        scores[fold == k] = judged.judge(description.take(fold == k)).scores
    thresholds = np.maximum(_thresholds(scores, description, subjects, false_alarms), 1).astype(np.float32)
    fitted = _fit(checkpoint, description, seed)
    health = replace(fitted, usual=usual, thresholds=thresholds, false_alarms=false_alarms)
    check_finite(health)
    return health


def _thresholds(
    scores: np.ndarray, description: Description, subjects: np.ndarray, false_alarms: float
) -> NDArray[np.float64]:
    """Upper bound of errors in all but this share of windows: the highest person's, and at least mean and two standard
    deviations of all people, since the highest of a few underestimates that of many.

    Returns:
        (2, M), see `HealthModel`. If there are no windows of one kind, the other kind's.
    """
    found = np.zeros((2, scores.shape[1]))
    for whole in (0, 1):
        for index, modality in enumerate(scores.T):
            there = description.present[:, index] & (description.whole[:, index] == whole)
            of_people = [modality[there & (subjects == subject)] for subject in np.unique(subjects)]
            quantiles = [np.quantile(person, 1 - false_alarms) for person in of_people if len(person)]
            spread = np.std(quantiles, ddof=1) if len(quantiles) > 1 else 0.0
            found[whole, index] = max(*quantiles, np.mean(quantiles) + 2 * spread) if quantiles else np.nan
    return np.nan_to_num(np.where(np.isnan(found), found[::-1], found), nan=np.inf)


def _usual(logs: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each error over the windows in which its modality is present, (M, 6, 2)."""
    mean, std, _ = _moments(logs, present)
    usual: np.ndarray = np.stack([mean, np.maximum(std, _LEAST_VARIATION)], axis=-1)
    return usual.astype(np.float32)


def _moments(x: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and number of what is seen of x (B, M, P) where `present` (B, M): each (M, P)."""
    seen = present[..., None] & ~np.isnan(x)
    count = seen.sum(axis=0)
    mean = np.where(seen, x, 0).sum(axis=0) / np.maximum(count, 1)
    variance = (np.where(seen, x - mean, 0) ** 2).sum(axis=0) / np.maximum(count, 1)
    return mean, np.sqrt(variance), count


def _fit(checkpoint: Checkpoint, description: Description, seed: int) -> HealthModel:
    """Train an autoencoder on some windows, without thresholds."""
    modalities = description.present.shape[1]
    mean, spread, count = _moments(description.values, description.present)
    std = np.where(count, np.maximum(spread, _LEAST_SPREAD), _NEVER_SEEN).astype(np.float32)
    ends = layout(checkpoint.model)
    still = (np.arange(modalities), ends[:, 1] + STILL)
    std[still] = np.maximum(std[still], _LEAST_SPREAD_STILL)
    torch.manual_seed(seed)
    draft = HealthModel(
        checkpoint=checkpoint.id,
        modalities=checkpoint.config.names,
        ends=ends,
        mean=mean.astype(np.float32),
        std=std,
        usual=np.stack([np.zeros((modalities, 6)), np.ones((modalities, 6))], axis=-1).astype(np.float32),
        thresholds=np.ones((2, modalities), np.float32),
        false_alarms=0.0,
        autoencoder=ConceptAutoencoder(modalities, description.values.shape[-1], HIDDEN),
    )
    with _one_thread():
        _train(draft, description, torch.Generator().manual_seed(seed))
    return replace(draft)  # copies the weights to numpy again


@contextmanager
def _one_thread() -> Iterator[None]:
    """Without threads: they only wait for each other with matrices this small, on a busy machine for long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(model: HealthModel, description: Description, generator: torch.Generator) -> None:
    """Reconstruct all modalities of a window from a subset, so that each can be predicted from the others."""
    x, present = torch.from_numpy(model.standardize(description)), torch.from_numpy(description.present)
    autoencoder = model.autoencoder.train()
    optimizer = torch.optim.AdamW(autoencoder.parameters(), lr=_LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for _ in range(_STEPS):
        rows = torch.randint(len(x), (_BATCH,), generator=generator)
        there = present[rows]
        seen = there & (torch.rand(there.shape, generator=generator) < 0.6)
        seen = torch.where(seen.any(dim=1, keepdim=True), seen, there)
        decoded, _ = autoencoder(x[rows], seen)
        squares = (decoded - x[rows]) ** 2
        loss = sum(
            (part[there[:, m]].mean() if there[:, m].any() else part.sum() * 0)
            for m, (feature, end) in enumerate(model.ends.tolist())
            for part in (squares[:, m, :feature], squares[:, m, feature:end])
        )
        assert isinstance(loss, Tensor)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    autoencoder.eval()
