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

"""Image messages to arrays.

Written on OpenCV alone, so that every machine gives the same pixels with or without cv_bridge. rosbags-image
is the tests' oracle; it is not used here because it ignores `step` and takes the chroma rows of nv12 and nv21
for picture.
"""

from __future__ import annotations

import re
import struct
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.rvl import decode_rvl
from mumu_ros.fault_codes import FaultCode

__all__ = [
    "MAX_PIXELS",
    "RGB_ENCODINGS",
    "ImageKind",
    "compressed_image_to_array",
    "decode_image",
    "depth_to_millimetres",
    "image_to_array",
]

ImageKind = Literal["rgb", "depth"]

_LEAST_USED = 0.01
"""If fewer of the readings are nearer than 65.535 m, depth is in another unit."""

# encoding: (bytes per channel, channels, OpenCV's conversion to RGB).
# OpenCV names a Bayer pattern by its second row.
_RGB_ENCODINGS: dict[str, tuple[int, int, int | None]] = {
    "rgb8": (1, 3, None),
    "bgr8": (1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (2, 3, None),
    "bgr16": (2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (2, 1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": (2, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (2, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (2, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (2, 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "nv12": (1, 1, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (1, 1, cv2.COLOR_YUV2RGB_NV21),
}
RGB_ENCODINGS = tuple(_RGB_ENCODINGS)
"""The encodings of sensor_msgs/msg/Image that become colour."""
_GENERIC = re.compile(r"(8|16)UC[1-4]")
_MOSAIC = re.compile(r"(bayer_[rgb]{4}(?:8|16)) *;.*compressed *(?:bayer_[rgb]{4}(?:8|16))? *")
"""Format of a compressed picture that is still the mosaic of a Bayer sensor: nothing, or it, is said to be inside."""
_DEPTH_ENCODINGS = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}

MAX_PIXELS = 32_000_000
"""A picture with more pixels is rejected before it is decoded: a file of some kilobytes can declare 65535 × 65535."""

# First bytes of a JPEG or PNG, and required last ones: decoders fill missing data with grey.
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHUNK = struct.Struct(">I4s")  # length without these and the checksum behind it, name
_PNG_SIZE = struct.Struct(">II")  # width, height
_JPEG_SEGMENT = struct.Struct(">BBH")  # 0xFF, marker, length from the length on
_JPEG_SIZE = struct.Struct(">xHH")  # of a frame header: bits per sample, height, width
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA

# compressed_depth_image_transport puts its format and two quantisation parameters before the PNG.
_COMPRESSED_DEPTH_HEADER = struct.Struct("<iff")
_RVL_SIZE = struct.Struct("<II")


def image_to_array(msg: Any, kind: ImageKind, max_pixels: int = MAX_PIXELS, encoding: str = "") -> NDArray[Any]:
    """Return the pixels of a sensor_msgs/msg/Image.

    Args:
        msg: The message, of rclpy or rosbags.
        kind: "rgb": uint8 (H, W, 3) in RGB order. "depth": uint16 (H, W) in millimetres for 16UC1 and mono16,
            float32 (H, W) in metres for 32FC1; 0 or NaN is no reading (REP 118).
        max_pixels: A larger picture is rejected.
        encoding: What colours the channels are where the message does not say it, such as "bgr8" for 8UC3.

    Returns:
        An array that shares memory with the message where the encoding allows; read it only.

    Raises:
        ConversionError: unknown encoding, empty image, too many pixels, or data that do not fit height and step.
    """
    _require_size(msg.width, msg.height, max_pixels)
    return _depth_image(msg) if kind == "depth" else _rgb_image(msg, encoding)


def _rgb_image(msg: Any, given: str) -> NDArray[Any]:
    encoding: str = given if given and _GENERIC.fullmatch(msg.encoding) else msg.encoding
    if encoding not in _RGB_ENCODINGS:
        is_generic = any(encoding == f"{8 * itemsize}UC{channels}" for itemsize, channels, _ in _RGB_ENCODINGS.values())
        problem = "does not say its colours; set the parameter `encoding`, or" if is_generic else "is not supported;"
        raise ConversionError(f"encoding {encoding!r} {problem} publish one of {', '.join(_RGB_ENCODINGS)}")
    itemsize, channels, conversion = _RGB_ENCODINGS[encoding]
    if encoding != msg.encoding and msg.encoding != f"{8 * itemsize}UC{channels}":
        raise ConversionError(f"encoding {msg.encoding!r} cannot be {encoding!r}, which is {8 * itemsize}UC{channels}")
    # nv12 and nv21 hold the chroma, at half the resolution, in as many bytes as height/2 more rows.
    rows = msg.height * 3 // 2 if encoding.startswith("nv") else msg.height
    pixels = _pixels(msg, f"u{itemsize}", channels, rows)
    if conversion is not None:
        try:
            pixels = cv2.cvtColor(pixels, conversion)
        except cv2.error as error:
            raise ConversionError(
                f"{encoding} image of {msg.width}×{msg.height} has no RGB form: {error.err or error}; "
                "sub-sampled colour needs an even width and height"
            ) from None
    return pixels if itemsize == 1 else cv2.convertScaleAbs(pixels, alpha=255 / 65535)


def _depth_image(msg: Any) -> NDArray[Any]:
    if msg.encoding not in _DEPTH_ENCODINGS:
        raise ConversionError(f"encoding {msg.encoding!r} is not depth; publish 16UC1 (millimetres) or 32FC1 (metres)")
    return _pixels(msg, _DEPTH_ENCODINGS[msg.encoding], 1, msg.height)


def _pixels(msg: Any, dtype: str, channels: int, rows: int) -> NDArray[Any]:
    """View the data as (rows, width[, channels]) in native byte order, without a copy if that is so."""
    stored = np.dtype((">" if msg.is_bigendian else "<") + dtype)
    row_bytes = msg.width * channels * stored.itemsize
    if msg.step < row_bytes:
        raise ConversionError(
            f"step {msg.step} is shorter than a row of {msg.width} {msg.encoding} pixels ({row_bytes} bytes)"
        )
    if len(msg.data) != msg.step * rows:
        raise ConversionError(
            f"image is truncated or padded: {len(msg.data)} bytes, but step {msg.step} × {rows} rows of "
            f"{msg.encoding} are {msg.step * rows}"
        )
    shape = (rows, msg.width, channels) if channels > 1 else (rows, msg.width)
    strides = (msg.step, channels * stored.itemsize, stored.itemsize)[: len(shape)]
    pixels = np.ndarray(shape, stored, buffer=msg.data, strides=strides)
    # OpenCV misreads rows that do not start at a multiple of the item size: they are copied as well.
    return np.require(pixels, stored.newbyteorder("="), "A")


def compressed_image_to_array(msg: Any, kind: ImageKind, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Return the pixels of a sensor_msgs/msg/CompressedImage.

    Args:
        msg: The message: JPEG or PNG of image_transport's `compressed`, or the PNG or RVL of its `compressedDepth`.
        kind: As for `image_to_array`; depth must be a 16-bit PNG, or RVL.
        max_pixels: A larger picture is rejected before it is decoded.

    Returns:
        A new array, shaped as by `image_to_array`.

    Raises:
        ConversionError: another format, too many pixels, data that end early or that the decoder rejects.
    """
    if "compressedDepth" in msg.format:
        if kind != "depth":
            raise ConversionError(f"format {msg.format!r} is depth; configure this topic as a depth stream")
        return _compressed_depth(msg, max_pixels)
    data = np.frombuffer(msg.data, np.uint8)
    if kind == "rgb":
        mosaic = _MOSAIC.fullmatch(msg.format)
        # The picture as the sensor saw it: an EXIF orientation would swap its sides.
        flags = cv2.IMREAD_IGNORE_ORIENTATION | (cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR)
        pixels = decode_image(data, f"compressed image ({msg.format!r}, {data.size} bytes)", flags, max_pixels)
        conversion = _RGB_ENCODINGS[mosaic[1]][2] if mosaic else cv2.COLOR_BGR2RGB
        assert conversion is not None
        return cv2.cvtColor(pixels, conversion)
    return _depth_png(data, msg.format, max_pixels)


def _compressed_depth(msg: Any, max_pixels: int) -> NDArray[Any]:
    encoding = msg.format.partition(";")[0].strip()
    if encoding not in _DEPTH_ENCODINGS:
        raise ConversionError(f"format {msg.format!r} is not depth; expected 16UC1 or 32FC1")
    if len(msg.data) <= _COMPRESSED_DEPTH_HEADER.size:
        raise ConversionError(f"compressed depth is truncated: {len(msg.data)} bytes")
    _, quantum, offset = _COMPRESSED_DEPTH_HEADER.unpack_from(msg.data)
    data = np.frombuffer(msg.data, np.uint8)[_COMPRESSED_DEPTH_HEADER.size :]
    is_rvl = "compressedDepth rvl" in msg.format
    image = _depth_rvl(data, max_pixels) if is_rvl else _depth_png(data, msg.format, max_pixels)
    if encoding != "32FC1":
        return image
    # Inverse depth, quantised: value = quantum / depth + offset, and 0 for no reading.
    with np.errstate(all="ignore"):
        metres = np.float32(quantum) / (image.astype(np.float32) - np.float32(offset))
    metres[image == 0] = np.nan
    return metres


def _depth_rvl(data: NDArray[np.uint8], max_pixels: int) -> NDArray[np.uint16]:
    """Width, height and the RVL-compressed pixels, as compressed_depth_image_transport sends them."""
    if data.size < _RVL_SIZE.size:
        raise ConversionError(f"compressed depth is truncated: {data.size} bytes")
    width, height = _RVL_SIZE.unpack(data[: _RVL_SIZE.size].tobytes())
    _require_size(width, height, max_pixels)
    return decode_rvl(data[_RVL_SIZE.size :], width * height).reshape(height, width)


def _depth_png(data: NDArray[np.uint8], format_: str, max_pixels: int) -> NDArray[np.uint16]:
    what = f"compressed image ({format_!r}, {data.size} bytes)"
    image = decode_image(data, what, cv2.IMREAD_UNCHANGED, max_pixels)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ConversionError(
            f"format {format_!r} holds {image.dtype} {image.shape}, not depth; "
            "compress depth with compressedDepth or 16-bit PNG"
        )
    return image


def decode_image(data: NDArray[np.uint8], what: str, flags: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Decode a complete JPEG or PNG of at most `max_pixels`, which is checked first; `what` is its name in errors.

    Raises:
        ConversionError: another format, too many pixels, data that end early or that the decoder rejects.
    """
    size = _size_of(data.tobytes())
    if size is None:
        raise ConversionError(f"{what} is truncated, or is neither JPEG nor PNG")
    _require_size(*size, max_pixels)
    try:
        image = cv2.imdecode(data, flags)
    except (cv2.error, MemoryError) as error:
        raise ConversionError(f"{what} of {size[0]}×{size[1]} cannot be decoded: {error}") from None
    if image is None:
        raise ConversionError(f"{what} cannot be decoded")
    return image


def _require_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise ConversionError(f"image is empty: {width}×{height} pixels; check the camera driver")
    if width * height > max_pixels:
        raise ConversionError(
            f"image of {width}×{height} has more than {max_pixels} pixels; if it is meant, raise max_pixels"
        )


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a complete JPEG or PNG; None for anything else."""
    if data.startswith(_PNG_START):
        return _png_size(data)
    return _jpeg_size(data) if data.startswith(_JPEG_START) else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    """From its chunks, all of which must be there: OpenCV makes room for as many bytes as a chunk claims."""
    size, at = None, len(_PNG_START)
    while at + _PNG_CHUNK.size <= len(data):
        length, name = _PNG_CHUNK.unpack_from(data, at)
        content = at + _PNG_CHUNK.size
        at = content + length + 4
        if at > len(data) or (name == b"IHDR") != (size is None) or (size is None and length < _PNG_SIZE.size):
            return None  # truncated, header not first, or two headers of which a decoder may use either
        if name == b"IHDR":
            width, height = _PNG_SIZE.unpack_from(data, content)
            size = width, height
        if name == b"IEND":
            return size
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From its segments up to the first scan, in which the end marker cannot occur before the end."""
    size, at = None, 2
    while at + _JPEG_SEGMENT.size <= len(data):
        start, marker, length = _JPEG_SEGMENT.unpack_from(data, at)
        if start != 0xFF or length < 2:
            return None
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        at += _JPEG_SEGMENT.size
        if marker in _JPEG_FRAMES and at + _JPEG_SIZE.size <= len(data):
            if size is not None:
                return None  # a decoder may use either
            height, width = _JPEG_SIZE.unpack_from(data, at)
            size = width, height
        if marker == _JPEG_SCAN:
            return size if data.find(_JPEG_END, at) >= 0 else None
        at += length - 2
    return None


def depth_to_millimetres(depth: NDArray[Any]) -> NDArray[np.uint16]:
    """Return a depth image as uint16 millimetres; 0 where it is NaN, infinite, negative or beyond 65.535 m.

    Args:
        depth: (H, W), uint16 millimetres (returned as it is) or float32 metres.

    Raises:
        ConversionError: Nearly all readings are beyond 65.535 m, as those in millimetres are.
    """
    if depth.dtype == np.uint16:
        return depth
    with np.errstate(over="ignore", invalid="ignore"):
        millimetres = depth * np.float32(1000)
    # NaN compares false, so it is replaced as well.
    millimetres[~((millimetres >= 0) & (millimetres < 65535.5))] = 0
    used = np.count_nonzero(millimetres)
    if used < _LEAST_USED * depth.size:
        far = depth[(depth > 65.5355) & (depth < np.inf)]
        if used < _LEAST_USED * far.size:
            raise ConversionError(
                f"depth is {np.median(far):.0f} m in the median: is it in millimetres? Publish 32FC1 in metres, or "
                "16UC1 in millimetres (REP 118)",
                FaultCode.IMPLAUSIBLE,
            )
    return np.rint(millimetres).astype(np.uint16)
