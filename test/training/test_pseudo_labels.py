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

"""A teacher fills in the labels that are missing; what it sees its student need not see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros import cli
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.training.cross_validation import FoldResult, cross_validate
from mumu_ros.training.given_labels import Labels, hide_labels
from mumu_ros.training.loading import load_windows
from mumu_ros.training.pseudo_labels import pseudo_labels, teacher_logits, training_labels
from mumu_ros.training.settings import Settings, read_settings
from mumu_ros.training.windows import WindowSet

torch.set_num_threads(1)


def mumu(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def half(vector_settings: Settings, vector_windows: WindowSet) -> WindowSet:
    """Half of the windows are labelled."""
    return hide_labels(vector_windows, 0.5, 0, vector_settings.model.taxonomy)


@pytest.fixture
def logits() -> np.ndarray:
    """A teacher that takes every window for pointing, not very sure of it; waving comes next, then walking."""
    return np.tile(np.log(np.array([0.3, 0.6, 0.1])), (12, 1)).astype(np.float32)


def filled(half: WindowSet, logits: np.ndarray, settings: Settings, **labels: object) -> tuple[np.ndarray, np.ndarray]:
    """What is told of the windows that were not labelled, and their true activities."""
    assert half.labels is not None
    missing = ~half.labels.any(axis=1)
    told = pseudo_labels(half, logits, Labels(0.5, **labels), settings.model.taxonomy)  # type: ignore[arg-type]
    assert told.labels is not None
    np.testing.assert_array_equal(told.labels[~missing], half.labels[~missing])
    return told.labels[missing], half.activity[missing]


def test_the_most_probable_activity_is_the_label(
    half: WindowSet, logits: np.ndarray, vector_settings: Settings
) -> None:
    told, _ = filled(half, logits, vector_settings, within_group=False)
    np.testing.assert_array_equal(told, np.tile([0, 1, 0], (6, 1)))


def test_soft_labels_are_probabilities(half: WindowSet, logits: np.ndarray, vector_settings: Settings) -> None:
    told, _ = filled(half, logits, vector_settings, within_group=False, soft=True)
    np.testing.assert_allclose(told, np.tile([0.3, 0.6, 0.1], (6, 1)), rtol=1e-5)


def test_labels_below_the_confidence_stay_missing(
    half: WindowSet, logits: np.ndarray, vector_settings: Settings
) -> None:
    logits[:6] = [9, 0, 0]
    assert half.labels is not None
    sure = np.flatnonzero(~half.labels.any(axis=1)) < 6
    told, _ = filled(half, logits, vector_settings, within_group=False, confidence=0.9)
    np.testing.assert_array_equal(told, np.where(sure[:, None], [1, 0, 0], 0))


def test_a_label_is_of_the_group_that_is_known(half: WindowSet, logits: np.ndarray, vector_settings: Settings) -> None:
    told, truth = filled(half, logits, vector_settings, soft=True)
    walks = (truth == 2)[:, None]
    np.testing.assert_allclose(told, np.where(walks, [0, 0, 1], [1 / 3, 2 / 3, 0]), rtol=1e-5)


def test_a_teacher_without_anything_to_fill_in_is_refused(
    vector_settings: Settings, vector_windows: WindowSet, logits: np.ndarray
) -> None:
    with pytest.raises(ConfigError, match=r"labels\.share is 1: no label is missing"):
        training_labels(vector_settings, vector_windows, logits)


# mumu train --teacher


@pytest.fixture
def folder(write_folder: Callable[[Path], Path], tmp_path: Path, no_processes: None) -> str:
    return str(write_folder(tmp_path / "data"))


FEW = ("labels.share=0.34", "optimization.epochs=2")


def test_a_teacher_sees_a_label_and_sensors_that_its_student_does_not(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert mumu("train", folder, *FEW, "labels.unlabelled=false", "labels.input=group", "--out", teacher) == 0
    assert load_checkpoint(teacher).config.names == ("imu_wrist", "imu_belt", "group_label")
    assert json.loads((teacher / "metrics.json").read_text())["train_windows"] == 4

    belt = Path(folder).with_name("belt.yaml")
    lines = Path(folder).read_text().splitlines()
    belt.write_text("\n".join(line for line in lines if "imu_wrist" not in line))
    assert mumu("train", belt, *FEW, "--teacher", teacher, "--out", student) == 0
    assert load_checkpoint(student).config.names == ("imu_belt",)
    metrics = json.loads((student / "metrics.json").read_text())
    assert (metrics["train_windows"], metrics["labelled_windows"]) == (12, 12)
    assert "12 windows, 12 of them with an activity" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("wave", "point"), r"teacher two@\w+ has taxonomy 'two', the training 'two'; it lacks wave"),
        (("window_s: 1.0", "window_s: 0.9"), "looks at windows of 0.9 s, model.window_s is 1; expected the same"),
        (("name: imu_belt", "name: imu_head"), "needs imu_head; folder has imu_belt, imu_wrist"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(
    folder: str,
    write_folder: Callable[[Path], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    message: str,
) -> None:
    other = write_folder(tmp_path / "other")
    before, after = change
    for file in (other, other.with_name("two.yaml"), other.with_name("clips.csv")):
        file.write_text(file.read_text().replace(before, after))
    for clip in other.parent.glob("wave*"):
        clip.rename(clip.with_name(clip.name.replace(before, after)))
    for file in other.parent.glob("*/imu_belt.csv"):
        file.rename(file.with_name("imu_head.csv" if "head" in after else file.name))
    assert mumu("train", other, "--out", tmp_path / "teacher") == 0
    assert mumu("train", folder, *FEW, "--teacher", tmp_path / "teacher", "--out", tmp_path / "student") == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "student").exists()


def write_segments(folder: str, *, belt_s: float) -> Path:
    """Subjects wave, then walk; the belt IMU is there for so many seconds. Returns a configuration of the wrist IMU."""
    for clip in Path(folder).parent.glob("w*_s*"):
        (clip / "segments.csv").write_text("start_s,end_s,activity\n0,1,wave\n1,3,walk\n")
        (clip / "imu_belt.csv").unlink()
        for name, seconds in (("imu_wrist", 3.0), ("imu_belt", belt_s)):
            rows = (f"{i / 20},{i % 5},0,9.8,0,0,0" for i in range(int(20 * seconds)))
            (clip / f"{name}.csv").write_text("\n".join(("stamp_s,ax,ay,az,wx,wy,wz", *rows)))
    listed = Path(folder).with_name("clips.csv")
    listed.write_text(re.sub(r",w\w+$", ",", listed.read_text(), flags=re.MULTILINE))
    wrist = Path(folder).with_name("wrist.yaml")
    wrist.write_text("\n".join(line for line in Path(folder).read_text().splitlines() if "imu_belt" not in line))
    return wrist


@pytest.mark.parametrize(("belt_s", "is_same"), [(3.0, True), (2.9, True), (1.1, False)])
def test_a_teacher_whose_sensors_end_at_another_time_labels_no_other_windows(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], belt_s: float, is_same: bool
) -> None:
    """One window ends with each clip."""
    wrist = write_segments(folder, belt_s=belt_s)
    belt = Path(folder).with_name("belt.yaml")
    belt.write_text(wrist.read_text().replace("imu_wrist", "imu_belt"))
    assert mumu("train", belt, "--out", tmp_path / "teacher") == 0
    settings = read_settings(wrist, FEW)
    teacher = load_checkpoint(tmp_path / "teacher")
    windows = load_windows(settings.model, settings.data).windows
    if is_same:
        assert teacher_logits(teacher, settings, windows).shape == (12, 2)
        return
    match = r"training \(imu_wrist\) do not see the same windows of 12 clips; the first: walk_s1_1, the teacher sees "
    with pytest.raises(ConfigError, match=rf"\(imu_belt\) and the {match}wave, the training walk; "):
        teacher_logits(teacher, settings, windows)


def test_a_teacher_that_is_given_the_activity_would_tell_the_hidden_ones(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(folder, ["labels.input=activity"])
    save_checkpoint(tmp_path / "teacher", Network(settings.model).eval())
    assert mumu("train", folder, *FEW, "--teacher", tmp_path / "teacher", "--out", tmp_path / "student") == 2
    message = r"is given the activity \(labels.input=activity\), also of clips .* hidden by labels.share; train it with"
    assert re.search(rf"teacher two@\w+ {message}", capsys.readouterr().err)
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv" / "settings.json").write_text(json.dumps(asdict(settings)))
    with pytest.raises(ConfigError, match=f"teacher '{tmp_path}/cv' {message}"):
        cross_validate(read_settings(folder, FEW), [0], tmp_path / "student", teacher=tmp_path / "cv", jobs=1)
    assert not (tmp_path / "student").exists()


@pytest.mark.parametrize("label", ["", "group", "activity"])
def test_a_test_of_a_model_that_is_given_the_label_says_so(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    save_checkpoint(tmp_path / "m", Network(read_settings(folder, [f"labels.input='{label}'"]).model).eval())
    assert mumu("test", tmp_path / "m", "folder", Path(folder).parent) == 0
    said = capsys.readouterr().err
    assert ("is given the true label" in said) == bool(label)
    assert f"{label}_label; a robot has none" in said or not label


def test_too_few_labels_are_refused_before_anything_is_trained(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mumu("train", folder, "labels.share=0.01", "--out", tmp_path / "model") == 2
    assert "the smallest share that fits is 0.0834" in capsys.readouterr().err


# In a cross-validation


def test_each_fold_is_taught_by_the_network_of_the_same_fold_and_seed(folder: str, tmp_path: Path) -> None:
    settings = read_settings(folder, (*FEW, "data.train_subjects=1-2", "labels.within_group=false"))
    alone = replace(settings, labels=replace(settings.labels, unlabelled=False))
    cross_validate(alone, [0, 1], tmp_path / "teacher", jobs=1)
    unaided = cross_validate(settings, [0, 1], tmp_path / "unaided", jobs=1)
    study = cross_validate(settings, [0, 1], tmp_path / "student", teacher=tmp_path / "teacher", jobs=1)
    for result, other in zip(study.results, unaided.results, strict=True):
        assert not np.array_equal(result.logits["clean"], other.logits["clean"])
        assert sorted(result.taught_clips) == sorted(study.manifest.folds[result.fold == "subject_2"].train)
    for path in (tmp_path / "teacher" / "folds").iterdir():
        with np.load(path) as file:
            contrary = {**file, "taught_logits": -9 * file["taught_logits"]}
        np.savez(path, **contrary)
    misled = cross_validate(settings, [0, 1], tmp_path / "misled", teacher=tmp_path / "teacher", jobs=1)
    for result, other in zip(misled.results, study.results, strict=True):
        assert not np.array_equal(result.logits["clean"], other.logits["clean"])


def test_a_network_of_a_fold_that_saw_other_windows_cannot_teach(folder: str, tmp_path: Path) -> None:
    settings = read_settings(folder, (*FEW, "data.train_subjects=1-2"))
    cross_validate(settings, [0], tmp_path / "teacher", jobs=1)
    for path in (tmp_path / "teacher" / "folds").iterdir():
        result = FoldResult.load(path)
        replace(result, taught_truth=1 - result.taught_truth).save(path)
    with pytest.raises(ConfigError, match=r"has predictions for other windows of 4 clips; the first: walk_s\d_1; cut"):
        cross_validate(settings, [0], tmp_path / "student", teacher=tmp_path / "teacher", jobs=1)


def test_results_that_say_nothing_of_their_training_clips_cannot_teach(folder: str, tmp_path: Path) -> None:
    settings = read_settings(folder, (*FEW, "data.train_subjects=1-2"))
    cross_validate(settings, [0], tmp_path / "teacher", jobs=1)
    for path in (tmp_path / "teacher" / "folds").iterdir():
        with np.load(path) as file:
            older = {key: file[key] for key in file.files if not key.startswith("taught_")}
        np.savez(path, **older)
        assert FoldResult.load(path).taught_logits.size == 0
    with pytest.raises(ConfigError, match="has no predictions of its network for the same clips"):
        cross_validate(settings, [0], tmp_path / "student", teacher=tmp_path / "teacher", jobs=1)
