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

"""What is wrong with a part of a recording costs that part only, and is said by name."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mumu_ros.conversions import array_to_image, array_to_imu, imu_to_array
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.storage import DamageError, from_zstd
from mumu_ros.recordings.typestore import BagTypes, load_typestore

if sys.version_info >= (3, 14):
    from compression.zstd import compress
else:
    from backports.zstd import compress

IMU = "sensor_msgs/msg/Imu"
SUFFIXES = {"mcap": ".mcap", "sqlite3": ".db3"}
PERIOD_NS = 10_000_000
START_NS = 1_700_000_000_000_000_000
SAMPLES = 60
INFORMATION = "rosbag2_bagfile_information"


def imu(index: int, types: BagTypes, frame_id: str = "wrist") -> Any:
    """A message that says which one it is."""
    return array_to_imu(np.array([[index, 0, 0], [0, 0, 0.0]]), START_NS + index * PERIOD_NS, frame_id, types)


def write_imu(path: Path, storage: str, first: int = 0, last: int = SAMPLES) -> None:
    with RecordingWriter(path, storage) as writer:
        for index in range(first, last):
            writer.write("/imu", IMU, imu(index, writer.types), START_NS + index * PERIOD_NS)


def values(recording: Recording, topic: str = "/imu") -> list[float]:
    return [imu_to_array(message)[0, 0] for _, _, message in recording.messages([topic])]


@pytest.fixture(params=SUFFIXES)
def storage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=SUFFIXES)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two files."""
    storage, folder, half = request.param, tmp_path_factory.mktemp("sound"), SAMPLES // 2
    write_imu(folder / "bag", storage, 0, half)
    write_imu(folder / "second", storage, half, SAMPLES)
    names = [f"bag_{number}{SUFFIXES[storage]}" for number in (0, 1)]
    (folder / "bag" / f"bag{SUFFIXES[storage]}").rename(folder / "bag" / names[0])
    (folder / "second" / f"second{SUFFIXES[storage]}").rename(folder / "bag" / names[1])
    content = yaml.safe_load((folder / "bag" / "metadata.yaml").read_text())[INFORMATION]
    content["relative_file_paths"] = names
    content["duration"]["nanoseconds"] = (SAMPLES - 1) * PERIOD_NS
    content["message_count"] = content["topics_with_message_count"][0]["message_count"] = SAMPLES
    (folder / "bag" / "metadata.yaml").write_text(yaml.safe_dump({INFORMATION: content}))
    return folder / "bag"


@pytest.fixture
def split(sound: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(sound, tmp_path / "bag"))


@pytest.fixture(scope="module")
def sound_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database") / "bag"
    write_imu(folder, "sqlite3")
    return folder


@pytest.fixture
def bag(sound_database: Path, tmp_path: Path) -> Path:
    """A recording with one database, which a test may spoil."""
    return Path(shutil.copytree(sound_database, tmp_path / "bag"))


def spoil(bag: Path, *statements: str) -> None:
    with closing(sqlite3.connect(bag / "bag.db3")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_a_sound_recording_of_several_files_has_no_problems(split: Path) -> None:
    with Recording(split) as recording:
        assert values(recording) == list(range(SAMPLES))
        assert recording.problems == []


def write_logged(path: Path, storage: str, rows: Sequence[tuple[str, int]], side: int = 8) -> list[tuple[str, int]]:
    """Pictures of so many rows and columns, logged so many periods after the start, written in this order."""
    logged = [(topic, START_NS + number * PERIOD_NS + (topic == "/b")) for topic, number in rows]
    with RecordingWriter(path, storage) as writer:
        image = array_to_image(np.zeros((side, side, 3), np.uint8), START_NS, "", writer.types)
        for topic, log_ns in logged:
            writer.write(topic, "sensor_msgs/msg/Image", image, log_ns)
    return logged


def two_topics(numbers: Iterable[int]) -> list[tuple[str, int]]:
    """Messages of two topics, of which one is written a tenth of a second late."""
    return [row for number in numbers for row in (("/a", number), ("/b", number - 10))]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("side", [8, 100])
@pytest.mark.parametrize("first", [200, 235, 270])
def test_what_was_written_after_the_clock_was_set_back_is_read_after_the_rest(
    tmp_path: Path, storage: str, side: int, first: int
) -> None:
    """In one chunk of an MCAP and in chunks of 0.2 s; the second file begins before the clock has caught up."""
    before, after = two_topics(range(first)), two_topics(range(first - 150, first - 50))
    rows = write_logged(tmp_path / "bag", storage, [*before, *after], side)
    further = write_logged(tmp_path / "next", storage, two_topics(range(first - 50, first + 150)), side)
    file = next((tmp_path / "next").glob("next.*"))
    file.rename(tmp_path / "bag" / f"bag_1{file.suffix}")
    (tmp_path / "bag" / "metadata.yaml").unlink()
    again = next(i for i, (_, log_ns) in enumerate(rows) if i and log_ns < rows[i - 1][1] - 10**9)
    parts = rows[:again], [*rows[again:], *further]
    with Recording(tmp_path / "bag") as recording:
        for topics in (None, ["/a"]):
            read = [row[:2] for row in recording.raw_messages(topics)]
            expected = [row for part in parts for row in sorted(part, key=itemgetter(1))]
            assert read == [row for row in expected if not topics or row[0] in topics]
            assert [row[:2] for row in recording.raw_messages(topics, 1.5)] == [
                row for row in read if row[1] >= recording.start_ns + 15 * 10**8
            ]
        assert len(recording.problems) == 2
        assert "the recorder's clock was set back by 1.5 s" in recording.problems[-1]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("count", [1, 4, 12])
@pytest.mark.parametrize("by", [30, 120])
@pytest.mark.parametrize("at", [120, 135, 190])
def test_a_clock_that_was_set_back_is_found_however_many_files_there_are(
    tmp_path: Path, storage: str, count: int, by: int, at: int
) -> None:
    """By 3 and by 12 s, longer than a file lasts; within a file, or between two. The tenth is not the second."""
    rows = [("/a", 10 * number) for number in (*range(at), *range(at - by, 240 - by))]
    folder, size = tmp_path / "bag", len(rows) // count
    for part in range(count):
        write_logged(
            tmp_path / f"p{part}", storage, rows[part * size : (part + 1) * size if part < count - 1 else None]
        )
        file = next(file for file in (tmp_path / f"p{part}").iterdir() if file.suffix in (".mcap", ".db3"))
        folder.mkdir(exist_ok=True)
        file.rename(folder / f"bag_{part}{file.suffix}")
    with Recording(folder) as recording:
        read = [(log_ns - START_NS) // PERIOD_NS for _, log_ns, _ in recording.raw_messages()]
        assert read == [number for _, number in rows]
        assert len([problem for problem in recording.problems if "clock was set back" in problem]) == 1


def test_files_of_several_topics_that_were_written_at_the_same_time_are_merged(tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    for topic in ("/a", "/b"):
        write_logged(tmp_path / topic[1:], "mcap", [(topic, number) for number in range(100)])
        next((tmp_path / topic[1:]).glob("*.mcap")).rename(tmp_path / "bag" / f"{topic[1:]}.mcap")
    with Recording(tmp_path / "bag") as recording:
        assert [row[0] for row in recording.raw_messages()] == ["/a", "/b"] * 100
        assert not any("set back" in problem for problem in recording.problems)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("side", [8, 100])
@pytest.mark.parametrize("case", ["by topic", "late by less", "one too late", "one too early", "parts swapped"])
def test_other_orders_of_writing_are_read_by_log_time(tmp_path: Path, storage: str, side: int, case: str) -> None:
    rows = {
        "by topic": [("/a", number) for number in range(300)] + [("/b", number) for number in range(300)],
        "late by less": [("/a", number ^ 32) for number in range(320)],
        "one too late": [("/a", 10**6 if number == 150 else number) for number in range(300)],
        "one too early": [("/a", number if number < 299 else -(10**6)) for number in range(300)],
        "parts swapped": [("/a", (number + 150) % 300) for number in range(300)],
    }[case]
    rows = write_logged(tmp_path / "bag", storage, rows, side)
    with Recording(tmp_path / "bag") as recording:
        assert [row[:2] for row in recording.raw_messages()] == sorted(rows, key=itemgetter(1))
        assert recording.problems == []


def last_split(content: dict[str, Any]) -> None:
    """What rosbag2#841 and #966 left."""
    content["starting_time"]["nanoseconds_since_epoch"] = START_NS + SAMPLES // 2 * PERIOD_NS
    content["duration"]["nanoseconds"] = 100 * PERIOD_NS * SAMPLES
    content["message_count"] = SAMPLES // 2


def topic(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["topics_with_message_count"][0]
    return found


QOS = "- {history: 1, depth: 5, reliability: 2, durability: 2}"
# What is changed in metadata.yaml, and what is said of it; None: nothing has to be.
WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str | None]] = {
    "the times of the last file": (last_split, "all of it is read"),
    "the count of the last file": (lambda c: topic(c).update(message_count=30), "/imu 30, not 60"),
    "no messages": (lambda c: topic(c).update(message_count=0), "/imu 0, not 60"),
    "another start": (lambda c: c.update(starting_time={"nanoseconds_since_epoch": 2**62}), None),
    "another QoS": (lambda c: topic(c)["topic_metadata"].update(offered_qos_profiles=QOS), None),
    "QoS that is none": (lambda c: topic(c)["topic_metadata"].update(offered_qos_profiles=[3]), None),
    "another hash": (lambda c: topic(c)["topic_metadata"].update(type_description_hash="RIHS01_0"), None),
    "another storage": (lambda c: c.update(storage_identifier="rosbag1"), None),
    "a compression": (lambda c: c.update(compression_mode="MESSAGE", compression_format="lzma"), None),
    "a later version": (lambda c: c.update(version=99), None),
    "a file that is not there": (lambda c: c["relative_file_paths"].append("bag_2.mcap"), "bag_2.mcap is missing"),
    "one file of two": (lambda c: c["relative_file_paths"].pop(0), "does not name bag_0"),
    "a count that is a list": (lambda c: topic(c).update(message_count=[]), "message_count of /imu is []"),
    "a count that is a text": (lambda c: topic(c).update(message_count="many"), "is 'many'; expected int"),
    "a count beyond all": (lambda c: topic(c).update(message_count=2**70), "message_count of /imu"),
    "no duration": (lambda c: c.pop("duration"), "duration of it is None"),
    "files that are numbers": (lambda c: c.update(relative_file_paths=[1]), "relative_file_paths holds 1"),
    "topics that are texts": (lambda c: c.update(topics_with_message_count=["/imu"]), "topic_metadata of a topic"),
}


BOMB = "x0: &x0 [a, a]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" for n in range(1, 30))
"""A billion values once its aliases are written out."""


@pytest.mark.parametrize("wrong", WRONG)
def test_metadata_decides_nothing(split: Path, wrong: str) -> None:
    change, said = WRONG[wrong]
    content = yaml.safe_load((split / "metadata.yaml").read_text())
    change(content[INFORMATION])
    (split / "metadata.yaml").write_text(yaml.safe_dump(content))
    with Recording(split) as recording:
        assert values(recording) == list(range(SAMPLES))
        assert recording.topics["/imu"].count == SAMPLES
        assert recording.duration_s == pytest.approx((SAMPLES - 1) * PERIOD_NS * 1e-9)
        assert said is None or said in " ".join(recording.problems)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "[" * 500,
        "\0",
        "a: &a [*a]",
        "? {a: b}",
        "2001-99-99",
        "!!python/object:os.system x",
        b"\xff\xfe\xfd",
        BOMB + "message_count: *x29",
        BOMB + "? [*x29]\n: 1",
        BOMB.replace("[*", "{<<: [*").replace("]", "]}").replace("{<<: [a, a]}", "{a: a}"),
        "rosbag2_bagfile_information: {message_count: 1" + "0" * 100_000 + "}",
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_metadata_file_that_is_none_costs_nothing(split: Path, text: str | bytes) -> None:
    (split / "metadata.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with Recording(split) as recording:
        assert values(recording) == list(range(SAMPLES))
        (problem,) = recording.problems
        assert "metadata.yaml is not used" in problem
        assert len(problem) < 500


def test_a_topic_without_messages_is_one_of_the_topics(split: Path) -> None:
    content = yaml.safe_load((split / "metadata.yaml").read_text())
    topics = content[INFORMATION]["topics_with_message_count"]
    topics.append({"message_count": 0, "topic_metadata": {"name": "/none", "type": IMU}})
    (split / "metadata.yaml").write_text(yaml.safe_dump(content))
    with Recording(split) as recording:
        assert recording.topics["/none"].count == 0
        assert list(recording.messages(["/none"])) == []
        assert recording.problems == []


SERVICE = b"=" * 80 + b"\nSRV: example_interfaces/srv/AddTwoInts\nint64 a\nint64 b\n---\nint64 sum\n"
# Schema, and how its messages are written: what MCAP files of ROS 2 hold beside topics.
FOREIGN: dict[str, tuple[tuple[str, str, bytes] | None, str, str]] = {
    "service introspection": (
        ("example_interfaces/srv/AddTwoInts_Event", "ros2msg", SERVICE),
        "cdr",
        "the recorded definition cannot be used",
    ),
    "JSON": (("Pose", "jsonschema", b'{"type": "object"}'), "json", "messages are 'json'"),
    "protobuf": (("foxglove.Log", "protobuf", b"\n\xff\xfe\x80\x12proto3"), "protobuf", "messages are 'protobuf'"),
    "flatbuffer": (
        ("foxglove.Log", "flatbuffer", b"\x18\0\0\0BFBS\xff"),
        "flatbuffer",
        "messages are 'flatbuffer'",
    ),
    "ROS 1": (("sensor_msgs/Imu", "ros1msg", b"Header header"), "ros1", "messages are 'ros1'"),
    "no schema": (None, "json", "messages are 'json'"),
    "no schema but CDR": (None, "cdr", "nothing defines type"),
    "an unknown schema": (("a/msg/B", "cobol", b"\xff"), "cdr", "it is 'cobol'; expected ros2msg"),
    "a name that is not UTF-8": (("a/msg/\xff".encode("latin-1").decode("latin-1"), "ros2msg", b"int8 a"), "cdr", ""),
    "a definition that is no text": (
        ("a/msg/B", "ros2msg", b"\xff\xfe\0"),
        "cdr",
        "the recorded definition cannot be used",
    ),
    "a type within itself": (("a/msg/B", "ros2msg", b"B b"), "cdr", "the recorded definition cannot be used"),
    "a name that is code": (
        ("B:\n import os\nclass C", "ros2msg", b"int8 a"),
        "cdr",
        "the recorded definition cannot be used",
    ),
    "a billion fields": (("a/msg/B", "ros2msg", b"string[999999999] a"), "cdr", "has 999999999 elements"),
}


@pytest.mark.parametrize("file", ["summary", "lz4", "no summary", "no chunks"])
@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_channel_that_is_not_understood_costs_only_itself(
    tmp_path: Path, mcap_bytes_of: Callable[..., bytes], imu_channel: Callable[..., Any], foreign: str, file: str
) -> None:
    schema, serialization, said = FOREIGN[foreign]
    channels = [("/foreign", schema, serialization, [(START_NS + 5, b"\0\1\0\0{}")]), imu_channel()]
    compression = {"lz4": "lz4", "no chunks": None}.get(file, "")
    (tmp_path / "bag.mcap").write_bytes(mcap_bytes_of(channels, compression, summary=file != "no summary"))
    with Recording(tmp_path / "bag.mcap") as recording:
        assert values(recording) == list(range(50))
        (problem,) = recording.problems
        assert problem.startswith("/foreign is not decoded: ")
        assert said in problem
        assert len(problem) < 500
        assert recording.topics["/foreign"].count == 1
        assert len(list(recording.messages())) == 50
        with pytest.raises(RecordingError, match="/foreign is not read: "):
            list(recording.messages(["/foreign"]))


def test_channels_of_one_kind_are_one_problem(
    tmp_path: Path, mcap_bytes_of: Callable[..., bytes], imu_channel: Callable[..., Any]
) -> None:
    schema = ("foxglove.Log", "protobuf", b"\n\xff")
    foreign = [(f"/log/{number:02d}", schema, "protobuf", []) for number in range(20)]
    (tmp_path / "bag.mcap").write_bytes(mcap_bytes_of([*foreign, imu_channel()]))
    with Recording(tmp_path / "bag.mcap") as recording:
        assert values(recording) == list(range(50))
        (problem,) = recording.problems
        assert re.fullmatch(r"/log/00, .*/log/07 and 12 more are not decoded: messages are 'protobuf'; .*", problem)
        assert len(recording.undecoded) == 20


def test_a_part_of_the_disk_that_cannot_be_read_costs_that_part(
    tmp_path: Path,
    mcap_bytes_of: Callable[..., bytes],
    imu_channel: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "bag.mcap").write_bytes(mcap_bytes_of([imu_channel()]))
    with Recording(tmp_path / "bag.mcap") as recording:
        (storage,) = recording._storages
        file, middle = storage._file, (tmp_path / "bag.mcap").stat().st_size // 2  # type: ignore[attr-defined]

        def read(length: int) -> bytes:
            if file.tell() <= middle < file.tell() + length:
                raise OSError(errno.EIO, "Input/output error")
            return bytes(file.read(length))

        monkeypatch.setattr(storage, "_file", SimpleNamespace(seek=file.seek, read=read, close=file.close))
        assert len(values(recording)) == 40
        assert any("Input/output error" in problem for problem in recording.problems)


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    write_imu(tmp_path / "bag", "mcap")
    (tmp_path / "bag" / "metadata.yaml").unlink()
    os.mkfifo(tmp_path / "bag" / "metadata.yaml")
    os.mkfifo(tmp_path / "bag" / "bag_1.mcap")
    with Recording(tmp_path / "bag") as recording:
        assert values(recording) == list(range(SAMPLES))
    with pytest.raises(RecordingError, match="is no storage file"):
        Recording(tmp_path / "bag" / "bag_1.mcap")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE message_definitions SET encoding = 'unknown', encoded_message_definition = ''",
        "UPDATE message_definitions SET encoded_message_definition = x'FFFE'",
        "UPDATE topics SET offered_qos_profiles = '- a'",
        "DROP TABLE message_definitions",
        "DROP TABLE schema",
        "INSERT INTO topics VALUES (7, '/foreign', 'foxglove.Log', 'protobuf', '', '')",
        "INSERT INTO topics VALUES (7, x'FF00', 5, 'cdr', '', '')",
    ],
)
def test_a_damaged_topic_of_a_database_costs_no_other(bag: Path, statement: str) -> None:
    spoil(bag, statement)
    with Recording(bag) as recording:
        assert values(recording) == list(range(SAMPLES))


@pytest.mark.parametrize("seed", range(40))
def test_an_index_out_of_order_is_not_read_for_ever(bag: Path, seed: int) -> None:
    """Some of its times are those of other messages, and of one of the last it names no row."""
    file, rng = bag / "bag.db3", np.random.default_rng(seed)
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    lost = int(rng.integers(SAMPLES // 2, SAMPLES))
    for start in (start for start in range(size, len(content), size) if content[start] == 0x0A):  # leaves of the index
        places = {n: content.find(stamp(n), start, start + size) for n in range(SAMPLES)}
        for number in (number for number, place in places.items() if place > 0):
            if number == lost:
                content[places[number] + 8] = 0x7F
            elif rng.random() < 0.2:
                content[places[number] : places[number] + 8] = stamp(int(rng.integers(SAMPLES)))
    file.write_bytes(content)
    with Recording(bag) as recording:
        found = values(recording)
    assert len(set(found)) == len(found) < SAMPLES


def stamp(number: int) -> bytes:
    """A message's time as SQLite stores it."""
    return (START_NS + number * PERIOD_NS).to_bytes(8, "big")


LETTERS = [b"x", b"\xc9", b"(", b"\0"]


def write_letter(bag: Path, text: bytes, letter: bytes) -> None:
    file = bag / "bag.db3"
    assert text in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(text, text[:-3] + letter + text[-2:]))


@pytest.mark.parametrize("text", [b"CREATE TABLE topics", b"CREATE TABLE messages"])
@pytest.mark.parametrize("letter", LETTERS)
def test_a_database_without_its_tables_is_refused(bag: Path, text: bytes, letter: bytes) -> None:
    """sqlite3 quotes their names in its error, which need not be UTF-8."""
    write_letter(bag, text, letter)
    with pytest.raises(RecordingError, match=r"bag is not a readable rosbag2: .*bag\.db3"):
        Recording(bag)


@pytest.mark.parametrize("text", [b"timestamp_idx ON messages", b"CREATE TABLE schema", b"CREATE TABLE metadata"])
@pytest.mark.parametrize("letter", LETTERS)
def test_a_database_with_another_damaged_table_is_read(bag: Path, text: bytes, letter: bytes) -> None:
    write_letter(bag, text, letter)
    with Recording(bag) as recording:
        assert values(recording) == list(range(SAMPLES))


def test_rows_that_are_no_messages_are_left_out_and_counted(bag: Path) -> None:
    spoil(
        bag,
        "UPDATE messages SET data = 'a text' WHERE id = 3",
        "UPDATE messages SET timestamp = 1e300 WHERE id = 5",
        "UPDATE messages SET topic_id = 9 WHERE id = 7",
    )
    with Recording(bag) as recording:
        assert values(recording) == [index for index in range(SAMPLES) if index not in (2, 4, 6)]
        problems = " ".join(recording.problems)
        assert "nothing says what 1 messages are" in problems
        assert "of the 59 messages of /imu, 57 can be read" in problems
        assert recording.duration_s == pytest.approx((SAMPLES - 1) * PERIOD_NS * 1e-9)


def write_compressed(path: Path, mode: str, storage: str, samples: int = SAMPLES) -> None:
    store, types = load_typestore(), BagTypes()
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/imu", IMU, typestore=store)
        for index in range(samples):
            data = store.serialize_cdr(imu(index, types, "w" * 3000), IMU)
            writer.write(connection, START_NS + index * PERIOD_NS, data)


@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_compression_is_recognised_without_metadata(tmp_path: Path, mode: str, storage: str) -> None:
    write_compressed(tmp_path / "bag", mode, storage)
    (tmp_path / "bag" / "metadata.yaml").unlink()
    with Recording(tmp_path / "bag") as recording:
        assert values(recording) == list(range(SAMPLES))
        assert ["metadata.yaml is not used: it is not there" in problem for problem in recording.problems] == [True]
    (file,) = (tmp_path / "bag").iterdir()
    for name in (file.name, file.name.removesuffix(".zstd")):  # also under the name of a plain file
        with Recording(file.rename(file.with_name(name))) as recording:
            assert values(recording) == list(range(SAMPLES))
            assert recording.problems == []
        file = file.with_name(name)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_compressed_file_that_is_cut_is_read_as_far_as_it_goes(tmp_path: Path, storage: str, keep: float) -> None:
    rng = random.Random(0)
    with RecordingWriter(tmp_path / "plain", storage) as writer:
        for index in range(SAMPLES * 4):  # Noise does not compress.
            writer.write("/imu", IMU, imu(index, writer.types, rng.randbytes(8000).hex()), START_NS + index * PERIOD_NS)
    whole = tmp_path / f"bag{SUFFIXES[storage]}.zstd"
    data = compress((tmp_path / "plain" / f"plain{SUFFIXES[storage]}").read_bytes())
    whole.write_bytes(data[: int(keep * len(data))])
    with Recording(whole) as recording:
        found = values(recording)
        assert len(found) > (keep - 0.3) * SAMPLES * 4
        assert found == list(range(len(found)))
        assert any("is cut short or damaged, what comes before is read" in problem for problem in recording.problems)


def test_what_zstd_compressed_is_bounded_and_may_have_several_frames() -> None:
    data = compress(b"a" * 100) + compress(b"b" * 100)
    assert from_zstd(data) == from_zstd(data, 200) == b"a" * 100 + b"b" * 100
    for wrong, size in ((data, 199), (data[:-3], 200), (data + b"tail", 200)):
        with pytest.raises(DamageError, match="zstd"):
            from_zstd(wrong, size)


def test_of_a_file_and_its_unfinished_compression_one_is_read(tmp_path: Path) -> None:
    write_imu(tmp_path / "bag", "mcap")
    shutil.copy(tmp_path / "bag" / "bag.mcap", tmp_path / "bag" / "bag.mcap.zstd")
    with Recording(tmp_path / "bag") as recording:
        assert values(recording) == list(range(SAMPLES))


def test_what_is_listed_and_not_read_is_reported(
    tmp_path: Path, mcap_bytes_of: Callable[..., bytes], imu_channel: Callable[..., Any]
) -> None:
    data = bytearray(mcap_bytes_of([imu_channel()]))
    data[len(data) // 2] ^= 1  # Of a chunk in the middle: its checksum says so.
    (tmp_path / "bag.mcap").write_bytes(data)
    with Recording(tmp_path / "bag.mcap") as recording:
        assert len(values(recording)) == 40
        damage, lost = recording.problems
        assert "is damaged at byte" in damage
        assert lost == "of the 50 messages of /imu, 40 can be read"


def flip_definition(bag: Path, seed: int) -> None:
    rng = random.Random(seed)
    with closing(sqlite3.connect(bag / "bag.db3")) as database:
        (definition,) = database.execute("SELECT encoded_message_definition FROM message_definitions").fetchone()
        flipped = bytearray(definition.encode())
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        database.execute("UPDATE message_definitions SET encoded_message_definition = CAST(? AS TEXT)", (flipped,))
        database.commit()


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_in_the_definition_of_a_known_type_changes_no_value(bag: Path, seed: int) -> None:
    flip_definition(bag, seed)
    with Recording(bag) as recording:
        assert values(recording) == list(range(SAMPLES))


@pytest.fixture(scope="module")
def foreign_type(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("foreign") / "bag"
    store = get_typestore(Stores.EMPTY)
    inner = "=" * 80 + "\nMSG: a/msg/In\nuint8[<=4] data\nstring name\n"
    text = f"float64[3] newtons\na/In[] parts\nstring<=8 unit\nint32 K=3\n{inner}"
    store.register(get_types_from_msg(text, "a/msg/Force"))
    with Writer(path, version=9) as writer:
        connection = writer.add_connection("/force", "a/msg/Force", typestore=store)
        message = store.types["a/msg/Force"](newtons=np.arange(3.0), parts=[], unit="N")
        writer.write(connection, 3, store.serialize_cdr(message, "a/msg/Force"))
    return path


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_in_another_definition_is_a_sentence_at_most(
    foreign_type: Path, tmp_path: Path, seed: int
) -> None:
    bag = Path(shutil.copytree(foreign_type, tmp_path / "bag"))
    flip_definition(bag, seed)
    with Recording(bag) as recording:
        assert list(recording.messages()) or recording.problems
