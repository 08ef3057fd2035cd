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

"""Cross-validation: every fold and seed, written down, the same in one process or in two, and never done twice."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mumu_ros import cli
from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.config import ConfigError
from mumu_ros.share import share_path
from mumu_ros.training.conditions import stress_conditions
from mumu_ros.training.cross_validation import FoldResult, Study, cross_validate
from mumu_ros.training.settings import Machine, Settings, read_settings

torch.set_num_threads(1)


@pytest.fixture
def settings(write_folder: Callable[[Path], Path], tmp_path: Path, no_processes: None) -> Settings:
    return read_settings(write_folder(tmp_path / "data"))


@pytest.fixture
def two(settings: Settings) -> Settings:
    """Of two subjects: two folds."""
    return replace(settings, data=replace(settings.data, train_subjects="1-2"))


def same(a: Study, b: Study) -> bool:
    return len(a.results) == len(b.results) and all(
        (one.fold, one.seed, list(one.logits)) == (other.fold, other.seed, list(other.logits))
        and all(np.array_equal(one.logits[name], other.logits[name]) for name in one.logits)
        for one, other in zip(a.results, b.results, strict=True)
    )


def test_every_fold_with_every_seed(settings: Settings, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int, int]] = []

    def report(result: FoldResult, done: int, of: int) -> None:
        reports.append((result.fold, result.seed, done, of))

    study = cross_validate(settings, [0, 5], tmp_path / "out", jobs=1, report=report)
    folds = [f"subject_{s}" for s in (1, 2, 3)]
    expected = [(fold, seed) for seed in (0, 5) for fold in folds]
    assert [(r.fold, r.seed) for r in study.results] == expected
    assert reports == [(fold, seed, i, 6) for i, (fold, seed) in enumerate(expected, start=1)]
    for result in study.results:
        assert set(result.subject) == {int(result.fold[-1])}
        activities = [("wave", "walk")[truth] for truth in result.truth]
        assert [clip.partition("_")[0] for clip in result.clips] == activities
        assert list(result.logits) == ["clean", "-imu_wrist:0.5", "-imu_belt:0.5", "-imu_wrist", "-imu_belt"]
        assert (result.weights["-imu_belt"][:, 1] == 0).all()
        assert all(logits.shape == (4, 2) for logits in result.logits.values())
        assert result.parameters > 1000
        assert result.cpu_s > 0
    first, other = study.results[0], study.results[3]
    assert not np.array_equal(first.logits["clean"], other.logits["clean"]), "each seed is a training of its own"

    out = tmp_path / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    assert [fold["name"] for fold in manifest["folds"]] == folds
    assert manifest["folds"][0]["test"] == ["walk_s1_1", "walk_s1_3", "wave_s1_0", "wave_s1_2"]
    assert len(manifest["folds"][0]["train"]) == 8
    assert json.loads((out / "settings.json").read_text())["optimization"]["epochs"] == 1
    names = {f"seed_{seed}_{fold}.npz" for fold, seed in expected}
    assert {path.name for path in (out / "folds").iterdir()} == names, "nothing else is left"


def test_an_interrupted_one_goes_on_where_it_stopped(two: Settings, tmp_path: Path) -> None:
    whole = cross_validate(two, [0, 1], tmp_path / "out", jobs=1)
    folds = tmp_path / "out" / "folds"
    (folds / "seed_1_subject_1.npz").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in folds.iterdir()}
    reports: list[tuple[str, int, int]] = []
    again = cross_validate(
        two, [0, 1], tmp_path / "out", jobs=1, report=lambda r, done, of: reports.append((r.fold, done, of))
    )
    assert reports == [("subject_1", 4, 4)]
    assert same(again, whole)
    assert before.items() <= {path.name: path.stat().st_mtime_ns for path in folds.iterdir()}.items()
    more = cross_validate(two, [0, 1, 2], tmp_path / "out", jobs=1)
    assert len(more.results) == 6, "more seeds are more of the same"


def test_one_of_other_settings_or_clips_is_not_taken_up(two: Settings, settings: Settings, tmp_path: Path) -> None:
    cross_validate(two, [0], tmp_path / "out", jobs=1)
    other = replace(two, optimization=replace(two.optimization, epochs=2))
    match = rf"{tmp_path}/out/settings.json' is of other work: optimization\.epochs was 1, is 2; remove"
    with pytest.raises(ConfigError, match=match):
        cross_validate(other, [0], tmp_path / "out", jobs=1)
    (tmp_path / "data" / "wave_s1_0" / "imu_belt.csv").write_text("")
    with pytest.raises(ConfigError, match=r"manifest\.json' is of other work: folds\.0\.test was "):
        cross_validate(two, [0], tmp_path / "out", jobs=1)


@pytest.mark.parametrize("corrected", ["label", "samples"])
def test_results_are_not_those_of_data_that_were_corrected_since(two: Settings, tmp_path: Path, corrected: str) -> None:
    first = cross_validate(two, [0], tmp_path / "out", jobs=1)
    file = tmp_path / "data" / ("clips.csv" if corrected == "label" else "wave_s1_0/imu_belt.csv")
    text = file.read_text()
    if corrected == "label":
        file.write_text(text.replace("wave_s1_0,1,wave", "wave_s1_0,1,walk"))
    else:
        file.write_text(text.replace("\n1.0,", "\n1.01,"))
    match = rf"{tmp_path}/out/contents\.json' is of other work: clips\.wave_s1_0 was '\w{{8}}', is '\w{{8}}'; remove"
    with pytest.raises(ConfigError, match=match):
        cross_validate(two, [0], tmp_path / "out", jobs=1)
    file.write_text(text)
    assert same(first, cross_validate(two, [0], tmp_path / "out", jobs=1))


def test_one_goes_on_with_settings_that_change_no_result_or_are_newer_than_it(two: Settings, tmp_path: Path) -> None:
    first = cross_validate(two, [0], tmp_path / "out", jobs=1)
    written = asdict(two)
    del written["data"]["pose"], written["augmentation"]["corruption"]
    (tmp_path / "out" / "contents.json").unlink()
    (tmp_path / "out" / "settings.json").write_text(json.dumps({**written, "machine": {"accelerator": "gpu"}}))
    elsewhere = replace(two.data, cache=str(tmp_path / "cache"))
    reports: list[FoldResult] = []
    again = cross_validate(
        replace(two, data=elsewhere, machine=Machine("auto")),
        [0],
        tmp_path / "out",
        jobs=1,
        report=lambda result, *_: reports.append(result),
    )
    assert same(first, again)
    assert reports == [], "nothing is trained again"
    other = replace(two, augmentation=replace(two.augmentation, corruption=0.5))
    with pytest.raises(ConfigError, match=r"work: augmentation\.corruption was 0\.0, is 0\.5; remove"):
        cross_validate(other, [0], tmp_path / "out", jobs=1)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"junk"])
def test_a_damaged_result_is_named(two: Settings, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    cross_validate(two, [0], tmp_path / "out", jobs=1)
    path = tmp_path / "out" / "folds" / "seed_0_subject_2.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=rf"{path}' is damaged .*; remove it, and the fold is trained again"):
        cross_validate(two, [0], tmp_path / "out", jobs=1)


def test_two_processes_give_the_results_of_one(two: Settings, tmp_path: Path) -> None:
    one = cross_validate(two, [0], tmp_path / "one", jobs=1)
    both = cross_validate(two, [0], tmp_path / "two", jobs=2)
    assert same(one, both)


def files(folder: Path, pattern: str) -> set[str]:
    return {path.name for path in folder.glob(pattern)}


def has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_ends_it_ends_its_processes_and_it_goes_on(
    two: Settings, tmp_path: Path, started: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    """A terminal interrupts all processes; what kills one kills no other."""
    out, folds = tmp_path / "out", tmp_path / "out" / "folds"
    configuration = str(tmp_path / "data" / "two_train.yaml")
    command = ["cross-validate", configuration, "data.train_subjects=1-2", "--out", str(out)]
    code = "import sys; from mumu_ros.cli import main; sys.exit(main(sys.argv[1:]))"
    many = [*command, "--jobs", "2", "--seeds", "0-999"]
    process = started([sys.executable, "-c", code, *many], start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("[1/2000] subject_")
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in errors
    deadline = time.monotonic() + 60
    while has_processes(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    done = files(folds, "*.npz")
    assert 1 <= len(done) < 1000
    assert len(cross_validate(two, [0], out, jobs=1).results) == 2
    assert files(folds, "*.npz") == done | {"seed_0_subject_1.npz", "seed_0_subject_2.npz"}


def test_an_error_in_one_training_is_told_before_the_others_are_done(two: Settings, tmp_path: Path) -> None:
    """It names the folder to remove: with another learning rate, all trainings are others."""
    fast = replace(two, optimization=replace(two.optimization, epochs=3, learning_rate=1e30))
    match = rf"the training diverged: .* optimization.learning_rate, which is 1e\+30, and remove '{tmp_path}/out'$"
    with pytest.raises(ConfigError, match=match):
        cross_validate(fast, range(1000), tmp_path / "out", jobs=2)
    assert len(files(tmp_path / "out" / "folds", "*")) < 100


def test_a_result_survives_a_file_with_the_order_of_its_conditions(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    names = [c.name for c in stress_conditions(("rgb/left", "imu"))]
    assert names != sorted(names)
    logits = {name: generator.normal(size=(3, 4)).astype(np.float32) for name in names}
    weights = {name: generator.normal(size=(3, 2)).astype(np.float32) for name in names}
    clips = np.array(["a", "b", "c"])
    result = FoldResult("f", 7, clips, np.arange(3), np.arange(3), logits, weights, np.ones((3, 2)), 1.5, 99)
    result.save(tmp_path / "r.npz")
    loaded = FoldResult.load(tmp_path / "r.npz")
    assert list(loaded.logits) == list(loaded.weights) == names
    assert (loaded.fold, loaded.seed, loaded.cpu_s, loaded.parameters) == ("f", 7, 1.5, 99)
    assert loaded.clips.tolist() == clips.tolist()
    for name in names:
        np.testing.assert_array_equal(loaded.logits[name], logits[name])
        np.testing.assert_array_equal(loaded.weights[name], weights[name])


def test_a_protocol_that_does_not_fit_says_what_it_needs(settings: Settings, tmp_path: Path) -> None:
    scenes = replace(settings, data=replace(settings.data, protocol="cross_scene"))
    with pytest.raises(ValueError, match="cross_scene needs some of scenes 1, 3, 4"):
        cross_validate(scenes, [0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("protocol", "of_groups", "fold", "use"),
    [("leave_one_subject_out", (3,), "subject_3", "tested"), ("odd_even", (1, 3), "odd_even", "trained on")],
)
def test_a_fold_without_a_known_activity_is_refused_before_anything_is_trained(
    settings: Settings, tmp_path: Path, protocol: str, of_groups: tuple[int, ...], fold: str, use: str
) -> None:
    listed = tmp_path / "data" / "clips.csv"
    for subject in of_groups:
        text = listed.read_text().replace(f",{subject},wave", f",{subject},gesture")
        listed.write_text(text.replace(f",{subject},walk", f",{subject},gait"))
    settings = replace(settings, data=replace(settings.data, protocol=protocol))
    with pytest.raises(DatasetError, match=rf"fold '{fold}': no clip that is {use} has an activity, all are labelled"):
        cross_validate(settings, [0], tmp_path / "out", jobs=1)
    assert not (tmp_path / "out").exists()


def test_an_activity_that_a_fold_cannot_learn_is_named(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only subject 1 walks."""
    listed = tmp_path / "data" / "clips.csv"
    lines = [line for line in listed.read_text().splitlines() if line[:7] not in ("walk_s2", "walk_s3")]
    listed.write_text("\n".join(lines))
    study = cross_validate(settings, [0], tmp_path / "out", jobs=1)
    assert study.untaught == {"subject_1": ("walk",)}
    told = "fold 'subject_1' cannot learn walk: no clip that it is trained on shows it; such clips count as errors"
    errors = capsys.readouterr().err
    assert told in errors
    assert errors.count("cannot learn") == 1


def test_the_command_prints_writes_and_hands_on_its_calibration(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration, out = str(tmp_path / "data" / "two_train.yaml"), tmp_path / "out"
    (tmp_path / "data" / "walk_s3_3" / "imu_wrist.csv").unlink()
    (tmp_path / "data" / "walk_s3_3" / "imu_belt.csv").unlink()
    command = ["cross-validate", configuration, "data.protocol=open_set", "--out", str(out), "--jobs", "1", "--json"]
    assert cli.main([*command, "--seeds", "0,1"]) == 0
    printed, errors = capsys.readouterr()
    lines = printed.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["[1/6] subject_1, seed 0", "[2/6] subject_2, seed 0"]
    assert "1 clips were skipped: walk_s3_3" in errors
    start = next(i for i, line in enumerate(lines) if "top-1 %" in line)
    conditions = [line.split()[0] for line in lines[start + 1 : start + 6]]
    assert conditions == ["clean", "-imu_wrist:0.5", "-imu_belt:0.5", "-imu_wrist", "-imu_belt"]
    assert any(line.startswith("never-seen activities: AUROC") for line in lines)
    summary = json.loads(lines[-1])
    assert summary == json.loads((out / "results.json").read_text())
    assert summary["seeds"] == [0, 1]
    assert list(summary["skipped"]) == ["walk_s3_3"]

    model = tmp_path / "model"
    found = json.loads((out / "calibration.json").read_text())
    assert Calibration(**found) != Calibration()
    assert found == summary["calibration"]
    train = ["train", configuration, "--out", str(model), "--calibration", str(out / "calibration.json")]
    assert cli.main(train) == 0
    assert json.loads((model / "config.json").read_text())["calibration"] == found


def test_progress_is_told_without_what_a_fold_lacks_on_purpose(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two activities each fold lacks one, and takes everything for the other, which two of its four clips show."""
    configuration, out = str(tmp_path / "data" / "two_train.yaml"), str(tmp_path / "out")
    more = ["data.protocol=open_set", "data.train_subjects=1-2"]
    more += ["optimization.epochs=10", "optimization.learning_rate=0.02"]
    assert cli.main(["cross-validate", configuration, *more, "--out", out, "--jobs", "1"]) == 0
    told = [line.split(": ")[1].partition(",")[0] for line in capsys.readouterr().out.splitlines()[:2]]
    assert told == ["100.0%", "100.0%"]
    study = cross_validate(read_settings(configuration, more), [0], out, jobs=1)
    assert [len(result.clips) for result in study.results] == [4, 4]


def test_results_are_whole_or_as_they_were(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    command = ["cross-validate", str(tmp_path / "data" / "two_train.yaml"), "--out", str(out), "--jobs", "1"]
    assert cli.main(command) == 0
    names = ("results.json", "calibration.json")
    before = {name: (out / name).read_text() for name in names}
    write = Path.write_text

    for broken in ("results", "calibration"):

        def full(self: Path, data: str, *, broken: str = broken, **options: Any) -> int:
            if broken in self.name:
                write(self, data[:20], **options)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(self, data, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_text", full)
            assert cli.main(command) == 2
        assert json.loads((out / "results.json").read_text())
        assert (out / "calibration.json").read_text() == before["calibration.json"]
    assert sorted(path.name for path in out.iterdir()) == [
        "calibration.json",
        "contents.json",
        "folds",
        "manifest.json",
        "results.json",
        "settings.json",
    ]


@pytest.mark.data
def test_the_shipped_configuration_on_the_real_data(tmp_path: Path) -> None:
    try:
        open_dataset("utd_mhad", "")
    except DatasetError as error:
        pytest.skip(str(error))
    path = share_path("config", "training", "utd_mhad_sp.yaml")
    overrides = ["optimization.epochs=3", "data.protocol=odd_even"]
    command = ["cross-validate", str(path), *overrides, "--out", str(tmp_path), "--jobs", "1"]
    assert cli.main(command) == 0
    summary = json.loads((tmp_path / "results.json").read_text())
    assert summary["folds"] == 1
    assert summary["clips"] > 300
    assert summary["conditions"]["clean"]["top1"] > 0.2, "far better than chance after three epochs"
    assert os.listdir(tmp_path / "folds") == ["seed_0_odd_even.npz"]
