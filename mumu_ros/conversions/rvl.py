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
    """Decode the runs of a depth image.

    Args:
        data: uint8 (N,).
        pixels: Number of pixels of the image.

    Returns:
        uint16 (pixels,).

    Raises:
        ConversionError: The data end early, or have more pixels.
    """
    numbers = _numbers(data)
    lengths = numbers.tolist()
    differences = np.zeros(pixels, np.int64)
    there = np.zeros(pixels, np.bool_)
    at = number = 0
    while at < pixels:
        if number + 2 > len(lengths):
            raise ConversionError(f"RVL depth of {pixels} pixels is truncated: {data.size} bytes have {at} pixels")
        begin, number = at + lengths[number], number + 2
        count = lengths[number - 1]
        at = begin + count
        if at > pixels or number + count > len(lengths):
            raise ConversionError(f"RVL depth of {pixels} pixels is damaged: a run of {count} at pixel {begin}")
        differences[begin:at] = numbers[number : number + count]
        there[begin:at] = True
        number += count
    steps = differences[there]
    depth = np.zeros(pixels, np.uint16)
    depth[there] = np.cumsum((steps >> 1) ^ -(steps & 1)) & 0xFFFF
    return depth


def _numbers(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """All numbers, and after them some zeros that fill the last word."""
    words = data[: data.size // _WORD * _WORD].reshape(-1, _WORD)[:, ::-1].reshape(-1)  # little endian
    nibbles = np.stack((words >> 4, words & 0xF), axis=1).reshape(-1).astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if not ends.size:
        return np.zeros(0, np.int64)
    starts = np.concatenate(([0], ends[:-1] + 1))
    if (ends - starts).max() >= _MOST_NIBBLES:
        raise ConversionError(f"RVL depth is damaged: a number has more than {_MOST_NIBBLES} nibbles")
    used = nibbles[: ends[-1] + 1]
    place = np.arange(used.size) - np.repeat(starts, ends - starts + 1)
    return np.add.reduceat((used & 7) << 3 * place, starts)
