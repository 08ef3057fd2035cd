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

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pytest

from mumu_ros.streams import SynchronizedSet, Synchronizer

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True)
class Message:
    """What a sensor sent: its item is its own stamp, so that every pairing can be checked."""

    arrival_ns: int
    stream: str
    stamp_ns: int


class Traffic:
    """Makes and feeds messages."""

    MS = MS
    START_NS = START_NS

    @staticmethod
    def stream(
        name: str,
        rate_hz: float,
        seconds: float,
        *,
        offset_ms: float = 0.0,
        delay_ms: float = 0.0,
        jitter: float = 0.0,
        drops: float = 0.0,
        seed: int = 0,
        start_ns: int = START_NS,
    ) -> list[Message]:
        """Messages of a sensor whose stamps lie offset_ms off the grid and arrive delay_ms after their stamps."""
        rng = random.Random(f"{seed}{name}")
        period_ns = 1e9 / rate_hz
        messages = []
        for k in range(int(seconds * rate_hz)):
            stamp_ns = start_ns + round((k + rng.uniform(-jitter, jitter)) * period_ns + offset_ms * MS)
            if rng.random() >= drops:
                messages.append(Message(stamp_ns + round(delay_ms * MS), name, stamp_ns))
        return messages

    @staticmethod
    def merge(*streams: Iterable[Message]) -> list[Message]:
        return sorted((m for s in streams for m in s), key=lambda m: m.arrival_ns)

    @staticmethod
    def feed(synchronizer: Synchronizer, messages: Iterable[Message]) -> list[SynchronizedSet]:
        """Add messages in the given order and wait at the end until nothing is pending."""
        sets: list[SynchronizedSet] = []
        now_ns = 0
        for m in messages:
            now_ns = m.arrival_ns
            sets += synchronizer.add(m.stream, m.stamp_ns, m.stamp_ns, now_ns)
        sets += synchronizer.poll(now_ns + 400 * MS)
        return sets

    @staticmethod
    def stamps(messages: Iterable[Message], stream: str) -> list[int]:
        return [m.stamp_ns for m in messages if m.stream == stream]

    @staticmethod
    def samples(sets: Sequence[SynchronizedSet], place: int) -> list[int]:
        """The stamps of a range stream's samples, in order of delivery."""
        return [stamp_ns for s in sets for stamp_ns, _ in s.items[place]]


@pytest.fixture(scope="session")
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
def make() -> Callable[..., Synchronizer]:
    """A synchroniser of two cameras and an IMU."""

    def build(
        frames: Sequence[str] = ("rgb", "depth"), ranges: Sequence[str] = ("imu",), **kwargs: float
    ) -> Synchronizer:
        return Synchronizer(frames, ranges, **kwargs)  # type: ignore[arg-type]

    return build
