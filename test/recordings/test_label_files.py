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

"""Label files: what is written is read again to the nanosecond, and what cannot be meant is refused by line."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.recordings import label_files as module
from mumu_ros.recordings.label_files import Label, LabelError, beyond, read_labels, write_labels
from mumu_ros.streams.stamps import FOREVER_NS
from mumu_ros.text import UNKNOWN, composed

WORDS = (
    st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
    .map(composed)
    .filter(lambda word: word[0] not in "=+-@")
)
HEADER = "start,end,group,activity\n"


@st.composite
def labels(draw: st.DrawFn) -> list[Label]:
    """Labels in order, with gaps and without, somewhere between 1970 and 2200."""
    at = draw(st.integers(0, 7_000_000_000_000_000_000))
    result = []
    for _ in range(draw(st.integers(1, 5))):
        at += draw(st.integers(0, 5_000_000_000))
        end = at + draw(st.integers(1, 5_000_000_000))
        result.append(Label(at, end, draw(st.just("") | WORDS), draw(WORDS)))
        at = end
    return result


@given(labels())
def test_labels_come_back_to_the_nanosecond(tmp_path_factory: pytest.TempPathFactory, some: list[Label]) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    write_labels(path, some)
    assert read_labels(path) == some
    lines = [
        f'{{"start": {Decimal(x.start_ns) / 10**9}, "end": {Decimal(x.end_ns) / 10**9}, '
        f'"activity": "{_escaped(x.activity)}", "group": "{_escaped(x.group)}"}}'
        for x in some
    ]
    as_json = path.with_suffix(".jsonl")
    as_json.write_text("\n".join(lines), encoding="utf-8")
    assert read_labels(as_json) == some


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def test_a_name_is_the_same_however_its_accents_are_typed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f"{HEADER}0,1,gru\u0308\u00df,pa\u0302te\n1,2,gr\u00fc\u00df,p\u00e2te\n", encoding="utf-8"
    )
    first, second = read_labels(tmp_path / "a.csv")
    assert (first.group, first.activity) == (second.group, second.activity) == ("gr\u00fc\u00df", "p\u00e2te")


def test_the_format_is_what_a_person_would_write(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("\ufeffstart,end,group,activity\n10, 12.5, , wave\r\n12.5,13,gait,walk\n", encoding="utf-8")
    first, second = Label(10**10, 12_500_000_000, "", "wave"), Label(12_500_000_000, 13 * 10**9, "gait", "walk")
    assert read_labels(path) == [first, second]
    write_labels(path, [first, second])
    assert path.read_text() == "start,end,group,activity\n10,12.5,,wave\n12.5,13,gait,walk\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no labels"),
        ("start,end,group,activity\n", "has no labels"),
        ("from,to,what\n1,2,wave\n", "begins with 'from,to,what'; expected start,end,group,activity"),
        ("start,end,group,activity\n1,2,,wave\n1.5,3,,walk\n", ":3: walk from 1.5 overlaps wave until 2"),
        ("start,end,group,activity\n5,6,,wave\n1,2,,walk\n", ":3: walk at 1 comes after wave at 5"),
        ("start,end,group,activity\n1,2,gesture,\n", ":2: the activity is empty"),
        ("start,end,group,activity\n1,2,gesture,unknown\n", ":2: 'unknown' is reserved for decisions of too little"),
        ("start,end,group,activity\n1,2,unknown,wave\n", ":2: 'unknown' is reserved for decisions of too little"),
        ("start,end,group,activity\n2,2,,wave\n", ":2: wave is from 2 to 2; expected an end after the start"),
        ("start,end,group,activity\nnow,2,,wave\n", ":2: start is 'now'; expected seconds"),
        ("start,end,group,activity\n1,nan,,wave\n", ":2: end is 'nan'; expected seconds"),
        ("start,end,group,activity\n1\n", ":2: end is None; expected seconds"),
        ("start,end,group,activity\n1,2,a,b,c\n", "is no label"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(LabelError) as error:
        read_labels(path)
    assert complaint in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("line", ["1", "{", '{"start": 1, "end": 2, "activity": "wave", "who": "me"}', '{"start": 1}'])
def test_json_lines_that_are_no_labels_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(line)
    with pytest.raises(LabelError, match=r"labels\.jsonl:1"):
        read_labels(path)


@pytest.mark.parametrize(
    "row",
    [
        "1e999980,2,,wave",
        "1,1e999999,,wave",
        "1,1e9999999999999999999,,wave",
        f"1,{'9' * 100_000},,wave",
        "1,9300000000,,wave",
        "1,-inf,,wave",
        "1,2,,=HYPERLINK(1)",
        "1,2,a\0b,wave",
        "1,2,,a\x1bb",
        f"1,2,,{'x' * 1000}",
        f"1,2,,{'x' * 200_000}",
    ],
)
@pytest.mark.parametrize("before", ["", "0,1,,wave\n"])
def test_a_row_beyond_any_limit_is_refused_by_its_line(tmp_path: Path, before: str, row: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes((HEADER + before + row).encode())
    with pytest.raises(LabelError, match=rf"labels\.csv:{2 + bool(before)}") as error:
        read_labels(path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"start":' * 100_000,
        '{"start": 1e999980, "end": 2, "activity": "wave"}',
        '{"start": 1e99999999999999999999, "end": 2, "activity": "wave"}',
        f'{{"start": 1, "end": {"9" * 100_000}, "activity": "wave"}}',
        '{"start": 1, "end": Infinity, "activity": "wave"}',
        '{"start": 0, "end": true, "activity": "wave"}',
        '{"start": 0, "end": [0, [1], 999999], "activity": "wave"}',
        '{"start": 0, "end": 1, "activity": ["wave"]}',
        '{"start": 0, "end": 1, "activity": "\\ud800"}',
        '{"start": 0, "end": 1, "activity": "a\\u0000b"}',
    ],
)
def test_json_beyond_any_limit_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"start": 0, "end": 1, "activity": "wave"}\n' + line)
    with pytest.raises(LabelError, match=r"labels\.jsonl:2") as error:
        read_labels(path)
    assert len(str(error.value)) < 1000


def test_more_labels_than_anybody_sets_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LABELS", 3)
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + "".join(f"{i},{i + 1},,wave\n" for i in range(1000)))
    with pytest.raises(LabelError, match=r"labels\.csv:5: more than 3 labels"):
        read_labels(path)
    some = [Label(i, i + 1, "", "wave") for i in range(4)]
    with pytest.raises(LabelError, match="more than 3 labels"):
        write_labels(path, some)
    write_labels(path, some[:3])
    assert read_labels(path) == some[:3]


@pytest.mark.parametrize(
    "label", [Label(0, 1, "", "=x"), Label(0, 1, "\ud800", "x"), Label(0, 1, "", UNKNOWN), Label(0, 2**63, "", "x")]
)
def test_what_could_not_be_read_again_is_not_written(tmp_path: Path, label: Label) -> None:
    with pytest.raises(LabelError, match=r"labels\.csv, label 1"):
        write_labels(tmp_path / "labels.csv", [label])
    assert not any(tmp_path.iterdir())


@settings(max_examples=60)
@given(st.text(max_size=40), st.sampled_from([".csv", ".jsonl"]))
def test_any_text_is_labels_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    path = tmp_path_factory.mktemp("labels").joinpath("labels").with_suffix(suffix)
    path.write_bytes((HEADER * (suffix == ".csv") + text).encode(errors="replace"))
    with pytest.raises(LabelError, match=re.escape(str(path))):
        read_labels(path)


def test_labels_that_overlap_are_not_written_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    good = [Label(0, 2, "", "wave")]
    write_labels(path, good)
    with pytest.raises(LabelError, match="overlaps"):
        write_labels(path, [*good, Label(1, 3, "", "walk")])
    assert read_labels(path) == good
    assert list(tmp_path.iterdir()) == [path]


FAR = st.integers(-5_000_000_000, 15_000_000_000)


@given(st.lists(FAR, min_size=2, max_size=8, unique=True).map(sorted), st.booleans())
def test_labels_that_reach_a_second_beyond_the_recording_are_counted(edges: list[int], is_open: bool) -> None:
    """The recording has stamps from 20 to 30 s."""
    start_ns, end_ns = 20 * 10**9, 30 * 10**9
    some = [Label(start_ns + a, start_ns + b, "", f"x{a}") for a, b in zip(edges[::2], edges[1::2], strict=False)]
    if is_open:  # like an annotation without an end, which lasts as long as the recording
        some[-1] = replace(some[-1], end_ns=FOREVER_NS)
    far = [
        x
        for x in some
        if x.start_ns < start_ns - 10**9
        or x.end_ns <= start_ns
        or x.start_ns > end_ns
        or end_ns + 10**9 < x.end_ns < FOREVER_NS
    ]
    text = beyond(some, start_ns, end_ns)
    if not far:
        assert text == ""
        return
    assert text.startswith(f"{len(far)} labels reach beyond the recording, with stamps from 20.000 to 30.000 s, by ")
    assert f", first {far[0].activity} from {far[0].start_ns / 10**9:.3f} to " in text


def test_a_link_to_a_label_file_stays_one(tmp_path: Path) -> None:
    for name in ("kept", "links"):
        (tmp_path / name).mkdir()
    real, link = tmp_path / "kept" / "labels.csv", tmp_path / "links" / "labels.csv"
    link.symlink_to(real)
    for some in ([Label(0, 2, "", "wave")], [Label(0, 3, "", "walk")]):  # a new file, and one that is there
        write_labels(link, some)
        assert read_labels(real) == some
    assert link.is_symlink()
    assert [*real.parent.iterdir(), *link.parent.iterdir()] == [real, link]


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelError, match="no text in UTF-8"):
        read_labels(path)
