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

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mumu_ros.simulation import Sample, Simulator

SMALL = (48, 64)
Record = Callable[..., dict[str, list[Sample]]]


@pytest.fixture
def record() -> Record:
    """Runs a simulation of small images and sorts its samples by stream."""

    def run(activities: Sequence[str] | None = None, seconds: float = 2.0, **options: Any) -> dict[str, list[Sample]]:
        options = {"seed": 1, "subject": 2, "image_size": SMALL, "segment_s": (2.0, 2.0), **options}
        streams: dict[str, list[Sample]] = {}
        for sample in Simulator(activities=activities, seconds=seconds, **options).samples():
            streams.setdefault(sample.stream, []).append(sample)
        return streams

    return run


@pytest.fixture
def stack() -> Callable[[Sequence[Sample]], np.ndarray]:
    return lambda samples: np.stack([sample.data for sample in samples])
