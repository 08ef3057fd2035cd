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

"""Files that are whole or not there, errors that say which file it was, paths with a `~`, names that are not UTF-8."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = [
    "check_file",
    "check_folder",
    "expanded",
    "folder_beside",
    "name_problem",
    "naming",
    "replacing",
    "write_json",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ROOM = "; make room and start again"


def expanded(path: str | Path) -> Path:
    """A path with `~` replaced by the user's folder; unchanged if there is no such user.

    `Path.expanduser` raises RuntimeError there.
    """
    return Path(os.path.expanduser(path))


def name_problem(path: str | Path) -> str | None:
    """What is wrong with a path that is not UTF-8: OpenCV crashes on it, no report can contain it. None: nothing."""
    try:
        os.fsencode(path).decode()
    except UnicodeError:
        return f"the name {str(path)!a} is not valid UTF-8; rename it"
    return None


def check_file(option: str, path: Path, suffix: str) -> None:
    """See that a file of this suffix can be written, before anything is computed that goes into it.

    Raises:
        ValueError: It has another suffix, is a folder or has no proper name; names the option.
        OSError: Its folder cannot be made or written.
    """
    if path.suffix.lower() != suffix or path.is_dir():
        raise ValueError(f"{option} is {str(path)!r}; expected a file that ends in {suffix}")
    if problem := name_problem(path):
        raise ValueError(f"{option}: {problem}")
    check_folder(path.parent)


def check_folder(path: Path) -> None:
    """See that a folder can be made and written, before anything is computed that goes into it; nothing is left there.

    Raises:
        OSError: It cannot.
    """
    absent = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    finally:
        for folder in absent:
            with suppress(OSError):  # not made, or in use already
                folder.rmdir()


@contextmanager
def naming(path: Path, kept: bool = False) -> Iterator[None]:
    """Let an error of writing name the path, and say what to do about a full disk, which names none.

    Args:
        path: What is written.
        kept: Whether the next start goes on from what is finished.

    Raises:
        OSError: As raised within; it has a file name.
    """
    try:
        yield
    except OSError as error:
        is_full = error.errno in _FULL
        if error.filename is not None and not is_full:
            raise
        reason = error.strerror or str(error)
        if is_full:
            reason = reason.removesuffix(_ROOM) + _ROOM + (", what is finished is kept" if kept else "")
        raise OSError(error.errno, reason, error.filename2 or error.filename or str(path)) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file beside its place, with the same suffix, and put it there when it is whole.

    Yields:
        Where to write: a name of this call only, so that threads and processes do not meet. Nothing is there yet, so
        that the writer decides the file's mode.

    Raises:
        OSError: It cannot be written; names the path.
    """
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}{path.suffix}")
    try:
        with naming(path):
            yield temporary
            temporary.replace(path)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # not made, or in its place already
            temporary.unlink()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file. Numbers that are not finite, for which JSON has no form, are null.

    Raises:
        OSError: It cannot be written; names the path.
    """
    text = json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A new folder beside a place, to be filled and then renamed to it; what is left of it in the end is removed.

    Raises:
        OSError: As raised within; it names the place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    temporary.chmod(0o755)  # mkdtemp's is for its owner only
    try:
        with naming(path):
            yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
