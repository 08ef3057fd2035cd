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

"""What `mumu soak` makes of processes that end, of late messages and of missing weights; the nodes are stand-ins."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes.processes import Processes, own_domain
from mumu_ros.trials import soak

_STAND_IN = """
import os, sys, time, rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from mumu_ros.msg import ActivityRecognition

does, *sensors = sys.argv[1:]
rclpy.init()
node = rclpy.create_node("stand_in")
well = [KeyValue(key="code", value="")]
status = [DiagnosticStatus(name=f"sensor_sync: {name}", values=well) for name in sensors]
count = len(sensors)
decision = ActivityRecognition(modalities=sensors, present=[True] * count, fault=[""] * count)
if does == "reports":
    message, publisher = DiagnosticArray(status=status), node.create_publisher(DiagnosticArray, "/diagnostics", 1)
else:
    message, publisher = decision, node.create_publisher(ActivityRecognition, "activity", 1)
while True:
    if does != "is silent":
        publisher.publish(message)
    if does == "crashes" and publisher.get_subscription_count() and publisher.wait_for_all_acked():
        os.abort()
    time.sleep(0.05)
"""


class StandIns(Processes):
    """Does as it is told instead of the nodes: `does` has what each inference does, one after the other."""

    does: Sequence[str] = ()
    after_kill: Callable[[], None] = staticmethod(lambda: None)

    def start(self, node: str, *_: Any, **__: Any) -> None:
        does = {"sensor_sync": "reports"}.get(node, "is silent")
        if node == "inference":
            does, *self.does = self.does
        self.run(node, "stand_in", [does, *soak.KINDS])

    def kill(self, name: str) -> None:
        super().kill(name)
        self.after_kill()


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no weights, and no fault is tried."""
    (tmp_path / "stand_in.py").write_text(_STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("MUMU_PEOPLE_WEIGHTS", str(tmp_path))
    for name, value in own_domain().items():
        monkeypatch.setenv(name, value)  # restored after `soak` has set it
    monkeypatch.setattr(soak, "Processes", StandIns)
    monkeypatch.setattr(soak, "TRIALS", [])
    monkeypatch.setattr(soak, "WARM_S", 0.0)


def test_a_process_that_ended_by_itself_is_reported_though_it_is_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(StandIns, "does", ("crashes", "decides"))
    with soak._started() as run:
        assert run._until(lambda: bool(run._processes.ended()), soak.START_TIMEOUT_S) is not None
        run.run(600.0, np.random.default_rng(0))
        assert run._restarted_s is not None
        assert not run.is_good
        assert "processes that ended: inference (-6)\n" in run.report()


def test_what_was_published_before_the_kill_is_not_the_next_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIns, "does", ("decides", "is silent"))
    with soak._started() as run:
        publisher = run._monitor.create_publisher(ActivityRecognition, "activity", 1)

        def arrive_late() -> None:
            publisher.publish(ActivityRecognition())
            monkeypatch.setattr(soak, "START_TIMEOUT_S", 1.0)

        monkeypatch.setattr(StandIns, "after_kill", staticmethod(arrive_late))
        run.run(0.0, np.random.default_rng(0))
        assert run._restarted_s is None
        assert not run.is_good


@pytest.mark.parametrize("are_there", [False, True])
def test_the_report_says_that_people_and_overlay_were_left_out(
    monkeypatch: pytest.MonkeyPatch, are_there: bool
) -> None:
    if are_there:
        monkeypatch.setattr(soak, "find_weights", lambda: None)
    monkeypatch.setattr(StandIns, "does", ("decides", "decides"))
    with soak._started() as run:
        run.run(0.0, np.random.default_rng(0))
        assert run.is_good
        report = run.report()
        assert "\nprocesses that ended: none\n" in report
        assert ("\npeople and overlay were not started: no pose_detection" in report) != are_there
        assert ("\npeople: threads" in report) == are_there
