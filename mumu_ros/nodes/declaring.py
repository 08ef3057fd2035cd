"""Parameters of a node as ROS knows them: declared with a description, refused when they cannot be meant.

A node declares its table when it is made, so that `ros2 param list` and `describe` show it, and builds its dataclass
when it is configured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

from mumu_ros.pipeline.parameters import Parameter, Values, expected, unknown_names

__all__ = ["declare", "unknown_parameters"]


class _NodeSource:
    def __init__(self, node: Node) -> None:
        self._node = node

    def declare(self, name: str, row: Parameter) -> None:
        # Typed and bounded by `Values`, not by ROS: `rate_hz: 10` in a YAML file is a number, too, and a node that is
        # given a bad value must live to say so.
        descriptor = ParameterDescriptor(
            name=name, description=row.description, additional_constraints=expected(row), dynamic_typing=True
        )
        self._node.declare_parameter(name, row.default, descriptor)

    def get(self, name: str) -> Any:
        return self._node.get_parameter(name).value


def declare(node: Node, rows: Sequence[Parameter]) -> Values:
    """Declare a table of parameters on a node."""
    return Values(_NodeSource(node), rows)


def unknown_parameters(node: Node, rows: Sequence[Parameter]) -> list[str]:
    """What was given to a node that its table does not have, by a file or the command line, a sentence for each.

    rclpy drops them without a word, and keeps what was given in a private attribute only.
    """
    return list(unknown_names(node._parameter_overrides, rows))
