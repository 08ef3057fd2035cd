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

"""One fit of a network: Lightning's trainer, its checkpoints, and where to go on after a kill."""

from __future__ import annotations

import logging
import pickle
import shutil
import warnings
import zipfile
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from mumu_ros.files import naming
from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.training.frame_training import FrameModule
from mumu_ros.training.module import NetworkModule, WarmAverage
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet
from mumu_ros.training.work_folder import digest, reserve

__all__ = ["check_machine", "discard", "fit", "reserve_training"]

_LAST = "last.ckpt"
_SETTINGS = "settings.json"
_LOGS = "logs"
# What torch and Lightning raise on damaged checkpoints, at one place or another.
_DAMAGE = (pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, KeyError, TypeError, AttributeError)
# Warnings about what no user can change, as patterns of what they begin with.
_NOISE = (
    "Checkpoint directory .* exists and is not empty",  # on purpose: settings.json is there
    "The number of training batches .* is smaller than the logging interval",
    "The 'train_dataloader' does not have many workers",  # the windows are in memory
    "`isinstance\\(treespec, LeafSpec\\)` is deprecated",  # Lightning's use of torch
)


def fit(
    settings: Settings,
    windows: WindowSet,
    work: Path | None,
    *,
    init: Network | None = None,
    progress: bool = True,
    whole: Path | None = None,
) -> Network:
    """Train a network; its last averaged weights are taken, none are selected.

    Args:
        settings: What to train and how; the data are given by `windows`.
        windows: What to train on.
        work: Folder for TensorBoard's logs (`logs`) and for what is needed to go on after a kill; a training that
            was interrupted there goes on by itself. None: keep nothing.
        init: Weights to begin with; None: random ones.
        progress: Show progress bars.
        whole: Folder that `work` is a part of, as that of a member is; None: it is none.

    Returns:
        The network, on the CPU, in evaluation mode.

    Raises:
        ConfigError: `work` holds a training of other settings, data, labels or weights to begin with, or a damaged one;
            or poses are to be seen, and there is no skeleton to learn it from; or the training diverged.
        OSError: `work` cannot be written; the path is named.
    """
    _hush()
    for message in _NOISE:
        warnings.filterwarnings("ignore", message)
    if work:
        reserve_training(work, settings, windows, init, whole)
    L.seed_everything(settings.optimization.seed, verbose=False)
    model = init.train() if init else Network(settings.model)
    last = work / _LAST if work else None
    resumes = last is not None and last.exists()
    pupils = [m.name for m in settings.model.modalities if m.sees_poses]
    if pupils and init is None and not settings.optimization.frame_epochs:
        raise ConfigError(
            f"optimization.frame_epochs is 0; {', '.join(pupils)} (pose_cnn) learns in them, or comes from a model "
            "given with --init"
        )
    if settings.optimization.frame_epochs and not resumes:
        for modality in settings.model.modalities:
            if modality.is_image:
                frames = FrameModule(model.encoder(modality.name), windows, settings)
                if frames.count:
                    _trainer(settings, settings.optimization.frame_epochs, None, progress).fit(frames)
    module = NetworkModule(model, windows, settings)
    trainer = _trainer(
        settings, settings.optimization.epochs, work, progress, WarmAverage(settings.optimization.ema_decay)
    )
    try:
        with naming(work, kept=True) if work else nullcontext():
            trainer.fit(module, ckpt_path=last if resumes else None, weights_only=resumes or None)
    except _DAMAGE as error:
        if not resumes or trainer.global_step:
            raise
        # Without torch's text, which advises to trust the file.
        raise ConfigError(f"cannot resume from {str(last)!r}: damaged; remove {str(work)!r} to start again") from error
    if not all(weight.isfinite().all() for weight in model.cpu().state_dict().values()):
        rate, remove = settings.optimization.learning_rate, f", and remove {str(whole or work)!r}" if work else ""
        raise ConfigError(
            "the training diverged: its weights are not finite; lower optimization.learning_rate, which is "
            f"{rate:g}{remove}"
        )
    return model.eval()


def discard(work: Path) -> None:
    """Remove what a training needs to go on, once it is finished and its network saved; TensorBoard's logs stay."""
    for name in (_LAST, _SETTINGS):
        (work / name).unlink(missing_ok=True)


def check_machine(settings: Settings) -> None:
    """Let Lightning see, before data are read, whether this machine has what a training is to run on.

    Raises:
        ConfigError: It has not; with Lightning's reason.
    """
    _hush()
    try:
        _trainer(settings, 1, None, progress=False)
    except Exception as error:  # of a dozen classes, one of them Lightning's own
        machine = ", ".join(f"{key} {value!r}" for key, value in vars(settings.machine).items())
        raise ConfigError(f"cannot train on machine {machine}: {error}") from error


def _hush() -> None:
    """Silence Lightning's notes on absent GPUs, and its advertisements."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def _trainer(settings: Settings, epochs: int, work: Path | None, progress: bool, *callbacks: Callback) -> L.Trainer:
    machine = settings.machine
    if work:
        keep = ModelCheckpoint(work, Path(_LAST).stem, save_top_k=1, every_n_epochs=1, enable_version_counter=False)
        callbacks = (*callbacks, keep)
    return L.Trainer(
        accelerator=machine.accelerator,
        devices=machine.devices,
        num_nodes=machine.num_nodes,
        strategy=machine.strategy,
        precision=machine.precision,  # type: ignore[arg-type]  # Lightning checks it
        # PyTorch has it for CUDA devices only.
        sync_batchnorm=machine.devices != 1 and machine.accelerator != "cpu" and torch.cuda.is_available(),
        max_epochs=epochs,
        gradient_clip_val=settings.optimization.gradient_clip,
        callbacks=list(callbacks),
        logger=TensorBoardLogger(work, name="", version=_LOGS) if work else False,
        log_every_n_steps=10,
        enable_checkpointing=work is not None,
        enable_model_summary=False,
        enable_progress_bar=progress,
        reload_dataloaders_every_n_epochs=1,
    )


@dataclass(frozen=True)
class _Work(Settings):
    """What a folder is for.

    Attributes:
        windows: How many are trained on.
        init: Digest of the weights it begins with; empty: random ones.
        contents: Digest of the windows and their labels, a part of which another model may have filled in.
    """

    windows: int = 0
    init: str = ""
    contents: str = ""


def _init(model: Network | None) -> str:
    return digest(weight.cpu().numpy() for weight in model.state_dict().values()) if model else ""


@rank_zero_only
def reserve_training(
    work: Path, settings: Settings, windows: WindowSet, init: Network | None, whole: Path | None = None
) -> None:
    """Refuse a folder of another training, and delete the logs of a finished one; arguments and errors: see `fit`."""
    count = len(windows)
    wanted = _Work(**vars(settings), windows=count, init=_init(init), contents=windows.digest(range(count)))
    reserve(work / _SETTINGS, wanted, whole)
    if not (work / _LAST).exists():
        shutil.rmtree(work / _LOGS, ignore_errors=True)
