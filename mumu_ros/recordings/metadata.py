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

"""metadata.yaml: a recorder's description of its files, which is compared with the files and never preferred."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_ros.reading import parse_yaml, read_text
from mumu_ros.recordings.errors import RecordingError

__all__ = ["Metadata", "read_metadata"]

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Metadata:
    """What a metadata.yaml says.

    Attributes:
        files: Names of the storage files.
        types: Topic to its ROS type.
        counts: Topic to the number of its messages.
        duration_s: From the first message to the last.
    """

    files: Sequence[str]
    types: Mapping[str, str]
    counts: Mapping[str, int]
    duration_s: float


def read_metadata(path: Path) -> Metadata:
    """Read a metadata.yaml of any version of rosbag2.

    Raises:
        RecordingError: There is none, or something in it cannot be meant; says what.
    """
    try:
        content = parse_yaml(read_text(path, _MAX_BYTES))
    except FileNotFoundError as error:
        raise RecordingError("it is not there") from error
    except OSError as error:
        raise RecordingError(f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RecordingError(f"it is no YAML: {error}"[:300]) from error
    information = _member("metadata.yaml", content, "rosbag2_bagfile_information", dict)
    types: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for entry in _member("it", information, "topics_with_message_count", list):
        topic = _member("a topic", entry, "topic_metadata", dict)
        name = _member("a topic", topic, "name", str)
        types[name] = _member(name, topic, "type", str)
        counts[name] += _member(name, entry, "message_count", int)
    files = [
        Path(_text("relative_file_paths", name)).name
        for name in _member("it", information, "relative_file_paths", list)
    ]
    duration = _member("it", information, "duration", dict)
    return Metadata(files, types, counts, _member("duration", duration, "nanoseconds", int) * 1e-9)


def _member(where: str, content: Any, name: str, kind: Any) -> Any:
    value = content.get(name) if isinstance(content, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool) or (kind is int and abs(value) >= 2**63):
        raise RecordingError(f"{name} of {where[:100]} is {repr(value)[:100]}; expected {kind.__name__}")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RecordingError(f"{name} holds {repr(value)[:100]}; expected names of files")
    return value
