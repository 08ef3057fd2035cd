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

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mumu_ros.benchmarks import decision
from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.recognition.backends import Eager


def test_kept_features_give_the_same_logits_for_less(bench: Callable[..., dict[str, Any]], tiny_model: Path) -> None:
    result = bench("decision", "--model", str(tiny_model), "--backends", "eager", "--rounds", "3", "--device", "cpu")
    assert result["frames"] == {"rgb": 10, "depth": 10}
    assert 0 <= result["max_logit_difference"] < 1e-5
    row = result["backends"]["eager"]
    assert row["speedup_cached"] == result["speedup_cached"] > 0
    assert row["cached_ms"] > 0
    assert row["encoder_ms"] > 0
    assert row["tail_ms"] > 0
    assert "health" not in row


@pytest.mark.serial
def test_what_it_costs_to_look_for_sensors_that_lie(bench: Callable[..., dict[str, Any]], watchful_model: Path) -> None:
    result = bench("decision", "--model", str(watchful_model), "--backends", "eager", "--rounds", "1")
    assert 0.5 < result["backends"]["eager"]["health"] < 5


def test_the_cost_of_health_is_a_median_over_rounds_however_long_the_window_is(
    watchful_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(watchful_model)
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, window_s=20.0))
    costs = itertools.chain((0.0, 0.0, 2.0, 300.0), itertools.cycle((2.0, 3.0)))  # windows fill; a disturbance
    clock = [0.0]

    def decide(*_: object) -> None:
        clock[0] += next(costs)

    monkeypatch.setattr(decision, "_push", lambda *_: None)
    monkeypatch.setattr(decision, "_decide", decide)
    monkeypatch.setattr(decision, "cost_clock", lambda _: lambda: clock[0])
    assert decision._health(checkpoint, watchful_model, Eager(checkpoint.model)) == pytest.approx(1.5)
