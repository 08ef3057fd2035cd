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

"""Image messages become the same pixels whatever encoded, padded, swapped or compressed them."""

from __future__ import annotations

import itertools
import struct
import zlib
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rosbags.image import message_to_cvimage

from mumu_ros.conversions import (
    ConversionError,
    array_to_image,
    compressed_image_to_array,
    depth_to_millimetres,
    image_to_array,
)
from mumu_ros.conversions.images import _RGB_ENCODINGS

SUBSAMPLED = ("nv12", "nv21")
RVL_HEAD = struct.pack("<iffII", 0, 0.0, 0.0, 4, 3)
"""Of a picture of 4×3 pixels."""


def random_table(encoding: str, height: int, width: int, padding: int = 0, seed: int = 0) -> np.ndarray:
    """Random bytes of an image of the encoding, one row per line, with padding at the end of each."""
    itemsize, channels, _ = _RGB_ENCODINGS[encoding]
    rows = height * 3 // 2 if encoding in SUBSAMPLED else height
    return np.random.default_rng(seed).integers(0, 256, (rows, width * channels * itemsize + padding), dtype=np.uint8)


@pytest.mark.parametrize("encoding", [name for name in _RGB_ENCODINGS if name not in SUBSAMPLED])
def test_every_encoding_gives_the_pixels_of_rosbags_image(encoding, image_message):
    message = image_message(random_table(encoding, 6, 8), encoding, 6, 8)
    expected = message_to_cvimage(message, "rgb8")
    actual = image_to_array(message, "rgb")
    assert actual.dtype == np.uint8
    assert actual.shape == (6, 8, 3)
    # 16 bits become 8 by rounding here, by truncation there.
    tolerance = 1 if encoding.endswith("16") else 0
    assert np.abs(actual.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(("encoding", "chroma"), [("nv12", (0, 1)), ("nv21", (1, 0))])
def test_subsampled_colour_uses_the_chroma_after_the_luma(encoding, chroma, image_message):
    # Y 81, U 90, V 240 is pure red in BT.601.
    table = np.full((6, 4), 81, np.uint8)
    table[4:] = np.tile(np.array([90, 240], np.uint8)[list(chroma)], (2, 2))
    pixels = image_to_array(image_message(table, encoding, 4, 4), "rgb")
    assert pixels.shape == (4, 4, 3)
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() <= 2


@given(
    encoding=st.sampled_from(sorted(_RGB_ENCODINGS)),
    height=st.integers(1, 5).map(lambda n: 2 * n),
    width=st.integers(1, 5).map(lambda n: 2 * n),
    padding=st.integers(1, 7),
    bigendian=st.booleans(),
)
def test_row_padding_and_byte_order_change_no_pixel(encoding, height, width, padding, bigendian):
    itemsize = _RGB_ENCODINGS[encoding][0]
    packed = random_table(encoding, height, width)
    stored = packed.view(f"u{itemsize}").byteswap().view(np.uint8) if bigendian else packed
    padded = np.pad(stored, ((0, 0), (0, padding)), constant_values=0xA5)

    def message(table, big):
        return SimpleNamespace(
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=int(big),
            step=table.shape[1],
            data=table.tobytes(),
        )

    plain = image_to_array(message(packed, False), "rgb")
    np.testing.assert_array_equal(image_to_array(message(padded, bigendian), "rgb"), plain)


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3),
        np.arange(5 * 7, dtype=np.uint16).reshape(5, 7) * 1000,
        np.linspace(0, 9, 35, dtype=np.float32).reshape(5, 7),
    ],
    ids=["rgb", "millimetres", "metres"],
)
def test_an_array_survives_the_way_through_a_message(pixels, types):
    message = array_to_image(pixels, 12_000_000_034, "camera", types)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert message.header.frame_id == "camera"
    back = image_to_array(message, "rgb" if pixels.ndim == 3 else "depth")
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)


def test_rgb8_and_depth_are_views_of_the_message(types):
    for pixels, kind in ((np.zeros((4, 5, 3), np.uint8), "rgb"), (np.zeros((4, 5), np.uint16), "depth")):
        message = array_to_image(pixels, 1, "camera", types)
        assert np.shares_memory(image_to_array(message, kind), np.frombuffer(message.data, np.uint8))


def test_a_slice_of_a_larger_array_becomes_a_whole_message(types):
    large = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    back = image_to_array(array_to_image(large[::2, 1:5], 1, "camera", types), "rgb")
    np.testing.assert_array_equal(back, large[::2, 1:5])


@pytest.mark.parametrize("pixels", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint16)])
def test_an_array_that_is_no_image_is_refused(pixels, types):
    with pytest.raises(ConversionError, match=r"is not an image; expected uint8 \(H, W, 3\)"):
        array_to_image(pixels, 1, "camera", types)


@pytest.mark.parametrize("change", [-1, 1, -12])
def test_data_of_another_length_than_step_times_height_are_refused(change, image_message):
    message = image_message(np.zeros((4, 12), np.uint8), "rgb8", 4, 4)
    message.data = (message.data + b"\0")[: 48 + change]
    with pytest.raises(ConversionError, match=rf"{48 + change} bytes, but step 12 × 4 rows of rgb8 are 48"):
        image_to_array(message, "rgb")


@pytest.mark.parametrize(("height", "width"), [(0, 4), (4, 0), (0, 0)])
def test_an_empty_image_is_refused(height, width, image_message):
    message = image_message(np.zeros((height, width * 3), np.uint8), "rgb8", height, width)
    with pytest.raises(ConversionError, match=f"image is empty: {width}×{height}"):
        image_to_array(message, "rgb")


def test_a_step_shorter_than_the_row_is_refused(image_message):
    message = image_message(np.zeros((4, 4), np.uint8), "rgb8", 4, 4)
    with pytest.raises(ConversionError, match="step 4 is shorter than a row of 4 rgb8 pixels"):
        image_to_array(message, "rgb")


@pytest.mark.parametrize("encoding", ["8UC3", "32FC1", "nv24", "", "jpeg"])
def test_an_encoding_without_colours_is_refused_with_those_that_have_them(encoding, image_message):
    message = image_message(np.zeros((4, 12), np.uint8), encoding, 4, 4)
    with pytest.raises(ConversionError, match=f"encoding '{encoding}' .*publish one of rgb8, bgr8"):
        image_to_array(message, "rgb")


@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "64FC1"])
def test_an_encoding_that_is_not_depth_is_refused(encoding, image_message):
    message = image_message(np.zeros((4, 12), np.uint8), encoding, 4, 4)
    with pytest.raises(ConversionError, match=f"encoding '{encoding}' is not depth; publish 16UC1"):
        image_to_array(message, "depth")


@pytest.mark.parametrize("encoding", ["nv12", "uyvy"])
def test_subsampled_colour_of_odd_size_is_refused(encoding, image_message):
    message = image_message(random_table(encoding, 5, 5), encoding, 5, 5)
    with pytest.raises(ConversionError, match="even width and height"):
        image_to_array(message, "rgb")


@pytest.mark.parametrize(("encoding", "dtype"), [("16UC1", "u2"), ("mono16", "u2"), ("32FC1", "f4")])
@pytest.mark.parametrize("bigendian", [0, 1])
def test_depth_is_read_in_either_byte_order(encoding, dtype, bigendian, image_message):
    depth = np.arange(12, dtype=dtype).reshape(3, 4) * 300
    stored = depth.astype((">" if bigendian else "<") + dtype).view(np.uint8).reshape(3, -1)
    message = image_message(np.pad(stored, ((0, 0), (0, 3))), encoding, 3, 4, bigendian)
    actual = image_to_array(message, "depth")
    assert actual.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(actual, depth)


def test_metres_become_millimetres_and_what_is_no_reading_becomes_zero():
    metres = np.array([[1.2346, 0.0, np.nan, np.inf], [-np.inf, -1.0, 65.5354, 65.6]], np.float32)
    expected = np.array([[1235, 0, 0, 0], [0, 0, 65535, 0]], np.uint16)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(depth_to_millimetres(metres), expected)
    assert depth_to_millimetres(expected) is expected


def test_readings_that_are_all_too_far_are_named_by_their_unit():
    depth = np.full((48, 64), 2013.0, np.float32)
    depth[:24], depth[0, 0] = (np.nan, 5.0)
    with pytest.raises(ConversionError, match=r"^depth is 2013 m in the median: is it in millimetres\?") as caught:
        depth_to_millimetres(depth)
    assert caught.value.code == "implausible"
    depth[40:] = 3.0
    assert np.count_nonzero(depth_to_millimetres(depth)) == 8 * 64 + 1
    assert not depth_to_millimetres(np.full((48, 64), np.inf, np.float32)).any()


def compressed(extension: str, pixels: np.ndarray, format_: str) -> SimpleNamespace:
    ok, data = cv2.imencode(extension, pixels)
    assert ok
    return SimpleNamespace(format=format_, data=data)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("inside", ["", "{}"])
def test_a_compressed_mosaic_has_the_colours_of_the_raw_one(pattern: str, bits: int, inside: str) -> None:
    """As compressed_image_transport sends it; what it has converted itself is no mosaic any more."""
    encoding, red, grey = f"bayer_{pattern}{bits}", np.array([200, 40, 20]), np.full((8, 8), 90, np.uint8)
    mosaic = np.zeros((32, 32), np.uint8)
    for index, colour in enumerate(pattern):
        mosaic[index // 2 :: 2, index % 2 :: 2] = red["rgb".index(colour)]
    stored = mosaic.astype(f"u{bits // 8}") * (257 if bits == 16 else 1)
    message = compressed(".png", stored, f"{encoding}; png compressed {inside.format(encoding)}")
    np.testing.assert_allclose(compressed_image_to_array(message, "rgb")[4:-4, 4:-4] - red, 0, atol=1)
    converted = compressed(".png", grey, f"{encoding}; png compressed mono8")
    np.testing.assert_array_equal(compressed_image_to_array(converted, "rgb"), np.full((8, 8, 3), 90))


@pytest.mark.parametrize(
    ("extension", "format_", "tolerance"),
    [
        (".png", "rgb8; png compressed bgr8", 0),
        (".jpg", "jpeg", 12),
        (".jpg", "rgb8; jpeg compressed bgr8", 12),
    ],
)
def test_compressed_colour_comes_back_as_rgb(extension, format_, tolerance):
    rgb = np.empty((48, 64, 3), np.uint8)
    rgb[:] = (200, 60, 20)
    message = compressed(extension, rgb[..., ::-1], format_)
    actual = compressed_image_to_array(message, "rgb")
    assert actual.shape == rgb.shape
    assert np.abs(actual.astype(int) - rgb).max() <= tolerance
    padded = SimpleNamespace(format=format_, data=np.append(message.data, np.zeros(9, np.uint8)))
    np.testing.assert_array_equal(compressed_image_to_array(padded, "rgb"), actual)


def test_depth_of_a_plain_png_keeps_its_16_bits():
    depth = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300
    message = compressed(".png", depth, "16UC1; png compressed ")
    np.testing.assert_array_equal(compressed_image_to_array(message, "depth"), depth)


def test_compressed_depth_in_millimetres_has_a_header_before_its_png():
    depth = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300
    png = cv2.imencode(".png", depth)[1].tobytes()
    message = SimpleNamespace(format="16UC1; compressedDepth png", data=struct.pack("<iff", 0, 0, 0) + png)
    np.testing.assert_array_equal(compressed_image_to_array(message, "depth"), depth)


def test_compressed_depth_in_metres_is_inverse_depth_quantised():
    metres = np.array([[0.5, 1.0, 2.0, 4.0, np.nan]], np.float32)
    quantum = 100.0 * 101.0  # image_transport: depth_quantization · (depth_quantization + 1)
    offset = 1.0 - quantum / 10.0  # so that 10 m, its depth_max, is stored as 1
    stored = np.where(np.isnan(metres), 0, np.rint(quantum / metres + offset)).astype(np.uint16)
    data = struct.pack("<iff", 1, quantum, offset) + cv2.imencode(".png", stored)[1].tobytes()
    actual = compressed_image_to_array(SimpleNamespace(format="32FC1; compressedDepth", data=data), "depth")
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, metres, rtol=1e-3)


def rvl(depth: np.ndarray) -> bytes:
    """RVL as Wilson's paper has it, number by number."""
    nibbles: list[int] = []

    def write(value: int) -> None:
        while value >= 8:
            nibbles.append(value & 7 | 8)
            value >>= 3
        nibbles.append(value)

    previous = 0
    pixels = depth.reshape(-1).tolist()
    while pixels:
        zeros = list(itertools.takewhile(lambda value: value == 0, pixels))
        values = list(itertools.takewhile(lambda value: value != 0, pixels[len(zeros) :]))
        write(len(zeros))
        write(len(values))
        for value in values:
            difference = value - previous
            write(2 * difference if difference >= 0 else -2 * difference - 1)
            previous = value
        pixels = pixels[len(zeros) + len(values) :]
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{nibble:x}" for nibble in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack(f"<{len(words)}I", *words)


@given(arrays(np.uint16, (3, 4), elements=st.sampled_from([0, 0, 1, 2, 700, 65535])))
def test_rvl_depth_is_what_was_compressed(depth):
    message = SimpleNamespace(format="16UC1; compressedDepth rvl", data=RVL_HEAD + rvl(depth))
    np.testing.assert_array_equal(compressed_image_to_array(message, "depth"), depth)
    head = struct.pack("<iffII", 1, 100.0, 0.0, 4, 3)
    metres = SimpleNamespace(format="32FC1; compressedDepth rvl", data=head + rvl(depth))
    expected = np.where(depth == 0, np.nan, 100 / np.maximum(depth, 1).astype(np.float32))
    np.testing.assert_allclose(compressed_image_to_array(metres, "depth"), expected, rtol=1e-6)


def test_an_encoding_without_colours_needs_to_be_told_them(image_message):
    rgb = np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8)
    message = image_message(np.ascontiguousarray(rgb[..., ::-1]).reshape(4, 18), "8UC3", 4, 6)
    with pytest.raises(ConversionError, match=r"does not say its colours; set the parameter `encoding`"):
        image_to_array(message, "rgb")
    np.testing.assert_array_equal(image_to_array(message, "rgb", encoding="bgr8"), rgb)
    with pytest.raises(ConversionError, match="'8UC3' cannot be 'mono8', which is 8UC1"):
        image_to_array(message, "rgb", encoding="mono8")
    message.encoding = "bgr8"
    np.testing.assert_array_equal(image_to_array(message, "rgb", encoding="rgb8"), rgb)  # its own word counts


@pytest.mark.parametrize("encoding", ["nv24", "yuv444", "YUYV", "mjpeg", "", "16UC2", "8UC5", "32FC1", "16SC1"])
def test_the_parameter_is_advised_only_where_it_helps(image_message, encoding):
    message = image_message(np.zeros((4, 18), np.uint8), encoding, 4, 6)
    with pytest.raises(ConversionError) as error:
        image_to_array(message, "rgb")
    assert str(error.value).startswith(f"encoding {encoding!r} is not supported; publish one of rgb8, bgr8")


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@given(keep=st.floats(0, 0.999))
def test_a_truncated_compressed_image_is_refused(extension, keep):
    rgb = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    message = compressed(extension, rgb, extension[1:])
    message.data = message.data[: int(keep * len(message.data))]
    with pytest.raises(ConversionError, match=rf"{len(message.data)} bytes\) is truncated"):
        compressed_image_to_array(message, "rgb")


@pytest.mark.parametrize(
    ("format_", "data", "kind", "text"),
    [
        ("16UC1; compressedDepth rvl", b"\0" * 15, "depth", "truncated: 3 bytes"),
        ("16UC1; compressedDepth rvl", b"\0" * 40, "depth", "image is empty: 0×0"),
        (
            "16UC1; compressedDepth rvl",
            RVL_HEAD + b"\0" * 4,
            "depth",
            "of 12 pixels is truncated: 4 bytes have 0 pixels",
        ),
        ("16UC1; compressedDepth rvl", RVL_HEAD + b"\0\0\0\x77", "depth", "is damaged: a run of 7 at pixel 7"),
        ("16UC1; compressedDepth rvl", RVL_HEAD + b"\xff" * 8, "depth", "truncated"),
        ("16UC1; compressedDepth rvl", RVL_HEAD + b"\xff" * 8 + b"\0" * 4, "depth", "more than 11 nibbles"),
        ("16UC1; compressedDepth png", b"\0" * 12, "depth", "truncated: 12 bytes"),
        ("16UC1; compressedDepth png", b"\0" * 40, "depth", "truncated"),
        ("mono8; compressedDepth png", b"\0" * 40, "depth", "expected 16UC1 or 32FC1"),
        ("16UC1; compressedDepth png", b"\0" * 40, "rgb", "configure this topic as a depth stream"),
        ("jpeg", b"", "rgb", "truncated"),
        ("png", b"\x89PNGIEND\xaeB`\x82", "rgb", "neither JPEG nor PNG"),
        ("bmp", b"BM" + b"\xff" * 60 + b"\xff\xd9", "rgb", "neither JPEG nor PNG"),
        ("pam", b"P7\nWIDTH 65535\nHEIGHT 65535\nDEPTH 4\nMAXVAL 255\nENDHDR\n\xff\xd9", "rgb", "neither JPEG nor PNG"),
    ],
)
def test_what_cannot_be_decompressed_is_refused_with_the_remedy(format_, data, kind, text):
    with pytest.raises(ConversionError, match=text):
        compressed_image_to_array(SimpleNamespace(format=format_, data=data), kind)


def test_depth_that_was_compressed_as_a_picture_is_refused():
    message = compressed(".jpg", np.zeros((8, 8), np.uint8), "mono8; jpeg compressed")
    with pytest.raises(ConversionError, match=r"uint8 .*compress depth with compressedDepth"):
        compressed_image_to_array(message, "depth")


def with_size(data: bytes, width: int, height: int) -> bytes:
    """A compressed picture whose header claims another size."""
    if data.startswith(b"\x89PNG"):
        header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize(("width", "height"), [(65535, 65535), (16384, 16384), (1, 65535), (65535, 1000), (0, 5)])
def test_a_picture_is_bounded_by_its_header_before_it_is_decoded(extension, width, height, monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded")

    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    message = compressed(extension, rgb, extension[1:])
    message.data = with_size(bytes(message.data), width, height)
    monkeypatch.setattr(cv2, "imdecode", refuse)
    with pytest.raises(ConversionError, match=rf"{width}×{height}"):
        compressed_image_to_array(message, "rgb", max_pixels=65534)


@pytest.mark.parametrize("claimed", [0xFFFFFFFF, 0x7FFFFFFF, 10_000])
@pytest.mark.parametrize("name", [b"IHDR", b"IDAT", b"IEND"])
def test_a_png_chunk_that_claims_more_than_there_is_is_refused_before_it_is_decoded(name, claimed, monkeypatch):
    """OpenCV makes room for it: 4 GB for a message of 200 bytes."""
    message = compressed(".png", np.zeros((16, 16, 3), np.uint8), "png")
    data = bytes(message.data)
    at = data.index(name) - 4
    message.data = data[:at] + struct.pack(">I", claimed) + data[at + 4 :]
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ConversionError, match="is truncated"):
        compressed_image_to_array(message, "rgb")


def test_a_raw_picture_is_bounded_too(image_message):
    with pytest.raises(ConversionError, match="4×4 has more than 15 pixels"):
        image_to_array(image_message(random_table("rgb8", 4, 4), "rgb8", 4, 4), "rgb", max_pixels=15)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("tail", [b"\0" * 5000, b"driver's own bytes", b"\xff\xd9"])
def test_what_comes_after_the_end_of_a_picture_does_no_harm(extension, tail):
    """Many camera drivers pad their JPEGs."""
    rgb = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    message = compressed(extension, rgb, extension[1:])
    expected = compressed_image_to_array(message, "rgb")
    message.data = bytes(message.data) + tail
    np.testing.assert_array_equal(compressed_image_to_array(message, "rgb"), expected)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("kind", ["rgb", "depth"])
@given(changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_mutated_picture_is_pixels_or_a_conversion_error(extension, kind, changes):
    rgb = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    message = compressed(extension, rgb, extension[1:])
    data = bytearray(message.data)
    for place, value in changes:
        data[place % len(data)] = value
    message.data = bytes(data)
    try:
        pixels = compressed_image_to_array(message, kind, max_pixels=10_000)
    except ConversionError:
        return
    assert pixels.shape[0] * pixels.shape[1] <= 10_000


@pytest.mark.parametrize("text", ["x" * 10**6, "\n" * 10**6])
def test_the_text_of_an_error_is_readable_however_long_what_it_quotes(text, image_message):
    message = image_message(random_table("rgb8", 4, 4), "rgb8", 4, 4)
    message.encoding = text
    compressed_message = SimpleNamespace(format=text, data=b"")
    for kind in ("rgb", "depth"):
        for read in (partial(image_to_array, message), partial(compressed_image_to_array, compressed_message)):
            with pytest.raises(ConversionError) as error:
                read(kind)
            assert len(str(error.value)) <= 500
