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

"""The folder format of docs/datasets.md: what it can hold, and what each mistake is answered with."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError

S = 1_000_000_000


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, **arrays)


@pytest.fixture
def root(tmp_path):
    """One clip, "c1": an IMU from 0.5 s to 2 s, at 2 Hz."""
    write(tmp_path / "clips.csv", "id,subject,activity", "c1,7,wave")
    lines = (f"{0.5 + index / 2},1,2,3,4,5,{index}" for index in range(4))
    write(tmp_path / "c1" / "imu.csv", "stamp_s,ax,ay,az,wx,wy,wz", *lines)
    return tmp_path


def read(root: Path, preprocessing):
    dataset = open_dataset("folder", str(root))
    return dataset.read(dataset.clips[0], preprocessing)


def test_a_csv_file_holds_a_vector_stream(root, preprocessing):
    dataset = open_dataset("folder", str(root))
    (info,) = dataset.clips
    assert (info.id, info.subject, info.activity) == ("c1", 7, "wave")
    assert dataset.streams == ("imu",)
    clip = dataset.read(info, preprocessing(imu=(2, 3)))
    stream = clip.streams["imu"]
    np.testing.assert_array_equal(np.diff(stream.stamps_ns), S // 2)
    np.testing.assert_array_equal(stream.samples[3], [[1, 2, 3], [4, 5, 3]])
    (segment,) = clip.segments
    assert (segment.start_ns, segment.end_ns) == (stream.stamps_ns[0], stream.stamps_ns[-1] + 1)
    assert (segment.activity, clip.subject, clip.id) == ("wave", 7, "c1")


def test_session_scene_and_camera_are_told_where_they_mean_something(root):
    write(root / "clips.csv", "camera,id,scene,activity,subject,session", "4, b ,3,walk,1,2", "", "1,a,1,wave,2,9")
    first, second = open_dataset("folder", str(root)).clips
    assert (first.id, first.session, first.scene, first.camera) == ("a", 9, 1, 1)
    assert (second.id, second.session, second.scene, second.camera) == ("b", 2, 3, 4)


def test_an_npz_file_holds_any_stream(root, preprocessing):
    depth = np.full((3, 40, 50), 1500, np.uint16)
    write_npz(root / "c1" / "depth.npz", stamps_ns=np.array([5, 6, 7]) * S, samples=depth)
    stream = read(root, preprocessing(depth=(32, 40, 1))).streams["depth"]
    assert np.diff(stream.stamps_ns).tolist() == [S, S]
    np.testing.assert_allclose(stream.samples, np.full((3, 32, 40, 1), 1.5), rtol=1e-6)


def test_a_folder_of_png_files_holds_images(root, preprocessing):
    for name, stamp_ns in (("rgb", 2 * S), ("rgb", 10 * S), ("depth", 3 * S)):
        path = root / "c1" / name / f"{stamp_ns}.png"
        path.parent.mkdir(exist_ok=True)
        red = np.zeros((32, 40, 3), np.uint8) + np.array([0, 0, 200], np.uint8)
        cv2.imwrite(str(path), red if name == "rgb" else np.full((32, 40), 2500, np.uint16))
    for hidden in (".DS_Store", "rgb/.DS_Store", f"rgb/._{2 * S}.png", "._imu.csv"):
        (root / "c1" / hidden).write_bytes(b"of the system")
    assert open_dataset("folder", str(root)).streams == ("depth", "imu", "rgb")
    clip = read(root, preprocessing(rgb=(32, 40, 3), depth=(32, 40, 1)))
    np.testing.assert_array_equal(clip.streams["rgb"].samples[0][3, 3], [200, 0, 0])
    assert np.diff(clip.streams["rgb"].stamps_ns).tolist() == [8 * S], "in the order of time, not of names"
    assert clip.streams["depth"].stamps_ns[0] - clip.streams["rgb"].stamps_ns[0] == S
    assert clip.streams["depth"].samples[0][0, 0, 0] == pytest.approx(2.5)


def test_a_clip_of_several_activities_has_segments_on_the_same_clock(root, preprocessing):
    write(root / "clips.csv", "id,subject,activity", "c1,7,")
    write(root / "c1" / "segments.csv", "start_s,end_s,activity", "0.5,1,wave", "1,1.75,walk")
    clip = read(root, preprocessing(imu=(2, 3)))
    start_ns = clip.streams["imu"].stamps_ns[0]
    seconds = [((s.start_ns - start_ns) / S, (s.end_ns - start_ns) / S, s.activity) for s in clip.segments]
    assert seconds == [(0, 0.5, "wave"), (0.5, 1.25, "walk")]


def test_labels_without_samples_are_cut_off(root, preprocessing):
    """The samples are from 0.5 s to 2 s."""
    write(root / "clips.csv", "id,subject,activity", "c1,7,")
    write(root / "c1" / "segments.csv", "start_s,end_s,activity", "0,0.25,wave", "0.25,1,walk", "1,9,wave", "9,10,walk")
    clip = read(root, preprocessing(imu=(2, 3)))
    start_ns, *_, end_ns = clip.streams["imu"].stamps_ns
    spans = [(s.start_ns - start_ns, s.end_ns - start_ns, s.activity) for s in clip.segments]
    assert spans == [(0, S // 2, "walk"), (S // 2, end_ns + 1 - start_ns, "wave")]
    assert clip.beyond_s == pytest.approx(0.5 + 8)
    write(root / "c1" / "segments.csv", "start_s,end_s,activity", "100,101,wave")
    with pytest.raises(DatasetError, match=r"segments.csv has no segment at the time of the samples, 0.500 s to 2.000"):
        read(root, preprocessing(imu=(2, 3)))


@settings(max_examples=50, deadline=None)
@given(
    start_ns=st.integers(-(2**60), 2**60),
    steps=st.lists(st.integers(1, 10 * S), max_size=20),
)
def test_stamps_may_count_from_anywhere_and_keep_their_nanoseconds(start_ns, steps, tmp_path_factory, preprocessing):
    root = tmp_path_factory.mktemp("folder")
    stamps_ns = start_ns + np.cumsum([0, *steps], dtype=np.int64)
    write(root / "clips.csv", "id,subject,activity", "c,1,wave")
    texts = (f"{'-' if t < 0 else ''}{abs(t) // S}.{abs(t) % S:09d}" for t in stamps_ns.tolist())
    write(root / "c" / "v.csv", "stamp_s,x,y,z", *(f"{text},0,0,0" for text in texts))
    stream = read(root, preprocessing(v=(1, 3))).streams["v"]
    np.testing.assert_array_equal(np.diff(stream.stamps_ns), steps)
    assert stream.stamps_ns[0] > 0


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((), "clips.csv:1: columns ''; expected id, subject, activity"),
        (("c1,7,wave",), "clips.csv:1: columns 'c1, 7, wave'; expected id, subject, activity, and if need be session"),
        (("id,subject,activity", "c1,-1,wave"), "clips.csv:2: subject -1 is negative"),
        (("id,subject,activity,mood", "c1,7,wave,good"), "clips.csv:1: columns .*mood"),
        (("id,subject,activity",), "clips.csv has no clip"),
        (("id,subject,activity", "c1,7"), "clips.csv:2: 2 values; the header has 3"),
        (("id,subject,activity", "c1,7,wave", "c2,Bob,wave"), "clips.csv:3: subject 'Bob' is no whole number"),
        (("id,subject,activity,camera", "c1,7,wave,"), "clips.csv:2: camera '' is no whole number"),
        (("id,subject,activity", "../c1,7,wave"), "clips.csv:2: id '../c1' is no name of a folder"),
        (("id,subject,activity", ",7,wave"), "clips.csv:2: id '' is no name of a folder"),
        (("id,subject,activity", "a\0b,7,wave"), "clips.csv:2: id .* is no name of a folder"),
        (("id,subject,activity", f"{'x' * 300},7,wave"), "clips.csv:2: id .* is no name of a folder"),
        (("id,subject,activity", f"c1,{'9' * 5000},wave"), "clips.csv:2: subject .* is no whole number, or a huge one"),
        (("id,subject,activity", "c1,9999999999,wave"), "clips.csv:2: subject .* is no whole number, or a huge one"),
        (("id,subject,activity", "c1,7,=wave"), "clips.csv:2: '=wave' is not a name"),
        (("id,subject,activity", "c1,7,wave", "c1,8,walk"), "clip 'c1' is listed twice"),
    ],
)
def test_a_wrong_list_of_clips_is_refused_with_its_line(root, lines, text):
    write(root / "clips.csv", *lines)
    with pytest.raises(DatasetError, match=text):
        open_dataset("folder", str(root))


def test_a_folder_without_a_list_of_clips_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"clips.csv is missing"):
        open_dataset("folder", str(tmp_path))


HEADER = "stamp_s,ax,ay,az,wx,wy,wz"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ((), "imu.csv:1: header ''; expected stamp_s and 6 more columns"),
        (("0,1,2,3,4,5,6",), "imu.csv:1: header '0,1,2,3,4,5,6'"),
        (("stamp_s,x,y,z", "0,1,2,3"), r"expected stamp_s and 6 more columns, .* shape \(2, 3\)"),
        ((HEADER,), "imu.csv holds no sample"),
        ((HEADER, "0,1,2,3,4,5,6", "1,1,2,3"), "imu.csv:3: 4 values; the header has 7"),
        ((HEADER, "0,1,2,x,4,5,6"), "imu.csv:2: 'x' is no number"),
        ((HEADER, "0,1,2,nan,4,5,6"), "imu.csv: imu: .*finite"),
        ((HEADER, "noon,1,2,3,4,5,6"), "imu.csv:2: 'noon' is no time in seconds"),
        ((HEADER, "nan,1,2,3,4,5,6"), "imu.csv:2: 'nan' is no time in seconds"),
        ((HEADER, "1e30,1,2,3,4,5,6"), "imu.csv:2: '1e30' s is more than 73 years away"),
        ((HEADER, "1e999999,1,2,3,4,5,6"), "imu.csv:2: "),
        ((HEADER, "1,1,2,3,4,5,6", "1,1,2,3,4,5,6"), "stamp of sample 1, 1000000000 ns, is not after the one before"),
        ((HEADER, "1,1,2,3,4,5,6", "0,1,2,3,4,5,6"), "stamp of sample 1, 0 ns, is not after the one before"),
    ],
)
def test_a_wrong_csv_stream_is_refused_with_its_line(root, preprocessing, lines, text):
    write(root / "c1" / "imu.csv", *lines)
    with pytest.raises(DatasetError, match=text):
        read(root, preprocessing(imu=(2, 3)))


STAMPS = np.arange(3) * S


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"stamps_ns": STAMPS}, "v.npz cannot be read as stamps_ns and samples: no array 'samples' in it"),
        (
            {"stamps_ns": STAMPS, "samples": np.zeros((2, 1, 3))},
            r"v.npz: stamps_ns is int64 of shape \(3,\), samples of",
        ),
        ({"stamps_ns": STAMPS.astype(float), "samples": np.zeros((3, 1, 3))}, "v.npz: stamps_ns is float64"),
        ({"stamps_ns": STAMPS[::-1], "samples": np.zeros((3, 1, 3))}, "v.npz: the stamp of sample 1"),
        ({"stamps_ns": np.array([2**63], np.uint64), "samples": np.zeros((1, 1, 3))}, "v.npz: the stamp of sample 0"),
        ({"stamps_ns": STAMPS, "samples": np.zeros((3, 4))}, r"v.npz: v: got float64 of shape \(4,\)"),
        ({"stamps_ns": STAMPS, "samples": np.full((3, 1, 3), np.inf)}, "v.npz: v: .*finite"),
        ({"stamps_ns": STAMPS[:0], "samples": np.zeros((0, 1, 3))}, "v.npz holds no sample"),
        (
            {"stamps_ns": STAMPS, "samples": np.array([None] * 3)},
            "v.npz cannot be read .*: samples.npy holds object; expected numbers",
        ),
    ],
)
def test_a_wrong_npz_stream_is_refused(root, preprocessing, arrays, text):
    write_npz(root / "c1" / "v.npz", **arrays)
    with pytest.raises(DatasetError, match=text):
        read(root, preprocessing(v=(1, 3)))


@settings(max_examples=40, deadline=None)
@given(keep=st.floats(0, 0.99))
def test_a_truncated_npz_stream_is_refused(keep, tmp_path_factory, preprocessing):
    root = tmp_path_factory.mktemp("cut")
    write(root / "clips.csv", "id,subject,activity", "c1,7,wave")
    path = root / "c1" / "v.npz"
    path.parent.mkdir()
    write_npz(path, stamps_ns=STAMPS, samples=np.zeros((3, 1, 3)))
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DatasetError, match=r"v.npz cannot be read as stamps_ns and samples"):
        read(root, preprocessing(v=(1, 3)))


@pytest.mark.parametrize(
    ("name", "image", "text"),
    [
        ("first.png", np.zeros((40, 40, 3), np.uint8), "first.png is not called <stamp in nanoseconds>.png"),
        ("1.jpg", np.zeros((40, 40, 3), np.uint8), "1.jpg is not called"),
        ("1.png", np.zeros((40, 40), np.uint8), r"1.png: rgb: got uint8 of shape \(40, 40\)"),
        ("1.png", np.zeros((40, 40, 3), np.uint16), "1.png: rgb: got uint16"),
        ("1.png", None, "1.png: image is truncated, or is neither JPEG nor PNG"),
        ("9" * 30 + ".png", np.zeros((40, 40, 3), np.uint8), "the stamp of sample 0, 9+ ns, is not .* or absurd"),
    ],
)
def test_a_wrong_image_is_refused(root, preprocessing, name, image, text):
    path = root / "c1" / "rgb" / name
    path.parent.mkdir()
    path.write_bytes(b"" if image is None else cv2.imencode(path.suffix, image)[1].tobytes())
    with pytest.raises(DatasetError, match=text):
        read(root, preprocessing(rgb=(32, 40, 3)))


def test_an_image_that_claims_more_pixels_than_a_camera_has_is_not_decoded(root, preprocessing):
    path = root / "c1" / "rgb" / "1.png"
    path.parent.mkdir()
    png = bytearray(cv2.imencode(".png", np.zeros((40, 40, 3), np.uint8))[1].tobytes())
    png[16:24] = (65535).to_bytes(4, "big") * 2
    path.write_bytes(png)
    with pytest.raises(DatasetError, match=r"1.png: image of 65535×65535 has more than 32000000 pixels"):
        read(root, preprocessing(rgb=(32, 40, 3)))


@pytest.mark.parametrize("name", ["clips.csv", "c1/imu.csv", "c1/v.npz", "c1/rgb/1.png", "c1/segments.csv"])
@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_no_file_is_refused_and_not_waited_for(root, preprocessing, name, what):
    path = root / name
    write(root / "clips.csv", "id,subject,activity", "c1,7," if "segments" in name else "c1,7,wave")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path) if what == "pipe" else path.symlink_to("/dev/zero")
    streams = {"c1/v.npz": {"v": (1, 3)}, "c1/rgb/1.png": {"rgb": (32, 40, 3)}}.get(name, {"imu": (2, 3)})
    with pytest.raises(DatasetError, match=path.name):
        read(root, preprocessing(**streams))


def npy(shape: str, dtype: str, data: bytes) -> bytes:
    """A .npy file that promises this shape."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize("member", ["stamps_ns", "samples"])
@pytest.mark.parametrize(
    "data",
    [
        b"junk",
        b"",
        npy("(1000000000000,)", "<i8", bytes(24)),
        npy("(3, 1000000000000)", "<f8", bytes(24)),
        npy("(4,)", "<i8", bytes(24)),
        npy("(3,)", "|O", bytes(24)),
    ],
)
def test_arrays_that_are_not_what_they_promise_are_refused(root, preprocessing, member, data):
    whole = {"stamps_ns": npy("(3,)", "<i8", STAMPS.tobytes()), "samples": npy("(3, 1, 3)", "<f4", bytes(36))}
    with zipfile.ZipFile(root / "c1" / "v.npz", "w") as archive:
        for name, content in (whole | {member: data}).items():
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(DatasetError, match=r"v.npz"):
        read(root, preprocessing(v=(1, 3)))


def test_an_empty_folder_of_images_is_refused(root, preprocessing):
    (root / "c1" / "rgb").mkdir()
    with pytest.raises(DatasetError, match="rgb holds no sample"):
        read(root, preprocessing(rgb=(32, 40, 3)))


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (None, "segments.csv is missing: clips.csv gives the clip no activity"),
        (("start_s,end_s,activity",), "segments.csv has no segment"),
        (("start,end,activity", "0,1,wave"), "segments.csv:1: columns 'start, end, activity'; expected start_s"),
        (("start_s,end_s,activity", "0,1,"), "segments.csv:2: the activity is empty"),
        (("start_s,end_s,activity", "1,1,wave"), "segments.csv:2: 1 s to 1 s ends before it starts"),
        (("start_s,end_s,activity", "0,2,wave", "1,3,walk"), "segments.csv:3: 1 s to 3 s .*before the last one ended"),
        (("start_s,end_s,activity", "0,x,wave"), "segments.csv:2: 'x' is no time in seconds"),
        (("start_s,end_s,activity", "0,1e999980,wave"), "segments.csv:2: '1e999980' s is more than 73 years"),
        (("start_s,end_s,activity", "0,1e999999999,wave"), "segments.csv:2: '1e999999999' is no time"),
        (("start_s,end_s,activity", "0,1,a\x1bb"), "segments.csv:2: 'a.x1bb' is not a name"),
    ],
)
def test_wrong_segments_are_refused_with_their_line(root, preprocessing, lines, text):
    write(root / "clips.csv", "id,subject,activity", "c1,7,")
    if lines is not None:
        write(root / "c1" / "segments.csv", *lines)
    with pytest.raises(DatasetError, match=text):
        read(root, preprocessing(imu=(2, 3)))


def test_a_clip_whose_folder_is_missing_is_refused(root, preprocessing):
    write(root / "clips.csv", "id,subject,activity", "c9,7,wave")
    with pytest.raises(DatasetError, match="c9 is missing: the folder of a clip"):
        read(root, preprocessing(imu=(2, 3)))


def test_one_stream_in_two_files_is_refused(root):
    write_npz(root / "c1" / "imu.npz", stamps_ns=STAMPS, samples=np.zeros((3, 2, 3)))
    with pytest.raises(DatasetError, match=r"c1 holds both imu.csv and imu.npz; one is enough"):
        open_dataset("folder", str(root))


def test_a_clip_without_any_stream_of_the_model_is_refused(root, preprocessing):
    with pytest.raises(DatasetError, match="c1 has imu; the model takes skeleton"):
        read(root, preprocessing(skeleton=(20, 3)))


def test_streams_of_two_clocks_are_refused(root, preprocessing):
    np.savez(root / "c1" / "sonar.npz", stamps_ns=(1_700_000_000 + np.arange(3)) * S, samples=np.ones((3, 1, 3)))
    with pytest.raises(
        DatasetError, match=r"c1: sonar begins 1699999998 s after imu has ended; expected stamps of one"
    ):
        read(root, preprocessing(imu=(2, 3), sonar=(1, 3)))
    assert read(root, preprocessing(sonar=(1, 3))).streams.keys() == {"sonar"}
