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

"""The architecture of docs/architecture.md, held by the code."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import SLOW_PARTS, part_of_tests

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mumu_ros"
TESTS = sorted([*(ROOT / "test").rglob("*.py"), *(ROOT / "research" / "test").rglob("*.py")])
MODULES = sorted(PACKAGE.rglob("*.py"))
ROS = {
    "rclpy",
    "message_filters",
    "diagnostic_msgs",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "rosgraph_msgs",
    "visualization_msgs",
    "hri_msgs",
    "tf2_ros",
    "launch",
    "launch_ros",
}

GENERATED = ("mumu_ros.action", "mumu_ros.msg", "mumu_ros.srv")
WITH_ROS = ("nodes", "benchmarks", "trials")
WITH_MESSAGE_FILTERS = PACKAGE / "streams" / "approximate_time.py"
"""Derives from `message_filters.SimpleFilter` where that is installed; `mumu_ros.streams` loads it when asked."""
WITHOUT_TORCH = (
    "streams",
    "skeletons",
    "people",
    "failures",
    "simulation",
    "animation",
    "recordings",
    "conversions",
    "labelling",
    "datasets",
)
ORDER = (
    "streams",
    "skeletons",
    "failures",
    "people",
    "simulation",
    "animation",
    "model",
    "conversions",
    "health",
    "pipeline",
    "recognition",
    "recordings",
    "labelling",
    "datasets",
    "evaluation",
    "training",
    "recognize",
    "nodes",
    "benchmarks",
    "trials",
)
"""Subpackages, from the lowest to the highest: each imports lower ones only."""
OFFLINE = {"datasets", "training", "labelling"}
"""What runs on the robot needs none of these."""


NAMED_AFTER = ("nodes", "benchmarks")
"""Subpackages whose modules are named after their executables and commands; all other names are unique."""


def imports(path: Path) -> set[str]:
    """Full names of the modules that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path in TESTS, f"{path} has a relative import"
            names.add(node.module or "")
    return names


def subpackage(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else ""


def test_the_package_itself_is_empty_because_every_message_imports_it() -> None:
    assert (PACKAGE / "__init__.py").read_text() == ""


def test_every_subpackage_has_its_place_in_the_order() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ORDER)


def test_the_page_on_the_architecture_lists_the_subpackages_in_their_order() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert tuple(re.findall(r"^      (\w+)/ ", page, re.MULTILINE)) == ORDER


def test_the_page_on_the_architecture_lists_the_modules_that_all_share() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    listed = re.findall(r"^      ((?:\w+\.py, )+\w+\.py)  ", page, re.MULTILINE)
    shared = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "cli.py"}
    assert listed == [", ".join(sorted(shared))]


def test_there_is_no_folder_that_would_hide_a_generated_one() -> None:
    assert not any((PACKAGE / name.removeprefix("mumu_ros.")).exists() for name in GENERATED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    for name in imports(path):
        parts = name.split(".")
        if parts[0] in ROS or name.startswith(GENERATED):
            may = subpackage(path) in WITH_ROS or (path == WITH_MESSAGE_FILTERS and name == "message_filters")
            assert may, f"only {', '.join(WITH_ROS)} may import {name}"
        if parts[0] == "torch":
            assert subpackage(path) not in WITHOUT_TORCH, f"{name} in {subpackage(path)}"
        if parts[0] == "mumu_ros" and parts[1:2] and parts[1] in ORDER and subpackage(path):
            assert ORDER.index(parts[1]) <= ORDER.index(subpackage(path)), f"{subpackage(path)} may not import {name}"
            assert subpackage(path) not in ("nodes", "recognize") or parts[1] not in OFFLINE, name
        assert parts[0] not in ("studies", "research"), f"{name}: the package does not need research/"


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_test_waits_for_a_process_without_end(path: Path) -> None:
    """The fixture `started` kills what it has started; `run` and its like kill after their timeout."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("subprocess."):
            is_bounded = any(keyword.arg == "timeout" for keyword in node.keywords)
            assert is_bounded or path.name == "conftest.py", f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    "path", [p for p in TESTS if part_of_tests(p) not in SLOW_PARTS], ids=lambda path: str(path.relative_to(ROOT))
)
def test_make_check_needs_neither_ros_nor_training(path: Path) -> None:
    """Nor a browser: what uses that fixture is left out."""
    for name in imports(path):
        parts = name.split(".")
        assert parts[0] not in ROS | {"lightning"}, name
        assert parts[0] != "mumu_ros" or parts[1:2] not in (["nodes"], ["trials"], ["benchmarks"], ["msg"]), name


WITHOUT_LOADING_TORCH = (
    "mumu_ros",
    "mumu_ros.streams",
    "mumu_ros.failures",
    "mumu_ros.model",
    "mumu_ros.model.taxonomy",
    "mumu_ros.model.config",
    "mumu_ros.model.preprocessing",
    "mumu_ros.model.checkpoint",
    "mumu_ros.recordings",
    "mumu_ros.pipeline.framing",
    "mumu_ros.recognition",
    "mumu_ros.labelling.cli",
    "mumu_ros.training.cli",
    "mumu_ros.datasets.cli",
    "mumu_ros.benchmarks.cli",
    "mumu_ros.benchmarks.synchronizer",
)


def test_torch_is_not_loaded_where_it_is_not_needed() -> None:
    """`ros2 topic echo` imports the package, sensor_sync the preprocessing, --help a command: none waits for torch."""
    code = f"import importlib, sys\nfor name in {WITHOUT_LOADING_TORCH}:\n    importlib.import_module(name)\n"
    code += "    assert 'torch' not in sys.modules, name"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


NODES_WITHOUT_LOADING_TORCH = ("sensor_sync", "overlay", "simulator", "player", "record", "watch", "demo")


@pytest.mark.parametrize("name", ["msg", *(f"nodes.{node}" for node in NODES_WITHOUT_LOADING_TORCH)])
def test_messages_and_nodes_without_a_model_load_without_torch_and_scipy(name: str) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not set up: run `make setup`")
    code = f"import sys, mumu_ros.{name}; sys.exit(bool({{'torch', 'scipy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_launch_files_need_nothing_that_only_pip_installs() -> None:
    """`ros2 launch` runs in the system's Python, also where a virtual environment is active for the nodes."""
    code = """
import sys
for name in ("torch", "safetensors", "rosbags", "lz4", "backports", "openvino", "onnxruntime", "lightning"):
    sys.modules[name] = None
sys.modules["rclpy"] = sys.modules["launch"] = None
sys.modules["typing_extensions"] = None  # that of Humble is too old
from mumu_ros.nodes import launch_arguments, launch_plans, processes
for arguments, plan in ((launch_arguments.HRI, launch_plans.plan_hri), (launch_arguments.DEMO, launch_plans.plan_demo)):
    assert plan({argument.name: argument.default or "" for argument in arguments})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_model_package_gives_all_its_names_when_asked() -> None:
    model = importlib.import_module("mumu_ros.model")
    assert all(getattr(model, name).__name__ == name for name in model.__all__)


def exported(tree: ast.Module) -> set[str] | None:
    """What a module lists in `__all__`; None without one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return None


def test_modules_export_what_others_import() -> None:
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    trees = {names[path]: ast.parse(path.read_text()) for path in MODULES}
    exports = {name: exported(tree) for name, tree in trees.items()}
    found = []
    for importer, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (public := exports.get(node.module or "")) is not None:
                wanted = {a.name for a in node.names if f"{node.module}.{a.name}" not in exports}
                found += [f"{importer}: {node.module}.{name}" for name in wanted - public]
    assert found == []


def test_a_file_name_occurs_in_one_subpackage() -> None:
    usual = {"__init__.py", "__main__.py", "cli.py", "errors.py"}
    found: dict[str, set[str]] = {}
    for path in MODULES:
        if path.name not in usual and subpackage(path) not in NAMED_AFTER:
            found.setdefault(path.name, set()).add(subpackage(path))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


def test_every_source_file_has_the_licence_notice() -> None:
    """As `ament_copyright` wants it."""
    folders = ("mumu_ros", "test", "research", "examples", "launch")
    files = [ROOT / "setup.py", *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    texts = {path: path.read_text() for path in files}
    assert [path for path, text in texts.items() if text and not text.startswith("# Copyright")] == []


ARRAY = r"(np\.ndarray|NDArray|npt\.NDArray|Tensor|torch\.Tensor|Arrays)\b"


def test_dataclasses_of_arrays_are_not_compared_by_their_fields() -> None:
    """`==` of two arrays has no truth value: it would raise."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and "dataclass(frozen=True)" in map(ast.unparse, node.decorator_list):
                fields = [ast.unparse(field.annotation) for field in node.body if isinstance(field, ast.AnnAssign)]
                found += [f"{path.name}: {node.name}" for field in fields if re.match(ARRAY, field)]
    assert found == []
