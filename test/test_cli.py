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

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from mumu_ros import cli
from mumu_ros.install_hints import remedy as remedy_of
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy

Start = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {name: where for commands in cli.COMMANDS.values() for name, where in commands.items()}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mumu_ros.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_every_command_and_loads_none() -> None:
    result = run("--help")
    assert result.returncode == 0
    for name, (_module, text) in COMMANDS.items():
        assert name in result.stdout
        assert text.split()[0] in result.stdout


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    if COMMANDS[command][0].startswith("mumu_ros.nodes"):
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    result = run(command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"mumu {command}" in result.stdout


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"{version('mumu_ros')}\n"


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    result = run("recognise")
    assert result.returncode == 2
    assert "recognise" in result.stderr
    assert "demo" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train", "no/such.yaml", "--out", "x"], "no/such.yaml"),
        (["train", "config/training/sim.yaml", "optimisation.epochs=3", "--out", "x"], "optimisation.epochs"),
        (["test", "no/such/model", "simulator", "--subjects", "5000"], "no model folder 'no/such/model'"),
        (["simulate", "x", "--seconds", "-3"], "seconds is -3"),
        (["convert", "utd-mhad", "no/such/data", "x"], "no/such/data"),
    ],
)
def test_what_a_command_refuses_is_one_line_and_status_2(arguments: list[str], text: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("rclpy", "make setup"),
        ("lifecycle_msgs", "make setup"),
        ("std_srvs", "source the setup.bash of ROS"),
        ("message_filters", "source the setup.bash of ROS"),
        ("backports", "pip install backports.zstd"),
        ("tqdm", "pip install tqdm"),
        ("cv2", "pip install opencv-python-headless"),
        ("scipy", "pip install -r requirements/train.txt"),
    ],
)
def test_a_missing_dependency_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, remedy: str
) -> None:
    monkeypatch.setitem(cli.COMMANDS["Measurements"], "bench", (module, ""))
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    assert cli.main(["bench"]) == 2
    said = capsys.readouterr().err
    assert module in said
    assert remedy in said


def test_a_dependency_that_is_missing_within_a_command_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not as a module that is not there, but in a sentence: what needs it, and how to install it."""
    taxonomy = Taxonomy("t", {"g": ("a", "b")})
    model = ModelConfig("m", (Modality("rgb", "rgb", (32, 32, 3), 2, "resnet50"),), taxonomy, 1.0)
    content = {"model": model.to_dict(), "calibration": {}, "provenance": {}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    save_file({"x": np.zeros(2**16, np.float32)}, tmp_path / "model.safetensors")
    monkeypatch.setitem(sys.modules, "transformers", None)  # type: ignore[arg-type]
    assert cli.main(["test", str(tmp_path), "simulator", "--subjects", "5000"]) == 2
    said = capsys.readouterr().err
    assert "modality 'rgb': resnet50 needs transformers; " in said
    assert said.count("requirements/vision.txt") == 1
    assert len(said.splitlines()) == 1


def test_where_no_virtual_environment_is_active_that_is_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip refuses to install into the system's Python of Ubuntu 24.04."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert "venv/bin/activate); else install it: pip install torch" in remedy_of("torch")


def test_beside_an_installed_ros_nothing_replaces_its_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/ws/install/mumu_ros:/opt/ros/jazzy")
    for module in ("scipy", "transformers", "cv2"):
        assert " -c requirements/with-ros-installed.txt" in remedy_of(module)
    assert "an environment without ROS" in remedy_of("rerun")
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/src/mumu_ros/.venv")
    for module in ("scipy", "transformers", "cv2", "rerun"):
        assert remedy_of(module).split("pip install ")[1].count(" ") <= 1


def test_overrides_may_stand_behind_the_options(tmp_path: Path) -> None:
    config = str(ROOT / "config" / "training" / "sim.yaml")
    arguments = ["train", config, "--out", str(tmp_path / "model"), "optimization.epoch=1"]
    result = run(*arguments)
    assert result.returncode == 2
    assert "no key 'epoch'; did you mean epochs" in result.stderr
    assert "unrecognized arguments: --unknown=1" in run(*arguments, "--unknown=1").stderr


@pytest.mark.parametrize(
    ("arguments", "dest", "words"),
    [
        (["evaluate", "sim", "one", "--json", "two"], "bags", [Path("one"), Path("two")]),
        (["dataset", "build", "one", "--out", "set", "two"], "bags", [Path("one"), Path("two")]),
        (["record", "bag", "/one", "--max-size", "9", "/two"], "topics", ["/one", "/two"]),
        (["record", "bag", "--max-size", "9", "/two"], "topics", ["/two"]),
        (["fuzz", "one", "--runs", "1", "two"], "targets", ["one", "two"]),
    ],
)
def test_a_list_goes_on_behind_the_options(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], dest: str, words: list[object]
) -> None:
    if COMMANDS[arguments[0]][0].startswith("mumu_ros.nodes"):
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    parse, lists = argparse.ArgumentParser.parse_known_args, []

    def keep(*given: Any) -> tuple[argparse.Namespace, list[str]]:
        parsed, rest = parse(*given)
        parsed.run = lambda ready: lists.append(getattr(ready, dest)) or 0
        return parsed, rest

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", keep)
    assert cli.main(arguments) == 0
    assert lists == [words]


def test_a_reader_that_has_enough_is_no_error(started: Start, tmp_path: Path) -> None:
    """`mumu simulate … | head -0`."""
    command = [sys.executable, "-m", "mumu_ros.cli", "simulate", str(tmp_path / "bag"), "--seconds", "1"]
    process = started(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=60)
    assert (errors, process.returncode) == ("", 128 + signal.SIGPIPE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_ends_by_a_signal_heeds_it_though_it_was_started_with_sigint_ignored(
    started: Start, number: signal.Signals
) -> None:
    """As a script's background job and some CI do."""
    code = (
        "import time; from mumu_ros import cli\n"
        "def register(commands):\n"
        "    commands.add_parser('watch').set_defaults(run=lambda _: print('ready', flush=True) or time.sleep(60))\n"
        "cli.COMMANDS['Run']['watch'] = ('__main__', '')\n"
        "cli.main(['watch']) == 130 or exit(1)"
    )
    process = started([sys.executable, "-c", code], ignoring_sigint=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0


def test_a_command_under_nohup_goes_on_when_the_terminal_is_closed(started: Start) -> None:
    code = (
        "import os, signal; from mumu_ros import cli\n"
        "def register(commands):\n"
        "    commands.add_parser('watch').set_defaults(run=lambda _: os.kill(os.getpid(), signal.SIGHUP) or 7)\n"
        "cli.COMMANDS['Run']['watch'] = ('__main__', '')\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "exit(cli.main(['watch']))"
    )
    process = started([sys.executable, "-c", code])
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 7


def test_a_second_hang_up_does_not_interrupt_what_the_first_one_began(started: Start) -> None:
    """When a terminal is closed the shell sends one, and the kernel does."""
    code = (
        "import os, signal; from mumu_ros import cli\n"
        "def watch(_):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "        print('saved')\n"
        "def register(commands):\n"
        "    commands.add_parser('watch').set_defaults(run=watch)\n"
        "cli.COMMANDS['Run']['watch'] = ('__main__', '')\n"
        "exit(cli.main(['watch']))"
    )
    process = started([sys.executable, "-c", code])
    assert process.communicate(timeout=20) == ("saved\n", "")
    assert process.returncode == 130


SLOW = """
import time
try:
    print("importing", flush=True)
    time.sleep(60)
except KeyboardInterrupt as error:  # as pybind11 does
    raise ImportError("initialization failed") from error
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["watch", "train"])
def test_a_command_that_is_being_imported_ends_without_a_word(
    started: Start, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    code = (
        f"import sys; from mumu_ros import cli; sys.path.append({str(tmp_path)!r})\n"
        "for commands in cli.COMMANDS.values():\n"
        f"    commands.update(dict.fromkeys(commands.keys() & {{{command!r}}}, ('slow', '')))\n"
        f"sys.exit(cli.main([{command!r}]))"
    )
    process = started([sys.executable, "-c", code], ignoring_sigint=command in cli.UNTIL_INTERRUPTED)
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(number)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("ignored", [False, True])
def test_other_commands_heed_signals_as_they_were_started(started: Start, ignored: bool) -> None:
    code = (
        "import signal; from mumu_ros import cli\n"
        "def tell(*_):\n"
        "    print([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])\n"
        "def register(commands):\n"
        "    commands.add_parser('train').set_defaults(run=tell)\n"
        "cli.COMMANDS['Training']['train'] = ('__main__', '')\n"
        "tell()\n"
        "cli.main(['train'])"
    )
    output, errors = started([sys.executable, "-c", code], ignoring_sigint=ignored).communicate(timeout=20)
    before, after = output.splitlines()
    assert (after, errors) == (before, "")
    assert ("SIG_IGN" in before) == ignored
