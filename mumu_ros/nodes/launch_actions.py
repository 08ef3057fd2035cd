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

"""Plans of launch_plans.py as actions of `launch`: what the launch files have in common.

`ros2 launch` runs in the Python that ROS was installed for, not in that of a virtual environment that is active; a
replay reads the bag with packages that may be there only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from mumu_ros.nodes.launch_arguments import Argument, node_namespace
from mumu_ros.nodes.launch_plans import RESPAWN_DELAY_S, NodePlan, enclave, parameter_texts
from mumu_ros.nodes.processes import dds_variables, stop_timeout_s

__all__ = ["description"]

_UNREAD = 255
"""Status that asyncio reports for a process that ended just when a signal was sent to it; no node ends with it."""


def description(
    arguments: Sequence[Argument], plan: Callable[[Mapping[str, str]], Sequence[NodePlan]]
) -> LaunchDescription:
    """A launch description with these arguments that starts the nodes of `plan`; when one node ends, all do."""
    if environment := os.environ.get("VIRTUAL_ENV"):
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        sys.path.append(os.path.join(environment, "lib", version, "site-packages"))
    ended: list[str] = []  # nodes whose end ends the launch

    def start(context: LaunchContext) -> list[Any]:
        variables = dds_variables(context.environment)
        environment = [SetEnvironmentVariable(name, value) for name, value in variables.items()]
        given = {a.name: a.read(LaunchConfiguration(a.name).perform(context)) for a in arguments}
        name = node_namespace(given.get("namespace", ""))
        return environment + [_action(node, name, ended) for node in plan(given)]

    declared = [
        DeclareLaunchArgument(a.name, default_value=a.default, description=a.description, choices=a.accepted or None)
        for a in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def _action(plan: NodePlan, namespace: str, ended: list[str]) -> Node:
    return Node(
        package="mumu_ros",
        executable=plan.name,
        arguments=[*plan.arguments, *parameter_texts(plan.parameters)],
        namespace=namespace,
        remappings=list(plan.remappings.items()),
        ros_arguments=["--enclave", enclave(plan.name)],
        parameters=[str(plan.params_file)] if plan.params_file else [],
        output="screen",
        sigterm_timeout=str(stop_timeout_s(plan.name)),
        respawn=plan.respawn,
        respawn_delay=RESPAWN_DELAY_S,
        on_exit=None if plan.respawn else partial(_after, plan, ended),
    )


def _after(plan: NodePlan, ended: list[str], event: ProcessExited, context: LaunchContext) -> Shutdown | None:
    """Action when a node ends: an error ends the launch with an error.

    None is one while all are stopped from outside, as by Ctrl-C, which reaches nodes at any moment of their start.
    Where a node in `ended` stops the others, an error of theirs is one: a report that could not be written.
    """
    stopped = context.is_shutdown and (not ended or event.returncode < 0 or event.returncode == _UNREAD)
    if event.returncode and not stopped:
        raise RuntimeError(f"{plan.name} has ended with status {event.returncode}")
    if plan.may_end or context.is_shutdown:
        return None
    ended.append(plan.name)
    return Shutdown(reason=f"{plan.name} has ended")
