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

"""A folder is for one work: the same goes on there, also when it is older than a setting; another is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.model.config import ConfigError
from mumu_ros.training.work_folder import reserve


@dataclass(frozen=True)
class Data:
    root: str
    cache: str = ""
    pose: str = ""


@dataclass(frozen=True)
class Machine:
    accelerator: str = "cpu"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"


@dataclass(frozen=True)
class Work:
    data: Data
    groups: Mapping[str, tuple[str, ...]]
    machine: Machine = Machine()
    rates: tuple[float, ...] = (1.0, 2.0)


WORK = Work(Data("here"), {"still": ("sit",), "moving": ("walk", "run")})
AS_JSON = dataclasses.asdict(WORK)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


def claimed(folder: Path, content: Any) -> Path:
    """A file of a folder that was claimed before."""
    path = folder / "settings.json"
    path.write_text(json.dumps(content))
    return path


def changed(**data: Any) -> dict[str, Any]:
    return {**AS_JSON, "data": {**AS_JSON["data"], **data}}


@given(VALUES, VALUES)
def test_the_same_work_goes_on_and_another_does_not(one: Any, other: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "settings.json")
        reserve(path, {"work": one})
        text = path.read_text()
        reserve(path, {"work": one})
        assert path.read_text() == text
        assert os.listdir(folder) == ["settings.json"]
        if json.dumps(one) == json.dumps(other):
            reserve(path, {"work": other})
        elif one != other:
            with pytest.raises(ConfigError, match="is of other work: work"):
                reserve(path, {"work": other})


def test_it_is_written_down_in_a_new_folder_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "settings.json"
    reserve(path, {**vars(WORK), "windows": 7})
    assert json.loads(path.read_text()) == {**json.loads(json.dumps(AS_JSON)), "windows": 7}
    reserve(path, {**vars(WORK), "windows": 7})


def test_the_differences_are_named_three_of_them(tmp_path: Path) -> None:
    path = claimed(tmp_path, {**changed(root="there", pose="x"), "rates": [1, 3], "groups": {"still": ["sit"]}})
    with pytest.raises(ConfigError) as caught:
        reserve(path, WORK)
    assert str(caught.value) == (
        f"'{path}' is of other work: data.root was 'there', is 'here'; data.pose was 'x', is ''; "
        "groups was ['still'], is ['still', 'moving']; "
        f"remove '{tmp_path}', or choose another --out"
    )
    assert json.loads(path.read_text())["data"]["root"] == "there", "nothing is written over"
    path = claimed(tmp_path, {**AS_JSON, "rates": [1, 3]})
    with pytest.raises(ConfigError, match=r"work: rates\.1 was 3, is 2\.0; remove"):
        reserve(path, WORK)


def test_long_values_are_shortened(tmp_path: Path) -> None:
    path = claimed(tmp_path, {"clips": [f"clip_{i}" for i in range(500)]})
    with pytest.raises(ConfigError) as caught:
        reserve(path, {"clips": [f"clip_{i}" for i in range(499)]})
    assert "clips was ['clip_0', 'clip_1'," in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path)) * 2


@pytest.mark.parametrize("pose", [{}, {"pose": None}])
def test_a_key_that_is_newer_than_the_file_may_have_its_default_only(tmp_path: Path, pose: dict[str, None]) -> None:
    content = {**AS_JSON, "data": {"root": "here", **pose}}
    del content["rates"]
    path = claimed(tmp_path, content)
    with pytest.raises(ConfigError, match=r"work: data\.pose was None, is 'skeleton'; remove"):
        reserve(path, dataclasses.replace(WORK, data=Data("here", pose="skeleton")))
    reserve(path, WORK)
    assert json.loads(path.read_text())["rates"] == [1, 2], "the file has it from now on, whatever becomes the default"


@pytest.mark.parametrize("value", [3, None])
def test_a_key_that_is_no_more_is_a_difference(tmp_path: Path, value: int | None) -> None:
    with pytest.raises(ConfigError, match=f"work: data.relief was {value}, is no more; remove"):
        reserve(claimed(tmp_path, changed(relief=value)), WORK)


def test_a_key_without_a_default_must_be_there(tmp_path: Path) -> None:
    path = claimed(tmp_path, {"data": {"root": "here"}})
    with pytest.raises(ConfigError, match="work: groups was None, is"):
        reserve(path, WORK)


def test_where_windows_are_kept_and_what_computes_do_not_count(tmp_path: Path) -> None:
    path = claimed(tmp_path, changed(cache="/tmp"))
    reserve(path, WORK)
    machine = Machine("gpu", strategy="ddp")
    reserve(path, dataclasses.replace(WORK, data=Data("here", cache="/elsewhere"), machine=machine))
    assert json.loads(path.read_text())["machine"] == dataclasses.asdict(machine)


@pytest.mark.parametrize(("key", "value"), [("devices", 2), ("num_nodes", 2), ("precision", "bf16-mixed")])
def test_how_it_computes_counts(tmp_path: Path, key: str, value: Any) -> None:
    """Sums in another precision, and steps of more devices, are of another training."""
    path = claimed(tmp_path, AS_JSON)
    with pytest.raises(ConfigError, match=rf"work: machine\.{key} was .*, is {value!r}; remove"):
        reserve(path, dataclasses.replace(WORK, machine=dataclasses.replace(Machine(), **{key: value})))


def test_the_folder_of_the_whole_work_is_the_one_to_remove(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    path = claimed(tmp_path / "part", changed(root="there"))
    with pytest.raises(ConfigError, match=f"is 'here'; remove '{tmp_path}', or choose another --out"):
        reserve(path, WORK, tmp_path)


def test_the_order_of_groups_counts_for_it_numbers_the_activities(tmp_path: Path) -> None:
    path = claimed(tmp_path, AS_JSON)
    with pytest.raises(
        ConfigError, match=r"groups\.0 was 'still', is 'moving'; groups\.1 was 'moving', is 'still'; remove"
    ):
        reserve(path, dataclasses.replace(WORK, groups={"moving": ("walk", "run"), "still": ("sit",)}))


@pytest.mark.parametrize("text", [b"", b'{"data": ', b"\xff\xfe"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=rf"'{path}' is damaged \(.*\); remove '{tmp_path}', or choose another --out"):
        reserve(path, WORK)


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = claimed(tmp_path, AS_JSON)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=rf"make room and start again.*{path}"):
        reserve(path, WORK)
    assert json.loads(path.read_text()) == json.loads(json.dumps(AS_JSON))
