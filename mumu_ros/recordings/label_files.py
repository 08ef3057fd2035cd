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

"""Label files: activities over time, for a recording without annotations.

    start,end,group,activity
    1700000000.0,1700000003.25,gesture,wave

`start` and `end` are seconds on the clock of the recording's header stamps, in decimal; a segment is [start, end).
`group` may be empty. The same as JSON lines: `{"start": 1700000000.0, "end": 1700000003.25, "activity": "wave"}`.
"""

from __future__ import annotations

import csv
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mumu_ros.files import replacing
from mumu_ros.reading import MAX_TEXT, parse_json, read_text
from mumu_ros.streams import NS_PER_S, ns_to_seconds
from mumu_ros.streams.stamps import FOREVER_NS
from mumu_ros.text import check_activity, composed, shorten

__all__ = [
    "MAX_LABELS",
    "Label",
    "LabelError",
    "beyond",
    "check_label",
    "find_labels",
    "format_seconds",
    "labels_path",
    "outside",
    "parse_seconds",
    "read_label_text",
    "read_labels",
    "write_labels",
]

MAX_LABELS = 100_000
"""In one file."""

_FIELDS = ("start", "end", "group", "activity")
_MAX_NS = 2**63
_LONGEST_TIME = 40


class LabelError(ValueError):
    """Invalid labels; the text contains the file, the line and what is expected."""


@dataclass(frozen=True)
class Label:
    """What one person did in [start_ns, end_ns).

    Attributes:
        start_ns: In nanoseconds of header stamps.
        end_ns: Likewise, after the start.
        group: Of the taxonomy; empty if unknown.
        activity: Of the taxonomy, not empty.

    Names are what `check_activity` takes, and stamps fit 64 bits, in what is read and what is written.
    """

    start_ns: int
    end_ns: int
    group: str
    activity: str


def labels_path(recording: str | Path) -> Path:
    """The default path of a recording's labels: beside it, `walk.labels.csv` for `walk`."""
    path = Path(os.path.abspath(recording))
    return path.with_name(f"{path.stem if path.is_file() else path.name}.labels.csv")


def find_labels(recording: str | Path) -> Path | None:
    """The label file beside a recording; None if there is none."""
    path = labels_path(recording)
    return path if path.exists() else None


def read_labels(path: str | Path) -> list[Label]:
    """Read a label file: CSV, or JSON lines where the name ends in .jsonl.

    Returns:
        The labels in order of time, at least one.

    Raises:
        LabelError: The file has no labels or too many, a line is no label, or two are out of order or overlap; names
            the line.
        OSError: It cannot be read, or has more than 16 MiB.
    """
    path = Path(path)
    text = read_label_text(path)
    rows = _json_rows(path, text) if path.suffix == ".jsonl" else _csv_rows(path, text)
    labels, lines = [], []
    for number, row in islice(rows, MAX_LABELS + 1):
        labels.append(_label(f"{path}:{number}", row))
        lines.append(f"{path}:{number}")
    if not labels:
        raise LabelError(f"{path} has no labels; expected lines with {', '.join(_FIELDS)}")
    _check(labels, lines)
    return labels


def read_label_text(path: Path) -> str:
    """The text of a file with labels.

    Raises:
        LabelError: It is not UTF-8.
        OSError: It cannot be read, or is too large.
    """
    try:
        return read_text(path, MAX_TEXT)
    except ValueError as error:
        raise LabelError(f"{path} is no text in UTF-8 ({error}); expected labels") from error


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write a label file as CSV; a file that is there, or that a link leads to, is replaced once the new one is whole.

    A new file is readable by its owner only (it may describe what people did at home); an existing one keeps its
    mode.

    Raises:
        LabelError: A label is empty, or two are out of order or overlap.
        OSError: It cannot be written.
    """
    path = Path(path)
    labels = list(labels)
    _check(labels, [f"{path}, label {i}" for i in range(1, len(labels) + 1)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    for label in labels:
        writer.writerow((format_seconds(label.start_ns), format_seconds(label.end_ns), label.group, label.activity))
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    with (
        replacing(Path(os.path.realpath(path))) as temporary,
        open(temporary, "x", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file,
    ):
        os.fchmod(file.fileno(), mode)
        file.write(text.getvalue())


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        if reader.fieldnames is not None and set(reader.fieldnames) != set(_FIELDS):
            begin = shorten(",".join(reader.fieldnames), 120)
            raise LabelError(f"{path}:1 begins with {begin!r}; expected {','.join(_FIELDS)}")
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise LabelError(f"{path}:{reader.line_num + 1} is no CSV: {error}") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, parse_float=Decimal, parse_int=Decimal)
        except ValueError as error:
            raise LabelError(f"{path}:{number} is no JSON: {error}") from error
        if not isinstance(row, dict) or set(row) - set(_FIELDS):
            raise LabelError(
                f"{path}:{number} is {shorten(line.strip())}; expected an object with {', '.join(_FIELDS)}"
            )
        yield number, row


def _label(where: str, row: Mapping[str, Any]) -> Label:
    group, activity = (row.get(name) or "" for name in ("group", "activity"))
    if not isinstance(group, str) or not isinstance(activity, str) or None in row:
        raise LabelError(f"{where}: {shorten(str(dict(row)))} is no label; expected {', '.join(_FIELDS)}")
    start_ns, end_ns = (round(parse_seconds(f"{where}: {name}", row.get(name)) * NS_PER_S) for name in _FIELDS[:2])
    return Label(start_ns, end_ns, composed(group.strip()), composed(activity.strip()))


def outside(labels: Sequence[Label], start_ns: int, end_ns: int) -> str:
    """Say that none of the labels touches a recording with stamps from `start_ns` to `end_ns`; empty if one does."""
    if not labels or any(label.end_ns > start_ns and label.start_ns <= end_ns for label in labels):
        return ""
    first, last, begin, end = map(ns_to_seconds, (labels[0].start_ns, labels[-1].end_ns, start_ns, end_ns))
    return (
        f"the labels, from {first:.3f} to {last:.3f} s, all lie outside the recording, with stamps from {begin:.3f} to "
        f"{end:.3f} s; labels have header stamps: mumu label --import takes a file with seconds from the start"
    )


def beyond(labels: Sequence[Label], start_ns: int, end_ns: int) -> str:
    """Say how many labels reach more than a second beyond a recording with stamps from `start_ns` to `end_ns`, or lie
    outside it; empty if none does.

    An end at `FOREVER_NS`, as of an annotation without one, is taken for the recording's.
    """
    known = [x if x.end_ns < FOREVER_NS else replace(x, end_ns=max(x.start_ns, end_ns)) for x in labels]
    reach_ns = [max(start_ns - label.start_ns, label.end_ns - end_ns) for label in known]
    far = [
        label
        for label, reach in zip(known, reach_ns, strict=True)
        if reach > NS_PER_S or label.end_ns <= start_ns or label.start_ns > end_ns
    ]
    if not far:
        return ""
    first, last, begin, end = map(ns_to_seconds, (far[0].start_ns, far[0].end_ns, start_ns, end_ns))
    return (
        f"{len(far)} labels reach beyond the recording, with stamps from {begin:.3f} to {end:.3f} s, by up to "
        f"{max(reach_ns) / NS_PER_S:.1f} s, first {far[0].activity} from {first:.3f} to {last:.3f} s"
    )


def parse_seconds(where: str, value: Any) -> Decimal:
    """Seconds from text, or from a number that was parsed as a decimal.

    Raises:
        LabelError: It is no number, or as nanoseconds does not fit 64 bits.
    """
    try:
        # A million digits, or an exponent of a million, would be computed with.
        if isinstance(value, str | Decimal) and len(str(value)) <= _LONGEST_TIME:
            seconds = Decimal(value)
            if abs(seconds) < _MAX_NS // NS_PER_S:
                return seconds
    except DecimalException:
        pass
    text = shorten(str(value), 120) if isinstance(value, Decimal) else shorten(repr(value), 120)
    raise LabelError(f"{where} is {text}; expected seconds, such as 1700000000.25")


def format_seconds(stamp_ns: int) -> str:
    """Return nanoseconds as decimal seconds, exactly."""
    # Exact: a float has no room for nanoseconds since 1970.
    whole, rest = divmod(stamp_ns, NS_PER_S)
    return f"{whole}.{rest:09d}".rstrip("0").removesuffix(".")


def check_label(label: Label, where: str) -> None:
    """Reject a label without activity, with an invalid name, or with invalid times.

    Raises:
        LabelError: It is refused; the text begins with `where`.
    """
    if not label.activity:
        raise LabelError(f"{where}: the activity is empty; leave out what nobody labelled")
    for name in filter(None, (label.group, label.activity)):
        try:
            check_activity(name)
        except ValueError as error:
            raise LabelError(f"{where}: {error}") from error
    if label.start_ns < 0 or not label.start_ns < label.end_ns < _MAX_NS:
        raise LabelError(
            f"{where}: {label.activity} is from {format_seconds(label.start_ns)} to {format_seconds(label.end_ns)}; "
            "expected an end after the start, and before the year 2262"
        )


def _check(labels: Sequence[Label], lines: Sequence[str]) -> None:
    if len(labels) > MAX_LABELS:
        raise LabelError(f"{lines[MAX_LABELS]}: more than {MAX_LABELS} labels; divide the recording")
    for label, where in zip(labels, lines, strict=True):
        check_label(label, where)
    for before, label, where in zip(labels, labels[1:], lines[1:], strict=False):
        if label.start_ns < before.start_ns:
            raise LabelError(
                f"{where}: {label.activity} at {format_seconds(label.start_ns)} comes after {before.activity} at "
                f"{format_seconds(before.start_ns)}; expected labels in order of time"
            )
        if label.start_ns < before.end_ns:
            raise LabelError(
                f"{where}: {label.activity} from {format_seconds(label.start_ns)} overlaps {before.activity} until "
                f"{format_seconds(before.end_ns)}; a person does one thing at a time"
            )
