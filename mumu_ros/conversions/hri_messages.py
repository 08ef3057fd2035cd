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

"""REP 155's messages about one body (hri_msgs) to a person and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.messages import MessageTypes
from mumu_ros.people.person import Person
from mumu_ros.skeletons import convert

__all__ = ["Body2D", "person_to_roi", "person_to_skeleton2d", "skeleton2d_to_body"]

_LAYOUT = "hri18"
"""The order of hri_msgs/msg/Skeleton2D."""


@dataclass(frozen=True, eq=False)
class Body2D:
    """A body as REP 155 describes it in the picture.

    Attributes:
        keypoints: (J, 2) pixels; NaN where the joint is not seen.
        visibility: (J,) in [0, 1].
    """

    keypoints: NDArray[np.float32]
    visibility: NDArray[np.float32]


def person_to_skeleton2d(person: Person, layout: str, width: int, height: int, header: Any, types: MessageTypes) -> Any:
    """Return where a person's joints are in a picture of this size, as hri_msgs/msg/Skeleton2D.

    A joint that is not seen has confidence 0.
    """
    numbers = np.concatenate([person.keypoints / (width, height), person.visibility[:, np.newaxis]], axis=1)
    points = convert(numbers, layout, _LAYOUT)
    points[np.isnan(points).any(axis=1)] = 0
    return types.message(
        "hri_msgs/msg/Skeleton2D",
        header=header,
        skeleton=[
            types.message("hri_msgs/msg/NormalizedPointOfInterest2D", x=float(x), y=float(y), c=float(c))
            for x, y, c in points.clip(0, 1)
        ],
    )


def person_to_roi(person: Person, width: int, height: int, header: Any, types: MessageTypes) -> Any:
    """Return where a person is in the picture, as hri_msgs/msg/NormalizedRegionOfInterest2D."""
    x, y, w, h = person.roi
    left, right = np.clip([x / width, (x + w) / width], 0, 1)
    top, bottom = np.clip([y / height, (y + h) / height], 0, 1)
    return types.message(
        "hri_msgs/msg/NormalizedRegionOfInterest2D",
        header=header,
        xmin=float(left),
        ymin=float(top),
        xmax=float(right),
        ymax=float(bottom),
        c=float(person.confidence),
    )


def skeleton2d_to_body(msg: Any, width: int, height: int, layout: str) -> Body2D:
    """Return a hri_msgs/msg/Skeleton2D as joints of another layout, in pixels of a picture of this size.

    A joint outside the picture is not seen: somebody may be half out of view.

    Raises:
        ConversionError: A confidence is outside [0, 1], or all joints are outside the picture, as those in pixels are.
    """
    points = np.array([(p.x, p.y, p.c) for p in msg.skeleton], np.float32)
    within = (points >= 0) & (points <= 1)
    is_inside = within[:, :2].all(axis=1)
    if not within[:, 2].all() or not is_inside.any():
        worst = points[~within.all(axis=1)][0]
        raise ConversionError(f"skeleton2d has a point (x, y, c) = {worst.tolist()}; expected numbers from 0 to 1")
    points[~is_inside | (points[:, 2] == 0)] = np.nan
    converted = convert(points, _LAYOUT, layout)
    return Body2D(converted[:, :2] * (width, height), np.nan_to_num(converted[:, 2]))
