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

"""`mumu evaluate` as a user runs it: what it writes, what it prints, and what it refuses."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mumu_ros.cli import main
from mumu_ros.conversions import array_to_imu, ns_to_time
from mumu_ros.recordings import Recording, RecordingWriter
from mumu_ros.recordings.label_files import Label, labels_path, write_labels
from mumu_ros.share import share_path

pytestmark = pytest.mark.slow

PARAMS = share_path("config", "sim.yaml")
REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", REPOSITORY.parent / "shared/data/utd_mhad"))
START_NS = 1_700_000_000_000_000_000
S = 1_000_000_000

Run = Callable[..., tuple[int, str, str]]


def metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_two_runs_give_the_same_bytes(simulated_bag: Path, evaluated: Path, evaluate: Run, tmp_path: Path) -> None:
    assert evaluate("--params", PARAMS, "--out", tmp_path / "again")[0] == 0
    for name in ("metrics.json", "predictions.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (evaluated / name).read_bytes()


def test_the_numbers_are_of_the_recording(evaluated: Path) -> None:
    content = metrics(evaluated)
    sensors = content["bags"]["person"]["sensors"]
    assert sensors["rgb"]["rate_hz"] == pytest.approx(30, rel=0.01)
    (outage,) = sensors["imu_wrist"]["outages"]
    assert (outage["start_ns"] - START_NS) / S == pytest.approx(2, abs=0.02)
    assert (outage["end_ns"] - START_NS) / S == pytest.approx(5, abs=0.02)
    assert not any(sensors[name]["outages"] for name in ("rgb", "depth", "imu_belt"))
    assert content["pooled"]["decisions"] >= 26, "five a second"
    assert content["pooled"]["accuracy"] > 0.6
    assert content["pooled"]["modalities"]["imu_wrist"]["present_share"] < 0.8
    timing = json.loads((evaluated / "timing.json").read_text())
    assert set(timing["stages"]) == {"read", "synchronise", "convert", "prepare", "recognise"}


def test_decisions_are_a_fifth_of_a_second_apart_and_beside_the_truth(evaluated: Path, simulated_bag: Path) -> None:
    decided = rows(evaluated)
    stamps = [float(row["stamp"]) for row in decided]
    assert all(0.1 < b - a < 0.3 for a, b in itertools.pairwise(stamps))
    with Recording(simulated_bag) as recording:
        predicted = [message for _, _, message in recording.messages(["/annotation"])]
    for row in decided:
        (activity,) = [m.activity for m in predicted if _s(m.start) <= float(row["stamp"]) < _s(m.end)]
        assert row["true_activity"] == activity


def test_segments_are_the_same_at_a_rate_that_the_frames_do_not_keep(
    evaluated: Path, evaluate: Run, tmp_path: Path
) -> None:
    """Eight decisions a second about ten frames a second are one or two frames apart."""
    params = tmp_path / "params.yaml"
    params.write_text(PARAMS.read_text().replace("rate_hz: 5.0", "rate_hz: 8.0"))
    assert evaluate("--params", params, "--out", tmp_path / "out")[0] == 0
    usual, uneven = metrics(evaluated)["pooled"], metrics(tmp_path / "out")["pooled"]
    assert uneven["decisions"] > 1.4 * usual["decisions"]
    assert usual["f1@50"] > 0.5
    for number in ("f1@10", "f1@25", "f1@50", "edit", "false_alarms_per_min"):
        assert uneven[number] == pytest.approx(usual[number], abs=0.05), number


def _s(time: Any) -> float:
    return float(time.sec + time.nanosec * 1e-9)


def test_the_last_line_is_json_if_asked_for(evaluate: Run) -> None:
    status, output, _ = evaluate("--json", "--params", PARAMS)
    assert status == 0
    numbers = json.loads(output.splitlines()[-1])
    assert 0 < numbers["accuracy"] <= 1
    assert {"macro_f1", "top3", "ece", "f1@10", "f1@25", "f1@50", "edit", "onset_delay_s"} <= set(numbers)
    assert "times as fast as real time" in output
    assert "/camera/color/image_raw" in output, "the topics are printed"
    assert "of them unknown, with a confidence below 0.5\n" in output


def test_without_a_parameter_file_topics_are_guessed_and_printed(evaluate: Run) -> None:
    status, output, _ = evaluate()
    assert status == 0
    assert "guessed from their types and names" in output
    assert "/imu/wrist" in output
    assert "of them unknown, with a confidence below 0.9997\n" in output, "the model's"


def test_a_label_file_takes_the_place_of_annotations(evaluate: Run, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    write_labels(
        labels, [Label(START_NS, START_NS + 4 * S, "", "wave"), Label(START_NS + 5 * S, START_NS + 8 * S, "", "fly")]
    )
    assert evaluate("--labels", labels, "--out", tmp_path / "out")[0] == 0
    assert {row["true_activity"] for row in rows(tmp_path / "out")} == {"wave", "", "unknown"}
    assert {row["true_group"] for row in rows(tmp_path / "out")} == {"communicate", "", "unknown"}


def test_the_label_file_beside_a_recording_is_the_truth(evaluate: Run, simulated_bag: Path, tmp_path: Path) -> None:
    shutil.copytree(simulated_bag, tmp_path / "bag")
    write_labels(labels_path(tmp_path / "bag"), [Label(START_NS, START_NS + 4 * S, "", "wave")])
    status, predicted, _ = evaluate("--out", tmp_path / "out", bag=tmp_path / "bag")
    assert status == 0
    assert "bag.labels.csv" in predicted
    assert {row["true_activity"] for row in rows(tmp_path / "out")} <= {"wave", ""}


def test_what_if_a_sensor_is_gone(evaluate: Run, tmp_path: Path) -> None:
    assert evaluate("--drop", "imu", "--rate", "rgb:5", "--out", tmp_path / "out", "--params", PARAMS)[0] == 0
    content = metrics(tmp_path / "out")
    assert content["alterations"] == ["drop imu_wrist+imu_belt: 1", "rate rgb: 5 Hz"]
    sensors = content["bags"]["person"]["sensors"]
    assert sensors["imu_belt"]["messages"] == 0
    assert sensors["rgb"]["rate_hz"] == pytest.approx(5, rel=0.05)
    assert {row["present:imu_wrist"] for row in rows(tmp_path / "out")} == {"0", ""}
    assert "what if" in (tmp_path / "out" / "report.html").read_text()


def test_what_if_says_what_changes_nothing(evaluate: Run) -> None:
    idle = ("--failure", "imu_wrist:stuck:100-200", "--rate", "imu_belt:1000")
    status, _, errors = evaluate(*idle, "--failure", "imu:noise:1-200", "--rate", "rgb:5", "--params", PARAMS)
    assert status == 0
    said = [line for line in errors.splitlines() if "changes nothing" in line]
    assert said == [
        "person: rate imu_belt: 1000 Hz changes nothing of imu_belt, which has 200.1 Hz",
        "person: imu_wrist:stuck:100-200 changes nothing: no message came then; the recording lasts 5.8 s",
    ]


def test_what_if_a_sensor_fails(evaluate: Run, tmp_path: Path) -> None:
    failures = ("--failure", "imu:bias=5:1-3", "--failure", "camera:black:2-4", "--failure", "depth:0-1")
    assert evaluate(*failures, "--out", tmp_path / "out", "--params", PARAMS)[0] == 0
    content = metrics(tmp_path / "out")
    assert content["alterations"] == ["imu:bias=5:1-3", "camera:black:2-4", "depth:0-1"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "imu_wrist: imu:bias=5:1-3</title>" in report, "marked in the timeline"
    assert ">bias=5</text>" in report
    assert "Red frame" in report
    assert evaluate("--out", tmp_path / "healthy", "--params", PARAMS)[0] == 0
    assert rows(tmp_path / "healthy") != rows(tmp_path / "out")
    assert "Red frame" not in (tmp_path / "healthy" / "report.html").read_text()


def test_a_faulty_sensor_is_flagged_and_masked(evaluate: Run, tmp_path: Path) -> None:
    failing = ("--failure", "imu_wrist:stuck:1-6", "--failure", "imu_belt:noise=9:1-6", "--params", PARAMS)
    for health, out in ((("--health",), tmp_path / "watched"), ((), tmp_path / "plain")):
        assert evaluate(*failing, *health, "--out", out)[0] == 0
    watched, plain = rows(tmp_path / "watched"), rows(tmp_path / "plain")
    for row in (watched[-1], plain[-1]):
        assert (row["flagged:imu_wrist"], row["present:imu_wrist"]) == ("1", "0")
    assert watched[-1]["flagged:imu_belt"] == "1"
    assert float(watched[-1]["anomaly:imu_belt"]) > 1.5
    assert (plain[-1]["flagged:imu_belt"], plain[-1]["anomaly:imu_belt"]) == ("0", "")
    assert plain[0]["flagged:imu_wrist"] == "", "nothing is flagged yet"


def test_robustness_tries_each_sensor_and_fault(evaluate: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mumu_ros.evaluation import robustness
    from mumu_ros.evaluation.whatif import Alteration

    parts = [("rgb",), ("imu_belt",), ("depth", "rgb", "imu_wrist", "imu_belt")]
    faults = [Alteration("drop", names, 1.0) for names in parts]
    monkeypatch.setattr(robustness, "robustness_alterations", lambda names: faults)
    status, said, _ = evaluate("--robustness", "--out", tmp_path / "out", "--params", PARAMS)
    assert status == 0
    found = metrics(tmp_path / "out")["robustness"]
    assert [(row["kind"], row["modality"]) for row in found] == [("none", ""), *(("drop", names[0]) for names in parts)]
    assert [row["accuracy"] is None for row in found] == [False, False, False, True], "nothing is decided without any"
    assert re.search(r"drop +imu_belt +1: \d+\.\d%", said)
    assert re.search(r"drop +depth +1: —", said)
    assert "What if a sensor fails?" in (tmp_path / "out" / "report.html").read_text()


def test_an_offset_among_the_parameters_is_added_as_on_the_robot(evaluate: Run, tmp_path: Path) -> None:
    params = tmp_path / "offset.yaml"
    params.write_text(PARAMS.read_text() + "/**: {ros__parameters: {imu_belt.offset_s: 0.3}}\n")
    assert evaluate("--params", params, "--out", tmp_path / "parameter")[0] == 0
    assert evaluate("--params", PARAMS, "--offset", "imu_belt:+0.3s", "--out", tmp_path / "option")[0] == 0
    assert evaluate("--params", PARAMS, "--out", tmp_path / "none")[0] == 0
    assert rows(tmp_path / "parameter") == rows(tmp_path / "option") != rows(tmp_path / "none")


def test_streams_of_one_topic_get_the_same_messages(evaluate: Run, shared_topic: Path, tmp_path: Path) -> None:
    assert evaluate("--params", shared_topic, "--out", tmp_path / "out")[0] == 0
    sensors = metrics(tmp_path / "out")["bags"]["person"]["sensors"]
    assert sensors["imu_wrist"] == sensors["imu_belt"]
    assert sensors["imu_belt"]["topic"] == "/imu/wrist"
    assert sensors["imu_belt"]["messages"] > 500
    decided = rows(tmp_path / "out")
    assert [row["present:imu_wrist"] for row in decided] == [row["present:imu_belt"] for row in decided]


def test_a_target_frame_is_refused_because_recordings_are_not_turned(evaluate: Run, tmp_path: Path) -> None:
    params = tmp_path / "turned.yaml"
    params.write_text(PARAMS.read_text() + "/**: {ros__parameters: {imu_belt.target_frame: torso}}\n")
    status, _, errors = evaluate("--params", params)
    assert status == 2
    assert "parameter imu_belt.target_frame is 'torso'" in errors


def test_several_recordings_are_told_apart(simulated_bag: Path, evaluate: Run, tmp_path: Path) -> None:
    shutil.copytree(simulated_bag, tmp_path / "person")
    assert evaluate(tmp_path / "person", "--out", tmp_path / "out", "--params", PARAMS)[0] == 0
    content = metrics(tmp_path / "out")
    assert list(content["bags"]) == ["person", str(tmp_path / "person")]
    assert content["bags"]["person"]["accuracy"] == content["pooled"]["accuracy"]
    assert {row["bag"] for row in rows(tmp_path / "out")} == set(content["bags"])


def test_recordings_of_one_name_are_told_apart_wherever_the_command_runs(
    simulated_bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("bag", "other/bag"):
        shutil.copytree(simulated_bag, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "sim", "other/bag", "bag", "--out", "out", "--params", str(PARAMS)]) == 0
    assert set(metrics(tmp_path / "out")["bags"]) == {"bag", str(tmp_path / "bag")}


def test_a_truncated_recording_is_read_as_far_as_it_goes(simulated_bag: Path, evaluate: Run, tmp_path: Path) -> None:
    (source,) = simulated_bag.glob("*.mcap")
    broken = tmp_path / "broken.mcap"
    broken.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    status, _, errors = evaluate("--out", tmp_path / "out", "--params", PARAMS, bag=broken)
    assert status == 0
    assert "is truncated" in errors
    assert 0 < metrics(tmp_path / "out")["pooled"]["decisions"] < 26


def test_a_recording_without_annotations_is_measured_as_far_as_that_goes(
    simulated_bag: Path, evaluate: Run, tmp_path: Path
) -> None:
    with Recording(simulated_bag) as recording, RecordingWriter(tmp_path / "bare") as writer:
        for topic, log_ns, message in recording.messages(["/imu/belt"]):
            writer.write(topic, recording.topics[topic].type_name, message, log_ns)
    status, output, errors = evaluate("--out", tmp_path / "out", bag=tmp_path / "bare")
    assert status == 0
    assert "no annotations and no label file" in errors
    assert "accuracy" not in output
    assert "not recorded" in output
    assert metrics(tmp_path / "out")["pooled"]["modalities"]["imu_belt"]["present_share"] == 1


@pytest.fixture
def odd_bag(tmp_path: Path) -> Path:
    """Two performances of an IMU in one recording, unordered stamps, and a message of no length."""
    path = tmp_path / "odd"
    with RecordingWriter(path) as writer:
        for run in range(2):
            for i in range(400):
                stamp_ns = START_NS + (i ^ 1) * S // 100
                imu = array_to_imu([[0, 0, 9.8], [0, 0, 0]], stamp_ns, "", writer.types)  # type: ignore[arg-type]
                writer.write("/imu", "sensor_msgs/msg/Imu", imu, START_NS + (run * 400 + i) * S // 100)
            if run == 0:
                connection = writer._connections["/imu"]
                writer._writer.write(connection, START_NS + 4 * S, b"")
    return path


def test_pictures_that_cannot_be_decoded_are_counted_and_empty_topics_are_shown(evaluate: Run, tmp_path: Path) -> None:
    """A bag of colour with several faults, a healthy IMU, and one without a message."""
    _, good = cv2.imencode(".png", np.zeros((24, 32, 3), np.uint8))
    bomb = good.copy()
    bomb[16:24] = 255  # The header's width and height.
    lies = [
        good[:40],
        bomb,
        np.zeros(0, np.uint8),
        np.frombuffer(b"\x89PNG\r\n\x1a\n", np.uint8),
        good[::-1].copy(),
        good + 1,
    ]
    path = tmp_path / "lies"
    with RecordingWriter(path) as writer:
        types = writer.types
        for i in range(300):
            stamp_ns = START_NS + i * S // 100
            imu = array_to_imu([[0, 0, 9.8], [0, 0, 0]], stamp_ns, "", types)  # type: ignore[arg-type]
            writer.write("/imu/belt", "sensor_msgs/msg/Imu", imu, stamp_ns)
            if i % 10 == 0:
                header = types.message("std_msgs/msg/Header", stamp=ns_to_time(stamp_ns, types), frame_id="")
                name, data = "sensor_msgs/msg/CompressedImage", lies[i // 10 % len(lies)]
                writer.write("/camera", name, types.message(name, header=header, format="png", data=data), stamp_ns)
        writer._writer.add_connection("/imu/wrist", "sensor_msgs/msg/Imu", typestore=types.typestore)
    status, output, errors = evaluate(bag=path)
    assert status == 0
    assert "lies: 30 messages of /camera were skipped, the last one because of: " in errors
    assert "lies: /imu/wrist has 0 messages" in errors
    assert re.search(r"/imu/wrist +0 messages", output)
    status, output, _ = evaluate("--params", PARAMS, bag=path)
    assert status == 0
    assert re.search(r"imu_wrist +/imu/wrist +sensor_msgs/msg/Imu, 0 messages", output)


def test_unordered_stamps_are_counted(evaluate: Run, tmp_path: Path) -> None:
    path = tmp_path / "unordered"
    with RecordingWriter(path) as writer:
        for i in range(600):
            # A second's worth at a time comes backwards.
            stamp_ns = START_NS + (i - i % 100 + 99 - i % 100) * S // 100
            imu = array_to_imu([[0, 0, 9.8], [0, 0, 0]], stamp_ns, "", writer.types)  # type: ignore[arg-type]
            writer.write("/imu", "sensor_msgs/msg/Imu", imu, START_NS + i * S // 100)
    status, _, errors = evaluate(bag=path, model="utd-mhad-dp")
    assert status == 0
    assert re.search(r"unordered: [1-9][0-9]* messages of /imu are out of order", errors)


def test_odd_recordings_give_counted_warnings(odd_bag: Path, evaluate: Run, tmp_path: Path) -> None:
    status, _, errors = evaluate("--out", tmp_path / "out", bag=odd_bag, model="utd-mhad-dp")
    assert status == 0
    assert "time jumped back 1 times" in errors
    assert "is damaged" in errors
    assert {row["epoch"] for row in rows(tmp_path / "out")} == {"0", "1"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--failure", "imu:fog"], "fault 'imu:fog': failure 'fog' is unknown; expected one of dropout"),
        (["--failure", "rgb:stuck:1-2"], "stuck does not apply to rgb (rgb); expected one of"),
        (["--drop", "sonar"], "'sonar' is no stream and no device; expected one of camera, imu, rgb, depth, imu_wrist"),
        (["--offset", "rgb:soon"], "--offset 'rgb:soon': expected NAME:SECONDS"),
        (["--labels", "no/such.csv"], "no/such.csv"),
        (["--params", "no/such.yaml"], "no/such.yaml"),
        (["--device", "abacus"], "device is 'abacus'"),
        (["no/such/bag"], "no/such/bag does not exist"),
        (["--labels", "a.csv", "--labels", "b.csv"], "2 values of --labels for 1 bags"),
    ],
)
def test_what_cannot_be_meant_is_refused(evaluate: Run, arguments: list[str], complaint: str) -> None:
    status, _, errors = evaluate(*arguments)
    assert status == 2
    assert complaint in errors


def test_a_model_that_is_none_and_a_recording_given_twice_are_refused(simulated_bag: Path, capsys: Any) -> None:
    assert main(["evaluate", "no_model", str(simulated_bag)]) == 2
    assert "no model folder 'no_model'" in capsys.readouterr().err
    assert main(["evaluate", "sim", str(simulated_bag), *map(str, simulated_bag.glob("*.mcap"))]) == 2
    assert "is given twice" in capsys.readouterr().err


def test_labels_of_another_recording_are_refused(evaluate: Run, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", [Label(0, 60 * S, "", "wave")])
    status, _, errors = evaluate("--labels", tmp_path / "labels.csv")
    assert status == 2
    assert "lie outside" in errors
    assert "labels have header stamps" in errors


def ahead(source: Path, topics: str, bag: Path) -> Path:
    """Copy a recording, with the clock of the topics that begin so an hour ahead."""
    with Recording(source) as recording, RecordingWriter(bag) as writer:
        for topic, log_ns, message in recording.messages():
            if topic.startswith(topics):
                message.header.stamp.sec += 3600
            writer.write(topic, recording.topics[topic].type_name, message, log_ns)
    return bag


def test_labels_before_and_after_a_recording_are_not_of_it(evaluate: Run, tmp_path: Path) -> None:
    spans = ((START_NS - 9 * S, START_NS - S), (START_NS + 60 * S, START_NS + 69 * S))
    write_labels(tmp_path / "labels.csv", [Label(*span, "", "wave") for span in spans])
    status, _, errors = evaluate("--labels", tmp_path / "labels.csv")
    assert status == 2
    assert "all lie outside" in errors


def test_the_time_of_a_recording_is_not_that_of_a_sensor_with_another_clock(
    simulated_bag: Path, evaluate: Run, tmp_path: Path
) -> None:
    bag = ahead(simulated_bag, "/imu/belt", tmp_path / "ahead")
    assert "\n6 s of recording in " in evaluate("--params", PARAMS, bag=bag)[1]


def test_annotations_on_another_clock_than_the_camera_are_no_truth(
    simulated_bag: Path, evaluate: Run, tmp_path: Path
) -> None:
    bag = ahead(simulated_bag, "/camera", tmp_path / "ahead")
    status, output, errors = evaluate("--out", tmp_path / "out", "--params", PARAMS, bag=bag)
    assert status == 0
    assert "ahead: no decision is judged: they are from 1700003600." in errors
    assert "no annotation or label from 1700000000.000 to 1700000006.000 s covers one" in errors
    assert "accuracy" not in output
    pooled = metrics(tmp_path / "out")["pooled"]
    assert pooled["decisions"] > 0
    assert "f1@50" not in pooled


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to its folder")
@pytest.mark.data
def test_a_shipped_model_recognises_a_converted_dataset(evaluate: Run, tmp_path: Path) -> None:
    """It has learned from these very clips; a subject of the dataset is a person."""
    bag, params = tmp_path / "bag", share_path("config", "utd_mhad.yaml")
    assert main(["convert", "utd-mhad", str(DATA), str(bag), "--subjects", "1", "--limit", "6"]) == 0
    status, output, _ = evaluate("--params", params, "--json", bag=bag, model="utd-mhad-dsp")
    assert status == 0
    numbers = json.loads(output.splitlines()[-1])
    assert numbers["accuracy"] > 0.9
    assert numbers["f1@25"] > 0.9
    assert numbers["accuracy_inside"] is None, "the clips are shorter than the window"
