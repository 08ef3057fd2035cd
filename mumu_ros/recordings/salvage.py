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

"""Turn compressed, damaged or unfinished storage files into readable ones."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mumu_ros.files import naming
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.storage import SQLITE_ERRORS

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError, ZstdFile
else:
    from backports.zstd import ZstdError, ZstdFile

__all__ = ["has_unwritten", "recover_sqlite", "unpack_zstd"]

# https://www.sqlite.org/fileformat.html: big-endian, the size of a page and how many the file should have.
_SQLITE = b"SQLite format 3\0"
_PAGE_SIZE, _PAGE_COUNT = (struct.Struct(">H"), 16), (struct.Struct(">I"), 28)
_BESIDE = ("-wal", "-journal")
_FARTHEST = 2**40
_PIECE = 1 << 20
# Of the tables that are read; what else a file says about itself is not run.
_TABLES = {
    "topics": "id INTEGER PRIMARY KEY, name, type, serialization_format, offered_qos_profiles",
    "message_definitions": "topic_type, encoding, encoded_message_definition",
    "messages": "id INTEGER PRIMARY KEY, topic_id, timestamp, data",
}


def unpack_zstd(path: Path, plain: Path) -> tuple[Path, str]:
    """Decompress a file into another one, as far as it goes.

    Returns:
        The plain file; and why it ends early, empty if it is whole.

    Raises:
        OSError: It cannot be written; names it.
    """
    with path.open("rb") as file, naming(plain), plain.open("wb") as target:
        source = ZstdFile(file)
        while True:
            try:
                piece = source.read1(_PIECE)
            except (ZstdError, EOFError) as error:
                return plain, str(error)
            if not piece:
                return plain, ""
            target.write(piece)


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
    with closing(sqlite3.connect(damaged)) as source, closing(sqlite3.connect(copy)) as target:
        source.text_factory = target.text_factory = lambda data: data.decode(errors="replace")
        try:
            source.execute(
                "PRAGMA writable_schema = ON"
            )  # A damaged line in the table of tables costs that table only.
            found = {name: _columns(source, name) for name in _TABLES}
        except SQLITE_ERRORS as error:
            raise RecordingError(f"{path}: {error}") from error
        if not (found["topics"] and found["messages"]):
            raise RecordingError(f"{path} is no database of rosbag2")
        try:
            for name, columns in found.items():
                target.execute(f"CREATE TABLE {name} ({_TABLES[name]})")
                marks = ", ".join("?" * len(columns))
                insert = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
                if columns:
                    target.executemany(insert, _rows(source, name, columns))
            target.execute("CREATE INDEX timestamp_idx ON messages (timestamp)")
            target.commit()
            (messages,) = target.execute("SELECT COUNT(*) FROM messages").fetchone()
        except sqlite3.Error as error:  # What cannot be read has been passed over.
            raise OSError(f"cannot write {copy}: {error}") from error
    damaged.unlink()
    return copy, messages


def _columns(source: sqlite3.Connection, table: str) -> list[str]:
    """Those that are read, as far as the table has them."""
    wanted = [column.split()[0] for column in _TABLES[table].split(", ")]
    present = {name for _, name, *_ in source.execute(f"PRAGMA table_info({table})")}
    return [column for column in wanted if column in present]


def _pad(path: Path) -> None:
    """Pad a truncated file to its length: sqlite3 then complains only about the pages that are lost."""
    with path.open("r+b") as file:
        head = file.read(100)
        if len(head) < 100 or not head.startswith(_SQLITE):
            return
        page = _PAGE_SIZE[0].unpack_from(head, _PAGE_SIZE[1])[0]
        length = _PAGE_COUNT[0].unpack_from(head, _PAGE_COUNT[1])[0] * (65536 if page == 1 else page)
        if path.stat().st_size < length:
            file.truncate(length)


def _rows(source: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[tuple[object, ...]]:
    """Rows by ascending rowid, passing over those that cannot be read."""
    query = f"SELECT rowid, {', '.join(columns)} FROM {table} WHERE rowid > ? ORDER BY rowid"
    last = 0
    while True:
        try:
            for rowid, *row in source.execute(query, (last,)):
                if rowid > last:  # Damaged tables may go in circles.
                    yield tuple(row)
                    last = rowid
        except SQLITE_ERRORS:
            last = _next_readable(source, query, last)
            if last >= _FARTHEST:
                return
        else:
            return


def _next_readable(source: sqlite3.Connection, query: str, last: int) -> int:
    """The first rowid after `last` behind which rows can be read again; _FARTHEST if there is none."""

    def is_readable(rowid: int) -> bool:
        try:
            source.execute(query, (rowid,)).fetchone()
        except SQLITE_ERRORS:
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
