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

"""The film of what was recognised: pictures with people and activities drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.files import replacing
from mumu_ros.people import Person
from mumu_ros.people.drawing import Activity, draw
from mumu_ros.recognize.sources import SourceError

__all__ = ["Film"]


class Film:
    """An MP4 of what was seen, at the usual rate of its first pictures, which wait until it is known.

    Each picture is shown until the time of the next; one that comes too early for the rate is left out. The film is
    whole or not there. After an error it has what was seen before.
    """

    _CODEC = "mp4v"
    _WAITING = 12
    _LONGEST_PAUSE_S = 60.0
    """A longer pause is shortened to this: a clock that is set would fill the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: list[tuple[float, NDArray[np.uint8]]] = []
        self._stack = ExitStack()
        self._part = path
        self._writer: cv2.VideoWriter | None = None
        self._rate = self._start_s = 0.0
        self._last = np.zeros((0, 0, 3), np.uint8)
        self._count = 0

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._stack:
            self._put_waiting()
            if self._writer:
                self._writer.release()
                self._require(_is_whole(self._part, self._count))  # the writer says nothing of a full disk

    def write(
        self, at_s: float, rgb: NDArray[np.uint8], people: Sequence[Person], activities: dict[str, Activity]
    ) -> None:
        """Add a picture of this time."""
        self._waiting.append((at_s, draw(rgb, people, activities)))
        if self._writer or len(self._waiting) == self._WAITING:
            self._put_waiting()

    def _put_waiting(self) -> None:
        self._rate = self._rate or _rate([at_s for at_s, _ in self._waiting])
        for at_s, picture in self._waiting:
            self._put(at_s, np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), np.uint8))
        self._waiting = []

    def _put(self, at_s: float, picture: NDArray[np.uint8]) -> None:
        if self._writer is None:
            self._writer, self._start_s = self._open((picture.shape[1], picture.shape[0])), at_s
            self._last = picture
        if picture.shape != self._last.shape:  # the writer would leave it out
            picture = np.asarray(cv2.resize(picture, self._last.shape[1::-1]), np.uint8)
        self._start_s = max(self._start_s, at_s - self._count / self._rate - self._LONGEST_PAUSE_S)
        place = round((at_s - self._start_s) * self._rate)
        if place < self._count:
            return
        for _ in range(place - self._count):
            self._writer.write(self._last)
        self._writer.write(picture)
        self._last, self._count = picture, place + 1

    def _open(self, size: tuple[int, int]) -> cv2.VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Absolute: FFmpeg takes what is before a colon for a protocol.
        self._part = self._stack.enter_context(replacing(self._path.absolute()))
        codec = cv2.VideoWriter_fourcc(*self._CODEC)  # type: ignore[attr-defined]
        writer = cv2.VideoWriter(str(self._part), codec, self._rate, size)
        self._require(writer.isOpened())
        return writer

    def _require(self, is_fine: bool) -> None:
        if not is_fine:
            raise SourceError(f"{str(self._path)!r} cannot be written as MP4; is there room on the disk?")


def _is_whole(path: Path, count: int) -> bool:
    """Whether a video has so many pictures (one more: Ctrl-C while it was written), and the last one can be decoded."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, count - 1)
    is_whole = capture.get(cv2.CAP_PROP_FRAME_COUNT) >= count and capture.read()[0]
    capture.release()
    return is_whole


def _rate(times_s: Sequence[float]) -> float:
    """The usual rate of the first pictures, Hz: the median, without the first step, in which the networks warm up."""
    steps_s = np.diff(times_s)
    steps_s = steps_s[1:] if len(steps_s) > 1 else steps_s
    usual_s = float(np.median(steps_s[steps_s > 0])) if (steps_s > 0).any() else 0.1
    rate = min(1.0 / usual_s, 240.0)
    return rate if rate < 65 else float(round(rate))  # the codec does not take a fraction of a high rate
