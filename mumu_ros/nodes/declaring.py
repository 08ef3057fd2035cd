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

"""Declares parameters of a node in ROS, with descriptions, and rejects invalid values.

A node declares its table at construction, so that `ros2 param list` and `describe` show it, and builds its dataclass
when it is configured.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from mumu_ros.nodes.parameters import TABLES
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import unknown_names
from mumu_ros.pipeline.parameter_values import Parameter, Values, expected

__all__ = ["declare", "own_arguments", "unknown_parameters"]


class _NodeSource:
    def __init__(self, node: Node) -> None:
        self._node = node

    def declare(self, name: str, row: Parameter) -> None:
        # Types and ranges are checked by `Values`, not by ROS: `rate_hz: 10` in a YAML file is a valid float, and an
        # invalid value must not end the node.
        descriptor = ParameterDescriptor(
            name=name, description=row.description, additional_constraints=expected(row), dynamic_typing=True
        )
        self._node.declare_parameter(name, row.default, descriptor)

    def get(self, name: str) -> Any:
        return self._node.get_parameter(name).value


def declare(node: Node, rows: Sequence[Parameter]) -> Values:
    """Declare a table of parameters on a node."""
    return Values(_NodeSource(node), rows)


def own_arguments(texts: Sequence[str]) -> list[str]:
    """The `cli_args` of a node with these parameters, each NAME=VALUE: they override what any file says.

    `-p` for the process would not: it is a value of the file's section /**, if it has one; later ones override it.

    Raises:
        ValueError: A text is something else.
    """
    for text in texts:
        if not all(text.partition("=")):
            raise ValueError(f"{text!r}: expected a parameter as NAME=VALUE, or ROS's arguments after --ros-args")
    rules = (text.replace("=", ":=", 1) for text in texts)
    return ["--ros-args", *(part for rule in rules for part in ("-p", rule))]


def unknown_parameters(node: Node, rows: Sequence[Parameter], cli_args: Sequence[str] | None = None) -> list[str]:
    """Messages about parameters given to a node, by a file or the command line, that its table does not have.

    Those that a file gives all nodes may be another's. rclpy drops unknown ones silently, and keeps the given ones in a
    private attribute only.

    Args:
        node: The node.
        rows: Its table.
        cli_args: Its own arguments, beside those of the process.
    """
    shared = _shared(node, [*sys.argv, *(cli_args or ())])
    given = (name for name in node._parameter_overrides if name not in shared)
    return list(unknown_names(given, rows))


def _shared(node: Node, arguments: Sequence[str]) -> set[str]:
    """Names of parameters of other nodes that the parameter files among these arguments give all nodes."""
    names: set[str] = set()
    for option, path in pairwise(arguments):
        if option == "--params-file":
            with contextlib.suppress(ValueError, OSError):  # rcl has read it: it is a file of another style at most
                names |= ParameterFile(Path(path), node.get_namespace()).shared(node.get_name())
    return {name for name in names if any(not list(unknown_names([name], table)) for table in TABLES.values())}
