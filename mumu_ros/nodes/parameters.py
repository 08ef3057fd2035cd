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

"""Every parameter of every node: its name, default, meaning and range.

Imports no rclpy, because launch_plans.py reads it, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from mumu_ros.failures import Fault
from mumu_ros.pipeline.parameter_tables import (
    AUTOSTART,
    ENCODING,
    IMAGE_TYPES,
    INFERENCE,
    RELIABILITY,
    SENSOR_SYNC,
    STREAM,
)
from mumu_ros.pipeline.parameter_values import Parameter, ParameterError, Values, expected
from mumu_ros.simulation import MAX_PEOPLE, parse_fault

__all__ = [
    "EVALUATION",
    "INFERENCE",
    "OVERLAY",
    "PEOPLE",
    "PLAYER",
    "SENSOR_SYNC",
    "SIMULATOR",
    "TABLES",
    "WATCH",
    "Parameter",
    "ParameterError",
    "Values",
    "markdown",
]


def _faults(texts: Sequence[str]) -> tuple[Fault, ...]:
    return tuple(parse_fault(text) for text in texts if text)


SIMULATOR = (
    AUTOSTART,
    Parameter("seed", 0, "Seed of the performance: which activities, when and how.", 0, 2**31 - 1),
    Parameter("subject", 1000, "Seed of the person: body, speed, handedness, camera.", 0, 2**31 - 1),
    Parameter("people", 1, "Number of people; more than one are always in a furnished room.", 1, MAX_PEOPLE),
    Parameter(
        "room",
        False,
        "Simulate a furnished room in which people walk, leave and come back; the true people in view are then "
        "published on truth/people.",
    ),
    Parameter(
        "seconds",
        0.0,
        "Length of the performance; 0: endless, in performances of a minute (in a room ten minutes).",
        0.0,
        86400.0,
    ),
    Parameter("width", 320, "Width of the camera images.", 64, 1920),
    Parameter("height", 240, "Height of the camera images.", 48, 1080),
    Parameter(
        "faults",
        [""],
        "Sensor faults to simulate, such as imu_wrist:15-27 (dropout): a stream (rgb, depth, imu_wrist, imu_belt) or "
        "device (camera, imu) and the time in seconds; or other kinds, such as imu:noise=2:5-15 (failures.md).",
        parse=_faults,
    ),
)

_PICTURE = (
    Parameter(
        "image.topic",
        "camera/color/image_raw",
        "Topic of the colour pictures; rectified if the last part of its name says rect, as image_rect.",
    ),
    Parameter("image.type", IMAGE_TYPES[0], "Message type.", choices=IMAGE_TYPES),
    ENCODING,
    RELIABILITY,
)

PEOPLE = (
    AUTOSTART,
    Parameter(
        "source",
        "camera",
        "Source of people: camera (detected in its pictures), or hri (the bodies that a ROS4HRI stack publishes under "
        "/humans/bodies; needs hri_msgs).",
        choices=("camera", "hri"),
    ),
    *_PICTURE,
    Parameter(
        "depth.topic",
        "",
        "Topic of depth pictures registered to the colour pictures; empty: none, distances are then estimated from the "
        "size of the body in the picture.",
    ),
    Parameter("depth.type", IMAGE_TYPES[0], "Message type.", choices=IMAGE_TYPES),
    Parameter("camera_info.topic", "camera/color/camera_info", "Topic of the colour camera's CameraInfo."),
    Parameter("weights", "", "Folder of the pose network's weights; empty: the one of `mumu weights`."),
    Parameter("threads", 1, "CPU threads of the pose network.", 1, 256),
    Parameter("max_people", 6, "Maximum number of tracked people; of more, those who came later are left out.", 1, 100),
    Parameter(
        "rate_hz",
        15.0,
        "Pictures processed per second; extra ones are dropped by stamp. Where depth is slower, those without depth "
        "are dropped first, down to half of the rate.",
        0.1,
        200.0,
    ),
    Parameter("min_confidence", 0.5, "People detected with a lower confidence are not published.", 0.0, 1.0),
    Parameter(
        "target_frame",
        "",
        "Frame of the published joints, if tf2_ros is installed: an optical one (x right, y down, z forward). On a "
        "robot that moves, one that does not move with it: docs/people.md. Empty: the camera's.",
    ),
    Parameter(
        "humans",
        True,
        "Publish the bodies under REP 155's names as well, if hri_msgs is installed; all robots of a network share "
        "these names, and one people node may use them.",
    ),
)

OVERLAY = (
    AUTOSTART,
    *_PICTURE,
    Parameter("jpeg_quality", 80, "JPEG quality of the topic overlay/compressed.", 1, 100),
)

PLAYER = (
    AUTOSTART,
    Parameter("bag", "", "Folder of the rosbag2 to play."),
    Parameter("rate", 1.0, "Playback speed.", 0.01, 100.0),
    Parameter(
        "start_s",
        0.0,
        "Seconds of the bag to skip, in every round of a loop, too. What is latched there is played at the start.",
        0.0,
        1e6,
    ),
    Parameter("loop", False, "Restart at the end; stamps then jump back."),
    Parameter(
        "wait_for",
        [""],
        "Topics that must have a subscriber before playback starts; at least one topic of the bag must have one, too. "
        "multimodal_frame waits for inference.",
    ),
    Parameter(
        "clock_hz",
        100.0,
        "Rate of /clock in the bag's time, for nodes with use_sim_time; 0: none. A /clock in the bag is played as "
        "recorded instead.",
        0.0,
        1000.0,
    ),
)

EVALUATION = (
    AUTOSTART,
    Parameter("model", "people", "Model that inference runs: its folder, or the name of a shipped one."),
    Parameter("labels", "", "Label file used as ground truth; empty: the published annotations."),
    Parameter("out", "evaluation", "Folder for report.html, metrics.json and predictions.csv."),
)

WATCH = (
    Parameter(
        "seconds",
        0.0,
        "Stop this long after the first annotation and print a summary; 0: run until Ctrl-C.",
        0.0,
        86400.0,
    ),
    Parameter("faults", [""], "Simulated faults, for the summary; same syntax as the simulator's.", parse=_faults),
)

TABLES = {
    "sensor_sync": SENSOR_SYNC,
    "people": PEOPLE,
    "inference": INFERENCE,
    "overlay": OVERLAY,
    "simulator": SIMULATOR,
    "player": PLAYER,
    "evaluation": EVALUATION,
    "watch": WATCH,
}
"""Table of each node; these nodes may have a section in a parameter file and may be started by a launch file."""


def markdown() -> str:
    """All tables of this module as the page docs/parameters.md."""
    title = "sensor_sync: each stream, as `<name>.<parameter>`"
    tables = {"sensor_sync": SENSOR_SYNC, title: STREAM, **TABLES}
    lines = [
        "# Parameters",
        "",
        "Generated by `python -m mumu_ros.nodes.parameters > docs/parameters.md` from the tables that the nodes read.",
        "Parameters are read when a node is configured. Invalid values are rejected when they are set, and so is any",
        "change while the node is configured, except of `use_sim_time`. An unknown name in a node's own section of a",
        "parameter file is an error for the launch files and `mumu evaluate`; the node warns in its log and on",
        "/diagnostics, also of one in a section for all nodes (`/**`) that no node has. The launch files also reject a",
        "section with a misspelt node name.",
    ]
    for title, rows in tables.items():
        lines += ["", f"## {title}", "", "| parameter | default | expected | meaning |", "|---|---|---|---|"]
        for row in rows:
            default = str(row.default).lower() if isinstance(row.default, bool) else repr(row.default)
            words = f"{expected(row)} | {row.description}".replace("<", r"\<")  # otherwise a tag of HTML
            lines.append(f"| `{row.name}` | `{default}` | {words} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
