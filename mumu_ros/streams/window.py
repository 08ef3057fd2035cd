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

"""Windows: what each modality has shown in the last seconds, at the model's rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mumu_ros.streams.buffers import BufferStatistics, FrameBuffer, Series, StreamSpec, VectorBuffer
from mumu_ros.streams.stamps import StampGuard, Verdict, seconds_to_ns

__all__ = ["Series", "StreamSpec", "Window", "WindowAssembler"]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What each modality has shown in (start_ns, end_ns]."""

    start_ns: int
    end_ns: int
    epoch: int
    series: Mapping[str, Series]


class WindowAssembler:
    """Keeps the recent samples of several modalities and cuts windows out of them.

    A window depends on the samples pushed and on its end only, and sees nothing newer than its end. It is complete
    for ends up to one second before the newest sample; older samples are forgotten. Streams may be pushed one after
    the other. `StampGuard` decides which stamps are rejected; after a jump back every buffer is empty.

    *Frames* are sampled at the modality's rate as they come (RateSampler); a frame older than one pushed before is
    dropped. A window has the newest round(window_s · rate_hz) of them at most.

    *Vectors* are sorted in whenever they come, and interpolated linearly onto the grid end − i/rate_hz,
    i = round(window_s · rate_hz) − 1 … 0. A step is absent (mask False, value 0) where no sample lies within
    max_gap_s. Nothing is extrapolated, but that the newest sample holds for one grid step at most, so that a sensor
    slightly behind the others does not leave the window's end empty.

    Raises:
        ValueError: No modality, two of one name, or a window that is not positive.
    """

    def __init__(self, specs: Sequence[StreamSpec], window_s: float) -> None:
        names = [spec.name for spec in specs]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a window needs one or more modalities with names of their own, not {names}")
        if not 0 < window_s < float("inf"):
            raise ValueError(f"window_s must be a positive number of seconds, not {window_s}")
        self._window_ns = seconds_to_ns(window_s)
        self._buffers = {
            spec.name: (FrameBuffer if spec.kind == "frames" else VectorBuffer)(spec, self._window_ns) for spec in specs
        }
        self._guard: StampGuard[FrameBuffer | VectorBuffer, Any] = StampGuard(list(self._buffers.values()))

    @property
    def epoch(self) -> int:
        """How often time has jumped back."""
        return self._guard.epoch

    def push(self, name: str, stamp_ns: int, sample: Any) -> bool:
        """Add one sample; returns whether it went into the buffer.

        Args:
            name: A declared modality (KeyError otherwise).
            stamp_ns: Acquisition time.
            sample: Frames: anything. Vector: an array of the declared shape.

        Raises:
            ValueError: A vector has another shape.
        """
        buffer, checked = self._check(name, sample)
        if checked is None:
            return False
        verdict = self._guard.judge(buffer, stamp_ns, checked)
        if verdict is Verdict.GOOD:
            return buffer.insert(stamp_ns, checked)
        if verdict is Verdict.TURNED_AWAY:
            return False
        if verdict is Verdict.BACKWARD:
            for each in self._buffers.values():
                each.clear()
        return [self._again(*held) for held in self._guard.release()][-1]

    def insert(self, name: str, stamp_ns: int, sample: Any) -> bool:
        """Like `push`, of a recording in time order: no stamp is doubted, after a gap of whatever length."""
        buffer, checked = self._check(name, sample)
        return checked is not None and buffer.insert(stamp_ns, checked)

    def window(self, end_ns: int) -> Window:
        """The window that ends at, and includes, this stamp."""
        series = {name: buffer.series(end_ns) for name, buffer in self._buffers.items()}
        return Window(end_ns - self._window_ns, end_ns, self._guard.epoch, series)

    def statistics(self) -> Mapping[str, BufferStatistics]:
        """What became of the samples, by modality."""
        return {name: buffer.statistics() for name, buffer in self._buffers.items()}

    def _check(self, name: str, sample: Any) -> tuple[FrameBuffer | VectorBuffer, Any]:
        buffer = self._buffers[name]
        checked = buffer.check(sample)
        buffer.refused += checked is None
        return buffer, checked

    def _again(self, buffer: FrameBuffer | VectorBuffer, stamp_ns: int, checked: Any) -> bool:
        return self._guard.judge(buffer, stamp_ns, checked) is Verdict.GOOD and buffer.insert(stamp_ns, checked)
