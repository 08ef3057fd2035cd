from __future__ import annotations

import pytest
import torch

from mumu_ros.benchmarks.floor import matmul_gflops


def test_the_rate_is_that_of_the_products_which_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def mm(a: torch.Tensor, b: torch.Tensor) -> None:
        assert a.dtype == b.dtype == torch.bfloat16
        sizes.append(len(a))

    monkeypatch.setattr(torch, "mm", mm)
    monkeypatch.setattr("mumu_ros.benchmarks.floor.seconds_of", lambda act: act() or 0.5)
    assert matmul_gflops(torch.bfloat16) == pytest.approx(2 * sizes[0] ** 3 / 0.5 / 1e9)


def test_it_runs() -> None:
    assert matmul_gflops(torch.float32) > 0
