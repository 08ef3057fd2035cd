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

"""Sport: throws, swings, punches, kicks, exercises."""

from __future__ import annotations

from mumu_ros.animation.keyframes import Keyframes, Place
from mumu_ros.animation.movements import HANDS, MIDDLE, reach_down, step
from mumu_ros.animation.performer import PARTS

__all__ = [
    "arm_curl",
    "baseball_swing",
    "basketball_shoot",
    "bowling",
    "boxing",
    "catch",
    "golf_swing",
    "jog",
    "kick",
    "lunge",
    "pickup_throw",
    "squat",
    "tennis_serve",
    "tennis_swing",
    "throw",
]


def throw(k: Keyframes) -> None:
    """Over the shoulder, or from below."""
    if k.chance(0.2):
        k.to(k.draw(0.3, 0.6), right=[k.draw(0.3, 0.5), k.draw(-0.3, 0), k.draw(-0.4, 0)])
    _throw(k)
    k.end()


def _throw(k: Keyframes) -> None:
    if k.chance(0.7):
        back = [k.draw(-0.4, 0.2), k.draw(0.1, 0.7), k.draw(0.15, 0.75)]
        k.to(k.draw(0.4, 0.8), right=back, trunk=(k.draw(-8, 3), -k.draw(0, 30), 0))
        release = [k.draw(0.6, 1.0), k.draw(-0.3, 0.2), k.draw(0, 0.6)]
        k.to(k.draw(0.15, 0.35), right=release, trunk=(k.draw(0, 10), k.draw(0, 25), 0))
        after = [k.draw(0.4, 0.7), k.draw(-0.6, 0), k.draw(-0.7, -0.2)]
        k.to(k.draw(0.15, 0.4), right=after, trunk=(k.draw(0, 18), k.draw(0, 30), 0))
    else:
        back = [k.draw(-0.4, 0.1), k.draw(0, 0.3), k.draw(-0.9, -0.5)]
        k.to(k.draw(0.4, 0.8), right=back, trunk=(k.draw(0, 15), -k.draw(0, 15), 0))
        release = [k.draw(0.6, 0.95), k.draw(-0.2, 0.15), k.draw(-0.3, 0.25)]
        k.to(k.draw(0.2, 0.5), right=release, trunk=(k.draw(-5, 10), k.draw(0, 15), 0))
    k.hold(k.draw(0, 0.3))


def catch(k: Keyframes) -> None:
    """A hand reaches out, closes and comes back."""
    out = [k.draw(0.4, 0.95), k.draw(-0.2, 0.75), k.draw(-0.1, 0.85)]
    k.to(k.draw(0.3, 0.7), right=out).hold(k.draw(0, 0.3))
    k.to(k.draw(0.15, 0.45), right=[k.draw(0.2, 0.5), k.draw(-0.3, 0.15), k.draw(-0.5, 0.1)])
    k.end()


def pickup_throw(k: Keyframes) -> None:
    """Pick something up and throw it."""
    reach_down(k, k.draw(0.6, 1.2), both=False)
    k.hold(k.draw(0, 0.3))
    held = [k.draw(0.2, 0.5), k.draw(-0.2, 0.2), k.draw(-0.5, -0.1)]
    k.to(k.draw(0.5, 1.0), pelvis=(0, 0, 0), trunk=k.rest[2], right=held)
    _throw(k)
    k.end()


def basketball_shoot(k: Keyframes) -> None:
    """Both hands from the chest over the head."""
    low = [k.draw(0.3, 0.6), MIDDLE + k.draw(0.05, 0.2), k.draw(-0.6, 0.1)]
    high = [k.draw(0.35, 0.85), MIDDLE + k.draw(0.05, 0.25), k.draw(0.55, 0.95)]
    k.both(k.draw(0.4, 0.9), low, pelvis=(0, 0, -k.draw(0, 0.15)))
    k.both(k.draw(0.3, 0.7), high, pelvis=(0, 0, k.draw(0, 0.04)))
    if k.chance(0.5):
        k.both(k.draw(0.1, 0.3), [0.75, MIDDLE + 0.15, k.draw(0.3, 0.6)])
    k.hold(k.draw(0, 0.4))
    k.end()


def bowling(k: Keyframes) -> None:
    """A low arm swings forward, mostly with a step."""
    if k.chance(0.5):
        k.to(k.draw(0.3, 0.6), right=[k.draw(0.4, 0.6), k.draw(-0.3, 0), k.draw(-0.4, 0)])
    lean, length = k.draw(10, 50), k.draw(0, 0.85)
    half = (length / 2, 0, -length * k.draw(0.2, 0.6))
    back = [k.draw(-1.0, -0.3), k.draw(0, 0.35), k.draw(-0.85, -0.2)]
    trunk = (lean, -k.draw(0, 20), 0)
    k.to(k.draw(0.4, 0.8), right=back, trunk=trunk, left_foot=(length, 0, 0), pelvis=half)
    k.to(
        k.draw(0.3, 0.6), right=[k.draw(0.6, 0.9), k.draw(-0.3, 0.1), k.draw(-0.6, 0.1)], trunk=(lean, k.draw(0, 15), 0)
    )
    k.hold(k.draw(0, 0.5))
    k.end()


def boxing(k: Keyframes) -> None:
    """Punches, mostly with both hands in turn and forward."""
    guard = [k.draw(0.25, 0.45), k.draw(-0.25, -0.05), k.draw(-0.2, 0.1)]
    hands = HANDS if k.chance(0.75) else HANDS[:1]
    sideways = k.chance(0.2)
    k.to(k.draw(0.3, 0.7), **dict.fromkeys(hands, guard))
    for punch in range(k.count(2, 7) if len(hands) == 2 else k.count(1, 3)):
        hand = hands[punch % len(hands) if k.chance(0.85) else 0]
        turn = k.draw(5, 30) * (1 if hand == "right" else -1)
        hit = [k.draw(0.8, 1.0), k.draw(-0.4, 0.15), k.draw(-0.15, 0.3)]
        if sideways:
            hit = [k.draw(0.1, 0.7), k.draw(0.4, 0.95), k.draw(-0.15, 0.4)]
        k.to(k.draw(0.12, 0.35), trunk=(k.draw(0, 10), turn, 0), **{hand: hit})
        k.to(k.draw(0.12, 0.35), trunk=(k.draw(0, 8), 0, 0), **{hand: guard})
    k.end()


def _grip(
    k: Keyframes, seconds: float, forward: float, aside: float, up: float, trunk: tuple[float, float, float]
) -> None:
    """Both hands at one handle, `aside` of the middle to the right."""
    right, left = [forward, MIDDLE + aside, up], [forward, MIDDLE - aside, up - k.draw(0.02, 0.1)]
    k.jitter = 0.02
    k.to(seconds, right=right, left=left, trunk=trunk)


def baseball_swing(k: Keyframes) -> None:
    """A bat from the right shoulder to the left."""
    up = k.draw(-0.3, 0.2)
    back = (k.draw(0, 15), -k.draw(10, 40), 0)
    _grip(k, k.draw(0.4, 0.9), k.draw(0.1, 0.4), k.draw(0.3, 0.6), up + k.draw(0, 0.35), back)
    k.hold(k.draw(0, 0.3))
    _grip(k, k.draw(0.15, 0.35), k.draw(0.6, 0.8), k.draw(-0.1, 0.1), up, (k.draw(0, 15), k.draw(0, 15), 0))
    through = (k.draw(0, 10), k.draw(30, 60), 0)
    _grip(k, k.draw(0.15, 0.35), k.draw(0.1, 0.4), -k.draw(0.3, 0.7), up + k.draw(0, 0.4), through)
    k.hold(k.draw(0, 0.4))
    k.end()


def golf_swing(k: Keyframes) -> None:
    """A club from the ground to the right, and through to the left."""
    lean = k.draw(10, 40)
    _grip(k, k.draw(0.4, 0.9), k.draw(0.3, 0.5), k.draw(-0.1, 0.1), k.draw(-0.85, -0.65), (lean, 0, 0))
    k.hold(k.draw(0, 0.3))
    back = (lean, -k.draw(15, 50), 0)
    _grip(k, k.draw(0.4, 0.8), k.draw(0.1, 0.4), k.draw(0.3, 0.6), k.draw(-0.2, 0.4), back)
    hit = (lean, k.draw(0, 15), 0)
    _grip(k, k.draw(0.2, 0.4), k.draw(0.3, 0.5), k.draw(-0.1, 0.1), k.draw(-0.85, -0.65), hit)
    through = (lean / 2, k.draw(30, 60), 0)
    _grip(k, k.draw(0.2, 0.5), k.draw(0.1, 0.4), -k.draw(0.3, 0.6), k.draw(-0.2, 0.5), through)
    k.hold(k.draw(0, 0.4))
    k.end()


def tennis_swing(k: Keyframes) -> None:
    """A forehand: from far back across the body."""
    back = [k.draw(-0.85, 0.1), k.draw(0.3, 0.85), k.draw(-0.6, 0.3)]
    k.to(k.draw(0.4, 0.8), right=back, trunk=(k.draw(0, 10), -k.draw(10, 45), 0))
    hit = [k.draw(0.6, 0.9), k.draw(-0.1, 0.3), k.draw(-0.3, 0.2)]
    k.to(k.draw(0.15, 0.4), right=hit, trunk=(k.draw(0, 10), k.draw(0, 15), 0))
    after = [k.draw(0.2, 0.7), k.draw(-0.95, -0.2), k.draw(-0.1, 0.75)]
    k.to(k.draw(0.15, 0.4), right=after, trunk=(k.draw(0, 10), k.draw(15, 45), 0))
    k.hold(k.draw(0, 0.3))
    k.end()


def tennis_serve(k: Keyframes) -> None:
    """The other hand throws the ball up, this one goes back, over the head and down."""
    ball = [k.draw(0.2, 0.6), k.draw(-0.2, 0.1), k.draw(0.4, 0.9)] if k.chance(0.85) else k.rest[1]
    back = [k.draw(-0.4, 0.1), k.draw(0.2, 0.6), k.draw(-0.1, 0.5)]
    k.to(k.draw(0.4, 0.8), left=ball, right=back, trunk=(k.draw(-12, 0), -k.draw(0, 30), 0))
    k.to(k.draw(0.2, 0.4), right=[k.draw(-0.2, 0.3), k.draw(0, 0.3), k.draw(0.7, 0.97)], left=k.rest[1])
    after = [k.draw(0.5, 0.95), k.draw(-0.7, 0), k.draw(-0.7, 0.2)]
    k.to(k.draw(0.15, 0.4), right=after, trunk=(k.draw(0, 22), k.draw(0, 35), 0))
    k.hold(k.draw(0, 0.3))
    k.end()


def kick(k: Keyframes) -> None:
    """A foot forward or to its side."""
    arms: dict[str, Place] = {}
    if k.chance(0.5):
        arms = {hand: [k.draw(-0.2, 0.3), k.draw(0.2, 0.6), k.draw(-0.8, -0.2)] for hand in HANDS}
    if k.chance(0.6):
        if k.chance(0.7):
            k.to(k.draw(0.25, 0.5), right_foot=(-k.draw(0.1, 0.45), 0, k.draw(0.05, 0.3)), pelvis=(0, -0.05, 0))
        foot, trunk = (k.draw(0.45, 0.95), k.draw(-0.15, 0.1), k.draw(0.15, 0.75)), (k.draw(-20, 5), 0, 0.0)
    else:
        if k.chance(0.5):
            k.to(k.draw(0.25, 0.5), right_foot=(k.draw(0, 0.3), 0, k.draw(0.1, 0.4)), pelvis=(0, -0.05, 0))
        foot, trunk = (k.draw(-0.1, 0.25), k.draw(0.4, 0.85), k.draw(0.15, 0.7)), (0.0, 0, -k.draw(0, 20))
    k.to(k.draw(0.2, 0.5), right_foot=foot, trunk=trunk, **arms).hold(k.draw(0, 0.2))
    k.home(k.draw(0.3, 0.6))


def jog(k: Keyframes) -> None:
    """On the spot, the arms bent."""
    period_s, lift, stride, swing = k.draw(0.5, 0.85), k.draw(0.1, 0.4), k.draw(0, 0.2), k.draw(0.08, 0.45)
    step(k, period_s, lift, stride, ([k.draw(0.1, 0.4), k.draw(-0.25, 0.1), k.draw(-0.7, -0.2)], swing))


def lunge(k: Keyframes) -> None:
    """A long step forward, and down on it."""
    length, low = k.draw(0.5, 1.0), k.draw(0.2, 0.55)
    foot = "left_foot" if k.chance(0.6) else "right_foot"
    places: dict[str, Place] = {foot: (length, 0, 0), "pelvis": (0.5 * length, 0, -0.5 * low)}
    if k.chance(0.3):
        places |= dict.fromkeys(HANDS, (0.3, 0.1, -0.6))
    k.to(k.draw(0.4, 0.9), trunk=(k.draw(0, 10), 0, 0), **places)
    k.to(k.draw(0.3, 0.7), pelvis=(0.55 * length, 0, -low)).hold(k.draw(0, 0.5))
    k.home(k.draw(0.5, 1.0))


def squat(k: Keyframes) -> None:
    """Down by the knees and up again, mostly with the arms forward."""
    low, arms = k.draw(0.25, 0.75), (k.draw(0.6, 1.0), k.draw(-0.3, 0.1), k.draw(-0.35, 0.15))
    places: dict[str, Place] = dict.fromkeys(HANDS, arms) if k.chance(0.65) else {}
    for _ in range(1 if k.chance(0.8) else 2):
        k.to(k.draw(0.6, 1.3), pelvis=(-low * k.draw(0.2, 0.6), 0, -low), trunk=(k.draw(5, 40), 0, 0), **places)
        k.hold(k.draw(0, 0.4))
        k.home(k.draw(0.6, 1.2))


def arm_curl(k: Keyframes) -> None:
    """Hands up to the shoulders and down, the elbows at the body."""
    top = (k.draw(0.15, 0.5), k.draw(-0.1, 0.15), k.draw(-0.25, 0.35))
    half = (k.draw(0.55, 0.85), 0, k.draw(-0.65, -0.35))
    hands = HANDS if k.chance(0.7) else HANDS[:1]
    for _ in range(k.count(1, 3)):
        k.through(k.draw(0.25, 0.6), **dict.fromkeys(hands, half))
        k.through(k.draw(0.25, 0.6), **dict.fromkeys(hands, top)).hold(k.draw(0, 0.3))
        k.through(k.draw(0.25, 0.6), **dict.fromkeys(hands, half))
        k.through(k.draw(0.25, 0.6), **{hand: k.rest[PARTS.index(hand)] for hand in hands})
