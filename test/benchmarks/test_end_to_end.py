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
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")

from mumu_ros import cli
from mumu_ros.benchmarks import composed, end_to_end, sensors, transport
from mumu_ros.model.checkpoint import read_config


@pytest.mark.serial
def test_it_reports_latency_losses_and_processor_time(bench: Callable[..., dict[str, Any]], tiny_model: Path) -> None:
    options = ("--rounds", "1", "--seconds", "1", "--backend", "eager")
    result = bench("end-to-end", "--model", str(tiny_model), *options)
    assert result["backend"] == "eager"
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p99"]
    assert 0 < result["decisions_per_s"] < 6
    assert set(result["lost"]) == set(result["sent"]) == {"rgb", "depth", "imu"}
    assert all(0 <= lost <= result["sent"][name] for name, lost in result["lost"].items())
    assert result["sent"]["imu"] > result["sent"]["rgb"] > 30
    assert set(result["imu_delay_ms"]) == {"without", "with", "ratio"}
    assert set(result["cpu"]) == {"sensors", "sensor_sync", "inference"}
    assert all(cores > 0 for cores in result["cpu"].values())


@pytest.mark.serial
def test_one_process_is_compared_with_two(bench: Callable[..., dict[str, Any]], tiny_model: Path) -> None:
    result = bench("composed", "--model", str(tiny_model), "--rounds", "1", "--seconds", "1")
    for ways in ("two", "one"):
        assert 0 < result[ways]["latency_ms"]["p50"] <= result[ways]["latency_ms"]["p99"]
        assert result[ways]["cpu"] > 0
    assert result["ratio"]["memory_mib"] == pytest.approx(result["one"]["memory_mib"] / result["two"]["memory_mib"])
    assert result["one"]["memory_mib"] < result["two"]["memory_mib"]


def test_a_round_without_a_decision_is_refused_with_what_helps(tiny_model: Path) -> None:
    run = MagicMock(monitor=SimpleNamespace(latencies_s=[]))
    run.processes.cpu_s.return_value = 1.0
    run.processes.resources.return_value = {"composed": SimpleNamespace(memory_mib=100.0)}
    with pytest.raises(ValueError, match=r"no decision within 0\.05 s of composed; raise --seconds"):
        composed._measure(run, ("composed",), read_config(tiny_model), 0.05, composed._Seen())


def test_sensors_wait_as_long_as_the_benchmarks_do() -> None:
    assert end_to_end.START_TIMEOUT_S <= sensors.PATIENCE_S < transport.START_TIMEOUT_S


def test_a_node_that_refuses_its_parameters_is_quoted(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny_model / "model.safetensors").write_bytes(b"no weights")
    assert cli.main(["bench", "end-to-end", "--model", str(tiny_model), "--rounds", "1", "--seconds", "1"]) == 2
    assert "is corrupt" in capsys.readouterr().err


def test_a_model_of_a_sensor_that_is_not_simulated_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "end-to-end", "--model", "utd-mhad-dsp"]) == 2
    assert "skeleton" in capsys.readouterr().err
