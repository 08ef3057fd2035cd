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

"""Implementations by name: those of the package, and those of other packages, found by their entry points."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Choices", "Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Name → implementation (`own`: "module:attribute"), which is imported when it is asked for.

    Other packages add theirs as entry points of the registry's group:
    `entry_points={"mumu_ros.fusions": ["toy = toy_package.heads:ToyHead"]}`. Names of the package itself come first.
    """

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = own

    def __getitem__(self, name: str) -> T:
        """The implementation; KeyError: there is none of this name."""
        module, _, attribute = self._own.get(name, "").partition(":")
        implementation: T = getattr(import_module(module), attribute) if module else self._foreign()[name].load()
        return implementation

    def __iter__(self) -> Iterator[str]:
        """Names: the package's own, then those of others."""
        yield from self._own
        yield from (name for name in self._foreign() if name not in self._own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._own or name in self._foreign())

    def foreign_files(self, name: str) -> list[Path]:
        """The source files of the package that an implementation comes from; none for this package's own."""
        if name in self._own or name not in self:
            return []
        package = find_spec(self._foreign()[name].module.partition(".")[0])
        if package is None or package.submodule_search_locations is None:
            return [Path(package.origin)] if package and package.origin else []
        return sorted(path for folder in package.submodule_search_locations for path in Path(folder).rglob("*.py"))

    def _foreign(self) -> dict[str, EntryPoint]:
        # Reads what every installed package says, which takes tens of milliseconds: not at import.
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group)}


class Choices(Collection[str]):
    """A word such as `auto`, and the names of a registry, which is asked for names that are not the package's own."""

    def __init__(self, first: str, registry: Registry[object]) -> None:
        self._first, self._registry = first, registry

    def __contains__(self, name: object) -> bool:
        return name == self._first or name in self._registry

    def __iter__(self) -> Iterator[str]:
        """The word, then the names."""
        yield self._first
        yield from self._registry

    def __len__(self) -> int:
        return 1 + len(self._registry)
