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

"""One person in view of a camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Person", "PositionSource"]

PositionSource = Literal["depth", "perspective", "nominal"]
"""Where the distance to the camera comes from: the depth sensor; the size of the body in the picture and the camera
matrix; the same with a guessed camera matrix."""


@dataclass(frozen=True, eq=False)
class Person:
    """One person at one instant. J joints, in the order of the layout that comes with the person.

    Attributes:
        body_id: REP 155 id.
        confidence: How certain it is that this is a person, in [0, 1].
        roi: Where it is in the picture: x, y, width, height in pixels.
        keypoints: (J, 2) pixels; NaN where the joint is not seen.
        joints: (J, 3) metres in the camera's optical frame (x right, y down, z forward); NaN where the joint is not
            seen.
        visibility: (J,) how certain it is that the joint is seen, in [0, 1].
        position_source: Where the distance comes from.
        depth: What the depth sensor sees of this person and of nothing else: uint16 (96, 128) millimetres, 0
            elsewhere, as an upright camera would see it. None without a depth sensor, or
            without a joint of the torso.
        depth_focal: The focal length of that camera in widths of its picture.
    """

    body_id: str
    confidence: float
    roi: tuple[float, float, float, float]
    keypoints: NDArray[np.float32]
    joints: NDArray[np.float32]
    visibility: NDArray[np.float32]
    position_source: PositionSource
    depth: NDArray[np.uint16] | None = None
    depth_focal: float = 0.9
