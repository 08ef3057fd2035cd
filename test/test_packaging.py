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

"""What the package says of itself: every import is declared, for rosdep and for pip, and the version stands once."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

import mumu_ros.recognition
from mumu_ros.install_hints import DISTRIBUTIONS, is_of_ros

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ElementTree.parse(ROOT / "package.xml").getroot()
ROS_PACKAGES = {"tf2_ros": "tf2_ros_py"}
USED_WHERE_INSTALLED = {"hri_msgs"}
"""Only a robot with a ROS4HRI stack has it."""
OF_THE_LIBRARY = {"compression"}
"""In the standard library of Python 3.14, with backports.zstd for the older ones."""


class AtRunTime(ast.NodeTransformer):
    """Takes out what only type checkers see."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imported(folder: str) -> set[str]:
    names: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(AtRunTime().visit(ast.parse(path.read_text()))):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").split(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module"):
                value = node.args[0]
                names.add(str(value.value).split(".")[0] if isinstance(value, ast.Constant) else "mumu_ros")
    return names - set(sys.stdlib_module_names) - {"mumu_ros"} - OF_THE_LIBRARY - USED_WHERE_INSTALLED


def required(files: str = "*.txt") -> set[str]:
    lines = [line for path in (ROOT / "requirements").glob(files) for line in path.read_text().splitlines()]
    return {re.split(r"[\[<>=;! ]", line)[0].lower() for line in lines if line and line[0] not in "#-"}


def test_every_ros_package_that_is_imported_is_in_package_xml() -> None:
    declared = {e.text for e in PACKAGE if e.tag in ("depend", "exec_depend")}
    assert {ROS_PACKAGES.get(name, name) for name in imported("mumu_ros") if is_of_ros(name)} <= declared


def test_every_other_module_that_is_imported_is_in_the_requirements() -> None:
    wanted = {DISTRIBUTIONS.get(n, n.replace("_", "-")) for n in imported("mumu_ros") if not is_of_ros(n)}
    assert wanted <= {name.replace("_", "-") for name in required()}


def test_every_requirement_of_the_base_is_imported() -> None:
    names = {DISTRIBUTIONS.get(name, name) for name in imported("mumu_ros")}
    assert required("base.txt") - names == set()


def test_what_debian_has_of_the_base_is_in_package_xml() -> None:
    """rosdep installs it; pip adds what is left, into a virtual environment that sees it."""
    only_pip = {"backports.zstd", "lz4", "markupsafe", "rosbags", "safetensors", "torch"}
    keys = {"opencv-python-headless": "python3-opencv", "pyyaml": "python3-yaml"}
    wanted = {keys.get(name, f"python3-{name.replace('_', '-')}") for name in required("base.txt") - only_pip}
    assert wanted <= {e.text for e in PACKAGE if e.tag == "exec_depend"}


def test_the_version_stands_in_one_place() -> None:
    version = PACKAGE.findtext("version")
    assert version
    for name in ("setup.py", "pyproject.toml", "CMakeLists.txt", "CITATION.cff"):
        assert version not in (ROOT / name).read_text()
    assert re.search(
        rf"^{re.escape(version)} \(20\d\d-\d\d-\d\d\)$", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE
    )
    assert mumu_ros.recognition.__version__ == version


@pytest.mark.parametrize("name", ["CITATION.cff", ".github/workflows/ci.yml"])
def test_files_for_others_are_read_by_their_parsers(name: str) -> None:
    assert yaml.safe_load((ROOT / name).read_text())


def test_the_dds_profile_is_one() -> None:
    """Fast DDS passes over what it cannot parse, and images are then lost."""
    root = ElementTree.parse(ROOT / "config" / "fastdds.xml").getroot()
    assert root.tag == "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}profiles"


def test_the_dds_profile_is_named_for_fast_dds_2_and_3_wherever_it_is_named() -> None:
    names = {"FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"}
    paths = [path for pattern in ("*.*", "mumu_ros/**/*.py", "docs/*.md", "config/*.*") for path in ROOT.glob(pattern)]
    assert [path for path in paths if path.is_file() and len([n for n in names if n in path.read_text()]) == 1] == []


def test_the_public_ci_installs_what_make_setup_installs_beside_a_ros() -> None:
    """Without one of them, a test module that imports it would end the whole run."""
    setup = re.search(r"requirements=\((.*?)\)", (ROOT / "scripts" / "setup.sh").read_text())
    assert setup
    named = set(re.findall(r"requirements/([\w-]+)\.txt", (ROOT / ".github" / "workflows" / "ci.yml").read_text()))
    named |= set(re.findall(r"-r ([\w-]+)\.txt", (ROOT / "requirements" / "beside-ros.txt").read_text()))
    assert set(setup[1].split()) <= named


def test_pages_keep_the_numpy_of_an_installed_ros() -> None:
    """A requirements file that is installed beside one has the constraints, or says that it is for elsewhere."""
    pages = "\n".join(path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
    commands = re.findall(r"pip install -r [^`#]*(?:#.*)?", pages)
    assert len(commands) >= 3
    constrained = r"beside-ros\.txt|with-ros-installed\.txt|without an installed ROS"
    assert [command for command in commands if not re.search(constrained, command)] == []


def test_set_up_runs_on_every_python_that_is_promised() -> None:
    """`python -P` is of 3.11."""
    assert 'python_requires=">=3.10"' in (ROOT / "setup.py").read_text()
    paths = [*(ROOT / "scripts").iterdir(), *(ROOT / name for name in ("env.sh", "Makefile", "Dockerfile"))]
    assert [path.name for path in paths if path.is_file() and re.search(r"\s-P\s", path.read_text())] == []


def test_the_suite_runs_beside_a_ros_with_launch_testing(tmp_path: Path) -> None:
    """Its plugin has a hook with an argument that pytest 9 has no more, which would end the run (ros2/launch#979)."""
    (tmp_path / "hooks.py").write_text("def pytest_pycollect_makemodule(path, parent): ...")
    for name, plugin in {"launch_testing": "launch_testing", "launch_testing_ros": "launch_ros"}.items():
        folder = tmp_path / f"{name}-3.4.3.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.4.3\n")
        (folder / "entry_points.txt").write_text(f"[pytest11]\n{plugin} = hooks\n")
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): ...")
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:hypothesispytest"]
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    found = subprocess.run(
        [*command, str(tmp_path)], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_whoever_installs_it_finds_the_author_and_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, Any] = {}
    monkeypatch.setattr("setuptools.setup", said.update)
    runpy.run_path(str(ROOT / "setup.py"))
    assert said["author"] == PACKAGE.findtext("author")
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["preferred-citation"]
    assert said["project_urls"] == {"Paper": f"https://doi.org/{paper['doi']}"}
    assert said["classifiers"]


def test_colcon_test_runs_the_suite() -> None:
    """Where ament_cmake_pytest is installed; `make setup` builds without tests."""
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert re.search(
        r"if\(BUILD_TESTING\)\s+find_package\(ament_cmake_pytest QUIET\).*ament_add_pytest_test\(suite test ",
        cmake,
        re.DOTALL,
    )
    assert "ament_cmake_pytest" in {e.text for e in PACKAGE if e.tag == "test_depend"}
