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

"""The simulator's sensors, and faults of them to order."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mumu_ros.failures import Fault
from mumu_ros.failures import parse_fault as parse

__all__ = ["SENSORS", "STREAMS", "StreamInfo", "parse_fault"]


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
SENSORS: Mapping[str, str] = MappingProxyType(
    {stream.name: "vector" if stream.kind == "imu" else stream.kind for stream in STREAMS}
)
"""Stream → what it is to `mumu_ros.failures`."""


def parse_fault(text: str) -> Fault:
    """Read a fault of these sensors, see `mumu_ros.failures.parse_fault`; times count from the simulation's start.

    Raises:
        ValueError: Contains `text`, and what is expected.
    """
    return parse(text, SENSORS)
