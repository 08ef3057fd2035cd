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

"""What the storage files of a recording have in common."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

__all__ = [
    "LONGEST_LOG_NS",
    "SQLITE_ERRORS",
    "ZSTD",
    "Channel",
    "DamageError",
    "Row",
    "Storage",
    "from_zstd",
    "is_latched",
]

ZSTD = b"\x28\xb5\x2f\xfd"
"""What begins everything that zstd compressed; no CDR message begins so."""
LONGEST_LOG_NS = 2**63 - 1
"""The last log time that rosbag2 can write."""
SQLITE_ERRORS = (sqlite3.Error, ValueError, OverflowError, MemoryError)
"""What Python's sqlite3 raises on a damaged file: its error texts may be not UTF-8, numbers too large for it."""
_MAX_BYTES = 1 << 30
_LATCHED = re.compile(r"durability['\"]?: *['\"]?(1\b|transient_local)")
"""In offered QoS profiles: a number before Jazzy."""

Row = tuple[int, int, bytes]
"""Channel, log time in nanoseconds, data."""


class DamageError(Exception):
    """A part of a storage file cannot be read; the text says why."""


@dataclass(frozen=True)
class Channel:
    """A topic of a storage file, as one publisher offered it.

    Attributes:
        id: Its number in the file.
        topic: Its name.
        type_name: Its ROS type.
        serialization: Of its messages; "cdr" is what ROS 2 writes.
        definition: What the type looks like.
        definition_format: "ros2msg" or "ros2idl"; empty: there is no definition. Others cannot be used.
        count: Number of its messages, as the file says.
        is_latched: Whether a publisher kept its messages for late subscribers (transient local).
    """

    id: int
    topic: str
    type_name: str
    serialization: str
    definition: str
    definition_format: str
    count: int
    is_latched: bool


class Storage(Protocol):
    """An open storage file.

    Attributes:
        channels: What is in it.
        start_ns: Log time of its first message; 0 when there is none.
        end_ns: Of its last one.
        problems: What is missing or damaged, a sentence each; reading may add to it.
    """

    channels: Sequence[Channel]
    start_ns: int
    end_ns: int
    problems: list[str]

    def messages(self, channels: Collection[int], start_ns: int) -> Iterator[Row]:
        """Yield the messages of channels from a log time on, by their log times; damaged parts are left out."""

    def close(self) -> None:
        """Close the file."""


def is_latched(offered_qos: str) -> bool:
    """Whether one of these QoS profiles, as rosbag2 writes them, is transient local."""
    return bool(_LATCHED.search(offered_qos))


def from_zstd(data: bytes, size: int = _MAX_BYTES) -> bytes:
    """Return what was compressed, `size` bytes at most.

    Raises:
        DamageError: It is damaged, cut short or longer than that.
    """
    most, plain = min(size, _MAX_BYTES), b""
    while data:
        decompressor = ZstdDecompressor()
        try:
            plain += decompressor.decompress(data, most - len(plain) + 1)
        except (ZstdError, MemoryError) as error:
            raise DamageError(f"zstd: {error}") from error
        if len(plain) > most:
            raise DamageError(f"what zstd compressed is longer than the {most} bytes that were expected")
        if not decompressor.eof:
            raise DamageError("what zstd compressed is cut short")
        data = decompressor.unused_data
    return plain
