"""The rate that arithmetic alone would run at, here and now: what a network's time is compared with."""

from __future__ import annotations

import torch

from mumu_ros.benchmarks.rounds import seconds_of

__all__ = ["matmul_gflops"]

_SIZE = {"cpu": 1024, "cuda": 8192}


@torch.inference_mode()
def matmul_gflops(dtype: torch.dtype, device: str | torch.device = "cpu") -> float:
    """Billions of multiplications and additions a second in a product of two square matrices.

    To be called in every round beside what it is the floor of, with as many torch threads.

    Args:
        dtype: Of the matrices.
        device: Where they are.
    """
    device = torch.device(device)
    size = _SIZE[device.type]
    a, b = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(a, b)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    multiply()
    return 2e-9 * size**3 / seconds_of(multiply)
