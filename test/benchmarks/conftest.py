"""Runs `mumu bench` as a user would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mumu_ros import cli


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a benchmark with --json and return the object on the last line; the table is above it."""

    def run(*arguments: str) -> dict[str, Any]:
        assert cli.main(["bench", *arguments, "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 3
        result: dict[str, Any] = json.loads(lines[-1])
        assert result["machine"]["cores"] >= 1
        assert "python" in result["versions"]
        return result

    return run
