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

"""Clips become windows; what cannot be read is named, what was read is kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError
from mumu_ros.datasets.folder import FolderDataset
from mumu_ros.datasets.skeleton_sets import SkeletonSetDataset
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.loading import Loaded, _cache_folder, load_windows
from mumu_ros.training.settings import Data, Settings, read_settings

pytestmark = pytest.mark.usefixtures("no_processes")


@pytest.fixture
def settings(write_folder: Callable[[Path], Path], tmp_path: Path) -> Settings:
    return read_settings(write_folder(tmp_path / "data"), [f"data.cache={tmp_path / 'cache'}"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets the id of every clip that is read."""
    read: list[str] = []
    original = FolderDataset.read

    def spy(self: FolderDataset, clip, preprocessing):  # type: ignore[no-untyped-def]
        read.append(clip.id)
        return original(self, clip, preprocessing)

    monkeypatch.setattr(FolderDataset, "read", spy)
    return read


def load(settings: Settings, *subjects: int) -> Loaded:
    return load_windows(settings.model, settings.data, subjects)


def same(a: Loaded, b: Loaded) -> bool:
    one, other = (loaded.windows.batch(range(len(loaded.windows))) for loaded in (a, b))
    arrays = all(np.array_equal(one[i][name], other[i][name]) for i in (0, 1) for name in one[i])
    return arrays and np.array_equal(a.windows.clip, b.windows.clip) and a.clips == b.clips


def test_one_window_for_each_clip_of_the_subjects(settings: Settings) -> None:
    loaded = load(settings, 1, 3)
    assert sorted(set(loaded.windows.subject.tolist())) == [1, 3]
    assert sorted(loaded.windows.clip) == [clip.id for clip in loaded.clips]
    assert len(loaded.windows) == 8
    for clip, activity in zip(loaded.windows.clip, loaded.windows.activity, strict=True):
        assert clip.startswith(settings.model.taxonomy.activities[activity])
    assert not loaded.skipped
    assert len(load(settings).windows) == 12, "nobody named is everybody"


def test_clips_that_cannot_be_read_are_named_each_time(settings: Settings, reads: list[str]) -> None:
    folder = Path(settings.data.root)
    (folder / "walk_s1_1" / "imu_belt.csv").write_text("stamp_s,ax\n")
    (folder / "wave_s2_2" / "imu_wrist.csv").unlink()
    (folder / "wave_s2_2" / "imu_belt.csv").unlink()
    for _ in range(2):
        loaded = load(settings)
        assert list(loaded.skipped) == ["walk_s1_1", "wave_s2_2"]
        assert "imu_belt.csv:1: header" in loaded.skipped["walk_s1_1"]
        assert len(loaded.windows) == len(loaded.clips) == 10
    assert reads.count("wave_s3_0") == 1
    assert reads.count("walk_s1_1") == 2


def test_the_cache_is_used_the_second_time(settings: Settings, reads: list[str]) -> None:
    first = load(settings)
    assert len(reads) == 12
    assert same(load(settings), first)
    assert len(reads) == 12
    load(settings, 2)
    assert len(reads) == 12
    load(replace(settings, model=replace(settings.model, window_s=0.8)))
    assert len(reads) == 24, "other windows"


def test_the_cache_of_a_model_without_poses_is_not_used_for_one_that_learns_them(
    config: ModelConfig, pose_config: ModelConfig, tmp_path: Path
) -> None:
    data = Data("folder", root="r", cache=str(tmp_path), pose="skeleton")
    assert _cache_folder(config, data) != _cache_folder(pose_config, data)
    assert _cache_folder(config, data) == _cache_folder(replace(config, feature_size=16), data)


def test_the_cache_is_not_used_for_another_list_of_clips(settings: Settings, reads: list[str]) -> None:
    load(settings)
    path = Path(settings.data.root) / "clips.csv"
    path.write_text(path.read_text().replace("wave_s1_0,1,wave", "wave_s1_0,1,walk"))
    loaded = load(settings)
    assert reads[12:] == ["walk_s1_1", "walk_s1_3", "wave_s1_0", "wave_s1_2"]
    row = loaded.windows.clip.tolist().index("wave_s1_0")
    assert settings.model.taxonomy.activities[loaded.windows.activity[row]] == "walk"


@pytest.mark.parametrize("root", ["", "."])
def test_the_cache_is_not_used_for_files_that_were_corrected(
    settings: Settings, reads: list[str], monkeypatch: pytest.MonkeyPatch, root: str
) -> None:
    monkeypatch.chdir(settings.data.root)
    settings = replace(settings, data=replace(settings.data, root=root or settings.data.root))
    load(settings)
    lengthen(settings, "walk_s2_1", 24)
    corrected = load(settings)
    assert reads[12:] == ["walk_s2_1", "walk_s2_3", "wave_s2_0", "wave_s2_2"], "the clips of one person"
    row = corrected.windows.clip.tolist().index("walk_s2_1")
    assert corrected.windows.vectors["imu_belt"][row, -1, 0].tolist() == pytest.approx([23 % 7, 0, 9.8], abs=1)
    assert same(load(replace(settings, data=replace(settings.data, cache=""))), corrected)
    load(settings)
    assert len(reads) == 12 + 4 + 12
    (Path(settings.data.root) / "walk_s2_1" / "imu_belt.csv").unlink()
    load(settings)
    assert len(reads) == 12 + 4 + 12 + 4


def test_without_a_folder_for_each_clip_every_file_but_those_of_the_cache_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    original = SkeletonSetDataset.read

    def spy(self: SkeletonSetDataset, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        read.append(clip.id)
        return original(self, clip, preprocessing)

    monkeypatch.setattr(SkeletonSetDataset, "read", spy)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "kard").mkdir()
    (tmp_path / "kard" / "files").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "kard" / "nothing").symlink_to(tmp_path / "not there")
    files = [tmp_path / "kard" / f"a{activity}_s01_e01_realworld.txt" for activity in (13, 16)]
    for file in files:
        file.write_text("0.1 0.2 2500\n" * 15 * 40)
    skeleton = Modality("skeleton", "vector", (15, 3), 15, "cooccurrence1d", stride=4, layout="florence15")
    taxonomy = Taxonomy("t", {"hands": ("hand_clap",), "mouth": ("drink",)})
    config = ModelConfig("tiny", (skeleton,), taxonomy, 1.0, 8)
    data = Data("kard", root=str(tmp_path / "kard"), windows_per_s=0, cache=str(tmp_path / "kard" / "cache"))
    for _ in range(2):
        load_windows(config, data)
        assert len(read) == 2
    (tmp_path / "elsewhere" / "list.csv").write_text("new")
    load_windows(config, data)
    assert len(read) == 4
    os.utime(files[0], ns=(0, 0))
    load_windows(config, data)
    assert len(read) == 6


def test_a_taxonomy_without_an_activity_is_refused(settings: Settings) -> None:
    lacking = replace(settings, model=replace(settings.model, taxonomy=Taxonomy("mine", {"g": ("wave",), "h": ("x",)})))
    with pytest.raises(ConfigError, match="taxonomy 'mine' lacks walk of folder; put them into a group"):
        load(lacking)


def test_a_model_is_tested_on_the_activities_that_it_knows(settings: Settings) -> None:
    """Also where somebody does nothing else, or nobody anything that it knows."""
    config, data = settings.model, settings.data
    whole = load_windows(config, data)
    other = replace(config, taxonomy=Taxonomy("mine", {"g": ("wave",), "h": ("x",)}))
    loaded = load_windows(other, data, skip_unknown=True)
    assert {clip.activity for clip in loaded.clips} == {"wave"}
    assert len(loaded.clips) + len(loaded.skipped) == len(whole.clips) + len(whole.skipped)
    assert "'walk' is not in the taxonomy 'mine' of the model" in loaded.skipped.values()
    none = replace(config, taxonomy=Taxonomy("mine", {"g": ("y",), "h": ("x",)}))
    with pytest.raises(DatasetError, match="no clip of folder can be used; the first: 'walk' is not in the taxonomy"):
        load_windows(none, data, skip_unknown=True)
    blind = replace(other, modalities=tuple(replace(m, name=f"my_{m.name}") for m in other.modalities))
    with pytest.raises(DatasetError, match=r"no clip of folder can be used; the first: .*the model takes my_"):
        load_windows(blind, data, skip_unknown=True)


@pytest.mark.parametrize("labels", [("jump",), ("jump", "bow"), ("wave", "jump")])
def test_a_clip_with_an_unknown_activity_in_its_segments_is_refused_or_skipped_by_name(
    settings: Settings, labels: tuple[str, ...]
) -> None:
    """Also where it fills no window, and each time."""
    listed = Path(settings.data.root) / "clips.csv"
    listed.write_text(listed.read_text().replace("wave_s1_0,1,wave", "wave_s1_0,1,").replace("s2_2,2,wave", "s2_2,2,"))
    rows = [f"0,1,{labels[0]}", *(f"{1 + i / 20},{1.05 + i / 20},{name}" for i, name in enumerate(labels[1:]))]
    (listed.parent / "wave_s1_0" / "segments.csv").write_text("\n".join(("start_s,end_s,activity", *rows)))
    (listed.parent / "wave_s2_2" / "segments.csv").write_text("start_s,end_s,activity\n0,0.6,gesture\n0.6,1.2,walk\n")
    foreign = sorted({*labels} - {"wave"})
    with pytest.raises(ConfigError, match=f"lacks {', '.join(foreign)} of clip 'wave_s1_0', in its segments; put them"):
        load(settings)
    for _ in range(2):
        loaded = load_windows(settings.model, replace(settings.data, min_overlap=0.5), skip_unknown=True)
        quoted, are = ", ".join(map(repr, foreign)), "is" if len(foreign) == 1 else "are"
        assert loaded.skipped == {"wave_s1_0": f"in its segments {quoted} {are} not in the taxonomy 'two' of the model"}
        assert "wave_s1_0" not in loaded.windows.clip
        assert "wave_s2_2" in loaded.windows.clip, "a group is known"


def test_an_unknown_subject_is_named(settings: Settings) -> None:
    with pytest.raises(DatasetError, match=r"no subjects \[7\]; it has \[1, 2, 3\]"):
        load(settings, 1, 7)
    with pytest.raises(DatasetError, match="no clip of subjects 7"):
        load(settings, 7)


def test_nothing_that_can_be_used_is_an_error(settings: Settings) -> None:
    # The clips have 1.2 s.
    long = replace(settings, data=replace(settings.data, windows_per_s=1.0))
    long = replace(long, model=replace(settings.model, window_s=2.0))
    text = (
        "no clip of folder can be used; the first: too short for a window of 2 s.*or a shorter window: model.window_s,"
    )
    with pytest.raises(DatasetError, match=text):
        load(long)
    for path in Path(settings.data.root).glob("*/*.csv"):
        path.write_text("")
    with pytest.raises(DatasetError, match=r"no clip of folder can be used; the first: .*imu_wrist\.csv"):
        load(settings)


def lengthen(settings: Settings, clip: str, count: int, pause_s: float = 0.0) -> None:
    """Give a clip other samples, 20 a second, with a pause after half of them."""
    for name in ("imu_wrist", "imu_belt"):
        rows = (f"{i / 20 + pause_s * (i >= count / 2)},{i % 7},0,9.8,0,0,0" for i in range(count))
        path = Path(settings.data.root) / clip / f"{name}.csv"
        path.write_text("\n".join(("stamp_s,ax,ay,az,wx,wy,wz", *rows)))


def test_clips_too_short_for_a_window_are_named_each_time_and_others_have_one(
    settings: Settings, reads: list[str]
) -> None:
    """All have 1.15 s, a step of windows is 1 s; one is cut off after 0.85 s, less than nine tenths of a window."""
    settings = replace(settings, data=replace(settings.data, windows_per_s=1.0))
    lengthen(settings, "walk_s1_1", 18)
    lengthen(settings, "wave_s2_2", 80)
    for _ in range(2):
        loaded = load(settings)
        assert dict(loaded.skipped) == {"walk_s1_1": "too short for a window of 1 s, or no window has a sample"}
        assert "walk_s1_1" not in [clip.id for clip in loaded.clips]
        counts = {clip.id: int((loaded.windows.clip == clip.id).sum()) for clip in loaded.clips}
        assert counts.pop("wave_s2_2") == 2
        assert set(counts.values()) == {1}
    assert len(reads) == 12, "they are named without being read again"


def test_a_clip_in_which_no_activity_fills_a_window_is_named(settings: Settings) -> None:
    folder = Path(settings.data.root)
    listed = folder / "clips.csv"
    listed.write_text(listed.read_text().replace("wave_s1_0,1,wave", "wave_s1_0,1,"))
    rows = "\n".join(f"{0.1 * i:.1f},{0.1 * i + 0.1:.1f},{('wave', 'walk')[i % 2]}" for i in range(12))
    (folder / "wave_s1_0" / "segments.csv").write_text(f"start_s,end_s,activity\n{rows}\n")
    loaded = load(settings)
    text = "too short, no activity fills 60% of a window of 1 s, or no window has a sample"
    assert dict(loaded.skipped) == {"wave_s1_0": text}
    assert len(loaded.windows) == len(loaded.clips) == 11


@pytest.mark.parametrize("min_overlap", [0.6, 1e-3])
def test_no_window_is_without_a_sample(
    settings: Settings, capsys: pytest.CaptureFixture[str], min_overlap: float
) -> None:
    """Labels go on for five minutes after a recording, another one has a pause of 30 s."""
    folder = Path(settings.data.root)
    listed = folder / "clips.csv"
    listed.write_text(listed.read_text().replace("wave_s1_0,1,wave", "wave_s1_0,1,"))
    lengthen(settings, "wave_s1_0", 100)
    (folder / "wave_s1_0" / "segments.csv").write_text("start_s,end_s,activity\n0,3,wave\n3,304.95,walk\n")
    lengthen(settings, "walk_s2_1", 100, pause_s=30.0)
    data = replace(settings.data, windows_per_s=2.0, min_overlap=min_overlap)
    for _ in range(2):
        loaded = load(replace(settings, data=data))
        masks = loaded.windows.batch(range(len(loaded.windows)))[1]
        assert np.any([mask.any(axis=1) for mask in masks.values()], axis=0).all()
        counts = {clip.id: int((loaded.windows.clip == clip.id).sum()) for clip in loaded.clips}
        assert 6 <= counts["wave_s1_0"] <= 8
        assert 4 <= counts["walk_s2_1"] <= 14
        assert not loaded.skipped
        text = "labels before the first or after the last sample of 1 clips are left out; the first: wave_s1_0, 300.0 s"
        assert capsys.readouterr().err == f"{text}\n"
