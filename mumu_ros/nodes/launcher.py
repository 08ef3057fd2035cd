"""`mumu launch hri`, `mumu launch replay`: the nodes of a launch file, with its arguments, without ros2 launch."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence

from mumu_ros.nodes.launching import HRI, REPLAY, Argument, NodePlan, plan_hri, plan_replay
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
        help="start the nodes of a launch file where ros2 launch is not installed",
        description=(
            "hri: people, sensor_sync and inference as the parameter file has them, and the simulator on request. "
            "replay: a bag, the nodes that recognise what it shows, and a report in the end. Like "
            "`ros2 launch mumu_ros hri.launch.py`."
        ),
    )
    parser.add_argument("file", choices=[f for name in PLANS for f in (name, f"{name}.launch.py")], metavar="FILE")
    parser.add_argument("arguments", nargs="*", metavar="NAME:=VALUE", help="see below")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(_described(file, given) for file, (given, _) in PLANS.items())
    parser.set_defaults(run=_run)


def _described(file: str, arguments: Sequence[Argument]) -> str:
    lines = [f"arguments of {file}:"]
    for a in arguments:
        default = "must be given" if a.default is None else f"default {a.default!r}"
        lines += textwrap.wrap(
            f"{a.name}:= {a.description} ({default})", 100, initial_indent="  ", subsequent_indent="      "
        )
    return "\n".join(lines)


def _run(parsed: argparse.Namespace) -> int:
    arguments, plan = PLANS[parsed.file.removesuffix(".launch.py")]
    try:
        given = _parse(arguments, parsed.arguments)
        plans = plan(given)
    except (ValueError, OSError) as error:
        print(f"mumu launch: {error}", file=sys.stderr)
        return 2
    with Processes() as nodes:
        for node in plans:
            nodes.start(node.name, node.parameters, node.params_file, given.get("namespace", ""))
        print(
            f"Started in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}; Ctrl-C stops. See it with: mumu watch",
            flush=True,
        )
        try:
            while not nodes.ended():
                time.sleep(POLL_PERIOD_S)
        except KeyboardInterrupt:
            return 0
        if nodes.ended() == {"player": 0}:
            return 0
        for name, status in nodes.ended().items():
            print(f"mumu launch: {name} ended with status {status}; stopping the others", file=sys.stderr)
        return 1


def _parse(arguments: Sequence[Argument], texts: Sequence[str]) -> dict[str, str]:
    known = {argument.name: argument for argument in arguments}
    values = {argument.name: argument.default for argument in arguments}
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or name not in known:
            raise ValueError(f"{text!r} is no argument; expected NAME:=VALUE with one of {', '.join(known)}")
        choices = known[name].choices
        if choices and value not in choices:
            raise ValueError(f"{text!r}: expected {' or '.join(f'{name}:={choice}' for choice in choices if choice)}")
        values[name] = value
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise ValueError(f"{missing[0]}:= is missing: {known[missing[0]].description}")
    return {name: value or "" for name, value in values.items()}
