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

"""How often recognitions agree with what was going on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Recognition", "Truth", "TruthSegment", "of_epoch"]


@dataclass(frozen=True)
class Recognition:
    """One decision about (start_ns, stamp_ns]."""

    start_ns: int
    stamp_ns: int
    activity: str


@dataclass(frozen=True)
class TruthSegment:
    """True activity and person in [start_ns, end_ns); the texts are empty if unlabelled.

    `epoch` is the run between jumps back in time of which it is; None: of every one.
    """

    start_ns: int
    end_ns: int
    activity: str
    group: str = ""
    subject: str = ""
    epoch: int | None = None


def of_epoch(segments: Iterable[TruthSegment], epoch: int) -> list[TruthSegment]:
    """The segments of a run between jumps back in time."""
    return [segment for segment in segments if segment.epoch in (None, epoch)]


class Truth:
    """Annotated segments of one person, in any order, not overlapping."""

    def __init__(self, segments: Iterable[TruthSegment]) -> None:
        self._segments = sorted(set(segments), key=lambda segment: segment.start_ns)
        self._starts = [segment.start_ns for segment in self._segments]

    def at(self, stamp_ns: int) -> TruthSegment | None:
        """The segment that holds an instant, if any."""
        index = bisect_right(self._starts, stamp_ns) - 1
        if index < 0 or stamp_ns >= self._segments[index].end_ns:
            return None
        return self._segments[index]

    def label(self, recognition: Recognition) -> str | None:
        """The activity at the recognition's stamp; None where none is annotated."""
        segment = self.at(recognition.stamp_ns)
        return segment.activity if segment and segment.activity else None

    def is_inside(self, recognition: Recognition) -> bool:
        """Whether the whole window lies inside one activity."""
        segment = self.at(recognition.stamp_ns)
        return segment is not None and recognition.start_ns >= segment.start_ns
