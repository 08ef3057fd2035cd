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

"""People as visualization_msgs/MarkerArray: skeletons in space, for RViz and Foxglove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from mumu_ros.people.drawing import TEXT, Activity, Colour, bones
from mumu_ros.people.person import Person

__all__ = ["people_to_markers"]

LIFETIME = Duration(nanosec=500_000_000)
"""Lifetime of a person's markers after the last message."""
BONE_M = 0.03
JOINT_M = 0.05
TEXT_M = 0.12
ABOVE_M = 0.25
"""Height of the text above the uppermost joint."""


def people_to_markers(
    people: Sequence[Person], layout: str, header: Header, activities: Mapping[str, Activity]
) -> MarkerArray:
    """Return everybody's bones, joints and name as markers in an optical frame (y down), a namespace for each body."""
    markers = []
    for person in people:
        seen = np.asarray(np.isfinite(person.joints).all(axis=1))
        lines = [(a, b, colour) for a, b, colour in bones(layout) if seen[a] and seen[b]]
        if not lines:
            continue
        ends = [(joint, colour) for a, b, colour in lines for joint in (a, b)]
        markers += [
            _list_of(Marker.LINE_LIST, person, header, ends, BONE_M),
            _list_of(Marker.SPHERE_LIST, person, header, list(dict(ends).items()), JOINT_M),
            _text(person, header, activities.get(person.body_id), person.joints[seen]),
        ]
    return MarkerArray(markers=markers)


def _marker(kind: int, person: Person, header: Header, scale: float) -> Marker:
    marker = Marker(header=header, ns=person.body_id, id=kind, type=kind, action=Marker.ADD, lifetime=LIFETIME)
    marker.scale.x = marker.scale.y = marker.scale.z = scale
    marker.pose.orientation.w = 1.0
    marker.color = _colour(TEXT)
    return marker


def _list_of(kind: int, person: Person, header: Header, ends: Sequence[tuple[int, Colour]], scale: float) -> Marker:
    marker = _marker(kind, person, header, scale)
    marker.points = [_point(person.joints[joint]) for joint, _ in ends]
    marker.colors = [_colour(colour) for _, colour in ends]
    return marker


def _text(person: Person, header: Header, activity: Activity | None, seen: NDArray[np.float32]) -> Marker:
    marker = _marker(Marker.TEXT_VIEW_FACING, person, header, TEXT_M)
    highest = seen[np.argmin(seen[:, 1])]
    marker.pose.position = _point(highest - (0.0, ABOVE_M, 0.0))
    marker.text = f"{activity.name} {activity.confidence:.0%}\n{person.body_id}" if activity else person.body_id
    return marker


def _point(xyz: NDArray[np.float32]) -> Point:
    x, y, z = (float(value) for value in xyz)
    return Point(x=x, y=y, z=z)


def _colour(rgb: Colour) -> ColorRGBA:
    r, g, b = (value / 255 for value in rgb)
    return ColorRGBA(r=r, g=g, b=b, a=1.0)
