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

"""The public interface is described in interface.txt: a change of it is a decision, and has a line in CHANGELOG.rst.

`python test/test_interface.py > test/interface.txt` describes it anew.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DESCRIPTION = ROOT / "test" / "interface.txt"
MODULES = ("mumu_ros.recognition", "mumu_ros.recognition.backends", "mumu_ros.model", "mumu_ros.streams")


def signature(value: Any) -> str:
    """None of exceptions and protocols, which depends on the version of Python."""
    is_made_elsewhere = inspect.isclass(value) and (issubclass(value, Exception) or "_is_protocol" in vars(value))
    return "" if is_made_elsewhere or not callable(value) else str(inspect.signature(value))


def members(value: type) -> Iterator[str]:
    """Methods and properties that a class itself defines."""
    for name, member in sorted(vars(value).items()):
        if isinstance(member, property | functools.cached_property) and name[0] != "_":
            getter = member.fget if isinstance(member, property) else member.func
            yield f"    {name}: {inspect.get_annotations(getter).get('return')}"
        elif callable(getattr(value, name)) and name[0] != "_":
            yield f"    {name}{signature(getattr(value, name))}"


def describe() -> list[str]:
    """Fields of messages, services and actions, then names and signatures of the modules."""
    lines = []
    for path in sorted(path for kind in ("msg", "srv", "action") for path in ROOT.glob(f"{kind}/*.{kind}")):
        fields = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
        lines += [path.name, *(f"    {field}" for field in fields if field)]
    for module in map(importlib.import_module, MODULES):
        for name in sorted(set(module.__all__) - {"__version__"}):
            value = getattr(module, name)
            lines.append(f"{module.__name__}.{name}{signature(value)}")
            lines += members(value) if inspect.isclass(value) else ()
    return lines


def test_the_interface_is_as_described() -> None:
    difference = "\n".join(difflib.unified_diff(DESCRIPTION.read_text().splitlines(), describe(), "described", "found"))
    assert not difference, (
        f"{difference}\nif it is meant: python test/test_interface.py > {DESCRIPTION.relative_to(ROOT)}"
    )


if __name__ == "__main__":
    print("\n".join(describe()))
