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

"""Activities and the groups they belong to, as in MuMu (Islam and Iqbal 2022)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mumu_ros.files import expanded
from mumu_ros.reading import read_yaml, yaml_text
from mumu_ros.share import share_path
from mumu_ros.text import check_activity, check_name, composed

__all__ = ["IDLE", "OTHER", "Taxonomy", "find_taxonomy"]

IDLE, OTHER = "idle", "other"
"""Activities for rest and for unnamed movements: whoever does one of these does none that has a name."""
_MAX_ACTIVITIES = 4096


@dataclass(frozen=True)
class Taxonomy:
    """K activities in N groups; indices follow the order in which groups and activities are written.

    Attributes:
        name: What this set of activities is called.
        groups: Group name to the names of its activities. Activity names are unique over all groups. Names are
            `composed`, as those of labels are.

    Raises:
        ValueError: A name cannot be one (see `check_name` and `check_activity`), a group is empty, an activity occurs
            twice, or there are more than 4096.
    """

    name: str
    groups: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not isinstance(self.groups, Mapping) or not self.groups:
            raise ValueError(f"taxonomy {self.name!r}: groups is {self.groups!r}; expected {{group: [activity, …]}}")
        for group, activities in self.groups.items():
            if not isinstance(activities, list | tuple) or not activities:
                raise ValueError(f"group {group!r} has activities {activities!r}; expected a non-empty list of names")
        groups = {_composed(group): tuple(map(_composed, activities)) for group, activities in self.groups.items()}
        if len(groups) < len(self.groups):
            raise ValueError(f"taxonomy {self.name!r}: of the groups {', '.join(map(repr, groups))} one occurs twice")
        object.__setattr__(self, "groups", groups)
        if len(self.activities) > _MAX_ACTIVITIES:
            raise ValueError(f"taxonomy {self.name!r}: {len(self.activities)} activities; at most {_MAX_ACTIVITIES}")
        try:
            check_name(self.name)
            for name in (*groups, *self.activities):
                check_activity(name)
        except ValueError as error:
            raise ValueError(f"taxonomy {self.name!r}: {error}") from error
        twice = sorted(activity for activity, count in Counter(self.activities).items() if count > 1)
        if twice:
            raise ValueError(f"taxonomy {self.name!r}: {twice!r} occur more than once; an activity has one group")

    @cached_property
    def activities(self) -> tuple[str, ...]:
        """The K activity names; the position is the index in every activity distribution."""
        return tuple(activity for activities in self.groups.values() for activity in activities)

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """The N group names; the position is the index in every group distribution."""
        return tuple(self.groups)

    @cached_property
    def group_indices(self) -> np.ndarray:
        """(K,) int64: the group index of each activity."""
        sizes = [len(activities) for activities in self.groups.values()]
        return np.repeat(np.arange(len(sizes)), sizes)

    def activity_index(self, activity: str) -> int:
        """Index of an activity.

        Raises:
            ValueError: There is no such activity.
        """
        if activity not in self.activities:
            raise ValueError(f"no activity {activity!r} in taxonomy {self.name!r}; it has {', '.join(self.activities)}")
        return self.activities.index(activity)

    def group_of(self, activity: str) -> str:
        """Name of the group that an activity belongs to.

        Raises:
            ValueError: There is no such activity.
        """
        return self.group_names[int(self.group_indices[self.activity_index(activity)])]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form: `{"name": …, "groups": {group: [activity, …]}}`."""
        return {"name": self.name, "groups": {group: list(names) for group, names in self.groups.items()}}

    @classmethod
    def from_dict(cls, data: Any) -> Taxonomy:
        """The reverse of `to_dict`.

        Raises:
            ValueError: The data do not describe a taxonomy.
        """
        if not isinstance(data, Mapping) or set(data) != {"name", "groups"}:
            raise ValueError(f"a taxonomy needs exactly the keys name and groups, not {data!r}")
        return cls(**data)

    @classmethod
    def read(cls, path: str | Path) -> Taxonomy:
        """Read a YAML file.

        Raises:
            ValueError: The file is missing, is not YAML or does not describe a taxonomy; it is named.
        """
        try:
            return cls.from_dict(read_yaml(path))
        except (OSError, ValueError) as error:
            raise ValueError(f"taxonomy file {str(path)!r}: {error}") from error

    def write(self, path: str | Path) -> None:
        """Write a YAML file that `read` reads back as an equal taxonomy."""
        Path(path).write_text(yaml_text(self.to_dict()), encoding="utf-8")


def find_taxonomy(name: str) -> Taxonomy:
    """A taxonomy by the name of its file, or by the name of a shipped one.

    Raises:
        ValueError: There is none; the shipped ones are named.
    """
    path, shipped = expanded(name), share_path("config", "taxonomies")
    if not path.is_file():
        path = shipped / f"{name}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
        raise ValueError(f"taxonomy {name!r} is no file, and none of the shipped ones: {names}")
    return Taxonomy.read(path)


def _composed(name: Any) -> Any:
    return composed(name) if isinstance(name, str) else name
