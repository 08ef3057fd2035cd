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

"""Skeleton datasets as their authors publish them, where a file holds several clips, one line a frame."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.file_reading import check_same, read_text
from mumu_ros.text import shorten

__all__ = ["RawClip", "florence_clips", "lines", "numbers", "utkinect_clips"]

_FLORENCE = "Florence_dataset_WorldCoordinates.txt"
_UTKINECT_LABELS = "actionLabel.txt"
_UTKINECT_NAMES = ("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands")
_UTKINECT_NUMBERS_PER_FRAME = 2
"""They count the camera's 30 Hz; about every second one was recorded (Xia, Chen and Aggarwal, 2012)."""
_LARGEST = 2**31


@dataclass(frozen=True, eq=False)
class RawClip:
    """One clip as its file has it.

    Attributes:
        path: The file.
        frames: (T,) when each frame was, in frames of the dataset's rate since the first.
        joints: (T, J, 3) in the file's unit and axes.
    """

    path: Path
    frames: NDArray[np.float64]
    joints: NDArray[np.float64]


def florence_clips(root: Path) -> Iterator[tuple[str, RawClip | str]]:
    """Clips of Florence 3D Actions: a line is video, person, activity (from 1) and 15 joints.

    Yields:
        The name that a file of this clip alone has, and the clip, or what is wrong with it.

    Raises:
        DatasetError: The file cannot be read, or has no line that is that.
    """
    for path in _only(root, re.escape(_FLORENCE)).values():
        table = _table(path, 3, 15)
        for video, subject, activity in np.unique(table.heads, axis=0):
            rows = np.flatnonzero((table.heads == (video, subject, activity)).all(axis=1))
            clip = RawClip(path, np.arange(len(rows), dtype=float), table.joints[rows])
            yield f"a{activity:02}_s{subject}_id{video}.txt", table.wrong_in(rows) or clip


def utkinect_clips(root: Path) -> Iterator[tuple[str, RawClip | str]]:
    """Clips of UTKinect-Action3D: `joints_s01_e01.txt`, a line is the frame's number and 20 joints.

    `actionLabel.txt` has the numbers of the first and the last frame of each activity. One without numbers was not
    recorded. Of a recording whose labels are missing or damaged, every activity without a label is a damaged clip.

    Yields:
        The name that a file of this clip alone has, and the clip, or what is wrong with it.

    Raises:
        DatasetError: `actionLabel.txt` cannot be read, or a name is there twice with different contents.
    """
    labels: dict[str, _Labels] = {}
    for path in _only(root, re.escape(_UTKINECT_LABELS)).values():
        labels |= _utkinect_labels(path)
    for name, path in _only(root, r"joints_s\d+_e\d+\.txt").items():
        recording = name.removeprefix("joints_").removesuffix(".txt")
        missing = f"{path} has no labels; expected {recording!r} in {_UTKINECT_LABELS!r} beside it or above"
        for activity, clip in _recorded(path, labels.get(recording, _Labels(wrong=missing))).items():
            yield f"a{activity:02}_{recording}.txt", clip


@dataclass(eq=False)
class _Labels:
    """Labels of a recording of UTKinect.

    Attributes:
        spans: Numbers of the first and the last frame, by activity; NaN: it was not recorded.
        wrong: What is wrong with the labels of the other activities; empty: nothing.
    """

    spans: dict[int, tuple[float, float]] = field(default_factory=dict)
    wrong: str = ""


def _utkinect_labels(path: Path) -> dict[str, _Labels]:
    """Labels of each recording, such as `s01_e01`."""
    labels: dict[str, _Labels] = {}
    names = [name.lower() for name in _UTKINECT_NAMES]
    found = _Labels()  # of a heading that cannot be read: its recording has no labels
    for number, line in lines(path):
        if ":" not in line:
            match = re.fullmatch(r"s\d+_e\d+", line.lower())
            found = labels.setdefault(match[0], _Labels()) if match else _Labels()
            continue
        match = re.fullmatch(r"(\w+):\s*(\d+|nan)\s+(\d+|nan)", line.lower())
        if match and match[1] in names:
            found.spans[names.index(match[1]) + 1] = float(match[2]), float(match[3])
        else:
            found.wrong = f"{path}: line {number} is {shorten(line, 80)!r}; expected such as 'sitDown: 572 686'"
    return labels


def _recorded(path: Path, labels: _Labels) -> dict[int, RawClip | str]:
    """Clips of a recording of UTKinect, or what is wrong with them, by activity."""
    clips: dict[int, RawClip | str] = {}
    if labels.wrong:
        clips = dict.fromkeys(set(range(1, len(_UTKINECT_NAMES) + 1)) - set(labels.spans), labels.wrong)
    spans = {activity: span for activity, span in labels.spans.items() if not np.isnan(span).any()}
    try:
        table = _table(path, 1, 20)
    except DatasetError as error:
        return clips | dict.fromkeys(spans, str(error))
    at = table.heads[:, 0]
    for activity, (first, last) in spans.items():
        rows = np.flatnonzero((at >= first) & (at <= last))
        frames, order = np.unique(at[rows], return_index=True)
        clip = RawClip(path, (frames - first) / _UTKINECT_NUMBERS_PER_FRAME, table.joints[rows[order]])
        clips[activity] = table.wrong_in(rows) or clip
    return clips


@dataclass(frozen=True, eq=False)
class _Table:
    """A file of lines of some whole numbers and the joints of a frame.

    Attributes:
        heads: int64 (N, H), the whole numbers; of a line that has none, those of the line before.
        joints: (N, J, 3), NaN in a damaged line.
        wrong: What is wrong with damaged lines, by row.
    """

    heads: NDArray[np.int64]
    joints: NDArray[np.float64]
    wrong: dict[int, str]

    def wrong_in(self, rows: NDArray[np.intp]) -> str:
        """What is wrong with the first damaged one of some rows; empty: none is."""
        return next((self.wrong[row] for row in rows.tolist() if row in self.wrong), "")


def _table(path: Path, whole: int, joints: int) -> _Table:
    """Read lines of `whole` whole numbers and `joints` joints.

    Raises:
        DatasetError: The file cannot be read, or no line begins with the whole numbers.
    """
    columns = whole + 3 * joints
    heads: list[list[float]] = []
    rows: list[list[float]] = []
    wrong: dict[int, str] = {}
    for number, line in lines(path):
        if line.startswith("%"):
            continue
        fields = line.split()
        row = numbers(fields)
        if flaw := _flaw(number, fields, row, whole, columns):
            wrong[len(rows)] = f"{path}: {flaw}"
        # The last number of a line that breaks off may lack digits.
        heads.append(row[:whole] if len(row) > whole and _are_whole(row[:whole]) else [])
        rows.append([np.nan] * columns if flaw else row)
    known = next(filter(None, heads), None)
    if known is None:
        raise DatasetError(next(iter(wrong.values()), f"{path} is empty; expected lines of {columns} numbers"))
    heads = [known := head or known for head in heads]
    xyz = np.array(rows)[:, whole:].reshape(-1, joints, 3)
    return _Table(np.array(heads, np.int64), xyz, wrong)


def _flaw(number: int, fields: Sequence[str], row: Sequence[float], whole: int, columns: int) -> str:
    """What is wrong with a line; empty: nothing."""
    if len(row) < len(fields):
        return f"line {number} has {shorten(fields[len(row)], 40)!r}; expected numbers only"
    if len(row) != columns:
        return f"{len(row)} numbers in line {number}; expected {columns}"
    if not _are_whole(row[:whole]):
        return f"line {number} begins with {' '.join(fields[:whole])!r}; expected whole numbers"
    return ""


def _are_whole(values: Sequence[float]) -> bool:
    return all(0 <= value <= _LARGEST and value.is_integer() for value in values)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line of a file that is not blank; bytes that are no text damage their line only.

    Raises:
        DatasetError: It cannot be read.
    """
    for number, line in enumerate(read_text(path, errors="replace").splitlines(), 1):
        if text := line.strip():
            yield number, text


def numbers(fields: Sequence[str]) -> list[float]:
    """The numbers that some fields begin with, up to the first that is none."""
    found: list[float] = []
    for text in fields:
        try:
            found.append(float(text))
        except ValueError:
            break
    return found


def _only(root: Path, pattern: str) -> dict[str, Path]:
    """The files below a folder whose names match, in capital or small letters, by their names in small ones."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if re.fullmatch(pattern, path.name, re.IGNORECASE):
            check_same(found.setdefault(path.name.lower(), path), path, "file of a dataset")
    return found
