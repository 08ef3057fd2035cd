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

"""Named joint layouts and the conversion between them.

Left and right are the person's own. A joint that is not seen is NaN; a joint that a layout does not have is derived
from joints that it has (`_DERIVED`), or NaN.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "LayoutError", "convert", "layout", "mirror"]


class LayoutError(ValueError):
    """An unknown layout, or joints that do not fit one: quotes the value and names the known layouts."""


@dataclass(frozen=True)
class Layout:
    """The joints of a skeleton, in order.

    Attributes:
        name: What it is called in parameters, data sets and messages.
        joints: Names of the J joints.
    """

    name: str
    joints: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, *joints: str) -> list[int]:
        """Places of these joints."""
        return [self.joints.index(joint) for joint in joints]


def _sides(*names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


def _limbs(first: str, arm: tuple[str, ...], leg: tuple[str, ...]) -> tuple[str, ...]:
    sides = (first, "left" if first == "right" else "right")
    return tuple(f"{side}_{joint}" for limb in (arm, leg) for side in sides for joint in limb)


_ARM = ("shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")

LAYOUTS = {
    layout.name: layout
    for layout in (
        # Kinect v1 as in UTD-MHAD's Skeleton_joint_order.txt.
        Layout("kinect20", ("head", "neck", "spine", "hip_center", *_limbs("left", _ARM, _LEG))),
        # Kinect v1 in the order of the Microsoft SDK, as in UTKinect.
        Layout("utkinect20", ("hip_center", "spine", "neck", "head", *_limbs("left", _ARM, _LEG))),
        # Kinect v1 in the order of MSR Action3D's files.
        Layout(
            "msr20",
            (
                *_sides("shoulder"),
                *("neck", "spine"),
                *_sides("hip"),
                "hip_center",
                *_sides("elbow", "wrist", "hand", "knee", "ankle", "foot"),
                "head",
            ),
        ),
        # Florence 3D Actions.
        Layout("florence15", ("head", "neck", "spine", *_limbs("left", _ARM[:3], _LEG[:3]))),
        # OpenNI/NITE, 15 joints, in the order of KARD; its hands and feet are wrists and ankles of others.
        Layout(
            "kard15",
            (
                *("head", "neck"),
                *(f"{side}_{joint}" for side in ("right", "left") for joint in ("shoulder", "elbow", "hand")),
                "spine",
                *(f"{side}_{joint}" for side in ("right", "left") for joint in ("hip", "knee", "foot")),
            ),
        ),
        # BlazePose (Bazarevsky et al. 2020): what the people front end gives.
        Layout(
            "blazepose33",
            (
                "nose",
                *(f"{side}_eye{part}" for side in ("left", "right") for part in ("_inner", "", "_outer")),
                *_sides("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
                *_sides("hip", "knee", "ankle", "heel", "toe"),
            ),
        ),
        Layout(
            "coco17",
            ("nose", *_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")),
        ),
        # hri_msgs/Skeleton2D of REP 155.
        Layout("hri18", ("nose", "neck", *_limbs("right", _ARM[:3], _LEG[:3]), *_sides("eye", "ear"))),
    )
}

# Joint: ways to derive it where a layout lacks it, the first whose joints are all there; each is a mean of joints.
_DERIVED: dict[str, tuple[tuple[str, ...], ...]] = {
    "head": (("left_ear", "right_ear"), ("nose",)),
    "neck": (("left_shoulder", "right_shoulder"),),
    "hip_center": (("left_hip", "right_hip"),),
    "spine": (("left_shoulder", "right_shoulder", "left_hip", "right_hip"),),
    "nose": (("head",),),
    **{f"{side}_hand": ((f"{side}_index", f"{side}_pinky"), (f"{side}_wrist",)) for side in ("left", "right")},
    **{f"{side}_wrist": ((f"{side}_hand",),) for side in ("left", "right")},
    **{f"{side}_foot": ((f"{side}_toe",), (f"{side}_ankle",)) for side in ("left", "right")},
    **{f"{side}_ankle": ((f"{side}_foot",),) for side in ("left", "right")},
}


def layout(name: str) -> Layout:
    """The layout of that name.

    Raises:
        LayoutError: There is none.
    """
    if name not in LAYOUTS:
        raise LayoutError(f"no joint layout {name!r}; expected one of {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def convert(joints: NDArray[Any], source: str, target: str) -> NDArray[np.float32]:
    """Joints of one layout in another.

    Args:
        joints: (…, J, C) coordinates in the layout `source`; NaN where a joint is not seen.
        source: Name of a layout.
        target: Name of a layout.

    Returns:
        (…, K, C) float32 in the layout `target`; NaN where a joint is not seen and cannot be derived.

    Raises:
        LayoutError: Unknown layout, or another number of joints than `source` has.
    """
    count = len(layout(source))
    if joints.ndim < 2 or joints.shape[-2] != count:
        raise LayoutError(
            f"got joints of shape {joints.shape}; layout {source} has {count}: expected (…, {count}, axes)"
        )
    found = np.full((*joints.shape[:-2], len(layout(target)), joints.shape[-1]), np.nan, np.float32)
    for place, ways in enumerate(_ways(source, target)):
        for way in ways:
            # A way whose joints are not seen gives NaN; the next one may be.
            missing = np.isnan(found[..., place, :]).any(axis=-1, keepdims=True)
            found[..., place, :] = np.where(missing, joints[..., way, :].mean(axis=-2), found[..., place, :])
    return found


def mirror(joints: NDArray[Any], name: str) -> NDArray[Any]:
    """The mirror image of joints (…, J, C): x of an optical frame reversed, left and right exchanged."""
    mirrored = joints[..., _exchanged(name), :].copy()
    mirrored[..., 0] *= -1
    return mirrored


@functools.cache
def _ways(source: str, target: str) -> tuple[tuple[list[int], ...], ...]:
    """For each joint of `target` the sets of joints of `source` to take the mean of, best first."""
    given = layout(source)
    ways = []
    for joint in layout(target).joints:
        # A joint that the layout has is not derived when it is not seen, except from parts that say the same.
        options = [(joint,)] if joint in given.joints else _DERIVED.get(joint, ())
        ways.append(tuple(given.index(*option) for option in options if set(option) <= set(given.joints)))
    return tuple(ways)


@functools.cache
def _exchanged(name: str) -> list[int]:
    other = {"left": "right", "right": "left"}
    given = layout(name)
    return given.index(*("_".join([other.get(part, part) for part in joint.split("_")]) for joint in given.joints))
