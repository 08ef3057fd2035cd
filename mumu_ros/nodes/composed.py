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

"""sensor_sync, people and inference in one process: frames and people are handed over without DDS.

`ros2 run mumu_ros composed sensor_sync inference inference.model=sim --ros-args …` runs the named nodes; a parameter
may be given to one of them by NODE.NAME=VALUE.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

from rclpy.utilities import remove_ros_args

from mumu_ros.nodes.declaring import own_arguments
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.people import People
from mumu_ros.nodes.running import leave, run
from mumu_ros.nodes.sensor_sync import SensorSync

__all__ = ["parse"]

NODES: dict[str, Callable[..., ManagedNode]] = {"sensor_sync": SensorSync, "people": People, "inference": Inference}


def parse(arguments: Sequence[str]) -> list[Callable[[], ManagedNode]]:
    """The nodes that a command line names, each with its own parameters.

    Raises:
        ValueError: It names none, or something else.
    """
    given: dict[str, list[str]] = {text: [] for text in arguments if "=" not in text}
    for text in arguments:
        name, _, value = text.partition("=")
        node, _, parameter = name.partition(".")
        if node not in given or node not in NODES:
            raise ValueError(f"{text!r}: expected names of {', '.join(NODES)}, and NODE.NAME=VALUE for a named one")
        if parameter:
            given[node].append(f"{parameter}={value}")
    if not given:
        raise ValueError(f"no node is named; expected some of {', '.join(NODES)}")
    return [partial(NODES[node], cli_args=own_arguments(parameters)) for node, parameters in given.items()]


if __name__ == "__main__":
    try:
        classes = parse(remove_ros_args(sys.argv)[1:])
    except ValueError as error:
        sys.exit(f"composed: {error}")
    leave(run(classes))
