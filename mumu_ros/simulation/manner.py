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

"""How one performance of an activity differs from another, and the clock it runs by."""

from dataclasses import dataclass

import numpy as np

from mumu_ros.simulation.body import CHANNELS, Array

__all__ = ["Manner", "Move"]

_TAU = 2 * np.pi
_LEGS_SCALE = 0.3
"""Legs and pelvis vary less from time to time: they carry the body."""
_OFFSET_SCALE: Array = np.array(
    [_LEGS_SCALE if any(part in name for part in ("hip", "knee", "pelvis")) else 1.0 for name in CHANNELS]
)


@dataclass(frozen=True)
class Manner:
    """How one performance of an activity differs from another; independent of which activity it is.

    Attributes:
        tempo: Factor on every rhythm.
        amplitude: Factor on every movement's size.
        phase: Radians, where the rhythm starts.
        wander: Radians, phase of slow drifts.
        yaw: Radians, where the person faces.
        reach: Radians, raises or lowers the arms.
        vibration_hz: Frequency of a running tool.
        offsets: (len(CHANNELS),) radians or metres, this time's posture and place.
    """

    tempo: float
    amplitude: float
    phase: float
    wander: float
    yaw: float
    reach: float
    vibration_hz: float
    offsets: Array

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Manner":
        """A random performance; always takes the same number of draws."""
        return cls(
            tempo=rng.uniform(0.87, 1.15),
            amplitude=rng.uniform(0.82, 1.18),
            phase=rng.uniform(0, _TAU),
            wander=rng.uniform(0, _TAU),
            yaw=np.radians(rng.uniform(-16, 16)),
            reach=np.radians(rng.uniform(-8, 8)),
            vibration_hz=rng.uniform(25, 35),
            offsets=np.radians(rng.normal(0, 2.5, len(CHANNELS))) * _OFFSET_SCALE,
        )


@dataclass(frozen=True)
class Move:
    """The clock of a performance.

    Attributes:
        time_s: (T,) seconds since the performance began.
    """

    time_s: Array
    manner: Manner

    def phase(self, rate_hz: float) -> Array:
        """(T,) phase of a rhythm in radians, slightly unsteady as people are."""
        unsteady = 0.25 * np.sin(_TAU * 0.23 * self.time_s + self.manner.wander)
        return _TAU * rate_hz * self.manner.tempo * self.time_s + unsteady + self.manner.phase

    def swing(self, rate_hz: float, lag: float = 0.0) -> Array:
        """(T,) oscillation, of about unit amplitude, `lag` radians late."""
        return self.manner.amplitude * np.sin(self.phase(rate_hz) - lag)

    def drift(self, index: int) -> Array:
        """(T,) slow aimless movement of about unit amplitude; `index` tells independent ones apart."""
        return np.sin(_TAU * (0.17 + 0.05 * index) * self.time_s + self.manner.wander + 2.1 * index)
