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

"""Healthy statistics of a checkpoint's modalities and the thresholds for anomalies: one file beside the model."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from mumu_ros.files import replacing
from mumu_ros.health.autoencoder import ConceptAutoencoder, Forward
from mumu_ros.health.statistics import STILL, statistics_size
from mumu_ros.model.checkpoint import HEALTH_FILE, Checkpoint
from mumu_ros.model.network import Network
from mumu_ros.reading import parse_json

__all__ = [
    "PLAIN",
    "Anomaly",
    "Description",
    "HealthError",
    "HealthModel",
    "check_finite",
    "layout",
    "load_health",
    "save_health",
]

_ARRAYS = ("ends", "mean", "std", "usual", "thresholds")
_NETWORK = "autoencoder."
PLAIN = 4.0
"""Deviation of a statistic, in standard deviations, that determines the fault's name."""
_CLIP = 20.0
_LEAST = np.array([1e-6, 1e-6, 1.0], np.float32)
"""Added to the errors. Without it, any repetition would have an infinite score, since healthy sensors rarely repeat."""


class HealthError(ValueError):
    """A health model that cannot be used. The message contains its path and the remedy."""


@dataclass(frozen=True, eq=False)
class Description:
    """Descriptions of the modalities of B windows.

    Attributes:
        values: float32 (B, M, P): for each modality its unimodal feature, its statistics, zeros. NaN: not seen.
        present: bool (B, M): which modalities can be evaluated.
        whole: bool (B, M): which have nearly all of their steps. Statistics of few steps vary more.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    def take(self, rows: NDArray[Any]) -> Description:
        """Some of the windows, by index or mask."""
        return Description(self.values[rows], self.present[rows], self.whole[rows])


@dataclass(frozen=True, eq=False)
class Anomaly:
    """Anomaly scores of the modalities of B windows.

    Attributes:
        scores: float32 (B, M); healthy modalities rarely exceed 1; 0 for an absent modality.
        errors: float32 (B, M, 6): the errors of which `scores` is the maximum, in standard deviations: of the features,
            of the statistics and of the share of repeated steps when all are fused, then when all others are.
        concept: float32 (B,): the concept score.
    """

    scores: NDArray[np.float32]
    errors: NDArray[np.float32]
    concept: NDArray[np.float32]


def layout(network: Network) -> NDArray[np.int64]:
    """End indices of each modality's features and statistics in a description, (M, 2)."""
    rows = []
    for modality in network.config.modalities:
        channels = int(np.prod(network.encoder(modality.name).encoded_shape or modality.shape))
        feature = network.unimodal_size
        rows.append((feature, feature + statistics_size(channels)))
    return np.array(rows)


@dataclass(frozen=True, eq=False)
class HealthModel:
    """The autoencoder of one checkpoint, and its thresholds.

    Attributes:
        checkpoint: Id of the checkpoint that it belongs to.
        modalities: Of the checkpoint, in order.
        ends: See `layout`.
        mean: (M, P), of healthy descriptions.
        std: (M, P), of healthy descriptions.
        usual: (M, 6, 2): mean and standard deviation of the logarithm of healthy errors.
        thresholds: (2, M): the standardised maximum error for which a modality's score is 1, in
            windows with gaps and in whole ones.
        false_alarms: Share of healthy windows with a score above 1, for the person with the highest scores.
        autoencoder: The network.
    """

    checkpoint: str
    modalities: tuple[str, ...]
    ends: NDArray[np.int64]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    usual: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    false_alarms: float
    autoencoder: ConceptAutoencoder
    _network: Forward = field(init=False)
    _parts: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_network", Forward(self.autoencoder))
        # (M, P, 3): matrices that average over the features and over the statistics, and take the share of repetitions.
        places, (features, ends) = np.arange(self.mean.shape[1])[:, None], self.ends.T[..., None, None]
        still = places == ends + STILL
        parts = np.concatenate([places < features, (places >= features) & (places < ends) & ~still, still], axis=-1)
        object.__setattr__(self, "_parts", (parts / parts.sum(axis=1, keepdims=True)).astype(np.float32))

    def standardize(self, description: Description) -> NDArray[np.float32]:
        """Descriptions, standardised by mean and standard deviation of healthy ones, (B, M, P); 0 if not seen."""
        x: NDArray[np.float32] = description.values - self.mean
        x /= self.std
        np.minimum(x, _CLIP, out=x)
        np.maximum(x, -_CLIP, out=x)
        x[np.isnan(x)] = 0
        return x

    def is_stuck(self, description: Description) -> NDArray[np.bool_]:
        """Which modalities repeat their samples far more often than healthy ones, bool (B, M)."""
        modalities = np.arange(len(self.ends))
        still = self.standardize(description)[:, modalities, self.ends[:, 1] + STILL]
        stuck: NDArray[np.bool_] = description.present & (still > PLAIN)
        return stuck

    def errors(self, description: Description, kept: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Any]:
        """Logarithms of the reconstruction errors, float32 (B, M, 6), in the order of `Anomaly`; and concept scores.

        The modalities `kept` (B, M) are fused.
        """
        x = self.standardize(description)
        modalities = x.shape[1]
        # Version 0 fuses all, version 1 + m all but m.
        fused = kept[:, None] & ~np.eye(modalities + 1, modalities, -1, np.bool_)
        z, concept = self._network.fuse(self._network.encode(x * kept[..., None]), fused)
        versions = np.concatenate([np.broadcast_to(z[:, :1], z[:, 1:].shape), z[:, 1:]], axis=-1)
        decoded = self._network.decode(versions.reshape(*versions.shape[:2], 2, -1))
        squares = (decoded - x[:, :, None]) ** 2
        seen = ~np.isnan(description.values)[:, :, None]
        if seen.all():
            means = squares @ self._parts
        else:
            with np.errstate(invalid="ignore"):  # of a part that is not seen at all, the error is NaN
                means = (squares * seen) @ self._parts / (seen @ self._parts)
        return np.log(means + _LEAST).reshape(len(x), modalities, 6), concept[:, 0]

    def judge(self, description: Description, kept: NDArray[np.bool_] | None = None) -> Anomaly:
        """Anomaly scores of the modalities of B windows, by those that are `kept` (B, M): by default all that are
        present.
        """
        kept = description.present if kept is None else description.present & kept
        logs, concept = self.errors(description, kept)
        errors = (logs - self.usual[..., 0]) / self.usual[..., 1]
        # A single modality has no others to be compared with.
        lonely = (kept.sum(axis=1, keepdims=True) - kept) == 0
        errors[..., 3:][lonely] = -np.inf
        highest = errors.max(axis=-1)
        thresholds = np.where(description.whole, self.thresholds[1], self.thresholds[0])
        scores = np.where(description.present, np.maximum(highest, 0) / thresholds, 0)
        return Anomaly(scores.astype(np.float32), errors, concept)


def check_finite(health: HealthModel) -> None:
    """Refuse a health model that could not flag a modality.

    Raises:
        HealthError: A threshold or weight is not finite; the message contains the modality.
    """
    arrays = [health.thresholds.T, health.mean, health.std, health.usual]
    weights = {name: value.detach().numpy() for name, value in health.autoencoder.named_parameters()}
    arrays += [weight for name, weight in weights.items() if name.startswith(("encode", "decode"))]
    shared = all(np.isfinite(weight).all() for name, weight in weights.items() if name.startswith("fusion"))
    finite = [shared and all(np.isfinite(array[m]).all() for array in arrays) for m in range(len(health.modalities))]
    if not all(finite):
        names = ", ".join(name for name, good in zip(health.modalities, finite, strict=True) if not good)
        raise HealthError(
            f"thresholds or weights of {names} are not finite, so that no fault would be found; train the health model "
            f"on windows in which {names} can be seen"
        )


def save_health(model: str | Path, health: HealthModel, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a health model into a model's folder, replacing an existing one; returns its path.

    Raises:
        HealthError: A number of it is not finite; see `check_finite`.
        OSError: The file cannot be written.
    """
    check_finite(health)
    path = Path(model) / HEALTH_FILE
    arrays = {name: torch.from_numpy(getattr(health, name)) for name in _ARRAYS}
    state = {f"{_NETWORK}{key}": value for key, value in health.autoencoder.state_dict().items()}
    facts = {
        "checkpoint": health.checkpoint,
        "modalities": list(health.modalities),
        "false_alarms": health.false_alarms,
        "hidden": health.autoencoder.hidden,
        "provenance": dict(provenance or {}),
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save({**arrays, **state}, {"facts": json.dumps(facts)}))
    return path


def load_health(model: str | Path, checkpoint: Checkpoint) -> HealthModel:
    """Read the health model of a model's folder.

    Raises:
        HealthError: There is no health model, it is damaged or not finite, or it belongs to another checkpoint.
    """
    path = Path(model) / HEALTH_FILE
    remedy = f"make one with: mumu health {shlex.quote(str(model))} DATASET ROOT --subjects …"
    if not path.is_file():
        raise HealthError(f"{checkpoint.id} has no health model ({HEALTH_FILE}); {remedy}")
    try:
        with safe_open(path, framework="pt") as file:
            facts = parse_json(file.metadata()["facts"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dictionary
        arrays = {name: tensors.pop(name).numpy() for name in _ARRAYS}
        modalities = tuple(facts["modalities"])
        if arrays["thresholds"].shape != (expected := (2, len(modalities))):
            raise ValueError(f"thresholds are {arrays['thresholds'].shape}, not {expected}")
        autoencoder = ConceptAutoencoder(len(modalities), arrays["mean"].shape[1], facts["hidden"])
        autoencoder.load_state_dict({key.removeprefix(_NETWORK): value for key, value in tensors.items()})
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise HealthError(f"{str(path)!r} is damaged or of another version ({error}); {remedy}") from error
    if facts["checkpoint"] != checkpoint.id or modalities != checkpoint.config.names:
        raise HealthError(f"{str(path)!r} belongs to {facts['checkpoint']}, not to {checkpoint.id}; {remedy}")
    health = HealthModel(
        checkpoint=facts["checkpoint"],
        modalities=modalities,
        false_alarms=facts["false_alarms"],
        autoencoder=autoencoder.eval(),
        **arrays,
    )
    try:
        check_finite(health)
    except HealthError as error:
        raise HealthError(f"{str(path)!r}: {error}") from error
    return health
