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

"""What the simulated person does: activities in groups."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACTIVITIES", "EXTRA_GROUPS", "GROUPS", "GROUP_OF"]

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "communicate": ("wave", "point", "clap", "stop_sign"),
        "transport": ("walk", "carry_light", "carry_heavy", "lift"),
        "work": ("hammer", "drill", "inspect", "screw"),
        "rest": ("stand", "sit"),
    }
)
"""Activity group → its activities; equal to config/taxonomies/sim.yaml."""

ACTIVITIES: tuple[str, ...] = tuple(activity for group in GROUPS.values() for activity in group)
"""The performed activities without a script."""

EXTRA_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"communicate": ("bow",), "exercise": ("stretch",)})
"""Performed in scripts only: activities to teach, which the shipped model `sim` does not know."""

GROUP_OF: Mapping[str, str] = MappingProxyType(
    {activity: group for groups in (GROUPS, EXTRA_GROUPS) for group in groups for activity in groups[group]}
)
"""Every activity that a script can name → its group."""
