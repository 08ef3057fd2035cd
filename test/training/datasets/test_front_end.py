"""Joints that the people front end found in UTD-MHAD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.clips import DatasetError
from mumu_ros.training.datasets import open_dataset

SKELETON = Modality("skeleton", "vector", (15, 3), 15, "cooccurrence1d", layout="florence15")
PREPROCESSING = Preprocessing(ModelConfig("t", (SKELETON,), Taxonomy("t", {"g": ("a",)}), 1.0))


def test_a_file_is_two_clips(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).normal(size=(10, 33, 3)).astype(np.float32)
    without = joints.copy()
    without[2] = np.nan  # Nobody is seen.
    np.savez(tmp_path / "a3_s2_t1.npz", with_depth=joints, without_depth=without, stamps_s=np.arange(10) / 15)
    dataset = open_dataset("utd_mhad_front", str(tmp_path))
    assert [(c.id, c.subject, c.activity) for c in dataset.clips] == [
        ("a3_s2_t1/with_depth", 2, "wave"),
        ("a3_s2_t1/without_depth", 2, "wave"),
    ]
    assert [len(dataset.read(clip, PREPROCESSING).streams["skeleton"].samples) for clip in dataset.clips] == [10, 9]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="utd_mhad_front is not in"):
        open_dataset("utd_mhad_front", str(tmp_path))
    np.savez(tmp_path / "a3_s2_t1.npz", with_depth=np.zeros((9, 33, 3)))
    dataset = open_dataset("utd_mhad_front", str(tmp_path))
    with pytest.raises(DatasetError, match=r"a3_s2_t1\.npz has no with"):
        dataset.read(dataset.clips[0], PREPROCESSING)
