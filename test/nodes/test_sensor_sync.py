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

from __future__ import annotations

import importlib.util
import itertools
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseArray, Quaternion, TransformStamped
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState
from std_msgs.msg import Float32MultiArray, Header

from mumu_ros.conversions import RosTypes, array_to_image, array_to_imu, array_to_pose_array, ns_to_time, time_to_ns
from mumu_ros.model.preprocessing import resize_image
from mumu_ros.msg import MultimodalFrame
from mumu_ros.nodes import sensor_sync
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.nodes.transforms import turn_axes
from mumu_ros.recordings.typestore import BagTypes

pytestmark = pytest.mark.serial
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
MS = 1_000_000
IMU_TYPE = "sensor_msgs/msg/Imu"
START_NS = 1_700_000_000_000_000_000
TYPES = RosTypes()
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RIG = {
    "streams": ["rgb", "depth", "imu"],
    "rgb.topic": "rgb",
    "rgb.width": 32,
    "rgb.height": 24,
    "depth.topic": "depth",
    "depth.kind": "depth",
    "depth.width": 32,
    "depth.height": 24,
    "imu.topic": "imu",
    "imu.kind": "vector",
    "imu.type": "sensor_msgs/msg/Imu",
    "imu.depth": 500,
}


class Rig:
    """A sensor_sync node, and the cameras and the IMU before it."""

    def __init__(self, ros: Any, images: Callable[[int], tuple[np.ndarray, np.ndarray]], **parameters: Any) -> None:
        self.ros = ros
        self.images = images
        self.node = ros.add(SensorSync, **{**RIG, **parameters})
        self.frames = ros.collect(MultimodalFrame, "multimodal_frame")
        self.diagnostics: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        types = {"rgb": Image, "depth": Image, "imu": Imu}
        self.publishers = {name: ros.node.create_publisher(cls, name, 500) for name, cls in types.items()}

    def start(self) -> None:
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        self.ros.wait(lambda: all(p.get_subscription_count() for p in self.publishers.values()))

    def play(self, first: int, count: int, without: tuple[str, ...] = (), start_ns: int = START_NS) -> None:
        """Tenths of a second `first` to `first + count`: one pair of images and 10 IMU samples each."""
        for number in range(first, first + count):
            stamp_ns = start_ns + number * 100 * MS
            rgb, depth = self.images(number)
            if "rgb" not in without:
                self.publishers["rgb"].publish(array_to_image(rgb, stamp_ns, "camera", TYPES))
            if "depth" not in without:
                self.publishers["depth"].publish(array_to_image(depth, stamp_ns + 4 * MS, "camera_depth", TYPES))
            for i in range(10):
                value = np.full((2, 3), number + i / 10)
                if "imu" not in without:
                    self.publishers["imu"].publish(array_to_imu(value, stamp_ns + i * 10 * MS, "wrist", TYPES))
            for _ in range(15):  # a message each, and a timer now and then
                self.ros.executor.spin_once(timeout_sec=0.005)

    def hold_conversion(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        """No set is converted until the event is set."""
        gate, build = threading.Event(), self.node._builder.build
        monkeypatch.setattr(self.node._builder, "build", lambda found: build(found) if gate.wait(60) else None)
        return gate

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.diagnostics.update({status.name: status for status in message.status})


@pytest.fixture
def rig(ros: Any, images: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Callable[..., Rig]:
    return lambda **parameters: Rig(ros, images, **parameters)


def stamps(frame: MultimodalFrame, name: str) -> list[int]:
    return [stamp for series in frame.series if series.name == name for stamp in series.stamps_ns]


def test_images_are_paired_and_resized_and_no_imu_sample_is_lost(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    r.play(0, 10)
    r.ros.wait(lambda: len(r.frames) >= 9)
    for number, frame in enumerate(r.frames[:9]):
        assert time_to_ns(frame.header.stamp) == START_NS + number * 100 * MS
        assert frame.header.frame_id == "camera"
        rgb, depth = r.images(number)
        by_name = {part.name: part.image for part in frame.images}
        assert bytes(by_name["rgb"].data) == resize_image(rgb, (24, 32)).tobytes()
        assert bytes(by_name["depth"].data) == resize_image(depth, (24, 32)).tobytes()
        assert time_to_ns(by_name["depth"].header.stamp) == START_NS + number * 100 * MS + 4 * MS
        assert by_name["depth"].header.frame_id == "camera_depth"
        assert [series.frame_id for series in frame.series] == ["wrist"]
        assert list(frame.missing) == []
    delivered = [stamp for frame in r.frames for stamp in stamps(frame, "imu")]
    assert delivered == [START_NS + i * 10 * MS for i in range(len(delivered))]
    assert len(delivered) > 80


def test_axes_are_turned_as_a_transform_says() -> None:
    """A quarter turn about z: what points along x of the sensor points along y of the target frame."""
    quarter = Quaternion(z=math.sqrt(0.5), w=math.sqrt(0.5))
    turned = turn_axes(np.array([[1.0, 0.0, 9.8], [0.0, 2.0, 0.0]], np.float32), quarter)
    np.testing.assert_allclose(turned, [[0, 1, 9.8], [-2, 0, 0]], atol=1e-6)


def test_without_tf2_ros_a_target_frame_is_refused(rig: Callable[..., Rig], capfd: pytest.CaptureFixture[str]) -> None:
    if importlib.util.find_spec("tf2_ros"):
        pytest.skip("tf2_ros is installed")
    assert rig(**{"imu.target_frame": "torso"}).node.trigger_configure() == FAILURE
    assert "parameter imu.target_frame is 'torso', but tf2_ros is not installed" in capfd.readouterr().err


@pytest.mark.skipif(not importlib.util.find_spec("tf2_ros"), reason="tf2_ros is not installed")
def test_the_axes_of_an_imu_are_those_of_its_target_frame_once_tf_has_it(rig: Callable[..., Rig]) -> None:
    from tf2_ros import StaticTransformBroadcaster

    r = rig(**{"imu.target_frame": "torso"})
    r.start()
    r.play(0, 5)
    r.ros.wait(lambda: r.frames)
    assert list(r.frames[0].missing) == ["imu"]
    r.ros.wait(lambda: "no transform from 'wrist'" in getattr(r.diagnostics.get("sensor_sync: imu"), "message", ""))
    broadcaster = StaticTransformBroadcaster(r.ros.node)
    quarter = TransformStamped(child_frame_id="wrist")
    quarter.header.frame_id = "torso"
    quarter.transform.rotation = Quaternion(z=math.sqrt(0.5), w=math.sqrt(0.5))
    broadcaster.sendTransform(quarter)
    numbers = itertools.count(5)
    r.ros.wait(lambda: r.play(next(numbers), 1) or r.frames[-1].series)
    series = r.frames[-1].series[0]
    assert series.frame_id == "torso"
    x, y, z = np.array(series.data).reshape(-1, 3)[0]
    assert (x, y) == pytest.approx((-z, z)), "x forward is y to the left now, and y to the left is backward"


def test_a_model_gives_the_sizes_of_the_streams(rig: Callable[..., Rig]) -> None:
    r = rig(model="sim", **{"rgb.width": 0, "rgb.height": 0, "depth.kind": ""})
    r.start()
    r.play(0, 2)
    r.ros.wait(lambda: r.frames)
    sizes = {part.name: (part.image.width, part.image.height, part.image.encoding) for part in r.frames[0].images}
    assert sizes == {"rgb": (64, 64, "rgb8"), "depth": (32, 24, "16UC1")}


def test_a_dead_stream_is_named_not_waited_for_and_joins_again(rig: Callable[..., Rig]) -> None:
    r = rig(timeout_s=0.2)
    r.start()
    r.play(0, 3)
    r.ros.wait(lambda: len(r.frames) >= 2)
    r.play(3, 10, without=("depth",))
    r.ros.wait(lambda: any(list(frame.missing) == ["depth"] for frame in r.frames))
    r.play(13, 5)
    r.ros.wait(lambda: {part.name for part in r.frames[-1].images} == {"rgb", "depth"})
    sent = [time_to_ns(frame.header.stamp) for frame in r.frames]
    assert sent == sorted(set(sent))


def test_without_any_camera_the_imu_alone_gives_frames(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    numbers = itertools.count()

    def played_on() -> bool:
        r.play(next(numbers), 1, without=("rgb", "depth"))
        return len(r.frames) >= 10

    r.ros.wait(played_on)
    assert all(set(frame.missing) == {"rgb", "depth"} for frame in r.frames)
    delivered = [stamp for frame in r.frames for stamp in stamps(frame, "imu")]
    assert delivered == [START_NS + i * 10 * MS for i in range(len(delivered))]


def test_all_that_waited_for_a_camera_that_died_is_published(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its timeout: the sets leave together when it has passed, faster than they are converted."""
    r = rig(timeout_s=1.0, rate_hz=100.0)
    r.start()
    r.play(0, 1)
    r.ros.wait(lambda: r.node._published)
    gate = r.hold_conversion(monkeypatch)
    numbers = itertools.count(1)

    def imu_leads() -> bool:
        r.play(next(numbers), 1, without=("rgb", "depth"))
        return bool(r.node._synchronizer.reference == "imu")

    r.ros.wait(imu_leads)
    gate.set()
    r.ros.wait(lambda: r.node._published > sensor_sync.WAITING_SETS)
    assert r.node._worker.dropped == 0


def truncated(image: Image) -> None:
    image.data = image.data[:-10]


def unknown_encoding(image: Image) -> None:
    image.encoding = "9UC7"


def emptied(image: Image) -> None:
    image.width = 0


@pytest.mark.parametrize(
    ("spoil", "value"), [(truncated, "6134 bytes"), (unknown_encoding, "'9UC7'"), (emptied, "empty: 0×48")]
)
def test_a_bad_image_is_reported_with_topic_and_value_and_the_other_streams_go_on(
    rig: Callable[..., Rig], capfd: pytest.CaptureFixture[str], spoil: Callable[[Image], None], value: str
) -> None:
    r = rig()
    r.start()
    r.play(0, 3)
    for number in range(3, 8):
        depth = array_to_image(r.images(number)[1], START_NS + number * 100 * MS, "camera_depth", TYPES)
        spoil(depth)
        r.publishers["depth"].publish(depth)
        r.play(number, 1, without=("depth",))
    r.play(8, 3)
    r.ros.wait(lambda: len(r.frames) >= 9)
    spoilt = [frame for frame in r.frames if "depth" in frame.missing]
    assert len(spoilt) == 5
    assert all({part.name for part in frame.images} == {"rgb"} for frame in spoilt)
    status = r.ros.wait(lambda: with_errors(r.diagnostics.get("sensor_sync: depth"), 5))
    assert value in status.message
    log = capfd.readouterr().err
    assert "depth: " in log
    assert value in log


def with_errors(status: Any, count: int) -> Any:
    return status if status and ("unreadable", str(count)) in {(v.key, v.value) for v in status.values} else None


def test_an_imu_sample_that_is_not_a_number_is_left_out(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    r.publishers["imu"].publish(array_to_imu(np.full((2, 3), np.nan), START_NS - 5 * MS, "wrist", TYPES))
    r.play(0, 5)
    r.ros.wait(lambda: len(r.frames) >= 3)
    values = [v for frame in r.frames for series in frame.series for v in series.data]
    assert len(values) > 0
    assert np.isfinite(values).all()


def test_messages_of_either_byte_order_are_read_and_cut_ones_are_counted(
    rig: Callable[..., Rig], capfd: pytest.CaptureFixture[str]
) -> None:
    r = rig()
    r.start()
    r.play(0, 3)
    types = BagTypes()
    stamp_ns = START_NS + 293 * MS
    sample = array_to_imu(np.arange(6.0).reshape(2, 3), stamp_ns, "wrist", types)
    big, little = (bytes(types.typestore.serialize_cdr(sample, IMU_TYPE, little_endian=e)) for e in (False, True))
    r.publishers["imu"].publish(big)
    sample.header.stamp = ns_to_time(stamp_ns + MS, types)
    cut = bytes(types.typestore.serialize_cdr(sample, IMU_TYPE))[: len(little) // 2]
    r.publishers["imu"].publish(cut)
    r.play(3, 4)
    r.ros.wait(lambda: len(r.frames) >= 5)
    samples = {
        int(stamp): sample
        for frame in r.frames
        for series in frame.series
        for stamp, sample in zip(series.stamps_ns, np.reshape(series.data, (-1, 6)).tolist(), strict=True)
    }
    assert samples[stamp_ns] == [0, 1, 2, 3, 4, 5]
    assert stamp_ns + MS not in samples
    r.ros.wait(lambda: with_errors(r.diagnostics.get("sensor_sync: imu"), 1))
    assert f"imu: no {IMU_TYPE} can be read from its bytes" in capfd.readouterr().err


def test_a_conversion_that_was_too_slow_is_named_and_forgotten(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_sync, "_SLOW_S", 0.5)
    r = rig()
    r.start()
    code: Callable[[], Any] = lambda: r.diagnostics["sensor_sync: output"].values[0].value  # noqa: E731
    r.ros.wait(lambda: "sensor_sync: output" in r.diagnostics)
    gate, numbers = r.hold_conversion(monkeypatch), itertools.count()

    def is_told() -> bool:
        r.play(next(numbers), 1)
        return bool(code() == "too_slow")

    r.ros.wait(is_told)
    assert next(numbers) > sensor_sync.WAITING_SETS
    assert r.frames == []
    gate.set()
    r.ros.wait(lambda: r.frames and code() == "")


def test_the_image_size_may_change_midstream(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    r.play(0, 3)
    big = np.zeros((96, 128, 3), np.uint8)
    for number in range(3, 6):
        r.publishers["rgb"].publish(array_to_image(big, START_NS + number * 100 * MS, "camera", TYPES))
        r.play(number, 1, without=("rgb",))
    r.play(6, 3)
    r.ros.wait(lambda: len(r.frames) >= 7)
    assert {(part.image.height, part.image.width) for frame in r.frames for part in frame.images} == {(24, 32)}


def test_a_bag_that_loops_begins_a_new_epoch(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    r.play(0, 25)
    r.ros.wait(lambda: len(r.frames) >= 24)
    first = len(r.frames)
    r.play(0, 25)
    r.ros.wait(lambda: len([f for f in r.frames if f.epoch == 1]) >= 24)
    assert {frame.epoch for frame in r.frames[:first]} == {0}


@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({"rate_hz": -1.0}, ["rate_hz is -1.0", "0.1 to 200"]),
        ({"rate_hz": "fast"}, ["rate_hz is 'fast'", "a number"]),
        ({"depth.topic": ""}, ["depth.topic is empty"]),
        ({"depth.topic": "a b"}, ["depth.topic is 'a b'"]),
        ({"imu.joints": ["a"]}, ["imu.joints names joints of a JointState"]),
        ({"depth.kind": "sonar"}, ["depth.kind is 'sonar'", "rgb, depth, vector"]),
        ({"imu.type": "nav_msgs/msg/Odometry"}, ["imu.type is 'nav_msgs/msg/Odometry'", "sensor_msgs/msg/Imu"]),
        ({"imu.type": "sensor_msgs/msg/Image"}, ["imu.type is 'sensor_msgs/msg/Image'", "vector"]),
        ({"rgb.reliability": "maybe"}, ["rgb.reliability is 'maybe'", "best_effort, reliable"]),
        ({"rgb.crop": [1, 2, 3]}, ["rgb.crop is [1, 2, 3]", "x, y, width, height"]),
        ({"streams": ["rgb", "rgb"]}, ["streams is ['rgb', 'rgb']", "different"]),
    ],
)
def test_impossible_parameters_are_quoted_and_the_node_stays_unconfigured(
    ros: Any, capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], texts: list[str]
) -> None:
    node = ros.add(SensorSync, **{**RIG, **parameters})
    assert node.trigger_configure() == FAILURE
    log = capfd.readouterr().err
    assert "Traceback" not in log
    for text in texts:
        assert text in log


def test_parameters_can_be_mended_before_but_not_after_configuring(ros: Any) -> None:
    node = ros.add(SensorSync, **{**RIG, "rate_hz": -1.0})
    assert node.trigger_configure() == FAILURE
    assert node.set_parameters([Parameter("rate_hz", value=10)])[0].successful
    assert node.trigger_configure() == SUCCESS
    refused = node.set_parameters([Parameter("rate_hz", value=20.0)])[0]
    assert not refused.successful
    assert "rate_hz" in refused.reason
    assert node.trigger_cleanup() == SUCCESS
    assert node.set_parameters([Parameter("rate_hz", value=20.0)])[0].successful


def test_deactivated_it_is_silent_and_activated_again_it_works(rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    r.play(0, 5)
    r.ros.wait(lambda: len(r.frames) >= 4)
    assert r.node.trigger_deactivate() == SUCCESS
    r.ros.wait(lambda: not any(p.get_subscription_count() for p in r.publishers.values()))
    r.play(5, 5)
    assert all(time_to_ns(frame.header.stamp) < START_NS + 500 * MS for frame in r.frames), "sent before it was told"
    before = len(r.frames)
    assert r.node.trigger_activate() == SUCCESS
    r.ros.wait(lambda: all(p.get_subscription_count() for p in r.publishers.values()))
    r.play(10, 5)
    r.ros.wait(lambda: len(r.frames) >= before + 4)


@pytest.mark.parametrize("imu", [{}, {"imu.angular_velocity_topic": "gyro"}])
def test_a_picture_that_waits_while_the_node_is_deactivated_is_no_error(
    rig: Callable[..., Rig], imu: dict[str, str]
) -> None:
    r = rig(**imu)
    r.start()
    callback = r.node._subscribers[0].sub.callback
    assert r.node.trigger_deactivate() == SUCCESS
    callback(serialize_message(array_to_image(r.images(0)[0], START_NS, "camera", TYPES)), {"received_timestamp": 1})
    assert r.node._errors == 0


def test_activated_again_it_reports_nothing_of_before(ros: Any, rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    for number in range(10):
        depth = array_to_image(r.images(number)[1], START_NS + number * 100 * MS, "camera_depth", TYPES)
        emptied(depth)
        r.publishers["depth"].publish(depth)
        r.play(number, 1, without=("depth",))
    ros.wait(lambda: r.node._published >= 9 and with_errors(r.diagnostics.get("sensor_sync: depth"), 10))
    assert r.node.trigger_deactivate() == SUCCESS
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    assert r.node.trigger_activate() == SUCCESS
    ros.wait(lambda: all(p.get_subscription_count() for p in r.publishers.values()))
    numbers = itertools.count(20)

    def statuses() -> list[DiagnosticStatus]:
        return [status for report in reports for status in report.status if status.name == "sensor_sync: depth"]

    def codes() -> list[str]:
        return [status.values[0].value for status in statuses()]

    ros.wait(lambda: r.play(next(numbers), 1) or codes()[-2:] == ["", ""])
    assert "unpaired" not in codes()
    assert not any("skipped" in status.message for status in statuses())


def test_the_delay_of_every_stream_is_reported(ros: Any, rig: Callable[..., Rig]) -> None:
    r = rig()
    r.start()
    age_ms = 60_000
    r.play(0, 10, start_ns=ros.node.get_clock().now().nanoseconds - age_ms * MS)

    def delay_ms(stream: str, quantile: str) -> float:
        status = r.diagnostics.get(f"sensor_sync: {stream}")
        values = {pair.key: pair.value for pair in status.values} if status else {}
        return float(values.get(f"delay_ms_{quantile}", "nan"))

    for stream in ("rgb", "depth", "imu"):
        ros.wait(lambda stream=stream: delay_ms(stream, "p99") > 0)
        assert age_ms - 1000 < delay_ms(stream, "p50") <= delay_ms(stream, "p99") < age_ms + 20_000


def test_an_imu_of_two_topics_is_one_stream(ros: Any) -> None:
    """As a RealSense has it: acceleration at one rate, angular velocity at another, zeros in the other half."""
    imu = {"imu.topic": "accel", "imu.angular_velocity_topic": "gyro", "imu.type": "sensor_msgs/msg/Imu"}
    node = ros.add(SensorSync, streams=["imu"], **imu, **{"imu.kind": "vector", "imu.depth": 500})
    frames = ros.collect(MultimodalFrame, "multimodal_frame")
    accel, gyro = (ros.node.create_publisher(Imu, topic, 500) for topic in ("accel", "gyro"))
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: accel.get_subscription_count() and gyro.get_subscription_count())
    for ms in range(0, 1000, 5):
        if ms % 20 == 0:
            accel.publish(array_to_imu(np.array([[ms, 0.0, 9.81], [0.0] * 3]), START_NS + ms * MS, "imu", TYPES))
        gyro.publish(array_to_imu(np.array([[0.0] * 3, [0.1, 0.0, ms / 1e3]]), START_NS + ms * MS, "imu", TYPES))
        ros.executor.spin_once(timeout_sec=0.005)
    ros.wait(lambda: sum(len(frame.series[0].stamps_ns) for frame in frames if frame.series) > 100)
    for frame in frames:
        for series in frame.series:
            samples = np.array(series.data).reshape(-1, 2, 3)
            ms = (np.array(series.stamps_ns) - START_NS) / MS
            np.testing.assert_allclose(samples[:, 0, 0], ms, atol=1e-3)
            np.testing.assert_allclose(samples[:, 1, 2], ms / 1e3, atol=1e-6)


@pytest.mark.parametrize(
    ("published", "text"),
    [
        (["accel"], "no pair of messages on accel and gyro yet; gyro: nothing publishes it: check the driver and"),
        (["gyro"], "no pair of messages on accel and gyro yet; accel: nothing publishes it: check the driver and"),
        (["accel", "gyro"], "both are published: check that both drivers send, and stamp by the same clock"),
    ],
)
def test_the_topic_that_an_imu_of_two_lacks_is_named(
    ros: Any, monkeypatch: pytest.MonkeyPatch, published: list[str], text: str
) -> None:
    monkeypatch.setattr("mumu_ros.pipeline.stream_watch.PATIENCE_S", 0.5)
    imu = {"imu.topic": "accel", "imu.angular_velocity_topic": "gyro", "imu.type": "sensor_msgs/msg/Imu"}
    node = ros.add(SensorSync, streams=["imu"], **imu, **{"imu.kind": "vector"})
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    publishers = {topic: ros.node.create_publisher(Imu, topic, 10) for topic in published}
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ms = itertools.count(step=10)

    def said() -> list[str]:
        publishers[published[0]].publish(array_to_imu(np.ones((2, 3)), START_NS + next(ms) * MS, "imu", TYPES))
        found = [status for report in reports for status in report.status]
        return [s.message for s in found if s.name == "sensor_sync: imu" and text in s.message]

    ros.wait(said)


def test_every_parameter_is_described(ros: Any) -> None:
    node = ros.add(SensorSync, **RIG)
    assert node.trigger_configure() == SUCCESS
    names = [name for name in node._parameters if name not in ("use_sim_time", "start_type_description_service")]
    assert len(names) > 20
    assert [name for name in names if not node.describe_parameter(name).description] == []


def test_vectors_of_every_type_and_compressed_images_are_taken(ros: Any) -> None:
    node = ros.add(
        SensorSync,
        **{
            "streams": ["rgb", "joints", "skeleton", "emg"],
            "rgb.topic": "jpeg",
            "rgb.type": "sensor_msgs/msg/CompressedImage",
            "rgb.width": 32,
            "rgb.height": 32,
            "joints.topic": "joint_states",
            "joints.kind": "vector",
            "joints.type": "sensor_msgs/msg/JointState",
            "joints.shape": [4],
            "skeleton.topic": "skeleton",
            "skeleton.kind": "vector",
            "skeleton.type": "geometry_msgs/msg/PoseArray",
            "skeleton.shape": [20, 3],
            "emg.topic": "emg",
            "emg.kind": "vector",
            "emg.type": "std_msgs/msg/Float32MultiArray",
            "emg.shape": [8],
        },
    )
    frames = ros.collect(MultimodalFrame, "multimodal_frame")
    types = {"jpeg": CompressedImage, "joint_states": JointState, "skeleton": PoseArray, "emg": Float32MultiArray}
    publishers = {topic: ros.node.create_publisher(cls, topic, 100) for topic, cls in types.items()}
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: all(p.get_subscription_count() for p in publishers.values()))
    _, encoded = cv2.imencode(".jpg", np.full((48, 48, 3), 90, np.uint8))

    def complete_frame() -> MultimodalFrame | None:
        # A type without header is stamped with its arrival, so everything here happens now.
        now_ns = ros.node.get_clock().now().nanoseconds
        jpeg = CompressedImage(format="jpeg", data=encoded.tobytes())
        joints = JointState(position=[0.1, 0.2, 0.3, 0.4])
        jpeg.header.stamp = joints.header.stamp = ns_to_time(now_ns, TYPES)
        publishers["jpeg"].publish(jpeg)
        publishers["joint_states"].publish(joints)
        publishers["skeleton"].publish(array_to_pose_array(np.ones((20, 3)), now_ns, "camera", TYPES))
        publishers["emg"].publish(Float32MultiArray(data=[float(i) for i in range(8)]))
        for _ in range(6):
            ros.executor.spin_once(timeout_sec=0.02)
        return next((frame for frame in frames if len(frame.series) == 3 and frame.images), None)

    frame = ros.wait(complete_frame)
    shapes = {series.name: list(series.shape) for series in frame.series}
    assert shapes == {"joints": [4], "skeleton": [20, 3], "emg": [8]}
    assert abs(int(frame.images[0].image.data[0]) - 90) < 3


ARM = {
    "streams": ["arm"],
    "arm.topic": "joint_states",
    "arm.type": "sensor_msgs/msg/JointState",
    "arm.kind": "vector",
    "arm.joints": ["hip", "knee"],
    "arm.shape": [2],
}


def test_joints_of_another_driver_on_the_topic_are_passed_over(ros: Any) -> None:
    """Also where both drivers stamp by the same step of a simulator's clock, and when the one that is meant stops."""
    node = ros.add(SensorSync, **ARM)
    frames = ros.collect(MultimodalFrame, "multimodal_frame")
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    gripper, arm = (ros.node.create_publisher(JointState, "joint_states", 10) for _ in range(2))
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: gripper.get_subscription_count() and arm.get_subscription_count())
    numbers = itertools.count()

    def said(is_moving: bool, text: str) -> Any:
        header = Header(stamp=ns_to_time(START_NS + next(numbers) * 20 * MS, TYPES))
        gripper.publish(JointState(header=header, name=["finger"], position=[0.5]))
        if is_moving:
            arm.publish(JointState(header=header, name=["knee", "hip", "wrist"], position=[0.1, 0.2, 0.3]))
        ros.executor.spin_once(timeout_sec=0.02)
        statuses = [s for s in reports[-1].status if s.name == "sensor_sync: arm"] if reports else []
        return next((s for s in statuses if text in s.message), None)

    ros.wait(lambda: said(True, " Hz") and len(frames) >= 10)
    status = ros.wait(lambda: said(True, " Hz"))
    assert status.level == DiagnosticStatus.OK
    counts = {pair.key: pair.value for pair in status.values}
    assert (counts["unreadable"], counts["duplicate"], counts["publishers"]) == ("0", "0", "2")
    np.testing.assert_allclose(frames[-1].series[0].data[:2], [0.2, 0.1], rtol=1e-6)
    ros.wait(lambda: said(False, "no message has any of the joints ['hip', 'knee'], the last one has ['finger']"))


class Glove:
    """A sensor_sync node and before it a sensor whose messages have no header."""

    def __init__(self, ros: Any, **parameters: Any) -> None:
        glove = {"topic": "glove", "type": "std_msgs/msg/Float32MultiArray", "shape": [1], "reliability": "reliable"}
        parameters |= {f"glove.{name}": value for name, value in glove.items()} | {"glove.depth": 100}
        self.ros = ros
        self.node = ros.add(SensorSync, streams=["glove"], **parameters)
        self.publisher = ros.node.create_publisher(Float32MultiArray, "glove", 100)
        self.clock = ros.node.create_publisher(Clock, "/clock", 1)
        assert self.node.trigger_configure() == self.node.trigger_activate() == SUCCESS
        ros.wait(self.publisher.get_subscription_count)
        self.stamps: list[int] = []
        self.node._subscribers[0].registerCallback(lambda message: self.stamps.append(time_to_ns(message.header.stamp)))

    def send(self, count: int, period_s: float) -> None:
        """Messages at this pace, while the node does nothing; then it looks for them."""
        for _ in range(count):
            self.publisher.publish(Float32MultiArray(data=[1.0]))
            time.sleep(period_s)
        self.ros.wait(self.publisher.wait_for_all_acked)
        self.node._poll()

    def set_time(self, time_ns: int) -> None:
        """Let simulated time be this."""

        def is_set() -> bool:
            self.clock.publish(Clock(clock=ns_to_time(time_ns, TYPES)))
            return bool(self.node.get_clock().now().nanoseconds == time_ns)

        self.ros.wait(is_set)
        self.node._poll()


def test_a_message_without_a_header_is_stamped_when_it_arrives_not_when_it_is_taken(ros: Any) -> None:
    glove = Glove(ros)
    began_ns = time.time_ns()
    glove.send(10, period_s=0.02)
    assert len(glove.stamps) == 10
    assert began_ns < glove.stamps[0]
    assert glove.stamps[-1] < time.time_ns()
    assert np.median(np.diff(glove.stamps)) > 15 * MS


def test_the_offset_of_a_sensor_without_a_header_is_added_to_the_times_of_arrival(ros: Any) -> None:
    glove = Glove(ros, **{"glove.offset_s": -60.0})
    began_ns = time.time_ns()
    glove.send(1, period_s=0.0)
    (stamp_ns,) = glove.stamps
    assert began_ns < stamp_ns + 60_000 * MS < time.time_ns()


def test_messages_without_a_header_within_a_step_of_simulated_time_have_stamps_of_their_own(ros: Any) -> None:
    glove = Glove(ros, use_sim_time=True)
    step_ns = 50 * MS
    for step in range(5):
        glove.set_time(START_NS + step * step_ns)
        glove.send(2, period_s=0.01)
        glove.send(3, period_s=0.01)
    glove.set_time(START_NS + 5 * step_ns)
    assert len(glove.stamps) == 25
    assert (np.diff(glove.stamps) > 0).all()
    assert [(stamp_ns - START_NS) // step_ns for stamp_ns in glove.stamps] == np.repeat(range(5), 5).tolist()
    assert glove.node._synchronizer.statistics()["glove"].duplicate == 0


def test_messages_without_a_header_follow_a_clock_that_begins_late_and_jumps(ros: Any) -> None:
    glove = Glove(ros, use_sim_time=True)
    glove.send(5, period_s=0.0)
    for time_ns in (START_NS, START_NS + 3600_000 * MS, START_NS):
        glove.set_time(time_ns)
        glove.send(5, period_s=0.0)
        glove.set_time(time_ns + 50 * MS)
        assert all(time_ns <= stamp_ns <= time_ns + 50 * MS for stamp_ns in glove.stamps)
        assert len(glove.stamps) == 5, "what came before the first time has none"
        glove.stamps.clear()


def test_a_clock_that_differs_is_named_and_mended_by_an_offset(ros: Any, rig: Callable[..., Rig]) -> None:
    r = rig(**{"imu.offset_s": 2.0})
    r.start()
    now_ns = ros.node.get_clock().now().nanoseconds
    late_ns = now_ns - 2_000 * MS

    def play(imu_ns: int) -> None:
        for number in range(10):
            step_ns = number * 100 * MS
            r.play(number, 1, without=("imu",), start_ns=now_ns)
            for i in range(10):
                sample = array_to_imu(np.ones((2, 3)), imu_ns + step_ns + i * 10 * MS, "wrist", TYPES)
                r.publishers["imu"].publish(sample)

    play(late_ns)
    delivered = ros.wait(lambda: [stamp for frame in r.frames for stamp in stamps(frame, "imu")])
    assert min(delivered) >= now_ns, "two seconds are added"


def test_before_simulated_time_begins_no_stream_is_silent(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mumu_ros.pipeline.stream_watch.PATIENCE_S", 0.5)
    node = ros.add(SensorSync, **RIG, use_sim_time=True)
    clock = ros.node.create_publisher(Clock, "/clock", 1)
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    started = time.monotonic()

    def said() -> list[tuple[bytes, str]]:
        """Level and text of what was said about the IMU after the patience."""
        late = reports if time.monotonic() > started + 1 else []
        return [(s.level, s.message) for report in late for s in report.status if s.name == "sensor_sync: imu"]

    assert set(ros.wait(said)) == {(DiagnosticStatus.STALE, "simulated time is 0: does /clock come?")}
    reports.clear()
    numbers = itertools.count()

    def told() -> bool:
        clock.publish(Clock(clock=ns_to_time(START_NS + next(numbers) * 20 * MS, TYPES)))
        return "nothing publishes it" in said()[-1][1] if said() else False

    ros.wait(told)
    assert any("waiting for the first message" in text for _, text in said()), "the sensors may have just begun"


def test_when_simulated_time_begins_late_and_stands_still_no_sensor_is_blamed(ros: Any) -> None:
    sensors = ("wrist", "belt")
    topics = {f"{name}.topic": name for name in sensors} | {f"{name}.type": IMU_TYPE for name in sensors}
    node = ros.add(SensorSync, streams=list(sensors), use_sim_time=True, **topics)
    clock = ros.node.create_publisher(Clock, "/clock", 1)
    publishers = {name: ros.node.create_publisher(Imu, name, 100) for name in sensors}
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: all(publisher.get_subscription_count() for publisher in publishers.values()))
    numbers = itertools.count()

    def play(name: str, text: str, *names: str, is_running: bool = True) -> bool:
        """Let these sensors send, and time go on; whether this is said of a sensor."""
        now_ns = START_NS + next(numbers) * 20 * MS
        if is_running:
            clock.publish(Clock(clock=ns_to_time(now_ns, TYPES)))
        for sent in names:
            publishers[sent].publish(array_to_imu(np.ones((2, 3)), now_ns, "imu", TYPES))
        ros.executor.spin_once(timeout_sec=0.02)
        last = {status.name: status.message for report in reports for status in report.status}
        return text in last.get(f"sensor_sync: {name}", "")

    ros.wait(lambda: play("belt", "simulated time is 0", "wrist", is_running=False))
    ros.wait(lambda: [play("wrist", " Hz", "wrist", is_running=False) for _ in range(40)][-1])
    ros.wait(lambda: play("belt", " Hz", *sensors))
    ros.wait(lambda: play("belt", "/clock stands still at 17000", "wrist", is_running=False))
    ros.wait(lambda: play("belt", " Hz", *sensors))
    codes = {v.value for r in reports for s in r.status for v in s.values if v.key == "code"}
    assert codes.isdisjoint(sensor_sync._OF_PAUSE)


def test_two_publishers_of_simulated_time_are_named_and_no_sensor_is_blamed(ros: Any) -> None:
    """As of two replays: each sensor's stamps agree with one of the clocks."""
    sensors = ("wrist", "belt")
    topics = {f"{name}.topic": name for name in sensors} | {f"{name}.type": IMU_TYPE for name in sensors}
    node = ros.add(SensorSync, streams=list(sensors), use_sim_time=True, **topics)
    clocks = [ros.node.create_publisher(Clock, "/clock", 1) for _ in sensors]
    publishers = {name: ros.node.create_publisher(Imu, name, 100) for name in sensors}
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: all(publisher.get_subscription_count() for publisher in (*publishers.values(), *clocks)))
    numbers = itertools.count()

    def play(text: str) -> bool:
        now_ns = START_NS + next(numbers) * 20 * MS
        for clock, ahead_ns, name in zip(clocks, (0, 10_000 * MS), sensors, strict=True):
            clock.publish(Clock(clock=ns_to_time(now_ns + ahead_ns, TYPES)))
            ros.wait(lambda of=now_ns + ahead_ns: node.get_clock().now().nanoseconds == of)
            publishers[name].publish(array_to_imu(np.full((2, 3), 6.0), now_ns, "imu", TYPES))
            ros.wait(publishers[name].wait_for_all_acked)
            node._poll()
        return any(text in status.message for report in reports[-2:] for status in report.status)

    ros.wait(lambda: play("2 publishers send /clock (/test, /test)"))
    reports.clear()
    ros.wait(lambda: play("") and len(reports) > 2)
    said = [status for report in reports for status in report.status if status.name != "sensor_sync: output"]
    assert {v.value for status in said for v in status.values if v.key == "code"}.isdisjoint(sensor_sync._OF_CLOCK)
    assert {v.value for status in said for v in status.values if v.key == "offset_s"} == {"nan"}
    ros.node.destroy_publisher(clocks.pop())
    reports.clear()
    ros.wait(lambda: reports and not any("send /clock" in status.message for status in reports[-1].status))


@pytest.mark.parametrize(
    ("parameters", "publisher", "text"),
    [
        ({"imu.topic": "elsewhere"}, None, "nothing publishes it: check the driver and the topic name"),
        (
            {"imu.reliability": "reliable"},
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            "reliable: set best_effort",
        ),
    ],
)
def test_why_nothing_arrives_is_read_from_the_graph(
    ros: Any, parameters: dict[str, Any], publisher: Any, text: str
) -> None:
    node = ros.add(SensorSync, **{**RIG, **parameters})
    if publisher is not None:
        ros.node.create_publisher(Imu, "imu", publisher)
    reports = ros.collect(DiagnosticArray, "/diagnostics")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS

    def said() -> list[Any]:
        found = [status for report in reports for status in report.status]
        return [status for status in found if status.name == "sensor_sync: imu" and text in status.message]

    assert ros.wait(said)[-1].level == DiagnosticStatus.ERROR
    waiting = next(s for s in reports[0].status if s.name == "sensor_sync: imu")
    assert "waiting for the first message" in waiting.message, "no alarm while others still start"
