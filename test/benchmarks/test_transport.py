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

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")


@pytest.mark.serial
def test_it_reports_losses_and_latency_of_both_profiles_and_the_cost_of_conversion(
    bench: Callable[..., dict[str, Any]],
) -> None:
    result = bench("transport", "--rounds", "1", "--seconds", "0.5")
    for profile in ("shipped", "default"):
        assert set(result["delivered_fraction"][profile]) == {"rgb", "depth", "imu"}
        assert all(0 <= fraction <= 1 for fraction in result["delivered_fraction"][profile].values())
    assert 0 < result["delivered_fraction_worst"] <= min(result["delivered_fraction"]["shipped"].values())
    for latency_ms in result["latency_ms"]["shipped"].values():
        assert 0 < latency_ms["p50"] <= latency_ms["p99"]
    for kind in ("rgb", "depth"):
        assert result["conversion"][kind]["speedup"] > 1
