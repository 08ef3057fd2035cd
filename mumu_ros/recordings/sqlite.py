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

"""The .db3 files of rosbag2, read by part: what is damaged or foreign costs nothing but itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.storage import SQLITE_ERRORS, Channel, ClockWatch, Row, Span, is_latched

__all__ = ["SqliteStorage"]

_TIME = "CASE WHEN typeof(timestamp) = 'integer' THEN timestamp END"
_COUNTS = f"SELECT topic_id, COUNT(*), MIN({_TIME}), MAX({_TIME}) FROM messages GROUP BY topic_id"
_ORDER = "SELECT rowid, topic_id, timestamp FROM messages ORDER BY rowid"
_DEFINITIONS = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
_COLUMNS = "SELECT name FROM pragma_table_info('topics')"
_TOPICS = "SELECT id, name, type, serialization_format, {} FROM topics ORDER BY id"
_QOS = "offered_qos_profiles"
"""A column that the first versions of rosbag2 did not have."""


class SqliteStorage:
    """A .db3 file of rosbag2; see `Storage`."""

    def __init__(self, path: Path) -> None:
        """Open and list a file.

        Raises:
            RecordingError: It is no database of rosbag2, or its tables are damaged.
        """
        self._path = path
        self.problems: list[str] = []
        try:
            # The label page and the player read in other threads than the one that opens.
            self._database = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
        except SQLITE_ERRORS as error:
            raise RecordingError(f"{path}: {error}") from error
        try:
            # Text that is not UTF-8 is damage, too.
            self._database.text_factory = lambda data: data.decode(errors="replace")
            self._list()
        except SQLITE_ERRORS as error:
            self._database.close()
            raise RecordingError(f"{path}: {error}") from error

    def _list(self) -> None:
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := {"topics", "messages"} - tables:
            raise RecordingError(f"no database of rosbag2: it has no table {', '.join(sorted(missing))}")
        found = self._database.execute(_DEFINITIONS).fetchall() if "message_definitions" in tables else []
        definitions = {str(name): (str(encoding), str(text)) for name, encoding, text in found}
        counted = self._database.execute(_COUNTS).fetchall()
        counts = {topic: count for topic, count, *_ in counted}
        times = [time for *_, first, last in counted for time in (first, last) if time is not None]
        channels = []
        has_qos = (_QOS,) in self._database.execute(_COLUMNS).fetchall()
        topics = self._database.execute(_TOPICS.format(_QOS if has_qos else "''")).fetchall()
        for number, topic, type_name, serialization, qos in topics:
            encoding, text = definitions.get(str(type_name), ("", ""))
            names, latched = (str(topic), str(type_name), str(serialization)), is_latched(str(qos))
            channels.append(Channel(number, *names, text, encoding, counts.pop(number, 0), latched))
        self.channels: Sequence[Channel] = channels
        if lost := sum(counts.values()):
            self.problems.append(f"{self._path}: nothing says what {lost} messages are; they are not read")
        self.start_ns, self.end_ns = min(times, default=0), max(times, default=0)
        self._cuts: list[int] = []  # the rows before which the recorder's clock was set back

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def divide(self, before: Span) -> list[Span]:
        """See `Storage`."""
        watch = ClockWatch[int]()
        try:
            for row, channel, log_ns in self._database.execute(_ORDER):
                if isinstance(log_ns, int):
                    watch.take(row, channel, log_ns)
        except SQLITE_ERRORS:
            pass  # Reading meets the damage, too, and reports it.
        self._cuts, spans = watch.places(self._path, self.problems, before)
        return spans

    def messages(self, channels: Collection[int], start_ns: int, part: int = 0) -> Iterator[Row]:
        """Yield a part's messages of channels from a log time on, by their log times; what is damaged is left out."""
        marks = ", ".join("?" * len(channels))
        rows = f"AND rowid >= {self._cuts[part - 1]} " if part else ""
        rows += f"AND rowid < {self._cuts[part]} " if part < len(self._cuts) else ""
        query = (
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) AND timestamp >= ? {rows}"
            "ORDER BY timestamp"
        )
        last_ns, skip_ns, damage = start_ns, 0, ""
        while start_ns <= self.end_ns:
            try:
                for channel, log_ns, data in self._database.execute(query, (*channels, start_ns)):
                    # A damaged index leads to messages that are earlier than asked for, and were read already.
                    if isinstance(log_ns, int) and isinstance(data, bytes) and log_ns >= start_ns:
                        last_ns, skip_ns = max(last_ns, log_ns), 0
                        yield channel, log_ns, data
                break
            except SQLITE_ERRORS as error:
                damage = damage or f"{self._path} is damaged, what lies behind that is read where it is whole: {error}"
            # Where the next whole page begins is not known: farther and farther, until something can be read.
            skip_ns += 1 + skip_ns // 4
            start_ns = last_ns + skip_ns
        if damage:
            self.problems.append(damage)
