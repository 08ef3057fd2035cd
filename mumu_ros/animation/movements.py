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

"""What scripts of several activities share."""

from __future__ import annotations

from mumu_ros.animation.keyframes import Keyframes, Place, moved

__all__ = ["HANDS", "MIDDLE", "reach_down", "step"]

HANDS = ("right", "left")
MIDDLE = -0.37
"""Where the body's midline is, outwards of a shoulder, in arm lengths."""


def reach_down(k: Keyframes, seconds: float, *, both: bool) -> None:
    """To the floor, by the back or by the knees."""
    pitch, low = (k.draw(45, 95), k.draw(0, 0.2)) if k.chance(0.6) else (k.draw(25, 60), k.draw(0.3, 0.85))
    hand = [k.draw(0, 0.35), k.draw(-0.35, 0.1), k.draw(-0.97, -0.8)]
    hands: dict[str, Place] = {"right": hand, "left": hand} if both else {"right": hand}
    k.to(seconds, trunk=(pitch, k.draw(-15, 15), 0), pelvis=(-0.2 * pitch / 90, 0, -low), **hands)


def step(k: Keyframes, period_s: float, lift: float, stride: float, hands: tuple[Place, float] | None) -> None:
    """Steps on the spot: `hands` swing about a place by so much, against the feet; None: they stay where they are."""
    for index in range(k.count(3, 8)):
        up, down = ("left", "right") if index % 2 else ("right", "left")
        bob = 0.01 + 0.03 * lift
        places: dict[str, Place] = {"trunk": k.rest[2], "pelvis": (0, 0, bob)}
        places |= {f"{up}_foot": (0.3 * stride - lift / 3, 0, lift), f"{down}_foot": (-0.2 * stride, 0, 0)}
        k.through(period_s / 4, **places)
        places = {f"{up}_foot": (stride, 0, 0), f"{down}_foot": (-stride, 0, 0)}
        if hands:
            place, swing = hands
            places |= {up: moved(place, forward=-swing), down: moved(place, forward=swing)}
        k.through(period_s / 4, pelvis=(0, 0, -bob), **places)
