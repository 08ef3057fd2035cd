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

"""Streams of every sort, healthy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mumu_ros.failures import Failure, Injector

Stream = tuple[np.ndarray, np.ndarray]
NS = 1_000_000_000


@pytest.fixture(scope="session")
def make_stream() -> Callable[..., Stream]:
    """A stream of one sort: stamps (N,) at 10 Hz with jitter, samples (N, *shape) that all differ."""

    def make(sensor: str, count: int, seed: int = 0) -> Stream:
        rng = np.random.default_rng(seed)
        stamps_ns = 1_700_000_000 * NS + np.arange(count) * NS // 10 + rng.integers(0, NS // 100, count)
        samples = {
            "rgb": lambda: rng.integers(1, 256, (count, 12, 16, 3), np.uint8),
            "depth": lambda: (rng.integers(500, 4000, (count, 12, 16)) * rng.integers(0, 2, (12, 16))).astype(
                np.uint16
            ),
            "vector": lambda: (5 + rng.normal(size=(count, 2, 3)) * [[1, 2, 3], [4, 5, 6]]).astype(np.float32),
        }[sensor]()
        return stamps_ns.astype(np.int64), samples

    return make


@pytest.fixture(scope="session")
def fail(make_stream: Callable[..., Stream]) -> Callable[..., tuple[Stream, Stream]]:
    """A healthy stream, and what comes of it when it fails."""

    def run(text: str, sensor: str, count: int = 100, begin: int | None = None, end: int | None = None) -> object:
        kind, _, amount = text.partition("=")
        stamps_ns, samples = make_stream(sensor, count)
        injector = Injector(
            Failure(kind, float(amount) if amount else None),
            sensor,
            start_ns=None if begin is None else int(stamps_ns[begin]),
            end_ns=None if end is None else int(stamps_ns[end]),
        )
        return (stamps_ns, samples), injector.apply(stamps_ns, samples)

    return run
