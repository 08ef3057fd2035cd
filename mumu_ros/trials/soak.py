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

"""`mumu soak`: the whole system for a long time with random sensor faults; resources and detected faults."""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.demo_monitor import Monitor
from mumu_ros.nodes.processes import Processes, Resources, own_domain
from mumu_ros.people import WeightsError, find_weights
from mumu_ros.trials.driver_faults import FAULTS, FailingSensor, SensorFault
from mumu_ros.trials.tiny_sensors import SENSORS

__all__ = ["register"]

START_TIMEOUT_S = 120.0
LONGEST_S = 15.0
"""A fault that is not named after so long is not found; a sensor that is not well so long after it does not recover."""
ARRIVAL_S = 0.5
"""Time for messages that are on their way."""
WARM_S = 20.0
"""From the first decision until the first fault."""
SAMPLES = 6
"""So often memory, threads and open files are measured."""
KINDS = {
    "rgb": ("png", replace(SENSORS["png"], rate_hz=10.0)),
    "depth": ("depth", replace(SENSORS["depth"], rate_hz=10.0)),
    "imu_wrist": ("imu", replace(SENSORS["imu"], rate_hz=25.0)),
    "imu_belt": ("imu", replace(SENSORS["imu"], rate_hz=25.0)),
}
"""Sensors by the names that the shipped model `sim` has for them."""
TRIALS = [
    (sensor, fault) for sensor, (kind, _) in KINDS.items() for fault in FAULTS if kind in fault.spoil and fault.code
]
"""Sensors and the faults of each that are to be named."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "soak",
        description=(
            "Starts sensor_sync, inference, people and overlay as processes, publishes what four sensors would, and "
            "lets one after the other fail in the ways of docs/reliability.md. Reports in the end which faults were "
            "detected, the memory, threads and open files of the processes, and the time until the next recognition "
            "after inference was killed and started again."
        ),
    )
    after = "of random faults, after five minutes with each fault once (default: 60)"
    parser.add_argument("--minutes", type=float, default=60.0, metavar="N", help=after)
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the faults (default: 0)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not 0 < arguments.minutes < math.inf:
        raise ValueError(f"--minutes is {arguments.minutes:g}; expected a number above 0")
    with _started() as soak:
        soak.run(60.0 * arguments.minutes, np.random.default_rng(arguments.seed))
        print(soak.report())
        return 0 if soak.is_good else 1


@dataclass(frozen=True)
class _Trial:
    """One fault of one sensor: seconds until it was reported and until recovery, None: never; and the message then."""

    sensor: str
    fault: SensorFault
    named_s: float | None
    well_s: float | None
    message: str


@contextmanager
def _started() -> Iterator[_Soak]:
    os.environ.update(own_domain())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    monitor, stranger = Monitor(), rclpy.create_node("stranger", context=context)
    try:
        with tempfile.TemporaryDirectory(prefix="mumu-soak-") as folder, Processes() as processes:
            log = Path(folder) / "log"
            left_out = _start(processes, log)
            yield _Soak(monitor, stranger, processes, log, left_out)
    finally:
        for node in (monitor, stranger):
            node.destroy_node()
        rclpy.try_shutdown(context=context)
        rclpy.try_shutdown()


def _start(processes: Processes, log: Path) -> str:
    """Start the nodes; why people and overlay are left out, empty if they are not."""
    streams: dict[str, Any] = {"streams": list(KINDS), "rate_hz": 10.0}
    for name, (_, kind) in KINDS.items():
        streams |= kind.parameters(name)
    processes.start("sensor_sync", streams, log=log)
    _start_inference(processes, log)
    picture = {"image.topic": "/rgb", "image.type": KINDS["rgb"][1].type}
    try:
        find_weights()
    except WeightsError as error:
        return str(error)
    # In a namespace of their own: inference is not to wait for people, of whom there are none in noise.
    processes.start("people", {**picture, "depth.topic": "/depth", "rate_hz": 2.0}, None, "view", log)
    processes.start("overlay", picture, None, "view", log, {"activity": "/activity"})
    return ""


def _start_inference(processes: Processes, log: Path) -> None:
    processes.start("inference", {"model": "sim", "health": False}, log=log)


class _Soak:
    """The processes, their sensors and what becomes of them."""

    def __init__(self, monitor: Monitor, stranger: Any, processes: Processes, log: Path, left_out: str = "") -> None:
        self._monitor, self._processes, self._log, self._left_out = monitor, processes, log, left_out
        self._ended_before: Mapping[str, int] = {}  # until inference was killed, which forgets how it had ended
        self._restarted_s: float | None = None
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(monitor)
        self._sensors = {name: FailingSensor(monitor, stranger, name, kind) for name, kind in KINDS.items()}
        self._trials: list[_Trial] = []
        self._resources: list[Mapping[str, Resources]] = []
        self._seconds = 0.0
        self._usual: set[str] = set()  # sensors that took part in the last decision before a fault

    def run(self, seconds: float, rng: np.random.Generator) -> None:
        """Let sensors fail: in each way once, then at random for so long.

        Raises:
            ChildProcessError: Nothing was decided to begin with.
        """
        if self._until(lambda: self._monitor.latest is not None and self._is_well(), START_TIMEOUT_S) is None:
            raise ChildProcessError(f"no decision within {START_TIMEOUT_S:g} s; output:\n{self._log.read_text()}")
        self._until(lambda: False, WARM_S)
        # Each fault once, because the middleware allocates each queue for the largest message received so far.
        for sensor, fault in TRIALS:
            if not self._processes.ended():
                self._try(sensor, fault, rng)
        self._resources.append(self._processes.resources())
        start_s = time.monotonic()
        while (passed_s := time.monotonic() - start_s) < seconds and not self._processes.ended():
            self._try(*TRIALS[rng.integers(len(TRIALS))], rng)
            if passed_s >= len(self._resources) * seconds / SAMPLES:
                self._resources.append(self._processes.resources())
        self._seconds = time.monotonic() - start_s
        self._resources.append(self._processes.resources())
        self._ended_before = self._processes.ended()
        self._processes.kill("inference")
        self._until(lambda: False, ARRIVAL_S)
        self._monitor.recognitions.clear()
        _start_inference(self._processes, self._log)
        self._restarted_s = self._until(lambda: bool(self._monitor.recognitions), START_TIMEOUT_S)

    @property
    def is_good(self) -> bool:
        """Whether every fault was found and went away, and every process lives and has caught nothing unexpected."""
        codes = [values.get("code") for values in self._monitor.status.values()]
        missed = any(trial.named_s is None or trial.well_s is None for trial in self._trials)
        return self._restarted_s is not None and not missed and not self._ended() and FaultCode.EXCEPTION not in codes

    def report(self) -> str:
        """What has been, as text."""
        count = len(self._trials)
        lines = [f"{count} faults: each once, then at random for {self._seconds / 60:.1f} minutes"]
        for what, times in (
            ("named", [trial.named_s for trial in self._trials]),
            ("well again", [trial.well_s for trial in self._trials]),
        ):
            known = [t for t in times if t is not None] or [math.nan]
            lines.append(
                f"{what}: {count - times.count(None)}, after {np.median(known):.1f} s, at most {max(known):.1f} s"
            )
        for trial in self._trials:
            if trial.named_s is None or trial.well_s is None:
                named, well = ("no" if t is None else f"{t:.1f} s" for t in (trial.named_s, trial.well_s))
                lines.append(f"  {trial.sensor} {trial.fault.name}: named {named}, well again {well} ({trial.message})")
        failed = [name for name, values in self._monitor.status.items() if values.get("code") == FaultCode.EXCEPTION]
        errors = [f"{name}: {self._monitor.messages.get(name, '')}" for name in failed]
        lines.append(f"unexpected errors: {'; '.join(errors) or 'none'}")
        ended = [f"{name} ({status})" for name, status in self._ended().items()]
        lines.append(f"processes that ended: {', '.join(ended) or 'none'}")
        if self._left_out:
            lines.append(f"people and overlay were not started: {self._left_out}")
        for name in self._resources[0]:
            each = [resources[name] for resources in self._resources if name in resources]
            for what in ("memory_mib", "threads", "files"):
                lines.append(f"{name}: {what} " + " → ".join(f"{getattr(r, what):.0f}" for r in each))
        seconds = "no" if self._restarted_s is None else f"{self._restarted_s:.1f} s until the"
        lines.append(f"inference killed and started again: {seconds} next recognition")
        return "\n".join(lines)

    def _ended(self) -> dict[str, int]:
        """Processes that have ended by themselves, and their exit status."""
        return {**self._ended_before, **self._processes.ended()}

    def _try(self, sensor: str, fault: SensorFault, rng: np.random.Generator) -> None:
        """Let a sensor fail, and wait until it is named and, afterwards, until all is well."""
        self._usual = self._present()
        self._sensors[sensor].fail(fault)
        named_s = self._until(lambda: self._is_named(sensor, fault), LONGEST_S)
        self._until(lambda: False, float(rng.uniform(0, 3)))
        self._sensors[sensor].fail(None)
        well_s = self._until(self._is_well, LONGEST_S)
        message = self._message()
        self._until(lambda: False, float(rng.uniform(0, 2)))
        self._trials.append(_Trial(sensor, fault, named_s, well_s, message))
        self._monitor.recognitions.clear()

    def _is_named(self, sensor: str, fault: SensorFault) -> bool:
        last = self._monitor.latest
        assert last is not None
        if fault.code is FaultCode.SPARSE:
            return dict(zip(last.modalities, last.fault, strict=True))[sensor] in (fault.code, FaultCode.SILENT)
        return self._monitor.status[f"sensor_sync: {sensor}"]["code"] == fault.code

    def _is_well(self) -> bool:
        codes = [self._monitor.status.get(f"sensor_sync: {name}", {}).get("code", "?") for name in KINDS]
        return not any(codes) and self._usual <= self._present()

    def _present(self) -> set[str]:
        """The sensors that took part in the last decision."""
        last = self._monitor.latest
        if last is None:
            return set()
        return {name for name, is_there in zip(last.modalities, last.present, strict=True) if is_there}

    def _message(self) -> str:
        """What is wrong, in the words of the system."""
        last = self._monitor.latest
        assert last is not None
        absent = [f"{n}: {fault}" for n, fault in zip(last.modalities, last.fault, strict=True) if fault]
        texts = [f"{n}: {self._monitor.messages.get(f'sensor_sync: {n}', '')}" for n in KINDS]
        return "; ".join([*absent, *texts])

    def _until(self, holds: Callable[[], bool], most_s: float) -> float | None:
        """Publish until it holds; seconds until then, None: it did not for `most_s`."""
        start_s = time.monotonic()
        while (passed_s := time.monotonic() - start_s) < most_s:
            if holds():
                return passed_s
            for sensor in self._sensors.values():
                sensor.tick()
            for _ in range(4):
                self._executor.spin_once(timeout_sec=0.002)
        return None
