"""Label files: what somebody did when, for a recording without annotations.

    start,end,group,activity
    1700000000.0,1700000003.25,gesture,wave

`start` and `end` are seconds on the clock of the recording's header stamps, in decimal; a segment is [start, end).
`group` may be empty. The same as JSON lines: `{"start": 1700000000.0, "end": 1700000003.25, "activity": "wave"}`.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from mumu_ros.files import replacing

__all__ = ["Label", "LabelError", "format_seconds", "labels_path", "read_labels", "write_labels"]

_FIELDS = ("start", "end", "group", "activity")
_NS_PER_S = 1_000_000_000


class LabelError(ValueError):
    """Labels that cannot be meant; the text names the file, the line and what would be right."""


@dataclass(frozen=True)
class Label:
    """What one person did in [start_ns, end_ns).

    Attributes:
        start_ns: In nanoseconds of header stamps.
        end_ns: Likewise, after the start.
        group: Of the taxonomy; empty where nobody said.
        activity: Of the taxonomy, not empty.
    """

    start_ns: int
    end_ns: int
    group: str
    activity: str


def labels_path(recording: str | Path) -> Path:
    """Where the labels of a recording are unless somebody says otherwise: beside it, `walk.labels.csv` for `walk`."""
    path = Path(os.path.abspath(recording))
    return path.with_name(f"{path.stem if path.is_file() else path.name}.labels.csv")


def read_labels(path: str | Path) -> list[Label]:
    """Read a label file: CSV, or JSON lines where the name ends in .jsonl.

    Returns:
        The labels in order of time, at least one.

    Raises:
        LabelError: The file has no labels, a line is no label, or two are out of order or overlap; names the line.
        OSError: It cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelError(f"{path} is no text in UTF-8 ({error}); expected a label file, CSV or .jsonl") from error
    rows = _json_rows(path, text) if path.suffix == ".jsonl" else _csv_rows(path, text)
    labels, lines = [], []
    for number, row in rows:
        labels.append(_label(f"{path}:{number}", row))
        lines.append(f"{path}:{number}")
    if not labels:
        raise LabelError(f"{path} has no labels; expected lines with {', '.join(_FIELDS)}")
    _check(labels, lines)
    return labels


def write_labels(path: str | Path, labels: Iterable[Label]) -> None:
    """Write a label file as CSV; a file that is there is replaced once the new one is whole.

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
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    if reader.fieldnames is not None and set(reader.fieldnames) != set(_FIELDS):
        raise LabelError(f"{path} begins with {','.join(reader.fieldnames)!r}; expected {','.join(_FIELDS)}")
    for row in reader:
        yield reader.line_num, row


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        except ValueError as error:
            raise LabelError(f"{path}:{number} is no JSON: {error}") from error
        if not isinstance(row, dict) or set(row) - set(_FIELDS):
            raise LabelError(f"{path}:{number} is {line.strip()}; expected an object with {', '.join(_FIELDS)}")
        yield number, row


def _label(where: str, row: Mapping[str, Any]) -> Label:
    group, activity = (row.get(name) or "" for name in ("group", "activity"))
    if not isinstance(group, str) or not isinstance(activity, str) or None in row:
        raise LabelError(f"{where}: {dict(row)} is no label; expected {', '.join(_FIELDS)}")
    return Label(_nanoseconds(where, "start", row), _nanoseconds(where, "end", row), group.strip(), activity.strip())


def _nanoseconds(where: str, name: str, row: Mapping[str, Any]) -> int:
    value = row.get(name)
    try:
        return int((Decimal(value if value is not None else "") * _NS_PER_S).to_integral_value())
    except (InvalidOperation, TypeError, ValueError, OverflowError) as error:
        raise LabelError(f"{where}: {name} is {value!r}; expected seconds, such as 1700000000.25") from error


def format_seconds(stamp_ns: int) -> str:
    """Return nanoseconds as decimal seconds, exactly."""
    # Exact: a float has no room for nanoseconds since 1970.
    whole, rest = divmod(stamp_ns, _NS_PER_S)
    return f"{whole}.{rest:09d}".rstrip("0").removesuffix(".")


def _check(labels: Sequence[Label], lines: Sequence[str]) -> None:
    for label, where in zip(labels, lines, strict=True):
        if not label.activity:
            raise LabelError(f"{where}: the activity is empty; leave out what nobody labelled")
        if label.start_ns < 0 or label.end_ns <= label.start_ns:
            raise LabelError(
                f"{where}: {label.activity} is from {format_seconds(label.start_ns)} to "
                f"{format_seconds(label.end_ns)}; expected an end after the start"
            )
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
