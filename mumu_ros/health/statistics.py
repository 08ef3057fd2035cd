"""What a modality's samples look like over a window, without asking what they mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHANNELS", "EDGE", "STILL", "describe", "split", "statistics_size"]

CHANNELS = 64
"""Samples of more numbers than this (encoded frames) are averaged to at most so many."""
STILL, EDGE = -3, -2
"""Where `describe` puts the share of steps that repeat the one before, and of values at the window's extremes."""
_EPSILON = 1e-3
_SAME = 1e-5


def statistics_size(channels: int) -> int:
    """Numbers in the description of samples of so many numbers."""
    return 3 * min(channels, CHANNELS) + 3


def describe(samples: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """Describe a modality's samples in a window.

    Args:
        samples: (T, …), vectors or encoded frames.
        mask: bool (T,): which steps are there.

    Returns:
        For each channel the mean, the logarithm of the standard deviation and that of the mean step; then the share of
        steps that repeat the one before, the share of values at the window's lowest or highest (a saturated sensor
        stays there), and the share of steps that are there. None where there are fewer than two.
    """
    steps = len(mask)
    count = int(np.count_nonzero(mask))
    if count < 2:
        return None
    x = (samples if count == steps else samples[mask]).reshape(count, -1)
    # Channels first: a row of numbers is what sums are fast over.
    x = np.ascontiguousarray((_pooled(x) if x.shape[1] > CHANNELS else x).T)
    low, high = np.minimum.reduce(x, axis=1), np.maximum.reduce(x, axis=1)
    tolerance = _SAME * max(float(high.max()), -float(low.min()), 1e-6)
    move = np.abs(x[:, 1:] - x[:, :-1])
    still = 1 - np.count_nonzero(np.maximum.reduce(move, axis=0) > tolerance) / (count - 1)
    inner = np.count_nonzero((x > (low + tolerance)[:, None]) & (x < (high - tolerance)[:, None]))
    first = x[:, :1]
    off = x - first  # a large mean would swallow a small spread
    mean = np.add.reduce(off, axis=1) / count
    spread = np.sqrt(np.maximum(np.einsum("ct,ct->c", off, off) / count - mean * mean, 0))
    described = np.empty(3 * len(x) + 3, np.float32)
    described[: len(x)] = mean + first[:, 0]
    described[len(x) : 2 * len(x)] = spread
    described[2 * len(x) : -3] = np.add.reduce(move, axis=1) / (count - 1)
    described[len(x) : -3] = np.log(described[len(x) : -3] + _EPSILON)
    described[-3:] = still, 1 - inner / x.size, count / steps
    return described


def split(description: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Means, spreads and steps of a description's channels; they share its memory."""
    channels = (len(description) - 3) // 3
    return tuple(description[i * channels : (i + 1) * channels] for i in range(3))


def _pooled(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Averages of neighbouring channels."""
    width = -(-x.shape[1] // CHANNELS)
    edges = np.arange(0, x.shape[1], width)
    pooled: NDArray[np.floating] = np.add.reduceat(x, edges, axis=1) / np.diff([*edges, x.shape[1]])
    return pooled
