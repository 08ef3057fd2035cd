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

"""`mumu fuzz` around its targets: what fails is in the log, and nothing is left when it ends."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from mumu_ros import cli

needs_atheris = pytest.mark.skipif(find_spec("atheris") is None, reason="the extra `fuzz` is not installed")
_WITH_A_TARGET = """
import os, sys
from mumu_ros import cli
from mumu_ros.trials import targets

def make(folder, undo):
    {body}

targets.TARGETS["one"] = make
sys.exit(cli.main(["fuzz", "one", "--seconds", "100", "--out", sys.argv[1]]))
"""


def command(body: str, out: Path) -> list[str]:
    """Fuzzes a target that is made so."""
    return [sys.executable, "-c", _WITH_A_TARGET.format(body=body), str(out)]


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_time_that_would_not_end_is_refused(capsys: pytest.CaptureFixture[str], seconds: int) -> None:
    assert cli.main(["fuzz", "no such target", "--seconds", str(seconds)]) == 2
    assert capsys.readouterr().err == f"mumu fuzz: --seconds is {seconds}; expected 1 or more\n"


@needs_atheris
@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("OSError(28, 'No space left on device')", "OSError: [Errno 28] No space left on device"),
        ("SystemExit('\\udcff')", "SystemExit: \\udcff"),
    ],
)
def test_the_log_has_the_reason_why_a_target_could_not_be_made(tmp_path: Path, error: str, said: str) -> None:
    words = command(f"raise {error}", tmp_path)
    result = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert f"one ended with status 1; see {tmp_path / 'one.log'}\n" in result.stdout
    assert (tmp_path / "one.log").read_text().splitlines()[-1] == said


@needs_atheris
def test_targets_are_isolated_on_this_machine(tmp_path: Path) -> None:
    body = "raise OSError(targets._context(undo).get_domain_id(), os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'])"
    others = {"ROS_DOMAIN_ID": "101", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    subprocess.run(command(body, tmp_path), env={**os.environ, **others}, check=False, capture_output=True, timeout=120)
    found = re.search(r"\[Errno (\d+)\] (\w+)$", (tmp_path / "one.log").read_text())
    assert found is not None
    assert found[1] != "101"
    assert found[2] == "LOCALHOST"


@needs_atheris
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_fuzzer_and_its_folder_do_not_outlast_the_command(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    """But for the folder, if nothing can be done any more."""
    read, write = os.pipe()  # it ends when no process has the other end open
    with open(read) as pipe:
        body = f"os.write({write}, f'{{folder.parent}}\\n'.encode()); return [b'seed'], lambda data: None"
        process = started(command(body, tmp_path), pass_fds=[write])
        os.close(write)
        folder = Path(pipe.readline().rstrip())
        assert folder.is_dir()
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert select.select([pipe], [], [], 60)[0], "the fuzzer is still there"
    if number == signal.SIGKILL:
        shutil.rmtree(folder)
    else:
        assert (errors, process.returncode, folder.exists()) == ("", 130, False)
