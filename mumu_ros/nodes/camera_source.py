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

"""People from the pictures of a camera."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray

from mumu_ros.conversions import ConversionError, camera_info_to_camera, depth_to_millimetres
from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import INFO_TYPE, Arrivals, CameraInfoTopic, contest, why_silent
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import PeopleConfig, PictureTopic
from mumu_ros.nodes.subscribers import sensor_qos, subscribe
from mumu_ros.nodes.worker import Worker
from mumu_ros.people.camera import Camera
from mumu_ros.people.finder import PeopleFinder
from mumu_ros.people.inputs import (
    FROZEN_S,
    NO_DEPTH,
    Frozen,
    Since,
    darkness,
    depth_problem,
    is_upside_down,
    is_without_depth,
    why_nobody,
    without_joints,
)
from mumu_ros.people.landmarks import LAYOUT
from mumu_ros.people.person import Person
from mumu_ros.pipeline.framing import Received
from mumu_ros.streams import NS_PER_S, RateSampler, StreamStatistics, SynchronizedSet, SynchronizerFilter
from mumu_ros.streams.stamps import CONFIRM_NS, FOREVER_NS, JUMP_NS
from mumu_ros.text import shorten

__all__ = ["CameraSource", "View"]

SLOP_S = 0.02
"""Maximum difference between the stamps of a depth picture and its colour picture."""
TIMEOUT_S = 1.0
"""Silence after which a stream counts as silent."""
UNPAIRED_S = 1.0
"""Duration of pictures without one of depth after which depth that comes counts as unpaired."""
UPSIDE_DOWN_S = 2.0
UNSEEN_S = 2.0
"""Duration of pictures of which none could be processed after which it is unknown who is in view."""
MAX_DROPPED, BUSY = 0.1, 0.7
"""Share of dropped pictures, and of the time that pictures take, above which the processor counts as too slow."""
PATIENCE_S = 3.0
"""Time after the start before silence is logged."""
QUEUE = 5
"""Pictures kept in each subscription; few, because they are large."""
WAITING = 45
"""Pictures of each stream that wait for those of the other: half a second at 90 Hz."""
MAX_BYTES = 64 * 2**20
"""Limit of these; of larger ones fewer wait, but `QUEUE` at least."""
POLL_PERIOD_S = 0.02


@dataclass(frozen=True, eq=False)
class View:
    """Everybody in view at one instant.

    Attributes:
        stamp_ns: Acquisition time.
        frame_id: The camera's optical frame.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        layout: Names the joints of the people.
        people: Everybody.
        picture: uint8 (H, W, 3), RGB; None if unknown.
    """

    stamp_ns: int
    frame_id: str
    width: int
    height: int
    layout: str
    people: list[Person]
    picture: NDArray[np.uint8] | None = None


@dataclass
class _Findings:
    """Findings of the worker, for diagnostics."""

    camera: str | None = None
    depth: str = ""
    pictures: int = 0
    people: int = 0
    without_joints: str = ""
    left_out: int = 0
    brightest: int = 255
    frozen: Frozen = field(default_factory=Frozen)
    upside_down: Since = field(default_factory=Since)
    unseen: Since = field(default_factory=Since)
    failure: Problem = FaultCode.NONE, ""
    unpaired: Since = field(default_factory=Since)
    depthless: Since = field(default_factory=Since)
    errors: Counter[str] = field(default_factory=Counter)
    last_error: dict[str, ConversionError] = field(default_factory=dict)
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    @property
    def darkness(self) -> str:
        """What is said of a picture that is almost black; empty: it is not."""
        return darkness(self.brightest)


class CameraSource:
    """Subscribes to a camera and detects people in its pictures.

    `deliver` is called with each result, on the worker's thread.

    Raises:
        WeightsError: The pose network's weights are missing.
    """

    def __init__(self, node: ManagedNode, config: PeopleConfig, deliver: Callable[[View], None]) -> None:
        self._node = node
        self._config = config
        self._deliver = deliver
        self._finder = PeopleFinder(config.weights, config.threads, config.max_people)
        self._topics: dict[str, PictureTopic] = {"image": config.image}
        if config.depth:
            self._topics["depth"] = config.depth

    def start(self) -> None:
        """Subscribe and start the worker; `undo` of the node stops both."""
        config, node = self._config, self._node
        self._finder.clear()
        self._found = _Findings()
        self._started = time.monotonic()
        self._picture_topic = node.resolve_topic_name(config.image.topic)
        self._reported = (0, 0)
        self._warned: set[str] = set()
        self._worker: Worker[SynchronizedSet] = Worker("people", self._look, node.report_worker_error)
        node.undo.callback(self._worker.stop)
        subscribers = []
        for t in self._topics.values():
            subscribers.append(subscribe(node, t.type, t.topic, sensor_qos(t.reliability, QUEUE)))
            node.undo.callback(node.destroy_subscription, subscribers[-1].sub)
        self._arrivals = {name: Arrivals(s) for name, s in zip(self._topics, subscribers, strict=True)}
        self._synchronizer = SynchronizerFilter(
            subscribers,
            WAITING,
            SLOP_S,
            names=list(self._topics),
            timeout_s=TIMEOUT_S,
        )
        for name, subscriber in zip(self._topics, subscribers, strict=True):
            subscriber.registerCallback(self._limit, name)
        self._sampler = RateSampler(round(NS_PER_S / config.rate_hz))
        # A jump of time is confirmed, and its pictures released together; as many come while these are processed.
        self._held = math.ceil(2 * CONFIRM_NS / NS_PER_S * config.rate_hz) + 2
        self._epoch = self._depth_ns = self._chosen_ns = 0
        self._newest_ns = FOREVER_NS  # before the first picture nothing is held back
        self._chose_depth = False
        self._synchronizer.registerSetCallback(self._choose)
        node.undo.callback(self._synchronizer.close)
        timer = node.create_timer(POLL_PERIOD_S, self._synchronizer.poll, clock=node.steady_clock)
        node.undo.callback(node.destroy_timer, timer)
        self._info = CameraInfoTopic(node, config.camera_info_topic)
        node.undo.callback(self._info.close)

    def _limit(self, picture: Received, name: str) -> None:
        waiting = min(MAX_BYTES // max(picture.size, 1), WAITING)
        self._synchronizer.limit(name, max(waiting, QUEUE))

    def _choose(self, synchronized: SynchronizedSet) -> None:
        """Give the worker `rate_hz` pictures a second; where depth is slower, those with depth, but half as many."""
        stamp_ns, has_depth = synchronized.stamp_ns, all(synchronized.present)
        if synchronized.epoch != self._epoch or stamp_ns > self._newest_ns + JUMP_NS:
            self._worker.make_room(self._held)
        self._newest_ns = stamp_ns
        if synchronized.epoch != self._epoch:
            self._epoch, self._depth_ns, self._chosen_ns = synchronized.epoch, 0, 0
            self._sampler.reset()
        if not synchronized.present[0]:
            return  # depth alone
        if has_depth:
            self._depth_ns = stamp_ns
        elif stamp_ns - self._depth_ns < TIMEOUT_S * NS_PER_S and (
            (stamp_ns - self._chosen_ns) * self._config.rate_hz < 2 * NS_PER_S
        ):
            return  # one with depth may follow
        if self._sampler.accept(stamp_ns, is_rare=has_depth and not self._chose_depth):
            self._chosen_ns, self._chose_depth = stamp_ns, has_depth
            self._worker.put(synchronized)

    # On the worker's thread.

    def _look(self, synchronized: SynchronizedSet) -> None:
        found = self._found
        found.pictures += 1
        found.unseen.note(synchronized.stamp_ns, True)
        try:
            self._process(synchronized)
        except Exception as error:
            found.failure = FaultCode.EXCEPTION, f"{type(error).__name__}: {error}"
            raise

    def _process(self, synchronized: SynchronizedSet) -> None:
        start = time.perf_counter()
        message, depth_message = (*synchronized.items, None)[:2]
        picture = None if message is None else self._read("image", message)
        if picture is None:
            return
        found, stamp_ns, frame_id = self._found, synchronized.stamp_ns, message.header.frame_id
        found.unpaired.note(stamp_ns, depth_message is None)
        found.brightest = int(picture.max())
        if found.frozen.look(stamp_ns, message.message.data):
            found.unseen.note(stamp_ns, False)
            return
        height, width = picture.shape[:2]
        depth = self._depth(depth_message, picture, frame_id)
        people = self._finder.update(stamp_ns, picture, depth, self._camera(width, height, frame_id))
        people = [person for person in people if person.confidence >= self._config.min_confidence]
        found.people, found.without_joints = len(people), without_joints(people)
        found.left_out = self._finder.left_out
        found.upside_down.note(stamp_ns, is_upside_down(people, LAYOUT))
        if depth is not None:
            found.depthless.note(stamp_ns, is_without_depth(people))
        found.seconds.append(time.perf_counter() - start)
        self._deliver(View(stamp_ns, frame_id, width, height, LAYOUT, people, picture))
        found.unseen.note(stamp_ns, False)

    def _read(self, name: str, message: Any) -> NDArray[Any] | None:
        found, topic = self._found, self._topics[name]
        try:
            if name == "image":
                return topic.array(message.message, "rgb")
            return depth_to_millimetres(topic.array(message.message, "depth"))
        except ConversionError as error:
            found.last_error[name] = error
            if name == "image":
                found.failure = error.code, str(error)
            found.errors[name] += 1
            self._node.log_throttled(f"convert {name}", f"{topic.topic}: {error}; the message is skipped")
            return None

    def _depth(self, message: Any, picture: NDArray[np.uint8], frame_id: str) -> NDArray[np.uint16] | None:
        depth = None if message is None else self._read("depth", message)
        if depth is None:
            return None
        sizes = ((a.shape[1], a.shape[0]) for a in (picture, depth))
        self._found.depth = depth_problem(next(sizes), frame_id, next(sizes), message.header.frame_id) or ""
        return None if self._found.depth else depth

    def _camera(self, width: int, height: int, frame_id: str) -> Camera | None:
        info = self._info.latest
        if info is None:
            self._found.camera = "no CameraInfo"
            return None
        try:
            camera = camera_info_to_camera(info, width, height, frame_id, self._picture_topic)
        except ConversionError as error:
            self._found.camera = str(error)
            return None
        self._found.camera = ""
        return camera

    # Diagnostics.

    def diagnose(self) -> Iterator[DiagnosticStatus]:
        """One status each for the pictures, depth, the camera's matrix and the people."""
        yield self._diagnose_stream("image", self._picture_problem())
        if self._config.depth:
            yield self._diagnose_stream("depth", self._depth_problem())
        yield self._node.status("camera", self._diagnose_camera())
        unseen = self._unseen_problem()
        people = 0 if unseen else self._found.people
        yield self._node.status("people", unseen or self._people_problem(), people=people)

    def _diagnose_stream(self, name: str, problem: Problem | None) -> DiagnosticStatus:
        s, t = self._synchronizer.statistics()[name], self._topics[name]
        topic = self._node.resolve_topic_name(t.topic)
        if s.alive:
            code, text = contest(self._node, topic, t.type, problem or (FaultCode.NONE, f"{s.rate_hz:.1f} Hz"))
        else:
            code, text = self._arrivals[name].stamps_problem(TIMEOUT_S) or self._silence(name, s)
        if code and time.monotonic() - self._started > PATIENCE_S:
            self._node.log_throttled(f"diagnose {name}", f"{name}: {text}")
        return self._node.status(
            name,
            (code, text),
            topic=topic,
            publishers=self._node.count_publishers(topic),
            received=s.received,
            rate_hz=s.rate_hz,
            late=s.late,
            duplicate=s.duplicate,
            refused=s.refused,
            dropped=s.dropped,
            unreadable=self._found.errors[name],
        )

    def _silence(self, name: str, s: StreamStatistics) -> Problem:
        t = self._topics[name]
        code, reason = why_silent(self._node, t.topic, t.type, t.reliability, bool(s.received))
        no_message = f"no message on {self._node.resolve_topic_name(t.topic)} yet"
        return code, f"{f'silent for {s.age_s or 0.0:.1f} s' if s.received else no_message}; {reason}"

    def _picture_problem(self) -> Problem | None:
        found = self._found
        now = (self._worker.dropped, found.pictures)
        dropped, looked = now[0] - self._reported[0], now[1] - self._reported[1]
        self._reported = now
        if found.frozen.seconds > FROZEN_S:
            still_s = found.frozen.seconds
            text = f"the picture has been the same for {still_s:.1f} s: the camera is frozen, no people are published"
            return FaultCode.FROZEN, f"{text}; {found.darkness}" if found.darkness else text
        seconds = float(np.mean(list(found.seconds)[-max(looked, 1) :] or 0.0))
        is_busy = seconds * self._config.rate_hz > BUSY
        if is_busy and dropped > MAX_DROPPED * (dropped + looked):
            return FaultCode.TOO_SLOW, (
                f"{dropped} of {dropped + looked} pictures dropped since the last report: one takes "
                f"{seconds * 1e3:.0f} ms; lower "
                f"rate_hz (now {self._config.rate_hz:g}) or max_people, or raise threads"
            )
        return self._unreadable("image")

    def _diagnose_camera(self) -> Problem:
        """What is wrong with the camera's matrix; the log has it once, because people are found without one, too."""
        self._info.refresh()
        code, text = contest(self._node, self._config.camera_info_topic, INFO_TYPE, self._camera_problem())
        is_wrong = code not in (FaultCode.NONE, FaultCode.WAITING) and time.monotonic() - self._started > PATIENCE_S
        if is_wrong and text not in self._warned:
            self._warned.add(text)
            self._node.get_logger().warning(shorten(f"camera: {text}"))
        return code, text

    def _camera_problem(self) -> Problem:
        problem = self._found.camera
        if problem is None:
            return FaultCode.WAITING, "no picture to compare it with yet"
        if self._info.latest is None:
            problem = self._info.why_missing()
        if problem:
            return FaultCode.UNCALIBRATED, f"{problem}; distances are nominal, for a lens of 58°"
        return FaultCode.NONE, "calibrated"

    def _depth_problem(self) -> Problem | None:
        found = self._found
        if found.unpaired.seconds > UNPAIRED_S:
            s = self._synchronizer.statistics()["depth"]
            dropped = f"{s.dropped} were dropped before their colour pictures came, " if s.dropped else ""
            return FaultCode.UNPAIRED, (
                f"it comes, but with none of the pictures of the last {found.unpaired.seconds:.0f} s: {s.late} of "
                f"{s.received} came too late, {dropped}stamps of others differ by more than {SLOP_S * 1e3:.0f} ms; let "
                "the driver synchronise depth with colour, and send both from one computer"
            )
        if found.depth:
            return FaultCode.UNREGISTERED, f"{found.depth}; depth is not used"
        if found.depthless.seconds > FROZEN_S:
            return FaultCode.UNREGISTERED, NO_DEPTH
        return self._unreadable("depth")

    def _unreadable(self, name: str) -> Problem | None:
        last = self._found.last_error.pop(name, None)  # of the time since the last report
        if last is None:
            return None
        return last.code, f"{self._found.errors[name]} messages skipped, the last one: {last}"

    def _unseen_problem(self) -> Problem | None:
        """Why it is unknown who is in view; None: it is known."""
        found = self._found
        if not self._synchronizer.statistics()["image"].alive or found.frozen.seconds > FROZEN_S:
            return FaultCode.WAITING, "no picture to process"
        if found.unseen.seconds > UNSEEN_S:
            code, text = found.failure
            return code, f"none of the pictures of the last {found.unseen.seconds:.0f} s could be processed: {text}"
        return None

    def _people_problem(self) -> Problem:
        found = self._found
        if found.left_out:
            most = self._config.max_people
            return FaultCode.CROWDED, f"{found.left_out} more are in view and left out: max_people is {most}"
        if found.upside_down.seconds > UPSIDE_DOWN_S:
            return FaultCode.UPSIDE_DOWN, (
                f"everybody has been upside down for {found.upside_down.seconds:.0f} s: is the camera? Turn its picture"
            )
        if found.people == 0 and found.darkness:
            return FaultCode.DARK, found.darkness
        if found.people == 0:
            code = FaultCode.NONE if self._finder.tiny_size is None else FaultCode.IMPLAUSIBLE
            return code, why_nobody(self._finder) or "nobody in view"
        return FaultCode.NONE, ", ".join(filter(None, [f"{found.people} in view", found.without_joints]))
