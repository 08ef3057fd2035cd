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

"""Daily life: walking, sitting, bending, drinking, telephoning."""

from __future__ import annotations

from mumu_ros.animation.keyframes import Keyframes, Place, moved
from mumu_ros.animation.movements import HANDS, reach_down, step

__all__ = ["bend", "drink", "phone", "sit_down", "stand_up", "walk"]


def walk(k: Keyframes) -> None:
    """Steps on the spot, one in four times with something in the hands."""
    period_s, stride, lift = k.draw(0.9, 1.5), k.draw(0.05, 0.28), k.draw(0.05, 0.2)
    if k.chance(0.25):
        k.both(0.4, [k.draw(0.35, 0.7), k.draw(-0.3, 0.05), k.draw(-0.65, -0.3)])
        step(k, period_s, lift, stride, None)
    else:
        swing = k.draw(0.02, 0.5) * k.size
        step(k, period_s, lift, stride, ([k.draw(0.05, 0.2), 0.1, -0.93], swing))


def _seat(k: Keyframes) -> tuple[float, float, float]:
    return -k.draw(0.35, 0.6), 0, -k.draw(0.4, 0.56)


def _lap(k: Keyframes) -> dict[str, Place]:
    """Where hands of somebody seated are, mostly."""
    lap = (k.draw(0.3, 0.6), k.draw(-0.25, 0.1), k.draw(-0.85, -0.55))
    return dict.fromkeys(HANDS, lap) if k.chance(0.75) else {}


def sit_down(k: Keyframes) -> None:
    """On a chair behind."""
    (back, _, low), lap = _seat(k), _lap(k)
    k.to(k.draw(0.4, 0.8), pelvis=(0.6 * back, 0, 0.55 * low), trunk=(k.draw(15, 50), 0, 0))
    k.to(k.draw(0.3, 0.8), pelvis=(back, 0, low), trunk=(k.draw(-12, 12), 0, 0), **lap).hold(k.draw(0.1, 0.8))


def stand_up(k: Keyframes) -> None:
    """From a chair."""
    back, _, low = seat = _seat(k)
    k.begin(pelvis=seat, trunk=(k.draw(-12, 12), 0, 0), **_lap(k))
    k.to(k.draw(0.3, 0.8), pelvis=(0.7 * back, 0, 0.8 * low), trunk=(k.draw(20, 50), 0, 0))
    k.home(k.draw(0.5, 1.0))


def bend(k: Keyframes) -> None:
    """A bow, down to the floor, or down to one's laces."""
    kind = k.draw(0, 1)
    if kind < 0.35:
        k.to(k.draw(0.5, 1.2), trunk=(k.draw(30, 90), 0, 0), pelvis=(-k.draw(0, 0.15), 0, 0))
    elif kind < 0.8:
        reach_down(k, k.draw(0.6, 1.3), both=k.chance(0.5))
    else:
        laces = [k.draw(0.1, 0.4), k.draw(-0.35, -0.1), -0.85]
        low = -k.draw(0.3, 0.55)
        k.both(k.draw(0.7, 1.3), laces, trunk=(k.draw(40, 75), 0, 0), pelvis=(-0.15, 0, low))
        k.jitter = 0.08
        for _ in range(k.count(0, 4)):
            k.both(k.draw(0.2, 0.5), laces)
    k.hold(k.draw(0, 0.6))
    k.end(0.85)


def drink(k: Keyframes) -> None:
    """A cup to the mouth, tilted, and back."""
    mouth = [k.draw(0.15, 0.5), k.draw(-0.4, 0), k.draw(0, 0.55)]
    if k.chance(0.35):
        k.to(k.draw(0.5, 1.0), right=[k.draw(0.5, 0.8), k.draw(-0.3, 0.2), k.draw(-0.6, -0.2)]).hold(k.draw(0, 0.3))
    k.to(k.draw(0.5, 1.1), right=mouth)
    tilted = moved(mouth, forward=k.draw(-0.05, 0.05), up=k.draw(0, 0.15))
    k.to(k.draw(0.3, 1.0), right=tilted, trunk=(k.draw(-8, 2), 0, 0)).hold(k.draw(0.2, 1.5))
    k.end(0.75)


def phone(k: Keyframes) -> None:
    """A telephone to the ear, where it mostly stays."""
    ear = [k.draw(0.05, 0.3), k.draw(-0.3, 0.15), k.draw(0.15, 0.45)]
    if k.chance(0.25):
        k.to(k.draw(0.4, 0.9), right=[k.draw(0.3, 0.55), k.draw(-0.3, 0), k.draw(-0.4, -0.05)]).hold(k.draw(0.1, 0.6))
    k.to(k.draw(0.5, 1.1), right=ear)
    k.jitter = 0.025
    for _ in range(k.count(1, 4)):
        k.to(k.draw(0.4, 1.0), right=ear)
    k.end(0.4)
