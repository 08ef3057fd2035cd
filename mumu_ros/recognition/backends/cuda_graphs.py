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
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mumu_ros.model.layers import Normalize
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

__all__ = ["CudaGraphs", "fold_batch_norms", "to_bf16"]

_BATCHES = (8, 2, 1)
"""There is one graph for each of these; a batch of another size is cut into them."""
_WARM_UPS = 3


class CudaGraphs:
    """Records a network's operations once and replays them.

    A frame crosses to the device as it is, bytes from pinned memory for a colour image, and is normalised there.
    """

    def __init__(self, network: Network) -> None:
        self._device = next(network.parameters()).device
        self._encoders: dict[str, dict[int, _Graph]] = {}
        with torch.cuda.device(self._device), torch.inference_mode():
            for name in image_names(network):
                encoder = copy.deepcopy(FrameEncoder(network, name))
                fold_batch_norms(encoder)
                channels_last(encoder)
                if not stays_in_fp32(network, name):
                    to_bf16(encoder)
                self._encoders[name] = {
                    count: _Graph(encoder, [example_frames(network, name, count)], self._device) for count in _BATCHES
                }
            self._tail = Tail(network)
            self._decide = _Graph(self._tail, self._tail.example(), self._device)

    @torch.inference_mode()
    def encode(self, name: str, frames: np.ndarray) -> Tensor:
        """See `Backend.encode`."""

        def replay(batch: Tensor) -> Tensor:
            (features,) = self._encoders[name][len(batch)]([batch])
            return features.float().clone()  # The graph writes to the same place the next time.

        return in_batches(torch.from_numpy(frames), _BATCHES, replay)

    @torch.inference_mode()
    def decide(self, inputs: Mapping[str, Tensor], masks: Mapping[str, np.ndarray]) -> list[Outputs]:
        """See `Backend.decide`."""
        return rows(by_window(self._tail.arrange(inputs, masks), self._decide))


class _Graph:
    """One recorded call with fixed shapes."""

    def __init__(
        self, function: Callable[..., Tensor | tuple[Tensor, ...]], example: list[Tensor], device: torch.device
    ) -> None:
        self._function = function  # A recording knows where weights lie, and does not keep them there.
        self._pinned = [tensor.cpu().pin_memory() for tensor in example]
        self._inputs = [tensor.to(device) for tensor in example]
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):  # Libraries choose their kernels now; a recording must not see that.
            for _ in range(_WARM_UPS):
                function(*self._inputs)
        torch.cuda.current_stream(device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            result = function(*self._inputs)
        self._outputs = (result,) if isinstance(result, Tensor) else result

    def __call__(self, tensors: list[Tensor]) -> tuple[Tensor, ...]:
        """Run it: what is on the host goes through pinned memory, what is on the device stays there."""
        for tensor, pinned, there in zip(tensors, self._pinned, self._inputs, strict=True):
            if tensor.is_cuda:
                there.copy_(tensor)
            else:
                pinned.copy_(tensor)
                there.copy_(pinned, non_blocking=True)
        self._graph.replay()
        # Pinned memory must not be filled again before it has been read.
        torch.cuda.current_stream(self._inputs[0].device).synchronize()
        return self._outputs


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
