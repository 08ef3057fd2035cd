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

"""What it costs to turn a message into what the model takes."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from mumu_ros.benchmarks.rounds import interleave, seconds_of, speedup
from mumu_ros.benchmarks.sensors import KINDS, sensor_message
from mumu_ros.conversions import image_to_array, vector_to_array
from mumu_ros.model.preprocessing import Preprocessing

__all__ = ["measure_conversion"]

_REPETITIONS = 10


def measure_conversion(preprocessing: Preprocessing, rounds: int) -> dict[str, dict[str, float]]:
    """Time the way from a message to a prepared sample.

    The model of `preprocessing` has modalities called rgb, depth and imu.

    Returns:
        By kind of sensor: microseconds a message to the array (`array_us`) and to the prepared sample (`sample_us`);
        for images, also to an array by `np.array(list(data))` (`list_us`), and how many times faster ours is
        (`speedup`).
    """
    return {kind: _measure(preprocessing, kind, rounds) for kind in KINDS}


def _measure(preprocessing: Preprocessing, kind: str, rounds: int) -> dict[str, float]:
    message = sensor_message(kind)

    def array() -> np.ndarray:
        if kind == "imu":
            return vector_to_array(message, KINDS[kind].type_name, (2, 3))
        return image_to_array(message, "rgb" if kind == "rgb" else "depth")

    runs: dict[str, Callable[[], float]] = {
        "array_us": lambda: 1e6 * seconds_of(array, _REPETITIONS),
        "sample_us": lambda: 1e6 * seconds_of(lambda: preprocessing.prepare(kind, array()), _REPETITIONS),
    }
    if kind != "imu":
        runs["list_us"] = lambda: 1e6 * seconds_of(lambda: _by_list(message))
    costs = interleave(runs, rounds)
    result = {name: statistics.median(values) for name, values in costs.items()}
    if "list_us" in costs:
        result["speedup"] = speedup(costs["list_us"], costs["array_us"])
    return result


def _by_list(message: Any) -> np.ndarray:
    return np.array(list(message.data), np.uint8)
