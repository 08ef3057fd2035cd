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

"""People from the bodies of REP 155 that another tracker publishes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray

from mumu_ros.conversions import (
    Body2D,
    ConversionError,
    camera_info_size,
    camera_info_to_camera,
    depth_to_millimetres,
    is_body_id,
    skeleton2d_to_body,
    time_to_ns,
)
from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.camera_source import View
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import CameraInfoTopic, contest_tracked, why_silent
from mumu_ros.nodes.humans_topics import BODIES, IDS_TYPE, SKELETON_TYPE, TRACKED, has_hri_msgs
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import PeopleConfig
from mumu_ros.nodes.subscribers import message_class, sensor_qos
from mumu_ros.nodes.worker import Worker
from mumu_ros.people.bodies import lift_keypoints
from mumu_ros.people.camera import Camera
from mumu_ros.people.inputs import depth_problem
from mumu_ros.people.isolation import FOCAL, isolate
from mumu_ros.people.landmarks import LAYOUT
from mumu_ros.people.person import Person, PositionSource
from mumu_ros.streams.stamps import JUMP_NS, NS_PER_S

__all__ = ["HumansSource"]

QUEUE = 10
"""Depth pictures kept in the subscription, and at least to match skeletons."""
KEPT_NS, MAX_BYTES = NS_PER_S, 64 * 2**20
"""Depth pictures of this time are kept to match skeletons, fewer if they are more bytes than this."""
SLOP_NS = 50_000_000
"""Maximum difference between the stamps of the skeletons of one picture, and to the depth picture."""
SILENT_S = 3.0
"""Silence after which the tracker counts as silent."""
NOMINAL_SIZE = (640, 480)


@dataclass
class _Body:
    """A body tracked by another node."""

    subscription: Any
    latest: Any = None


@dataclass(frozen=True)
class _Job:
    stamp_ns: int
    frame_id: str
    skeletons: dict[str, Any]


class HumansSource:
    """Reads the bodies that a ROS4HRI stack tracks, and lifts their skeletons by depth.

    `deliver` is called with the tracked people, on the worker's thread.

    Raises:
        ImportError: hri_msgs is not installed.
    """

    def __init__(self, node: ManagedNode, config: PeopleConfig, deliver: Callable[[View], None]) -> None:
        if not has_hri_msgs():
            raise ImportError(
                "parameter source is 'hri', but hri_msgs is not installed: apt install ros-$ROS_DISTRO-hri-msgs"
            )
        self._node = node
        self._config = config
        self._deliver = deliver

    def start(self) -> None:
        """Subscribe and start the worker; `undo` of the node stops both."""
        node, config = self._node, self._config
        self._bodies: dict[str, _Body] = {}
        self._left_out: list[str] = []
        self._received = 0
        self._heard = time.monotonic()
        self._stamps: dict[str, int] = {}
        self._is_due = self._has_waited = False
        self._info = CameraInfoTopic(node, config.camera_info_topic)
        node.undo.callback(self._info.close)
        self._picture_topic = node.resolve_topic_name(config.image.topic)
        self._depths: deque[Any] = deque()
        self._bytes = 0
        self._problems: dict[str, Problem] = {}
        self._errors = 0
        self._worker: Worker[_Job] = Worker("people", self._look, node.report_worker_error)
        node.undo.callback(self._worker.stop)
        self._subscriptions: list[Any] = []
        node.undo.callback(self._unsubscribe)
        self._subscriptions.append(node.create_subscription(message_class(IDS_TYPE), TRACKED, self._take_tracked, 10))
        if config.depth:
            cls, qos = message_class(config.depth.type), sensor_qos(config.depth.reliability, QUEUE)
            self._subscriptions.append(node.create_subscription(cls, config.depth.topic, self._take_depth, qos))
        timer = node.create_timer(1.0 / config.rate_hz, self._tick, clock=node.steady_clock)
        node.undo.callback(node.destroy_timer, timer)

    def _unsubscribe(self) -> None:
        for subscription in [*self._subscriptions, *(body.subscription for body in self._bodies.values())]:
            self._node.destroy_subscription(subscription)

    def _take_depth(self, message: Any) -> None:
        self._depths.append(message)
        self._bytes += len(message.data)
        newest_ns = time_to_ns(message.header.stamp)
        while len(self._depths) > QUEUE and (
            self._bytes > MAX_BYTES or abs(newest_ns - time_to_ns(self._depths[0].header.stamp)) > KEPT_NS
        ):
            self._bytes -= len(self._depths.popleft().data)

    def _take_tracked(self, message: Any) -> None:
        self._received += 1
        self._heard = time.monotonic()
        usable = [body_id for body_id in dict.fromkeys(message.ids) if is_body_id(body_id)]
        # Whoever is followed stays, wherever a tracker lists newcomers.
        ids = sorted(usable, key=lambda body_id: body_id not in self._bodies)[: self._config.max_people]
        self._left_out = [body_id for body_id in message.ids if body_id not in ids]
        for body_id in set(self._bodies) - set(ids):
            self._node.destroy_subscription(self._bodies.pop(body_id).subscription)
        for body_id in ids:
            if body_id not in self._bodies:
                self._bodies[body_id] = _Body(
                    self._node.create_subscription(
                        message_class(SKELETON_TYPE),
                        f"{BODIES}/{body_id}/skeleton2d",
                        partial(self._take_skeleton, body_id),
                        sensor_qos("best_effort", 1),
                    )
                )
        if not ids:
            self._worker.put(_Job(time_to_ns(message.header.stamp), message.header.frame_id, {}))

    def _take_skeleton(self, body_id: str, message: Any) -> None:
        stamp_ns = time_to_ns(message.header.stamp)
        if body_id not in self._bodies or stamp_ns <= 0:
            return
        for body in self._bodies.values():
            if body.latest is not None and time_to_ns(body.latest.header.stamp) > stamp_ns + JUMP_NS:
                body.latest = None  # from before a jump back of time
        self._bodies[body_id].latest = message
        if self._is_due and self._is_complete():
            self._put()

    def _tick(self) -> None:
        self._is_due = True
        if self._has_waited or self._is_complete():
            self._put()
        else:
            self._has_waited = True

    def _latest_stamps(self) -> dict[str, int]:
        bodies = self._bodies.items()
        return {body_id: time_to_ns(body.latest.header.stamp) for body_id, body in bodies if body.latest is not None}

    def _is_complete(self) -> bool:
        """Whether everybody who was in the picture before has a skeleton of the newest one."""
        stamps, before = self._latest_stamps().values(), max(self._stamps.values(), default=0)
        return not any(before - SLOP_NS <= stamp_ns < max(stamps) for stamp_ns in stamps)

    def _put(self) -> None:
        stamps = self._latest_stamps()
        newest = max(stamps.values(), default=0)
        if newest == max(self._stamps.values(), default=0) or not stamps.items() - self._stamps.items():
            return  # whoever has left was the newest, and what is left is old
        self._stamps = stamps
        self._is_due = self._has_waited = False
        skeletons = {i: self._bodies[i].latest for i, stamp_ns in stamps.items() if newest - stamp_ns <= SLOP_NS}
        frame_id = next(skeletons[i].header.frame_id for i in skeletons if stamps[i] == newest)
        self._worker.put(_Job(newest, frame_id, skeletons))

    # On the worker's thread.

    def _look(self, job: _Job) -> None:
        problems: dict[str, Problem] = {}
        depth, depth_frame = self._depth(job, problems)
        camera = self._camera(job.frame_id, depth, problems)
        if depth is not None:
            size = (depth.shape[1], depth.shape[0])
            if problem := depth_problem((camera.width, camera.height), job.frame_id, size, depth_frame):
                problems["depth"], depth = (FaultCode.UNREGISTERED, problem), None
        self._problems = problems  # whole, because the executor's thread reads it
        people = []
        for body_id, message in job.skeletons.items():
            try:
                body = skeleton2d_to_body(message, camera.width, camera.height, LAYOUT)
            except ConversionError as error:
                self._errors += 1
                self._node.log_throttled(f"convert {body_id}", f"{BODIES}/{body_id}: {error}; the message is skipped")
            else:
                people.append(_person(body_id, body, camera, depth))
        if depth is not None:
            views = isolate(depth, camera, [person.joints for person in people])
            people = [replace(p, depth=v, depth_focal=FOCAL) for p, v in zip(people, views, strict=True)]
        people = [person for person in people if person.confidence >= self._config.min_confidence]
        self._deliver(View(job.stamp_ns, job.frame_id, camera.width, camera.height, LAYOUT, people))

    def _camera(self, frame_id: str, depth: NDArray[np.float32] | None, problems: dict[str, Problem]) -> Camera:
        info = self._info.latest
        size: tuple[int, int] = NOMINAL_SIZE if depth is None else (depth.shape[1], depth.shape[0])
        if info is not None and all(camera_info_size(info)):
            size = camera_info_size(info)
        if info is None:
            problems["camera"] = FaultCode.UNCALIBRATED, "no CameraInfo"
        else:
            try:
                return camera_info_to_camera(info, *size, frame_id, self._picture_topic)
            except ConversionError as error:
                problems["camera"] = FaultCode.UNCALIBRATED, str(error)
        return Camera.nominal(*size)

    def _depth(self, job: _Job, problems: dict[str, Problem]) -> tuple[NDArray[np.float32] | None, str]:
        """The depth picture of the skeletons in metres, and its frame."""
        topic = self._config.depth
        if topic is None:
            problems["depth"] = (
                FaultCode.UNREGISTERED,
                "depth.topic is empty: skeletons have no position in space, and are not recognised",
            )
            return None, ""
        kept = {time_to_ns(message.header.stamp): message for message in list(self._depths)}
        stamp_ns = min(kept, key=lambda each: abs(each - job.stamp_ns), default=None)
        if stamp_ns is None or abs(stamp_ns - job.stamp_ns) > SLOP_NS:
            code, reason = why_silent(self._node, topic.topic, topic.type, topic.reliability, stamp_ns is not None)
            if stamp_ns is not None and stamp_ns == min(kept) > job.stamp_ns:
                late_s, kept_s = (max(kept) - job.stamp_ns) / NS_PER_S, (max(kept) - stamp_ns) / NS_PER_S
                code, reason = (
                    FaultCode.UNPAIRED,
                    f"they are {late_s:.1f} s behind it, of which {kept_s:.1f} s are kept",
                )
            name = self._node.resolve_topic_name(topic.topic)
            problems["depth"] = code, f"no depth picture on {name} of the skeletons' time; {reason}"
            return None, ""
        found = kept[stamp_ns]
        try:
            millimetres = depth_to_millimetres(topic.array(found, "depth"))
        except ConversionError as error:
            problems["depth"] = error.code, str(error)
            return None, ""
        return millimetres.astype(np.float32) * np.float32(0.001), found.header.frame_id

    # Diagnostics.

    def diagnose(self) -> Iterator[DiagnosticStatus]:
        """One status each for the bodies, depth and the camera's matrix."""
        counts = {"received": self._received, "unreadable": self._errors}
        yield self._node.status("bodies", self._bodies_problem(), **counts)
        self._info.refresh()
        problems = self._problems
        if "camera" in problems and self._info.latest is None:
            problems = {**problems, "camera": (FaultCode.UNCALIBRATED, self._info.why_missing())}
        for name, good in (("depth", "used"), ("camera", "calibrated")):
            yield self._node.status(name, problems.get(name, (FaultCode.NONE, good)))

    def _bodies_problem(self) -> Problem:
        silent_s = time.monotonic() - self._heard
        without = [body_id for body_id, body in self._bodies.items() if body.latest is None]
        if not self._received or silent_s > SILENT_S:
            code, reason = why_silent(self._node, TRACKED, IDS_TYPE, "reliable", bool(self._received))
            since = f"{TRACKED} silent for {silent_s:.1f} s" if self._received else f"no message on {TRACKED} yet"
            return code, f"{since}; {reason}"
        several = contest_tracked(self._node, (FaultCode.NONE, ""))
        if several[0]:  # each list drops the other's bodies, before their skeletons come
            return several
        if self._left_out:
            return FaultCode.CROWDED, (
                f"{len(self._left_out)} bodies are left out: max_people is {self._config.max_people}, and an id is a "
                f"letter, then letters and digits; the first one: {self._left_out[0][:80]!r}"
            )
        if without:
            return FaultCode.SILENT, f"no skeleton2d with a stamp of {', '.join(without)} yet"
        return FaultCode.NONE, f"{len(self._bodies)} tracked" if self._bodies else "nobody tracked"


def _person(body_id: str, body: Body2D, camera: Camera, depth: NDArray[np.float32] | None) -> Person:
    seen = body.keypoints[np.isfinite(body.keypoints).all(axis=1)]
    left, top, right, bottom = (*seen.min(axis=0), *seen.max(axis=0)) if len(seen) else (0.0, 0.0, 0.0, 0.0)
    nowhere = np.full((len(body.keypoints), 3), np.nan, np.float32)
    source: PositionSource = "depth" if depth is not None else "nominal" if camera.is_nominal else "perspective"
    return Person(
        body_id=body_id,
        confidence=float(body.visibility.max()),
        roi=(float(left), float(top), float(right - left), float(bottom - top)),
        keypoints=body.keypoints,
        joints=nowhere if depth is None else lift_keypoints(body.keypoints, camera, depth),
        visibility=body.visibility,
        position_source=source,
    )
