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

"""Frames are found by their stamps, traces keep every extreme, and unacceptable stamps are reported."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import array_to_image, array_to_pose_array, segment_to_annotation
from mumu_ros.labelling.footage import Footage, Trace
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.label_files import Label

S = 1_000_000_000
START_NS = 1_700_000_000 * S


def grey(jpeg: bytes) -> float:
    return float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean())


def test_every_frame_is_found_in_any_order(footage: Footage) -> None:
    (camera,) = footage.cameras
    assert camera.topic == "/camera"
    assert len(camera.stamps_ns) == 120
    for index in (119, 0, 60, 61, 3):
        assert grey(footage.frame(camera, index)) == pytest.approx(2 * index, abs=1)


def test_stamps_are_those_of_the_headers_not_of_the_log(write_bag: Callable[..., Path], tmp_path: Path) -> None:
    path = write_bag(tmp_path / "late", stamp_ns=lambda logged_ns: logged_ns - 1000 * S)
    with Recording(path) as recording:
        footage = Footage(recording)
        assert footage.start_ns == START_NS - 1000 * S
        assert grey(footage.frame(footage.cameras[0], 40)) == pytest.approx(80, abs=1)


@pytest.mark.parametrize("encoding", ["8UC1", "8UC3", "8UC4", "16UC3", "16UC4"])
def test_pictures_that_do_not_say_their_colours_are_shown(
    tmp_path: Path, encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    depth, channels = np.dtype(f"u{int(encoding.split('U')[0]) // 8}"), int(encoding[-1])
    with RecordingWriter(tmp_path / "bag") as writer:
        for index in range(2):
            image = array_to_image(np.zeros((8, 8, 3), np.uint8), START_NS + index * S, "", writer.types)
            image.encoding, image.step = encoding, 8 * channels * depth.itemsize
            image.data = np.full(8 * 8 * channels, np.iinfo(depth).max, depth).view(np.uint8)
            writer.write("/camera", "sensor_msgs/msg/Image", image, START_NS + index * S)
    with Recording(tmp_path / "bag") as recording:
        footage = Footage(recording)
        assert [grey(footage.frame(footage.cameras[0], index)) for index in range(2)] == [255, 255]
    assert capsys.readouterr().err.count("/camera does not say its colours") == 1


def test_an_imu_has_a_row_of_acceleration_and_one_of_angular_rate(footage: Footage) -> None:
    assert [trace.name for trace in footage.traces] == ["/imu · acceleration, m/s²", "/imu · angular rate, rad/s"]
    assert all(trace.values.shape == (600, 3) for trace in footage.traces)


VALUES = st.integers(-50, 50) | st.just(float("nan"))


@pytest.mark.filterwarnings("error")
@given(
    st.lists(VALUES, min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 60), st.sampled_from([1, S, 10**17])
)
def test_a_trace_keeps_every_extreme_of_what_is_asked_for(
    values: list[float], bins: int, end: int, period_ns: int
) -> None:
    """Also where it spans years: times the bins, nanoseconds of years do not fit 64 bits."""
    trace = Trace("t", period_ns * np.arange(len(values)), np.array(values, np.float32)[:, None])
    (rows,) = trace.envelope(0, period_ns * end, bins)
    inside = [value for value in values[:end] if value == value]
    assert min((low for _, low, _ in rows), default=None) == min(inside, default=None)
    assert max((high for _, _, high in rows), default=None) == max(inside, default=None)
    places = [place for place, _, _ in rows]
    assert places == sorted(set(places))
    assert all(0 <= place < bins for place in places)


@pytest.mark.filterwarnings("error")
@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=20))
def test_a_trace_is_drawn_as_high_as_what_is_seen_of_it(rows: list[list[float]]) -> None:
    seen = [value for row in rows for value in row if value == value]
    trace = Trace("t", np.arange(len(rows)), np.array(rows, np.float32))
    assert trace.percentiles((0, 100)) == (min(seen, default=0), max(seen, default=0))


@pytest.mark.filterwarnings("error")
def test_of_a_skeleton_the_joints_that_are_seen_to_move_are_shown(tmp_path: Path) -> None:
    """Joint 0 moves, and is hidden half of the time; joint 1 moves less; joint 2 stands; joint 3 is never seen."""
    with RecordingWriter(tmp_path / "bag") as writer:
        for index in range(20):
            joints = np.array([[index] * 3, [index / 2] * 3, [7] * 3, [np.nan] * 3])
            joints[0, :] = np.nan if index % 2 else index
            message = array_to_pose_array(joints, START_NS + index * S, "camera", writer.types)
            writer.write("/skeleton", "geometry_msgs/msg/PoseArray", message, START_NS + index * S)
    with Recording(tmp_path / "bag") as recording:
        (trace,) = Footage(recording).traces
    assert trace.name == "/skeleton · the 6 liveliest of 12"
    np.testing.assert_array_equal(trace.values[18], [18] * 3 + [9] * 3)
    hidden, whole = (trace.envelope(START_NS, START_NS + 20 * S, 20)[channel] for channel in (0, 3))
    assert hidden == [(index, index, index) for index in range(0, 20, 2)]
    assert whole == [(index, index / 2, index / 2) for index in range(20)]


def test_the_annotations_are_the_segments(footage: Footage) -> None:
    assert footage.annotations == [Label(START_NS + S, START_NS + 3 * S, "gesture", "wave")]


def test_two_recordings_in_one_bag_show_the_first(tmp_path: Path, write_bag: Callable[..., Path]) -> None:
    middle_ns = START_NS + 8 * S
    path = write_bag(tmp_path / "two", stamp_ns=lambda t: t if t < middle_ns else t - 6 * S)
    with Recording(path) as recording:
        footage = Footage(recording)
        assert footage.end_ns < middle_ns
        assert "two recordings" in " ".join(recording.problems)


@pytest.mark.parametrize("jumps_s", [[3], [9], [2, 11]])
def test_where_a_clock_is_set_forward_the_longest_part_is_shown(
    tmp_path: Path, write_bag: Callable[..., Path], jumps_s: list[int]
) -> None:
    """A robot without a clock of its own begins in 1970, until the network has told it the time."""
    jumps_ns = [START_NS + jump_s * S for jump_s in jumps_s]

    def stamp_ns(logged_ns: int) -> int:
        return logged_ns + sum(400 * 86_400 * S for jump_ns in jumps_ns if logged_ns >= jump_ns)

    with Recording(write_bag(tmp_path / "bag", stamp_ns=stamp_ns)) as recording:
        footage = Footage(recording)
        edges = [START_NS, *jumps_ns, START_NS + 12 * S]
        begin, end = max(pairwise(edges), key=lambda pair: pair[1] - pair[0])
        assert (footage.start_ns, footage.end_ns) == (stamp_ns(begin), stamp_ns(end - S // 50))
        (camera,) = footage.cameras
        assert len(camera.stamps_ns) == (end - begin) // (S // 10)
        assert [len(trace.stamps_ns) for trace in footage.traces] == [(end - begin) // (S // 50)] * 2
        assert grey(footage.frame(camera, 0)) == pytest.approx(2 * (begin - START_NS) // (S // 10), abs=1)
        (problem,) = recording.problems
        assert problem.startswith("time jumps ahead to ")
        shown = f"from {footage.start_ns / S:.3f} to {footage.end_ns / S:.3f} s"
        assert problem.endswith(f"only the longest part is shown, {shown}; split the bag to label the others")


def test_a_pause_is_shown(tmp_path: Path, write_bag: Callable[..., Path]) -> None:
    path = write_bag(tmp_path / "bag", stamp_ns=lambda t: t + (3600 * S if t >= START_NS + 3 * S else 0))
    with Recording(path) as recording:
        footage = Footage(recording)
        assert footage.end_ns - footage.start_ns > 3600 * S
        assert recording.problems == []


def test_unacceptable_stamps_are_dropped_and_counted(tmp_path: Path, write_bag: Callable[..., Path]) -> None:
    path = write_bag(tmp_path / "zero", stamp_ns=lambda t: 0 if t == START_NS + 2 * S else t)
    with Recording(path) as recording:
        footage = Footage(recording)
        assert footage.start_ns == START_NS
        assert "1 messages of /camera have unacceptable stamps" in " ".join(recording.problems)


def test_a_truncated_recording_shows_what_is_whole(bag: Path) -> None:
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with Recording(bag) as recording:
        footage = Footage(recording)
        assert 0 < len(footage.cameras[0].stamps_ns) <= 120
        assert "truncated" in " ".join(recording.problems)
        assert footage.frame(footage.cameras[0], 0)


def test_a_recording_without_anything_to_see_is_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        note = segment_to_annotation(START_NS, START_NS + S, "", "wave", writer.types)
        writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS)
    with Recording(tmp_path / "bag") as recording, pytest.raises(RecordingError, match="shows nothing to label"):
        Footage(recording)


def test_depth_is_coloured_alike_in_every_frame(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "bag") as writer:
        for index, millimetres in enumerate((1000, 3000, 1000)):
            depth = np.full((48, 64), millimetres, np.uint16)
            depth[:, :32] = 2000
            image = array_to_image(depth, START_NS + index * S, "camera", writer.types)
            writer.write("/depth", "sensor_msgs/msg/Image", image, START_NS + index * S)
    with Recording(tmp_path / "bag") as recording:
        footage = Footage(recording)
        frames = [footage.frame(footage.cameras[0], index) for index in range(3)]
    assert frames[0] == frames[2]
    first, second = (cv2.imdecode(np.frombuffer(x, np.uint8), cv2.IMREAD_COLOR)[10, 10] for x in frames[:2])
    np.testing.assert_allclose(first.astype(int), second.astype(int), atol=3)
