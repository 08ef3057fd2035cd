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

"""Movement too small for a camera and plain to an accelerometer: impacts, tremor, a running tool.

Its amplitude stays at a few millimetres at most, less than a pixel at the simulated cameras' distance, which
is why it enters the inertial sensors only. It tells carrying something heavy from something light, and
drilling from holding a drill.
"""

from collections.abc import Callable, Mapping

import numpy as np

from mumu_ros.simulation.activities import CLAP_HZ, HAMMER_HZ, STRIDE_HZ, hammer_phase
from mumu_ros.simulation.body import Array
from mumu_ros.simulation.manner import Move

__all__ = ["vibration"]

_TAU = 2 * np.pi
_CONDUCTED = 0.1
"""Share of a vibrating tool's acceleration that reaches the belt."""

_Direction = tuple[float, float, float]
_STILL: _Direction = (0.0, 0.0, 0.0)


def vibration(activity: str, move: Move) -> Array:
    """The vibration of an activity at `move.time_s`.

    Returns:
        (T, 3, 3): acceleration of the wrist (m/s²), angular rate of the wrist (rad/s), acceleration of the belt, each
        in the frame of its segment.
    """
    return _VIBRATIONS.get(activity, _none)(move)


def _none(move: Move) -> Array:
    return np.zeros((len(move.time_s), 3, 3))


def _directed(
    signal: Array, wrist: _Direction = _STILL, wrist_rate: _Direction = _STILL, belt: _Direction = _STILL
) -> Array:
    directions: Array = np.array((wrist, wrist_rate, belt))
    return signal[:, None, None] * directions


def _ringing(phase: Array, beat_hz: float, ring_hz: float, decay_s: float) -> Array:
    """What an impact at every whole turn of `phase` leaves in a structure: a ringing that dies away."""
    since_s = np.mod(phase, _TAU) / (_TAU * beat_hz)
    return np.exp(-since_s / decay_s) * np.sin(_TAU * ring_hz * since_s)


def _heel_strikes(move: Move, strength: float, ring_hz: float) -> Array:
    impact = strength * _ringing(2 * move.phase(STRIDE_HZ), 2 * STRIDE_HZ, ring_hz, 0.05)
    return _directed(impact, wrist=(0.15, 0.0, 0.3), wrist_rate=(0.0, 0.02, 0.0), belt=(0.25, 0.1, 1.0))


def _walk(move: Move) -> Array:
    return _heel_strikes(move, 4.0, 16.0)


def _carry_light(move: Move) -> Array:
    """Soft steps; the loosely held arms shake at their own frequency."""
    shake = move.swing(3.7) + 0.6 * move.swing(4.9, lag=1.0)
    arms = _directed(shake, wrist=(0.5, 0.2, 0.8), wrist_rate=(0.05, 0.18, 0.08))
    return _heel_strikes(move, 2.5, 17.0) + arms


def _carry_heavy(move: Move) -> Array:
    """Hard, slower ringing steps; the load damps the arms' shaking, strained muscles tremble at 10 Hz."""
    tremor = move.swing(9.6) + 0.5 * move.swing(11.3, lag=0.7)
    arms = _directed(tremor, wrist=(0.4, 0.3, 0.9), wrist_rate=(0.12, 0.16, 0.1), belt=(0.1, 0.1, 0.2))
    return _heel_strikes(move, 6.5, 11.0) + arms


def _drill(move: Move) -> Array:
    turn = _TAU * move.manner.vibration_hz * move.time_s
    strength = move.manner.amplitude * (0.75 + 0.25 * move.drift(4))
    along, across = 5.0 * strength * np.sin(turn), 3.0 * strength * np.cos(turn)
    shaking = _directed(along, wrist=(0.3, 0.2, 0.9))
    shaking += _directed(across, wrist=(0.5, 0.8, 0.0), wrist_rate=(0.02, 0.05, 0.12))
    shaking[:, 2] = _CONDUCTED * shaking[:, 0]
    return shaking


def _hammer(move: Move) -> Array:
    blow = 28.0 * move.manner.amplitude * _ringing(hammer_phase(move), HAMMER_HZ, 22.0, 0.03)
    return _directed(blow, wrist=(0.8, 0.1, 0.5), wrist_rate=(0.0, 0.08, 0.0), belt=(0.02, 0.0, 0.05))


def _clap(move: Move) -> Array:
    """The hands meet where their swing inwards is greatest."""
    clap = 14.0 * move.manner.amplitude * _ringing(move.phase(CLAP_HZ) - np.pi / 2, CLAP_HZ, 24.0, 0.025)
    return _directed(clap, wrist=(0.2, 0.9, 0.2), wrist_rate=(0.0, 0.0, 0.04), belt=(0.0, 0.02, 0.02))


_VIBRATIONS: Mapping[str, Callable[[Move], Array]] = {
    "walk": _walk,
    "carry_light": _carry_light,
    "carry_heavy": _carry_heavy,
    "drill": _drill,
    "hammer": _hammer,
    "clap": _clap,
}
