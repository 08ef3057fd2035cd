"""What if a sensor were gone, late, noisy or slow: changes made to a recording while it is evaluated."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.config import ModelConfig
from mumu_ros.streams import RateSampler, seconds_to_ns

__all__ = ["KINDS", "Alteration", "Alterer", "parse_alteration", "robustness_alterations"]

KINDS = ("drop", "shift", "noise", "rate")
BLOCK_WINDOWS = 2
"""A sensor that is gone some of the time is gone for stretches of so many windows."""
_EXPECTED = {
    "drop": "NAME or NAME:SHARE, a share of the time from 0 to 1, such as rgb:0.5",
    "shift": "NAME:SECONDS, such as depth:+0.2s",
    "noise": "NAME:FACTOR, of the sensor's own standard deviation, such as imu:0.5",
    "rate": "NAME:HZ, such as rgb:15",
}


@dataclass(frozen=True)
class Alteration:
    """One change to some modalities.

    Attributes:
        kind: One of `KINDS`.
        modalities: Which it is made to, together.
        amount: drop: share of the time without them. shift: seconds by which their stamps are later. noise: standard
            deviation of Gaussian noise, in units of that of each element so far, as in `training.corruption`. rate: at
            most so many messages a second.
    """

    kind: str
    modalities: tuple[str, ...]
    amount: float

    def __str__(self) -> str:
        sign = "+" if self.kind == "shift" else ""
        unit = {"shift": " s", "rate": " Hz", "noise": " σ", "drop": ""}[self.kind]
        return f"{self.kind} {'+'.join(self.modalities)}: {self.amount:{sign}g}{unit}"


def parse_alteration(kind: str, text: str, names: Sequence[str]) -> Alteration:
    """Read `imu`, `rgb+depth:0.5`, `depth:+0.2s`. A name means that modality, or all whose names begin with it and `_`.

    Raises:
        ValueError: It fits no modality, or the number is none that can be meant; says what would be right.
    """
    targets, _, number = text.partition(":")
    modalities: list[str] = []
    for target in targets.split("+"):
        fitting = [name for name in names if name == target or name.startswith(f"{target}_")]
        if not fitting:
            raise ValueError(f"--{kind} {text!r}: no modality {target!r}; the model has {', '.join(names)}")
        modalities += fitting
    if kind == "drop" and not number:
        number = "1"
    try:
        amount = float(number.removesuffix("s") if kind == "shift" else number)
    except ValueError:
        amount = float("nan")
    good = {"drop": 0 <= amount <= 1, "shift": abs(amount) <= 60, "noise": amount >= 0, "rate": amount > 0}[kind]
    if not good or amount == float("inf"):
        raise ValueError(f"--{kind} {text!r}: expected {_EXPECTED[kind]}")
    return Alteration(kind, tuple(dict.fromkeys(modalities)), amount)


def robustness_alterations(names: Sequence[str]) -> list[Alteration]:
    """What the curves of a report are drawn from: each modality gone, noisy and late, more and more."""
    amounts = {"drop": (0.25, 0.5, 0.75, 1.0), "noise": (0.5, 1.0, 2.0), "shift": (0.1, 0.2, 0.5)}
    return [Alteration(kind, (name,), amount) for kind in amounts for name in names for amount in amounts[kind]]


@dataclass
class Alterer:
    """Makes alterations to a recording's messages, the same ones each time.

    Args:
        alterations: Made one after the other.
        config: Of the model.
    """

    alterations: Sequence[Alteration]
    config: ModelConfig
    _samplers: dict[tuple[int, str], RateSampler] = field(default_factory=dict)
    _variations: dict[tuple[int, str], _Variation] = field(default_factory=dict)

    def restamp(self, stream: str, stamp_ns: int) -> int | None:
        """Return the stamp that a message is to have, or None if it is not to come."""
        for index, alteration in enumerate(self.alterations):
            if stream not in alteration.modalities:
                continue
            if alteration.kind == "drop" and self._is_gone(index, alteration, stamp_ns):
                return None
            if alteration.kind == "rate":
                period_ns = seconds_to_ns(1 / alteration.amount)
                if not self._samplers.setdefault((index, stream), RateSampler(period_ns)).accept(stamp_ns):
                    return None
            if alteration.kind == "shift":
                stamp_ns += seconds_to_ns(alteration.amount)
        return stamp_ns

    def change(self, stream: str, stamp_ns: int, sample: NDArray[Any]) -> NDArray[Any]:
        """Return what a sample is to show."""
        for index, alteration in enumerate(self.alterations):
            if alteration.kind == "noise" and stream in alteration.modalities:
                std = self._variations.setdefault((index, stream), _Variation()).update(sample.astype(np.float64))
                generator = np.random.default_rng((index, zlib.crc32(stream.encode()), stamp_ns))
                sample = _noisy(sample, generator.normal(size=sample.shape) * std * alteration.amount)
        return sample

    def _is_gone(self, index: int, alteration: Alteration, stamp_ns: int) -> bool:
        block = stamp_ns // seconds_to_ns(BLOCK_WINDOWS * self.config.window_s)
        return bool(np.random.default_rng((index, block)).random() < alteration.amount)


class _Variation:
    """Standard deviation of each element of a stream, of what was seen of it so far (Welford 1962)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0

    def update(self, sample: NDArray[Any]) -> NDArray[np.float64]:
        self._count += 1
        difference = sample - self._mean
        self._mean = self._mean + difference / self._count
        self._squares = self._squares + difference * (sample - self._mean)
        std: NDArray[np.float64] = np.sqrt(self._squares / self._count)
        return std


def _noisy(sample: NDArray[Any], noise: NDArray[np.float64]) -> NDArray[Any]:
    if sample.dtype == np.float32:
        return (sample + noise).astype(np.float32)
    noisy = (sample + noise).round().clip(0, np.iinfo(sample.dtype).max)
    if sample.dtype == np.uint16:  # depth: where there is no reading, there is none to be wrong
        noisy = np.where(sample > 0, np.maximum(noisy, 1), 0)
    return noisy.astype(sample.dtype)
