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

"""PyTorch on a CUDA device: bf16, channels last, batch normalisation folded away, and graphs instead of launches."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mumu_ros.model.layers import Normalize
from mumu_ros.model.network import Network
from mumu_ros.recognition.backends.graphs import (
    FrameEncoder,
    Tail,
    channels_last,
    example_frames,
    image_names,
    stays_in_fp32,
)
from mumu_ros.recognition.backends.interface import Outputs, rows

__all__ = ["CudaGraphs", "fold_batch_norms", "to_bf16"]

_SIZES = (1, 2, 8)
"""There is one graph for each of these numbers of frames and of windows."""
_WARM_UPS = 3


class CudaGraphs:
    """Records a network's operations once and replays them.

    A frame crosses to the device as it is, bytes from pinned memory for a colour image, and is normalised there.
    """

    def __init__(self, network: Network) -> None:
        device = next(network.parameters()).device
        self._encoders: dict[str, _Graphs] = {}
        with torch.cuda.device(device), torch.inference_mode():
            pool = torch.cuda.graph_pool_handle()
            for name in image_names(network):
                encoder = copy.deepcopy(FrameEncoder(network, name))
                fold_batch_norms(encoder)
                channels_last(encoder)
                if not stays_in_fp32(network, name):
                    to_bf16(encoder)
                examples = [[example_frames(network, name, size)] for size in _SIZES]
                self._encoders[name] = _Graphs(encoder, examples, device, pool)
            self._tail = Tail(network)
            self._decide = _Graphs(self._tail, [self._tail.example(size) for size in _SIZES], device, pool)

    @torch.inference_mode()
    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""
        (features,) = self._encoders[name]([torch.from_numpy(frames)], torch.clone)
        return features.float()

    @torch.inference_mode()
    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        return rows([field.numpy() for field in self._decide(self._tail.arrange(inputs, masks), Tensor.cpu)])


class _Graphs:
    """A function of tensors (N, …) whose rows do not depend on each other, recorded for each of `_SIZES`."""

    def __init__(
        self,
        function: Callable[..., Tensor | tuple[Tensor, ...]],
        examples: Sequence[list[Tensor]],
        device: torch.device,
        pool: Any,
    ) -> None:
        graphs = (_Graph(function, example, device, pool) for example in examples)
        self._graphs = dict(zip(_SIZES, graphs, strict=True))

    def __call__(self, tensors: list[Tensor], keep: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """Run it in the smallest graph that takes all rows, or as often as necessary in the largest one.

        Args:
            tensors: Each (N, …).
            keep: Copies a result, since the next replay writes to the same place.
        """
        parts, most = [], _SIZES[-1]
        for start in range(0, len(tensors[0]), most):
            part = [tensor[start : start + most] for tensor in tensors]
            size = next(size for size in _SIZES if size >= len(part[0]))
            parts.append([keep(field) for field in self._graphs[size](part)])
        return parts[0] if len(parts) == 1 else [torch.cat(fields) for fields in zip(*parts, strict=True)]


class _Graph:
    """One recorded call with fixed shapes.

    Graphs that are never replayed at the same time share a pool, which holds what they compute on the way.
    """

    def __init__(
        self,
        function: Callable[..., Tensor | tuple[Tensor, ...]],
        example: list[Tensor],
        device: torch.device,
        pool: Any,
    ) -> None:
        self._function = function  # A recording knows where weights lie, and does not keep them there.
        self._pinned = [tensor.cpu().pin_memory() for tensor in example]
        self._inputs = [tensor.to(device) for tensor in example]
        stream, current = _recording_stream(device), torch.cuda.current_stream(device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):  # Libraries choose their kernels now; a recording must not see that.
            for _ in range(_WARM_UPS):
                function(*self._inputs)
        current.wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=stream):
            result = function(*self._inputs)
        self._outputs = (result,) if isinstance(result, Tensor) else result

    def __call__(self, tensors: list[Tensor]) -> list[Tensor]:
        """Run it: what is on the host goes through pinned memory, what is on the device stays there.

        Fewer rows than there is room for leave what was there in the others, whose results are dropped.
        """
        count = len(tensors[0])
        for tensor, pinned, there in zip(tensors, self._pinned, self._inputs, strict=True):
            if tensor.is_cuda:
                there[:count].copy_(tensor)
            else:
                pinned[:count].copy_(tensor)
                there[:count].copy_(pinned[:count], non_blocking=True)
        self._graph.replay()
        # Pinned memory must not be filled again before it has been read.
        torch.cuda.current_stream(self._inputs[0].device).synchronize()
        return [field[:count] for field in self._outputs]


@functools.cache
def _recording_stream(device: torch.device) -> torch.cuda.Stream:
    """The same for all models: cuBLAS keeps a workspace of 32 MiB for each stream that it has seen, to the end."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def to_bf16(encoder: nn.Module) -> None:
    """Convert the weights of an image encoder, in place; what comes in is still normalised in fp32.

    Autocast inside a recording would read and convert every weight at every frame, which takes longer than a frame's
    arithmetic.
    """
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(torch.bfloat16)
        elif isinstance(module, Normalize):
            module.register_forward_hook(lambda _module, _arguments, normalized: normalized.to(torch.bfloat16))


def fold_batch_norms(module: nn.Module) -> None:
    """Put every batch normalisation that follows a convolution into the convolution's weights, in place.

    A normalisation follows where both are neighbours in one module, as in our encoders' blocks and ResNet's.
    """
    children = list(module.named_children())
    for (name, first), (next_name, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            setattr(module, next_name, nn.Identity())
    for _, child in children:
        fold_batch_norms(child)
