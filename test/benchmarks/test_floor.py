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
import time

import pytest
import torch

from mumu_ros.benchmarks.floor import matmul_gflops


def test_the_rate_is_that_of_the_products_which_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def mm(a: torch.Tensor, b: torch.Tensor) -> None:
        assert a.dtype == b.dtype == torch.bfloat16
        sizes.append(len(a))

    monkeypatch.setattr(torch, "mm", mm)
    for step_s in (0.5, 1.0):
        ticks = itertools.count(0.0, step_s)
        rate = matmul_gflops(torch.bfloat16, "cpu", lambda ticks=ticks: next(ticks))  # type: ignore[misc]
        assert rate == pytest.approx(2 * sizes[0] ** 3 / step_s / 1e9)


def test_it_runs() -> None:
    assert matmul_gflops(torch.float32, "cpu", time.process_time) > 0
