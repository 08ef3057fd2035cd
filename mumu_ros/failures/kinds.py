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

"""The kinds of sensor failure, as one table; docs/failures.md describes them in more detail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["KINDS", "SENSORS", "Failure", "Kind", "kinds_for"]

SENSORS = ("rgb", "depth", "vector")
_IMAGES = ("rgb", "depth")
_VECTORS = ("vector",)


@dataclass(frozen=True)
class Kind:
    """A kind of failure.

    Attributes:
        shows: Output of the failing sensor.
        sensors: Which of `SENSORS` can fail in this way.
        amount: Default strength; None: the kind has no amount.
        unit: Of the amount.
        most: The largest amount; amounts are positive.
        thins: Removes samples without changing the others.
        turns: Exchanges axes: samples must have three of them.
    """

    shows: str
    sensors: tuple[str, ...] = SENSORS
    amount: float | None = None
    unit: str = ""
    most: float = math.inf
    thins: bool = False
    turns: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "dropout": Kind("nothing, for this share of the time", amount=1.0, unit="of the time", most=1.0, thins=True),
        "half_rate": Kind("every second sample", thins=True),
        "stuck": Kind("the sample at which it began to fail, repeated", _VECTORS),
        "saturation": Kind("clipped at this distance from its mean", _VECTORS, 1.0, "σ"),
        "noise": Kind("Gaussian noise added", SENSORS, 1.0, "σ"),
        "drift": Kind("an offset that grows every second", _VECTORS, 0.5, "σ/s"),
        "bias": Kind("a constant offset", _VECTORS, 2.0, "σ"),
        "axis_swap": Kind("two axes exchanged", _VECTORS, turns=True),
        "mounting": Kind("rotated about a random axis", _VECTORS, 90.0, "°", 180.0, turns=True),
        "shift": Kind("old samples with current stamps", SENSORS, 0.5, "s", 60.0),
        "repeated_buffer": Kind("the last samples before the failure, repeated", SENSORS, 2.0, "s", 60.0),
        "frozen": Kind("the image at which it began to fail, repeated", _IMAGES),
        "black": Kind("black; depth: no readings", _IMAGES),
        "blur": Kind("out of focus (Gaussian)", _IMAGES, 0.03, "of the height", 1.0),
        "occlusion": Kind("a rectangle of this share of it black; depth: without readings", _IMAGES, 0.3,
                          "of the area", 1.0),
    }
)  # fmt: skip
"""Name → kind. σ is the standard deviation of each element of the stream (`injector.Injector`)."""


def kinds_for(sensor: str, axes: int = 3) -> tuple[str, ...]:
    """Names of the kinds in which one of `SENSORS`, with samples of this many axes, can fail."""
    return tuple(name for name, kind in KINDS.items() if sensor in kind.sensors and not (kind.turns and axes != 3))


@dataclass(frozen=True)
class Failure:
    """A kind of failure with its strength.

    Attributes:
        kind: One of `KINDS`.
        amount: Strength in the kind's unit; by default the kind's own amount. None for kinds without.

    Raises:
        ValueError: The kind is unknown, has no amount, or the amount is out of range.
    """

    kind: str
    amount: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"failure {self.kind!r} is unknown; expected one of {', '.join(KINDS)}")
        kind = KINDS[self.kind]
        if self.amount is None:
            object.__setattr__(self, "amount", kind.amount)
        elif kind.amount is None:
            raise ValueError(f"failure {self.kind!r} has no amount, but {self.amount:g} was given; leave it out")
        elif not 0 < self.amount <= kind.most or self.amount == math.inf:
            most = "" if kind.most == math.inf else f" and at most {kind.most:g}"
            raise ValueError(f"failure '{self.kind}={self.amount:g}': expected a number above 0{most} ({kind.unit})")

    def __str__(self) -> str:
        default = self.amount == KINDS[self.kind].amount
        return self.kind if default else f"{self.kind}={self.amount:g}"
