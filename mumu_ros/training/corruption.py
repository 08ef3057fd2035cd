"""Sensors that lie: windows in which one modality is there but wrong.

| kind | what the modality shows |
| --- | --- |
| noise | itself, with noise as strong as its own variation |
| stuck | from some time in the first half on, always the same sample |
| swap | what somebody did in another window |
| shift | itself, 20 to 50 % of the window too early or too late, the end carried to the beginning |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mumu_ros.training.windows import WindowSet

__all__ = ["CORRUPTIONS", "corrupt"]

CORRUPTIONS = ("noise", "stuck", "swap", "shift")

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


def _changed(x: np.ndarray, kind: str, generator: np.random.Generator) -> np.ndarray:
    """What becomes of the samples (T, *shape) that are there."""
    if kind == "shift":
        steps = round(generator.uniform(0.2, 0.5) * len(x)) * generator.choice([-1, 1])
        rolled: np.ndarray = np.roll(x, int(steps), axis=0)
        return rolled
    if kind == "stuck":
        begin = int(generator.uniform(0, 0.5) * len(x))
        changed = x.copy()
        changed[begin:] = x[begin]
        return changed
    own = x.astype(np.float32)
    noisy = own + generator.normal(size=x.shape).astype(np.float32) * own.std(axis=0)
    # Bytes end at 0 and 255.
    kept: np.ndarray = (noisy.clip(0, 255) if x.dtype == np.uint8 else noisy).astype(x.dtype)
    return kept
