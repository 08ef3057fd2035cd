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

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Name → implementation, which is imported when it is asked for.

    Other packages add theirs as entry points of the registry's group:
    `entry_points={"mumu_ros.fusions": ["toy = toy_package.heads:ToyHead"]}`. Names of the package itself come first.

    Args:
        group: Of the entry points.
        own: Name → "module:attribute" of what the package has.
    """

    def __init__(self, group: str, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = {name: EntryPoint(name, where, group) for name, where in own.items()}

    def __getitem__(self, name: str) -> T:
        """The implementation; KeyError: there is none of this name."""
        point = self._own[name] if name in self._own else self._foreign()[name]
        implementation: T = point.load()
        return implementation

    def __iter__(self) -> Iterator[str]:
        """Names: the package's own, then those of others."""
        yield from self._own
        yield from (name for name in self._foreign() if name not in self._own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._own or name in self._foreign())

    def _foreign(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}
