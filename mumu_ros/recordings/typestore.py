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

"""Message definitions for bags: those of ROS 2 Jazzy and the package's own."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.share import share_path

__all__ = ["BagTypes", "InstalledTypes", "load_typestore", "recorded_typestore"]

_MAX_ARRAY = 100_000
"""Elements of an array of fixed length: code is generated for each."""


@functools.cache
def load_typestore() -> Typestore:
    """Return the typestore that knows Jazzy's messages and every msg/*.msg of the package; shared, to be read only.

    Raises:
        FileNotFoundError: the package's msg folder is not installed.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    definitions = {}
    for path in sorted(share_path("msg").glob("*.msg")):
        definitions.update(get_types_from_msg(path.read_text(), f"mumu_ros/msg/{path.stem}"))
    store.register(definitions)
    return store


@functools.lru_cache(maxsize=256)
def recorded_typestore(type_name: str, definitions: tuple[tuple[str, str], ...]) -> tuple[Typestore, str]:
    """Return the typestore to read a type's messages with, by the format and text of its recorded definitions.

    The recording's definition is used where it has all that this installation's has, which the conversions read.
    Otherwise it is damaged or of another version, and this installation's is used if it knows the type.

    Returns:
        The typestore, and what is wrong with the recorded definitions; empty if nothing is.

    Raises:
        RecordingError: Nothing usable defines the type; says why.
    """
    reason = ""
    for encoding, text in definitions:
        try:
            return _compiled(type_name, encoding, text), ""
        except RecordingError as error:
            reason = reason or f"the recorded definition cannot be used: {error}"
    if type_name in load_typestore().types:
        return load_typestore(), reason
    nothing = f"nothing defines type {type_name}; record with definitions (MCAP, or sqlite3 of Iron and later)"
    raise RecordingError(reason or nothing)


def _compiled(type_name: str, encoding: str, text: str) -> Typestore:
    """A typestore of one recorded definition.

    Raises:
        RecordingError: It cannot be parsed, or lacks what this installation's definition has.
    """
    if encoding not in ("ros2msg", "ros2idl"):
        raise RecordingError(f"it is {encoding!r}; expected ros2msg or ros2idl")
    store, known = get_typestore(Stores.EMPTY), load_typestore()
    try:
        types = get_types_from_msg(text, type_name) if encoding == "ros2msg" else _types_from_idl(text)
        if all(name in known.types and known.fielddefs[name][1] == fields for name, (_, fields) in types.items()):
            return known
        _require_short_arrays(types)
        store.register(types)
        store.get_msgdef(type_name)
    # Code is generated from what somebody else wrote: it may fail in any way.
    except Exception as error:
        raise RecordingError(" ".join(f"{type(error).__name__} {error}".split())[:200]) from error
    if type_name in known.types:
        _require_fields(type_name, known, store)
    return store


def _require_short_arrays(types: Typesdict) -> None:
    for name, (_, fields) in types.items():
        for field, description in fields:
            if description[0] == Nodetype.ARRAY and description[1][1] > _MAX_ARRAY:
                raise RecordingError(f"{field} of {name} has {description[1][1]} elements")


def _require_fields(type_name: str, known: Typestore, recorded: Typestore) -> None:
    """Refuse a definition that lacks fields of a type, or of one inside it, or has them with another type."""
    _, fields = recorded.fielddefs.get(type_name, ([], []))
    for field in known.fielddefs[type_name][1]:
        if field not in fields:
            raise RecordingError(f"{type_name} has no {field[0]} in it, or of another type")
        kind: Any
        inner: Any
        kind, inner = field[1]
        if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            kind, inner = inner[0]
        if kind == Nodetype.NAME:
            _require_fields(str(inner), known, recorded)


def _types_from_idl(text: str) -> Typesdict:
    """Parse IDL; rosbag2 joins several files with a rule and a line that names the next one."""
    types: Typesdict = {}
    for part in filter(None, text.split("=" * 80 + "\n")):
        name, _, body = part.partition("\n")
        types.update(get_types_from_idl(body if name.startswith("IDL: ") else part))
    return types


class BagTypes:
    """Message classes of rosbags, for the builders of `mumu_ros.conversions`.

    Attributes:
        typestore: The definitions behind the classes.
    """

    def __init__(self) -> None:
        self.typestore = load_typestore()

    def message(self, type_name: str, **fields: Any) -> Any:
        """Return a message of the type."""
        return self.typestore.types[type_name](**fields)

    def sequence(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values: bags hold sequences of numbers as numpy arrays."""
        return values


class InstalledTypes:
    """Message definitions of the ROS packages that are installed, by the environment's AMENT_PREFIX_PATH."""

    def __init__(self) -> None:
        self._store = get_typestore(Stores.EMPTY)

    def store(self, type_name: str) -> Typestore:
        """Return a typestore that knows a type and what it is made of.

        Raises:
            RecordingError: A definition is not installed or cannot be read; says which.
        """
        definitions: Typesdict = {}
        missing = [type_name]
        while missing:
            name = missing.pop()
            if name in definitions or name in self._store.types:
                continue
            definitions.update(_installed_definition(name))
            missing += _parts(definitions, name)
        self._store.register(definitions)
        return self._store


def _installed_definition(type_name: str) -> Typesdict:
    package, _, name = type_name.partition("/msg/")
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        path = Path(prefix, "share", package, "msg", f"{name}.msg")
        if path.is_file():
            try:
                return get_types_from_msg(path.read_text(), type_name)
            except Exception as error:  # the parser fails in ways of its own
                raise RecordingError(f"{path} cannot be read: {error}"[:300]) from error
    known = load_typestore()
    if type_name not in known.types:
        raise RecordingError(f"its definition is not installed: share/{package}/msg/{name}.msg")
    return {type_name: known.fielddefs[type_name]}


def _parts(definitions: Typesdict, type_name: str) -> Iterator[str]:
    """The types of a type's fields."""
    for _, description in definitions[type_name][1]:
        kind: Any
        inner: Any
        kind, inner = description
        if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            kind, inner = inner[0]
        if kind == Nodetype.NAME:
            yield str(inner)
