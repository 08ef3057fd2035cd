"""Lint, format and types are part of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]


@pytest.mark.parametrize("command", [hook["entry"] for hook in HOOKS])
def test_style(command: str) -> None:
    """The hooks of pre-commit find nothing."""
    module, *arguments = command.split()
    pytest.importorskip(module, reason=f"{module} is not installed: pip install '.[test]'")
    result = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200
    )
    assert result.returncode == 0, result.stdout + result.stderr
