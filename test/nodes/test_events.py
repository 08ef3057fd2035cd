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

"""Events of activities, the action that waits for one, and the services of inference."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from rclpy.action import ActionClient
from std_srvs.srv import SetBool, Trigger

from mumu_ros.action import WaitForActivity
from mumu_ros.conversions import time_to_ns
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.msg import ActivityEvent
from mumu_ros.nodes import activity_events
from mumu_ros.recognition import events
from mumu_ros.srv import SetModel

BEGIN, END = ActivityEvent.BEGIN, ActivityEvent.END
S = 1_000_000_000
START_NS = 1_700_000_000 * S


class Wait:
    """A client of the action, and the goals that it has sent."""

    def __init__(self, ros: Any) -> None:
        self.ros = ros
        self.client = ActionClient(ros.node, WaitForActivity, "inference/wait_for_activity")

    def send(self, **goal: Any) -> Any:
        self.ros.wait(self.client.server_is_ready)
        sent = self.client.send_goal_async(WaitForActivity.Goal(**goal))
        self.ros.wait(sent.done)
        assert sent.result().accepted
        return sent.result()

    def answer(self, handle: Any) -> tuple[int, Any]:
        result = handle.get_result_async()
        self.ros.wait(result.done)
        return result.result().status, result.result().result

    def refusal(self, **goal: Any) -> str:
        status, result = self.answer(self.send(**goal))
        assert status == GoalStatus.STATUS_ABORTED
        return result.reason


def call(ros: Any, service_type: Any, name: str, **request: Any) -> Any:
    client = ros.node.create_client(service_type, f"inference/{name}")
    ros.wait(client.service_is_ready)
    future = client.call_async(service_type.Request(**request))
    ros.wait(future.done, 60.0)
    return future.result()


@pytest.fixture
def active(robot: Callable[..., Any]) -> Any:
    """A robot that decides, and the events that it has heard."""
    r = robot(body_id="b1", begin_after=2, end_after=2, unknown_threshold=0.0)
    r.events = r.ros.collect(ActivityEvent, "activity_event")
    r.start()
    r.ros.wait(lambda: r.ros.node.count_publishers("activity_event"))
    return r


def test_events_follow_the_decisions_and_end_with_the_data(active: Any) -> None:
    active.play(0, 15)
    active.ros.wait(lambda: len(active.recognitions) >= 3)
    begun = active.ros.wait(lambda: [e for e in active.events if e.activity])[0]
    first, second = active.recognitions[:2]
    assert first.activity == second.activity, "or the next lines need another seed"
    assert (begun.kind, begun.body_id, begun.activity) == (BEGIN, "b1", first.activity)
    assert begun.header == second.header
    middle_ns = (time_to_ns(first.window_start) + time_to_ns(first.header.stamp)) // 2
    assert (time_to_ns(begun.start), time_to_ns(begun.end)) == (middle_ns, 0)
    assert begun.confidence == pytest.approx((first.activity_confidence + second.activity_confidence) / 2)
    # Nothing comes any more: whatever went on ends, once for the activity and once for the group.
    active.ros.wait(lambda: [e.kind for e in active.events].count(END) == [e.kind for e in active.events].count(BEGIN))
    ended = [e for e in active.events if e.kind == END]
    assert {bool(e.activity) for e in ended} == {True, False}
    assert all(time_to_ns(e.start) <= time_to_ns(e.end) < time_to_ns(e.header.stamp) for e in ended)


def test_a_wait_is_answered_when_it_happens_or_at_once_if_it_goes_on(active: Any) -> None:
    wait = Wait(active.ros)
    handle = wait.send()
    active.play(0, 12)
    status, result = wait.answer(handle)
    assert (status, result.reason) == (GoalStatus.STATUS_SUCCEEDED, "")
    begun = next(e for e in active.events if e.activity)
    assert (result.event.activity, result.event.start) == (begun.activity, begun.start)
    last = active.recognitions[-1]
    status, result = wait.answer(wait.send(group=last.group, body_id="b1"))
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert (result.event.group, result.event.activity) == (last.group, "")


def test_a_wait_that_does_not_succeed_says_why(active: Any) -> None:
    wait = Wait(active.ros)
    assert "no activity 'drill'; the model has wave, point" in wait.refusal(activity="drill")
    assert "no group 'work'; the model has gesture, gait" in wait.refusal(group="work")
    assert "'wave' is not of group 'gait'" in wait.refusal(activity="wave", group="gait")
    assert "min_confidence is 2; expected 0 to 1" in wait.refusal(min_confidence=2.0)
    assert "timeout is -1 s" in wait.refusal(timeout=Duration(sec=-1))
    assert "within 0.2 s" in wait.refusal(activity="wave", timeout=Duration(nanosec=S // 5))
    handles = [wait.send(body_id="nobody"), wait.send(body_id="nobody")]
    active.play(0, 12)
    cancelled = handles[0].cancel_goal_async()
    active.ros.wait(cancelled.done)
    assert wait.answer(handles[0])[0] == GoalStatus.STATUS_CANCELED
    active.node.trigger_deactivate()
    assert "deactivated" in wait.answer(handles[1])[1].reason
    assert "not active, or paused: activate it, or call ~/pause with false" in wait.refusal()


@pytest.mark.parametrize(
    ("goal", "activity", "is_meant"),
    [
        ({}, "idle", False),
        ({"body_id": "b1"}, "other", False),
        ({}, "wave", True),
        ({"activity": "idle"}, "idle", True),
        ({"group": "none"}, "", True),
    ],
)
def test_any_activity_is_one_with_a_name(goal: dict[str, str], activity: str, is_meant: bool) -> None:
    event = events.ActivityEvent("b1", "gesture" if activity == "wave" else "none", activity, START_NS, START_NS, 1.0)
    assert activity_events._is_meant(WaitForActivity.Goal(**goal), event) is is_meant


def test_of_too_many_waits_the_oldest_is_aborted(active: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of clients that have died stay."""
    monkeypatch.setattr(activity_events, "MAX_WAITS", 3)
    wait = Wait(active.ros)
    handles = [wait.send(body_id="nobody") for _ in range(4)]
    status, result = wait.answer(handles[0])
    assert status == GoalStatus.STATUS_ABORTED
    assert "3 others have begun to wait since; give waits a timeout" in result.reason
    assert "no activity 'drill'" in wait.refusal(activity="drill")
    statuses = active.status
    statuses.clear()
    values = active.ros.wait(lambda: statuses.get("inference: recogniser")).values
    assert ("waits", "3") in [(pair.key, pair.value) for pair in values]


def test_pausing_and_resetting_end_what_goes_on_and_keep_the_model(active: Any) -> None:
    active.play(0, 12)
    active.ros.wait(lambda: active.events)
    session = active.node._session
    assert call(active.ros, SetBool, "pause", data=True).message == "inactive"
    active.ros.wait(lambda: active.events[-1].kind == END)
    before = len(active.recognitions)
    assert call(active.ros, SetBool, "pause", data=True).success, "twice is no error"
    assert not call(active.ros, Trigger, "reset").success
    assert call(active.ros, SetBool, "pause", data=False).message == "active"
    active.ros.wait(active.publisher.get_subscription_count)
    active.play(30, 12)
    active.ros.wait(lambda: len(active.recognitions) > before)
    assert active.node._session is session
    active.ros.wait(lambda: active.events[-1].kind == BEGIN)
    assert call(active.ros, Trigger, "reset").success
    active.ros.wait(lambda: active.events[-1].kind == END)
    before = len(active.recognitions)
    active.play(0, 12)  # earlier stamps are good again, as at the start
    active.ros.wait(lambda: len(active.recognitions) > before)


def test_events_end_when_decisions_fail_although_input_comes(active: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    active.ros.provokes_errors = True
    numbers = itertools.count()
    active.ros.wait(lambda: active.play(next(numbers), 1) or active.events)

    def fail(_stamp_ns: int) -> Any:
        raise RuntimeError("the device has had enough")

    def ended() -> bool:
        active.play(next(numbers), 1)
        kinds = [event.kind for event in active.events]
        return kinds.count(END) == kinds.count(BEGIN)

    monkeypatch.setattr(active.node._session, "decide", fail)
    active.ros.wait(ended)


def test_what_was_being_decided_at_a_reset_is_not_published(active: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = active.node._session.decide
    active.play(0, 12)
    active.ros.wait(lambda: active.recognitions)
    numbers, is_decided, goes_on = itertools.count(12), threading.Event(), threading.Event()

    def wait(stamp_ns: int) -> Any:
        if answers := decide(stamp_ns):
            is_decided.set()
            goes_on.wait(60)
        return answers

    monkeypatch.setattr(active.node._session, "decide", wait)
    active.ros.wait(lambda: active.play(next(numbers), 1) or is_decided.is_set())
    active.node._drop()
    before = len(active.recognitions)
    goes_on.set()
    active.play(0, 12)
    active.ros.wait(lambda: len(active.recognitions) > before)
    assert all(time_to_ns(r.header.stamp) < START_NS + 12 * S // 10 for r in active.recognitions[before:])


def test_a_wait_ends_when_another_model_takes_over(active: Any) -> None:
    wait = Wait(active.ros)
    handle = wait.send(activity="wave")
    assert call(active.ros, SetModel, "set_model", model="sim").success
    status, result = wait.answer(handle)
    assert (status, result.reason) == (GoalStatus.STATUS_ABORTED, "inference was deactivated")


def test_another_model_takes_over_and_one_that_cannot_be_used_does_not(active: Any, tmp_path: Path) -> None:
    answer = call(active.ros, SetModel, "set_model", model="nowhere")
    assert not answer.success
    assert "no model folder 'nowhere'" in answer.message
    (tmp_path / "empty").mkdir()
    answer = call(active.ros, SetModel, "set_model", model=str(tmp_path / "empty"))
    assert not answer.success
    assert "config.json" in answer.message
    active.ros.wait(active.publisher.get_subscription_count)
    active.play(0, 12)
    active.ros.wait(lambda: active.recognitions)
    assert active.recognitions[-1].model.startswith("tiny@")
    assert call(active.ros, SetModel, "set_model", model="sim").message.startswith("sim@")
    assert active.node.get_parameter("model").value == "sim"
    assert active.node.state[1] == "active"
    assert call(active.ros, SetBool, "pause", data=True).success
    assert call(active.ros, SetModel, "set_model", model=str(tmp_path / "tiny")).message.startswith("tiny@")
    assert active.node.state[1] == "inactive", "as it was"
    active.node.trigger_cleanup()
    assert "unconfigured" in call(active.ros, SetModel, "set_model", model="sim").message
    assert "unconfigured: configure it" in call(active.ros, SetBool, "pause", data=False).message


def corrupt(folder: Path) -> Path:
    """A copy of a model beside it whose weights are none."""
    copy = folder.with_name("corrupt")
    shutil.copytree(folder, copy)
    (copy / "model.safetensors").write_bytes(b"not a model")
    return copy


def train_again(folder: Path) -> None:
    """Write other weights over those of a model, as `mumu train` does."""
    checkpoint = load_checkpoint(folder)
    for parameter in checkpoint.model.parameters():
        parameter.data += 0.01
    save_checkpoint(folder, checkpoint.model)


@pytest.mark.parametrize("change", [lambda folder: folder.rename(folder.with_name("tiny_old")), train_again])
def test_a_refused_model_changes_nothing_whatever_became_of_the_folder_of_the_running_one(
    active: Any, tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    session, bad = active.node._session, corrupt(tmp_path / "tiny")
    change(tmp_path / "tiny")
    answer = call(active.ros, SetModel, "set_model", model=str(bad))
    assert not answer.success
    assert "model.safetensors" in answer.message
    assert active.node.state[1] == "active"
    assert active.node.get_parameter("model").value == str(tmp_path / "tiny")
    active.play(0, 12)
    active.ros.wait(lambda: active.recognitions)
    assert active.node._session is session
    assert active.recognitions[-1].model == session.checkpoint.id
    assert call(active.ros, SetModel, "set_model", model="sim").message.startswith("sim@")


def test_what_a_library_raises_while_a_model_is_loaded_is_answered(
    active: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    active.ros.provokes_errors = True
    with monkeypatch.context() as patch:
        patch.setattr("mumu_ros.recognition.session.load_checkpoint", fail)
        answer = call(active.ros, SetModel, "set_model", model="sim")
    assert (answer.success, answer.message) == (False, "cannot set the model, RuntimeError: out of memory")
    assert active.node.state[1] == "active"
    assert call(active.ros, SetModel, "set_model", model="sim").success


def test_the_parameters_of_inference_have_to_fit_the_new_model(robot: Callable[..., Any]) -> None:
    r = robot(min_coverage=[0.1, 0.2, 0.3])
    r.start()
    answer = call(r.ros, SetModel, "set_model", model="people")
    assert not answer.success
    assert "min_coverage is [0.1, 0.2, 0.3]" in answer.message
    assert r.node.state[1] == "active"
