"""What a model is tested under: whole windows, sensors that are gone, sensors that lie, sensors that lag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mumu_ros.model.config import ModelConfig
from mumu_ros.training.corruption import CORRUPTIONS, corrupt
from mumu_ros.training.windows import WindowSet

__all__ = ["CLEAN", "Condition", "standard_conditions", "stress_conditions"]

CLEAN = "clean"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Condition:
    """One way to change windows before a model sees them. The draw follows from the seed, not from the model.

    Attributes:
        name: In tables.
        gone: Modalities that are taken away together.
        share: Share of the windows that they are taken away from.
        missing: Probability with which each modality by itself is taken away; one always stays.
        corruption: One of `CORRUPTIONS`, of one modality in each window, drawn at random; empty: none.
        late_s: One modality in each window, drawn at random, lags by so many seconds.
    """

    name: str
    gone: tuple[str, ...] = ()
    share: float = 1.0
    missing: float = 0.0
    corruption: str = ""
    late_s: float = 0.0

    def victims(self, config: ModelConfig, count: int, seed: int) -> np.ndarray:
        """Index of the modality that lies or lags in each window, int64 (N,); −1: none does."""
        if not (self.corruption or self.late_s):
            return np.full(count, -1)
        return np.random.default_rng((seed, 1)).integers(len(config.modalities), size=count)

    def apply(
        self, config: ModelConfig, windows: WindowSet, rows: np.ndarray, arrays: tuple[Arrays, Arrays], seed: int
    ) -> tuple[Arrays, Arrays]:
        """Change a batch.

        Args:
            config: Of the model.
            windows: The whole set.
            rows: Of the batch in it.
            arrays: Inputs and masks of the batch.
            seed: Of the draw.
        """
        inputs, masks = arrays
        names, count = config.names, len(windows)
        generator = np.random.default_rng((seed, 2, int(rows[0])))
        lose = np.random.default_rng((seed, 0)).random((count, 1 + len(names)))[rows]
        victims = [names[i] if i >= 0 else None for i in self.victims(config, count, seed)[rows]]
        if self.corruption:
            inputs, masks = corrupt(windows, inputs, masks, victims, [self.corruption] * len(rows), generator)
        if self.late_s:
            inputs, masks = _delay(config, inputs, masks, victims, self.late_s)
        stays = np.argmax(lose[:, 1:], axis=1)
        away = {
            name: (lose[:, 0] < self.share) & (name in self.gone) | (lose[:, 1 + i] < self.missing) & (stays != i)
            for i, name in enumerate(names)
        }
        return inputs, {name: mask & ~away[name][:, None] for name, mask in masks.items()}


def standard_conditions(names: Sequence[str]) -> tuple[Condition, ...]:
    """Clean, and each modality gone from half of the windows and from all."""
    if len(names) == 1:
        return (Condition(CLEAN),)
    half = (Condition(f"-{name}:0.5", (name,), 0.5) for name in names)
    return (Condition(CLEAN), *half, *(Condition(f"-{name}", (name,)) for name in names))


def stress_conditions(names: Sequence[str]) -> tuple[Condition, ...]:
    """The standard ones, modalities missing at random, each corruption, and misalignment of 0.1 to 1 s."""
    return (
        *standard_conditions(names),
        Condition("missing", missing=0.5),
        *(Condition(kind, corruption=kind) for kind in CORRUPTIONS),
        *(Condition(f"late {late_s:g} s", late_s=late_s) for late_s in (0.1, 0.2, 0.5, 1.0)),
    )


def _delay(
    config: ModelConfig, inputs: Arrays, masks: Arrays, victims: Sequence[str | None], late_s: float
) -> tuple[Arrays, Arrays]:
    """Let a modality show what was `late_s` ago; what is older than the window is missing."""
    inputs = {name: x.copy() for name, x in inputs.items()}
    masks = {name: mask.copy() for name, mask in masks.items()}
    for row, name in enumerate(victims):
        if name is None:
            continue
        # The newest sample stays the newest: a sensor that lags keeps sending.
        steps = min(round(late_s * config.modality(name).rate_hz), masks[name].shape[1])
        for array in (inputs[name], masks[name]):
            array[row, steps:] = array[row, : array.shape[1] - steps].copy()
            array[row, :steps] = 0
    return inputs, masks
