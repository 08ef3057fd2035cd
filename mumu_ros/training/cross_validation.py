"""Cross-validation: every fold of a protocol, every seed. What is done is kept: an interrupted one goes on.

A folder holds `manifest.json` (the exact clips of every fold), `settings.json`, and in `folds/` what each training said
about its test clips.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.training.conditions import CLEAN, Condition, standard_conditions
from mumu_ros.training.files import claim
from mumu_ros.training.fit import fit
from mumu_ros.training.loading import load_windows
from mumu_ros.training.protocols import Fold, Manifest, make_manifest
from mumu_ros.training.scoring import predict
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

__all__ = ["FoldResult", "Study", "cross_validate"]


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What one training said about the clips that it had not seen.

    Attributes:
        fold: Name of the fold.
        seed: Of the training.
        clips: str (N,), ids.
        truth: int64 (N,), indices of the activities.
        subject: int64 (N,).
        logits: By condition, float32 (N, K).
        weights: By condition, weights of the fusion for the activity, float32 (N, M).
        group_logits: float32 (N, G), clean.
        cpu_s: Processor time of training and test.
        parameters: Of the model.
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
    """

    manifest: Manifest
    results: tuple[FoldResult, ...]
    skipped: dict[str, str]


def cross_validate(
    settings: Settings,
    seeds: Sequence[int],
    out: str | Path,
    *,
    conditions: Callable[[Sequence[str]], tuple[Condition, ...]] = standard_conditions,
    jobs: int | None = None,
    report: Callable[[FoldResult, int, int], None] = lambda *_: None,
) -> Study:
    """Train and test every fold with every seed.

    Args:
        settings: What to train; `data.protocol` says on which folds, over the subjects of `data.train_subjects`.
        seeds: Each is a training of every fold.
        out: Folder for the results; trainings that are finished there are not done again.
        conditions: What to test under, by the names of the modalities.
        jobs: Trainings at a time; None: one for each processor.
        report: Called after each training with its result, how many are done, and of how many.

    Raises:
        ConfigError: `out` holds a cross-validation of something else, or a damaged result, or several devices are
            asked for.
        DatasetError: The data cannot be read.
        ValueError: The protocol does not fit the clips.
    """
    machine = settings.machine
    if (machine.devices, machine.num_nodes) != (1, 1):
        raise ConfigError(
            f"machine.devices is {machine.devices!r}, num_nodes {machine.num_nodes!r}; in a cross-validation each "
            "training has one device: expected 1 and 1, and --jobs for several trainings at a time"
        )
    out = Path(out)
    loaded = load_windows(settings.model, settings.data, settings.data.subjects("train"))
    manifest = make_manifest(settings.data.protocol, settings.data.dataset, loaded.clips)
    claim(out / "settings.json", settings)
    claim(out / "manifest.json", manifest)
    (out / "folds").mkdir(exist_ok=True)
    tasks = [(fold, seed, out / "folds" / f"seed_{seed}_{fold.name}.npz") for seed in seeds for fold in manifest.folds]
    missing = [task for task in tasks if not task[2].exists()]
    tested = conditions(settings.model.names)
    for done, result in enumerate(_run(settings, loaded.windows, tested, missing, jobs), len(tasks) - len(missing) + 1):
        report(result, done, len(tasks))
    results = tuple(FoldResult.load(path) for _, _, path in tasks)
    return Study(manifest, results, dict(loaded.skipped))


Task = tuple[Fold, int, Path]


def _run(
    settings: Settings, windows: WindowSet, conditions: tuple[Condition, ...], tasks: list[Task], jobs: int | None
) -> Iterator[FoldResult]:
    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, max(len(tasks), 1))
    threads = max(cores // jobs, 1)
    if jobs == 1:
        for task in tasks:
            yield _train_fold(settings, windows, conditions, task)
        return
    # Not forked: the parent's threads (torch, OpenCV) would not exist in the child but their locks would.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _set_up, (settings, windows, conditions, threads)) as pool:
        for finished in as_completed([pool.submit(_work, task) for task in tasks]):
            yield finished.result()


_shared: list[tuple[Settings, WindowSet, tuple[Condition, ...]]] = []


def _set_up(settings: Settings, windows: WindowSet, conditions: tuple[Condition, ...], threads: int) -> None:
    torch.set_num_threads(threads)
    _shared.append((settings, windows, conditions))


def _work(task: Task) -> FoldResult:
    return _train_fold(*_shared[0], task)


def _train_fold(settings: Settings, windows: WindowSet, conditions: tuple[Condition, ...], task: Task) -> FoldResult:
    fold, seed, path = task
    began = time.process_time()
    settings = dataclasses.replace(settings, optimization=dataclasses.replace(settings.optimization, seed=seed))
    work = path.with_suffix(".training")
    model = fit(settings, windows.take(np.flatnonzero(np.isin(windows.clip, fold.train))), work, progress=False)
    test = windows.take(np.flatnonzero(np.isin(windows.clip, fold.test)))
    said = {condition.name: predict(model, test, condition, seed) for condition in conditions}
    result = FoldResult(
        fold=fold.name,
        seed=seed,
        clips=test.clip,
        truth=test.activity,
        subject=test.subject,
        logits={name: predictions.activity_logits for name, predictions in said.items()},
        weights={name: predictions.gm_weights for name, predictions in said.items()},
        group_logits=said[CLEAN].group_logits,
        cpu_s=time.process_time() - began,
        parameters=sum(p.numel() for p in model.parameters()),
    )
    result.save(path)
    shutil.rmtree(work, ignore_errors=True)
    return result
