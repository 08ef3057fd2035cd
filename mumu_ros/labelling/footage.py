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

"""What the label page shows of a recording: frames on demand, and traces of vectors."""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import (
    SUPPORTED_TYPES,
    VECTOR_TYPES,
    ConversionError,
    ImageKind,
    compressed_image_to_array,
    image_to_array,
)
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.annotations import annotation_topic, decoded, labels_of
from mumu_ros.recordings.stamped import Span, Stamped, cdr_stamp_ns, read_stamped, spans_of
from mumu_ros.streams import NS_PER_S, ns_to_seconds
from mumu_ros.text import shorten

__all__ = ["Camera", "Footage", "Trace"]

_JUMP_NS = 86_400 * NS_PER_S
"""A longer silence is a clock that was set, not a pause of the recording."""
_MAX_HEIGHT = 480
_MAX_CHANNELS = 6
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
_UNNAMED = {"8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8", "16UC3": "bgr16", "16UC4": "bgra16"}
"""As what pictures are shown that do not say their colours: in the order of OpenCV. Labels do not depend on it."""
_IMU_TYPE = "sensor_msgs/msg/Imu"


@dataclass(frozen=True, eq=False)
class Camera:
    """Where the frames of an image topic are.

    Attributes:
        topic: Its name.
        stamps_ns: int64 (N,), ascending.
        logged_ns: int64 (N,), log time of the same frames.
    """

    topic: str
    stamps_ns: NDArray[np.int64]
    logged_ns: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trace:
    """A few channels of a vector topic that are drawn in one row.

    Attributes:
        name: Topic and quantity.
        stamps_ns: int64 (N,), ascending.
        values: float32 (N, C), NaN where a joint is not seen.
    """

    name: str
    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float32]

    def envelope(self, start_ns: int, end_ns: int, bins: int) -> list[list[tuple[int, float, float]]]:
        """For each channel, (bin, least, greatest value) of the bins of [start_ns, end_ns) that hold values."""
        first, last = np.searchsorted(self.stamps_ns, (start_ns, end_ns))
        if first == last:
            return [[] for _ in self.values.T]
        # As whole numbers, months of nanoseconds times the bins would not fit 64 bits.
        share = (self.stamps_ns[first:last] - start_ns).astype(np.float64) * bins / max(end_ns - start_ns, 1)
        place = share.astype(np.int64).clip(max=bins - 1)
        filled, begins = np.unique(place, return_index=True)
        low = np.fmin.reduceat(self.values[first:last], begins).round(4)
        high = np.fmax.reduceat(self.values[first:last], begins).round(4)
        return [
            list(zip(filled[seen].tolist(), least[seen].tolist(), greatest[seen].tolist(), strict=True))
            for least, greatest, seen in zip(low.T, high.T, ~np.isnan(low.T), strict=True)
        ]

    def percentiles(self, shares: tuple[float, float]) -> tuple[float, float]:
        """Percentiles of all values; zeros where there is none."""
        seen = self.values[~np.isnan(self.values)]
        low, high = np.percentile(seen, shares) if len(seen) else (0.0, 0.0)
        return float(low), float(high)


@dataclass
class _Vectors:
    stamps_ns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("f"))
    width: int = 0


class Footage:
    """A recording, listed once; frames are read from it when they are asked for, by any thread.

    Vectors are kept (4 bytes a value), frames are not. Of one in which time jumps ahead by more than a day, the
    longest part is shown: years without a sample have no place on a line of time.

    Attributes:
        cameras: Image topics that hold frames.
        traces: Rows of vector topics.
        annotations: What its `ActivityAnnotation` messages say, in order of time.
        start_ns: Stamp of the first sample.
        end_ns: Stamp of the last one.
    """

    def __init__(self, recording: Recording, progress: Callable[[int], None] | None = None) -> None:
        """List the frames and read the vectors; the recording's `problems` get what cannot be used.

        Raises:
            RecordingError: It holds no frame and no vector.
        """
        self._recording = recording
        self._lock = threading.Lock()
        self._depth_range: dict[str, tuple[float, float]] = {}
        self._unnamed: set[str] = set()
        kinds = {name: SUPPORTED_TYPES.get(topic.type_name) for name, topic in recording.topics.items()}
        self._images = {name for name, kind in kinds.items() if kind == "image"}
        self._vectors = {name: _Vectors() for name, kind in kinds.items() if kind == "vector"}
        frames: dict[str, tuple[array[int], array[int]]] = {name: (array("q"), array("q")) for name in self._images}
        bad: dict[str, list[str]] = {}
        noted: list[Stamped] = []
        streams = [*self._images, *self._vectors]
        notes = annotation_topic(recording, streams)
        for message in read_stamped(recording, streams, progress, beside=[notes] if notes else []):
            if message.topic == notes:
                noted.append(message)
                continue
            if message.topic in self._images:
                frames[message.topic][0].append(message.stamp_ns)
                frames[message.topic][1].append(message.logged_ns)
                continue
            try:
                self._keep(message)
            except (ConversionError, RecordingError) as error:
                bad.setdefault(message.topic, []).append(str(error))
        for topic, errors in bad.items():
            recording.problems.append(f"{len(errors)} messages of {topic} are not used; the last one: {errors[-1]}")
        stamps = [*(rows[0] for rows in frames.values()), *(rows.stamps_ns for rows in self._vectors.values())]
        shown = _shown(recording, stamps)
        self.cameras = tuple(
            camera for name, rows in sorted(frames.items()) if len((camera := _camera(name, shown, *rows)).stamps_ns)
        )
        self.traces = tuple(
            trace
            for name, vectors in sorted(self._vectors.items())
            for trace in _traces(name, recording.topics[name].type_name, shown, vectors)
        )
        self.start_ns, self.end_ns = shown[0], shown[1] - 1
        self.annotations = labels_of(recording, list(decoded(recording, noted)), self.end_ns)

    def frame(self, camera: Camera, index: int) -> bytes:
        """One frame as JPEG.

        Raises:
            ConversionError: It cannot be read.
        """
        logged_ns, stamp_ns = int(camera.logged_ns[index]), int(camera.stamps_ns[index])
        with self._lock:
            # A float has no room for the nanoseconds of a long recording: begin a little earlier.
            from_s = (logged_ns - self._recording.start_ns) / NS_PER_S - 1e-5
            for _, at_ns, data in self._recording.raw_messages([camera.topic], from_s):
                if at_ns == logged_ns and cdr_stamp_ns(data) == stamp_ns:
                    return self._jpeg(camera.topic, data)
                if at_ns > logged_ns:
                    break
        raise ConversionError(f"{camera.topic}: the frame at {stamp_ns} ns is not there any more")

    def _keep(self, message: Stamped) -> None:
        vectors = self._vectors[message.topic]
        read = VECTOR_TYPES[self._recording.topics[message.topic].type_name]
        values = read(self._recording.decode(message.topic, message.data)).reshape(-1)
        vectors.width = vectors.width or len(values)
        if len(values) != vectors.width:
            raise ConversionError(f"{len(values)} values, the first message has {vectors.width}")
        vectors.stamps_ns.append(message.stamp_ns)
        vectors.values.extend(values.tolist())

    def _jpeg(self, topic: str, data: bytes) -> bytes:
        message = self._recording.decode(topic, data)
        compressed = self._recording.topics[topic].type_name.endswith("CompressedImage")
        encoding = str(message.format if compressed else message.encoding)
        depth = "compressedDepth" in encoding or encoding.split(";")[0].strip() in _DEPTH_ENCODINGS
        if encoding in _UNNAMED and topic not in self._unnamed:
            self._unnamed.add(topic)
            print(f"{topic} does not say its colours, {encoding}: shown as {_UNNAMED[encoding]}", file=sys.stderr)
        kind: ImageKind = "depth" if depth else "rgb"
        if compressed:
            pixels = compressed_image_to_array(message, kind)
        else:
            pixels = image_to_array(message, kind, encoding=_UNNAMED.get(encoding, ""))
        picture = self._colored(topic, pixels) if depth else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        height, width = picture.shape[:2]
        if height > _MAX_HEIGHT:
            size = (round(width * _MAX_HEIGHT / height), _MAX_HEIGHT)
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return bytes(cv2.imencode(".jpg", picture)[1])

    def _colored(self, topic: str, depth: NDArray[Any]) -> NDArray[np.uint8]:
        """Near is warm, far is cold, black is no reading; every frame of a topic on the same scale."""
        there = np.isfinite(depth) & (depth > 0)
        if topic not in self._depth_range and there.any():
            near, far = np.percentile(depth[there], (1, 99))
            self._depth_range[topic] = (float(near), float(max(far, near + 1e-6)))
        near, far = self._depth_range.get(topic, (0.0, 1.0))
        scaled = 255 - 235 * (np.where(there, depth, far).astype(np.float32) - near) / (far - near)
        colored = cv2.applyColorMap(scaled.clip(20, 255).astype(np.uint8), cv2.COLORMAP_TURBO)
        colored[~there] = 0
        return np.asarray(colored, np.uint8)


def _shown(recording: Recording, stamps: Iterable[array[int]]) -> Span:
    """When a recording is shown: its longest part. Its `problems` get a sentence about the others."""
    spans = spans_of(np.concatenate([np.frombuffer(column, np.int64) for column in (array("q"), *stamps)]), _JUMP_NS)
    if not spans:
        raise RecordingError(
            f"{recording.path} shows nothing to label: it has no messages of type {', '.join(SUPPORTED_TYPES)}"
        )
    start_ns, end_ns = max(spans, key=lambda span: span[1] - span[0])
    if len(spans) > 1:
        begins = ", ".join(f"{ns_to_seconds(span[0]):.3f}" for span in spans[1:])
        recording.problems.append(
            f"time jumps ahead to {shorten(begins, 120)} s, as when a clock is set: only the longest part is shown, "
            f"from {ns_to_seconds(start_ns):.3f} to {ns_to_seconds(end_ns):.3f} s; split the bag to label the others"
        )
    return start_ns, end_ns


def _within(shown: Span, stamps_ns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where those of the stamps are that are shown, in order of time."""
    order = np.argsort(stamps_ns, kind="stable")
    first, last = np.searchsorted(stamps_ns[order], shown)
    return order[first:last]


def _camera(topic: str, shown: Span, stamps: array[int], logged: array[int]) -> Camera:
    stamps_ns, logged_ns = (np.frombuffer(column, np.int64) for column in (stamps, logged))
    rows = _within(shown, stamps_ns)
    return Camera(topic, stamps_ns[rows], logged_ns[rows])


def _traces(topic: str, type_name: str, shown: Span, vectors: _Vectors) -> Iterator[Trace]:
    stamps_ns = np.frombuffer(vectors.stamps_ns, np.int64)
    rows = _within(shown, stamps_ns)
    if not len(rows):
        return
    values = np.frombuffer(vectors.values, np.float32).reshape(len(stamps_ns), -1)
    stamps_ns, values = stamps_ns[rows], values[rows]
    if type_name == _IMU_TYPE:
        yield Trace(f"{topic} · acceleration, m/s²", stamps_ns, values[:, :3])
        yield Trace(f"{topic} · angular rate, rad/s", stamps_ns, values[:, 3:])
        return
    # A channel of which nothing is seen comes after those that stand still.
    liveliness = np.ma.masked_invalid(values).var(axis=0).filled(-1)
    lively = np.sort(np.argsort(-liveliness, kind="stable")[:_MAX_CHANNELS])
    of = f" · the {len(lively)} liveliest of {values.shape[1]}" if len(lively) < values.shape[1] else ""
    yield Trace(f"{topic}{of}", stamps_ns, values[:, lively])
