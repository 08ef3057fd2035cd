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

"""docs/own-activities.md, command by command: a new model recognises what the shipped one did not know."""

from __future__ import annotations

import csv
import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from mumu_ros import cli
from mumu_ros.model.checkpoint import read_config
from mumu_ros.nodes.processes import own_domain
from mumu_ros.recordings import Recording
from mumu_ros.recordings.annotations import read_annotations
from mumu_ros.recordings.label_files import read_labels
from mumu_ros.share import share_path

ROOT = Path(__file__).resolve().parents[1]
NEW = {"bow", "stretch"}
Start = Callable[..., "subprocess.Popen[str]"]


def commands(page: str) -> list[list[str]]:
    """The commands of a page: indented lines that begin with mumu."""
    return [shlex.split(line)[1:] for line in re.findall(r"^    (mumu .*)$", page, re.MULTILINE)]


def save_as_it_is(bag: str, started: Start) -> None:
    """Open the label page as a browser does, and press Save."""
    command = [sys.executable, "-m", "mumu_ros.cli", "label", bag, "--port", "0"]
    server = started(command, ignoring_sigint=True)  # as in a script
    assert server.stdout
    address = re.search(r"http://\S+/", server.stdout.readline())
    assert address, "the page has an address"
    with urllib.request.urlopen(f"{address[0]}recording", timeout=20) as answer:
        page = json.loads(answer.read())
    labels = page["labels"]
    body = json.dumps({"version": page["version"], "labels": labels}).encode()
    post = urllib.request.Request(f"{address[0]}labels", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(post, timeout=20) as answer:
        assert json.loads(answer.read())["saved"] == len(labels)
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=20) == 0


def record_nobody(words: list[str], started: Start) -> None:
    """There is no robot here: `mumu record` waits for its topics, and Ctrl-C ends it."""
    process = started([sys.executable, "-m", "mumu_ros.cli", *words], ignoring_sigint=True)
    assert process.stderr
    # Fast DDS 3 begins with a warning of its own.
    assert any("nobody publishes /camera/color/camera_info yet" in line for line in islice(process.stderr, 2))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 1
    assert not Path(words[-1]).exists(), "nothing has come"


def as_audacity(bag: str) -> None:
    """Somebody has labelled a bag in Audacity."""
    with Recording(bag) as recording:
        labels = read_annotations(recording, recording.end_ns)
        start_ns = recording.start_ns
    rows = (f"{(x.start_ns - start_ns) / 1e9}\t{(x.end_ns - start_ns) / 1e9}\t{x.group}/{x.activity}\n" for x in labels)
    Path(f"{bag}.txt").write_text("".join(rows))


def recall(report: Path, activity: str) -> float:
    """Share of the windows inside one activity that were recognised, of that activity."""
    with (report / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["true_activity"] == activity]
    assert rows
    return sum(row["activity"] == activity for row in rows) / len(rows)


def run(words: list[str], started: Start) -> None:
    """Do what somebody does who types this."""
    if words[0] == "launch":
        subprocess.run([sys.executable, "-m", "mumu_ros.cli", *words], check=True, timeout=120)
    elif words[0] == "record":
        record_nobody(words, started)
    elif words[0] == "label" and len(words) == 2:
        save_as_it_is(words[1], started)
    else:
        if words[0] == "label" and words[3].endswith(".txt"):
            as_audacity(words[1])
        elif words[0] == "label" and words[2] == "--import":
            assert cli.main(["label", words[1], "--export", words[3]]) == 0, "somebody has labelled it in ELAN"
        assert cli.main(words) == 0, words


def test_the_page_from_the_first_command_to_the_last(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    no_processes: None,
    started: Start,
) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    monkeypatch.chdir(tmp_path)
    for name, value in own_domain().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "yours.yaml").symlink_to(ROOT / "config" / "sim.yaml")
    known = set(read_config(share_path("models", "sim")).taxonomy.activities)
    assert not known & NEW

    page = (ROOT / "docs" / "own-activities.md").read_text(encoding="utf-8")
    done = commands(page)
    for words in done:
        run(words, started)
    assert list(dict.fromkeys(words[0] for words in done)) == [
        "record",
        "simulate",
        "label",
        "dataset",
        "train",
        "evaluate",
        "launch",
    ]

    said = capsys.readouterr().out
    assert {label.activity for label in read_labels("anna.labels.csv")} >= NEW
    assert len(read_labels("ben.labels.csv")) == len(read_labels("anna.labels.csv"))
    assert "activities it knows: wave, stand; new: bow, stretch" in said
    assert set(read_config("my_model").taxonomy.activities) == {*NEW, "wave", "stand"}
    for report in ("report", "live"):
        metrics = json.loads((tmp_path / report / "metrics.json").read_text())["pooled"]
        assert metrics["accuracy_inside"] > 0.8, report
        for activity in NEW:
            assert recall(tmp_path / report, activity) > 0.6, (report, activity)
