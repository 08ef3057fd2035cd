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

"""A folder of files that anybody can write: for recordings that have no loader of their own.

docs/datasets.md describes the format. In short, ROOT holds clips.csv and a folder for each clip:

    clips.csv              id,subject,activity and, where it means something, session,scene,camera
    <id>/<stream>.csv      a vector stream: stamp_s, then the values of one sample
    <id>/<stream>.npz      any stream: int64 stamps_ns (T,) and samples (T, …)
    <id>/<stream>/         an image stream: <stamp in ns>.png, 8 bit RGB or 16 bit millimetres
    <id>/segments.csv      start_s,end_s,activity: where clips.csv leaves the activity empty
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, DecimalException
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from mumu_ros.conversions import ConversionError, decode_image
from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, prepare_all, read_text, select_clips, wanted_streams
from mumu_ros.files import expanded
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.reading import read_arrays, read_bytes
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import check_name, composed

__all__ = ["MAX_NUMBER", "FolderDataset"]

_CLIPS = "clips.csv"
_SEGMENTS = "segments.csv"
_REQUIRED = ("id", "subject", "activity")
_OPTIONAL = ("session", "scene", "camera")

_WHOLE = re.compile(r"[+-]?\d{1,10}")
_LONGEST_FILE_NAME = 255
_MAX_IMAGE = 256 * 2**20
MAX_NUMBER = 2**31
"""Subjects, sessions, scenes and cameras are below it."""
_MAX_NS = 2**61
"""No stamp is farther from zero: so far apart, two of them still fit 64 bits."""
_APART_S = 60.0
"""One stream of a clip may begin so long after another has ended."""

_Samples = tuple[list[int], list[np.ndarray]]
"""Stamps in nanoseconds, prepared samples."""


class FolderDataset:
    """The clips that clips.csv lists.

    Values are in SI units, or in those that `Preprocessing.prepare` takes. A clip's stamps are on one clock; where
    it counts from does not matter: the clip is moved so that its first sample has the stamp `START_NS`.

    Attributes:
        clips: The lines of clips.csv, sorted by id.
        streams: Every name for which some listed clip has a file.
    """

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """Read clips.csv and list the files.

        Raises:
            DatasetError: There is no clips.csv, a line of it is wrong, or no clip of these subjects is there.
        """
        self._root = expanded(root)
        path = self._root / _CLIPS
        if not path.is_file():
            raise DatasetError(f"{path} is missing: it lists the clips of a dataset in the folder format")
        infos = [_info(path, line, row) for line, row in _rows(path, _REQUIRED, _OPTIONAL)]
        for one, other in pairwise(sorted(info.id for info in infos)):
            if one == other:
                raise DatasetError(f"{path}: clip {one!r} is listed twice; an id is unique")
        self.clips = select_clips(str(path), infos, subjects)
        self.streams = tuple(sorted({name for info in self.clips for name in _stream_files(self._root / info.id)}))

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read the files of the model's modalities; see `Dataset.read`."""
        folder = self._root / clip.id
        if not folder.is_dir():
            raise DatasetError(f"{folder} is missing: the folder of a clip that {_CLIPS} lists")
        files = _stream_files(folder)
        wanted = wanted_streams(str(folder), files, preprocessing)
        streams = {name: _read_stream(name, files[name], preprocessing) for name in wanted}
        first_ns = min(int(stream.stamps_ns[0]) for stream in streams.values())
        last_ns = max(int(stream.stamps_ns[-1]) for stream in streams.values())
        _check_clocks(folder, streams)
        whole = Segment(first_ns, last_ns + 1, clip.activity)
        segments = [whole] if clip.activity else _read_segments(folder / _SEGMENTS)
        within = _within(whole, segments, folder / _SEGMENTS)
        shift_ns = START_NS - first_ns
        return Clip(
            {name: replace(stream, stamps_ns=stream.stamps_ns + shift_ns) for name, stream in streams.items()},
            tuple(replace(s, start_ns=s.start_ns + shift_ns, end_ns=s.end_ns + shift_ns) for s in within),
            clip.subject,
            clip.id,
            (_length_ns(segments) - _length_ns(within)) / NS_PER_S,
        )


def _check_clocks(folder: Path, streams: Mapping[str, Stream]) -> None:
    """See that the streams of a clip have one clock: none begins long after another has ended."""
    last = max(streams, key=lambda name: streams[name].stamps_ns[0])
    first = min(streams, key=lambda name: streams[name].stamps_ns[-1])
    apart_s = int(streams[last].stamps_ns[0] - streams[first].stamps_ns[-1]) / NS_PER_S
    if apart_s > _APART_S:
        raise DatasetError(
            f"{folder}: {last} begins {apart_s:.0f} s after {first} has ended; expected stamps of one clock"
        )


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and values of the lines of a CSV file that are not blank; names have no commas, so no quotes."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield number, [value.strip() for value in line.split(",")]


def _rows(
    path: Path, required: Collection[str], optional: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield number and named values of the lines below the header."""
    lines = _lines(path)
    _, header = next(lines, (1, []))
    if not set(required) <= set(header) <= {*required, *optional} or len(set(header)) != len(header):
        also = f", and if need be {', '.join(optional)}" if optional else ""
        raise DatasetError(f"{path}:1: columns {', '.join(header)!r}; expected {', '.join(required)}{also}")
    for number, values in lines:
        if len(values) != len(header):
            raise DatasetError(f"{path}:{number}: {len(values)} values; the header has {len(header)}")
        yield number, dict(zip(header, values, strict=True))


def _info(path: Path, line: int, row: dict[str, str]) -> ClipInfo:
    name = row["id"]
    if name in ("", ".", "..") or Path(name).name != name or "\0" in name or len(name.encode()) > _LONGEST_FILE_NAME:
        raise DatasetError(f"{path}:{line}: id {name[:_LONGEST_FILE_NAME]!r} is no name of a folder")
    numbers: dict[str, int] = {}
    for column in ("subject", *(column for column in _OPTIONAL if column in row)):
        # Subjects and sessions are kept in arrays of integers.
        if not _WHOLE.fullmatch(row[column]) or abs(int(row[column])) >= MAX_NUMBER:
            raise DatasetError(f"{path}:{line}: {column} {row[column][:40]!r} is no whole number, or a huge one")
        numbers[column] = int(row[column])
    if numbers["subject"] < 0:
        raise DatasetError(f"{path}:{line}: subject {numbers['subject']} is negative")
    activity = composed(row["activity"])
    if activity:
        _check_activity(path, line, activity)
    return ClipInfo(name, activity=activity, **numbers)


def _check_activity(path: Path, line: int, name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise DatasetError(f"{path}:{line}: {error}") from error


def _stream_files(folder: Path) -> dict[str, Path]:
    """Stream to the file or folder that holds it; hidden ones are the system's."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name == _SEGMENTS or path.name.startswith("."):
            continue
        if not (path.is_dir() or path.suffix in (".csv", ".npz")):
            continue
        name = path.name if path.is_dir() else path.stem
        if name in files:
            raise DatasetError(f"{folder} holds both {files[name].name} and {path.name}; one is enough")
        files[name] = path
    return files


def _read_stream(name: str, path: Path, preprocessing: Preprocessing) -> Stream:
    if path.is_dir():
        stamps, samples = _read_images(name, path, preprocessing)
    elif path.suffix == ".npz":
        stamps, samples = _read_npz(name, path, preprocessing)
    else:
        stamps, samples = _read_csv(name, path, preprocessing)
    if not stamps:
        raise DatasetError(f"{path} holds no sample")
    for index, (before, stamp_ns) in enumerate(zip((-_MAX_NS, *stamps), stamps, strict=False)):
        if not before < stamp_ns <= _MAX_NS:
            raise DatasetError(
                f"{path}: the stamp of sample {index}, {stamp_ns} ns, is not after the one before, or absurd"
            )
    return Stream(np.array(stamps, np.int64), samples)


def _read_csv(name: str, path: Path, preprocessing: Preprocessing) -> _Samples:
    shape = next(m.shape for m in preprocessing.config.modalities if m.name == name)
    lines = _lines(path)
    _, header = next(lines, (1, []))
    if header[:1] != ["stamp_s"] or len(header) - 1 != np.prod(shape):
        raise DatasetError(
            f"{path}:1: header {','.join(header)!r}; expected stamp_s and {np.prod(shape)} more columns, the values of "
            f"a sample of shape {shape}"
        )
    stamps: list[int] = []
    samples: list[np.ndarray] = []
    for number, values in lines:
        if len(values) != len(header):
            raise DatasetError(f"{path}:{number}: {len(values)} values; the header has {len(header)}")
        stamps.append(_nanoseconds(path, number, values[0]))
        samples.append(np.array([_number(path, number, text) for text in values[1:]]).reshape(shape))
    return stamps, prepare_all(name, samples, preprocessing, path)


def _read_npz(name: str, path: Path, preprocessing: Preprocessing) -> _Samples:
    try:
        stamps_ns, samples = read_arrays(path, ("stamps_ns", "samples"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as stamps_ns and samples: {error}") from error
    if stamps_ns.ndim != 1 or stamps_ns.dtype.kind not in "iu" or samples.shape[:1] != stamps_ns.shape:
        raise DatasetError(
            f"{path}: stamps_ns is {stamps_ns.dtype} of shape {stamps_ns.shape}, samples of shape {samples.shape}; "
            "expected whole numbers (T,) and (T, …)"
        )
    return stamps_ns.tolist(), prepare_all(name, samples, preprocessing, path)


def _read_images(name: str, path: Path, preprocessing: Preprocessing) -> _Samples:
    images = {_image_stamp(file): file for file in path.iterdir() if not file.name.startswith(".")}
    stamps = sorted(images)
    prepared: list[np.ndarray] = []
    for stamp_ns in stamps:
        image = _read_image(images[stamp_ns])
        if image.ndim == 3 and image.shape[2] == 3:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        prepared += prepare_all(name, (image,), preprocessing, images[stamp_ns])
    return stamps, prepared


def _read_image(path: Path) -> np.ndarray:
    try:
        data = np.frombuffer(read_bytes(path, _MAX_IMAGE), np.uint8)
        return decode_image(data, "image", cv2.IMREAD_UNCHANGED)
    except (OSError, ConversionError) as error:
        raise DatasetError(f"{path}: {error}") from error


def _image_stamp(path: Path) -> int:
    if path.suffix != ".png" or not path.stem.isdecimal():
        raise DatasetError(f"{path} is not called <stamp in nanoseconds>.png")
    return int(path.stem)


def _read_segments(path: Path) -> list[Segment]:
    if not path.is_file():
        raise DatasetError(f"{path} is missing: {_CLIPS} gives the clip no activity, so this file has to")
    segments: list[Segment] = []
    for line, row in _rows(path, ("start_s", "end_s", "activity")):
        start_ns, end_ns = (_nanoseconds(path, line, row[column]) for column in ("start_s", "end_s"))
        activity = composed(row["activity"])
        if not activity:
            raise DatasetError(f"{path}:{line}: the activity is empty; leave the line out where nothing is done")
        _check_activity(path, line, activity)
        if start_ns >= end_ns or (segments and start_ns < segments[-1].end_ns):
            times = f"{row['start_s']} s to {row['end_s']} s"
            raise DatasetError(f"{path}:{line}: {times} ends before it starts, or starts before the last one ended")
        segments.append(Segment(start_ns, end_ns, activity))
    if not segments:
        raise DatasetError(f"{path} has no segment")
    return segments


def _within(whole: Segment, segments: Sequence[Segment], path: Path) -> list[Segment]:
    """What lies between the first and the last sample of a clip, which are those of `whole`."""
    cut = [replace(s, start_ns=max(s.start_ns, whole.start_ns), end_ns=min(s.end_ns, whole.end_ns)) for s in segments]
    within = [segment for segment in cut if segment.start_ns < segment.end_ns]
    if not within:
        first_s, last_s = whole.start_ns / NS_PER_S, whole.end_ns / NS_PER_S
        raise DatasetError(
            f"{path} has no segment at the time of the samples, {first_s:.3f} s to {last_s:.3f} s; expected one clock "
            "for both"
        )
    return within


def _length_ns(segments: Sequence[Segment]) -> int:
    return sum(segment.end_ns - segment.start_ns for segment in segments)


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DatasetError(f"{path}:{line}: {text[:40]!r} is no number") from error


def _nanoseconds(path: Path, line: int, text: str) -> int:
    # Decimal: seconds since 1970 with nine digits do not fit a float.
    try:
        nanoseconds = Decimal(text) * NS_PER_S
        absurd = not -_MAX_NS < nanoseconds < _MAX_NS
    except DecimalException as error:
        raise DatasetError(f"{path}:{line}: {text[:40]!r} is no time in seconds") from error
    if absurd:
        raise DatasetError(f"{path}:{line}: {text[:40]!r} s is more than 73 years away from 0")
    return round(nanoseconds)
