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

"""Arguments of the launch files, for `ros2 launch` and for `mumu launch`.

Imports nothing that only pip installs: `ros2 launch` runs in the system's Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.share import share_path

__all__ = ["CAMERAS", "DEMO", "HRI", "REPLAY", "Argument", "node_namespace"]

CAMERAS = tuple(sorted(path.stem for path in share_path("config", "cameras").glob("*.yaml")))
FLAG = ("true", "false")
GIVEN_FLAG = ("", *FLAG)
_NAMESPACE_PATTERN = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Argument:
    """An argument of a launch file. Required without a default; the default "" leaves it to `params_file`."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The choices, and the flags as Python writes them."""
        return (*self.choices, *(flag.title() for flag in FLAG if flag in self.choices))

    def read(self, text: str) -> str:
        """A value with a flag in lower case."""
        return text.lower() if text in self.accepted else text


_MODEL = Argument("model", "", "Model folder, or the name of a shipped model. Empty: as in params_file.")
_DEVICE = Argument("device", "", "Where the model runs: auto, cpu, cuda, cuda:0. Empty: as in params_file.")
_NAMESPACE = Argument("namespace", "", "Namespace of the nodes, their topics and their sections of params_file.")
HRI = (
    Argument(
        "params_file",
        "",
        "Parameters of the nodes: topics, rates, thresholds. sensor_sync and people are started if it has a section "
        "for them; people also with a camera. Empty: config/hri.yaml, or config/sim.yaml for simulated people.",
    ),
    Argument(
        "camera",
        "",
        "A camera with a driver that runs with its default names: topics and types come from config/cameras and "
        "override params_file's. Empty: as in params_file.",
        ("", *CAMERAS),
    ),
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument(
        "composed", "false", "Run sensor_sync, people and inference in one process, which takes less memory.", FLAG
    ),
    Argument("overlay", "false", "Publish the picture with people and their activities drawn on it.", FLAG),
    Argument("simulate", "false", "Start simulated people with sensors, to try it out.", FLAG),
    Argument("use_sim_time", "", "Take time from /clock (bag replay). Empty: as in params_file.", GIVEN_FLAG),
    Argument(
        "autostart",
        "",
        "Configure and activate; false leaves that to a manager. Empty: as in params_file.",
        GIVEN_FLAG,
    ),
    Argument("respawn", "false", "Restart a node that has ended; false: all end, with an error.", FLAG),
)
REPLAY = (
    Argument("bag", None, "Folder of the rosbag2 to play."),
    Argument(
        "params_file",
        "",
        "Parameters of the nodes that recorded it. Empty: config/hri.yaml, or config/sim.yaml for a model of simulated "
        "people.",
    ),
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument("labels", "", "Label file; empty: BAG.labels.csv beside the bag if it is there, else its annotations."),
    Argument("out", "evaluation", "Folder for the report."),
    Argument("rate", "1.0", "Playback speed."),
    Argument("loop", "false", "Restart at the end, until Ctrl-C.", FLAG),
)
DEMO = (
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument("faults", "[imu_wrist:13.2-27, rgb:37.2-51]", "Simulated faults, such as '[imu_wrist:stuck:12-30]'."),
)


def node_namespace(text: str) -> str:
    """A namespace without a final slash.

    Raises:
        ParameterError: No node can be in it.
    """
    name = text.rstrip("/")
    if name and not _NAMESPACE_PATTERN.fullmatch(name):
        raise ParameterError(
            f"namespace {text!r} cannot be one: expected letters, digits and _ between slashes, no digit first, such "
            "as robot1 or /fleet/robot1"
        )
    return name
