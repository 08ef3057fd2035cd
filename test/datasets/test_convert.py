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

"""`mumu convert utd-mhad`: clips, pauses and annotations on one time base."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.conversions import header_stamp_ns, image_to_array, time_to_ns, vector_to_array
from mumu_ros.datasets.convert import PAUSE_S
from mumu_ros.datasets.utd_mhad import UtdMhad
from mumu_ros.recordings import Recording
from mumu_ros.recordings.topics import ANNOTATION_TOPIC

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", REPOSITORY.parent / "shared/data/utd_mhad"))
FRAMES, SAMPLES = 6, 16
DEPTH, IMU, SKELETON = "/camera/depth/image_raw", "/imu/wrist", "/skeleton"


@pytest.fixture
def root(tmp_path, write_utd_mhad):
    return write_utd_mhad(tmp_path / "data", ["a1_s1_t1", "a3_s2_t1", "a22_s2_t1"], FRAMES, SAMPLES)


def read(path: Path) -> dict[str, list]:
    """Messages by topic, each with a header stamp equal to its log time, which never goes back."""
    rows: dict[str, list] = {}
    last_ns = 0
    with Recording(path) as recording:
        assert recording.problems == []
        for topic, stamp_ns, message in recording.messages():
            assert header_stamp_ns(message) == stamp_ns >= last_ns
            last_ns = stamp_ns
            rows.setdefault(topic, []).append(message)
    return rows


def within(messages: list, annotation) -> list:
    start, end = time_to_ns(annotation.start), time_to_ns(annotation.end)
    return [message for message in messages if start <= header_stamp_ns(message) < end]


def check_against_dataset(rows: dict[str, list], clips: list) -> None:
    """Every annotation spans its clip, and the messages within it are the clip's samples."""
    annotations = rows[ANNOTATION_TOPIC]
    assert [(a.subject, a.activity, a.group) for a in annotations] == [
        (str(clip.subject), clip.activity, clip.group) for clip in clips
    ]
    for annotation, clip in zip(annotations, clips, strict=True):
        depth = [image_to_array(m, "depth") for m in within(rows[DEPTH], annotation)]
        np.testing.assert_array_equal(depth, clip.depth)
        skeleton = [
            vector_to_array(m, "geometry_msgs/msg/PoseArray", (20, 3)) for m in within(rows[SKELETON], annotation)
        ]
        np.testing.assert_array_equal(skeleton, clip.skeleton)
        inertial = [vector_to_array(m, "sensor_msgs/msg/Imu", (2, 3)) for m in within(rows[IMU], annotation)]
        np.testing.assert_array_equal(inertial, clip.inertial)
    for before, after in itertools.pairwise(annotations):
        assert time_to_ns(after.start) - time_to_ns(before.end) == round(PAUSE_S * 1e9)


def test_the_recording_holds_every_clip_within_its_annotation(tmp_path, root, mumu, capsys):
    assert mumu(["convert", "utd-mhad", root, tmp_path / "bag"]) == 0
    check_against_dataset(read(tmp_path / "bag"), list(UtdMhad(root)))
    assert "3 clips, 0 skipped" in capsys.readouterr().out


def test_frames_keep_their_rate_and_inertial_samples_fill_the_same_time(tmp_path, root, mumu):
    mumu(["convert", "utd-mhad", root, tmp_path / "bag", "--limit", 1])
    rows = read(tmp_path / "bag")
    (annotation,) = rows[ANNOTATION_TOPIC]
    start_ns = time_to_ns(annotation.start)
    duration_ns = time_to_ns(annotation.end) - start_ns
    assert duration_ns == pytest.approx(FRAMES / 30 * 1e9)
    for topic, count in ((DEPTH, FRAMES), (SKELETON, FRAMES), (IMU, SAMPLES)):
        stamps = [header_stamp_ns(message) - start_ns for message in rows[topic]]
        np.testing.assert_allclose(stamps, np.arange(count) * duration_ns / count, atol=1)


def test_the_frame_of_the_inertial_sensor_says_where_it_was_worn(tmp_path, root, mumu):
    mumu(["convert", "utd-mhad", root, tmp_path / "bag", "--subjects", "2"])
    rows = read(tmp_path / "bag")
    frames = {
        annotation.activity: {message.header.frame_id for message in within(rows[IMU], annotation)}
        for annotation in rows[ANNOTATION_TOPIC]
    }
    assert frames == {"wave": {"imu_wrist"}, "jog": {"imu_thigh"}}


def test_subjects_and_activities_select_clips(tmp_path, root, mumu):
    mumu(["convert", "utd-mhad", root, tmp_path / "bag", "--subjects", "1, 2", "--activities", "jog,wave"])
    annotations = read(tmp_path / "bag")[ANNOTATION_TOPIC]
    assert [(a.subject, a.activity) for a in annotations] == [("2", "wave"), ("2", "jog")]


def test_a_damaged_clip_is_left_out_and_named(tmp_path, root, mumu, capsys):
    damaged = root / "Inertial" / "a3_s2_t1_inertial.mat"
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert mumu(["convert", "utd-mhad", root, tmp_path / "bag", "--limit", 2]) == 0
    output = capsys.readouterr()
    assert "2 clips, 1 skipped" in output.out
    assert f"skipped {damaged}: " in output.err
    assert [a.activity for a in read(tmp_path / "bag")[ANNOTATION_TOPIC]] == ["swipe_left", "jog"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--subjects", "one"], "subjects are 'one'; expected numbers and ranges"),
        (["--subjects", "9"], "no clip of subjects [9]"),
        (["--subjects", ""], "subjects are ''; expected numbers and ranges"),
        (["--activities", "nap"], "activity nap is unknown"),
        (["--activities", ""], "activity  is unknown"),
        (["--limit", "0"], "--limit is 0"),
    ],
)
def test_a_bad_argument_is_one_line_and_status_2(tmp_path, root, mumu, capsys, arguments, text):
    assert mumu(["convert", "utd-mhad", root, tmp_path / "bag", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mumu convert: ")
    assert text in line
    assert not (tmp_path / "bag").exists()


def test_a_dataset_of_which_nothing_can_be_read_leaves_no_recording(tmp_path, write_utd_mhad, mumu, capsys):
    root = write_utd_mhad(tmp_path / "data", ["a1_s1_t1"])
    (root / "Depth" / "a1_s1_t1_depth.mat").write_bytes(b"")
    assert mumu(["convert", "utd-mhad", root, tmp_path / "bag"]) == 2
    assert "none of 1 clips can be read" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


@pytest.mark.data
@pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to the folder with Depth, Skeleton, Inertial"
)
def test_real_clips_survive_the_conversion(tmp_path, mumu):
    pytest.importorskip("scipy", reason="UTD-MHAD needs scipy (extra train)")
    selection = ["--subjects", "3", "--activities", "knock,squat", "--limit", 5]
    assert mumu(["convert", "utd-mhad", DATA, tmp_path / "bag", *selection]) == 0
    clips = list(UtdMhad(DATA, subjects=[3], activities=["knock", "squat"]))[:5]
    check_against_dataset(read(tmp_path / "bag"), clips)
