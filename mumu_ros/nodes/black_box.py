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

"""The last seconds of frames, written as a bag when a fault appears."""

from __future__ import annotations

import math
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from mumu_ros.nodes.worker import Worker
from mumu_ros.pipeline.framing import Frame
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.writer import RecordingWriter
from mumu_ros.streams import NS_PER_S

__all__ = ["BlackBox"]

KEPT_S = 10.0
TOGETHER_S = 1.0
"""A fault that is reported this soon after a bag is in it: it began before."""
MOST_BYTES = 64 * 2**20
"""Limit of samples in memory; with larger frames, fewer seconds are kept."""
MOST_BAGS = 10
"""Limit of bags in the folder; the oldest is deleted."""
PREFIX = "black_box_"
NAME, TYPE = "/multimodal_frame", "mumu_ros/msg/MultimodalFrame"


class BlackBox:
    """Keeps the last ten seconds of frames in memory and writes them, on its own thread, on request.

    At most one bag in ten seconds is written, since bags in quick succession have the same contents: a request waits
    until they are over, for one bag that has all of them. `report` is called, on any thread, with a sentence about each
    bag or error.

    Frames are of the full name `topic`. What is before `NAME` in it is a folder in `folder`: of several robots, each
    has its own.
    """

    def __init__(self, folder: Path, topic: str, report: Callable[[str], None]) -> None:
        self._folder = folder / topic.removesuffix(NAME).strip("/")
        self._topic = topic
        self._report = report
        self._frames: deque[tuple[float, Frame]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._written_s = -math.inf
        self._bags: list[Path] = []  # of this run, in order
        self._is_requested = False
        self._closing = threading.Event()
        self._worker: Worker[str] = Worker("black_box", self._write, lambda error: report(f"black box: {error}"))

    def keep(self, frame: Frame) -> None:
        """Add a frame, and drop those that are too old or too many."""
        with self._lock:
            self._frames.append((time.monotonic(), frame))
            self._bytes += _size(frame)
            while self._bytes > MOST_BYTES or self._frames[-1][0] - self._frames[0][0] > KEPT_S:
                self._bytes -= _size(self._frames.popleft()[1])
                if not self._frames:
                    return

    def write(self, why: str) -> None:
        """Write a bag named after the time and `why`, unless there are no frames yet, or a bag has them or will."""
        with self._lock:
            is_in_bag = self._is_requested or time.monotonic() - self._written_s < TOGETHER_S
            if is_in_bag or not self._frames:
                return
            self._is_requested = True
        self._worker.put(why)

    def close(self) -> None:
        """End the thread; a bag that is being written is completed, and one that is due later is written now."""
        self._closing.set()
        self._worker.stop()

    def _write(self, why: str) -> None:
        self._closing.wait(max(0.0, self._written_s + KEPT_S - time.monotonic()))
        with self._lock:
            now_s, now_ns = time.monotonic(), time.time_ns()
            frames = tuple(self._frames)
            self._written_s, self._is_requested = now_s, False
        if not frames:  # the newest was too large
            return
        when = datetime.fromtimestamp(now_ns / NS_PER_S, timezone.utc).strftime("%Y%m%dT%H%M%S")
        path = self._folder / re.sub(r"\W", "_", f"{PREFIX}{when}_{why}")[:120]
        self._make_room()
        try:
            with RecordingWriter(path) as writer:
                for came_s, frame in frames:
                    came_ns = now_ns - round((now_s - came_s) * NS_PER_S)
                    writer.write(self._topic, TYPE, frame.message(writer.types), came_ns)
        except RecordingError as error:
            self._report(f"black box: {error}")
            return
        self._bags.append(path)
        self._report(f"black box: the last {now_s - frames[0][0]:.0f} s of frames are in {path}")

    def _make_room(self) -> None:
        """Delete the oldest bags; those of this run last, since the clock may have been set back before it."""
        self._bags = [bag for bag in self._bags if bag.exists()]
        bags = [*sorted(set(self._folder.glob(f"{PREFIX}*")).difference(self._bags)), *self._bags]
        for old in bags[: max(0, len(bags) - MOST_BAGS + 1)]:
            shutil.rmtree(old, ignore_errors=True)


def _size(frame: Frame) -> int:
    images = sum(pixels.nbytes for _, _, pixels in frame.images.values())
    return images + sum(sample.nbytes for _, samples in frame.series.values() for sample in samples)
