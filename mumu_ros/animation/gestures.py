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

"""Gestures: what hands do in front of somebody who stands."""

from __future__ import annotations

import numpy as np

from mumu_ros.animation.keyframes import Keyframes, Place, moved
from mumu_ros.animation.movements import MIDDLE

__all__ = [
    "arm_cross",
    "clap",
    "draw_circle",
    "draw_tick",
    "draw_triangle",
    "draw_x",
    "knock",
    "push",
    "swipe_inward",
    "swipe_outward",
    "two_hand_wave",
    "wave",
]


def wave(k: Keyframes) -> None:
    """One hand to and fro, raised, or level before the body."""
    if k.chance(0.6):
        centre = [k.draw(0, 0.8), k.draw(-0.1, 0.5), k.draw(0.1, 0.85)]
        width, period = k.draw(0.15, 0.55) * k.size, k.draw(0.5, 1.3)
    else:
        centre = [k.draw(0.5, 0.9), k.draw(-0.2, 0.35), k.draw(-0.25, 0.4)]
        width, period = k.draw(0.25, 0.6) * k.size, k.draw(0.7, 1.7)
    arc = k.draw(0, 0.4) * width
    k.to(k.draw(0.4, 0.9), right=centre)
    for swing in range(k.count(1, 7)):
        k.to(period / 2, right=moved(centre, outward=width * (-1) ** swing, up=-arc))
    k.end()


def two_hand_wave(k: Keyframes) -> None:
    """Both hands to and fro, in the same direction or towards each other."""
    centre = [k.draw(0, 0.5), k.draw(0.1, 0.6), k.draw(0.3, 0.9)]
    width, period = k.draw(0.15, 0.45) * k.size, k.draw(0.4, 1.3)
    other = -1 if k.chance(0.3) else 1
    k.both(k.draw(0.4, 0.9), centre)
    for swing in range(k.count(2, 7)):
        aside = width * (-1) ** swing
        k.to(period / 2, right=moved(centre, outward=aside), left=moved(centre, outward=other * aside))
    k.end()


def clap(k: Keyframes) -> None:
    """Hands together before the body, a few times; trackers see them cross a little."""
    centre = [k.draw(0.35, 0.85), MIDDLE + k.draw(-0.15, 0.12), k.draw(-0.5, 0.35)]
    apart, period = moved(centre, outward=k.draw(0.15, 0.65) * k.size), k.draw(0.4, 1.2)
    k.jitter = 0.03
    k.both(k.draw(0.4, 0.8), apart)
    for _ in range(k.count(1, 6)):
        k.both(period / 2, centre).both(period / 2, apart)
    k.end()


def arm_cross(k: Keyframes) -> None:
    """Both arms crossed before the chest."""
    crossed = [k.draw(0.25, 0.7), k.draw(-1.0, -0.6), k.draw(-0.45, 0.15)]
    k.both(k.draw(0.3, 0.8), crossed).hold(k.draw(0.2, 1.5))
    k.end()


def swipe_inward(k: Keyframes) -> None:
    """One hand from its side across the body."""
    first, last = _swipe(k)
    _stroke(k, first, last)


def swipe_outward(k: Keyframes) -> None:
    """One hand from across the body to its side."""
    last, first = _swipe(k)
    _stroke(k, first, last)


def _swipe(k: Keyframes) -> tuple[list[float], list[float]]:
    """Places of the hand at its side and across the body."""
    up = k.draw(-0.35, 0.4)
    outside = [k.draw(0.3, 0.85), k.draw(0.3, 0.85), up]
    return outside, [k.draw(0.45, 0.9), k.draw(-1.0, -0.6), up + k.draw(-0.25, 0.1)]


def _stroke(k: Keyframes, first: list[float], last: list[float]) -> None:
    k.to(k.draw(0.35, 0.8), right=first).hold(k.draw(0, 0.2))
    k.to(k.draw(0.25, 0.8), right=last).hold(k.draw(0, 0.3))
    k.end()


def _board(k: Keyframes) -> tuple[Place, float]:
    """Middle and half size of what is drawn in the air."""
    return [k.draw(0.55, 0.9), k.draw(-0.25, 0.25), k.draw(-0.1, 0.45)], k.draw(0.25, 0.52) * k.size


def draw_x(k: Keyframes) -> None:
    """Two strokes downwards that cross."""
    centre, half = _board(k)
    wide = k.draw(0.6, 1.1) * half
    strokes = [((wide, half), (-wide, -half)), ((-wide, half), (wide, -half))]
    for index, stroke in enumerate(strokes[::-1] if k.chance(0.5) else strokes):
        first, last = stroke[::-1] if k.chance(0.15) else stroke
        lifted = index * k.draw(-0.1, 0)
        seconds = k.draw(0.25, 0.6) if index else k.draw(0.4, 0.8)
        k.to(seconds, right=moved(centre, forward=lifted, outward=first[0], up=first[1]))
        k.to(k.draw(0.3, 0.8), right=moved(centre, outward=last[0], up=last[1]))
    k.end()


def draw_tick(k: Keyframes) -> None:
    """A short stroke down and a long one up, from the drawer's left to their right, or reversed."""
    centre, half = _board(k)
    wide = k.draw(0.6, 1.2) * half * (1 if k.chance(0.85) else -1)
    k.to(k.draw(0.4, 0.8), right=moved(centre, outward=-wide, up=k.draw(0, 0.5) * half))
    k.to(k.draw(0.25, 0.5), right=moved(centre, outward=-0.3 * wide, up=-half))
    k.to(k.draw(0.3, 0.7), right=moved(centre, outward=wide, up=half))
    k.end()


def draw_circle(k: Keyframes) -> None:
    """A turn or two, either way, beginning about the top."""
    centre, half = _board(k)
    wide, way, begin = k.draw(0.8, 1.2) * half, 1 if k.chance(0.5) else -1, k.draw(-0.6, 0.6) + np.pi / 2
    turns = k.draw(0.95, 1.3) + (1 if k.chance(0.2) else 0)
    angles = begin + way * 2 * np.pi * np.linspace(0, turns, int(16 * turns) + 1)
    first, *others = (moved(centre, outward=wide * np.cos(x), up=half * np.sin(x)) for x in angles)
    k.to(k.draw(0.4, 0.8), right=first)
    k.jitter = 0.012
    seconds = k.draw(0.7, 2.2) * turns / len(angles)
    for place in others:
        k.through(seconds, right=place)
    k.end()


def draw_triangle(k: Keyframes) -> None:
    """Three strokes, either way, beginning mostly at the top."""
    centre, half = _board(k)
    wide = k.draw(0.7, 1.3) * half
    corners = [(0, half), (wide, -half), (-wide, -half)]
    first, way = 0 if k.chance(0.7) else k.count(0, 2), 1 if k.chance(0.5) else -1
    for index in range(4):
        seconds = k.draw(0.35, 0.8) if index else k.draw(0.4, 0.8)
        across, up = corners[(first + way * index) % 3]
        k.to(seconds, right=moved(centre, outward=across, up=up))
    k.end()


def knock(k: Keyframes) -> None:
    """A hand before the body, a few times a little forward and back."""
    centre = [k.draw(0.5, 0.85), k.draw(-0.2, 0.25), k.draw(-0.15, 0.6)]
    back = k.draw(0.1, 0.3) * k.size
    k.to(k.draw(0.4, 0.8), right=centre)
    k.jitter = 0.02
    for _ in range(k.count(2, 4)):
        k.to(k.draw(0.12, 0.3), right=moved(centre, forward=-back, up=k.draw(0, 0.05)))
        k.to(k.draw(0.12, 0.3), right=moved(centre, up=-k.draw(0, 0.05)))
    k.end()


def push(k: Keyframes) -> None:
    """One hand or both from the chest forward."""
    near = [k.draw(0.15, 0.4), k.draw(-0.25, 0.05), k.draw(-0.45, 0)]
    far = [k.draw(0.85, 1.0), k.draw(-0.25, 0.1), k.draw(-0.2, 0.4)]
    lean = k.draw(0, 15)
    if k.chance(0.65):
        k.both(k.draw(0.4, 0.8), near).both(k.draw(0.3, 0.9), far, trunk=(lean, 0, 0))
    else:
        k.to(k.draw(0.4, 0.8), right=near).to(k.draw(0.3, 0.9), right=far, trunk=(lean, k.draw(0, 15), 0))
    k.hold(k.draw(0, 0.6))
    k.end()
