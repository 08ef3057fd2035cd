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

"""Runs `mumu bench` as a user would."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from mumu_ros import cli


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """That of other tests is as it was: a benchmark leaves its domain there."""
    with patch.dict(os.environ):
        yield


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a benchmark with --json and return the object on the last line; the table is above it."""

    def run(*arguments: str) -> dict[str, Any]:
        assert cli.main(["bench", *arguments, "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) > 3
        result: dict[str, Any] = json.loads(lines[-1], parse_constant=pytest.fail)  # NaN is no JSON
        assert result["machine"]["cores"] >= 1
        assert "python" in result["versions"]
        return result

    return run
