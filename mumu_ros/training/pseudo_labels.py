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

"""A teacher fills in the labels that are missing (Erkent 2025: see `given_labels`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mumu_ros.datasets import open_dataset
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.given_labels import Labels, hide_labels, known_labels
from mumu_ros.training.loading import load_windows
from mumu_ros.training.scoring import predict, softmax
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

__all__ = ["check_teacher_input", "pseudo_labels", "teacher_logits", "training_labels"]


def training_labels(settings: Settings, windows: WindowSet, logits: np.ndarray | None = None) -> WindowSet:
    """The windows that a training sees, with the labels that it is given.

    `logits` are a teacher's, divided by its temperature, (N, K).

    Raises:
        ConfigError: No activity keeps a clip; or there is a teacher and no label is missing.
    """
    labels, taxonomy = settings.labels, settings.model.taxonomy
    labelled = hide_labels(windows, labels.share, settings.optimization.seed, taxonomy)
    if logits is not None:
        labelled = pseudo_labels(labelled, logits, labels, taxonomy)
    if labels.unlabelled or labelled.labels is None:
        return labelled
    return labelled.take(np.flatnonzero(labelled.labels.any(axis=1)))


def pseudo_labels(windows: WindowSet, logits: np.ndarray, labels: Labels, taxonomy: Taxonomy) -> WindowSet:
    """Fill missing labels with a teacher's predictions; true labels stay.

    Raises:
        ConfigError: No label is missing.
    """
    known = known_labels(windows, taxonomy)
    missing = known.max(axis=1) == 0
    if not missing.any():
        raise ConfigError(f"labels.share is {labels.share:g}: no label is missing that a teacher could fill in")
    predicted = softmax(logits)
    if labels.within_group:
        possible = np.equal(taxonomy.group_indices, windows.groups(taxonomy)[:, None])
        predicted = softmax(np.where(possible, logits, -np.inf))
    taught = predicted if labels.soft else np.eye(predicted.shape[1])[predicted.argmax(axis=1)]
    confident = predicted.max(axis=1, keepdims=True) >= labels.confidence
    filled = np.where(missing[:, None], taught * confident, known).astype(np.float32)
    return replace(windows, labels=filled)


def teacher_logits(teacher: Checkpoint, settings: Settings, windows: WindowSet) -> np.ndarray:
    """A model's predictions for the training windows of another; it reads its own sensors of the same clips.

    The teacher may have sensors, and a label as an input, that the other has not.

    Returns:
        Logits of the activities, divided by the teacher's temperature, (N, K).

    Raises:
        ConfigError: The teacher tells other activities apart, is given the activity, looks at windows of another
            length, needs a sensor that the dataset does not have, or sees other windows of a clip.
        DatasetError: The data cannot be read.
    """
    config, data = teacher.config, replace(settings.data, pose="")
    _check_taxonomy(teacher, settings)
    check_teacher_input(next((m.label for m in config.modalities if m.label), ""), teacher.id)
    if config.window_s != settings.model.window_s:
        raise ConfigError(
            f"teacher {teacher.id} looks at windows of {config.window_s:g} s, model.window_s is "
            f"{settings.model.window_s:g}; expected the same"
        )
    subjects = settings.data.subjects("train")
    there = open_dataset(data.dataset, data.root, subjects=subjects or None, seconds=data.seconds).streams
    sensors = [modality.name for modality in config.measured]
    both = f"teacher {teacher.id} ({', '.join(sensors)}) and the training ({', '.join(settings.model.names)})"
    if lacking := [name for name in sensors if name not in there]:
        raise ConfigError(
            f"teacher {teacher.id} needs {', '.join(lacking)}; {data.dataset} has {', '.join(there)}: give a teacher "
            "that sees some of these only"
        )
    seen = load_windows(config, data, subjects).windows
    _check_same_windows(both, seen, windows, config.taxonomy)
    return predict(teacher.model, seen).activity_logits / teacher.calibration.temperature


def check_teacher_input(label: str, teacher: str) -> None:
    """Refuse a teacher that is given each clip's activity (`labels.input`): it would tell the hidden ones.

    Raises:
        ConfigError: It is.
    """
    if label == "activity":
        raise ConfigError(
            f"teacher {teacher} is given the activity (labels.input=activity), also of clips whose activity is missing "
            "or hidden by labels.share; train it with labels.input=group, or without"
        )


def _check_same_windows(both: str, seen: WindowSet, windows: WindowSet, taxonomy: Taxonomy) -> None:
    """See that a teacher is asked about the windows of the training; the errors begin with `both`."""
    if not np.array_equal(seen.clip, windows.clip):
        unreadable = sorted(set(windows.clip) - set(seen.clip)) or ["the same clips, cut into other windows"]
        raise ConfigError(f"{both} do not see the same clips; the teacher lacks {', '.join(unreadable[:3])}")
    # Not `inside`: sensors that begin a millisecond apart already change it.
    other = np.flatnonzero(seen.activity != windows.activity)
    if len(other):
        names = (*taxonomy.activities, *reversed(taxonomy.group_names))  # −1 − g is group g
        shown, wanted = (names[w.activity[other[0]]] for w in (seen, windows))
        raise ConfigError(
            f"{both} do not see the same windows of {len(set(windows.clip[other]))} clips; the first: "
            f"{windows.clip[other[0]]}, the teacher sees {shown}, the training {wanted}; windows lie where a model's "
            "sensors have samples: cut the clips so that all their streams begin and end together"
        )


def _check_taxonomy(teacher: Checkpoint, settings: Settings) -> None:
    known, wanted = teacher.config.taxonomy, settings.model.taxonomy
    if known.activities == wanted.activities and known.group_names == wanted.group_names:
        return
    lacking = sorted(set(wanted.activities) - set(known.activities))
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    lacks = ", ".join(lacking[:3]) + more or "none, but has another order, or other groups"
    raise ConfigError(
        f"teacher {teacher.id} has taxonomy {known.name!r}, the training {wanted.name!r}; it lacks {lacks}: give a "
        "teacher that was trained with the same taxonomy"
    )
