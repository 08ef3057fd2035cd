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

"""What if a sensor were gone, late, noisy or slow: changes made to a recording while it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.failures import Failure, Fault, FaultInjector, find_streams
from mumu_ros.streams import RateSampler, seconds_to_ns

__all__ = ["KINDS", "Alteration", "Alterer", "parse_alteration", "robustness_alterations"]

KINDS = ("drop", "offset", "noise", "rate")
_EXPECTED = {
    "drop": "NAME or NAME:SHARE, a share from 0 to 1, such as rgb:0.5",
    "offset": "NAME:SECONDS, such as depth:+0.2s",
    "noise": "NAME:FACTOR, of the sensor's own standard deviation, such as imu:0.5",
    "rate": "NAME:HZ, such as rgb:15",
}


@dataclass(frozen=True)
class Alteration:
    """One change to some modalities.

    Attributes:
        kind: One of `KINDS`.
        modalities: Which it is made to, together.
        amount: drop and noise: that of the failures `dropout` and `noise`; 0: none. offset: seconds by which their
            stamps are later. rate: at most so many messages a second.
    """

    kind: str
    modalities: tuple[str, ...]
    amount: float

    def __str__(self) -> str:
        sign = "+" if self.kind == "offset" else ""
        unit = {"offset": " s", "rate": " Hz", "noise": " σ", "drop": ""}[self.kind]
        return f"{self.kind} {'+'.join(self.modalities)}: {self.amount:{sign}g}{unit}"


def parse_alteration(kind: str, text: str, sensors: Mapping[str, str]) -> Alteration:
    """Read `imu`, `rgb+depth:0.5`, `depth:+0.2s`; see `mumu_ros.failures.find_streams` for what a name means.

    Args:
        kind: One of `KINDS`.
        text: As given.
        sensors: Modality → what it is, one of `mumu_ros.failures.SENSORS`.

    Raises:
        ValueError: It matches no modality, or the number is invalid; contains what is expected.
    """
    targets, _, number = text.partition(":")
    try:
        modalities = find_streams(targets, sensors)
    except ValueError as error:
        raise ValueError(f"--{kind} {text!r}: {error}") from error
    if kind == "drop" and not number:
        number = "1"
    try:
        amount = float(number.removesuffix("s") if kind == "offset" else number)
    except ValueError:
        amount = float("nan")
    good = {"drop": 0 <= amount <= 1, "offset": abs(amount) <= 60, "noise": amount >= 0, "rate": amount > 0}[kind]
    if not good or amount == float("inf"):
        raise ValueError(f"--{kind} {text!r}: expected {_EXPECTED[kind]}")
    return Alteration(kind, modalities, amount)


def robustness_alterations(names: Sequence[str]) -> list[Alteration]:
    """What the curves of a report are drawn from: each modality gone, noisy and late, more and more."""
    amounts = {"drop": (0.25, 0.5, 0.75, 1.0), "noise": (0.5, 1.0, 2.0), "offset": (0.1, 0.2, 0.5)}
    return [Alteration(kind, (name,), amount) for kind in amounts for name in names for amount in amounts[kind]]


class Alterer:
    """Makes alterations and faults to a recording's messages, the same ones each time.

    Args:
        alterations: Changes for good.
        sensors: Modality → what it is, one of `mumu_ros.failures.SENSORS`.
        faults: What fails when; the recording begins with the first possible stamp, above 0, that it is asked about.
    """

    def __init__(
        self, alterations: Sequence[Alteration], sensors: Mapping[str, str], faults: Sequence[Fault] = ()
    ) -> None:
        failures = {"drop": "dropout", "noise": "noise"}
        always = (
            Fault("+".join(a.modalities), a.modalities, Failure(failures[a.kind], a.amount))
            for a in alterations
            if a.kind in failures and a.amount
        )
        self._faults = (*always, *faults)
        self._sensors = sensors
        self._offsets = [a for a in alterations if a.kind == "offset"]
        periods_ns = {
            name: seconds_to_ns(1 / a.amount) for a in alterations if a.kind == "rate" for name in a.modalities
        }
        self._samplers = {name: RateSampler(period_ns) for name, period_ns in periods_ns.items()}
        self._given = faults
        self._injector: FaultInjector | None = None

    @property
    def idle(self) -> list[Fault]:
        """Those faults that have changed nothing, because no sample came in their time."""
        return [fault for fault in self._given if self._injector is None or fault in self._injector.idle]

    def restamp(self, stream: str, stamp_ns: int) -> int | None:
        """Return the stamp that a message is to have, or None if it is not to come."""
        if stamp_ns <= 0:
            return stamp_ns  # as a driver without a clock sends it: the synchroniser refuses it
        if not len(self._begun(stamp_ns).arrive(stream, np.array([stamp_ns]))):
            return None
        if stream in self._samplers and not self._samplers[stream].accept(stamp_ns):
            return None
        return stamp_ns + sum(seconds_to_ns(a.amount) for a in self._offsets if stream in a.modalities)

    def change(self, stream: str, stamp_ns: int, sample: NDArray[Any]) -> NDArray[Any] | None:
        """Return what a sample is to show, or None if it is not to come."""
        _, shown = self._begun(stamp_ns).show(stream, np.array([stamp_ns]), sample[None])
        return shown[0] if len(shown) else None

    def _begun(self, stamp_ns: int) -> FaultInjector:
        if self._injector is None:
            self._injector = FaultInjector(self._faults, self._sensors, stamp_ns)
        return self._injector
