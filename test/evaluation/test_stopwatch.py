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

import pytest

from mumu_ros.evaluation.stopwatch import Stopwatch


def test_a_stage_is_timed_each_time() -> None:
    stopwatch = Stopwatch()
    for _ in range(3):
        with stopwatch.measure("read"):
            pass
    summary = stopwatch.summary()["read"]
    assert summary["count"] == 3
    assert summary["p99_ms"] >= summary["p50_ms"] >= 0


def test_times_that_were_measured_elsewhere_count_too() -> None:
    stopwatch = Stopwatch()
    for ms in (1.0, 2.0, 6.0):
        stopwatch.add("latency", ms)
    summary = stopwatch.summary()["latency"]
    assert (summary["mean_ms"], summary["p50_ms"], summary["total_s"]) == pytest.approx((3.0, 2.0, 0.009))
