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

"""Synthetic people seen by synthetic sensors.

`Simulator` gives the samples of a colour camera, a depth camera and two inertial sensors while one person or several
perform activities, and the truth about everybody at any time; faults of `mumu_ros.failures` unplug or spoil the
sensors. Needs numpy and OpenCV only.
"""

from mumu_ros.simulation.crowd import MAX_PEOPLE
from mumu_ros.simulation.performance import Segment
from mumu_ros.simulation.sensors import SENSORS, STREAMS, StreamInfo, parse_fault
from mumu_ros.simulation.simulated_activities import ACTIVITIES, EXTRA_GROUPS, GROUP_OF, GROUPS
from mumu_ros.simulation.simulator import Sample, Simulator
from mumu_ros.simulation.true_people import TRUTH_LAYOUT

__all__ = [
    "ACTIVITIES",
    "EXTRA_GROUPS",
    "GROUPS",
    "GROUP_OF",
    "MAX_PEOPLE",
    "SENSORS",
    "STREAMS",
    "Sample",
    "Segment",
    "Simulator",
    "StreamInfo",
    "TRUTH_LAYOUT",
    "parse_fault",
]
