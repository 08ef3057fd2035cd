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

"""The overlay node over real DDS."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from mumu_ros.conversions import RosTypes, array_to_image, image_to_array, ns_to_time, people_to_message, time_to_ns
from mumu_ros.msg import ActivityRecognition
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes.overlay import Overlay
from mumu_ros.people import Person
from mumu_ros.people.drawing import Activity, draw
from mumu_ros.skeletons import layout

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TYPES = RosTypes()
START_NS = 1_700_000_000_000_000_000
FRAME = "camera_color_optical_frame"
PICTURE = np.full((240, 320, 3), 100, np.uint8)
JOINTS = layout("blazepose33")


def person(body_id: str = "abcde") -> Person:
    keypoints = np.stack([np.full(33, 160.0), np.linspace(60, 220, 33)], axis=1).astype(np.float32)
    joints = np.stack([np.zeros(33), np.linspace(-0.8, 0.8, 33), np.full(33, 2.0)], axis=1).astype(np.float32)
    return Person(body_id, 0.9, (130.0, 60.0, 60.0, 160.0), keypoints, joints, np.ones(33, np.float32), "nominal")


def pixels(message: Any) -> NDArray[np.uint8]:
    """RGB of an Image or a JPEG."""
    if isinstance(message, Image):
        return image_to_array(message, "rgb")
    decoded: NDArray[np.uint8] = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return decoded


class Rig:
    """An overlay node, and whoever publishes what it shows."""

    def __init__(self, ros: Any) -> None:
        self.ros = ros
        node = ros.node
        self.node = ros.add(Overlay, **{"image.topic": "image"})
        self.image = node.create_publisher(Image, "image", 10)
        self.people = node.create_publisher(PeopleMessage, "people", 10)
        self.activity = node.create_publisher(ActivityRecognition, "activity", 10)
        self.diagnoses: list[DiagnosticStatus] = []
        self._number = 0
        node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        ros.wait(lambda: all(p.get_subscription_count() for p in (self.image, self.people, self.activity)))

    def show(
        self, stamp_ns: int, people: list[Person] | None = None, picture: NDArray[np.uint8] | None = PICTURE
    ) -> None:
        """A picture, unless it is lost, and, unless nobody looks for them, the people in it."""
        if picture is not None:
            self.image.publish(array_to_image(picture, stamp_ns, FRAME, TYPES))
        if people is not None:
            self.people.publish(people_to_message(stamp_ns, FRAME, 320, 240, "blazepose33", people, TYPES))

    def play(self, delay_s: float) -> None:
        """A picture each 33 ms, and after a while the people of an earlier one."""
        self._number += 1
        self.show(START_NS + self._number * 33_000_000)
        earlier_ns = START_NS + (self._number - round(delay_s * 30)) * 33_000_000
        self.show(earlier_ns, [person()], picture=None)
        for _ in range(8):  # a message each, on both sides, and timers
            self.ros.executor.spin_once(timeout_sec=0.003)

    def drawn(self, pictures: list[Any], people: list[Person]) -> Any:
        """The first picture with people on it: in a process that stalls, they come too late for those before."""
        stamps = itertools.count(START_NS, 100_000)  # a stall of many pictures is still short

        def is_drawn(picture: Any) -> bool:
            return not people or np.ptp(pixels(picture)) > 10

        return self.ros.wait(lambda: self.show(next(stamps), people) or next(filter(is_drawn, pictures), None))

    def recognise(self, stamp_ns: int, body_id: str, name: str = "walk") -> None:
        message = ActivityRecognition(body_id=body_id, activity=name, activity_confidence=0.75)
        message.modalities, message.present, message.gm_fusion_weights = ["skeleton", "imu"], [True, False], [1.0, 0.0]
        message.header.stamp = ns_to_time(stamp_ns, TYPES)
        self.activity.publish(message)
        self.ros.wait(lambda: self.node._recognitions.get(body_id))

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.diagnoses += [status for status in message.status if status.name == "overlay: picture"]


@pytest.fixture
def rig(ros: Any) -> Rig:
    return Rig(ros)


@pytest.mark.parametrize("topic", ["", "my camera", "a//b"])
def test_a_name_that_no_topic_can_have_is_refused(ros: Any, capfd: pytest.CaptureFixture[str], topic: str) -> None:
    assert ros.add(Overlay, **{"image.topic": topic}).trigger_configure() == FAILURE
    assert "parameter image.topic is " in capfd.readouterr().err


def listened(rig: Rig, message_type: Any, topic: str) -> list[Any]:
    """What comes on a topic, once the node knows that somebody listens."""
    messages: list[Any] = rig.ros.collect(message_type, topic)
    rig.ros.wait(lambda: rig.node.count_subscribers(topic))
    return messages


WALK = Activity("walk", 0.75, {"skeleton": 1.0, "imu": None})


@pytest.mark.parametrize(
    ("body_id", "seen", "activities"),
    [
        ("abcde", ["abcde"], {"abcde": WALK}),
        ("fghij", ["abcde"], {}),
        ("", ["abcde"], {"": WALK}),
        ("", ["abcde", "fghij"], {"": WALK}),
        ("abcde", [], {}),
    ],
    ids=["of this person", "of another", "of the only one", "of one of two", "of nobody"],
)
def test_what_is_known_of_everybody_is_drawn_on_their_picture(
    rig: Rig, body_id: str, seen: list[str], activities: dict[str, Activity]
) -> None:
    pictures = listened(rig, Image, "overlay")
    rig.recognise(START_NS, body_id)
    people = [person(name) for name in seen]
    picture = rig.drawn(pictures, people)
    assert 0 <= time_to_ns(picture.header.stamp) - START_NS < 1_000_000_000
    assert picture.header.frame_id == FRAME
    np.testing.assert_array_equal(pixels(picture), draw(PICTURE, people, activities))


def test_an_activity_of_long_ago_is_not_drawn(rig: Rig) -> None:
    pictures = listened(rig, Image, "overlay")
    rig.recognise(START_NS - 3_000_000_000, "abcde")
    np.testing.assert_array_equal(pixels(rig.drawn(pictures, [person()])), draw(PICTURE, [person()], {}))


def test_without_people_the_bare_picture_is_shown_and_the_silence_named(rig: Rig) -> None:
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS, 100_000_000)
    rig.ros.wait(lambda: rig.show(next(stamps)) or pictures)
    np.testing.assert_array_equal(pixels(pictures[0]), PICTURE)

    def code() -> str | None:
        rig.show(next(stamps))
        said = [d for d in rig.diagnoses if "no message on /people" in d.message]
        assert not any("driver" in d.message for d in said)
        return said[-1].values[0].value if said else None

    rig.ros.wait(lambda: code() == "waiting")
    rig.show(next(stamps), [person()])
    rig.ros.wait(lambda: code() == "silent")
    assert "/test publishes it, but sends nothing: is it active (ros2 lifecycle get" in rig.diagnoses[-1].message


@pytest.mark.parametrize(
    ("spoilt", "stamp", "code", "text"),
    [
        ("image", lambda _: 0, "stamps", "its stamps are 0 s"),
        ("people", lambda _: 0, "stamps", "its stamps are 0 s"),
        ("image", lambda _: START_NS, "stamps", "its stamps stay at 1700000000.000 s"),
        ("people", lambda _: START_NS, "stamps", "its stamps stay at 1700000000.000 s"),
        ("image", lambda i: (2 * 10**9 + i * 7919 % 10**5) * 10**9, "clock", "its stamps are off the timeline"),
    ],
    ids=["no picture's", "nobody's", "the picture's stuck", "people's stuck", "the picture's garbage"],
)
def test_a_topic_without_usable_stamps_is_named_for_them(
    rig: Rig, spoilt: str, stamp: Callable[[int], int], code: str, text: str
) -> None:
    numbers = itertools.count(1)

    def named() -> DiagnosticStatus | None:
        return next((diagnosis for diagnosis in rig.diagnoses if diagnosis.values[0].value == code), None)

    def show() -> None:
        number = next(numbers)
        good_ns = START_NS + number * 100_000_000
        rig.show(stamp(number) if spoilt == "image" else good_ns)
        rig.show(stamp(number) if spoilt == "people" else good_ns, [person()], picture=None)

    diagnosis = rig.ros.wait(lambda: show() or named())
    assert f"/{spoilt}: {text}" in diagnosis.message
    assert diagnosis.level == DiagnosticStatus.WARN
    stamps = (START_NS + next(numbers) * 100_000_000 for _ in itertools.count())
    rig.ros.wait(lambda: rig.show(next(stamps), [person()]) or rig.diagnoses[-1].level == DiagnosticStatus.OK)


@pytest.mark.parametrize(("message_type", "topic"), [(Image, "image"), (PeopleMessage, "people")])
def test_two_publishers_of_one_topic_are_named_until_one_has_left(rig: Rig, message_type: Any, topic: str) -> None:
    stamps = itertools.count(START_NS, 100_000_000)

    def diagnosed(code: str) -> str:
        rig.diagnoses.clear()
        rig.ros.wait(lambda: rig.show(next(stamps), []) or any(d.values[0].value == code for d in rig.diagnoses))
        return str(rig.diagnoses[-1].message)

    diagnosed("")
    second = rig.ros.node.create_publisher(message_type, topic, 10)
    assert f"; 2 publishers send /{topic} (/test, /test)" in diagnosed("contested")
    rig.ros.node.destroy_publisher(second)
    diagnosed("")


def test_the_jpeg_shows_the_same(rig: Rig) -> None:
    pictures = listened(rig, CompressedImage, "overlay/compressed")
    shown = pixels(rig.drawn(pictures, [person()]))
    assert np.abs(shown.astype(int) - draw(PICTURE, [person()], {})).mean() < 4


def test_skeletons_are_markers_where_they_are_in_space(rig: Rig) -> None:
    arrays = listened(rig, MarkerArray, "people_markers")
    rig.recognise(START_NS, "abcde")
    nowhere = person("fghij")
    nowhere.joints[:] = np.nan
    stamps = itertools.count(START_NS, 1_000_000)
    rig.ros.wait(lambda: rig.show(next(stamps), [person(), nowhere]) or arrays)
    markers = {marker.type: marker for marker in arrays[0].markers}
    assert {marker.ns for marker in arrays[0].markers} == {"abcde"}
    assert {marker.header.frame_id for marker in arrays[0].markers} == {FRAME}
    points = {(p.x, p.y, p.z) for p in markers[Marker.SPHERE_LIST].points}
    elbow = tuple(float(value) for value in person().joints[JOINTS.index("left_elbow")[0]])
    assert elbow in points
    assert {(p.x, p.y, p.z) for p in markers[Marker.LINE_LIST].points} == points
    assert len(markers[Marker.LINE_LIST].colors) == len(markers[Marker.LINE_LIST].points)
    text = markers[Marker.TEXT_VIEW_FACING]
    assert text.text == "walk 75%\nabcde"
    assert text.pose.position.y < min(y for _, y, _ in points), "above the head, and y points down"


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda message: setattr(message.people[0], "body_id", ""), "body_id is ''"),
        (lambda message: setattr(message.people[0], "visibility", [1.0] * 32), "32 in visibility"),
        (lambda message: setattr(message, "layout", "coco17"), "has 33 joints; coco17 has 17"),
    ],
    ids=["no id", "too few numbers", "another layout"],
)
def test_a_person_that_cannot_be_meant_is_left_out_and_named(
    rig: Rig, spoil: Callable[[PeopleMessage], None], text: str
) -> None:
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS, 100_000_000)

    def show() -> None:
        stamp_ns = next(stamps)
        message = people_to_message(stamp_ns, FRAME, 320, 240, "blazepose33", [person()], TYPES)
        spoil(message)
        rig.people.publish(message)
        rig.show(stamp_ns)

    rig.ros.wait(lambda: show() or any(text in diagnosis.message for diagnosis in rig.diagnoses))
    for picture in pictures:
        np.testing.assert_array_equal(pixels(picture), PICTURE)


def test_a_person_that_was_skipped_is_not_named_for_ever(rig: Rig) -> None:
    """A report is about what has come since the last one."""
    listened(rig, Image, "overlay")
    stamps = itertools.count(START_NS, 100_000_000)
    rig.ros.wait(lambda: rig.show(next(stamps), [person("")]) or rig.node._skipped)

    def show() -> None:
        rig.show(next(stamps), [person()])

    rig.ros.wait(lambda: show() or any("people skipped" in diagnosis.message for diagnosis in rig.diagnoses))
    rig.ros.wait(lambda: show() or rig.diagnoses[-1].level == DiagnosticStatus.OK)


def test_a_layout_that_nobody_knows_is_named_and_does_not_end_the_node(rig: Rig) -> None:
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS - 1_000_000_000, 100_000)

    def show() -> None:
        stamp_ns = next(stamps)
        rig.people.publish(people_to_message(stamp_ns, FRAME, 320, 240, "octopus", [person()], TYPES))
        rig.show(stamp_ns)

    rig.ros.wait(lambda: show() or any("octopus" in diagnosis.message for diagnosis in rig.diagnoses))
    np.testing.assert_array_equal(pixels(rig.drawn(pictures, [person()])), draw(PICTURE, [person()], {}))


def test_pictures_that_cannot_be_read_are_named_until_they_can_be(rig: Rig) -> None:
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS, 100_000_000)

    def show() -> None:
        stamp_ns = next(stamps)
        picture = array_to_image(PICTURE, stamp_ns, FRAME, TYPES)
        picture.encoding = "8UC3"
        rig.image.publish(picture)
        rig.people.publish(people_to_message(stamp_ns, FRAME, 320, 240, "blazepose33", [], TYPES))

    def named() -> DiagnosticStatus | None:
        return next((diagnosis for diagnosis in rig.diagnoses if diagnosis.values[0].value == "unreadable"), None)

    diagnosis = rig.ros.wait(lambda: show() or named())
    assert "pictures skipped, the last one: encoding '8UC3'" in diagnosis.message
    assert not pictures
    rig.ros.wait(lambda: rig.show(next(stamps), []) or rig.diagnoses[-1].level == DiagnosticStatus.OK)
    rig.ros.wait(lambda: pictures)


@pytest.mark.serial
def test_people_are_drawn_on_their_pictures_also_if_finding_them_takes_a_second(rig: Rig) -> None:
    pictures = listened(rig, Image, "overlay")

    def with_people() -> list[Any]:
        return [picture for picture in pictures if np.ptp(pixels(picture)) > 10]

    rig.ros.wait(lambda: rig.play(1.0) or len(with_people()) > 5)
    newest_ns = START_NS + rig._number * 33_000_000
    assert newest_ns - time_to_ns(with_people()[0].header.stamp) > 900_000_000
    rig.ros.wait(lambda: rig.play(1.0) or any(diagnosis.level == DiagnosticStatus.OK for diagnosis in rig.diagnoses))
    assert not any(diagnosis.values[0].value == "unpaired" for diagnosis in rig.diagnoses)


def test_people_whose_pictures_are_gone_are_named_with_their_delay_and_not_counted_as_drawn(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.overlay.MAX_BYTES", 10 * PICTURE.nbytes)
    listened(rig, Image, "overlay")

    def named() -> DiagnosticStatus | None:
        return next((diagnosis for diagnosis in rig.diagnoses if diagnosis.values[0].value == "unpaired"), None)

    diagnosis = rig.ros.wait(lambda: rig.play(1.0) or named())
    delay = re.match(
        r"messages on /people are (\S+) s behind the newest picture, and theirs are gone", diagnosis.message
    )
    assert delay
    assert float(delay[1]) >= 0.9
    assert rig.node._pictures._bytes <= 10 * PICTURE.nbytes
    assert rig.node._pictures._bytes == sum(kept.size for _, kept in rig.node._pictures._kept.values())
    drawn, reported = rig.node._drawn, len(rig.diagnoses)
    rig.ros.wait(lambda: rig.play(1.0) or len(rig.diagnoses) > reported + 1)
    assert rig.node._drawn == drawn
    rig.ros.wait(lambda: rig.play(0.0) or rig.diagnoses[-1].level == DiagnosticStatus.OK)


@pytest.mark.parametrize(("delay_s", "side"), [(300.0, "behind"), (15.0, "behind"), (-300.0, "ahead of")])
def test_people_of_another_clock_than_the_pictures_are_told_from_slow_ones(rig: Rig, delay_s: float, side: str) -> None:
    listened(rig, Image, "overlay")

    def named() -> DiagnosticStatus | None:
        return next((diagnosis for diagnosis in rig.diagnoses if "another clock" in diagnosis.message), None)

    rig.ros.wait(lambda: rig.show(START_NS) or rig.node._pictures.newest_ns)
    diagnosis = rig.ros.wait(lambda: rig.play(delay_s) or named())
    assert diagnosis.values[0].value == "clock"
    said = re.match(rf"messages on /people are (\S+) s {side} the newest picture, which is no delay", diagnosis.message)
    assert said
    assert float(said[1]) == pytest.approx(abs(delay_s), abs=5.0)
    assert "rate_hz" not in diagnosis.message


def test_pictures_do_not_stay_when_their_people_are_known(rig: Rig) -> None:
    listened(rig, Image, "overlay")
    rig.ros.wait(lambda: rig.play(0.0) or rig.node._drawn > 10)
    assert len(rig.node._pictures._kept) < 5


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_people_are_drawn_where_they_are_also_on_a_picture_of_another_size(rig: Rig, scale: float) -> None:
    """Such as a smaller copy of the camera's topic."""
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS, 100_000)
    picture = np.full((round(240 * scale), round(320 * scale), 3), 100, np.uint8)
    there = replace(
        person(), keypoints=person().keypoints * np.float32(scale), roi=tuple(side * scale for side in person().roi)
    )
    expected = draw(picture, [there], {})
    rig.ros.wait(
        lambda: rig.show(next(stamps), [person()], picture) or any(np.ptp(pixels(shown)) > 10 for shown in pictures)
    )
    np.testing.assert_array_equal(pixels(next(shown for shown in pictures if np.ptp(pixels(shown)) > 10)), expected)


def test_people_of_a_picture_of_another_aspect_are_not_drawn_and_named(rig: Rig) -> None:
    pictures, stamps = listened(rig, Image, "overlay"), itertools.count(START_NS, 100_000)
    wide = np.full((180, 320, 3), 100, np.uint8)

    def named() -> bool:
        return any("of a picture of 320×240, and image has 320×180" in diagnosis.message for diagnosis in rig.diagnoses)

    rig.ros.wait(lambda: rig.show(next(stamps), [person()], wide) or (pictures and named()))
    assert all(np.ptp(pixels(shown)) == 0 for shown in pictures)


def test_an_activity_is_known_also_after_time_has_jumped_back(rig: Rig) -> None:
    """As when a bag begins again: who was seen last before has a stamp in the future."""
    rig.recognise(START_NS + 60_000_000_000, "fghij")
    rig.recognise(START_NS, "abcde")
    reported = len(rig.diagnoses)
    rig.ros.wait(lambda: len(rig.diagnoses) > reported + 1)
    assert rig.node._activities(START_NS) == {"abcde": WALK}


def test_activities_that_came_long_ago_are_deleted(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.recognise(START_NS, "abcde")
    rig.ros.wait(lambda: rig.diagnoses)
    assert rig.node._recognitions
    monkeypatch.setattr("mumu_ros.nodes.overlay.FORGET_S", 0.0)
    rig.ros.wait(lambda: not rig.node._recognitions)
