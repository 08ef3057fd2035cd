"""mumu_ros/msg/MultimodalFrame to samples and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.images import image_to_array
from mumu_ros.conversions.messages import MessageTypes, array_to_image, header_stamp_ns, ns_to_time

__all__ = ["frame_to_samples", "samples_to_frame"]


def frame_to_samples(msg: Any) -> Iterator[tuple[str, int, NDArray[Any]]]:
    """Yield every sample of a MultimodalFrame as (stream, stamp_ns, array).

    Images come as by `image_to_array` (rgb8: uint8 RGB; 16UC1: uint16 millimetres), series as float32 of
    the stream's shape, oldest first. The arrays share memory with the message.

    Raises:
        ConversionError: a part does not fit its own shape; the text names the stream.
    """
    for part in msg.images:
        try:
            pixels = image_to_array(part.image, "rgb" if part.image.encoding == "rgb8" else "depth")
        except ConversionError as error:
            raise ConversionError(f"stream {part.name!r}: {error}") from None
        stamp_ns = header_stamp_ns(part.image)
        assert stamp_ns is not None
        yield part.name, stamp_ns, pixels
    for part in msg.series:
        shape = tuple(int(size) for size in part.shape)
        if len(part.data) != len(part.stamps_ns) * math.prod(shape):
            raise ConversionError(
                f"stream {part.name!r}: {len(part.data)} values are not {len(part.stamps_ns)} samples "
                f"of shape {list(shape)}"
            )
        samples = np.asarray(part.data, np.float32).reshape(-1, *shape)
        for sample_ns, sample in zip(part.stamps_ns, samples, strict=True):
            yield part.name, int(sample_ns), sample


def samples_to_frame(
    stamp_ns: int,
    frame_id: str,
    images: Mapping[str, tuple[int, str, NDArray[Any]]],
    series: Mapping[str, tuple[Sequence[int], Sequence[NDArray[Any]]]],
    types: MessageTypes,
    *,
    epoch: int = 0,
    missing: Sequence[str] = (),
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

    Raises:
        ConversionError: an array is no image; the text names the stream.
    """
    return types.message(
        "mumu_ros/msg/MultimodalFrame",
        header=types.message("std_msgs/msg/Header", stamp=ns_to_time(stamp_ns, types), frame_id=frame_id),
        epoch=epoch,
        images=[_image_part(name, image, types) for name, image in images.items()],
        series=[_series_part(name, stamps, samples, types) for name, (stamps, samples) in series.items()],
        missing=list(missing),
    )


def _image_part(name: str, image: tuple[int, str, NDArray[Any]], types: MessageTypes) -> Any:
    stamp_ns, frame_id, pixels = image
    try:
        message = array_to_image(pixels, stamp_ns, frame_id, types)
    except ConversionError as error:
        raise ConversionError(f"stream {name!r}: {error}") from None
    return types.message("mumu_ros/msg/MultimodalImage", name=name, image=message)


def _series_part(name: str, stamps: Sequence[int], samples: Sequence[NDArray[Any]], types: MessageTypes) -> Any:
    stacked = np.stack(samples)
    return types.message(
        "mumu_ros/msg/MultimodalSeries",
        name=name,
        shape=types.sequence(np.array(stacked.shape[1:], np.uint32)),
        stamps_ns=types.sequence(np.array(stamps, np.int64)),
        data=types.sequence(stacked.astype(np.float32).reshape(-1)),
    )
