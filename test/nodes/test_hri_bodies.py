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

"""REP 155's topics over real DDS, where hri_msgs is installed; what is refused where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PointStamped
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image

from mumu_ros.conversions import RosTypes, array_to_image, message_to_people, ns_to_time, person_to_skeleton2d
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes.hri_bodies import has_hri_msgs
from mumu_ros.nodes.people import People
from mumu_ros.people import LAYOUT, Person
from mumu_ros.skeletons import layout

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TYPES = RosTypes()
START_NS = 1_700_000_000_000_000_000
FRAME = "camera_color_optical_frame"
SIZE = (128, 96)
JOINTS = layout(LAYOUT)
needs_hri_msgs = pytest.mark.skipif(not has_hri_msgs(), reason="hri_msgs is not installed")


def person(body_id: str = "abcde") -> Person:
    keypoints = np.stack([np.linspace(50, 78, 33), np.linspace(20, 90, 33)], axis=1).astype(np.float32)
    joints = np.full((33, 3), (0.1, 0.2, 2.0), np.float32)
    return Person(body_id, 0.9, (50.0, 20.0, 28.0, 70.0), keypoints, joints, np.ones(33, np.float32), "depth")


class SeesPeople:
    """Stands in for the pose network: it returns the people that the test gives."""

    left_out = 0
    sees_part = sees_picture = False
    people: list[Person] = []  # noqa: RUF012

    def clear(self) -> None: ...

    def update(self, *_: Any) -> list[Person]:
        return self.people


@needs_hri_msgs
def test_everybody_is_published_as_rep_155_says(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D

    finder = SeesPeople()
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: finder)
    node = ros.add(People, **{"image.topic": "image"})
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    image = ros.node.create_publisher(Image, "image", 10)
    tracked = ros.collect(IdsList, "/humans/bodies/tracked")
    body = "/humans/bodies/abcde"
    topics = {
        name: ros.collect(cls, f"{body}/{name}")
        for name, cls in (
            ("roi", NormalizedRegionOfInterest2D),
            ("skeleton2d", Skeleton2D),
            ("position", PointStamped),
            ("cropped", Image),
        )
    }
    numbers = iter(range(1000))

    def show() -> None:
        number = next(numbers)
        picture = np.full((96, 128, 3), number % 256, np.uint8)
        image.publish(array_to_image(picture, START_NS + number * 100_000_000, FRAME, TYPES))

    finder.people = [person("abcde"), person("fghij")]
    ros.wait(lambda: show() or (tracked and all(topics.values())))
    assert list(tracked[-1].ids) == ["abcde", "fghij"]
    roi, skeleton, position, cropped = (topics[name][-1] for name in topics)
    assert {m.header.frame_id for m in (tracked[-1], roi, skeleton, position, cropped)} == {FRAME}
    assert (roi.xmin, roi.ymax) == pytest.approx((50 / 128, 90 / 96))
    nose = person().keypoints[JOINTS.index("nose")[0]]
    assert (skeleton.skeleton[0].x, skeleton.skeleton[0].y) == pytest.approx((nose[0] / 128, nose[1] / 96))
    assert (position.point.x, position.point.y, position.point.z) == pytest.approx((0.1, 0.2, 2.0))
    assert (cropped.width, cropped.height) == (28, 70)
    finder.people = []
    ros.wait(lambda: show() or not tracked[-1].ids)
    ros.wait(lambda: not ros.node.count_publishers(f"{body}/roi"))


class Stack:
    """A ROS4HRI stack that tracks bodies, and a people node that reads them."""

    def __init__(self, ros: Any, **parameters: Any) -> None:
        from hri_msgs.msg import IdsList, Skeleton2D

        self.ros = ros
        self.node = ros.add(People, source="hri", **{"camera_info.topic": "info", **parameters})
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        self.people = ros.collect(PeopleMessage, "people")
        self.tracked = ros.node.create_publisher(IdsList, "/humans/bodies/tracked", 10)
        self.info = ros.node.create_publisher(CameraInfo, "info", 10)
        self.depth = ros.node.create_publisher(Image, "depth", 10)
        self._ids, self._skeleton = IdsList, Skeleton2D
        self._bodies: dict[str, Any] = {}
        self._number = 0
        ros.wait(lambda: self.tracked.get_subscription_count() and self.info.get_subscription_count())
        message = CameraInfo(width=SIZE[0], height=SIZE[1], k=[100.0, 0.0, 64.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0])
        message.header.frame_id = FRAME
        self.info.publish(message)

    def track(self, *ids: str, depth: np.ndarray | None = None) -> None:
        """Publish where these bodies are."""
        self._number += 1
        stamp_ns = START_NS + self._number * 100_000_000
        header = TYPES.message("std_msgs/msg/Header", stamp=ns_to_time(stamp_ns, TYPES), frame_id=FRAME)
        self.tracked.publish(self._ids(header=header, ids=list(ids)))
        if depth is not None:
            self.depth.publish(array_to_image(depth, stamp_ns, FRAME, TYPES))
        for body_id in ids:
            if body_id not in self._bodies:
                topic = f"/humans/bodies/{body_id}/skeleton2d"
                self._bodies[body_id] = self.ros.node.create_publisher(self._skeleton, topic, 10)
            self._bodies[body_id].publish(person_to_skeleton2d(person(body_id), LAYOUT, *SIZE, header, TYPES))
        for _ in range(10):  # a message each, and a timer now and then
            self.ros.executor.spin_once(timeout_sec=0.01)

    def diagnosis(self, name: str) -> str:
        return next(s.message for s in self.node.diagnose() if s.name == f"people: {name}")


@pytest.fixture
def stack(ros: Any) -> Callable[..., Stack]:
    return lambda **parameters: Stack(ros, **parameters)


@needs_hri_msgs
def test_bodies_of_another_tracker_are_read_and_lifted_by_depth(stack: Callable[..., Stack]) -> None:
    s = stack(**{"depth.topic": "depth"})
    depth = np.full((96, 128), 2000, np.uint16)

    def found() -> bool:
        s.track("abcde", "fghij", depth=depth)
        people = message_to_people(s.people[-1]) if s.people else ()
        return len(people) == 2 and bool(np.isfinite(people[0].joints).any())

    s.ros.wait(found)
    people = {p.body_id: p for p in message_to_people(s.people[-1])}
    assert set(people) == {"abcde", "fghij"}
    elbow = JOINTS.index("left_elbow")[0]
    np.testing.assert_allclose(people["abcde"].keypoints[elbow], person().keypoints[elbow], atol=0.1)
    x, y, z = people["abcde"].joints[elbow]
    assert 2.0 <= z <= 2.1
    assert (x / z * 100 + 64, y / z * 100 + 48) == pytest.approx(tuple(person().keypoints[elbow]), abs=0.1)
    assert np.isnan(people["abcde"].joints[JOINTS.index("left_pinky")[0]]).all(), "REP 155 has no such joint"
    assert s.people[-1].header.frame_id == FRAME
    assert s.diagnosis("bodies") == "2 tracked"
    assert s.node.count_publishers("/humans/bodies/tracked") == 1, "ours does not publish what it reads"


@needs_hri_msgs
def test_who_is_not_tracked_any_more_is_gone(stack: Callable[..., Stack]) -> None:
    s = stack()
    s.ros.wait(lambda: s.track("abcde") or (s.people and s.people[-1].people))
    assert "depth.topic is empty" in s.diagnosis("depth")
    s.ros.wait(lambda: s.track() or not s.people[-1].people)
    assert s.diagnosis("bodies") == "nobody tracked"


@needs_hri_msgs
def test_more_bodies_than_max_people_and_impossible_ids_are_left_out(stack: Callable[..., Stack]) -> None:
    s = stack(max_people=2)
    s.ros.wait(lambda: s.track("aaaaa", "bbbbb", "ccccc") or (s.people and len(s.people[-1].people) == 2))
    assert {p.body_id for p in s.people[-1].people} == {"aaaaa", "bbbbb"}
    assert "1 bodies are left out: max_people is 2" in s.diagnosis("bodies")
    s.tracked.publish(s._ids(ids=["no topic name", "1a", "aaaaa"]))
    s.ros.wait(lambda: "'no topic name'" in s.diagnosis("bodies"))


@needs_hri_msgs
def test_a_tracker_that_is_silent_is_named(stack: Callable[..., Stack]) -> None:
    assert "no message on /humans/bodies/tracked yet" in stack().diagnosis("bodies")


@pytest.mark.skipif(has_hri_msgs(), reason="hri_msgs is installed")
def test_without_hri_msgs_its_bodies_are_refused(ros: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert ros.add(People, source="hri").trigger_configure() == FAILURE
    assert "hri_msgs is not installed" in capfd.readouterr().err


def test_without_tf2_ros_a_target_frame_is_refused(ros: Any, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        assert ros.add(People, target_frame="level").trigger_configure() == FAILURE
        assert "parameter target_frame is 'level', but tf2_ros is not installed" in capfd.readouterr().err
    else:
        pytest.skip("tf2_ros is installed")
