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

"""Corrupted sensors: windows in which one modality is present but wrong.

| kind | what the modality shows |
| --- | --- |
| noise | itself, with noise as strong as its own variation |
| stuck | from some time in the first half on, always the same sample |
| swap | what somebody did in another window |
| roll | itself, 20 to 50 % of the window too early or too late, the end carried to the beginning |

These four are augmentations for training, each drawn anew for every window. `fail` applies a failure of
`mumu_ros.failures` to a window, as the live system would see it: that is how networks are tested.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mumu_ros.failures import Failure, Injector, Spread
from mumu_ros.model.modality import Modality
from mumu_ros.streams import NS_PER_S, seconds_to_ns
from mumu_ros.training.windows import WindowSet

__all__ = ["CORRUPTIONS", "corrupt", "fail"]

CORRUPTIONS = ("noise", "stuck", "swap", "roll")

Arrays = dict[str, np.ndarray]


def corrupt(
    windows: WindowSet,
    inputs: Arrays,
    masks: Arrays,
    victims: Sequence[str | None],
    kinds: Sequence[str],
    generator: np.random.Generator,
) -> tuple[Arrays, Arrays]:
    """Corrupt one modality in some of the windows of a batch.

    Args:
        windows: Where `swap` takes another window from.
        inputs: Per modality (B, T, *shape).
        masks: Per modality bool (B, T).
        victims: For each window the modality to corrupt, or None. One without any sample is left as it is, and so is
            one that would be swapped for one without any.
        kinds: For each window one of `CORRUPTIONS`.
        generator: Of the randomness.

    Returns:
        Inputs and masks; the arrays given are not changed.

    Raises:
        ValueError: A kind is unknown.
    """
    if unknown := set(kinds) - set(CORRUPTIONS):
        raise ValueError(f"corruption {sorted(unknown)}; expected some of {', '.join(CORRUPTIONS)}")
    hit = {name for name in victims if name is not None}
    inputs = {name: x.copy() if name in hit else x for name, x in inputs.items()}
    masks = {name: mask.copy() if name in hit else mask for name, mask in masks.items()}
    for row, (name, kind) in enumerate(zip(victims, kinds, strict=True)):
        if name is None or not masks[name][row].any():
            continue
        if kind == "swap":
            other_inputs, other_masks = windows.batch([int(generator.integers(len(windows)))])
            if not other_masks[name].any():
                continue
            inputs[name][row], masks[name][row] = other_inputs[name][0], other_masks[name][0]
        else:
            there = np.flatnonzero(masks[name][row])
            inputs[name][row][there] = _changed(inputs[name][row][there], kind, generator)
    return inputs, masks


def fail(
    modality: Modality,
    failure: Failure,
    x: np.ndarray,
    mask: np.ndarray,
    seed: Sequence[int],
    earlier: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Let a modality fail from the beginning of a window on.

    σ is that of the window itself. Steps of vectors that got lost between others are interpolated, as live.

    Args:
        modality: Which.
        failure: How.
        x: What it shows, (T, *shape).
        mask: bool (T,).
        seed: Of the draw.
        earlier: `x` and `mask` of the window before: `repeated_buffer` shows it again.

    Returns:
        As `x` and `mask`.

    Raises:
        ValueError: The failure does not fit the modality.
    """
    there = np.flatnonzero(mask)
    if not len(there):
        return x, mask
    stamps_ns = np.round(np.arange(len(x)) * NS_PER_S / modality.rate_hz).astype(np.int64)
    now_ns = stamps_ns[there]
    injector = Injector(
        failure, modality.kind, seed=seed, stream=modality.name, start_ns=int(now_ns[0]), spread=Spread.of(x[there])
    )
    if earlier is not None:
        before_ns = stamps_ns - round(len(x) * NS_PER_S / modality.rate_hz)
        injector.apply(before_ns[earlier[1]], earlier[0][earlier[1]])
    kept_ns, shown = injector.apply(now_ns, x[there])
    kept = there[np.searchsorted(now_ns, kept_ns)]
    failed, present = np.zeros_like(x), np.zeros_like(mask)
    failed[kept], present[kept] = shown, True
    if not modality.is_image and len(kept):
        lost = np.setdiff1d(there, kept)
        away = np.abs(lost[:, None] - kept).min(axis=1, initial=len(x)) * NS_PER_S / modality.rate_hz
        lost = lost[(lost > kept[0]) & (lost <= kept[-1] + 1) & (away <= seconds_to_ns(modality.max_gap_s))]
        flat = shown.reshape(len(kept), -1)
        failed[lost] = np.stack([np.interp(lost, kept, column) for column in flat.T], axis=1).reshape(-1, *x.shape[1:])
        present[lost] = True
    return failed, present


def _changed(x: np.ndarray, kind: str, generator: np.random.Generator) -> np.ndarray:
    """What becomes of the samples (T, *shape) that are there."""
    if kind == "roll":
        steps = round(generator.uniform(0.2, 0.5) * len(x)) * generator.choice([-1, 1])
        rolled: np.ndarray = np.roll(x, int(steps), axis=0)
        return rolled
    if kind == "stuck":
        begin = int(generator.uniform(0, 0.5) * len(x))
        changed = x.copy()
        changed[begin:] = x[begin]
        return changed
    own = x.astype(np.float32)
    std = own.std(axis=0)
    if np.isnan(std).any():  # of joints that are not seen at times
        std = Spread.of(own).std
    noisy = own + generator.normal(size=x.shape).astype(np.float32) * std
    # Bytes end at 0 and 255.
    kept: np.ndarray = (noisy.clip(0, 255) if x.dtype == np.uint8 else noisy).astype(x.dtype)
    return kept
