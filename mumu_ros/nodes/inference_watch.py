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

"""Statistics of the inputs and decisions of `inference`, and the problems that it reports."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from mumu_ros.conversions import ConversionError
from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import fault_age_s
from mumu_ros.msg import MultimodalFrame, People
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import why_node_silent
from mumu_ros.nodes.handover import Input
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.recognition import Decision, NoDecision, Session
from mumu_ros.recognition.events import ENDED_S
from mumu_ros.text import shorten

__all__ = ["InferenceWatch"]

_MAX_NOTED = 32
"""Maximum number of names of unreadable parts that are kept."""
_LONGEST_TEXT = 300
_FRAME_TYPE = "mumu_ros/msg/MultimodalFrame"
_PEOPLE_TYPE = "mumu_ros/msg/People"
_SILENT_S = 2.0
"""Time without a message on an input, or without a modality since the start, after which the diagnostics report it."""
_SILENT_GAPS = 3
"""So many times the time between the last two frames, too: sensor_sync may send one in ten seconds."""
_STILL_COMING_S = 0.5
"""A modality whose newest sample is older than this has stopped, which sensor_sync reports."""


class InferenceWatch:
    """Inputs and decisions since the node was activated; times are of the monotonic clock.

    Attributes:
        frames: Messages of `multimodal_frame`.
        views: Messages of `people`.
        decisions: Published ones.
        framed_at: When the last frame came.
        seen_at: When people came last.
        worked_at: When a decision was last looked for without an error.
    """

    def __init__(
        self, node: ManagedNode, session: Session, frames: Input[MultimodalFrame], people: Input[People]
    ) -> None:
        self._node, self._session = node, session
        self._frames_topic, self._people_topic = frames.topic_name, people.topic_name
        self.frames = self.views = self.decisions = 0
        self._began_at = self.framed_at = self.seen_at = self._put_at = self.worked_at = time.monotonic()
        self._frame_gap_s = 0.0
        self._uses_frames = False
        self._unreadable: dict[str, Problem] = {}
        self._missing: list[str] = []
        self._failure = ""
        self._dropped = 0
        self._seconds: deque[float] = deque(maxlen=200)

    def restart(self) -> None:
        """All inputs have been dropped: what the model misses may yet come."""
        self._began_at = time.monotonic()

    def receive(self, modalities: Sequence[str]) -> None:
        """A frame has come, with samples of these modalities."""
        names = self._session.checkpoint.config.names
        self._uses_frames = self._uses_frames or any(name in names for name in modalities)
        self.frames += 1
        now_s = time.monotonic()
        self._frame_gap_s, self.framed_at = now_s - self.framed_at, now_s

    def see(self) -> None:
        """People have come."""
        self.views += 1
        self.seen_at = time.monotonic()

    def note(self, name: str, error: ValueError) -> str:
        """Keep the problem of a part of a message, by the name of the stream; gives its text, shortened."""
        text = str(error)[:_LONGEST_TEXT]
        if name in self._unreadable or len(self._unreadable) < _MAX_NOTED:
            code = error.code if isinstance(error, ConversionError) else FaultCode.UNREADABLE
            self._unreadable[name] = code, text
        return text

    def put(self) -> None:
        """A decision is to be made."""
        if self._put_at <= self.worked_at:
            self._put_at = time.monotonic()  # the first that was not worked on

    def work(self, seconds: float | None) -> None:
        """Decisions have been made in so many seconds; None: none was due."""
        self._failure, self.worked_at = "", time.monotonic()
        if seconds is not None:
            self._seconds.append(seconds)

    def fail(self, error: Exception) -> None:
        """A decision has failed."""
        self._failure = f"{type(error).__name__}: {error}"

    def processing_ms(self, quantile: float) -> float:
        """Of the time that decisions take; NaN before the first."""
        return float(np.quantile(self._seconds or [np.nan], quantile) * 1e3)

    def problem(self, answers: Mapping[str, Decision | NoDecision], dropped: int) -> Problem:
        """What has been wrong since the last call, or what is going on.

        Args:
            answers: The latest about each body.
            dropped: How many decisions the worker has left out since the node was activated.
        """
        if not self.frames and not self.views:
            _, reason = self._node.simulated_time.problem()
            reason = reason or "do people or sensor_sync run, and are they active (ros2 lifecycle get NODE)?"
            return FaultCode.WAITING, f"nothing on {self._frames_topic} and {self._people_topic} yet: {reason}"
        names = self._session.checkpoint.config.names
        decisions = [answer for answer in answers.values() if isinstance(answer, Decision)]
        problems: list[Problem] = [
            *((answer.code, answer.reason) for answer in answers.values() if isinstance(answer, NoDecision)),
            *(fault for decision in decisions for fault in _faults(decision, names)),
            *(thin for decision in decisions for thin in _thin(decision, names)),
            *self._session.new_problems(),
            *self._unreadable.values(),
        ]
        if not problems or (not self._unreadable and self._session.seen.isdisjoint(names)):
            problems += self._never_arrived(names)
        self._unreadable.clear()
        problems[:0] = [*self._silences(), *self._slowness(dropped)]
        if problems:
            return problems[0][0], "; ".join(dict.fromkeys(text for _, text in problems))
        is_empty = self._session.has_people and not self._session.bodies
        return FaultCode.NONE, "nobody is in view" if is_empty else f"{self.decisions} decisions"

    def _silences(self) -> list[Problem]:
        """The inputs on which nothing comes any more, or no people although there is a node for them."""
        now_s = time.monotonic()
        problems: list[Problem] = []
        silent_s = now_s - self.framed_at
        if self._uses_frames and silent_s > max(_SILENT_S, _SILENT_GAPS * self._frame_gap_s):
            problems.append(self._silence("multimodal_frame", _FRAME_TYPE, "sensor_sync", silent_s, True))
        silent_s = now_s - self.seen_at
        if (self.views or self._session.has_people) and silent_s > _SILENT_S:
            problems.append(self._silence("people", _PEOPLE_TYPE, "people", silent_s, bool(self.views)))
        return problems

    def _silence(self, topic: str, type_name: str, publisher: str, silent_s: float, has_spoken: bool) -> Problem:
        code, reason = why_node_silent(self._node, topic, type_name, publisher, has_spoken)
        return code, f"nothing on {self._node.resolve_topic_name(topic)} for {silent_s:.0f} s: {reason}"

    def _slowness(self, all_dropped: int) -> list[Problem]:
        """Decisions that are not made, or later than they are due."""
        dropped, self._dropped = all_dropped - self._dropped, all_dropped
        waits_s = time.monotonic() - self._put_at
        if waits_s > ENDED_S and self._put_at > self.worked_at:
            text = f"nothing has been decided for {waits_s:.0f} s"
            return [(FaultCode.EXCEPTION, f"{text}: {self._failure}") if self._failure else (FaultCode.TOO_SLOW, text)]
        seconds, rate_hz = float(np.median(list(self._seconds) or [0.0])), self._session.config.rate_hz
        if not dropped or seconds * rate_hz < 1:
            return []
        remedy = f"lower rate_hz (now {rate_hz:g}) or max_people, or raise threads"
        return [(FaultCode.TOO_SLOW, f"a decision takes {seconds * 1e3:.0f} ms: {remedy}")]

    def _never_arrived(self, names: Sequence[str]) -> list[Problem]:
        """The modalities of which nothing came: without frames only if there are people and nothing of them is used."""
        seen = self._session.seen
        never = sorted(set(names) - seen)
        if not never or not (self.frames or (self._session.bodies and seen.isdisjoint(names))):
            return []
        if time.monotonic() - self._began_at < _SILENT_S:  # sensor_sync may be starting, too
            return []
        text = f"the model's {', '.join(never)} never arrived; received: {sorted(seen)}"
        if not self.frames:
            text += f", nothing on {self._frames_topic}: is sensor_sync active, has people a depth.topic?"
        if never != self._missing:  # once: it may be left out on purpose
            self._node.get_logger().warning(shorten(text))
        self._missing = never
        return [(FaultCode.MISSING, text)]


def _faults(decision: Decision, names: Sequence[str]) -> list[Problem]:
    return [
        (health.fault, f"{name}: {health.fault} for {fault_age_s(health, decision.stamp_ns):.1f} s")
        for name, health in zip(names, decision.health, strict=False)
        if health.fault
    ]


def _thin(decision: Decision, names: Sequence[str]) -> list[Problem]:
    """The modalities that arrive, but with too few samples to be used."""
    words = "of the samples that the model expects, too few: is it too slow, or just back?"
    return [
        (code, f"{name}: {coverage:.0%} {words}")
        for name, code, coverage, age_s in zip(names, decision.faults, decision.coverage, decision.ages_s, strict=True)
        if code is FaultCode.SPARSE and age_s < _STILL_COMING_S
    ]
