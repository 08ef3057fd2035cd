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

"""A synthetic machine tool with three kinds of sensors: vibration, motor current and a camera.

The three data sets of Altinses and Schwung (2025) are of simulated robots, with camera and kinematics; this is another
machine. Speed and load of the spindle decide what all sensors show, so that each can be predicted from the others.
Failures are added afterwards, by augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import Clip, Segment, Stream
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.settings import Data, Machine, Optimization, Settings

__all__ = ["CONFIG", "record", "settings"]

Array = NDArray[np.float64]

_RATES_HZ = {"vibration": 100, "current": 50, "picture": 5}
_SIDE = 32
_RAMP_S = 0.4
# State: share of the nominal speed, load.
_STATES = {"off": (0.0, 0.0), "idle": (1.0, 0.08), "finishing": (1.3, 0.4), "roughing": (0.8, 1.0)}

CONFIG = ModelConfig(
    "industrial",
    (
        Modality("vibration", "vector", (1, 3), 100, "cooccurrence1d", std=(3.0, 3.0, 3.0), stride=10),
        Modality("current", "vector", (1, 3), 50, "cooccurrence1d", (1.0,), (1.0,), stride=5),
        Modality("picture", "rgb", (_SIDE, _SIDE, 3), 5, "small_cnn", (100.0,), (60.0,)),
    ),
    Taxonomy("industrial", {"standing": ("off",), "turning": ("idle", "finishing", "roughing")}),
    window_s=2.0,
    feature_size=32,
    deep_supervision=True,
    fusion="trusted_mumu",
)
"""A small model of the machine's states."""


@dataclass(frozen=True)
class _Traits:
    """What differs from machine to machine."""

    speed_hz: float
    unbalance: float
    axes: Array
    phases: Array
    light: float
    aim: Array

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Traits:
        axes = np.linalg.qr(np.eye(3) + rng.normal(0, 0.15, (3, 3)))[0]
        return cls(
            speed_hz=rng.uniform(9, 11),
            unbalance=rng.uniform(0.8, 1.3),
            axes=axes,
            phases=rng.uniform(0.9, 1.1, 3),
            light=rng.uniform(0.8, 1.2),
            aim=rng.normal(0, 1, 2),
        )


def settings(seed: int) -> Settings:
    """How its model is trained, on windows that are given: no dataset is read."""
    optimization = Optimization(
        12, learning_rate=3e-3, beta_aux=0.1, deep_supervision_weight=1.0, trust_weight=1.0, seed=seed
    )
    augmentation = Augmentation(modality_dropout=0.4, corruption=0.3)
    return Settings(CONFIG, Data("simulator"), optimization, augmentation, Machine("cpu"))


def record(number: int, seconds: float) -> Clip:
    """What the sensors of a machine show while its states change. Equal arguments give equal bytes."""
    rng = np.random.default_rng((number, 5))
    traits = _Traits.draw(rng)
    segments = tuple(_schedule(rng, seconds))
    times = {name: np.arange(round(rate * seconds)) / rate for name, rate in _RATES_HZ.items()}
    fine = np.arange(round(1000 * seconds)) / 1000
    speed, load = _ramped(fine, segments)
    angle = 2 * np.pi * np.cumsum(speed * traits.speed_hz) / 1000

    def at(name: str) -> tuple[Array, Array, Array]:
        nearest = np.minimum(np.round(1000 * times[name]).astype(int), len(fine) - 1)
        return speed[nearest], load[nearest], angle[nearest]

    samples: dict[str, NDArray[Any]] = {
        "vibration": _vibration(traits, *at("vibration"), rng),
        "current": _current(traits, *at("current"), rng),
        "picture": _pictures(traits, *at("picture"), rng),
    }
    stamps = {name: NS_PER_S + np.round(time * NS_PER_S).astype(np.int64) for name, time in times.items()}
    streams = {name: Stream(stamps[name], samples[name]) for name in samples}
    return Clip(streams, segments, number, f"machine{number}")


def _schedule(rng: np.random.Generator, seconds: float) -> list[Segment]:
    segments: list[Segment] = []
    start_s, state = 0.0, ""
    while start_s < seconds:
        state = str(rng.choice([name for name in _STATES if name != state]))
        end_s = min(start_s + rng.uniform(4, 8), seconds)
        start_ns, end_ns = (NS_PER_S + round(x * NS_PER_S) for x in (start_s, end_s))
        segments.append(Segment(start_ns, end_ns, state))
        start_s = end_s
    return segments


def _ramped(fine: Array, segments: tuple[Segment, ...]) -> tuple[Array, Array]:
    """Speed and load at each millisecond: the states', reached after a while."""
    ends = np.array([segment.end_ns - NS_PER_S for segment in segments]) / NS_PER_S
    which = np.minimum(np.searchsorted(ends, fine, side="right"), len(segments) - 1)
    wanted = np.array([_STATES[segment.activity] for segment in segments])[which]
    kernel = np.ones(round(1000 * _RAMP_S)) / round(1000 * _RAMP_S)
    padded = np.concatenate([np.repeat(wanted[:1], len(kernel) - 1, axis=0), wanted])
    speed, load = (np.convolve(column, kernel, "valid") for column in padded.T)
    return speed, load


def _vibration(traits: _Traits, speed: Array, load: Array, angle: Array, rng: np.random.Generator) -> Array:
    """(T, 1, 3) m/s²: the unbalance at the speed, the cutter's four teeth at the load, noise."""
    turning = traits.unbalance * 4 * speed**2
    along = np.stack([turning * np.cos(angle), turning * np.sin(angle), 3 * load * np.sin(4 * angle)], axis=1)
    noise = (0.1 + 0.8 * load)[:, None] * rng.standard_normal((len(speed), 3))
    return np.asarray(((along + noise) @ traits.axes.T)[:, None].astype(np.float32))


def _current(traits: _Traits, speed: Array, load: Array, angle: Array, rng: np.random.Generator) -> Array:
    """(T, 1, 3) A, of the three phases: their effective values, which ripple with the turning."""
    amount = (0.6 * speed + 2.4 * load)[:, None] * traits.phases
    ripple = 1 + 0.08 * np.sin(angle[:, None] / 2 + np.arange(3) * 2 * np.pi / 3)
    return np.asarray((amount * ripple + rng.normal(0.05, 0.02, (len(speed), 3)))[:, None].astype(np.float32))


def _pictures(traits: _Traits, speed: Array, load: Array, angle: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """(T, 32, 32, 3): the cutter, a workpiece that moves on as it is cut, and chips that fly."""
    fed = np.cumsum(load) / _RATES_HZ["picture"]
    pictures = []
    for turned, at_speed, at_load, place in zip(angle, speed, load, fed, strict=True):
        picture = np.full((_SIDE, _SIDE, 3), (70, 75, 80), np.float32)
        left = 4 + place % 8
        cv2.rectangle(picture, (int(left), 22), (int(left) + 20, 29), (120, 110, 95), -1)
        x, y = np.array((16.0, 15.0)) + traits.aim
        for tooth in (turned, turned + np.pi):
            tip = int(x + 7 * np.cos(tooth)), int(y + 7 * np.sin(tooth))
            cv2.line(picture, (int(x), int(y)), tip, (190, 190, 200), 2)
        if at_speed > 0.1:  # faster than the shutter
            cv2.circle(picture, (int(x), int(y)), 7, (150, 150, 160), 1)
        chips = rng.integers(0, _SIDE, (rng.poisson(25 * at_load), 2))
        picture[chips[:, 0], chips[:, 1]] = (240, 210, 120)
        pictures.append(traits.light * picture + rng.normal(0, 4, picture.shape))
    return np.clip(pictures, 0, 255).astype(np.uint8)
