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

"""Clips of several datasets, labelled with the activities of one taxonomy, to compose windows of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets import ANIMATED, open_dataset
from mumu_ros.datasets.animated import PEOPLE
from mumu_ros.datasets.clips import FEWEST_FRAMES, Clip, ClipInfo, DatasetError, parse_subjects
from mumu_ros.datasets.utd_mhad import ACTIONS, inertial_site
from mumu_ros.datasets.utd_mhad_clips import INERTIAL
from mumu_ros.files import expanded
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.reading import read_yaml
from mumu_ros.share import share_path
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.composition import TAKE_HZ, Take, resample
from mumu_ros.training.loading import Loaded, check_subjects
from mumu_ros.training.settings import Data, Settings
from mumu_ros.training.whole_clips import seconds_before_end
from mumu_ros.training.windows import WindowSet, clip_end, cut_windows

__all__ = [
    "Takes",
    "accepted_labels",
    "calibrates_by",
    "divide_takes",
    "has_labels",
    "known_people",
    "load_takes",
    "load_test_windows",
    "read_labels",
    "read_takes",
    "recordings_of",
    "worn_on_wrist",
]

_SAME_RECORDINGS = {"utd_mhad_front": "utd_mhad"}


@dataclass(frozen=True, eq=False)
class Takes:
    """Clips of one or more datasets.

    Attributes:
        takes: Those that could be read.
        skipped: Id of each other one, and what is wrong with it.
    """

    takes: tuple[Take, ...]
    skipped: Mapping[str, str]


def recordings_of(dataset: str) -> str:
    """The dataset whose people, recordings and activities another one has; of most it is the dataset itself."""
    return _SAME_RECORDINGS.get(dataset, dataset)


def calibrates_by(dataset: str) -> bool:
    """Whether a cross-validation leaves a dataset out as a whole, and calibrates by all of its people."""
    return recordings_of(dataset) not in ("utd_mhad", ANIMATED)


def known_people(
    data: Mapping[str, Any], dataset: str, root: str, tested: Collection[int], has_calibration: bool
) -> tuple[set[int], set[int]]:
    """Those of some tested subjects whom a model was trained on, and those whom it was calibrated on.

    Args:
        data: What it was trained on, as its provenance has it: the section `data` of a configuration.
        dataset: Name of the tested dataset.
        root: Its folder.
        tested: The subjects.
        has_calibration: Whether the calibration is that of a cross-validation; else people held out of several datasets
            are calibrated on.
    """
    sets = data["sets"] if isinstance(data.get("sets"), dict) else {}
    source = recordings_of(dataset)
    of_it = [text for name, text in sets.items() if recordings_of(str(name)) == source]
    if not of_it and recordings_of(str(data.get("dataset"))) != source:
        return set(), set()
    own = Path(str(data.get("root", "")), "folder" if sets else "")
    if source == "folder" and expanded(own).resolve() != expanded(root).resolve():
        return set(), set()
    texts = (data.get("train_subjects"), data.get("calibration_subjects"), *of_it)
    try:
        train, calibration, *held_out = (parse_subjects(str(x)) if x not in ("", None) else () for x in texts)
    except ConfigError:  # somebody wrote something else there
        return set(), set()
    people = set(tested).intersection(PEOPLE) if source == ANIMATED else set(tested)
    if of_it:
        held = people.intersection(*held_out)
        return people - held, held if calibrates_by(source) or not has_calibration else set()
    return people.intersection(train) if train else people, people.intersection(calibration)


def _labels_path(taxonomy: Taxonomy) -> Path:
    return share_path("config", "labels") / f"{taxonomy.name}.yaml"


def has_labels(taxonomy: Taxonomy) -> bool:
    """Whether there is a file that says what the activities of datasets are in this taxonomy.

    It is of the shipped taxonomy: one of a user's own may have the same name, such as that of a folder `people`.
    """
    shipped = share_path("config", "taxonomies") / f"{taxonomy.name}.yaml"
    return _labels_path(taxonomy).is_file() and (not shipped.is_file() or Taxonomy.read(shipped) == taxonomy)


def read_labels(taxonomy: Taxonomy) -> dict[str, dict[str, tuple[str, ...]]]:
    """Dataset to its activities in the words of a taxonomy, from `config/labels/<name>.yaml`.

    Raises:
        ConfigError: There is no such file, or it names what the taxonomy does not have.
    """
    path = _labels_path(taxonomy)
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"labels {str(path)!r}: {error}") from error
    sets = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(labels, dict) and all(isinstance(n, list) for n in labels.values()) for labels in sets):
        raise ConfigError(f"labels {str(path)!r}: expected {{dataset: {{activity: [name, …]}}}}")
    for dataset, labels in content.items():
        for activity, names in labels.items():
            if unknown := sorted(set(names) - set(taxonomy.activities)):
                raise ConfigError(
                    f"labels {str(path)!r}: {activity} of {dataset} is {', '.join(unknown)}, which taxonomy "
                    f"{taxonomy.name!r} lacks; it has {', '.join(taxonomy.activities)}"
                )
    return {dataset: {a: tuple(names) for a, names in labels.items()} for dataset, labels in content.items()}


def accepted_labels(taxonomy: Taxonomy, dataset: str, clips: Sequence[ClipInfo]) -> dict[str, tuple[str, ...]]:
    """Activities of clips to those of a taxonomy, of which any is right; none: the taxonomy does not know it.

    A dataset that the label file does not have, such as a user's own, is in the words of the taxonomy.

    Raises:
        ConfigError: An activity is not in the label file, or not in the taxonomy.
    """
    known = read_labels(taxonomy).get(recordings_of(dataset))
    if known is None:
        return _own_labels(taxonomy, dataset, clips)
    if missing := sorted({clip.activity for clip in clips} - set(known)):
        raise ConfigError(
            f"{dataset} has {', '.join(missing)}; say in config/labels/{taxonomy.name}.yaml which activities of "
            f"taxonomy {taxonomy.name!r} they are, or []"
        )
    return known


def _own_labels(taxonomy: Taxonomy, dataset: str, clips: Sequence[ClipInfo]) -> dict[str, tuple[str, ...]]:
    if foreign := sorted({clip.activity for clip in clips} - set(taxonomy.activities)):
        raise ConfigError(
            f"{dataset} has {', '.join(map(repr, foreign))}, which taxonomy {taxonomy.name!r} lacks; every clip needs "
            f"one of its activities in clips.csv: {', '.join(taxonomy.activities)}"
        )
    return {activity: (activity,) for activity in taxonomy.activities}


def read_takes(settings: Settings) -> Takes:
    """The clips of all datasets of a training; see `load_takes`."""
    data = settings.data
    roots = {name: "" if name == ANIMATED else str(Path(data.root) / name) for name in data.sets}
    return load_takes(settings.model, roots)


def divide_takes(takes: Sequence[Take], data: Data) -> tuple[list[Take], list[Take]]:
    """The training people, and the held-out people.

    Raises:
        DatasetError: Somebody who is to be held out has no clip.
    """
    held_out = {name: data.held_out(name) for name in data.sets}
    for name, subjects in held_out.items():
        there = {take.subject for take in takes if take.source == name}
        if missing := sorted(set(subjects) - there):
            raise DatasetError(
                f"data.sets.{name} is {data.sets[name]!r}: no clip of {missing} can be used; expected some of "
                f"{sorted(there)}"
            )
    kept: list[Take] = []
    left: list[Take] = []
    for take in takes:
        (left if take.subject in held_out[take.source] else kept).append(take)
    return kept, left


def load_test_windows(config: ModelConfig, dataset: str, root: str, subjects: Collection[int] = ()) -> Loaded:
    """The windows that the clips of a dataset are decided by (`whole_clips.py`), labelled in the words of the model's
    taxonomy. Of a dataset that the label file does not have, clips without one activity of the taxonomy are skipped.

    Returns:
        `labels` of the windows are 1 for each activity that is right; a row of zeros is an activity that the taxonomy
        does not know. `clips` are in the order of the windows.

    Raises:
        DatasetError: The dataset is not there, a subject is not in it, or nothing of it can be read.
        ConfigError: An activity is not in the label file.
    """
    found = open_dataset(dataset, root, subjects=sorted(subjects) or None)
    check_subjects(dataset, root, found.clips, subjects)
    foreign = _foreign(config.taxonomy, dataset, found.clips)
    chosen = [clip for clip in found.clips if clip.id not in foreign]
    labels = accepted_labels(config.taxonomy, dataset, chosen)
    preprocessing = Preprocessing(config)
    parts, clips, skipped = [], [], {}
    for info in chosen:
        try:
            clip = worn_on_wrist(dataset, found.read(info, preprocessing))
        except DatasetError as error:
            skipped[info.id] = str(error)
            continue
        names = labels[info.activity] or (OTHER,)
        clip = replace(clip, segments=tuple(replace(segment, activity=names[0]) for segment in clip.segments))
        parts.append(cut_windows(clip, config, _ends_ns(clip, config.window_s), 0.0))
        clips.append(info)
    skipped |= foreign
    if not clips:
        raise DatasetError(f"no clip of {dataset} can be used; the first: {next(iter(skipped.values()))}")
    right = np.array([[a in labels[info.activity] for a in config.taxonomy.activities] for info in clips], np.float32)
    windows = replace(WindowSet.concatenate(parts), labels=np.repeat(right, [len(part) for part in parts], axis=0))
    return Loaded(windows, tuple(clips), skipped)


def _foreign(taxonomy: Taxonomy, dataset: str, clips: Sequence[ClipInfo]) -> dict[str, str]:
    """Id of each clip of a dataset in the words of the taxonomy that has none of its activities, and what is wrong."""
    if recordings_of(dataset) in read_labels(taxonomy):
        return {}
    reasons = {"": "it has its activities in segments; a test of whole clips needs one activity for each"}
    reasons |= {group: f"only its group {group!r} is known" for group in taxonomy.group_names}
    lacking = {clip.id: clip.activity for clip in clips if clip.activity not in taxonomy.activities}
    return {
        clip: reasons.get(activity, f"{activity!r} is not in the taxonomy {taxonomy.name!r} of the model")
        for clip, activity in lacking.items()
    }


def _ends_ns(clip: Clip, window_s: float) -> NDArray[np.int64]:
    first_ns = min(int(stream.stamps_ns[0]) for stream in clip.streams.values())
    (end_ns,) = clip_end(clip)
    before_s = seconds_before_end((end_ns - first_ns) / NS_PER_S, window_s)
    return np.asarray(end_ns - np.round(before_s[::-1] * NS_PER_S).astype(np.int64))


def load_takes(config: ModelConfig, sets: Mapping[str, str]) -> Takes:
    """Read the clips of datasets, by their folders, for a model with a skeleton that has a layout.

    Raises:
        DatasetError: A dataset is not there, or nothing of it can be read.
        ConfigError: An activity is not in the label file of the taxonomy.
    """
    if lacking := {IDLE, OTHER} - set(config.taxonomy.activities):
        raise ConfigError(f"taxonomy {config.taxonomy.name!r} lacks {', '.join(sorted(lacking))}; add them to a group")
    preprocessing = Preprocessing(replace(config, modalities=config.measured))
    takes: list[Take] = []
    skipped: dict[str, str] = {}
    for name, root in sets.items():
        dataset = open_dataset(name, root)
        labels = accepted_labels(config.taxonomy, name, dataset.clips)
        errors: dict[str, str] = {}
        for info in dataset.clips:
            try:
                clip = worn_on_wrist(name, dataset.read(info, preprocessing))
                takes.append(_take(name, clip, labels[info.activity], config))
            except DatasetError as error:
                errors[f"{name}/{info.id}"] = str(error)
        if len(errors) == len(dataset.clips):
            raise DatasetError(f"no clip of {name} can be used; the first: {next(iter(errors.values()))}")
        skipped |= errors
    return Takes(tuple(takes), skipped)


def worn_on_wrist(dataset: str, clip: Clip) -> Clip:
    """A clip without the IMU if it was worn on the thigh, where it would tell the activity by its place.

    Raises:
        DatasetError: Nothing else is in the clip.
    """
    if dataset != "utd_mhad" or inertial_site(ACTIONS.index(clip.segments[0].activity) + 1) == "wrist":
        return clip
    streams = {name: stream for name, stream in clip.streams.items() if name not in INERTIAL}
    if not streams:
        raise DatasetError(f"{clip.id}: its IMU was worn on the thigh, the model's is on a wrist; add another sensor")
    return replace(clip, streams=streams)


def _take(dataset: str, clip: Clip, labels: tuple[str, ...], config: ModelConfig) -> Take:
    skeleton = next(m for m in config.modalities if m.layout)
    if skeleton.name not in clip.streams:
        raise DatasetError(f"{clip.id} has no stream {skeleton.name!r}, of which windows are composed")
    imu = next((m for m in config.modalities if m.is_worn_imu), None)
    used = {m: clip.streams[m.name] for m in (skeleton, imu) if m and m.name in clip.streams}
    start_ns = min(int(stream.stamps_ns[0]) for stream in used.values())
    end_ns = max(int(stream.stamps_ns[-1]) for stream in used.values())
    found = {m.name: resample(stream, m, start_ns, end_ns) for m, stream in used.items()}
    joints, worn = found[skeleton.name], found.get(imu.name) if imu else None
    steps = int((~np.isnan(joints)).any(axis=(1, 2)).sum())
    if steps < FEWEST_FRAMES:
        raise DatasetError(
            f"{clip.id}: {steps} frames, at {TAKE_HZ:g} Hz, show a person; expected {FEWEST_FRAMES} or more"
        )
    return Take(joints, worn, labels or (OTHER,), dataset, clip.subject, f"{dataset}/{clip.id}", start_ns)
