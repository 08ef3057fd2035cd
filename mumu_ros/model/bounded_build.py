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

"""Networks of configurations from untrusted sources: too large ones are refused before they take memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.network import Network

__all__ = ["TooManyValuesError", "build_within"]

_MAKERS = {torch.arange, torch.empty, torch.eye, torch.full, torch.ones, torch.rand, torch.randn, torch.zeros}


class TooManyValuesError(ValueError):
    """A network has more values than its builder allows."""


def build_within(config: ModelConfig, values: int) -> Network:
    """A network of a configuration.

    Raises:
        TooManyValuesError: It has more values, weights and others. They have taken no memory.
    """
    with _TensorLimit(values):
        return Network(config)


class _TensorLimit(TorchFunctionMode):
    """Context in which the new tensors of this thread may have at most `values` values in total.

    Weights begin as what `torch.empty` gives, which takes no memory before it is written; the first one beyond the
    limit is refused before that. (To build the network on the device `meta` first takes as long as to build it, and in
    a new process two seconds more.)
    """

    def __init__(self, values: int) -> None:
        super().__init__()
        self._limit = values
        self._made = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in _MAKERS:
            self._made += made.numel()
            if self._made > self._limit:
                raise TooManyValuesError(f"more than {self._limit} values")
        return made
