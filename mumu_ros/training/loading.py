"""Windows of many subjects, made on all processors and kept for the next run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.training.datasets import load_subject
from mumu_ros.training.settings import Data
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends

__all__ = ["load_windows"]


def load_windows(config: ModelConfig, data: Data, subjects: Iterable[int]) -> WindowSet:
    """Load clips of subjects and cut them into labelled windows.

    Args:
        config: Of the model.
        data: The dataset and how to cut it; its own lists of subjects are not looked at.
        subjects: Whom to load.
    """
    folder = _cache_folder(config, data)
    make = partial(_subject_windows, config, data, folder)
    # Not forked: the parent's threads (torch, OpenCV) would not exist in the child but their locks would.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        return WindowSet.concatenate(list(pool.map(make, subjects)))


def _subject_windows(config: ModelConfig, data: Data, folder: Path | None, subject: int) -> WindowSet:
    cv2.setNumThreads(1)
    path = folder / f"{subject}.npz" if folder else None
    if path and path.exists():
        return WindowSet.load(path)
    generator = np.random.default_rng((subject, 0))
    parts = []
    for clip in load_subject(data.dataset, data.root, subject, data.seconds, Preprocessing(config)):
        ends_ns = random_ends(clip, config.window_s, data.windows_per_s, generator)
        parts.append(cut_windows(clip, config, ends_ns, data.min_overlap))
    windows = WindowSet.concatenate(parts)
    if path:
        windows.save(path)
    return windows


def _cache_folder(config: ModelConfig, data: Data) -> Path | None:
    """A folder whose name changes with everything that the windows depend on, but for the dataset's own code."""
    if not data.cache:
        return None
    network, others = ("encoder", "mean", "std", "stride"), ("train_subjects", "calibration_subjects", "cache")
    inputs = [{k: v for k, v in vars(m).items() if k not in network} for m in config.modalities]
    cut = {k: v for k, v in vars(data).items() if k not in others}
    key = json.dumps([inputs, config.window_s, config.taxonomy.to_dict(), cut], sort_keys=True)
    folder = Path(data.cache).expanduser() / hashlib.sha256(key.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder
