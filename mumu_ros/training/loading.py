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

"""Windows of many clips, made on all processors and kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, lonely_activity, unlike_names
from mumu_ros.datasets.utd_mhad_clips import find_utd_mhad
from mumu_ros.files import expanded
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.given_labels import show_labels
from mumu_ros.training.settings import Data
from mumu_ros.training.windows import WindowSet, clip_end, cut_windows, random_ends
from mumu_ros.training.worker_pool import interrupts_held, worker_pool

__all__ = [
    "NONE_KNOWN",
    "Loaded",
    "check_subjects",
    "known_windows",
    "load_windows",
    "simulated_s",
    "tell_untaught",
]

NONE_KNOWN = "has an activity, all are labelled with their group only; label some, or choose other subjects"
"""What is wrong with clips that can be neither tested nor trained on by themselves, and the remedy."""
_TOLD_S = 1.0
"""Labels beyond the samples are reported from this length on; less is rounding."""
_REMEDY = (
    "; one window of each clip, however short: --windows-per-s 0, mumu train: data.windows_per_s=0, or a shorter "
    "window: model.window_s, as dataset build has --shortest"
)
Change: TypeAlias = Callable[[Clip], Clip]


@dataclass(frozen=True, eq=False)
class Loaded:
    """Windows of a dataset.

    Attributes:
        windows: Of all clips that could be read and have room for a window.
        clips: What those clips are.
        skipped: Id of each other clip, and what is wrong with it; or why there is no window of it.
        unused: Streams of a folder that the model does not take; those of other datasets may be parts of what it takes.
    """

    windows: WindowSet
    clips: tuple[ClipInfo, ...]
    skipped: Mapping[str, str]
    unused: tuple[str, ...] = ()


def load_windows(
    config: ModelConfig,
    data: Data,
    subjects: Collection[int] = (),
    change: Change | None = None,
    skip_unknown: bool = False,
) -> Loaded:
    """Read the clips of subjects (none: everybody's) and cut them into labelled windows; `data`'s own lists of subjects
    are not looked at.

    Args:
        config: The model's.
        data: What to read, and which windows to cut.
        subjects: Whose clips.
        change: What to do to a clip before it is cut, in another process: it gives each an activity of the taxonomy,
            whatever the dataset has. Such windows are not kept.
        skip_unknown: Skip clips of which an activity is not in the taxonomy, instead of refusing the dataset.

    Raises:
        DatasetError: The dataset is not there, a subject is not in it, or none of its clips can be read.
        ConfigError: An activity of the dataset is not in the model's taxonomy, unless `skip_unknown`.
    """
    dataset = open_dataset(data.dataset, data.root, subjects=sorted(subjects) or None, seconds=data.seconds)
    there = check_subjects(data.dataset, data.root, dataset.clips, subjects)
    unknown = {} if change else _unknown(config, data.dataset, dataset.clips, skip_unknown)
    chosen = [clip for clip in dataset.clips if clip.id not in unknown]
    model, config = config, replace(config, modalities=config.measured)
    folder = None if change else _cache_folder(config, data)
    people = [tuple(clip for clip in chosen if clip.subject == subject) for subject in sorted(there)]
    people = [clips for clips in people if clips]
    files = _files(folder, data, people) if folder else [None] * len(people)
    kept = [WindowSet.load(file) if file and file.exists() else None for file in files]
    missing = [(c, f) for c, f, k in zip(people, files, kept, strict=True) if k is None]
    others = _cut_all(config, data, change, skip_unknown, missing)
    parts = [(k, {}, {}) if k is not None else next(others) for k in kept]
    windows = [part for part, _, _ in parts if part is not None]
    skipped = {clip: reason for _, reasons, _ in parts for clip, reason in reasons.items()}
    _tell_beyond({clip: seconds for _, _, beyond in parts for clip, seconds in beyond.items()})
    cut = {clip for part in windows for clip in part.clip.tolist()}
    short = {c.id: _why_none(config, data, c) for c in chosen if c.id not in skipped and c.id not in cut}
    skipped = skipped | short | unknown  # an unknown activity is not what is wrong with the dataset
    if not cut:
        remedy = _REMEDY if short and data.windows_per_s else ""
        raise DatasetError(f"no clip of {data.dataset} can be used; the first: {next(iter(skipped.values()))}{remedy}")
    clips = tuple(clip for clip in dataset.clips if clip.id not in skipped)
    own = dataset.streams if data.dataset == "folder" else ()
    unused = tuple(name for name in own if name not in (*config.names, data.pose))
    return Loaded(show_labels(WindowSet.concatenate(windows), model), clips, skipped, unused)


def check_subjects(dataset: str, root: str, clips: Sequence[ClipInfo], subjects: Collection[int]) -> set[int]:
    """The subjects of clips, which are those of `subjects` in a dataset, or all (none).

    Raises:
        DatasetError: One of `subjects` is not among them; those of the whole dataset are listed.
    """
    there = {clip.subject for clip in clips}
    if missing := sorted(set(subjects) - there):
        everybody = {clip.subject for clip in open_dataset(dataset, root).clips}
        raise DatasetError(f"{dataset} has no subjects {missing}; it has {sorted(everybody)}")
    return there


def simulated_s(dataset: str, seconds: float | None) -> float:
    """Length of a simulated clip, from `--seconds`; None: the usual one.

    Raises:
        ConfigError: It is given for clips that are not simulated.
    """
    if seconds is not None and dataset != "simulator":
        raise ConfigError(f"--seconds is {seconds:g}; the clips of {dataset} are as long as they are: leave it out")
    return Data.seconds if seconds is None else seconds


def known_windows(windows: WindowSet, whose: str) -> WindowSet:
    """Those whose activity is known.

    Raises:
        DatasetError: There is none; the text begins with `whose`.
    """
    known = windows.known()
    if not len(known):
        raise DatasetError(f"{whose}: no clip {NONE_KNOWN}")
    return known


def tell_untaught(windows: WindowSet, config: ModelConfig, unused: Sequence[str] = ()) -> None:
    """Name what a training on these windows cannot teach, on the standard error stream.

    Args:
        windows: Those of the training.
        config: The model's.
        unused: Streams of the dataset that it does not take.
    """
    taxonomy, modalities = config.taxonomy, [modality.name for modality in config.measured]
    if text := unlike_names([*filter(windows.shows, modalities), *unused], modalities):
        print(text, file=sys.stderr, flush=True)
    names = windows.untaught(taxonomy)
    if text := lonely_activity([name for name in taxonomy.activities if name not in names]):
        print(text, file=sys.stderr, flush=True)
    if names:
        it = "it" if len(names) == 1 else "them"
        print(
            f"no window shows {', '.join(names)}: the model cannot learn {it}; record or label more of {it}, or take "
            f"{it} out of taxonomy {taxonomy.name!r}",
            file=sys.stderr,
            flush=True,
        )


def _unknown(config: ModelConfig, dataset: str, clips: Sequence[ClipInfo], skip: bool) -> dict[str, str]:
    """Id of each clip of an activity that the taxonomy lacks, and what is wrong with it."""
    labels = {clip.id: clip.activity for clip in clips if clip.activity}
    unknown = {clip: name for clip, name in labels.items() if _foreign(config.taxonomy, [name])}
    if unknown and not skip:
        activities = ", ".join(sorted(set(unknown.values())))
        raise ConfigError(
            f"taxonomy {config.taxonomy.name!r} lacks {activities} of {dataset}; put them into a group of it"
        )
    return {clip: _not_in(config.taxonomy, [activity]) for clip, activity in unknown.items()}


def _foreign(taxonomy: Taxonomy, labels: Iterable[str]) -> list[str]:
    """Those labels that are neither an activity nor a group of a taxonomy, in order."""
    return sorted(set(labels) - {*taxonomy.activities, *taxonomy.group_names})


def _not_in(taxonomy: Taxonomy, labels: Sequence[str]) -> str:
    is_not = "is not" if len(labels) == 1 else "are not"
    return f"{', '.join(map(repr, labels))} {is_not} in the taxonomy {taxonomy.name!r} of the model"


def _why_none(config: ModelConfig, data: Data, clip: ClipInfo) -> str:
    """Why a clip that could be read has no window."""
    if clip.activity:
        return f"too short for a window of {config.window_s:g} s, or no window has a sample"
    return (
        f"too short, no activity fills {data.min_overlap:.0%} of a window of {config.window_s:g} s, or no window has a "
        "sample"
    )


def _tell_beyond(beyond: Mapping[str, float]) -> None:
    """Name clips with labels, of some seconds, that were left out because there is no sample then."""
    if beyond:
        clip, seconds = next(iter(beyond.items()))
        print(
            f"labels before the first or after the last sample of {len(beyond)} clips are left out; the first: {clip}, "
            f"{seconds:.1f} s",
            file=sys.stderr,
            flush=True,
        )


Clips = tuple[ClipInfo, ...]
Part = tuple[WindowSet | None, dict[str, str], dict[str, float]]
"""One person's windows, clips that were skipped, and seconds of labels that were left out, by clip."""


def _files(folder: Path, data: Data, people: Sequence[Clips]) -> list[Path]:
    """Where each person's windows are kept. Clips that were added, named anew or corrected are not in an older file.

    A clip's files are those in the folder of its name; where the dataset has no such folder, all that it has.
    """
    root = expanded(data.root) if data.root else None
    if data.dataset == "utd_mhad":
        root = find_utd_mhad(data.root)
    listing = cache(partial(_listing, but=expanded(data.cache)))
    files = []
    for clips in people:
        places = {root / clip.id if (root / clip.id).is_dir() else root for clip in clips} if root else ()
        content = repr((clips, [listing(place) for place in sorted(places)]))
        files.append(folder / f"{clips[0].subject}_{hashlib.sha256(content.encode()).hexdigest()[:8]}.npz")
    return files


def _listing(folder: Path, but: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of each file in a folder, but for another folder in it."""
    listed = []
    seen = {os.path.realpath(but)}
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for name in names:
            path = Path(place, name)
            if path.is_file():  # no link to nowhere
                listed.append((str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns))
    return sorted(listed)


def _cut_all(
    config: ModelConfig,
    data: Data,
    change: Change | None,
    skip_unknown: bool,
    people: Sequence[tuple[Clips, Path | None]],
) -> Iterator[Part]:
    if not people:
        return
    with worker_pool(min(len(people), os.cpu_count() or 1)) as pool:
        with interrupts_held():
            parts = [pool.submit(_cut_person, config, data, change, skip_unknown, *person) for person in people]
        for part in parts:
            yield part.result()


def _cut_person(
    config: ModelConfig, data: Data, change: Change | None, skip_unknown: bool, clips: Clips, path: Path | None
) -> Part:
    cv2.setNumThreads(1)
    subject = clips[0].subject
    generator = np.random.default_rng((subject, 0))
    dataset = open_dataset(data.dataset, data.root, subjects=[subject], seconds=data.seconds)
    preprocessing = Preprocessing(replace(config, modalities=(*config.modalities, *_teacher(config, data.pose))))
    parts, skipped, beyond = [], {}, {}
    for info in clips:
        try:
            clip = dataset.read(info, preprocessing)
            clip = change(clip) if change else clip
            if data.pose and data.pose not in clip.streams:
                raise DatasetError(f"{info.id} has no stream {data.pose!r}, which data.pose names")
            _check_segments(config.taxonomy, clip, skip_unknown)
        except DatasetError as error:
            skipped[info.id] = str(error)
            continue
        if clip.beyond_s > _TOLD_S:
            beyond[info.id] = clip.beyond_s
        cut_at_end = data.windows_per_s == 0
        ends_ns = clip_end(clip) if cut_at_end else random_ends(clip, config.window_s, data.windows_per_s, generator)
        parts.append(cut_windows(clip, config, ends_ns, data.min_overlap, data.pose))
    if not parts:
        return None, skipped, beyond
    windows = WindowSet.concatenate(parts)
    # What was left out is to be named again the next time.
    if path and not skipped and not beyond:
        windows.save(path)
    return windows, skipped, beyond


def _check_segments(taxonomy: Taxonomy, clip: Clip, skip: bool) -> None:
    """See that the taxonomy has what the segments say; a clip that is to be skipped has a `DatasetError`."""
    foreign = _foreign(taxonomy, (segment.activity for segment in clip.segments))
    if foreign and skip:
        raise DatasetError(f"in its segments {_not_in(taxonomy, foreign)}")
    if foreign:
        raise ConfigError(
            f"taxonomy {taxonomy.name!r} lacks {', '.join(foreign)} of clip {clip.id!r}, in its segments; put them "
            "into a group of it"
        )


def _teacher(config: ModelConfig, pose: str) -> tuple[Modality, ...]:
    """The skeleton that a model is taught by, where it is not one of its own modalities."""
    pupils = [modality for modality in config.modalities if modality.sees_poses]
    if not pose or pose in config.names:
        return ()
    if not pupils:
        raise ConfigError(f"data.pose is {pose!r}, but no modality has the encoder pose_cnn, which it would teach")
    return (Modality(pose, "vector", (pupils[0].joints, 3), pupils[0].rate_hz, "cooccurrence1d"),)


def _cache_folder(config: ModelConfig, data: Data) -> Path | None:
    """A folder whose name changes with everything that the windows depend on, but for the dataset's files and code."""
    if not data.cache:
        return None
    inputs = [
        {k: getattr(m, k) for k in ("name", "kind", "shape", "rate_hz", "max_gap_s", "range_m", "layout", "sees_poses")}
        for m in config.modalities
    ]
    cut = {k: getattr(data, k) for k in ("dataset", "root", "seconds", "windows_per_s", "min_overlap", "pose")}
    key = json.dumps([inputs, config.window_s, config.taxonomy.to_dict(), cut], sort_keys=True)
    folder = expanded(data.cache) / hashlib.sha256(key.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
