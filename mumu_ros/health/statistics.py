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

"""Statistics of a modality's samples over a window, independent of their meaning."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHANNELS", "EDGE", "STILL", "describe", "split", "statistics_size"]

CHANNELS = 64
"""Samples with more numbers than this (encoded frames) are averaged down to at most this many."""
STILL, EDGE = -2, -1
"""Positions of the share of repeated steps, and of the share of values at the window's extremes, in `describe`."""
_EPSILON = 1e-3
_SAME = 1e-5


def statistics_size(channels: int) -> int:
    """Length of the description of samples with this many numbers."""
    return 3 * -(-channels // _width(channels)) + 2


def _width(channels: int) -> int:
    """Number of channels that are averaged to one."""
    return -(-channels // CHANNELS)


def describe(samples: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Describe a modality's samples (T, …) in a window, vectors or encoded frames, of which `mask` (T,) are present.

    A number is NaN where a joint is not seen: what is there is described.

    Returns:
        For each channel the mean, the logarithm of the standard deviation and that of the mean step, NaN if it is seen
        less than twice or in no two steps that follow each other; then the share of
        steps that repeat the previous one, and the share of values at the window's minimum or maximum (high
        for a saturated sensor). It excludes the number of steps: a window that fills is not a fault. None if there are
        fewer than two, or no channel is seen twice.
    """
    count = int(np.count_nonzero(mask))
    if count < 2:
        return None
    x = (samples if count == len(mask) else samples[mask]).reshape(count, -1)
    # Channels first: sums over contiguous rows are fast.
    x = np.ascontiguousarray((_pooled(x) if x.shape[1] > CHANNELS else x).T)
    low, high = np.minimum.reduce(x, axis=1), np.maximum.reduce(x, axis=1)
    highest = float(high.max())
    if math.isnan(highest):
        return _describe_seen(x)
    tolerance = _SAME * max(highest, -float(low.min()), 1e-6)
    move = np.abs(x[:, 1:] - x[:, :-1])
    still = 1 - np.count_nonzero(np.maximum.reduce(move, axis=0) > tolerance) / (count - 1)
    inner = np.count_nonzero((x > (low + tolerance)[:, None]) & (x < (high - tolerance)[:, None]))
    first = x[:, :1]
    off = x - first  # avoids cancellation of a small spread under a large mean
    mean = np.add.reduce(off, axis=1) / count
    spread = np.sqrt(np.maximum(np.einsum("ct,ct->c", off, off) / count - mean * mean, 0))
    described = np.empty(3 * len(x) + 2, np.float32)
    described[: len(x)] = mean + first[:, 0]
    described[len(x) : 2 * len(x)] = spread
    described[2 * len(x) : -2] = np.add.reduce(move, axis=1) / (count - 1)
    described[len(x) : -2] = np.log(described[len(x) : -2] + _EPSILON)
    described[-2:] = still, 1 - inner / x.size
    return described


def _describe_seen(x: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """What `describe` computes, of channels (C, T) with gaps."""
    seen = ~np.isnan(x)
    counts = np.count_nonzero(seen, axis=1)
    if counts.max() < 2:
        return None
    low, high = np.fmin.reduce(x, axis=1), np.fmax.reduce(x, axis=1)
    tolerance = _SAME * max(float(np.fmax.reduce(high)), -float(np.fmin.reduce(low)), 1e-6)
    move = np.abs(x[:, 1:] - x[:, :-1])
    moves = np.count_nonzero(~np.isnan(move), axis=1)
    largest = np.fmax.reduce(move, axis=0)  # NaN where no channel is seen in both steps
    compared = np.count_nonzero(~np.isnan(largest))
    inner = np.count_nonzero((x > (low + tolerance)[:, None]) & (x < (high - tolerance)[:, None]))
    off = np.where(seen, x - low[:, None], 0)
    mean = off.sum(axis=1) / np.maximum(counts, 1)
    spread = np.sqrt((np.where(seen, off - mean[:, None], 0) ** 2).sum(axis=1) / np.maximum(counts, 1))
    step = np.nansum(move, axis=1) / np.maximum(moves, 1)
    often = np.where([counts > 1, counts > 1, moves > 0], [mean + low, spread, step], np.nan)
    often[1:] = np.log(often[1:] + _EPSILON)
    still = np.count_nonzero(largest <= tolerance) / max(int(compared), 1)
    return np.array([*often.ravel(), still, 1 - inner / counts.sum()], np.float32)


def split(description: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Means, spreads and steps of a description's channels, as views."""
    channels = (len(description) - 2) // 3
    return tuple(description[i * channels : (i + 1) * channels] for i in range(3))


def _pooled(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Averages of neighbouring channels."""
    edges = np.arange(0, x.shape[1], _width(x.shape[1]))
    pooled: NDArray[np.floating] = np.add.reduceat(x, edges, axis=1) / np.diff([*edges, x.shape[1]])
    return pooled
