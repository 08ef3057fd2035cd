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

"""Videos, folders of pictures and bags as pictures with stamps; what is none of them is refused."""

from __future__ import annotations

import os
import re
import struct
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mumu_ros.cli import main
from mumu_ros.recognize.sources import SourceError, open_source


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (48, 64)) -> None:
    folder.mkdir()
    for k in range(count):
        cv2.imwrite(str(folder / f"frame_{k}.png"), np.full((*size, 3), (0, 0, 20 * k), np.uint8))


def test_pictures_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shots", 12)
    for k in range(12):
        (tmp_path / "shots" / f"._frame_{k}.png").write_bytes(b"what macOS writes beside a file")
    shots = list(open_source(str(tmp_path / "shots")))
    assert [int(shot.rgb[0, 0, 0]) for shot in shots] == [20 * k for k in range(12)]  # red, the last channel of a file
    assert {b.stamp_ns - a.stamp_ns for a, b in pairwise(shots)} <= {33333333, 33333334}


@pytest.mark.parametrize(
    "names",
    [
        ["9.5", "10.034711", "10.0675744", "10.1", "10.134461"],  # time.time(), which prints 7 decimals or fewer
        ["rgb_9.5", "rgb_10.034711", "rgb_10.0675744", "rgb_10.1"],
        ["20-42-59", "20-42-59.034711", "20-42-59.0675744", "20-42-59.1"],
        ["1.1", "1.2", "1.9", "1.10", "1.11", "2.1", "2.10"],  # of the first take and the second
        ["a1.0_2", "a1.1_1", "a1.5_1", "a1.10_1", "a2.1_1"],
        ["a_1", "b_1", "a_2", "b_2", "a_10"],
    ],
)
def test_pictures_named_by_time_come_in_its_order_and_those_with_several_numbers_by_each(
    tmp_path: Path, names: list[str]
) -> None:
    for k, name in enumerate(names):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((48, 64, 3), 20 * k, np.uint8))
    assert [shot.rgb[0, 0, 0] // 20 for shot in open_source(str(tmp_path))] == list(range(len(names)))


def test_a_video_has_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20.0, (64, 48))
    for _ in range(9):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    shots = list(open_source(str(path)))
    assert len(shots) == 9
    assert {b.stamp_ns - a.stamp_ns for a, b in pairwise(shots)} == {50_000_000}
    assert shots[0].stamp_ns > 0
    assert shots[0].rgb.shape == (48, 64, 3)


def write_gif(path: Path, periods_ms: list[int]) -> None:
    """A film of one black pixel, whose pictures are each shown for a time of its own."""
    data = b"GIF89a" + struct.pack("<HHBBB6x", 1, 1, 0x80, 0, 0)
    for period_ms in periods_ms:
        data += struct.pack("<4BHBB", 0x21, 0xF9, 4, 4, period_ms // 10, 0, 0)
        data += struct.pack("<B4HB", 0x2C, 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    path.write_bytes(data + b";")


def test_the_pictures_of_a_video_whose_rate_varies_have_their_own_times(tmp_path: Path) -> None:
    periods_ms = 5 * [30] + 5 * [200]
    write_gif(tmp_path / "film.gif", periods_ms)
    shots = list(open_source(str(tmp_path / "film.gif")))
    assert [round((b.stamp_ns - a.stamp_ns) / 1e6) for a, b in pairwise(shots)] == periods_ms[:-1]


def test_a_video_whose_name_is_no_utf_8_is_refused_and_such_a_picture_is_read(tmp_path: Path) -> None:
    write_pictures(tmp_path / "shots", 2)
    name = os.fsdecode(b"M\xfcller")
    (tmp_path / "shots" / "frame_0.png").rename(tmp_path / "shots" / f"{name}.png")
    assert len(list(open_source(str(tmp_path / "shots")))) == 2
    write_gif(tmp_path / f"{name}.gif", [30, 30])
    with pytest.raises(SourceError, match=r"M\\udcfcller.gif' is not valid UTF-8; rename it"):
        list(open_source(str(tmp_path / f"{name}.gif")))


def element(name: str, data: bytes) -> bytes:
    """A part of a Matroska file; the name in hexadecimal."""
    return bytes.fromhex(name) + struct.pack(">Q", len(data) | 1 << 56) + data


def write_matroska(
    path: Path,
    times_ms: list[int],
    duration_ms: float = 0.0,
    damaged: int = -1,
    shown: tuple[int, int] = (64, 48),
    start_ms: int = 0,
    default_ns: int = 10**6,  # as if each picture took a millisecond
) -> None:
    """A film like those that browsers record: pictures of 64×48 have times, the track has no rate."""
    jpeg = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    data = [jpeg if k != damaged else bytes(len(jpeg)) for k in range(len(times_ms))]
    about = element("1549a966", element("4489", struct.pack(">d", duration_ms))) if duration_ms else b""
    wide, high = (struct.pack(">I", side) for side in shown)
    display = element("54b0", wide) + element("54ba", high)
    size = element("e0", element("b0", b"\x40") + element("ba", b"\x30") + display)
    rate = element("23e383", struct.pack(">I", default_ns)) if duration_ms else b""
    track = element("ae", element("d7", b"\1") + element("83", b"\1") + element("86", b"V_MJPEG") + size + rate)
    times = [struct.pack(">BhB", 0x81, at_ms, 0x80) for at_ms in times_ms]
    pictures = b"".join(element("a3", head + body) for head, body in zip(times, data, strict=True))
    film = (
        about + element("1654ae6b", track) + element("1f43b675", element("e7", struct.pack(">I", start_ms)) + pictures)
    )
    path.write_bytes(element("1a45dfa3", element("4282", b"webm")) + element("18538067", film))


def test_a_video_without_a_rate_is_read_by_the_times_of_its_pictures(tmp_path: Path) -> None:
    times_ms = [0, 30, 61, 90, 155, 160, 200, 233]
    write_matroska(tmp_path / "film.webm", times_ms)
    assert cv2.VideoCapture(str(tmp_path / "film.webm")).get(cv2.CAP_PROP_FPS) == 1000
    shots = list(open_source(str(tmp_path / "film.webm")))
    assert [(shot.stamp_ns - shots[0].stamp_ns) // 10**6 for shot in shots] == times_ms


@pytest.mark.parametrize("rate_hz", [10, 60])
def test_the_end_of_a_video_without_a_rate_is_known_by_its_duration(tmp_path: Path, rate_hz: int) -> None:
    path, times_ms = tmp_path / "film.webm", [k * 1000 // rate_hz for k in range(2 * rate_hz)]
    notes: list[str] = []
    write_matroska(path, times_ms, 2000.0)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 2000
    assert len(list(open_source(str(path), note=notes.append))) == 2 * rate_hz
    assert notes == []
    write_matroska(path, times_ms, 2000.0, damaged=2 * rate_hz - 5)
    assert len(list(open_source(str(path), note=notes.append))) == 2 * rate_hz - 1
    write_matroska(path, times_ms, 9000.0)
    assert len(list(open_source(str(path), note=notes.append))) == 2 * rate_hz
    lost, cut = notes
    assert lost.startswith(f"1 of {2 * rate_hz} pictures could not be decoded")
    assert f"is at {times_ms[-1] / 1e3:.1f} s, its end at 9.0 s: is it cut short?" in cut


class Untimed:
    """A video of which the decoder does not say when a picture was taken."""

    def __init__(self, path: str, capture: Any = cv2.VideoCapture) -> None:
        self._capture = capture(path)

    def get(self, what: int) -> float:
        return 0.0 if what == cv2.CAP_PROP_POS_MSEC else self._capture.get(what)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._capture, name)


class Turned(Untimed):
    """A video of a telephone that was held upright: stored lying, and turned by the decoder."""

    def get(self, what: int) -> float:
        return 90.0 if what == cv2.CAP_PROP_ORIENTATION_META else self._capture.get(what)

    def read(self) -> tuple[bool, Any]:
        there, picture = self._capture.read()
        return there, np.rot90(picture) if there else picture


@pytest.mark.parametrize(
    ("shown", "capture", "size"),
    [
        ((64, 48), cv2.VideoCapture, (64, 48)),
        ((64, 36), cv2.VideoCapture, (85, 48)),  # as HDV, whose 1440×1080 are shown 16:9
        ((64, 36), Turned, (36, 64)),
        ((64, 60), cv2.VideoCapture, (51, 48)),
        ((64, 60), Turned, (60, 64)),
        ((6400, 48), cv2.VideoCapture, (64, 48)),  # not to be believed
    ],
)
def test_pictures_whose_pixels_are_not_square_get_the_aspect_in_which_they_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: tuple[int, int], capture: Any, size: tuple[int, int]
) -> None:
    write_matroska(tmp_path / "film.webm", [0, 30, 60], shown=shown)
    monkeypatch.setattr(cv2, "VideoCapture", capture)
    shots = list(open_source(str(tmp_path / "film.webm")))
    assert [shot.rgb.shape for shot in shots] == 3 * [(size[1], size[0], 3)]


def test_where_the_decoder_does_not_say_the_time_the_rate_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gif(tmp_path / "film.gif", 5 * [100])
    monkeypatch.setattr(cv2, "VideoCapture", Untimed)
    shots = list(open_source(str(tmp_path / "film.gif")))
    assert [b.stamp_ns - a.stamp_ns for a, b in pairwise(shots)] == 4 * [100_000_000]


def test_where_neither_is_known_pictures_are_a_thirtieth_of_a_second_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_matroska(tmp_path / "film.webm", [0, 30, 61, 90, 155, 160, 200, 233])
    monkeypatch.setattr(cv2, "VideoCapture", Untimed)
    shots = list(open_source(str(tmp_path / "film.webm")))
    assert {b.stamp_ns - a.stamp_ns for a, b in pairwise(shots)} <= {33333333, 33333334}


def write_film(path: Path, pictures: int) -> list[int]:
    """A film of 10 Hz, each picture coded alone; where in the file each begins."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (64, 48))
    for k in range(pictures):
        writer.write(np.full((48, 64, 3), 10 * k, np.uint8))
    writer.release()
    return [found.start() for found in re.finditer(b"00dc....\xff\xd8", path.read_bytes(), re.DOTALL)]


@pytest.mark.parametrize("capture", [cv2.VideoCapture, Untimed])
def test_a_video_is_read_on_after_a_damaged_place_and_the_others_keep_their_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: Any
) -> None:
    places = write_film(tmp_path / "film.avi", 20)
    data = bytearray((tmp_path / "film.avi").read_bytes())
    for k in (7, 8, 9, 15):
        data[places[k] + 8 : places[k + 1]] = bytes(places[k + 1] - places[k] - 8)
    (tmp_path / "film.avi").write_bytes(data)
    monkeypatch.setattr(cv2, "VideoCapture", capture)
    notes: list[str] = []
    shots = list(open_source(str(tmp_path / "film.avi"), note=notes.append))
    decoded = [k for k in range(20) if k not in (7, 8, 9, 15)]
    assert [round((shot.stamp_ns - shots[0].stamp_ns) / 1e8) for shot in shots] == decoded
    assert notes == [f"4 of 20 pictures could not be decoded: {str(tmp_path / 'film.avi')!r} is damaged"]


def test_a_video_that_is_cut_short_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = write_film(tmp_path / "film.avi", 20)
    (tmp_path / "film.avi").write_bytes((tmp_path / "film.avi").read_bytes()[: places[12]])
    assert len(list(open_source(str(tmp_path / "film.avi")))) == 12
    assert "film.avi' is at 1.1 s, its end at 2.0 s: is it cut short?" in capsys.readouterr().err


def test_a_part_of_a_longer_video_whose_times_and_end_are_those_of_the_whole_is_not_cut_short(tmp_path: Path) -> None:
    path, times_ms, notes = tmp_path / "film.mkv", [100 * k for k in range(20)], list[str]()
    for duration_ms in (102_000.0, 109_000.0):
        write_matroska(path, times_ms, duration_ms, start_ms=100_000, default_ns=10**8)
        shots = list(open_source(str(path), note=notes.append))
        assert [round((shot.stamp_ns - 10**9) / 1e6) for shot in shots] == times_ms
    (cut,) = notes if hasattr(cv2, "CAP_PROP_PTS") else notes[1:]  # OpenCV before 4.11 does not say when it starts
    assert "is at 1.9 s, its end at 9.0 s: is it cut short?" in cut


def write_mp4(path: Path, pictures: int) -> bytearray:
    """A film of 10 Hz with its index at the end; what the file contains."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (64, 48))
    for k in range(pictures):
        writer.write(np.full((48, 64, 3), 10 * k, np.uint8))
    writer.release()
    return bytearray(path.read_bytes())


def test_an_mp4_of_which_an_edit_hides_a_part_is_not_cut_short(tmp_path: Path) -> None:
    data, path, notes = write_mp4(tmp_path / "film.mp4", 20), tmp_path / "edited.mp4", list[str]()
    shown_ms, media = data.index(b"elst") + 12, data.index(b"mdhd") + 16
    (ticks,) = struct.unpack_from(">I", data, media)
    for start_s, length_ms in ((0, 800), (1, 1000)):
        struct.pack_into(">2I", data, shown_ms, length_ms, start_s * ticks)
        path.write_bytes(data)
        assert len(list(open_source(str(path), note=notes.append))) == length_ms // 100
    assert notes == []


def test_an_mp4_that_is_cut_short_is_reported_and_without_its_index_is_incomplete(tmp_path: Path) -> None:
    data, path, notes = write_mp4(tmp_path / "film.mp4", 20), tmp_path / "cut.mp4", list[str]()
    body, index = data.index(b"mdat") - 4, data.index(b"moov") - 4
    moved = data[:body] + data[index:] + data[body:index]  # the index first, as for the web
    places = moved.index(b"stco") + 8
    (chunks,) = struct.unpack_from(">I", moved, places)
    for at in range(places + 4, places + 4 + 4 * chunks, 4):
        struct.pack_into(">I", moved, at, struct.unpack_from(">I", moved, at)[0] + len(data) - index)
    path.write_bytes(moved)
    assert len(list(open_source(str(path), note=notes.append))) == 20
    assert notes == []
    path.write_bytes(moved[: (body - index) // 2])
    assert 0 < len(list(open_source(str(path), note=notes.append))) < 20
    assert "its end at 2.0 s: is it cut short?" in notes[-1]
    path.write_bytes(data[:index])
    with pytest.raises(SourceError, match=r"cut.mp4' is incomplete: its index is missing"):
        list(open_source(str(path)))


def test_a_stream_without_a_container_has_the_rate_that_is_said(tmp_path: Path) -> None:
    path, notes = tmp_path / "film.mjpeg", list[str]()
    pictures = [cv2.imencode(".jpg", np.full((48, 64, 3), 4 * k, np.uint8))[1].tobytes() for k in range(60)]
    path.write_bytes(b"".join(pictures))
    for rate_hz in (10.0, None):
        shots = list(open_source(str(path), note=notes.append, rate_hz=rate_hz))
        steps_ns = {b.stamp_ns - a.stamp_ns for a, b in pairwise(shots)}
        assert len(shots) == 60
        assert steps_ns == {100_000_000} if rate_hz else steps_ns <= {33333333, 33333334}
    assert notes == [f"30 pictures a second are assumed of {str(path)!r}; mumu recognize --rate sets others"]


class Endless(Untimed):
    """A video that does not say how long it is, of which the decoder loses the fifth picture."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._count = 0

    def get(self, what: int) -> float:
        return -9e18 if what == cv2.CAP_PROP_FRAME_COUNT else self._capture.get(what)

    def read(self) -> tuple[bool, Any]:
        self._count += 1
        there, picture = self._capture.read()
        return there and self._count != 5, picture


def test_a_video_of_unknown_length_is_read_on_after_a_damaged_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_film(tmp_path / "film.avi", 20)
    monkeypatch.setattr(cv2, "VideoCapture", Endless)
    notes: list[str] = []
    assert len(list(open_source(str(tmp_path / "film.avi"), note=notes.append))) == 19
    assert notes == [f"1 of 20 pictures could not be decoded: {str(tmp_path / 'film.avi')!r} is damaged"]


class Camera:
    """A camera that gives so many pictures."""

    count = 0

    def __init__(self, *_: object) -> None:
        self._left = self.count

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def read(self) -> tuple[bool, Any]:
        self._left -= 1
        return self._left >= 0, np.zeros((48, 64, 3), np.uint8)

    def release(self) -> None:
        pass


def test_a_camera_that_gives_no_picture_or_stops_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with pytest.raises(SourceError, match="camera '0' gives no picture; close other programs that use it"):
        list(open_source("0"))
    monkeypatch.setattr(Camera, "count", 3)
    notes: list[str] = []
    assert len(list(open_source("0", note=notes.append))) == 3
    assert notes == ["camera '0' stopped after 0.0 s; was it unplugged?"]


def test_a_folder_whose_name_is_a_number_is_no_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "01", 2)
    monkeypatch.chdir(tmp_path)
    assert len(list(open_source("01"))) == 2


def test_the_clock_may_be_set_while_a_camera_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(Camera, "count", 6)
    clock = iter([*range(3), *(3600 * 10**9 + k for k in range(3)), 5])
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    monkeypatch.setattr(time, "time", lambda: next(clock) * 1e-9)
    stamps = [shot.stamp_ns for shot in open_source("0")]
    assert 0 < stamps[0] < stamps[-1] < stamps[0] + 1e9


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.mp4", "no video file, folder of pictures, rosbag2 or camera"),
        ("broken.mp4", "cannot be read as a video"),
        ("empty", "neither pictures"),
        ("damaged", r"no picture of '.*damaged' can be decoded, such as '.*b.png'; convert them to PNG"),
        ("/dev/video77", "cannot be opened"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_remedy(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "b.png").write_bytes(b"x")
    source = name if name.startswith("/") else str(tmp_path / name)
    with pytest.raises(SourceError, match=message):
        list(open_source(source))


@pytest.mark.parametrize(
    ("source", "rate_hz", "message"),
    [
        ("shots", 0.0, "--rate is 0; expected 0.001 to 1000 pictures a second"),
        ("shots", -5.0, "--rate is -5; expected"),
        ("shots", float("nan"), "--rate is nan; expected"),
        ("shots", float("inf"), "--rate is inf; expected"),
        ("film.gif", 10.0, "--rate is 10, but the pictures of '.*film.gif' have times; leave it out"),
        ("missing.gif", 10.0, "no video file, folder of pictures"),
    ],
)
def test_a_rate_that_cannot_be_and_one_of_pictures_with_times_are_refused(
    tmp_path: Path, source: str, rate_hz: float, message: str
) -> None:
    write_pictures(tmp_path / "shots", 2)
    write_gif(tmp_path / "film.gif", [30, 30])
    with pytest.raises(SourceError, match=message):
        list(open_source(str(tmp_path / source), rate_hz=rate_hz))


@pytest.mark.parametrize("command", [["recognize"], ["bench", "people", "--video"]])
def test_a_bag_that_cannot_be_read_is_a_sentence_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: Path, command: list[str]
) -> None:
    (tmp_path / "old.bag").touch()
    options = ["--weights", str(weights)] if command == ["recognize"] else []
    assert main([*command, str(tmp_path / "old.bag"), *options]) == 2
    assert capsys.readouterr().err.endswith("old.bag is a ROS 1 bag; convert it with rosbags-convert\n")
