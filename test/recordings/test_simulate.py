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

"""`mumu simulate` writes what the live simulator publishes."""

from __future__ import annotations

import numpy as np
import pytest

from mumu_ros.conversions import header_stamp_ns, image_to_array, imu_to_array, message_to_people, time_to_ns
from mumu_ros.recordings import Recording
from mumu_ros.recordings.topics import ANNOTATION_TOPIC, CAMERA_INFO_TOPICS, SIMULATOR_TOPICS, TRUTH_TOPIC
from mumu_ros.simulation import Simulator, parse_fault

SMALL = ["--seconds", 2, "--seed", 5, "--image-size", "64x48"]


@pytest.fixture
def simulator():
    return Simulator(seed=5, seconds=2, image_size=(48, 64))


def test_every_sample_is_in_the_recording_unchanged_and_in_order(tmp_path, mumu, simulator, capsys):
    assert mumu(["simulate", tmp_path / "bag", *SMALL]) == 0
    streams = {topic.name: stream for stream, topic in SIMULATOR_TOPICS.items()}
    samples = simulator.samples()
    with Recording(tmp_path / "bag") as recording:
        logged_ns = []
        for topic, stamp_ns, message in recording.messages():
            logged_ns.append(stamp_ns)
            if topic == ANNOTATION_TOPIC or topic in CAMERA_INFO_TOPICS.values():
                continue
            sample = next(samples)
            assert (streams[topic], stamp_ns) == (sample.stream, sample.stamp_ns)
            assert header_stamp_ns(message) == stamp_ns
            assert message.header.frame_id == SIMULATOR_TOPICS[sample.stream].frame_id
            inertial = sample.stream.startswith("imu")
            array = imu_to_array(message) if inertial else image_to_array(message, sample.stream)
            np.testing.assert_array_equal(array, sample.data)
        assert next(samples, None) is None
        assert logged_ns == sorted(logged_ns)
        assert recording.topics["/camera/color/image_raw"].count == 60
        assert recording.problems == []
    assert "2 s" in capsys.readouterr().out


def test_annotations_are_the_segments(tmp_path, mumu, simulator):
    mumu(["simulate", tmp_path / "bag", *SMALL, "--subject", "5"])
    with Recording(tmp_path / "bag") as recording:
        annotations = list(recording.messages([ANNOTATION_TOPIC]))
    assert [(time_to_ns(m.start), time_to_ns(m.end), m.group, m.activity, m.subject) for _, _, m in annotations] == [
        (s.start_ns, s.end_ns, s.group, s.activity, "5") for s in simulator.segments
    ]
    assert [stamp for _, stamp, _ in annotations] == [s.start_ns for s in simulator.segments]


def test_every_image_has_the_camera_that_has_seen_it(tmp_path, mumu, simulator):
    mumu(["simulate", tmp_path / "bag", *SMALL])
    camera = simulator.camera.intrinsics
    with Recording(tmp_path / "bag") as recording:
        for stream, topic in CAMERA_INFO_TOPICS.items():
            infos = [message for _, _, message in recording.messages([topic])]
            images = [message for _, _, message in recording.messages([SIMULATOR_TOPICS[stream].name])]
            assert [m.header for m in infos] == [m.header for m in images]
            assert {(m.width, m.height) for m in infos} == {(64, 48)}
            assert list(infos[0].k) == [camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1]
            assert infos[0].distortion_model == "plumb_bob"
            assert not infos[0].d.any()
        assert TRUTH_TOPIC not in recording.topics


def test_several_people_are_annotated_by_body_and_the_truth_is_recorded(tmp_path, mumu):
    assert mumu(["simulate", tmp_path / "bag", *SMALL, "--people", 3, "--seconds", 3]) == 0
    simulator = Simulator(seed=5, seconds=3, image_size=(48, 64), people=3)
    with Recording(tmp_path / "bag") as recording:
        annotations = [message for _, _, message in recording.messages([ANNOTATION_TOPIC])]
        truth = [message for _, _, message in recording.messages([TRUTH_TOPIC])]
        assert recording.problems == []
    for person in simulator.people:
        own = [(time_to_ns(m.start), m.activity) for m in annotations if m.body_id == person.body_id]
        assert own == [(segment.start_ns, segment.activity) for segment in person.segments]
    assert len(truth) == 30
    assert {(message.layout, message.width, message.height) for message in truth} == {("blazepose33", 64, 48)}
    moment = truth[17]
    expected = next(simulator.people_at(np.array([(header_stamp_ns(moment) - simulator.start_ns) / 1e9])))
    seen = {person.body_id: person for person in expected if person.confidence > 0}
    told = message_to_people(moment)
    assert [person.body_id for person in told] == list(seen)
    for person in told:
        np.testing.assert_array_equal(person.joints, seen[person.body_id].joints)
        assert person.confidence == pytest.approx(seen[person.body_id].confidence)


@pytest.mark.parametrize(
    ("options", "has_room"),
    [(["--people", "1"], False), (["--people", "1", "--room"], True), (["--people", "2"], True)],
)
def test_more_than_one_person_are_in_a_room_as_the_help_says(tmp_path, mumu, capsys, options, has_room):
    assert mumu(["simulate", tmp_path / "bag", *SMALL, "--seconds", "1", *options]) == 0
    with Recording(tmp_path / "bag") as recording:
        assert (TRUTH_TOPIC in recording.topics) == has_room
    with pytest.raises(SystemExit):
        mumu(["simulate", "--help"])
    assert "(default: 1); more than one imply --room" in " ".join(capsys.readouterr().out.split())


def test_equal_arguments_give_equal_bytes(tmp_path, mumu):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        mumu(["simulate", tmp_path / name / "bag", *SMALL])
    assert (tmp_path / "a/bag/bag.mcap").read_bytes() == (tmp_path / "b/bag/bag.mcap").read_bytes()


def test_a_fault_silences_its_streams(tmp_path, mumu):
    faults = ["--fault", "imu:0.5-1.5", "--fault", "depth:1-2"]
    mumu(["simulate", tmp_path / "bag", *SMALL, *faults, "--storage", "sqlite3"])
    expected = Simulator(
        seed=5, seconds=2, image_size=(48, 64), faults=[parse_fault("imu:0.5-1.5"), parse_fault("depth:1-2")]
    )
    counts = dict.fromkeys(SIMULATOR_TOPICS, 0)
    for sample in expected.samples():
        counts[sample.stream] += 1
    with Recording(tmp_path / "bag") as recording:
        assert {s: recording.topics[t.name].count for s, t in SIMULATOR_TOPICS.items()} == counts
        start_ns = expected.segments[0].start_ns
        for _, stamp_ns, _ in recording.raw_messages(["/imu/wrist", "/imu/belt"]):
            assert not 0.5e9 <= stamp_ns - start_ns < 1.5e9


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fault", "nose:1-2"], "nose"),
        (["--fault", "imu:2"], "imu:2"),
        (["--seconds", "-1"], "-1"),
        (["--image-size", "640"], "image size '640' is not WIDTHxHEIGHT"),
        (["--image-size", "axb"], "'axb'"),
        (["--activities", "bow,juggle"], "'juggle'"),
        (["--activities", ""], "''"),
        (["--people", "9"], "people is 9; expected 1 to 6"),
    ],
)
def test_a_bad_argument_is_one_line_and_status_2(tmp_path, mumu, capsys, arguments, text):
    assert mumu(["simulate", tmp_path / "bag", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("mumu simulate: ")
    assert text in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["simulate", ""], ["convert", "utd-mhad", ".", ""]])
def test_a_recording_without_a_name_is_refused(mumu, capsys, command):
    with pytest.raises(SystemExit, match="2"):
        mumu(command)
    assert "argument OUT: ''; expected the name of a folder" in capsys.readouterr().err


def test_an_existing_recording_is_not_overwritten(tmp_path, mumu, capsys):
    (tmp_path / "bag").mkdir()
    assert mumu(["simulate", tmp_path / "bag", *SMALL]) == 2
    assert "bag exists already" in capsys.readouterr().err


def test_a_script_says_what_is_done_over_and_over(tmp_path, mumu):
    mumu(["simulate", tmp_path / "bag", *SMALL, "--seconds", 16, "--activities", "bow,stretch"])
    with Recording(tmp_path / "bag") as recording:
        done = [(m.group, m.activity) for _, _, m in recording.messages([ANNOTATION_TOPIC])]
    assert done == [("communicate", "bow"), ("exercise", "stretch"), ("communicate", "bow")]
