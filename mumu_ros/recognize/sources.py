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

"""Where pictures come from: a video file, a camera, a folder of pictures, a rosbag2."""

from __future__ import annotations

import math
import re
import struct
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.files import expanded, name_problem
from mumu_ros.recordings import is_recording
from mumu_ros.recordings.pictures import Shot, read_pictures

__all__ = ["SourceError", "open_source"]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_FPS = 30.0
"""Where none is said."""
_SLOWEST_HZ, _FASTEST_HZ = 0.001, 1000.0
"""Of the pictures of a folder: one in a quarter of an hour, to one in a millisecond."""
_FIRST_NS = 1_000_000_000
"""Stamp of the first picture of a file: 0 means "no stamp" everywhere else."""
_MOST_LOST = 1000
"""Pictures in a row that cannot be decoded, after which a video ends."""
_MOST_ASPECT = 4.0
"""Most that a pixel can be wider than high, or higher than wide; a file that states more is wrong about it."""
_CUT_S = 0.5
"""A video whose last picture is earlier than its stated end by more than this is reported."""
_PTS = getattr(cv2, "CAP_PROP_PTS", 71)  # unknown to OpenCV before 4.11, which answers 0
_STREAMS = (b"\0\0\1", b"\0\0\0\1", b"\xff\xd8")
"""What begins a stream of H.264, H.265 or JPEG pictures that is in no container: nothing says when one was taken."""
_MP4_BEGINS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or MOV file begins with."""


class SourceError(ValueError):
    """A source that cannot be read; the message contains it and the accepted ones."""


def _print(problem: str) -> None:
    print(problem, file=sys.stderr)


def open_source(
    source: str,
    imus: tuple[str, ...] = (),
    note: Callable[[str], None] = _print,
    rate_hz: float | None = None,
) -> Generator[Shot, None, None]:
    """Read a video file, a folder of pictures (in the order of the numbers in their names), a rosbag2, or a camera: its
    number or /dev/video….

    A bag may have topics of the model's `imus`. `note` is told, in a sentence, what of a video or a folder is missing,
    and that a camera has stopped. A folder, and a stream of H.264 or JPEG pictures without a container, has `rate_hz`
    pictures a second; None: 30, and `note` is told.

    Raises:
        SourceError: It is none of these, or cannot be read, or has times and is given a rate. Of a video this is known
            when the first picture is asked for.
    """
    path = expanded(source)
    if problem := name_problem(path):
        raise SourceError(problem)
    if rate_hz is not None and not _SLOWEST_HZ <= rate_hz <= _FASTEST_HZ:
        raise SourceError(f"--rate is {rate_hz:g}; expected {_SLOWEST_HZ:g} to {_FASTEST_HZ:g} pictures a second")
    if (source.isdecimal() and not path.exists()) or source.startswith("/dev/"):
        shots = _camera(source, note)
    elif is_recording(path) or path.suffix == ".bag":  # of ROS 1, which is refused by that name
        shots = read_pictures(path, imus)
    elif path.is_dir():
        return _folder(path, note, rate_hz)
    elif path.is_file():
        return _video(path, note, rate_hz)
    else:
        raise SourceError(
            f"{source!r} is no video file, folder of pictures, rosbag2 or camera (a number such as 0, or /dev/video0)"
        )
    _refuse_rate(source, rate_hz)
    return shots


def _refuse_rate(source: str, rate_hz: float | None) -> None:
    if rate_hz is not None:
        raise SourceError(f"--rate is {rate_hz:g}, but the pictures of {source!r} have times; leave it out")


def _rate_or_usual(path: Path, note: Callable[[str], None], rate_hz: float | None) -> float:
    """The rate of pictures without times."""
    if rate_hz is None:
        note(f"{_FPS:g} pictures a second are assumed of {str(path)!r}; mumu recognize --rate sets others")
    return rate_hz or _FPS


def _video(path: Path, note: Callable[[str], None], rate_hz: float | None) -> Generator[Shot, None, None]:
    capture = cv2.VideoCapture(str(path.absolute()))  # FFmpeg takes what is before a colon for a protocol
    with closing(_Capture(capture)):
        if not capture.isOpened():
            raise _unreadable(path)
        said = capture.get(cv2.CAP_PROP_FPS)  # 1000 of a browser's video: its pictures have times, but no rate
        stated = capture.get(cv2.CAP_PROP_FRAME_COUNT)  # in some formats the duration multiplied by that rate
        fps, is_timed = said if 0 < said < 1000 else _FPS, stated >= 0 or not _is_stream(path)
        if is_timed:
            _refuse_rate(str(path), rate_hz)
        else:
            fps = _rate_or_usual(path, note, rate_hz)
        end_s = stated / (said if said > 0 else fps)
        aspect = _pixel_aspect(capture)
        count = lost = row = 0
        at_s = -1.0 / fps
        while row < _MOST_LOST:
            there, picture = capture.read()
            if not there:
                row += 1
                continue
            file_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 if is_timed else math.nan
            at_s = _later_s(file_s, at_s, (1 + row) / fps)
            if not count and said > 0:  # of a part cut out of a longer video the end may be that in the whole
                end_s -= max(capture.get(_PTS) / said - at_s, 0.0)
            count, lost, row = count + 1, lost + row, 0
            yield Shot(_FIRST_NS + round(at_s * 1e9), _rgb(_stretched(picture, aspect)))
    if not count:
        raise SourceError(f"{str(path)!r} has no picture that can be decoded; convert it to MP4 (H.264) first")
    if lost:
        note(f"{lost} of {count + lost} pictures could not be decoded: {str(path)!r} is damaged")
    left = stated - count - lost if fps == said else (end_s - at_s) * fps - 1
    if left > 0 and end_s - at_s > _CUT_S and not _mp4_boxes(path)[1]:
        note(f"the last picture of {str(path)!r} is at {at_s:.1f} s, its end at {end_s:.1f} s: is it cut short?")


def _unreadable(path: Path) -> SourceError:
    names, _ = _mp4_boxes(path)
    if names and not names & {b"moov", b"meta"}:  # meta: a picture, such as HEIC
        return SourceError(f"{str(path)!r} is incomplete: its index is missing, which is written last; copy it again")
    return SourceError(f"{str(path)!r} cannot be read as a video; convert it to MP4 (H.264) first")


def _mp4_boxes(path: Path) -> tuple[set[bytes], bool]:
    """The names of the outermost boxes of an MP4 or MOV file that are all there, and whether nothing of it is missing.

    What it says of its pictures' number and duration may include some that an edit hides. Other files have no boxes.
    """
    names, at, size = set[bytes](), 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, name = struct.unpack(">I4s", file.read(8))
            if at == 0 and name not in _MP4_BEGINS:
                break
            if length < 2:  # 1: it follows, in 64 bits; 0: to the end of the file
                length = int.from_bytes(file.read(8), "big") if length else size - at
            at += max(length, 8)
            if at <= size:
                names.add(name)
    return names, at == size > 0


def _is_stream(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith(_STREAMS)


def _pixel_aspect(capture: cv2.VideoCapture) -> float:
    """How much wider than high the pixels of a video are shown; 1 where nothing plausible is said."""
    wide, high = capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN)
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90:  # OpenCV has turned the pictures, not the aspect
        wide, high = high, wide
    return wide / high if 0 < wide <= _MOST_ASPECT * high and high <= _MOST_ASPECT * wide else 1.0


def _stretched(picture: NDArray[Any], aspect: float) -> NDArray[Any]:
    height, width = picture.shape[:2]
    return picture if aspect == 1 else cv2.resize(picture, (max(round(width * aspect), 1), height))


def _later_s(at_s: float, before_s: float, step_s: float) -> float:
    """The time of a picture: what the file says, as a telephone's rate varies; a step later where none is said.

    Args:
        at_s: What the file says; NaN or not later than the picture before where it says nothing.
        before_s: Time of the picture before.
        step_s: Time from that to this one, by the nominal rate.
    """
    return at_s if before_s < at_s else before_s + step_s


def _camera(source: str, note: Callable[[str], None]) -> Generator[Shot, None, None]:
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    first_ns = last_ns = 0
    with closing(_Capture(capture)):
        if not capture.isOpened():
            raise SourceError(f"camera {source!r} cannot be opened; `ls /dev/video*` lists those that are there")
        while True:
            there, picture = capture.read()
            if not there:
                break
            last_ns = time.monotonic_ns()  # the time of day may be set meanwhile
            first_ns = first_ns or last_ns
            yield Shot(last_ns, _rgb(picture))
    if not first_ns:
        raise SourceError(
            f"camera {source!r} gives no picture; close other programs that use it, or try another USB port"
        )
    note(f"camera {source!r} stopped after {(last_ns - first_ns) * 1e-9:.1f} s; was it unplugged?")


def _folder(path: Path, note: Callable[[str], None], rate_hz: float | None) -> Generator[Shot, None, None]:
    pictures = (f for f in path.iterdir() if f.suffix.lower() in _PICTURES and f.is_file())
    files = _in_order([f for f in pictures if not f.name.startswith(".")])  # macOS writes ._1.png beside 1.png
    if not files:
        raise SourceError(f"{str(path)!r} has neither pictures ({', '.join(_PICTURES)}) nor files of a bag")
    rate_hz = _rate_or_usual(path, note, rate_hz)
    size: tuple[int, int] | None = None
    broken, others = list[str](), list[str]()
    for count, file in enumerate(files):
        picture = _decoded(file)
        if picture is None:
            broken.append(repr(str(file)))
        elif size and picture.shape[:2] != size:
            others.append(f"{str(file)!r} is {picture.shape[1]}×{picture.shape[0]}")
        else:
            size = picture.shape[:2]
            yield Shot(_FIRST_NS + round(count * 1e9 / rate_hz), _rgb(picture))
    if not size:
        raise SourceError(f"no picture of {str(path)!r} can be decoded, such as {broken[0]}; convert them to PNG")
    if broken:
        note(f"{len(broken)} of {len(files)} pictures could not be decoded: {broken[0]} is the first of them")
    if others:
        note(f"{len(others)} of {len(files)} pictures are not {size[1]}×{size[0]} like the first: {others[0]}")


def _decoded(file: Path) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)  # the name may be not UTF-8
    except (cv2.error, MemoryError, OSError):  # it claims more pixels than there can be, or may not be read
        return None


def _rgb(picture: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _in_order(files: Sequence[Path]) -> list[Path]:
    """By the numbers in their names, the last of which may be a time such as 1764358444.0347."""
    written = {file: re.findall(r"\d+\.\d+(?!.*\d)|\d+", file.stem) for file in files}
    numbers = {file: tuple(map(Decimal, its)) for file, its in written.items()}
    if len(set(numbers.values())) < len(set(map(tuple, written.values()))):  # no times: 1.1 and 1.10
        numbers = {file: tuple(map(Decimal, re.findall(r"\d+", file.stem))) for file in files}
    return sorted(files, key=lambda file: (numbers[file], file.name))


class _Capture:
    """cv2.VideoCapture with the name that `closing` asks for."""

    def __init__(self, capture: cv2.VideoCapture) -> None:
        self._capture = capture

    def close(self) -> None:
        self._capture.release()
