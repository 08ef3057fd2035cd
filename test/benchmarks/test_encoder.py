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

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mumu_ros import cli


def test_each_back_end_is_compared_with_pytorch(bench: Callable[..., dict[str, Any]], tiny_model: Path) -> None:
    pytest.importorskip("openvino")
    result = bench("encoder", "--model", str(tiny_model), "--backends", "openvino", "--rounds", "2", "--device", "cpu")
    assert set(result["speedup"]) == {"eager", "openvino"}
    assert result["speedup"]["eager"] == {"1": 1.0, "2": 1.0}
    assert result["ms"]["openvino"]["1"] > 0
    assert result["feature_error"]["eager"] == 0
    assert 0 < result["feature_error"]["openvino"] < 0.1
    assert result["gflop_per_frame"] == pytest.approx(0.002, abs=0.002)
    assert result["matmul_gflops"]["fp32"] > 0


def test_a_camera_or_back_end_that_is_not_there_is_refused(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "encoder", "--model", str(tiny_model), "--rounds", "1", "--device", "cpu"]
    assert cli.main([*command, "--backends", "eager", "--modality", "imu"]) == 2
    assert "--modality is 'imu'; the model's cameras are rgb, depth" in capsys.readouterr().err
    assert cli.main([*command, "--backends", "tpu"]) == 2
    assert "backend is 'tpu'" in capsys.readouterr().err
