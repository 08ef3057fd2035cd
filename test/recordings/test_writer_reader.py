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

"""A recording is there whole or not at all, and comes back as it was written."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mumu_ros.conversions import array_to_imu, imu_to_array
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.storage import is_latched
from mumu_ros.recordings.typestore import BagTypes, load_typestore

IMU = "sensor_msgs/msg/Imu"
STORAGES = {"mcap": ".mcap", "sqlite3": ".db3"}


@pytest.fixture(params=STORAGES)
def storage(request):
    return request.param


@pytest.fixture
def bag(tmp_path, storage, write_recording):
    """A sound recording and the rows that it holds."""
    rows = write_recording(tmp_path / "bag", storage)
    return tmp_path / "bag", rows


def storage_file(bag: Path, storage: str) -> Path:
    return bag / f"{bag.name}{STORAGES[storage]}"


def test_what_is_written_is_read(bag):
    path, rows = bag
    with Recording(path) as recording:
        assert {t.name: (t.type_name, t.count) for t in recording.topics.values()} == {
            "/imu/wrist": (IMU, 100),
            "/camera": ("sensor_msgs/msg/Image", 20),
        }
        assert recording.start_ns == rows[0][1]
        assert recording.end_ns == rows[-1][1]
        assert recording.duration_s == pytest.approx(0.99)
        messages = list(recording.messages())
        assert [(topic, stamp) for topic, stamp, _ in messages] == rows
        values = [imu_to_array(message)[0, 0] for topic, _, message in messages if topic == "/imu/wrist"]
        np.testing.assert_array_equal(values, np.arange(100))
        assert recording.problems == []


@pytest.mark.parametrize("is_recovered", [False, True])
@pytest.mark.parametrize("version", [8, 9])
def test_what_was_offered_to_late_subscribers_is_latched(tmp_path, storage, version, is_recovered):
    store, never = load_typestore(), QosTime(0, 0)
    with Writer(tmp_path / "bag", version=version, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        for topic, durability in (("/kept", QosDurability.TRANSIENT_LOCAL), ("/lost", QosDurability.VOLATILE)):
            kept = (QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, durability)
            qos = Qos(*kept, never, never, QosLiveliness.AUTOMATIC, never, False)
            writer.add_connection(topic, IMU, typestore=store, offered_qos_profiles=[qos])
        writer.add_connection("/unsaid", IMU, typestore=store)
    if is_recovered and storage == "sqlite3":
        (tmp_path / "bag" / "bag.db3-journal").write_bytes(b"of a recorder that was killed")
    with Recording(tmp_path / "bag") as recording:
        assert {name: topic.is_latched for name, topic in recording.topics.items()} == {
            "/kept": True,
            "/lost": False,
            "/unsaid": False,
        }


@pytest.mark.parametrize(
    ("offered", "latched"),
    [
        ("- history: 3\n  depth: 0\n  reliability: 1\n  durability: 1\n  deadline:\n    sec: 0", True),
        ("- history: unknown\n  durability: transient_local\n  liveliness: automatic", True),
        ('[{"history": "keep_last", "durability": "transient_local"}]', True),
        ("- durability: 2\n- durability: 1\n", True),
        ("- history: 1\n  durability: 2", False),
        ("- durability: 10", False),
        ("", False),
    ],
)
def test_offered_profiles_are_read_as_each_rosbag2_writes_them(offered, latched):
    assert is_latched(offered) is latched


def test_a_database_of_before_the_profiles_is_read(tmp_path, write_recording):
    write_recording(tmp_path / "bag", "sqlite3")
    with closing(sqlite3.connect(storage_file(tmp_path / "bag", "sqlite3"))) as database, database:
        database.execute("ALTER TABLE topics DROP COLUMN offered_qos_profiles")
    with Recording(tmp_path / "bag") as recording:
        assert list(recording.messages())
        assert not any(topic.is_latched for topic in recording.topics.values())


def test_other_readers_of_rosbag2_find_it_complete(bag, storage):
    path, rows = bag
    with Reader(path) as reader:
        assert reader.message_count == len(rows)
        assert all(connection.msgdef.data for connection in reader.connections)
    with Reader(storage_file(path, storage)) as reader:
        assert reader.message_count == len(rows)


def test_a_recording_is_read_in_another_thread_than_it_was_opened(bag):
    path, rows = bag
    with Recording(path) as recording, ThreadPoolExecutor(1) as other:
        assert [row[:2] for row in other.submit(lambda: list(recording.raw_messages())).result()] == rows


def test_a_single_storage_file_is_a_recording(bag, storage):
    path, rows = bag
    with Recording(storage_file(path, storage)) as recording:
        assert [row[:2] for row in recording.raw_messages()] == rows


@settings(deadline=None, max_examples=50)
@given(start_s=st.floats(0, 1.2), topics=st.sets(st.sampled_from(["/imu/wrist", "/camera"])))
def test_topics_and_a_start_select_messages(start_s, topics, shared_bag):
    recording, rows = shared_bag
    start_ns = rows[0][1] + round(start_s * 1e9)
    actual = [row[:2] for row in recording.raw_messages(topics, start_s)]
    assert actual == [(topic, stamp) for topic, stamp in rows if topic in topics and stamp >= start_ns]


@pytest.fixture(scope="module")
def shared_bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "bag"
    rows = []
    with RecordingWriter(path) as writer:
        for index in range(40):
            for topic in ("/imu/wrist", "/camera"):
                stamp = 5_000_000_000 + index * 25_000_000
                writer.write(topic, IMU, array_to_imu(np.zeros((2, 3)), stamp, "", writer.types), stamp)
                rows.append((topic, stamp))
    with Recording(path) as recording:
        yield recording, rows


def test_raw_messages_are_the_bytes_that_were_recorded(bag):
    path, _ = bag
    store = load_typestore()
    with Recording(path) as recording:
        pairs = zip(recording.raw_messages(["/imu/wrist"]), recording.messages(["/imu/wrist"]), strict=True)
        for (_, _, data), (_, _, message) in pairs:
            assert bytes(store.serialize_cdr(message, IMU)) == bytes(data)


@pytest.mark.parametrize(
    ("mode", "plugin"),
    [
        ("STORAGE", StoragePlugin.MCAP),
        ("FILE", StoragePlugin.MCAP),
        ("FILE", StoragePlugin.SQLITE3),
        ("MESSAGE", StoragePlugin.MCAP),
        ("MESSAGE", StoragePlugin.SQLITE3),
    ],
)
def test_compressed_recordings_are_read(tmp_path, mode, plugin):
    store = load_typestore()
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=plugin)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    message = array_to_imu(np.ones((2, 3)), 5, "wrist", BagTypes())
    with writer:
        connection = writer.add_connection("/imu", IMU, typestore=store)
        writer.write(connection, 5, store.serialize_cdr(message, IMU))
    with Recording(tmp_path / "bag") as recording:
        ((topic, stamp_ns, back),) = recording.messages()
    assert (topic, stamp_ns) == ("/imu", 5)
    np.testing.assert_array_equal(imu_to_array(back), np.ones((2, 3)))


def test_a_truncated_compressed_file_is_refused(tmp_path):
    store = load_typestore()
    writer = Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.FILE, CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/imu", IMU, typestore=store)
        writer.write(connection, 5, store.serialize_cdr(array_to_imu(np.ones((2, 3)), 5, "", BagTypes()), IMU))
    (file,) = (tmp_path / "bag").glob("*.zstd")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RecordingError, match="ended before"):
        Recording(tmp_path / "bag")


def test_the_packages_own_messages_can_be_recorded(tmp_path):
    with RecordingWriter(tmp_path / "bag") as writer:
        types = writer.types
        zero = types.message("builtin_interfaces/msg/Time", sec=1, nanosec=2)
        message = types.message(
            "mumu_ros/msg/ActivityAnnotation",
            header=types.message("std_msgs/msg/Header", stamp=zero, frame_id=""),
            start=zero,
            end=zero,
            group="rest",
            activity="sit",
            body_id="",
            subject="",
        )
        writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", message, 7)
    with Recording(tmp_path / "bag") as recording:
        ((_, _, back),) = recording.messages()
    assert (back.group, back.activity, back.start.nanosec) == ("rest", "sit", 2)


def test_every_message_of_the_package_is_known():
    store = load_typestore()
    names = {path.stem for path in (Path(__file__).parents[2] / "msg").glob("*.msg")}
    assert "ActivityRecognition" in names
    assert {f"mumu_ros/msg/{name}" for name in names} <= set(store.types)


def test_an_existing_path_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "bag").mkdir()
    with pytest.raises(RecordingError, match=r"bag exists already; remove it or choose another name"):
        RecordingWriter(tmp_path / "bag")
    assert list(tmp_path.iterdir()) == [tmp_path / "bag"]


def test_a_path_that_appears_meanwhile_is_not_overwritten(tmp_path):
    with pytest.raises(RecordingError, match="exists already"), RecordingWriter(tmp_path / "bag"):
        (tmp_path / "bag").mkdir()
    assert list(tmp_path.iterdir()) == [tmp_path / "bag"]
    assert list((tmp_path / "bag").iterdir()) == []


def test_an_unknown_storage_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="storage 'rosbag1' is unknown; expected one of mcap, sqlite3"):
        RecordingWriter(tmp_path / "bag", "rosbag1")


def write_and(writer, action):
    """Write a message, then do what may fail."""
    with writer:
        writer.write("/x", IMU, array_to_imu(np.zeros((2, 3)), 1, "", writer.types), 1)
        action()


def fail_with(error):
    def fail(*_arguments):
        raise error

    return fail


def test_a_topic_keeps_its_type(tmp_path):
    writer = RecordingWriter(tmp_path / "bag")
    with pytest.raises(RecordingError, match=r"topic /x has type .*Imu, not std_msgs/msg/Header"):
        write_and(writer, lambda: writer.write("/x", "std_msgs/msg/Header", None, 2))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_body_that_raises_leaves_nothing(tmp_path, storage, error):
    with pytest.raises(error):
        write_and(RecordingWriter(tmp_path / "bag", storage), fail_with(error))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, storage, monkeypatch):
    monkeypatch.setattr(Writer, "close", fail_with(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(RecordingError, match=r"bag cannot be written: .*No space left"):
        write_and(RecordingWriter(tmp_path / "bag", storage), lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_while_it_is_written_nothing_looks_like_a_recording(tmp_path, storage):
    with RecordingWriter(tmp_path / "bag", storage) as writer:
        writer.write("/imu", IMU, array_to_imu(np.zeros((2, 3)), 1, "", writer.types), 1)
        # What a process that is killed here leaves behind.
        assert not (tmp_path / "bag").exists()
        assert not list(tmp_path.rglob("metadata.yaml"))
        assert all(path.name.startswith(".") for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="cannot be written"), RecordingWriter(tmp_path / "file" / "bag"):
        pass


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda _: None, "does not exist"),
        (lambda path: path.mkdir(), "is not a readable rosbag2"),
        (lambda path: path.write_text("no bag"), "is not a readable rosbag2"),
        (lambda path: path.write_bytes(b""), "is not a readable rosbag2"),
    ],
)
@pytest.mark.parametrize("name", ["bag", "bag.mcap", "bag.db3"])
def test_what_is_no_recording_is_refused(tmp_path, name, make, text):
    make(tmp_path / name)
    with pytest.raises(RecordingError, match=rf"{name} {text}"):
        Recording(tmp_path / name)


def test_a_ros_1_bag_is_refused_with_the_way_to_convert_it(tmp_path):
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(RecordingError, match="ROS 1 bag; convert it with rosbags-convert"):
        Recording(tmp_path / "old.bag")


@pytest.mark.parametrize("part", ["folder", "file", "link"])
def test_a_recording_whose_name_is_no_utf_8_is_refused_when_it_is_opened(bag, tmp_path, storage, part):
    path, _ = bag
    name = os.fsdecode(b"M\xfcller")
    if part == "file":
        storage_file(path, storage).rename(path / f"{name}{STORAGES[storage]}")
    else:
        path = path.rename(tmp_path / name)
    if part == "link":
        path = tmp_path / "link"
        path.symlink_to(name)
    with pytest.raises(RecordingError, match=r"M\\udcfcller.*' is not valid UTF-8; rename it"):
        Recording(path)


def test_an_unknown_topic_is_refused_with_those_that_there_are(bag):
    path, _ = bag
    with Recording(path) as recording, pytest.raises(RecordingError, match="no topic /nose; it has /camera, /imu"):
        list(recording.messages(["/nose"]))


def test_without_metadata_the_storage_file_is_read(bag):
    path, rows = bag
    (path / "metadata.yaml").unlink()
    with Recording(path) as recording:
        assert [row[:2] for row in recording.raw_messages()] == rows
        assert any("metadata" in problem for problem in recording.problems)


@pytest.fixture(scope="module")
def mcap_bytes(tmp_path_factory):
    """An MCAP file of several chunks, and the rows that it holds."""
    path = tmp_path_factory.mktemp("whole") / "bag"
    rng = np.random.default_rng(0)
    rows = []
    with RecordingWriter(path) as writer:
        for index in range(60):
            # Noise does not compress: a chunk is closed every megabyte.
            values = rng.normal(size=15_000).astype(np.float32)
            layout = writer.types.message("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=0)
            name = "std_msgs/msg/Float32MultiArray"
            writer.write("/noise", name, writer.types.message(name, layout=layout, data=values), index)
            rows.append(("/noise", index))
    return (path / "bag.mcap").read_bytes(), rows


@settings(deadline=None, max_examples=12)
@given(keep=st.floats(0.01, 0.9999))
def test_a_truncated_mcap_is_read_as_far_as_it_is_whole_and_says_so(keep, mcap_bytes, tmp_path_factory):
    data, rows = mcap_bytes
    path = tmp_path_factory.mktemp("cut") / "bag.mcap"
    path.write_bytes(data[: int(keep * len(data))])
    with Recording(path) as recording:
        actual = [row[:2] for row in recording.raw_messages()]
        assert any("truncated" in problem for problem in recording.problems)
    shutil.rmtree(path.parent)
    assert actual == rows[: len(actual)]
    # A chunk of about a megabyte may be lost, not more.
    assert len(actual) >= keep * len(rows) - 2 * 20


def damage(file: Path, begin: float, end: float) -> None:
    """Overwrite a part of a file with noise."""
    data = bytearray(file.read_bytes())
    first, last = int(begin * len(data)), int(end * len(data))
    data[first:last] = np.random.default_rng(0).bytes(last - first)
    file.write_bytes(data)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_a_truncated_database_is_read_as_far_as_it_is_whole_and_says_so(tmp_path, write_recording, keep):
    rows = write_recording(tmp_path / "bag", "sqlite3", samples=300)
    file = tmp_path / "bag" / "bag.db3"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(keep * len(whole))])
    with Recording(tmp_path / "bag") as recording:
        found = [row[:2] for row in recording.raw_messages()]
        assert any(f"{len(found)} messages were recovered" in problem for problem in recording.problems)
    assert set(found) < set(rows)
    assert len(found) > 0.7 * keep * len(rows)
    assert len(file.read_bytes()) == int(keep * len(whole)), "the original is not changed"


def test_a_database_with_a_damaged_part_is_read_before_and_after_it(tmp_path, write_recording):
    rows = write_recording(tmp_path / "bag", "sqlite3", samples=300)
    file = tmp_path / "bag" / "bag.db3"
    damage(file, 0.4, 0.5)
    with Recording(tmp_path / "bag") as recording:
        found = {row[:2] for row in recording.raw_messages()}
        assert any("damaged" in problem for problem in recording.problems)
    assert found <= set(rows)
    assert set(rows[:90]) <= found
    assert set(rows[-90:]) <= found


def test_what_a_killed_recorder_left_in_its_log_is_read(tmp_path, write_recording):
    rows = write_recording(tmp_path / "whole", "sqlite3")
    (tmp_path / "bag").mkdir()
    with closing(sqlite3.connect(tmp_path / "whole" / "whole.db3")) as recorder:
        recorder.execute("PRAGMA journal_mode = WAL")
        recorder.execute(
            "INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, 7, data FROM messages LIMIT 1"
        )
        recorder.commit()
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / "whole" / f"whole.db3{suffix}", tmp_path / "bag" / f"bag.db3{suffix}")
    with Recording(tmp_path / "bag") as recording:
        found = [row[:2] for row in recording.raw_messages()]
        assert any("its recorder did not finish" in problem for problem in recording.problems)
    assert found == [(rows[0][0], 7), *rows]


def test_a_database_without_its_beginning_is_refused(tmp_path, write_recording):
    write_recording(tmp_path / "bag", "sqlite3")
    damage(tmp_path / "bag" / "bag.db3", 0.0, 0.1)
    with pytest.raises(RecordingError, match=r"bag is not a readable rosbag2: .*not a database"):
        Recording(tmp_path / "bag")


def test_a_length_that_no_machine_can_hold_is_damage(tmp_path, mcap_bytes):
    data, rows = mcap_bytes
    broken = bytearray(data)
    # Magic, then the header record, whose length ends in its ninth byte.
    broken[8 + 1 + 7] = 0xFF
    (tmp_path / "bag.mcap").write_bytes(broken)
    with Recording(tmp_path / "bag.mcap") as recording:
        assert [row[:2] for row in recording.raw_messages()] == rows
    (tmp_path / "bag.mcap").write_bytes(broken[:-100])
    with pytest.raises(RecordingError, match=r"bag\.mcap holds no whole MCAP record"):
        Recording(tmp_path / "bag.mcap")


def test_a_full_temporary_folder_is_named(tmp_path, write_recording, monkeypatch):
    write_recording(tmp_path / "bag", "sqlite3")
    (tmp_path / "bag" / "bag.db3-wal").write_bytes(b"a log")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match=r"No space left on device.*/mumu-\w+/damaged_bag\.db3"):
        Recording(tmp_path / "bag")


def test_messages_that_cannot_be_decoded_are_counted_by_topic(tmp_path):
    with RecordingWriter(tmp_path / "bag") as writer:
        imu = array_to_imu(np.zeros((2, 3)), 0, "wrist", writer.types)
        for index in range(5):
            writer.write("/imu", IMU, imu, index)
        for index in range(5, 8):
            writer._writer.write(writer._connections["/imu"], index, b"")
    with Recording(tmp_path / "bag") as recording:
        assert len(list(recording.messages())) == 5
        (problem,) = recording.problems
    assert problem.startswith("3 messages of /imu are not read; the last one at 7 ns: ")


def test_around_a_damaged_chunk_everything_is_read_and_it_is_reported(tmp_path, mcap_bytes):
    data, rows = mcap_bytes
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    (tmp_path / "bag.mcap").write_bytes(broken)
    with Recording(tmp_path / "bag.mcap") as recording:
        assert recording.problems == []
        actual = [row[:2] for row in recording.raw_messages()]
        assert set(actual) < set(rows)
        assert actual == sorted(actual)
        assert actual[:15] == rows[:15]
        assert actual[-20:] == rows[-20:]
        assert sum("damaged" in problem for problem in recording.problems) == 1


@pytest.fixture
def foreign(tmp_path):
    """A recording of a type that only its own definitions explain."""
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg("float64 newtons", "foreign_msgs/msg/Force"))
    with Writer(tmp_path / "bag", version=9) as writer:
        connection = writer.add_connection("/force", "foreign_msgs/msg/Force", typestore=store)
        message = store.types["foreign_msgs/msg/Force"](newtons=2.5)
        writer.write(connection, 3, store.serialize_cdr(message, "foreign_msgs/msg/Force"))
    return tmp_path / "bag"


def test_definitions_come_from_the_recording(foreign):
    with Recording(foreign) as recording:
        assert [message.newtons for _, _, message in recording.messages()] == [2.5]


def test_a_type_that_nothing_defines_is_reported_and_left_out(foreign):
    with sqlite3.connect(foreign / "bag.db3") as database:
        database.execute("UPDATE message_definitions SET topic_type = 'other/msg/Other'")
    with Recording(foreign) as recording:
        assert any("/force" in p and "foreign_msgs/msg/Force" in p for p in recording.problems)
        assert list(recording.messages()) == []
        assert len(list(recording.raw_messages())) == 1
        with pytest.raises(RecordingError, match="/force is not read: nothing defines type"):
            list(recording.messages(["/force"]))
