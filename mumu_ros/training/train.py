"""Training: settings in, a model folder out."""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging

from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.model.mumu import MuMu
from mumu_ros.training.frames import FrameModule
from mumu_ros.training.loading import load_windows
from mumu_ros.training.module import MuMuModule, training_batches
from mumu_ros.training.scoring import activity_logits, calibrate, score
from mumu_ros.training.settings import Settings, parse_subjects

__all__ = ["train"]


def train(
    settings: Settings, out: str | Path, command: str = "", *, init: str | Path | None = None, progress: bool = True
) -> dict[str, Any]:
    """Train, calibrate, and write a model folder with `metrics.json`.

    The number of epochs is fixed and the last averaged weights are taken. Nothing is selected, and nobody of
    `calibration_subjects` is trained on.

    Args:
        settings: What to train, on what, how.
        out: The model folder.
        command: What the user typed, for the provenance.
        init: A model of the same configuration to go on from; None: random weights.
        progress: Show a progress bar.

    Returns:
        The content of metrics.json.

    Raises:
        ConfigError: `init` has another configuration.
        CheckpointError: `init` is no usable model.
    """
    data, optimization = settings.data, settings.optimization
    known = None if init is None else load_checkpoint(init)
    if known and known.config != settings.model:
        raise ConfigError(f"model {str(init)!r} is of another configuration; train with the one that it was made from")
    began = time.monotonic()
    windows = load_windows(settings.model, data, parse_subjects(data.train_subjects))
    held_out = load_windows(settings.model, data, parse_subjects(data.calibration_subjects))
    loaded = time.monotonic()

    L.seed_everything(optimization.seed, verbose=False)
    model = known.model.train() if known else MuMu(settings.model)
    batches = training_batches(
        windows, settings.model, settings.augmentation, optimization.batch_size, optimization.seed
    )
    trainer = partial(
        L.Trainer,
        gradient_clip_val=optimization.gradient_clip,
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=progress,
    )
    for modality in settings.model.modalities:
        if modality.is_image and optimization.frame_epochs:
            module = FrameModule(model.encoder(modality.name), windows, settings)
            trainer(max_epochs=optimization.frame_epochs).fit(module)
    trainer(max_epochs=optimization.epochs, callbacks=[EMAWeightAveraging(decay=optimization.ema_decay)]).fit(
        MuMuModule(model, optimization), batches
    )
    model.cpu().eval()

    names = settings.model.taxonomy.activities
    metrics = {
        "train_windows": len(windows),
        "loading_s": round(loaded - began, 1),
        "training_s": round(time.monotonic() - loaded, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
        "calibration_subjects": score(activity_logits(model, held_out), held_out, names),
    }
    provenance = {
        "command": command,
        "data": dataclasses.asdict(data),
        "optimization": dataclasses.asdict(optimization),
        "augmentation": dataclasses.asdict(settings.augmentation),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
    }
    save_checkpoint(out, model, calibration=calibrate(model, held_out), provenance=provenance)
    (Path(out) / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return metrics
