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
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import (
    ConversionError,
    ImageKind,
    camera_info_to_camera,
    compressed_image_to_array,
    depth_to_millimetres,
    header_stamp_ns,
    image_to_array,
    vector_to_array,
)
from mumu_ros.people import Camera
from mumu_ros.people.inputs import depth_problem
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.picture_topics import IMU, PictureTopics
from mumu_ros.recordings.reader import Recording
from mumu_ros.streams.stamps import FOREVER_NS, NS_PER_S, StampGuard, StreamClock, Verdict

__all__ = ["Shot", "Worn", "read_pictures"]

T = TypeVar("T")

# What `mumu_ros.conversions` advises, which are parameters of the nodes, and what helps here.
_REMEDIES = {
    "set the parameter `encoding`, or publish one of": "record one of",
    "if it is meant, raise max_pixels": "record a smaller one",
}
_WAIT_NS = NS_PER_S // 5
"""Log time that a picture waits for messages of its time that were recorded after it."""
_SLOP_NS = 30_000_000
"""Most that the stamps of a picture and of its depth may differ."""
_MOST_WAITING = 64
"""Pictures that wait so, as many as in `_WAIT_NS` at 300 Hz."""
_HELD_PICTURES, _HELD_SAMPLES = 64, 2048
"""Messages of a topic that wait until it is clear whether time has jumped or a stamp is garbage."""
_MOST_DEPTHS = 30
"""Depth pictures kept of `_WAIT_NS`, and while the colour camera pauses."""
_MOST_WORN = 100_000
"""Worn samples kept while the camera pauses: minutes, of several IMUs."""


@dataclass(frozen=True, eq=False)
class Worn:
    """Samples of a sensor other than the camera.

    Attributes:
        modality: The model's name for it.
        stamp_ns: Acquisition time.
        sample: As `Preprocessing.prepare` takes it.
    """

    modality: str
    stamp_ns: int
    sample: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Shot:
    """A picture and what else is known at its time.

    Attributes:
        stamp_ns: Acquisition time.
        rgb: uint8 (H, W, 3).
        depth: Registered to it: uint16 millimetres or float32 metres; None: no sensor.
        camera: From CameraInfo; None: not known.
        worn: Samples of other sensors since the last picture.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth: NDArray[Any] | None = None
    camera: Camera | None = None
    worn: tuple[Worn, ...] = field(default=())


def read_pictures(path: Path, imus: tuple[str, ...]) -> Generator[Shot, None, None]:
    """Read the pictures of a rosbag2, with registered depth, CameraInfo and IMUs if it has them.

    Raises:
        RecordingError: It cannot be read, has no colour picture that can be, or several that could be meant.
    """
    with Recording(path) as recording:
        yield from _Reader(recording, PictureTopics.of(recording, imus)).shots()


@dataclass(frozen=True, eq=False)
class _Stamped:
    """A message, its topic, its acquisition time (its log time where it has none), and how much log time has passed."""

    topic: str
    stamp_ns: int
    arrived_ns: int
    message: Any

    @property
    def frame_id(self) -> str:
        return str(self.message.header.frame_id)


_stamp_of = attrgetter("stamp_ns")


class _Reader:
    """Reads the topics of a bag together, and says on stderr what of them is not used.

    Every picture is a shot. Worn samples belong to the next picture, however long the camera pauses before it.
    """

    def __init__(self, recording: Recording, topics: PictureTopics) -> None:
        self._recording = recording
        self._topics = topics
        self._modalities = {topic: name for name, topic in topics.imus.items()}
        self._info: Any = None
        self._is_depth_refused = False
        self._errors: Counter[str] = Counter()
        self._last_error: dict[str, str] = {}
        self._count = 0
        self._clear()

    def _clear(self) -> None:
        self._pictures: deque[_Stamped] = deque()
        self._depths: deque[_Stamped] = deque()
        self._worn: deque[Worn] = deque()
        self._last_ns = 0

    def shots(self) -> Iterator[Shot]:
        """Yield the pictures in the order of their stamps, with what belongs to them.

        Raises:
            RecordingError: Not one picture can be read.
        """
        topics = self._topics
        clocks = {name: StreamClock(_HELD_PICTURES) for name in (topics.rgb, topics.depth) if name}
        clocks |= {name: StreamClock(_HELD_SAMPLES) for name in self._modalities}
        try:
            for shot in self._read(clocks):
                self._count += 1
                yield shot
        except (GeneratorExit, KeyboardInterrupt):
            _print(self._problems(clocks))
            raise
        problems = self._problems(clocks)
        if not self._count:
            raise RecordingError(
                f"no picture of {self._recording.path} can be read: {'; '.join(problems) or 'none was recorded'}"
            )
        _print(problems)

    def _read(self, clocks: dict[str, StreamClock]) -> Iterator[Shot]:
        info = self._topics.info
        guard: StampGuard[StreamClock, _Stamped] = StampGuard(list(clocks.values()))
        arrived_ns = last_ns = 0
        for topic, log_ns, message in self._recording.messages([*clocks, *([info] if info else [])]):
            arrived_ns += max(log_ns - last_ns, 0)  # goes on where the recorder's clock was set back
            last_ns = log_ns
            if topic == info:
                self._info = message
                continue
            new = _Stamped(topic, header_stamp_ns(message) or log_ns, arrived_ns, message)
            verdict = guard.judge(clocks[topic], new.stamp_ns, new)
            if verdict is Verdict.BACKWARD:
                yield from self._due(FOREVER_NS)
                self._clear()
            if verdict is not Verdict.TURNED_AWAY:
                for clock, stamp_ns, good in guard.release() or [(clocks[topic], new.stamp_ns, new)]:
                    clock.newest_ns = max(clock.newest_ns, stamp_ns)
                    self._take(good)
            yield from self._due(arrived_ns - _WAIT_NS)
        yield from self._due(FOREVER_NS)

    def _problems(self, clocks: dict[str, StreamClock]) -> list[str]:
        """What was not used, and why."""
        problems = [
            f"{topic} could not be used {count} times, the last time because {self._last_error[topic]}"
            for topic, count in sorted(self._errors.items())
        ]
        for topic, clock in clocks.items():
            if wrong := clock.late + clock.refused:
                problems.append(f"{wrong} messages of {topic} have unacceptable stamps; not used")
        return problems + self._recording.problems

    def _try(self, topic: str, convert: Callable[[], T]) -> T | None:
        """What a message is converted to; None, and noted, where it cannot be."""
        try:
            return convert()
        except ConversionError as error:
            self._errors[topic] += 1
            self._last_error[topic] = _reason(error)
            return None

    def _take(self, new: _Stamped) -> None:
        """Queue a message in the order of stamps."""
        if new.topic == self._topics.rgb:
            insort(self._pictures, new, key=_stamp_of)
        elif new.topic == self._topics.depth:
            insort(self._depths, new, key=_stamp_of)
            if len(self._depths) > _MOST_DEPTHS:
                self._depths.popleft()
        elif (sample := self._try(new.topic, lambda: vector_to_array(new.message, IMU, (2, 3)))) is not None:
            insort(self._worn, Worn(self._modalities[new.topic], new.stamp_ns, sample), key=_stamp_of)
            if len(self._worn) > _MOST_WORN:
                self._worn.popleft()

    def _due(self, arrived_ns: int) -> Iterator[Shot]:
        """Yield the shots of the pictures that were recorded until then."""
        while self._pictures and (self._pictures[0].arrived_ns <= arrived_ns or len(self._pictures) > _MOST_WAITING):
            picture = self._pictures.popleft()
            # A stamp that is not newer is that of a duplicate, or of a picture that came too late.
            if picture.stamp_ns > self._last_ns and (shot := self._shot(picture)):
                self._last_ns = picture.stamp_ns
                yield shot

    def _shot(self, picture: _Stamped) -> Shot | None:
        rgb = self._try(picture.topic, lambda: _pixels(picture.message, "rgb"))
        if rgb is None:
            return None
        worn = []
        while self._worn and self._worn[0].stamp_ns <= picture.stamp_ns:
            worn.append(self._worn.popleft())
        return Shot(picture.stamp_ns, rgb, self._depth(rgb, picture), self._camera(rgb, picture), tuple(worn))

    def _depth(self, rgb: NDArray[Any], picture: _Stamped) -> NDArray[Any] | None:
        found = min(self._depths, key=lambda depth: abs(depth.stamp_ns - picture.stamp_ns), default=None)
        if found is None or abs(found.stamp_ns - picture.stamp_ns) > _SLOP_NS:
            return None
        depth = self._try(found.topic, lambda: depth_to_millimetres(_pixels(found.message, "depth")))
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

    def _camera(self, rgb: NDArray[Any], picture: _Stamped) -> Camera | None:
        if self._info is None:
            return None
        height, width = rgb.shape[:2]
        topics = self._topics
        return self._try(
            topics.info, lambda: camera_info_to_camera(self._info, width, height, picture.frame_id, topics.rgb)
        )


def _pixels(message: Any, kind: ImageKind) -> NDArray[Any]:
    return (image_to_array if hasattr(message, "encoding") else compressed_image_to_array)(message, kind)


def _print(problems: list[str]) -> None:
    for problem in problems:
        print(problem, file=sys.stderr)


def _reason(error: ConversionError) -> str:
    """What an error says, without the parameters of the nodes, which this command does not have."""
    text = str(error)
    for of_nodes, here in _REMEDIES.items():
        text = text.replace(of_nodes, here)
    return text
