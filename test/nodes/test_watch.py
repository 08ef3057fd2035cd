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

"""What `mumu watch` and the demo collect, and what they show of it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from mumu_ros.cli import main
from mumu_ros.conversions import RosTypes, ns_to_time, segment_to_annotation
from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment
from mumu_ros.fault_codes import FaultCode
from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes import demo_monitor
from mumu_ros.nodes.demo_monitor import Monitor
from mumu_ros.nodes.diagnostics import status
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.launch_arguments import node_namespace
from mumu_ros.nodes.people import People
from mumu_ros.nodes.screen import Screen
from mumu_ros.simulation import parse_fault

S = 1_000_000_000
T0 = 1_700_000_000 * S
TYPES = RosTypes()
REMEDY = "silent for 2.0 s; /driver publishes it, but sends no messages: check the driver, the network and the cable"


@pytest.fixture
def monitor(ros: Any) -> Iterator[Monitor]:
    node = Monitor(context=ros.context)
    yield node
    node.destroy_node()


def annotate(monitor: Monitor, start: float, end: float, activity: str, body_id: str = "") -> None:
    times = (T0 + round(start * S), T0 + round(end * S) if end else 0)
    monitor._on_annotation(segment_to_annotation(*times, "", activity, TYPES, body_id=body_id))


def recognise(monitor: Monitor, second: float, activity: str, body_id: str = "") -> None:
    """A window of a second."""
    message = ActivityRecognition(activity=activity, body_id=body_id)
    message.header.stamp = ns_to_time(T0 + round(second * S), TYPES)
    message.window_start = ns_to_time(T0 + round((second - 1) * S), TYPES)
    monitor._on_recognition(message)


def report(monitor: Monitor, code: FaultCode, text: str, name: str = "sensor_sync: rgb", node: str = "/x") -> None:
    monitor._on_diagnostics(DiagnosticArray(status=[status(name, (code, text), node)]))


@pytest.mark.parametrize("value", [0.5, 12345.678, -1795884968.3, 0.0123456])
def test_a_number_of_diagnostics_can_be_typed_in_to_the_millisecond(value: float) -> None:
    (_, told) = status("imu", (FaultCode.CLOCK, ""), "/x", offset_s=value).values
    assert "e" not in told.value
    assert float(told.value) == pytest.approx(value, abs=0.0005)


# What is right.


def test_an_annotation_without_an_end_lasts_until_the_next_one_of_its_body(monitor: Monitor) -> None:
    annotate(monitor, 0, 0, "wave", "a")
    annotate(monitor, 2, 0, "sit", "b")
    annotate(monitor, 5, 0, "walk", "a")
    for second, activity, body_id in ((4, "wave", "a"), (6, "walk", "a"), (3, "sit", "b"), (100, "sit", "b")):
        recognise(monitor, second, activity, body_id)
        assert monitor.truth(body_id).at(T0 + second * S).activity == activity  # type: ignore[union-attr]
    assert monitor.summary().accuracy_all == 1.0
    recognise(monitor, 7, "walk", "b")
    assert monitor.summary().accuracy_all == 0.8


@pytest.mark.parametrize("seed", range(5))
def test_what_is_counted_on_the_way_is_what_all_together_give(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """With faults, with pauses that nobody annotated, and with annotations that come after the recognitions."""
    monkeypatch.setattr(demo_monitor, "UNJUDGED", 20)
    monitor.faults = (parse_fault("rgb:10-20"), parse_fault("imu_wrist:stuck:15-40"), parse_fault("rgb:70-75"))
    rng = np.random.default_rng(seed)
    truth = Truth(TruthSegment(T0 + n * 5 * S, T0 + (n * 5 + 4) * S, f"{n % 3}") for n in range(20))
    rows: list[Recognition] = []
    for second in np.arange(0, 100, 0.2).tolist():
        if second % 5 == 0:
            segment = truth.at(T0 + round(second * S))
            assert segment
        if round(second * 5) % 25 == 5:  # a second late
            annotate(monitor, second - 1, second + 3, segment.activity)
        recognise(monitor, second, said := str(rng.integers(3)))
        rows.append(Recognition(T0 + round((second - 1) * S), T0 + round(second * S), said))
    inside = [r for r in rows if truth.is_inside(r)]

    def within(*spans: tuple[float, float]) -> list[Recognition]:
        return [r for r in inside if any(r.start_ns >= T0 + a * S and r.stamp_ns <= T0 + b * S for a, b in spans)]

    def apart(r: Recognition) -> bool:
        return all(r.stamp_ns < T0 + a * S or r.start_ns >= T0 + b * S for a, b in ((10, 40), (70, 75)))

    def accuracy(some: Iterable[Recognition]) -> float:
        judged = [r.activity == label for r in some if (label := truth.label(r)) is not None]
        return sum(judged) / len(judged)

    summary = monitor.summary()
    assert summary.recognitions == len(rows)
    assert summary.accuracy_all == accuracy(rows)
    assert summary.accuracy_by_fault == {
        "none": accuracy(filter(apart, inside)),
        "rgb": accuracy(within((10, 20), (70, 75))),
        "imu_wrist stuck": accuracy(within((15, 40))),
    }
    assert summary.accuracy == summary.accuracy_by_fault["none"]


def test_the_memory_does_not_grow_with_time(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_monitor, "UNJUDGED", 50)
    monkeypatch.setattr(demo_monitor, "ANNOTATIONS", 50)
    monitor = Monitor(context=ros.context)

    def sizes() -> dict[str, int]:
        """Of everything that it holds but the latencies, of which it keeps 100,000."""
        sized = {name: value for name, value in vars(monitor).items() if hasattr(value, "__len__")}
        return {name: len(value) for name, value in sized.items() if value is not monitor.latencies_s}

    for second in range(1000):
        annotate(monitor, second, 0, "wave")
        recognise(monitor, second, "wave")
        if second == 100:
            before = sizes()
    assert sizes() == before
    assert (monitor.summary().recognitions, monitor.summary().accuracy_all) == (1000, 1.0)
    assert monitor.start_ns == T0
    monitor.destroy_node()


# What is shown.


def terminal(output: str) -> list[str]:
    """The lines of a terminal after a program's output, without colours."""
    lines, row = [""], 0
    for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\n|[^\n\x1b]+", output):
        if token == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif token == "\x1b[2K":
            lines[row] = ""
        elif token == "\x1b[J":
            lines[row:] = [""]
        elif token[0] == "\x1b":
            row -= int(token[2:-1]) if token[-1] == "A" else 0
        else:
            lines[row] += token
    return lines


@pytest.fixture
def drawn(monitor: Monitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """drawn(): what is on a terminal of 40 lines after the screen was drawn once more, a while after the start."""
    monkeypatch.setattr("mumu_ros.nodes.screen.PATIENCE_S", 0.0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("COLUMNS", "100")
    screen = Screen(monitor, 60.0, "title")
    output = ""

    def draw() -> list[str]:
        nonlocal output
        screen._next = 0.0
        screen.show()
        output += capsys.readouterr().out
        return terminal(output)

    return draw


def squeezed(lines: list[str]) -> str:
    return re.sub(r"\s", "", "".join(lines))


@pytest.mark.parametrize("columns", [20, 33, 80, 200])
@pytest.mark.parametrize("recognised", [False, True])
def test_a_fault_is_shown_with_its_whole_remedy_also_before_the_first_recognition(
    monitor: Monitor, drawn: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, columns: int, recognised: bool
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    report(monitor, FaultCode.SILENT, REMEDY)
    report(monitor, FaultCode.UNREADABLE, "12.0 Hz; 3 messages skipped, the last one: a\x1b[2Jb\nc", "sensor_sync: imu")
    if recognised:
        recognise(monitor, 0, "wave")
    lines = drawn()
    shown = squeezed(lines)
    assert squeezed([f"sensor_sync: rgb: {REMEDY}"]) in shown
    assert "thelastone:a[2Jbc" in shown, "what others wrote does not steer the terminal"
    begin = next(number for number, line in enumerate(lines) if "sensor_sync" in line)
    assert all(len(line) <= columns for line in lines[begin:])
    assert ("norecognitionyet" in shown) != recognised


def test_a_drawing_replaces_the_one_before(monitor: Monitor, drawn: Callable[[], Any]) -> None:
    report(monitor, FaultCode.SILENT, REMEDY)
    recognise(monitor, 0, "wave")
    before = drawn()
    report(monitor, FaultCode.NONE, "30.0 Hz")
    without = drawn()
    assert "sensor_sync" not in squeezed(without)
    assert len(without) < len(before)
    report(monitor, FaultCode.SILENT, REMEDY)
    assert drawn() == before == drawn()


def test_a_terminal_that_is_too_low_is_not_drawn_over(
    monitor: Monitor, drawn: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "10")
    recognise(monitor, 0, "wave")
    for number in range(20):
        report(monitor, FaultCode.SILENT, REMEDY, f"sensor_sync: {number}")
    assert len(drawn()) == len(drawn()) == 10


def test_nothing_at_all_is_named_and_so_is_what_fell_silent(
    monitor: Monitor, drawn: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no recognition yet, and nothing on /diagnostics: do the nodes run" in " ".join(drawn())
    report(monitor, FaultCode.WAITING, "nothing on /people yet: is sensor_sync active?", "inference: recogniser")
    assert "is sensor_sync active?" in " ".join(drawn())
    recognise(monitor, 0, "wave")
    assert "no recognition" not in " ".join(drawn())
    monkeypatch.setattr(demo_monitor, "STALE_S", 0.0)
    monkeypatch.setattr("mumu_ros.nodes.screen.STALE_S", 0.0)
    assert "no recognition for 0 s, and nothing on /diagnostics" in " ".join(drawn())


def test_while_nobody_is_in_view_that_is_told(
    monitor: Monitor, drawn: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recognise(monitor, 0, "wave")
    report(monitor, FaultCode.NONE, "nobody is in view", "inference: recogniser")
    monkeypatch.setattr("mumu_ros.nodes.screen.STALE_S", 0.0)
    assert "no recognition for 0 s: nobody is in view" in " ".join(drawn())


def test_robots_in_other_namespaces_are_named_while_nothing_is_recognised(
    ros: Any, monitor: Monitor, drawn: Callable[[], Any]
) -> None:
    for topic in ("/robot1/activity", "/fleet/robot2/activity", "/humans/bodies/abcde/activity"):
        ros.node.create_publisher(ActivityRecognition, topic, 10)
    ros.wait(lambda: monitor.count_publishers("/fleet/robot2/activity"))
    report(monitor, FaultCode.NONE, "30.0 Hz", node="/robot1/sensor_sync")
    shown = " ".join(" ".join(drawn()).split())
    assert "no recognition yet; nothing publishes /activity: give --namespace /fleet/robot2 or /robot1" in shown
    recognise(monitor, 0, "wave")
    assert "--namespace" not in " ".join(drawn())


def test_nodes_that_are_not_active_are_named_while_nothing_is_recognised(
    ros: Any, monitor: Monitor, drawn: Callable[[], Any]
) -> None:
    people, inference = (ros.add(partial(node, namespace="/rear")) for node in (People, Inference))

    def shown() -> str:
        return " ".join(" ".join(drawn()).split())

    ros.wait(lambda: "not active: /rear/inference, /rear/people; the log says why" in shown())
    assert "set NODE activate (configure first where ros2 lifecycle get NODE says unconfigured)" in shown()
    report(monitor, FaultCode.WAITING, "nobody", "people: image", people.get_fully_qualified_name())
    assert "not active: /rear/inference; the log" in shown()
    busy = DiagnosticStatus(name="inference: busy", hardware_id=inference.get_fully_qualified_name(), message="loading")
    monitor._on_diagnostics(DiagnosticArray(status=[busy]))
    assert "no recognition yet; rear/inference: loading" in shown()
    monitor.busy_s = 0.0
    report(monitor, FaultCode.WAITING, "nothing yet", "inference: recogniser", inference.get_fully_qualified_name())
    assert "not active" not in shown()


@pytest.fixture
def printed(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[str]]:
    """printed(): the lines that are new where there is no terminal, a while after the start."""
    monkeypatch.setattr("mumu_ros.nodes.screen.PATIENCE_S", 0.0)
    screen = Screen(monitor, 60.0, "title")

    def show() -> list[str]:
        screen._next = 0.0
        screen.show()
        return capsys.readouterr().out.splitlines()

    return show


def test_off_a_terminal_a_fault_is_a_line_when_it_begins_changes_and_ends(
    monitor: Monitor, printed: Callable[[], list[str]]
) -> None:
    report(monitor, FaultCode.NONE, "", "sensor_sync: output")
    assert printed() == ["/activity: no recognition yet"]
    report(monitor, FaultCode.SILENT, REMEDY)
    assert printed() == [f"sensor_sync: rgb: {REMEDY}"]
    report(monitor, FaultCode.SILENT, REMEDY.replace("2.0 s", "3.0 s"))
    assert printed() == []
    report(monitor, FaultCode.LATE, "it is late")
    assert printed() == ["sensor_sync: rgb: it is late"]
    report(monitor, FaultCode.NONE, "30.0 Hz")
    assert printed() == ["sensor_sync: rgb: 30.0 Hz"]
    assert printed() == []


def test_the_first_seconds_are_too_early_for_faults(
    monitor: Monitor, printed: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.screen.PATIENCE_S", 3600.0)
    report(monitor, FaultCode.SILENT, REMEDY)
    assert printed() == ["/activity: no recognition yet"]
    recognise(monitor, 0, "wave")
    assert f"sensor_sync: rgb: {REMEDY}" in printed()


def test_a_recognition_is_wrong_only_where_the_truth_is_known(
    monitor: Monitor, printed: Callable[[], list[str]]
) -> None:
    printed()
    recognise(monitor, 3, "wave", "a")
    (line,) = printed()
    assert "right" not in line
    assert "WRONG" not in line
    assert printed() == [], "it was shown"
    annotate(monitor, 0, 0, "wave", "a")
    annotate(monitor, 0, 0, "sit", "b")
    for body_id, mark in (("a", "right"), ("b", "WRONG")):
        recognise(monitor, 3, "wave", body_id)
        (line,) = printed()
        assert f"body {body_id}" in line
        assert mark in line


def test_a_robot_is_shown_its_own_faults(ros: Any) -> None:
    monitor = Monitor(context=ros.context, namespace="/left")
    report(monitor, FaultCode.SILENT, REMEDY, node="/left/sensor_sync")
    report(monitor, FaultCode.NONE, "30.0 Hz", node="/lefter/sensor_sync")
    monitor._on_diagnostics(DiagnosticArray(status=[DiagnosticStatus(name="sensor_sync: rgb", hardware_id="arm")]))
    assert monitor.reported() == {"sensor_sync: rgb": ("silent", REMEDY)}
    monitor.destroy_node()


@pytest.mark.parametrize("namespace", ["", "/fleet", "/fleet/left"])
def test_robots_with_statuses_of_the_same_name_are_told_apart(ros: Any, namespace: str) -> None:
    monitor = Monitor(context=ros.context, namespace=namespace)
    report(monitor, FaultCode.SILENT, REMEDY, node=f"{namespace}/sensor_sync")
    report(monitor, FaultCode.NONE, "30.0 Hz", node=f"{namespace}/rear/sensor_sync")
    report(monitor, FaultCode.LATE, "late", node=f"{namespace}/rear/top/sensor_sync")
    assert monitor.reported() == {
        "sensor_sync: rgb": ("silent", REMEDY),
        "rear/sensor_sync: rgb": ("", "30.0 Hz"),
        "rear/top/sensor_sync: rgb": ("late", "late"),
    }
    monitor.destroy_node()


@pytest.mark.parametrize("name", ["robot-1", "1robot", "/a//b", "a b", "~", "Käfer"])
@pytest.mark.parametrize("command", [["watch", "--namespace", ""], ["launch", "hri", "namespace:="]])
def test_a_namespace_that_no_node_can_have_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], command: list[str], name: str
) -> None:
    assert main([*command[:-1], command[-1] + name]) == 2
    assert f"namespace {name!r} cannot be one: expected letters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name"), [("", ""), ("/", ""), ("/robot1/", "/robot1"), ("robot1/", "robot1"), ("/a/_b2", "/a/_b2")]
)
def test_a_slash_at_the_end_of_a_namespace_says_nothing(text: str, name: str) -> None:
    assert node_namespace(text) == name


def test_watch_names_a_fault_of_a_system_that_recognises_nothing(ros: Any, started: Callable[..., Any]) -> None:
    publisher = ros.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    process = started(
        [sys.executable, "-m", "mumu_ros.cli", "watch", "--namespace", "/left/"], ignoring_sigint=True, env=environment
    )
    ros.wait(publisher.get_subscription_count, 60.0)
    publisher.publish(
        DiagnosticArray(status=[status("sensor_sync: rgb", (FaultCode.SILENT, REMEDY), "/left/sensor_sync")])
    )
    seen = ""
    while REMEDY not in seen:
        seen = process.stdout.readline()
        assert seen, "it has ended"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
