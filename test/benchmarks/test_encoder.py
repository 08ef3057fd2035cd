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
from mumu_ros.benchmarks import encoder
from mumu_ros.model.checkpoint import load_checkpoint


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


def test_the_floor_is_measured_with_the_clock_of_the_costs(
    tiny_model: Path, bench: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, costs, rates = [0.0], [1.0, 2.0, 3.0], [3.0, 1.0, 2.0]  # of each round

    def ticking() -> float:
        now_s[0] += costs[0]
        return now_s[0]

    def rate(_dtype: object, _device: object, clock: Callable[[], float]) -> float:
        assert clock is ticking
        costs.pop(0)
        return rates.pop(0)

    monkeypatch.setattr(encoder, "cost_clock", lambda _: ticking)
    monkeypatch.setattr(encoder, "matmul_gflops", rate)
    monkeypatch.setattr(encoder, "computes_bf16", lambda: False)
    command = ("encoder", "--model", str(tiny_model), "--backends", "eager", "--rounds", "3", "--device", "cpu")
    result = bench(*command)
    assert result["ms"]["eager"] == {"1": 2000.0, "2": 2000.0}
    assert result["share_of_floor"]["eager"]["1"] == pytest.approx(result["gflop_per_frame"] / 3)


def test_auto_and_spaces_are_taken(
    tiny_model: Path, bench: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "choose_backend", lambda *_: "compile")
    checkpoint = load_checkpoint(tiny_model)
    names = encoder.named_backends("eager, auto,openvino,compile", checkpoint, tiny_model)
    assert names == ["eager", "compile", "openvino"]
    monkeypatch.setattr(encoder, "choose_backend", lambda *_: "eager")
    for name in ("encoder", "decision"):
        command = (name, "--model", str(tiny_model), "--backends", "eager, auto", "--rounds", "1", "--device", "cpu")
        assert set(bench(*command)["speedup" if name == "encoder" else "backends"]) == {"eager"}


def test_a_model_without_a_camera_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "encoder", "--model", "people"]) == 2
    assert "which has no camera: skeleton, imu" in capsys.readouterr().err


def test_a_camera_or_back_end_that_is_not_there_is_refused(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["bench", "encoder", "--model", str(tiny_model), "--rounds", "1", "--device", "cpu"]
    assert cli.main([*command, "--backends", "eager", "--modality", "imu"]) == 2
    assert "--modality is 'imu'; the model's cameras are rgb, depth" in capsys.readouterr().err
    assert cli.main([*command, "--backends", "tpu"]) == 2
    assert "backend is 'tpu'" in capsys.readouterr().err
