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

"""Write a rosbag2 that is there whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.typestore import BagTypes

__all__ = ["STORAGES", "RecordingWriter"]

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}

_DISK_ERRORS = (OSError, sqlite3.Error)


class RecordingWriter:
    """A rosbag2 folder, written under a hidden name beside its own and renamed when it is closed whole.

    A context manager; when its body raises, nothing is left behind. A killed process leaves only the hidden
    folder.

        with RecordingWriter("walk") as writer:
            message = array_to_imu(sample, stamp_ns, "wrist", writer.types)
            writer.write("/imu/wrist", "sensor_msgs/msg/Imu", message, stamp_ns)

    Attributes:
        path: Where the recording will be.
        types: Classes to build its messages from.
    """

    def __init__(self, path: str | Path, storage: str = "mcap") -> None:
        """Check the arguments; nothing is written before the context is entered. Chunks of "mcap" are compressed with
        zstd.

        Raises:
            RecordingError: the path exists, or the storage is unknown.
        """
        self.path = Path(path)
        self.types = BagTypes()
        if storage not in STORAGES:
            raise RecordingError(f"storage {storage!r} is unknown; expected one of {', '.join(STORAGES)}")
        self._storage = STORAGES[storage]
        self._refuse_existing()
        self._connections: dict[str, Connection] = {}

    def _refuse_existing(self) -> None:
        if self.path.exists():
            raise RecordingError(f"{self.path} exists already; remove it or choose another name")

    def __enter__(self) -> RecordingWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(
                tempfile.mkdtemp(prefix=f".{self.path.name}.", suffix=".partial", dir=self.path.parent)
            )
            # Its last part is the final name, which the files inside carry too.
            self._writer = Writer(
                self._scratch / self.path.name, version=Writer.VERSION_LATEST, storage_plugin=self._storage
            )
            if self._storage is StoragePlugin.MCAP:
                self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            self._writer.open()
        except _DISK_ERRORS as error:
            raise self._failure(error) from error
        return self

    def write(self, topic: str, type_name: str, message: Any, stamp_ns: int) -> None:
        """Append a message, in the order of the log time: replay follows it.

        Raises:
            RecordingError: the topic was written with another type, or the file cannot grow.
        """
        connection = self._connections.get(topic)
        if connection is None:
            connection = self._writer.add_connection(topic, type_name, typestore=self.types.typestore)
            self._connections[topic] = connection
        if connection.msgtype != type_name:
            raise RecordingError(f"topic {topic} has type {connection.msgtype}, not {type_name}")
        data = self.types.typestore.serialize_cdr(message, type_name)
        try:
            self._writer.write(connection, stamp_ns, data)
        except _DISK_ERRORS as error:
            raise self._failure(error) from error

    def __exit__(self, exception_type: type[BaseException] | None, *_: object) -> None:
        try:
            if exception_type is None:
                self._writer.close()
                self._refuse_existing()
                (self._scratch / self.path.name).rename(self.path)
        except _DISK_ERRORS as error:
            raise self._failure(error) from error
        finally:
            self._discard()

    def _failure(self, error: Exception) -> RecordingError:
        return RecordingError(f"{self.path} cannot be written: {error}")

    def _discard(self) -> None:
        # Closing may fail where the disk is full; the folder goes all the same.
        with suppress(*_DISK_ERRORS):
            self._writer.abort()
        shutil.rmtree(self._scratch, ignore_errors=True)
