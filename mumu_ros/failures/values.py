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

"""Failures that change each sample independently."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.failures.spread import Spread

__all__ = ["VALUES", "Change", "Setting"]

Array = NDArray[Any]
Change = Callable[[Array, NDArray[np.float64], Spread], Array]
"""Samples (N, *shape), seconds since the failure began (N,), their spread → changed samples, float or same type."""


class Setting(NamedTuple):
    """Parameters of a change.

    Attributes:
        amount: See `kinds.KINDS`.
        shape: Of one sample.
        generator: For random choices, once or for each sample.
    """

    amount: float
    shape: tuple[int, ...]
    generator: np.random.Generator


def _noise(setting: Setting) -> Change:
    def change(x: Array, _: NDArray[np.float64], spread: Spread) -> Array:
        scale = (spread.std * setting.amount).astype(np.float32)  # images are large
        return np.asarray(x + setting.generator.standard_normal(x.shape, np.float32) * scale)

    return change


def _bias(setting: Setting) -> Change:
    signs = setting.generator.choice([-1.0, 1.0], setting.shape)
    return lambda x, _, spread: x + signs * spread.std * setting.amount


def _drift(setting: Setting) -> Change:
    signs = setting.generator.choice([-1.0, 1.0], setting.shape)
    return lambda x, elapsed_s, spread: (
        x + elapsed_s.reshape(-1, *[1] * len(setting.shape)) * signs * spread.std * setting.amount
    )


def _saturation(setting: Setting) -> Change:
    def change(x: Array, _: NDArray[np.float64], spread: Spread) -> Array:
        reach = setting.amount * spread.std
        clipped = x.clip(spread.mean - reach, spread.mean + reach)
        # The limits of what was never seen before are not known.
        return np.where(np.isnan(spread.mean), x, clipped)

    return change


def _axis_swap(setting: Setting) -> Change:
    order = np.arange(3)
    one, other = setting.generator.choice(3, 2, replace=False)
    order[[one, other]] = order[[other, one]]
    return lambda x, _, __: x[..., order]


def _mounting(setting: Setting) -> Change:
    """Rodrigues' formula."""
    axis = setting.generator.normal(size=3)
    cross = np.cross(np.eye(3), axis / np.linalg.norm(axis))
    angle = math.radians(setting.amount)
    rotation = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    # Not matmul: its sums depend on the number of samples.
    return lambda x, _, __: (x[..., None, :] * rotation).sum(axis=-1)


def _black(_: Setting) -> Change:
    return lambda x, _, __: np.zeros_like(x)


def _occlusion(setting: Setting) -> Change:
    size = np.ceil(np.array(setting.shape[:2]) * math.sqrt(setting.amount)).astype(int)
    top, left = setting.generator.integers(0, np.array(setting.shape[:2]) - size + 1)
    hidden = (slice(None), slice(top, top + size[0]), slice(left, left + size[1]))

    def change(x: Array, _: NDArray[np.float64], __: Spread) -> Array:
        shown = x.copy()
        shown[hidden] = 0
        return shown

    return change


def _blur(setting: Setting) -> Change:
    def blurred(image: Array) -> Array:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), setting.amount * setting.shape[0])).reshape(setting.shape)

    def change(x: Array, _: NDArray[np.float64], __: Spread) -> Array:
        images = [image.astype(np.float32) for image in x]
        if x.dtype == np.uint8:
            return np.stack([blurred(image) for image in images])
        # Depth: 0, NaN and infinity are not distances, and are not mixed with distances.
        readings = [np.isfinite(image) & (image > 0) for image in images]
        weights = [np.maximum(blurred(reading.astype(np.float32)), 1e-6) for reading in readings]
        images = [np.where(reading, image, 0) for reading, image in zip(readings, images, strict=True)]
        return np.stack([blurred(image) / weight for image, weight in zip(images, weights, strict=True)])

    return change


VALUES: Mapping[str, Callable[[Setting], Change]] = MappingProxyType(
    {
        "noise": _noise,
        "bias": _bias,
        "drift": _drift,
        "saturation": _saturation,
        "axis_swap": _axis_swap,
        "mounting": _mounting,
        "black": _black,
        "occlusion": _occlusion,
        "blur": _blur,
    }
)
"""Kind → its change of samples, once parametrised."""
