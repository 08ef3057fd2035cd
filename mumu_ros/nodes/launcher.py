"""`mumu launch hri`, `mumu launch replay`: the nodes of a launch file, with its arguments, without ros2 launch."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from mumu_ros.nodes.processes import Processes
from mumu_ros.share import share_path

__all__ = ["register"]

# Launch file: its arguments and their defaults; a test holds them together.
ARGUMENTS: dict[str, dict[str, str]] = {
    "hri": {
        "params_file": "",
        "model": "sim",
        "namespace": "",
        "device": "auto",
        "use_sim_time": "false",
        "autostart": "true",
        "simulate": "false",
    },
    "replay": {
        "bag": "",
        "params_file": "",
        "model": "sim",
        "device": "auto",
        "labels": "",
        "out": "evaluation",
        "rate": "1.0",
        "loop": "false",
    },
}
AWAITED = ["multimodal_frame", "activity"]
"""As in launch/replay.launch.py: nothing is played before the model is loaded and the evaluation listens."""
POLL_PERIOD_S = 0.2


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "launch",
        help="start the nodes of a launch file where ros2 launch is not installed",
        description=(
            "hri: sensor_sync and inference, and the simulator on request. replay: a bag, the nodes that recognise "
            "what it shows, and a report in the end. Like `ros2 launch mumu_ros hri.launch.py`."
        ),
    )
    parser.add_argument("file", choices=[f for name in ARGUMENTS for f in (name, f"{name}.launch.py")], metavar="FILE")
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="NAME:=VALUE",
        help="; ".join(
            f"of {file}: {', '.join(f'{n}:={v}' for n, v in given.items())}" for file, given in ARGUMENTS.items()
        ),
    )
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    file = parsed.file.removesuffix(".launch.py")
    try:
        arguments = _parse(file, parsed.arguments)
    except ValueError as error:
        print(f"mumu launch: {error}", file=sys.stderr)
        return 2
    params_file = Path(arguments["params_file"] or share_path("config", "hri.yaml"))
    with Processes() as nodes:
        if file == "hri":
            _start_hri(nodes, arguments, params_file)
        else:
            _start_replay(nodes, arguments, params_file)
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
        for node, status in nodes.ended().items():
            print(f"mumu launch: {node} ended with status {status}; stopping the others", file=sys.stderr)
        return 1


def _start_hri(nodes: Processes, arguments: dict[str, str], params_file: Path) -> None:
    flags = {name: arguments[name] == "true" for name in ("use_sim_time", "autostart", "simulate")}
    common: dict[str, object] = {name: flags[name] for name in ("use_sim_time", "autostart")}
    namespace = arguments["namespace"]
    nodes.start("sensor_sync", common, params_file, namespace)
    model = {"model": arguments["model"], "device": arguments["device"]}
    nodes.start("inference", {**common, **model}, params_file, namespace)
    if flags["simulate"]:
        nodes.start("simulator", common, params_file, namespace)


def _start_replay(nodes: Processes, arguments: dict[str, str], params_file: Path) -> None:
    common: dict[str, object] = {"use_sim_time": True}
    nodes.start("sensor_sync", common, params_file)
    nodes.start("inference", {**common, "model": arguments["model"], "device": arguments["device"]}, params_file)
    nodes.start("evaluation", {**common, **{name: arguments[name] for name in ("model", "labels", "out")}})
    played = {"bag": arguments["bag"], "rate": float(arguments["rate"]), "loop": arguments["loop"] == "true"}
    nodes.start("player", {**played, "wait_for": AWAITED})


def _parse(file: str, texts: list[str]) -> dict[str, str]:
    defaults = ARGUMENTS[file]
    arguments = dict(defaults)
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator or name not in defaults:
            raise ValueError(f"{text!r} is no argument; expected NAME:=VALUE with one of {', '.join(defaults)}")
        if defaults[name] in ("true", "false") and value not in ("true", "false"):
            raise ValueError(f"{text!r}: expected {name}:=true or {name}:=false")
        arguments[name] = value
    if arguments["params_file"] and not Path(arguments["params_file"]).is_file():
        raise ValueError(f"params_file:={arguments['params_file']!r} is no file")
    if not arguments.get("bag", "none"):
        raise ValueError("bag:= is missing; give the folder of the rosbag2 to play")
    try:
        float(arguments.get("rate", "1"))
    except ValueError as error:
        raise ValueError(f"rate:={arguments['rate']} is no number; expected a playback speed such as 1.0") from error
    return arguments
