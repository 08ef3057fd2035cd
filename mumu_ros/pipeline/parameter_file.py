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

"""ROS 2 parameter files, read without ROS: a bag is evaluated with the file that the nodes are launched with.

Sections apply to nodes of a namespace as rcl has it: `/**` stands for any number of names, `/*` for one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_ros.pipeline.parameter_tables import unknown_names
from mumu_ros.pipeline.parameter_values import Parameter, ParameterError, Values
from mumu_ros.reading import read_yaml

__all__ = ["ParameterFile", "given_parameters"]

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


@dataclass(frozen=True)
class ParameterFile:
    """Parameters of the nodes in a namespace.

    All that reads raises ParameterError where the file is no parameter file, and OSError where it cannot be read.

    Attributes:
        path: Of the file. None: there is none, which leaves the defaults.
        namespace: Of the nodes; "" is the root. None: any, as long as the sections for a node are of one.
    """

    path: Path | None
    namespace: str | None = None

    def nodes(self) -> set[str]:
        """Names of the nodes that it has a section for; wildcards are not counted."""
        names = (name for name, _ in _named(_content(self.path)))
        return {_last(name) for name in names if _applies(name, _last(name), self.namespace)} - {"*", "**"}

    def namespaces(self, nodes: Collection[str]) -> list[str]:
        """Namespaces of the sections for these nodes, sorted; "/" is the root.

        Those with wildcards that may be for nodes in the deepest namespace are not counted beside it.
        """
        names = [
            name for name, _ in _named(_content(self.path)) if any(_applies(name, n, self.namespace) for n in nodes)
        ]
        literal = {name: "/".join(p for p in name.split("/")[:-1] if p not in ("*", "**")) or "/" for name in names}
        deepest = max(literal.values(), key=len, default="/")
        return sorted({deepest, *(s for name, s in literal.items() if "*" not in name or not _is_in(deepest, s))})

    def read(self, node: str, rows: Sequence[Parameter]) -> Values:
        """Read a node's parameters, with a table's defaults for those that are not given.

        A later section overrides an earlier one. A section for all nodes may have parameters of others.

        Raises:
            ParameterError: There is no section for the node or, without a namespace, some of several, or a section of
                the node's own has a parameter that the table does not have.
        """
        sections = self._sections(node)
        if not sections and self.path is not None:
            raise ParameterError(
                f"{self.path} has no section for {node}; it has {', '.join(map(str, _content(self.path))) or 'none'}"
            )
        self.check_names(node, rows)
        given: dict[str, Any] = {}
        for _, section in sections:
            given.update(section)
        return given_parameters(given, rows)

    def own(self, node: str) -> dict[str, Any]:
        """Parameters in the node's own sections, names flat.

        Raises:
            ParameterError: Without a namespace, there are sections for the node of several.
        """
        return {name: value for is_own, section in self._sections(node) if is_own for name, value in section.items()}

    def shared(self, node: str) -> set[str]:
        """Names of the parameters that the node has from sections for all nodes only.

        Raises:
            ParameterError: See `own`.
        """
        of_all = {name for is_own, section in self._sections(node) if not is_own for name in section}
        return of_all.difference(self.own(node))

    def check_names(self, node: str, rows: Sequence[Parameter]) -> None:
        """Reject unknown parameters in the node's own sections.

        Raises:
            ParameterError: There is one; the text has the most similar name that the table has.
        """
        for problem in unknown_names(self.own(node), rows):
            raise ParameterError(f"{self.path}: {node} has {problem}")

    def check_sections(self, nodes: Collection[str]) -> None:
        """Reject a section with a misspelt name of a node that has no section, and a file for other namespaces only.

        Other names may be of other packages' nodes.

        Raises:
            ParameterError: There is one.
        """
        given = ParameterFile(self.path).nodes()
        absent = [node for node in nodes if node not in given]
        for name in sorted(given.difference(nodes)):
            if near := difflib.get_close_matches(name, absent, n=1, cutoff=_NEARLY):
                raise ParameterError(
                    f"{self.path} has a section for {name!r}, which is not a node of mumu_ros; did you mean {near[0]}?"
                )
        spaces = {name.rpartition("/")[0] or "/" for name, _ in _named(_content(self.path)) if _last(name) in nodes}
        if spaces and self.nodes().isdisjoint(nodes):
            raise ParameterError(
                f"{self.path} has sections for nodes in {' and '.join(sorted(spaces))}, and these are in "
                f"/{(self.namespace or '').strip('/')}: give that namespace:=, or name the sections /**/NODE"
            )

    def _sections(self, node: str) -> list[tuple[bool, dict[str, Any]]]:
        """Whether a section is the node's own and its parameters, flat, for each that applies to the node."""
        found = {name: values for name, values in _named(_content(self.path)) if _applies(name, node, self.namespace)}
        if self.namespace is None and len(spaces := self.namespaces([node])) > 1:
            raise ParameterError(
                f"{self.path} has sections for {node} in {' and '.join(spaces)}; give a file with those of one robot"
            )
        return [(_last(name) == node, _flat(values)) for name, values in found.items() if isinstance(values, Mapping)]


def given_parameters(given: Mapping[str, Any], rows: Sequence[Parameter]) -> Values:
    """Parameters that are given by name, with the defaults of a table for the others."""
    return Values(_Given(given), rows)


def _named(content: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Full name and parameters of each section; a namespace may also be a mapping around its nodes."""
    for key, section in content.items():
        name = f"{prefix}/{str(key).strip('/')}"
        if isinstance(section, Mapping) and section and _PARAMETERS not in section:
            yield from _named(section, name)
        else:
            yield name, section.get(_PARAMETERS) if isinstance(section, Mapping) else None


def _applies(section: str, node: str, namespace: str | None) -> bool:
    """Whether a section of this full name is for a node of this name."""
    if namespace is None:
        return _last(section) in (node, "*", "**")
    wild = {"**": r"(/\w+)*", "*": r"/\w+"}
    pattern = "".join(wild.get(part, "/" + re.escape(part)) for part in section.split("/")[1:])
    return bool(re.fullmatch(pattern, "/" + f"{namespace}/{node}".strip("/"), re.ASCII))


def _is_in(namespace: str, outer: str) -> bool:
    return outer == "/" or f"{namespace}/".startswith(f"{outer}/")


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _flat(section: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def _content(path: Path | None) -> Mapping[Any, Any]:
    if path is None:
        return {}
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ParameterError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ParameterError(f"{path} is no parameter file; expected `/**/NODE: {{{_PARAMETERS}: {{…}}}}`")
    return content
