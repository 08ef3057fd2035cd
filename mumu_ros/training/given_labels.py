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

"""Which labels a training is given: of some clips the group only, of a teacher one as an input.

Saying which activity is going on is costly, its group is cheap. After Erkent: Multi-Task Learning for Robot Perception
with Imbalanced Data (2025), doi 10.54370/ordubtd.1526381, arXiv 2602.01899.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.windows import WindowSet

__all__ = ["Labels", "hide_labels", "known_labels", "show_labels", "with_label_input"]

_INPUTS = ("", "group", "activity")


@dataclass(frozen=True)
class Labels:
    """Which labels a training is given, and what becomes of those that are missing.

    Attributes:
        share: Of the clips that keep their activity; of each activity alike, drawn by the seed. All keep their group.
        unlabelled: Whether the other clips are trained on, too. Without a teacher they teach their group.
        input: A label that the network is given as one more modality, `group` or `activity`: what a teacher sees and a
            robot does not. Empty: none.
        soft: A teacher's labels are its probabilities; false: the most probable activity.
        confidence: Labels that a teacher predicts with a lower confidence stay missing.
        within_group: A teacher's label is an activity of the group that is known.

    Raises:
        ConfigError: A value is impossible.
    """

    share: float = 1.0
    unlabelled: bool = True
    input: Literal["", "group", "activity"] = ""
    soft: bool = False
    confidence: float = 0.0
    within_group: bool = True

    def __post_init__(self) -> None:
        for name, high in (("share", "at most 1"), ("confidence", "less than 1")):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= 1 or value == (0 if name == "share" else 1):
                low = "more than 0" if name == "share" else "0 or more"
                raise ConfigError(f"labels.{name} is {value!r}; expected {low}, {high}")
        for name in ("unlabelled", "soft", "within_group"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"labels.{name} is {getattr(self, name)!r}; expected true or false")
        if self.input not in _INPUTS:
            raise ConfigError(f"labels.input is {self.input!r}; expected group, activity, or nothing")


def with_label_input(config: ModelConfig, label: Literal["", "group", "activity"]) -> ModelConfig:
    """A model that is given a label as one more modality, `group_label` or `activity_label`, of one step."""
    if not label:
        return config
    count = len(config.taxonomy.group_names if label == "group" else config.taxonomy.activities)
    shown = Modality(f"{label}_label", "vector", (count, 1), 1 / config.window_s, "cooccurrence1d", label=label)
    return replace(config, modalities=(*config.modalities, shown))


def show_labels(windows: WindowSet, config: ModelConfig) -> WindowSet:
    """Fill in the modalities of a model that are labels."""
    vectors, masks = dict(windows.vectors), dict(windows.masks)
    for modality in config.modalities:
        if modality.label:
            truth = windows.groups(config.taxonomy) if modality.label == "group" else windows.activity
            vectors[modality.name] = _one_hot(truth, modality.shape[0])[:, None, :, None]
            masks[modality.name] = (truth >= 0)[:, None]
    return replace(windows, vectors=vectors, masks=masks)


def known_labels(windows: WindowSet, taxonomy: Taxonomy) -> np.ndarray:
    """Activity labels used in training, float32 (N, K); a row of zeros where missing."""
    if windows.labels is None:
        return _one_hot(windows.activity, len(taxonomy.activities))
    return windows.labels


def hide_labels(windows: WindowSet, share: float, seed: int, taxonomy: Taxonomy) -> WindowSet:
    """Keep the activities of some clips. Those of a smaller share are among those of a larger one.

    Shares are of each activity alike, rounded to whole clips; a clip with several activities can keep one of them.

    Raises:
        ConfigError: An activity would be left without any clip; says which share is the smallest that fits. Or no
            activity is known at all.
    """
    if share == 1 and (windows.activity >= 0).all():
        return windows
    kept = np.zeros(len(windows), np.bool_)
    fewest, rarest = len(windows) + 1, 0
    for activity in np.unique(windows.activity[windows.activity >= 0]):
        rows = np.flatnonzero(windows.activity == activity)
        clips = np.unique(windows.clip[rows])
        if len(clips) < fewest:
            fewest, rarest = len(clips), int(activity)
        count = int(share * len(clips) + 0.5)
        chosen = np.random.default_rng((seed, int(activity))).permutation(clips)[:count]
        kept[rows] = np.isin(windows.clip[rows], chosen)
    if int(share * fewest + 0.5) < 1:
        smallest = np.ceil(1e4 * 0.5 / fewest) / 1e4
        raise ConfigError(
            f"labels.share is {share:g}, which leaves {taxonomy.activities[rarest]!r} without any of its {fewest} "
            f"clips; the smallest share that fits is {smallest:g}"
        )
    labels = _one_hot(windows.activity, len(taxonomy.activities)) * kept[:, None]
    if not labels.any():
        raise ConfigError(
            "no clip has an activity, all are labelled with their group only; label some of each activity"
        )
    return replace(windows, labels=labels.astype(np.float32))


def _one_hot(indices: np.ndarray, count: int) -> np.ndarray:
    """Rows of zeros where an index is negative."""
    encoded: np.ndarray = np.equal(indices[:, None], np.arange(count)).astype(np.float32)
    return encoded
