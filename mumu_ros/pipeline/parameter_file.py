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

"""ROS 2 parameter files, read without ROS: a bag is evaluated with the file that the nodes are launched with."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mumu_ros.pipeline.parameter_tables import Parameter, ParameterError, Values, unknown_names
from mumu_ros.reading import read_yaml

__all__ = ["check_names", "check_sections", "given_parameters", "node_sections", "own_parameters", "read_parameters"]

_PARAMETERS = "ros__parameters"
_NEARLY = 0.88
"""Least similarity of a misspelt name: inferense has 0.89 to inference, replayer 0.86 to player."""


class _Given:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._defaults: dict[str, Any] = {}

    def declare(self, name: str, row: Parameter) -> None:
        self._defaults[name] = row.default

    def get(self, name: str) -> Any:
        return self._given.get(name, self._defaults[name])


def read_parameters(path: Path | None, node: str, rows: Sequence[Parameter]) -> Values:
    """Read a node's parameters from a parameter file; None gives the defaults.

    Sections are for the node if they end in its name, in `*` or in `**`; namespaces are not looked at. A later section
    overrides an earlier one. A section for all nodes may have parameters of others.

    Raises:
        ParameterError: The file is no parameter file, has no section for the node, or a section of the node's own has a
            parameter that the table does not have.
        OSError: It cannot be read.
    """
    if path is None:
        return given_parameters({}, rows)
    content = _content(path)
    sections = list(_sections(content, node))
    if not sections:
        raise ParameterError(f"{path} has no section for {node}; it has {', '.join(map(str, content)) or 'none'}")
    check_names(path, node, rows)
    given: dict[str, Any] = {}
    for _, section in sections:
        given.update(section)
    return given_parameters(given, rows)


def own_parameters(path: Path, node: str) -> dict[str, Any]:
    """Parameters in the node's own sections of a parameter file, names flat.

    Raises:
        ParameterError: The file is no parameter file.
        OSError: It cannot be read.
    """
    sections = _sections(_content(path), node)
    return {name: value for is_own, section in sections if is_own for name, value in section.items()}


def check_names(path: Path, node: str, rows: Sequence[Parameter]) -> None:
    """Reject unknown parameters in the node's own sections of a parameter file.

    Raises:
        ParameterError: There is one; the text has the most similar name that the table has.
        OSError: The file cannot be read.
    """
    for problem in unknown_names(own_parameters(path, node), rows):
        raise ParameterError(f"{path}: {node} has {problem}")


def check_sections(path: Path, nodes: Collection[str]) -> None:
    """Reject a section with a misspelt name of a node that has no section. Other names may be of other packages' nodes.

    Raises:
        ParameterError: There is one, or the file is no parameter file.
        OSError: The file cannot be read.
    """
    given = node_sections(path)
    absent = [node for node in nodes if node not in given]
    for name in sorted(given.difference(nodes)):
        if near := difflib.get_close_matches(name, absent, n=1, cutoff=_NEARLY):
            raise ParameterError(
                f"{path} has a section for {name!r}, which is not a node of mumu_ros; did you mean {near[0]}?"
            )


def _sections(content: Mapping[Any, Any], node: str) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Whether a section is the node's own and its parameters, flat, for each that applies to the node."""
    for name, section in content.items():
        last = str(name).rsplit("/", 1)[-1]
        values = section.get(_PARAMETERS) if isinstance(section, Mapping) else None
        if last in (node, "*", "**") and isinstance(values, Mapping):
            yield last == node, _flat(values)


def given_parameters(given: Mapping[str, Any], rows: Sequence[Parameter]) -> Values:
    """Parameters that are given by name, with the defaults of a table for the others."""
    return Values(_Given(given), rows)


def _flat(section: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def node_sections(path: Path) -> set[str]:
    """Names of the nodes that a parameter file has a section for; wildcards are not counted.

    Raises:
        ParameterError: The file is no parameter file.
        OSError: It cannot be read.
    """
    return {str(name).rsplit("/", 1)[-1] for name in _content(path)} - {"*", "**"}


def _content(path: Path) -> Mapping[Any, Any]:
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ParameterError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ParameterError(f"{path} is no parameter file; expected `/**/NODE: {{{_PARAMETERS}: {{…}}}}`")
    return content
