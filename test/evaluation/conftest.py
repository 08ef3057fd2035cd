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

"""What tests of the evaluation share: a short recording of a simulated person, and the shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mumu_ros.cli import main
from mumu_ros.share import share_path


@pytest.fixture(scope="session")
def simulated_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a simulated person, whose wrist IMU is unplugged from 2 to 5 s."""
    path = tmp_path_factory.mktemp("bags") / "person"
    arguments = ["--seconds", "6", "--seed", "3", "--subject", "1001", "--image-size", "64x48"]
    assert main(["simulate", str(path), *arguments, "--fault", "imu_wrist:2-5"]) == 0
    return path


@pytest.fixture(scope="session")
def evaluated(simulated_bag: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that `mumu evaluate sim` wrote about it."""
    out = tmp_path_factory.mktemp("evaluated")
    params = str(share_path("config", "sim.yaml"))
    assert main(["evaluate", "sim", str(simulated_bag), "--params", params, "--out", str(out)]) == 0
    return out


@pytest.fixture
def evaluate(simulated_bag: Path, capsys: Any) -> Any:
    """evaluate(*arguments): run `mumu evaluate sim` on it; exit status, output and errors."""

    def run(*arguments: object, model: str = "sim", bag: Path | None = None) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["evaluate", model, str(bag or simulated_bag), *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def shared_topic(tmp_path: Path) -> Path:
    """`config/sim.yaml`, but with both IMUs on the topic of the wrist's."""
    path = tmp_path / "shared_topic.yaml"
    path.write_text(share_path("config", "sim.yaml").read_text().replace("imu/belt", "imu/wrist"))
    return path
