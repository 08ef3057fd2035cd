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

"""examples/cobot_handover reacts to a simulated person at work, and to people who step close."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from mumu_ros.conversions import RosTypes, people_to_message
from mumu_ros.msg import ActivityEvent, ActivityRecognition, People
from mumu_ros.nodes.processes import Processes
from mumu_ros.people import Person
from mumu_ros.share import share_path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cobot_handover"


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


@pytest.fixture
def node(ros: Any) -> Iterator[Any]:
    """The example, with two seconds for `silence_s`."""
    from cobot_handover.node import CobotHandover

    node = CobotHandover(context=ros.context, parameter_overrides=[Parameter("silence_s", value=2.0)])
    ros.executor.add_node(node)
    yield node
    node.destroy_node()


def people(*distances_m: float, frame: str = "camera_color_optical_frame") -> People:
    persons = [
        Person(
            f"body{number}",
            0.9,
            (0, 0, 10, 20),
            np.zeros((33, 2), np.float32),
            np.full((33, 3), [0, 0, distance_m], np.float32),
            np.ones(33, np.float32),
            "depth",
        )
        for number, distance_m in enumerate(distances_m)
    ]
    return people_to_message(10**18, frame, 640, 480, "blazepose33", persons, RosTypes())


def test_it_hands_over_to_whoever_works_and_stops_for_whoever_steps_close(ros: Any) -> None:
    """Seed 3 inspects and hammers for ten seconds, and then shows a stop sign."""
    commands: list[str] = []
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_subscription(String, "cobot_handover/command", lambda m: commands.append(m.data), latched)
    seen = ros.node.create_publisher(People, "seen", 10)
    in_view = [2.5]
    ros.node.create_timer(0.1, lambda: seen.publish(people(*in_view)))
    path = os.pathsep.join(filter(None, [str(EXAMPLE), os.environ.get("PYTHONPATH")]))
    with Processes({"ROS_DOMAIN_ID": str(ros.domain), "PYTHONPATH": path}) as processes:
        example = ["--ros-args", "-r", "people:=seen", "-p", "silence_s:=20.0"]
        processes.run("cobot", "cobot_handover.node", example)
        for node in ("inference", "sensor_sync"):
            processes.start(node, {}, share_path("config", "sim.yaml"))
        ros.wait(lambda: ros.node.count_subscribers("multimodal_frame") and "wait" in commands, 60.0)
        processes.start("simulator", {"seed": 3, "width": 64, "height": 48})
        ros.wait(lambda: commands[-1] == "hand_over", 60.0)
        in_view.append(0.8)
        ros.wait(lambda: commands[-1] == "stop")
        in_view[1] = 2.0
        ros.wait(lambda: commands[-1] != "stop")
        ros.wait(lambda: commands[-1] == "wait", 60.0)
        assert not processes.ended()
        processes.stop("cobot")


def test_it_stops_near_people_without_going_back_and_forth_and_where_it_is_blind() -> None:
    from cobot_handover.behaviour import Behaviour, Command

    behaviour = Behaviour("work", stop_m=1.0, clear_m=1.3, silence_s=1.0, lost_s=30.0)
    assert behaviour.command(0.0) is Command.STOP, "nobody has looked yet"
    behaviour.see(0.0, {})
    assert behaviour.command(0.5) is Command.WAIT
    behaviour.hear(0.5, "anna", "work", "drill", begins=True)
    assert behaviour.command(0.5) is Command.WAIT, "the group counts"
    behaviour.hear(0.5, "anna", "work", "", begins=True)
    behaviour.hear(0.5, "ben", "rest", "", begins=True)
    assert behaviour.command(0.5) is Command.HAND_OVER
    for distance_m, command in ((1.1, Command.HAND_OVER), (0.9, Command.STOP), (1.1, Command.STOP)):
        behaviour.see(1.0, {"anna": distance_m, "ben": 3.0})
        assert behaviour.command(1.0) is command
    behaviour.see(2.0, {"anna": 1.4})
    behaviour.confirm(2.0, "anna", "work")
    assert behaviour.command(2.5) is Command.HAND_OVER
    assert behaviour.command(3.5) is Command.STOP, "nothing is known any more"
    behaviour.see(4.0, {})
    behaviour.hear(4.0, "anna", "work", "", begins=False)
    assert behaviour.command(4.0) is Command.WAIT


def test_it_stops_for_somebody_who_comes_so_near_that_they_are_not_found() -> None:
    from cobot_handover.behaviour import Behaviour, Command

    behaviour = Behaviour("work", stop_m=1.0, clear_m=1.5, silence_s=1.0, lost_s=30.0)
    behaviour.hear(0.0, "anna", "work", "", begins=True)

    def command(now_s: float, **distances_m: float) -> Command:
        behaviour.see(now_s, {"anna": 2.5, **distances_m})
        behaviour.confirm(now_s, "anna", "work")
        return behaviour.command(now_s)

    assert command(1.0, ben=1.6) is Command.HAND_OVER
    assert command(2.0) is Command.HAND_OVER, "he was not near"
    assert command(3.0, ben=1.4) is Command.HAND_OVER
    assert command(4.0) is Command.STOP
    assert command(33.0, carl=1.2) is Command.STOP
    assert command(34.0, carl=1.2) is Command.STOP, "carl is not farther than clear_m"
    assert command(35.0, carl=1.6) is Command.HAND_OVER
    assert command(36.0, carl=0.9) is Command.STOP
    assert command(37.0) is Command.STOP
    assert command(38.0, carl=1.3) is Command.STOP
    assert command(60.0, carl=1.3) is Command.STOP
    assert command(89.0) is Command.STOP, "30 s since he was last in view"
    assert command(91.0) is Command.HAND_OVER


def test_it_stops_when_people_dies_also_while_the_ros_clock_stands_still(ros: Any) -> None:
    """As a clock does that is set back."""
    from cobot_handover.node import CobotHandover

    stands = [Parameter("use_sim_time", value=True)]
    node = CobotHandover(context=ros.context, parameter_overrides=stands)
    ros.executor.add_node(node)
    commands = ros.collect(String, "cobot_handover/command")
    seen = ros.node.create_publisher(People, "people", 10)
    timer = ros.node.create_timer(0.1, lambda: seen.publish(people(2.0)))
    ros.wait(lambda: commands and commands[-1].data == "wait")
    timer.cancel()
    ros.wait(lambda: commands[-1].data == "stop")
    node.destroy_node()


def test_it_stops_while_people_are_in_a_frame_that_does_not_stand_on_the_robot(ros: Any, node: Any) -> None:
    """The robot has driven on by 6 m: who stands before it is as far from the origin of odom."""
    commands = ros.collect(String, "cobot_handover/command")
    seen = ros.node.create_publisher(People, "people", 10)
    frame = "camera_color_optical_frame"
    ros.node.create_timer(0.1, lambda: seen.publish(people(6.0, frame=frame)))
    ros.wait(lambda: commands and commands[-1].data == "wait")
    frame = "odom_optical"
    ros.wait(lambda: commands[-1].data == "stop")
    frame = "camera_color_optical_frame"
    ros.wait(lambda: commands[-1].data == "wait")


def test_nobody_works_whom_no_decision_confirms() -> None:
    """The end never comes if inference has died, and a new one knows nothing of the beginning."""
    from cobot_handover.behaviour import Behaviour, Command

    behaviour = Behaviour("work", stop_m=1.0, clear_m=1.3, silence_s=1.0, lost_s=30.0)
    behaviour.hear(0.0, "anna", "work", "", begins=True)

    def command(now_s: float, *decisions: tuple[str, str], in_view: tuple[str, ...] = ("anna", "ben")) -> Command:
        behaviour.see(now_s, dict.fromkeys(in_view, 2.0))
        for body_id, group in decisions:
            behaviour.confirm(now_s, body_id, group)
        return behaviour.command(now_s)

    assert command(0.9) is Command.HAND_OVER
    assert command(1.8, ("anna", "work")) is Command.HAND_OVER
    assert command(2.7) is Command.HAND_OVER
    assert command(2.9) is Command.WAIT, "she is in view, but nothing has come since 1.8"
    assert command(3.0, ("anna", "rest"), ("ben", "work")) is Command.WAIT, "he has not begun"
    assert command(3.1, ("anna", "work")) is Command.HAND_OVER, "decisions were late"
    assert command(100.0, in_view=()) is Command.WAIT


def test_somebody_who_began_before_it_has_started_works_once_decisions_have_said_so_for_long() -> None:
    from cobot_handover.behaviour import Behaviour, Command

    behaviour = Behaviour("work", stop_m=1.0, clear_m=1.3, silence_s=1.0, lost_s=30.0)

    def command(now_s: float, group: str) -> Command:
        behaviour.see(now_s, {"anna": 2.0})
        behaviour.confirm(now_s, "anna", group)
        return behaviour.command(now_s)

    assert [command(now_s, "work") for now_s in (0.0, 0.9)] == [Command.WAIT] * 2
    assert [command(now_s, "rest") for now_s in (1.0, 1.1)] == [Command.WAIT] * 2
    assert [command(now_s, "work") for now_s in (1.2, 1.8, 3.0)] == [Command.WAIT] * 3, "nothing came for 1.2 s"
    assert [command(now_s, "work") for now_s in (3.5, 4.0)] == [Command.WAIT, Command.HAND_OVER]
    behaviour.hear(4.1, "anna", "work", "", begins=False)
    assert command(4.2, "work") is Command.WAIT


def test_it_waits_when_inference_has_died_and_when_six_people_end_at_once(ros: Any, node: Any) -> None:
    commands = ros.collect(String, "cobot_handover/command")
    seen = ros.node.create_publisher(People, "people", 10)
    decisions = ros.node.create_publisher(ActivityRecognition, "activity", 100)
    events = ros.node.create_publisher(ActivityEvent, "activity_event", 64)
    bodies = [f"body{number}" for number in range(6)]
    inference_lives = True

    def tick() -> None:
        seen.publish(people(2.0))
        for body_id in bodies if inference_lives else ():
            decisions.publish(ActivityRecognition(body_id=body_id, group="work"))

    def tell(kind: int, activity: str) -> None:
        for body_id in bodies:
            events.publish(ActivityEvent(kind=kind, body_id=body_id, group="work", activity=activity))

    ros.node.create_timer(0.1, tick)
    ros.wait(lambda: commands and all(p.get_subscription_count() for p in (seen, decisions, events)))
    tell(ActivityEvent.BEGIN, "")
    ros.wait(lambda: commands[-1].data == "hand_over")
    begun = time.monotonic()
    ros.wait(lambda: time.monotonic() > begun + 2.5)
    assert commands[-1].data == "hand_over"
    inference_lives = False
    ros.wait(lambda: commands[-1].data == "wait")
    inference_lives = True
    ros.wait(lambda: commands[-1].data == "hand_over")
    tell(ActivityEvent.END, "")
    tell(ActivityEvent.END, "drill")
    time.sleep(0.3)  # all of them have to fit in its queue
    ros.wait(lambda: commands[-1].data == "wait")


def test_its_numbers_may_be_whole_and_what_is_none_is_refused(ros: Any) -> None:
    from cobot_handover.node import CobotHandover

    CobotHandover(context=ros.context, parameter_overrides=[Parameter("stop_m", value=1)]).destroy_node()
    for value in ("near", float("nan"), 0, True):
        with pytest.raises(SystemExit, match=f"parameter stop_m is {value!r}; expected a number above 0"):
            CobotHandover(context=ros.context, parameter_overrides=[Parameter("stop_m", value=value)])


@pytest.mark.parametrize("stop_m", [1.5, 2.0])
def test_a_distance_to_go_on_at_that_is_not_the_larger_one_is_refused(ros: Any, stop_m: float) -> None:
    """Or it would stop and go with every message."""
    from cobot_handover.node import CobotHandover

    with pytest.raises(SystemExit, match=f"parameter clear_m is 1.5; expected more than stop_m, which is {stop_m:g}"):
        CobotHandover(context=ros.context, parameter_overrides=[Parameter("stop_m", value=stop_m)])


def test_somebody_without_a_place_may_be_anywhere() -> None:
    from cobot_handover.node import distance_m

    assert distance_m(people(2.0).people[0]) == pytest.approx(2.0)
    assert distance_m(people(float("nan")).people[0]) == 0
