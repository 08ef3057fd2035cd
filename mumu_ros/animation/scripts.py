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

"""The activities by name, and one performance of one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mumu_ros.animation import daily, gestures, sport
from mumu_ros.animation.keyframes import Keyframes, smoothed
from mumu_ros.animation.performer import Performer

__all__ = ["ACTIVITIES", "animate"]

_UNSTEADY_M = 0.02
"""Standard deviation of the joints' noise before it is smoothed over `_UNSTEADY_STEPS`."""
_UNSTEADY_STEPS = 4.0

_BROKEN_OFF = 0.35
"""Share of the performances that are cut before they end, most of them while the person returns to rest."""
_SHOWN = 0.55
"""Least share of such a performance that is shown, not counting the rest before it."""
_SHORTEST = 15
"""Least number of steps of it."""

ACTIVITIES: Mapping[str, Callable[[Keyframes], None]] = MappingProxyType(
    {
        script.__name__: script
        for script in (
            gestures.wave, gestures.two_hand_wave, gestures.clap, gestures.arm_cross, gestures.swipe_inward,
            gestures.swipe_outward, gestures.draw_x, gestures.draw_tick, gestures.draw_circle, gestures.draw_triangle,
            gestures.knock, gestures.push,
            sport.throw, sport.catch, sport.pickup_throw, sport.basketball_shoot, sport.bowling, sport.boxing,
            sport.baseball_swing, sport.golf_swing, sport.tennis_swing, sport.tennis_serve, sport.kick, sport.jog,
            sport.lunge, sport.squat, sport.arm_curl,
            daily.walk, daily.sit_down, daily.stand_up, daily.bend, daily.drink, daily.phone,
        )
    }
)  # fmt: skip
"""Activity to its script: those of config/taxonomies/people.yaml, but `idle` and `other`."""


def animate(activity: str, performer: Performer, generator: np.random.Generator) -> NDArray[np.float32]:
    """One performance by a right-handed person.

    Returns:
        (T, 15, 3) joints in the layout `LAYOUT`, at `RATE_HZ`, in metres in a camera's optical frame.
    """
    keyframes = Keyframes(performer, generator)
    ACTIVITIES[activity](keyframes)
    poses = keyframes.poses()
    if keyframes.chance(_BROKEN_OFF):
        rest = keyframes.rest_steps
        shown = rest + round((len(poses) - rest) * keyframes.draw(_SHOWN, 1))
        poses = poses[: max(shown, _SHORTEST)]
    joints = performer.joints(poses)
    noise = smoothed(generator.normal(0, _UNSTEADY_M, joints.shape), _UNSTEADY_STEPS)
    return (joints + noise).astype(np.float32)
