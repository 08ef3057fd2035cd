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

"""Fault detection: which modalities of a window deviate from their healthy statistics, and since when."""

from mumu_ros.health.model import Description, HealthError, HealthModel, layout, load_health, save_health
from mumu_ros.health.monitor import Describer, HealthMonitor, ModalityHealth, fault_age_s, flag
from mumu_ros.health.sample_faults import find_fault

__all__ = [
    "Describer",
    "Description",
    "HealthError",
    "HealthModel",
    "HealthMonitor",
    "ModalityHealth",
    "flag",
    "fault_age_s",
    "find_fault",
    "layout",
    "load_health",
    "save_health",
]
