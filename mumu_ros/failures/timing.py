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

"""Failures that drop or delay samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mumu_ros.streams import seconds_to_ns

__all__ = ["STRETCH_S", "Dropout", "HalfRate", "Recall", "RepeatedBuffer", "Shift", "Stuck"]

STRETCH_S = 4.0
"""A partial dropout consists of stretches of this many seconds."""

Mask = NDArray[np.bool_]
Stamps = NDArray[np.int64]
Samples = NDArray[Any]


class Recall(Protocol):
    """Selects the samples of a chunk."""

    def __call__(self, stamps_ns: Stamps, samples: Samples, active: Mask, /) -> tuple[Mask, Samples]:
        """Return which samples are kept (N,), and all of them as changed (N, *shape); `active` is where it fails."""
        ...


class Dropout:
    """No samples, for a share of the time."""

    def __init__(self, share: float, seed: Sequence[int]) -> None:
        self._share, self._seed = share, seed

    def __call__(self, stamps_ns: Stamps, samples: Samples, active: Mask) -> tuple[Mask, Samples]:
        """See `Recall`."""
        stretches, index = np.unique(stamps_ns // seconds_to_ns(STRETCH_S), return_inverse=True)
        gone = [np.random.default_rng((*self._seed, abs(n))).random() < self._share for n in stretches.tolist()]
        return ~(active & np.array(gone)[index]), samples


class HalfRate:
    """Every second sample."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, _: Stamps, samples: Samples, active: Mask) -> tuple[Mask, Samples]:
        """See `Recall`."""
        number = self._seen + np.cumsum(active)
        self._seen = int(number[-1])
        return ~active | (number % 2 == 1), samples


class Stuck:
    """The first sample, repeated."""

    def __init__(self) -> None:
        self._held: Samples | None = None

    def __call__(self, stamps_ns: Stamps, samples: Samples, active: Mask) -> tuple[Mask, Samples]:
        """See `Recall`."""
        shown = samples.copy()
        if active.any():
            if self._held is None:
                self._held = samples[active.argmax()].copy()
            shown[active] = self._held
        return np.ones(len(stamps_ns), np.bool_), shown


class Shift:
    """Samples of this long ago; none at first."""

    def __init__(self, delay_s: float) -> None:
        self._delay_ns = seconds_to_ns(delay_s)
        self._past: list[tuple[int, Samples]] = []

    def __call__(self, stamps_ns: Stamps, samples: Samples, active: Mask) -> tuple[Mask, Samples]:
        """See `Recall`."""
        if self._past and stamps_ns[0] < self._past[-1][0]:
            self._past.clear()  # time jumped back
        self._past += zip(stamps_ns.tolist(), samples.copy(), strict=True)
        source = np.searchsorted([stamp for stamp, _ in self._past], stamps_ns - self._delay_ns, side="right") - 1
        shown = samples.copy()
        late = active & (source >= 0)
        if late.any():
            shown[late] = [self._past[i][1] for i in source[late]]
        del self._past[: max(int(source[-1]), 0)]
        return ~active | late, shown


class RepeatedBuffer:
    """The last seconds before the failure, repeated; if there are none, its own first seconds."""

    def __init__(self, length_s: float, start_ns: int | None) -> None:
        self._length_ns = seconds_to_ns(length_s)
        self._start_ns = start_ns
        self._ready_ns: int | None = None
        self._buffer: list[tuple[int, Samples]] = []
        self._shown = 0

    def __call__(self, stamps_ns: Stamps, samples: Samples, active: Mask) -> tuple[Mask, Samples]:
        """See `Recall`."""
        if self._ready_ns is None:
            first_ns = int(stamps_ns[0])
            self._ready_ns = first_ns + self._length_ns
            if self._start_ns is not None and first_ns < self._start_ns:
                self._ready_ns = self._start_ns
        before = stamps_ns < self._ready_ns
        if before.any():
            self._buffer += zip(stamps_ns[before].tolist(), samples[before].copy(), strict=True)
        oldest_ns = min(self._ready_ns, int(stamps_ns[-1])) - self._length_ns
        while self._buffer and self._buffer[0][0] < oldest_ns:
            del self._buffer[0]
        shown = samples.copy()
        again = active & ~before
        if again.any() and self._buffer:
            number = self._shown + np.arange(np.count_nonzero(again))
            self._shown = int(number[-1]) + 1
            shown[again] = [self._buffer[i][1] for i in number % len(self._buffer)]
        return np.ones(len(stamps_ns), np.bool_), shown
