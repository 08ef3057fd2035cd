"""`mumu launch hri`: the nodes of launch/hri.launch.py, with its arguments, where ros2 launch is not installed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from mumu_ros.nodes.processes import Processes
from mumu_ros.share import share_path

__all__ = ["register"]

# Argument: default, as in launch/hri.launch.py; a test holds them together.
ARGUMENTS = {
    "params_file": "",
    "model": "sim",
    "namespace": "",
    "device": "auto",
    "use_sim_time": "false",
    "autostart": "true",
    "simulate": "false",
}
POLL_PERIOD_S = 0.2


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "launch",
        help="start the nodes of a launch file where ros2 launch is not installed",
        description=(
            "Starts sensor_sync and inference, and the simulator on request, like `ros2 launch mumu_ros hri.launch.py`."
        ),
    )
    parser.add_argument("file", choices=["hri", "hri.launch.py"], help="hri")
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME:=VALUE",
        help=f"the launch file's arguments: {', '.join(f'{n}:={v}' for n, v in ARGUMENTS.items())}",
    )
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    try:
        arguments = _parse(parsed.arguments)
    except ValueError as error:
        print(f"mumu launch: {error}", file=sys.stderr)
        return 2
    flags = {name: arguments[name] == "true" for name in ("use_sim_time", "autostart", "simulate")}
    common: dict[str, object] = {name: flags[name] for name in ("use_sim_time", "autostart")}
    params_file = Path(arguments["params_file"] or share_path("config", "hri.yaml"))
    namespace = arguments["namespace"]
    with Processes() as nodes:
        nodes.start("sensor_sync", common, params_file, namespace)
        model = {"model": arguments["model"], "device": arguments["device"]}
        nodes.start("inference", {**common, **model}, params_file, namespace)
        if flags["simulate"]:
            nodes.start("simulator", common, params_file, namespace)
        print(
            f"Started in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}; Ctrl-C stops. See it with: mumu watch",
            flush=True,
        )
        try:
            while not nodes.ended():
                time.sleep(POLL_PERIOD_S)
        except KeyboardInterrupt:
            return 0
        for node, status in nodes.ended().items():
            print(f"mumu launch: {node} ended with status {status}; stopping the others", file=sys.stderr)
        return 1


def _parse(texts: list[str]) -> dict[str, str]:
    arguments = dict(ARGUMENTS)
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or name not in ARGUMENTS:
            raise ValueError(f"{text!r} is no argument; expected NAME:=VALUE with one of {', '.join(ARGUMENTS)}")
        if ARGUMENTS[name] in ("true", "false") and value not in ("true", "false"):
            raise ValueError(f"{text!r}: expected {name}:=true or {name}:=false")
        arguments[name] = value
    if arguments["params_file"] and not Path(arguments["params_file"]).is_file():
        raise ValueError(f"params_file:={arguments['params_file']!r} is no file")
    return arguments
