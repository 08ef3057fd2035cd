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

"""The storage files of a recording, found and opened whatever their state."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.mcap import McapStorage
from mumu_ros.recordings.salvage import has_unwritten, recover_sqlite, unpack_zstd
from mumu_ros.recordings.sqlite import SqliteStorage
from mumu_ros.recordings.storage import ZSTD, Storage

__all__ = ["check_distinct", "is_recording", "list_files", "open_file"]

_KINDS = (".mcap", ".db3")
_ZSTD = ".zstd"


def is_recording(path: Path) -> bool:
    """Whether a path is what `Recording` takes, whole or not: a storage file, or a folder with one or with metadata."""
    if not path.is_dir():
        return bool(_kind(path))
    return (path / "metadata.yaml").is_file() or any(_kind(file) for file in path.iterdir())


def check_distinct(paths: Iterable[Path]) -> None:
    """Refuse a recording that is given twice, also as its folder and its file, or by a link.

    Raises:
        RecordingError: Two have the same storage file.
    """
    given: dict[Path, Path] = {}
    for path in paths:
        files = {file.resolve() for file in list_files(path, (), [])}
        for file in files & given.keys():
            raise RecordingError(f"{path} is given twice: {given[file]} has its {file.name}, too; give it once")
        given |= dict.fromkeys(files, path)


def list_files(path: Path, named: Collection[str], problems: list[str]) -> list[Path]:
    """Find the storage files of a recording; `problems` gets a sentence for each that is missing or not `named`."""
    if not path.is_dir():
        return [path]
    present = {
        file.name: file for kind in _KINDS for file in sorted(path.glob(f"*{kind}*"), key=_number) if _kind(file)
    }
    # A recorder that is killed while it compresses a file leaves both.
    files = {name: file for name, file in present.items() if not (name.endswith(_ZSTD) and file.stem in present)}
    problems += [f"{path / name} is missing, which metadata.yaml names" for name in named if name not in present]
    kinds = {_kind(files[name]) for name in named if name in files}
    for name in sorted(files.keys() - set(named)) if kinds else ():
        if _kind(files[name]) in kinds:
            problems.append(f"metadata.yaml does not name {name}; it is read")
        else:
            problems.append(f"metadata.yaml does not name {name}, and its kind is another one; it is not read")
            del files[name]
    return list(files.values())


def _number(path: Path) -> list[tuple[int, str]]:
    """Sorts the tenth file of a recording after its ninth."""
    return [(int(x), "") if x.isdecimal() else (-1, x) for x in re.split(r"(\d+)", path.name)]


def _kind(path: Path) -> str:
    """The suffix of a storage file, without that of its compression; empty for another file."""
    suffix = Path(path.stem).suffix if path.suffix == _ZSTD else path.suffix
    return suffix if suffix in _KINDS and path.is_file() else ""


def open_file(path: Path, stack: ExitStack, problems: list[str]) -> Storage | None:
    """Open a storage file, or what can be made of it. `stack` closes it, and removes temporary files.

    Returns:
        None where nothing can be read.
    """
    kind = _kind(path)
    if not kind:
        problems.append(
            f"{path} is no storage file; expected one that ends in {', '.join(_KINDS)}, or in {_ZSTD} after that"
        )
        return None
    try:
        with path.open("rb") as file:
            is_compressed = path.suffix == _ZSTD or file.read(len(ZSTD)) == ZSTD
    except OSError as error:
        problems.append(f"{path} cannot be read: {error.strerror}")
        return None
    try:
        if is_compressed:
            name = path.name
            path, cut = unpack_zstd(path, _folder(stack) / name.removesuffix(_ZSTD))
            if cut:
                problems.append(f"{name} is cut short or damaged, what comes before is read: {cut}")
        storage: Storage = McapStorage(path) if kind == ".mcap" else _sqlite(path, stack, problems)
    except RecordingError as error:
        problems.append(f"{path} cannot be read: {error}")
        return None
    stack.callback(storage.close)
    return storage


def _sqlite(path: Path, stack: ExitStack, problems: list[str]) -> SqliteStorage:
    reason = "its recorder did not finish"
    if not has_unwritten(path):
        try:
            return SqliteStorage(path)
        except RecordingError as error:
            reason = str(error)
    copy, messages = recover_sqlite(path, _folder(stack))
    problems.append(f"{path} is not whole: {messages} messages were recovered from it: {reason}")
    return SqliteStorage(copy)


def _folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(TemporaryDirectory(prefix="mumu-")))
