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
from importlib.util import find_spec
from typing import Any


def test_it_reports_cost_and_quality_of_each_implementation(bench: Callable[..., dict[str, Any]]) -> None:
    result = bench("synchronizer", "--rounds", "1")
    assert result["us_per_message"] > 0
    assert ("speedup_over_stock" in result) == (find_spec("message_filters") is not None)
    ours = {name: row for name, row in result["implementations"].items() if name != "message_filters"}
    assert set(ours) == {"Synchronizer", "SynchronizerFilter"}
    for row in ours.values():
        assert row["sets"] > 500
        assert row["not_nearest_percent"] == 0
        assert row["out_of_order"] == 0
