"""Labels that were made with other programs: CSV, ELAN, Audacity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import islice, pairwise, takewhile
from pathlib import Path
from xml.etree import ElementTree

from mumu_ros.reading import MAX_TEXT, read_bytes
from mumu_ros.recordings.labels import (
    MAX_LABELS,
    Label,
    LabelError,
    check_label,
    parse_seconds,
    read_label_text,
    read_labels,
)
from mumu_ros.streams import NS_PER_S

__all__ = ["import_labels"]

_MS_PER_S = 1000

_TIME = re.compile(r"\d[\d:.]*$")

_Times = tuple[str, Decimal, Decimal, str]
"""Where it is written, start and end in seconds from the start of the recording, what was written there."""


def import_labels(path: str | Path, start_ns: int, end_ns: int) -> list[Label]:
    """Read labels of a recording from another program's file.

    ELAN (.eaf, or its export as tab-delimited text) and Audacity (.txt, .tsv both) count from the start of what was
    labelled, which is taken to be the start of the recording. A CSV counts from there as well, unless its labels lie in
    the recording as they are: then it is a label file of ours.

    Args:
        path: The file; its suffix says what it is.
        start_ns: First stamp of the recording.
        end_ns: Last stamp.

    Returns:
        Labels in order of time. ELAN's and Audacity's have no group; `group/activity` in their text gives one.

    Raises:
        LabelError: The file has no labels, or a line is none; names the file and the line.
        OSError: It cannot be read.
    """
    path = Path(path)
    if path.suffix in (".csv", ".jsonl"):
        labels = read_labels(path)
        if any(label.start_ns < end_ns and label.end_ns > start_ns for label in labels):
            return labels
        return [Label(start_ns + x.start_ns, start_ns + x.end_ns, x.group, x.activity) for x in labels]
    readers: Mapping[str, Callable[[Path], Iterable[_Times]]] = {".eaf": _elan, ".tsv": _delimited, ".txt": _delimited}
    if path.suffix not in readers:
        raise LabelError(f"{path}: labels are imported from .csv, .jsonl, {', '.join(readers)}, not {path.suffix!r}")
    written = (times for times in readers[path.suffix](path) if times[-1].strip())
    labels = [_label(start_ns, times) for times in islice(written, MAX_LABELS + 1)]
    if not labels:
        raise LabelError(f"{path} has no labels")
    if len(labels) > MAX_LABELS:
        raise LabelError(f"{path} has more than {MAX_LABELS} labels; divide the recording")
    labels.sort(key=lambda label: label.start_ns)
    for before, label in pairwise(labels):
        if label.start_ns < before.end_ns:
            raise LabelError(
                f"{path}: {label.activity} begins {(before.end_ns - label.start_ns) / NS_PER_S:g} s before "
                f"{before.activity} ends, {(label.start_ns - start_ns) / NS_PER_S:g} s from the start; one person does "
                "one thing at a time: export a single tier"
            )
    return labels


def _label(start_ns: int, times: _Times) -> Label:
    where, begin, end, text = times
    if end <= begin or begin < 0:
        raise LabelError(
            f"{where}: {text!r} is from {begin} s to {end} s; expected an end after the start, both from 0 on"
        )
    group, _, activity = text.strip().rpartition("/")
    label = Label(start_ns + round(begin * NS_PER_S), start_ns + round(end * NS_PER_S), group.strip(), activity.strip())
    check_label(label, where)
    return label


def _delimited(path: Path) -> Iterable[_Times]:
    """Tab-delimited text: Audacity's lines begin with two numbers, ELAN's with a tier or a header."""
    rows = [
        (number, line.split("\t"))
        for number, line in enumerate(read_label_text(path).splitlines(), start=1)
        # A line that begins with a backslash has the frequencies of Audacity's label above it; # has ELAN's media.
        if line.strip() and not line.startswith(("\\", "#"))
    ]
    if rows and all(map(_TIME.match, rows[0][1][:2])):
        return _audacity(path, rows)
    return _elan_export(path, rows)


def _audacity(path: Path, rows: list[tuple[int, list[str]]]) -> Iterable[_Times]:
    """Start, end and label."""
    for number, values in rows:
        if len(values) != 3:
            raise LabelError(f"{path}:{number}: {len(values)} values; expected start, end and label, as of Audacity")
        where = f"{path}:{number}"
        yield where, _seconds(where, values[0]), _seconds(where, values[1]), values[2]


def _elan_export(path: Path, rows: list[tuple[int, list[str]]]) -> Iterable[_Times]:
    """Tier and participant, if ticked; begin, end and duration, each in as many formats as were ticked; the text."""
    if rows and any(value.startswith("Begin Time") for value in rows[0][1]):
        rows = rows[1:]
    tiers = set()
    for number, values in rows:
        first = next((index for index, value in enumerate(values) if _TIME.match(value)), len(values))
        times = list(takewhile(_TIME.match, values[first:-1]))
        formats, rest = divmod(len(times), 3)
        if not times or rest or first + len(times) != len(values) - 1:
            raise LabelError(
                f"{path}:{number}: expected begin, end, duration and the text of one tier, as in ELAN's export as "
                "tab-delimited text"
            )
        tiers.add(tuple(values[:first]))
        if len(tiers) > 1:
            raise LabelError(f"{path}:{number}: several tiers, {sorted(tiers)}; export one by itself")
        where = f"{path}:{number}"
        yield where, _elan_seconds(where, times[0]), _elan_seconds(where, times[formats]), values[-1]


def _elan_seconds(where: str, text: str) -> Decimal:
    """ELAN writes hours:minutes:seconds, seconds with a point, or whole milliseconds."""
    return _seconds(where, text) / (1 if set(text) & set(":.") else _MS_PER_S)


def _elan(path: Path) -> Iterable[_Times]:
    """ELAN's own file: time slots in milliseconds, and annotations of the first tier that is aligned to them."""
    try:
        # Expat stops at billion laughs, and external entities are never fetched.
        root = ElementTree.fromstring(read_bytes(path, MAX_TEXT))
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # an encoding may be unknown
        raise LabelError(f"{path} is no ELAN file: {error}") from error
    slots = {x.get("TIME_SLOT_ID"): x.get("TIME_VALUE") for x in root.iter("TIME_SLOT")}
    tiers = [(tier.get("TIER_ID"), list(tier.iter("ALIGNABLE_ANNOTATION"))) for tier in root.iter("TIER")]
    filled = [(name, segments) for name, segments in tiers if segments]
    if len(filled) > 1:
        names = ", ".join(str(name) for name, _ in filled)
        raise LabelError(f"{path} has several tiers with annotations: {names}; save one by itself")
    for _, segments in filled:
        for number, annotation in enumerate(segments, start=1):
            begin, end = (slots.get(annotation.get(f"TIME_SLOT_REF{which}")) for which in (1, 2))
            if begin is None or end is None:
                raise LabelError(f"{path}: annotation {number} has no time of its own; align it in ELAN")
            where = f"{path}: annotation {number}"
            text = annotation.findtext("ANNOTATION_VALUE") or ""
            yield where, _seconds(where, begin) / _MS_PER_S, _seconds(where, end) / _MS_PER_S, text


def _seconds(where: str, text: str) -> Decimal:
    """Seconds, or hours, minutes and seconds with colons between."""
    parts = text.strip().split(":")
    if len(parts) > 3:
        raise LabelError(f"{where}: a time is {text[:40]!r}; expected at most hours, minutes and seconds")
    seconds = Decimal(0)
    for part in parts:
        seconds = 60 * seconds + parse_seconds(f"{where}: a time", part)
    return seconds
