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

"""Messages are taken by their header stamps, in whatever order, and only acceptable ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.conversions import array_to_floats, array_to_imu, segment_to_annotation
from mumu_ros.labelling.footage import Footage
from mumu_ros.recordings import Recording, RecordingWriter
from mumu_ros.recordings.annotations import of_body, read_annotations
from mumu_ros.recordings.label_files import Label, labels_path
from mumu_ros.recordings.stamped import read_stamped
from mumu_ros.recordings.typestore import BagTypes

S = 1_000_000_000
START_NS = 1_700_000_000 * S
PERIOD_NS = S // 50


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Recording]:
    """write(stamps): an IMU's messages with these stamps, logged at 50 Hz; the open recording."""

    def run(stamps_ns: list[int]) -> Recording:
        with RecordingWriter(tmp_path / "bag") as writer:
            for index, stamp_ns in enumerate(stamps_ns):
                imu = array_to_imu(np.full((2, 3), float(index)), stamp_ns, "i", writer.types)
                writer.write("/imu", "sensor_msgs/msg/Imu", imu, START_NS + index * PERIOD_NS)
        return Recording(tmp_path / "bag")

    return run


def test_messages_out_of_order_are_all_there_with_their_own_stamps(write: Callable[..., Recording]) -> None:
    stamps_ns = [START_NS + (index ^ 1) * PERIOD_NS for index in range(100)]
    with write(stamps_ns) as recording:
        read = list(read_stamped(recording, ["/imu"]))
        assert [message.stamp_ns for message in read] == stamps_ns
        assert [message.logged_ns for message in read] == [START_NS + i * PERIOD_NS for i in range(100)]
        numbers = [recording.decode("/imu", message.data).linear_acceleration.x for message in read]
        assert numbers == list(range(100))
        assert recording.problems == []


@pytest.mark.parametrize("wrong_ns", [0, 1, 2**31 * S - 1])
def test_stamps_that_cannot_be_are_left_out_and_counted(write: Callable[..., Recording], wrong_ns: int) -> None:
    stamps_ns = [wrong_ns if index in (10, 70) else START_NS + index * PERIOD_NS for index in range(100)]
    with write(stamps_ns) as recording:
        assert len(list(read_stamped(recording, ["/imu"]))) == 98
        assert recording.problems == ["2 messages of /imu have unacceptable stamps; not used"]


def test_a_pause_loses_nothing(write: Callable[..., Recording]) -> None:
    """The clock is set, or everything pauses: time goes on later."""
    stamps_ns = [START_NS + index * PERIOD_NS + (100 * S if index >= 50 else 0) for index in range(100)]
    with write(stamps_ns) as recording:
        assert [message.stamp_ns for message in read_stamped(recording, ["/imu"])] == stamps_ns
        assert recording.problems == []


FAST_NS = S // 400


def test_a_pause_of_a_fast_sensor_loses_nothing(write: Callable[..., Recording]) -> None:
    """An IMU of 400 Hz sends 200 messages before it is clear that time has jumped."""
    stamps_ns = [START_NS + index * FAST_NS + (100 * S if index >= 800 else 0) for index in range(1600)]
    with write(stamps_ns) as recording:
        assert [message.stamp_ns for message in read_stamped(recording, ["/imu"])] == stamps_ns
        assert recording.problems == []


def test_of_large_messages_no_more_than_64_wait(
    write: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 201 that would wait, each of more than 1 MiB as a picture is, the oldest 137 are given up."""
    stamps_ns = [START_NS + index * FAST_NS + (100 * S if index >= 10 else 0) for index in range(300)]
    with write(stamps_ns) as recording:
        rows = list(recording.raw_messages(["/imu"]))
        large = ((topic, logged_ns, data + bytes(2**20)) for topic, logged_ns, data in rows)
        monkeypatch.setattr(recording, "raw_messages", lambda _: large)
        read = [message.stamp_ns for message in read_stamped(recording, ["/imu"])]
        assert read == stamps_ns[:10] + stamps_ns[147:]
        assert recording.problems == ["137 messages of /imu have unacceptable stamps; not used"]


def test_reading_ends_where_time_jumps_back(write: Callable[..., Recording]) -> None:
    stamps_ns = [START_NS + (index % 100) * PERIOD_NS for index in range(200)]
    with write(stamps_ns) as recording:
        assert [message.stamp_ns for message in read_stamped(recording, ["/imu"])] == stamps_ns[:100]
        newest_ns = START_NS + 99 * PERIOD_NS
        assert f"time jumps back after {newest_ns} ns: the bag holds two recordings" in recording.problems[0]


@pytest.mark.parametrize("offset_ns", [-3600 * S, -1, S // 4, 3600 * S])
def test_an_offset_is_added_before_stamps_are_judged(write: Callable[..., Recording], offset_ns: int) -> None:
    stamps_ns = [START_NS + index * PERIOD_NS for index in range(50)]
    with write([stamp_ns - offset_ns for stamp_ns in stamps_ns]) as recording:
        read = read_stamped(recording, ["/imu"], offsets_ns={"/imu": offset_ns})
        assert [message.stamp_ns for message in read] == stamps_ns
        assert list(read_stamped(recording, ["/imu"], offsets_ns={"/imu": -2 * START_NS})) == []
        assert recording.problems == ["50 messages of /imu have unacceptable stamps; not used"]


def test_an_offset_is_added_to_the_log_times_of_messages_without_a_header(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for index in range(50):
            floats = array_to_floats(np.ones(5), writer.types)
            writer.write("/glove", "std_msgs/msg/Float32MultiArray", floats, START_NS + index * PERIOD_NS)
    with Recording(tmp_path / "bag") as recording:
        read = read_stamped(recording, ["/glove"], offsets_ns={"/glove": -S})
        assert [message.stamp_ns + S for message in read] == [START_NS + index * PERIOD_NS for index in range(50)]


def test_empty_messages_are_counted(write: Callable[..., Recording], monkeypatch: pytest.MonkeyPatch) -> None:
    with write([START_NS + index * PERIOD_NS for index in range(20)]) as recording:
        rows = list(recording.raw_messages(["/imu"]))
        rows[3:5] = [(topic, stamp_ns, b"") for topic, stamp_ns, _ in rows[3:5]]
        monkeypatch.setattr(recording, "raw_messages", lambda _: iter(rows))
        assert len(list(read_stamped(recording, ["/imu"]))) == 18
        assert recording.problems == ["2 messages of /imu are cut off; not used"]


def test_annotations_last_until_the_next_and_overlaps_are_reported(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for at, end, activity in ((0, 0, "wave"), (2, 0, "walk"), (5, 0, ""), (7, 6, "sit"), (8, 0, "stand")):
            end_ns = START_NS + end * S if end else 0
            note = segment_to_annotation(START_NS + at * S, end_ns, "", activity, writer.types)
            writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + at * S)
    with Recording(tmp_path / "bag") as recording:
        labels = read_annotations(recording, START_NS + 10 * S)
        expected = [(0, 2, "wave"), (2, 5, "walk"), (8, 10, "stand")]
        assert labels == [Label(START_NS + a * S, START_NS + b * S, "", c) for a, b, c in expected]
        assert recording.problems == [
            f"1 annotations last no time and were left out, first sit at {START_NS + 7 * S} ns"
        ]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("set_back", [False, True], ids=["a simulator is reset", "the recorder's clock is set back"])
def test_annotations_are_read_until_time_jumps_back(tmp_path: Path, storage: str, set_back: bool) -> None:
    with RecordingWriter(tmp_path / "bag", storage) as writer:
        for index in range(1000):
            stamp_ns = START_NS + index * PERIOD_NS - (6 * S if index >= 500 else 0)
            log_ns = stamp_ns if set_back else START_NS + index * PERIOD_NS
            if index in (0, 250, 500, 750):
                note = segment_to_annotation(stamp_ns, 0, "", f"at {index}", writer.types)
                writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, log_ns)
            imu = array_to_imu(np.zeros((2, 3)), stamp_ns, "i", writer.types)
            writer.write("/imu", "sensor_msgs/msg/Imu", imu, log_ns)
    labels = [
        Label(START_NS, START_NS + 5 * S, "", "at 0"),
        Label(START_NS + 5 * S, START_NS + 499 * PERIOD_NS, "", "at 250"),
    ]
    with Recording(tmp_path / "bag") as recording:
        assert read_annotations(recording, START_NS + 499 * PERIOD_NS) == labels
        assert len(recording.problems) == set_back, "what streams lack is reported by who reads them"
    with Recording(tmp_path / "bag") as recording:
        assert Footage(recording).annotations == labels


def test_the_order_in_which_annotations_were_logged_means_nothing(tmp_path: Path) -> None:
    notes = ((0, 0, "wave"), (2, 4, "walk"), (5, 0, "sit"), (5, 0, "sit"))
    for number, order in enumerate(itertools.permutations(notes)):
        with RecordingWriter(tmp_path / str(number)) as writer:
            for log, (at, end, activity) in enumerate(order):
                note = segment_to_annotation(
                    START_NS + at * S, START_NS + end * S if end else 0, "", activity, writer.types
                )
                writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + log * S)
        with Recording(tmp_path / str(number)) as recording:
            labels = read_annotations(recording, START_NS + 10 * S)
            assert [(s.start_ns, s.end_ns, s.activity) for s in labels] == [
                (START_NS + a * S, START_NS + b * S, c) for a, b, c in ((0, 2, "wave"), (2, 4, "walk"), (5, 10, "sit"))
            ]
            assert recording.problems == []


def test_an_end_that_becomes_known_replaces_none(tmp_path: Path) -> None:
    """As of a labeller that tells a beginning at once and, at the end, the whole."""
    with RecordingWriter(tmp_path / "bag") as writer:
        for at, end, activity in ((0, 0, "wave"), (0, 2, "wave"), (3, 0, "walk"), (3, 6, "walk"), (6, 0, "sit")):
            end_ns = START_NS + end * S if end else 0
            note = segment_to_annotation(START_NS + at * S, end_ns, "", activity, writer.types)
            writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + max(at, end) * S)
    with Recording(tmp_path / "bag") as recording:
        labels = read_annotations(recording, START_NS + 10 * S)
        expected = [(0, 2, "wave"), (3, 6, "walk"), (6, 10, "sit")]
        assert labels == [Label(START_NS + a * S, START_NS + b * S, "", c) for a, b, c in expected]
        assert recording.problems == []


@pytest.mark.parametrize(
    ("body_id", "about"),
    [("a", "xz"), ("b", "y"), ("c", "w"), ("", "wxyz")],
    ids=["its own", "its own, of others too", "those of the only person", "the only person"],
)
def test_annotations_are_about_the_body_that_they_name(body_id: str, about: str) -> None:
    named = {"w": "", "x": "a", "y": "b", "z": "a"}
    notes = [segment_to_annotation(START_NS, 0, "", key, BagTypes(), body_id=body) for key, body in named.items()]
    assert "".join(note.activity for note in of_body(notes, body_id)) == about


def test_annotations_of_several_bodies_are_not_mixed(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for at, body_id, activity in ((0, "b", "wave"), (1, "a", "walk"), (2, "b", "sit"), (4, "a", "stand")):
            note = segment_to_annotation(START_NS + at * S, 0, "", activity, writer.types, body_id=body_id)
            writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + at * S)
    with Recording(tmp_path / "bag") as recording:
        labels = read_annotations(recording, START_NS + 10 * S)
        assert [label.activity for label in labels] == ["walk", "stand"]
        assert recording.problems == ["annotations are of 2 bodies, 'a', 'b'; only those of 'a' are read"]


@pytest.mark.parametrize(
    ("topics", "streams", "read", "told"),
    [
        (
            ("/robot1/annotation", "/robot2/annotation"),
            ("/robot1/imu", "/robot1/cam/image"),
            "/robot1/annotation",
            False,
        ),
        (("/robot1/annotation", "/robot2/annotation"), ("/robot2/cam/image",), "/robot2/annotation", False),
        (("/fleet/a/annotation", "/fleet/b/notes"), ("/fleet/b/imu",), "/fleet/b/notes", False),
        (("/annotation", "/robot1/annotation"), ("/robot1/imu",), "/robot1/annotation", False),
        (("/operator/annotation",), ("/robot1/imu",), "/operator/annotation", False),
        (("/operator/annotation", "/annotation"), ("/imu",), "/annotation", True),
        (("/robot10/annotation", "/robot2/annotation"), ("/robot1/imu",), "/robot10/annotation", True),
        (("/robot1/annotation", "/robot2/annotation"), (), "/robot1/annotation", True),
    ],
)
def test_annotations_of_two_robots_are_not_mixed(
    tmp_path: Path, topics: tuple[str, ...], streams: tuple[str, ...], read: str, told: bool
) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for at, topic in enumerate(topics):
            note = segment_to_annotation(START_NS + at * S, 0, "", topic, writer.types)
            writer.write(topic, "mumu_ros/msg/ActivityAnnotation", note, START_NS + at * S)
        for index in range(100):
            for topic in {*streams, "/robot1/imu", "/robot2/imu"}:
                imu = array_to_imu(np.zeros((2, 3)), START_NS + index * PERIOD_NS, "i", writer.types)
                writer.write(topic, "sensor_msgs/msg/Imu", imu, START_NS + index * PERIOD_NS)
    with Recording(tmp_path / "bag") as recording:
        labels = read_annotations(recording, START_NS + 10 * S, streams)
        assert [(label.activity, label.end_ns) for label in labels] == [(read, START_NS + 10 * S)]
        problem = (
            f"annotations are on {' and '.join(sorted(topics))}; only those of {read} are read: a label file decides"
        )
        assert recording.problems == [problem] * told


def test_labels_lie_beside_the_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "walk.v2").mkdir()
    (tmp_path / "run.mcap").touch()
    assert labels_path(tmp_path / "walk.v2") == tmp_path / "walk.v2.labels.csv"
    assert labels_path(tmp_path / "run.mcap") == tmp_path / "run.labels.csv"
    monkeypatch.chdir(tmp_path / "walk.v2")
    assert labels_path(".") == tmp_path / "walk.v2.labels.csv"
