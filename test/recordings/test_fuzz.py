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

"""Mutated recordings of every kind, read in full: nothing but `RecordingError` is raised.

`MUMU_FUZZ=10000 pytest test/recordings/test_fuzz.py` tries so many of each kind.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mumu_ros.conversions import ConversionError, array_to_image, array_to_imu, camera_to_camera_info
from mumu_ros.datasets.clip_writer import Piece, write_clips
from mumu_ros.labelling.footage import Footage
from mumu_ros.model.checkpoint import read_config
from mumu_ros.people import Camera
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.annotations import read_annotations
from mumu_ros.recordings.pictures import read_pictures
from mumu_ros.recordings.stamped import read_stamped
from mumu_ros.recordings.stream_topics import guess_streams, resolve_topics
from mumu_ros.recordings.typestore import BagTypes, load_typestore
from mumu_ros.share import share_path

COUNT = int(os.environ.get("MUMU_FUZZ", "40"))
IMU = "sensor_msgs/msg/Imu"
HANG_S = 10
CAMERA = Camera(32, 24, 30.0, 30.0, 16.0, 12.0)
NUMBERS = (
    bytes(8),
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x01\0\0\0\0\0\0\0",
    b"\0\0\0\x40\0\0\0\0",
)
PIECES = (b"[]", b"{}", b"-1", b"1e999", b"*a", b"&a ", b"- ", b": ", b"\n", b"null", b"'", b"!!python/name:os ", b"\t")


def write_by_hand(folder: Path, mcap: Callable[..., bytes], imu: Callable[..., Any], **arguments: Any) -> None:
    folder.mkdir()
    foreign = ("/log", ("foxglove.Log", "protobuf", b"\n\xff\xfe"), "protobuf", [(5, b"abc")])
    (folder / "bag.mcap").write_bytes(mcap([foreign, imu(samples=12)], chunk=5, **arguments))


def write_with_rosbags(folder: Path, plugin: StoragePlugin, mode: str, imu: Callable[..., Any]) -> None:
    writer = Writer(folder, version=9, storage_plugin=plugin)
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/imu", IMU, typestore=load_typestore())
        for log_ns, data in imu(samples=12)[3]:
            writer.write(connection, log_ns, data)


def small_pages(folder: Path) -> None:
    """A database of many pages, so that mutations meet all kinds of them."""
    with closing(sqlite3.connect(next(folder.glob("*.db3")))) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("VACUUM")


def write_annotated(folder: Path) -> None:
    with RecordingWriter(folder) as writer:
        for index in range(5):
            types = writer.types
            time = types.message("builtin_interfaces/msg/Time", sec=1 + index, nanosec=2)
            message = types.message(
                "mumu_ros/msg/ActivityAnnotation",
                header=types.message("std_msgs/msg/Header", stamp=time, frame_id=""),
                start=time,
                end=time,
                group="rest",
                activity="sit",
                body_id="",
                subject="",
            )
            writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", message, index)


@pytest.fixture(
    params=["summary", "no summary", "no chunks", "lz4", "annotated", "sqlite3", "zstd", "zstd of sqlite3", "messages"]
)
def seed_bag(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    mcap_bytes_of: Callable[..., bytes],
    imu_channel: Callable[..., Any],
) -> Path:
    folder = tmp_path / "seed"
    hand = {
        "summary": {"checked": False},
        "no summary": {"checked": False, "summary": False},
        "no chunks": {"compression": None},
        "lz4": {"compression": "lz4", "checked": False},
    }
    rosbags = {
        "sqlite3": (StoragePlugin.SQLITE3, "NONE"),
        "zstd": (StoragePlugin.MCAP, "FILE"),
        "zstd of sqlite3": (StoragePlugin.SQLITE3, "FILE"),
        "messages": (StoragePlugin.SQLITE3, "MESSAGE"),
    }
    if request.param in hand:
        write_by_hand(folder, mcap_bytes_of, imu_channel, **hand[request.param])
    elif request.param in rosbags:
        write_with_rosbags(folder, *rosbags[request.param], imu_channel)
    else:
        write_annotated(folder)
    if request.param in ("sqlite3", "messages"):
        small_pages(folder)
    return folder


def mutated(data: bytes, r: random.Random) -> bytes:
    """Bits flipped, numbers put in, parts cut out, doubled or exchanged, the end cut off."""
    body = bytearray(data)
    for _ in range(r.choice([1, 1, 2, 8])):
        at = r.randrange(len(body)) if body else 0
        match r.randrange(7):
            case 0:
                body[at : at + 1] = bytes([r.randrange(256)])
            case 1 if body:
                body[at] ^= 1 << r.randrange(8)
            case 2:
                number = r.choice(NUMBERS)
                body[at : at + len(number)] = number
            case 3:
                del body[at : at + r.choice([1, 8, 100])]
            case 4:
                body[at:at] = body[at : at + r.choice([1, 8, 100])]
            case 5 if body:
                other = r.randrange(len(body))
                body[at : at + 16], body[other : other + 16] = body[other : other + 16], body[at : at + 16]
            case 6 if r.random() < 0.3:
                del body[at:]
    return bytes(body)


def mutated_text(data: bytes, r: random.Random) -> bytes:
    """Lines exchanged and cut, values that are other things."""
    if r.random() < 0.3:
        return mutated(data, r)
    lines = data.splitlines(keepends=True)
    for _ in range(r.choice([1, 2, 4])):
        at = r.randrange(len(lines))
        key, colon, value = lines[at].partition(b":")
        lines[at] = r.choice(
            [
                key + b": " + r.choice(PIECES) + value,
                key + colon + b" " + r.choice(PIECES) + b"\n",
                b"  " + lines[at],
                b"",
                key,
            ]
        )
    return b"".join(lines)


@contextmanager
def no_hang() -> Iterator[None]:
    def stop(*_: object) -> None:
        pytest.fail(f"still reading after {HANG_S} s")  # No Exception: nothing on the way catches it.

    before = signal.signal(signal.SIGPROF, stop)  # In seconds of the processor: the machine may be busy.
    signal.setitimer(signal.ITIMER_PROF, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def read_in_full(path: Path) -> bool:
    """Do what the commands do with a recording; whether it could be opened."""
    try:
        with Recording(path) as recording:
            list(recording.messages())
            imus = [topic.name for topic in recording.topics.values() if topic.type_name == IMU]
            for message in read_stamped(recording, imus):
                try:
                    recording.decode(message.topic, message.data)
                except RecordingError:
                    continue
            list(recording.raw_messages(start_s=0.05))
            read_annotations(recording, recording.end_ns)
    except RecordingError:
        return False
    assert all(len(problem) < 1000 for problem in recording.problems)
    return True


def fuzz(bag: Path, name: str, seed: int, mutate: Callable[[bytes, random.Random], bytes], scratch: Path) -> int:
    """Read mutations of one file of a recording; how many could be opened."""
    opened = 0
    data = (bag / name).read_bytes()
    for number in range(COUNT):
        shutil.copytree(bag, scratch)
        (scratch / name).write_bytes(mutate(data, random.Random(seed * 1_000_000 + number)))
        try:
            with no_hang():
                opened += read_in_full(scratch)
        except BaseException:
            print(f"mutation {number} of {name} with seed {seed}")
            raise
        shutil.rmtree(scratch)
    return opened


def test_mutated_files_are_read_or_refused(seed_bag: Path, tmp_path: Path) -> None:
    (name,) = (file.name for file in seed_bag.iterdir() if file.suffix != ".yaml")
    opened = fuzz(seed_bag, name, 1, mutated, tmp_path / "bag")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{name}: {opened} of {COUNT} opened; {used} MiB")
    assert opened


def test_mutated_metadata_costs_nothing(
    tmp_path: Path, mcap_bytes_of: Callable[..., bytes], imu_channel: Callable[..., Any]
) -> None:
    write_with_rosbags(tmp_path / "seed", StoragePlugin.MCAP, "NONE", imu_channel)
    assert fuzz(tmp_path / "seed", "metadata.yaml", 2, mutated_text, tmp_path / "bag") == COUNT


def write_sensors(folder: Path, r: random.Random, compressed: bool) -> None:
    """Colour, depth, a camera and an IMU, most of whose messages are mutated behind the header's stamp."""
    store = load_typestore()
    types = BagTypes()
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for index in range(40):
            stamp_ns = 1_700_000_000_000_000_000 + index * 33_000_000
            for topic, message in sensor_messages(stamp_ns, compressed, types):
                name = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, name, typestore=store)
                data = bytes(store.serialize_cdr(message, name))
                if index % 4:
                    data = data[:12] + mutated(data[12:], r)
                writer.write(connections[topic], stamp_ns, data)


def sensor_messages(stamp_ns: int, compressed: bool, types: BagTypes) -> Iterator[tuple[str, Any]]:
    colour = np.full((24, 32, 3), 90, np.uint8)
    picture = array_to_image(colour, stamp_ns, "camera", types)
    if compressed:
        kind = "sensor_msgs/msg/CompressedImage"
        _, data = cv2.imencode(".jpg" if stamp_ns % 2 else ".png", colour)
        picture = types.message(kind, header=picture.header, format="jpeg", data=data.reshape(-1))
    yield "/camera/color", picture
    yield "/camera/depth", array_to_image(np.full((24, 32), 900, np.uint16), stamp_ns, "camera", types)
    yield "/camera/camera_info", camera_to_camera_info(CAMERA, stamp_ns, "camera", types)
    yield "/imu/wrist", array_to_imu(np.ones((2, 3)), stamp_ns, "wrist", types)


def evaluate(bag: Path, _: Path) -> None:
    with Recording(bag) as recording:
        config = guess_streams(read_config(share_path("models", "sim")), recording)
        resolve_topics(config, recording)


def label(bag: Path, _: Path) -> None:
    with Recording(bag) as recording:
        footage = Footage(recording)
        for camera in footage.cameras:
            for index in range(len(camera.stamps_ns)):
                with suppress(ConversionError, RecordingError):
                    footage.frame(camera, index)


def build(bag: Path, out: Path) -> None:
    with Recording(bag) as recording:
        config = guess_streams(read_config(share_path("models", "sim")), recording)
        write_clips(recording, config, resolve_topics(config, recording), [Piece("clip", 0, 2**62)], out)


def recognize(bag: Path, _: Path) -> None:
    with suppress(RecordingError):
        list(read_pictures(bag, ("imu_wrist",)))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("command", [evaluate, label, build, recognize])
def test_mutated_messages_end_no_command(
    tmp_path: Path, command: Callable[[Path, Path], None], compressed: bool
) -> None:
    for number in range(max(1, COUNT // 40)):
        write_sensors(tmp_path / "bag", random.Random(number), compressed)
        with no_hang(), suppress(RecordingError):
            command(tmp_path / "bag", tmp_path / "out")
        for folder in ("bag", "out"):
            shutil.rmtree(tmp_path / folder, ignore_errors=True)
