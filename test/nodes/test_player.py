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

import itertools
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu
from std_msgs.msg import String

from mumu_ros.conversions import array_to_imu, ns_to_time, time_to_ns
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition, People
from mumu_ros.nodes import player
from mumu_ros.nodes.player import Player
from mumu_ros.nodes.simulator import Simulator
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.recordings import Recording, RecordingWriter
from mumu_ros.recordings.raw_writer import RawWriter
from mumu_ros.recordings.simulate import simulator_messages
from mumu_ros.recordings.typestore import InstalledTypes
from mumu_ros.simulation import Simulator as Simulation

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
SECONDS = 2.0
S = 1_000_000_000
MS = 1_000_000
START_NS = 1_700_000_000 * S


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a simulated person."""
    path = tmp_path_factory.mktemp("bags") / "person"
    with RecordingWriter(path) as writer:
        simulation = Simulation(seed=1, subject=1000, seconds=SECONDS, image_size=(48, 64))
        for topic, type_name, stamp_ns, message in simulator_messages(simulation, writer.types):
            writer.write(topic, type_name, message, stamp_ns)
    return path


def play(ros: Any, bag: Path, **parameters: Any) -> tuple[Any, dict[str, list[Any]]]:
    """A player that is configured, and lists that its messages are collected in."""
    node = ros.add(Player, bag=str(bag), **parameters)
    topics = {"/camera/color/image_raw": Image, "/imu/wrist": Imu, "/clock": Clock}
    received = {name: ros.collect(cls, name, depth=1000) for name, cls in topics.items()}
    received["/annotation"] = []
    late = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_subscription(ActivityAnnotation, "/annotation", received["/annotation"].append, late)
    assert node.trigger_configure() == SUCCESS
    return node, received


def test_every_message_of_the_bag_is_published_in_order(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: received["/annotation"])
    with Recording(bag) as recording:
        for topic in ("/camera/color/image_raw", "/imu/wrist"):
            expected = [time_to_ns(m.header.stamp) for _, _, m in recording.messages([topic])]
            # The first messages may go out before a reader is found; from then on none is missing.
            got = ros.wait_for_last(received[topic], lambda m: time_to_ns(m.header.stamp), expected[-1])
            assert len(got) > 0.5 * len(expected)
            assert got == expected[-len(got) :]
    clock = [time_to_ns(message.clock) for message in received["/clock"]]
    assert clock == sorted(clock)
    assert len(clock) > 50


def test_what_is_no_topic_of_ros_costs_no_other(ros: Any, tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        store = writer.types.typestore
        strange = [
            writer._writer.add_connection("/a name", "sensor_msgs/msg/Imu", typestore=store),
            writer._writer.add_connection("/log", "Log", msgdef="int8 a", rihs01="-", serialization_format="json"),
            writer._writer.add_connection(
                "/image", "sensor_msgs/msg/Image", typestore=store, serialization_format="protobuf"
            ),
        ]
        for index in range(50):
            imu = array_to_imu(np.zeros((2, 3)), index * 10_000_000 + 1, "", writer.types)
            writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, index * 10_000_000)
            for connection in strange:
                writer._writer.write(connection, index * 10_000_000, b"{}")
    node, received = play(ros, tmp_path / "bag")
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: received["/imu/wrist"])
    assert node.trigger_deactivate() == SUCCESS
    assert {topic for topic, count in node._played.items() if count} == {"/imu/wrist"}


@pytest.mark.parametrize("topic", ["/tf_static", "/robot/tf_static"])
def test_all_static_transforms_reach_whoever_listens_late(ros: Any, tmp_path: Path, topic: str) -> None:
    """Each publisher sent its own, once, and TF listens for latched ones only. pip has no tf2_msgs: texts here."""
    frames = [f"sensor_{number}" for number in range(50)]
    with RecordingWriter(tmp_path / "bag") as writer:
        for frame in frames:
            writer.write(topic, "std_msgs/msg/String", writer.types.message("std_msgs/msg/String", data=frame), 1)
    node, _ = play(ros, tmp_path / "bag")
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    heard: list[String] = []
    latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_subscription(String, topic, heard.append, latched)
    assert ros.wait_for_last(heard, lambda message: message.data, frames[-1]) == frames


@pytest.fixture
def once(tmp_path: Path) -> Path:
    """Two texts that were sent once each, at 0 s and at 1 s, and an IMU from 0 to 0.2 s and from 2.2 to 2.4 s."""
    writer, types = RawWriter(tmp_path / "once"), InstalledTypes()
    offered = Qos(
        QosHistory.UNKNOWN, 0, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL,
        QosTime(0, 0), QosTime(0, 0), QosLiveliness.AUTOMATIC, QosTime(0, 0), False,
    )  # fmt: skip
    writer.add_topic("/latched", "std_msgs/msg/String", types.store("std_msgs/msg/String"), [offered])
    writer.add_topic("/imu/wrist", "sensor_msgs/msg/Imu", types.store("sensor_msgs/msg/Imu"), ())
    imu = [START_NS + (ms + gap) * MS for gap in (0, 2200) for ms in range(0, 201, 20)]
    rows = [(stamp_ns, "/imu/wrist", serialize_message(Imu())) for stamp_ns in imu]
    rows += [(START_NS + s * S, "/latched", serialize_message(String(data=f"at {s} s"))) for s in (0, 1)]
    for stamp_ns, topic, data in sorted(rows):
        writer.write(topic, stamp_ns, data)
    writer.close()
    return tmp_path / "once"


@pytest.mark.parametrize("start_s", [0.0, 0.5, 2.3])
def test_what_was_latched_reaches_whoever_listens_late_also_from_before_the_start(
    ros: Any, once: Path, start_s: float
) -> None:
    node, _ = play(ros, once, start_s=start_s, rate=4.0)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    heard: list[String] = []
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ros.node.create_subscription(String, "/latched", heard.append, latched)
    assert ros.wait_for_last(heard, lambda message: message.data, "at 1 s") == ["at 0 s", "at 1 s"]


@pytest.mark.parametrize(("rate", "clock_hz", "loop"), [(1.0, 50.0, False), (4.0, 50.0, False), (4.0, 20.0, True)])
def test_the_clock_goes_on_between_messages(ros: Any, once: Path, rate: float, clock_hz: float, loop: bool) -> None:
    """Two seconds of the bag are empty."""
    ros.collect(String, "/latched")
    node, received = play(ros, once, rate=rate, clock_hz=clock_hz, loop=loop, wait_for=["/clock"])
    assert node.trigger_activate() == SUCCESS
    expected = np.arange(0, 2.4 + 1e-6, 1 / clock_hz)

    def seconds() -> NDArray[np.float64]:
        return np.array([(time_to_ns(message.clock) - START_NS) / S for message in received["/clock"]])

    ros.wait(lambda: len(seconds()) >= (1 + loop) * len(expected))
    assert seconds()[: (1 + loop) * len(expected)] == pytest.approx(np.tile(expected, 1 + loop))
    ros.wait(lambda: loop or node.finished)
    assert loop or len(seconds()) == len(expected)


SENSORS = {"/imu/wrist": "sensor_msgs/msg/Imu", "/truth/people": "mumu_ros/msg/People"}
OUTPUTS = {
    "people": {"/people": "mumu_ros/msg/People", "/humans/bodies/abcde/position": "geometry_msgs/msg/PointStamped"},
    "sensor_sync": {"/robot/multimodal_frame": "mumu_ros/msg/MultimodalFrame"},
    "inference": {
        "/activity": "mumu_ros/msg/ActivityRecognition",
        "/humans/bodies/abcde/activity": "mumu_ros/msg/ActivityRecognition",
        "/activity_event": "mumu_ros/msg/ActivityEvent",
    },
    "overlay": {
        "/overlay": "sensor_msgs/msg/Image",
        "/overlay/compressed": "sensor_msgs/msg/CompressedImage",
        "/people_markers": "visualization_msgs/msg/MarkerArray",
    },
}
REPORTS = {
    "/rosout": "rcl_interfaces/msg/Log",
    "/parameter_events": "rcl_interfaces/msg/ParameterEvent",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
    "/robot/people/transition_event": "lifecycle_msgs/msg/TransitionEvent",
}


def record(path: Path, topics: dict[str, str], count: int = 5) -> Path:
    """A bag with empty messages of these topics, one every 10 ms."""
    writer, types = RawWriter(path), InstalledTypes()
    for topic, type_name in topics.items():
        writer.add_topic(topic, type_name, types.store(type_name), ())
    for number in range(count):
        for topic, type_name in topics.items():
            writer.write(topic, number * 10_000_000 + 1, serialize_message(message_class(type_name)()))
    writer.close()
    return path


@pytest.mark.parametrize("running", [(), ("people",), ("inference", "overlay"), tuple(OUTPUTS)], ids="+".join)
def test_what_a_node_that_runs_publishes_is_not_played(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], running: tuple[str, ...]
) -> None:
    """A bag of all topics, as `mumu record` makes it; what nodes told of themselves is never played."""
    outputs = {topic: type_name for topics in OUTPUTS.values() for topic, type_name in topics.items()}
    live = {topic: type_name for name in running for topic, type_name in OUTPUTS[name].items()}
    node = ros.add(Player, bag=str(record(tmp_path / "bag", {**SENSORS, **outputs, **REPORTS})))
    published = {topic: type_name for topic, type_name in live.items() if "/abcde/" not in topic}
    if "people" in running:
        published["/humans/bodies/tracked"] = "std_msgs/msg/String"  # pip has no hri_msgs
    for topic, type_name in published.items():
        ros.node.create_publisher(message_class(type_name), topic, 10)
    ros.wait(lambda: all(node.count_publishers(topic) for topic in published))
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    assert set(node._played) == {*SENSORS, *outputs} - live.keys()
    log = capfd.readouterr().err
    assert log.count("because nodes that run publish them") == bool(running)
    assert all(topic in log.partition("because nodes")[2] for topic in live)
    assert f"not played: {', '.join(sorted(REPORTS))}" in log


def test_a_node_that_starts_later_is_given_way_to(ros: Any, tmp_path: Path) -> None:
    topics = {**SENSORS, **OUTPUTS["people"]}
    node = ros.add(Player, bag=str(record(tmp_path / "bag", topics)), loop=True)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: node._played["/people"])
    ros.node.create_publisher(People, "/people", 10)
    ros.wait(lambda: not node.count_publishers("/people") - 1)
    played, imu = node._played["/people"], node._played["/imu/wrist"]
    ros.wait(lambda: node._played["/imu/wrist"] > imu + 10)
    assert node._played["/people"] == played


@pytest.mark.parametrize("clock_hz", [100.0, 0.0])
@pytest.mark.parametrize("loop", [False, True])
def test_a_clock_in_the_bag_is_the_only_one(ros: Any, tmp_path: Path, clock_hz: float, loop: bool) -> None:
    """Of a simulation: its times and the stamps are far from the log's."""
    times = [10 * S + number * 10_000_000 for number in range(40)]
    with RecordingWriter(tmp_path / "bag") as writer:
        for number, stamp_ns in enumerate(times):
            log_ns = START_NS + number * 10_000_000
            imu = array_to_imu(np.zeros((2, 3)), stamp_ns, "", writer.types)
            writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, log_ns)
            clock = writer.types.message("rosgraph_msgs/msg/Clock", clock=ns_to_time(stamp_ns, writer.types))
            writer.write("/clock", "rosgraph_msgs/msg/Clock", clock, log_ns)
    node, received = play(ros, tmp_path / "bag", clock_hz=clock_hz, loop=loop, wait_for=["/clock"])
    assert node.trigger_activate() == SUCCESS

    def heard() -> list[int]:
        return [time_to_ns(message.clock) for message in received["/clock"]]

    ros.wait(lambda: len(heard()) > 100 if loop else node.finished and heard() and heard()[-1] == times[-1])
    assert set(heard()) <= set(times)
    jumps = [b for a, b in itertools.pairwise(heard()) if b < a]
    assert set(jumps) == ({times[0]} if loop else set())


def test_another_publisher_of_the_clock_is_named(ros: Any, bag: Path) -> None:
    node, _ = play(ros, bag, loop=True)
    ros.node.create_publisher(Clock, "/clock", 10)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: "2 publishers send /clock (/player, /test)" in next(iter(node.diagnose())).message)
    assert next(iter(node.diagnose())).values[0].value == "contested"


def test_a_bag_that_is_read_too_slowly_for_its_rate_is_named(
    ros: Any, bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "LATE_S", 0.001)
    node, _ = play(ros, bag, loop=True, rate=100.0)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: " s behind rate 100; lower it" in next(iter(node.diagnose())).message)
    monkeypatch.setattr(player, "LATE_S", 60.0)
    assert next(iter(node.diagnose())).values[0].value == ""


def test_a_loop_begins_again_and_time_jumps_back(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag, loop=True, rate=4.0)
    assert node.trigger_activate() == SUCCESS

    def jumped() -> bool:
        clock = [time_to_ns(message.clock) for message in received["/clock"]]
        return any(b < a for a, b in itertools.pairwise(clock))

    ros.wait(jumped)
    assert not node.finished


def test_messages_of_one_log_time_are_not_played_in_a_loop(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        imu = array_to_imu(np.zeros((2, 3)), START_NS, "", writer.types)
        writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, START_NS)
    node, _ = play(ros, tmp_path / "bag", loop=True)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    assert node._played["/imu/wrist"] == 1
    assert "all messages have one log time: they are not played again (loop)" in capfd.readouterr().err


def test_the_clock_goes_back_where_that_of_the_recorder_was_set_back(ros: Any, tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for k in range(400):
            stamp_ns = START_NS + k * 10 * MS - (1900 * MS if k >= 200 else 0)
            imu = array_to_imu(np.zeros((2, 3)), stamp_ns, "", writer.types)
            writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, stamp_ns)
    node, received = play(ros, tmp_path / "bag", rate=2.0, wait_for=["/clock"])
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    last_ns = START_NS + 2090 * MS
    ros.wait_for_last(received["/imu/wrist"], lambda m: time_to_ns(m.header.stamp), last_ns)
    clock = [time_to_ns(message.clock) for message in received["/clock"]]
    (again,) = (i for i, (a, b) in enumerate(itertools.pairwise(clock), start=1) if b < a)
    assert clock[again] == START_NS + 100 * MS
    assert len(clock[again:]) > 50


@pytest.mark.parametrize("rate", [1.0, 100.0])
def test_a_long_silence_is_named_when_it_begins(
    ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], rate: float
) -> None:
    """A clock was set forward by an hour while recording: nobody would wait without a word."""
    with RecordingWriter(tmp_path / "bag") as writer:
        for second in (0, 0.5, 3605):
            text = writer.types.message("std_msgs/msg/String", data=str(second))
            writer.write("/text", "std_msgs/msg/String", text, START_NS + round(second * S))
    node, _ = play(ros, tmp_path / "bag", rate=rate)
    assert node.trigger_activate() == SUCCESS
    log: list[str] = []
    ros.wait(lambda: log.append(capfd.readouterr().err) or "start_s:=3605.0 begins there" in "".join(log))
    assert f"the next message is played in {3604.5 / rate:.0f} s, at rate {rate:g}" in "".join(log)
    assert "".join(log).count("nothing was recorded for") == 1, "half a second is none"
    assert node.trigger_deactivate() == SUCCESS


def test_nothing_is_played_before_the_awaited_topics_have_subscribers(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag, wait_for=["activity"])
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.count_subscribers("/imu/wrist"))
    for _ in range(20):
        ros.executor.spin_once(timeout_sec=0.05)
    assert not received["/imu/wrist"]
    ros.collect(ActivityRecognition, "activity")
    with Recording(bag) as recording:
        expected = [time_to_ns(m.header.stamp) for _, _, m in recording.messages(["/imu/wrist"])]
    got = ros.wait_for_last(received["/imu/wrist"], lambda m: time_to_ns(m.header.stamp), expected[-1])
    assert got == expected, "from the first one on"


@pytest.mark.parametrize(
    ("heard", "text"),
    [("/imu/wrist", "a subscriber of /robot/activity:"), ("/robot/activity", "a subscriber of any topic of ")],
)
def test_what_is_waited_for_is_in_the_diagnostics_and_once_in_the_log(
    ros: Any,
    bag: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    heard: str,
    text: str,
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.player.PATIENCE_S", 0.2)
    types = {"/imu/wrist": Imu, "/robot/activity": ActivityRecognition}
    ros.collect(types.pop(heard), heard)
    node = ros.add(Player, bag=str(bag), wait_for=["/robot/activity"])
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    log: list[str] = []
    ros.wait(lambda: log.append(capfd.readouterr().err) or text in "".join(log))
    (status,) = node.diagnose()
    assert (status.level, status.values[0].value) == (DiagnosticStatus.STALE, "waiting")
    assert text in status.message
    for name, cls in types.items():
        ros.collect(cls, name)
    ros.wait(lambda: node.finished)
    (status,) = node.diagnose()
    assert (status.level, status.message) == (DiagnosticStatus.OK, "")
    assert "".join([*log, capfd.readouterr().err]).count(text) == 1


def test_a_bag_of_awaited_topics_alone_is_played(ros: Any, tmp_path: Path) -> None:
    node = ros.add(Player, bag=str(record(tmp_path / "bag", SENSORS)), wait_for=list(SENSORS))
    for topic, type_name in SENSORS.items():
        ros.collect(message_class(type_name), topic)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)


def test_an_awaited_topic_may_be_remapped(ros: Any, tmp_path: Path) -> None:
    remapped = ["--ros-args", "-r", "/imu/wrist:=/wrist"]
    node = ros.add(
        partial(Player, cli_args=remapped), bag=str(record(tmp_path / "bag", SENSORS)), wait_for=["/imu/wrist"]
    )
    for topic, type_name in {"/wrist": "sensor_msgs/msg/Imu", "/truth/people": "mumu_ros/msg/People"}.items():
        ros.collect(message_class(type_name), topic)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)


def test_a_player_that_waits_can_be_stopped(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag, wait_for=["activity"])
    assert node.trigger_activate() == SUCCESS
    assert node.trigger_deactivate() == SUCCESS
    assert not received["/imu/wrist"]


def test_the_start_can_be_skipped(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag, start_s=1.5)
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    with Recording(bag) as recording:
        start_ns = recording.start_ns
    assert received["/imu/wrist"]
    assert all(time_to_ns(m.header.stamp) >= start_ns + 1_490_000_000 for m in received["/imu/wrist"])


def test_the_start_is_skipped_in_every_round(ros: Any, bag: Path) -> None:
    node, received = play(ros, bag, start_s=1.8, loop=True)
    assert node.trigger_activate() == SUCCESS

    def stamps() -> list[int]:
        return [time_to_ns(m.header.stamp) for m in received["/imu/wrist"]]

    ros.wait(lambda: sum(b < a for a, b in itertools.pairwise(stamps())) >= 2)
    with Recording(bag) as recording:
        assert min(stamps()) >= recording.start_ns + 1_790_000_000


@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({"bag": ""}, ["parameter bag is empty"]),
        ({"bag": "/no/such/bag"}, ["/no/such/bag", "does not exist"]),
        ({"rate": 0.0}, ["rate is 0.0"]),
        ({"start_s": 99.0}, ["start_s is 99", "lasts 2.0 s"]),
        ({"wait_for": ["my camera"]}, ["wait_for is 'my camera'"]),
    ],
)
def test_what_cannot_be_played_is_refused(
    ros: Any, bag: Path, capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], texts: list[str]
) -> None:
    node = ros.add(Player, **{"bag": str(bag), **parameters})
    assert node.trigger_configure() == FAILURE
    log = capfd.readouterr().err
    assert "Traceback" not in log
    for text in texts:
        assert text in log


def test_the_simulator_publishes_what_a_recording_of_it_holds(ros: Any, bag: Path) -> None:
    """Equal seed and subject: the same person does the same, live and recorded; only the stamps are of now."""
    node = ros.add(Simulator, seed=1, subject=1000, seconds=SECONDS, width=64, height=48)
    images = ros.collect(Image, "/camera/color/image_raw")
    samples = ros.collect(Imu, "/imu/wrist", depth=1000)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    with Recording(bag) as recording:
        recorded = [m.data.tobytes() for _, _, m in recording.messages(["/camera/color/image_raw"])]
        accelerations = [m.linear_acceleration.x for _, _, m in recording.messages(["/imu/wrist"])]
    seen = ros.wait_for_last(images, lambda m: bytes(m.data), recorded[-1])
    felt = ros.wait_for_last(samples, lambda m: m.linear_acceleration.x, accelerations[-1])
    assert len(seen) > 0.5 * len(recorded)
    assert seen == recorded[-len(seen) :]
    assert felt == accelerations[-len(felt) :]


def test_a_simulation_that_falls_behind_real_time_says_so(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a computer with a third of the speed."""
    real = time.monotonic_ns
    monkeypatch.setattr("mumu_ros.nodes.playback.time.monotonic_ns", lambda: 3 * real())
    node = ros.add(Simulator, seconds=5.0, width=64, height=48)
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: "s behind: pictures of 64×48" in next(iter(node.diagnose())).message)


def test_the_simulator_publishes_the_true_people_in_view_and_the_camera(ros: Any) -> None:
    node = ros.add(Simulator, seed=1, subject=1000, seconds=SECONDS, width=64, height=48, people=2)
    truth, infos = ros.collect(People, "/truth/people"), ros.collect(CameraInfo, "/camera/color/camera_info")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: truth and infos)
    expected = Simulation(seed=1, subject=1000, seconds=SECONDS, image_size=(48, 64), people=2)
    assert infos[0].k[0] == expected.camera.focal_length
    assert {person.body_id for person in truth[0].people} <= {person.body_id for person in expected.people}
    assert all(len(person.joints) == 3 * 33 for person in truth[0].people)


def test_a_pulled_cable_silences_its_topic_only(ros: Any) -> None:
    node = ros.add(Simulator, seconds=SECONDS, faults=["imu_wrist:0-60"], width=64, height=48)
    wrist, belt = (ros.collect(Imu, f"/imu/{place}", depth=1000) for place in ("wrist", "belt"))
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS
    ros.wait(lambda: node.finished)
    assert belt
    assert not wrist


def test_faults_of_an_endless_simulation_come_at_their_time_in_whichever_performance(
    ros: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.simulator.PERFORMANCE_S", 2.0)
    wrist = ros.collect(Imu, "imu/wrist", depth=1000)
    node = ros.add(Simulator, faults=["imu_wrist:1.5-2.5", "imu_wrist:3-3.5"], width=64, height=48)
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS

    def times_s() -> NDArray[np.float64]:
        stamps_ns = np.array([time_to_ns(message.header.stamp) for message in wrist])
        return (stamps_ns - stamps_ns[:1]) * 1e-9

    ros.wait(lambda: (times_s() > 3.7).any())
    before = np.flatnonzero(np.diff(times_s()) > 0.3)
    assert times_s()[before] == pytest.approx([1.5, 3.0], abs=0.1)
    assert times_s()[before + 1] == pytest.approx([2.5, 3.5], abs=0.1)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"faults": ["sonar:1-2"]}, "'sonar'"),
        ({"faults": ["imu"]}, "'imu'"),
        ({"seed": -1}, "seed is -1"),
        ({"width": 1}, "width is 1"),
    ],
)
def test_an_impossible_simulation_is_refused(
    ros: Any, capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], text: str
) -> None:
    assert ros.add(Simulator, **parameters).trigger_configure() == FAILURE
    assert text in capfd.readouterr().err
