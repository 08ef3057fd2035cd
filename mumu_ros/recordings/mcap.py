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

"""MCAP files (https://mcap.dev/spec), read by part: what is damaged or foreign costs nothing but itself.

rosbags' own reader refuses a whole file for one channel that it does not know.
"""

from __future__ import annotations

import heapq
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import lz4.frame

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.storage import (
    LONGEST_LOG_NS,
    Channel,
    ClockWatch,
    DamageError,
    Row,
    Span,
    from_zstd,
    is_latched,
)
from mumu_ros.streams.stamps import JUMP_NS

__all__ = ["McapStorage"]

_MAGIC = b"\x89MCAP0\r\n"
# A record is opcode, length and content.
_RECORD = struct.Struct("<BQ")
_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _CHUNK_INDEX, _STATISTICS, _DATA_END = 2, 3, 4, 5, 6, 8, 11, 15
_MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publication time
_CHUNK_HEAD = struct.Struct("<QQQI")  # first and last log time, plain size, its CRC-32
_INDEX_HEAD = struct.Struct("<QQQQ")  # first and last log time, offset and length of the chunk's record
_FOOTER_BODY = struct.Struct("<QQI")  # where the summary begins, and its second part; its CRC-32
_STATISTICS_HEAD = struct.Struct("<QHIIIIQQ")  # messages, schemas, channels, attachments, metadata, chunks, times
_COUNT = struct.Struct("<HQ")
_FORMATS = {"omgidl": "ros2idl"}
_MAX_CHUNK = 1 << 30
_RUN = 1 << 20
"""Messages outside chunks are taken together up to so many bytes."""


@dataclass(frozen=True)
class _Block:
    """Messages that are read together: a chunk, or a run of messages outside chunks."""

    offset: int
    length: int
    start_ns: int
    end_ns: int
    is_chunk: bool
    channels: frozenset[int] = frozenset()  # Empty: not known.


@dataclass
class _Index:
    """What a file holds, from its summary or from a look at everything."""

    schemas: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)
    channels: dict[int, tuple[int, str, str, bool]] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    blocks: list[_Block] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def note(self, opcode: int, content: bytes) -> None:
        """Take in a schema or a channel."""
        if opcode == _SCHEMA:
            (number,) = struct.unpack_from("<H", content)
            name, at = _bytes(content, 2)
            encoding, at = _bytes(content, at)
            self.schemas[number] = (_text(name), _text(encoding), _bytes(content, at)[0])
        elif opcode == _CHANNEL:
            number, schema = struct.unpack_from("<HH", content)
            topic, at = _bytes(content, 4)
            encoding, at = _bytes(content, at)
            # The rest is the metadata, with the QoS profiles.
            self.channels[number] = (schema, _text(topic), _text(encoding), is_latched(_text(content[at:])))

    def listed(self) -> list[Channel]:
        """The channels with their schemas."""
        found = []
        for number, (schema, topic, serialization, latched) in sorted(self.channels.items()):
            type_name, encoding, definition = self.schemas.get(schema, ("", "", b""))
            encoding = _FORMATS.get(encoding, encoding)
            text = _text(definition) if encoding in ("ros2msg", "ros2idl") else ""
            count = self.counts[number]
            found.append(Channel(number, topic, type_name, serialization, text, encoding, count, latched))
        return found


class McapStorage:
    """An MCAP file; see `Storage`. What a recorder that was killed left is read as far as its records are whole."""

    def __init__(self, path: Path) -> None:
        """Open and index a file.

        Raises:
            RecordingError: It is no MCAP, or holds no whole record.
        """
        self._path = path
        self._file: BinaryIO = path.open("rb")
        try:
            self._size = path.stat().st_size
            if (magic := self._file.read(len(_MAGIC))) != _MAGIC:
                raise RecordingError(f"{path} is no MCAP: it begins with {magic!r}")
            index = self._from_summary() or self._from_records()
        except BaseException:
            self._file.close()
            raise
        self.channels: Sequence[Channel] = index.listed()
        self.problems = index.problems
        if unknown := sum(count for channel, count in index.counts.items() if channel not in index.channels):
            self.problems.append(f"{path}: nothing says what {unknown} messages are; they are not read")
        self._blocks = sorted(index.blocks, key=lambda block: block.offset)
        self.start_ns = min((block.start_ns for block in self._blocks), default=0)
        self.end_ns = max((block.end_ns for block in self._blocks), default=0)
        # Where parts begin, and the end: block in the order of writing, and message of it.
        self._edges = [(0, 0), (len(self._blocks), 0)]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def divide(self, before: Span) -> list[Span]:
        """See `Storage`."""
        watch, last_ns = ClockWatch[tuple[int, int]](), 0
        for number, block in enumerate(self._blocks):
            # Most are too short to hold such a place, and need no decompression.
            is_open = max(block.end_ns, last_ns) - block.start_ns > JUMP_NS
            last_ns = block.end_ns
            if block.channels and not is_open:
                watch.skip(block.channels, block.start_ns, block.end_ns)
                continue
            for row, (channel, log_ns, _) in enumerate(self._rows(block)):
                watch.take((number, row), channel, log_ns)
        places, spans = watch.places(self._path, self.problems, before)
        self._edges = [(0, 0), *places, (len(self._blocks), 0)]
        return spans

    def _blocks_of(self, part: int) -> Iterator[tuple[_Block, slice]]:
        """The blocks of a part by their first log time, and which of their messages are of it."""
        begin, end = self._edges[part : part + 2]
        numbers = range(begin[0], end[0] + (end[1] > 0))
        for number in sorted(numbers, key=lambda number: self._blocks[number].start_ns):
            first, behind = (edge[1] if edge[0] == number else None for edge in (begin, end))
            yield self._blocks[number], slice(first, behind)

    def messages(self, channels: Collection[int], start_ns: int, part: int = 0) -> Iterator[Row]:
        """Yield a part's messages of channels from a log time on, by their log times; what is damaged is left out."""
        waiting: list[tuple[int, int, int, bytes]] = []
        order = 0
        for block, rows in self._blocks_of(part):
            if block.end_ns < start_ns or (block.channels and block.channels.isdisjoint(channels)):
                continue
            # Nothing that is still to come is earlier than these.
            while waiting and waiting[0][0] < block.start_ns:
                log_ns, _, channel, data = heapq.heappop(waiting)
                yield channel, log_ns, data
            for channel, log_ns, data in islice(self._rows(block), rows.start, rows.stop):
                if channel in channels and log_ns >= start_ns:
                    order += 1
                    heapq.heappush(waiting, (log_ns, order, channel, data))
        while waiting:
            log_ns, _, channel, data = heapq.heappop(waiting)
            yield channel, log_ns, data

    def _rows(self, block: _Block) -> Iterator[Row]:
        try:
            content = self._content(block)
            for opcode, record in _records(content):
                if opcode == _MESSAGE:
                    channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(record)
                    if log_ns > LONGEST_LOG_NS:
                        raise DamageError(f"a message has log time {log_ns}")
                    yield channel, log_ns, bytes(record[_MESSAGE_HEAD.size :])
        except (DamageError, struct.error) as error:
            self.problems.append(f"{self._path} is damaged at byte {block.offset}: {error}; the rest is read")

    def _content(self, block: _Block) -> bytes:
        """The records of a block."""
        if not block.is_chunk:
            return self._at(block.offset, block.length)
        opcode, length = _RECORD.unpack(self._at(block.offset, _RECORD.size))
        if opcode != _CHUNK or length != block.length - _RECORD.size:
            raise DamageError("no chunk is where the summary says one")
        return _plain(self._at(block.offset + _RECORD.size, length))

    def _at(self, offset: int, length: int) -> bytes:
        if offset + length > self._size:
            raise DamageError(f"it should go on until byte {offset + length}, the file has {self._size}")
        try:
            self._file.seek(offset)
            data = self._file.read(length)
        except (OSError, OverflowError, MemoryError) as error:  # Of the disk, for one.
            raise DamageError(str(error)) from error
        if len(data) != length:
            raise DamageError(f"{len(data)} of {length} bytes can be read")
        return data

    def _from_summary(self) -> _Index | None:
        """What the end of the file says of it; None if that is not there or not whole."""
        index = _Index()
        tail = _RECORD.size + _FOOTER_BODY.size
        try:
            footer = self._at(self._size - tail - len(_MAGIC), tail)
            start, _, crc = _FOOTER_BODY.unpack_from(footer, _RECORD.size)
            end = self._size - tail - len(_MAGIC)
            if footer[0] != _FOOTER or not len(_MAGIC) < start < end:
                return None
            summary = self._at(start, end - start)
            if crc and zlib.crc32(summary + footer[:-4]) != crc:
                return None
            messages, channels, chunks = _summarised(index, summary)
        except (DamageError, struct.error, OSError, ValueError):
            return None
        whole = len(index.channels) == channels and len(index.blocks) == chunks and index.counts.total() == messages
        # Where messages lie outside chunks, the summary does not say where.
        return (
            index if whole and index.counts.keys() <= index.channels.keys() and bool(chunks) == bool(messages) else None
        )

    def _from_records(self) -> _Index:
        """What a look at every record says."""
        index = _Index()
        position = len(_MAGIC)
        run: list[tuple[int, int]] = []  # Offsets and log times of messages outside chunks.
        while position + _RECORD.size <= self._size:
            opcode, length = _RECORD.unpack(self._at(position, _RECORD.size))
            end = position + _RECORD.size + length
            # A zero opcode is no record: file systems pad what was not written when the power failed.
            if end > self._size or opcode in (0, _FOOTER, _DATA_END):
                break
            if run and (opcode != _MESSAGE or end - run[0][0] > _RUN):
                index.blocks.append(_run_block(run, position))
                run = []
            try:
                if opcode == _MESSAGE:
                    channel, _, log_ns, _ = _MESSAGE_HEAD.unpack(self._at(position + _RECORD.size, _MESSAGE_HEAD.size))
                    index.counts[channel] += 1
                    run.append((position, min(log_ns, LONGEST_LOG_NS)))
                elif opcode == _CHUNK:
                    self._look_into(index, position, length)
                elif opcode in (_SCHEMA, _CHANNEL):
                    index.note(opcode, self._at(position + _RECORD.size, length))
            except (DamageError, struct.error) as error:
                index.problems.append(f"{self._path} is damaged at byte {position}: {error}; the rest is read")
            position = end
        if run:
            index.blocks.append(_run_block(run, position))
        if position == len(_MAGIC):
            raise RecordingError(f"{self._path} holds no whole MCAP record")
        if self._at(self._size - len(_MAGIC), len(_MAGIC)) != _MAGIC:
            index.problems.append(f"{self._path} is truncated: its last {self._size - position} bytes are not read")
        return index

    def _look_into(self, index: _Index, position: int, length: int) -> None:
        """Take in what a chunk holds."""
        counts: Counter[int] = Counter()
        first_ns, last_ns = LONGEST_LOG_NS, 0
        try:
            for opcode, record in _records(_plain(self._at(position + _RECORD.size, length))):
                if opcode == _MESSAGE:
                    channel, _, log_ns, _ = _MESSAGE_HEAD.unpack_from(record)
                    counts[channel] += 1
                    first_ns, last_ns = min(first_ns, log_ns), max(last_ns, min(log_ns, LONGEST_LOG_NS))
                else:
                    index.note(opcode, bytes(record))
        finally:  # What comes before damage is read.
            if counts:
                index.counts.update(counts)
                where = (position, _RECORD.size + length)
                index.blocks.append(_Block(*where, first_ns, last_ns, True, frozenset(counts)))


def _summarised(index: _Index, summary: bytes) -> tuple[int, int, int]:
    """Read a summary into an index; how many messages, channels and chunks its statistics say there are."""
    totals = (-1, -1, -1)
    for opcode, view in _records(summary):
        content = bytes(view)
        index.note(opcode, content)
        if opcode == _CHUNK_INDEX:
            start_ns, end_ns, offset, length = _INDEX_HEAD.unpack_from(content)
            offsets, _ = _bytes(content, _INDEX_HEAD.size)
            channels = frozenset(channel for channel, _ in _COUNT.iter_unpack(offsets))
            index.blocks.append(_Block(offset, length, start_ns, min(end_ns, LONGEST_LOG_NS), True, channels))
        elif opcode == _STATISTICS:
            messages, _, channel_count, _, _, chunks, _, _ = _STATISTICS_HEAD.unpack_from(content)
            counts, _ = _bytes(content, _STATISTICS_HEAD.size)
            index.counts = Counter({channel: count for channel, count in _COUNT.iter_unpack(counts) if count})
            totals = (messages, channel_count, chunks)
    return totals


def _records(content: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield opcode and content of each record."""
    view, at = memoryview(content), 0
    while at < len(content):
        opcode, length = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        if at + length > len(content):
            raise DamageError(f"a record of {length} bytes has {len(content) - at}")
        yield opcode, view[at : at + length]
        at += length


def _plain(chunk: bytes) -> bytes:
    """The records of a chunk record's content."""
    _, _, size, crc = _CHUNK_HEAD.unpack_from(chunk)
    name, at = _bytes(chunk, _CHUNK_HEAD.size)
    compression = _text(name)
    (length,) = struct.unpack_from("<Q", chunk, at)
    data = chunk[at + 8 : at + 8 + length]
    if size > _MAX_CHUNK:
        raise DamageError(f"a chunk of {size} bytes is larger than any recorder's")
    if compression == "zstd":
        data = from_zstd(data, size)
    elif compression == "lz4":
        data = _from_lz4(data, size)
    elif compression:
        raise DamageError(f"compression {compression!r} is unknown; expected zstd or lz4")
    if len(data) != size or (crc and zlib.crc32(data) != crc):
        raise DamageError("its length or checksum is wrong")
    return data


def _from_lz4(data: bytes, size: int) -> bytes:
    try:
        plain: bytes = lz4.frame.LZ4FrameDecompressor().decompress(data, size)
    except (RuntimeError, EOFError, MemoryError) as error:
        raise DamageError(f"lz4: {error}") from error
    return plain


def _run_block(run: list[tuple[int, int]], end: int) -> _Block:
    times = [log_ns for _, log_ns in run]
    return _Block(run[0][0], end - run[0][0], min(times), max(times), False)


def _bytes(content: bytes, at: int) -> tuple[bytes, int]:
    """The length-prefixed bytes at an offset, and the offset behind them."""
    (length,) = struct.unpack_from("<I", content, at)
    end = at + 4 + length
    if end > len(content):
        raise DamageError(f"a text of {length} bytes has {len(content) - at - 4}")
    return content[at + 4 : end], end


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
