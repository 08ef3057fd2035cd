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

"""BORIS: projects (.boris), and tables of aggregated events."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from json import dumps
from pathlib import Path
from typing import Any

from mumu_ros.labelling.marks import Mark, Timeline, clock_seconds
from mumu_ros.reading import parse_json
from mumu_ros.recordings.label_files import Label, LabelError, parse_seconds, read_label_text

__all__ = ["is_boris_table", "read_boris", "read_boris_table", "write_boris"]

_FIRST = "Observation id"
_START, _STOP = "Start (s)", "Stop (s)"
_POINT = "Point event"


def is_boris_table(text: str) -> bool:
    """Whether a CSV or tab-delimited text is of BORIS."""
    return text.startswith(_FIRST)


def read_boris_table(path: Path, text: str) -> Iterable[Mark]:
    """Read aggregated events. The tier is `observation/subject`; point events have no duration and are left out.

    Raises:
        LabelError: It is another table of BORIS, or a line is none.
    """
    rows = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    if not {_START, _STOP, "Behavior"} <= set(rows.fieldnames or ()):
        raise LabelError(
            f"{path} has no {_START!r}: export 'Aggregated events' from BORIS, or import the .boris project"
        )
    for row in rows:
        where = f"{path}:{rows.line_num}"
        if row.get("Behavior type") == "POINT":
            continue
        begin, end = (clock_seconds(where, row[name] or "") for name in (_START, _STOP))
        tier = f"{row[_FIRST]}/{row.get('Subject') or ''}"
        yield Mark(where, begin, end, row["Behavior"] or "", tier, _group(row.get("Behavioral category")))


def read_boris(path: Path, _timeline: Timeline) -> Iterable[Mark]:
    """Read the state events of a project; the tier is `observation/subject`, the behavioural category is the group.

    Raises:
        LabelError: It is no project, or an event is none.
    """
    try:
        project = parse_json(read_label_text(path), parse_float=Decimal, parse_int=Decimal)
        behaviours = {str(x["code"]): x for x in project["behaviors_conf"].values()}
        observations = {name: list(x["events"]) for name, x in project["observations"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabelError(f"{path} is no project of BORIS: {error!r}") from error
    for name, events in observations.items():
        open_since: dict[tuple[str, ...], Decimal] = {}
        for number, event in enumerate(events, start=1):
            where = f"{path}: event {number} of {name!r}"
            seconds, key = _event(where, event)
            behaviour = behaviours.get(key[1])
            if behaviour is None:
                raise LabelError(f"{where}: behaviour {key[1]!r} is not in the project's ethogram")
            if str(behaviour.get("type", "")).startswith(_POINT):
                continue
            if key not in open_since:
                open_since[key] = seconds
            else:
                group = _group(behaviour.get("category"))
                yield Mark(where, open_since.pop(key), seconds, key[1], f"{name}/{key[0]}", group)
        for (subject, code, _), seconds in open_since.items():  # an error if its tier is taken
            where = f"{path}: an event of {name!r} never stops; fix it in BORIS"
            yield Mark(where, seconds, seconds, code, f"{name}/{subject}")


def write_boris(labels: Sequence[Label], timeline: Timeline) -> str:
    """A project with one observation, `recording`: activities are state events, groups are behavioural categories.

    Raises:
        LabelError: An activity has two groups.
    """
    groups: dict[str, str] = {}
    for label in labels:
        if groups.setdefault(label.activity, label.group) != label.group:
            raise LabelError(
                f"{label.activity} has the groups {groups[label.activity]!r} and {label.group!r}; one only"
            )
    behaviours = [
        {"type": "State event", "key": "", "code": activity, "description": "", "category": group,
         "modifiers": "", "excluded": "", "coding map": ""}
        for activity, group in groups.items()
    ]  # fmt: skip
    spans = zip(labels, timeline.spans(labels), strict=True)
    events = [[float(at), "", label.activity, "", ""] for label, span in spans for at in span]
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    observation = {"date": now, "description": "", "type": "LIVE", "time offset": 0.0, "file": {}, "events": events}
    observation |= {"independent_variables": {}, "observation time interval": [0, 0]}
    project = {
        "time_format": "seconds", "project_date": now, "project_name": "mumu_ros", "project_description": "",
        "project_format_version": "7.0", "subjects_conf": {}, "independent_variables": {}, "coding_map": {},
        "behavioral_categories": list(dict.fromkeys(filter(None, groups.values()))), "converters": {},
        "behaviors_conf": {str(i): behaviour for i, behaviour in enumerate(behaviours)},
        "observations": {"recording": observation},
    }  # fmt: skip
    return dumps(project, indent=1, ensure_ascii=False) + "\n"


def _event(where: str, event: Any) -> tuple[Decimal, tuple[str, str, str]]:
    """When an event is, and what it toggles: subject, behaviour, modifier."""
    if not isinstance(event, list) or len(event) < 4 or not isinstance(event[2], str):
        raise LabelError(f"{where} is {str(event)[:80]!r}; expected time, subject, behaviour and modifier")
    return parse_seconds(f"{where}: its time", event[0]), (str(event[1]), event[2], str(event[3]))


def _group(category: Any) -> str:
    return category if isinstance(category, str) else ""
