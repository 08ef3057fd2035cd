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

"""Cache of encoded frames: every frame is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mumu_ros.model.unimodal import UnimodalEncoder
from mumu_ros.streams import Series

__all__ = ["FeatureCache", "encode_new"]


class FeatureCache:
    """The features of one person's frames in one image modality, by stamp.

    A frame's features depend on the frame alone, so they are valid for every window with it. They are evicted
    with the window; `clear` is called when the epoch changes.

    Args:
        encoder: The modality's encoder; determines which frames of a window are used.
        steps: Time steps of a window (T).
        backlog: Maximum number of frames encoded per call; older ones are dropped. None: no limit. Ignored if only
            every n-th frame is used, because a lost frame changes which ones are.

    Attributes:
        skipped: Number of dropped frames.
    """

    def __init__(self, encoder: UnimodalEncoder, steps: int, backlog: int | None = None) -> None:
        self._steps = steps
        self._shown = range(steps)[encoder.shown(steps)]
        self._nothing: Tensor | None = None
        self._known: dict[int, Tensor | None] = {}
        self.uses_every_frame = len(self._shown) == steps
        self._backlog = backlog if self.uses_every_frame else None
        self.skipped = 0

    def clear(self) -> None:
        """Drop every frame."""
        self._known.clear()

    def new(self, series: Series) -> list[tuple[int, np.ndarray]]:
        """Stamp and pixels of frames in a window that are not encoded yet; those beyond the backlog are dropped."""
        new = [(stamp_ns, frame) for _, stamp_ns, frame in self._frames(series) if stamp_ns not in self._known]
        given_up = new[: -self._backlog] if self._backlog else []
        self._known.update({stamp_ns: None for stamp_ns, _ in given_up})
        self.skipped += len(given_up)
        return new[len(given_up) :]

    def keep(self, stamps_ns: Sequence[int], features: Tensor) -> None:
        """Add the features (N, F) of N frames."""
        self._known.update(zip(stamps_ns, features, strict=True))
        self._nothing = torch.zeros_like(features[0])

    def drop(self, start_ns: int) -> None:
        """Evict frames before a window's start."""
        for stamp_ns in [s for s in self._known if s <= start_ns]:
            del self._known[stamp_ns]

    def window(self, series: Series) -> tuple[Tensor, np.ndarray]:
        """Features of the frames of a window that were encoded by `encode_new`, aligned to the newest.

        Returns:
            (1, T, F), 0 where there is no frame or an unused one; and bool (1, T).
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
        """Step, stamp and pixels of each frame that is present and used."""
        first = self._steps - len(series.samples)
        shown = (step for step in self._shown if step >= first and series.mask[step - first])
        return [(step, int(series.stamps_ns[step - first]), series.samples[step - first]) for step in shown]


def encode_new(
    encode: Callable[[np.ndarray], Tensor], shown: Sequence[tuple[FeatureCache, Series]], start_ns: int
) -> None:
    """Encode, in one call, the new frames (N, H, W, C) in the windows of several persons to features (N, F); evict old
    ones.
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
        cache.drop(start_ns)
