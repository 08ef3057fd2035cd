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
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mumu_ros.streams.stamps import FOREVER_NS, JUMP_NS, NS_PER_S

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

__all__ = [
    "LONGEST_LOG_NS",
    "NO_SPAN",
    "SQLITE_ERRORS",
    "ZSTD",
    "Channel",
    "ClockWatch",
    "DamageError",
    "Row",
    "Span",
    "Storage",
    "from_zstd",
    "is_latched",
    "is_set_back",
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

PlaceT = TypeVar("PlaceT")
Row = tuple[int, int, bytes]
"""Channel, log time in nanoseconds, data."""
Span = tuple[int, int]
"""First and last log time."""
NO_SPAN: Span = (FOREVER_NS, 0)


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

    def divide(self, before: Span) -> list[Span]:
        """Find the parts of the file, after a look at what its log times leave open; without it, the file is one part.

        A part begins where the recorder's clock was set back: the same log times mean other moments there.

        Args:
            before: Span of the files before by the clock of this one.

        Returns:
            Of each part, in the order of writing.
        """

    def messages(self, channels: Collection[int], start_ns: int, part: int = 0) -> Iterator[Row]:
        """Yield a part's messages of channels from a log time on, by their log times; what is damaged is left out."""

    def close(self) -> None:
        """Close the file."""


class ClockWatch(Generic[PlaceT]):
    """Finds, of log times in the order of writing, those before which the recorder's clock was set back.

    There a channel's log time is more than `JUMP_NS` before its last two: one wrong log time is no such place, nor is
    where another channel begins in a file that was written channel by channel. Neither is a fall after which no time
    comes twice: in the order of log time nothing is mixed there.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}
        self._falls: list[tuple[PlaceT, int, int]] = []
        self._spans = [NO_SPAN]  # of the parts between falls
        self._before_ns = 0
        self._since: PlaceT | None = None  # where log times of any channel fell and stayed

    def take(self, place: PlaceT, channel: int, log_ns: int) -> None:
        """Take in a message."""
        if abs(log_ns - self._before_ns) > JUMP_NS:
            self._since = place if log_ns < self._before_ns else None
        self._before_ns = log_ns
        older_ns, last_ns = self._last.get(channel, (0, 0))
        if min(older_ns, last_ns) - log_ns > JUMP_NS:
            self._falls.append((place if self._since is None else self._since, last_ns - log_ns, log_ns))
            self._spans.append(NO_SPAN)
            self._last, last_ns = {}, 0
        self._last[channel] = (last_ns, log_ns)
        self._widen(log_ns, log_ns)

    def skip(self, channels: Collection[int], start_ns: int, end_ns: int) -> None:
        """Take in messages of channels of which no more is known than that they are from then until then."""
        self._last.update(dict.fromkeys(channels, (start_ns, start_ns)))
        self._widen(start_ns, end_ns)
        self._before_ns, self._since = end_ns, None

    def places(self, path: Path, problems: list[str], before: Span) -> tuple[list[PlaceT], list[Span]]:
        """The places in a file after others (see `Storage.divide`), and the spans of the parts that they divide it
        into; `problems` gets a sentence for each place, and for a fall before the file.
        """
        found: list[PlaceT] = []
        spans = [self._spans[0]]
        if is_set_back(before, spans[0]):
            problems.append(_fallen(path, before[1] - spans[0][0], spans[0][0]))
            before = NO_SPAN
        known = _union(before, spans[0])
        for (place, by_ns, log_ns), span in zip(self._falls, self._spans[1:], strict=True):
            if span[0] >= known[1] or span[1] <= known[0]:
                known, spans[-1] = _union(known, span), _union(spans[-1], span)
                continue
            found.append(place)
            spans.append(span)
            known = span
            problems.append(_fallen(path, by_ns, log_ns))
        return found, spans

    def _widen(self, start_ns: int, end_ns: int) -> None:
        self._spans[-1] = _union(self._spans[-1], (start_ns, end_ns))


def is_set_back(before: Span, span: Span) -> bool:
    """Whether the recorder's clock was set back between two files: times come twice, not only those of the end."""
    return span[0] < before[1] - JUMP_NS and span[1] > before[0]


def _union(one: Span, other: Span) -> Span:
    return min(one[0], other[0]), max(one[1], other[1])


def _fallen(path: Path, by_ns: int, log_ns: int) -> str:
    return (
        f"{path}: the recorder's clock was set back by {by_ns / NS_PER_S:.1f} s, to {log_ns} ns; what was written from "
        "there on is read after the rest"
    )


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
