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

"""Back ends send nothing to the makers of their libraries, and leave no trace of trying."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mumu_ros.share import share_path

CODE = """
import sys
from pathlib import Path
from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.recognition.backends import open_backend
folder = Path(sys.argv[2])
open_backend(sys.argv[1], load_checkpoint(folder), folder)
telemetry = [name for name, module in sys.modules.items() if name.split(".")[0] == "openvino_telemetry" and module]
sys.exit(f"{telemetry} was imported" if telemetry else 0)
"""


@pytest.mark.parametrize(("backend", "module"), [("onnxruntime", "onnxruntime"), ("openvino", "openvino")])
def test_a_back_end_leaves_nothing_but_its_conversion(tmp_path: Path, backend: str, module: str) -> None:
    """Their telemetry keeps an id of the computer in the home, and what it has not sent yet in the cache."""
    pytest.importorskip(module)
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    kept = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", CODE, backend, str(share_path("models", "people"))]
    found = subprocess.run(command, env=kept | places, capture_output=True, text=True, timeout=180)
    assert found.returncode == 0, found.stderr
    left = {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {(".cache", "mumu_ros")}
