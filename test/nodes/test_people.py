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

"""The people node over real DDS, before cameras that work and cameras that do not."""

from __future__ import annotations

import itertools
import math
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mumu_ros.conversions import RosTypes, array_to_image, message_to_people, ns_to_time, time_to_ns
from mumu_ros.fault_codes import FaultCode
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes.people import People
from mumu_ros.nodes.transforms import is_optical
from mumu_ros.people import Person
from mumu_ros.skeletons import layout

from ..conftest import ScriptedFinder

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
TYPES = RosTypes()
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
FRAME = "camera_color_optical_frame"
SIZE = (96, 128)
JOINTS = layout("blazepose33")
needs_tf2 = pytest.mark.skipif(find_spec("tf2_ros") is None, reason="tf2_ros is not installed")
OK, WARN, ERROR = (getattr(DiagnosticStatus, name) for name in ("OK", "WARN", "ERROR"))


def person(body_id: str = "abcde", head_y: float = 20.0, feet_y: float = 90.0, **fields: Any) -> Person:
    keypoints = np.zeros((33, 2), np.float32)
    keypoints[:, 0] = 64
    keypoints[:, 1] = np.linspace(head_y, feet_y, 33)
    values = {
        "confidence": 0.9,
        "roi": (54.0, 20.0, 20.0, 70.0),
        "keypoints": keypoints,
        "joints": np.ones((33, 3), np.float32),
        "visibility": np.ones(33, np.float32),
        "position_source": "perspective",
        **fields,
    }
    return Person(body_id=body_id, **values)


class Rig:
    """A people node and a camera before it."""

    def __init__(self, ros: Any, **parameters: Any) -> None:
        self.ros = ros
        self.node = ros.add(
            People, **{"image.topic": "image", "camera_info.topic": "info", "rate_hz": 100.0, **parameters}
        )
        self.people = ros.collect(PeopleMessage, "people")
        self.diagnostics: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        image_type = CompressedImage if "Compressed" in parameters.get("image.type", "") else Image
        self.image = ros.node.create_publisher(image_type, "image", 10)
        self.depth = ros.node.create_publisher(Image, "depth", 10)
        self.info = ros.node.create_publisher(CameraInfo, "info", 10)
        self.heard = [self.image, self.info, *([self.depth] if parameters.get("depth.topic") == "depth" else [])]
        self.number = 0
        self.offset_ns = 0

    def start(self) -> Rig:
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        self.ros.wait(lambda: all(publisher.get_subscription_count() for publisher in self.heard))
        return self

    def show(
        self, picture: NDArray[Any] | None = None, depth: NDArray[Any] | None = None, depth_frame: str = FRAME
    ) -> int:
        """Publish the next picture, by default one of noise, and return its stamp."""
        self.number += 1
        stamp_ns = START_NS + self.number * PERIOD_NS + self.offset_ns
        noise = np.random.default_rng(self.number).integers(0, 255, (*SIZE, 3), np.uint8)
        self.image.publish(array_to_image(noise if picture is None else picture, stamp_ns, FRAME, TYPES))
        if depth is not None:
            self.depth.publish(array_to_image(depth, stamp_ns, depth_frame, TYPES))
        return stamp_ns

    def answer(self) -> PeopleMessage:
        """Publish the next picture and return the people found in it."""
        stamp_ns = self.show()
        return self.ros.wait(lambda: next((m for m in self.people if time_to_ns(m.header.stamp) == stamp_ns), None))

    def say(
        self,
        name: str,
        condition: Callable[[Any], bool],
        show: Callable[[], Any] | None = None,
        timeout_s: float = 20.0,
    ) -> str:
        """Go on showing pictures until the diagnosis is of this kind, and return its text."""

        def diagnosed() -> bool:
            (show or self.show)()
            self.node.publish_diagnostics()
            for _ in range(4):  # picture, depth, diagnostics, timer: else queues overflow, and pairs are torn apart
                self.ros.executor.spin_once(timeout_sec=0.01)
            return name in self.diagnostics and condition(self.diagnostics[name])

        self.ros.wait(diagnosed, timeout_s)
        return str(self.diagnostics[name].message)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.diagnostics.update({status.name.removeprefix("people: "): status for status in message.status})


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> ScriptedFinder:
    scripted = ScriptedFinder()
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PeopleFinder", lambda *_: scripted)
    return scripted


@pytest.fixture
def rig(ros: Any) -> Callable[..., Rig]:
    return lambda **parameters: Rig(ros, **parameters)


def camera_info(
    width: int = 128, height: int = 96, frame_id: str = FRAME, focal: float = 100.0, d: tuple[float, ...] = (0.0,) * 5
) -> CameraInfo:
    message = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=d)
    message.header.frame_id = frame_id
    message.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    return message


def is_ok(status: Any) -> bool:
    return bool(status.level == OK)


def is_warning(status: Any) -> bool:
    return bool(status.level == WARN)


def test_a_picture_goes_in_and_everybody_in_view_comes_out(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people = [person("abcde"), person("fghij", confidence=0.4), person("klmno")]
    r = rig(min_confidence=0.5).start()
    picture = np.arange(96 * 128 * 3, dtype=np.uint8).reshape(96, 128, 3)
    stamp_ns = r.show(picture)
    r.ros.wait(lambda: r.people)
    message = r.people[0]
    assert (time_to_ns(message.header.stamp), message.header.frame_id) == (stamp_ns, FRAME)
    assert (message.width, message.height, message.layout) == (128, 96, "blazepose33")
    found = message_to_people(message)
    assert [p.body_id for p in found] == ["abcde", "klmno"]
    np.testing.assert_array_equal(found[0].keypoints, finder.people[0].keypoints)
    np.testing.assert_array_equal(finder.calls[0]["rgb"], picture)


def test_pictures_are_looked_at_at_the_rate_that_is_asked_for(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig(rate_hz=2.0).start()
    for number in range(30):
        r.show()
        r.ros.executor.spin_once(timeout_sec=0.02)
        due = math.ceil(number / 5)  # a slow computer would drop some
        r.ros.wait(lambda due=due: len(finder.calls) >= due)
    r.ros.wait(lambda: len(finder.calls) >= 5)
    steps = np.diff([call["stamp_ns"] for call in finder.calls])
    assert (np.abs(steps - 5 * PERIOD_NS) <= PERIOD_NS).all()


def test_an_empty_view_is_published_and_in_the_diagnostics(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    assert r.say("people", is_ok) == "nobody in view"
    r.ros.wait(lambda: r.people)
    assert not any(message.people for message in r.people)


def test_without_a_camera_info_distances_are_nominal(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    text = r.say("camera", lambda status: "no CameraInfo" in status.message)
    assert "no CameraInfo on /info yet; /test publishes it with the right type and QoS" in text
    assert text.endswith("distances are nominal, for a lens of 58°")
    assert all(call["camera"] is None for call in finder.calls)


def test_a_camera_info_that_is_missing_is_logged_once(
    rig: Callable[..., Rig],
    finder: ScriptedFinder,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.camera_source.PATIENCE_S", 0.2)
    monkeypatch.setattr("mumu_ros.nodes.managed.LOG_PERIOD_S", 0.0)
    r = rig().start()
    end = time.monotonic() + 1.0
    r.say("camera", lambda status: "no CameraInfo" in status.message and time.monotonic() > end)
    assert capfd.readouterr().err.count("camera: no CameraInfo on /info yet; /test publishes it") == 1


def test_a_camera_info_that_fits_is_used(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    r.info.publish(camera_info(focal=111.0))
    r.say("camera", is_ok)
    assert finder.calls[-1]["camera"].fx == 111.0


def test_a_camera_info_that_was_sent_once_and_latched_is_used(
    rig: Callable[..., Rig], finder: ScriptedFinder, capfd: pytest.CaptureFixture[str]
) -> None:
    r = rig(**{"camera_info.topic": "latched"})
    latched = DurabilityPolicy.TRANSIENT_LOCAL
    publisher = r.ros.node.create_publisher(CameraInfo, "latched", QoSProfile(depth=1, durability=latched))
    publisher.publish(camera_info(focal=111.0))
    r.heard = [r.image]
    r.start()
    r.say("camera", is_ok)
    assert finder.calls[-1]["camera"].fx == 111.0
    assert "incompatible QoS" not in capfd.readouterr().err


def test_no_driver_is_asked_for_a_latched_camera_info_that_it_does_not_offer(
    rig: Callable[..., Rig], finder: ScriptedFinder, capfd: pytest.CaptureFixture[str]
) -> None:
    r = rig().start()
    r.say("camera", lambda status: "no CameraInfo on /info yet" in status.message)
    assert r.info.get_subscription_count() == 1
    assert "incompatible QoS" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (camera_info(640, 360), "the camera matrix is for 640×360, the picture has 128×96"),
        (camera_info(focal=0.0), "not calibrated"),
        (camera_info(frame_id="camera_depth_optical_frame"), "is of frame 'camera_depth_optical_frame'"),
        (camera_info(d=(0.1,) * 6), "6 distortion coefficients"),
    ],
    ids=["aspect", "uncalibrated", "frame", "distortion"],
)
def test_a_camera_info_that_does_not_fit_is_not_used(
    rig: Callable[..., Rig], finder: ScriptedFinder, info: CameraInfo, text: str
) -> None:
    r = rig().start()
    r.info.publish(info)
    said = r.say("camera", lambda status: text in status.message)
    assert "distances are nominal" in said
    assert finder.calls[-1]["camera"] is None


def test_registered_depth_is_used_also_at_another_resolution(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    depth = np.full((48, 64), 2000, np.uint16)
    r.say("depth", is_ok, lambda: r.show(depth=depth))
    r.ros.wait(lambda: any(call["depth"] is not None for call in finder.calls))
    used = next(call["depth"] for call in finder.calls if call["depth"] is not None)
    np.testing.assert_array_equal(used, depth)


@pytest.mark.parametrize(
    ("shape", "frame_id", "text"),
    [
        ((72, 128), FRAME, "depth has 128×72 pixels, the picture 128×96"),
        ((96, 128), "camera_depth_optical_frame", "depth is in frame 'camera_depth_optical_frame'"),
    ],
    ids=["aspect", "frame"],
)
def test_depth_that_is_not_registered_is_not_used(
    rig: Callable[..., Rig], finder: ScriptedFinder, shape: tuple[int, int], frame_id: str, text: str
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    said = r.say("depth", is_warning, lambda: r.show(depth=np.full(shape, 2000, np.uint16), depth_frame=frame_id))
    assert text in said
    assert said.endswith("depth is not used")
    assert all(call["depth"] is None for call in finder.calls)


def test_depth_in_another_unit_is_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people = [person(position_source="perspective")]
    r = rig(**{"depth.topic": "depth"}).start()
    text = r.say("depth", is_warning, lambda: r.show(depth=np.full(SIZE, 2013, np.float32)))
    assert "depth is 2013 m in the median: is it in millimetres?" in text
    assert r.diagnostics["depth"].values[0].value == "implausible"


def test_depth_without_a_frame_id_is_used(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    r.say("depth", is_ok, lambda: r.show(depth=np.full(SIZE, 2000, np.uint16), depth_frame=""))
    r.ros.wait(lambda: any(call["depth"] is not None for call in finder.calls))


def test_depth_without_readings_where_people_are_is_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people = [person(position_source="perspective")]
    r = rig(**{"depth.topic": "depth"}).start()
    text = r.say("depth", is_warning, lambda: r.show(depth=np.zeros(SIZE, np.uint16)))
    assert "is depth registered to it?" in text


@pytest.mark.parametrize(("every", "phase"), [(2, 0), (2, 1), (3, 1), (6, 0), (6, 5)])
def test_a_depth_camera_slower_than_colour_is_used_in_every_phase(
    rig: Callable[..., Rig], finder: ScriptedFinder, every: int, phase: int
) -> None:
    """The pictures come at twice `rate_hz`, as 30 Hz at 15; when depth stops they go on without it."""
    r = rig(**{"depth.topic": "depth", "rate_hz": 5.0}).start()
    depth = np.full(SIZE, 2000, np.uint16)

    def received() -> int:
        return int(r.node._source._synchronizer.statistics()["image"].received)

    def show(count: int, *, with_depth: bool) -> None:
        finder.calls.clear()
        for _ in range(count):
            before = received()
            r.show(depth=depth if with_depth and r.number % every == phase else None)
            r.ros.wait(lambda before=before: received() > before and not r.node._source._worker._jobs)

    def looked_at(with_depth: bool) -> int:
        return sum((call["depth"] is not None) == with_depth for call in finder.calls)

    show(12, with_depth=True)
    show(60, with_depth=True)
    r.ros.wait(lambda: looked_at(True) >= 0.9 * 60 / every)
    assert looked_at(False) <= (0 if every <= 3 else 12)
    assert len(finder.calls) <= 32
    r.say("depth", lambda status: "silent" in status.message)
    show(20, with_depth=False)
    r.ros.wait(lambda: looked_at(False) >= 9)


def test_depth_half_a_period_off_the_pictures_is_named_until_they_come_together(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    depth = np.full(SIZE, 2000, np.uint16)

    def show_apart() -> None:
        r.depth.publish(array_to_image(depth, r.show() + PERIOD_NS // 2, FRAME, TYPES))

    text = r.say("depth", is_warning, show_apart)
    assert r.diagnostics["depth"].values[0].value == "unpaired"
    assert "came too late, stamps of others differ by more than 20 ms; let the driver synchronise" in text
    assert all(call["depth"] is None for call in finder.calls)
    r.say("depth", is_ok, lambda: r.show(depth=depth))


@pytest.mark.parametrize("by_s", [-300, 300])
def test_people_are_found_when_the_clock_of_the_pictures_is_set_and_that_of_depth_is_not(
    rig: Callable[..., Rig], finder: ScriptedFinder, by_s: int
) -> None:
    finder.people = [person()]
    r = rig(**{"depth.topic": "depth"}).start()
    offset_ns = 0

    def show() -> None:
        depth = array_to_image(np.full(SIZE, 2000, np.uint16), r.show() - offset_ns, FRAME, TYPES)
        r.depth.publish(depth)

    r.say("depth", is_ok, show)
    r.ros.wait(lambda: r.people)
    r.offset_ns = offset_ns = by_s * 10**9
    r.say("depth", is_warning, show)
    r.say("image", lambda _: abs(time_to_ns(r.people[-1].header.stamp) - START_NS - offset_ns) < 10**11, show)


def test_depth_that_comes_later_than_pictures_wait_for_it_is_named(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    depth = np.full(SIZE, 2000, np.uint16)

    def show_late() -> None:
        stamp_ns = r.show()
        r.ros.wait(lambda: finder.calls and finder.calls[-1]["stamp_ns"] == stamp_ns)
        r.depth.publish(array_to_image(depth, stamp_ns, FRAME, TYPES))

    r.say("depth", is_warning, show_late)
    assert r.diagnostics["depth"].values[0].value == "unpaired"
    values = {
        value.key: int(value.value) for value in r.diagnostics["depth"].values if value.key in ("late", "received")
    }
    assert 0 < values["late"] <= values["received"]


class LateColour:
    """Depth at 90 Hz, and colour at 30 Hz that comes `late` colour pictures later than depth of the same stamps."""

    def __init__(self, r: Rig, late: int) -> None:
        self.r = r
        self.depth = np.full(SIZE, 2000, np.uint16)
        self.late, self.number = late, 0
        for _ in range(late):
            self.show()

    def show(self) -> None:
        for third in range(3):
            stamp_ns = START_NS + (3 * self.number + third) * 10**9 // 90
            self.r.depth.publish(array_to_image(self.depth, stamp_ns, FRAME, TYPES))
        if (shown := self.number - self.late) >= 0:
            noise = np.random.default_rng(shown).integers(0, 255, (*SIZE, 3), np.uint8)
            self.r.image.publish(array_to_image(noise, START_NS + 3 * shown * 10**9 // 90, FRAME, TYPES))
        self.number += 1
        received = self.r.node._source._synchronizer.statistics
        self.r.ros.wait(lambda: received()["depth"].received >= 3 * self.number)
        self.r.ros.wait(lambda: received()["image"].received >= self.number - self.late)


def test_depth_is_kept_until_its_colour_picture_comes(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig(**{"depth.topic": "depth", "depth.reliability": "reliable", "image.reliability": "reliable"}).start()
    camera = LateColour(r, 4)
    r.ros.wait(lambda: camera.show() or len(finder.calls) >= 10)
    assert all(call["depth"] is not None for call in finder.calls)


def test_depth_that_is_dropped_before_its_colour_picture_comes_is_named(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r = rig(**{"depth.topic": "depth", "depth.reliability": "reliable", "image.reliability": "reliable"}).start()
    text = r.say("depth", is_warning, LateColour(r, 60).show)
    assert re.search(r"0 of \d+ came too late, [1-9]\d* were dropped before their colour pictures came, stamps", text)


def test_of_large_pictures_fewer_wait(
    rig: Callable[..., Rig], finder: ScriptedFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    depth = np.full(SIZE, 2000, np.uint16)
    monkeypatch.setattr("mumu_ros.nodes.camera_source.MAX_BYTES", round(6.5 * depth.nbytes))
    r = rig(**{"depth.topic": "depth"}).start()
    r.ros.wait(lambda: r.show(depth=depth) and finder.calls and finder.calls[-1]["depth"] is not None)
    limits = [queue.limit for queue in r.node._source._synchronizer._synchronizer._streams]
    assert limits == [5, 6]


def test_a_depth_sensor_that_is_silent_is_named_and_not_waited_for(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    assert "no message on /depth yet" in r.say("depth", lambda status: status.level == ERROR)
    r.ros.wait(lambda: r.people)


def test_a_camera_that_is_silent_is_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    r.say("image", is_ok)
    assert "silent for" in r.say("image", lambda status: status.level == ERROR, lambda: None)


def test_a_camera_that_comes_back_is_not_accused_of_its_clock(
    rig: Callable[..., Rig], finder: ScriptedFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.endpoints._COMPARED_S", 20.0)  # of a slow computer
    r = rig().start()
    r.say("image", is_ok)
    r.say("image", lambda status: status.level == ERROR, lambda: None)
    r.offset_ns = 3 * 10**9
    codes: list[str] = []
    r.say("image", lambda status: codes.append(status.values[0].value) or is_ok(status))
    assert set(codes) == {"silent", "waiting", ""}


def test_two_publishers_of_one_topic_are_named_until_one_has_left(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    depth = np.full(SIZE, 2000, np.uint16)
    r.info.publish(camera_info())
    for name, message_type, topic in (
        ("image", Image, "image"),
        ("depth", Image, "depth"),
        ("camera", CameraInfo, "info"),
    ):
        r.say(name, is_ok, lambda: r.show(depth=depth))
        second = r.ros.node.create_publisher(message_type, topic, 10)
        text = r.say(name, is_warning, lambda: r.show(depth=depth))
        assert f"; 2 publishers send /{topic} (/test, /test), such as a driver started twice" in text
        assert r.diagnostics[name].values[0].value == "contested"
        r.ros.node.destroy_publisher(second)
        r.say(name, is_ok, lambda: r.show(depth=depth))


BAD_STAMPS = {
    "zero": (lambda _: 0, "stamps", "its stamps are 0 s: the driver does not set them; no message is used"),
    "stuck": (lambda _: START_NS, "stamps", "its stamps stay at 1700000000.000 s: the driver repeats them"),
    "garbage": (lambda i: (2 * 10**9 + i * 7919 % 10**5) * 10**9, "clock", "its stamps are off the timeline of the m"),
}
"""Stamps by the number of the message, and how the topic is named."""


@pytest.mark.parametrize("spoilt", ["image", "depth"])
@pytest.mark.parametrize(("stamp", "code", "text"), BAD_STAMPS.values(), ids=BAD_STAMPS)
def test_a_driver_that_sets_no_usable_stamps_is_named_for_them(
    rig: Callable[..., Rig], finder: ScriptedFinder, spoilt: str, stamp: Callable[[int], int], code: str, text: str
) -> None:
    r = rig(**{"depth.topic": "depth"}).start()
    depth, numbers = np.full(SIZE, 2000, np.uint16), itertools.count(1)

    def show() -> None:
        if spoilt == "image":
            r.image.publish(array_to_image(np.zeros((*SIZE, 3), np.uint8), stamp(next(numbers)), FRAME, TYPES))
        else:
            r.show()
            r.depth.publish(array_to_image(depth, stamp(next(numbers)), FRAME, TYPES))

    said = r.say(spoilt, lambda status: status.values[0].value == code, show)
    assert said.startswith(text)
    r.say(spoilt, is_ok, lambda: r.show(depth=depth))


def test_a_picture_that_freezes_is_named_and_nobody_is_published(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    finder.people = [person()]
    r = rig().start()
    still = np.full((*SIZE, 3), 7, np.uint8)
    frozen = "the picture has been the same for"
    r.say("image", lambda status: frozen in status.message, lambda: r.show(still))
    published = len(r.people)
    for _ in range(5):
        r.say("image", lambda status: frozen in status.message, lambda: r.show(still))
    assert len(r.people) == published
    r.say("image", is_ok)
    r.ros.wait(lambda: len(r.people) > published)


def test_a_picture_that_is_almost_black_is_named_unless_somebody_is_found(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    r, rng = rig().start(), np.random.default_rng(0)

    def show() -> None:
        """Ten bits as sixteen."""
        message = array_to_image(rng.integers(0, 1024, SIZE, np.uint16), START_NS + next(numbers), FRAME, TYPES)
        message.encoding = "mono16"
        r.image.publish(message)

    numbers = itertools.count(0, PERIOD_NS)
    text = r.say("people", is_warning, show)
    assert text.startswith("the picture is almost black, nothing in it is brighter than 4 of 255: is it dark there")
    assert r.diagnostics["people"].values[0].value == "dark"
    finder.people = [person()]
    r.say("people", lambda status: is_ok(status) and status.message == "1 in view", show)
    black = np.zeros((*SIZE, 3), np.uint8)
    frozen = r.say(
        "image",
        lambda status: "frozen" in status.message,
        lambda: r.image.publish(array_to_image(black, START_NS + next(numbers), FRAME, TYPES)),
    )
    assert "; the picture is almost black, nothing in it is brighter than 0 of 255" in frozen
    finder.people = []
    r.number = next(numbers) // PERIOD_NS
    assert r.say("people", is_ok) == "nobody in view"


def test_a_camera_upside_down_is_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people = [person(head_y=90.0, feet_y=20.0)]
    r = rig().start()
    assert "everybody has been upside down" in r.say("people", is_warning)
    finder.people = [person(head_y=90.0, feet_y=20.0), person("fghij")]
    assert r.say("people", is_ok) == "2 in view"


@pytest.mark.parametrize(
    ("what", "text"), [("sees_part", "somebody is partly in view"), ("sees_picture", "as on a poster or a screen")]
)
def test_people_seen_partly_or_flat_are_in_the_diagnostics(
    rig: Callable[..., Rig], finder: ScriptedFinder, what: str, text: str
) -> None:
    setattr(finder, what, True)
    r = rig().start()
    assert text in r.say("people", is_ok)
    finder.people = [person()]
    r.say("people", lambda status: status.message == "1 in view")


def test_people_in_view_without_joints_are_in_the_diagnostics(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people = [person(), person("fghij", joints=np.full((33, 3), np.nan, np.float32))]
    said = rig().start().say("people", lambda status: is_ok(status) and "without joints" in status.message)
    assert said.startswith("2 in view, 1 without joints, because too little of the body is seen: ")


def test_people_whom_depth_makes_tiny_are_named_with_its_unit(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.tiny_size = 0.5
    r = rig().start()
    assert "would be 0.50 of a person's size by depth" in r.say("people", is_warning)
    finder.people = [person()]
    r.say("people", lambda status: is_ok(status) and status.message == "1 in view")


def test_people_beyond_max_people_are_counted(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.people, finder.left_out = [person()], 14
    r = rig(max_people=6).start()
    assert r.say("people", is_warning) == "14 more are in view and left out: max_people is 6"


def test_a_processor_that_is_too_slow_is_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    finder.seconds = 0.2
    r = rig().start()
    text = r.say("image", lambda status: "dropped" in status.message)
    assert "lower rate_hz (now 100)" in text


def test_a_processor_that_was_busy_with_something_else_for_once_is_not_too_slow(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    busy, free = threading.Event(), threading.Event()

    def views() -> Iterator[list[Person]]:
        yield []
        busy.set()
        free.wait(30)
        while True:
            yield []

    finder.views = views()
    r = rig(rate_hz=10.0).start()
    source = r.node._source
    said, judge = [], source._picture_problem
    source._picture_problem = lambda: said.append(judge()) or said[-1]
    r.answer()
    for received in range(2, 18):
        r.show()
        r.ros.wait(lambda received=received: source._synchronizer.statistics()["image"].received == received)
        if received == 2:
            r.ros.wait(busy.is_set)
        if received == 5:
            r.ros.wait(lambda: source._worker.dropped == 2)
            free.set()
        r.ros.wait(lambda received=received: received < 5 or len(finder.calls) == received - 2)
    assert source._worker.dropped == 2
    assert source._picture_problem() is None
    assert not any(problem and problem[0] is FaultCode.TOO_SLOW for problem in said)


@pytest.mark.parametrize("by_s", [-20, 20], ids=["back", "pause"])
def test_no_picture_is_lost_after_a_jump_back_or_a_pause_and_the_processor_is_not_blamed(
    rig: Callable[..., Rig], finder: ScriptedFinder, by_s: int
) -> None:
    """The first half second is held back until the jump is sure, and comes at once."""
    r = rig().start()
    source = r.node._source
    r.answer()
    finder.seconds = 0.05
    r.offset_ns = by_s * 10**9
    shown = []
    for received in range(2, 12):
        shown.append(r.show())
        r.ros.wait(lambda received=received: source._synchronizer.statistics()["image"].received == received)
        r.ros.wait(lambda: len(finder.calls) == 1 or not source._worker._jobs)
    r.ros.wait(lambda: len(finder.calls) >= 11)
    assert [call["stamp_ns"] for call in finder.calls[1:]] == shown
    assert source._worker.dropped == 0
    assert source._picture_problem() is None


def test_a_picture_that_cannot_be_read_is_skipped_and_named(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    broken = array_to_image(np.zeros((*SIZE, 3), np.uint8), START_NS, FRAME, TYPES)
    broken.encoding = "8UC3"

    def show() -> None:
        r.show()
        broken.header.stamp = ns_to_time(START_NS + r.number * PERIOD_NS + PERIOD_NS // 2, TYPES)
        r.image.publish(broken)

    assert "encoding '8UC3'" in r.say("image", lambda status: "skipped" in status.message, show)
    r.people.clear()
    r.ros.wait(lambda: r.show() and r.people)
    assert "Hz" in r.say("image", is_ok), "reported until the next report"


@pytest.mark.parametrize(
    ("what", "code", "text"),
    [("network", "exception", "RuntimeError: device lost"), ("picture", "unreadable", "encoding '8UC3'")],
)
def test_nobody_is_said_to_be_in_view_while_no_picture_can_be_processed(
    rig: Callable[..., Rig], finder: ScriptedFinder, what: str, code: str, text: str
) -> None:
    finder.people = [person()]
    r = rig().start()
    r.ros.provokes_errors = True
    r.say("people", lambda status: is_ok(status) and status.message == "1 in view")
    broken = array_to_image(np.zeros((*SIZE, 3), np.uint8), START_NS, FRAME, TYPES)
    broken.encoding = "8UC3"

    def show_broken() -> None:
        r.number += 1
        broken.header.stamp = ns_to_time(START_NS + r.number * PERIOD_NS, TYPES)
        r.image.publish(broken)

    if what == "network":
        finder.error = RuntimeError("device lost")
    said = r.say("people", is_warning, None if what == "network" else show_broken)
    assert said.startswith("none of the pictures of the last 2 s could be processed: ")
    assert text in said
    assert [value.value for value in r.diagnostics["people"].values] == [code, "0"]
    finder.error = None
    r.say("people", lambda status: is_ok(status) and status.message == "1 in view")


def test_pictures_that_fail_are_not_taken_for_a_slow_processor(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig().start()
    r.ros.provokes_errors = True
    r.say("people", is_ok)
    finder.error = RuntimeError("device lost")
    r.say("people", is_warning)  # after twenty pictures or more
    source = r.node._source
    source._reported = (source._worker.dropped - 1, 0)
    assert source._picture_problem() is None


def test_compressed_pictures_are_read(rig: Callable[..., Rig], finder: ScriptedFinder) -> None:
    r = rig(**{"image.type": "sensor_msgs/msg/CompressedImage"}).start()
    message = CompressedImage(format="png", data=cv2.imencode(".png", np.full((*SIZE, 3), 90, np.uint8))[1].tobytes())
    message.header.stamp = ns_to_time(START_NS, TYPES)
    message.header.frame_id = FRAME
    r.image.publish(message)
    r.ros.wait(lambda: r.people)
    assert (r.people[0].width, r.people[0].height) == (128, 96)


def turned_about_x(angle: float) -> TransformStamped:
    """The camera in the frame `level`: turned, and 1, 2 and 3 metres away."""
    message = TransformStamped(child_frame_id=FRAME)
    message.header.frame_id = "level"
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = 1.0, 2.0, 3.0
    q.x, q.w = float(np.sin(angle / 2)), float(np.cos(angle / 2))
    return message


@needs_tf2
def test_joints_are_in_the_target_frame_as_soon_as_its_transform_is_known(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    from tf2_ros import StaticTransformBroadcaster

    finder.people = [person(joints=np.full((33, 3), (0.5, 1.0, 2.0), np.float32))]
    r = rig(target_frame="level").start()
    text = r.say("output", is_warning)
    assert "no transform from 'camera_color_optical_frame' to target_frame 'level'" in text
    assert text.endswith("joints are in the camera's frame")
    r.ros.wait(lambda: r.people)
    assert r.people[-1].header.frame_id == FRAME
    broadcaster = StaticTransformBroadcaster(r.ros.node)
    broadcaster.sendTransform(turned_about_x(0.4))
    r.say("output", is_ok)
    r.ros.wait(lambda: r.show() and r.people[-1].header.frame_id == "level")
    cos, sin = np.cos(0.4), np.sin(0.4)
    joints = message_to_people(r.people[-1])[0].joints
    np.testing.assert_allclose(joints[0], (1.5, 2 + cos - 2 * sin, 3 + sin + 2 * cos), atol=1e-5)


class StandInTf:
    """Stands in for tf2_ros: it has the transform that the test gives it."""

    def __init__(self) -> None:
        self.stamped: TransformStamped | None = None
        self.listeners = 0
        self.module = SimpleNamespace(
            TransformException=RuntimeError,
            Buffer=lambda: self,
            TransformListener=lambda _buffer, _node: self._listen(),
        )

    def lookup_transform(self, target: str, source: str, _time: Any, **_options: Any) -> TransformStamped:
        if self.stamped is None:
            raise RuntimeError(f"{source} to {target}")
        return self.stamped

    def _listen(self) -> SimpleNamespace:
        self.listeners += 1
        return SimpleNamespace(unregister=self._end)

    def _end(self) -> None:
        self.listeners -= 1


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> StandInTf:
    stand_in = StandInTf()
    monkeypatch.setitem(sys.modules, "tf2_ros", stand_in.module)
    return stand_in


def test_a_picture_without_a_transform_moves_nobody(
    rig: Callable[..., Rig], finder: ScriptedFinder, tf: StandInTf
) -> None:
    """Joints in another frame than those before and after them would be a motion."""
    finder.people = [person(depth=np.full((96, 128), 2000, np.uint16))]
    r = rig(target_frame="level").start()
    assert r.answer().header.frame_id == FRAME, "there has been no transform yet"
    tf.stamped = turned_about_x(0.4)
    before = r.answer()
    tf.stamped = None
    missed = r.answer()
    tf.stamped = turned_about_x(0.4)
    after = r.answer()
    assert [message.header.frame_id for message in (before, missed, after)] == ["level"] * 3
    assert before.people[0].joints == after.people[0].joints
    (unknown,) = message_to_people(missed)
    assert np.isnan(unknown.joints).all()
    np.testing.assert_array_equal(unknown.keypoints, finder.people[0].keypoints)
    np.testing.assert_array_equal(unknown.depth, finder.people[0].depth)
    tf.stamped = None
    assert r.node.trigger_deactivate() == r.node.trigger_activate() == SUCCESS
    r.ros.wait(lambda: r.show() and r.people[-1].header.frame_id == FRAME)


def test_a_missed_transform_is_reported_once_also_if_the_next_one_is_there(
    rig: Callable[..., Rig], finder: ScriptedFinder, tf: StandInTf
) -> None:
    r = rig(target_frame="level")
    arrays = r.ros.collect(DiagnosticArray, "/diagnostics")
    r.start()
    for stamped in (turned_about_x(0.4), None, turned_about_x(0.4)):
        tf.stamped = stamped
        r.answer()
    r.say("output", is_ok)
    texts = [s.message for array in arrays for s in array.status if s.name == "people: output" and is_warning(s)]
    assert len(texts) == 1
    assert "no transform from 'camera_color_optical_frame' to target_frame 'level'" in texts[0]
    assert texts[0].endswith("joints are unknown")


def test_a_node_that_cannot_be_configured_does_not_listen_to_tf(rig: Callable[..., Rig], tf: StandInTf) -> None:
    r = rig(target_frame="level", weights="/no/such/folder")
    for _ in range(2):
        assert r.node.trigger_configure() == FAILURE
        assert tf.listeners == 0


@pytest.mark.parametrize("yaw", [0, 90, 180])
@pytest.mark.parametrize("pitch", [-40, 0, 40])
@pytest.mark.parametrize("roll", [0, 180])
def test_an_optical_frame_that_does_not_turn_with_the_robot_is_one_whichever_way_the_camera_looks(
    yaw: float, pitch: float, roll: float
) -> None:
    camera = Rotation.from_euler("yxz", [yaw, pitch, roll], degrees=True)
    assert is_optical(camera.as_matrix())
    body_axes = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # x forward, y left, z up
    assert not is_optical((body_axes * camera).as_matrix())


@needs_tf2
def test_a_target_frame_that_is_not_optical_is_named_and_not_used(
    rig: Callable[..., Rig], finder: ScriptedFinder
) -> None:
    from tf2_ros import StaticTransformBroadcaster

    finder.people = [person()]
    r = rig(target_frame="level").start()
    broadcaster = StaticTransformBroadcaster(r.ros.node)
    broadcaster.sendTransform(turned_about_x(-np.pi / 2))
    text = r.say("output", lambda status: "is not optical" in status.message)
    assert "neither its y nor its z axis is near the camera's" in text
    assert r.people[-1].header.frame_id == FRAME
    assert r.node.trigger_deactivate() == r.node.trigger_cleanup() == SUCCESS
    assert not r.node.get_subscriptions_info_by_topic("/tf")


def frames(video: Path, count: int) -> list[NDArray[np.uint8]]:
    """The first pictures of a video, RGB, 640 pixels wide."""
    capture, pictures = cv2.VideoCapture(str(video)), []
    while len(pictures) < count:
        read, picture = capture.read()
        assert read
        size = (640, round(640 * picture.shape[0] / picture.shape[1]))
        pictures.append(cv2.cvtColor(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB))
    return pictures


def test_real_people_are_found_and_keep_their_ids(rig: Callable[..., Rig], weights: Path, video: Path) -> None:
    """Each picture is published when the one before has been answered: nothing depends on the machine's speed."""
    r = rig(weights=str(weights)).start()
    pictures = frames(video, 24)
    height, width = pictures[0].shape[:2]
    r.info.publish(camera_info(width, height, focal=0.8 * width))
    for answered, picture in enumerate(pictures, 1):
        r.show(picture)
        r.ros.wait(lambda answered=answered: len(r.people) >= answered, timeout_s=60.0)
    times_seen = Counter(p.body_id for message in r.people[4:] for p in message.people)
    followed = dict(times_seen.most_common(2))
    assert min(followed.values()) >= 0.95 * len(r.people[4:]), times_seen
    found = {p.body_id: p for p in message_to_people(r.people[-1])}
    for p in (found[body_id] for body_id in followed):
        left, right = p.joints[JOINTS.index("left_shoulder", "right_shoulder")]
        assert 0.2 < np.linalg.norm(left - right) < 0.6, "shoulders of an adult, metres"
        assert 1.0 < left[2] < 6.0
        assert p.position_source in ("perspective", "nominal")


def test_a_real_camera_upside_down_is_named(rig: Callable[..., Rig], weights: Path, video: Path) -> None:
    r = rig(weights=str(weights)).start()
    with_two_people = frames(video, 22)[16:]
    turned = itertools.cycle(picture[::-1, ::-1].copy() for picture in with_two_people)

    def show() -> None:
        count = len(r.people)
        r.show(next(turned))
        r.ros.wait(lambda: len(r.people) > count, timeout_s=60.0)

    text = "everybody has been upside down"
    assert text in r.say("people", lambda status: text in status.message, show, timeout_s=120.0)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"weights": "/no/such/folder"}, "mumu weights"),
        ({"source": "lidar"}, "parameter source is 'lidar'; expected one of camera, hri"),
        ({"image.type": "sensor_msgs/msg/Imu"}, "parameter image.type is 'sensor_msgs/msg/Imu'"),
        ({"image.topic": ""}, "parameter image.topic is empty"),
        ({"image.topic": "my camera"}, "parameter image.topic is 'my camera'"),
        ({"depth.topic": "a//b"}, "parameter depth.topic is 'a//b'"),
        ({"camera_info.topic": ""}, "parameter camera_info.topic is ''"),
        ({"max_people": 0}, "parameter max_people is 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(
    rig: Callable[..., Rig], capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], text: str
) -> None:
    assert rig(**parameters).node.trigger_configure() == FAILURE
    assert text in capfd.readouterr().err
