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

"""REP 155's topics over real DDS, where hri_msgs is installed, and with stand-ins for both everywhere; what is refused
where it is not.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PointStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.clock import Clock
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image

from mumu_ros.conversions import RosTypes, array_to_image, message_to_people, ns_to_time, person_to_skeleton2d
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes import humans_publisher, humans_source
from mumu_ros.nodes.camera_source import View
from mumu_ros.nodes.endpoints import SimulatedTime
from mumu_ros.nodes.humans_publisher import KEPT_NS, MAX_KEPT, SILENT_S, HumansPublisher
from mumu_ros.nodes.humans_source import HumansSource
from mumu_ros.nodes.humans_topics import BODIES, IDS_TYPE, TRACKED, has_hri_msgs
from mumu_ros.nodes.node_configuration import PeopleConfig, PictureTopic
from mumu_ros.nodes.people import People
from mumu_ros.people import LAYOUT, Person, track
from mumu_ros.skeletons import layout

from ..conftest import ScriptedFinder

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


@needs_hri_msgs
def test_everybody_is_published_as_rep_155_says(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hri_msgs.msg import IdsList, NormalizedRegionOfInterest2D, Skeleton2D

    finder = ScriptedFinder()
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
    ros.wait(lambda: show() or not ros.node.count_publishers(f"{body}/roi"))


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


def test_without_tf2_ros_a_target_frame_is_refused(
    ros: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: ScriptedFinder())
    try:
        import tf2_ros  # noqa: F401
    except ImportError:
        assert ros.add(People, target_frame="level").trigger_configure() == FAILURE
        assert "parameter target_frame is 'level', but tf2_ros is not installed" in capfd.readouterr().err
    else:
        pytest.skip("tf2_ros is installed")


class StandInTypes:
    """Builds any message from its fields."""

    def message(self, _type_name: str, **fields: Any) -> Any:
        return SimpleNamespace(**fields)

    def sequence(self, values: Any) -> Any:
        return values


class StandInPublisher:
    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.messages: list[Any] = []

    def publish(self, message: Any) -> None:
        self.messages.append(message)

    def get_subscription_count(self) -> int:
        return 1


class StandInNode:
    """What HumansPublisher and HumansSource use of a node, without DDS: a message goes to its callback at once."""

    steady_clock = None

    def __init__(self) -> None:
        self.publishers: dict[str, StandInPublisher] = {}
        self.times_created: Counter[str] = Counter()
        self.simulated_time = SimulatedTime(Clock())
        self.undo = contextlib.ExitStack()
        self.errors: list[Exception] = []
        self.trackers: list[str] = []
        self.on_lookup: Callable[[], Any] = lambda: None
        self._callbacks: dict[str, Callable[[Any], None]] = {}
        self._tick: Callable[[], None] = lambda: None

    def create_publisher(self, _type: Any, topic: str, _depth: int) -> StandInPublisher:
        assert topic not in self.publishers
        self.times_created[topic] += 1
        self.publishers[topic] = StandInPublisher(topic)
        return self.publishers[topic]

    def destroy_publisher(self, publisher: StandInPublisher) -> None:
        del self.publishers[publisher.topic]

    def create_subscription(self, _type: Any, topic: str, callback: Any, _qos: Any) -> str:
        self._callbacks[topic] = callback
        return topic

    def destroy_subscription(self, topic: str) -> None:
        del self._callbacks[topic]

    def create_timer(self, _period_s: float, callback: Any, **_options: Any) -> None:
        self._tick = callback

    def destroy_timer(self, _timer: None) -> None: ...

    def resolve_topic_name(self, topic: str) -> str:
        self.on_lookup()
        return topic

    def count_publishers(self, topic: str) -> int:
        return len(self.get_publishers_info_by_topic(topic))

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        nodes = [name.rpartition("/") for name in self.trackers] if topic == TRACKED else []
        return [SimpleNamespace(node_name=n, node_namespace=space, topic_type=IDS_TYPE) for space, _, n in nodes]

    def status(self, name: str, problem: Any, **_values: Any) -> tuple[str, str]:
        return name, problem[1]

    def report_worker_error(self, error: Exception) -> None:
        self.errors.append(error)

    def send(self, topic: str, message: Any) -> None:
        if topic in self._callbacks:
            self._callbacks[topic](message)

    def tick(self) -> None:
        self._tick()

    def bodies(self) -> set[str]:
        """Whose topics there are."""
        return {topic.split("/")[3] for topic in self.publishers if topic != TRACKED}


class AtOnce:
    """A worker that does its jobs when they are put."""

    def __init__(self, _name: str, handle: Callable[[Any], None], _on_error: Any) -> None:
        self.put = handle

    def stop(self) -> None: ...


@contextlib.contextmanager
def without_hri_msgs() -> Iterator[None]:
    """Publisher and source with stand-ins."""
    stand_ins = {"message_class": str, "RosTypes": StandInTypes, "has_hri_msgs": lambda: True, "Worker": AtOnce}
    with pytest.MonkeyPatch.context() as patch:
        for module in (humans_publisher, humans_source):
            for name in stand_ins.keys() & vars(module):
                patch.setattr(module, name, stand_ins[name])
        yield


@contextlib.contextmanager
def publisher() -> Iterator[tuple[StandInNode, HumansPublisher]]:
    node = StandInNode()
    with without_hri_msgs():
        yield node, HumansPublisher(node)  # type: ignore[arg-type]


def view(stamp_ns: int, *ids: str, frame_id: str = FRAME) -> View:
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    return View(stamp_ns, frame_id, *SIZE, LAYOUT, [person(body_id) for body_id in ids], picture)


@given(st.lists(st.integers(1, KEPT_NS), min_size=1, max_size=8), st.booleans())
def test_whoever_comes_back_keeps_their_topics_and_is_not_tracked_meanwhile(steps: list[int], is_alone: bool) -> None:
    """`steps` from one picture of the person to the next, with one between them that the person is missed in."""
    others = () if is_alone else ("other",)
    with publisher() as (node, humans):
        stamp_ns = START_NS
        humans.publish(view(stamp_ns, "abcde", *others), FRAME)
        for step in steps:
            humans.publish(view(stamp_ns + step // 2, *others), FRAME)
            assert node.publishers[TRACKED].messages[-1].ids == [*others]
            stamp_ns += step
            humans.publish(view(stamp_ns, "abcde", *others), FRAME)
            assert node.publishers[TRACKED].messages[-1].ids == ["abcde", *others]
        assert set(node.times_created.values()) == {1}
        assert len(node.publishers[f"{BODIES}/abcde/roi"].messages) == 1 + len(steps)


def test_topics_outlast_the_longest_time_that_the_tracker_remembers_somebody_hidden() -> None:
    assert KEPT_NS > track._HIDDEN_MEMORY_NS


@given(st.one_of(st.integers(KEPT_NS + 1, 10**18), st.integers(-(10**18), -1)))
def test_topics_end_when_the_track_is_forgotten_and_when_time_jumps(step: int) -> None:
    with publisher() as (node, humans):
        humans.publish(view(START_NS, "abcde", "fghij"), FRAME)
        humans.publish(view(START_NS + step, "fghij"), FRAME)
        assert node.bodies() == {"fghij"}
        humans.close()
        assert not node.publishers


@settings(max_examples=20)
@given(st.lists(st.integers(0, 5), min_size=20, max_size=60))
def test_topics_of_the_last_seen_bodies_are_kept_however_many_there_were(news: list[int]) -> None:
    """`news`: number of people in each picture, all of whom are new."""
    ids = (f"body{number}" for number in range(1000))
    seen: list[str] = []
    with publisher() as (node, humans):
        for number, count in enumerate(news):
            now = [next(ids) for _ in range(count)]
            humans.publish(view(START_NS + number * 1_000_000, *now), FRAME)
            seen += now
            assert node.bodies() == set(seen[-(count + MAX_KEPT) :])


def test_nobody_is_tracked_once_the_camera_is_silent_until_it_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("mumu_ros.nodes.humans_publisher.time.monotonic", lambda: now_s)
    with publisher() as (node, humans):
        humans.publish(view(START_NS, "abcde", "fghij"), FRAME)
        tracked = node.publishers[TRACKED].messages
        now_s += SILENT_S
        node.tick()
        assert tracked[-1].ids == ["abcde", "fghij"]
        now_s += 0.1
        node.tick()
        node.tick()
        assert [message.ids for message in tracked] == [["abcde", "fghij"], []]
        assert not node.bodies()
        humans.publish(view(START_NS + 10**10, "abcde"), FRAME)
        assert node.bodies() == set(tracked[-1].ids) == {"abcde"}


@pytest.mark.parametrize("ids", [("abcde", "fghij"), ()])
def test_nobody_is_tracked_once_the_node_has_stopped(ids: tuple[str, ...]) -> None:
    with publisher() as (node, humans):
        humans.publish(view(START_NS, *ids), FRAME)
        tracked = node.publishers[TRACKED].messages
        humans.close()
        assert tracked[-1].ids == []
        assert len(tracked) == 1 + bool(ids)


def test_what_is_of_the_picture_is_in_the_frame_of_the_picture_and_positions_are_in_the_target_frame() -> None:
    with publisher() as (node, humans):
        humans.publish(view(START_NS, "abcde", frame_id="level"), FRAME)
        frames = {topic: p.messages[-1].header.frame_id for topic, p in node.publishers.items()}
    body = f"{BODIES}/abcde"
    of_picture = dict.fromkeys((TRACKED, f"{body}/roi", f"{body}/skeleton2d", f"{body}/cropped"), FRAME)
    assert frames == {**of_picture, f"{body}/position": "level"}


def test_the_node_names_both_frames(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Level:
        def restart(self) -> None: ...

        def problem(self) -> str:
            return ""

        def apply(self, view: View) -> View:
            return replace(view, frame_id="level")

        def close(self) -> None: ...

    finder, frames = ScriptedFinder(), []
    publishes = SimpleNamespace(
        publish=lambda view, picture_frame: frames.append((view.frame_id, picture_frame)), close=lambda: None
    )
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: finder)
    monkeypatch.setattr("mumu_ros.nodes.people.FrameChanger", lambda *_: Level())
    monkeypatch.setattr("mumu_ros.nodes.people.HumansPublisher", lambda _: publishes)
    monkeypatch.setattr("mumu_ros.nodes.people.has_hri_msgs", lambda: True)
    node = ros.add(People, target_frame="level", **{"image.topic": "image"})
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    image = ros.node.create_publisher(Image, "image", 10)
    stamps = iter(range(START_NS, START_NS + 10**12, 100_000_000))

    def show() -> None:
        stamp_ns = next(stamps)
        picture = np.full((96, 128, 3), stamp_ns // 100_000_000 % 256, np.uint8)
        image.publish(array_to_image(picture, stamp_ns, FRAME, TYPES))

    ros.wait(lambda: show() or frames)
    assert set(frames) == {("level", FRAME)}


@pytest.mark.parametrize("humans", [True, False])
def test_the_bodies_of_rep_155_are_left_to_another_people_node(
    ros: Any, monkeypatch: pytest.MonkeyPatch, humans: bool
) -> None:
    publishers = []
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: ScriptedFinder())
    monkeypatch.setattr("mumu_ros.nodes.people.HumansPublisher", lambda node: publishers.append(node))
    monkeypatch.setattr("mumu_ros.nodes.people.has_hri_msgs", lambda: True)
    node = ros.add(People, humans=humans)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    assert publishers == [node] * humans


@needs_hri_msgs
def test_two_people_nodes_that_publish_tracked_bodies_are_named(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from hri_msgs.msg import IdsList

    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: ScriptedFinder())
    node = ros.add(People)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.node.create_publisher(IdsList, TRACKED, 10)

    def told() -> str:
        return next(s.message for s in node.diagnose() if s.name == "people: output")

    text = "2 publishers send /humans/bodies/tracked (/people, /test), whose name all robots of a network share"
    ros.wait(lambda: told().startswith(text))


class Bodies:
    """Bodies of another tracker, and the source that reads them, on this thread and without DDS."""

    def __init__(self, min_confidence: float = 0.5, has_info: bool = True, max_people: int = 6) -> None:
        picture = PictureTopic("depth", "sensor_msgs/msg/Image", "best_effort", "")
        config = PeopleConfig("hri", picture, picture, "info", None, 1, max_people, 15.0, min_confidence, "", True)
        self.node = StandInNode()
        self.views: list[View] = []
        self.source = HumansSource(self.node, config, self.views.append)  # type: ignore[arg-type]
        self.source.start()
        self._stamp_ns = START_NS
        if has_info:
            message = CameraInfo(width=SIZE[0], height=SIZE[1], k=[100.0, 0.0, 64.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0])
            message.header.frame_id = FRAME
            self.node.send("info", message)

    def look(self, *people: Person, depth: np.ndarray | None = None, hidden: tuple[str, ...] = ()) -> dict[str, Person]:
        """Publish where these people are, and that those hidden are tracked; return whom the source delivers."""
        self._stamp_ns += 100_000_000
        types = StandInTypes()
        header = SimpleNamespace(stamp=ns_to_time(self._stamp_ns, types), frame_id=FRAME)
        self.node.send(TRACKED, SimpleNamespace(header=header, ids=[*(p.body_id for p in people), *hidden]))
        if depth is not None:
            self.node.send("depth", array_to_image(depth, self._stamp_ns, FRAME, TYPES))
        for p in people:
            message = person_to_skeleton2d(p, LAYOUT, *SIZE, header, types)
            self.node.send(f"{BODIES}/{p.body_id}/skeleton2d", message)
        self.node.tick()
        return {p.body_id: p for p in self.views[-1].people}

    def jump(self, step_s: float) -> None:
        """Go on at another time."""
        self._stamp_ns += round(step_s * 1e9)

    def diagnosis(self) -> dict[str, str]:
        return dict(self.source.diagnose())  # type: ignore[call-overload]


@pytest.fixture
def bodies() -> Iterator[Callable[..., Bodies]]:
    with without_hri_msgs():
        yield Bodies


TORSO = JOINTS.index("left_shoulder", "right_shoulder", "left_hip", "right_hip")
IN_PICTURE = {"nose": (64, 12)}
"""Where the joints of somebody are who stands about 2 m away."""
for side, sign in (("left", 1), ("right", -1)):
    for joint, x, y in (
        *(("ear", 4, 12), ("shoulder", 9, 22), ("elbow", 14, 36), ("wrist", 16, 48)),
        *(("hip", 6, 48), ("knee", 6, 68), ("ankle", 6, 88)),
    ):
        IN_PICTURE[f"{side}_{joint}"] = (64 + sign * x, y)


def seen(body_id: str, *joints: str, confidence: float = 1.0) -> Person:
    """Somebody of whom these joints are seen, each with that confidence."""
    keypoints = np.full((33, 2), np.nan, np.float32)
    visibility = np.zeros(33, np.float32)
    for joint in joints:
        keypoints[JOINTS.index(joint)] = IN_PICTURE[joint]
        visibility[JOINTS.index(joint)] = confidence
    return replace(person(body_id), keypoints=keypoints, visibility=visibility)


def test_the_depth_of_a_body_is_its_own_as_far_as_it_is_seen(bodies: Callable[..., Bodies]) -> None:
    """Also if only the torso is; where not even that is, there is none, and nobody else gets it."""
    torso = [JOINTS.joints[i] for i in TORSO]
    depth = np.full((96, 128), 2000, np.uint16)
    b = bodies()
    counts = []
    for joints in (torso, [*torso, "left_elbow", "left_wrist"], list(IN_PICTURE)):
        shown = b.look(seen("abcde", *joints), depth=depth)["abcde"].depth
        assert shown is not None
        assert set(np.unique(shown)) == {0, 2000}
        counts.append(np.count_nonzero(shown))
    assert 500 < counts[0] < counts[1] < counts[2]
    found = b.look(seen("abcde", *torso), seen("fghij", "left_knee", "left_ankle"), depth=depth)
    assert found["abcde"].depth is not None
    assert found["fghij"].depth is None
    assert not b.node.errors


@settings(max_examples=30)
@given(confidence=st.floats(1 / 64, 1, width=32), least=st.floats(0, 1, width=32))
def test_bodies_of_another_tracker_are_left_out_if_all_joints_are_less_certain_than_min_confidence(
    confidence: float, least: float
) -> None:
    with without_hri_msgs():
        people = (seen("abcde", *IN_PICTURE), seen("fghij", *IN_PICTURE, confidence=confidence))
        found = Bodies(min_confidence=least).look(*people)
    assert set(found) == ({"abcde", "fghij"} if confidence >= least else {"abcde"})


def test_a_problem_that_lasts_is_in_every_diagnosis_also_in_one_during_a_look(bodies: Callable[..., Bodies]) -> None:
    b = bodies(has_info=False)
    b.look(seen("abcde", *IN_PICTURE))
    told = b.diagnosis()
    assert told["camera"] == "no CameraInfo on info yet; nothing publishes it: check the driver and the topic name"
    assert "no depth picture on depth of the skeletons' time" in told["depth"]
    during: list[dict[str, str]] = []

    def diagnose() -> None:
        b.node.on_lookup = lambda: None  # a diagnosis looks topics up, too
        during.append(b.diagnosis())

    b.node.on_lookup = diagnose
    b.look(seen("abcde", *IN_PICTURE))
    assert during
    assert all(diagnosis == told for diagnosis in during)


def test_neither_bodies_nor_depth_are_missed_while_there_is_no_simulated_time(bodies: Callable[..., Bodies]) -> None:
    b = bodies()
    stands_still: Any = SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=0))
    b.node.simulated_time = SimulatedTime(stands_still)
    assert b.diagnosis()["bodies"].endswith("; simulated time is 0: does /clock come?")
    b.look(seen("abcde", *IN_PICTURE))
    assert b.diagnosis()["depth"].endswith("; simulated time is 0: does /clock come?")


@settings(max_examples=30)
@given(
    offset=st.tuples(st.integers(0, 200), st.integers(0, 200)), binning=st.tuples(st.integers(0, 4), st.integers(0, 4))
)
def test_a_part_of_the_sensor_and_joined_pixels_give_the_joints_of_the_camera_that_has_no_others(
    offset: tuple[int, int], binning: tuple[int, int]
) -> None:
    """ROI and binning of a CameraInfo; 0 is 1 by definition."""
    (x0, y0), (bx, by) = offset, (max(1, n) for n in binning)
    message = CameraInfo(width=SIZE[0] * bx + x0 + 50, height=SIZE[1] * by + y0 + 50)
    message.k = [100.0 * bx, 0.0, 64.0 * bx + x0, 0.0, 100.0 * by, 48.0 * by + y0, 0.0, 0.0, 1.0]
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = (
        x0,
        y0,
        SIZE[0] * bx,
        SIZE[1] * by,
    )
    message.binning_x, message.binning_y = binning
    message.header.frame_id = FRAME
    depth = np.full((96, 128), 2000, np.uint16)
    with without_hri_msgs():
        plain, part = Bodies(), Bodies(has_info=False)
        part.node.send("info", message)
        expected, found = (b.look(seen("abcde", *IN_PICTURE), depth=depth)["abcde"] for b in (plain, part))
    np.testing.assert_allclose(found.joints, expected.joints, atol=1e-6)
    assert np.isfinite(found.joints).any()
    assert part.diagnosis()["camera"] == "calibrated"


def test_whoever_is_followed_stays_when_newcomers_are_listed_first(bodies: Callable[..., Bodies]) -> None:
    b = bodies(max_people=2)
    b.look(person("bbbbb"), person("ddddd"))
    assert set(b.look(*map(person, ("aaaaa", "bbbbb", "ccccc", "ddddd")))) == {"bbbbb", "ddddd"}
    assert set(b.look(*map(person, ("aaaaa", "ccccc", "ddddd")))) == {"aaaaa", "ddddd"}
    assert "1 bodies are left out: max_people is 2" in b.diagnosis()["bodies"]


def test_two_trackers_are_named_since_each_list_drops_the_bodies_of_the_other(bodies: Callable[..., Bodies]) -> None:
    b = bodies()
    b.node.trackers = ["/robot1/tracker", "/robot2/tracker"]
    b.look(person("aaaaa"))
    b.look(hidden=("bbbbb",))
    assert b.diagnosis()["bodies"] == (
        "2 publishers send /humans/bodies/tracked (/robot1/tracker, /robot2/tracker), whose name all robots of a "
        "network share: stop all but one, or set humans: false in people nodes"
    )
    b.node.trackers.pop()
    assert b.diagnosis()["bodies"] == "no skeleton2d with a stamp of bbbbb yet"


@settings(max_examples=20)
@given(step_s=st.floats(1.5, 1e6))
def test_somebody_hidden_does_not_hold_the_others_up_after_a_jump_back(step_s: float) -> None:
    with without_hri_msgs():
        b = Bodies()
        b.look(person("abcde"), person("fghij"))
        b.jump(-step_s)
        for _ in range(3):
            assert set(b.look(person("abcde"), hidden=("fghij",))) == {"abcde"}
            assert b.views[-1].stamp_ns == b._stamp_ns
        assert "fghij" in b.diagnosis()["bodies"]
        assert set(b.look(person("abcde"), person("fghij"))) == {"abcde", "fghij"}


def test_when_somebody_leaves_whose_skeleton_is_the_newest_nobody_is_seen_in_the_past(
    bodies: Callable[..., Bodies],
) -> None:
    b = bodies()
    b.look(person("aaaaa"), person("bbbbb"))
    for _ in range(30):
        b.look(person("aaaaa"), hidden=("bbbbb",))
    newest = b.views[-1].stamp_ns
    b.look(hidden=("bbbbb",))
    assert b.views[-1].stamp_ns == newest
    b.look(person("bbbbb"))
    assert b.views[-1].stamp_ns > newest


def shifted(body_id: str, pixels: float) -> Person:
    p = seen(body_id, *IN_PICTURE)
    return replace(p, keypoints=p.keypoints + np.array([pixels, 0], np.float32))


@settings(max_examples=50)
@given(ticks=st.lists(st.integers(0, 3), min_size=4, max_size=12), data=st.data())
def test_all_bodies_of_a_picture_are_delivered_together_whenever_the_tick_comes(
    ticks: list[int], data: st.DataObject
) -> None:
    """Three skeletons of each picture in any order; the tick comes before, between or after them."""
    with without_hri_msgs():
        b, names, types = Bodies(), ("aaaaa", "bbbbb", "ccccc"), StandInTypes()
        for number, before in enumerate(ticks):
            header = SimpleNamespace(stamp=ns_to_time(START_NS + number * 66_000_000, types), frame_id=FRAME)
            b.node.send(TRACKED, SimpleNamespace(header=header, ids=list(names)))
            for index, name in enumerate(data.draw(st.permutations(names))):
                if index == before:
                    b.node.tick()
                message = person_to_skeleton2d(shifted(name, number), LAYOUT, *SIZE, header, types)
                b.node.send(f"{BODIES}/{name}/skeleton2d", message)
            if before == len(names):
                b.node.tick()
        b.node.tick()
    assert len(b.views) >= len(ticks) - 1
    for view in b.views[1:]:
        number = round((view.stamp_ns - START_NS) / 66_000_000)
        assert {p.body_id for p in view.people} == set(names)
        for p in view.people:
            np.testing.assert_allclose(p.keypoints, shifted(p.body_id, number).keypoints, atol=1e-3)


def test_somebody_who_has_gone_is_not_seen_on_what_was_behind_them(bodies: Callable[..., Bodies]) -> None:
    b = bodies()
    near, wall = np.full((96, 128), 2000, np.uint16), np.full((96, 128), 4000, np.uint16)
    assert set(b.look(shifted("aaaaa", -30), shifted("bbbbb", 30), depth=near)) == {"aaaaa", "bbbbb"}
    for _ in range(4):
        b.look(shifted("aaaaa", -30), hidden=("bbbbb",), depth=wall)
        b.node.tick()
        assert [p.body_id for p in b.views[-1].people] == ["aaaaa"]
        assert b.views[-1].stamp_ns == b._stamp_ns


@pytest.mark.parametrize("rate_hz", [30, 60, 90])
@pytest.mark.parametrize("late_s", [0.2, 0.8, 1.5])
def test_depth_is_kept_for_a_second_until_a_slow_tracker_has_its_skeletons(
    bodies: Callable[..., Bodies], rate_hz: int, late_s: float
) -> None:
    b, depth = bodies(), np.full((96, 128), 2000, np.uint16)
    for index in range(2 * rate_hz + 1):
        b.node.send("depth", array_to_image(depth, START_NS + round(index / rate_hz * 1e9), FRAME, TYPES))
    b.jump(2 - 0.1 - late_s)
    assert np.isfinite(b.look(seen("abcde", *IN_PICTURE))["abcde"].joints).any() == (late_s < 1)
    assert ("they are 1.5 s behind it, of which 1.0 s are kept" in b.diagnosis()["depth"]) == (late_s > 1)


def test_without_a_camera_info_the_camera_is_that_of_the_depth_picture(bodies: Callable[..., Bodies]) -> None:
    b = bodies(has_info=False)
    found = b.look(seen("abcde", *IN_PICTURE), depth=np.full((720, 1280), 2000, np.uint16))["abcde"]
    assert np.isfinite(found.joints).any()
    assert (b.views[-1].width, b.views[-1].height) == (1280, 720)
    assert b.diagnosis()["depth"] == "used"


def test_a_skeleton_without_a_stamp_is_not_used(bodies: Callable[..., Bodies]) -> None:
    """It would be a jump back of time for everybody else."""
    b = bodies()
    b.look(person("abcde"))
    header = SimpleNamespace(stamp=ns_to_time(0, StandInTypes()), frame_id=FRAME)
    b.look(person("abcde"), hidden=("fghij",))
    b.node.send(f"{BODIES}/fghij/skeleton2d", person_to_skeleton2d(person(), LAYOUT, *SIZE, header, StandInTypes()))
    assert set(b.look(person("abcde"), hidden=("fghij",))) == {"abcde"}
    assert "no skeleton2d with a stamp of fghij" in b.diagnosis()["bodies"]
