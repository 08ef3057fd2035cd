"""Make of a damaged storage file one that readers accept."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mumu_ros.files import naming
from mumu_ros.recordings.errors import RecordingError

__all__ = ["ClosedMcap", "close_mcap", "has_unwritten", "recover_sqlite"]

# https://mcap.dev/spec: magic, then records of opcode, length and content; a footer without offsets says that
# there is no summary, so that readers scan the records.
_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_HEADER, _FOOTER, _DATA_END = 0x01, 0x02, 0x0F
_EMPTY_FOOTER = _RECORD.pack(_FOOTER, 20) + bytes(20)

# https://www.sqlite.org/fileformat.html: big-endian, the size of a page and how many the file should have.
_SQLITE = b"SQLite format 3\0"
_PAGE_SIZE, _PAGE_COUNT = (struct.Struct(">H"), 16), (struct.Struct(">I"), 28)
_BESIDE = ("-wal", "-journal")
_FARTHEST = 2**40


@dataclass(frozen=True)
class ClosedMcap:
    """A copy that ends properly.

    Attributes:
        path: The copy.
        lost_bytes: Length of the last, incomplete record that it leaves out.
    """

    path: Path
    lost_bytes: int


def close_mcap(path: Path, folder: Path) -> ClosedMcap:
    """Copy the whole records of a truncated MCAP file into a folder and end them with a footer.

    The original is not changed; the copy takes as much space as it.

    Raises:
        RecordingError: the file is no MCAP, or holds no whole record.
        OSError: the copy cannot be written; names it.
    """
    size = path.stat().st_size
    with path.open("rb") as source:
        end = _end_of_records(source, size)
        if not end:
            raise RecordingError(f"{path} holds no MCAP record")
        source.seek(0)
        copy = folder / path.name
        with naming(copy), copy.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.truncate(end)
            target.seek(end)
            target.write(_EMPTY_FOOTER + _MAGIC)
    return ClosedMcap(copy, size - end)


def _end_of_records(source: BinaryIO, size: int) -> int:
    """Return the offset after the last whole record of data; 0 when there is none."""
    if source.read(len(_MAGIC)) != _MAGIC:
        return 0
    end = 0
    position = len(_MAGIC)
    while len(head := source.read(_RECORD.size)) == _RECORD.size:
        opcode, length = _RECORD.unpack(head)
        position += _RECORD.size + length
        # A zero opcode is no record: file systems pad what was not written when the power failed.
        if position > size or opcode in (0, _FOOTER, _DATA_END):
            break
        source.seek(position)
        end = position
    return end


def has_unwritten(path: Path) -> bool:
    """Whether a killed recorder left messages beside an sqlite3 file that are not in it yet."""
    logs = [path.with_name(path.name + suffix) for suffix in _BESIDE]
    return path.suffix == ".db3" and any(log.exists() and log.stat().st_size > 0 for log in logs)


def recover_sqlite(path: Path, folder: Path) -> tuple[Path, int]:
    """Copy what can be read of a damaged sqlite3 storage file into a folder.

    What a killed recorder left beside it (a write-ahead log, a journal) is taken into account. Neither is changed.

    Returns:
        The copy, and how many messages it has.

    Raises:
        RecordingError: nothing can be read.
        OSError: the copy cannot be written; names it.
    """
    damaged, copy = folder / f"damaged_{path.name}", folder / path.name
    with naming(damaged):
        shutil.copyfile(path, damaged)
        for suffix in _BESIDE:
            if (beside := path.with_name(path.name + suffix)).exists():
                shutil.copyfile(beside, damaged.with_name(damaged.name + suffix))
        _pad(damaged)
    try:
        with closing(sqlite3.connect(damaged)) as source, closing(sqlite3.connect(copy)) as target:
            messages = 0
            for name, statement in source.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                target.execute(statement)
                for row in _rows(source, name):
                    target.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
                    messages += name == "messages"
            target.commit()
    except sqlite3.OperationalError as error:
        raise OSError(f"cannot write {copy}: {error}") from error
    except sqlite3.Error as error:
        raise RecordingError(f"{path}: {error}") from error
    damaged.unlink()
    return copy, messages


def _pad(path: Path) -> None:
    """Give a file that breaks off its length back: sqlite3 then complains only about the pages that are lost."""
    with path.open("r+b") as file:
        head = file.read(100)
        if len(head) < 100 or not head.startswith(_SQLITE):
            return
        page = _PAGE_SIZE[0].unpack_from(head, _PAGE_SIZE[1])[0]
        length = _PAGE_COUNT[0].unpack_from(head, _PAGE_COUNT[1])[0] * (65536 if page == 1 else page)
        if path.stat().st_size < length:
            file.truncate(length)


def _rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Rows by ascending rowid, passing over those that cannot be read."""
    query = f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid"
    last = 0
    while True:
        try:
            for rowid, *row in source.execute(query, (last,)):
                yield tuple(row)
                last = rowid
        except sqlite3.DatabaseError:
            last = _next_readable(source, query, last)
            if last == _FARTHEST:
                return
        else:
            return


def _next_readable(source: sqlite3.Connection, query: str, last: int) -> int:
    """The first rowid after `last` behind which rows can be read again; _FARTHEST if there is none."""

    def is_readable(rowid: int) -> bool:
        try:
            source.execute(query, (rowid,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    step = 1
    while not is_readable(last + step):
        step *= 2
        if last + step > _FARTHEST:
            return _FARTHEST
    low, high = last + step // 2, last + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_readable(middle) else (middle, high)
    return high
