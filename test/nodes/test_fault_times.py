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

"""How soon a fault is named, and the sensor well again: every fault, the parts of sensor_sync, and no time but ours.

The table in docs/reliability.md is written by `MUMU_FAULT_TIMES=1 pytest test/nodes/test_fault_times.py`.
"""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mumu_ros.conversions import time_to_ns
from mumu_ros.fault_codes import FaultCode
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.framing import FrameBuilder
from mumu_ros.pipeline.stream_watch import StreamWatch
from mumu_ros.streams import NS_PER_S, SynchronizerFilter
from mumu_ros.trials.driver_faults import FAULTS, FailingSensor, SensorFault
from mumu_ros.trials.tiny_sensors import SENSORS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
MATRIX = [(kind, fault) for fault in FAULTS for kind in fault.spoil]
HEALTHY = ("png", "depth", "imu")
FAILING = "failing"
QUEUE = 10
RATE_HZ, TIMEOUT_S, CHECK_S, STEP_S = 10.0, 0.5, 0.2, 0.01
START_NS = 1_700_000_000 * NS_PER_S
FAILS_S, RECOVERS_S, END_S = 2.01, 5.51, 8.5
MOST_S, FINAL_S, WINDOW_S = 1.0, 2.5, 2.0
"""Longest time until a fault is named, and by its final code; length of a window of the shipped models."""


class Wire:
    """Where sensors publish: what has come in this step, of each topic as many as a queue holds."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=QUEUE))

    def take(self) -> list[tuple[str, Any]]:
        messages = [(topic, message) for topic, queue in self.queues.items() for message in queue]
        self.queues.clear()
        return messages

    def create_publisher(self, _: Any, topic: str, __: int) -> Any:
        wire = self

        class Publisher:
            def publish(self, message: Any) -> None:
                wire.queues[topic].append(message)

        return Publisher()

    def destroy_publisher(self, _: Any) -> None:
        pass


class Subscriber:
    """What the synchroniser subscribes with."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], Any]] = []

    def registerCallback(self, callback: Callable[[Any], Any]) -> None:  # noqa: N802
        self.callbacks.append(callback)


class Bench:
    """A sensor that fails, before three healthy ones: if it has pictures it is the reference."""

    def __init__(self, kind: str, fault: SensorFault) -> None:
        self.now_s, self.fault = 0.0, fault
        kinds = sorted({FAILING: kind} | dict(zip(HEALTHY, HEALTHY, strict=True)), key=lambda n: n != FAILING)
        named = {FAILING: kind, **{name: name for name in HEALTHY}}
        is_vector = {name: SENSORS[named[name]].kind == "vector" for name in kinds}
        self.names = sorted(kinds, key=lambda name: is_vector[name])
        self.wire, self.sets = Wire(), 0
        self.subscribers = {name: Subscriber() for name in self.names}
        self.sensors = {}
        for name in self.names:
            sort = (named[name], replace(SENSORS[named[name]], rate_hz=RATE_HZ))
            self.sensors[name] = FailingSensor(self.wire, self.wire, name, sort, self.clock)  # type: ignore[arg-type]
        streams = [self._stream(name, named[name]) for name in self.names]
        self.watches = {s.name: StreamWatch(s, TIMEOUT_S, RATE_HZ, 0.0) for s in streams}
        self.builder = FrameBuilder(streams)
        frames = [name for name in self.names if not is_vector[name]]
        self.synchronizer = SynchronizerFilter(
            [self.subscribers[name] for name in frames],
            30,
            0.05,
            ranges=[self.subscribers[name] for name in self.names[len(frames) :]],
            names=self.names,
            period_s=1 / RATE_HZ,
            timeout_s=TIMEOUT_S,
            clock=self.clock,
        )
        self.synchronizer.registerSetCallback(self._build)
        self.codes: dict[str, list[tuple[float, FaultCode]]] = {name: [] for name in self.names}

    def _stream(self, name: str, kind: str) -> StreamConfig:
        sort = SENSORS[kind]
        size = None if sort.kind == "vector" else (32, 32)
        return StreamConfig(name, name, sort.type, sort.kind, size, None, sort.shape, "best_effort", QUEUE)

    def clock(self) -> int:
        return START_NS + round(self.now_s * NS_PER_S)

    def _build(self, synchronized: Any) -> None:
        self.builder.build(synchronized)
        self.sets += 1

    def run(self) -> None:
        for step in range(round(END_S / STEP_S)):
            self.now_s = step * STEP_S
            failing = FAILS_S <= self.now_s < RECOVERS_S
            if (self.sensors[FAILING].fault is not None) != failing:
                self.sensors[FAILING].fail(self.fault if failing else None)
            for sensor in self.sensors.values():
                sensor.tick()
            for name, message in self.wire.take():
                self.watches[name].note(time_to_ns(message.header.stamp), self.clock(), self.now_s)
                for callback in self.subscribers[name].callbacks:
                    callback(message)
            if step % 2 == 0:
                self.synchronizer.poll()
            if step % round(CHECK_S / STEP_S) == 0:
                self._check()

    def _check(self) -> None:
        statistics = self.synchronizer.statistics()
        for name, watch in self.watches.items():
            report = watch.report(
                statistics[name],
                self.sets,
                [other for other in self.watches.values() if other is not watch],
                lambda _: (self.fault.code if self.fault.is_gone else FaultCode.SILENT, ""),
                self.now_s,
                self.builder.errors[name],
                self.builder.last_error.get(name),
                leads=name == self.synchronizer.reference,
            )
            self.codes[name].append((self.now_s, report.code))

    def named_s(self, *codes: FaultCode) -> float:
        """Seconds until the first of these codes."""
        return next(s - FAILS_S for s, code in self.codes[FAILING] if s > FAILS_S and code in codes)

    def well_s(self) -> float:
        """Seconds from the end of the fault until nothing is said any more."""
        said = [s for s, code in self.codes[FAILING] if s > RECOVERS_S and code]
        return max(said, default=RECOVERS_S) + CHECK_S - RECOVERS_S


@functools.cache
def bench_of(number: int) -> Bench:
    bench = Bench(*MATRIX[number])
    bench.run()
    return bench


def ids() -> list[str]:
    return [f"{kind} {fault.name}" for kind, fault in MATRIX]


@pytest.mark.parametrize("number", range(len(MATRIX)), ids=ids())
def test_a_fault_is_named_within_a_second_and_forgotten_within_a_window(number: int) -> None:
    bench = bench_of(number)
    assert not any(code for s, code in bench.codes[FAILING] if 1.0 <= s <= FAILS_S)
    if bench.fault.code:
        assert bench.named_s(bench.fault.first or bench.fault.code, bench.fault.code) <= MOST_S
        assert bench.fault.code is FaultCode.SPARSE or bench.named_s(bench.fault.code) <= FINAL_S
    else:
        assert not any(code for s, code in bench.codes[FAILING] if s >= FAILS_S)
    assert bench.well_s() <= WINDOW_S


@pytest.mark.parametrize("number", range(len(MATRIX)), ids=ids())
def test_healthy_streams_are_not_named(number: int) -> None:
    bench = bench_of(number)
    said = {name: [(s, code) for s, code in bench.codes[name] if s >= 1.0 and code] for name in HEALTHY}
    assert not any(said.values()), said


def row_of(fault: SensorFault) -> str:
    benches = [bench_of(number) for number, (_, other) in enumerate(MATRIX) if other is fault]
    codes = [code for code in (fault.first, fault.code) if code]
    known = [code for code in codes if code is not FaultCode.SPARSE]  # which only inference knows
    named = ", ".join(f"{max(bench.named_s(code) for bench in benches):.1f}" for code in known)
    well = max(bench.well_s() for bench in benches)
    code = ", ".join(f"`{code}`" for code in codes) or "nothing"
    return f"| {fault.name} | {', '.join(fault.spoil)} | {code} | {named} | {well:.1f} |\n"


def test_the_page_has_every_fault_and_its_times() -> None:
    page = PAGE.read_text()
    rows = "".join(row_of(fault) for fault in FAULTS)
    if os.environ.get("MUMU_FAULT_TIMES"):
        page = re.sub(r"(\| fault \|[^\n]*\n\|---[^\n]*\n)(\|[^\n]*\n)+", lambda m: m[1] + rows, page)
        PAGE.write_text(page)
    assert rows in page, "run: MUMU_FAULT_TIMES=1 pytest test/nodes/test_fault_times.py"
