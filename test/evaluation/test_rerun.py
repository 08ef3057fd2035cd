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

"""`mumu evaluate --rerun` writes what rerun itself reads: every sample, the truth, and what was decided when."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from mumu_ros.cli import main
from mumu_ros.model.checkpoint import read_config
from mumu_ros.recordings import Recording
from mumu_ros.share import share_path

rerun_chunk = pytest.importorskip("rerun.chunk", reason="rerun needs Python 3.11 and NumPy 2", exc_type=ImportError)
pytestmark = pytest.mark.slow


def test_rerun_reads_the_recording(simulated_bag: Path, evaluated: Path, tmp_path: Path) -> None:
    path = tmp_path / "person.rrd"
    arguments = ["--params", str(share_path("config", "sim.yaml")), "--rerun", str(path)]
    assert main(["evaluate", "sim", str(simulated_bag), *arguments]) == 0
    reader = rerun_chunk.RrdReader(path)
    assert len(reader.recordings()) == len(reader.blueprints()) == 1
    rows: Counter[str] = Counter()
    states: dict[str, list[tuple[int, str]]] = {}
    for chunk in reader.stream():
        rows[chunk.entity_path] += 0 if chunk.is_static else chunk.num_rows
        if chunk.entity_path.endswith(("/activity", "/truth")):
            batch = chunk.to_record_batch()
            stamps = [value.value for value in batch.column("stamp")]
            said = ["".join(value or []) for value in batch.column("StateChange:state").to_pylist()]
            states[chunk.entity_path] = list(zip(stamps, said, strict=True))
    with Recording(simulated_bag) as recording:
        counts = {topic.name: topic.count for topic in recording.topics.values()}
    expected = {"rgb": "/camera/color/image_raw", "depth": "/camera/depth/image_raw", "imu_belt": "/imu/belt"}
    assert {name: rows[f"/person/{name}"] for name in expected} == {
        name: counts[topic] for name, topic in expected.items()
    }
    with (evaluated / "predictions.csv").open() as file:
        decided = [row["activity"] for row in csv.DictReader(file)]
    assert [state for _, state in states["/person/activity"]] == [name for name, _ in groupby(decided)]
    assert rows["/person/attention"] == len(decided)
    assert [state for _, state in states["/person/truth"]][-1] == "", "it ends"


def test_streams_of_one_topic_are_shown_each_by_its_clock(
    simulated_bag: Path, shared_topic: Path, tmp_path: Path
) -> None:
    path = tmp_path / "person.rrd"
    with shared_topic.open("a") as file:
        file.write("/**: {ros__parameters: {imu_belt.offset_s: 0.3}}\n")
    assert main(["evaluate", "sim", str(simulated_bag), "--params", str(shared_topic), "--rerun", str(path)]) == 0
    stamps_ns: dict[str, list[int]] = {}
    for chunk in rerun_chunk.RrdReader(path).stream():
        if chunk.entity_path.startswith("/person/imu") and not chunk.is_static:
            stamps = chunk.to_record_batch().column("stamp")
            stamps_ns.setdefault(chunk.entity_path, []).extend(value.value for value in stamps)
    wrist, belt = (sorted(stamps_ns[f"/person/{name}"]) for name in ("imu_wrist", "imu_belt"))
    assert [stamp_ns + 300_000_000 for stamp_ns in wrist] == belt


@pytest.mark.parametrize(
    ("out", "complaint"),
    [
        ("file/person.rrd", "file"),
        ("folder.rrd", "expected a file that ends in .rrd"),
        ("person.txt", "expected a file that ends in .rrd"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_decided(
    simulated_bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, out: str, complaint: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.rrd").mkdir()
    monkeypatch.setattr("mumu_ros.evaluation.evaluate.evaluate_bag", pytest.fail)
    assert main(["evaluate", "sim", str(simulated_bag), "--rerun", str(tmp_path / out)]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / out.partition("/")[0]) in sentence
    assert complaint in sentence


def test_a_full_disk_is_an_error_that_names_the_file_and_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mumu_ros.evaluation import rerun_recording

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("File-writer thread shut down prematurely")

    path, config = tmp_path / "new" / "person.rrd", read_config("sim")
    rerun_recording.write_rerun(path, [], {}, config)
    before = path.read_bytes()
    monkeypatch.setattr(rerun_recording.rr.RecordingStream, "flush", fail)
    with pytest.raises(OSError, match=re.escape("shut down prematurely); is there room on the disk?")) as error:
        rerun_recording.write_rerun(path, [], {}, config)
    assert error.value.filename == str(path)
    assert [file.read_bytes() for file in path.parent.iterdir()] == [before]
