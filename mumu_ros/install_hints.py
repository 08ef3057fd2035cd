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

import os
import sys
from pathlib import Path

import mumu_ros

__all__ = ["DISTRIBUTIONS", "install", "is_of_ros", "remedy"]

DISTRIBUTIONS = {
    "backports": "backports.zstd",
    "cv2": "opencv-python-headless",
    "rerun": "rerun-sdk",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Modules that are not called as what pip installs."""
_EXTRAS = {
    "train": ("lightning", "matplotlib", "scipy", "sklearn", "tensorboard"),
    "vision": ("transformers",),
    "lerobot": ("pyarrow", "av"),
    "rerun": ("rerun",),
}
_OF_ROS = {"ament_index_python", "cv_bridge", "launch", "launch_ros", "message_filters", "rclpy", "tf2_ros"}


def install(extra: str) -> str:
    """The command that installs an extra, whether mumu_ros was installed by pip, by colcon or by `make setup`."""
    if extra == "rerun" and _constraints():
        return (
            "rerun asks for NumPy 2, packages of an installed ROS for NumPy 1: make an environment without ROS, in the "
            "source folder of mumu_ros: python3 -m venv ~/rerun && ~/rerun/bin/pip install '.[people,rerun]'; then run "
            "~/rerun/bin/mumu"
        )
    return f"in the source folder of mumu_ros: pip install -r requirements/{extra}.txt{_constraints()}"


def _constraints() -> str:
    """Option of pip that keeps NumPy 1 beside an installed ROS: its packages are built for that."""
    return " -c requirements/with-ros-installed.txt" if "/opt/ros/" in os.environ.get("AMENT_PREFIX_PATH", "") else ""


def is_of_ros(module: str) -> bool:
    """Whether a module without dots comes with ROS, and not from pip."""
    return module in _OF_ROS or module.endswith(("_msgs", "_interfaces", "_srvs"))


def remedy(module: str) -> str:
    """What to do where a module cannot be imported."""
    top = module.split(".")[0]
    if is_of_ros(top) or module.startswith(("mumu_ros.msg", "mumu_ros.srv", "mumu_ros.action")) or module == "mumu_ros":
        built = [Path(folder, "mumu_ros") for folder in sys.path if Path(folder, "mumu_ros", "msg").is_dir()]
        if top == "mumu_ros" and built and str(built[0]) not in mumu_ros.__path__:
            return (
                f"{mumu_ros.__path__[0]!r} hides the built package, {str(built[0])!r}: run it in another folder, and "
                "without the former in PYTHONPATH"
            )
        return (
            "it needs ROS 2 and the built messages: source the setup.bash of ROS and of the workspace; in a checkout "
            "without ROS run `make setup`, then `. ./env.sh`"
        )
    if top == "mumu_ros":
        return "it is new in this checkout: run `make setup`"
    extra = next((extra for extra, modules in _EXTRAS.items() if top in modules), "")
    command = install(extra) if extra else f"install it: pip install {DISTRIBUTIONS.get(top, top)}"
    if not extra and _constraints():
        command += f"{_constraints()}, in the source folder of mumu_ros"
    if sys.prefix == sys.base_prefix:  # no virtual environment is active
        return f"if there is a virtual environment for it, activate it (. venv/bin/activate); else {command}"
    return command
