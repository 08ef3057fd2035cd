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

"""torch.compile on the CPU: bf16 where the processor computes with it, channels last, constants folded."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mumu_ros.model.network import Network
from mumu_ros.recognition.backends.graphs import (
    FrameEncoder,
    Tail,
    by_window,
    channels_last,
    example_frames,
    image_names,
    in_batches,
    stays_in_fp32,
)
from mumu_ros.recognition.backends.interface import Outputs, rows

__all__ = ["Compiled", "computes_bf16"]

_CACHE = "TORCHINDUCTOR_CACHE_DIR"
_BATCHES = (2, 1)
"""A batch of another size would be compiled when it comes, for half a minute; it is cut into these instead."""


def computes_bf16() -> bool:
    """Whether this CPU has instructions for bf16 (AVX-512 BF16 or AMX); emulated it is slower than fp32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


class Compiled:
    """Compiles a network when it is made, which takes minutes; with what an earlier start compiled it takes seconds.

    What lies in `folder` is executed: it must be this user's own.
    """

    def __init__(self, network: Network, folder: Path) -> None:
        network = copy.deepcopy(network)
        self._encoders = {}
        for name in image_names(network):
            in_bf16 = computes_bf16() and not stays_in_fp32(network, name)
            self._encoders[name] = _compile(FrameEncoder(network, name), in_bf16)
        self._tail = Tail(network)
        self._decide = _compile(self._tail, in_bf16=False)
        with _kept_in(folder):
            for name in self._encoders:
                for count in _BATCHES:
                    self.encode(name, example_frames(network, name, count).numpy())
            self._decide(*self._tail.example())

    @torch.no_grad()
    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""
        return in_batches(torch.from_numpy(frames), _BATCHES, self._encoders[name]).float()

    @torch.no_grad()
    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        return rows(by_window(self._tail.arrange(inputs, masks), lambda window: self._decide(*window)))


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """What is compiled inside, and nothing that others compile later, is kept in the folder."""
    before = os.environ.get(_CACHE)
    os.environ[_CACHE] = str(folder)
    try:
        yield
    finally:
        del os.environ[_CACHE]
        if before is not None:
            os.environ[_CACHE] = before


def _compile(module: nn.Module, in_bf16: bool) -> Callable[..., Any]:
    channels_last(module)
    # Code for a fixed number of threads would be compiled again by a node that has another number than `mumu export`.
    compiled = torch.compile(module, dynamic=False, options={"freezing": True, "cpp.dynamic_threads": True})

    def run(*tensors: Tensor) -> Any:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=in_bf16):
            return compiled(*tensors)

    return run
