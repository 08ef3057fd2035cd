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

"""What the label files of all programs have in common: marks on a time line, read from a file and written to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from mumu_ros.recordings.label_files import Label, LabelError, parse_seconds
from mumu_ros.streams import NS_PER_S

__all__ = ["FRAME_SUFFIXES", "MS_PER_S", "Mark", "Timeline", "clock_seconds", "label_text", "mark_text"]

FRAME_SUFFIXES = (".json", ".xml")
"""Of files that may count frames: Label Studio, CVAT."""
MS_PER_S = 1000


@dataclass(frozen=True)
class Mark:
    """What a program's file says of a stretch of time.

    Attributes:
        where: File and line, for errors.
        begin: Seconds from the start of the recording.
        end: Likewise; None: a point in time, whose label lasts until the next mark.
        text: The activity; blank: nothing is done from then on.
        tier: The tier, subject or task that it is of; a file with several needs one to be chosen.
        group: Of the activity; None: the format has no place for it, and `text` is what `mark_text` makes of both.
        may_be_stamps: Whether its times may be stamps of the recording instead, as all such marks of the file then.
    """

    where: str
    begin: Decimal
    end: Decimal | None
    text: str
    tier: str = ""
    group: str | None = None
    may_be_stamps: bool = False


@dataclass(frozen=True, eq=False)
class Timeline:
    """The time of a recording.

    Attributes:
        start_ns: First stamp, from which other programs count.
        end_ns: Last stamp.
        frames_ns: int64 (N,), ascending stamps of the camera whose frames CVAT and Label Studio count; empty: none.
    """

    start_ns: int
    end_ns: int
    frames_ns: NDArray[np.int64]

    def seconds(self, stamp_ns: int) -> Decimal:
        """Seconds from the start."""
        return Decimal(stamp_ns - self.start_ns) / NS_PER_S

    def of_frame(self, where: str, index: int) -> Decimal:
        """When a frame was taken, counted from 0, in seconds from the start; the one after the last: the end.

        Raises:
            LabelError: The recording has fewer frames.
        """
        if not 0 <= index <= len(self.frames_ns):
            raise LabelError(f"{where}: frame {index}; the recording's camera has {len(self.frames_ns)} frames")
        stamps_ns = [*self.frames_ns[index : index + 1].tolist(), self.end_ns]
        return self.seconds(stamps_ns[0])

    def frames_of(self, label: Label) -> tuple[int, int]:
        """The first frame of a label, and the first after it."""
        first, end = np.searchsorted(self.frames_ns, (label.start_ns, label.end_ns)).tolist()
        return first, end

    def spans(self, labels: Sequence[Label]) -> list[tuple[Decimal, Decimal]]:
        """Begin and end of labels in seconds; one that begins before the recording begins with it.

        Raises:
            LabelError: One ends before the recording.
        """
        for label in labels:
            if label.end_ns <= self.start_ns:
                raise LabelError(f"{label.activity} ends {-self.seconds(label.end_ns)} s before the recording begins")
        return [(max(self.seconds(label.start_ns), Decimal(0)), self.seconds(label.end_ns)) for label in labels]


def label_text(label: Label) -> str:
    """A label's name for people: `group/activity`, or the activity alone."""
    return f"{label.group}/{label.activity}" if label.group else label.activity


def mark_text(label: Label) -> str:
    """A label's name for programs that have no groups: `group/activity`, of which the first slash divides.

    An activity without a group is alone, or after a slash if it has one itself.

    Raises:
        LabelError: The group has a slash.
    """
    if "/" in label.group:
        raise LabelError(
            f"the group {label.group!r} has a slash, which in this format divides it from the activity; rename it, or "
            "export to .boris"
        )
    return f"{label.group}/{label.activity}" if label.group or "/" in label.activity else label.activity


def clock_seconds(where: str, text: str) -> Decimal:
    """Seconds, or hours, minutes and seconds with colons between; the decimal sign is a point or a comma.

    Raises:
        LabelError: It is no time.
    """
    parts = text.strip().replace(",", ".").split(":")
    if len(parts) > 3:
        raise LabelError(f"{where}: a time is {text[:40]!r}; expected at most hours, minutes and seconds")
    seconds = Decimal(0)
    for part in parts:
        seconds = 60 * seconds + parse_seconds(f"{where}: a time", part)
    return seconds
