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

"""`mumu demo`: a simulated person, recognised live by the real nodes over DDS, while sensors are unplugged."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage

from mumu_ros.failures import NOTATION, Fault
from mumu_ros.model.checkpoint import HEALTH_FILE, find_model
from mumu_ros.nodes.demo_monitor import Monitor, Summary
from mumu_ros.nodes.launch_plans import check_demo
from mumu_ros.nodes.page import Page
from mumu_ros.nodes.processes import Processes, own_domain
from mumu_ros.nodes.screen import Screen
from mumu_ros.nodes.watch import SETTLE_S, print_summary
from mumu_ros.people import WeightsError, find_weights
from mumu_ros.share import share_path
from mumu_ros.simulation import parse_fault

__all__ = ["register"]

START_TIMEOUT_S = 60.0
BUSY_PERIOD_S = 5.0
"""Period at which the progress of a slow start is printed."""
VIEW = "view"
"""Namespace of the nodes of the page."""
SUBJECT = 1000
"""The shipped model was not trained on subjects from 1000 on."""


class DemoError(RuntimeError):
    """The demo failed; the message contains the failed node and the path of its log."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "demo",
        description=(
            "Starts simulator, sensor_sync and inference as processes, shows the recognised activity, unplugs the "
            "wrist IMU and later the colour camera, and prints the accuracy. The person is not in its training data."
        ),
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="N", help="length of the performance (default 60)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the performance (default 0)")
    parser.add_argument("--subject", type=int, default=SUBJECT, metavar="K", help=f"person (default {SUBJECT})")
    parser.add_argument("--model", default="sim", help="model folder, or the name of a shipped one (default sim)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default auto)")
    parser.add_argument(
        "--fault",
        action="append",
        metavar=NOTATION,
        help="unplug a stream (rgb, depth, imu_wrist, imu_belt) or device (camera, imu) for some seconds, or simulate "
        "another fault, such as imu_wrist:stuck:12-20: docs/failures.md lists the kinds; may be repeated; replaces "
        "the two default faults",
    )
    parser.add_argument(
        "--page",
        action=argparse.BooleanOptionalAction,
        default=_has_screen(),
        help="show the camera with people and activity drawn on it on a local web page (default: where there is "
        "a screen)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.set_defaults(run=run_demo)


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def default_faults(seconds: float) -> tuple[Fault, ...]:
    """The wrist IMU is unplugged for the second fifth of the time and a bit, the colour camera for the fourth."""
    return (
        parse_fault(f"imu_wrist:{0.22 * seconds:.1f}-{0.45 * seconds:.1f}"),
        parse_fault(f"rgb:{0.62 * seconds:.1f}-{0.85 * seconds:.1f}"),
    )


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo.

    Returns:
        Exit status: 0, 1 if a node failed or nothing was recognised, 130 when interrupted.

    Raises:
        ValueError: An argument is invalid.
    """
    if not 1 <= arguments.seconds <= 86400:
        raise ValueError(f"--seconds is {arguments.seconds:g}; expected 1 to 86400")
    texts = arguments.fault
    faults = default_faults(arguments.seconds) if texts is None else tuple(map(parse_fault, texts))
    check_demo(arguments.model)
    # Isolated from robots nearby and other demos, unless ROS_DOMAIN_ID is set.
    if "ROS_DOMAIN_ID" not in os.environ:
        os.environ.update({**own_domain(), **os.environ})
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="mumu-demo-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            try:
                summary = _perform(arguments, faults, folder / "nodes.log")
            except DemoError as error:
                stack.pop_all()  # keeps the log, which the message names
                print(f"mumu demo: {error}", file=sys.stderr)
                return 1
    except KeyboardInterrupt:
        print("\nInterrupted; all nodes are stopped.", file=sys.stderr)
        return 130
    print_summary(summary)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(summary)))
    if not summary.recognitions:
        print("mumu demo: inference made no decision", file=sys.stderr)
    return int(not summary.recognitions)


def _perform(arguments: argparse.Namespace, faults: tuple[Fault, ...], log: Path) -> Summary:
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    monitor = Monitor(faults)
    executor.add_node(monitor)
    screen = Screen(monitor, arguments.seconds, f"subject {arguments.subject}, seed {arguments.seed}")
    params_file = share_path("config", "sim.yaml")
    page = _page(monitor) if arguments.page else None
    try:
        with Processes() as nodes:
            print("Starting sensor_sync and inference …", flush=True)
            nodes.start("sensor_sync", {}, params_file, log=log)
            inference = {
                "model": arguments.model,
                "device": arguments.device,
                "health": (find_model(arguments.model) / HEALTH_FILE).exists(),
            }
            nodes.start("inference", inference, params_file, log=log)
            ready = ("inference: recogniser", "sensor_sync: output")
            if page:
                _start_overlay(nodes, params_file, log)
            _wait(executor, monitor, lambda: all(r in monitor.status for r in ready), nodes, log)
            if page:
                print(f"The camera's picture: {page.url}", flush=True)
                if _has_screen():  # otherwise a browser in the terminal might open
                    webbrowser.open(page.url)
            parameters = {
                "seed": arguments.seed,
                "subject": arguments.subject,
                "seconds": arguments.seconds,
                "faults": list(map(str, faults)) or [""],
            }
            nodes.start("simulator", parameters, params_file, log=log)
            _wait(executor, monitor, lambda: monitor.start_ns is not None, nodes, log)
            _spin(executor, arguments.seconds + 1.0, screen.show, nodes, log)
            screen.close()
            _spin(executor, SETTLE_S, lambda: False, nodes, log)
        return monitor.summary()
    finally:
        if page:
            page.close()
        executor.shutdown()
        monitor.destroy_node()
        rclpy.try_shutdown()


def _page(monitor: Monitor) -> Page | None:
    """The page that shows the overlay; None, with a message, if the pose network's weights are missing."""
    try:
        find_weights()
    except WeightsError as error:
        print(f"No picture of the camera: {error}", file=sys.stderr)
        return None
    page = Page()
    monitor.create_subscription(CompressedImage, f"/{VIEW}/overlay/compressed", lambda m: page.show(bytes(m.data)), 2)
    return page


def _start_overlay(nodes: Processes, params_file: Path, log: Path) -> None:
    """Start people and overlay, in their own namespace: inference continues when the camera is unplugged."""
    camera = {"image.topic": "/camera/color/image_raw"}
    depth = {"camera_info.topic": "/camera/color/camera_info", "depth.topic": "/camera/depth/image_raw"}
    nodes.start("people", {**camera, **depth}, params_file, VIEW, log)
    nodes.start("overlay", camera, params_file, VIEW, log, remappings={"activity": "/activity"})


def _wait(
    executor: SingleThreadedExecutor, monitor: Monitor, done: Callable[[], bool], nodes: Processes, log: Path
) -> None:
    """Spin until `done()`; raise after a timeout, unless a node reports that it is still busy."""
    deadline = time.monotonic() + START_TIMEOUT_S
    reported_s = 0.0
    while not done():
        if time.monotonic() > max(deadline, monitor.busy_s + START_TIMEOUT_S):
            raise DemoError(
                f"Timed out after {START_TIMEOUT_S:.0f} s waiting for the nodes to become active. {_tail(log)}"
            )
        if monitor.busy_s >= reported_s + BUSY_PERIOD_S:
            reported_s = monitor.busy_s
            print(monitor.busy, flush=True)
        _spin(executor, 0.1, done, nodes, log)


def _spin(
    executor: SingleThreadedExecutor, timeout_s: float, done: Callable[[], bool], nodes: Processes, log: Path
) -> None:
    """Spin until `done()` or for `timeout_s`; an error if a node fails meanwhile."""
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        failed = {node: code for node, code in nodes.ended().items() if code != 0}
        if failed:
            what = ", ".join(f"{node} ended with status {code}" for node, code in failed.items())
            raise DemoError(f"{what}; {_tail(log)}")
        executor.spin_once(timeout_sec=0.05)


def _tail(log: Path) -> str:
    last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    return f"Full log: {log}; last lines:\n{last}"
