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

import math
import os
import sys
import time
from typing import Any

import numpy as np

from mumu_ros.conversions import header_stamp_ns
from mumu_ros.nodes.demo_monitor import Monitor
from mumu_ros.streams import NS_PER_S

__all__ = ["Screen"]

BAR = 24
GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


class Screen:
    """Draws a monitor."""

    def __init__(self, monitor: Monitor, seconds: float, title: str) -> None:
        self._monitor = monitor
        self._seconds = seconds
        self._title = title
        self._is_terminal = sys.stdout.isatty()
        self._period_s = 0.2 if self._is_terminal else 2.0
        self._next = 0.0
        self._height = 0

    def show(self) -> bool:
        """Draw if it is due; returns False, to serve as the condition of a loop that ends by time."""
        if time.monotonic() >= self._next and self._monitor.latest is not None:
            self._next = time.monotonic() + self._period_s
            if self._is_terminal:
                self._redraw(self._lines())
            else:
                print(self._line(), flush=True)
        return False

    def close(self) -> None:
        """Leave the last drawing on the terminal."""
        if self._is_terminal and self._monitor.latest is not None:
            self._redraw(self._lines())

    def _rate(self, stream: str) -> str:
        text = self._monitor.messages.get(f"sensor_sync: {stream}", "")
        return text if text.endswith(" Hz") else f"{RED}{text.split(';')[0][:24]}{PLAIN}"

    def _redraw(self, lines: list[str]) -> None:
        up = f"\033[{self._height}A" if self._height else ""
        sys.stdout.write(up + "".join(f"\033[2K{line}\n" for line in lines))
        sys.stdout.flush()
        self._height = len(lines)

    def _state(self) -> tuple[float, str, str, bool]:
        message = self._monitor.latest
        assert message is not None
        stamp_ns = header_stamp_ns(message) or 0
        segment = self._monitor.truth.at(stamp_ns)
        truth = segment.activity if segment else ""
        elapsed_s = (stamp_ns - (self._monitor.start_ns or stamp_ns)) / NS_PER_S
        return elapsed_s, truth, message.activity, message.activity == truth

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
        mark = "right" if right else "WRONG"
        return (
            f"{elapsed_s:5.1f} s  truth {truth:12} recognised {predicted:12} "
            f"{message.activity_probability:4.0%} {mark}   {weights}"
        )

    def _lines(self) -> list[str]:
        message = self._monitor.latest
        assert message is not None
        elapsed_s, truth, predicted, right = self._state()
        summary = self._monitor.summary()
        faults = self._monitor.active_faults(header_stamp_ns(message) or 0)
        failing = {
            stream: "unplugged" if fault.is_unplugged else str(fault.failure)
            for fault in faults
            for stream in fault.streams
        }
        colour = GREEN if right else RED
        lines = [
            f"{BOLD}mumu_ros{PLAIN}  {elapsed_s:4.1f} of {self._seconds:g} s   {self._title}   {DIM}{message.model}   "
            f"ROS_DOMAIN_ID={os.environ.get('ROS_DOMAIN_ID', '0')}{PLAIN}",
            "",
            f"  truth       {truth:14}{DIM}{self._monitor.group_of(truth)}{PLAIN}",
            f"  recognised  {colour}{predicted:14}{PLAIN}{DIM}{message.group}{PLAIN}",
            f"  confidence  {_bar(message.activity_probability)} {message.activity_probability:4.0%}",
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
        right_so_far = "   –" if summary.accuracy is None else f"{summary.accuracy:4.0%}"
        latency = np.array(self._monitor.latencies_s) * 1e3
        lines += [
            "",
            f"  right so far, all sensors {right_so_far}   latency p50 {np.median(latency):.0f} ms   "
            f"p99 {np.quantile(latency, 0.99):.0f} ms",
        ]
        return lines


def _fault_texts(message: Any) -> list[str]:
    """The fault of each modality: "stuck for 2.1 s"; empty: nothing."""
    if not message.fault_age_s:
        return [""] * len(message.modalities)
    pairs = zip(message.fault, message.fault_age_s, strict=True)
    return ["" if math.isnan(age_s) else f"{fault} for {age_s:.1f} s" for fault, age_s in pairs]


def _bar(share: float) -> str:
    full = round(share * BAR)
    return "█" * full + "░" * (BAR - full)
