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

"""Pictures of public datasets that need a download: NYU Depth V2 and Cityscapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from studies.dense.pictures import IGNORED, Picture

__all__ = ["CITYSCAPES", "read_cityscapes", "read_nyu"]

CITYSCAPES = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The `labelIds` of the 19 classes that are evaluated, in the order of their `trainIds`: road, sidewalk, building,
wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person, rider, car, truck, bus, train,
motorcycle, bicycle."""


def read_nyu(path: str | Path, classes: Sequence[int] | None = None) -> Iterator[Picture]:
    """Pictures of NYU Depth V2's labelled part, `nyu_depth_v2_labeled.mat` (Silberman et al. 2012).

    Args:
        path: The file, a MATLAB 7.3 (HDF5) file with `images`, `depths` and `labels`.
        classes: The class of each label from 1 on, such as `mapClass` of `classMapping40.mat` minus 1 for the 40 usual
            classes; None: the labels themselves, minus 1. Label 0 is not labelled.

    Raises:
        OSError: The file cannot be read.
        ValueError: It lacks one of the three, or their shapes do not fit.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if missing := [name for name in ("images", "depths", "labels") if name not in file]:
            raise ValueError(f"{str(path)!r} has no {', '.join(missing)}; expected nyu_depth_v2_labeled.mat")
        images, depths, labels = (file[name] for name in ("images", "depths", "labels"))
        # MATLAB's order of axes is the reverse: (N, 3, W, H) and (N, W, H).
        if images.ndim != 4 or depths.shape != labels.shape or depths.shape != (len(images), *images.shape[2:]):
            raise ValueError(
                f"{str(path)!r}: images {images.shape}, depths {depths.shape}, labels {labels.shape} differ"
            )
        known = None if classes is None else np.array([IGNORED, *classes], np.int16)
        for index in range(len(images)):
            label = np.asarray(labels[index]).T
            yield Picture(
                np.ascontiguousarray(np.asarray(images[index]).transpose(2, 1, 0)),
                np.ascontiguousarray(np.asarray(depths[index], np.float32).T),
                label.astype(np.int16) - 1 if known is None else known[label],
            )


def read_cityscapes(root: str | Path, split: str) -> Iterator[Picture]:
    """Pictures of Cityscapes (Cordts et al. 2016) with the 19 classes that are evaluated, and depth from disparity.

    Args:
        root: Folder with `leftImg8bit`, `gtFine`, `disparity` and `camera`, as they are unpacked.
        split: `train`, `val` or `test`.

    Raises:
        FileNotFoundError: There is no picture, or a picture's labels, disparity or camera are missing.
    """
    folder = Path(root) / "leftImg8bit" / split
    paths = sorted(folder.glob("*/*_leftImg8bit.png"))
    if not paths:
        raise FileNotFoundError(f"no picture CITY/*_leftImg8bit.png in {str(folder)!r}")
    known = np.full(256, IGNORED, np.int16)
    known[list(CITYSCAPES)] = range(len(CITYSCAPES))
    for path in paths:
        name = path.name.removesuffix("_leftImg8bit.png")

        def beside(kind: str, ending: str, city: str = path.parent.name, name: str = name) -> Path:
            return Path(root) / kind / split / city / f"{name}_{ending}"

        labels = _image(beside("gtFine", "gtFine_labelIds.png"))
        yield Picture(
            cv2.cvtColor(_image(path), cv2.COLOR_BGR2RGB).astype(np.uint8),
            _depth(_image(beside("disparity", "disparity.png")), beside("camera", "camera.json")),
            known[labels],
        )


def _image(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"{str(path)!r} is missing or no picture")
    return np.asarray(image)


def _depth(disparity: NDArray[np.generic], camera: Path) -> NDArray[np.float32]:
    """Metres; a stored disparity p is (p − 1) / 256 pixels, 0 where it is unknown."""
    facts = json.loads(camera.read_text())
    across = facts["extrinsic"]["baseline"] * facts["intrinsic"]["fx"]
    pixels = (disparity.astype(np.float32) - 1) / 256
    return np.where(pixels > 0, across / np.maximum(pixels, 1e-6), 0).astype(np.float32)
