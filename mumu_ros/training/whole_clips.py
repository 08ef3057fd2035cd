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

"""One decision about a whole clip, by several windows of it.

A clip may begin and end with rest and be longer than a window, so that the window at its end need not show what was
done.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.taxonomy import IDLE, Taxonomy
from mumu_ros.training.scoring import softmax

__all__ = ["combine", "seconds_before_end"]

_STEP_S = 0.5
_LEAST_WEIGHT = 1e-3
"""Of a window of nothing but rest: a clip of nothing else is decided, too."""

Array = NDArray[np.float32]


def seconds_before_end(clip_s: float, window_s: float) -> NDArray[np.float64]:
    """How long before a clip's end its windows end, (N,), ascending from 0.

    One each half second, as long as the clip has two thirds of a window before it.
    """
    count = max(int((clip_s - 2 / 3 * window_s) / _STEP_S + 1e-9), 0) + 1
    return np.arange(count, dtype=np.float64) * _STEP_S


def combine(logits: Array, novelty: Array, clip: NDArray[np.int64], taxonomy: Taxonomy) -> tuple[Array, Array]:
    """Decide about clips by their windows: the mean of their probabilities, weighted by how probable it is that the
    person does not rest.

    Args:
        logits: Of N windows, (N, K).
        novelty: Of the windows, (N,); NaN where it is not known.
        clip: Index of each one's clip, (N,), from 0 on without a gap.
        taxonomy: Of the K activities.

    Returns:
        Logits (C, K) and novelty (C,) of the clips; of a clip with one window the window's, but for a constant.
    """
    probabilities = softmax(logits).astype(np.float64)
    resting = probabilities[:, [name == IDLE for name in taxonomy.activities]].sum(axis=1)
    weights = 1 - resting + _LEAST_WEIGHT
    mean = _weighted_mean(probabilities, weights, clip)
    known = ~np.isnan(novelty)
    with np.errstate(invalid="ignore"):  # NaN where no window's novelty is known
        score = _weighted_mean(np.where(known, novelty, 0)[:, None], weights * known, clip)[:, 0]
    return np.log(mean + 1e-12).astype(np.float32), score.astype(np.float32)


def _weighted_mean(
    values: NDArray[np.float64], weights: NDArray[np.float64], clip: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Means of rows (N, D) by clip, (C, D)."""
    sums = np.zeros((clip.max(initial=-1) + 1, values.shape[1]))
    totals = np.zeros((len(sums), 1))
    np.add.at(sums, clip, values * weights[:, None])
    np.add.at(totals, clip, weights[:, None])
    mean: NDArray[np.float64] = sums / totals
    return mean
