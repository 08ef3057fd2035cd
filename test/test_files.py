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

"""Files are whole or not there, whoever else writes them at the same time; paths may have a `~`."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mumu_ros.files import check_folder, expanded, folder_beside, name_problem, naming, replacing, write_json
from mumu_ros.model.checkpoint import find_model
from mumu_ros.model.taxonomy import find_taxonomy
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.parameter_file import given_parameters
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recognize.sources import open_source
from mumu_ros.text import reason

NOBODY = "~nobody-of-this-name/x"
SOURCES = Path(__file__).resolve().parents[1] / "mumu_ros"


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a") == Path("/home/me/a")
    assert expanded(NOBODY) == Path(NOBODY)


@pytest.mark.parametrize(
    "read",
    [
        find_model,
        find_taxonomy,
        open_source,
        lambda name: SensorSyncConfig.read(given_parameters({"model": name}, SENSOR_SYNC)),
    ],
    ids=["model", "taxonomy", "source", "parameter"],
)
def test_the_folder_of_a_user_whom_nobody_knows_does_not_exist(read: Callable[[str], Any]) -> None:
    with pytest.raises((ValueError, OSError), match=NOBODY):
        read(NOBODY)


def test_no_other_code_expands_paths() -> None:
    expanding = {path.name for path in SOURCES.rglob("*.py") if "expanduser" in path.read_text(encoding="utf-8")}
    assert expanding == {"files.py"}


def test_a_name_that_is_no_utf_8_is_told_as_ascii_with_the_remedy() -> None:
    assert name_problem("films/Müller.mp4") is None
    problem = name_problem(os.fsdecode(b"films/M\xfcller.mp4"))
    assert problem == r"the name 'films/M\udcfcller.mp4' is not valid UTF-8; rename it"


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "report.html").touch()
    for folder in (tmp_path / "there", tmp_path / "new", tmp_path / "new" / "below"):
        check_folder(folder)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "there", tmp_path / "there" / "report.html"]


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/nope", "/proc/nope/below"])
def test_a_folder_that_cannot_be_written_is_an_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file|/proc/nope"):
        check_folder(tmp_path / name)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_threads_that_replace_one_file_at_once_do_not_meet(tmp_path: Path) -> None:
    path, at_once = tmp_path / "labels.csv", threading.Barrier(2, timeout=60)

    def write(text: str) -> None:
        for _ in range(200):
            at_once.wait()
            with replacing(path) as temporary, temporary.open("x", encoding="utf-8") as file:
                file.write(text)

    texts = ["a" * 5000, "b" * 5000]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, texts))
    assert path.read_text(encoding="utf-8") in texts
    assert list(tmp_path.iterdir()) == [path], "nothing temporary is left"


def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("old", encoding="utf-8")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match=f"make room and start again'?: '{path}"):
        write_half()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["nowhere/a.csv", "file/a.csv", "folder"])
def test_a_file_that_cannot_be_written_is_named_not_a_temporary_one(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(OSError, match=r".") as raised, replacing(path) as temporary:
        temporary.write_text("x", encoding="utf-8")
    assert raised.value.filename == str(path)
    assert raised.value.filename2 is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; make room and start again"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded; make room and start again"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError("encoder error -2 when writing image file"), "encoder error -2 when writing image file"),
    ],
)
def test_an_error_in_a_folder_that_is_not_finished_names_its_place_and_says_what_is_true(
    error: OSError, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "my_set"

    def fill() -> None:
        with folder_beside(path) as temporary:
            (temporary / "clip").touch()
            raise error

    with pytest.raises(OSError, match=said) as raised:
        fill()
    assert reason(raised.value) == f"{path}: {said}"
    assert raised.value.errno == error.errno
    assert list(tmp_path.iterdir()) == [], "nothing is kept"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "Full"), "out: Full; make room and start again, what is finished is kept"),
        (OSError(errno.ENOSPC, "Full", "part"), "part: Full; make room and start again, what is finished is kept"),
        (OSError(errno.ENOENT, "Not there", "part"), "part: Not there"),
    ],
)
def test_only_what_goes_on_from_what_is_finished_says_that_it_is_kept(error: OSError, said: str) -> None:
    with (
        pytest.raises(OSError, match=said.partition(": ")[2]) as raised,
        naming(Path("out"), kept=True),
        naming(Path("out")),
    ):
        raise error
    assert reason(raised.value) == said


def test_json_has_no_numbers_that_are_not_finite(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"é": [float("nan"), (1.5, {"b": float("-inf")})], "c": "x"})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    assert json.loads(text, parse_constant=refuse) == {"é": [None, [1.5, {"b": None}]], "c": "x"}
    assert "é" in text
