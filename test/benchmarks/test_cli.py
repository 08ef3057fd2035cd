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

import subprocess
import sys

import pytest

from mumu_ros import cli
from mumu_ros.benchmarks import synchronizer
from mumu_ros.benchmarks.cli import BENCHMARKS
from mumu_ros.benchmarks.rounds import interleave, percentiles, speedup


def test_help_lists_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bench", "--help"])
    text = capsys.readouterr().out
    assert all(name in text and line in text for name, (_module, line) in BENCHMARKS.items())


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_help_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name in ("transport", "end-to-end"):
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    with pytest.raises(SystemExit) as status:
        cli.main(["bench", name, "--help"])
    assert status.value.code == 0
    text = capsys.readouterr().out
    assert f"mumu bench {name}" in text
    assert "--json" in text


def test_help_waits_for_neither_torch_nor_ros() -> None:
    code = (
        "import contextlib, sys; from mumu_ros import cli\n"
        "with contextlib.suppress(SystemExit): cli.main(['bench', '--help'])\n"
        "sys.exit('torch' in sys.modules or 'rclpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60).returncode == 0


def test_an_unknown_benchmark_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as status:
        cli.main(["bench", "coffee"])
    assert status.value.code == 2
    assert "synchronizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        "synchronizer --rounds 0",
        "transport --seconds -1",
        "encoder --threads 0",
        "decision --threads -1",
        "people --live -5",
        "people --live 0",
        "rooms --clips 0 nowhere",
        "rooms --clips -1 nowhere",
    ],
)
def test_numbers_that_measure_nothing_are_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, option, value, *_ = command.split()
    if name in ("transport", "people"):
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    assert cli.main(["bench", *command.split()]) == 2
    assert f"{option} is {value}; expected a number above 0" in capsys.readouterr().err


def test_what_is_no_number_is_not_printed_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(synchronizer, "measure", lambda _: {"us_per_message": float("nan"), "implementations": {}})
    assert cli.main(["bench", "synchronizer", "--json"]) == 2
    assert "{" not in capsys.readouterr().out


def test_runs_take_turns() -> None:
    calls: list[str] = []

    def run(name: str, cost: float) -> float:
        calls.append(name)
        return cost

    costs = interleave({"slow": lambda: run("slow", 6.0), "fast": lambda: run("fast", 2.0)}, 2)
    assert calls == ["slow", "fast", "slow", "fast"]
    assert speedup(costs["slow"], costs["fast"]) == 3.0


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([4.0]) == {"p50": 4.0, "p99": 4.0}
