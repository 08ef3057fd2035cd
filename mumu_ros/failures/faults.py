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

"""Which streams fail, how and when: the notation of the command line, and all faults of a recording."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.failures.injector import Injector
from mumu_ros.failures.kinds import KINDS, Failure, kinds_for
from mumu_ros.streams import seconds_to_ns

__all__ = ["NOTATION", "Fault", "FaultInjector", "find_streams", "parse_fault"]

NOTATION = "TARGET[:KIND[=AMOUNT]][:START-END]"
_NUMBER = r"\d+(?:\.\d+)?"
_SPEC = re.compile(
    r"(?P<target>\w+(?:\+\w+)*)(?::(?P<kind>[a-z]\w*)(?:=(?P<amount>[^:]*))?)?"
    rf"(?::(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))?"
)


@dataclass(frozen=True)
class Fault:
    """Some streams fail together in [start_s, end_s).

    Attributes:
        target: As given: a stream, a device, or several joined by +.
        streams: The streams that it means.
        failure: Kind and amount.
        start_s: Seconds since the beginning.
        end_s: Seconds since the beginning, later than `start_s`.

    Raises:
        ValueError: The interval is empty or begins before 0.
    """

    target: str
    streams: tuple[str, ...]
    failure: Failure = Failure("dropout")  # noqa: RUF009 - frozen
    start_s: float = 0.0
    end_s: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"fault interval {self.start_s:g}-{self.end_s:g} s is empty or negative; "
                "expected 0 <= start < end in seconds"
            )

    @property
    def is_permanent(self) -> bool:
        """Whether it has neither beginning nor end."""
        return self.start_s == 0 and self.end_s == math.inf

    @property
    def is_unplugged(self) -> bool:
        """Whether no samples arrive at all."""
        return self.failure == Failure("dropout")

    def __str__(self) -> str:
        """The notation that `parse_fault` reads."""
        kind = "" if self.is_unplugged and not self.is_permanent else f":{self.failure}"
        times = "" if self.is_permanent else f":{self.start_s:.12g}-{self.end_s:.12g}"
        return f"{self.target}{kind}{times}"


def find_streams(target: str, sensors: Mapping[str, str]) -> tuple[str, ...]:
    """The streams that a name means: that stream, all streams that begin with it and `_`, or with `camera` all images.

    Args:
        target: The name, or several joined by +.
        sensors: Stream → one of `kinds.SENSORS`.

    Raises:
        ValueError: No stream matches.
    """
    found: dict[str, None] = {}
    for name in target.split("+"):
        fitting = [stream for stream in sensors if stream == name or stream.startswith(f"{name}_")]
        if name == "camera" and not fitting:
            fitting = [stream for stream, sensor in sensors.items() if sensor != "vector"]
        if not fitting:
            raise ValueError(f"{name!r} is no stream and no device; expected one of {', '.join(_names(sensors))}")
        found.update(dict.fromkeys(fitting))
    return tuple(found)


def parse_fault(text: str, sensors: Mapping[str, str]) -> Fault:
    """Parse `imu_wrist:stuck:12-20`, `imu:noise=2:5-15`, `camera:black`, or `imu:10-20`, a dropout.

    Args:
        text: In `NOTATION`; START and END in seconds.
        sensors: Stream → one of `kinds.SENSORS`.

    Raises:
        ValueError: Contains `text`, and what is expected.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None or (match["kind"] is None and match["start"] is None):
        raise ValueError(
            f"fault {text!r} is not {NOTATION}, such as imu:10-20 or imu:noise=2:10-20 (seconds); "
            f"TARGET is one of {', '.join(_names(sensors))}, KIND one of {', '.join(KINDS)}"
        )
    try:
        streams = find_streams(match["target"], sensors)
        failure = Failure(match["kind"] or "dropout", _number(match["amount"]))
        for stream in streams:
            if sensors[stream] not in KINDS[failure.kind].sensors:
                raise ValueError(
                    f"{failure.kind} does not apply to {stream} ({sensors[stream]}); "
                    f"expected one of {', '.join(kinds_for(sensors[stream]))}"
                )
        if match["start"] is None:
            return Fault(match["target"], streams, failure)
        return Fault(match["target"], streams, failure, float(match["start"]), float(match["end"]))
    except ValueError as error:
        raise ValueError(f"fault {text!r}: {error}") from error


class FaultInjector:
    """Applies all faults of a recording to its streams, in order.

    Args:
        faults: The faults.
        sensors: Stream → one of `kinds.SENSORS`.
        start_ns: Stamp of the beginning.
        seed: Of all random choices.
    """

    def __init__(self, faults: Sequence[Fault], sensors: Mapping[str, str], start_ns: int, seed: int = 0) -> None:
        self._injectors: dict[str, list[Injector]] = {}
        self._of_fault: list[tuple[Fault, list[Injector]]] = [(fault, []) for fault in faults]
        for index, fault in enumerate(faults):
            for stream in fault.streams:
                injector = Injector(
                    fault.failure,
                    sensors[stream],
                    seed=(seed, index),
                    stream=stream,
                    start_ns=None if fault.is_permanent else start_ns + seconds_to_ns(fault.start_s),
                    end_ns=None if fault.end_s == math.inf else start_ns + seconds_to_ns(fault.end_s),
                )
                self._injectors.setdefault(stream, []).append(injector)
                self._of_fault[index][1].append(injector)

    @property
    def idle(self) -> list[Fault]:
        """Faults during which no sample has come."""
        return [fault for fault, injectors in self._of_fault if not any(each.has_begun for each in injectors)]

    def arrive(self, stream: str, stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the stamps whose samples are kept; `show` changes the samples themselves."""
        for injector in self._injectors.get(stream, ()):
            if KINDS[injector.failure.kind].thins:
                stamps_ns, _ = injector.apply(stamps_ns, np.empty((len(stamps_ns), 0)))
        return stamps_ns

    def show(
        self, stream: str, stamps_ns: NDArray[np.int64], samples: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the changed samples, see `Injector.apply`. A shift may remove more of them."""
        for injector in self._injectors.get(stream, ()):
            if not KINDS[injector.failure.kind].thins:
                stamps_ns, samples = injector.apply(stamps_ns, samples)
        return stamps_ns, samples


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number") from error


def _names(sensors: Mapping[str, str]) -> list[str]:
    """Devices and streams."""
    devices = {"camera": None} if any(sensor != "vector" for sensor in sensors.values()) else {}
    devices |= {stream.split("_")[0]: None for stream in sensors if "_" in stream}
    return list(dict.fromkeys([*devices, *sensors]))
