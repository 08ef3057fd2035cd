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

"""What is wrong with the pictures that people are looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.person import Person
from mumu_ros.skeletons import layout
from mumu_ros.streams import NS_PER_S

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from mumu_ros.people.finder import PeopleFinder

__all__ = [
    "FROZEN_S",
    "NO_DEPTH",
    "Frozen",
    "Since",
    "darkness",
    "depth_problem",
    "is_upside_down",
    "is_without_depth",
    "picture_problem",
    "why_nobody",
    "without_joints",
]

FROZEN_S = 1.0
"""Duration of identical pictures after which the camera counts as frozen."""
NO_DEPTH = "no depth reading at the people in the picture: is depth registered to it?"
_MAX_DARK = 16
"""Brightest value of 255 in a picture that is almost black: of a real video up to it nobody is found, at 24 all are."""
_SAME_ASPECT = 0.01
_PARTLY = "too near, half outside, or behind a table"


class Since:
    """Since when a condition holds, in the time of the pictures."""

    def __init__(self) -> None:
        self._start_ns: int | None = None
        self._now_ns = 0

    def note(self, stamp_ns: int, holds: bool) -> None:
        """Say whether it holds at this time."""
        if not holds:
            self._start_ns = None
        elif self._start_ns is None or stamp_ns < self._now_ns:
            self._start_ns = stamp_ns
        self._now_ns = stamp_ns

    @property
    def seconds(self) -> float:
        """For how long it has held; 0 where it does not."""
        return 0.0 if self._start_ns is None else (self._now_ns - self._start_ns) / NS_PER_S


class Frozen(Since):
    """Since when a camera has repeated a picture: all bytes are the same, which a sensor's noise does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self._crc: int | None = None

    def look(self, stamp_ns: int, picture: Buffer) -> bool:
        """Take in a picture's bytes. Whether the camera is frozen: they have been the same for `FROZEN_S`."""
        crc = crc32(picture)
        self.note(stamp_ns, crc == self._crc)
        self._crc = crc
        return self.seconds > FROZEN_S


def depth_problem(picture: tuple[int, int], picture_frame: str, depth: tuple[int, int], depth_frame: str) -> str | None:
    """Why a depth picture cannot be used with a colour picture, by (width, height) and frame_id; None: it can.

    An empty frame_id is not compared: it is unknown.
    """
    if picture_frame and depth_frame and picture_frame != depth_frame:
        return (
            f"depth is in frame {depth_frame!r}, the picture in {picture_frame!r}: not registered; use the topic on "
            "which the driver publishes depth aligned to colour"
        )
    if abs(picture[0] * depth[1] / (picture[1] * depth[0]) - 1) > _SAME_ASPECT:
        return (
            f"depth has {depth[0]}×{depth[1]} pixels, the picture {picture[0]}×{picture[1]}, another aspect: not "
            "registered; use the topic on which the driver publishes depth aligned to colour"
        )
    return None


def picture_problem(rgb: NDArray[Any], depth: NDArray[Any] | None) -> str | None:
    """Why people cannot be looked for in these arrays; None: they can. See `PeopleFinder.update`."""
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        return f"the picture is {rgb.dtype} of shape {rgb.shape}; expected uint8 of shape (H, W, 3), red first"
    if depth is None:
        return None
    if depth.dtype.kind not in "iuf" or depth.ndim not in (2, 3) or depth.shape[2:] not in ((), (1,)) or not depth.size:
        return f"depth is {depth.dtype} of shape {depth.shape}; expected (H, W), uint16 millimetres or float32 metres"
    height, width = rgb.shape[:2]
    return depth_problem((width, height), "", (depth.shape[1], depth.shape[0]), "")


def darkness(brightest: int) -> str:
    """What is said of a picture with this brightest value of 255, if it is almost black; empty: it is not."""
    if brightest > _MAX_DARK:
        return ""
    return (
        f"the picture is almost black, nothing in it is brighter than {brightest} of 255: is it dark there, is the "
        "lens covered, or does the driver send 10 or 12 bits as 16?"
    )


def is_without_depth(people: Sequence[Person]) -> bool:
    """Whether there are people in a picture with depth, and it has no reading at any of them."""
    return bool(people) and all(person.position_source != "depth" for person in people)


def is_upside_down(people: Sequence[Person], layout_name: str) -> bool:
    """Whether there are people and all of them have their hips above their shoulders in the picture."""
    index = layout(layout_name).index
    shoulders, hips = index("left_shoulder", "right_shoulder"), index("left_hip", "right_hip")
    if not people:
        return False
    down = [person.keypoints[hips].mean(axis=0) - person.keypoints[shoulders].mean(axis=0) for person in people]
    # Whoever lies is neither; NaN compares false.
    return bool(all(y < -abs(x) and np.isfinite(x) for x, y in down))


def without_joints(people: Sequence[Person]) -> str:
    """How many of the people in view have no joints, and why; empty: none."""
    count = sum(bool(np.isnan(person.joints).all()) for person in people)
    return f"{count} without joints, because too little of the body is seen: {_PARTLY}" if count else ""


def why_nobody(finder: PeopleFinder) -> str:
    """Whom a finder sees and does not follow, where it follows nobody; empty: nobody like that."""
    if finder.tiny_size is not None:
        return (
            f"somebody is seen who would be {finder.tiny_size:.2f} of a person's size by depth, and is not followed: "
            "are the depth's unit and the focal length (CameraInfo.k) right?"
        )
    if finder.sees_part:
        return f"somebody is partly in view, with less than three of shoulders and hips: {_PARTLY}"
    if finder.sees_picture:
        return "nobody in view but somebody who is flat, as on a poster or a screen: not followed"
    return ""
