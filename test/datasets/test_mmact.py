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

"""MMAct: one clip a performance and camera, stamps repaired, units SI, empty and invalid files absent."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.mmact import repair_stamps

MS = 1_000_000
S = 1000 * MS
NOON_NS = 1_514_808_000 * S
"""20180101_12:00:00 as if it were UTC."""
SENSORS = {"acc_phone": (1, 3), "acc_watch": (1, 3), "gyro": (1, 3), "orientation": (1, 3)}
FOLDERS = tuple(f"{sensor}_clip" for sensor in SENSORS)
CARRYING = "subject1/scene2/session3/carrying"


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_sensors(root: Path, clip: str, folders=FOLDERS) -> None:
    for folder in folders:
        lines = (f"20180101_12:00:00.{20 * index:03d},{index},0,90" for index in range(10))
        write(root / folder / f"{clip}.csv", *lines)


def read(root: Path, preprocessing, *lines: str):
    """The watch's stream, of a dataset of one file with these lines."""
    write(root / "acc_watch_clip" / f"{CARRYING}.csv", *lines)
    dataset = open_dataset("mmact", str(root))
    (info,) = dataset.clips
    return dataset.read(info, preprocessing(acc_watch=(1, 3))).streams["acc_watch"]


def test_a_performance_is_a_clip_with_its_place_in_the_dataset(tmp_path, preprocessing):
    write_sensors(tmp_path, CARRYING)
    dataset = open_dataset("mmact", str(tmp_path))
    (info,) = dataset.clips
    assert (info.id, info.activity) == ("subject1_scene2_session3_cam0_carrying", "carrying")
    assert (info.subject, info.scene, info.session, info.camera) == (1, 2, 3, 0)
    assert dataset.streams == tuple(SENSORS)
    clip = dataset.read(info, preprocessing(**SENSORS))
    assert set(clip.streams) == set(SENSORS)
    (segment,) = clip.segments
    assert (segment.start_ns, segment.end_ns, segment.activity) == (NOON_NS, NOON_NS + 180 * MS + 1, "carrying")
    for name, stream in clip.streams.items():
        np.testing.assert_array_equal(stream.stamps_ns, NOON_NS + 20 * MS * np.arange(10))
        unit = math.pi / 180 if name == "orientation" else 1
        np.testing.assert_allclose(stream.samples[7], [[7 * unit, 0, 90 * unit]], rtol=1e-6)


@pytest.mark.parametrize("top", ["", "Sensor_trimmed"])
def test_sensors_lie_in_the_root_or_in_their_own_folder(tmp_path, top):
    write_sensors(tmp_path / top, CARRYING)
    assert len(open_dataset("mmact", str(tmp_path)).clips) == 1


@pytest.mark.parametrize("video", ["video/subject1/cam{}/scene2", "Video_trimmed/subject1/camera{}/scene2"])
def test_every_camera_that_saw_a_performance_has_a_clip_of_its_own(tmp_path, preprocessing, write_video, video):
    write_sensors(tmp_path, CARRYING, ["acc_watch_clip"])
    for camera in (1, 4):
        write_video(tmp_path / video.format(camera) / "session3" / "carrying.mp4", 12, rate_hz=20.0)
    dataset = open_dataset("mmact", str(tmp_path))
    assert [info.camera for info in dataset.clips] == [1, 4]
    assert [info.id for info in dataset.clips] == [f"subject1_scene2_session3_cam{c}_carrying" for c in (1, 4)]
    assert dataset.streams == ("acc_watch", "rgb")
    clip = dataset.read(dataset.clips[1], preprocessing(rgb=(32, 40, 3), acc_watch=(1, 3)))
    stream = clip.streams["rgb"]
    np.testing.assert_allclose(stream.stamps_ns, NOON_NS + 50 * MS * np.arange(12), atol=2)
    assert clip.segments[0].end_ns == stream.stamps_ns[-1] + 1
    assert stream.samples[5][16, 5].argmax() == 0, "red at the left"


def test_a_video_without_sensors_is_a_clip(tmp_path, preprocessing, write_video):
    write_video(tmp_path / "video/subject1/cam2/scene2/session3/carrying.mp4", 3)
    dataset = open_dataset("mmact", str(tmp_path))
    clip = dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3), gyro=(1, 3)))
    assert set(clip.streams) == {"rgb"}
    assert clip.streams["rgb"].stamps_ns[0] > 0


def test_activities_are_lower_case_and_two_have_other_names_at_the_desk(tmp_path):
    for clip in ("scene1/session1/using_phone", "scene3/session1/using_phone", "scene3/session1/talking_on_phone"):
        write_sensors(tmp_path, f"subject1/{clip}")
    write_sensors(tmp_path, "subject2/scene2/session1/Carrying_light")
    activities = {(info.scene, info.activity) for info in open_dataset("mmact", str(tmp_path)).clips}
    assert activities == {
        (1, "using_phone"),
        (3, "using_phone_desk"),
        (3, "talking_on_phone_desk"),
        (2, "carrying_light"),
    }


def test_a_sensor_that_is_missing_empty_or_listed_as_invalid_is_absent(tmp_path, preprocessing):
    write_sensors(tmp_path, CARRYING, ["acc_watch_clip", "gyro_clip"])
    write(tmp_path / "acc_phone_clip" / f"{CARRYING}.csv")
    write(tmp_path / "gyro_clip" / "invalid_files.txt", "", f"{CARRYING}.csv")
    dataset = open_dataset("mmact", str(tmp_path))
    assert set(dataset.read(dataset.clips[0], preprocessing(**SENSORS)).streams) == {"acc_watch"}
    with pytest.raises(DatasetError, match=r"cam0_carrying has .*acc_watch; the model takes orientation"):
        dataset.read(dataset.clips[0], preprocessing(orientation=(1, 3)))
    with pytest.raises(DatasetError, match=r"empty: .*acc_phone_clip.*carrying.csv"):
        dataset.read(dataset.clips[0], preprocessing(acc_phone=(1, 3)))


def test_samples_of_a_second_without_fractions_are_spread_over_it(tmp_path, preprocessing):
    lines = [f"20180101_12:00:0{second},{index},0,0" for second in (0, 1) for index in range(4)]
    stream = read(tmp_path, preprocessing, *lines)
    np.testing.assert_array_equal(stream.stamps_ns, NOON_NS + 250 * MS * np.arange(8))


def test_a_single_stamp_without_a_fraction_is_that_of_the_whole_second(tmp_path, preprocessing):
    stream = read(tmp_path, preprocessing, *(f"20180101_12:00:0{t},0,0,0" for t in ("0.990", "1", "1.01", "1.02")))
    np.testing.assert_array_equal(stream.stamps_ns, NOON_NS + np.array([990, 1000, 1010, 1020]) * MS)


def test_samples_that_share_a_stamp_are_kept_within_the_usual_step(tmp_path, preprocessing):
    times = ("0.000", "0.010", "0.020", "0.020", "0.500", "0.510")
    stream = read(tmp_path, preprocessing, *(f"20180101_12:00:0{t},0,0,0" for t in times))
    np.testing.assert_array_equal(stream.stamps_ns, NOON_NS + np.array([0, 10, 20, 25, 500, 510]) * MS)


def test_lines_that_run_backwards_are_sorted_and_counted(tmp_path, preprocessing):
    path = tmp_path / "acc_watch_clip" / f"{CARRYING}.csv"
    write(path, *(f"20180101_12:00:00.{t},{t},0,0" for t in ("000", "020", "010", "030")))
    dataset = open_dataset("mmact", str(tmp_path))
    stream = dataset.read(dataset.clips[0], preprocessing(acc_watch=(1, 3))).streams["acc_watch"]
    assert [sample[0, 0] for sample in stream.samples] == [0, 10, 20, 30]
    np.testing.assert_array_equal(stream.stamps_ns, NOON_NS + 10 * MS * np.arange(4))
    assert dataset.repaired == {path: 2}


stamps = st.lists(st.tuples(st.integers(0, 3000), st.booleans()), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(stamps)
@example([(0, False), (0, False), (0, False), (1500, False)])
def test_repair_loses_no_sample_and_moves_none_past_the_next_stamp_or_second(rows):
    whole = np.array([lacking for _, lacking in rows])
    given_ns = np.array([t // 1000 * S if lacking else t * MS for t, lacking in rows])
    order, repaired_ns, moved = repair_stamps(given_ns, whole)
    assert sorted(order) == list(range(len(rows)))
    assert (np.diff(repaired_ns) > 0).all()
    shift_ns = repaired_ns - given_ns[order]
    assert ((shift_ns >= 0) & (shift_ns < S)).all()
    assert (given_ns[order][:-1] <= given_ns[order][1:]).all()
    assert set(given_ns) <= set(repaired_ns), "the first sample of each stamp keeps it"
    clean = len(set(given_ns)) == len(rows) and (np.diff(given_ns) > 0).all()
    assert (moved == 0) == clean


@pytest.mark.parametrize(
    "line",
    [
        "20180101_12:00:00.000,1,2",
        "20180101_12:00:00.000,1,2,3,4",
        "20180101_12:00:00.000,1,x,3",
        "20180101_12:00:00.000,1,nan,3",
        "2018-01-01 12:00:00,1,2,3",
        "20181301_12:00:00.000,1,2,3",
        "20180101_12:00:61,1,2,3",
        "1514808000.0,1,2,3",
        "\0\0\0",
    ],
)
def test_a_line_that_is_no_sample_is_named_with_its_file(tmp_path, preprocessing, line):
    with pytest.raises(DatasetError, match=r"carrying.csv:2: .* is not timestamp,x,y,z"):
        read(tmp_path, preprocessing, "20180101_12:00:00.000,1,2,3", line)


def test_a_file_that_is_no_text_is_named(tmp_path, preprocessing):
    write_sensors(tmp_path, CARRYING)
    (tmp_path / "gyro_clip" / f"{CARRYING}.csv").write_bytes(b"\xff\xfe\x00\xd8")
    dataset = open_dataset("mmact", str(tmp_path))
    with pytest.raises(DatasetError, match=r"gyro_clip.*carrying.csv cannot be read as text"):
        dataset.read(dataset.clips[0], preprocessing(gyro=(1, 3)))


def test_sensors_with_different_clocks_are_refused(tmp_path, preprocessing):
    write_sensors(tmp_path, CARRYING, ["gyro_clip"])
    write(tmp_path / "acc_watch_clip" / f"{CARRYING}.csv", "20180101_13:00:00.000,1,2,3")
    dataset = open_dataset("mmact", str(tmp_path))
    with pytest.raises(DatasetError, match=r"acc_watch begins 3599.8 s after gyro ended; their clocks differ"):
        dataset.read(dataset.clips[0], preprocessing(**SENSORS))


def test_a_truncated_video_is_named(tmp_path, preprocessing, write_video):
    path = tmp_path / "video/subject1/cam2/scene2/session3/carrying.mp4"
    write_video(path, 20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    dataset = open_dataset("mmact", str(tmp_path))
    with pytest.raises(DatasetError, match=r"carrying.mp4 is no video, or a truncated one"):
        dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3)))


def test_subjects_select_and_those_that_are_not_there_are_no_error(tmp_path):
    write_sensors(tmp_path, CARRYING)
    assert len(open_dataset("mmact", str(tmp_path), subjects=[1, 20]).clips) == 1
    with pytest.raises(DatasetError, match="MMAct has no clip of subjects 19, 20"):
        open_dataset("mmact", str(tmp_path), subjects=[20, 19])
