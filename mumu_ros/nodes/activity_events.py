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

"""Activity events: the topic, and the action that waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.qos import QoSProfile
from rclpy.timer import Timer

from mumu_ros.action import WaitForActivity
from mumu_ros.conversions import RosTypes, ns_to_time
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.msg import ActivityEvent
from mumu_ros.nodes.intents import Intents
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.recognition import events
from mumu_ros.recognition.decision import Decision, NoDecision

__all__ = ["EVENT", "EVENT_TYPE", "ActivityEvents"]

EVENT = "activity_event"
EVENT_TYPE = "mumu_ros/msg/ActivityEvent"
MAX_WAITS = 100
"""Clients that have died leave waits behind, which nothing tells from those of others."""
_QUEUE = 64
"""When a crowd leaves at once, every body ends an activity and a group."""


@dataclass(frozen=True)
class _Wait:
    goal: ServerGoalHandle
    timer: Timer | None
    tracker: events.EventTracker | None
    """Of when it began: another one may have other labels."""


class ActivityEvents:
    """Publishes beginnings and ends of activities, and serves the action that waits for them.

    `start`, `update` and `stop` may be called on any thread; waits are handled on the executor's.
    """

    def __init__(self, node: ManagedNode) -> None:
        self._node = node
        self._types = RosTypes()
        self._lock = threading.Lock()
        self._tracker: events.EventTracker | None = None
        self._taxonomy: Taxonomy | None = None
        self._intents: Intents | None = None
        self._header: tuple[int, str] = (0, "")
        self._waits: list[_Wait] = []
        self._publisher = node.create_lifecycle_publisher(ActivityEvent, EVENT, QoSProfile(depth=_QUEUE))
        self._server = ActionServer(
            node,
            WaitForActivity,
            "~/wait_for_activity",
            execute_callback=lambda _: WaitForActivity.Result(),  # never called: see below
            handle_accepted_callback=self._accept,
            cancel_callback=self._cancel,
        )

    @property
    def waits(self) -> int:
        """Number of goals that wait."""
        return len(self._waits)

    def start(self, taxonomy: Taxonomy, begin_after: int, end_after: int, intents: Intents | None) -> None:
        """Begin without ongoing activities; where there are `intents`, they are published as well."""
        groups = {activity: group for group, activities in taxonomy.groups.items() for activity in activities}
        with self._lock:
            self._taxonomy = taxonomy
            self._intents = intents
            self._tracker = events.EventTracker(groups, begin_after, end_after)

    def update(
        self,
        stamp_ns: int,
        frame_id: str,
        answers: Sequence[tuple[str, Decision | NoDecision]],
        present: Collection[str],
    ) -> None:
        """Publish the events of new decisions; see `EventTracker.update`."""
        with self._lock:
            if self._tracker is None:
                return
            self._header = (stamp_ns, frame_id)
            self._publish(self._tracker.update(stamp_ns, answers, present))
        self._later(self._settle)

    def clear(self) -> None:
        """End all ongoing activities."""
        with self._lock:
            if self._tracker:
                self._publish(self._tracker.clear())

    def stop(self) -> None:
        """End all activities, and every wait."""
        self.clear()
        with self._lock:
            self._tracker = None
        self._later(self._settle)

    def _publish(self, new: Sequence[events.ActivityEvent]) -> None:
        for event in new:
            self._publisher.publish(self._message(event))
            if self._intents:
                self._intents.publish(event)

    def _message(self, event: events.ActivityEvent) -> ActivityEvent:
        stamp_ns, frame_id = self._header
        message = ActivityEvent(
            kind=ActivityEvent.END if event.has_ended else ActivityEvent.BEGIN,
            body_id=event.body_id,
            group=event.group,
            activity=event.activity,
            start=ns_to_time(event.start_ns, self._types),
            confidence=event.confidence,
        )
        if event.has_ended:
            message.end = ns_to_time(event.end_ns, self._types)
        message.header.stamp = ns_to_time(stamp_ns, self._types)
        message.header.frame_id = frame_id
        return message

    # Waits. A goal is executed when its wait is over, not while it lasts: rclpy would poll an awaiting coroutine
    # continuously, and a thread for each would be wasteful.

    def _accept(self, goal: ServerGoalHandle) -> None:
        if reason := self._refusal(goal.request):
            _abort(goal, reason)
            return
        if len(self._waits) >= MAX_WAITS:
            reason = f"{MAX_WAITS} others have begun to wait since; give waits a timeout, or cancel those not needed"
            self._node.log_throttled("waits", f"the oldest wait for an activity is aborted: {reason}")
            self._give_up(self._waits[0].goal, reason)
        timeout = goal.request.timeout
        timeout_s = timeout.sec + timeout.nanosec * 1e-9
        timer = None
        if timeout_s:
            give_up = partial(self._give_up, goal, f"nobody did it within {timeout_s:g} s")
            timer = self._node.create_timer(timeout_s, give_up, clock=self._node.steady_clock)
        self._waits.append(_Wait(goal, timer, self._tracker))
        self._settle()

    def _refusal(self, request: WaitForActivity.Goal) -> str:
        taxonomy = self._taxonomy
        if self._tracker is None or taxonomy is None:
            return f"{self._node.get_name()} is not active, or paused: activate it, or call ~/pause with false"
        if request.activity and request.activity not in taxonomy.activities:
            return f"there is no activity {request.activity!r}; the model has {', '.join(taxonomy.activities)}"
        if request.group and request.group not in taxonomy.groups:
            return f"there is no group {request.group!r}; the model has {', '.join(taxonomy.groups)}"
        if request.activity and request.group and request.activity not in taxonomy.groups[request.group]:
            return f"{request.activity!r} is not of group {request.group!r}; leave the group out"
        if not 0 <= request.min_confidence <= 1:
            return f"min_confidence is {request.min_confidence:g}; expected 0 to 1"
        if request.timeout.sec < 0:
            return f"timeout is {request.timeout.sec} s; expected 0 (without end) or more"
        return ""

    def _cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        self._later(partial(self._give_up, goal, "cancelled"))  # it is in state CANCELING then
        return CancelResponse.ACCEPT

    def _settle(self) -> None:
        """Complete the goals that are over."""
        with self._lock:
            tracker = self._tracker
            ongoing = list(tracker.ongoing()) if tracker else []
        for wait in list(self._waits):
            if wait.tracker is not tracker:  # active again already, as by ~/set_model
                self._end(wait, partial(_abort, wait.goal, f"{self._node.get_name()} was deactivated"))
            elif found := next((event for event in ongoing if _is_meant(wait.goal.request, event)), None):
                self._end(wait, partial(_succeed, wait.goal, self._message(found)))

    def _give_up(self, goal: ServerGoalHandle, reason: str) -> None:
        for wait in [wait for wait in self._waits if wait.goal is goal]:
            self._end(wait, partial(_abort, goal, reason))

    def _end(self, wait: _Wait, answer: Callable[[], None]) -> None:
        self._waits.remove(wait)
        if wait.timer:
            self._node.destroy_timer(wait.timer)
        answer()

    def _later(self, act: Callable[[], Any]) -> None:
        """Run a function on the executor's thread."""
        if self._waits and self._node.executor:
            self._node.executor.create_task(act)


def _is_meant(request: WaitForActivity.Goal, event: events.ActivityEvent) -> bool:
    is_group = bool(request.group) and not request.activity
    is_any = not request.group and not request.activity
    return (
        is_group == (not event.activity)
        and not (is_any and event.activity in (IDLE, OTHER))
        and request.activity in ("", event.activity)
        and request.group in ("", event.group)
        and request.body_id in ("", event.body_id)
        and event.confidence >= request.min_confidence
    )


def _succeed(goal: ServerGoalHandle, event: ActivityEvent) -> None:
    def execute(handle: ServerGoalHandle) -> WaitForActivity.Result:
        handle.succeed()
        return WaitForActivity.Result(event=event)

    goal.execute(execute)


def _abort(goal: ServerGoalHandle, reason: str) -> None:
    def execute(handle: ServerGoalHandle) -> WaitForActivity.Result:
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return WaitForActivity.Result(reason=reason)

    goal.execute(execute)
