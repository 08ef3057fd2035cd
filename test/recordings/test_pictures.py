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

"""What a rosbag2 gives: pictures, their camera and depth, and the samples of worn sensors."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mumu_ros.conversions import array_to_image, array_to_imu, camera_to_camera_info, ns_to_time
from mumu_ros.people import Camera
from mumu_ros.recognize.sources import open_source
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.pictures import Shot, read_pictures

if sys.version_info >= (3, 14):
    from compression.zstd import compress
else:
    from backports.zstd import compress

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
RGB, DEPTH, INFO, WRIST = "/camera/color/image_raw", "/camera/depth/image_rect_raw", "/camera/color/camera_info", "/imu"
START_NS, MS = 10**18, 10**6
CAMERA = Camera(width=64, height=48, fx=50, fy=50, cx=32, cy=24)


class Bag:
    """Messages to write, at milliseconds after the start."""

    def __init__(self, writer: RecordingWriter) -> None:
        self._writer = writer
        self._types = writer.types

    def write(self, topic: str, type_name: str, message: Any, at_ms: int, delay_ms: int = 0) -> None:
        self._writer.write(topic, type_name, message, START_NS + (at_ms + delay_ms) * MS)

    def picture(self, at_ms: int, topic: str = RGB, encoding: str = "rgb8", delay_ms: int = 0) -> None:
        message = array_to_image(np.zeros((48, 64, 3), np.uint8), START_NS + at_ms * MS, "color", self._types)
        message.encoding = encoding
        self.write(topic, IMAGE, message, at_ms, delay_ms)

    def jpeg(self, at_ms: int, topic: str = f"{RGB}/compressed", size: tuple[int, int] = (48, 64)) -> None:
        data = cv2.imencode(".jpg", np.zeros((*size, 3), np.uint8))[1]
        header = self._types.message(
            "std_msgs/msg/Header", stamp=ns_to_time(START_NS + at_ms * MS, self._types), frame_id="color"
        )
        message = self._types.message(COMPRESSED, header=header, format="rgb8; jpeg compressed bgr8", data=data)
        self.write(topic, COMPRESSED, message, at_ms)

    def zstd(self, at_ms: int, topic: str) -> None:
        header = self._types.message(
            "std_msgs/msg/Header", stamp=ns_to_time(START_NS + at_ms * MS, self._types), frame_id="color"
        )
        data = np.frombuffer(compress(bytes(100)), np.uint8)
        message = self._types.message(COMPRESSED, header=header, format="zstd", data=data)
        self.write(f"{topic}/zstd", COMPRESSED, message, at_ms)

    def depth(self, at_ms: int, frame_id: str = "color", size: tuple[int, int] = (48, 64)) -> None:
        pixels = np.full(size, 1000, np.uint16)
        self.write(DEPTH, IMAGE, array_to_image(pixels, START_NS + at_ms * MS, frame_id, self._types), at_ms)

    def info(self, at_ms: int, frame_id: str = "color", **values: list[float]) -> None:
        message = camera_to_camera_info(CAMERA, START_NS + at_ms * MS, frame_id, self._types)
        for name, value in values.items():
            setattr(message, name, np.array(value, np.float64))
        self.write(INFO, "sensor_msgs/msg/CameraInfo", message, at_ms)

    def imu(self, at_ms: int, delay_ms: int = 0) -> None:
        message = array_to_imu(np.ones((2, 3)), START_NS + at_ms * MS, "wrist", self._types)
        self.write(WRIST, "sensor_msgs/msg/Imu", message, at_ms, delay_ms)


@contextmanager
def writing(path: Path, storage: str = "mcap") -> Iterator[Bag]:
    with RecordingWriter(path, storage) as writer:
        yield Bag(writer)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bag"


def read(path: Path) -> list[Shot]:
    return list(read_pictures(path, ("imu_wrist",)))


def at_ms(stamps_ns: Iterable[int]) -> list[int]:
    return [(stamp_ns - START_NS) // MS for stamp_ns in stamps_ns]


def test_registered_depth_comes_with_its_picture(path: Path) -> None:
    with writing(path) as bag:
        for k in range(3):
            bag.picture(100 * k)
            bag.depth(100 * k, size=(24, 32))
    assert [shot.depth is not None and shot.depth.shape for shot in read(path)] == [(24, 32)] * 3


@pytest.mark.parametrize(
    ("frame_id", "size", "reason"),
    [
        ("infra", (48, 64), "depth is in frame 'infra', the picture in 'color'"),
        ("color", (36, 64), "depth has 64×36 pixels, the picture 64×48"),
    ],
)
def test_depth_that_is_not_registered_is_not_used_and_that_is_said_once(
    path: Path, capsys: pytest.CaptureFixture[str], frame_id: str, size: tuple[int, int], reason: str
) -> None:
    with writing(path) as bag:
        for k in range(3):
            bag.picture(100 * k)
            bag.depth(100 * k, frame_id, size)
    assert [shot.depth for shot in read(path)] == [None] * 3
    told = capsys.readouterr().err
    assert told.count(f"{DEPTH} is not used: {reason}") == len(told.splitlines()) == 1


def test_while_the_camera_pauses_no_sample_is_lost_and_no_picture_repeated(path: Path) -> None:
    pictures = [*range(0, 2000, 100), *range(5000, 7000, 100)]
    with writing(path) as bag:
        for k in range(0, 6910, 10):
            if k in pictures:
                bag.picture(k)
            bag.imu(k)
    shots = read(path)
    assert at_ms(shot.stamp_ns for shot in shots) == pictures
    assert at_ms(worn.stamp_ns for shot in shots for worn in shot.worn) == list(range(0, 6910, 10))


def test_a_slow_camera_whose_pictures_come_late_has_them_all(path: Path) -> None:
    with writing(path) as bag:
        for k in range(0, 10_000, 10):
            bag.imu(k)
            if k % 1000 == 50:
                bag.picture(k - 50, delay_ms=50)
    shots = read(path)
    assert at_ms(shot.stamp_ns for shot in shots) == list(range(0, 10_000, 1000))
    assert at_ms(worn.stamp_ns for shot in shots for worn in shot.worn) == list(range(0, 9010, 10))


def test_a_picture_that_cannot_be_decoded_costs_no_sample(path: Path) -> None:
    with writing(path) as bag:
        for k in range(0, 510, 10):
            if k % 100 == 0:
                bag.picture(k, encoding="8UC3" if k == 200 else "rgb8")
            bag.imu(k)
    shots = read(path)
    assert at_ms(shot.stamp_ns for shot in shots) == [0, 100, 300, 400, 500]
    assert at_ms(worn.stamp_ns for shot in shots for worn in shot.worn) == list(range(0, 510, 10))


def test_samples_that_are_recorded_after_their_picture_come_with_it(path: Path) -> None:
    with writing(path) as bag:
        for k in range(0, 1010, 10):
            if k % 100 == 0:
                bag.picture(k)
            bag.imu(k, delay_ms=50)
    shots = read(path)
    assert [at_ms([shot.worn[-1].stamp_ns]) for shot in shots] == [[k] for k in range(0, 1010, 100)]


def test_a_bag_whose_time_begins_anew_is_read_to_its_end(path: Path) -> None:
    with writing(path) as bag:
        for k in range(0, 6000, 10):
            delay_ms = 3000 * (k // 3000)
            if k % 100 == 0:
                bag.picture(k - delay_ms, delay_ms=delay_ms)
            bag.imu(k - delay_ms, delay_ms=delay_ms)
    shots = read(path)
    assert at_ms(shot.stamp_ns for shot in shots) == 2 * list(range(0, 3000, 100))
    assert all(worn.stamp_ns <= shot.stamp_ns for shot in shots for worn in shot.worn)


def test_no_picture_is_lost_where_the_clock_of_the_recorder_was_set_back(path: Path) -> None:
    times = [*range(0, 4000, 50), *range(1000, 3000, 50)]
    with writing(path) as bag:
        for at in times:
            bag.picture(at)
    assert at_ms(shot.stamp_ns for shot in read(path)) == times


@pytest.mark.parametrize("set_back_ms", [20_000, None], ids=["set back", "all the same"])
def test_few_pictures_wait_whatever_the_log_times_are(
    path: Path, set_back_ms: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera has a clock of its own."""
    with writing(path) as bag:
        for k in range(0, 40_000, 100):
            bag.picture(k, delay_ms=-k if set_back_ms is None else -set_back_ms * (k >= 22_000))
    taken, messages = 0, Recording.messages

    def counted(*given: Any) -> Iterator[Any]:
        nonlocal taken
        for taken, row in enumerate(messages(*given), 1):  # noqa: B007 - counts what is read
            yield row

    monkeypatch.setattr(Recording, "messages", counted)
    stamps = []
    for shot in read_pictures(path, ("imu_wrist",)):
        stamps.append(shot.stamp_ns)
        assert taken - len(stamps) < 150
    assert at_ms(stamps) == list(range(0, 40_000, 100))


def test_what_of_a_bag_could_not_be_used_is_said_at_the_end(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with writing(path) as bag:
        for k in range(5):
            bag.picture(100 * k, encoding="8UC3" if k in (1, 3) else "rgb8")
            bag.info(100 * k, frame_id="infra")
    (path / "metadata.yaml").unlink()
    assert len(read(path)) == 3
    info, picture, whole = capsys.readouterr().err.splitlines()
    assert picture.startswith(f"{RGB} could not be used 2 times, the last time because encoding '8UC3'")
    assert info.startswith(f"{INFO} could not be used 3 times, the last time because CameraInfo is of frame 'infra'")
    assert "is not whole: metadata.yaml is not used" in whole


def test_nothing_is_said_of_a_sound_bag(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with writing(path) as bag:
        for k in range(0, 510, 10):
            if k % 100 == 0:
                bag.picture(k)
                bag.depth(k)
                bag.info(k)
            bag.imu(k)
    assert len(read(path)) == 6
    assert capsys.readouterr().err == ""


def test_a_bag_of_which_no_picture_can_be_read_is_refused_with_the_reason(path: Path) -> None:
    with writing(path) as bag:
        for k in range(3):
            bag.picture(100 * k, encoding="8UC3")
    with pytest.raises(
        RecordingError, match=r"/bag can be read: .* 3 times, .* '8UC3' .*; record one of rgb8, "
    ) as refused:
        read(path)
    assert "parameter" not in str(refused.value)


def test_a_picture_that_is_too_large_is_refused_without_a_parameter_that_the_command_has_not(path: Path) -> None:
    with writing(path) as bag:
        bag.jpeg(0, size=(8000, 8000))
    with pytest.raises(RecordingError, match="8000×8000 has more than 32000000 pixels; record a smaller one"):
        read(path)


def test_a_bag_without_colour_pictures_is_refused_with_what_it_has(path: Path) -> None:
    with writing(path) as bag:
        bag.depth(0)
        bag.imu(0)
    with pytest.raises(RecordingError, match=f"no colour picture that can be read: its topics are {DEPTH}, {WRIST}"):
        read(path)


@pytest.mark.parametrize("topic", [RGB, f"{RGB}/compressed"])
def test_the_camera_of_a_picture_is_known_raw_and_compressed(path: Path, topic: str) -> None:
    with writing(path) as bag:
        bag.info(0)
        bag.picture(0, topic) if topic == RGB else bag.jpeg(0, topic)
    assert [shot.camera for shot in read(path)] == [CAMERA]


def test_the_camera_of_a_rectified_picture_has_no_distortion(path: Path) -> None:
    with writing(path) as bag:
        bag.info(0, d=[0.1, 0.0, 0.0, 0.0, 0.0], p=[90.0, 0, 31, 0, 0, 92.0, 23, 0, 0, 0, 1, 0])
        bag.picture(0, RGB.replace("image_raw", "image_rect"))
    (shot,) = read(path)
    assert shot.camera is not None
    assert (shot.camera.fx, shot.camera.fy, shot.camera.distortion) == (90, 92, ())


def test_of_a_picture_that_is_recorded_raw_and_compressed_the_raw_one_is_read(path: Path) -> None:
    with writing(path) as bag:
        for k in range(3):
            bag.picture(100 * k)
            bag.jpeg(100 * k + 1)
    assert at_ms(shot.stamp_ns for shot in read(path)) == [0, 100, 200]


def test_pictures_of_two_cameras_are_refused(path: Path) -> None:
    with writing(path) as bag:
        bag.picture(0)
        bag.jpeg(0, "/rear/image_raw/compressed")
    remedy = "record one of them, or copy the bag with `topics:` in the options of `ros2 bag convert`"
    with pytest.raises(RecordingError, match=f"several colour pictures, {RGB}, /rear/image_raw/compressed; {remedy}"):
        read(path)


def test_beside_a_picture_what_zstd_image_transport_sent_is_left_out(path: Path) -> None:
    with writing(path) as bag:
        for k in range(3):
            bag.picture(100 * k)
            bag.depth(100 * k)
            for topic in (RGB, DEPTH):
                bag.zstd(100 * k, topic)
    assert [shot.depth is not None for shot in read(path)] == [True] * 3


def test_pictures_that_only_zstd_image_transport_sent_are_refused_with_the_remedy(path: Path) -> None:
    with writing(path) as bag:
        bag.zstd(0, RGB)
    with pytest.raises(RecordingError, match=f"{RGB}/zstd; record one as Image, or as CompressedImage of JPEG or PNG"):
        read(path)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_bags_without_metadata_and_files_of_bags_are_sources(path: Path, storage: str) -> None:
    with writing(path, storage) as bag:
        bag.picture(0)
        bag.picture(100)
    (file,) = (file for file in path.iterdir() if file.name != "metadata.yaml")
    compressed = path.parent / f"{file.name}.zstd"
    compressed.write_bytes(compress(file.read_bytes()))
    (path / "metadata.yaml").unlink()
    for source in (path, file, compressed):
        assert len(list(open_source(str(source)))) == 2


def test_what_was_not_used_is_said_to_whoever_stops_reading(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with writing(path) as bag:
        for k in range(10):
            bag.picture(100 * k, encoding="strange" if k == 2 else "rgb8")
    shots = open_source(str(path))
    for _ in range(5):
        next(shots)
    shots.close()
    assert f"{RGB} could not be used 1 times" in capsys.readouterr().err


def test_a_bag_of_ros_1_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    with pytest.raises(RecordingError, match=r"old.bag is a ROS 1 bag; convert it with rosbags-convert"):
        list(open_source(str(tmp_path / "old.bag")))


def test_a_picture_with_a_garbage_stamp_is_left_out_and_that_is_said(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with writing(path) as bag:
        for k in range(0, 1000, 100):
            bag.picture(10**9 if k == 500 else k, delay_ms=500 - 10**9 if k == 500 else 0)
    assert at_ms(shot.stamp_ns for shot in read(path)) == [k for k in range(0, 1000, 100) if k != 500]
    assert capsys.readouterr().err == f"1 messages of {RGB} have unacceptable stamps; not used\n"
