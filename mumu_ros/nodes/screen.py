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

"""The demo's terminal output: redrawn in place on a terminal, otherwise a line now and then."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from mumu_ros.conversions import header_stamp_ns
from mumu_ros.fault_codes import FaultCode
from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes.demo_monitor import NO_FAULT, STALE_S, Monitor
from mumu_ros.nodes.humans_topics import BODIES
from mumu_ros.streams import NS_PER_S

__all__ = ["Screen"]

BAR = 24
RECENT = 1000
"""Number of recognitions that the latency shown is of."""
PATIENCE_S = 3.0
"""Time for discovery and the first window, before which nothing is called a fault unless something was recognised."""
RECOGNISING = ("/sensor_sync", "/people", "/inference")
"""Ends of the full names of the nodes without which nothing is recognised."""
RECOGNITION_TYPE = "mumu_ros/msg/ActivityRecognition"
GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


class Screen:
    """Draws a monitor: the last recognition, and every fault that a node reports, with its whole text."""

    def __init__(self, monitor: Monitor, seconds: float, title: str) -> None:
        self._monitor = monitor
        self._seconds = seconds
        self._title = title
        self._is_terminal = sys.stdout.isatty()
        self._period_s = 0.2 if self._is_terminal else 2.0
        self._next = 0.0
        self._begun_s: float | None = None  # when it was shown first, by the monotonic clock
        self._height = 0
        self._printed: ActivityRecognition | None = None
        self._told: dict[str, str] = {}  # the faults printed, off a terminal: code by status

    def show(self) -> bool:
        """Draw if it is due; returns False, to serve as the condition of a loop that ends by time."""
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._period_s
            if self._is_terminal:
                self._redraw(self._lines())
            else:
                self._print()
        return False

    def close(self) -> None:
        """Leave the last drawing on the terminal."""
        if self._is_terminal:
            self._redraw(self._lines())

    def _rate(self, stream: str) -> str:
        text = _printable(self._monitor.messages.get(f"sensor_sync: {stream}", ""))
        return text if text.endswith(" Hz") else f"{RED}{text.split(';')[0][:24]}{PLAIN}"

    def _redraw(self, lines: list[str]) -> None:
        # A line that the terminal wraps, or one above its upper edge, could not be drawn over.
        rows = shutil.get_terminal_size().lines - 1
        if len(lines) > rows:
            lines = [*lines[: rows - 1], "  …"]
        up = f"\033[{self._height}A" if self._height else ""
        drawn = "".join(f"\033[2K{line}\n" for line in lines)
        sys.stdout.write(f"{up}\033[?7l{drawn}\033[?7h\033[J")
        sys.stdout.flush()
        self._height = len(lines)

    def _problems(self) -> dict[str, tuple[str, str]]:
        """Code and text of what is wrong, by the status that says it or the topic that is silent."""
        monitor, reported = self._monitor, self._monitor.reported()
        problems = {name: problem for name, problem in reported.items() if problem[0]}
        silent_s = time.monotonic() - monitor.latest_s
        if monitor.latest is not None and silent_s < STALE_S:
            return {name: problem for name, problem in problems.items() if problem[0] != FaultCode.WAITING}
        topic = monitor.resolve_topic_name("activity")
        if monitor.latest is None and time.monotonic() - (self._begun_s or 0.0) < PATIENCE_S:
            return {topic: (FaultCode.WAITING, "no recognition yet")}
        code, text = FaultCode.WAITING, "no recognition yet"
        if monitor.latest is not None:
            code, text = FaultCode.SILENT, f"no recognition for {silent_s:.0f} s"
            reasons = [said for name, (fault, said) in reported.items() if name.endswith(": recogniser") and not fault]
            if reasons and not problems:  # such as that nobody is in view
                return {topic: (FaultCode.WAITING, f"{text}: {'; '.join(reasons)}")}
        if hint := self._hint(topic, reported):
            code, text = FaultCode.SILENT, f"{text}; {hint}"
        elif not reported:
            code, domain = FaultCode.SILENT, os.environ.get("ROS_DOMAIN_ID", "0")
            text += f", and nothing on /diagnostics: do the nodes run, in ROS_DOMAIN_ID={domain} and this namespace?"
        return {topic: (code, text), **problems}

    def _hint(self, topic: str, reporting: Iterable[str]) -> str:
        """Why nothing is recognised, from the graph; empty: it does not tell."""
        monitor = self._monitor
        if time.monotonic() - monitor.busy_s < STALE_S:
            return monitor.busy
        namespace = monitor.get_namespace().rstrip("/")
        active = {f"{namespace}/{name.partition(':')[0]}" for name in reporting}
        nodes = (f"{place.rstrip('/')}/{name}" for name, place in monitor.get_node_names_and_namespaces())
        inactive = {name for name in nodes if name.startswith(f"{namespace}/") and name.endswith(RECOGNISING)} - active
        if inactive:
            return (
                f"not active: {', '.join(sorted(inactive))}; the log says why, or they wait for ros2 lifecycle set "
                "NODE activate (configure first where ros2 lifecycle get NODE says unconfigured)"
            )
        places = [
            name.removesuffix("/activity")
            for name, types in monitor.get_topic_names_and_types()
            # Each body has a topic `activity`, too.
            if RECOGNITION_TYPE in types and name.endswith("/activity") and not name.startswith(f"{BODIES}/")
        ]
        others = [place for place in places if place != namespace and monitor.count_publishers(f"{place}/activity")]
        if others and not monitor.count_publishers(topic):
            return (
                f"nothing publishes {topic}: give --namespace {' or '.join(place or '/' for place in sorted(others))}"
            )
        return ""

    def _problem_lines(self) -> list[str]:
        """Every problem, wrapped to the width of the terminal."""
        width = max(shutil.get_terminal_size().columns, 20)
        problems = (f"{name}: {_printable(text)}" for name, (_, text) in self._problems().items())
        wrapped = (textwrap.wrap(each, width, initial_indent="  ", subsequent_indent="      ") for each in problems)
        return [f"{RED}{line}{PLAIN}" for line in itertools.chain.from_iterable(wrapped)]

    def _print(self) -> None:
        """The faults that are new or over since the last time, and the last recognition."""
        problems = self._problems()
        over = {name: said for name, said in self._monitor.reported().items() if name in self._told and not said[0]}
        for name, (code, text) in (problems | over).items():
            if self._told.get(name) != code:
                print(f"{name}: {_printable(text) or 'no fault'}")
        self._told = {name: code for name, (code, _) in problems.items()}
        if self._monitor.latest is not self._printed:
            self._printed = self._monitor.latest
            print(self._line())
        sys.stdout.flush()

    def _state(self) -> tuple[float, str, str, bool | None]:
        """Seconds since the first annotation, the true activity, the recognised one, and whether they are the same.

        Without truth, it is empty, and None.
        """
        message = self._monitor.latest
        assert message is not None
        stamp_ns = header_stamp_ns(message) or 0
        segment = self._monitor.truth(message.body_id).at(stamp_ns)
        truth = segment.activity if segment else ""
        elapsed_s = (stamp_ns - (self._monitor.start_ns or stamp_ns)) / NS_PER_S
        return elapsed_s, truth, message.activity, message.activity == truth if truth else None

    def _line(self) -> str:
        message = self._monitor.latest
        assert message is not None
        elapsed_s, truth, predicted, right = self._state()
        weights = "  ".join(
            f"{name} {', '.join(filter(None, (f'{w:.2f}' if there else '', fault))) or 'absent'}"
            for name, w, there, fault in zip(
                message.modalities, message.gm_fusion_weights, message.present, _fault_texts(message), strict=True
            )
        )
        mark = {True: "right", False: "WRONG", None: "     "}[right]
        body = f"body {message.body_id}  " if message.body_id else ""
        return (
            f"{elapsed_s:5.1f} s  {body}truth {truth:12} recognised {predicted:12} "
            f"{message.activity_confidence:4.0%} {mark}   {weights}"
        )

    def _lines(self) -> list[str]:
        message = self._monitor.latest
        if message is None:
            return [f"{BOLD}mumu_ros{PLAIN}   {self._title}", "", *self._problem_lines()]
        elapsed_s, truth, predicted, right = self._state()
        right_share = self._monitor.accuracy()[NO_FAULT]
        faults = self._monitor.active_faults(header_stamp_ns(message) or 0)
        failing = {
            stream: "unplugged" if fault.is_unplugged else str(fault.failure)
            for fault in faults
            for stream in fault.streams
        }
        colour = {True: GREEN, False: RED, None: PLAIN}[right]
        body = f"   body {message.body_id}" if message.body_id else ""
        end = "" if math.isinf(self._seconds) else f" of {self._seconds:g}"
        lines = [
            f"{BOLD}mumu_ros{PLAIN}  {elapsed_s:4.1f}{end} s   {self._title}   {DIM}{message.model}   "
            f"ROS_DOMAIN_ID={os.environ.get('ROS_DOMAIN_ID', '0')}{PLAIN}",
            "",
            f"  truth       {truth:14}{DIM}{self._monitor.group_of(truth)}{PLAIN}",
            f"  recognised  {colour}{predicted:14}{PLAIN}{DIM}{message.group}{body}{PLAIN}",
            f"  confidence  {_bar(message.activity_confidence)} {message.activity_confidence:4.0%}",
            "",
            f"  {DIM}attention   {'for the activity (GM-Fusion)':{BAR + 7}} for the group   rate{PLAIN}",
        ]
        rows = zip(
            message.modalities,
            message.gm_fusion_weights,
            message.sm_fusion_weights,
            message.present,
            _fault_texts(message),
            strict=True,
        )
        for name, activity_weight, group_weight, there, fault in rows:
            note = f"{RED}{failing[name]}{PLAIN}" if name in failing else self._rate(name)
            absent = f"{RED}masked{PLAIN}           " if fault else f"{DIM}absent{PLAIN}           "
            numbers = f"{activity_weight:5.2f}  {group_weight:10.2f}" if there else absent
            if fault:
                note += f"   {RED}flagged: {fault}{PLAIN}"
            lines.append(f"  {name:11} {_bar(activity_weight)} {numbers}      {note}")
        right_so_far = "   –" if right_share is None else f"{right_share:4.0%}"
        latency = np.array([*itertools.islice(reversed(self._monitor.latencies_s), RECENT)]) * 1e3
        lines += [
            "",
            f"  right so far, all sensors {right_so_far}   latency p50 {np.median(latency):.0f} ms   "
            f"p99 {np.quantile(latency, 0.99):.0f} ms",
        ]
        if problems := self._problem_lines():
            lines += ["", *problems]
        return lines


def _fault_texts(message: Any) -> list[str]:
    """The fault of each modality: "stuck for 2.1 s"; empty: nothing."""
    if not message.fault_age_s:
        return [""] * len(message.modalities)
    pairs = zip(message.fault, message.fault_age_s, strict=True)
    return ["" if math.isnan(age_s) else f"{fault} for {age_s:.1f} s" for fault, age_s in pairs]


def _printable(text: str) -> str:
    """A text that quotes what others sent, on one line and without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)


def _bar(share: float) -> str:
    full = round(share * BAR)
    return "█" * full + "░" * (BAR - full)
