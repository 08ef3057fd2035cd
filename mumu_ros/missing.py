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

"""How to install a module that is missing."""

from __future__ import annotations

__all__ = ["install", "remedy"]

_EXTRAS = {
    "train": ("lightning", "matplotlib", "scipy", "sklearn", "tensorboard"),
    "vision": ("transformers",),
    "lerobot": ("pyarrow", "av"),
    "rerun": ("rerun",),
}
_GENERATED = ("mumu_ros.msg", "mumu_ros.srv", "mumu_ros.action")
_DISTRIBUTIONS = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}
"""Modules that are not called as what pip installs."""


def install(extra: str) -> str:
    """The command that installs an extra, whether mumu_ros was installed by pip, by colcon or by `make setup`."""
    return f"in the source folder of mumu_ros: pip install -r requirements/{extra}.txt"


def remedy(module: str) -> str:
    """What to do where a module cannot be imported."""
    top = module.split(".")[0]
    for extra, modules in _EXTRAS.items():
        if top in modules:
            return install(extra)
    if module.startswith("mumu_ros.") and not module.startswith(_GENERATED):
        return "it is new in this checkout: run `make setup`"
    if top in ("rclpy", "mumu_ros") or top.endswith(("_msgs", "_interfaces")):
        return "it needs ROS 2 and the built messages: run `make setup`, then `. ./env.sh`"
    return f"install it: pip install {_DISTRIBUTIONS.get(top, top)}"
