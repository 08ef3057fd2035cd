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

"""The camera's picture with people and their activities drawn on it, and markers of their skeletons."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import MarkerArray

from mumu_ros.conversions import ConversionError, RosTypes, array_to_image, message_to_people, time_to_ns
from mumu_ros.fault_codes import FaultCode
from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import Arrivals, contest, why_node_silent, why_silent
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.markers import people_to_markers
from mumu_ros.nodes.node_configuration import OverlayConfig
from mumu_ros.nodes.parameters import OVERLAY
from mumu_ros.nodes.running import main
from mumu_ros.nodes.subscribers import Subscriber, sensor_qos, subscribe
from mumu_ros.nodes.worker import Worker
from mumu_ros.people.drawing import Activity, draw
from mumu_ros.people.person import Person
from mumu_ros.pipeline.framing import Received
from mumu_ros.skeletons import LayoutError, layout
from mumu_ros.streams import NS_PER_S, SynchronizedSet, SynchronizerFilter

__all__ = ["Overlay"]

SLOP_S = 0.02
"""Maximum difference between the stamps of a picture and the people drawn on it."""
QUEUE = 300
"""Headers of pictures, and messages about people, that wait for each other."""
KEPT_S = 3.0
"""Pictures are kept for so long while people are detected in them, which takes a slow computer a second."""
MAX_BYTES = 256 * 2**20
"""Limit of the pictures kept; with larger ones, those of less time."""
MAX_ASPECT = 0.01
"""A picture of the same camera in another resolution: most that its aspect differs, as by whole pixels."""
MAX_DELAY_S = 10.0
"""No computer takes so long to find people in a picture: stamps farther apart are of different clocks."""
TIMEOUT_S = 1.0
"""Without a message about people for this long, the picture is shown unchanged."""
POLL_PERIOD_S = 0.02
PEOPLE_TYPE = "mumu_ros/msg/People"
MEMORY_NS = 2 * NS_PER_S
"""An activity older than the picture by more than this is not shown."""
FORGET_S = 30.0
"""An activity that came this long ago is deleted. Its stamp does not decide, because time may jump back or be slow."""


@dataclass(frozen=True)
class _Job:
    """What was seen at one time: a message about people, the picture that it is about, or one of them."""

    stamp_ns: int
    people: Received | None
    picture: Received | None


class _Pictures:
    """The pictures whose people are not known yet. A filter that passes their headers on, to be synchronised."""

    def __init__(self, source: Subscriber) -> None:
        self._source = source
        self._kept: dict[int, tuple[float, Received]] = {}  # by stamp, with the time of arrival, in its order
        self._bytes = 0
        self.newest_ns = 0

    def registerCallback(self, callback: Callable[..., None], *args: Any) -> None:  # noqa: N802 (the stock name)
        """Register `callback(message, *args)` for each picture, the message having a header only."""
        self._source.registerCallback(self._keep, callback, *args)

    def take(self, stamp_ns: int) -> Received | None:
        """The picture of this stamp, None if it is gone; those that came before it are dropped."""
        if stamp_ns in self._kept:
            while (first := next(iter(self._kept))) != stamp_ns:
                self._drop(first)
            return self._kept[stamp_ns][1]
        return None

    def _keep(self, picture: Received, callback: Callable[..., None], *args: Any) -> None:
        now_s, self.newest_ns = time.monotonic(), time_to_ns(picture.header.stamp)
        self._drop(self.newest_ns)
        self._kept[self.newest_ns] = now_s, picture
        self._bytes += picture.size
        while self._bytes > MAX_BYTES or now_s - next(iter(self._kept.values()))[0] > KEPT_S:
            self._drop(next(iter(self._kept)))  # never the last one: no message is that large
        callback(SimpleNamespace(header=picture.header), *args)

    def _drop(self, stamp_ns: int) -> None:
        if stamp_ns in self._kept:
            self._bytes -= self._kept.pop(stamp_ns)[1].size


class Overlay(ManagedNode):
    """Publishes `overlay`, `overlay/compressed` and `people_markers`, each only while it has subscribers."""

    def __init__(self, **options: Any) -> None:
        super().__init__("overlay", OVERLAY, **options)
        self._image = self.create_lifecycle_publisher(Image, "overlay", 2)
        self._compressed = self.create_lifecycle_publisher(CompressedImage, "overlay/compressed", 2)
        self._markers = self.create_lifecycle_publisher(MarkerArray, "people_markers", 2)
        self._types = RosTypes()

    def configure(self) -> None:
        """Read the parameters."""
        self._config = OverlayConfig.read(self.values)
        self.require_topic("image.topic", self._config.image.topic)

    def activate(self) -> None:
        """Subscribe and start the worker."""
        picture = self._config.image
        self._recognitions: dict[str, tuple[float, ActivityRecognition]] = {}  # with its time of arrival
        self._drawn = 0
        self._missing_since: float | None = None  # when people began to come without their pictures
        self._skipped: Counter[str] = Counter()
        self._reported: Counter[str] = Counter()
        self._reason: dict[str, str] = {}
        self._worker: Worker[_Job] = Worker("overlay", self._show, self.report_worker_error)
        self.undo.callback(self._worker.stop)
        subscribers = [
            subscribe(self, PEOPLE_TYPE, "people", sensor_qos("reliable", 10)),
            subscribe(self, picture.type, picture.topic, sensor_qos(picture.reliability, 5)),
        ]
        for subscriber in subscribers:
            self.undo.callback(self.destroy_subscription, subscriber.sub)
        self._arrivals = dict(zip(("people", "image"), map(Arrivals, subscribers), strict=True))
        people, self._pictures = subscribers[0], _Pictures(subscribers[1])
        # People first: a picture waits for its people.
        self._synchronizer = SynchronizerFilter(
            [people, self._pictures], QUEUE, SLOP_S, names=["people", "image"], timeout_s=TIMEOUT_S
        )
        self._synchronizer.registerSetCallback(self._take_set)
        self.undo.callback(self._synchronizer.close)
        activity = self.create_subscription(ActivityRecognition, "activity", self._take_recognition, 10)
        self.undo.callback(self.destroy_subscription, activity)
        timer = self.create_timer(POLL_PERIOD_S, self._synchronizer.poll, clock=self.steady_clock)
        self.undo.callback(self.destroy_timer, timer)

    def _take_recognition(self, message: ActivityRecognition) -> None:
        self._recognitions[message.body_id] = time.monotonic(), message

    def _take_set(self, found: SynchronizedSet) -> None:
        people, header_only = found.items
        picture = header_only and self._pictures.take(time_to_ns(header_only.header.stamp))
        if people is not None:
            self._missing_since = None if picture else self._missing_since or time.monotonic()
            self._delay_s = (self._pictures.newest_ns - found.stamp_ns) / NS_PER_S
        self._worker.put(_Job(found.stamp_ns, people, picture))

    # On the worker's thread.

    def _show(self, job: _Job) -> None:
        try:
            self._draw(job)
        except (ConversionError, LayoutError) as error:
            self._skip("pictures", error)

    def _draw(self, job: _Job) -> None:
        received, picture = job.people, job.picture
        message: Any = None if received is None else received.message
        people = [] if message is None else self._people(message)
        activities = self._activities(job.stamp_ns)
        if received is not None and self._markers.get_subscription_count():
            self._markers.publish(people_to_markers(people, message.layout, received.header, activities))
        wanted = self._image.get_subscription_count() or self._compressed.get_subscription_count()
        if picture is not None and wanted:
            pixels = self._config.image.array(picture.message, "rgb")
            if message is not None:
                people = self._scaled(people, message, *pixels.shape[:2])
            names = {} if message is None else {"layout": message.layout}
            self._publish(draw(pixels, people, activities, **names), picture.header)
            self._drawn += 1

    def _publish(self, pixels: NDArray[np.uint8], header: Any) -> None:
        if self._image.get_subscription_count():
            stamp_ns = time_to_ns(header.stamp)
            self._image.publish(array_to_image(pixels, stamp_ns, header.frame_id, self._types))
        if self._compressed.get_subscription_count():
            quality = [cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality]
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)
            data = self._types.sequence(jpeg)
            self._compressed.publish(
                self._types.message("sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=data)
            )

    def _people(self, message: Any) -> list[Person]:
        count, people = len(layout(message.layout)), []
        for person in message_to_people(message, self._skip_person):
            if len(person.visibility) == count:
                people.append(person)
            else:
                text = f"body {person.body_id!r} has {len(person.visibility)} joints; {message.layout} has {count}"
                self._skip_person(ConversionError(text))
        return people

    def _scaled(self, people: list[Person], message: Any, height: int, width: int) -> list[Person]:
        """The people where they are in a picture of this size; nobody if it is of another camera or a part of it."""
        if (message.width, message.height) == (width, height) or not (message.width and message.height):
            return people
        x, y = width / message.width, height / message.height
        if abs(x / y - 1) > MAX_ASPECT:
            text = (
                f"they are of a picture of {message.width}×{message.height}, and {self._config.image.topic} has "
                f"{width}×{height}, another aspect; set image.topic to the topic that people reads"
            )
            self._skip_person(ConversionError(text))
            return []
        scale = np.array((x, y), np.float32)
        return [
            replace(
                person,
                keypoints=person.keypoints * scale,
                roi=(person.roi[0] * x, person.roi[1] * y, person.roi[2] * x, person.roi[3] * y),
            )
            for person in people
        ]

    def _activities(self, stamp_ns: int) -> dict[str, Activity]:
        """Everybody's activity at this time, by body id."""
        return {
            body_id: _activity(message)
            for body_id, (_, message) in list(self._recognitions.items())
            if abs(stamp_ns - time_to_ns(message.header.stamp)) <= MEMORY_NS
        }

    def _skip_person(self, error: ConversionError) -> None:
        self._skip("people", error)

    def _skip(self, what: str, error: ValueError) -> None:
        self._reason[what] = str(error)
        self._skipped[what] += 1
        self.log_throttled(what, f"{what} skipped: {error}")

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: what is drawn."""
        now_s = time.monotonic()
        self._recognitions = {
            body_id: (came_s, message)
            for body_id, (came_s, message) in self._recognitions.items()
            if now_s - came_s <= FORGET_S
        }
        skipped = self._skipped.copy()
        new_skipped, self._reported = skipped - self._reported, skipped
        streams = self._synchronizer.statistics()
        picture = self._config.image
        topics = {"image": (picture.topic, picture.type), "people": ("people", PEOPLE_TYPE)}
        silent = [name for name in topics if not streams[name].alive]
        if silent:
            topic = self.resolve_topic_name(topics[silent[0]][0])
            if problem := self._arrivals[silent[0]].stamps_problem(TIMEOUT_S):
                code, text = problem[0], f"{topic}: {problem[1]}"
            else:
                code, reason = self._why_silent(silent[0], bool(streams[silent[0]].received))
                text = f"no message on {topic}; {reason}"
        elif self._missing_since is not None and now_s - self._missing_since > KEPT_S:
            code, text = self._gone()
        else:
            code, text = FaultCode.NONE, f"{streams['image'].rate_hz:.1f} Hz"
        if not silent:
            for topic, type_name in topics.values():
                code, text = contest(self, topic, type_name, (code, text))
        for what, count in new_skipped.items():
            code = code or FaultCode.UNREADABLE
            text += f"; {count} {what} skipped, the last one: {self._reason[what]}"
        yield self.status("picture", (code, text), drawn=self._drawn, dropped=self._worker.dropped)

    def _why_silent(self, name: str, has_spoken: bool) -> Problem:
        if name == "people":
            return why_node_silent(self, "people", PEOPLE_TYPE, "people", has_spoken)
        picture = self._config.image
        return why_silent(self, picture.topic, picture.type, picture.reliability, has_spoken)

    def _gone(self) -> Problem:
        people, delay_s = f"messages on {self.resolve_topic_name('people')}", self._delay_s
        if not -TIMEOUT_S <= delay_s <= MAX_DELAY_S:
            side = "behind" if delay_s > 0 else "ahead of"
            return FaultCode.CLOCK, (
                f"{people} are {abs(delay_s):.1f} s {side} the newest picture, which is no delay but another clock: "
                "set image.topic to the topic that people reads, or let the drivers stamp by one clock"
            )
        return FaultCode.UNPAIRED, (
            f"{people} are {delay_s:.1f} s behind the newest picture, and theirs are gone: pictures are kept for "
            f"{KEPT_S:.0f} s, at most {MAX_BYTES // 2**20} MiB of them; set image.topic to the topic that people reads "
            "and, if people is slow, lower its rate_hz"
        )


def _activity(message: ActivityRecognition) -> Activity:
    weights = zip(message.modalities, message.present, message.gm_fusion_weights, strict=True)
    return Activity(
        message.activity,
        message.activity_confidence,
        {name: weight if present else None for name, present, weight in weights},
    )


if __name__ == "__main__":
    main(Overlay)
