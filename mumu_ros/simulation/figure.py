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

"""The person's outward form: a few rounded shapes hung on the skeleton, and what is in the hands."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mumu_ros.simulation.body import Array, Pose
from mumu_ros.simulation.subject import Colour, Looks

__all__ = ["Shapes", "figure_shapes"]

_DARK: Colour = (45, 45, 50)
_WOOD: Colour = (140, 95, 55)
_STEEL: Colour = (150, 155, 165)
_TOOL: Colour = (215, 170, 35)


@dataclass(frozen=True, eq=False)
class Shapes:
    """P shapes at T instants, each the convex hull of four spheres.

    Attributes:
        spheres: (T, P, 4, 3) centres, metres, world frame; the first two at one end, the others at the other.
        radii: (P, 4) metres.
        colours: (P, 3), 0…255.
        visible: (T, P).
        parts: What each is: "trunk", "head", "leg", "arm", or "held" for what is in the hands or sat on; P.
    """

    spheres: Array
    radii: Array
    colours: Array
    visible: npt.NDArray[np.bool_]
    parts: tuple[str, ...]

    def at(self, t: int) -> "Shapes":
        """One instant of them."""
        return Shapes(self.spheres[t : t + 1], self.radii, self.colours, self.visible[t : t + 1], self.parts)

    @classmethod
    def together(cls, parts: Sequence["Shapes"]) -> "Shapes":
        """All shapes of several people."""
        return cls(
            np.concatenate([part.spheres for part in parts], axis=1),
            np.concatenate([part.radii for part in parts]),
            np.concatenate([part.colours for part in parts]),
            np.concatenate([part.visible for part in parts], axis=1),
            sum((part.parts for part in parts), ()),
        )


class _Builder:
    """Collects shapes of the current `part`; a shape's end is a point (T, 3) or a pair of points."""

    def __init__(self, held: npt.NDArray[np.str_]) -> None:
        self._held = held
        self._spheres: list[Array] = []
        self._radii: list[tuple[float, float]] = []
        self._colours: list[Colour] = []
        self._visible: list[npt.NDArray[np.bool_]] = []
        self._parts: list[str] = []
        self.part = ""

    def add(
        self,
        ends: Sequence[Array | tuple[Array, Array]],
        radii: tuple[float, float],
        colour: Colour,
        held: str = "",
    ) -> None:
        """A shape between two ends, with a radius at each; `held` limits it to when that object is held."""
        pairs = [end if isinstance(end, tuple) else (end, end) for end in ends]
        self._spheres.append(np.stack([point for pair in pairs for point in pair], axis=1))
        self._radii.append(radii)
        self._colours.append(colour)
        self._parts.append("held" if held else self.part)
        self._visible.append(self._held == held if held else np.ones(len(self._held), dtype=bool))

    def shapes(self) -> Shapes:
        return Shapes(
            np.stack(self._spheres, axis=1),
            np.repeat(np.array(self._radii), 2, axis=1),
            np.array(self._colours),
            np.stack(self._visible, axis=1),
            tuple(self._parts),
        )


def figure_shapes(pose: Pose, looks: Looks, held: Sequence[str | None]) -> Shapes:
    """The shapes of a person who at each instant holds a "box", "drill", "hammer", "screwdriver", sits on a "stool",
    or does neither.
    """
    builder = _Builder(np.array([name or "" for name in held]))
    _add_trunk(builder, pose, looks)
    _add_head(builder, pose, looks)
    for side in ("dominant", "off"):
        _add_leg(builder, pose, looks, side)
        _add_arm(builder, pose, looks, side)
    if "box" in held:
        _add_box(builder, pose, looks)
    if "stool" in held:
        _add_stool(builder, pose)
    _add_tools(builder, pose)
    return builder.shapes()


def _add_trunk(builder: _Builder, pose: Pose, looks: Looks) -> None:
    builder.part = "trunk"
    chest, pelvis = pose.position("chest"), pose.position("pelvis")
    chest_axes, pelvis_axes = pose.rotation("chest"), pose.rotation("pelvis")
    half_width = 0.8 * np.linalg.norm(pose.position("dominant_shoulder") - chest, axis=1)[:, None]
    shoulders = (
        chest + half_width * chest_axes[:, :, 1] - 0.07 * chest_axes[:, :, 2],
        chest - half_width * chest_axes[:, :, 1] - 0.07 * chest_axes[:, :, 2],
    )
    waist_centre = pelvis + 0.16 * pelvis_axes[:, :, 2]
    waist_offset = 0.072 * looks.girth * pelvis_axes[:, :, 1]
    waist = (waist_centre + waist_offset, waist_centre - waist_offset)
    hips = (pelvis + 1.1 * waist_offset, pelvis - 1.1 * waist_offset)
    builder.add((hips, waist), (0.1 * looks.girth, 0.09 * looks.girth), looks.trousers)
    builder.add((waist, shoulders), (0.1 * looks.girth, 0.085 * looks.girth), looks.shirt)


def _add_head(builder: _Builder, pose: Pose, looks: Looks) -> None:
    builder.part = "head"
    head, axes = pose.position("head"), pose.rotation("head")
    forward, left, up = axes[:, :, 0], axes[:, :, 1], axes[:, :, 2]
    builder.add((pose.position("chest"), pose.position("neck")), (0.055, 0.05), looks.skin)
    builder.add((head - 0.035 * up + 0.02 * forward, head + 0.015 * up + 0.015 * forward), (0.062, 0.074), looks.skin)
    builder.add((head - 0.03 * forward, head - 0.01 * forward + 0.05 * up), (0.084, 0.086), looks.hair)
    for sign in (1, -1):
        eye = head + 0.08 * forward + sign * 0.03 * left
        builder.add((eye, eye), (0.007, 0.007), _DARK)


def _add_leg(builder: _Builder, pose: Pose, looks: Looks, side: str) -> None:
    builder.part = "leg"
    hip, knee, ankle, toe = (pose.position(f"{side}_{joint}") for joint in ("hip", "knee", "ankle", "toe"))
    builder.add((hip, knee), (0.085 * looks.girth, 0.06 * looks.girth), looks.trousers)
    builder.add((knee, ankle), (0.058 * looks.girth, 0.042 * looks.girth), looks.trousers)
    builder.add((ankle - (0.0, 0.0, 0.02), toe), (0.045, 0.036), looks.shoes)


def _add_arm(builder: _Builder, pose: Pose, looks: Looks, side: str) -> None:
    builder.part = "arm"
    shoulder, elbow, wrist, hand = (
        pose.position(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist", "hand")
    )
    palm = 0.024 * pose.rotation(f"{side}_hand")[:, :, 0]
    builder.add((shoulder, elbow), (0.052 * looks.girth, 0.042 * looks.girth), looks.shirt)
    builder.add((elbow, wrist), (0.041 * looks.girth, 0.031 * looks.girth), looks.sleeve)
    builder.add((wrist, (hand + palm, hand - palm)), (0.03, 0.026), looks.skin)


def _add_box(builder: _Builder, pose: Pose, looks: Looks) -> None:
    """A box between the hands: the four faces that a camera in front may see."""
    dominant, off = pose.position("dominant_hand"), pose.position("off_hand")
    across = 0.5 * (dominant - off)
    unit = across / np.linalg.norm(across, axis=1, keepdims=True)
    ahead = pose.rotation("chest")[:, :, 0]
    ahead = ahead - np.sum(ahead * unit, axis=1, keepdims=True) * unit
    ahead = 0.15 * ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    up = np.cross(ahead, unit)
    up = 0.13 * np.sign(up[:, 2:]) * up / np.linalg.norm(up, axis=1, keepdims=True)
    centre = 0.5 * (dominant + off) + 0.3 * ahead

    def corner(x: float, y: float, z: float) -> Array:
        return np.asarray(centre + x * ahead + y * across + z * up)

    def face(corners: Sequence[tuple[int, int, int]], brightness: float) -> None:
        a, b, c, d = (corner(*signs) for signs in corners)
        red, green, blue = (brightness * value for value in looks.box)
        builder.add(((a, b), (c, d)), (0.004, 0.004), (red, green, blue), "box")

    face(((1, 1, 1), (1, -1, 1), (1, 1, -1), (1, -1, -1)), 0.95)
    face(((1, 1, 1), (1, -1, 1), (-1, 1, 1), (-1, -1, 1)), 1.2)
    for side in (1, -1):
        face(((1, side, 1), (-1, side, 1), (1, side, -1), (-1, side, -1)), 0.75)


def _add_stool(builder: _Builder, pose: Pose) -> None:
    seat = pose.position("pelvis") - (0.0, 0.0, 0.12)
    foot = seat * (1.0, 1.0, 0.0) + (0.0, 0.0, 0.03)
    left = 0.12 * pose.rotation("pelvis")[:, :, 1]
    builder.add(((foot + left, foot - left), (seat + left, seat - left)), (0.03, 0.05), _WOOD, "stool")


def _add_tools(builder: _Builder, pose: Pose) -> None:
    axes = pose.rotation("dominant_hand")
    thumb, ahead = axes[:, :, 0], -axes[:, :, 2]
    fist = 0.4 * pose.position("dominant_wrist") + 0.6 * pose.position("dominant_hand")
    tip = fist + 0.22 * thumb
    builder.add((fist - 0.06 * thumb, tip), (0.014, 0.014), _WOOD, "hammer")
    builder.add((tip - 0.05 * ahead, tip + 0.06 * ahead), (0.024, 0.024), _STEEL, "hammer")
    body = fist + 0.05 * thumb
    builder.add((body - 0.04 * ahead, body + 0.17 * ahead), (0.034, 0.03), _TOOL, "drill")
    builder.add((body + 0.17 * ahead, body + 0.28 * ahead), (0.008, 0.006), _STEEL, "drill")
    builder.add((fist, fist - 0.1 * thumb), (0.022, 0.032), _DARK, "drill")
    builder.add((fist, fist + 0.09 * ahead), (0.017, 0.015), (190, 40, 35), "screwdriver")
    builder.add((fist + 0.09 * ahead, fist + 0.22 * ahead), (0.006, 0.005), _STEEL, "screwdriver")
