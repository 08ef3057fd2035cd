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

"""From a raw sample to what the network takes: the same code live, in training and in evaluation.

Two steps, both without torch: `prepare` fixes geometry and units of one sample when it arrives, `batch` lays
the windows of prepared samples out as arrays. Subtracting the mean and dividing by the standard deviation is
left to the network's first layer, so that images stay bytes until they are on its device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality

__all__ = ["Preprocessing", "SampleError", "resize_image"]

_METRES_PER_MILLIMETRE = np.float32(1e-3)


class SampleError(ValueError):
    """A sample that is not what its modality expects: names the modality, what came and what is expected."""


class _Series(Protocol):
    @property
    def samples(self) -> Any: ...
    @property
    def mask(self) -> np.ndarray: ...


class _Window(Protocol):
    @property
    def series(self) -> Mapping[str, Any]: ...


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (height, width); the image itself if it has that size already.

    Bytes are averaged over the area that each pixel covers. Anything else (depth) takes the nearest pixel: an
    average of foreground and background, or of a distance and "no reading", would be a distance that nothing
    has.
    """
    if image.shape[:2] == size:
        return image
    method = cv2.INTER_AREA if image.dtype == np.uint8 else cv2.INTER_NEAREST_EXACT
    resized: np.ndarray = cv2.resize(image, (size[1], size[0]), interpolation=method)
    return resized.reshape(*size, *image.shape[2:])


class Preprocessing:
    """What a model's inputs go through before its first layer."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self._modalities = {modality.name: modality for modality in config.modalities}

    def prepare(self, name: str, sample: np.ndarray) -> np.ndarray:
        """Fix the geometry and units of one sample; preparing a prepared sample changes nothing.

        Args:
            name: The modality.
            sample: rgb: uint8 (H, W, 3). depth: (H, W) or (H, W, 1), uint16 millimetres or float32 metres,
                where 0 and every non-finite value mean "no reading" (REP 118). vector: real numbers of the
                modality's shape; NaN in a joint of a modality with a layout means that it is not seen.

        Returns:
            rgb: uint8 (H, W, 3) of the modality's size. depth: float32 (H, W, 1) metres, readings clipped to
            `range_m`, 0 where there is none. vector: float32 of the modality's shape, a joint that is not seen all NaN.

        Raises:
            SampleError: Unknown modality, wrong type, shape or element type, an empty image, a vector with NaN or
                infinity, or a skeleton of which no joint is seen.
        """
        modality = self._modalities.get(name)
        if modality is None:
            raise SampleError(f"no modality {name!r}; the model has {', '.join(self._modalities)}")
        if not isinstance(sample, np.ndarray):
            raise SampleError(f"{name}: got a {type(sample).__name__}; expected a numpy array")
        sample = sample.astype(sample.dtype.newbyteorder("="), copy=False)
        if modality.kind == "rgb":
            return _prepare_rgb(modality, sample)
        return _prepare_depth(modality, sample) if modality.kind == "depth" else _prepare_vector(modality, sample)

    def batch(
        self, windows: Sequence[_Window], names: Sequence[str] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Lay windows of prepared samples out as arrays.

        Args:
            windows: B windows; `series[name]` has `samples` and `mask`, one entry a time step, oldest first.
                A modality that a window lacks is masked there.
            names: Of these modalities only; None: of all.

        Returns:
            inputs: Per modality (B, T, *shape), T being `config.steps(name)`. Shorter series are aligned to
                the newest end, the newest T steps of longer ones are taken, masked steps are 0.
            masks: Per modality bool (B, T): which steps are there.

        Raises:
            SampleError: A series holds samples of another shape than its modality's.
        """
        inputs: dict[str, np.ndarray] = {}
        masks: dict[str, np.ndarray] = {}
        for name in self._modalities if names is None else names:
            modality = self._modalities[name]
            steps = self.config.steps(name)
            dtype = np.uint8 if modality.kind == "rgb" else np.float32
            array = np.zeros((len(windows), steps, *modality.shape), dtype)
            mask = np.zeros((len(windows), steps), np.bool_)
            for row, window in enumerate(windows):
                if name in window.series:
                    _fill(modality, array[row], mask[row], window.series[name])
            inputs[name], masks[name] = array, mask
        return inputs, masks


def _fill(modality: Modality, array: np.ndarray, mask: np.ndarray, series: _Series) -> None:
    count = min(len(series.samples), len(mask))
    if count == 0:
        return
    mask[-count:] = series.mask[-count:]
    samples = series.samples[-count:]
    if not isinstance(samples, np.ndarray):
        samples = [s if ok else np.zeros(modality.shape) for s, ok in zip(samples, mask[-count:], strict=True)]
    wrong = {sample.shape for sample in samples} - {modality.shape}
    if wrong:
        raise SampleError(f"{modality.name}: a window holds shape {wrong.pop()}; expected {modality.shape}")
    array[-count:] = samples
    array[~mask] = 0


def _check_image(modality: Modality, sample: np.ndarray, dtypes: str, ok: bool) -> None:
    if not ok or sample.size == 0:
        channels = "(height, width, 3)" if modality.kind == "rgb" else "(height, width)"
        raise SampleError(
            f"{modality.name}: got {sample.dtype} of shape {sample.shape}; "
            f"expected a non-empty image of shape {channels}, {dtypes}"
        )


def _prepare_rgb(modality: Modality, sample: np.ndarray) -> np.ndarray:
    ok = sample.dtype == np.uint8 and sample.ndim == 3 and sample.shape[2] == 3
    _check_image(modality, sample, "uint8", ok)
    return resize_image(sample, (modality.shape[0], modality.shape[1]))


def _prepare_depth(modality: Modality, sample: np.ndarray) -> np.ndarray:
    is_image = sample.ndim == 2 or (sample.ndim == 3 and sample.shape[2] == 1)
    ok = is_image and sample.dtype in (np.uint16, np.float32)
    _check_image(modality, sample, "uint16 millimetres or float32 metres", ok)
    depth = resize_image(sample, (modality.shape[0], modality.shape[1])).reshape(modality.shape)
    metres = depth * _METRES_PER_MILLIMETRE if depth.dtype == np.uint16 else depth
    reading = np.isfinite(metres) & (metres > 0)
    clipped = np.where(reading, metres, np.float32(0)).clip(*modality.range_m)
    return np.where(reading, clipped, np.float32(0)).astype(np.float32)


def _prepare_vector(modality: Modality, sample: np.ndarray) -> np.ndarray:
    if sample.shape != modality.shape or sample.dtype.kind not in "fiu":
        raise SampleError(
            f"{modality.name}: got {sample.dtype} of shape {sample.shape}; "
            f"expected real numbers of shape {modality.shape}"
        )
    with np.errstate(over="ignore"):
        vector = sample.astype(np.float32, copy=False)
    if modality.layout and not np.isinf(vector).any():
        missing = np.asarray(np.isnan(vector).any(axis=-1))
        if missing.all():
            raise SampleError(f"{modality.name}: no joint is seen; expected at least one of {len(vector)} without NaN")
        return np.where(missing[:, None], np.float32(np.nan), vector) if missing.any() else vector
    if (bad := ~np.isfinite(vector)).any():
        got = f"got {sample[bad][0].item()} ({bad.sum()} of {bad.size} numbers)"
        raise SampleError(f"{modality.name}: {got}; expected finite numbers only")
    return vector
