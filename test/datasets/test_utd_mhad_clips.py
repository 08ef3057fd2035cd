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

"""UTD-MHAD for training: streams of one clip on one clock, only the needed files read, bad ones named."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="UTD-MHAD needs scipy (extra train)")
from scipy.io import savemat

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError, Segment
from mumu_ros.datasets.file_reading import Video
from mumu_ros.datasets.utd_mhad import UtdMhad

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", REPOSITORY.parent / "shared/data/utd_mhad"))
FRAMES, SAMPLES = 4, 11
DURATION_NS = round(FRAMES / 30 * 1e9)
PARTS = {
    "skeleton": (20, 3),
    "torso": (4, 3),
    "arms": (8, 3),
    "left_arm": (4, 3),
    "right_arm": (4, 3),
    "legs": (8, 3),
    "imu": (2, 3),
    "acceleration": (1, 3),
    "gyroscope": (1, 3),
}


@pytest.fixture
def root(tmp_path, write_trial, write_video):
    for name in ("a3_s1_t2", "a27_s2_t1"):
        write_trial(tmp_path, name)
        write_video(tmp_path / "RGB" / f"{name}_color.avi", FRAMES + 1, rate_hz=15.0)
    return tmp_path


def open_root(root: Path, **options):
    return open_dataset("utd_mhad", str(root), **options)


def test_clips_are_named_as_in_the_dataset_and_the_trial_is_the_session(root):
    first, second = open_root(root).clips
    assert (first.id, first.subject, first.activity, first.session) == ("a27_s2_t1", 2, "squat", 1)
    assert (second.id, second.subject, second.activity, second.session) == ("a3_s1_t2", 1, "wave", 2)


def test_subjects_select_and_those_that_are_not_there_are_no_error(root):
    assert [clip.id for clip in open_root(root, subjects=[2, 7]).clips] == ["a27_s2_t1"]
    with pytest.raises(DatasetError, match=r"no clip of subjects \[7\]"):
        open_root(root, subjects=[7])


def test_streams_are_parts_of_the_files_spread_over_the_time_of_the_frames(root, preprocessing):
    dataset = open_root(root)
    info = dataset.clips[0]
    clip = dataset.read(info, preprocessing(**PARTS, depth=(32, 40, 1), rgb=(32, 40, 3)))
    assert set(clip.streams) == {*PARTS, "depth", "rgb"} == set(dataset.streams)
    assert (clip.id, clip.subject) == (info.id, 2)
    start_ns = clip.segments[0].start_ns
    assert start_ns > 0
    assert clip.segments == (Segment(start_ns, start_ns + DURATION_NS, "squat"),)
    for stream in clip.streams.values():
        count = len(stream.samples)
        np.testing.assert_allclose(stream.stamps_ns - start_ns, np.arange(count) * DURATION_NS / count, atol=1)
    files = next(c for c in UtdMhad(root) if c.name == info.id)
    samples = {name: np.array(stream.samples) for name, stream in clip.streams.items()}
    assert {name: samples[name].shape[1:] for name in PARTS} == PARTS
    np.testing.assert_allclose(samples["skeleton"], files.skeleton, rtol=1e-6)
    np.testing.assert_allclose(samples["imu"], files.inertial, rtol=1e-6)
    body = np.concatenate([samples["torso"], samples["arms"], samples["legs"]], axis=1)
    np.testing.assert_array_equal(body, samples["skeleton"])
    arms = np.concatenate([samples["left_arm"], samples["right_arm"]], axis=1)
    np.testing.assert_array_equal(arms, samples["arms"])
    both = np.concatenate([samples["acceleration"], samples["gyroscope"]], axis=1)
    np.testing.assert_array_equal(both, samples["imu"])
    assert samples["depth"].shape == (FRAMES, 32, 40, 1)


def test_colour_images_are_rgb_and_no_longer_mirrored(root, preprocessing):
    dataset = open_root(root)
    frames = np.array(dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3))).streams["rgb"].samples)
    assert frames.shape == (FRAMES + 1, 32, 40, 3)
    left, right = frames[:, :, :15].mean((0, 1, 2)), frames[:, :, -15:].mean((0, 1, 2))
    assert left.argmax() == 2, "the file has blue at the right"
    assert right.argmax() == 0, "the file has red at the left"


def test_only_the_needed_files_are_read(root, preprocessing):
    for path in (*root.glob("Depth/*"), *root.glob("RGB/*"), *root.glob("Inertial/*")):
        path.write_bytes(b"")
    dataset = open_root(root)
    assert set(dataset.read(dataset.clips[0], preprocessing(arms=(8, 3))).streams) == {"arms"}


def test_a_modality_whose_folder_is_not_there_is_left_out(root, preprocessing):
    for path in (*root.glob("RGB/*"), *root.glob("Skeleton/*")):
        path.unlink()
    (root / "RGB").rmdir()
    (root / "Skeleton").rmdir()
    dataset = open_root(root)
    assert set(dataset.streams) == {"depth", "imu", "acceleration", "gyroscope"}
    clip = dataset.read(dataset.clips[0], preprocessing(imu=(2, 3), arms=(8, 3), rgb=(32, 40, 3)))
    assert set(clip.streams) == {"imu"}
    with pytest.raises(DatasetError, match=r"UTD-MHAD has .*depth.*; the model takes rgb"):
        dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3)))


@pytest.mark.parametrize(
    ("file", "damage", "text"),
    [
        ("Skeleton/a27_s2_t1_skeleton.mat", None, "missing"),
        ("Skeleton/a27_s2_t1_skeleton.mat", b"MATLAB 5.0", "truncated or no MATLAB file"),
        ("Skeleton/a27_s2_t1_skeleton.mat", {"d_skel": np.full((20, 3, FRAMES), np.nan)}, "not finite"),
        ("Skeleton/a27_s2_t1_skeleton.mat", {"d_skel": np.zeros((15, 3, FRAMES))}, "is not 20 × 3 × any"),
        ("Skeleton/a27_s2_t1_skeleton.mat", {"d_skel": np.zeros((20, 3, FRAMES + 2))}, "differ in length"),
        ("Inertial/a27_s2_t1_inertial.mat", {"d_iner": "text"}, "not real numbers|is not any × 6"),
        ("Inertial/a27_s2_t1_inertial.mat", {"other": np.zeros((SAMPLES, 6))}, "no variable 'd_iner'"),
        ("RGB/a27_s2_t1_color.avi", None, "missing"),
        ("RGB/a27_s2_t1_color.avi", b"RIFF", "no video"),
    ],
)
def test_a_clip_with_a_bad_file_is_refused_and_the_file_is_named(root, preprocessing, file, damage, text):
    path = root / file
    path.unlink()
    if isinstance(damage, dict):
        savemat(path, damage)
    elif damage is not None:
        path.write_bytes(damage)
    dataset = open_root(root)
    takes = preprocessing(skeleton=(20, 3), imu=(2, 3), depth=(32, 40, 1), rgb=(32, 40, 3))
    with pytest.raises(DatasetError, match=text) as caught:
        dataset.read(dataset.clips[0], takes)
    assert str(caught.value).startswith(f"{path}")
    assert dataset.read(dataset.clips[1], takes).id == "a3_s1_t2"


def test_a_truncated_video_is_refused(root, preprocessing, write_video):
    path = root / "RGB" / "a27_s2_t1_color.avi"
    write_video(path, 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    dataset = open_root(root)
    with pytest.raises(DatasetError, match=r"a27_s2_t1_color.avi is damaged: \d+ of 60 frames"):
        dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3)))


def test_a_video_whose_name_is_no_utf_8_is_refused(tmp_path, write_video):
    write_video(tmp_path / "color.avi", 3)
    path = (tmp_path / "color.avi").rename(tmp_path / os.fsdecode(b"M\xfcller.avi"))
    with pytest.raises(DatasetError, match=r"M\\udcfcller.avi' is not valid UTF-8; rename it"):
        Video(path)


def test_the_name_of_a_video_may_have_a_colon(tmp_path, write_video, monkeypatch):
    write_video(tmp_path / "12:30" / "color.mp4", 3)
    monkeypatch.chdir(tmp_path)
    assert len(list(Video(Path("12:30/color.mp4")))) == 3


def test_a_model_with_another_shape_is_refused(root, preprocessing):
    dataset = open_root(root)
    with pytest.raises(DatasetError, match=r"a27_s2_t1_inertial.mat: imu: .*\(2, 3\); expected .*\(1, 3\)"):
        dataset.read(dataset.clips[0], preprocessing(imu=(1, 3)))


def test_an_empty_root_is_looked_up_in_the_environment_first(root, monkeypatch):
    monkeypatch.setenv("MUMU_UTD_MHAD", str(root))
    assert [clip.id for clip in open_dataset("utd_mhad", "").clips] == ["a27_s2_t1", "a3_s1_t2"]


def test_where_the_dataset_is_nowhere_the_error_names_the_places_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("MUMU_UTD_MHAD", str(tmp_path / "gone"))
    with pytest.raises(DatasetError, match=r"Download it from https://.*cite Chen") as caught:
        open_dataset("utd_mhad", str(tmp_path / "here"))
    assert str(tmp_path / "here") in str(caught.value)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to its folder")
@pytest.mark.data
def test_the_real_dataset_is_found_and_read(preprocessing):
    dataset = open_dataset("utd_mhad", "", subjects=[1])
    assert len(dataset.clips) == 27 * 4 - 1, "subject 1 has three trials of action 8"
    clip = dataset.read(dataset.clips[0], preprocessing(**PARTS, depth=(48, 64, 1)))
    assert set(clip.streams) == {*PARTS, "depth"}
    assert 30 < len(clip.streams["depth"].samples) < 200
    ratio = len(clip.streams["imu"].samples) / len(clip.streams["skeleton"].samples)
    assert 2.4 < ratio < 4.5
