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

"""The evaluation node hears what `mumu evaluate` computes: online and offline are the same."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from hypothesis import given
from hypothesis import strategies as st
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message

from mumu_ros.cli import main
from mumu_ros.conversions import RosTypes, array_to_imu, ns_to_time, segment_to_annotation, time_to_ns
from mumu_ros.evaluation.live_accuracy import Recognition, Truth
from mumu_ros.evaluation.truth import from_annotations
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.evaluation import Evaluation, insert_annotation, latest_annotations
from mumu_ros.nodes.launch_arguments import REPLAY
from mumu_ros.nodes.launch_plans import plan_replay
from mumu_ros.nodes.player import Player
from mumu_ros.recordings import RecordingWriter
from mumu_ros.recordings.label_files import Label, write_labels
from mumu_ros.share import share_path

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
PARAMS = share_path("config", "sim.yaml")
S = 1_000_000_000
T0 = 1_700_000_000 * S
TYPES = RosTypes()
REPLAY_TIMEOUT_S = 120.0


def decided(folder: Path) -> dict[str, dict[str, str]]:
    """predictions.csv by stamp, without the moments of no decision."""
    with (folder / "predictions.csv").open() as file:
        return {row["stamp"]: row for row in csv.DictReader(file) if row["activity"]}


def start(*nodes: Any) -> None:
    for node in nodes:
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS


def test_online_and_offline_decide_the_same(ros: Any, tmp_path: Path) -> None:
    """At half speed, because a machine too busy to keep up decides on what has arrived; and about every frame."""
    bag, online, offline = tmp_path / "bag", tmp_path / "online", tmp_path / "offline"
    params = tmp_path / "params.yaml"
    params.write_text(PARAMS.read_text().replace("rate_hz: 5.0", "rate_hz: 20.0"))
    simulated = ["--seconds", "6", "--seed", "3", "--subject", "1001", "--image-size", "64x48"]
    assert main(["simulate", str(bag), *simulated, "--fault", "imu_wrist:2-4"]) == 0
    assert main(["evaluate", "sim", str(bag), "--params", str(params), "--out", str(offline)]) == 0
    launched = subprocess.run(
        [
            *(sys.executable, "-m", "mumu_ros.cli", "launch", "replay"),
            *(f"bag:={bag}", f"params_file:={params}", f"out:={online}", "rate:=0.5"),
        ],
        env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)},
        capture_output=True,
        text=True,
        timeout=REPLAY_TIMEOUT_S,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr

    heard, computed = decided(online), decided(offline)
    both = heard.keys() & computed.keys()
    assert len(both) >= 0.7 * len(computed), "a busy machine drops decisions, it does not move them"
    same = [s for s in both if all(heard[s][k] == computed[s][k] for k in ("group", "activity", "true_activity"))]
    assert len(same) >= 0.99 * len(both)
    assert "stamp to recognition" in (online / "report.html").read_text()
    latency = json.loads((online / "timing.json").read_text())["stages"]["latency"]
    assert 0 <= latency["p50_ms"] < 60_000, "on the clock of the bag"


def recognition(
    node: Evaluation, stamp_ns: int, activity: str, body_id: str = "", model: str = "sim@test"
) -> ActivityRecognition:
    config = node._model
    activities, groups = config.taxonomy.activities, config.taxonomy.group_names
    count = len(config.names)
    message = ActivityRecognition(
        body_id=body_id,
        window_start=ns_to_time(stamp_ns - 2 * S, TYPES),
        group=config.taxonomy.group_of(activity) if activity in activities else "unknown",
        activity=activity,
        group_labels=list(groups),
        group_probabilities=[1.0 / len(groups)] * len(groups),
        activity_labels=list(activities),
        activity_probabilities=[1.0 / len(activities)] * len(activities),
        modalities=list(config.names),
        present=[True] * count,
        coverage=[1.0] * count,
        sm_fusion_weights=[1.0 / count] * count,
        gm_fusion_weights=[1.0 / count] * count,
        modality_age_s=[0.0] * count,
        model=model,
    )
    message.header.stamp = ns_to_time(stamp_ns, TYPES)
    return message


class Bench:
    """An evaluation node, and the publishers of its inputs."""

    def __init__(
        self, ros: Any, out: Path, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE, **parameters: Any
    ) -> None:
        qos = QoSProfile(depth=10, durability=durability)
        self.ros = ros
        self.out = out
        self.node = ros.add(Evaluation, out=str(out), **parameters)
        self.activity = ros.node.create_publisher(ActivityRecognition, "activity", 100)
        self.annotation = ros.node.create_publisher(ActivityAnnotation, "annotation", qos)
        self.status: list[Any] = []
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: self.status.extend(m.status), 10)
        start(self.node)
        ros.wait(lambda: self.activity.get_subscription_count() and self.annotation.get_subscription_count())

    def hear(self, *rows: tuple[float, str] | tuple[float, str, str], model: str = "sim@test") -> None:
        """Recognitions: second, activity and body."""
        before = self.heard
        for second, activity, *body_id in rows:
            message = recognition(self.node, T0 + round(second * S), activity, *body_id, model=model)
            self.activity.publish(message)
        self.ros.wait(lambda: self.heard == before + len(rows))

    def annotate(self, start: float, end: float, activity: str, body_id: str = "") -> None:
        times = (T0 + round(start * S), T0 + round(end * S) if end else 0)
        before = len(self.node._annotations)
        self.annotation.publish(segment_to_annotation(*times, "", activity, TYPES, body_id=body_id))
        self.ros.wait(lambda: len(self.node._annotations) > before)

    @property
    def heard(self) -> int:
        return sum(len(log.decisions.table()) for log in self.node._logs.values())

    def numbers(self) -> dict[str, Any]:
        assert self.node.trigger_deactivate() == SUCCESS
        content: dict[str, Any] = json.loads((self.out / "metrics.json").read_text())
        return content


def test_a_loop_and_a_pause_and_a_seek_are_judged_like_all_else(ros: Any, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", [Label(T0, T0 + 60 * S, "", "wave")])
    bench = Bench(ros, tmp_path / "out", labels=str(tmp_path / "labels.csv"))
    bench.hear((5.0, "wave"), (5.2, "wave"), (5.4, "walk"), (30.0, "wave"), (30.2, "wave"))
    bench.hear((5.0, "wave"), (5.2, "walk"))
    content = bench.numbers()
    assert content["model"] == "sim@test"
    assert content["pooled"]["judged"] == 7
    stages = json.loads((tmp_path / "out" / "timing.json").read_text())["stages"]
    assert stages.keys() == {"recognise"}, "the stamps are of another clock than the node's"
    assert content["pooled"]["accuracy"] == pytest.approx(5 / 7, abs=1e-6)
    with (tmp_path / "out" / "predictions.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0"] * 5 + ["1"] * 2


def test_each_activation_has_a_report_of_its_own(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out-2").mkdir()
    write_labels(tmp_path / "labels.csv", [Label(T0, T0 + 60 * S, "", "wave")])
    bench = Bench(ros, Path("out"), labels=str(tmp_path / "labels.csv"))
    for number, folder in enumerate(("out", "out-3", "out-4"), 1):
        bench.hear(*[(5.0 + index, "wave") for index in range(number)])
        assert bench.node.trigger_deactivate() == SUCCESS
        assert f"see {tmp_path / folder / 'report.html'}" in capfd.readouterr().err
        if number == 2:
            assert bench.node.trigger_cleanup() == bench.node.trigger_configure() == SUCCESS
        assert bench.node.trigger_activate() == SUCCESS
    assert [len(decided(tmp_path / folder)) for folder in ("out", "out-3", "out-4")] == [1, 2, 3]
    assert not list((tmp_path / "out-2").iterdir())


def test_recognitions_in_the_bag_are_not_judged_beside_the_live_ones(ros: Any, tmp_path: Path) -> None:
    """As `mumu record` makes it by default, beside a system that runs."""
    bench = Bench(ros, tmp_path / "out")
    bag = tmp_path / "bag"
    with RecordingWriter(bag) as writer:
        annotation = segment_to_annotation(T0, T0 + 60 * S, "", "wave", writer.types)
        writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", annotation, T0)
        activity = writer._writer.add_connection(
            "/activity", "mumu_ros/msg/ActivityRecognition", typestore=writer.types.typestore
        )
        for number in range(5):
            message = recognition(bench.node, T0 + number * S // 10, "walk", "recorded")
            writer._writer.write(activity, T0 + number * S // 10, serialize_message(message))
    player = ros.add(Player, bag=str(bag))
    ros.wait(lambda: player.count_publishers("activity"))
    start(player)
    bench.hear((5.0, "wave", "live"), (5.2, "wave", "live"))
    ros.wait(lambda: player.finished and bench.node._annotations)
    content = bench.numbers()
    assert content["bags"].keys() == {"live live"}
    assert (content["pooled"]["judged"], content["pooled"]["accuracy"]) == (2, 1.0)


def test_a_body_was_there_for_its_decisions_not_for_the_first_window(ros: Any, tmp_path: Path) -> None:
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 60, "wave")
    bench.hear(*((i / 5, "walk") for i in range(50)))
    pooled = bench.numbers()["pooled"]
    assert pooled["minutes"] == pytest.approx(10 / 60, abs=1e-6), "fifty decisions, five a second"
    assert pooled["false_alarms_per_min"] == pytest.approx(6)


def test_two_people_are_judged_as_each_would_be_alone(ros: Any, tmp_path: Path) -> None:
    """At the same instants, doing different things, in a bag that is played twice."""
    rng = np.random.default_rng(5)
    truth = {"a": [(0.0, 4.0, "wave"), (4.0, 0.0, "walk")], "b": [(1.0, 0.0, "walk"), (6.0, 10.0, "wave")]}
    instants = [i / 5 for i in range(50)] * 2
    said = {body_id: rng.choice(["wave", "walk"], len(instants)).tolist() for body_id in truth}

    def judged(*people: str) -> dict[str, Any]:
        bench = Bench(ros, tmp_path / "-".join(people))
        for body_id in people:
            for segment in truth[body_id]:
                bench.annotate(*segment, body_id)
        for number, instant in enumerate(instants):
            bench.hear(*((instant, said[body_id][number], body_id) for body_id in people))
        return bench.numbers()

    together, a, b = judged("a", "b"), judged("a"), judged("b")
    assert together["bags"] == a["bags"] | b["bags"]
    assert together["bags"].keys() == {"live a", "live b"}
    for number in ("judged", "segments", "missed_segments", "minutes"):
        assert together["pooled"][number] == pytest.approx(a["pooled"][number] + b["pooled"][number], abs=1e-5)
    with (tmp_path / "a-b" / "predictions.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == (["0"] * 50 + ["1"] * 50) * 2


def test_whom_nobody_annotated_is_named_and_no_false_alarm(ros: Any, tmp_path: Path) -> None:
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 60, "wave", "a")
    bench.hear(*((5 + i / 5, activity, body) for i in range(10) for activity, body in (("wave", "a"), ("walk", "b"))))
    ros.wait(lambda: any(s.message == "100% of the last 10 right" for s in bench.status))
    content = bench.numbers()
    assert content["pooled"]["false_alarms_per_min"] == 0
    assert (content["pooled"]["decisions"], content["pooled"]["judged"], content["pooled"]["f1@50"]) == (20, 10, 1)
    assert content["bags"]["live b"]["problems"] == ["annotations are of 'a', not of 'b'"]


def test_each_model_is_judged_by_itself_while_it_was_the_one(ros: Any, tmp_path: Path) -> None:
    """What happened until the old one was set again is not its to miss."""
    bench = Bench(ros, tmp_path / "out")
    for start_s, activity in ((0, "walk"), (10, "wave"), (20, "walk")):
        bench.annotate(start_s, start_s + 10, activity)
    for start_s, model in ((0, "sim@old"), (10.5, "sim@new"), (20.5, "sim@old")):
        bench.hear(*((start_s + i / 2, "walk") for i in range(19)), model=model)
    ros.wait(lambda: any(s.message == "100% of the last 31 right" for s in bench.status))
    content = bench.numbers()
    assert content["model"] == "sim@old, sim@new"
    old, new = (content["bags"][f"live, {model}"] for model in ("sim@old", "sim@new"))
    assert (old["accuracy"], old["f1@50"], old["missed_segments"]) == (1, 1, 0)
    assert (new["f1@50"], new["missed_segments"]) == (0, 1)
    assert (old["minutes"], new["minutes"]) == pytest.approx((19 / 60, 9.5 / 60), abs=1e-6)
    mixed = ["the numbers of all recordings together are of 2 models: sim@old, sim@new"]
    assert old["problems"] == new["problems"] == mixed


def test_two_models_at_a_time_are_two_recordings_without_a_break(ros: Any, tmp_path: Path) -> None:
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 10, "walk")
    for number in range(20):
        for model, activity in (("sim@a", "walk"), ("sim@b", "wave")):
            bench.hear((number / 2, activity), model=model)
    bags = bench.numbers()["bags"]
    assert [(bag["segments"], bag["accuracy"]) for bag in bags.values()] == [(1, 1), (1, 0)]


def test_labels_are_of_everybody_and_the_report_says_so(ros: Any, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", [Label(T0, T0 + 60 * S, "", "wave")])
    bench = Bench(ros, tmp_path / "out", labels=str(tmp_path / "labels.csv"))
    bench.hear((5.0, "wave", "a"), (5.0, "walk", "b"))
    content = bench.numbers()
    assert content["pooled"]["accuracy"] == 0.5
    assert [bag["problems"] for bag in content["bags"].values()] == [
        ["the label file names no body: it is used for every one"]
    ] * 2


@pytest.mark.parametrize(
    ("annotated", "labelled", "end"),
    [
        (True, None, r"2 recognitions evaluated, 1 of them against the annotations on /annotation; see .*report\.html"),
        (
            False,
            None,
            r"2 recognitions evaluated, none against ground truth: no annotation was received on /annotation; the",
        ),
        (True, "wave", r"2 recognitions evaluated, 2 of them against .*labels\.csv; see .*report\.html"),
    ],
    ids=["annotations", "nothing", "label file"],
)
def test_the_last_line_names_the_truth(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], annotated: bool, labelled: str | None, end: str
) -> None:
    labels = tmp_path / "labels.csv"
    if labelled:
        write_labels(labels, [Label(T0, T0 + 60 * S, "", labelled)])
    bench = Bench(ros, tmp_path / "out", labels=str(labels) if labelled else "")
    if annotated:
        bench.annotate(0, 6, "walk")
    bench.hear((5.0, "wave"), (7.0, "wave"))
    bench.numbers()
    said = capfd.readouterr().err
    level = "INFO" if annotated or labelled else "WARN"
    assert re.search(rf"writing the report of 2 recognitions\n.*\[{level}\] .*\]: {end}", said), said


@pytest.mark.parametrize("bag", ["walk", "walk/", "walk.mcap"])
def test_the_label_file_beside_a_bag_is_the_truth_of_its_replay(tmp_path: Path, bag: str) -> None:
    """As of `mumu evaluate`, unless another one is given."""
    with RecordingWriter(tmp_path / "walk") as writer:
        writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", segment_to_annotation(0, S, "", "a", TYPES), T0)
        imu = array_to_imu(np.zeros((2, 3)), T0, "imu_wrist", writer.types)
        writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, T0)
    shutil.copy(tmp_path / "walk" / "walk.mcap", tmp_path)

    def truth(**given: str) -> str:
        values = {"bag": f"{tmp_path}/{bag}", "model": "sim", **given}
        plans = plan_replay({argument.name: argument.default or "" for argument in REPLAY} | values)
        return str(next(plan.parameters["labels"] for plan in plans if plan.name == "evaluation"))

    assert truth() == ""
    beside, other = tmp_path / "walk.labels.csv", tmp_path / "other.csv"
    for path in (beside, other):
        write_labels(path, [Label(T0, T0 + S, "", "wave")])
    assert truth() == str(beside)
    assert truth(labels=str(other)) == str(other)


@pytest.mark.parametrize("durability", [DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL])
def test_annotations_are_the_truth_and_diagnostics_say_how_it_goes(ros: Any, tmp_path: Path, durability: Any) -> None:
    bench = Bench(ros, tmp_path / "out", durability)
    bench.annotation.publish(segment_to_annotation(T0, T0 + 60 * S, "communicate", "wave", TYPES))
    bench.hear((5.0, "wave"), (5.2, "walk"))
    ros.wait(lambda: any(s.message == "50% of the last 2 right" for s in bench.status))
    known = {value.key: value.value for value in bench.status[-1].values}
    assert known["annotations"] == "1", "though it arrives by each of two subscriptions"
    assert bench.numbers()["pooled"]["accuracy"] == 0.5


def test_diagnostics_judge_as_the_report_does(ros: Any, tmp_path: Path) -> None:
    """The model knows no juggling, so that "unknown" is right, and of what nobody annotated nothing is."""
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 6, "juggle")
    bench.hear((5.0, "unknown"), (5.2, "unknown"), (5.4, "wave"), (7.0, "wave"))
    ros.wait(lambda: any(s.message == "67% of the last 3 right" for s in bench.status))
    pooled = bench.numbers()["pooled"]
    assert (pooled["judged"], pooled["accuracy"]) == (3, pytest.approx(2 / 3, abs=1e-6))


seconds = st.integers(0, 20)
annotations = st.lists(st.tuples(seconds, seconds, st.sampled_from(["wave", "walk", ""])), max_size=12)


@given(said=annotations, since=seconds)
def test_the_latest_annotations_are_the_truth_about_the_latest_recognitions(
    said: list[tuple[int, int, str]], since: int
) -> None:
    messages: list[ActivityAnnotation] = []
    for start_s, end_s, activity in said * 2:
        end_ns = T0 + end_s * S if end_s else 0
        insert_annotation(messages, segment_to_annotation(T0 + start_s * S, end_ns, "", activity, TYPES))
    ended = {(start, activity) for start, end, activity in said if end}
    assert len(messages) == len({row for row in said if row[1] or (row[0], row[2]) not in ended})
    latest = latest_annotations(messages, T0 + since * S)
    assert sum(time_to_ns(message.start) <= T0 + since * S for message in latest) <= 1, "however many came before"
    everything, these = (Truth(from_annotations(list(part), [])) for part in (messages, latest))
    for half_s in range(2 * since, 50):
        moment = Recognition(0, T0 + half_s * S // 2, "wave")
        assert these.label(moment) == everything.label(moment)


def test_an_end_that_becomes_known_ends_the_annotation(ros: Any, tmp_path: Path) -> None:
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 0, "wave")
    bench.annotation.publish(segment_to_annotation(T0, T0 + 6 * S, "", "wave", TYPES))
    ros.wait(lambda: time_to_ns(bench.node._annotations[0].end))
    bench.hear((5.0, "wave"), (7.0, "walk"))
    content = bench.numbers()
    assert (content["pooled"]["judged"], content["pooled"]["accuracy"]) == (1, 1.0)
    assert content["bags"]["live"]["problems"] == []


def test_recognitions_of_another_model_are_refused_aloud(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(ros, tmp_path / "out", model="utd-mhad-dp")
    other = recognition(bench.node, T0, "wave")
    other.modalities = ["sonar"]
    bench.activity.publish(other)
    ros.wait(lambda: any("has other activities or sensors" in s.message for s in bench.status))
    assert bench.node.trigger_deactivate() == SUCCESS
    assert not (tmp_path / "out").exists(), "there is nothing to report"
    assert bench.node.failed
    errors = capfd.readouterr().err
    assert "than parameter model, utd-mhad-dp: no report is written" in errors
    assert "no recognition was received" not in errors


def test_another_model_is_named_until_the_evaluated_one_is_back(ros: Any, tmp_path: Path) -> None:
    bench = Bench(ros, tmp_path / "out")
    bench.annotate(0, 60, "wave")
    other = recognition(bench.node, T0 + S, "wave", model="other@test")
    other.modalities = ["sonar"]
    bench.activity.publish(other)
    ros.wait(lambda: any(s.message.startswith("other@test has other activities or sensors") for s in bench.status))
    bench.hear((5.0, "wave"))
    ros.wait(lambda: any(s.message == "100% of the last 1 right" for s in bench.status))
    assert bench.numbers()["pooled"]["accuracy"] == 1


@pytest.mark.parametrize("parameters", [{"out": ""}, {"model": "nothing"}, {"labels": "no/such.csv"}])
def test_parameters_that_cannot_be_meant_are_refused(ros: Any, parameters: dict[str, Any]) -> None:
    assert ros.add(Evaluation, **parameters).trigger_configure() == FAILURE


def test_a_folder_that_cannot_be_written_is_refused_before_the_bag_is_played(
    ros: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ros.add(Evaluation, out="/proc/nope").trigger_configure() == FAILURE
    assert "parameter out is '/proc/nope', where no report can be written: " in capfd.readouterr().err
