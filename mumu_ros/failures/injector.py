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

"""One failure of one stream, applied as samples arrive."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.failures.kinds import KINDS, Failure, kinds_for
from mumu_ros.failures.spread import RunningSpread, Spread
from mumu_ros.failures.timing import Dropout, HalfRate, Recall, RepeatedBuffer, Shift, Stuck
from mumu_ros.failures.values import VALUES, Change, Setting
from mumu_ros.streams import NS_PER_S, seconds_to_ns

__all__ = ["Injector"]

LEARNED_S = 10.0
"""σ of a stream is estimated before it fails, and over at least its first seconds, this many."""


class Injector:
    """Applies a failure to a stream, reproducibly and independent of how it is cut into chunks.

    Nothing depends on later samples. σ is the standard deviation of each element of the samples so far, until
    the failure begins and for at least `LEARNED_S`; NaN, a joint that is not seen, does not count and stays NaN.

    Args:
        failure: Kind and amount.
        sensor: Kind of the samples, one of `kinds.SENSORS`. `rgb`: uint8 H×W×3. `depth`: H×W or H×W×1, uint16 in mm or
            float in m, 0: no reading. `vector`: float (J, C), C = 3 for what has directions.
        seed: Of all random choices.
        stream: Its name: streams that fail together have different noise, but drop out together.
        start_ns: Stamp at which it begins to fail; None: it always fails.
        end_ns: Stamp at which it recovers; None: never.
        spread: Of the healthy stream, if known.

    Raises:
        ValueError: The failure does not apply to the sensor; lists those that do.
    """

    def __init__(
        self,
        failure: Failure,
        sensor: str,
        *,
        seed: int | Sequence[int] = 0,
        stream: str = "",
        start_ns: int | None = None,
        end_ns: int | None = None,
        spread: Spread | None = None,
    ) -> None:
        if sensor not in KINDS[failure.kind].sensors:
            raise ValueError(
                f"failure {failure.kind!r} does not apply to {stream or 'a stream'} ({sensor}); "
                f"expected one of {', '.join(kinds_for(sensor))}"
            )
        self.failure, self.sensor = failure, sensor
        self._start_ns, self._end_ns = start_ns, end_ns
        seeds = (seed,) if isinstance(seed, int) else tuple(seed)
        self._generator = np.random.default_rng((*seeds, zlib.crc32(stream.encode())))
        self._recall = _recall(failure, seeds, start_ns)
        self._change: Change | None = None
        self._known = spread
        self._spread = RunningSpread()
        self._first_ns: int | None = None
        self._onset_ns: int | None = None

    @property
    def has_begun(self) -> bool:
        """Whether a sample has come in its time."""
        return self._onset_ns is not None

    def apply(self, stamps_ns: NDArray[np.int64], samples: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the next N samples as changed by the failure.

        Args:
            stamps_ns: int64 (N,), ascending, and after those of the previous chunk.
            samples: (N, *shape); not changed.

        Returns:
            Stamps (M,) and samples (M, *shape) of the same dtype, M ≤ N.

        Raises:
            ValueError: The failure rotates samples that do not have three axes.
        """
        if not len(stamps_ns):
            return stamps_ns, samples
        if self._first_ns is None:
            self._first_ns = int(stamps_ns[0])
        active = np.ones(len(stamps_ns), np.bool_)
        if self._start_ns is not None:
            active &= stamps_ns >= self._start_ns
        if self._end_ns is not None:
            active &= stamps_ns < self._end_ns
        if self._onset_ns is None and active.any():
            self._onset_ns = int(stamps_ns[active.argmax()])
        if self._recall is None:
            return stamps_ns, self._changed(stamps_ns, samples, active)
        kept, shown = self._recall(stamps_ns, samples, active)
        return stamps_ns[kept], shown[kept]

    def _changed(self, stamps_ns: NDArray[np.int64], samples: NDArray[Any], active: NDArray[np.bool_]) -> NDArray[Any]:
        shape = samples.shape[1:]
        if self._change is None:
            if KINDS[self.failure.kind].turns and shape[-1:] != (3,):
                raise ValueError(f"failure {self.failure.kind!r} needs samples of three axes, not of the shape {shape}")
            self._change = VALUES[self.failure.kind](Setting(self.failure.amount or 0.0, shape, self._generator))
        spread = self._spread_at(stamps_ns, samples)
        if not active.any():
            return samples
        mean, std = (np.broadcast_to(part, samples.shape)[active] for part in spread)
        elapsed_s = (stamps_ns[active] - (self._onset_ns or 0)) / NS_PER_S
        shown = samples.copy()
        shown[active] = self._as_read(self._change(samples[active], elapsed_s, Spread(mean, std)), samples[active])
        return shown

    def _spread_at(self, stamps_ns: NDArray[np.int64], samples: NDArray[Any]) -> Spread:
        if KINDS[self.failure.kind].unit not in ("σ", "σ/s"):
            zero = np.zeros(1)
            return Spread(zero, zero)
        if self._known is not None:
            return self._known
        learned_ns = (self._first_ns or 0) + seconds_to_ns(LEARNED_S)
        if self._start_ns is not None:
            learned_ns = max(learned_ns, self._start_ns)
        return self._spread.update(samples, stamps_ns < learned_ns)

    def _as_read(self, shown: NDArray[Any], was: NDArray[Any]) -> NDArray[Any]:
        """Convert to the sensor's element type and range."""
        if np.issubdtype(was.dtype, np.integer) and shown.dtype != was.dtype:
            shown = shown.round().clip(0, np.iinfo(was.dtype).max)
        if self.sensor == "depth" and self.failure.kind in ("noise", "blur"):
            # Pixels without a reading keep none; pixels with one keep one.
            least = 1 if was.dtype == np.uint16 else 1e-3
            shown = np.where(np.isfinite(was) & (was > 0), np.maximum(shown, least), 0)
        return shown.astype(was.dtype, copy=False)


def _recall(failure: Failure, seeds: tuple[int, ...], start_ns: int | None) -> Recall | None:
    amount = failure.amount or 0.0
    match failure.kind:
        case "dropout":
            return Dropout(amount, seeds)
        case "half_rate":
            return HalfRate()
        case "stuck" | "frozen":
            return Stuck()
        case "shift":
            return Shift(amount)
        case "repeated_buffer":
            return RepeatedBuffer(amount, start_ns)
        case _:
            return None
