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

"""Cross-validation: every fold of a protocol, every seed. Completed trainings are kept, so an interrupted run resumes.

A folder holds `manifest.json` (the exact clips of every fold), `contents.json` (digests of their windows),
`settings.json`, and in `folds/` the predictions of each training for its test clips.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mumu_ros.datasets.clips import DatasetError
from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.conditions import CLEAN, Condition, standard_conditions
from mumu_ros.training.fit import check_machine
from mumu_ros.training.loading import NONE_KNOWN, load_windows, tell_untaught
from mumu_ros.training.members import fit_members
from mumu_ros.training.protocols import Fold, Manifest, make_manifest
from mumu_ros.training.pseudo_labels import check_teacher_input, training_labels
from mumu_ros.training.scoring import predict
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet
from mumu_ros.training.work_folder import reserve
from mumu_ros.training.worker_pool import interrupts_held, worker_pool

__all__ = ["FoldResult", "Study", "check_trainings", "cross_validate"]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """Predictions of one training for the windows of its test clips.

    Attributes:
        fold: Name of the fold.
        seed: Of the training.
        clips: str (N,), id of the clip of each window.
        truth: int64 (N,), indices of the activities.
        subject: int64 (N,).
        logits: By condition, float32 (N, K).
        weights: By condition, weights of the fusion for the activity, float32 (N, M); all 0 where nothing was left.
        group_logits: float32 (N, G), clean.
        cpu_s: Processor time of training and test.
        parameters: Of the model.
        taught_clips: str (N',), the same of the windows that it could be trained on, whether they were labelled or not;
            empty in results of older versions.
        taught_logits: float32 (N', K), what it says about them.
        taught_truth: int64 (N',), `WindowSet.activity` of them; empty in results of older versions.
    """

    fold: str
    seed: int
    clips: np.ndarray
    truth: np.ndarray
    subject: np.ndarray
    logits: dict[str, np.ndarray]
    weights: dict[str, np.ndarray]
    group_logits: np.ndarray
    cpu_s: float
    parameters: int
    taught_clips: np.ndarray = field(default_factory=lambda: np.zeros(0, np.str_))
    taught_logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    taught_truth: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, rows: np.ndarray) -> FoldResult:
        """The result of some of its windows, by indices or a mask; what it was trained on stays."""
        return replace(
            self,
            clips=self.clips[rows],
            truth=self.truth[rows],
            subject=self.subject[rows],
            logits={name: value[rows] for name, value in self.logits.items()},
            weights={name: value[rows] for name, value in self.weights.items()},
            group_logits=self.group_logits[rows],
        )

    def is_of(self, activities: Mapping[str, Sequence[str]], taxonomy: Taxonomy) -> np.ndarray:
        """Which windows are of the activities that are listed by fold, bool (N,)."""
        return np.isin(self.truth, [taxonomy.activity_index(name) for name in activities.get(self.fold, ())])

    def save(self, path: Path) -> None:
        """Write a .npz file that `load` reads back."""
        arrays = {key: value for key, value in vars(self).items() if key not in ("logits", "weights")}
        for part in ("logits", "weights"):
            arrays |= {f"{part}/{name}": value for name, value in getattr(self, part).items()}
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> FoldResult:
        """Read what `save` wrote.

        Raises:
            ConfigError: The file is damaged; it is named.
        """
        try:
            with np.load(path) as file:
                values = {key: file[key] for key in file.files}
            parts: dict[str, dict[str, np.ndarray]] = {"logits": {}, "weights": {}}
            for key in [key for key in values if "/" in key]:
                part, _, name = key.partition("/")
                parts[part][name] = values.pop(key)
            return cls(
                fold=str(values.pop("fold")),
                seed=int(values.pop("seed")),
                cpu_s=float(values.pop("cpu_s")),
                parameters=int(values.pop("parameters")),
                logits=parts["logits"],
                weights=parts["weights"],
                **values,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ConfigError(
                f"{str(path)!r} is damaged ({error}); remove it, and the fold is trained again"
            ) from error


@dataclass(frozen=True)
class Study:
    """A finished cross-validation.

    Attributes:
        manifest: What the folds were.
        results: One a fold and seed, seeds first.
        skipped: Clips that could not be read, and why.
        untaught: By fold, activities that it tests and whose clips it is not trained on, though not on purpose.
    """

    manifest: Manifest
    results: tuple[FoldResult, ...]
    skipped: dict[str, str]
    untaught: dict[str, tuple[str, ...]] = field(default_factory=dict)


def cross_validate(
    settings: Settings,
    seeds: Sequence[int],
    out: str | Path,
    *,
    conditions: Callable[[Sequence[str]], tuple[Condition, ...]] = standard_conditions,
    teacher: Path | None = None,
    jobs: int | None = None,
    report: Callable[[FoldResult, int, int], None] = lambda *_: None,
) -> Study:
    """Train and test every fold with every seed.

    Args:
        settings: What to train; `data.protocol` says on which folds, over the subjects of `data.train_subjects`.
        seeds: Each is a training of every fold.
        out: Folder for the results; trainings that are finished there are not done again.
        conditions: What to test under, by the names of the modalities.
        teacher: Folder of another cross-validation of the same folds, with the same seeds: what its networks say fills
            in the labels that are missing. None: they stay missing.
        jobs: Trainings at a time; None: one for each processor.
        report: Called after each training with its result, without the activities that the fold lacks on purpose, how
            many are done, and of how many.

    Raises:
        ConfigError: `out` holds a cross-validation of something else or of other data, or a damaged result; or too few
            labels are left, or `teacher` has not seen the same clips, or is given their activities, or `jobs` is below
            1; see also `check_trainings`.
        DatasetError: The data cannot be read, or no activity of a fold's clips is known; the fold is named.
        ValueError: The protocol does not fit the clips.
    """
    check_trainings(settings, seeds)
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs is {jobs}; expected 1 or more, or leave it out: one for each processor")
    told = _teacher(teacher) if teacher else None
    out = Path(out)
    loaded = load_windows(settings.model, settings.data, settings.data.subjects("train"))
    tell_untaught(loaded.windows, settings.model, loaded.unused)
    taxonomy = settings.model.taxonomy
    manifest = make_manifest(settings.data.protocol, settings.data.dataset, loaded.clips, taxonomy.groups)
    _check_folds(manifest, loaded.windows)
    untaught = _untaught(manifest, loaded.windows, taxonomy)
    reserve(out / "settings.json", settings)
    reserve(out / "manifest.json", manifest)
    reserve(out / "contents.json", {"clips": _contents(loaded.windows)})
    if told:
        reserve(out / "teacher.json", told)
    (out / "folds").mkdir(exist_ok=True)
    tasks = [(fold, seed, out / "folds" / f"seed_{seed}_{fold.name}.npz") for seed in seeds for fold in manifest.folds]
    missing = [task for task in tasks if not task[2].exists()]
    work = _Work(settings, loaded.windows, conditions(settings.model.names), teacher)
    lacked = {fold.name: fold.unknown for fold in manifest.folds}
    for done, result in enumerate(_run(work, missing, jobs), len(tasks) - len(missing) + 1):
        report(result.take(~result.is_of(lacked, taxonomy)), done, len(tasks))
    results = tuple(FoldResult.load(path) for _, _, path in tasks)
    return Study(manifest, results, dict(loaded.skipped), untaught)


def check_trainings(settings: Settings, seeds: Sequence[int]) -> None:
    """See that every training of a cross-validation can be done, before data are read.

    Raises:
        ConfigError: A seed is too large, this machine has not what `machine` says, or it has several devices.
    """
    for seed in seeds:
        settings.with_seed(seed)
    machine = settings.machine
    if (machine.devices, machine.num_nodes) != (1, 1):
        raise ConfigError(
            f"machine.devices is {machine.devices!r}, num_nodes {machine.num_nodes!r}; in a cross-validation each "
            "training has one device: expected 1 and 1, and --jobs for several trainings at a time"
        )
    check_machine(settings)


def _check_folds(manifest: Manifest, windows: WindowSet) -> None:
    known = set(windows.clip[windows.activity >= 0].tolist())
    for fold in manifest.folds:
        for clips, use in ((fold.train, "trained on"), (fold.test, "tested")):
            if known.isdisjoint(clips):
                raise DatasetError(f"fold {fold.name!r}: no clip that is {use} {NONE_KNOWN}")


def _untaught(manifest: Manifest, windows: WindowSet, taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """`Study.untaught`, which is also said on the standard error stream."""
    untaught = {}
    for fold in manifest.folds:
        tested, taught = (set(windows.activity[np.isin(windows.clip, c)].tolist()) for c in (fold.test, fold.train))
        unseen = [name for i, name in enumerate(taxonomy.activities) if i in tested - taught]
        if names := tuple(name for name in unseen if name not in fold.unknown):
            untaught[fold.name] = names
            print(
                f"fold {fold.name!r} cannot learn {', '.join(names)}: no clip that it is trained on shows "
                f"{'it' if len(names) == 1 else 'them'}; such clips count as errors and are not calibrated on",
                file=sys.stderr,
                flush=True,
            )
    return untaught


def _teacher(folder: Path) -> dict[str, Any]:
    """The settings of another cross-validation."""
    settings: dict[str, Any] = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    check_teacher_input(settings.get("labels", {}).get("input", ""), repr(str(folder)))
    return settings


def _contents(windows: WindowSet) -> dict[str, str]:
    """A digest of the windows of each clip."""
    return {clip: windows.digest(np.flatnonzero(windows.clip == clip)) for clip in np.unique(windows.clip).tolist()}


Task = tuple[Fold, int, Path]


@dataclass(frozen=True)
class _Work:
    """What all trainings have in common."""

    settings: Settings
    windows: WindowSet
    conditions: tuple[Condition, ...]
    teacher: Path | None


def _run(work: _Work, tasks: list[Task], jobs: int | None) -> Iterator[FoldResult]:
    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, max(len(tasks), 1))
    threads = max(cores // jobs, 1)
    if jobs == 1:
        for task in tasks:
            yield _train_fold(work, task)
        return
    with worker_pool(jobs, _set_up, (work, threads)) as pool:
        with interrupts_held():
            trainings = [pool.submit(_train_shared, task) for task in tasks]
        for finished in as_completed(trainings):
            yield finished.result()


_shared: list[_Work] = []


def _set_up(work: _Work, threads: int) -> None:
    torch.set_num_threads(threads)
    _shared.append(work)


def _train_shared(task: Task) -> FoldResult:
    return _train_fold(_shared[0], task)


def _train_fold(work: _Work, task: Task) -> FoldResult:
    fold, seed, path = task
    began = time.process_time()
    settings = work.settings.with_seed(seed)
    train, test = (
        work.windows.take(np.flatnonzero(np.isin(work.windows.clip, clips))) for clips in (fold.train, fold.test)
    )
    logits = None if work.teacher is None else _taught(work.teacher / "folds" / path.name, train)
    taught = training_labels(settings, train, logits)
    unfinished = path.with_suffix(".training")
    model = fit_members(settings, lambda _: taught, unfinished, progress=False, whole=path.parent.parent)
    test = test.known()
    predicted = {condition.name: predict(model, test, condition, seed) for condition in work.conditions}
    result = FoldResult(
        fold=fold.name,
        seed=seed,
        clips=test.clip,
        truth=test.activity,
        subject=test.subject,
        logits={name: predictions.activity_logits for name, predictions in predicted.items()},
        weights={name: predictions.gm_weights for name, predictions in predicted.items()},
        group_logits=predicted[CLEAN].group_logits,
        cpu_s=time.process_time() - began,
        parameters=sum(p.numel() for p in model.parameters()),
        taught_clips=train.clip,
        taught_logits=predict(model, train).activity_logits,
        taught_truth=train.activity,
    )
    result.save(path)
    shutil.rmtree(unfinished, ignore_errors=True)
    return result


def _taught(path: Path, train: WindowSet) -> np.ndarray:
    """A teacher's predictions for the windows of a fold."""
    result = FoldResult.load(path)
    if not np.array_equal(result.taught_clips, train.clip):
        raise ConfigError(f"{str(path)!r} has no predictions of its network for the same clips; train it again")
    if len(result.taught_truth) and len(other := train.clip[result.taught_truth != train.activity]):
        raise ConfigError(
            f"{str(path)!r} has predictions for other windows of {len(set(other))} clips; the first: {other[0]}; cut "
            "the clips so that all their streams begin and end together"
        )
    return result.taught_logits
