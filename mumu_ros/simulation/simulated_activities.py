"""What the simulated person does: activities in groups."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACTIVITIES", "EXTRA_GROUPS", "GROUPS", "GROUP_OF"]

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "communicate": ("wave", "point", "clap", "stop_sign"),
        "transport": ("walk", "carry_light", "carry_heavy", "lift"),
        "work": ("hammer", "drill", "inspect", "screw"),
        "rest": ("stand", "sit"),
    }
)
"""Activity group → its activities; equal to config/taxonomies/sim.yaml."""

ACTIVITIES: tuple[str, ...] = tuple(activity for group in GROUPS.values() for activity in group)
"""The performed activities without a script."""

EXTRA_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"communicate": ("bow",), "exercise": ("stretch",)})
"""Performed in scripts only: activities to teach, which the shipped model `sim` does not know."""

GROUP_OF: Mapping[str, str] = MappingProxyType(
    {activity: group for groups in (GROUPS, EXTRA_GROUPS) for group in groups for activity in groups[group]}
)
"""Every activity that a script can name → its group."""
