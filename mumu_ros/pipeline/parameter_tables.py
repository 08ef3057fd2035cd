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

"""Parameters of the nodes whose work is done offline, too: `mumu evaluate` reads the same tables from a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence

from mumu_ros.conversions import RGB_ENCODINGS, SUPPORTED_TYPES
from mumu_ros.model.parts import BACKENDS
from mumu_ros.pipeline.parameter_values import Parameter, Values
from mumu_ros.registry import Choices

__all__ = [
    "AUTOSTART",
    "ENCODING",
    "IMAGE_TYPES",
    "INFERENCE",
    "RELIABILITY",
    "SENSOR_SYNC",
    "STREAM",
    "declare_streams",
    "unknown_names",
]


def _different_names(names: Sequence[str]) -> tuple[str, ...]:
    if not names or not all(names) or len(set(names)) != len(names):
        raise ValueError
    return tuple(names)


def _rectangle(crop: Sequence[int]) -> tuple[int, ...] | None:
    if len(crop) != 4 or (crop[2] and not crop[3]):
        raise ValueError
    return tuple(crop) if crop[2] else None


def _side(pixels: int) -> int:
    if 0 < pixels < 16:
        raise ValueError
    return pixels


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    if list(shape) == [0]:
        return ()
    if not shape or 0 in shape:
        raise ValueError
    return tuple(shape)


def _threshold(value: float) -> float | None:
    if -1 < value < 0:
        raise ValueError
    return None if value == -1 else value


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts if text]
    if not all(all(pair) for pair in pairs):
        raise ValueError
    return {name: value for name, _, value in pairs}


IMAGE_TYPES = tuple(name for name, kind in SUPPORTED_TYPES.items() if kind == "image")
RELIABILITY = Parameter(
    "reliability", "best_effort", "Quality of service of the subscription.", choices=("best_effort", "reliable")
)
ENCODING = Parameter(
    "encoding",
    "",
    "Colours of images if their own encoding does not name them, such as 8UC3. Empty: these are rejected.",
    choices=("", *RGB_ENCODINGS),
)
AUTOSTART = Parameter("autostart", True, "Configure and activate at start, without a lifecycle manager.")

SENSOR_SYNC = (
    AUTOSTART,
    Parameter(
        "streams",
        ["rgb", "depth", "imu_wrist", "imu_belt"],
        "Names of the streams; each has parameters <name>.topic, <name>.type and so on. The first live image stream is "
        "the reference that the others are paired with.",
        parse=_different_names,
        accepts="a list of different, non-empty names",
    ),
    Parameter(
        "model",
        "",
        "Model that determines kind, size and shape of the streams named like its modalities; the launch files set "
        "inference's. Empty: none.",
    ),
    Parameter("rate_hz", 10.0, "Frames published per second; extra images are dropped by stamp.", 0.1, 200.0),
    Parameter("slop_s", 0.05, "Images farther apart than this are not paired.", 0.001, 10.0),
    Parameter(
        "timeout_s",
        0.5,
        "A stream silent for longer counts as silent: it is reported in /diagnostics and not waited for. In wall time: "
        "raise it where a simulation or a bag is played slower.",
        0.01,
        60.0,
    ),
    Parameter("queue_size", 30, "Images kept for each stream while they wait for a partner.", 2, 1000),
    Parameter(
        "black_box",
        "",
        "Folder in which the last 10 s of frames are written as a bag when a fault of level ERROR appears; at most 10 "
        "bags are kept. Empty: none is written.",
    ),
)

STREAM = (
    Parameter("topic", "", "Topic to subscribe to."),
    Parameter(
        "angular_velocity_topic",
        "",
        "Imu: topic of the angular velocity if the driver publishes it separately, as RealSense does; `topic` is then "
        "the acceleration, and both are merged by stamp.",
    ),
    Parameter(
        "type",
        "sensor_msgs/msg/Image",
        "Message type.",
        choices=tuple(SUPPORTED_TYPES),
    ),
    Parameter(
        "kind",
        "",
        "Kind of data. Empty: the modality's of that name in `model`, else vector or rgb, by the type.",
        choices=("", "rgb", "depth", "vector"),
    ),
    Parameter(
        "width",
        0,
        "Width to which images are resized, in pixels. 0: the modality's, else 224.",
        0,
        4096,
        parse=_side,
        accepts="0, or an integer from 16 to 4096",
    ),
    Parameter(
        "height",
        0,
        "Height to which images are resized, in pixels. 0: the modality's, else 224.",
        0,
        4096,
        parse=_side,
        accepts="0, or an integer from 16 to 4096",
    ),
    Parameter(
        "crop",
        [0, 0, 0, 0],
        "Part of the image to use, in pixels: x, y, width, height. Width 0: all.",
        0,
        65536,
        parse=_rectangle,
        accepts="x, y, width, height: integers from 0 to 65536, height from 1 on unless width is 0",
    ),
    Parameter(
        "shape",
        [0],
        "Vectors: shape of one sample; [2, 3] for an IMU, [joints, 3] for a skeleton. [0]: the modality's, else "
        "[2, 3].",
        0,
        4096,
        parse=_shape,
        accepts="a list of integers from 1 to 4096, or [0]",
    ),
    Parameter(
        "target_frame",
        "",
        "Imu: frame that its axes are turned to by TF, if tf2_ros is installed; the model expects them as they were in "
        "training. Recordings have no TF: there it is refused. Empty: as they are sent.",
    ),
    RELIABILITY,
    ENCODING,
    Parameter("depth", 10, "Queue size of the subscription.", 1, 1000),
    Parameter(
        "max_pixels",
        32_000_000,
        "Compressed images with more pixels, by their header, are rejected before they are decoded.",
        1,
        2**31 - 1,
    ),
    Parameter(
        "joints",
        [""],
        "JointState: names of the joints to use, in the model's order; messages with none of them are of another "
        "driver and are passed over. Empty: all, in the order of the messages, which must then be constant.",
    ),
    Parameter(
        "offset_s",
        0.0,
        "Added to the stamps, for a sensor with a different clock; /diagnostics has an estimate, from the other "
        "streams here, from people at inference.",
        -1e10,
        1e10,
    ),
)

INFERENCE = (
    AUTOSTART,
    Parameter("model", "people", "Folder of a trained model, or the name of a shipped one."),
    Parameter("device", "auto", "Where the model runs: auto, cpu, cuda or cuda:<index>."),
    Parameter(
        "backend",
        "auto",
        "Inference back end; auto: what the model's folder has (mumu export), else the fastest that is installed.",
        choices=Choices("auto", BACKENDS),
    ),
    Parameter("threads", 1, "CPU threads of the model.", 1, 256),
    Parameter("rate_hz", 5.0, "Maximum rate of decisions, by sensor time.", 0.1, 100.0),
    Parameter(
        "min_coverage",
        [0.25],
        "Share of a window's samples that a modality needs to be used: one value, or one for each modality.",
        0.001,
        1.0,
        parse=tuple,
    ),
    Parameter(
        "unknown_threshold",
        -1.0,
        "Decisions of a lower confidence are 'unknown'. -1: the model's own threshold.",
        -1.0,
        1.0,
        parse=_threshold,
        accepts="a number from 0 to 1, or -1",
    ),
    Parameter("smoothing_s", 0.0, "Time constant of the moving average over decisions; 0: none.", 0.0, 60.0),
    Parameter(
        "hysteresis",
        0.0,
        "Margin in probability by which another label must lead to replace the current one.",
        0.0,
        0.99,
    ),
    Parameter(
        "begin_after",
        3,
        "Consecutive decisions with an activity before an event reports that it begins.",
        1,
        1000,
    ),
    Parameter(
        "end_after",
        5,
        "Consecutive decisions without it before an event reports that it has ended, unless another one begins.",
        1,
        1000,
    ),
    Parameter(
        "health",
        False,
        "Detect sensors that are noisy, too still, shifted or unlike the others, not only stuck and saturated ones; "
        "needs the model's health.safetensors, see mumu health.",
    ),
    Parameter(
        "body_id",
        "",
        "REP 155 id of the observed body, copied to the message; used if no people node publishes bodies.",
    ),
    Parameter("max_people", 6, "Maximum number of people recognised at once; bounds time and memory.", 1, 64),
    Parameter(
        "imu_bodies",
        [""],
        "Wearers of IMUs, if known: <modality>=<body id>. Other IMUs are assigned by matching motion.",
        parse=_pairs,
        accepts="a list of <modality>=<body id>",
    ),
    Parameter(
        "intents",
        [""],
        "What an activity asks of the robot when it begins, published on /intents (hri_actions_msgs): "
        "<activity>=<intent> or <activity>=<intent>:<object>, such as wave=greet.",
        parse=_pairs,
        accepts="a list of <activity>=<intent>",
    ),
    Parameter(
        "humans",
        True,
        "Publish the activity of each person on /humans/bodies/<id>/activity as well; of several models for the same "
        "people, one may.",
    ),
)


def declare_streams(values: Values) -> tuple[str, ...]:
    """Declare the parameters of every stream in `streams`, and return the names.

    Raises:
        ParameterError: `streams` is empty or has a name twice.
    """
    names: tuple[str, ...] = values.read("streams")
    for name in names:
        for row in STREAM:
            values.declare(row, prefix=f"{name}.")
    return names


def unknown_names(given: Iterable[str], rows: Sequence[Parameter]) -> Iterator[str]:
    """Yield a message for each given parameter that a table does not have, with the most similar name."""
    known = [row.name for row in rows]
    for name in given:
        stream, dot, _ = name.rpartition(".")
        of_stream = [f"{stream}.{row.name}" for row in STREAM] if dot and "streams" in known else []
        candidates = [*known, *of_stream]
        if name in candidates or name in _OF_EVERY_NODE or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, candidates, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(candidates)}"
        yield f"no parameter {name!r}; {hint}"


_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")
