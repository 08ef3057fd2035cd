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

"""`mumu train` and `mumu test`: from a data set to a model folder, whatever comes in between."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mumu_ros import cli
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.network import Network
from mumu_ros.share import share_path
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.settings import read_settings
from mumu_ros.training.train import provenance

torch.set_num_threads(1)


@pytest.fixture
def folder(write_folder: Callable[[Path], Path], tmp_path: Path) -> str:
    """Configuration of a small data set."""
    return str(write_folder(tmp_path / "data"))


def mumu(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def weights(model: Path) -> bytes:
    return (model / "model.safetensors").read_bytes()


def test_from_simulator_to_model_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None) -> None:
    model = tmp_path / "model"
    overrides = [
        "data.train_subjects=0",
        "data.calibration_subjects=1",
        "data.seconds=4",
        f"data.cache={tmp_path / 'cache'}",
        "optimization.epochs=2",
        "optimization.batch_size=2",
        "model.feature_size=8",
    ]
    sim = share_path("config", "training", "sim.yaml")
    assert mumu("train", sim, *overrides, "--out", model) == 0
    trained = load_checkpoint(model)
    assert trained.calibration.temperature > 0
    assert trained.provenance["data"]["train_subjects"] == 0
    assert trained.provenance["optimization"]["epochs"] == 2
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["train_windows"] >= 2
    assert mumu("test", model, "simulator", "--subjects", "1", "--seconds", "4", "--json") == 0
    tested = json.loads(capsys.readouterr().out.splitlines()[-1])
    for key in ("windows", "top1", "ece"):
        assert metrics["calibration_subjects"][key] == pytest.approx(tested[key]), f"{key} is not the model's"
    assert len(list((tmp_path / "cache").glob("*/*.npz"))) == 2

    again = ["--init", model, "--out", tmp_path / "second"]
    assert mumu("train", sim, *overrides, "optimization.epochs=1", *again) == 0
    assert mumu("train", sim, *overrides, "model.feature_size=16", *again) == 2
    assert "nothing of model 'sim' fits: it has rgb, depth, imu_wrist, imu_belt, feature_size 8" in (
        capsys.readouterr().err
    )

    command = ["test", model, "simulator", "--subjects", "2", "--seconds", "3", "--json"]
    assert mumu(*command, "--drop", "imu", "--drop", "rgb+depth:0.5") == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["model"] == trained.id
    assert set(result["dropped"]) == {"imu", "rgb+depth:0.5"}
    assert mumu(*command, "--drop", "rgb", "--backend", "eager") == 0
    one_by_one = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert one_by_one["agreement"] == one_by_one["dropped"]["rgb"]["agreement"] == 1.0
    assert one_by_one["top1"] == result["top1"]


KILLED = """
import os, signal, sys
import torch
from mumu_ros import cli
from mumu_ros.training.module import NetworkModule

step = NetworkModule.training_step

def dies(self, batch, batch_idx):
    if self.trainer.global_step == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, batch_idx)

NetworkModule.training_step = dies
torch.set_num_threads(1)  # as the training that it is compared with
cli.main(sys.argv[1:])
"""


def test_a_killed_training_goes_on_to_the_same_model(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    """Two steps make an epoch: it is killed in the second one."""
    command = ["train", folder, "data.train_subjects=1-2", "optimization.epochs=3", "--out"]
    script = [sys.executable, "-c", KILLED, *command, str(tmp_path / "killed")]
    killed = subprocess.run(script, capture_output=True, timeout=100, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / "killed.training" / "last.ckpt").exists()
    steps: list[int] = []
    monkeypatch.setattr(NetworkModule, "on_train_batch_start", lambda self, *_: steps.append(self.global_step))
    assert mumu(*command, tmp_path / "killed") == 0
    assert steps == [2, 3, 4, 5]
    assert mumu(*command, tmp_path / "whole") == 0
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_a_finished_training_leaves_its_logs_and_starts_afresh(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    out = tmp_path / "model"
    assert mumu("train", folder, "--out", out) == 0
    first = weights(out)
    assert sorted(p.name for p in out.iterdir()) == ["config.json", "metrics.json", "model.safetensors"]
    assert [p.name for p in (tmp_path / "model.training").iterdir()] == ["logs"]
    steps: list[int] = []
    monkeypatch.setattr(NetworkModule, "on_train_batch_start", lambda self, *_: steps.append(self.global_step))
    assert mumu("train", folder, "--out", out) == 0
    assert steps == [0, 1, 2]
    assert weights(out) == first
    assert mumu("train", folder, "optimization.seed=1", "--out", out) == 0
    assert weights(out) != first


def test_other_activities_are_taught_to_a_known_model(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    """The training set brings its own taxonomy: the configuration names none."""
    assert mumu("train", folder, "--out", tmp_path / "first") == 0
    data = tmp_path / "data"
    text = Path(folder).read_text().replace("  taxonomy: two.yaml\n", "").replace("name: two", "name: other")
    (data / "own.yaml").write_text(text)
    (data / "taxonomy.yaml").write_text("name: own\ngroups: {gait: [walk, run], sport: [juggle]}\n")
    listed = (data / "clips.csv").read_text().replace(",wave", ",juggle")
    (data / "clips.csv").write_text(listed)
    capsys.readouterr()
    assert mumu("train", data / "own.yaml", "--init", tmp_path / "first", "--out", tmp_path / "second") == 0
    said = capsys.readouterr().out
    assert "encoders of imu_wrist, imu_belt; activities it knows: walk; new: run, juggle" in said
    taught = load_checkpoint(tmp_path / "second")
    assert taught.config.taxonomy.activities == ("walk", "run", "juggle")
    assert mumu("train", data / "own.yaml", "--init", tmp_path / "first", "--out", tmp_path / "again") == 0
    assert weights(tmp_path / "again") == weights(tmp_path / "second"), "what is new follows from the seed, too"
    (data / "taxonomy.yaml").unlink()
    assert mumu("train", data / "own.yaml", "--out", tmp_path / "third") == 2
    assert "taxonomy.yaml" in capsys.readouterr().err


def test_skipped_clips_are_counted_and_named(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    (tmp_path / "data" / "walk_s1_1" / "imu_belt.csv").write_text("nothing")
    assert mumu("train", folder, "--out", tmp_path / "model") == 0
    assert "1 clips were skipped: walk_s1_1; the first: walk_s1_1:" in capsys.readouterr().err
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert metrics["train_windows"] == 11
    assert list(metrics["skipped"]) == ["walk_s1_1"]


def test_an_activity_that_no_window_shows_is_named(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    """Whoever walks does so for less than a window."""
    for path in (tmp_path / "data").glob("walk_*/*.csv"):
        path.write_text("\n".join(path.read_text().splitlines()[:15]))
    for command in (["train", folder], ["cross-validate", folder, "--jobs", "1"]):
        assert mumu(*command, "data.windows_per_s=1", "--out", tmp_path / command[0]) == 0
        errors = capsys.readouterr().err
        assert "no window shows walk: the model cannot learn it; record or label more of it, or take it out" in errors
        assert "wave is the only activity: the model always answers with it; label rest, too (idle)" in errors
        assert "6 clips were skipped: walk_s1_1, " in errors
        assert "the first: walk_s1_1: too short for a window of 1 s" in errors
    assert mumu("train", folder, "--out", tmp_path / "whole") == 0
    errors = capsys.readouterr().err
    assert "no window shows" not in errors
    assert "only activity" not in errors
    assert "modality" not in errors


def test_streams_that_no_modality_takes_and_modalities_without_one_are_named(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    for path in (tmp_path / "data").glob("*/imu_wrist.csv"):
        path.rename(path.with_name("imu_hand.csv"))
    for command in (["train", folder], ["cross-validate", folder, "--jobs", "1"]):
        assert mumu(*command, "--out", tmp_path / command[0]) == 0
        assert "no clip has imu_wrist and the model does not take imu_hand; a modality" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    (tmp_path / "file").write_text("")
    assert mumu("train", folder, "--out", tmp_path / "file" / "model") == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_model_and_the_training_goes_on(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "model.safetensors":
            write(self, data[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert mumu("train", folder, "--out", out) == 2
    error = capsys.readouterr().err
    assert f"{out}: No space left on device; make room and start again, what is finished is kept" in error
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "model.training"]
    steps: list[int] = []
    monkeypatch.setattr(NetworkModule, "on_train_batch_start", lambda self, *_: steps.append(self.global_step))
    assert mumu("train", folder, "--out", out) == 0
    assert steps == [], "nothing is trained again"
    assert load_checkpoint(out)


def test_the_help_says_where_the_logs_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mumu("train", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "TensorBoard's logs are in OUT.training/logs" in text
    assert "An interrupted training resumes" in text


@pytest.fixture
def run_test(folder: str, tmp_path: Path, no_processes: None, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """run_test(*arguments): the last line of `mumu test` on a model that knows all three subjects."""
    model = tmp_path / "model"
    assert mumu("train", folder, "optimization.epochs=10", "optimization.learning_rate=0.02", "--out", model) == 0
    capsys.readouterr()

    def run(*arguments: object) -> Any:
        assert mumu("test", model, "folder", tmp_path / "data", *arguments, "--json") == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def test_the_last_line_of_a_test_is_one_object(run_test: Callable[..., Any]) -> None:
    result = run_test("--subjects", "2-3", "--drop", "imu:0.5", "--drop", "imu_belt")
    assert {"model", "top1", "macro_f1", "group_top1", "clips", "per_class", "per_subject", "dropped"} <= set(result)
    assert result["clips"] == 8
    assert set(result["per_subject"]) == {"2", "3"}
    assert set(result["per_class"]) == {"wave", "walk"}
    assert all(c["support"] == 4 for c in result["per_class"].values())
    assert result["top1"] == pytest.approx(sum(result["per_subject"].values()) / 2)
    assert result["top1"] == 1, "three standard deviations lie between the two activities"
    assert set(result["dropped"]) == {"imu:0.5", "imu_belt"}
    half = result["dropped"]["imu:0.5"]
    assert half["top1"] == 1, "nothing is left of the other half of the clips, and nothing is decided about it"
    assert half["clips"] + half["left_out"] == 8
    assert 0 < half["left_out"] < 8
    assert (result["dropped"]["imu_belt"]["clips"], result["dropped"]["imu_belt"]["left_out"]) == (8, 0)


def test_a_test_without_any_sensor_has_no_score(run_test: Callable[..., Any]) -> None:
    assert run_test("--drop", "imu")["dropped"]["imu"] == {"clips": 0, "windows": 0, "left_out": 12}


@pytest.mark.parametrize(
    ("train", "calibration", "tested", "trained_on", "calibrated_on"),
    [
        ("1", "2", "", [1], [2]),
        ("1", "", "2-3", [], []),
        ("", "", "2-3", [2, 3], []),
        ("0", "1", "3", [], []),
        ("0", "1", "1", [], [1]),
    ],
)
def test_people_whom_the_model_knows_are_reported(
    folder: str,
    tmp_path: Path,
    no_processes: None,
    capsys: pytest.CaptureFixture[str],
    train: str,
    calibration: str,
    tested: str,
    trained_on: list[int],
    calibrated_on: list[int],
) -> None:
    settings = read_settings(folder, [f"data.train_subjects={train}", f"data.calibration_subjects={calibration}"])
    save_checkpoint(tmp_path / "model", Network(settings.model), provenance=provenance(settings, "x"))
    other = shutil.copytree(tmp_path / "data", tmp_path / "other")
    for root, known in ((tmp_path / "data", (trained_on, calibrated_on)), (other, ([], []))):
        subjects = ["--subjects", tested] if tested else []
        assert mumu("test", tmp_path / "model", "folder", root, *subjects, "--json") == 0
        output, errors = capsys.readouterr()
        result = json.loads(output.splitlines()[-1])
        for how, people in zip(("trained on", "calibrated on"), known, strict=True):
            assert result.get(how.replace(" ", "_"), []) == people
            assert (f"was {how} {len(people)} of these " in errors) == bool(people)


def test_people_whom_the_model_knows_are_reported_in_any_working_directory(
    folder: str, tmp_path: Path, no_processes: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of the model that it began with."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    for people, more in (("1", ()), ("2", ("--init", "first"))):
        out = "second" if more else "first"
        assert mumu("train", folder, "data.root=data", f"data.train_subjects={people}", *more, "--out", out) == 0
    for place, root in ((".", "data"), ("elsewhere", "../data"), ("data", ".")):
        monkeypatch.chdir(tmp_path / place)
        capsys.readouterr()
        assert mumu("test", tmp_path / "second", "folder", root, "--json") == 0
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["trained_on"] == [1, 2]
    monkeypatch.chdir(tmp_path)
    shutil.copytree("data", "other")
    assert mumu("test", "second", "folder", "other", "--json") == 0
    assert "trained_on" not in json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_dataset_without_a_folder_has_none_in_the_provenance() -> None:
    settings = read_settings(share_path("config", "training", "sim.yaml"))
    assert provenance(settings, "x")["data"]["root"] == ""


@pytest.mark.parametrize("how", ["--init", "--teacher"])
def test_people_whom_the_model_knows_by_another_are_reported(
    folder: str, tmp_path: Path, no_processes: None, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """The first one knows subject 3, the third one goes on from the second one."""
    few = ["labels.share=0.5", "data.train_subjects=1-2"]
    assert mumu("train", folder, "data.train_subjects=3", "data.calibration_subjects=2", "--out", tmp_path / "a") == 0
    assert mumu("train", folder, *few, how, tmp_path / "a", "--out", tmp_path / "b") == 0
    assert mumu("train", folder, "data.train_subjects=1", "--init", tmp_path / "b", "--out", tmp_path / "c") == 0
    for model, tested, seen in (("a", "1", []), ("a", "2-3", [3]), ("b", "3", [3]), ("c", "1-3", [1, 2, 3])):
        capsys.readouterr()
        assert mumu("test", tmp_path / model, "folder", tmp_path / "data", "--subjects", tested, "--json") == 0
        output, errors = capsys.readouterr()
        assert json.loads(output.splitlines()[-1]).get("trained_on", []) == seen, model
        assert ("was trained on" in errors) == bool(seen)


def test_a_test_that_cannot_be_done_is_answered_with_the_reason(
    tiny_model: Path, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    for arguments, message in (
        (["--subjects", "9"], "no clip of subjects 9"),
        (["--drop", "sonar"], "'sonar' is no stream and no device; expected one of camera, rgb, depth, imu"),
        (["--drop", "imu:2"], "--drop 'imu:2': expected NAME or NAME:SHARE, a share from 0 to 1"),
        (["--device", "tpu"], "device is 'tpu'"),
        ([], "the model takes rgb, depth, imu"),
    ):
        assert mumu("test", tiny_model, "folder", tmp_path / "data", *arguments) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({}, ""),
        ({"data": None}, ""),
        ({"data": "x"}, ""),
        ({"data": ["dataset"]}, ""),
        ({"data": {"dataset": ["folder"]}}, ""),
        ({"made_from": "x"}, ""),
        ({"made_from": ["x", {}, {"id": "a", "data": "x"}, {"id": "a", "data": {"dataset": "folder", "root": 1}}]}, ""),
        ({"data": {"dataset": "folder"}}, ""),
        ({"data": {"dataset": "folder", "windows_per_s": 0, "min_overlap": 0.5}}, ""),
        ({"data": {"dataset": "folder", "windows_per_s": None}}, "data.windows_per_s is None"),
        ({"data": {"dataset": "folder", "min_overlap": "x"}}, "data.min_overlap is 'x'"),
    ],
)
def test_what_a_model_says_it_is_made_from_may_be_anything(
    folder: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    no_processes: None,
    provenance: dict[str, Any],
    message: str,
) -> None:
    save_checkpoint(tmp_path / "model", Network(read_settings(folder).model), provenance=provenance)
    assert mumu("test", tmp_path / "model", "folder", tmp_path / "data") == (2 if message else 0)
    error = capsys.readouterr().err
    assert message in error
    assert ("its provenance cannot be used" in error) == bool(message)


def test_a_test_is_on_one_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    assert mumu("test", "people", "people", "/x") == 2
    assert "'people' is several datasets, for training only; test on one of simulator, utd_mhad," in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("override", ["machine.strategy=ddpp", "machine.accelerator=abacus"])
@pytest.mark.parametrize("command", ["train", "cross-validate"])
def test_a_machine_that_is_not_there_is_refused_before_data_are_read(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, override: str
) -> None:
    assert mumu(command, folder, override, "data.root=/nowhere", "--out", tmp_path / "out") == 2
    key, _, value = override.removeprefix("machine.").partition("=")
    error = capsys.readouterr().err
    assert "cannot train on machine accelerator" in error
    assert f"{key} '{value}'" in error
    assert not (tmp_path / "out").exists()


def test_numbers_beside_a_model_are_whole_or_not_there(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    write = Path.write_text

    def full(self: Path, data: str, **options: Any) -> int:
        if "metrics" in self.name:
            write(self, data[:20], **options)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data, **options)

    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        assert mumu("train", folder, "--out", out) == 2
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    assert mumu("train", folder, "--out", out) == 0
    assert json.loads((out / "metrics.json").read_text())


def test_people_without_a_known_activity_are_no_test_and_calibrate_nothing(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    listed = tmp_path / "data" / "clips.csv"
    listed.write_text(listed.read_text().replace(",3,wave", ",3,gesture").replace(",3,walk", ",3,gait"))
    model = tmp_path / "model"
    people = ["data.train_subjects=1-2", "data.calibration_subjects=3"]
    assert mumu("train", folder, *people, "--out", model) == 2
    reason = "has an activity, all are labelled with their group only; label some, or choose other subjects"
    assert f"data.calibration_subjects 3: no clip {reason}" in capsys.readouterr().err
    assert not (tmp_path / "model.training").exists(), "before anything is trained"
    assert mumu("train", folder, people[0], "--out", model) == 0
    capsys.readouterr()
    assert mumu("test", model, "folder", tmp_path / "data", "--subjects", "3") == 2
    assert f"folder, subjects 3: no clip {reason}" in capsys.readouterr().err
    assert mumu("test", model, "folder", tmp_path / "data", "--subjects", "2-3", "--json") == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["per_subject"]) == {"2"}


def test_a_given_calibration_is_stored(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    path = tmp_path / "calibration.json"
    path.write_text('{"temperature": 1.7, "unknown_threshold": 0.42}')
    assert mumu("train", folder, "--out", tmp_path / "model", "--calibration", path) == 0
    stored = load_checkpoint(tmp_path / "model").calibration
    assert (stored.temperature, stored.unknown_threshold) == (1.7, 0.42)
    for text, message in (
        ("{", "give the file that mumu cross-validate wrote"),
        ('{"temperature": 0, "unknown_threshold": 0}', "temperature is 0"),
        ('{"heat": 1}', "no key 'heat'"),
        ('{"novelty_weight": 1}', "novelty is measured by a skeleton's features, but 'two' has imu_wrist, imu_belt"),
    ):
        path.write_text(text)
        assert mumu("train", folder, "--out", tmp_path / "model", "--calibration", path) == 2
        assert message in capsys.readouterr().err
