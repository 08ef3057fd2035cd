"""Message definitions for bags: those of ROS 2 Jazzy and the package's own."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from mumu_ros.share import share_path

__all__ = ["BagTypes", "load_typestore", "recorded_typestore"]


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


def recorded_typestore(connections: Iterable[Connection]) -> Typestore:
    """Return a typestore with the definitions that a recording carries, and the built-in ones where it lacks some.

    Raises:
        TypesysError: a recorded definition cannot be parsed.
    """
    connections = list(connections)
    definitions: Typesdict = {}
    if any(connection.msgdef.format == MessageDefinitionFormat.NONE for connection in connections):
        definitions.update(load_typestore().fielddefs)
    for connection in connections:
        text = connection.msgdef.data
        if connection.msgdef.format == MessageDefinitionFormat.MSG:
            definitions.update(get_types_from_msg(text, connection.msgtype))
        elif connection.msgdef.format == MessageDefinitionFormat.IDL:
            definitions.update(_types_from_idl(text))
    store = get_typestore(Stores.EMPTY)
    store.register(definitions)
    return store


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
