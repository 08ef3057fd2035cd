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

"""`mumu record`, over DDS."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu
from std_msgs.msg import String

from mumu_ros import cli
from mumu_ros.nodes import record as record_module
from mumu_ros.nodes.humans_topics import BODIES, TRACKED
from mumu_ros.nodes.node_configuration import input_topics
from mumu_ros.nodes.record import Recorder, _summarise
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.raw_writer import RawWriter
from mumu_ros.share import share_path


@pytest.fixture
def record(ros: Any, started: Callable[..., Any]) -> Callable[..., Any]:
    def start(*arguments: str) -> Any:
        command = [sys.executable, "-m", "mumu_ros.cli", "record", *arguments]
        return started(command, ignoring_sigint=True, env={**os.environ, "ROS_DOMAIN_ID": str(ros.domain)})

    return start


def offered(bag: Path) -> dict[str, list[tuple[str, str]]]:
    """Reliability and durability that a recording says its publishers offered."""
    information = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    topics = [entry["topic_metadata"] for entry in information["topics_with_message_count"]]
    return {t["name"]: [(q["reliability"], q["durability"]) for q in t["offered_qos_profiles"]] for t in topics}


def test_all_topics_are_recorded_as_they_are_offered_also_those_that_come_later(
    ros: Any, record: Callable[..., Any], tmp_path: Path
) -> None:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    early = ros.node.create_publisher(String, "early", latched)
    early.publish(String(data="before"))
    process = record(str(tmp_path / "bag"))
    ros.wait(early.get_subscription_count, 60.0)
    late = ros.node.create_publisher(String, "late", 100)
    hasty = ros.node.create_publisher(Imu, "hasty", QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT))
    ros.wait(lambda: late.get_subscription_count() and hasty.get_subscription_count())
    for number in range(100):
        late.publish(String(data=str(number)))
        hasty.publish(Imu())
    ros.wait(late.wait_for_all_acked)
    process.send_signal(signal.SIGHUP)  # as when its terminal is closed
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    with Recording(tmp_path / "bag") as recording:
        assert not recording.problems
        heard = [(topic, message) for topic, _, message in recording.messages()]
    assert [m.data for name, m in heard if name == "/early"] == ["before"]
    assert [m.data for name, m in heard if name == "/late"] == [str(number) for number in range(100)]
    qos = offered(tmp_path / "bag")
    assert qos["/early"] == [("reliable", "transient_local")]
    assert qos["/hasty"][0][0] == "best_effort"
    assert "     100 /late" in output


def test_the_topics_of_a_parameter_file_and_no_others_until_ctrl_c(
    ros: Any, record: Callable[..., Any], tmp_path: Path
) -> None:
    wrist = ros.node.create_publisher(Imu, "imu/wrist", 10)
    other = ros.node.create_publisher(Imu, "other", 10)
    bag = tmp_path / "bag"
    process = record(str(bag), "--params", str(share_path("config", "sim.yaml")), "--max-size", "0.001")
    ros.wait(wrist.get_subscription_count, 60.0)
    for _ in range(10):
        wrist.publish(Imu())
        other.publish(Imu())
    ros.wait(wrist.wait_for_all_acked)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "nobody published /camera/color/image_raw" in errors
    with Recording(bag) as recording:
        assert {name: topic.count for name, topic in recording.topics.items()} == {"/imu/wrist": 10}
    assert len(list(bag.glob("bag_*.mcap"))) > 2


def test_a_file_of_one_robot_gives_the_namespace_of_its_topics(
    ros: Any, record: Callable[..., Any], tmp_path: Path
) -> None:
    imu = ros.node.create_publisher(Imu, "/robot1/imu", 10)
    file = tmp_path / "mine.yaml"
    section = "{ros__parameters: {streams: [imu], imu: {topic: imu, type: sensor_msgs/msg/Imu}}}"
    file.write_text(f"/robot1/sensor_sync: {section}\n/**/inference: {{}}\n")
    process = record(str(tmp_path / "bag"), "--params", str(file))
    ros.wait(imu.get_subscription_count, 60.0)
    imu.publish(Imu())
    ros.wait(imu.wait_for_all_acked)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with Recording(tmp_path / "bag") as recording:
        assert {name: topic.count for name, topic in recording.topics.items()} == {"/robot1/imu": 1}


@pytest.mark.parametrize("second", ["/robot2/**/sensor_sync", "/robot2/people"])
def test_a_file_of_several_robots_is_recorded_with_a_namespace_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"/robot1/**/sensor_sync: {{ros__parameters: {{}}}}\n{second}: {{ros__parameters: {{}}}}\n")
    assert cli.main(["record", str(tmp_path / "bag"), "--params", str(file)]) == 2
    assert "sections in /robot1 and /robot2: give --namespace /robot1 or another of them" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_the_topics_of_a_robot_by_one_file(ros: Any, record: Callable[..., Any], tmp_path: Path) -> None:
    wrist = ros.node.create_publisher(Imu, "/fleet/robot1/imu/wrist", 10)
    file = tmp_path / "mine.yaml"
    imu = "streams: [imu], imu.type: sensor_msgs/msg/Imu, imu.topic"
    file.write_text(
        f"/fleet/robot1/sensor_sync: {{ros__parameters: {{{imu}: imu/wrist}}}}\n"
        f"/fleet/robot2/sensor_sync: {{ros__parameters: {{{imu}: other}}}}\n"
    )
    process = record(str(tmp_path / "bag"), "nearby", "--params", str(file), "--namespace", "fleet/robot1")
    ros.wait(wrist.get_subscription_count, 60.0)
    wrist.publish(Imu())
    ros.wait(wrist.wait_for_all_acked)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "1 /fleet/robot1/imu/wrist" in output
    assert "nobody published /fleet/robot1/nearby" in errors


def not_spinning(ros: Any, bag: Path, *topics: str) -> tuple[Node, Recorder]:
    """A recorder of topics, with its node in no executor."""
    node = rclpy.create_node("recorder", context=ros.node.context)
    return node, Recorder(node, RawWriter(bag), topics, print)


def test_what_has_arrived_is_recorded_although_the_end_comes_first(ros: Any, tmp_path: Path) -> None:
    """As on a machine that is too busy to call the recorder before Ctrl-C."""
    chatter = ros.node.create_publisher(String, "chatter", 100)
    node, recorder = not_spinning(ros, tmp_path / "bag", "chatter")
    ros.wait(lambda: recorder._look() or chatter.get_subscription_count())
    for number in range(100):
        chatter.publish(String(data=str(number)))
    ros.wait(chatter.wait_for_all_acked)
    recorder.close()
    node.destroy_node()
    with Recording(tmp_path / "bag") as recording:
        assert [message.data for _, _, message in recording.messages()] == [str(number) for number in range(100)]


@pytest.mark.parametrize(("count", "is_overrun"), [(100, False), (600, True)])
def test_all_that_waits_is_taken_at_once_and_it_is_said_if_that_may_not_be_all(
    ros: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, is_overrun: bool
) -> None:
    """A subscription holds 200 messages; the middleware does not count what is overwritten there."""
    chatter = ros.node.create_publisher(String, "chatter", 1000)
    node, recorder = not_spinning(ros, tmp_path / "bag", "chatter")
    ros.wait(lambda: recorder._look() or chatter.get_subscription_count())
    for number in range(count):
        chatter.publish(String(data=str(number)))
    ros.wait(chatter.wait_for_all_acked)
    ros.executor.add_node(node)
    ros.wait(lambda: recorder.counts()["/chatter"][0])
    assert recorder.counts()["/chatter"] == (min(count, 200), 0)
    recorder.close()
    ros.executor.remove_node(node)
    node.destroy_node()
    _summarise(tmp_path / "bag", recorder)
    said = f"{min(count, 200)} /chatter" + ", more may be lost: the machine was too busy" * is_overrun
    assert capsys.readouterr().out.splitlines()[-2].endswith(said)


def test_what_waits_is_kept_when_the_quality_of_service_changes_and_that_more_may_be_lost_is_said(
    ros: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of an arm whose gripper sends best effort on the same topic."""
    arm = ros.node.create_publisher(String, "joints", 100)
    node, recorder = not_spinning(ros, tmp_path / "bag", "joints")
    ros.wait(lambda: recorder._look() or arm.get_subscription_count())
    for number in range(100):
        arm.publish(String(data=str(number)))
    ros.wait(arm.wait_for_all_acked)
    ros.node.create_publisher(String, "joints", QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT))
    ros.wait(lambda: node.count_publishers("/joints") == 2)
    recorder._look()
    assert recorder._topics["/joints"].qos.reliability == ReliabilityPolicy.BEST_EFFORT
    assert recorder.counts()["/joints"] == (100, 0)
    recorder.close()
    node.destroy_node()
    _summarise(tmp_path / "bag", recorder)
    assert "100 /joints, more may be lost: other publishers came or went" in capsys.readouterr().out
    with Recording(tmp_path / "bag") as recording:
        assert [message.data for _, _, message in recording.messages()] == [str(number) for number in range(100)]


def test_what_nobody_publishes_any_more_is_unsubscribed_from_until_somebody_does_again(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of people, who come and go all day."""
    monkeypatch.setattr(record_module, "GONE_S", 1e6)
    names = ["lasting", *(f"person{number}" for number in range(5))]
    node, recorder = not_spinning(ros, tmp_path / "bag", *names)

    def subscribed() -> list[str]:
        recorder._look()
        return [name for name in names if ros.node.count_subscribers(f"/{name}")]

    def publish(*publishers: Any) -> None:
        ros.wait(lambda: subscribed() and all(p.get_subscription_count() for p in publishers))
        for publisher in publishers:
            publisher.publish(String(data="here"))
            ros.wait(publisher.wait_for_all_acked)

    people = [ros.node.create_publisher(String, name, 10) for name in names]
    publish(*people)
    for publisher in people[1:]:
        ros.node.destroy_publisher(publisher)
    ros.wait(lambda: not any(node.count_publishers(f"/{name}") for name in names[1:]))
    assert subscribed() == names, "perhaps for a moment only"
    monkeypatch.setattr(record_module, "GONE_S", 0.0)
    ros.wait(lambda: subscribed() == ["lasting"])
    publish(people[0], ros.node.create_publisher(String, names[-1], 10))
    recorder.close()
    node.destroy_node()
    counts = {f"/{name}": 1 for name in names} | dict.fromkeys(("/lasting", f"/{names[-1]}"), 2)
    assert recorder.counts() == {name: (count, 0) for name, count in counts.items()}
    assert not recorder.overrun
    with Recording(tmp_path / "bag") as recording:
        assert {name: topic.count for name, topic in recording.topics.items()} == counts


@pytest.mark.parametrize("error", [RecordingError("full"), RuntimeError("full"), MemoryError("full")], ids=repr)
def test_any_error_of_the_writer_ends_the_recording(
    ros: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(RawWriter, "write", fail)
    chatter = ros.node.create_publisher(String, "chatter", 100)
    recorder = Recorder(ros.node, RawWriter(tmp_path / "bag"), ["chatter"], print)
    ros.wait(chatter.get_subscription_count)
    chatter.publish(String())
    ros.wait(lambda: recorder.error)
    with pytest.raises(RecordingError, match="full"):
        recorder.close()


def test_a_recording_that_fails_ends_with_a_sentence_and_a_status(
    ros: Any, started: Callable[..., Any], tmp_path: Path
) -> None:
    program = (
        "import sys; from rosbags.rosbag2 import Writer; from mumu_ros import cli\n"
        "def fail(*_): raise RuntimeError('the encoder gave up')\n"
        "Writer.write = fail\n"
        "sys.exit(cli.main(['record', sys.argv[1]]))"
    )
    chatter = ros.node.create_publisher(String, "chatter", 100)
    environment = {**os.environ, "ROS_DOMAIN_ID": str(ros.domain)}
    process = started([sys.executable, "-c", program, str(tmp_path / "bag")], env=environment)
    ros.wait(chatter.get_subscription_count, 60.0)
    chatter.publish(String())
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    said = errors.splitlines()[-1]
    assert said == f"mumu record: {tmp_path / 'bag'} cannot be written: RuntimeError: the encoder gave up"
    assert "Traceback" not in errors


def test_a_recording_that_exists_is_kept_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "recording_0.mcap").write_bytes(b"mine")
    assert cli.main(["record", str(tmp_path)]) == 2
    assert f"mumu record: {tmp_path} exists already" in capsys.readouterr().err
    assert (tmp_path / "recording_0.mcap").read_bytes() == b"mine"


def test_a_parameter_file_names_the_topics_of_sensors_and_camera(tmp_path: Path) -> None:
    assert input_topics(ParameterFile(share_path("config", "hri.yaml"))) == {
        "/camera/camera/color/image_raw",
        "/camera/camera/color/camera_info",
    }
    (tmp_path / "odd.yaml").write_text("/**/inference: {ros__parameters: {model: sim}}\n")
    with pytest.raises(ParameterError, match="no section for sensor_sync or people"):
        input_topics(ParameterFile(tmp_path / "odd.yaml"))


def test_the_bodies_of_another_tracker_are_recorded_with_the_skeletons_that_people_reads(
    ros: Any, tmp_path: Path
) -> None:
    (tmp_path / "hri.yaml").write_text("/**/people: {ros__parameters: {source: hri}}\n")
    wanted = input_topics(ParameterFile(tmp_path / "hri.yaml"))
    assert wanted == {TRACKED, "camera/color/image_raw", "camera/color/camera_info"}
    names = [TRACKED, f"{BODIES}/abcde/skeleton2d", f"{BODIES}/abcde/cropped"]
    tracked, skeleton, cropped = (ros.node.create_publisher(String, name, 10) for name in names)
    recorder = Recorder(ros.node, RawWriter(tmp_path / "bag"), wanted, print)
    ros.wait(lambda: tracked.get_subscription_count() and skeleton.get_subscription_count())
    recorder._look()
    assert not cropped.get_subscription_count()
    skeleton.publish(String(data="abcde"))
    ros.wait(lambda: recorder.counts()[names[1]] == (1, 0))
    assert recorder.absent == ["/camera/color/camera_info", "/camera/color/image_raw"]
    recorder.close()


def test_a_recording_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["record", ""])
    assert "argument OUT: ''; expected the name of a folder" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["0", "-5", "nan", "inf"])
def test_a_size_that_no_file_can_have_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["record", str(tmp_path / "bag"), "--max-size", size])
    assert f"argument --max-size: {size} MiB; expected more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("topic", ["/1foo", "foo-bar", "/a/", "/a//b", "a b", "", "/a{b}", f"/{'a' * 300}"])
def test_a_name_that_no_topic_can_have_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], topic: str
) -> None:
    assert cli.main(["record", str(tmp_path / "bag"), "/imu/wrist", topic]) == 2
    assert f"mumu record: topic {topic!r} cannot be one: expected letters" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
