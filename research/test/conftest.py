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

"""The fixtures of the package's tests; `make check` leaves the tests of research/ out."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_TEST = Path(__file__).resolve().parents[2] / "test"


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fixtures_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


_training = _load(_TEST / "training" / "conftest.py")
config, make_clip, write_folder = _training.config, _training.make_clip, _training.write_folder
vector_settings, vector_windows = _training.vector_settings, _training.vector_windows
no_processes = _load(_TEST / "conftest.py").no_processes


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return True if config.getoption("fast", False) else None
