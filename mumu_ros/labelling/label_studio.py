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

"""Label Studio's tasks with annotations (JSON): frames of a video, stretches of sound, or of a time series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from json import dumps
from pathlib import Path
from typing import Any

from mumu_ros.labelling.marks import Mark, Timeline, mark_text
from mumu_ros.reading import parse_json
from mumu_ros.recordings.label_files import Label, LabelError, parse_seconds, read_label_text

__all__ = ["read_label_studio", "write_label_studio"]

_FRAMES = "timelinelabels"
_SECONDS = ("labels", "timeserieslabels")


def read_label_studio(path: Path, timeline: Timeline) -> Iterable[Mark]:
    """Read the export as JSON; the tier is the task, and the annotation where it has several.

    Regions of `TimelineLabels` count frames, from 1; those of `Labels` (sound) and `TimeSeriesLabels` are in seconds
    from the start, or in stamps of the recording.

    Raises:
        LabelError: It is no such export.
    """
    try:
        tasks = parse_json(read_label_text(path), parse_float=Decimal, parse_int=Decimal)
        results = [(tier, result.get("type"), result.get("value")) for task in tasks for tier, result in _results(task)]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabelError(f"{path} is no export of Label Studio as JSON (not JSON-MIN): {error!r}") from error
    for number, (tier, kind, value) in enumerate(results, start=1):
        where = f"{path}: region {number}"
        if kind not in (_FRAMES, *_SECONDS) or not isinstance(value, dict):
            continue  # a choice for the whole task, a box, a relation
        names = value.get(kind)
        if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
            raise LabelError(f"{where} has the labels {names!r}; expected one")
        for begin, end in _frames(where, value, timeline) if kind == _FRAMES else [_seconds(where, value)]:
            yield Mark(where, begin, end, names[0], tier, may_be_stamps=kind != _FRAMES)


def write_label_studio(labels: Sequence[Label], timeline: Timeline) -> str:
    """One task: of a video if the recording has a camera, whose frames count, else of a time series in seconds."""
    video = len(timeline.frames_ns) > 0
    regions: list[dict[str, Any]] = []
    for label, (begin, end) in zip(labels, timeline.spans(labels), strict=True):
        if video:
            first, after = timeline.frames_of(label)
            kind = _FRAMES
            value: dict[str, Any] = {"ranges": [{"start": first + 1, "end": after + 1}]}
        else:
            kind = _SECONDS[1]
            value = {"start": float(begin), "end": float(end), "instant": False}
        names = {"from_name": "activity", "to_name": "video" if video else "ts"}
        regions.append({**names, "type": kind, "value": {**value, kind: [mark_text(label)]}})
    data = {"video": "recording.mp4"} if video else {"csv": "recording.csv"}
    return dumps([{"data": data, "annotations": [{"result": regions}]}], indent=1, ensure_ascii=False) + "\n"


def _results(task: Any) -> Iterator[tuple[str, Any]]:
    annotations = [x for x in task["annotations"] if not x.get("was_cancelled")]
    for number, annotation in enumerate(annotations, start=1):
        part = f"/annotation {annotation.get('id', number)}" if len(annotations) > 1 else ""
        for result in annotation["result"]:
            yield f"task {task.get('id', 1)}{part}", result


def _frames(where: str, value: dict[str, Any], timeline: Timeline) -> Iterator[tuple[Decimal, Decimal]]:
    ranges = value.get("ranges")
    if not isinstance(ranges, list) or not all(isinstance(part, dict) for part in ranges):
        raise LabelError(f"{where} has the ranges {ranges!r}; expected objects with start and end")
    for part in ranges:
        first, last = (int(parse_seconds(f"{where}: {name}", part.get(name))) for name in ("start", "end"))
        # Counted from 1. A range ends with a frame; so does the next begin with it if they meet.
        yield timeline.of_frame(where, first - 1), timeline.of_frame(where, max(last - 1, first))


def _seconds(where: str, value: dict[str, Any]) -> tuple[Decimal, Decimal]:
    begin, end = (parse_seconds(f"{where}: {name}", value.get(name)) for name in ("start", "end"))
    return begin, end
