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

"""Training: settings in, a model folder out."""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from mumu_ros.files import expanded, naming, write_json
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import Checkpoint, check_target, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.training.acceptance import novelty_modality, training_features
from mumu_ros.training.composition import compose
from mumu_ros.training.fit import check_machine
from mumu_ros.training.loading import Loaded, known_windows, load_windows, tell_untaught
from mumu_ros.training.members import discard_members, fit_members, member_seeds
from mumu_ros.training.people_protocol import assess_people, check_known, stream_novelty
from mumu_ros.training.pseudo_labels import teacher_logits, training_labels
from mumu_ros.training.scoring import calibrate, predict, score
from mumu_ros.training.settings import Settings
from mumu_ros.training.several_datasets import divide_takes, read_takes
from mumu_ros.training.transfer import is_backbone, load_backbones, transfer
from mumu_ros.training.windows import WindowSet

__all__ = ["provenance", "train"]


def train(
    settings: Settings,
    out: str | Path,
    command: str = "",
    *,
    init: str | Path | None = None,
    teacher: str | Path | None = None,
    calibration: Calibration | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train, calibrate, and write a model folder with `metrics.json`.

    The number of epochs is fixed and the last averaged weights are taken. Nothing is selected, and nobody of
    `calibration_subjects` is trained on. An interrupted training resumes when it is started again.

    Args:
        settings: What to train, on what, how.
        out: The model folder. Beside it lies `<out>.training`, with TensorBoard's logs and, until the training is
            finished, what is needed to go on.
        command: What the user typed, for the provenance.
        init: A model, or the name of a shipped one, to go on from: what means the same in both is taken over, such as
            the encoders when its activities are others. Or the folder of a ResNet-50 in the format of `transformers`,
            that each encoder of this kind begins with. None: random weights.
        teacher: A model, or the name of a shipped one, that fills in the labels that `labels.share` leaves out; it may
            have sensors that this one has not. None: they stay missing.
        calibration: To store, as a cross-validation found it; None: fit it on `calibration_subjects`, if any.
        progress: Show a progress bar.

    Returns:
        The content of metrics.json; nothing in a process that only helped the one that writes.

    Raises:
        ConfigError: `calibration` needs a skeleton, `init` has nothing in common with the configuration, `teacher`
            cannot label its clips, too few labels are left, this machine has not what `machine` says, or
            `<out>.training` is of another training.
        CheckpointError: `init` or `teacher` is no usable model, or something that is no model is at `out`.
        DatasetError: The data cannot be read, or no activity of those whom the confidence is calibrated on is known.
        OSError: `out` cannot be written; the path is named.
    """
    out = Path(out).resolve()
    check_target(out)
    _check(settings, teacher, calibration)
    parent = None if init is None or is_backbone(init) else load_checkpoint(init)
    initial = None if init is None else _begin(init, parent, settings)
    teacher_checkpoint = None if teacher is None else load_checkpoint(teacher)
    began = time.monotonic()
    calibration_windows = _calibration_windows(settings)
    takes = read_takes(settings) if settings.data.sets else None
    kept, held_out = divide_takes(takes.takes, settings.data) if takes else ([], [])
    if held_out and calibration is None:
        check_known(held_out)
    first = member_seeds(settings)[0]
    loaded = (
        Loaded(compose(kept, settings.model, settings.data.windows, first), (), takes.skipped)
        if takes
        else load_windows(settings.model, settings.data, settings.data.subjects("train"))
    )
    predicted = None if teacher_checkpoint is None else teacher_logits(teacher_checkpoint, settings, loaded.windows)
    windows = training_labels(settings, loaded.windows, predicted)

    def of_member(own: int) -> WindowSet:
        is_known = not takes or own == first
        return windows if is_known else compose(kept, settings.model, settings.data.windows, own)

    if not rank_zero_only.rank:  # type: ignore[attr-defined]
        tell_untaught(windows, settings.model, loaded.unused)
    read = time.monotonic()
    work = out.with_name(out.name + ".training")
    model = fit_members(settings, of_member, work, init=initial, progress=progress)
    if rank_zero_only.rank:  # type: ignore[attr-defined]  # only the first of several processes writes
        return {}
    metrics = _counts(model, windows, loaded, read - began, time.monotonic() - read)
    if calibration_windows:
        calibration = calibration or calibrate(model, calibration_windows)
        scores = score(
            predict(model, calibration_windows), calibration_windows, settings.model.taxonomy, calibration.temperature
        )
        metrics["calibration_subjects"] = scores
    seed, novelty = settings.optimization.seed, None
    if _learns_novelty(calibration):
        novelty = stream_novelty(model, kept, seed) if takes else training_features(model, windows)
    if held_out:
        calibration, metrics["held_out"] = assess_people(model, held_out, seed, calibration, novelty)
    with naming(out, kept=True):
        origin = provenance(settings, command, [known for known in (parent, teacher_checkpoint) if known])
        save_checkpoint(out, model, calibration=calibration, provenance=origin, novelty=novelty)
    write_json(out / "metrics.json", metrics)
    discard_members(work)
    return metrics


def _check(settings: Settings, teacher: str | Path | None, calibration: Calibration | None) -> None:
    """Refuse what cannot be done, before hours are spent."""
    if _learns_novelty(calibration):
        novelty_modality(settings.model)
    if teacher is not None and settings.data.sets:
        raise ConfigError(
            f"teacher is {str(teacher)!r}; the windows of several datasets (data.sets) are composed with all their "
            "labels, a teacher has none to fill in: leave it out"
        )
    check_machine(settings)


def _learns_novelty(calibration: Calibration | None) -> bool:
    return calibration is not None and calibration.novelty_weight > 0


def _counts(model: Network, windows: WindowSet, loaded: Loaded, loading_s: float, training_s: float) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "train_windows": len(windows),
        "loading_s": round(loading_s, 1),
        "training_s": round(training_s, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "skipped": dict(loaded.skipped),
    }
    if windows.labels is not None:
        counts["labelled_windows"] = int(windows.labels.any(axis=1).sum())
    return counts


def _calibration_windows(settings: Settings) -> WindowSet | None:
    """Windows of the subjects that the confidence is calibrated on; None: there are none."""
    people = settings.data.subjects("calibration")
    if not people:
        return None
    loaded = load_windows(settings.model, settings.data, people)
    return known_windows(loaded.windows, f"data.calibration_subjects {settings.data.calibration_subjects}")


def _begin(init: str | Path, known: Checkpoint | None, settings: Settings) -> Network:
    torch.manual_seed(settings.optimization.seed)  # of what is new
    if known is None:
        return load_backbones(init, settings.model)
    if known.config == settings.model:
        return known.model
    found = transfer(known.model, settings.model)
    blind = [m.name for m in settings.model.modalities if m.sees_poses and m.name not in found.modalities]
    if blind and not settings.optimization.frame_epochs:
        raise ConfigError(f"{known.id} cannot see the poses of {', '.join(blind)}; set optimization.frame_epochs")
    if not rank_zero_only.rank:  # type: ignore[attr-defined]
        print(f"from {known.id}: {found}", flush=True)
    return found.model


def provenance(settings: Settings, command: str, models: Sequence[Checkpoint] = ()) -> Mapping[str, Any]:
    """What a model was made from: also `models`, such as one that it began with, and those that they were made from."""
    parents = {model.id: {"id": model.id, "data": model.trained_on} for model in models}
    for model in models:
        parents |= {parent["id"]: parent for parent in model.made_from}
    data = dataclasses.asdict(settings.data)
    if data["root"]:  # who was trained on is looked up by it, also from another working directory
        data["root"] = str(expanded(data["root"]).resolve())
    return {
        "command": command,
        "data": data,
        "optimization": dataclasses.asdict(settings.optimization),
        "augmentation": dataclasses.asdict(settings.augmentation),
        "machine": dataclasses.asdict(settings.machine),
        "labels": dataclasses.asdict(settings.labels),
        "made_from": list(parents.values()),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }
