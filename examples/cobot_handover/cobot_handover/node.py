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

"""Events, decisions and people of mumu_ros in, commands for an arm out."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from cobot_handover.behaviour import Behaviour, Command
from mumu_ros.msg import ActivityEvent, ActivityRecognition, People

PERIOD_S = 0.1
"""A command is at most this late."""
EVENTS = 64
"""As many as inference keeps: when a crowd leaves, all of its events come at once."""


class CobotHandover(Node):
    """Publishes on ~/command, whenever it changes, what the arm is to do: wait, hand_over or stop.

    The camera that sees the people stands on the robot: distances are from it. People in another frame than `frame`
    are not used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("cobot_handover", **options)
        group = self.declare_parameter("group", "work").value
        stop_m, clear_m = self._positive("stop_m", 1.0), self._positive("clear_m", 1.5)
        if clear_m <= stop_m:
            sys.exit(f"parameter clear_m is {clear_m:g}; expected more than stop_m, which is {stop_m:g}")
        silence_s, lost_s = self._positive("silence_s", 1.0), self._positive("lost_s", 30.0)
        self._frame = self.declare_parameter("frame", "camera_color_optical_frame").value
        self._behaviour = Behaviour(group, stop_m, clear_m, silence_s, lost_s)
        self._said: Command | None = None
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._command = self.create_publisher(String, "~/command", latched)
        self.create_subscription(ActivityEvent, "activity_event", self._hear, EVENTS)
        self.create_subscription(ActivityRecognition, "activity", self._confirm, 10)
        self.create_subscription(People, "people", self._see, 10)
        # Not the ROS clock, which may be set back or stand still just when nobody is heard of any more.
        self.create_timer(PERIOD_S, self._act, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _positive(self, name: str, default: float) -> float:
        """Value of a parameter, also of one that is given without a fraction, which rclpy would refuse."""
        value = self.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True)).value
        if type(value) not in (int, float) or not value > 0:  # NaN, too: nobody would be near
            sys.exit(f"parameter {name} is {value!r}; expected a number above 0")
        return float(value)

    def _hear(self, event: ActivityEvent) -> None:
        begins = event.kind == ActivityEvent.BEGIN
        self._behaviour.hear(time.monotonic(), event.body_id, event.group, event.activity, begins=begins)
        self._act()

    def _confirm(self, decision: ActivityRecognition) -> None:
        self._behaviour.confirm(time.monotonic(), decision.body_id, decision.group)
        self._act()

    def _see(self, message: People) -> None:
        if message.header.frame_id != self._frame:  # in odom or map, distances are from where the robot once stood
            self.get_logger().error(
                f"people are in the frame {message.header.frame_id!r}, expected {self._frame!r}: give its name as "
                "parameter frame if it stands on the robot, otherwise leave out target_frame of people",
                throttle_duration_sec=5.0,
            )
            return
        distances = {person.body_id: distance_m(person) for person in message.people}
        self._behaviour.see(time.monotonic(), distances)
        self._act()

    def _act(self) -> None:
        command = self._behaviour.command(time.monotonic())
        if command != self._said:
            self._said = command
            self.get_logger().info(command.value)
            self._command.publish(String(data=command.value))


def distance_m(person: Any) -> float:
    """Distance of the nearest joint, metres; of somebody without a place it is 0, because they may be anywhere."""
    distances = np.linalg.norm(np.reshape(person.joints, (-1, 3)), axis=1)
    return float(np.nanmin(distances)) if np.isfinite(distances).any() else 0.0


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    try:
        rclpy.spin(CobotHandover())
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
