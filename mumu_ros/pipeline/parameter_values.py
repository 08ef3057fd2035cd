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

"""Parameters, and the checks on their values, without ROS."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

__all__ = ["Parameter", "ParameterError", "ParameterSource", "Values", "expected"]

Config = TypeVar("Config")
Value: TypeAlias = bool | int | float | str | list[int] | list[float] | list[str]


class ParameterError(ValueError):
    """Invalid parameter. The message contains its name, the offending value and the accepted ones."""


@dataclass(frozen=True)
class Parameter:
    """One row of a node's table.

    Attributes:
        name: Name of the parameter.
        default: Value if none is given; every value must be of its type.
        description: Its meaning, shown to users.
        low: Least number, or least element of a list.
        high: Greatest number, or greatest element of a list.
        choices: The accepted texts; empty: any.
        parse: Converts a value of the right type to what the node uses; raises ValueError, with a text if `accepts`
            does not say what it takes.
        accepts: What is accepted, where type, range and choices do not say it.
    """

    name: str
    default: Value
    description: str
    low: float = -math.inf
    high: float = math.inf
    choices: Collection[str] = ()
    parse: Callable[[Any], Any] | None = None
    accepts: str = ""


class ParameterSource(Protocol):
    """Source of parameter values: a node, or a parameter file."""

    def declare(self, name: str, row: Parameter) -> None:
        """Declare a parameter."""

    def get(self, name: str) -> Any:
        """The value of a declared parameter as it was given, or its default."""


class Values:
    """The values of parameters by name, each checked against its row when it is read."""

    def __init__(self, source: ParameterSource, rows: Sequence[Parameter] = ()) -> None:
        self._source = source
        self._rows: dict[str, Parameter] = {}
        for row in rows:
            self.declare(row)

    def declare(self, row: Parameter, prefix: str = "") -> None:
        """Declare one parameter, once."""
        name = prefix + row.name
        if name not in self._rows:
            self._rows[name] = row
            self._source.declare(name, row)

    def read(self, name: str) -> Any:
        """The value of a parameter, converted by `Parameter.parse` if it has one.

        Raises:
            ParameterError: The value has the wrong type or is out of range.
        """
        return _checked(name, self._rows[name], self._source.get(name))

    def fill(self, config: Callable[..., Config], prefix: str = "", **given: Any) -> Config:
        """A dataclass whose fields are the parameters of their names after `prefix`, but for those that are given.

        Raises:
            ParameterError: See `read`.
        """
        described: Any = config
        names = (field.name for field in dataclasses.fields(described) if field.name not in given)
        return config(**{name: self.read(prefix + name) for name in names}, **given)

    def check(self, name: str, value: Any) -> None:
        """Check a value without setting it; undeclared parameters are not checked.

        Raises:
            ParameterError: As `read` would.
        """
        if name in self._rows:
            _checked(name, self._rows[name], value)


def expected(row: Parameter) -> str:
    """Description of the accepted values."""
    if row.accepts:
        return row.accepts
    if row.choices:
        return f"one of {', '.join(choice or 'empty' for choice in row.choices)}"
    names = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
    is_list = isinstance(row.default, list)
    name = names[type(row.default[0] if isinstance(row.default, list) else row.default)]
    bounds = f" from {row.low:.10g} to {row.high:.10g}" if math.isfinite(row.low) else ""
    return f"a list of {name.removeprefix('an ').removeprefix('a ')}s{bounds}" if is_list else name + bounds


def _checked(name: str, row: Parameter, value: Any) -> Any:
    if not isinstance(row.default, list):
        checked = _element(name, row, type(row.default), value)
    elif isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        raise ParameterError(f"parameter {name} is {value!r}; expected {expected(row)}")
    else:
        checked = [_element(name, row, type(row.default[0]), element) for element in value]
    try:
        return row.parse(checked) if row.parse else checked
    except ValueError as error:
        what = str(error) or f"expected {expected(row)}"
        raise ParameterError(f"parameter {name} is {checked!r}; {what}") from error


def _element(name: str, row: Parameter, kind: type[Any], value: Any) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    is_number = kind in (int, float)
    is_good = type(value) is kind and (value in row.choices or not row.choices)
    if not is_good or (is_number and not row.low <= float(value) <= row.high):
        raise ParameterError(f"parameter {name} is {value!r}; expected {expected(row)}")
    return value
