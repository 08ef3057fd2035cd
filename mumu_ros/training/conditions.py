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

"""Test conditions: all sensors healthy, sensors missing, corrupted or late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mumu_ros.failures import Failure, kinds_for
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.training.corruption import CORRUPTIONS, corrupt, fail
from mumu_ros.training.windows import WindowSet

__all__ = ["CLEAN", "Condition", "failure_conditions", "standard_conditions", "stress_conditions"]

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
        failure: How one modality in each window fails, all of it (`mumu_ros.failures`).
        on: The modality affected; empty: drawn at random for each window, among those to which the failure applies.
    """

    name: str
    gone: tuple[str, ...] = ()
    share: float = 1.0
    missing: float = 0.0
    corruption: str = ""
    failure: Failure | None = None
    on: str = ""

    def victims(self, config: ModelConfig, count: int, seed: int) -> np.ndarray:
        """Index of the affected modality of each window, int64 (N,); −1: none."""
        if self.on:
            return np.full(count, config.names.index(self.on))
        kind = self.failure.kind if self.failure else None
        fitting = [i for i, m in enumerate(config.modalities) if kind is None or kind in kinds_for(m.kind, m.shape[-1])]
        if not (self.corruption or self.failure) or not fitting:
            return np.full(count, -1)
        return np.array(fitting)[np.random.default_rng((seed, 1)).integers(len(fitting), size=count)]

    def apply(
        self, config: ModelConfig, windows: WindowSet, rows: np.ndarray, arrays: tuple[Arrays, Arrays], seed: int
    ) -> tuple[Arrays, Arrays]:
        """Change a batch."""
        inputs, masks = arrays
        names, count = config.names, len(windows)
        generator = np.random.default_rng((seed, 2, int(rows[0])))
        lose = np.random.default_rng((seed, 0)).random((count, 1 + len(names)))[rows]
        victims = [names[i] if i >= 0 else None for i in self.victims(config, count, seed)[rows]]
        if self.corruption:
            inputs, masks = corrupt(windows, inputs, masks, victims, [self.corruption] * len(rows), generator)
        if self.failure:
            inputs, masks = _fail(config, self.failure, windows, rows, (inputs, masks), victims, seed)
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
        *(Condition(f"late {late_s:g} s", failure=Failure("shift", late_s)) for late_s in (0.1, 0.2, 0.5, 1.0)),
    )


def failure_conditions(modalities: Sequence[Modality]) -> tuple[Condition, ...]:
    """A condition for each modality and each kind of failure that applies to it, with default amounts: `imu:stuck`."""
    return tuple(
        Condition(f"{modality.name}:{kind}", failure=Failure(kind), on=modality.name)
        for modality in modalities
        for kind in kinds_for(modality.kind, modality.shape[-1])
    )


def _fail(
    config: ModelConfig,
    failure: Failure,
    windows: WindowSet,
    rows: np.ndarray,
    arrays: tuple[Arrays, Arrays],
    victims: Sequence[str | None],
    seed: int,
) -> tuple[Arrays, Arrays]:
    """Let the victims fail; what came before a window is another one, drawn by the seed and the row."""
    inputs = {name: x.copy() if name in victims else x for name, x in arrays[0].items()}
    masks = {name: mask.copy() if name in victims else mask for name, mask in arrays[1].items()}
    for i, (row, name) in enumerate(zip(rows.tolist(), victims, strict=True)):
        if name is None:
            continue
        earlier = None
        if failure.kind == "repeated_buffer":
            other = int(np.random.default_rng((seed, 3, row)).integers(len(windows)))
            earlier_inputs, earlier_masks = windows.batch([other])
            earlier = (earlier_inputs[name][0], earlier_masks[name][0])
        inputs[name][i], masks[name][i] = fail(
            config.modality(name), failure, inputs[name][i], masks[name][i], (seed, 4, row), earlier
        )
    return inputs, masks
