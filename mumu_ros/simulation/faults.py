"""Sensor faults to order: what fails, and when."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["DEVICES", "Fault", "STREAMS", "StreamInfo", "parse_fault"]


@dataclass(frozen=True)
class StreamInfo:
    """One sensor stream of the simulator.

    Attributes:
        name: What `Sample.stream` says.
        kind: "rgb" (uint8 H×W×3), "depth" (uint16 H×W, millimetres) or "imu" (float64 (2, 3): specific force
            in m/s², angular rate in rad/s).
        rate_hz: Nominal rate.
    """

    name: str
    kind: str
    rate_hz: float


STREAMS: tuple[StreamInfo, ...] = (
    StreamInfo("rgb", "rgb", 30.0),
    StreamInfo("depth", "depth", 30.0),
    StreamInfo("imu_wrist", "imu", 200.0),
    StreamInfo("imu_belt", "imu", 200.0),
)
DEVICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"camera": ("rgb", "depth"), "imu": ("imu_wrist", "imu_belt")}
)
"""Device → the streams that fall silent together when it is unplugged."""

_SPEC = re.compile(r"(?P<target>\w+):(?P<start>\d+(?:\.\d+)?)-(?P<end>\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Fault:
    """An unplugged cable: the target gives no samples in [start_s, end_s).

    Attributes:
        target: A stream or a device.
        start_s: Seconds since the simulation's start.
        end_s: Seconds since the simulation's start, later than `start_s`.

    Raises:
        ValueError: for an unknown target or an interval that is empty or starts before 0.
    """

    target: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if self.target not in _targets():
            raise ValueError(f"fault target {self.target!r} is unknown; expected one of {', '.join(_targets())}")
        if not 0 <= self.start_s < self.end_s:
            raise ValueError(
                f"fault interval {self.start_s:g}-{self.end_s:g} s is empty or negative; "
                "expected 0 <= start < end in seconds"
            )

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams concerned."""
        return DEVICES.get(self.target, (self.target,))

    def silences(self, stream: str, time_s: float) -> bool:
        """Whether `stream` gives no sample at `time_s` (seconds since the simulation's start)."""
        return stream in self.streams and self.start_s <= time_s < self.end_s


def parse_fault(text: str) -> Fault:
    """Read a fault from the command line's notation TARGET:START-END, as in "imu:10-20" (seconds).

    Raises:
        ValueError: quoting `text`, where it is not in that notation or names no stream or device.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"fault {text!r} is not TARGET:START-END in seconds, such as imu:10-20; "
            f"TARGET is one of {', '.join(_targets())}"
        )
    try:
        return Fault(match["target"], float(match["start"]), float(match["end"]))
    except ValueError as error:
        raise ValueError(f"fault {text!r}: {error}") from error


def _targets() -> Sequence[str]:
    return (*DEVICES, *(stream.name for stream in STREAMS))
