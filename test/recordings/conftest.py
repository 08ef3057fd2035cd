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

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import lz4.frame
import numpy as np
import pytest

from mumu_ros.cli import main
from mumu_ros.conversions import array_to_image, array_to_imu
from mumu_ros.recordings import RecordingWriter
from mumu_ros.recordings.typestore import BagTypes

IMU_PERIOD_NS = 10_000_000
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def mumu() -> Callable[[Sequence[object]], int]:
    """Run a command; its exit status."""
    return lambda arguments: main([str(argument) for argument in arguments])


@pytest.fixture
def write_recording() -> Callable[..., list[tuple[str, int]]]:
    """Write IMU samples at 100 Hz and images at 20 Hz; the (topic, stamp) of every message in order."""

    def write(path: Path, storage: str = "mcap", samples: int = 100) -> list[tuple[str, int]]:
        rng = np.random.default_rng(0)
        rows = []
        with RecordingWriter(path, storage) as writer:
            for index in range(samples):
                stamp_ns = START_NS + index * IMU_PERIOD_NS
                imu = array_to_imu(np.full((2, 3), float(index)), stamp_ns, "wrist", writer.types)
                writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, stamp_ns)
                rows.append(("/imu/wrist", stamp_ns))
                if index % 5 == 0:
                    pixels = rng.integers(0, 255, (60, 80, 3), np.uint8)
                    image = array_to_image(pixels, stamp_ns, "camera", writer.types)
                    writer.write("/camera", "sensor_msgs/msg/Image", image, stamp_ns + 1)
                    rows.append(("/camera", stamp_ns + 1))
        return rows

    return write


MAGIC = b"\x89MCAP0\r\n"
PLAIN = {"": bytes, "lz4": lz4.frame.compress}


def text(data: str | bytes) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def record(opcode: int, content: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(content)) + content


@pytest.fixture(scope="session")
def mcap_bytes_of() -> Callable[..., bytes]:
    """An MCAP file made by hand, of channels that rosbags would not write.

    `channels`: topic, schema (name, encoding, data) or None, message encoding, and (log time, data) of its messages.
    `compression`: of chunks; None: messages lie outside chunks. `summary`: whether there is one at the end. `checked`:
    whether there are checksums.
    """

    def write(
        channels: Sequence[tuple[str, tuple[str, str, bytes] | None, str, Sequence[tuple[int, bytes]]]],
        compression: str | None = "",
        summary: bool = True,
        chunk: int = 10,
        checked: bool = True,
    ) -> bytes:
        described, rows = b"", []
        for number, (topic, schema, serialization, messages) in enumerate(channels, start=1):
            if schema:
                name, encoding, data = schema
                described += record(3, struct.pack("<H", number) + text(name) + text(encoding) + text(data))
            head = struct.pack("<HH", number, number if schema else 0)
            described += record(4, head + text(topic) + text(serialization) + text(b""))
            rows += [(log_ns, number, data) for log_ns, data in messages]
        rows.sort(key=lambda row: row[0])
        body, indices, at = described if compression is None else b"", b"", 0
        for first in range(0, len(rows), chunk):
            part = rows[first : first + chunk]
            plain = b"" if compression is None or first else described
            plain += b"".join(record(5, struct.pack("<HIQQ", n, 0, t, t) + data) for t, n, data in part)
            if compression is None:
                body += plain
                continue
            packed = PLAIN[compression](plain)
            times = struct.pack("<QQ", part[0][0], part[-1][0])
            sizes = struct.pack("<QI", len(plain), zlib.crc32(plain) * checked)
            at = len(MAGIC) + len(record(1, text("ros2") + text("hand"))) + len(body)
            whole = record(6, times + sizes + text(compression) + struct.pack("<Q", len(packed)) + packed)
            offsets = b"".join(struct.pack("<HQ", n, 0) for n in sorted({n for _, n, _ in part}))
            where = struct.pack("<QQ", at, len(whole)) + text(offsets) + struct.pack("<Q", 0)
            indices += record(8, times + where + text(compression) + struct.pack("<QQ", len(packed), len(plain)))
            body += whole
        file = MAGIC + record(1, text("ros2") + text("hand")) + body + record(15, bytes(4))
        if not summary:
            return file + record(2, bytes(20)) + MAGIC
        counts = b"".join(struct.pack("<HQ", n, len(rows)) for n, (*_, rows) in enumerate(channels, start=1))
        chunks = 0 if compression is None else -(-len(rows) // chunk)
        numbers = struct.pack("<QHIIIIQQ", len(rows), len(channels), len(channels), 0, 0, chunks, 0, 0)
        end = described + indices + record(11, numbers + text(counts))
        footer = struct.pack("<BQQQ", 2, 20, len(file), 0)
        return file + end + footer + struct.pack("<I", zlib.crc32(end + footer) * checked) + MAGIC

    return write


@pytest.fixture(scope="session")
def imu_channel() -> Callable[..., tuple[str, tuple[str, str, bytes], str, list[tuple[int, bytes]]]]:
    """A channel for `mcap_bytes_of`: an IMU at 100 Hz whose values count."""
    types = BagTypes()
    name = "sensor_msgs/msg/Imu"
    definition, _ = types.typestore.generate_msgdef(name, ros_version=2)

    def make(
        topic: str = "/imu", samples: int = 50
    ) -> tuple[str, tuple[str, str, bytes], str, list[tuple[int, bytes]]]:
        rows = []
        for index in range(samples):
            stamp_ns = START_NS + index * IMU_PERIOD_NS
            message = array_to_imu(np.full((2, 3), float(index)), stamp_ns, "wrist", types)
            rows.append((stamp_ns, bytes(types.typestore.serialize_cdr(message, name))))
        return topic, (name, "ros2msg", definition.encode()), "cdr", rows

    return make
