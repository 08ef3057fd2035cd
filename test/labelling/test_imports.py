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

"""Labels of other programs become label files, or the line that cannot be meant is named."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.labelling.foreign_formats import export_labels
from mumu_ros.labelling.imports import import_labels
from mumu_ros.labelling.marks import Timeline
from mumu_ros.recordings.label_files import Label, LabelError

S = 1_000_000_000
START_NS = 1_700_000_000 * S
END_NS = START_NS + 90 * S
TIMELINE = Timeline(START_NS, END_NS, START_NS + np.arange(360) * (S // 4))
"""90 s, with a camera of 4 Hz."""
EXPECTED = [
    Label(START_NS + 500_000_000, START_NS + 3 * S + 250_000_000, "", "wave"),
    Label(START_NS + 61 * S, START_NS + 62 * S, "gait", "walk"),
]

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="3250"/>
    <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="61000"/><TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="62000"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="activity">
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
      <ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4">
      <ANNOTATION_VALUE>gait/walk</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
  </TIER>
  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="empty"/>
</ANNOTATION_DOCUMENT>
"""
TIER = EAF[EAF.index("<ANNOTATION>") : EAF.index("</TIER>")]
TWO_TIERS = EAF.replace('TIER_ID="empty"/>', f'TIER_ID="other">{TIER}</TIER>')
# A project of BORIS, cut down to what is needed, and its table of aggregated events.
BORIS = {
    "time_format": "hh:mm:ss",
    "project_format_version": "7.0",
    "behaviors_conf": {
        "0": {"type": "State event", "key": "w", "code": "wave", "category": "", "modifiers": ""},
        "1": {"type": "State event", "key": "k", "code": "walk", "category": "gait", "modifiers": ""},
        "2": {"type": "Point event", "key": "p", "code": "sneeze", "category": "", "modifiers": ""},
    },
    "observations": {
        "kitchen": {
            "type": "MEDIA",
            "events": [
                [0.5, "anna", "wave", "", "", 2],
                [1.0, "anna", "sneeze", "", "", 4],
                [3.25, "anna", "wave", "", "", 13],
                [61, "anna", "walk", "", ""],
                [62, "anna", "walk", "", ""],
            ],
        }
    },
}
AGGREGATED = (
    "Observation id,Observation date,Subject,Behavior,Behavioral category,Behavior type,"
    "Start (s),Stop (s),Duration (s)\n"
    "kitchen,2026-01-01 10:00:00,anna,wave,,STATE,0.500,3.250,2.750\n"
    "kitchen,2026-01-01 10:00:00,anna,sneeze,,POINT,1.000,1.000,NA\n"
    "kitchen,2026-01-01 10:00:00,anna,walk,gait,STATE,61.000,62.000,1.000\n"
)


def region(kind: str, name: str, **value: object) -> dict[str, object]:
    return {"id": "x", "from_name": "l", "to_name": "v", "type": kind, "value": {**value, kind: [name]}}


LABEL_STUDIO = [
    {
        "id": 7,
        "data": {"video": "kitchen.mp4"},
        "annotations": [
            {
                "id": 1,
                "result": [
                    region("timelinelabels", "wave", ranges=[{"start": 3, "end": 14}]),
                    region("timeserieslabels", "gait/walk", start=1700000061, end=1700000062.0, instant=False),
                    {"type": "choices", "value": {"choices": ["good"]}},
                ],
            }
        ],
    }
]
IMAGES = "".join(
    f'<image id="{i}" name="f{i}">{"<tag label=%swave%s/>" % (2 * (chr(34),)) if 2 <= i < 13 else ""}</image>'
    for i in range(40)
)
CVAT = (
    f"<annotations><version>1.1</version>{IMAGES}"
    '<track id="0" label="gait/walk"><box frame="244" outside="0"/><box frame="248" outside="1"/></track></annotations>'
)
FORMATS = {
    "cut.boris": json.dumps(BORIS),
    "aggregated.csv": AGGREGATED,
    "aggregated.tsv": AGGREGATED.replace(",", "\t"),
    "studio.json": json.dumps(LABEL_STUDIO),
    "cvat.xml": CVAT,
    "commas.txt": "0,500000\t3,250000\twave\n61,0\t62,0\tgait/walk\n",
    "points.txt": "0.5\t0.5\twave\n3.25\t3.25\t\n61.0\t61.0\tgait/walk\n62.0\t62.0\t\n",
    "audacity.txt": "0.500000\t3.250000\twave\n\\\t100.0\t200.0\n61.0\t62.0\tgait/walk\n",
    "elan.eaf": EAF,
    "plain.txt": "activity\t\t500\t3250\t2750\twave\nactivity\t\t61000\t62000\t1000\tgait/walk\n",
    "clock.tsv": "activity\t\t00:00:00.500\t00:00:03.250\t00:00:02.750\twave\n"
    "activity\t\t00:01:01.000\t00:01:02.000\t00:00:01.000\tgait/walk\n",
    "headed.txt": '#"file:///kitchen.mp4"\nBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - hh:mm:ss.ms\t'
    "End Time - ss.msec\tDuration - hh:mm:ss.ms\tDuration - ss.msec\tactivity\n"
    "00:00:00.500\t0.5\t00:00:03.250\t3.25\t00:00:02.750\t2.75\twave\n"
    "00:01:01.000\t61.0\t00:01:02.000\t62.0\t00:00:01.000\t1.0\tgait/walk\n",
    "relative.csv": "start,end,group,activity\n0.5,3.25,,wave\n61,62,gait,walk\n",
    "ours.csv": "start,end,group,activity\n1700000000.5,1700000003.25,,wave\n1700000061,1700000062,gait,walk\n",
    "lines.jsonl": '{"start": 0.5, "end": 3.25, "activity": "wave"}\n'
    '{"start": 61, "end": 62, "group": "gait", "activity": "walk"}\n',
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FORMATS[name], encoding="utf-8")
    assert import_labels(tmp_path / name, TIMELINE) == EXPECTED


def written(path: Path, spans: Sequence[tuple[float, float]]) -> Path:
    """A file that says in seconds when somebody drills, in the format of its suffix."""
    texts = {
        ".csv": "start,end,group,activity\n" + "".join(f"{a},{b},work,drill\n" for a, b in spans),
        ".jsonl": "".join(
            json.dumps({"start": a, "end": b, "group": "work", "activity": "drill"}) + "\n" for a, b in spans
        ),
        ".json": json.dumps(
            [{"annotations": [{"result": [region("labels", "work/drill", start=a, end=b) for a, b in spans]}]}]
        ),
    }
    path.write_text(texts[path.suffix], encoding="utf-8")
    return path


SECONDS = [".csv", ".jsonl", ".json"]


@pytest.mark.parametrize("suffix", SECONDS)
@pytest.mark.parametrize(
    ("start_s", "spans", "first_s", "said"),
    [
        (10, [(0, 20), (20, 40), (40, 60)], 0, None),
        (10, [(10, 30), (30, 50), (50, 70)], 0, None),
        (10, [(0, 20), (40, 61)], 0, None),
        (10, [(10, 30), (50, 71)], 0, None),
        (10, [(0, 20), (60, 61)], 0, "neither from its start nor as stamps; taken as seconds from its start"),
        (
            10,
            [(15, 30), (30, 55)],
            15,
            "both from its start and as stamps; taken as seconds from its start; subtract 10 s",
        ),
        (
            10,
            [(0, 20), (40, 62)],
            0,
            "neither from its start nor as stamps; taken as seconds from its start; subtract 10 s",
        ),
        (
            10,
            [(9, 20), (60, 70)],
            -1,
            "neither from its start nor as stamps; taken as stamps; add 10 s to them if they",
        ),
        (1_700_000_000, [(1_699_999_999, 1_700_000_050)], -1, "taken as stamps; add 1700000000 s"),
        (0, [(0, 20), (40, 62)], 0, None),
    ],
)
def test_seconds_of_a_file_are_all_stamps_or_all_from_the_start(
    suffix: str, start_s: int, spans: list[tuple[int, int]], first_s: int, said: str | None, tmp_path: Path
) -> None:
    reports: list[str] = []
    timeline = Timeline(start_s * S, (start_s + 60) * S, np.zeros(0, np.int64))
    labels = import_labels(written(tmp_path / f"a{suffix}", spans), timeline, report=reports.append)
    assert labels[0].start_ns == (start_s + first_s) * S
    assert [(x.end_ns - labels[0].start_ns) / S for x in labels] == [end - spans[0][0] for _, end in spans]
    assert [said is not None and said in report for report in reports] == [True] * (said is not None)


@pytest.mark.parametrize("suffix", SECONDS)
@given(
    start_s=st.integers(1, 300) | st.just(1_700_000_000),
    duration_s=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 300), min_size=2, max_size=6, unique=True).map(sorted),
    stamped=st.booleans(),
)
def test_the_only_reading_that_fits_the_recording_is_taken_without_a_word(
    suffix: str, start_s: int, duration_s: int, cuts: list[int], stamped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reports: list[str] = []
    times = [cut + start_s * stamped for cut in cuts]
    path = written(tmp_path_factory.getbasetemp() / f"readings{suffix}", list(pairwise(times)))
    timeline = Timeline(start_s * S, (start_s + duration_s) * S, np.zeros(0, np.int64))
    begin_ns = import_labels(path, timeline, report=reports.append)[0].start_ns
    from_start = times[-1] <= duration_s
    as_stamps = times[0] >= start_s and times[-1] <= start_s + duration_s
    assert begin_ns in (times[0] * S, (start_s + times[0]) * S)
    zero = times[0] - (begin_ns // S - start_s)
    rounded = zero <= times[0] and times[-2] < zero + duration_s == times[-1] - 1
    if from_start != as_stamps:
        assert begin_ns == (times[0] + start_s * from_start) * S
        assert reports == []
    elif rounded and not from_start:
        assert reports == []
    else:
        assert [("taken as stamps" in report) for report in reports] == [begin_ns == times[0] * S]


def test_a_region_before_the_recording_is_in_stamps_as_the_others(tmp_path: Path) -> None:
    """It begins 1 s before the first sample."""
    path = written(
        tmp_path / "a.json", [(START_NS // S - 1, START_NS // S + 2), (START_NS // S + 3, START_NS // S + 9)]
    )
    assert import_labels(path, TIMELINE)[0].start_ns == START_NS - S


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.doc", "", "not '.doc'"),
        ("a.txt", "", "has no labels"),
        ("a.tsv", "Observation id\tkitchen\n", "export 'Aggregated events' from BORIS"),
        ("a.boris", "[]", "is no project of BORIS"),
        ("a.boris", "1e99999999999999999999", "exponent is too large"),
        ("a.json", "1e99999999999999999999", "exponent is too large"),
        (
            "a.boris",
            json.dumps(BORIS).replace("[62,", "[99,").replace('"walk", "", ""]]', '"wave", "", ""]]'),
            "never stops",
        ),
        ("a.json", '[{"label": []}]', "is no export of Label Studio as JSON"),
        (
            "a.json",
            json.dumps(LABEL_STUDIO).replace('"end": 14', '"end": 362'),
            "frame 361; the recording's camera has 360",
        ),
        ("a.xml", "<a/>", "expected 'annotations' (CVAT 1.1)"),
        ("a.xml", CVAT.replace('"248"', '"soon"'), "a frame is 'soon'"),
        ("a.txt", "0.5\t3\n", ":1: 2 values; expected start, end and label"),
        ("a.txt", "3\t0.5\twave\n", "'wave' is from 3 s to 0.5 s"),
        ("a.txt", "0\t3\twave\n2\t4\twalk\n", "walk begins 1 s before wave ends, 2 s from the start"),
        ("a.txt", "one\t\t0\t500\t500\twave\ntwo\t\t600\t700\t100\twalk\n", "several tiers"),
        ("a.tsv", "activity\twave\n", ":1: expected begin, end, duration"),
        ("a.eaf", "<ANNOTATION", "is no ELAN file"),
        ("a.eaf", EAF.replace('"61000"', '"soon"'), "a time is 'soon'; expected seconds"),
        (
            "a.eaf",
            EAF.replace('TIME_SLOT_ID="ts3"', 'TIME_SLOT_ID="ts9"'),
            "time slot 'ts3', which is not there",
        ),
        (
            "a.eaf",
            TWO_TIERS,
            "several tiers",
        ),
        ("a.csv", "begin,end\n1,2\n", "expected start,end,group,activity"),
        ("a.eaf", EAF.replace("UTF-8", "UTF-99"), "is no ELAN file"),
        ("a.eaf", EAF.replace("UTF-8", "cp037"), "is no ELAN file"),
        ("a.eaf", EAF.replace('"61000"', '"1e999980"'), "a time is '1e999980'"),
        ("a.eaf", EAF.replace(">wave<", ">=wave<"), "annotation 1 of tier 'activity': '=wave' is not a name"),
        ("a.eaf", "<a>" * 100_000, "is no ELAN file"),
        ("a.txt", f"0\t{'9' * 100_000}\twave\n", ":1: a time is '9999"),
        ("a.txt", f"0\t{':'.join(['1'] * 1000)}\twave\n", "expected at most hours, minutes and seconds"),
        ("a.txt", "0\t1\twave\n1\t2\ta\0b\n", ":2: 'a\\x00b' is not a name"),
    ],
)
def test_what_cannot_be_meant_is_named(name: str, text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(LabelError, match=re.escape(reason)) as error:
        import_labels(tmp_path / name, TIMELINE)
    assert str(tmp_path / name) in str(error.value) or name == "a.doc"
    assert len(str(error.value)) < 1000


def test_an_imported_name_is_the_same_however_its_accents_are_typed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0\t1\tgru\u0308\u00df/pa\u0302te\n", encoding="utf-8")
    (label,) = import_labels(tmp_path / "a.txt", TIMELINE)
    assert (label.group, label.activity) == ("gr\u00fc\u00df", "p\u00e2te")


def test_one_of_several_tiers_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.eaf").write_text(TWO_TIERS.replace(">wave<", ">nod<", 1), encoding="utf-8")
    with pytest.raises(LabelError, match="several tiers: 'activity', 'other'; choose one with --tier"):
        import_labels(tmp_path / "a.eaf", TIMELINE)
    assert import_labels(tmp_path / "a.eaf", TIMELINE, "other") == EXPECTED
    with pytest.raises(LabelError, match="no tier 'empty' with labels"):
        import_labels(tmp_path / "a.eaf", TIMELINE, "empty")


def test_elan_annotations_between_aligned_ones_share_their_time(tmp_path: Path) -> None:
    """So ELAN shows them; annotations that refer to others have their time, or parts of it."""
    from pympi.Elan import Eaf

    elan = Eaf(author="test")
    elan.add_linguistic_type("ref", "Symbolic_Subdivision", timealignable=False)
    elan.add_tier("whole")
    elan.add_annotation("whole", 1000, 3000, "walk")
    elan.add_tier("parts", "ref", "whole")
    elan.add_ref_annotation("parts", "whole", 1500, "step")
    elan.to_file(str(tmp_path / "a.eaf"), pretty=False)
    assert import_labels(tmp_path / "a.eaf", TIMELINE, "parts") == [Label(START_NS + S, START_NS + 3 * S, "", "step")]
    middle = '<TIME_SLOT TIME_SLOT_ID="ts3"'
    chained = EAF.replace('TIME_SLOT_REF2="ts2"', 'TIME_SLOT_REF2="ts3"').replace(
        f'{middle} TIME_VALUE="61000"', middle
    )
    (tmp_path / "b.eaf").write_text(chained, encoding="utf-8")
    boundary_ns = START_NS + 31_250 * S // 1000
    assert import_labels(tmp_path / "b.eaf", TIMELINE)[0].end_ns == boundary_ns


def test_elan_annotations_count_from_the_beginning_of_the_first_media_file(tmp_path: Path) -> None:
    """Media that have been synchronised have an offset: where in the file ELAN's time begins."""
    from pympi.Elan import Eaf

    elan = Eaf(author="test")
    elan.add_tier("activity")
    elan.add_annotation("activity", 1000, 3000, "walk")
    elan.add_linked_file("file:///front.mp4", time_origin=2500)
    elan.add_linked_file("file:///side.mp4", time_origin=700)
    elan.to_file(str(tmp_path / "a.eaf"), pretty=False)
    first_ns = START_NS + 3_500_000_000
    assert import_labels(tmp_path / "a.eaf", TIMELINE) == [Label(first_ns, first_ns + 2 * S, "", "walk")]
    text = (tmp_path / "a.eaf").read_text(encoding="utf-8")
    for origin, reason in (("soon", "b.eaf: TIME_ORIGIN is 'soon'"), ("-1500", "'walk' is from -0.5 s")):
        (tmp_path / "b.eaf").write_text(text.replace('"2500"', f'"{origin}"'), encoding="utf-8")
        with pytest.raises(LabelError, match=reason):
            import_labels(tmp_path / "b.eaf", TIMELINE)


@pytest.mark.parametrize("suffix", [".txt", ".eaf", ".boris", ".json", ".xml"])
def test_what_is_exported_is_imported_again(suffix: str, tmp_path: Path) -> None:
    export_labels(tmp_path / f"a{suffix}", EXPECTED, TIMELINE)
    assert import_labels(tmp_path / f"a{suffix}", TIMELINE) == EXPECTED
    with pytest.raises(LabelError, match="exists already"):
        export_labels(tmp_path / f"a{suffix}", EXPECTED, TIMELINE)


ODD = [("work", "pick/place"), ("", "on/off"), ("rest", "a/b/c"), ("", "wave"), ("gait", "walk")]


@pytest.mark.parametrize("suffix", [".txt", ".eaf", ".boris", ".json", ".xml"])
def test_names_with_a_slash_come_back_as_they_were(suffix: str, tmp_path: Path) -> None:
    labels = [Label(START_NS + i * S, START_NS + (i + 1) * S, *names) for i, names in enumerate(ODD)]
    export_labels(tmp_path / f"a{suffix}", labels, TIMELINE)
    assert import_labels(tmp_path / f"a{suffix}", TIMELINE) == labels
    labels[0] = replace(labels[0], group="wo/rk")
    if suffix == ".boris":
        export_labels(tmp_path / f"b{suffix}", labels, TIMELINE)
        assert import_labels(tmp_path / f"b{suffix}", TIMELINE) == labels
    else:
        with pytest.raises(LabelError, match="the group 'wo/rk' has a slash"):
            export_labels(tmp_path / f"b{suffix}", labels, TIMELINE)
        assert not (tmp_path / f"b{suffix}").exists()


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to each part of a JSON value."""
    yield place
    for key, part in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield from places(part, (*place, key))


@pytest.mark.parametrize("suffix", [".boris", ".json"])
@pytest.mark.parametrize("odd", [None, True, -1, 1e300, "", "text", [], {}, ["text"], [[]], [{}], {"a": 1}], ids=repr)
def test_another_value_anywhere_is_read_or_refused(suffix: str, odd: object, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    export_labels(path, EXPECTED, TIMELINE)
    whole = [json.loads(path.read_text(encoding="utf-8"))]
    known = {"wave", "walk", "gait", "text", ""}
    for *way, last in filter(None, places(whole)):
        changed = copy.deepcopy(whole)
        functools.reduce(operator.getitem, way, changed)[last] = odd
        path.write_text(json.dumps(changed[0]), encoding="utf-8")
        with contextlib.suppress(LabelError):
            assert {name for x in import_labels(path, TIMELINE) for name in (x.group, x.activity)} <= known


def test_pympi_reads_our_elan_file(tmp_path: Path) -> None:
    from pympi.Elan import Eaf

    export_labels(tmp_path / "a.eaf", EXPECTED, TIMELINE)
    assert Eaf(str(tmp_path / "a.eaf")).get_annotation_data_for_tier("activity") == [
        (500, 3250, "wave"),
        (61000, 62000, "gait/walk"),
    ]


def test_our_cvat_file_names_its_labels_before_its_frames(tmp_path: Path) -> None:
    """As its description and datumaro 1.13 want it."""
    export_labels(tmp_path / "a.xml", EXPECTED, TIMELINE)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert [element.tag for element in root][:3] == ["version", "meta", "image"]
    assert [name.text for name in root.iterfind("meta/task/labels/label/name")] == ["gait/walk", "wave"]
    assert {tag.get("label") for tag in root.iterfind("image/tag")} == {"gait/walk", "wave"}


def test_bytes_are_no_labels(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"0\t1\t\xff\xfe")
    with pytest.raises(LabelError, match="no text in UTF-8"):
        import_labels(tmp_path / "a.txt", TIMELINE)
