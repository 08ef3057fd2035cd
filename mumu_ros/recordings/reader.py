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

"""Read rosbag2 recordings, whole or broken off."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from rosbags.typesys.store import Typestore

from mumu_ros.files import name_problem
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.metadata import Metadata, read_metadata
from mumu_ros.recordings.storage import NO_SPAN, ZSTD, Channel, DamageError, Storage, from_zstd, is_set_back
from mumu_ros.recordings.storage_files import list_files, open_file
from mumu_ros.recordings.typestore import recorded_typestore

__all__ = ["Recording", "Topic"]

_SHOWN = 8


@dataclass(frozen=True)
class Topic:
    """A topic of a recording.

    Attributes:
        name: Its name.
        type_name: Its ROS type, such as "sensor_msgs/msg/Imu".
        count: Number of its messages.
        is_latched: Whether a publisher kept its messages for late subscribers (transient local).
    """

    name: str
    type_name: str
    count: int
    is_latched: bool = False


class Recording:
    """A rosbag2: a folder, or one of its .mcap or .db3 files, also compressed (.zstd). A context manager.

    What is in the files counts; metadata.yaml is only compared with it. What a recorder that was killed left behind is
    read as far as it is whole, and what is damaged or cannot be understood costs nothing but itself.

    Attributes:
        path: The recording.
        topics: Topic name to Topic.
        undecoded: Topic to why its messages cannot be decoded, where that is so. The problems say it, too.
        start_ns: Log time of the first message; 0 when there is none.
        end_ns: Log time of the last message; 0 when there is none.
        problems: What is missing or damaged, a sentence each; empty for a sound recording. Look again after
            reading, which may add to it.
    """

    def __init__(self, path: str | Path) -> None:
        """Open and list a recording.

        Raises:
            RecordingError: there is none, it is of another kind, or nothing of it can be read.
        """
        self.path = Path(path)
        self.problems: list[str] = []
        self._stores: dict[str, Typestore] = {}
        self.undecoded: dict[str, str] = {}
        self._foreign: set[str] = set()
        self._stack = ExitStack()
        try:
            metadata = self._open()
            self.topics = self._list(metadata)
        except BaseException:
            self._stack.close()
            raise
        self._report_undecoded()
        filled = [storage for storage in self._storages if storage.end_ns]
        self.start_ns = min((storage.start_ns for storage in filled), default=0)
        self.end_ns = max((storage.end_ns for storage in filled), default=0)
        if metadata:
            self._compare(metadata)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    @property
    def duration_s(self) -> float:
        """Log time from the first message to the last."""
        return (self.end_ns - self.start_ns) / 1e9

    def messages(self, topics: Collection[str] | None = None, start_s: float = 0.0) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in nanoseconds, message) in the order of log time, from `start_s` after the first
        message. Where the recorder's clock was set back, log time does not go on: what was written from there on comes
        after the rest, in its own order.

        Raises:
            RecordingError: a topic is not there, or cannot be decoded.
        """
        names = set(self.topics) - set(self.undecoded) if topics is None else set(topics)
        if undefined := sorted(names & set(self.undecoded)):
            raise RecordingError(
                f"{self.path}: " + "; ".join(f"{x} is not read: {self.undecoded[x]}" for x in undefined)
            )
        damaged: Counter[str] = Counter()
        last: dict[str, str] = {}
        for topic, stamp_ns, data in self.raw_messages(names, start_s):
            try:
                message = self.decode(topic, data)
            except RecordingError as error:
                damaged[topic] += 1
                last[topic] = f"at {stamp_ns} ns: {error}"
                continue
            yield topic, stamp_ns, message
        for name, n in damaged.items():
            self._report(f"{n} messages of {name} are not read; the last one {last[name]}")

    def decode(self, topic: str, data: bytes) -> Any:
        """Return the message of a topic that `raw_messages` gave as bytes.

        Raises:
            RecordingError: the bytes are damaged, or the topic cannot be decoded.
        """
        if topic in self.undecoded:
            raise RecordingError(f"{topic} is not read: {self.undecoded[topic]}")
        try:
            return self._stores[topic].deserialize_cdr(data, self.topics[topic].type_name)
        # The code was generated from a definition that somebody else wrote: it may fail in any way.
        except Exception as error:
            raise RecordingError(f"the message of {topic} is damaged: {error}") from error

    def raw_messages(
        self, topics: Collection[str] | None = None, start_s: float = 0.0
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yield like `messages`, each message as the CDR bytes that were recorded; other bytes are passed over."""
        names = set(self.topics if topics is None else topics)
        if unknown := sorted(names - set(self.topics)):
            raise RecordingError(
                f"{self.path} has no topic {', '.join(unknown)}; it has {', '.join(self.topics) or 'none'}"
            )
        names -= self._foreign
        start_ns = self.start_ns + round(start_s * 1e9)
        found: Counter[str] = Counter()
        for storages in self._turns:
            parts = (self._read(storage, part, names, start_ns) for storage, part in storages)
            for row in heapq.merge(*parts, key=itemgetter(1)):
                found[row[0]] += 1
                yield row
        for name in sorted(names):
            if start_s <= 0 and found[name] < self.topics[name].count:
                self._report(f"of the {self.topics[name].count} messages of {name}, {found[name]} can be read")

    @cached_property
    def _turns(self) -> list[list[tuple[Storage, int]]]:
        """The storages' parts that are merged, in the order in which they are read.

        A file is read with the last part of the one before, since splitting goes on by the same clock, unless that was
        set back in between. Files without a topic in common were written at the same time.
        """
        turns: list[list[tuple[Storage, int]]] = [[]]
        span, topics = NO_SPAN, set[str]()
        for storage in self._storages:
            own = {channel.topic for channel in storage.channels}
            before = span if own & topics else NO_SPAN
            first, *others = storage.divide(before)
            if is_set_back(before, first):
                turns.append([])
                span, topics = NO_SPAN, set()
            turns[-1].append((storage, 0))
            turns += [[(storage, part + 1)] for part in range(len(others))]
            span = others[-1] if others else (min(span[0], first[0]), max(span[1], first[1]))
            topics = own | (set() if others else topics)
            for problem in storage.problems:
                self._report(problem)
        return turns

    def _read(self, storage: Storage, part: int, names: set[str], start_ns: int) -> Iterator[tuple[str, int, bytes]]:
        wanted = {
            channel.id: channel.topic
            for channel in storage.channels
            if channel.topic in names and channel.type_name == self.topics[channel.topic].type_name
        }
        if not wanted:
            return
        for channel, log_ns, data in storage.messages(wanted, start_ns, part):
            topic = wanted[channel]
            if data.startswith(ZSTD):
                try:
                    data = from_zstd(data)
                except DamageError as error:
                    self._report(f"messages of {topic} are damaged, as the one at {log_ns} ns: {error}")
                    continue
            yield topic, log_ns, data
        for problem in storage.problems:
            self._report(problem)

    def _report(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _open(self) -> Metadata | None:
        """Open what can be opened of the files; what metadata.yaml says."""
        if not self.path.exists():
            raise RecordingError(f"{self.path} does not exist")
        if self.path.suffix == ".bag":
            raise RecordingError(f"{self.path} is a ROS 1 bag; convert it with rosbags-convert")
        metadata = None
        if self.path.is_dir():
            try:
                metadata = read_metadata(self.path / "metadata.yaml")
            except RecordingError as error:
                self._report(f"{self.path} is not whole: metadata.yaml is not used: {error}")
        files = list_files(self.path, metadata.files if metadata else (), self.problems)
        for path in (self.path, Path(self.path.resolve().name), *files):
            if problem := name_problem(path):
                raise RecordingError(problem)
        found = (open_file(file, self._stack, self.problems) for file in files)
        self._storages: list[Storage] = [storage for storage in found if storage]
        if not self._storages:
            reason = " ".join(self.problems) or "it has no .mcap or .db3 file"
            raise RecordingError(f"{self.path} is not a readable rosbag2: {reason}")
        for storage in self._storages:
            for problem in storage.problems:
                self._report(problem)
        return metadata

    def _list(self, metadata: Metadata | None) -> dict[str, Topic]:
        """The topics; what cannot be decoded of them is noted."""
        channels: dict[str, list[Channel]] = {}
        for storage in self._storages:
            for channel in storage.channels:
                channels.setdefault(channel.topic, []).append(channel)
        topics = {}
        for name, type_name in (metadata.types if metadata else {}).items():
            if name not in channels:
                topics[name] = Topic(name, type_name, 0)
        for name, same in channels.items():
            type_name = same[0].type_name
            if others := sorted({channel.type_name for channel in same} - {type_name}):
                self._report(f"topic {name} is {type_name} and {', '.join(others)}; only the first is read")
            same = [channel for channel in same if channel.type_name == type_name]
            latched = any(channel.is_latched for channel in same)
            topics[name] = Topic(name, type_name, sum(channel.count for channel in same), latched)
            self._define(name, same)
        return {name: topics[name] for name in sorted(topics)}

    def _define(self, topic: str, channels: list[Channel]) -> None:
        foreign = {channel.serialization for channel in channels} - {"cdr"}
        texts = tuple({(x.definition_format, x.definition): None for x in channels if x.definition_format})
        try:
            if foreign:
                self._foreign.add(topic)
                raise RecordingError(f"messages are {', '.join(map(repr, sorted(foreign)))}; expected 'cdr'")
            self._stores[topic], problem = recorded_typestore(channels[0].type_name, texts)
        except RecordingError as error:
            self.undecoded[topic] = str(error)
            return
        if problem:
            self._report(f"topic {topic}: {problem}; that of this installation is used")

    def _report_undecoded(self) -> None:
        """Name what cannot be decoded, a sentence for each reason: there may be hundreds of such topics."""
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.undecoded.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            self._report(f"{shown} {'is' if len(names) == 1 else 'are'} not decoded: {reason}")

    def _compare(self, metadata: Metadata) -> None:
        """Note where metadata.yaml says something else than the files."""
        wrong = [
            f"{name} {expected}, not {found}"
            for name, expected in metadata.counts.items()
            if expected != (found := self.topics[name].count)
        ]
        if wrong:
            self._report(f"{self.path}: metadata.yaml counts other messages than the files hold: {', '.join(wrong)}")
        elif abs(metadata.duration_s - self.duration_s) > 1.0:
            self._report(
                f"{self.path}: metadata.yaml says {metadata.duration_s:.1f} s, the files hold {self.duration_s:.1f} s; "
                "all of it is read"
            )
