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

"""How the values of a configuration are checked, and what is raised where one is wrong."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from mumu_ros.text import check_name

__all__ = [
    "MAX_NUMBER",
    "ConfigError",
    "as_tuple",
    "build",
    "check_boolean",
    "check_choice",
    "check_count",
    "check_identifier",
    "check_number",
]

MAX_NUMBER = 1e9
"""Largest number of any value."""
_MAX_SIZE = 4096  # a configuration that comes with a foreign model must not ask for more memory than there is

T = TypeVar("T")


class ConfigError(ValueError):
    """Invalid configuration. The message contains the offending value and the accepted ones."""


def build(cls: type[T], data: Any, where: str) -> T:
    """Make a dataclass from a mapping, refusing keys that it does not have.

    Raises:
        ConfigError: The data are no mapping, a key is unknown (near misses are named) or a needed one is
            missing.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(fields)}"
            raise ConfigError(f"{where}: no key {key!r}; {hint}")
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in data]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")
    return cls(**data)


def check_number(where: str, value: Any, low: float, high: float = MAX_NUMBER, *, exclusive: bool = True) -> None:
    """See that a value is a number from `low` to `high`, or above `low` where that is `exclusive`.

    Raises:
        ConfigError: It is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (exclusive and value == low):
        sign = ">" if exclusive else "≥"
        raise ConfigError(f"{where} is {value!r}; expected a number {sign} {low:g} and ≤ {high:g}")


def check_count(where: str, value: Any) -> None:
    """See that a value is an integer from 1 to 4096.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_SIZE:
        raise ConfigError(f"{where} is {value!r}; expected an integer ≥ 1 and ≤ {_MAX_SIZE}")


def check_identifier(where: str, value: Any) -> None:
    """See that a value is what `mumu_ros.text.check_name` accepts.

    Raises:
        ConfigError: It is not.
    """
    try:
        check_name(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def check_boolean(where: str, value: Any) -> None:
    """See that a value is true or false.

    Raises:
        ConfigError: It is not.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{where} is {value!r}; expected true or false")


def check_choice(where: str, value: Any, choices: Collection[str]) -> None:
    """Refuse any other value.

    Raises:
        ConfigError: The value is none of these.
    """
    if value not in choices:
        raise ConfigError(f"{where} is {value!r}; expected one of {', '.join(name or 'empty' for name in choices)}")


def as_tuple(value: Any) -> Any:
    """A list, which is what files have, as a tuple; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value
