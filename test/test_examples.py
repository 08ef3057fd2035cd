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

"""docs/python.md and the scripts of examples/ run as they stand."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mumu_ros.recognition import Decision

ROOT = Path(__file__).resolve().parents[1]


def test_the_three_lines_of_the_page_classify_arrays() -> None:
    code = re.findall(r"^    (.*)$", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE)
    assert len(code) == 3
    rng, stamps, imu_stamps = (np.random.default_rng(0), 10**8 * np.arange(1, 31), 10**7 * np.arange(1, 301))
    names: dict[str, Any] = {
        "stamps": stamps,
        "joints": rng.normal(size=(len(stamps), 15, 3)),
        "imu_stamps": imu_stamps,
        "readings": rng.normal(size=(len(imu_stamps), 2, 3)),
    }
    exec("\n".join(code), names)
    assert isinstance(names["decision"], Decision)
    assert names["decision"].present.all()


def test_no_command_hides_the_packages_that_env_sh_has_put_on_the_path() -> None:
    """Beside a ROS of apt they are in PYTHONPATH."""
    pages = [page for pattern in ("*.md", "docs/*.md", "examples/*/*.md") for page in ROOT.glob(pattern)]
    given = [value for page in pages for value in re.findall(r"\bPYTHONPATH=\S*", page.read_text())]
    assert given, "the example that reacts"
    assert all("${PYTHONPATH:+:$PYTHONPATH}" in value for value in given), given


def test_recognize_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "recognize_arrays.py"))
    model, *answers = capsys.readouterr().out.splitlines()
    assert model.startswith("<Checkpoint sim@")
    assert len(answers) == 4
    assert all(answer.startswith("communicate/wave") for answer in answers)
    assert "rgb 0.00, depth 0.00" in answers[1], "without cameras"
