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

"""What a measurement ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe_machine", "installed_versions"]

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")
_PACKAGES = ("numpy", "opencv-python-headless", "torch", "transformers", "openvino", "nncf", "onnxruntime", "ros-rclpy")


def describe_machine() -> dict[str, Any]:
    """CPU model, cores that this process may use, instruction sets that matter here, GPU ("": none) and load.

    The load is the average number of running processes in the last minute, this one included: whether the
    machine was shared.
    """
    fields: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "cpu": fields.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in _FLAGS if flag in flags],
        "gpu": _gpu(),
        "load": round(os.getloadavg()[0], 2),
    }


def _gpu() -> str:
    command = shutil.which("nvidia-smi")
    if not command:
        return ""
    query = [command, "--query-gpu=name", "--format=csv,noheader"]
    result = subprocess.run(query, capture_output=True, text=True, check=False)
    return "" if result.returncode else result.stdout.partition("\n")[0].strip()


def installed_versions() -> dict[str, str]:
    """Versions of Python, of the libraries that do the work where they are installed, and of ROS 2."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if distribution := os.environ.get("ROS_DISTRO"):
        versions["ros"] = distribution
    return versions
