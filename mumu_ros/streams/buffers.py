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

"""One modality's recent samples, sorted by stamp, and the part of them that a window shows."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mumu_ros.streams.sampler import RateSampler
from mumu_ros.streams.stamps import NS_PER_S, StreamClock, seconds_to_ns

__all__ = ["BufferStatistics", "FrameBuffer", "Series", "StreamSpec", "VectorBuffer"]

_MARGIN_NS = NS_PER_S  # how far a window's end may lie behind the newest sample and still find all of its samples
_MAX_SOURCE_RATE_HZ = 1000  # of a vector stream; a faster one keeps fewer seconds
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One modality of a window.

    Attributes:
        name: The modality's name.
        kind: "frames" (images: sampled at the rate) or "vector" (interpolated onto a grid of the rate).
        rate_hz: The model's rate, not the sensor's.
        shape: Shape of a vector sample, such as (2, 3); unused for frames.
        max_gap_s: A grid step of a vector stream counts as absent if no sample lies this near to it. Between samples
            twice as far apart there is no gap, only interpolation, which `Series.coverage` does not count.
        gaps: Elements of a vector may be NaN: not there. A grid step then has those that both of its neighbours have.

    Raises:
        ValueError: Unknown kind, or a number out of range.
    """

    name: str
    kind: Literal["frames", "vector"]
    rate_hz: float
    shape: tuple[int, ...] = ()
    max_gap_s: float = 0.1
    gaps: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("frames", "vector"):
            raise ValueError(f"stream {self.name!r}: kind must be 'frames' or 'vector', not {self.kind!r}")
        if not 0 < self.rate_hz < math.inf:
            raise ValueError(f"stream {self.name!r}: rate_hz must be positive, not {self.rate_hz}")
        if not 0 < self.max_gap_s < math.inf:
            raise ValueError(f"stream {self.name!r}: max_gap_s must be positive, not {self.max_gap_s}")
        if any(n < 1 for n in self.shape):
            raise ValueError(f"stream {self.name!r}: the sizes of shape must be positive, not {self.shape}")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One modality in a window, T steps.

    Attributes:
        stamps_ns: int64 (T,), increasing.
        samples: Frames: a tuple of T frames. Vector: float32 (T, *shape), 0 where the mask is False.
        mask: bool (T,): whether the step was seen.
        coverage: Share of the expected samples that came, 0 to 1: of a vector stream the steps in the mask, but no more
            than samples in the window, so that a slow sensor does not count as complete.
        age_ns: The window's end less the newest sample's stamp at or before it; None if there is none.
    """

    stamps_ns: NDArray[np.int64]
    samples: tuple[Any, ...] | NDArray[np.float32]
    mask: NDArray[np.bool_]
    coverage: float
    age_ns: int | None

    def after(self, stamp_ns: int) -> Series:
        """Of frames, the newer ones."""
        older = bisect_right(self.stamps_ns, stamp_ns)
        newer = slice(older, None)
        coverage = self.coverage * (1 - older / max(1, len(self.mask)))
        return Series(self.stamps_ns[newer], self.samples[newer], self.mask[newer], coverage, self.age_ns)


@dataclass(frozen=True, slots=True)
class BufferStatistics:
    """What became of one modality's samples since the start.

    Attributes:
        taken: Sorted into the buffer.
        unsampled: Frames passed over, the model's rate being lower than the camera's.
        late: Frames older than one already sampled, and samples rejected as too old.
        duplicate: Dropped because their stamp was there already.
        refused: Rejected: NaN or infinite values, or a zero, negative or implausibly distant stamp.
    """

    taken: int
    unsampled: int
    late: int
    duplicate: int
    refused: int


class _Buffer(StreamClock):
    """What both kinds share: the window's steps and the counters."""

    def __init__(self, spec: StreamSpec, window_ns: int, hold_limit: int) -> None:
        super().__init__(hold_limit)
        self.spec = spec
        self.window_ns = window_ns
        self.steps = max(1, round(window_ns * spec.rate_hz / NS_PER_S))
        self.taken = self.unsampled = self.duplicate = 0

    def statistics(self) -> BufferStatistics:
        return BufferStatistics(self.taken, self.unsampled, self.late, self.duplicate, self.refused)


class FrameBuffer(_Buffer):
    """Frames, sampled by time at the model's rate as they come."""

    def __init__(self, spec: StreamSpec, window_ns: int) -> None:
        super().__init__(spec, window_ns, hold_limit=64)
        self._sampler = RateSampler(seconds_to_ns(1 / spec.rate_hz))
        self._capacity = self.steps + math.ceil(_MARGIN_NS * spec.rate_hz / NS_PER_S)
        self._stamps: list[int] = []
        self._frames: list[Any] = []

    def clear(self) -> None:
        """Drop the epoch."""
        self._sampler.reset()
        self._stamps.clear()
        self._frames.clear()

    def check(self, frame: Any) -> Any:
        """The frame, or None if it is an array with NaN or infinite values."""
        if isinstance(frame, np.ndarray) and frame.dtype.kind == "f" and not np.isfinite(frame).all():
            return None
        return frame

    def insert(self, stamp_ns: int, frame: Any) -> bool:
        """Sample a frame whose stamp is on the timeline; returns whether it was chosen."""
        if stamp_ns <= self.newest_ns:
            if stamp_ns == self.newest_ns:
                self.duplicate += 1
            else:
                self.late += 1
            return False
        self.newest_ns = stamp_ns
        if not self._sampler.accept(stamp_ns):
            self.unsampled += 1
            return False
        self._stamps.append(stamp_ns)
        self._frames.append(frame)
        self.taken += 1
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._frames[0]
        return True

    def series(self, end_ns: int) -> Series:
        """The newest frames in (end − window, end], no more than the rate gives."""
        stop = bisect_right(self._stamps, end_ns)
        start = max(bisect_right(self._stamps, end_ns - self.window_ns), stop - self.steps)
        stamps = np.array(self._stamps[start:stop], dtype=np.int64)
        return Series(
            stamps_ns=stamps,
            samples=tuple(self._frames[start:stop]),
            mask=np.ones(stop - start, dtype=np.bool_),
            coverage=(stop - start) / self.steps,
            age_ns=end_ns - self._stamps[stop - 1] if stop else None,
        )


class VectorBuffer(_Buffer):
    """Vectors in a sorted array, interpolated when a window is asked for."""

    def __init__(self, spec: StreamSpec, window_ns: int) -> None:
        kept_ns = window_ns + _MARGIN_NS + seconds_to_ns(spec.max_gap_s)
        self._capacity = math.ceil(kept_ns * _MAX_SOURCE_RATE_HZ / NS_PER_S)
        super().__init__(spec, window_ns, hold_limit=self._capacity)
        self._max_gap_ns = seconds_to_ns(spec.max_gap_s)
        self._step_ns = seconds_to_ns(1 / spec.rate_hz)
        self._offsets = np.array(
            [-round(i * NS_PER_S / spec.rate_hz) for i in reversed(range(self.steps))], dtype=np.int64
        )
        # Twice the room, so that moving the newest half to the front is rare.
        self._stamps = np.empty(2 * self._capacity, dtype=np.int64)
        self._values = np.empty((math.prod(spec.shape), 2 * self._capacity), dtype=np.float64)  # a channel a row
        self._count = 0

    def clear(self) -> None:
        """Drop the epoch."""
        self._count = 0

    def check(self, sample: Any) -> NDArray[np.float64] | None:
        """The sample as a flat copy, or None if it has infinite values, such as float32 cannot hold, or NaN.

        In a stream with gaps, only a sample that is all NaN is rejected for it.

        Raises:
            ValueError: Its shape is not the declared one.
        """
        values = np.array(sample, dtype=np.float64)  # it may be held back, and its array be used again
        if values.shape != self.spec.shape:
            raise ValueError(f"stream {self.spec.name!r}: a sample has shape {self.spec.shape}, not {values.shape}")
        known = values[~np.isnan(values)] if self.spec.gaps else values
        return values.ravel() if known.size and np.abs(known).max() <= _LARGEST else None

    def insert(self, stamp_ns: int, sample: Any) -> bool:
        """Insert a sample whose stamp is on the timeline; returns whether it was new."""
        n = self._count
        if n == len(self._stamps):
            n = self._capacity
            self._stamps[:n] = self._stamps[-n:]
            self._values[:, :n] = self._values[:, -n:]
        stamps, values = self._stamps, self._values
        at = n
        if stamp_ns <= self.newest_ns:
            at = int(np.searchsorted(stamps[:n], stamp_ns))
            if at < n and stamps[at] == stamp_ns:
                self.duplicate += 1
                return False
            stamps[at + 1 : n + 1] = stamps[at:n]
            values[:, at + 1 : n + 1] = values[:, at:n]
        stamps[at] = stamp_ns
        values[:, at] = sample
        self._count = n + 1
        self.newest_ns = max(self.newest_ns, stamp_ns)
        self.taken += 1
        return True

    def series(self, end_ns: int) -> Series:
        """The stream interpolated linearly onto the grid end − i/rate (rule: see WindowAssembler)."""
        grid = end_ns + self._offsets
        known = self._stamps[: self._count]
        stop = int(np.searchsorted(known, end_ns, side="right"))
        if not stop:
            samples = np.zeros((self.steps, *self.spec.shape), dtype=np.float32)
            return Series(grid, samples, np.zeros(self.steps, dtype=np.bool_), 0.0, None)
        start = max(0, int(np.searchsorted(known[:stop], grid[0], side="right")) - 1)
        seen = stop - int(np.searchsorted(known[:stop], end_ns - self.window_ns, side="right"))
        stamps, values = known[start:stop], self._values[:, start:stop]

        after = np.searchsorted(stamps, grid, side="right")
        last = after == stop - start
        left = np.maximum(after - 1, 0)
        right = np.minimum(after, stop - start - 1)
        since_ns = grid - stamps[left]
        until_ns = stamps[right] - grid
        weight = since_ns / np.maximum(since_ns + until_ns, 1)
        steps = values.take(left, axis=1)
        rise = values.take(right, axis=1)
        rise -= steps
        rise *= weight
        if self.spec.gaps:
            rise[:, weight == 0] = 0.0  # A sample at the very step stands for itself.
        steps += rise

        reach_ns = np.where(last, min(self._step_ns, self._max_gap_ns), self._max_gap_ns)
        near = (since_ns <= reach_ns) | (~last & (until_ns <= reach_ns))
        mask = (after > 0) & near
        steps[:, ~mask] = 0.0
        return Series(
            stamps_ns=grid,
            samples=steps.T.astype(np.float32, order="C").reshape(self.steps, *self.spec.shape),
            mask=mask,
            coverage=min(int(np.count_nonzero(mask)), seen) / self.steps,
            age_ns=end_ns - int(stamps[-1]),
        )
