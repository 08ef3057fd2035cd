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

"""Write a rosbag2 of serialised messages as they come, in MCAP files of a bounded size."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rosbags.interfaces import Connection, Qos
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys.store import Typestore

from mumu_ros.recordings.errors import RecordingError

__all__ = ["RawWriter"]

_UNSAVED_S = 1.0
"""Of messages so much is lost with a process that is killed."""


class RawWriter:
    """A rosbag2 folder that grows: `<name>_0.mcap`, `<name>_1.mcap`, …, and metadata.yaml when it is closed.

    A killed process leaves its files as they are, the last one without an index, and no metadata.yaml; `Recording`
    reads them, but for the messages of the last second. A new file begins after `max_bytes` of messages.

    Raises:
        RecordingError: The path exists, or cannot be made.
    """

    def __init__(self, path: str | Path, max_bytes: int | None = None) -> None:
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._topics: dict[str, tuple[str, Typestore, Sequence[Qos]]] = {}
        self._parts: list[dict[str, Any]] = []
        self._writer: Writer | None = None
        self._saved_s = -math.inf
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise RecordingError(f"{self.path} exists already; remove it or choose another name") from error
        except OSError as error:
            raise self._failure(error) from error

    def add_topic(self, topic: str, type_name: str, typestore: Typestore, qos: Sequence[Qos]) -> None:
        """Announce a topic; its messages may follow."""
        self._topics[topic] = (type_name, typestore, qos)

    def write(self, topic: str, stamp_ns: int, data: bytes) -> None:
        """Append a message, serialised as CDR, in the order of the log time.

        Raises:
            RecordingError: The file cannot grow, or the message cannot be stored.
        """
        try:
            if self._writer and self._max_bytes and self._written + len(data) > self._max_bytes:
                self._end_part()
            if self._writer is None:
                self._begin_part()
            assert self._writer
            if topic not in self._connections:
                type_name, typestore, qos = self._topics[topic]
                self._connections[topic] = self._writer.add_connection(
                    topic, type_name, typestore=typestore, offered_qos_profiles=qos
                )
            self._writer.write(self._connections[topic], stamp_ns, data)
            self._written += len(data)
            self._save()
        except Exception as error:  # also of rosbags and its encoders
            raise self._failure(error) from error

    def close(self) -> None:
        """Finish the last file and write metadata.yaml; where nothing was written nothing is left.

        Raises:
            RecordingError: They cannot be written.
        """
        try:
            if self._writer:
                self._end_part()
            if self._parts:
                scratch = self.path / "metadata.yaml.tmp"
                scratch.write_text(yaml.dump({_KEY: _joined(self._parts)}, Dumper=_Dumper, sort_keys=False))
                scratch.replace(self.path / "metadata.yaml")
            else:
                shutil.rmtree(self.path)
        except Exception as error:
            raise self._failure(error) from error

    def _save(self) -> None:
        """Once a second, hand what waits to the operating system: rosbags itself does so once in a megabyte."""
        assert self._writer
        if time.monotonic() - self._saved_s > _UNSAVED_S and isinstance(self._writer.storage, McapWriter):
            self._writer.storage.close_chunk()
            self._writer.storage.bio.flush()
            self._saved_s = time.monotonic()

    def _begin_part(self) -> None:
        # rosbags makes one file, in a folder that has its name; it stays open where it is moved to.
        folder = self.path / f"{self.path.name}_{len(self._parts)}"
        self._writer = Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        (folder / f"{folder.name}.mcap").replace(self.path / f"{folder.name}.mcap")
        self._connections: dict[str, Connection] = {}
        self._written = 0
        self._saved_s = -math.inf

    def _end_part(self) -> None:
        assert self._writer
        folder = self._writer.path
        self._writer.close()
        self._writer = None
        self._parts.append(yaml.load((folder / "metadata.yaml").read_text(), _Loader)[_KEY])
        shutil.rmtree(folder)

    def _failure(self, error: Exception) -> RecordingError:
        known = error.strerror if isinstance(error, OSError) else None
        return RecordingError(f"{self.path} cannot be written: {known or f'{type(error).__name__}: {error}'}")


_KEY = "rosbag2_bagfile_information"
_Loader, _Dumper = (getattr(yaml, f"C{name}", getattr(yaml, name)) for name in ("SafeLoader", "SafeDumper"))
"""Those in C are ten times as fast: hundreds of topics take seconds."""


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One metadata.yaml of those of several files."""
    files = [file for part in parts for file in part["files"]]
    start_ns = min(part["starting_time"]["nanoseconds_since_epoch"] for part in parts)
    end_ns = max(part["starting_time"]["nanoseconds_since_epoch"] + part["duration"]["nanoseconds"] for part in parts)
    topics: dict[str, dict[str, Any]] = {}
    for entry in (entry for part in parts for entry in part["topics_with_message_count"]):
        known = topics.setdefault(entry["topic_metadata"]["name"], {**entry, "message_count": 0})
        known["message_count"] += entry["message_count"]
    return {
        **parts[0],
        "relative_file_paths": [file["path"] for file in files],
        "files": files,
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "duration": {"nanoseconds": end_ns - start_ns},
        "message_count": sum(part["message_count"] for part in parts),
        "topics_with_message_count": list(topics.values()),
    }
