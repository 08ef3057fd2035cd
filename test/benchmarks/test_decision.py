from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


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


def test_what_it_costs_to_look_for_sensors_that_lie(bench: Callable[..., dict[str, Any]], watchful_model: Path) -> None:
    result = bench("decision", "--model", str(watchful_model), "--backends", "eager", "--rounds", "1")
    assert 0.5 < result["backends"]["eager"]["health"] < 5
