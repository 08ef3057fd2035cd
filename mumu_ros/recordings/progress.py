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

"""Progress of reading a recording, for the terminal."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from mumu_ros.recordings.reader import Recording

__all__ = ["ReadingProgress"]


class ReadingProgress:
    """A bar along the log time of a recording; nothing without a terminal. A context manager."""

    def __init__(self, recording: Recording, name: str = "") -> None:
        self._start_ns = recording.start_ns
        self._bar: Any = tqdm(
            total=round(recording.duration_s, 1),
            desc=name or recording.path.name,
            disable=None,
            leave=False,
            bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s",
        )

    def __enter__(self) -> ReadingProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def update(self, log_ns: int) -> None:
        """Note the log time that has been reached."""
        self._bar.update((log_ns - self._start_ns) * 1e-9 - self._bar.n)
