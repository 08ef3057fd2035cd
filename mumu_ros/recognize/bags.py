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

"""Pictures, depth and IMU of a rosbag2."""

from __future__ import annotations

import sys
from bisect import insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import (
    ConversionError,
    camera_info_to_camera,
    compressed_image_to_array,
    header_stamp_ns,
    image_to_array,
    vector_to_array,
)
from mumu_ros.people import Camera
from mumu_ros.people.inputs import depth_problem
from mumu_ros.recognize.sources import Shot, SourceError, Worn
from mumu_ros.recordings import Recording, Topic
from mumu_ros.streams.stamps import NS_PER_S, StampGuard, StreamClock, Verdict

__all__ = ["read_bag"]

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO, _IMU = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Imu"
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
_WAIT_NS = NS_PER_S // 5
_SLOP_NS = 30_000_000
"""Most that the stamps of a picture and of its depth may differ."""
_HELD_PICTURES, _HELD_SAMPLES = 64, 2048
"""Messages of a topic that wait until it is clear whether time has jumped or a stamp is garbage."""
_MOST_DEPTHS = 30
_MOST_WORN = 100_000
"""Worn samples kept while the camera pauses: minutes, of several IMUs."""


def read_bag(path: Path, imus: tuple[str, ...]) -> Iterator[Shot]:
    """Read the pictures of a rosbag2, with registered depth, CameraInfo and IMUs if it has them.

    Raises:
        SourceError: It has no colour picture, or several pictures that could be meant.
        RecordingError: It cannot be read.
    """
    with Recording(path) as recording:
        yield from _Reader(recording, _Topics.of(recording, imus)).shots()


@dataclass(frozen=True)
class _Topics:
    """Which topic is what; empty: none."""

    rgb: str
    depth: str
    info: str
    imus: dict[str, str]

    @classmethod
    def of(cls, recording: Recording, imus: tuple[str, ...]) -> _Topics:
        kinds: dict[str, list[str]] = {"rgb": [], "depth": []}
        for topic in recording.topics.values():
            if topic.type_name in (_IMAGE, _COMPRESSED) and (kind := _kind(recording, topic.name)):
                kinds[kind].append(topic.name)
        if len(kinds["rgb"]) != 1:
            listed = ", ".join(kinds["rgb"]) or ", ".join(t.name for t in recording.topics.values())
            raise SourceError(f"{recording.path} has {len(kinds['rgb'])} colour pictures; expected one of: {listed}")
        if len(kinds["depth"]) > 1:
            raise SourceError(f"{recording.path} has several depth pictures, {', '.join(kinds['depth'])}; keep one")
        infos = [t.name for t in _decoded(recording) if t.type_name == _INFO]
        beside = [name for name in infos if name.rpartition("/")[0] == kinds["rgb"][0].rpartition("/")[0]]
        depth = kinds["depth"][0] if kinds["depth"] else ""
        return cls(kinds["rgb"][0], depth, beside[0] if beside else "", _imus(recording, imus))


def _decoded(recording: Recording) -> list[Topic]:
    return [topic for topic in recording.topics.values() if topic.name not in recording.undecoded]


def _kind(recording: Recording, topic: str) -> str:
    """What a topic shows; empty where no message can be read."""
    if topic in recording.undecoded or (first := next(recording.messages([topic]), None)) is None:
        return ""
    message = first[2]
    encoding = getattr(message, "encoding", "") or getattr(message, "format", "")
    return "depth" if encoding.startswith(_DEPTH_ENCODINGS) or "compressedDepth" in encoding else "rgb"


def _imus(recording: Recording, imus: tuple[str, ...]) -> dict[str, str]:
    topics = [t.name for t in _decoded(recording) if t.type_name == _IMU and t.count]
    if len(topics) == len(imus) == 1:
        return {imus[0]: topics[0]}
    found = {}
    for name in imus:
        fitting = [t for t in topics if all(word in t.lower() for word in name.lower().split("_"))]
        if len(fitting) == 1:
            found[name] = fitting[0]
        elif topics:
            print(f"{name} is not used: it could be {' or '.join(topics)}", file=sys.stderr)
    return found


@dataclass(frozen=True, eq=False)
class _Stamped:
    """A message, its topic, its acquisition time (its log time where it has none) and its log time."""

    topic: str
    stamp_ns: int
    log_ns: int
    message: Any

    @property
    def frame_id(self) -> str:
        return str(self.message.header.frame_id)


_stamp_of = attrgetter("stamp_ns")


class _Reader:
    """Reads the topics of a bag together, and says on stderr what of them is not used.

    Every picture is a shot. It waits for `_WAIT_NS` of log time for the messages that were recorded after it. Worn
    samples belong to the next picture, however long the camera pauses before it.
    """

    def __init__(self, recording: Recording, topics: _Topics) -> None:
        self._recording = recording
        self._topics = topics
        self._modalities = {topic: name for name, topic in topics.imus.items()}
        self._info: Any = None
        self._is_depth_refused = False
        self._clear()

    def _clear(self) -> None:
        self._pictures: deque[_Stamped] = deque()
        self._depths: deque[_Stamped] = deque()
        self._worn: deque[Worn] = deque()
        self._last_ns = 0

    def shots(self) -> Iterator[Shot]:
        """Yield the pictures in the order of their stamps, with what belongs to them."""
        topics, log_ns = self._topics, 0
        clocks = {name: StreamClock(_HELD_PICTURES) for name in (topics.rgb, topics.depth) if name}
        clocks |= {name: StreamClock(_HELD_SAMPLES) for name in self._modalities}
        guard: StampGuard[StreamClock, _Stamped] = StampGuard(list(clocks.values()))
        for topic, log_ns, message in self._recording.messages([*clocks, *([topics.info] if topics.info else [])]):
            if topic == topics.info:
                self._info = message
                continue
            new = _Stamped(topic, header_stamp_ns(message) or log_ns, log_ns, message)
            verdict = guard.judge(clocks[topic], new.stamp_ns, new)
            if verdict is Verdict.BACKWARD:
                yield from self._due(log_ns)
                self._clear()
            if verdict is not Verdict.TURNED_AWAY:
                for clock, stamp_ns, good in guard.release() or [(clocks[topic], new.stamp_ns, new)]:
                    clock.newest_ns = max(clock.newest_ns, stamp_ns)
                    self._take(good)
            yield from self._due(log_ns - _WAIT_NS)
        yield from self._due(log_ns)

    def _take(self, new: _Stamped) -> None:
        """Queue a message in the order of stamps."""
        if new.topic == self._topics.rgb:
            insort(self._pictures, new, key=_stamp_of)
        elif new.topic == self._topics.depth:
            insort(self._depths, new, key=_stamp_of)
            if len(self._depths) > _MOST_DEPTHS:
                self._depths.popleft()
        elif (sample := _vector(new.message)) is not None:
            insort(self._worn, Worn(self._modalities[new.topic], new.stamp_ns, sample), key=_stamp_of)
            if len(self._worn) > _MOST_WORN:
                self._worn.popleft()

    def _due(self, log_ns: int) -> Iterator[Shot]:
        """Yield the shots of the pictures that were recorded until then."""
        while self._pictures and self._pictures[0].log_ns <= log_ns:
            picture = self._pictures.popleft()
            # A stamp that is not newer is that of a duplicate, or of a picture that came too late.
            if picture.stamp_ns > self._last_ns and (shot := self._shot(picture)):
                self._last_ns = picture.stamp_ns
                yield shot

    def _shot(self, picture: _Stamped) -> Shot | None:
        rgb = _pixels(picture.message, "rgb")
        if rgb is None:
            return None
        worn = []
        while self._worn and self._worn[0].stamp_ns <= picture.stamp_ns:
            worn.append(self._worn.popleft())
        depth = self._depth(rgb, picture)
        return Shot(picture.stamp_ns, rgb, depth, _camera(self._info, picture.message, rgb), tuple(worn))

    def _depth(self, rgb: NDArray[Any], picture: _Stamped) -> NDArray[Any] | None:
        found = min(self._depths, key=lambda depth: abs(depth.stamp_ns - picture.stamp_ns), default=None)
        if found is None or abs(found.stamp_ns - picture.stamp_ns) > _SLOP_NS:
            return None
        depth = _pixels(found.message, "depth")
        if depth is None:
            return None
        sizes = [(pixels.shape[1], pixels.shape[0]) for pixels in (rgb, depth)]
        problem = depth_problem(sizes[0], picture.frame_id, sizes[1], found.frame_id)
        if problem is None:
            return depth
        if not self._is_depth_refused:
            print(f"{self._topics.depth} is not used: {problem}", file=sys.stderr)
        self._is_depth_refused = True
        return None


def _pixels(message: Any, kind: Any) -> NDArray[Any] | None:
    try:
        return (image_to_array if hasattr(message, "encoding") else compressed_image_to_array)(message, kind)
    except ConversionError:
        return None


def _vector(message: Any) -> NDArray[np.float64] | None:
    try:
        return vector_to_array(message, _IMU, (2, 3))
    except ConversionError:
        return None


def _camera(info: Any, picture: Any, rgb: NDArray[Any]) -> Camera | None:
    if info is None:
        return None
    try:
        return camera_info_to_camera(info, rgb.shape[1], rgb.shape[0], picture.header.frame_id)
    except ConversionError:
        return None
