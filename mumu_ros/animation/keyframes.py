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

"""Keyframes of a body, and the motion between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mumu_ros.animation.performer import PARTS, Performer

__all__ = ["RATE_HZ", "Keyframes", "Place", "moved", "smoothed"]

Array = NDArray[np.float64]
Place = Sequence[float] | Array

RATE_HZ = 30.0
_SHORTEST_S = 0.05
_TEMPO = (0.7, 2.7)
_AIM = 0.05
"""Standard deviation of where somebody does an activity this time, in arm lengths."""


class Keyframes:
    """One performance, from pose to pose; scripts draw every duration and place.

    Attributes:
        size: Factor on the size of gestures.
        rest: Pose (6, 3) of rest.
        jitter: Standard deviation of where hands are at a keyframe, in arm lengths.
    """

    def __init__(self, performer: Performer, generator: np.random.Generator) -> None:
        self._generator = generator
        self._tempo = float(np.clip(performer.tempo * np.exp(generator.normal(0, 0.25)), *_TEMPO))
        self._offset = generator.normal(0, _AIM, (2, 3))
        self.size = float(np.clip(performer.size * np.exp(generator.normal(0, 0.15)), 0.6, 1.5))
        self.rest = performer.rest(generator)
        self.jitter = 0.04
        self._poses, self._times_s, self._eased = [self.rest], [0.0], [True]
        self.hold(self.draw(0, 0.9))

    def draw(self, low: float, high: float) -> float:
        """A random number, uniform in [low, high)."""
        return float(self._generator.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Whether something happens that has this probability."""
        return bool(self._generator.random() < probability)

    def count(self, low: int, high: int) -> int:
        """A number of times, both ends included."""
        return int(self._generator.integers(low, high + 1))

    def begin(self, **places: Place) -> None:
        """Begin in another pose than that of rest."""
        self._poses = [self._changed(self.rest, places)] * len(self._poses)

    def to(self, seconds: float, /, **places: Place) -> Keyframes:
        """Move parts to places (`PARTS`), from a halt to a halt; the seconds are divided by the performer's tempo."""
        self._add(seconds, self._changed(self._poses[-1], places), True)
        return self

    def through(self, seconds: float, /, **places: Place) -> Keyframes:
        """Move parts through places, at the same speed all the way."""
        self._add(seconds, self._changed(self._poses[-1], places), False)
        return self

    def both(self, seconds: float, hands: Place, /, **places: Place) -> Keyframes:
        """Move both hands to a place, each of its own side, and parts to others."""
        return self.to(seconds, right=hands, left=hands, **places)

    def hold(self, seconds: float) -> Keyframes:
        """Hold the last pose."""
        self._add(seconds, self._poses[-1], True)
        return self

    def home(self, seconds: float | None = None) -> None:
        """Back to rest, and stay for a moment."""
        pose = self.rest.copy()
        pose[:2] += self._generator.normal(0, 0.02, (2, 3))
        self._add(self.draw(0.4, 0.9) if seconds is None else seconds, pose, True)
        self.hold(self.draw(0, 0.9))

    def end(self, probability: float = 0.8) -> None:
        """Back to rest with this probability; else stay for a moment."""
        if self.chance(probability):
            self.home()
        else:
            self.hold(self.draw(0, 0.5))

    @property
    def rest_steps(self) -> int:
        """How many steps pass before anything is done."""
        return round(self._times_s[1] * RATE_HZ)

    def poses(self) -> Array:
        """(T, 6, 3) at `RATE_HZ`; eased movements have minimum jerk (Flash and Hogan 1985)."""
        times_s = np.array(self._times_s)
        at_s = np.arange(max(int(times_s[-1] * RATE_HZ), 1)) / RATE_HZ
        index = np.clip(np.searchsorted(times_s, at_s, side="right") - 1, 0, len(times_s) - 2)
        x = np.clip((at_s - times_s[index]) / (times_s[index + 1] - times_s[index]), 0, 1)
        x = np.where(np.array(self._eased)[index + 1], x**3 * (10 + x * (6 * x - 15)), x)[:, None, None]
        poses = np.array(self._poses)
        return smoothed(poses[index] * (1 - x) + poses[index + 1] * x, self.draw(0.7, 1.6))

    def _changed(self, pose: Array, places: dict[str, Place]) -> Array:
        pose = pose.copy()
        for name, place in places.items():
            part = PARTS.index(name)
            pose[part] = place
            if part < len(self._offset):
                pose[part] += self._offset[part] + self._generator.normal(0, self.jitter, 3)
        return pose

    def _add(self, seconds: float, pose: Array, eased: bool) -> None:
        self._poses.append(pose)
        self._times_s.append(self._times_s[-1] + max(seconds / self._tempo, _SHORTEST_S))
        self._eased.append(eased)


def moved(place: Place, *, forward: float = 0, outward: float = 0, up: float = 0) -> Place:
    """A place that far from another one."""
    return [place[0] + forward, place[1] + outward, place[2] + up]


def smoothed(series: Array, steps: float) -> Array:
    """A series (T, …) smoothed by a Gaussian of so many steps; its end values are repeated beyond its ends."""
    width = int(3 * steps) + 1
    weights = np.exp(-0.5 * (np.arange(-width, width + 1) / steps) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([np.repeat(series[:1], width, 0), series, np.repeat(series[-1:], width, 0)])
    found: Array = np.sum([w * padded[i : i + len(series)] for i, w in enumerate(weights)], axis=0)
    return found
