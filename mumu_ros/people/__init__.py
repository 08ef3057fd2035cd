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

"""People in view of a camera: found, followed, lifted into space. No ROS, no torch.

Names are loaded when they are asked for: whoever reads `Person` out of a message needs no pose network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mumu_ros.people.camera import Camera, CameraError
    from mumu_ros.people.finder import PeopleFinder
    from mumu_ros.people.landmarks import LAYOUT
    from mumu_ros.people.person import Person, PositionSource
    from mumu_ros.people.weights import WeightsError, fetch_weights, find_weights, weights_folder

__all__ = [
    "LAYOUT",
    "Camera",
    "CameraError",
    "PeopleFinder",
    "Person",
    "PositionSource",
    "WeightsError",
    "fetch_weights",
    "find_weights",
    "weights_folder",
]

_MODULES = {
    "camera": ("Camera", "CameraError"),
    "finder": ("PeopleFinder",),
    "landmarks": ("LAYOUT",),
    "person": ("Person", "PositionSource"),
    "weights": ("WeightsError", "fetch_weights", "find_weights", "weights_folder"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
