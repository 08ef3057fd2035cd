"""Every frame is encoded once: what is known of the frames that a window may still show."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mumu_ros.model.unimodal import UnimodalEncoder
from mumu_ros.streams import Series

__all__ = ["FeatureCache", "encode_new"]


class FeatureCache:
    """The features of the frames that one person has shown in one image modality, by stamp.

    A frame's features depend on the frame alone, so they are good for every window that shows it. They are forgotten
    with the window; `clear` belongs to a change of the epoch.

    Args:
        encoder: The modality's encoder; says which frames of a window it looks at.
        steps: Time steps of a window (T).
        backlog: How many frames one call encodes, the newest; older ones are given up. None: all. Not where only every
            so many frames are looked at: when one is lost, the others become those, new and old ones alike.

    Attributes:
        skipped: Frames that were given up, since the beginning.
    """

    def __init__(self, encoder: UnimodalEncoder, steps: int, backlog: int | None = None) -> None:
        self._steps = steps
        self._shown = range(steps)[encoder.shown(steps)]
        self._nothing: Tensor | None = None
        self._known: dict[int, Tensor | None] = {}
        self.looks_at_every_frame = len(self._shown) == steps
        self._backlog = backlog if self.looks_at_every_frame else None
        self.skipped = 0

    def clear(self) -> None:
        """Forget every frame."""
        self._known.clear()

    def new(self, series: Series) -> list[tuple[int, np.ndarray]]:
        """Stamp and pixels of what a window shows and is not known yet; what exceeds the backlog is given up."""
        new = [(stamp_ns, frame) for _, stamp_ns, frame in self._frames(series) if stamp_ns not in self._known]
        given_up = new[: -self._backlog] if self._backlog else []
        self._known.update({stamp_ns: None for stamp_ns, _ in given_up})
        self.skipped += len(given_up)
        return new[len(given_up) :]

    def keep(self, stamps_ns: Sequence[int], features: Tensor) -> None:
        """Take in the features (N, F) of N frames."""
        self._known.update(zip(stamps_ns, features, strict=True))
        self._nothing = torch.zeros_like(features[0])

    def forget(self, start_ns: int) -> None:
        """Forget what lies before a window's start."""
        for stamp_ns in [s for s in self._known if s <= start_ns]:
            del self._known[stamp_ns]

    def window(self, series: Series) -> tuple[Tensor, np.ndarray]:
        """Features of the frames of a window that `encode_new` has seen, aligned to the newest.

        Returns:
            (1, T, F), 0 where there is no frame or none that is looked at; and bool (1, T).
        """
        mask = np.zeros((1, self._steps), np.bool_)
        assert self._nothing is not None
        rows = [self._nothing] * self._steps
        for step, stamp_ns, _ in self._frames(series):
            features = self._known[stamp_ns]
            if features is not None:
                rows[step], mask[0, step] = features, True
        return torch.stack(rows).unsqueeze(0), mask

    def _frames(self, series: Series) -> list[tuple[int, int, np.ndarray]]:
        """Step, stamp and pixels of each frame that is there and looked at."""
        first = self._steps - len(series.samples)
        shown = (step for step in self._shown if step >= first and series.mask[step - first])
        return [(step, int(series.stamps_ns[step - first]), series.samples[step - first]) for step in shown]


def encode_new(
    encode: Callable[[np.ndarray], Tensor], shown: Sequence[tuple[FeatureCache, Series]], start_ns: int
) -> None:
    """Encode, in one call, what the windows of several persons show and is not known yet; forget what is too old.

    Args:
        encode: Frames (N, H, W, C) of one modality to features (N, F).
        shown: Each person's cache, and what the window shows of that person.
        start_ns: Start of the windows.
    """
    new = [(cache, cache.new(series)) for cache, series in shown]
    frames = [frame for _, found in new for _, frame in found]
    if frames:
        features = encode(np.stack(frames))
        first = 0
        for cache, found in new:
            if found:
                cache.keep([stamp_ns for stamp_ns, _ in found], features[first : first + len(found)])
                first += len(found)
    for cache, _ in shown:
        cache.forget(start_ns)
