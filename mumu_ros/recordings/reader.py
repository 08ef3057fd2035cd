"""Read rosbag2 recordings, whole or broken off."""

from __future__ import annotations

import heapq
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import apsw
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.salvage import close_mcap, has_unwritten, recover_sqlite
from mumu_ros.recordings.typestore import recorded_typestore

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError

__all__ = ["Recording", "Topic"]

# What rosbags raises on damaged bytes, at one place or another.
_DAMAGE = (
    *(ReaderError, TypesysError, SerdeError, apsw.Error, ZstdError, struct.error),
    *(ValueError, KeyError, TypeError, OverflowError, MemoryError, EOFError),
)


@dataclass(frozen=True)
class Topic:
    """A topic of a recording.

    Attributes:
        name: Its name.
        type_name: Its ROS type, such as "sensor_msgs/msg/Imu".
        count: Number of its messages.
    """

    name: str
    type_name: str
    count: int


class Recording:
    """A rosbag2: a folder, or one of its .mcap or .db3 files. A context manager.

    What a recorder that was killed left behind is read as far as it is whole.

    Attributes:
        path: The recording.
        topics: Topic name to Topic.
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
        self._stack = ExitStack()
        try:
            self._readers = self._open()
            self._connections = [x for reader in self._readers for x in reader.connections]
            self._typestore = recorded_typestore(self._connections)
        except _DAMAGE as error:
            self._stack.close()
            raise RecordingError(f"{self.path} is damaged: {error}") from error
        except RecordingError:
            self._stack.close()
            raise
        counts: Counter[str] = Counter()
        types: dict[str, str] = {}
        for connection in self._connections:
            types.setdefault(connection.topic, connection.msgtype)
            counts[connection.topic] += connection.msgcount
        self.topics = {name: Topic(name, types[name], counts[name]) for name in sorted(types)}
        self._undefined = {name for name in types if types[name] not in self._typestore.types}
        for name in sorted(self._undefined):
            self.problems.append(f"topic {name} is not decoded: nothing defines its type {types[name]}")
        filled = [reader for reader in self._readers if reader.message_count]
        self.start_ns = min((reader.start_time for reader in filled), default=0)
        # rosbags gives the first nanosecond after the recording.
        self.end_ns = max((reader.end_time for reader in filled), default=1) - 1

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._stack.close()

    @property
    def duration_s(self) -> float:
        """Log time from the first message to the last."""
        return (self.end_ns - self.start_ns) / 1e9

    def messages(self, topics: Collection[str] | None = None, start_s: float = 0.0) -> Iterator[tuple[str, int, Any]]:
        """Yield (topic, log time in nanoseconds, message) in the order of log time.

        Args:
            topics: Names of the topics to read; by default all whose type is defined.
            start_s: Where to begin, seconds after the first message.

        Raises:
            RecordingError: a topic is not there, or nothing defines its type.
        """
        names = set(self.topics) - self._undefined if topics is None else set(topics)
        if undefined := sorted(names & self._undefined):
            raise RecordingError(
                f"{self.path}: nothing defines the type of {', '.join(undefined)}; "
                "record with definitions (MCAP, or sqlite3 of Iron and later)"
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
        self.problems += [
            f"{n} messages of {name} are not read; the last one {last[name]}" for name, n in damaged.items()
        ]

    def decode(self, topic: str, data: bytes) -> Any:
        """Return the message of a topic that `raw_messages` gave as bytes.

        Raises:
            RecordingError: the bytes are damaged, or nothing defines the topic's type.
        """
        try:
            return self._typestore.deserialize_cdr(data, self.topics[topic].type_name)
        except _DAMAGE as error:
            raise RecordingError(f"the message of {topic} is damaged: {error}") from error

    def raw_messages(
        self, topics: Collection[str] | None = None, start_s: float = 0.0
    ) -> Iterator[tuple[str, int, bytes]]:
        """Yield like `messages`, each message as the CDR bytes that were recorded."""
        names = set(self.topics if topics is None else topics)
        if unknown := sorted(names - set(self.topics)):
            raise RecordingError(
                f"{self.path} has no topic {', '.join(unknown)}; it has {', '.join(self.topics) or 'none'}"
            )
        start_ns = self.start_ns + round(start_s * 1e9)
        yield from heapq.merge(*(self._read(reader, names, start_ns) for reader in self._readers), key=itemgetter(1))

    def _read(self, reader: Reader, names: set[str], start_ns: int) -> Iterator[tuple[str, int, bytes]]:
        connections = [
            connection
            for connection in reader.connections
            if connection.topic in names and connection.msgtype == self.topics[connection.topic].type_name
        ]
        if not connections:
            return
        last_ns, skip_ns, damage = start_ns, 0, ""
        while start_ns <= reader.end_time:
            try:
                for connection, stamp_ns, data in reader.messages(connections, start=start_ns):
                    last_ns, skip_ns = stamp_ns, 0
                    yield connection.topic, stamp_ns, data
                break
            except _DAMAGE as error:
                damage = damage or f"{reader.path} is damaged, what lies behind that is read where it is whole: {error}"
            # Where the next whole chunk begins is not known: farther and farther, until something can be read.
            skip_ns += 1 + skip_ns // 4
            start_ns = last_ns + skip_ns
        if damage:
            self.problems.append(damage)

    def _open(self) -> list[Reader]:
        if not self.path.exists():
            raise RecordingError(f"{self.path} does not exist")
        if self.path.suffix == ".bag":
            raise RecordingError(f"{self.path} is a ROS 1 bag; convert it with rosbags-convert")
        folder = self.path.is_dir()
        files = [*sorted(self.path.glob("*.mcap")), *sorted(self.path.glob("*.db3"))] if folder else [self.path]
        reason: Exception | str = "its recorder did not finish"
        if not any(map(has_unwritten, files)):
            try:
                return [self._stack.enter_context(Reader(self.path))]
            except (*_DAMAGE, FileNotFoundError) as error:
                self._stack.close()
                reason = error
        # Without a sound metadata.yaml or index, the storage files may still be read one by one.
        readers = [reader for file in files if (reader := self._open_file(file))]
        if not readers:
            raise RecordingError(f"{self.path} is not a readable rosbag2: {' '.join(self.problems) or reason}")
        self.problems.insert(0, f"{self.path} is not whole: {reason}")
        return readers

    def _open_file(self, path: Path) -> Reader | None:
        if not has_unwritten(path):
            with suppress(*_DAMAGE):  # What is whole of a damaged one is read below.
                return self._stack.enter_context(Reader(path))
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="mumu-")))
        try:
            if path.suffix == ".mcap":
                closed = close_mcap(path, folder)
                copy, problem = closed.path, f"truncated: its last {closed.lost_bytes} bytes are not read"
            else:
                copy, messages = recover_sqlite(path, folder)
                problem = f"not whole: {messages} messages were recovered from it"
            reader = self._stack.enter_context(Reader(copy))
        except (*_DAMAGE, RecordingError) as error:
            self.problems.append(f"{path} cannot be read: {error}")
            return None
        self.problems.append(f"{path} is {problem}.")
        return reader
