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

"""The shortest step between the stamps of a stream, of late."""

from __future__ import annotations

from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["ShortestStep"]

_STEPS = 100
"""Several seconds of a camera; enough for the shortest of a period that varies."""


class ShortestStep:
    """The shortest of the last 100 to 200 steps of a stream: a single irregular one is forgotten.

    Attributes:
        ns: The shortest step, in nanoseconds; `FOREVER_NS` before the first.
    """

    __slots__ = ("_count", "_newer_ns", "ns")

    def __init__(self) -> None:
        self.ns = self._newer_ns = FOREVER_NS
        self._count = 0

    def note(self, step_ns: int) -> None:
        """Take a step, positive."""
        if step_ns < self._newer_ns:
            self._newer_ns = step_ns
            if step_ns < self.ns:
                self.ns = step_ns
        self._count += 1
        if self._count == _STEPS:
            self.ns, self._newer_ns, self._count = self._newer_ns, FOREVER_NS, 0
