"""Bring an MCAP file that breaks off to an end that readers accept."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mumu_ros.files import naming
from mumu_ros.recordings.errors import RecordingError

__all__ = ["ClosedMcap", "close_mcap"]

# https://mcap.dev/spec: magic, then records of opcode, length and content; a footer without offsets says that
# there is no summary, so that readers scan the records.
_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")
_HEADER, _FOOTER, _DATA_END = 0x01, 0x02, 0x0F
_EMPTY_FOOTER = _RECORD.pack(_FOOTER, 20) + bytes(20)


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
