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

"""What training does to windows so that the network meets more than it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mumu_ros.model.checks import build
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.training.body_augmentation import BodyAugmentation, mirror_imu, vary_bodies
from mumu_ros.training.corruption import CORRUPTIONS, corrupt
from mumu_ros.training.windows import WindowSet

__all__ = ["Augmentation", "Augmented", "augment", "crop_to_data"]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Augmentation:
    """How strongly windows are changed.

    Attributes:
        modality_dropout: Probability that a window loses data: in half of these cases whole modalities, in
            the other half some of the steps of each. This makes the model robust to unplugged sensors.
        corruption: Probability that one modality of a window is there but wrong: noisy, stuck, of another window, or
            shifted in time (`training/corruption.py`).
        crop: Up to this share of a window's time is taken away at its beginning, and as much at its end: something that
            has only begun, or is over already.
        shift: Images: by up to this share of their size, all frames of a window alike.
        color: Images: gain and offset of each channel by up to this share.
        zoom: Single images, in `frame_epochs` only: size by up to this share.
        flip: Likewise: half of them mirrored, as a person of the other hand.
        rotation_deg: Vectors, but for those with `worn: false`: about a random axis by up to this, as a sensor mounted
            askew.
        scale: Vectors: by up to this share.
        body: Of skeletons with a layout; `rotation_deg` and `scale` are for the other vectors then.

    Raises:
        ConfigError: A probability or share outside [0, 1), or a negative angle.
    """

    modality_dropout: float = 0.0
    corruption: float = 0.0
    crop: float = 0.0
    shift: float = 0.0
    color: float = 0.0
    zoom: float = 0.0
    flip: bool = False
    rotation_deg: float = 0.0
    scale: float = 0.0
    body: BodyAugmentation = BodyAugmentation()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if not isinstance(self.flip, bool):
            raise ConfigError(f"augmentation: flip is {self.flip!r}; expected true or false")
        if not isinstance(self.body, BodyAugmentation):
            object.__setattr__(self, "body", build(BodyAugmentation, self.body, "augmentation.body"))
        for name, value in vars(self).items():
            if name in ("flip", "body"):
                continue
            high = 180 if name == "rotation_deg" else 1
            if not isinstance(value, int | float) or not 0 <= value < high:
                raise ConfigError(f"augmentation: {name} is {value!r}; expected 0 to below {high}")


class Augmented(NamedTuple):
    """A batch to train on.

    Attributes:
        inputs: Per modality (B, T, *shape), as `Preprocessing.batch` gives them.
        masks: Per modality bool (B, T).
        activity: int64 (B,).
        corrupted: bool (B, M): which modalities are wrong; none that is absent, or that was not changed after all.
        labels: float32 (B, K), the activity labels used (`WindowSet.labels`); None: all.
    """

    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    activity: Tensor
    corrupted: Tensor
    labels: Tensor | None = None


def augment(
    windows: WindowSet,
    rows: Sequence[int],
    config: ModelConfig,
    augmentation: Augmentation,
    generator: np.random.Generator,
) -> Augmented:
    """Draw a batch and change it; every window has at least one step of one sensor left. Labels stay as they are."""
    inputs, masks = windows.batch(rows)
    shown = {m.name: (inputs.pop(m.name), masks.pop(m.name)) for m in config.modalities if m.label}
    sensors = config.measured
    wrong = generator.random(len(rows)) < augmentation.corruption
    victims = [
        sensors[i].name if w else None
        for i, w in zip(generator.integers(len(sensors), size=len(rows)), wrong, strict=True)
    ]
    kinds = [str(kind) for kind in generator.choice(CORRUPTIONS, len(rows))]
    whole = (inputs, masks)
    inputs, masks = corrupt(windows, inputs, masks, victims, kinds, generator)
    corrupted = [
        [name == victim and _is_other(name, row, whole, (inputs, masks)) for name in config.names]
        for row, victim in enumerate(victims)
    ]
    masks = _drop(_crop(masks, augmentation.crop, generator), sensors, augmentation.modality_dropout, generator)
    changed = {name: x for name, (x, _) in shown.items()}
    masks |= {name: mask for name, (_, mask) in shown.items()}
    mirrored = np.zeros(len(rows), np.bool_)
    if augmentation.body.mirror:
        mirrored = generator.random(len(rows)) < augmentation.body.mirror
    for modality in sensors:
        x = inputs[modality.name]
        if modality.sees_poses:
            changed[modality.name] = x
        elif modality.layout:
            changed[modality.name] = vary_bodies(x, modality.layout, augmentation.body, mirrored, generator)
        elif modality.is_image:
            x = _shift(x, augmentation.shift, generator)
            changed[modality.name] = _color(x, augmentation.color, generator) if modality.kind == "rgb" else x
        else:
            if modality.is_worn_imu:
                x = mirror_imu(x, mirrored)
            changed[modality.name] = _mount(modality, x, augmentation, generator)
    return Augmented(
        {name: torch.from_numpy(x) for name, x in changed.items()},
        {name: torch.from_numpy(mask) for name, mask in masks.items()},
        torch.from_numpy(windows.activity[np.asarray(rows)]),
        torch.tensor(corrupted),
        None if windows.labels is None else torch.from_numpy(windows.labels[np.asarray(rows)]),
    )


def _is_other(name: str, row: int, before: tuple[Arrays, Arrays], after: tuple[Arrays, Arrays]) -> bool:
    """Whether inputs or masks of a modality changed; those of one that is absent, or rests, may not have."""
    pairs = zip(before, after, strict=True)
    return not all(np.array_equal(x[name][row], y[name][row], equal_nan=True) for x, y in pairs)


def crop_to_data(batch: Augmented, config: ModelConfig) -> Augmented:
    """Leave out the oldest segments of each modality that no window of the batch has.

    It is less to compute, for the same result in evaluation mode. Vectors of encoders other than `cooccurrence1d` keep
    them: their filters may see where a sequence begins. In training mode batch statistics are those of fewer empty
    steps.
    """
    inputs, masks = dict(batch.inputs), dict(batch.masks)
    for modality in config.modalities:
        if not modality.is_image and modality.encoder != "cooccurrence1d":
            continue
        mask = masks[modality.name]
        seen = mask.any(dim=0).nonzero()
        steps = mask.shape[1] - int(seen[0]) if len(seen) else modality.stride
        steps = min(-(-steps // modality.stride) * modality.stride, mask.shape[1])
        inputs[modality.name], masks[modality.name] = inputs[modality.name][:, -steps:], mask[:, -steps:]
    return batch._replace(inputs=inputs, masks=masks)


def _crop(masks: Arrays, share: float, generator: np.random.Generator) -> Arrays:
    """Take the same share of what each window has away from all modalities, at the beginning and at the end."""
    if not share:
        return masks
    batch = len(next(iter(masks.values())))
    cropped: Arrays = {}
    begin, end = generator.uniform(0, share, (2, batch, 1))
    for name, mask in masks.items():
        # Of each step, which share of what there is lies before it and after it.
        before = np.cumsum(mask, axis=1) / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        cropped[name] = mask & (before > begin) & (before <= 1 - end)
    return _unless_nothing(cropped, masks)


def _drop(masks: Arrays, sensors: Sequence[Modality], probability: float, generator: np.random.Generator) -> Arrays:
    names = [modality.name for modality in sensors]
    batch = len(masks[names[0]])
    loses = generator.random(batch) < probability
    whole = generator.random(batch) < 0.5
    # Every set of modalities alike, but never none.
    kept = generator.random((batch, len(names))) < 0.5
    kept[np.arange(batch), generator.integers(len(names), size=batch)] = True
    dropped: Arrays = {}
    for index, modality in enumerate(sensors):
        mask = masks[modality.name]
        steps = mask & (_thin if modality.is_image else _interrupt)(mask.shape, generator)
        away = np.where(kept[:, index, None], mask, False)
        dropped[modality.name] = np.where(loses[:, None], np.where(whole[:, None], away, steps), mask)
    return _unless_nothing(dropped, masks)


def _unless_nothing(reduced: Arrays, masks: Arrays) -> Arrays:
    """Take nothing from the windows that would have nothing left."""
    nothing = ~np.any([mask.any(axis=1) for mask in reduced.values()], axis=0)
    return {name: np.where(nothing[:, None], masks[name], mask) for name, mask in reduced.items()}


def _thin(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Frames that get lost here and there: between none and 80 % of them."""
    return generator.random(shape) >= generator.uniform(0, 0.8, (shape[0], 1))


def _interrupt(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """A sensor that was away for a while: up to 80 % of the steps, in one stretch."""
    length = generator.uniform(0, 0.8, shape[0]) * shape[1]
    start = generator.uniform(-0.4 * shape[1], shape[1], shape[0])
    step = np.arange(shape[1])
    away: np.ndarray = (step >= start[:, None]) & (step < (start + length)[:, None])
    return ~away


def _shift(x: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    height, width = x.shape[2:4]
    most = np.array([round(share * height), round(share * width)])
    if not most.any():
        return x
    shifted = np.empty_like(x)
    for row, (dy, dx) in enumerate(generator.integers(-most, most + 1, (len(x), 2))):
        rows = np.clip(np.arange(height) + dy, 0, height - 1)
        columns = np.clip(np.arange(width) + dx, 0, width - 1)
        shifted[row] = x[row][:, rows][:, :, columns]
    return shifted


def _color(x: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    if not share:
        return x
    gain = 1 + generator.uniform(-share, share, (len(x), 3))
    offset = 128 * generator.uniform(-share, share, (len(x), 3))
    levels = np.arange(256)[:, None]
    changed = np.empty_like(x)
    for row in range(len(x)):
        table = np.clip(levels * gain[row] + offset[row], 0, 255).astype(np.uint8)
        for channel in range(3):
            changed[row, ..., channel] = table[:, channel][x[row, ..., channel]]
    return changed


def _mount(modality: Modality, x: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """Rotate three-dimensional vectors about a random axis (Rodrigues' formula) and scale them."""
    scaled = x * generator.uniform(1 - augmentation.scale, 1 + augmentation.scale, (len(x), 1, 1, 1))
    if modality.shape[-1] == 3 and modality.worn and augmentation.rotation_deg:
        axis = generator.normal(size=(len(x), 3))
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        angle = np.deg2rad(generator.uniform(0, augmentation.rotation_deg, (len(x), 1, 1)))
        cross = np.cross(np.eye(3), axis[:, None, :])
        rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        scaled = np.einsum("btjc,bdc->btjd", scaled, rotation)
    return scaled.astype(np.float32)
