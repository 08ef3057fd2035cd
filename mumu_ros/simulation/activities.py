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

"""What each activity looks like: joint angles as functions of time."""

from collections.abc import Callable, Mapping

import numpy as np

from mumu_ros.simulation.body import CHANNELS, METRES, Array, channel
from mumu_ros.simulation.manner import Move

__all__ = ["CLAP_HZ", "HAMMER_HZ", "HELD_OBJECT", "STRIDE_HZ", "activity_angles", "hammer_phase"]


STRIDE_HZ = 0.9
CLAP_HZ = 2.0
HAMMER_HZ = 1.25

Angles = Mapping[str, Array | float]


def _both(**angles: Array | float) -> Angles:
    """The same of both sides."""
    return {f"{side}_{angle}": value for side in ("dominant", "off") for angle, value in angles.items()}


_REST: Angles = {"splay": 4.0, **_both(abduction=9.0, elbow=14.0, pronation=20.0, knee=3.0, hip=2.0)}


def _stand(move: Move) -> Angles:
    return {
        "pelvis_roll": 1.2 * move.drift(0),
        "spine_yaw": 2.0 * move.drift(1),
        "head_yaw": 6.0 * move.drift(2),
    }


def _sit(move: Move) -> Angles:
    return {
        **_both(hip=84.0, knee=84.0, flexion=22.0, elbow=52.0, abduction=4.0, rotation=12.0, pronation=60.0),
        "splay": 7.0,
        "pelvis_pitch": -9.0 + 0.8 * move.drift(0),
        "spine_pitch": 6.0 + 1.5 * move.drift(1),
        "head_yaw": 6.0 * move.drift(2),
    }


def _wave(move: Move) -> Angles:
    swing = move.swing(1.7)
    return {
        **_stand(move),
        "dominant_flexion": 15.0,
        "dominant_abduction": 72.0 + 4.0 * swing,
        "dominant_rotation": -82.0,
        "dominant_elbow": 98.0 + 27.0 * swing,
        "dominant_pronation": 80.0,
        "dominant_wrist": 10.0 * move.swing(1.7, lag=0.6),
        "spine_roll": 2.0 * swing,
        "pelvis_yaw": 0.8 * swing,
    }


def _point(move: Move) -> Angles:
    poke = move.swing(0.7)
    return {
        **_stand(move),
        "dominant_flexion": 80.0 + 4.0 * poke,
        "dominant_abduction": 36.0 + 8.0 * move.drift(3),
        "dominant_elbow": 10.0 - 7.0 * poke,
        "dominant_pronation": 70.0,
        "spine_yaw": 6.0 + poke,
        "pelvis_yaw": 2.0 + 0.5 * poke,
    }


def _clap(move: Move) -> Angles:
    swing = move.swing(CLAP_HZ)
    return {
        **_stand(move),
        **_both(flexion=36.0, elbow=64.0, abduction=6.0, rotation=14.0 + 15.0 * swing, pronation=10.0),
        "pelvis_pitch": 0.3 * swing,
    }


def _stop_sign(move: Move) -> Angles:
    return {
        **_stand(move),
        "off_flexion": 52.0,
        "off_abduction": 14.0,
        "off_elbow": 92.0 + 3.0 * move.drift(3),
        "off_rotation": -10.0,
        "off_pronation": 85.0,
        "off_wrist": -25.0,
    }


def _steps(move: Move, stride_deg: float) -> dict[str, Array | float]:
    """Legs and trunk of walking to and fro; one stride is two steps."""
    phase = move.phase(STRIDE_HZ)
    size = stride_deg * move.manner.amplitude
    angles: dict[str, Array | float] = {}
    for side, leg in (("dominant", phase), ("off", phase + np.pi)):
        lifted = ((1 + np.cos(leg + 0.5)) / 2) ** 2
        angles[f"{side}_hip"] = 4.0 + size * np.sin(leg) + 0.55 * size * lifted
        angles[f"{side}_knee"] = 5.0 + 2.3 * size * lifted
    return {
        **angles,
        "x": 0.14 * move.drift(0),
        "y": 0.16 * move.drift(1),
        "pelvis_yaw": 4.0 * np.sin(phase),
        "pelvis_roll": 2.5 * np.cos(phase),
        "spine_yaw": -8.0 * np.sin(phase),
        "spine_roll": -2.0 * np.cos(phase),
        "spine_pitch": 3.0,
    }


def _walk(move: Move) -> Angles:
    swing = move.swing(STRIDE_HZ)
    return {
        **_steps(move, 22.0),
        "dominant_flexion": -26.0 * swing,
        "off_flexion": 26.0 * swing,
        "dominant_elbow": 25.0 - 10.0 * swing,
        "off_elbow": 25.0 + 10.0 * swing,
    }


def _holding(flexion: Array | float, elbow: Array | float) -> Angles:
    """Both hands at the sides of a box."""
    return _both(flexion=flexion, elbow=elbow, abduction=3.0, rotation=2.0, pronation=5.0)


def _carry(move: Move) -> Angles:
    bob = move.swing(2 * STRIDE_HZ)
    return {**_steps(move, 17.0), **_holding(12.0 + 1.5 * bob, 64.0 + 2.0 * bob), "spine_pitch": -4.0}


def _lift(move: Move) -> Angles:
    bend = (1 - np.cos(move.phase(0.33))) / 2 * min(1.0, move.manner.amplitude)
    return {
        **_holding(22.0 + 20.0 * bend, 68.0 - 40.0 * bend),
        **_both(hip=2.0 + 76.0 * bend, knee=3.0 + 88.0 * bend),
        "pelvis_pitch": 34.0 * bend,
        "spine_pitch": 24.0 * bend,
        "head_pitch": -20.0 * bend,
        "splay": 6.0 + 4.0 * bend,
    }


def hammer_phase(move: Move) -> Array:
    """(T,) radians; the hammer strikes at every whole turn, and comes down faster than it goes up."""
    phase = move.phase(HAMMER_HZ)
    return phase + 0.7 * np.sin(phase)


def _hammer(move: Move) -> Angles:
    raised = 0.5 * (1 - np.cos(hammer_phase(move))) * move.manner.amplitude
    return {
        "dominant_flexion": 30.0 + 30.0 * raised,
        "dominant_abduction": 16.0 + 10.0 * raised,
        "dominant_rotation": 4.0,
        "dominant_elbow": 45.0 + 42.0 * raised,
        "dominant_wrist": 4.0,
        "off_flexion": 36.0,
        "off_elbow": 62.0,
        "off_rotation": 25.0,
        "spine_pitch": 14.0 - 5.0 * raised,
        "spine_yaw": 4.0 * raised,
        "pelvis_yaw": 1.5 * raised,
        "pelvis_pitch": 2.0 - 1.5 * raised,
        "head_pitch": 14.0,
    }


def _hold_tool(move: Move) -> Angles:
    return {
        **_stand(move),
        "pelvis_pitch": 3.0,
        "dominant_flexion": 58.0 + 3.0 * move.drift(0),
        "dominant_abduction": 6.0 + 3.0 * move.drift(1),
        "dominant_rotation": 10.0,
        "dominant_elbow": 24.0 + 4.0 * move.drift(2),
        "off_flexion": 46.0 + 3.0 * move.drift(0),
        "off_elbow": 42.0 + 4.0 * move.drift(2),
        "off_rotation": 34.0,
        "spine_pitch": 5.0,
        "head_pitch": 5.0,
    }


def _screw(move: Move) -> Angles:
    twist = move.swing(1.1)
    return {
        "dominant_flexion": 14.0,
        "dominant_abduction": 26.0 + 5.0 * twist,
        "dominant_rotation": 38.0,
        "dominant_elbow": 94.0,
        "dominant_pronation": 25.0 + 52.0 * twist,
        "off_flexion": 12.0,
        "off_abduction": 16.0,
        "off_elbow": 96.0,
        "off_rotation": 48.0,
        "pelvis_pitch": 8.0,
        "spine_pitch": 22.0,
        "spine_roll": 1.5 * twist,
        "pelvis_roll": 0.4 * twist,
        "head_pitch": 18.0,
    }


def _bow(move: Move) -> Angles:
    """From the hips, again and again; the legs stay straight."""
    bend = (1 - np.cos(move.phase(0.45))) / 2 * min(1.0, move.manner.amplitude)
    return {
        "pelvis_pitch": 34.0 * bend,
        **_both(hip=2.0 + 34.0 * bend, flexion=18.0 * bend),
        "spine_pitch": 3.0 + 24.0 * bend,
        "head_pitch": 14.0 * bend,
    }


def _stretch(move: Move) -> Angles:
    """Both arms out to the sides, leaning from one to the other."""
    lean = move.swing(0.4)
    return {
        **_both(abduction=98.0, elbow=12.0, rotation=0.0, pronation=0.0),
        "spine_roll": 15.0 * lean,
        "pelvis_roll": 4.0 * lean,
        "spine_pitch": -4.0,
        "splay": 8.0,
    }


_ANGLES: Mapping[str, Callable[[Move], Angles]] = {
    "wave": _wave,
    "point": _point,
    "clap": _clap,
    "stop_sign": _stop_sign,
    "walk": _walk,
    "carry_light": _carry,
    "carry_heavy": _carry,
    "lift": _lift,
    "hammer": _hammer,
    "drill": _hold_tool,
    "inspect": _hold_tool,
    "screw": _screw,
    "stand": _stand,
    "sit": _sit,
    "bow": _bow,
    "stretch": _stretch,
}

HELD_OBJECT: Mapping[str, str] = {
    **dict.fromkeys(("carry_light", "carry_heavy", "lift"), "box"),
    **dict.fromkeys(("drill", "inspect"), "drill"),
    "hammer": "hammer",
    "screw": "screwdriver",
}
"""Activity → what is in the hands."""


_BOTH = ("dominant_flexion", "off_flexion")
_REACHING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("wave", "point", "hammer", "screw"), _BOTH[:1]),
    **dict.fromkeys(("clap", "carry_light", "carry_heavy", "lift", "drill", "inspect"), _BOTH),
    "stop_sign": _BOTH[1:],
}


def activity_angles(activity: str, move: Move) -> Array:
    """(T, len(CHANNELS)) joint angles of an activity at `move.time_s`, in radians (x and y in metres)."""
    pose = {**_REST, **_ANGLES[activity](move)}
    angles = np.zeros((len(move.time_s), len(CHANNELS)))
    for name, value in pose.items():
        angles[:, channel(name)] = value if name in METRES else np.radians(value)
    angles += move.manner.offsets
    angles[:, channel("yaw")] += move.manner.yaw
    for name in _REACHING.get(activity, ()):
        angles[:, channel(name)] += move.manner.reach
    return angles
