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

"""What became of each sensor's messages: rate, losses, outages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from mumu_ros.streams import NS_PER_S

__all__ = ["Outage", "SensorLog", "SensorReport", "split_pauses"]

_FIRST = 200
"""Steps that the usual period of a sensor is taken from."""


@dataclass(frozen=True)
class Outage:
    """A sensor's silence, from its last stamp before to its first stamp after."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class SensorReport:
    """A stream of a recording.

    Attributes:
        topic: Where it was recorded; empty if it was not.
        messages: Their number.
        rate_hz: Inverse of the median period between stamps; None if there are too few.
        lost: Messages missing between others, estimated from that period; those of outages excluded.
        outages: Silences longer than the synchroniser's timeout, while other sensors were active.
        late: Arrived after their set had been emitted.
        duplicate: Had the stamp of an earlier message.
        refused: Had an unacceptable stamp.
        dropped: Were lost because a queue was full.
        unreadable: Could not be converted.
        skew_ms: Mean distance of the paired images' stamps from the reference's; None for vectors.
    """

    topic: str
    messages: int = 0
    rate_hz: float | None = None
    lost: int = 0
    outages: tuple[Outage, ...] = ()
    late: int = 0
    duplicate: int = 0
    refused: int = 0
    dropped: int = 0
    unreadable: int = 0
    skew_ms: float | None = None


@dataclass
class SensorLog:
    """Looks at a stream's stamps as they come; keeps no more of them than the outages, silences above `timeout_ns`.

    A stamp of another time, after which the stream continues where it was, begins and ends no outage.
    """

    timeout_ns: int
    messages: int = 0
    lost: int = 0
    outages: list[Outage] = field(default_factory=list)
    _first_ns: int = 0
    _last_ns: int = 0
    _before_ns: int = 0
    """The last stamp before one of another time, if that has only just come; else 0."""
    _steps_ns: list[int] = field(default_factory=list)
    _period_ns: float = 0.0

    def add(self, stamp_ns: int) -> None:
        """Take in a message's stamp."""
        self.messages += 1
        self._first_ns = self._first_ns or stamp_ns
        if self._before_ns and 0 < stamp_ns - self._before_ns <= self.timeout_ns:
            if self._last_ns > self._before_ns:
                self.outages.pop()
            self._last_ns = self._before_ns
        self._before_ns = 0
        step_ns = stamp_ns - self._last_ns
        if abs(step_ns) > self.timeout_ns:
            self._before_ns = self._last_ns
        if self._last_ns and 0 < step_ns <= self.timeout_ns:
            self._step(step_ns)
        elif self._last_ns and step_ns > self.timeout_ns:
            self.outages.append(Outage(self._last_ns, stamp_ns))
        # After a jump back of more than the timeout, stamps count from there; a message out of order is nothing new.
        if step_ns > 0 or -step_ns > self.timeout_ns:
            self._last_ns = stamp_ns

    def end(self, first_ns: int, last_ns: int) -> None:
        """Note silence before the stream's first stamp and after its last one, within the time of all streams."""
        begin_ns = min(self._first_ns, last_ns) if self.messages else last_ns
        if begin_ns - first_ns > self.timeout_ns:
            self.outages.insert(0, Outage(first_ns, begin_ns))
        end_ns = max(self._last_ns, first_ns)
        if self.messages and last_ns - end_ns > self.timeout_ns:
            self.outages.append(Outage(end_ns, last_ns))

    @property
    def rate_hz(self) -> float | None:
        """One over the usual period, None before two stamps are known."""
        period_ns = self._period_ns or (median(self._steps_ns) if self._steps_ns else 0)
        return NS_PER_S / period_ns if period_ns else None

    def _step(self, step_ns: int) -> None:
        if not self._period_ns:
            self._steps_ns.append(step_ns)
            if len(self._steps_ns) == _FIRST:
                self.settle()
            return
        self.lost += max(0, round(step_ns / self._period_ns) - 1)

    def settle(self) -> None:
        """Fix the usual period, if that has not been done, and count what was missing until now."""
        if not self._period_ns and self._steps_ns:
            self._period_ns = median(self._steps_ns)
            self.lost += sum(max(0, round(step / self._period_ns) - 1) for step in self._steps_ns)


def split_pauses(
    outages: Mapping[str, Sequence[Outage]], tolerance_ns: int
) -> tuple[tuple[Outage, ...], dict[str, tuple[Outage, ...]]]:
    """Distinguish pauses, in which every sensor is silent, from outages of some of them.

    The silences of the sensors in a pause may begin and end up to `tolerance_ns` apart; one that is silent for longer
    has an outage, and does not make the silences of the others outages. That of a single one is an outage.

    Returns:
        Pauses, as the first sensor has them that is only silent for so long; and what remains of each sensor's outages.
    """

    def covers(a: Outage, b: Outage) -> bool:
        return a.start_ns <= b.start_ns + tolerance_ns and a.end_ns >= b.end_ns - tolerance_ns

    pauses: list[Outage] = []
    for name, of_sensor in outages.items():
        others = [other for sensor, other in outages.items() if sensor != name]
        for outage in of_sensor:
            is_common = others and all(any(covers(o, outage) for o in other) for other in others)
            if is_common and not any(covers(pause, outage) and covers(outage, pause) for pause in pauses):
                pauses.append(outage)
    remaining = {
        name: tuple(o for o in of_sensor if not any(covers(o, p) and covers(p, o) for p in pauses))
        for name, of_sensor in outages.items()
    }
    return tuple(sorted(pauses, key=lambda pause: pause.start_ns)), remaining
