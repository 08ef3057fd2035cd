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

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from rosbags.rosbag2 import Reader, Writer

from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.raw_writer import RawWriter
from mumu_ros.recordings.typestore import InstalledTypes, load_typestore

TEXT = "std_msgs/msg/String"


def text(number: int) -> bytes:
    store = load_typestore()
    return bytes(store.serialize_cdr(store.types[TEXT](data=f"message {number}"), TEXT))


def write(path: Path, count: int, max_bytes: int | None = None) -> RawWriter:
    writer = RawWriter(path, max_bytes)
    for topic in ("/a", "/b"):
        writer.add_topic(topic, TEXT, load_typestore(), [])
    for number in range(count):
        writer.write(("/a", "/b")[number % 2], 1000 + number, text(number))
    return writer


def read(path: Path) -> list[str]:
    with Recording(path) as recording:
        return [message.data for _, _, message in recording.messages()]


def test_what_is_written_is_read_from_as_many_files_as_it_takes(tmp_path: Path) -> None:
    size = len(text(0))
    write(tmp_path / "bag", 10, 4 * size).close()
    assert sorted(p.name for p in (tmp_path / "bag").iterdir()) == [
        *(f"bag_{n}.mcap" for n in range(3)),
        "metadata.yaml",
    ]
    assert read(tmp_path / "bag") == [f"message {number}" for number in range(10)]
    with Recording(tmp_path / "bag") as recording:
        assert not recording.problems
    with Reader(tmp_path / "bag") as reader:  # what rosbag2 would make of metadata.yaml
        assert (reader.message_count, reader.start_time, reader.end_time) == (10, 1000, 1010)
        assert {c.topic: c.msgcount for c in reader.connections} == {"/a": 5, "/b": 5}
    metadata = yaml.safe_load((tmp_path / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert [file["message_count"] for file in metadata["files"]] == [4, 4, 2]


def test_a_recording_that_was_never_closed_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """As after a kill; what the process had not given to the disk yet is lost."""
    size = len(text(0))
    write(tmp_path / "bag", 10, 4 * size)
    assert read(tmp_path / "bag")[:8] == [f"message {number}" for number in range(8)]


def test_of_a_process_that_is_killed_at_most_the_last_second_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr("mumu_ros.recordings.raw_writer.time.monotonic", lambda: now_s)
    writer = write(tmp_path / "bag", 0)
    for number in range(40):
        writer.write("/a", 1000 + number, text(number))
        now_s += 0.1
        shutil.rmtree(tmp_path / "killed", ignore_errors=True)
        shutil.copytree(tmp_path / "bag", tmp_path / "killed")  # what is with the operating system
        saved = len(read(tmp_path / "killed"))
        assert number + 1 - 11 <= saved <= number + 1
    writer.close()
    assert len(read(tmp_path / "bag")) == 40


def test_where_nothing_came_nothing_is_left(tmp_path: Path) -> None:
    write(tmp_path / "bag", 0).close()
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    with pytest.raises(RecordingError, match="exists already; remove it or choose another name"):
        RawWriter(tmp_path / "bag")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("lost"), "RuntimeError: lost"),
        (MemoryError(), "MemoryError: "),
    ],
)
@pytest.mark.parametrize("step", ["open", "add_connection", "write", "close"])
def test_whatever_goes_wrong_is_said_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str, step: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Writer, step, fail)
    with pytest.raises(RecordingError, match=f"{tmp_path / 'bag'} cannot be written: {text}$"):
        write(tmp_path / "bag", 10).close()


def test_definitions_are_those_that_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "share" / "farm_msgs" / "msg"
    folder.mkdir(parents=True)
    (folder / "Cow.msg").write_text("std_msgs/Header header\nLeg[] legs\n")
    (folder / "Leg.msg").write_text("float32 length\n")
    (folder / "Odd.msg").write_text("Nowhere thing\n")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    types = InstalledTypes()
    definition, _ = types.store("farm_msgs/msg/Cow").generate_msgdef("farm_msgs/msg/Cow", ros_version=2)
    assert "float32 length" in definition
    assert "builtin_interfaces/Time stamp" in definition, "what is not installed there is known"
    with pytest.raises(RecordingError, match=r"not installed: share/farm_msgs/msg/Nowhere\.msg"):
        types.store("farm_msgs/msg/Odd")
