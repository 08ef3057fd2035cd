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

"""`mumu launch hri`, `mumu launch replay`: the nodes of a launch file, with its arguments, without ros2 launch."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence

from mumu_ros.nodes.launch_arguments import HRI, REPLAY, Argument, node_namespace
from mumu_ros.nodes.launch_plans import RESPAWN_DELAY_S, NodePlan, plan_hri, plan_replay
from mumu_ros.nodes.processes import Processes

__all__ = ["register"]

PLANS: dict[str, tuple[tuple[Argument, ...], Callable[[Mapping[str, str]], list[NodePlan]]]] = {
    "hri": (HRI, plan_hri),
    "replay": (REPLAY, plan_replay),
}
POLL_PERIOD_S = 0.2


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "launch",
        description=(
            "hri: people, sensor_sync and inference as in the parameter file, and optionally the simulator. "
            "replay: a bag, the nodes that recognise its activities, and a report at the end. Like "
            "`ros2 launch mumu_ros hri.launch.py`."
        ),
    )
    parser.add_argument("file", choices=[f for name in PLANS for f in (name, f"{name}.launch.py")], metavar="FILE")
    listed = parser.add_argument("arguments", nargs="*", metavar="NAME:=VALUE", help="see below")
    parser.set_defaults(listed=listed)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(_described(file, given) for file, (given, _) in PLANS.items())
    parser.set_defaults(run=_run)


def _described(file: str, arguments: Sequence[Argument]) -> str:
    lines = [f"arguments of {file}:"]
    for a in arguments:
        default = "required" if a.default is None else f"default {a.default!r}"
        lines += textwrap.wrap(
            f"{a.name}:= {a.description} ({default})", 100, initial_indent="  ", subsequent_indent="      "
        )
    return "\n".join(lines)


def _run(parsed: argparse.Namespace) -> int:
    arguments, plan = PLANS[parsed.file.removesuffix(".launch.py")]
    given = _parse(arguments, parsed.arguments)
    plans = {plan.name: plan for plan in plan(given)}
    with Processes() as nodes:
        try:
            has_failed = _watch(nodes, plans, node_namespace(given.get("namespace", "")))
        except KeyboardInterrupt:  # a second one, while they are stopped, kills them and is an error
            has_failed = False
        return 1 if has_failed else _stop(nodes, plans)


def _watch(nodes: Processes, plans: Mapping[str, NodePlan], namespace: str) -> bool:
    """Run the nodes until one fails, or ends that is required; whether it has failed."""
    due_s = dict.fromkeys(plans, 0.0)
    watch = f"mumu watch --namespace {namespace}" if namespace else "mumu watch"
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    print(f"Starting in ROS domain {domain}; Ctrl-C stops. Display it with: {watch}", flush=True)
    while True:
        for name in [name for name, at_s in due_s.items() if at_s <= time.monotonic()]:
            del due_s[name]
            plan = plans[name]
            nodes.start(name, plan.parameters, plan.params_file, namespace, None, plan.remappings, plan.arguments)
        time.sleep(POLL_PERIOD_S)
        for name, status in nodes.ended().items():
            nodes.stop(name)
            if plans[name].respawn:
                print(f"mumu launch: {name} ended with status {status}; restarting it", file=sys.stderr)
                due_s[name] = time.monotonic() + RESPAWN_DELAY_S
            elif status:
                print(f"mumu launch: {name} ended with status {status}; stopping the others", file=sys.stderr)
                return True
            elif not plans[name].may_end:
                return False


def _stop(nodes: Processes, plans: Mapping[str, NodePlan]) -> int:
    """Stop all nodes; 1 if one of them could not do its task."""
    failed = [name for name, status in nodes.stop().items() if status and not plans[name].respawn]
    for name in failed:
        print(f"mumu launch: {name} ended with an error", file=sys.stderr)
    return int(bool(failed))


def _parse(arguments: Sequence[Argument], texts: Sequence[str]) -> dict[str, str]:
    known = {argument.name: argument for argument in arguments}
    values = {argument.name: argument.default for argument in arguments}
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or name not in known:
            raise ValueError(f"{text!r} is not an argument; expected NAME:=VALUE with one of {', '.join(known)}")
        value, choices = known[name].read(value), known[name].choices
        if choices and value not in choices:
            raise ValueError(f"{text!r}: expected {' or '.join(f'{name}:={choice}' for choice in choices if choice)}")
        values[name] = value
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise ValueError(f"{missing[0]}:= is missing: {known[missing[0]].description}")
    return {name: value or "" for name, value in values.items()}
