"""How a checkpoint's sensors look when all is well, and how far from that is too far: one file beside the model."""

from __future__ import annotations

import json
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
    "Description",
    "Evidence",
    "HealthError",
    "HealthModel",
    "layout",
    "load_health",
    "save_health",
]

_ARRAYS = ("ends", "mean", "std", "usual", "thresholds")
_NETWORK = "autoencoder."
PLAIN = 4.0
"""Standard deviations by which a statistic must be off to give a fault its name."""
_CLIP = 20.0
_LEAST = np.array([1e-6, 1e-6, 1.0], np.float32)
"""Added to the errors. Healthy sensors repeat themselves so seldom that any repetition would be infinitely odd."""


class HealthError(ValueError):
    """A health model that cannot be used: names it, and says what would help."""


@dataclass(frozen=True)
class Description:
    """What is known of the modalities of B windows.

    Attributes:
        values: float32 (B, M, P): for each modality its unimodal feature, its statistics, zeros.
        present: bool (B, M): which modalities can be judged.
        whole: bool (B, M): which have nearly all of their steps. The statistics of few steps vary more.
    """

    values: NDArray[np.float32]
    present: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    def take(self, rows: NDArray[Any]) -> Description:
        """Some of the windows, by index or mask."""
        return Description(self.values[rows], self.present[rows], self.whole[rows])


@dataclass(frozen=True)
class Evidence:
    """How odd the modalities of B windows are.

    Attributes:
        scores: float32 (B, M), 1 is what healthy ones seldom pass; 0 for an absent modality.
        errors: float32 (B, M, 6): what `scores` is the highest of, in standard deviations: the error of the features,
            of the statistics and of the share of repeated steps when all are fused, then when all but this one are.
        concept: float32 (B,): the concept score.
    """

    scores: NDArray[np.float32]
    errors: NDArray[np.float32]
    concept: NDArray[np.float32]


def layout(network: Network) -> NDArray[np.int64]:
    """Where each modality's features and statistics end in a description, (M, 2)."""
    rows = []
    for modality in network.config.modalities:
        channels = int(np.prod(network.encoder(modality.name).encoded_shape or modality.shape))
        feature = network.config.feature_size
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
        thresholds: (2, M): so many standard deviations off is the highest error of a modality whose score is 1, in
            windows that have gaps and in whole ones.
        false_alarms: Share of the healthy windows of the oddest person with a higher score.
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
        """Descriptions in standard deviations from the healthy mean, (B, M, P)."""
        x: NDArray[np.float32] = description.values - self.mean
        x /= self.std
        np.minimum(x, _CLIP, out=x)
        np.maximum(x, -_CLIP, out=x)
        return x

    def is_stuck(self, description: Description) -> NDArray[np.bool_]:
        """Which modalities repeat themselves far more than healthy ones, bool (B, M): they show nothing new."""
        modalities = np.arange(len(self.ends))
        still = self.standardize(description)[:, modalities, self.ends[:, 1] + STILL]
        stuck: NDArray[np.bool_] = description.present & (still > PLAIN)
        return stuck

    def errors(self, description: Description, trusted: NDArray[np.bool_]) -> tuple[NDArray[np.float32], Any]:
        """Logarithms of the reconstruction errors, float32 (B, M, 6), in the order of `Evidence`; and concept scores.

        Args:
            description: B windows.
            trusted: bool (B, M): which modalities to fuse.
        """
        x = self.standardize(description)
        modalities = x.shape[1]
        # Version 0 fuses all, version 1 + m all but m.
        fused = trusted[:, None] & ~np.eye(modalities + 1, modalities, -1, np.bool_)
        z, concept = self._network.fuse(self._network.encode(x * trusted[..., None]), fused)
        versions = np.concatenate([np.broadcast_to(z[:, :1], z[:, 1:].shape), z[:, 1:]], axis=-1)
        decoded = self._network.decode(versions.reshape(*versions.shape[:2], 2, -1))
        means = (decoded - x[:, :, None]) ** 2 @ self._parts
        return np.log(means + _LEAST).reshape(len(x), modalities, 6), concept[:, 0]

    def judge(self, description: Description, trusted: NDArray[np.bool_] | None = None) -> Evidence:
        """How odd each modality of B windows is.

        Args:
            description: Of the windows.
            trusted: bool (B, M): believe these only; None: all that are present.
        """
        trusted = description.present if trusted is None else description.present & trusted
        logs, concept = self.errors(description, trusted)
        errors = (logs - self.usual[..., 0]) / self.usual[..., 1]
        # Nothing is left to compare a lonely modality with.
        lonely = (trusted.sum(axis=1, keepdims=True) - trusted) == 0
        errors[..., 3:][lonely] = -np.inf
        highest = errors.max(axis=-1)
        thresholds = np.where(description.whole, self.thresholds[1], self.thresholds[0])
        scores = np.where(description.present, np.maximum(highest, 0) / thresholds, 0)
        return Evidence(scores.astype(np.float32), errors, concept)


def save_health(model: str | Path, health: HealthModel, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a health model into a model's folder, replacing one that is there; returns where it is.

    Args:
        model: The model's folder.
        health: To be written.
        provenance: JSON-able facts about where it comes from.

    Raises:
        OSError: It cannot be written.
    """
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
        HealthError: There is none, it is damaged, or belongs to another checkpoint.
    """
    path = Path(model) / HEALTH_FILE
    remedy = f"make one with: mumu health {model} DATASET ROOT --subjects …"
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
    return HealthModel(
        checkpoint=facts["checkpoint"],
        modalities=modalities,
        false_alarms=facts["false_alarms"],
        autoencoder=autoencoder.eval(),
        **arrays,
    )
