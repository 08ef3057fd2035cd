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

"""Diagnosis of a stream of sensor_sync, from the arrival times and the fate of its messages, and of its clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mumu_ros.conversions import ConversionError
from mumu_ros.fault_codes import FaultCode
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.streams import NS_PER_S, StreamStatistics

__all__ = ["ClockWatch", "Report", "StreamWatch"]

PATIENCE_S = 3.0
"""Silence after the start that is not an error yet, seconds; with a longer timeout, that."""
_MAX_MESSAGES = 200
"""Number of the newest messages of which the delay is kept."""
_MAX_STEPS = 2000
"""Number of the newest steps between stamps that are kept: a full queue may come at once, and then nothing."""
_DELAYS_S = 1.0
"""Messages are counted, and their delays compared, over this time: half a second of a fault names it."""
_STEPS_S = 1.5
"""Age of the last steps between stamps that losses are estimated from."""
_MIN_STEPS = 8
"""Fewer steps between stamps give no estimate of losses."""
_MAX_LATE_SHARE = {True: 0.05, False: 0.2}
"""Share of frames, and of range samples, that may be late or rejected: a late range sample goes into the next set."""
_MIN_COUNT = 3
"""Fewer messages, sets or steps are too few to name a fault by."""
_MAX_OFFSET_NS = NS_PER_S
"""Streams whose delays differ by more have different clocks."""
_MIN_COMPARED, _MAX_COMPARED = 8, 15
"""Number of the newest differences between frames and people whose median is compared with that."""
_SAME_CLOCK_NS = NS_PER_S // 50
"""Streams with delays that differ by less are on the same clock."""
_MIN_PAIRED_SHARE = 0.5
"""Share of the sets in which a camera's frames have to be."""
_MAX_MISSING_SHARE = 0.35
"""Share of lost messages above which it is reported."""
_STEP_TOLERANCE = 0.2
"""Deviation of a step from a multiple of the period, in periods, up to which it counts as regular."""
_MIN_REGULAR_SHARE = 0.8
"""Share of regular steps below which losses cannot be estimated."""


@dataclass(frozen=True)
class Report:
    """One stream's state.

    Attributes:
        code: The fault.
        text: The same in a sentence, with the remedy.
        offset_s: Correction of the stream's stamps that makes it agree with the others; None if unknown.
        missing_share: Share of messages that never came: estimated from the steps between stamps, or more if the
            middleware counted more; None if unknown.
    """

    code: FaultCode
    text: str
    offset_s: float | None
    missing_share: float | None


@dataclass(frozen=True)
class _Counts:
    received: int
    late: int
    refused: int
    duplicate: int
    errors: int
    sets: int
    paired: int
    lost: int


class StreamWatch:
    """Watches one stream. `note` and `report` may be called at any rate.

    Args:
        stream: Its configuration.
        timeout_s: Silence after which it counts as silent.
        sets_hz: Sets a second at most; a slower stream is not in each of them.
        now_s: By a monotonic clock, as everywhere here.
    """

    def __init__(self, stream: StreamConfig, timeout_s: float, sets_hz: float, now_s: float) -> None:
        self.stream = stream
        self._sets_hz = sets_hz
        self._timeout_s = timeout_s
        self._started_s = now_s
        self._came_s: float | None = None
        self._stamp_ns = 0
        self._delays_ns: deque[tuple[float, int]] = deque(maxlen=_MAX_MESSAGES)  # when it came, and its delay
        self._median_ns: float | None = None  # of the delays, where it has been asked for since the last message
        self._steps_ns: deque[tuple[float, int]] = deque(maxlen=_MAX_STEPS)
        self._counts: deque[tuple[float, _Counts]] = deque([(now_s, _Counts(*(0,) * 8))])
        self._counted_s = max(_DELAYS_S, (_MIN_COUNT + 1) / sets_hz)

    def restart(self, now_s: float) -> None:
        """Silence is counted from now on, if nothing has come yet: before, nothing could."""
        self._started_s = now_s

    def note(self, stamp_ns: int, arrival_ns: int | None, now_s: float) -> None:
        """Note a message: its stamp, the time of the node's clock at its arrival if that is known, and another."""
        step_ns = stamp_ns - self._stamp_ns
        if self._came_s is None or not 0 <= step_ns <= self._timeout_s * NS_PER_S:
            self._steps_ns.clear()  # the first, a silence or a jump of the clock: no loss
        elif step_ns:
            self._steps_ns.append((now_s, step_ns))
        self._stamp_ns = stamp_ns
        if arrival_ns is not None:
            self._delays_ns.append((now_s, arrival_ns - stamp_ns))
        self._median_ns = None
        self._came_s = now_s
        for recent, age_s in ((self._delays_ns, _DELAYS_S), (self._steps_ns, _STEPS_S)):
            while recent and now_s - recent[0][0] > age_s:
                recent.popleft()

    @property
    def delay_ns(self) -> float | None:
        """Median time from stamp to arrival; None if nothing came."""
        if self._median_ns is None:
            self._median_ns = self.delay_quantile_ns(0.5)
        return self._median_ns

    def delay_quantile_ns(self, q: float) -> float | None:
        """A quantile of the time from stamp to arrival of the last messages; None if nothing came."""
        return _quantile(sorted(delay_ns for _, delay_ns in self._delays_ns), q) if self._delays_ns else None

    def speaks(self, now_s: float) -> bool:
        """Whether messages arrive, whatever their stamps."""
        return self._came_s is not None and now_s - self._came_s <= self._timeout_s

    def report(
        self,
        statistics: StreamStatistics,
        sets: int,
        others: Sequence[StreamWatch],
        why_silent: Callable[[bool], tuple[FaultCode, str]],
        now_s: float,
        errors: int = 0,
        last_error: ConversionError | None = None,
        leads: bool = False,
        lost: int = 0,
    ) -> Report:
        """Diagnose the stream.

        Args:
            statistics: The synchroniser's, of the stream.
            sets: Sets published so far.
            others: The other streams.
            why_silent: Called for an explanation of silence, with whether the stream has been active before.
            now_s: Monotonic time.
            errors: Messages that could not be converted.
            last_error: Why the last one could not.
            leads: Whether the sets have its stamps.
            lost: Messages that the middleware counted as lost.
        """
        counts = _Counts(
            statistics.received,
            statistics.late,
            statistics.refused,
            statistics.duplicate,
            errors,
            sets,
            statistics.paired,
            lost,
        )
        while len(self._counts) > 1 and now_s - self._counts[1][0] >= self._counted_s:
            self._counts.popleft()
        before = self._counts[0][1]
        self._counts.append((now_s, counts))
        nearest = self._nearest(others, now_s)
        delay_ns = self.delay_ns
        offset_ns = None
        if nearest is not None and delay_ns is not None and nearest.delay_ns is not None:
            offset_ns = delay_ns - nearest.delay_ns
        counted = _counted_share(counts, before)
        shares = [share for share in (counted, self._missing_share()) if share is not None]
        missing = max(shares, default=None)
        code, text = self._judge(counts, before, statistics, nearest, offset_ns, missing, why_silent, now_s)
        off = [other.stream.name for other in others if other.speaks(now_s) and _is_off(other, nearest)]
        if off and code is FaultCode.LATE:
            rate = f"{statistics.rate_hz:.1f} Hz"
            text = f"{rate}, late or refused beside {', '.join(off)}, whose clock differs: see there"
        if off and code is FaultCode.UNPAIRED:
            # The reference is on the wrong clock, and named for it.
            code, text = FaultCode.NONE, f"{statistics.rate_hz:.1f} Hz"
        if not code and leads and self._is_slow():
            code = FaultCode.SLOW_REFERENCE
            text += (
                f" is less than half of rate_hz ({self._sets_hz:g}), and frames come no faster than their first live "
                "stream: name a faster one before it in streams, or lower rate_hz"
            )
        new_errors = counts.errors - before.errors
        if new_errors and last_error:
            code = code or last_error.code
            text += f"; {new_errors} messages skipped, the last one: {last_error}"
        return Report(code, text, None if offset_ns is None else offset_ns / NS_PER_S, missing)

    def _judge(
        self,
        now: _Counts,
        before: _Counts,
        statistics: StreamStatistics,
        nearest: StreamWatch | None,
        offset_ns: float | None,
        missing: float | None,
        why_silent: Callable[[bool], tuple[FaultCode, str]],
        now_s: float,
    ) -> tuple[FaultCode, str]:
        rate = f"{statistics.rate_hz:.1f} Hz"
        if (counted := _counted_share(now, before) or 0.0) > _MAX_MISSING_SHARE:
            return self._lost(rate if self.speaks(now_s) else "0 Hz", counted)
        if self._came_s is None:
            if now_s - self._started_s < max(PATIENCE_S, self._timeout_s):
                return FaultCode.WAITING, f"waiting for the first {self._wanted}"
            code, reason = why_silent(False)
            return code, f"no {self._wanted} yet; {reason}"
        if not self.speaks(now_s):
            code, reason = why_silent(True)
            return code, f"silent for {now_s - self._came_s:.1f} s; {reason}"
        received = now.received - before.received
        duplicate = now.duplicate - before.duplicate
        bad = now.late + now.refused - before.late - before.refused + duplicate
        is_off = _is_off(self, nearest)
        if self._stamp_ns <= 0 and now.refused > before.refused:
            return (
                FaultCode.STAMPS,
                f"its stamps are {self._stamp_ns / NS_PER_S:g} s: the driver does not set them; {rate} used",
            )
        is_bad = bad >= max(2, min(_MIN_COUNT, received)) and bad > _MAX_LATE_SHARE[self.stream.is_image] * received
        words = self._clock_words(nearest, offset_ns)
        if is_off:
            return FaultCode.CLOCK, f"{words}; {bad} of {received} late, refused or duplicate"
        if is_bad and 2 * duplicate > bad:
            words = "does the driver stamp packets of samples or repeat messages, or do two publishers send the same?"
            return FaultCode.LATE, f"{rate}, but {duplicate} of {received} have a stamp that came before: {words}"
        if is_bad:
            if offset_ns is not None and abs(offset_ns) < _SAME_CLOCK_NS:
                words = "its clock is that of the others: do several publishers send this topic, or one out of order?"
            return FaultCode.LATE, f"{rate}, but {bad} of {received} late or refused: {words}"
        sets, paired = now.sets - before.sets, now.paired - before.paired
        expected = sets * min(1.0, statistics.rate_hz / self._sets_hz) if self.stream.is_image else 0.0
        if sets >= _MIN_COUNT and paired < _MIN_PAIRED_SHARE * expected:
            return FaultCode.UNPAIRED, f"{rate}, but in {paired} of {sets} frames only: {words}"
        if missing is not None and missing > _MAX_MISSING_SHARE:
            return self._lost(rate, missing)
        return FaultCode.NONE, rate

    @property
    def _wanted(self) -> str:
        topics = " and ".join(self.stream.topics)
        return f"{'message' if len(self.stream.topics) == 1 else 'pair of messages'} on {topics}"

    def _lost(self, rate: str, share: float) -> tuple[FaultCode, str]:
        return FaultCode.LOST, (
            f"{rate}; about {share:.0%} of its messages do not arrive: raise {self.stream.name}.depth, lower the "
            "sensor's rate or, for images, start its driver with the DDS profile config/fastdds.xml"
        )

    def _clock_words(self, nearest: StreamWatch | None, offset_ns: float | None) -> str:
        delay_ns = self.delay_ns or 0.0
        words = f"its stamps are {_behind(delay_ns)} their arrival"
        if nearest in (None, self) or offset_ns is None:
            return words
        remedy_s = offset_ns / NS_PER_S + self.stream.offset_s
        return (
            f"{words}, {_behind(offset_ns)} {nearest.stream.name}: is it the device's clock, or a slow network? "
            f"Synchronise the clocks, or set {self.stream.name}.offset_s: {remedy_s:.3f}"
        )

    def _nearest(self, others: Sequence[StreamWatch], now_s: float) -> StreamWatch | None:
        """The live stream whose clock most others agree with; of two that disagree, the one nearer to the node's."""
        living = [w for w in (self, *others) if w.speaks(now_s)]
        if not living:
            return None
        delays_ns = [w.delay_ns or 0.0 for w in living]
        agree = [sum(abs(a - b) <= _MAX_OFFSET_NS for b in delays_ns) for a in delays_ns]
        return min(zip(living, agree, delays_ns, strict=True), key=lambda row: (-row[1], abs(row[2])))[0]

    def _is_slow(self) -> bool:
        steps_ns = [step_ns for _, step_ns in self._steps_ns]
        return len(steps_ns) >= _MIN_COUNT and sum(steps_ns) / len(steps_ns) > 2 * NS_PER_S / self._sets_hz

    def _missing_share(self) -> float | None:
        """The least of all steps, the older and the newer half: a change of the sensor's rate is in one half only."""
        steps_ns = [step_ns for _, step_ns in self._steps_ns]
        if len(steps_ns) < _MIN_STEPS:
            return None
        half = (len(steps_ns) + 1) // 2
        share, *halves = map(_missing_share, (steps_ns, steps_ns[:half], steps_ns[half:]))
        return None if share is None else min([share, *(half for half in halves if half is not None)])


class ClockWatch:
    """Compares the clock of frames with that of people: sensor_sync has no stream that is on the camera's."""

    def __init__(self) -> None:
        self._ahead_ns: deque[int] = deque(maxlen=_MAX_COMPARED)
        self._frame_ns: int | None = None

    def clear(self) -> None:
        """Time has jumped."""
        self._ahead_ns.clear()
        self._frame_ns = None

    def note_frame(self, stamp_ns: int) -> None:
        """Note the stamp of a frame, whether it is accepted or not, as it comes."""
        self._frame_ns = stamp_ns

    def note_people(self, stamp_ns: int) -> None:
        """Note the same of people, and compare it if a frame has come since the last ones: neither has stopped."""
        if self._frame_ns is not None:
            self._ahead_ns.append(self._frame_ns - stamp_ns)
            self._frame_ns = None

    def problem(self, names: Sequence[str]) -> str | None:
        """What is wrong with the clock of these streams, with the remedy; None: nothing."""
        ahead_ns = _quantile(sorted(self._ahead_ns), 0.5) if len(self._ahead_ns) >= _MIN_COMPARED else 0.0
        if not names or abs(ahead_ns) <= _MAX_OFFSET_NS:
            return None
        return (
            f"the stamps of {', '.join(names)} are {_behind(-ahead_ns)} those of people that come at the same time: is "
            "it a device's clock, or do people come late? Synchronise the clocks, or add "
            f"about {-ahead_ns / NS_PER_S:.3f} to {', '.join(f'{name}.offset_s' for name in names)} of sensor_sync"
        )


def _quantile(ordered: Sequence[float], q: float) -> float:
    """The quantile of numbers in ascending order, linear between them; numpy's takes 80 µs for 200 of them."""
    below, share = divmod(q * (len(ordered) - 1), 1.0)
    low, high = ordered[int(below)], ordered[min(int(below) + 1, len(ordered) - 1)]
    return low + share * (high - low)


def _counted_share(now: _Counts, before: _Counts) -> float | None:
    """From what the middleware counted; None if it counted next to nothing."""
    lost, received = now.lost - before.lost, now.received - before.received
    return lost / (lost + received) if lost >= _MIN_COUNT else None


def _missing_share(steps_ns: Sequence[int]) -> float | None:
    """From steps that are multiples of the shortest ones; None if the stamps are not regular."""
    period_ns = _quantile(sorted(steps_ns), 0.1)
    regular = sum((step_ns / period_ns + _STEP_TOLERANCE) % 1 < 2 * _STEP_TOLERANCE for step_ns in steps_ns)
    if regular < _MIN_REGULAR_SHARE * len(steps_ns):
        return None
    return max(0.0, 1.0 - period_ns * len(steps_ns) / sum(steps_ns))


def _is_off(watch: StreamWatch, nearest: StreamWatch | None) -> bool:
    if nearest is None or nearest.delay_ns is None or watch.delay_ns is None:
        return False
    return abs(watch.delay_ns - nearest.delay_ns) > _MAX_OFFSET_NS


def _behind(offset_ns: float) -> str:
    return f"{abs(offset_ns) / NS_PER_S:.3f} s {'behind' if offset_ns >= 0 else 'ahead of'}"
