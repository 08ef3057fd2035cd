from __future__ import annotations

import subprocess
import sys

import pytest

from mumu_ros import cli


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mumu_ros.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_help_lists_every_command_and_loads_none() -> None:
    result = run("--help")
    assert result.returncode == 0
    for name, (_module, text) in cli.COMMANDS.items():
        assert name in result.stdout
        assert text.split()[0] in result.stdout


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_every_command_has_help(command: str) -> None:
    if cli.COMMANDS[command][0].startswith("mumu_ros.nodes"):
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    result = run(command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"mumu {command}" in result.stdout


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    result = run("recognise")
    assert result.returncode == 2
    assert "recognise" in result.stderr
    assert "demo" in result.stderr


def test_a_missing_dependency_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "demo", ("no_such_module_at_all", ""))
    assert cli.main(["demo"]) == 2
    assert "make setup" in capsys.readouterr().err
