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

"""Options of `mumu test`, `health`, `export` and `cross-validate` that change nothing or cannot be met are named."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mumu_ros import cli
from mumu_ros.training.settings import Data, read_settings

pytestmark = pytest.mark.usefixtures("no_processes")


@pytest.fixture
def folder(write_folder: Callable[[Path], Path], tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "data"))


def mumu(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def reach(*_arguments: Any, **_options: Any) -> None:
    raise AssertionError("the work has begun")


@pytest.mark.parametrize("command", ["test", "health"])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["simulator", "foo", "--subjects", "1-2"], "the simulator reads no folder, but 'foo' is given: leave it out"),
        (["folder", "FOLDER", "--seconds", "5"], "--seconds is 5; the clips of folder are as long as they are"),
    ],
)
def test_what_says_nothing_of_a_dataset_is_refused(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], command: str, arguments: list[str], text: str
) -> None:
    assert mumu(command, tiny_model, *arguments) == 2
    assert text in capsys.readouterr().err


def test_health_of_clips_that_are_shorter_than_a_window_names_the_remedy(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They have 1.2 s."""
    model = tmp_path / "model"
    assert mumu("train", folder, "model.window_s=2.0", "optimization.epochs=1", "--out", model) == 0
    capsys.readouterr()
    root = tmp_path / "data"
    assert mumu("health", model, "folder", root, "--windows-per-s", 1) == 2
    text = "too short for a window of 2 s, or no window has a sample; one window of each clip, however short: --windo"
    assert f"no clip of folder can be used; the first: {text}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        (["health", "MODEL", "simulator", "--subjects", "1-2"], "mumu_ros.training.health.healthy_windows"),
        (
            ["export", "MODEL", "--backend", "openvino_int8", "--calibrate", "simulator", "", "--subjects", "1"],
            "mumu_ros.training.health.healthy_windows",
        ),
    ],
)
def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    work: str,
) -> None:
    def read_only(dir: Path) -> None:  # noqa: A002 - as tempfile's
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(dir))

    monkeypatch.setattr("mumu_ros.files.tempfile.TemporaryFile", read_only)
    monkeypatch.setattr(work, reach)
    assert mumu(*(str(tiny_model) if word == "MODEL" else word for word in arguments)) == 2
    assert f"{tiny_model}: Read-only file system" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--seeds", "x"], "--seeds are 'x'; expected numbers and ranges"),
        (["--jobs", "0"], "--jobs is 0; expected 1 or more"),
        (["data.train_subjects=x"], "data.train_subjects are 'x'; expected numbers and ranges"),
    ],
)
def test_a_cross_validation_names_the_option_that_is_wrong(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], text: str
) -> None:
    assert mumu("cross-validate", folder, *options, "--out", tmp_path / "out") == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("use", ["train", "calibration"])
def test_an_empty_list_of_subjects_is_the_default(folder: str, use: str) -> None:
    assert read_settings(folder, [f"data.{use}_subjects="]).data.subjects(use) == Data("folder").subjects(use) == ()


def test_a_sensor_that_no_clip_has_cannot_be_dropped(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    assert mumu("train", folder, "--out", model) == 0
    for path in (tmp_path / "data").glob("*_s3_*/imu_belt.csv"):
        path.unlink()
    command = ("test", model, "folder", tmp_path / "data", "--drop", "imu")
    capsys.readouterr()
    assert mumu(*command, "--subjects", 3) == 0
    assert "folder, subjects 3: no clip has imu_belt, --drop takes nothing away there" in capsys.readouterr().err
    assert mumu(*command) == 0
    assert "no clip has" not in capsys.readouterr().err, "others have it"


@pytest.mark.usefixtures("folder")
def test_frames_to_calibrate_by_may_show_anything(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The activities of the folder are not those of the model, nor is there a frame of every modality in each clip."""
    for path in (tmp_path / "data").iterdir():
        if path.is_dir():
            images = np.full((3, 32, 32, 3), int(path.name[6]), np.uint8)
            np.savez(path / "rgb.npz", stamps_ns=np.arange(3) * 100_000_000, samples=images)
    listed = tmp_path / "data" / "clips.csv"
    listed.write_text(listed.read_text().replace(",walk", ",juggle"))
    found: list[dict[str, list[np.ndarray]]] = []

    def export(_name: str, _checkpoint: Any, folder: Path, frames: dict[str, list[np.ndarray]]) -> Path:
        found.append(frames)
        return folder

    monkeypatch.setattr("mumu_ros.recognition.backends.export_backend", export)
    calibrate = ("--calibrate", "folder", tmp_path / "data")
    assert mumu("export", tiny_model, "--backend", "openvino_int8", *calibrate, "--subjects", "1-2") == 0
    assert {int(frame[0, 0, 0]) for frame in found[0]["rgb"]} == {1, 2}
