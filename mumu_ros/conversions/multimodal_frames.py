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

"""mumu_ros/msg/MultimodalFrame to samples and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.images import image_to_array
from mumu_ros.conversions.messages import MessageTypes, array_to_image, header_stamp_ns, make_header

__all__ = ["frame_to_samples", "samples_to_frame"]

_MOST_AXES = 8
_LONGEST_NAME = 80


def frame_to_samples(
    msg: Any, on_error: Callable[[str, ConversionError], None] | None = None
) -> Iterator[tuple[str, int, NDArray[Any]]]:
    """Yield every sample of a MultimodalFrame as (stream, stamp_ns, array).

    Images come as by `image_to_array` (rgb8: uint8 RGB; 16UC1: uint16 millimetres), series as float32 of the stream's
    shape, oldest first. The arrays share memory with the message. `on_error` is called with the stream and the error of
    a part that is left out.

    Raises:
        ConversionError: A part does not fit its own shape, and there is no `on_error`; the text names the stream.
    """
    for part, read in (*((p, _read_image) for p in msg.images), *((p, _read_series) for p in msg.series)):
        name = str(part.name)[:_LONGEST_NAME]
        try:
            samples = read(part)
        except ConversionError as error:
            named = ConversionError(f"stream {name!r}: {error}")
            if on_error is None:
                raise named from None
            on_error(name, named)
        else:
            for stamp_ns, sample in samples:
                yield name, stamp_ns, sample


def _read_image(part: Any) -> list[tuple[int, NDArray[Any]]]:
    pixels = image_to_array(part.image, "rgb" if part.image.encoding == "rgb8" else "depth")
    return [(header_stamp_ns(part.image) or 0, pixels)]


def _read_series(part: Any) -> list[tuple[int, NDArray[Any]]]:
    shape = tuple(int(size) for size in part.shape)
    count = len(part.stamps_ns)
    # Python's integers do not overflow: what fits has no size that numpy could not take.
    is_empty = count > 0 and not len(part.data)
    if len(part.data) != count * math.prod(shape) or is_empty or len(shape) > _MOST_AXES:
        raise ConversionError(
            f"{len(part.data)} values are not {count} samples of shape {list(shape[:_MOST_AXES])}"
            f"{' and more' if len(shape) > _MOST_AXES else ''}"
        )
    if not count:
        return []
    samples = np.asarray(part.data, np.float32).reshape(count, *shape)
    return [(int(stamp_ns), sample) for stamp_ns, sample in zip(part.stamps_ns, samples, strict=True)]


def samples_to_frame(
    stamp_ns: int,
    frame_id: str,
    images: Mapping[str, tuple[int, str, NDArray[Any]]],
    series: Mapping[str, tuple[Sequence[int], Sequence[NDArray[Any]]]],
    types: MessageTypes,
    *,
    epoch: int = 0,
    missing: Sequence[str] = (),
    frame_ids: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Return samples of one instant as mumu_ros/msg/MultimodalFrame.

    Args:
        stamp_ns: Acquisition time of the reference stream's sample.
        frame_id: Frame of the reference stream.
        images: Stream name to (stamp_ns, frame_id, pixels as `array_to_image` takes them).
        series: Stream name to (stamps in nanoseconds, samples of one shape), oldest first, at least one.
        types: Classes to build from.
        epoch: Number of backward jumps of time so far, modulo 2³².
        missing: Names of the streams without data.
        frame_ids: Frames of the series.

    Raises:
        ConversionError: an array is no image; the text names the stream.
    """
    return types.message(
        "mumu_ros/msg/MultimodalFrame",
        header=make_header(stamp_ns, frame_id, types),
        epoch=epoch,
        images=[_image_part(name, image, types) for name, image in images.items()],
        series=[_series_part(name, *part, frame_ids.get(name, ""), types) for name, part in series.items()],
        missing=list(missing),
    )


def _image_part(name: str, image: tuple[int, str, NDArray[Any]], types: MessageTypes) -> Any:
    stamp_ns, frame_id, pixels = image
    try:
        message = array_to_image(pixels, stamp_ns, frame_id, types)
    except ConversionError as error:
        raise ConversionError(f"stream {name!r}: {error}") from None
    return types.message("mumu_ros/msg/MultimodalImage", name=name, image=message)


def _series_part(
    name: str, stamps: Sequence[int], samples: Sequence[NDArray[Any]], frame_id: str, types: MessageTypes
) -> Any:
    stacked = np.stack(samples)
    return types.message(
        "mumu_ros/msg/MultimodalSeries",
        name=name,
        shape=types.sequence(np.array(stacked.shape[1:], np.uint32)),
        stamps_ns=types.sequence(np.array(stamps, np.int64)),
        data=types.sequence(stacked.astype(np.float32).reshape(-1)),
        frame_id=frame_id,
    )
