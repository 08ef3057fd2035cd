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

"""Simulated sensor faults: their effect on a stream, their time, and their notation.

Training, `mumu evaluate` and the simulator use it. Needs numpy and OpenCV only.
"""

from mumu_ros.failures.faults import NOTATION, Fault, FaultInjector, find_streams, parse_fault
from mumu_ros.failures.injector import Injector
from mumu_ros.failures.kinds import KINDS, SENSORS, Failure, Kind, kinds_for
from mumu_ros.failures.spread import Spread

__all__ = [
    "KINDS",
    "NOTATION",
    "SENSORS",
    "Failure",
    "Fault",
    "FaultInjector",
    "Injector",
    "Kind",
    "Spread",
    "find_streams",
    "kinds_for",
    "parse_fault",
]
