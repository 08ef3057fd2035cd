"""What the simulated person does: activities in groups, and what each of them holds in the hands."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACTIVITIES", "GROUPS", "GROUP_OF"]

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "communicate": ("wave", "point", "clap", "stop_sign"),
        "transport": ("walk", "carry_light", "carry_heavy", "lift"),
        "work": ("hammer", "drill", "inspect", "screw"),
        "rest": ("stand", "sit"),
    }
)
"""Activity group → its activities; config/taxonomies/sim.yaml says the same."""

ACTIVITIES: tuple[str, ...] = tuple(activity for group in GROUPS.values() for activity in group)
GROUP_OF: Mapping[str, str] = MappingProxyType(
    {activity: group for group, activities in GROUPS.items() for activity in activities}
)
