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

"""ELAN's annotation files (.eaf).

They are parsed here; pympi-ling is the oracle of the tests, because it has no times for annotations between aligned
ones, and ends with a bare KeyError on what is damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from mumu_ros.labelling.marks import MS_PER_S, Mark, Timeline, clock_seconds, mark_text
from mumu_ros.reading import MAX_TEXT, read_bytes
from mumu_ros.recordings.label_files import Label, LabelError, parse_seconds

__all__ = ["parse_xml", "read_elan", "write_elan"]

_DEEPEST = 100
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_Slots = Mapping[str, str | None]
_Span = tuple[Decimal, Decimal]


def read_elan(path: Path, _timeline: Timeline) -> Iterable[Mark]:
    """Read the annotations of all tiers, timed from the beginning of the first media file.

    Annotations between aligned ones share the time evenly, as ELAN shows them, and so do those of a symbolic
    subdivision; those of a symbolic association have the time of what they belong to.

    Raises:
        LabelError: It is no ELAN file, or an annotation has no time.
    """
    root = parse_xml(path, "ELAN")
    slots: _Slots = {x.get("TIME_SLOT_ID", ""): x.get("TIME_VALUE") for x in root.iter("TIME_SLOT")}
    tiers = [_Tier(path, x.get("TIER_ID", ""), slots, x) for x in root.iter("TIER")]
    parents = {identity: span for tier in tiers for identity, span in tier.aligned.items()}
    for _ in range(_DEEPEST):  # a tier may come before the one that it refers to
        if not any(tier.refer(parents) for tier in tiers):
            break
    # Where in the media file ELAN's time begins.
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    text = "0" if media is None else media.get("TIME_ORIGIN", "0")
    origin = parse_seconds(f"{path}: TIME_ORIGIN", text) / MS_PER_S
    spans = {identity: (begin + origin, end + origin) for identity, (begin, end) in parents.items()}
    for tier in tiers:
        yield from tier.marks(spans)


def write_elan(labels: Sequence[Label], timeline: Timeline) -> str:
    """An ELAN file with one tier, `activity`, in milliseconds; the media file is linked in ELAN."""
    attributes = {"AUTHOR": "", "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"), "FORMAT": "3.0"}
    schema = {"xmlns:xsi": _XSI, "xsi:noNamespaceSchemaLocation": _SCHEMA}
    root = Element("ANNOTATION_DOCUMENT", {**attributes, "VERSION": "3.0", **schema})
    SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    order = SubElement(root, "TIME_ORDER")
    tier = SubElement(root, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID="activity")
    for number, (label, span) in enumerate(zip(labels, timeline.spans(labels), strict=True), start=1):
        slots = [f"ts{2 * number - 1}", f"ts{2 * number}"]
        for slot, seconds in zip(slots, span, strict=True):
            SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(round(seconds * MS_PER_S)))
        identity = {"ANNOTATION_ID": f"a{number}", "TIME_SLOT_REF1": slots[0], "TIME_SLOT_REF2": slots[1]}
        annotation = SubElement(SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", identity)
        SubElement(annotation, "ANNOTATION_VALUE").text = mark_text(label)
    SubElement(
        root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="default-lt", TIME_ALIGNABLE="true"
    )
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def parse_xml(path: Path, program: str) -> Element:
    """The root of a program's XML file.

    Raises:
        LabelError: It is none.
        OSError: It cannot be read, or is too large.
    """
    try:
        # Expat stops at billion laughs, and external entities are never fetched.
        return ElementTree.fromstring(read_bytes(path, MAX_TEXT))
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # an encoding may be unknown
        raise LabelError(f"{path} is no {program} file: {error}") from error


@dataclass
class _Tier:
    """A tier's annotations: those with time slots of their own, and those that refer to others."""

    path: Path
    name: str
    slots: _Slots
    element: Element
    aligned: dict[str, _Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        annotations = list(self.element.iter("ALIGNABLE_ANNOTATION"))
        ends = [x.get(f"TIME_SLOT_REF{which}", "") for x in annotations for which in (1, 2)]
        chain = [slot for slot, _ in groupby(ends)]
        times = dict(zip(chain, self._between([self._time(slot) for slot in chain]), strict=True))
        for number, annotation in enumerate(annotations, start=1):
            begin, end = (times[slot] for slot in ends[2 * number - 2 : 2 * number])
            if begin is None or end is None:
                raise LabelError(
                    f"{self.path}: annotation {number} of tier {self.name!r} has no time of its own; align it in ELAN"
                )
            self.aligned[annotation.get("ANNOTATION_ID", "")] = (begin, end)

    def refer(self, parents: dict[str, _Span]) -> bool:
        """Give what refers to others its time, and say whether anything got one."""
        found = False
        children: dict[str, list[str]] = {}
        for x in self.element.iter("REF_ANNOTATION"):
            children.setdefault(x.get("ANNOTATION_REF", ""), []).append(x.get("ANNOTATION_ID", ""))
        for parent, names in children.items():
            if parent not in parents or names[0] in parents:
                continue
            begin, end = parents[parent]
            step = (end - begin) / len(names)
            parents.update({name: (begin + i * step, begin + (i + 1) * step) for i, name in enumerate(names)})
            found = True
        return found

    def marks(self, spans: Mapping[str, _Span]) -> Iterable[Mark]:
        """What the tier says."""
        for number, annotation in enumerate(self.element.iterfind("ANNOTATION/*"), start=1):
            where = f"{self.path}: annotation {number} of tier {self.name!r}"
            span = spans.get(annotation.get("ANNOTATION_ID", ""))
            if span is None:
                raise LabelError(f"{where} refers to one that is not there")
            yield Mark(where, *span, annotation.findtext("ANNOTATION_VALUE") or "", self.name)

    def _time(self, slot: str) -> Decimal | None:
        where = f"{self.path}: tier {self.name!r}"
        if slot not in self.slots:
            raise LabelError(f"{where} refers to the time slot {slot[:40]!r}, which is not there")
        value = self.slots[slot]
        return None if value is None else clock_seconds(where, value) / MS_PER_S

    def _between(self, times: list[Decimal | None]) -> list[Decimal | None]:
        """Fill in runs of unknown times evenly between known ones."""
        filled = list(times)
        known = [i for i, seconds in enumerate(times) if seconds is not None]
        for left, right in pairwise(known):
            begin, end = times[left], times[right]
            assert begin is not None
            assert end is not None
            for i in range(left + 1, right):
                filled[i] = begin + (end - begin) * (i - left) / (right - left)
        return filled
