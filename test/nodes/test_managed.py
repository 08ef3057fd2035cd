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

"""A node outlives service calls, callbacks and transitions that fail, and says what happened."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Empty

from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes import demo, running
from mumu_ros.nodes.demo_monitor import Monitor
from mumu_ros.nodes.managed import BUSY, OVER, ManagedNode
from mumu_ros.nodes.parameters import AUTOSTART
from mumu_ros.nodes.processes import Processes
from mumu_ros.nodes.worker import Worker

SUCCESS = TransitionCallbackReturn.SUCCESS
TIMEOUT_S = 20.0


class Node(ManagedNode):
    """Subscribes, has a worker, and fails where it is told to."""

    def __init__(self, **options: Any) -> None:
        super().__init__("node", (AUTOSTART,), **options)
        self.fails: dict[str, Exception] = {}
        self.cleaned = 0

    def configure(self) -> None:
        self._fail("configure")

    def activate(self) -> None:
        worker: Worker[object] = Worker("half-way", lambda _: None, self.report_worker_error)
        self.undo.callback(worker.stop)
        subscription = self.create_subscription(Empty, "topic", self._receive, 10)
        self.undo.callback(self.destroy_subscription, subscription)
        self._fail("activate")

    def cleanup(self) -> None:
        self.cleaned += 1
        self._fail("cleanup")

    def diagnose(self) -> list[Any]:
        self._fail("diagnose")
        return []

    def _receive(self, _: Empty) -> None:
        self._fail("receive")

    def _fail(self, where: str) -> None:
        if where in self.fails:
            raise self.fails[where]


class Checking(Node):
    """Looks at itself often, and has a fault from a given look on until another one."""

    check_period_s = 0.02

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.looks = 0
        self.faulty = range(0)

    def diagnose(self) -> list[Any]:
        self.looks += 1
        code = FaultCode.SILENT if self.looks in self.faulty else FaultCode.NONE
        return [self.status("stream", (code, ""), look=self.looks)]


class Client:
    """Calls the services of a node and collects its diagnostics."""

    def __init__(self, ros: Any, node: ManagedNode) -> None:
        self.ros, self.node = ros, node
        self.diagnostics: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)

    def call(self, service: Any, name: str, request: Any) -> Any:
        client = self.ros.node.create_client(service, f"/node/{name}")
        self.ros.wait(client.service_is_ready)
        future = client.call_async(request)
        self.ros.wait(future.done)
        self.ros.node.destroy_client(client)
        return future.result()

    def change(self, number: int = 0, label: str = "") -> bool:
        request = ChangeState.Request(transition=Transition(id=number, label=label))
        return bool(self.call(ChangeState, "change_state", request).success)

    def state(self) -> str:
        return str(self.call(GetState, "get_state", GetState.Request()).current_state.label)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.diagnostics.update({status.name: status for status in message.status})


@pytest.fixture
def client(ros: Any) -> Client:
    ros.provokes_errors = True
    return Client(ros, ros.add(Node))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "half-way"]


def test_every_transition_may_be_asked_for_in_every_state(client: Client) -> None:
    """Two lifecycle managers, or a client that tries again."""
    asked: list[tuple[int, str]] = [(number, "") for number in range(10)] + [(60, ""), (255, "")]
    asked += [(0, label) for label in ("activate", "shutdown", "nonsense", "x" * 100_000, "transition_success")]
    for number, label in [*asked, (1, ""), *asked[1:2], (3, ""), (3, ""), (3, "activate"), (1, "")]:
        if number in (5, 6, 7) or label == "shutdown":
            continue  # these end a node, as they should
        client.change(number, label)
    assert client.state() in ("unconfigured", "inactive", "active")
    assert client.change(5 if client.state() == "unconfigured" else 6 if client.state() == "inactive" else 7)
    assert client.state() == "finalized"
    assert not client.change(1)


def test_a_failed_activate_leaves_nothing_behind_and_can_be_tried_again(client: Client) -> None:
    node = client.node
    assert client.change(Transition.TRANSITION_CONFIGURE)
    for error, state in ((ValueError("no such topic"), "inactive"), (RuntimeError("out of memory"), "unconfigured")):
        node.fails = {"activate": error}
        assert not client.change(Transition.TRANSITION_ACTIVATE)
        assert client.state() == state
        assert threads() == []
        assert node.count_subscribers("topic") == 0
    assert node.cleaned == 1
    assert (
        client.call(
            SetParameters,
            "set_parameters",
            SetParameters.Request(parameters=[Parameter("autostart", value=False).to_parameter_msg()]),
        )
        .results[0]
        .successful
    ), "parameters are not locked"
    node.fails = {}
    assert client.change(Transition.TRANSITION_CONFIGURE)
    assert client.change(Transition.TRANSITION_ACTIVATE)
    assert threads() == ["half-way"]
    assert client.change(Transition.TRANSITION_DEACTIVATE)
    assert threads() == []
    node.fails = {"cleanup": RuntimeError("no")}
    client.change(Transition.TRANSITION_CLEANUP)
    assert client.state() == "unconfigured"


def test_what_callbacks_raise_is_counted_and_reported_and_ends_nothing(ros: Any, client: Client) -> None:
    node = client.node
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    publisher = ros.node.create_publisher(Empty, "topic", 10)
    ros.wait(publisher.get_subscription_count)
    for where, error in (("receive", KeyError("x" * 10**6)), ("diagnose", ZeroDivisionError("by zero"))):
        node.fails = {where: error}
        deadline = time.monotonic() + TIMEOUT_S
        while type(error).__name__ not in getattr(client.diagnostics.get("node: errors"), "message", ""):
            assert time.monotonic() < deadline
            publisher.publish(Empty())
            running.spin_some(ros.executor, node)
        assert len(client.diagnostics["node: errors"].message) < 1000
    assert client.change(Transition.TRANSITION_DEACTIVATE)
    node.fails = {}
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: client.diagnostics["node: errors"].message == OVER)
    assert client.diagnostics["node: errors"].level == DiagnosticStatus.OK, "they are of before"


def test_what_waits_in_the_executor_is_dropped_with_its_subscription_or_timer(client: Client) -> None:
    seen: list[str] = []
    node = client.node
    subscription = node.create_subscription(Empty, "topic", lambda _: seen.append("message"), 10)
    timer = node.create_timer(1000.0, lambda: seen.append("time"))
    receive, tick = subscription.callback, timer.callback
    for _ in range(2):
        receive(Empty())
        tick()
        node.destroy_subscription(subscription)
        node.destroy_timer(timer)
    assert seen == ["message", "time"]


def test_the_messages_of_a_polled_subscription_are_left_to_its_owner(ros: Any, client: Client) -> None:
    seen: list[str] = []
    polled = client.node.create_polled_subscription(Empty, "polled", lambda _: seen.append("polled"), 10)
    client.node.create_subscription(Empty, "served", lambda _: seen.append("served"), 10)
    publishers = [ros.node.create_publisher(Empty, topic, 10) for topic in ("polled", "served")]
    ros.wait(lambda: all(publisher.get_subscription_count() for publisher in publishers))
    for publisher in publishers:
        publisher.publish(Empty())
    ros.wait(lambda: seen)
    assert ros.wait(lambda: polled.handle.take_message(Empty, False))
    assert seen == ["served"]


def test_a_service_that_fails_is_answered(client: Client) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("a defect")

    client.node.add_on_set_parameters_callback(fail)
    request = SetParameters.Request(parameters=[Parameter("autostart", value=False).to_parameter_msg()])
    assert client.call(SetParameters, "set_parameters", request).results == []
    assert client.state() == "unconfigured"


def test_a_node_that_takes_long_to_configure_says_so_while_it_does(
    ros: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = client.node
    said = threading.Event()

    def configure() -> None:
        record = logging.LogRecord("mumu_ros.x", logging.WARNING, "", 0, "converting %s", ("sim",), None)
        node.repeat(record)
        assert said.wait(20), "nobody heard it"

    monkeypatch.setattr(node, "configure", configure)
    thread = threading.Thread(target=node.trigger_configure)
    thread.start()
    ros.executor.remove_node(node)  # its executor would be blocked
    status = ros.wait(lambda: client.diagnostics.get(f"node: {BUSY}"))
    said.set()
    thread.join()
    ros.executor.add_node(node)
    assert "converting sim" in status.message
    assert node.trigger_activate() == SUCCESS
    status = ros.wait(lambda: (s := client.diagnostics[f"node: {BUSY}"]).message == OVER and s)
    assert status.level == DiagnosticStatus.OK


def test_no_status_stops_coming_while_the_node_is_active(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a stream that it no longer has; but nothing is over because `diagnose` fails."""
    ros.provokes_errors = True
    node = ros.add(Checking)
    messages = ros.collect(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: node.count_subscribers("/diagnostics"))
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: messages)
    monkeypatch.setattr(node, "diagnose", lambda: [node.status("other stream", (FaultCode.NONE, "good"))])
    ros.wait(lambda: len(messages[-1].status) == 2)
    said = [(status.name, status.level, status.message) for status in messages[-1].status]
    assert said == [
        ("node: other stream", DiagnosticStatus.OK, "good"),
        ("node: stream", DiagnosticStatus.OK, OVER),
    ]
    monkeypatch.undo()
    node.fails = {"diagnose": ZeroDivisionError("by zero")}
    monkeypatch.setattr(node, "diagnose", lambda: node._fail("diagnose"))
    ros.wait(lambda: [status.name for status in messages[-1].status] == ["node: errors"])


def test_a_demo_waits_while_a_node_says_that_it_is_busy(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "START_TIMEOUT_S", 0.8)
    monitor = Monitor(context=ros.context)
    ros.executor.add_node(monitor)
    publisher = ros.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
    ros.wait(publisher.get_subscription_count)
    (tmp_path / "log").write_text("the last line")
    said = 0

    def is_done() -> bool:
        """Ready after longer than the timeout of being busy."""
        nonlocal said
        said += 1
        text = f"configuring for {said} s: converting"
        publisher.publish(DiagnosticArray(status=[DiagnosticStatus(name=f"inference: {BUSY}", message=text)]))
        return time.monotonic() > start_s + 1.5

    start_s = time.monotonic()
    nodes = Processes()
    demo._wait(ros.executor, monitor, is_done, nodes, tmp_path / "log")
    assert "inference: configuring for" in capsys.readouterr().out
    busy_s = monitor.busy_s
    monitor._on_diagnostics(DiagnosticArray(status=[DiagnosticStatus(name=f"inference: {BUSY}", message=OVER)]))
    assert monitor.busy_s == busy_s
    with pytest.raises(demo.DemoError, match=r"Timed out after 1 s (?s:.*)the last line"):
        demo._wait(ros.executor, monitor, lambda: False, nodes, tmp_path / "log")
    ros.executor.remove_node(monitor)
    monitor.destroy_node()


def test_a_worker_outlives_its_own_report() -> None:
    handled = threading.Event()

    def handle(job: int) -> None:
        if job == 0:
            raise ValueError("bad job")
        handled.set()

    def report(_: Exception) -> None:
        raise RuntimeError("the context has ended")

    worker = Worker("w", handle, report, capacity=2)
    worker.put(0)
    worker.put(1)
    assert handled.wait(20)
    worker.stop()


def test_a_fault_and_its_end_are_published_at_once_and_nothing_else_is(ros: Any) -> None:
    node = ros.add(Checking)
    messages = ros.collect(DiagnosticArray, "/diagnostics")
    ros.wait(lambda: node.count_subscribers("/diagnostics"))
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: messages)
    node.faulty = range(node.looks + 5, node.looks + 10)
    ros.wait(lambda: node.looks > node.faulty.stop + 5)
    said = [[pair.value for pair in message.status[0].values] for message in messages]
    changes = [(code, int(look)) for code, look in said if int(look) in (node.faulty.start, node.faulty.stop)]
    assert changes == [("silent", node.faulty.start), ("", node.faulty.stop)]
    assert len(messages) < node.looks / 2
