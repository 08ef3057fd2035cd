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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.file_reading import check_same, read_text

__all__ = ["RawClip", "florence_clips", "utkinect_clips"]

_FLORENCE = "Florence_dataset_WorldCoordinates.txt"
_UTKINECT_LABELS = "actionLabel.txt"
_UTKINECT_NAMES = ("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands")
_UTKINECT_NUMBERS_PER_FRAME = 2
"""They count the camera's 30 Hz; about every second one was recorded (Xia, Chen and Aggarwal, 2012)."""


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


def florence_clips(root: Path) -> Iterator[tuple[str, RawClip]]:
    """Clips of Florence 3D Actions: a line is video, person, activity (from 1) and 15 joints.

    Yields:
        The name that a file of this clip alone has, and the clip.

    Raises:
        DatasetError: A line is not that.
    """
    for path in _only(root, _FLORENCE):
        table = _table(path, 3 + 15 * 3)
        for video, subject, activity in np.unique(table[:, :3].astype(int), axis=0):
            rows = table[(table[:, :3] == (video, subject, activity)).all(axis=1), 3:]
            yield f"a{activity:02}_s{subject}_id{video}.txt", _clip(path, np.arange(len(rows), dtype=float), rows)


def utkinect_clips(root: Path) -> Iterator[tuple[str, RawClip]]:
    """Clips of UTKinect-Action3D: `joints_s01_e01.txt`, a line is the frame's number and 20 joints.

    `actionLabel.txt` has the numbers of the first and the last frame of each activity. One without numbers was not
    recorded.

    Yields:
        The name that a file of this clip alone has, and the clip.

    Raises:
        DatasetError: A line is not that, or a recording has no labels.
    """
    labels: dict[str, list[tuple[int, float, float]]] = {}
    for path in _only(root, _UTKINECT_LABELS):
        labels |= _utkinect_labels(path)
    for path in _only(root, "joints_s*_e*.txt"):
        recording = path.stem.removeprefix("joints_")
        if recording not in labels:
            raise DatasetError(
                f"{path} has no labels; expected {recording!r} in {_UTKINECT_LABELS!r} beside it or above"
            )
        table = _table(path, 1 + 20 * 3)
        numbers, order = np.unique(table[:, 0], return_index=True)
        for activity, first, last in labels[recording]:
            chosen = (numbers >= first) & (numbers <= last)
            frames = (numbers[chosen] - first) / _UTKINECT_NUMBERS_PER_FRAME
            yield f"a{activity:02}_{recording}.txt", _clip(path, frames, table[order[chosen], 1:])


def _only(root: Path, pattern: str) -> list[Path]:
    """The files below a folder, each name once."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob(pattern)):
        check_same(found.setdefault(path.name, path), path, "file of a dataset")
    return list(found.values())


def _clip(path: Path, frames: NDArray[np.float64], rows: NDArray[np.float64]) -> RawClip:
    return RawClip(path, frames, rows.reshape(len(rows), rows.shape[1] // 3, 3))


def _utkinect_labels(path: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Of each recording, such as `s01_e01`: numbers of the activity, of its first and of its last frame."""
    labels: dict[str, list[tuple[int, float, float]]] = {}
    found: list[tuple[int, float, float]] = []
    for line in filter(str.strip, read_text(path).splitlines()):
        if match := re.fullmatch(r"\s*(s\d+_e\d+)\s*", line):
            found = labels.setdefault(match[1], [])
            continue
        match = re.fullmatch(r"\s*(\w+):\s*(\d+|NaN)\s+(\d+|NaN)\s*", line)
        if not match or match[1] not in _UTKINECT_NAMES:
            raise DatasetError(f"{path}: {line.strip()!r}; expected such as 's01_e01' or 'sitDown: 572 686'")
        if "NaN" not in (match[2], match[3]):
            found.append((_UTKINECT_NAMES.index(match[1]) + 1, float(match[2]), float(match[3])))
    return labels


def _table(path: Path, columns: int) -> NDArray[np.float64]:
    """(lines, columns)."""
    rows = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith("%")]
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise DatasetError(f"{path}: {len(row)} numbers in line {number}; expected {columns}")
    try:
        return np.array(rows, np.float64).reshape(-1, columns)
    except ValueError as error:
        raise DatasetError(f"{path}: a line is not of numbers: {error}") from error
