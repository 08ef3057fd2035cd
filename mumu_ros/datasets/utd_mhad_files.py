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

"""The MATLAB files of UTD-MHAD: one modality of one trial each, in SI units once read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import DatasetError

__all__ = ["MODALITIES", "UnusableFileError", "read_file"]

MODALITIES = ("depth", "skeleton", "inertial")

_VARIABLES = {"depth": "d_depth", "skeleton": "d_skel", "inertial": "d_iner"}
_JOINTS = 20
# What scipy raises on damaged bytes, at one place or another.
_DAMAGE = (
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_STANDARD_GRAVITY = 9.80665


class _SenselessError(Exception):
    """What is wrong with a file, without its name."""


class UnusableFileError(DatasetError):
    """A file that cannot be used: `UnusableFileError(path, reason)`."""

    def __str__(self) -> str:
        path, reason = self.args
        return f"{path}: {reason}"


def read_file(path: Path, modality: str) -> NDArray[Any]:
    """Read a file.

    Returns:
        What `UtdMhadClip` has under that name.

    Raises:
        UnusableFileError: it is missing, truncated or senseless.
    """
    try:
        return _READERS[modality](_load(path, _VARIABLES[modality]))
    except _SenselessError as error:
        raise UnusableFileError(path, str(error)) from error


def _load(path: Path, variable: str) -> NDArray[Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not path.is_file():
        raise _SenselessError("the file is missing")
    try:
        contents = loadmat(path, variable_names=[variable])
    except (MatReadError, *_DAMAGE) as error:
        raise _SenselessError(f"truncated or no MATLAB file: {error}") from error
    if variable not in contents:
        raise _SenselessError(f"no variable {variable!r} in it")
    array: NDArray[Any] = contents[variable]
    return array


def _depth(array: NDArray[Any]) -> NDArray[np.uint16]:
    _require_shape(array, (240, 320, None))
    if array.dtype != np.uint16:
        raise _SenselessError(f"depth is {array.dtype}, not uint16 millimetres")
    return np.ascontiguousarray(array.transpose(2, 0, 1)[:, :, ::-1])


def _skeleton(array: NDArray[Any]) -> NDArray[np.float64]:
    _require_shape(array, (_JOINTS, 3, None))
    _require_finite(array)
    # The Kinect's x points to its left, its y up: half a turn about the optical axis.
    return np.ascontiguousarray(array.transpose(2, 0, 1) * (-1.0, -1.0, 1.0))


def _inertial(array: NDArray[Any]) -> NDArray[np.float64]:
    _require_shape(array, (None, 6))
    _require_finite(array)
    samples = array.reshape(-1, 2, 3).astype(np.float64)
    samples[:, 0] *= _STANDARD_GRAVITY
    samples[:, 1] *= np.pi / 180
    return samples


_READERS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "depth": _depth,
    "skeleton": _skeleton,
    "inertial": _inertial,
}


def _require_shape(array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    fits = len(array.shape) == len(shape) and all(
        want in (None, size) for size, want in zip(array.shape, shape, strict=True)
    )
    if not fits or not array.size:
        expected = " × ".join("any" if size is None else str(size) for size in shape)
        raise _SenselessError(f"shape {array.shape} is not {expected}")


def _require_finite(array: NDArray[Any]) -> None:
    if array.dtype.kind not in "fiu":
        raise _SenselessError(f"values are {array.dtype}, not real numbers")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise _SenselessError(f"{count} of {array.size} values are not finite")
