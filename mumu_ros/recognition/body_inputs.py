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

"""A model's inputs for one person in view: joints in its layout, and depth as seen by its camera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import SampleError
from mumu_ros.people.person import Person
from mumu_ros.skeletons import convert
from mumu_ros.streams import seconds_to_ns

__all__ = ["PersonSamples", "check_background", "reframe"]

_MOST_READINGS = 0.4
"""Share of the pixels: a person who fits into the picture covers less than half of this (UTD-MHAD: a tenth at most)."""


def check_background(modality: Modality, depth: NDArray[Any]) -> None:
    """Reject a depth picture full of readings for a model that was trained without background. That is `pose_cnn` only.

    What is no picture at all is left to `Preprocessing.prepare`.

    Raises:
        SampleError: There are too many readings; contains their share and the remedy.
    """
    is_picture = isinstance(depth, np.ndarray) and depth.size and depth.dtype.kind in "uif"
    if not modality.sees_poses or not is_picture:
        return
    share = np.count_nonzero(depth > 0) / depth.size
    if share > _MOST_READINGS:
        raise SampleError(
            f"{modality.name}: {share:.0%} of the pixels have a reading; this model needs depth without background "
            f"(at most {_MOST_READINGS:.0%}): remove the background, or use the depth of the people node"
        )


class PersonSamples:
    """Converts one person's joints and depth into samples of a model's modalities."""

    def __init__(self, modalities: Iterable[Modality]) -> None:
        self._skeletons = [m for m in modalities if m.joint_layout]
        self._depths = [m for m in modalities if m.sees_poses]
        self._seen: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}

    def of(self, stamp_ns: int, layout: str, person: Person) -> Iterator[tuple[str, NDArray[Any]]]:
        """Modality and sample of each modality that the person has enough data for.

        An invisible joint is NaN for a model that masks joints. For others it keeps its last position
        for at most the modality's `max_gap_s`; after that the whole skeleton is missing.

        Raises:
            LayoutError: The layout is unknown or has another number of joints.
        """
        for modality in self._skeletons:
            joints = convert(person.joints, layout, modality.joint_layout)
            if not modality.layout:
                joints = self._filled(modality, stamp_ns, joints)
            elif np.isnan(joints).all():
                continue
            if modality.layout or not np.isnan(joints).any():
                yield modality.name, joints
        for modality in self._depths:
            if person.depth is not None:
                yield modality.name, reframe(person.depth, person.depth_focal, modality.focal)

    def _filled(self, modality: Modality, stamp_ns: int, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        last, last_ns = self._seen.get(modality.name) or (joints, np.full(len(joints), stamp_ns, np.int64))
        is_seen = np.asarray(~np.isnan(joints).any(axis=1))
        last = np.where(is_seen[:, None], joints, last)
        last_ns = np.where(is_seen, stamp_ns, last_ns)
        self._seen[modality.name] = last, last_ns
        filled = last.copy()
        filled[stamp_ns - last_ns > seconds_to_ns(modality.max_gap_s)] = np.nan
        return filled


def reframe(depth: NDArray[np.uint16], focal: float, wanted: float) -> NDArray[np.uint16]:
    """A depth picture in millimetres as seen by a camera with another focal length, in widths of the picture, in the
    same place: rescaled about the centre.
    """
    if abs(focal - wanted) < 1e-6:
        return depth
    scale = wanted / focal
    height, width = depth.shape
    rows = np.rint((np.arange(height) - (height - 1) / 2) / scale + (height - 1) / 2).astype(int)
    columns = np.rint((np.arange(width) - (width - 1) / 2) / scale + (width - 1) / 2).astype(int)
    seen = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    found = depth[rows.clip(0, height - 1)[:, None], columns.clip(0, width - 1)]
    return np.where(seen, found, np.uint16(0))
