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

"""People as the bodies of REP 155, for other nodes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mumu_ros.conversions import RosTypes, array_to_image, ns_to_time, person_to_roi, person_to_skeleton2d
from mumu_ros.nodes.camera_source import View
from mumu_ros.nodes.humans_topics import BODIES, IDS_TYPE, SKELETON_TYPE, TRACKED
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.people.person import Person
from mumu_ros.skeletons import layout

__all__ = ["HumansPublisher"]

BODY_TYPES = {
    "roi": "hri_msgs/msg/NormalizedRegionOfInterest2D",
    "skeleton2d": SKELETON_TYPE,
    "position": "geometry_msgs/msg/PointStamped",
    "cropped": "sensor_msgs/msg/Image",
}
"""Topics of a body under /humans/bodies/<id>."""
KEPT_NS = 11_000_000_000
"""Time for which the topics of a body out of view are kept: its track may return for 10 s (people/track.py), and
subscribers need not discover them again."""
MAX_KEPT = 20
"""Maximum number of bodies out of view that keep their topics: those seen last."""
SILENT_S = 3.0
"""Time without pictures after which nobody is tracked any more."""
HIPS = ("left_hip", "right_hip")


@dataclass
class _Published:
    """The topics of a body, and the stamp of the last picture that it was in."""

    topics: dict[str, Any]
    seen_ns: int


class HumansPublisher:
    """Publishes the tracked bodies, and of each `roi`, `skeleton2d`, `position` and, if subscribed, `cropped`.

    Without pictures nobody is tracked any more after `SILENT_S`.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._types = RosTypes()
        self._tracked = node.create_publisher(message_class(IDS_TYPE), TRACKED, 10)
        self._bodies: dict[str, _Published] = {}  # the last one seen comes last
        self._header: Any = None
        self._published_at = time.monotonic()
        self._publishing = threading.Lock()
        self._timer = node.create_timer(SILENT_S / 4, self._look, clock=node.steady_clock)

    def close(self) -> None:
        """Track nobody, and stop publishing."""
        self._node.destroy_timer(self._timer)
        self._track_nobody()
        self._node.destroy_publisher(self._tracked)

    def publish(self, view: View, picture_frame: str) -> None:
        """Publish everybody in view: joints in the view's frame, what is of the picture in that of the camera."""
        with self._publishing:
            self._publish(view, picture_frame)
            self._published_at = time.monotonic()

    def _look(self) -> None:
        """A camera that has stopped tracks nobody."""
        with self._publishing:
            if time.monotonic() - self._published_at > SILENT_S:
                self._track_nobody()

    def _track_nobody(self) -> None:
        if self._bodies:
            self._tracked.publish(self._types.message(IDS_TYPE, header=self._header, ids=[]))
        for body_id in list(self._bodies):
            self._drop(body_id)

    def _publish(self, view: View, picture_frame: str) -> None:
        types, stamp = self._types, ns_to_time(view.stamp_ns, self._types)
        in_space, in_picture = (
            types.message("std_msgs/msg/Header", stamp=stamp, frame_id=frame)
            for frame in (view.frame_id, picture_frame)
        )
        for person in view.people:
            self._publish_body(person, view, in_space, in_picture)
        ids = [person.body_id for person in view.people]
        self._forget(view.stamp_ns, ids)
        self._header = in_picture
        self._tracked.publish(types.message(IDS_TYPE, header=in_picture, ids=ids))

    def _publish_body(self, person: Person, view: View, in_space: Any, in_picture: Any) -> None:
        body = self._bodies.pop(person.body_id, None)
        topics = body.topics if body else self._create(person.body_id)
        self._bodies[person.body_id] = _Published(topics, view.stamp_ns)
        size, types = (view.width, view.height), self._types
        topics["roi"].publish(person_to_roi(person, *size, in_picture, types))
        topics["skeleton2d"].publish(person_to_skeleton2d(person, view.layout, *size, in_picture, types))
        middle = _middle(person, view.layout)
        if middle is not None:
            x, y, z = middle
            point = types.message("geometry_msgs/msg/Point", x=x, y=y, z=z)
            topics["position"].publish(types.message(BODY_TYPES["position"], header=in_space, point=point))
        if topics["cropped"].get_subscription_count() and view.picture is not None:
            x0, y0, w, h = (max(0, round(side)) for side in person.roi)
            part = view.picture[y0 : y0 + h, x0 : x0 + w]
            if part.size:
                topics["cropped"].publish(array_to_image(part, view.stamp_ns, in_picture.frame_id, types))

    def _create(self, body_id: str) -> dict[str, Any]:
        return {
            name: self._node.create_publisher(message_class(type_name), f"{BODIES}/{body_id}/{name}", 1)
            for name, type_name in BODY_TYPES.items()
        }

    def _forget(self, stamp_ns: int, in_view: list[str]) -> None:
        gone = [body_id for body_id in reversed(self._bodies) if body_id not in in_view]
        for place, body_id in enumerate(gone):
            # A stamp in the future is from before a jump of time, after which no track comes back.
            if place >= MAX_KEPT or not 0 <= stamp_ns - self._bodies[body_id].seen_ns <= KEPT_NS:
                self._drop(body_id)

    def _drop(self, body_id: str) -> None:
        for publisher in self._bodies.pop(body_id).topics.values():
            self._node.destroy_publisher(publisher)


def _middle(person: Person, layout_name: str) -> tuple[float, float, float] | None:
    """Middle of the hips; None if they have no position."""
    x, y, z = (float(value) for value in person.joints[layout(layout_name).index(*HIPS)].mean(axis=0))
    return (x, y, z) if np.isfinite((x, y, z)).all() else None
