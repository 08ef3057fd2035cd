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

"""One activity for each person in view, over real DDS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.conversions import RosTypes, people_to_message, samples_to_frame, time_to_ns
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.msg import ActivityEvent, ActivityRecognition, MultimodalFrame, People
from mumu_ros.nodes.inference import Inference
from mumu_ros.people import Person

SUCCESS = TransitionCallbackReturn.SUCCESS
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
TYPES = RosTypes()
STEP_MS = 50


@pytest.fixture
def people_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A skeleton whose joints are masked one by one, depth of one person, and a worn IMU; one second."""
    torch.manual_seed(5)
    modalities = (
        Modality("skeleton", "vector", (20, 3), 20.0, "cooccurrence1d", stride=2, layout="kinect20"),
        Modality("depth", "depth", (48, 64, 1), 10.0, "pose_cnn", joints=5, body=(0, 1, 2, 3)),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", std=(10.0, 10.0, 10.0, 3.0, 3.0, 3.0), stride=5),
    )
    config = ModelConfig("people", modalities, load_checkpoint(tiny_model).config.taxonomy, 1.0, 16)
    save_checkpoint(tmp_path / "people", Network(config).eval())
    return tmp_path / "people"


@pytest.fixture
def depth_model(people_model: Path, tmp_path: Path) -> Path:
    """Depth of one person and a worn IMU: nothing of a colour camera."""
    checkpoint = load_checkpoint(people_model)
    config = replace(checkpoint.config, modalities=checkpoint.config.modalities[1:])
    save_checkpoint(tmp_path / "depth", Network(config).eval())
    return tmp_path / "depth"


def person(body_id: str, number: int) -> Person:
    """Somebody who moves, one joint out of sight."""
    rng = np.random.default_rng([number, *body_id.encode()])
    joints = (np.random.default_rng(7).normal(size=(33, 3)) + rng.normal(scale=0.05, size=(33, 3))).astype(np.float32)
    joints[15] = np.nan
    depth = np.zeros((96, 128), np.uint16)
    depth[20:80, 50:75] = rng.integers(2490, 2510, (60, 25))
    return Person(
        body_id, 0.9, (10, 10, 50, 90), np.zeros((33, 2), np.float32), joints, np.ones(33, np.float32), "depth", depth
    )


class Room:
    """An inference node, and before it the output of a people node and of a sensor_sync."""

    def __init__(self, ros: Any, model: Path, **parameters: Any) -> None:
        self.ros = ros
        self.node = ros.add(Inference, model=str(model), **{"backend": "eager", **parameters})
        self.recognitions: list[Any] = ros.collect(ActivityRecognition, "activity")
        self.diagnostics: list[Any] = ros.collect(DiagnosticArray, "/diagnostics")
        self.people = ros.node.create_publisher(People, "people", 100)
        self.frames = ros.node.create_publisher(MultimodalFrame, "multimodal_frame", 100)
        assert self.node.trigger_configure() == self.node.trigger_activate() == SUCCESS
        ros.wait(self.people.get_subscription_count)
        ros.wait(self.frames.get_subscription_count)

    def play(
        self,
        first: int,
        count: int,
        bodies: tuple[str, ...],
        imu: bool = False,
        with_depth: bool = True,
        imu_ahead_ms: int = 0,
        camera: bool = True,
    ) -> None:
        for number in range(first, first + count):
            stamp_ns = START_NS + number * STEP_MS * MS
            if imu:
                imu_ns = stamp_ns + imu_ahead_ms * MS
                stamps = [imu_ns - i * 10 * MS for i in reversed(range(5))]
                noise = np.random.default_rng(number).normal(1, 0.01, (5, 2, 3))
                series = {"imu": (stamps, list(noise))}
                self.frames.publish(samples_to_frame(imu_ns, "imu", {}, series, TYPES))
                self.spin()
            if not camera:
                continue
            persons = [person(body, number) for body in bodies]
            persons = persons if with_depth else [replace(one, depth=None) for one in persons]
            self.people.publish(people_to_message(stamp_ns, "camera", 640, 480, "blazepose33", persons, TYPES))
            self.spin()

    def spin(self) -> None:
        for _ in range(3):
            self.ros.executor.spin_once(timeout_sec=0.01)

    def diagnosed(self, text: str) -> bool:
        return any(text in status.message for message in self.diagnostics[-2:] for status in message.status)

    def of(self, body: str) -> list[Any]:
        return [message for message in self.recognitions if message.body_id == body]

    def topics(self) -> set[str]:
        names = dict(self.ros.node.get_topic_names_and_types())
        return {name for name in names if name.startswith("/humans/") and self.ros.node.count_publishers(name)}


@pytest.fixture
def room(ros: Any, people_model: Path) -> Callable[..., Room]:
    return lambda **parameters: Room(ros, people_model, **parameters)


def test_each_person_has_an_activity_on_both_topics(room: Callable[..., Room]) -> None:
    r = room()
    r.play(0, 2, ("anna1", "berta"))
    own = r.ros.collect(ActivityRecognition, "/humans/bodies/anna1/activity")
    r.ros.wait(lambda: r.ros.node.count_publishers("/humans/bodies/anna1/activity"))
    r.ros.wait(lambda: r.node.count_subscribers("/humans/bodies/anna1/activity"))
    r.play(2, 30, ("anna1", "berta"), imu=True)
    r.ros.wait(lambda: len(r.of("anna1")) >= 5 and len(r.of("berta")) >= 5 and len(own) >= 4)
    assert {message.body_id for message in r.recognitions} == {"anna1", "berta"}
    assert {message.body_id for message in own} == {"anna1"}
    message = r.of("anna1")[-1]
    assert message.header.frame_id == "camera"
    assert list(message.modalities) == ["skeleton", "depth", "imu"]
    assert list(message.present) == [True, True, False], "nobody is known to wear the IMU"
    stamps = [time_to_ns(m.header.stamp) for m in r.of("berta")]
    assert set(np.diff(stamps)) == {200 * MS}
    assert r.of("anna1")[-1].activity_probabilities != r.of("berta")[-1].activity_probabilities


@pytest.mark.parametrize(
    ("message_type", "topic"),
    [
        (ActivityRecognition, "activity"),
        (ActivityEvent, "activity_event"),
        (ActivityRecognition, "/humans/bodies/anna1/activity"),
    ],
)
def test_another_model_on_one_of_its_topics_is_named(room: Callable[..., Room], message_type: Any, topic: str) -> None:
    r = room()
    r.ros.node.create_publisher(message_type, topic, 10)
    text = f"2 publishers send {r.ros.node.resolve_topic_name(topic)} (/inference, /test), such as a launch that still"
    numbers = itertools.count()
    r.ros.wait(lambda: r.play(next(numbers), 1, ("anna1",)) or r.diagnosed(text))


def test_a_second_model_leaves_the_topics_of_bodies_to_the_first(room: Callable[..., Room]) -> None:
    r = room(humans=False)
    r.play(0, 15, ("anna1",))
    r.ros.wait(lambda: r.of("anna1"))
    assert not r.topics()


def test_people_of_whom_the_model_can_use_nothing_are_named_and_logged(
    ros: Any, depth_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    r = Room(ros, depth_model)
    r.play(0, 20, ("anna1",), with_depth=False)
    text = "the model's depth, imu never arrived; received: [], nothing on /multimodal_frame: is sensor_sync active"
    r.ros.wait(lambda: r.diagnosed(text))
    assert capfd.readouterr().err.count(text) == 1
    r.play(20, 20, ("anna1",))
    assert r.ros.wait(lambda: r.of("anna1"))


def test_a_camera_alone_is_enough_for_a_model_that_uses_it(
    room: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    r = room()
    r.play(0, 2, ())
    r.ros.wait(lambda: r.diagnosed("nobody is in view"))
    r.play(2, 30, ("anna1",))
    r.ros.wait(lambda: r.of("anna1") and r.diagnosed("decisions"))
    assert "never arrived" not in capfd.readouterr().err


def test_a_person_who_leaves_is_forgotten_with_the_topic(room: Callable[..., Room]) -> None:
    r = room()
    r.play(0, 15, ("anna1", "berta"))
    r.ros.wait(lambda: r.topics() == {f"/humans/bodies/{body}/activity" for body in ("anna1", "berta")})
    r.play(15, 25, ("berta",))
    r.ros.wait(lambda: r.topics() == {"/humans/bodies/berta/activity"})
    assert r.node._session.bodies == ("berta",)
    r.play(40, 30, ())
    r.ros.wait(lambda: not r.topics())
    for body, last_step in (("anna1", 14), ("berta", 39)):
        ends_ns = START_NS + (last_step * STEP_MS + 1000) * MS
        assert r.of(body)
        assert all(time_to_ns(message.header.stamp) <= ends_ns for message in r.of(body))
    before = len(r.recognitions)
    r.play(70, 10, ())
    assert len(r.recognitions) == before, "nobody is in view"
    views = itertools.count(80, 5)

    def nobody() -> bool:
        r.play(next(views), 5, ())  # a status comes once a second
        return r.diagnosed("nobody is in view")

    r.ros.wait(nobody)
    r.ros.wait(lambda: r.diagnosed("/test publishes it, but sends nothing: is it active"))


def test_topics_of_people_end_once_nothing_comes_any_more(room: Callable[..., Room]) -> None:
    """A model that needs no frames."""
    r = room()
    numbers = itertools.count()

    def seen() -> bool:
        r.play(next(numbers), 1, ("anna1", "berta"))
        return r.topics() == {f"/humans/bodies/{body}/activity" for body in ("anna1", "berta")}

    for _ in range(2):
        r.ros.wait(seen)
        r.ros.wait(lambda: not r.topics(), 30)


def test_nobody_is_known_or_talked_about_once_the_camera_is_gone(room: Callable[..., Room]) -> None:
    r = room()
    unassigned = "imu has not moved enough to be assigned"
    numbers = itertools.count(0, 5)

    def seen() -> bool:
        r.play(next(numbers), 5, ("anna1", "berta"), imu=True)
        return r.diagnosed(unassigned) and len(r.topics()) == 2

    def gone() -> bool:
        r.play(next(numbers), 5, (), imu=True, camera=False)
        return r.diagnosed("nothing on /people") and not r.diagnosed(unassigned) and not r.topics()

    r.ros.wait(seen)
    r.ros.wait(gone, 40)
    r.ros.wait(lambda: r.play(next(numbers), 5, (), imu=True, camera=False) or r.of("")[-1:])


def test_beside_people_frames_that_stop_are_reported_only_if_the_model_used_them(room: Callable[..., Room]) -> None:
    r = room()

    def said_an_hour_later() -> str:
        r.node._watch.framed_at -= 3600
        [status] = r.node.diagnose()
        return str(status.message)

    sonar = {"sonar": ([START_NS], [np.ones(3)])}
    r.frames.publish(samples_to_frame(START_NS, "sonar", {}, sonar, TYPES))
    r.play(0, 20, ("anna1",))
    r.ros.wait(lambda: r.node._watch.frames)
    assert "/multimodal_frame" not in said_an_hour_later()
    r.play(20, 5, ("anna1",), imu=True)
    r.ros.wait(lambda: r.node._watch.frames == 6)
    assert "nothing on /multimodal_frame for" in said_an_hour_later()


@pytest.mark.parametrize("ahead_s", [-3, 3])
def test_an_imu_on_another_clock_than_the_camera_is_named(room: Callable[..., Room], ahead_s: int) -> None:
    r = room()
    for first in range(0, 100, 20):
        r.play(first, 20, ("anna1",), imu=True, imu_ahead_ms=1000 * ahead_s)
    r.ros.wait(lambda: r.node._watch.frames >= 90 and r.node._watch.views >= 90)
    [status] = r.node.diagnose()
    assert (status.values[0].key, status.values[0].value) == ("code", "clock")
    assert f"the stamps of imu are 3.000 s {'ahead of' if ahead_s > 0 else 'behind'} those of people" in status.message
    assert "imu.offset_s of sensor_sync" in status.message


def test_what_was_said_without_people_is_not_said_once_they_are_there(room: Callable[..., Room]) -> None:
    r = room()
    r.ros.node.destroy_publisher(r.people)
    r.ros.wait(lambda: not r.node.count_publishers("people"))
    for number in range(2):
        stamp_ns = START_NS + number * STEP_MS * MS
        series = {"imu": ([stamp_ns], [np.ones((2, 3))])}
        r.frames.publish(samples_to_frame(stamp_ns, "imu", {}, series, TYPES))
    r.ros.wait(lambda: "" in r.node._answers)
    r.people = r.ros.node.create_publisher(People, "people", 100)
    r.ros.wait(r.people.get_subscription_count)
    r.play(2, 30, ("anna1",), imu=True)
    r.ros.wait(lambda: r.of("anna1"))
    assert set(r.node._answers) == {"anna1"}
    r.node._drop()
    assert r.node._answers == {}


def test_an_imu_that_is_named_belongs_to_that_body(room: Callable[..., Room]) -> None:
    r = room(imu_bodies=["imu=berta"])
    r.play(0, 30, ("anna1", "berta"), imu=True)
    r.ros.wait(lambda: r.of("anna1") and r.of("berta") and r.of("berta")[-1].present[2])
    assert not any(message.present[2] for message in r.of("anna1"))


def test_no_more_than_max_people_are_recognised_and_known_ones_stay(room: Callable[..., Room]) -> None:
    r = room(max_people=2)
    r.play(0, 20, ("anna1", "berta"))
    r.play(20, 20, ("carla", "doris", "berta", "anna1"))
    r.ros.wait(lambda: len(r.of("anna1")) >= 8)
    assert {message.body_id for message in r.recognitions} == {"anna1", "berta"}
    r.ros.wait(lambda: r.diagnosed("see max_people"))
