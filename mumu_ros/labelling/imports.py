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

"""Labels that were made with other programs: CSV, ELAN, Audacity, BORIS, Label Studio, CVAT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

from mumu_ros.labelling.boris import is_boris_table, read_boris, read_boris_table
from mumu_ros.labelling.cvat import read_cvat
from mumu_ros.labelling.delimited import read_delimited
from mumu_ros.labelling.elan import read_elan
from mumu_ros.labelling.label_studio import read_label_studio
from mumu_ros.labelling.marks import Mark, Timeline
from mumu_ros.recordings.label_files import (
    MAX_LABELS,
    Label,
    LabelError,
    check_label,
    format_seconds,
    read_label_text,
    read_labels,
)
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import composed

__all__ = ["import_labels"]

_ROUNDED_NS = NS_PER_S
"""A recording of 23.99 s may be labelled until 24 s."""


def _read_csv(path: Path, timeline: Timeline) -> Iterable[Mark]:
    text = read_label_text(path)
    return read_boris_table(path, text) if is_boris_table(text) else _read_ours(path, timeline)


def _read_ours(path: Path, _timeline: Timeline) -> Iterable[Mark]:
    for label in read_labels(path):
        begin, end = (Decimal(stamp_ns) / NS_PER_S for stamp_ns in (label.start_ns, label.end_ns))
        yield Mark(str(path), begin, end, label.activity, group=label.group, may_be_stamps=True)


_READERS: Mapping[str, Callable[[Path, Timeline], Iterable[Mark]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_ours,
    ".txt": read_delimited,
    ".tsv": read_delimited,
    ".eaf": read_elan,
    ".boris": read_boris,
    ".json": read_label_studio,
    ".xml": read_cvat,
}


def import_labels(
    path: str | Path, timeline: Timeline, tier: str | None = None, report: Callable[[str], None] | None = None
) -> list[Label]:
    """Read labels of a recording from another program's file.

    Other programs count from the start of what was labelled, which is taken to be the start of the recording, and
    frames are those of the recording's camera. Seconds of a CSV and of Label Studio count from there as well, or are
    stamps as in a label file of ours: whatever more of the file lies in the recording by; from its start if as much.

    Args:
        path: The file; its suffix says what it is.
        timeline: Of the recording.
        tier: The one to take of several: a tier of ELAN, `observation/subject` of BORIS, a task of Label Studio.
        report: Gets a sentence that says what was taken, if both fit the recording or neither does.

    Returns:
        Labels in order of time. A text `group/activity` gives a group, up to its first slash; in BORIS the behavioural
        category does, and a slash means nothing.

    Raises:
        LabelError: The file has no labels or several tiers, or a line is none; names the file and the line.
        OSError: It cannot be read.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise LabelError(f"{path}: labels are imported from {', '.join(_READERS)}, not {path.suffix!r}")
    marks = _of_one_tier(path, list(islice(reader(path, timeline), MAX_LABELS + 1)), tier)
    if len(marks) > MAX_LABELS:
        raise LabelError(f"{path} has more than {MAX_LABELS} labels; divide the recording")
    marks = [mark for mark in _ended(marks, timeline) if mark.text.strip()]
    if not marks:
        raise LabelError(f"{path} has no labels")
    zero_ns = _zero_ns(path, marks, timeline, report)
    labels = [_label(mark, zero_ns if mark.may_be_stamps else timeline.start_ns) for mark in marks]
    labels.sort(key=lambda label: label.start_ns)
    for before, label in pairwise(labels):
        if label.start_ns < before.end_ns:
            raise LabelError(
                f"{path}: {label.activity} begins {(before.end_ns - label.start_ns) / NS_PER_S:g} s before "
                f"{before.activity} ends, {(label.start_ns - timeline.start_ns) / NS_PER_S:g} s from the start; one "
                "person does one thing at a time"
            )
    return labels


def _of_one_tier(path: Path, marks: Sequence[Mark], tier: str | None) -> Sequence[Mark]:
    names = list(dict.fromkeys(mark.tier for mark in marks))
    if tier is not None and tier not in names:
        raise LabelError(f"{path} has no tier {tier!r} with labels; it has {', '.join(map(repr, names)) or 'none'}")
    if tier is None and len(names) > 1:
        raise LabelError(f"{path} has several tiers: {', '.join(map(repr, names))}; choose one with --tier")
    return [mark for mark in marks if tier in (None, mark.tier)]


def _ended(marks: Sequence[Mark], timeline: Timeline) -> Iterator[Mark]:
    """In order of time; a point lasts until the next mark or the end of the recording."""
    ordered = sorted(marks, key=lambda mark: mark.begin)
    following = [*(mark.begin for mark in ordered[1:]), timeline.seconds(timeline.end_ns)]
    for mark, after in zip(ordered, following, strict=False):
        yield replace(mark, end=after) if mark.end is None else mark


def _zero_ns(path: Path, marks: Sequence[Mark], timeline: Timeline, report: Callable[[str], None] | None) -> int:
    """What the marks that may be stamps count from: the start of the recording, or 0 if they are stamps."""
    spans = [(_ns(mark.begin), _ns(mark.end)) for mark in marks if mark.may_be_stamps and mark.end is not None]
    start_ns, duration_ns = timeline.start_ns, timeline.end_ns - timeline.start_ns
    from_start_ns, as_stamps_ns = (
        sum(max(min(end, zero + duration_ns) - max(begin, zero), 0) for begin, end in spans) for zero in (0, start_ns)
    )
    are_stamps = as_stamps_ns > from_start_ns

    def lie_within(zero_ns: int, margin_ns: int = 0) -> bool:
        end_ns = zero_ns + duration_ns
        return all(zero_ns <= begin < end_ns and end <= end_ns + margin_ns for begin, end in spans)

    taken_ns, other_ns = (start_ns, 0) if are_stamps else (0, start_ns)
    fits = lie_within(taken_ns, _ROUNDED_NS)
    if report and spans and start_ns and fits == lie_within(other_ns):
        fit = "both from its start and as stamps" if fits else "neither from its start nor as stamps"
        start = format_seconds(start_ns)
        taken = (
            f"stamps; add {start} s to them if they count from its start"
            if are_stamps
            else f"seconds from its start; subtract {start} s from them if they are stamps"
        )
        report(f"{path}: the times fit the recording {fit}; taken as {taken}")
    return 0 if are_stamps else start_ns


def _label(mark: Mark, zero_ns: int) -> Label:
    assert mark.end is not None
    if mark.end <= mark.begin or mark.begin < 0:
        raise LabelError(
            f"{mark.where}: {mark.text!r} is from {mark.begin} s to {mark.end} s; expected an end after the start, "
            "both from 0 on"
        )
    group, activity = mark.group, mark.text
    if group is None:
        group, activity = activity.split("/", 1) if "/" in activity else ("", activity)
    start_ns, end_ns = (zero_ns + _ns(seconds) for seconds in (mark.begin, mark.end))
    label = Label(start_ns, end_ns, composed(group.strip()), composed(activity.strip()))
    check_label(label, mark.where)
    return label


def _ns(seconds: Decimal) -> int:
    return round(seconds * NS_PER_S)
