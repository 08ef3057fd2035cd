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

"""What the robot does, without ROS: events, decisions and distances in, a command out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum

__all__ = ["Behaviour", "Command"]


class Command(str, Enum):
    """What the arm is told."""

    WAIT = "wait"
    HAND_OVER = "hand_over"
    STOP = "stop"


class Behaviour:
    """Hands over a tool when somebody works, and stops when somebody steps close or when nobody is looked for any more.

    Somebody works from the event that begins it to the one that ends it, as long as decisions confirm it: if inference
    dies, the end never comes. Whoever has begun before this has started works once all decisions have said so for
    `silence_s`.

    Args:
        group: The group of activities that a tool is handed over for.
        stop_m: Whoever is nearer than this stops the robot.
        clear_m: It goes on when everybody is farther than this; more than `stop_m`, or it would stop and go. Whoever
            was nearer when last in view stops it, too: a camera does not see who stands right before it.
        silence_s: It stops after this time without a message about people. Work that no decision has confirmed for this
            time is over.
        lost_s: For so long it stops for somebody who went out of view nearer than `clear_m` and has not been seen
            farther since.
    """

    def __init__(self, group: str, stop_m: float, clear_m: float, silence_s: float, lost_s: float) -> None:
        self._group = group
        self._stop_m = stop_m
        self._clear_m = clear_m
        self._silence_s = silence_s
        self._lost_s = lost_s
        self._at_work: dict[str, float] = {}
        self._named: dict[str, tuple[float, float]] = {}  # first and last of the newest decisions, all of the group
        self._near: dict[str, float] = {}  # who was nearer than `clear_m` when last in view, and when
        self._heard_s = -math.inf
        self._is_close = False

    def hear(self, now_s: float, body_id: str, group: str, activity: str, *, begins: bool) -> None:
        """Take in an event; those of the group have no activity."""
        if group == self._group and not activity:
            if begins:
                self._at_work[body_id] = now_s
            else:
                self._at_work.pop(body_id, None)
                self._named.pop(body_id, None)

    def confirm(self, now_s: float, body_id: str, group: str) -> None:
        """Take in a decision."""
        recent = {body: times for body, times in self._named.items() if now_s - times[1] <= self._silence_s}
        first_s, _ = recent.pop(body_id, (now_s, now_s))
        if group == self._group:
            recent[body_id] = first_s, now_s
            if body_id in self._at_work or now_s - first_s >= self._silence_s:
                self._at_work[body_id] = now_s
        self._named = recent

    def see(self, now_s: float, distances_m: Mapping[str, float]) -> None:
        """Take in how far everybody in view is, in metres."""
        self._heard_s = now_s
        near = {body_id: now_s for body_id, distance_m in distances_m.items() if distance_m < self._clear_m}
        lost = {
            body_id: last_s
            for body_id, last_s in self._near.items()
            if body_id not in distances_m and now_s - last_s <= self._lost_s
        }
        self._near = near | lost
        nearest_m = min(distances_m.values(), default=math.inf)
        self._is_close = bool(lost) or nearest_m < (self._clear_m if self._is_close else self._stop_m)

    def command(self, now_s: float) -> Command:
        """What to do now."""
        if self._is_close or now_s - self._heard_s > self._silence_s:
            return Command.STOP
        works = any(now_s - confirmed_s <= self._silence_s for confirmed_s in self._at_work.values())
        return Command.HAND_OVER if works else Command.WAIT
