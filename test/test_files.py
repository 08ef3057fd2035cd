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

"""Paths with a `~`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mumu_ros.files import expanded
from mumu_ros.model.checkpoint import find_model
from mumu_ros.model.taxonomy import find_taxonomy
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.parameter_file import given_parameters
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recognize.sources import open_source

NOBODY = "~nobody-of-this-name/x"
SOURCES = Path(__file__).resolve().parents[1] / "mumu_ros"


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/a") == Path("/home/me/a")
    assert expanded(NOBODY) == Path(NOBODY)


@pytest.mark.parametrize(
    "read",
    [
        find_model,
        find_taxonomy,
        open_source,
        lambda name: SensorSyncConfig.read(given_parameters({"model": name}, SENSOR_SYNC)),
    ],
    ids=["model", "taxonomy", "source", "parameter"],
)
def test_the_folder_of_a_user_whom_nobody_knows_does_not_exist(read: Callable[[str], Any]) -> None:
    with pytest.raises((ValueError, OSError), match=NOBODY):
        read(NOBODY)


def test_no_other_code_expands_paths() -> None:
    expanding = {path.name for path in SOURCES.rglob("*.py") if "expanduser" in path.read_text(encoding="utf-8")}
    assert expanding == {"files.py"}
