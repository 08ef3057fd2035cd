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

"""RVL: lossless compression of depth images, as compressed_depth_image_transport uses it.

Wilson: *Fast Lossless Depth Image Compression*, ISS 2017. A picture is runs: how many pixels are zero, how many are
not, and the differences between the latter. Numbers have a variable length, three bits in each nibble, the lowest
first, whose highest bit says that another follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError

__all__ = ["decode_rvl"]

_WORD = 4
_MOST_NIBBLES = 11
"""Of a number of 32 bits."""


def decode_rvl(data: NDArray[np.uint8], pixels: int) -> NDArray[np.uint16]:
    """Decode the runs of a depth image of this many pixels.

    Returns:
        uint16 (pixels,).

    Raises:
        ConversionError: The data end early, or have more pixels.
    """
    numbers = _numbers(data)
    lengths = numbers.tolist()
    runs: list[int] = []  # zeros, others, zeros, others, …
    is_step = np.ones(numbers.size, np.bool_)
    at = number = 0
    while at < pixels:
        if number + 2 > len(lengths):
            raise ConversionError(f"RVL depth of {pixels} pixels is truncated: {data.size} bytes have {at} pixels")
        zeros, count = lengths[number : number + 2]
        runs += (zeros, count)
        is_step[number : number + 2] = False
        at += zeros + count
        number += 2 + count
        if at > pixels or number > len(lengths):
            raise ConversionError(f"RVL depth of {pixels} pixels is damaged: a run of {count} at pixel {at - count}")
    steps = numbers[:number][is_step[:number]]
    depth = np.zeros(pixels, np.uint16)
    depth[np.repeat(np.tile([False, True], len(runs) // 2), runs)] = np.cumsum((steps >> 1) ^ -(steps & 1)) & 0xFFFF
    return depth


def _numbers(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """All numbers, and after them some zeros that fill the last word."""
    words = data[: data.size // _WORD * _WORD].reshape(-1, _WORD)[:, ::-1].reshape(-1)  # little endian
    nibbles = np.stack((words >> 4, words & 0xF), axis=1).reshape(-1)
    ends = np.flatnonzero(nibbles < 8)
    sizes = np.diff(ends, prepend=-1)
    most = sizes.max(initial=0)
    if most > _MOST_NIBBLES:
        raise ConversionError(f"RVL depth is damaged: a number has more than {_MOST_NIBBLES} nibbles")
    bits = nibbles & 7
    numbers = bits[ends].astype(np.int64)
    for place in range(1, most):
        longer = np.flatnonzero(sizes > place)
        numbers[longer] = numbers[longer] << 3 | bits[ends[longer] - place]
    return numbers
