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

"""Fault codes of /diagnostics and ActivityRecognition: stable words that other software may react to."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["FaultCode", "Level", "markdown"]


class Level(IntEnum):
    """Severity, as in diagnostic_msgs/msg/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class FaultCode(str, Enum):
    """A fault code. Codes and their levels are stable between versions; new ones may be added.

    Attributes:
        level: Severity of a status with this code.
        meaning: Description for users.
    """

    level: Level
    meaning: str

    def __new__(cls, word: str, level: Level, meaning: str) -> FaultCode:
        """Create a member from its row."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.level, member.meaning = level, meaning
        return member

    NONE = "", Level.OK, "no fault"
    WAITING = "waiting", Level.STALE, (
        "no data yet; it is too early to tell why, simulated time stands still, or another status reports the reason"
    )  # fmt: skip

    UNPUBLISHED = "unpublished", Level.ERROR, "nothing publishes the topic"
    WRONG_TYPE = "wrong_type", Level.ERROR, "the topic is published with another type"
    WRONG_QOS = "wrong_qos", Level.ERROR, "the topic is published best effort, but reliable is requested"
    SILENT = "silent", Level.ERROR, (
        "the topic is published with the right type, but no messages arrive; of a decision: no sample in its window"
    )  # fmt: skip

    STAMPS = "stamps", Level.WARN, "stamps of 0 or less, or of pictures (`people`, `overlay`) that stay the same"
    CLOCK = "clock", Level.WARN, (
        "stamps differ by more than a second from the other sensors' (`offset_s` is the estimate, the parameter "
        "`<stream>.offset_s` the remedy), those of frames or pictures from those of people (`inference` and "
        "`overlay` report it), or from earlier stamps of the stream"
    )  # fmt: skip
    LATE = "late", Level.WARN, (
        "more than 5 % of the frames (20 % of other samples) late, rejected or duplicate in the last second"
    )  # fmt: skip
    UNPAIRED = "unpaired", Level.WARN, (
        "frames arrive, but fewer than half of the expected ones are paired with the reference"
    )  # fmt: skip
    LOST = (
        "lost",
        Level.WARN,
        "more than 35 % of the messages are missing, judged by the steps between stamps or counted by the middleware",
    )
    SLOW_REFERENCE = "slow_reference", Level.WARN, (
        "the stream whose stamps the frames have is slower than half of `rate_hz`, and so are they"
    )  # fmt: skip
    UNREADABLE = "unreadable", Level.WARN, "messages with invalid contents; the text has the last reason"
    IMPLAUSIBLE = "implausible", Level.WARN, (
        "values that are not finite or physically impossible; an IMU that for seconds feels less than 3 m/s² (in g, or "
        "without gravity) or turns at more than 20 rad/s (in degrees a second); depth with less than 1 % of its "
        "readings nearer than 65 m (in millimetres, sent as metres)"
    )  # fmt: skip
    SMALL = "small", Level.WARN, (
        "pictures are enlarged for the model: `sensor_sync` sends them in the size of its own parameter `model`"
    )  # fmt: skip
    TOO_SLOW = "too_slow", Level.WARN, (
        "this computer does not keep up: messages are dropped, or decisions, playback or simulation are late"
    )  # fmt: skip

    FROZEN = "frozen", Level.WARN, "the camera repeats the same picture"
    DARK = "dark", Level.WARN, "the picture is almost black, and nobody is found in it"
    UPSIDE_DOWN = "upside_down", Level.WARN, "all people are upside down in the picture"
    UNREGISTERED = "unregistered", Level.WARN, "depth is not registered to the colour picture, and is not used"
    UNCALIBRATED = "uncalibrated", Level.WARN, "there is no usable CameraInfo: distances are nominal"
    CROWDED = "crowded", Level.WARN, "more people than `max_people`; some are ignored"
    CONTESTED = "contested", Level.WARN, "another node publishes the same topic, or two a topic that is read"
    NO_TRANSFORM = "no_transform", Level.WARN, (
        "no transform to `target_frame`; joints stay in the camera's frame, or are unknown if there was one before, an "
        "IMU is left out"
    )  # fmt: skip

    SPARSE = "sparse", Level.WARN, "fewer samples in the window than `min_coverage` requires"
    MISSING = "missing", Level.WARN, "no stream provides this modality of the model"
    UNASSIGNED = "unassigned", Level.WARN, "samples arrive, but are of another person or not assigned to any"
    NOT_FINITE = "not_finite", Level.WARN, "the network's output is not finite, and is not published"
    STUCK = "stuck", Level.WARN, "[health](health.md): repeats itself; masked while another modality is left"
    SATURATED = "saturated", Level.WARN, "health: at the end of its range"
    NOISY = "noisy", Level.WARN, "health: noisier than without faults"
    TOO_STILL = "too_still", Level.WARN, "health: moves less than without faults"
    OFFSET = "offset", Level.WARN, "health: shifted by a constant"
    UNLIKE_OTHERS = "unlike_others", Level.WARN, "health: normal by itself, but inconsistent with the other modalities"

    OTHER_MODEL = "other_model", Level.WARN, "recognitions of a model other than the one being evaluated"
    UNLABELLED = "unlabelled", Level.WARN, "no annotation covers the stamps of the recognitions"
    DAMAGED = "damaged", Level.WARN, "a part of the bag cannot be read"
    UNKNOWN_PARAMETER = "unknown_parameter", Level.WARN, "a parameter that the node does not have, and ignores"
    EXCEPTION = "exception", Level.WARN, "an unexpected error, logged with its traceback; the node continues"

    def __str__(self) -> str:
        return str.__str__(self)


def markdown() -> str:
    """The table in docs/reliability.md."""
    lines = ["| code | level | meaning |", "|---|---|---|"]
    lines += [f"| {f'`{c}`' if c else '(empty)'} | {c.level.name} | {c.meaning} |" for c in FaultCode]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
