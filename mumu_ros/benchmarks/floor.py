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

"""The rate that arithmetic alone would run at, here and now: what a network's time is compared with."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from mumu_ros.benchmarks.rounds import seconds_of

__all__ = ["matmul_gflops"]

# Large enough to be about arithmetic, small enough for a processor that has to emulate bf16.
_SIZE = {"cpu": 512, "cuda": 8192}
_SECONDS = 0.1


@torch.inference_mode()
def matmul_gflops(dtype: torch.dtype, device: str | torch.device, clock: Callable[[], float]) -> float:
    """Billions of multiplications and additions a second in a product of two square matrices.

    To be called in every round beside what it is the floor of, with as many torch threads and the same clock, which
    waits for a CUDA device before it is read.
    """
    device = torch.device(device)
    size = _SIZE[device.type]
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(a, b)

    multiply()
    seconds = [seconds_of(multiply, clock=clock)]
    while sum(seconds) < _SECONDS:
        seconds.append(seconds_of(multiply, clock=clock))
    return 2e-9 * size**3 / statistics.median(seconds)
