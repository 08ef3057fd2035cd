"""What /diagnostics and ActivityRecognition call a fault: words that other software may react to."""

from __future__ import annotations

from enum import Enum, IntEnum

__all__ = ["FaultCode", "Level", "markdown"]


class Level(IntEnum):
    """How bad it is, as in diagnostic_msgs/msg/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


class FaultCode(str, Enum):
    """A fault. The words and their levels do not change between versions; new ones may come.

    Attributes:
        level: Of a status that has this code.
        meaning: In a sentence.
    """

    level: Level
    meaning: str

    def __new__(cls, word: str, level: Level, meaning: str) -> FaultCode:
        """Make a member from its row."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.level, member.meaning = level, meaning
        return member

    NONE = "", Level.OK, "nothing is wrong"
    WAITING = "waiting", Level.STALE, "nothing has come, and it is too early to say why, or another status does"

    UNPUBLISHED = "unpublished", Level.ERROR, "nothing publishes the topic"
    WRONG_TYPE = "wrong_type", Level.ERROR, "the topic is published with another type"
    WRONG_QOS = "wrong_qos", Level.ERROR, "the topic is published best effort, and reliable is asked for"
    SILENT = "silent", Level.ERROR, "the topic is published with the right type, and nothing comes"

    STAMPS = "stamps", Level.WARN, "stamps of 0 or less"
    CLOCK = "clock", Level.WARN, (
        "stamps more than a second off the other sensors' (`offset_s` is the estimate, the parameter "
        "`<stream>.offset_s` the remedy), or off the timeline of what came before"
    )  # fmt: skip
    LATE = "late", Level.WARN, (
        "more than 5 % of the frames (20 % of other samples) late, refused or doubled in the last two seconds"
    )  # fmt: skip
    UNPAIRED = "unpaired", Level.WARN, "its frames find no partner, though they come"
    LOST = "lost", Level.WARN, "the steps between stamps show that more than 35 % of the messages never came"
    UNREADABLE = "unreadable", Level.WARN, "messages that do not hold what they should; the text has the last reason"
    IMPLAUSIBLE = "implausible", Level.WARN, "values that are not finite or that no sensor can measure"
    TOO_SLOW = "too_slow", Level.WARN, "this computer does not keep up, and messages are dropped"

    FROZEN = "frozen", Level.WARN, "the camera sends the same picture over and over"
    UPSIDE_DOWN = "upside_down", Level.WARN, "everybody is upside down in the picture"
    UNREGISTERED = "unregistered", Level.WARN, "depth does not belong to the colour picture, and is not used"
    UNCALIBRATED = "uncalibrated", Level.WARN, "there is no usable CameraInfo: distances are nominal"
    CROWDED = "crowded", Level.WARN, "more people than `max_people`; some are left out"
    CONTESTED = "contested", Level.WARN, "another node publishes the same topic"
    NO_TRANSFORM = "no_transform", Level.WARN, "joints stay in the camera's frame"

    SPARSE = "sparse", Level.WARN, "fewer samples in the window than `min_coverage` asks for"
    MISSING = "missing", Level.WARN, "the model has the modality, and there is no such stream"
    UNASSIGNED = "unassigned", Level.WARN, "samples come, and are of another person or of nobody in particular"
    NOT_FINITE = "not_finite", Level.WARN, "the network's output is not finite, and is not published"
    STUCK = "stuck", Level.WARN, "by [health](health.md): repeats itself"
    SATURATED = "saturated", Level.WARN, "by health: at the end of its range"
    NOISY = "noisy", Level.WARN, "by health: noisier than healthy ones"
    TOO_STILL = "too_still", Level.WARN, "by health: moves less than healthy ones"
    OFFSET = "offset", Level.WARN, "by health: off by a constant"
    UNLIKE_OTHERS = "unlike_others", Level.WARN, "by health: looks well by itself, and does not fit the others"

    OTHER_MODEL = "other_model", Level.WARN, "recognitions by another model than the one that is evaluated"
    UNLABELLED = "unlabelled", Level.WARN, "no annotation fits the recognitions' stamps"
    DAMAGED = "damaged", Level.WARN, "a part of the bag cannot be read"
    UNKNOWN_PARAMETER = "unknown_parameter", Level.WARN, "a parameter that the node does not have, and ignores"
    EXCEPTION = "exception", Level.WARN, "an unexpected error, logged with its traceback; the node goes on"

    def __str__(self) -> str:
        return str.__str__(self)


def markdown() -> str:
    """The table in docs/reliability.md."""
    lines = ["| code | level | meaning |", "|---|---|---|"]
    lines += [f"| {f'`{c}`' if c else '(empty)'} | {c.level.name} | {c.meaning} |" for c in FaultCode]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
