"""ROS 2 parameter files, read without ROS: a bag is evaluated with the file that the nodes are launched with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mumu_ros.pipeline.parameters import Parameter, ParameterError, Values

__all__ = ["given_parameters", "node_sections", "read_parameters"]

_PARAMETERS = "ros__parameters"


class _Given:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self._defaults: dict[str, Any] = {}

    def declare(self, name: str, row: Parameter) -> None:
        self._defaults[name] = row.default

    def get(self, name: str) -> Any:
        return self._given.get(name, self._defaults[name])


def read_parameters(path: Path | None, node: str, rows: Sequence[Parameter]) -> Values:
    """Read what a parameter file says to a node.

    Sections are for the node if they end in its name, in `*` or in `**`; namespaces are not looked at. A later section
    wins over an earlier one.

    Args:
        path: The file; None gives the defaults.
        node: Its name, such as sensor_sync.
        rows: Its table.

    Raises:
        ParameterError: The file is no parameter file, or has no section for the node.
        OSError: It cannot be read.
    """
    if path is None:
        return given_parameters({}, rows)
    content = _content(path)
    sections = [
        section[_PARAMETERS]
        for name, section in content.items()
        if str(name).rsplit("/", 1)[-1] in (node, "*", "**")
        and isinstance(section, Mapping)
        and isinstance(section.get(_PARAMETERS), Mapping)
    ]
    if not sections:
        raise ParameterError(f"{path} has no section for {node}; it has {', '.join(map(str, content)) or 'none'}")
    given: dict[str, Any] = {}
    for section in sections:
        given.update(_flat(section))
    return given_parameters(given, rows)


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, Mapping):
        raise ParameterError(f"{path} is no parameter file; expected `/**/NODE: {{{_PARAMETERS}: {{…}}}}`")
    return content
