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

"""Names and types of REP 155's topics of bodies."""

from __future__ import annotations

import importlib.util

__all__ = ["BODIES", "IDS_TYPE", "SKELETON_TYPE", "TRACKED", "has_hri_msgs"]

BODIES = "/humans/bodies"
"""A body has its topics under its id."""
TRACKED = f"{BODIES}/tracked"
"""Ids of the bodies that are tracked."""
IDS_TYPE = "hri_msgs/msg/IdsList"
SKELETON_TYPE = "hri_msgs/msg/Skeleton2D"


def has_hri_msgs() -> bool:
    """Whether the messages of REP 155 are installed."""
    return importlib.util.find_spec("hri_msgs") is not None
