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

"""Pieces of a recording as clips in the folder format."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import ConversionError
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.pipeline.framing import Habits, message_to_array
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.label_files import Label
from mumu_ros.recordings.stamped import Span, read_stamped, spans_of
from mumu_ros.streams import NS_PER_S, RateSampler, seconds_to_ns

__all__ = ["Piece", "Written", "equal_parts", "recorded_stamps", "within", "write_clips"]

_LONGEST_NS = 60 * NS_PER_S
"""A longer part of a label becomes several clips, so that training need not hold an hour of one in memory."""


@dataclass(frozen=True)
class Piece:
    """What a clip is cut from: [start_ns, end_ns) of a recording.

    Attributes:
        clip: Id of the clip, the name of its folder.
        start_ns: In nanoseconds of header stamps, to which `offset_s` of their stream is added.
        end_ns: Likewise.
    """

    clip: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        spans: Of the accepted stamps, see `spans_of`.
        samples: Clip to stream to number of samples; streams without any are not there.
    """

    spans: Sequence[Span]
    samples: Mapping[str, Mapping[str, int]]


class _Clip:
    """Writes images at once and keeps vectors until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._vectors: defaultdict[str, dict[int, NDArray[np.float32]]] = defaultdict(dict)
        self.samples: Counter[str] = Counter()

    def add_image(self, stream: str, stamp_ns: int, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
        """Write a picture."""
        folder = self._folder / stream
        folder.mkdir(parents=True, exist_ok=True)
        ordered = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
        # OpenCV's own writing keeps quiet about a full disk.
        (folder / f"{stamp_ns}.png").write_bytes(cv2.imencode(".png", ordered)[1].tobytes())
        self.samples[stream] += 1

    def add_vector(self, stream: str, stamp_ns: int, sample: NDArray[np.float32]) -> None:
        """Keep a sample; the first of a stamp."""
        self._vectors[stream].setdefault(stamp_ns, sample)

    def close(self) -> None:
        """Write the vectors."""
        for stream, samples in self._vectors.items():
            self._folder.mkdir(parents=True, exist_ok=True)
            stamps_ns = np.array(sorted(samples), np.int64)
            stacked = np.stack([samples[stamp_ns] for stamp_ns in stamps_ns.tolist()])
            np.savez(self._folder / f"{stream}.npz", stamps_ns=stamps_ns, samples=stacked)
            self.samples[stream] = len(stamps_ns)
        self._vectors.clear()


def recorded_stamps(
    recording: Recording,
    config: SensorSyncConfig,
    topics: Mapping[str, str],
    progress: Callable[[int], None] | None = None,
) -> Iterator[int]:
    """The stamps of a recording that `write_clips` accepts, in nanoseconds, `offset_s` added.

    Raises:
        RecordingError: Two streams of one topic have different `offset_s`.
    """
    offsets_ns = _offsets_ns(_streams(config, topics))
    return (message.stamp_ns for message in read_stamped(recording, list(offsets_ns), progress, offsets_ns))


def within(label: Label, spans: Iterable[Span]) -> Iterator[Span]:
    """The parts of a label in which there are samples: it may last longer than the recording, or through a pause."""
    for start_ns, end_ns in spans:
        if label.start_ns < end_ns and start_ns < label.end_ns:
            yield max(label.start_ns, start_ns), min(label.end_ns, end_ns)


def equal_parts(span: Span) -> Iterator[Span]:
    """Equal parts of a span, none longer than a minute."""
    start_ns, end_ns = span
    length_ns = end_ns - start_ns
    count = -(-length_ns // _LONGEST_NS)
    yield from pairwise(start_ns + length_ns * i // count for i in range(count + 1))


def write_clips(
    recording: Recording,
    config: SensorSyncConfig,
    topics: Mapping[str, str],
    pieces: list[Piece],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> Written:
    """Write what each stream shows in each piece, as the nodes convert it; images at no more than their rate.

    Images are written as they come and no more than two clips are open, so memory does not grow with the recording.
    Unusable data are reported in the recording's `problems`. The pieces are in order of time and do not overlap.

    Raises:
        OSError: The folder cannot be written.
        RecordingError: Two streams of one topic have different `offset_s`.
    """
    streams = _streams(config, topics)
    offsets_ns = _offsets_ns(streams)
    samplers = {name: RateSampler(round(NS_PER_S / config.rate_hz)) for name in topics}
    habits = {stream.name: Habits(stream) for stream in config.streams}
    clips = [_Clip(folder / piece.clip) for piece in pieces]
    starts = [piece.start_ns for piece in pieces]
    bad: Counter[str] = Counter()
    late: Counter[str] = Counter()
    reasons: dict[str, str] = {}
    stamps_ns = array("q")
    open_from = 0
    for message in read_stamped(recording, list(streams), progress, offsets_ns):
        stamps_ns.append(message.stamp_ns)
        index = bisect_right(starts, message.stamp_ns) - 1
        if index < 0 or message.stamp_ns >= pieces[index].end_ns:
            continue
        if index < open_from:
            late[message.topic] += 1
            continue
        while open_from < index - 1:
            clips[open_from].close()
            open_from += 1
        for stream in streams[message.topic]:
            if stream.is_image and not samplers[stream.name].accept(message.stamp_ns):
                continue
            try:
                decoded = recording.decode(message.topic, message.data)
                sample = message_to_array(stream, decoded)
                habits[stream.name].check(decoded, sample)
            except (ConversionError, RecordingError) as error:
                bad[message.topic] += 1
                reasons[message.topic] = str(error)
                continue
            add = clips[index].add_image if stream.is_image else clips[index].add_vector
            add(stream.name, message.stamp_ns, sample)
    for clip in clips[open_from:]:
        clip.close()
    recording.problems += [f"{n} messages of {t} are not used; the last one: {reasons[t]}" for t, n in bad.items()]
    recording.problems += [f"{n} messages of {t} come two clips after their own; not used" for t, n in late.items()]
    samples = {piece.clip: dict(clip.samples) for piece, clip in zip(pieces, clips, strict=True)}
    return Written(spans_of(stamps_ns), samples)


def _streams(config: SensorSyncConfig, topics: Mapping[str, str]) -> dict[str, list[StreamConfig]]:
    """The streams that each topic feeds."""
    streams = config.streams
    return {topic: [stream for stream in streams if topics.get(stream.name) == topic] for topic in topics.values()}


def _offsets_ns(streams: Mapping[str, Sequence[StreamConfig]]) -> dict[str, int]:
    return {topic: seconds_to_ns(_offset_s(topic, fed)) for topic, fed in streams.items()}


def _offset_s(topic: str, streams: Sequence[StreamConfig]) -> float:
    first, *others = streams
    for other in others:
        if other.offset_s != first.offset_s:
            raise RecordingError(
                f"{topic}: {first.name}.offset_s is {first.offset_s} and {other.name}.offset_s {other.offset_s}; "
                "clips have one clock for each topic: make them equal"
            )
    return first.offset_s
