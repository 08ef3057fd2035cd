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

"""Joints that the people front end found in UTD-MHAD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from mumu_ros import cli
from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.file_reading import START_NS
from mumu_ros.datasets.front_end import record_front_end
from mumu_ros.datasets.utd_mhad import UtdMhad
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.skeletons import convert

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
    with pytest.raises(DatasetError, match=r"a3_s2_t1\.npz cannot be read as with"):
        dataset.read(dataset.clips[0], PREPROCESSING)


def test_trials_that_nobody_recorded_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Depth").mkdir()
    (tmp_path / "Depth" / "a20_s1_t1_depth.mat").touch()
    front_end = ("dataset", "front-end", str(tmp_path), "--out", str(tmp_path / "out"), "--trials")
    for trials, text in (("1,9", "has no trials [9]; it has [1]"), ("x", "--trials are 'x'; expected numbers")):
        assert cli.main([*front_end, trials]) == 2
        assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_front_end_sees_the_arms_of_the_person_in_a_depth_clip(weights: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3] / "shared/data/utd_mhad"
    if not root.is_dir():
        pytest.skip("UTD-MHAD is not in shared/data/utd_mhad beside the repository")
    clip = UtdMhad(root, modalities=("depth", "skeleton")).load(1, 20, 1, ("depth", "skeleton"))
    for folder, key in (("Depth", "d_depth"), ("Skeleton", "d_skel")):
        name = f"{folder}/a20_s1_t1_{folder.lower()}.mat"
        (tmp_path / folder).mkdir()
        savemat(tmp_path / name, {key: loadmat(root / name)[key][..., :48]})
    lines: list[str] = []
    assert record_front_end(str(tmp_path), tmp_path / "out", [1], weights=weights, progress=lines.append) == 1
    assert record_front_end(str(tmp_path), tmp_path / "out", [1], weights=weights) == 0, "what is there stays"
    assert lines[0] == f"a20_s1_t1: somebody in {lines[0].split()[3]} of 24 pictures"
    assert lines[1].startswith("mean distance from the Kinect's joints: "), "they are there"
    dataset = open_dataset("utd_mhad_front", str(tmp_path / "out"))
    for variant in dataset.clips:
        stream = dataset.read(variant, PREPROCESSING).streams["skeleton"]
        seconds = (stream.stamps_ns - START_NS) / 1e9
        truth = convert(clip.samples("skeleton"), "kinect20", "florence15")[np.round(seconds * 30).astype(int)]
        error = np.linalg.norm(np.array(stream.samples) - truth, axis=-1)
        assert np.nanmean(error) < (0.3 if variant.id.endswith("without_depth") else 0.1), variant.id
        assert np.isnan(error).mean() < 0.1, "arms before the chest are seen"
