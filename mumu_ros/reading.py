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

"""Files that others wrote, read within limits: what is too large, too deep or no file is refused before it costs much.

An OSError names the path, and says that it cannot be opened or is too large. A ValueError says what is wrong with the
contents, with the line where there is one; whoever reads adds the path.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterable, Sequence
from decimal import DecimalException
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml
from numpy.typing import NDArray

__all__ = [
    "MAX_ARRAYS",
    "MAX_DEPTH",
    "MAX_TEXT",
    "parse_json",
    "parse_yaml",
    "read_arrays",
    "read_bytes",
    "read_json",
    "read_text",
    "read_yaml",
    "yaml_text",
]

MAX_ARRAYS = 2**30
"""Bytes of the arrays that are read from one file."""
MAX_TEXT = 16 * 2**20
"""Bytes."""
MAX_YAML = 256 * 2**10
"""Bytes: parsing YAML takes several seconds for a megabyte."""
MAX_DEPTH = 32
"""Levels of lists and objects in JSON and YAML."""
MAX_VALUES = 100_000
"""Values in YAML, aliases written out."""

_LONGEST_NUMBER = 100
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_bytes(path: str | Path, limit: int) -> bytes:
    """The contents of a regular file.

    Raises:
        OSError: It cannot be opened, is a pipe, a device or a folder, or has more than `limit` bytes; names the path.
    """
    with _open(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > limit else file.read(limit + 1)
    if max(size, len(data)) > limit:
        raise OSError(errno.EFBIG, f"more than {limit} bytes, which is too much for such a file", str(path))
    return data


def read_text(path: str | Path, limit: int = MAX_TEXT, errors: str = "strict") -> str:
    """The contents of a UTF-8 file; `errors` says what becomes of bytes that are not, as in `bytes.decode`.

    Raises:
        OSError: See `read_bytes`.
        ValueError: It is not UTF-8, and `errors` is `strict`.
    """
    return read_bytes(path, limit).decode("utf-8-sig", errors)


def read_json(path: str | Path) -> Any:
    """The contents of a JSON file; raises as `read_text` and `parse_json` do."""
    return parse_json(read_text(path))


def read_yaml(path: str | Path) -> Any:
    """The contents of a YAML file; raises as `read_text` and `parse_yaml` do."""
    return parse_yaml(read_text(path, MAX_YAML))


def parse_json(text: str | bytes, **options: Any) -> Any:
    """What JSON says; `options` are for `json.loads`.

    Raises:
        ValueError: It is no JSON, deeper than `MAX_DEPTH`, or has a number that is no `Decimal`.
    """
    too_deep = f"nested deeper than {MAX_DEPTH} levels"
    try:
        value = json.loads(text, **options)
    except RecursionError:
        raise ValueError(too_deep) from None
    except DecimalException as error:
        raise ValueError("a number's exponent is too large") from error
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [part for container in level for part in _parts(container)]
        if not level:
            return value
    raise ValueError(too_deep)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Takes `1e-3` for a number, as YAML 1.2 and rcl do; YAML 1.1 wants `1.0e-3`. The one in C is ten times as fast."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value that does not fit its tag, as in `!!bool x` or `!!int`, is an error like any other of YAML."""
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            tag = node.tag.rpartition(":")[2]
            value = repr(node.value[:_LONGEST_NUMBER]) if isinstance(node, yaml.ScalarNode) else "a collection"
            reason = f" ({error})" if isinstance(error, ValueError) else ""
            raise yaml.constructor.ConstructorError(
                None, None, f"{value} is no {tag}{reason}", node.start_mark
            ) from error


class _Dumper(yaml.SafeDumper):
    """Puts a text into quotes that `_Loader` would take for a number."""


for _each in (_Loader, _Dumper):
    _each.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?|\d*\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def parse_yaml(text: str) -> Any:
    """What a YAML document says.

    Raises:
        ValueError: It is no YAML, deeper than `MAX_DEPTH`, or has more than `MAX_VALUES` values once aliases are
            written out; it names the line.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context
        line = min(mark.line, text.count("\n")) + 1 if mark else 0  # the end of the text is on a line of its own
        raise ValueError(f"line {line}: {reason}" if mark else str(reason)) from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None


def yaml_text(value: Any) -> str:
    """A YAML document of lists, mappings, texts and numbers, which `parse_yaml` reads back as they are."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Values and levels of a node, aliases written out; a node within itself has too many."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = (MAX_VALUES, 0)
    values, levels = 1, 0
    where = f"line {node.start_mark.line + 1}:"
    if isinstance(node, yaml.ScalarNode):
        if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER:
            raise ValueError(f"{where} a number of {len(node.value)} characters")
    else:
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        for part in parts:
            part_values, part_levels = _measure(part, known)
            values, levels = values + part_values, max(levels, part_levels + 1)
    if values > MAX_VALUES:
        raise ValueError(f"{where} more than {MAX_VALUES} values once its aliases are written out")
    if levels > MAX_DEPTH:
        raise ValueError(f"{where} nested deeper than {MAX_DEPTH} levels")
    known[id(node)] = (values, levels)
    return values, levels


def read_arrays(path: str | Path, names: Sequence[str]) -> list[NDArray[Any]]:
    """Arrays of numbers from a .npz file.

    Raises:
        OSError: It cannot be opened, or is no regular file; names the path.
        ValueError: It is no .npz file, is damaged, lacks one of them, one holds no numbers, or they have more than
            `MAX_ARRAYS`.
    """
    with _open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = [_member(archive, name) for name in names]
                if sum(member.file_size for member in members) > MAX_ARRAYS:
                    raise ValueError(f"more than {MAX_ARRAYS} bytes of {', '.join(names)}")
                return [_read_array(archive, member) for member in members]
        except ValueError:
            raise
        except Exception as error:  # damaged bytes raise a dozen others in zipfile, zlib, lzma and numpy
            raise ValueError(f"damaged: {error or type(error).__name__}") from error


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"no array {name!r} in it") from None


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """What the header promises is compared with what is there before memory is taken for it."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename} has format {version} of .npy; expected 1.0 or 2.0")
        shape, _, dtype = _HEADERS[version](stream)
        there = member.file_size - stream.tell()
    if dtype.kind not in "biuf":
        raise ValueError(f"{member.filename} holds {dtype}; expected numbers")
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed != there:
        raise ValueError(f"{member.filename} is {dtype} of shape {shape}, but has {there} bytes: expected {needed}")
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _open(path: str | Path) -> IO[bytes]:
    # Without waiting for somebody to write into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file, but a folder, a pipe or a device", str(path))
    return open(descriptor, "rb")
