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

"""Tab-delimited text: Audacity's label tracks, and ELAN's export."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from mumu_ros.labelling.boris import is_boris_table, read_boris_table
from mumu_ros.labelling.marks import MS_PER_S, Mark, Timeline, clock_seconds, mark_text
from mumu_ros.recordings.label_files import Label, LabelError, read_label_text

__all__ = ["read_delimited", "write_audacity"]

_TIME = re.compile(r"\d[\d:.,]*$")


def read_delimited(path: Path, _timeline: Timeline) -> Iterable[Mark]:
    """Read tab-delimited text: Audacity's lines begin with two numbers, ELAN's with a tier or a header.

    Raises:
        LabelError: A line is neither.
    """
    text = read_label_text(path)
    if is_boris_table(text):
        return read_boris_table(path, text)
    rows = [
        (number, line.split("\t"))
        for number, line in enumerate(text.splitlines(), start=1)
        # A line that begins with a backslash has the frequencies of Audacity's label above it; # has ELAN's media.
        if line.strip() and not line.startswith(("\\", "#"))
    ]
    if rows and all(map(_TIME.match, rows[0][1][:2])):
        return _audacity(path, rows)
    return _elan_export(path, rows)


def write_audacity(labels: Sequence[Label], timeline: Timeline) -> str:
    """A label track for Audacity's `File > Import > Labels`."""
    rows = zip(labels, timeline.spans(labels), strict=True)
    return "".join(f"{begin:f}\t{end:f}\t{mark_text(label)}\n" for label, (begin, end) in rows)


def _audacity(path: Path, rows: list[tuple[int, list[str]]]) -> Iterable[Mark]:
    """Start, end and label; a point label ends where it starts, and has a comma where the language has one."""
    for number, values in rows:
        where = f"{path}:{number}"
        if len(values) != 3:
            raise LabelError(f"{where}: {len(values)} values; expected start, end and label, as of Audacity")
        begin, end = (clock_seconds(where, value) for value in values[:2])
        yield Mark(where, begin, None if begin == end else end, values[2])


def _elan_export(path: Path, rows: list[tuple[int, list[str]]]) -> Iterable[Mark]:
    """Tier and participant, if ticked; begin, end and duration, each in as many formats as were ticked; the text."""
    if rows and any(value.startswith("Begin Time") for value in rows[0][1]):
        rows = rows[1:]
    for number, values in rows:
        where = f"{path}:{number}"
        first = next((index for index, value in enumerate(values) if _TIME.match(value)), len(values))
        times = list(takewhile(_TIME.match, values[first:-1]))
        formats, rest = divmod(len(times), 3)
        if not times or rest or first + len(times) != len(values) - 1:
            raise LabelError(
                f"{where}: expected begin, end, duration and the text of one tier, as in ELAN's export as "
                "tab-delimited text"
            )
        # ELAN writes hours:minutes:seconds, seconds with a point, or whole milliseconds.
        begin, end = (
            clock_seconds(where, text) / (1 if set(text) & set(":.,") else MS_PER_S)
            for text in (times[0], times[formats])
        )
        yield Mark(where, begin, end, values[-1], " ".join(filter(None, values[:first])))
