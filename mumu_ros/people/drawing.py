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

"""People and what they do, drawn on the picture."""

from __future__ import annotations

import functools
import itertools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros import skeletons
from mumu_ros.people.person import Person

__all__ = ["TEXT", "Activity", "Colour", "bones", "draw"]

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

LEFT: Colour = (64, 190, 255)
RIGHT: Colour = (255, 150, 56)
MIDDLE: Colour = (235, 235, 235)
OUTLINE: Colour = (16, 18, 22)
PANEL: Colour = (22, 25, 30)
TEXT: Colour = (245, 246, 248)
SECONDARY: Colour = (170, 176, 186)
BAR_TRACK: Colour = (70, 76, 86)
IDS: tuple[Colour, ...] = (
    (86, 204, 157),
    (255, 205, 86),
    (190, 140, 255),
    (255, 120, 140),
    (120, 220, 232),
    (200, 220, 100),
    (255, 160, 210),
    (150, 180, 255),
)
MIN_VISIBILITY = 0.3
"""Joints that are less certain are not drawn."""
PANEL_OPACITY = 0.78
ABSENT: Colour = (128, 134, 146)
DETAILED_LABELS = 4
"""With more people in view, a label is one line: its bars would cover somebody else."""
SMALL_PICTURE = 480
"""A picture with fewer columns has room for the details of one person."""
HEAD = 0.3
"""Upper share of a person's region that a label should leave free."""
HAIR = 0.12
"""The region begins at the uppermost joint, the eyes: so much of it is the person's height above them."""
SHIFT = 4
"""Fractional bits of the coordinates of lines and circles."""
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Activity:
    """The activity of one person.

    Attributes:
        name: Of the activity.
        confidence: In [0, 1].
        attention: Weight of each modality in [0, 1]; None: it was absent.
    """

    name: str
    confidence: float
    attention: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels, from the picture's."""

    line: int
    font: float
    padding: int
    row: int

    @classmethod
    def of(cls, height: int, width: int) -> _Style:
        scale = min(height / 480, width / 640)
        font = max(0.36, 0.46 * scale**0.85)
        text_height = cv2.getTextSize("Ag", FONT, font, 1)[0][1]
        return cls(
            line=max(1, round(1.6 * scale)),
            font=font,
            padding=max(3, round(0.55 * text_height)),
            row=round(1.7 * text_height),
        )


def draw(
    image: NDArray[np.uint8],
    people: Sequence[Person],
    activities: Mapping[str, Activity],
    layout: str = "blazepose33",
) -> NDArray[np.uint8]:
    """Return the picture with every person's skeleton, id, activity and attention drawn on it.

    Args:
        image: uint8 (H, W, 3), RGB; it is left as it is.
        people: Everybody in view.
        activities: By body id; a person without one is labelled with the id alone. That of the empty id is of somebody
            in view, of whom is not known: with one person in view it is that person's, else it stands in the corner.
        layout: Of the people's joints; see mumu_ros.skeletons.

    Raises:
        LayoutError: There is no such layout.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    somebodys = activities.get("")
    if somebodys and len(people) == 1:
        activities = {people[0].body_id: somebodys, **activities}
    style = _Style.of(height, width)
    lines = bones(layout)
    for person in people:
        _draw_frame(canvas, person, style)
        _draw_skeleton(canvas, person, lines, style)
    detailed = len(people) <= (DETAILED_LABELS if width >= SMALL_PICTURE else 1)
    taken: list[Box] = []
    if somebodys and len(people) != 1:
        label = _Label.of("", somebodys, style, detailed=True)
        taken.append((style.padding, style.padding, *label.size))
        label.draw(canvas, taken[0], style)
    # From the left to the right, so that labels keep their places while the order of the people changes.
    for person in sorted(people, key=lambda p: p.roi[0]):
        label = _Label.of(person.body_id, activities.get(person.body_id), style, detailed=detailed)
        box = _place(label.size, person, people, (width, height), taken, style.padding)
        taken.append(box)
        label.draw(canvas, box, style)
    return canvas


# Skeleton.

_CHAINS = (
    ("nose", "eye", "ear"),
    ("shoulder", "elbow", "wrist", "index"),
    ("shoulder", "hip", "knee", "ankle", "heel", "toe"),
)
"""Joints of one side that follow each other."""


@functools.cache
def bones(layout: str) -> list[tuple[int, int, Colour]]:
    """Pairs of joints that a line connects, and its colour; those that the layout has."""
    index = {name: i for i, name in enumerate(skeletons.layout(layout).joints)}
    pairs = [("left_shoulder", "right_shoulder", MIDDLE), ("left_hip", "right_hip", MIDDLE)]
    for side, colour in (("left", LEFT), ("right", RIGHT)):
        for chain in _CHAINS:
            joints = [joint if joint == "nose" else f"{side}_{joint}" for joint in chain]
            pairs += [(a, b, colour) for a, b in itertools.pairwise(joints)]
    return [(index[a], index[b], colour) for a, b, colour in pairs if a in index and b in index]


def _draw_skeleton(
    canvas: NDArray[np.uint8], person: Person, connections: Sequence[tuple[int, int, Colour]], style: _Style
) -> None:
    keypoints = np.asarray(person.keypoints, np.float64)
    seen = np.isfinite(keypoints).all(axis=1) & (np.asarray(person.visibility) >= MIN_VISIBILITY)
    lines = [(a, b, colour) for a, b, colour in connections if seen[a] and seen[b]]
    # A person far away has thinner bones than one nearby.
    thickness = min(style.line, max(1, round(person.roi[3] / 110)))
    points = np.round(np.clip(np.nan_to_num(keypoints), -4e4, 4e4) * (1 << SHIFT)).astype(int)
    for a, b, _ in lines:
        cv2.line(
            canvas, points[a].tolist(), points[b].tolist(), OUTLINE, thickness + _edge(thickness), cv2.LINE_AA, SHIFT
        )
    for a, b, colour in lines:
        cv2.line(canvas, points[a].tolist(), points[b].tolist(), colour, thickness, cv2.LINE_AA, SHIFT)
    radius = round((0.8 * thickness + 0.5) * (1 << SHIFT))
    for joint, colour in {j: colour for a, b, colour in lines for j in (a, b)}.items():
        cv2.circle(
            canvas, points[joint].tolist(), radius + (_edge(thickness) << SHIFT) // 2, OUTLINE, -1, cv2.LINE_AA, SHIFT
        )
        cv2.circle(canvas, points[joint].tolist(), radius, colour, -1, cv2.LINE_AA, SHIFT)


def _draw_frame(canvas: NDArray[np.uint8], person: Person, style: _Style) -> None:
    """Corners of the person's region in the colour of the id."""
    x, y, w, h = (float(value) for value in person.roi)
    if w <= 0 or h <= 0:
        return
    height, width = canvas.shape[:2]
    left, right = max(0, round(x)), min(width - 1, round(x + w))
    top, bottom = max(0, round(y)), min(height - 1, round(y + h))
    arm = max(4, round(0.14 * min(w, h)))
    for thickness, colour in ((style.line + _edge(style.line), OUTLINE), (style.line, _colour(person.body_id))):
        for cx, dx in ((left, arm), (right, -arm)):
            for cy, dy in ((top, arm), (bottom, -arm)):
                corner = np.array([[cx + dx, cy], [cx, cy], [cx, cy + dy]], np.int32)
                cv2.polylines(canvas, [corner], False, colour, thickness, cv2.LINE_AA)


def _edge(thickness: int) -> int:
    """How much thicker the dark line is that is drawn beneath a coloured one."""
    return 1 if thickness == 1 else 2


def _colour(body_id: str) -> Colour:
    return IDS[zlib.crc32(body_id.encode()) % len(IDS)]


# Labels.


@dataclass(frozen=True)
class _Label:
    """A panel: the activity and its confidence, the id, and a bar for each modality."""

    colour: Colour
    title: str
    percent: str
    body_id: str
    bars: tuple[tuple[str, float | None], ...]
    size: tuple[int, int]

    @classmethod
    def of(cls, body_id: str, activity: Activity | None, style: _Style, *, detailed: bool) -> _Label:
        title = activity.name.replace("_", " ") if activity else ""
        percent = f"{activity.confidence:.0%}" if activity else ""
        bars = tuple(activity.attention.items()) if activity and detailed else ()
        gap = style.padding
        first = _width(title, style.font) + _width(percent, style.font) + gap * bool(title)
        first += _width(body_id, _small(style)) + gap * bool(title)
        name_width = max((_width(name, _small(style)) for name, _ in bars), default=0)
        second = name_width + gap + round(4.5 * style.row) if bars else 0
        size = (
            max(first, second) + 3 * style.padding,
            style.row + round(0.8 * style.row) * len(bars) + style.padding,
        )
        return cls(_colour(body_id), title, percent, body_id, bars, size)

    def draw(self, canvas: NDArray[np.uint8], box: Box, style: _Style) -> None:
        """Draw the panel into a box of its size."""
        x, y, w, h = box
        h, w = canvas[y : y + h, x : x + w].shape[:2]
        panel = canvas[y : y + h, x : x + w]
        panel[:] = cv2.addWeighted(panel, 1 - PANEL_OPACITY, np.full_like(panel, PANEL), PANEL_OPACITY, 0)
        stripe = max(2, style.padding // 2)
        cv2.rectangle(panel, (0, 0), (stripe - 1, h - 1), self.colour, -1)
        left, right, gap = stripe + style.padding, w - style.padding, style.padding
        baseline = style.padding // 2 + round(0.78 * style.row)
        if self.title:
            _write(panel, self.title, (left, baseline), style.font, TEXT)
            left += _width(self.title, style.font) + gap
            _write(panel, self.percent, (left, baseline), style.font, self.colour)
        identity = right - _width(self.body_id, _small(style)) if self.title else left
        _write(panel, self.body_id, (identity, baseline), _small(style), SECONDARY)
        self._draw_bars(panel, style, stripe + style.padding, right, style.padding // 2 + style.row)

    def _draw_bars(self, panel: NDArray[np.uint8], style: _Style, left: int, right: int, top: int) -> None:
        row = round(0.8 * style.row)
        start = left + max((_width(name, _small(style)) for name, _ in self.bars), default=0) + style.padding
        thickness = max(2, round(0.22 * row))
        for number, (name, weight) in enumerate(self.bars):
            middle = top + row * number + row // 2
            baseline = middle + round(0.22 * row)
            _write(panel, name, (left, baseline), _small(style), SECONDARY)
            if weight is None or not math.isfinite(weight):
                _write(panel, "absent", (start, baseline), _small(style), ABSENT)
                continue
            low, high = middle - thickness // 2, middle - thickness // 2 + thickness - 1
            cv2.rectangle(panel, (start, low), (right, high), BAR_TRACK, -1)
            filled = round(min(1.0, max(0.0, weight)) * (right - start))
            if filled:
                cv2.rectangle(panel, (start, low), (start + filled, high), self.colour, -1)


def _small(style: _Style) -> float:
    return max(0.34, 0.8 * style.font)


def _width(text: str, font: float) -> int:
    return int(cv2.getTextSize(text, FONT, font, 1)[0][0]) if text else 0


def _write(canvas: NDArray[np.uint8], text: str, origin: tuple[int, int], font: float, colour: Colour) -> None:
    cv2.putText(canvas, text, origin, FONT, font, colour, max(1, round(1.2 * font)), cv2.LINE_AA)


def _place(
    size: tuple[int, int],
    person: Person,
    people: Sequence[Person],
    picture: tuple[int, int],
    taken: Sequence[Box],
    gap: int,
) -> Box:
    """Where a label goes: near its person, inside the picture, over no other label and nobody's head if that can be."""
    w, h = min(size[0], picture[0]), min(size[1], picture[1])
    x, y, roi_w, roi_h = _box(person)
    wanted = [
        (x, y - h - gap - round(HAIR * roi_h)),
        (x, y + roi_h + gap),
        (x + roi_w + gap, y),
        (x - w - gap, y),
        (x + roi_w + gap, y + roi_h // 2),
        (x - w - gap, y + roi_h // 2),
        (x, y + roi_h - h - gap),
        *((x, y + gap + step * (h + 1)) for step in range(1 + picture[1] // (h + 1))),
    ]
    bodies = [_box(other) for other in people]
    heads = [(bx, by, bw, round(HEAD * bh)) for bx, by, bw, bh in bodies]

    def cost(box: Box, place: tuple[int, int]) -> float:
        moved = abs(box[0] - place[0]) + abs(box[1] - place[1])
        return 10 * _overlap(box, taken) + 3 * _overlap(box, heads) + _overlap(box, bodies) + h * moved

    boxes = [(min(max(0, a), picture[0] - w), min(max(0, b), picture[1] - h), w, h) for a, b in wanted]
    return min(zip(boxes, wanted, strict=True), key=lambda pair: cost(*pair))[0]


def _box(person: Person) -> Box:
    x, y, w, h = (round(float(value)) for value in person.roi)
    return x, y, w, h


def _overlap(box: Box, others: Iterable[Box]) -> int:
    x, y, w, h = box
    return sum(
        max(0, min(x + w, ox + ow) - max(x, ox)) * max(0, min(y + h, oy + oh) - max(y, oy)) for ox, oy, ow, oh in others
    )
