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
from collections.abc import Iterator
from dataclasses import dataclass
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
from mumu_ros.streams import SynchronizedSet, Synchronizer

__all__ = ["read_bag"]

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_INFO, _IMU = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Imu"
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
_DRAIN_NS = 1_000_000_000


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


class _Reader:
    """Reads the topics of a bag together, and says on stderr what of them is not used."""

    def __init__(self, recording: Recording, topics: _Topics) -> None:
        self._recording = recording
        self._topics = topics
        self._info: Any = None
        self._is_depth_refused = False

    def shots(self) -> Iterator[Shot]:
        """Yield the pictures with what belongs to them."""
        for found in self._sets():
            if shot := self._shot(found):
                yield shot

    def _sets(self) -> Iterator[SynchronizedSet]:
        topics = self._topics
        frames = ["rgb", *(["depth"] if topics.depth else [])]
        synchronizer = Synchronizer(frames, list(topics.imus), slop_s=0.03)
        names = {topics.rgb: "rgb", topics.depth: "depth", **{topic: name for name, topic in topics.imus.items()}}
        log_ns = 0
        for topic, log_ns, message in self._recording.messages([t for t in (*names, topics.info) if t]):
            if topic == topics.info:
                self._info = message
                continue
            stamp_ns = header_stamp_ns(message) or log_ns
            yield from synchronizer.add(names[topic], stamp_ns, message, log_ns)
        yield from synchronizer.poll(log_ns + _DRAIN_NS)

    def _shot(self, found: SynchronizedSet) -> Shot | None:
        picture, *others = found.items
        rgb = _pixels(picture, "rgb")
        if rgb is None:
            return None
        depth = self._depth(others.pop(0), rgb, picture) if self._topics.depth else None
        worn = [
            Worn(name, stamp_ns, sample)
            for name, samples in zip(self._topics.imus, others, strict=True)
            for stamp_ns, message in samples or ()
            if (sample := _vector(message)) is not None
        ]
        return Shot(found.stamp_ns, rgb, depth, _camera(self._info, picture, rgb), tuple(worn))

    def _depth(self, message: Any, rgb: NDArray[Any], picture: Any) -> NDArray[Any] | None:
        depth = _pixels(message, "depth")
        if depth is None:
            return None
        sizes = [(pixels.shape[1], pixels.shape[0]) for pixels in (rgb, depth)]
        problem = depth_problem(sizes[0], picture.header.frame_id, sizes[1], message.header.frame_id)
        if problem is None:
            return depth
        if not self._is_depth_refused:
            print(f"{self._topics.depth} is not used: {problem}", file=sys.stderr)
        self._is_depth_refused = True
        return None


def _pixels(message: Any, kind: Any) -> NDArray[Any] | None:
    if message is None:
        return None
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
