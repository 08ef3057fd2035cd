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

"""Data files are found from the source tree and from an installation, else the error says where was looked."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest

from mumu_ros import cli, share

SOURCE = Path(share.__file__)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """share.py as installed under a prefix; what it looks up, and the prefix."""
    package = tmp_path / "prefix" / "lib" / "python3" / "site-packages" / "mumu_ros"
    package.mkdir(parents=True)
    (package / "share.py").write_text(SOURCE.read_text())
    specification = importlib.util.spec_from_file_location("installed_share", package / "share.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return module.share_path, tmp_path / "prefix"


def place(prefix: Path) -> Path:
    path = prefix / "share" / "mumu_ros" / "config" / "x.yaml"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_the_source_tree_has_its_data_beside_the_package():
    assert share.share_path("msg").is_dir()
    assert share.share_path("config", "taxonomies").is_dir()


def test_an_installation_has_them_under_its_prefix(installed):
    share_path, prefix = installed
    path = place(prefix)
    assert share_path("config", "x.yaml") == path


def test_a_ros_prefix_has_them(installed, tmp_path, monkeypatch):
    share_path, _ = installed
    path = place(tmp_path / "ws")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'ws'}")
    assert share_path("config", "x.yaml") == path


def test_the_interpreters_prefix_has_them(installed, tmp_path):
    share_path, _ = installed
    path = place(tmp_path / "python")
    assert share_path("config", "x.yaml") == path


def test_the_installation_goes_before_other_prefixes(installed, tmp_path, monkeypatch):
    share_path, prefix = installed
    path = place(prefix)
    place(tmp_path / "ws")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "ws"))
    assert share_path("config", "x.yaml") == path


def test_what_is_nowhere_is_an_error_that_lists_the_places(installed):
    share_path, prefix = installed
    place(prefix)
    with pytest.raises(FileNotFoundError, match=r"'config/y.yaml' of mumu_ros is in none of .*prefix/share"):
        share_path("config", "y.yaml")


def test_a_file_that_is_not_here_is_the_packages_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert share.located("config/sim.yaml") == share.share_path("config", "sim.yaml")
    mine = tmp_path / "config" / "sim.yaml"
    mine.parent.mkdir()
    mine.touch()
    assert share.located("config/sim.yaml").resolve() == mine


@pytest.mark.parametrize("name", ["config/mine.yaml", "/config/sim.yaml", "../config/sim.yaml", "x" * 5000])
def test_a_file_that_is_nowhere_keeps_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert share.located(name) == Path(name)


@pytest.mark.parametrize(
    "words",
    [
        ["record", "out"],
        ["evaluate", "sim", "dora"],
        ["dataset", "build", "anna", "--out", "set"],
        ["dataset", "to-lerobot", "anna", "--out", "set"],
    ],
    ids=["record", "evaluate", "build", "to-lerobot"],
)
def test_commands_take_the_packages_parameter_files_in_any_folder(words, tmp_path, monkeypatch):
    if words[0] == "record":
        pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    modules = {name: where for commands in cli.COMMANDS.values() for name, (where, _) in commands.items()}
    parser = argparse.ArgumentParser()
    importlib.import_module(modules[words[0]]).register(parser.add_subparsers())
    monkeypatch.chdir(tmp_path)
    given = parser.parse_args([*words, "--params", "config/cameras/realsense.yaml"])
    assert given.params == share.share_path("config", "cameras", "realsense.yaml")


@pytest.mark.parametrize("name", ["utd-mhad-dp", "utd-mhad-dsp"])
def test_shipped_models_of_real_people_have_at_most_4_mb(name):
    assert sum(path.stat().st_size for path in (share.share_path("models") / name).rglob("*")) <= 4_000_000
