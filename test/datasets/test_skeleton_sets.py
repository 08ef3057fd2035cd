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

"""Skeleton datasets: on tiny files in the formats of the real ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.skeleton_sets import SKELETON_SETS
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.skeletons import LAYOUTS, convert

LAYOUT = "florence15"
SKELETON = Modality("skeleton", "vector", (15, 3), 15, "cooccurrence1d", layout=LAYOUT)
PREPROCESSING = Preprocessing(ModelConfig("t", (SKELETON,), Taxonomy("t", {"g": ("a",)}), 1.0))
NAMES = {
    "msr_action3d": "a{:02}_s{:02}_e{:02}_skeleton3D.txt",
    "florence3d": "a{:02}_s{}_id{}.txt",
    "utkinect": "a{:02}_s{:02}_e{:02}.txt",
    "kard": "a{:02}_s{:02}_e{:02}_realworld.txt",
}
FRAMES = 8
SETS = sorted(SKELETON_SETS)


def person() -> np.ndarray:
    """(FRAMES, 20, 3) of kinect20, metres, optical frame: faces the camera, 2.5 m away, and raises the right hand."""
    at = dict.fromkeys(LAYOUTS["kinect20"].joints, (0.0, 0.0))
    at |= {"head": (0.0, -0.7), "neck": (0.0, -0.5), "spine": (0.0, -0.2)}
    # Who faces a camera has the left side at the right of its picture.
    for side, sign in (("left", 1), ("right", -1)):
        places = {"shoulder": (0.2, -0.5), "elbow": (0.3, -0.25), "wrist": (0.3, 0.0), "hand": (0.3, 0.08)}
        places |= {"hip": (0.1, 0.05), "knee": (0.1, 0.45), "ankle": (0.1, 0.85), "foot": (0.1, 0.9)}
        at |= {f"{side}_{joint}": (sign * x, y) for joint, (x, y) in places.items()}
    joints = np.tile(np.array([(x, y, 2.5) for x, y in at.values()]), (FRAMES, 1, 1))
    joints[:, LAYOUTS["kinect20"].index("right_hand", "right_wrist"), 1] -= np.linspace(0, 0.9, FRAMES)[:, None]
    return joints


def write(folder: Path, name: str, joints: np.ndarray, activity: int = 1, subject: int = 1, trial: int = 1) -> Path:
    """A clip in the dataset's own layout, unit and axes: y up."""
    spec = SKELETON_SETS[name]
    own = convert(joints, "kinect20", spec.layout) * (1, -1, 1) / spec.metres
    own = np.nan_to_num(own).reshape(-1, 3)
    more = " 1.0" if name == "msr_action3d" else ""
    path = folder / NAMES[name].format(activity, subject, trial)
    path.write_text("".join(f"{x:.6f} {y:.6f} {z:.6f}{more}\n" for x, y, z in own))
    return path


def read(folder: Path, name: str, clip: int = 0) -> np.ndarray:
    dataset = open_dataset(name, str(folder))
    return np.array(dataset.read(dataset.clips[clip], PREPROCESSING).streams["skeleton"].samples)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_raised_right_hand_is_a_raised_right_hand(tmp_path: Path, name: str, mirrored: bool) -> None:
    """In metres, y down, x to the right in a picture that is no mirror image, whichever way the file's x points."""
    write(tmp_path, name, person() * (-1 if mirrored else 1, 1, 1))
    joints = read(tmp_path, name)
    right, left = (joints[:, LAYOUTS[LAYOUT].joints.index(f"{side}_wrist")] for side in ("right", "left"))
    # Where a layout has a hand and no wrist, or no hip centre, it is a few centimetres off.
    np.testing.assert_allclose(joints, convert(person(), "kinect20", LAYOUT), atol=0.2)
    assert right[-1, 1] < right[0, 1] - 0.8
    assert np.ptp(left, axis=0).max() < 1e-3
    assert (right[:, 0] < left[:, 0]).all()


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.filterwarnings("error")
def test_a_clip_without_a_shoulder_says_nothing_about_the_direction_of_x(
    tmp_path: Path, name: str, mirrored: bool
) -> None:
    """Whether it is the first of the clips, or another one."""
    joints = person() * (-1 if mirrored else 1, 1, 1)
    write(tmp_path, name, joints, trial=2)
    joints[:, LAYOUTS["kinect20"].index("left_shoulder")] = 0
    for trial in (1, 3):
        write(tmp_path, name, joints, trial=trial)
    right, left = (LAYOUTS[LAYOUT].joints.index(f"{side}_hip") for side in ("right", "left"))
    for clip in range(3):
        found = read(tmp_path, name, clip)
        assert (found[:, right, 0] < found[:, left, 0]).all()


@pytest.mark.parametrize("name", SETS)
def test_clips_are_named_by_activity_subject_and_trial(tmp_path: Path, name: str) -> None:
    last = len(SKELETON_SETS[name].activities)
    (tmp_path / "below").mkdir()
    write(tmp_path / "below", name, person(), activity=last, subject=7, trial=2)
    write(tmp_path, name, person(), activity=1, subject=10, trial=3)
    write(tmp_path, name, person(), activity=last + 1)
    (tmp_path / "notes.txt").write_text("no clip")
    dataset = open_dataset(name, str(tmp_path))
    assert {(c.activity, c.subject, c.session) for c in dataset.clips} == {
        (SKELETON_SETS[name].activities[0], 10, 3),
        (SKELETON_SETS[name].activities[-1], 7, 2),
    }
    assert [c.subject for c in open_dataset(name, str(tmp_path), subjects=[7]).clips] == [7]
    with pytest.raises(DatasetError, match="no clip of subjects 3"):
        open_dataset(name, str(tmp_path), subjects=[3])


@pytest.mark.parametrize("name", SETS)
def test_clips_are_found_in_capital_and_small_letters(tmp_path: Path, name: str) -> None:
    small = write(tmp_path, name, person())
    for trial, capital in ((2, str.upper), (3, lambda name: name.replace(".txt", ".TXT"))):
        path = write(tmp_path, name, person(), trial=trial)
        path.rename(path.with_name(capital(path.name)))
    dataset = open_dataset(name, str(tmp_path))
    assert sorted(clip.session for clip in dataset.clips) == [1, 2, 3]
    for index in range(3):
        np.testing.assert_allclose(read(tmp_path, name, index), read(tmp_path, name))
    assert small.stem in {clip.id for clip in dataset.clips}


@pytest.mark.parametrize("name", SETS)
def test_a_clip_that_is_there_twice_is_read_once_if_both_are_the_same_and_else_refused(
    tmp_path: Path, name: str
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        path = write(tmp_path / folder, name, person())
    path = path.rename(path.with_name(path.name.upper()))
    assert len(open_dataset(name, str(tmp_path)).clips) == 1
    path.write_text(path.read_text().replace("2.5", "2.6").replace("2500", "2600"))
    with pytest.raises(DatasetError, match=r"are the same clip of .* with different contents; remove one") as error:
        open_dataset(name, str(tmp_path))
    assert str(path) in str(error.value)
    assert len(open_dataset(name, str(tmp_path / "two")).clips) == 1


@pytest.mark.parametrize("name", SETS)
def test_frames_of_zeros_are_left_out_and_others_keep_their_time(tmp_path: Path, name: str) -> None:
    joints = person()
    joints[3] = 0
    joints[5, LAYOUTS["kinect20"].index("left_knee")] = 0
    write(tmp_path, name, joints)
    dataset = open_dataset(name, str(tmp_path))
    stream = dataset.read(dataset.clips[0], PREPROCESSING).streams["skeleton"]
    steps = np.diff(stream.stamps_ns) * SKELETON_SETS[name].rate_hz / 1e9
    np.testing.assert_allclose(steps, [1, 1, 2, 1, 1, 1], atol=1e-6)
    unseen = np.argwhere(np.isnan(np.array(stream.samples)[..., 0])).tolist()
    assert unseen == [[4, LAYOUTS[LAYOUT].joints.index("left_knee")]]


@pytest.mark.parametrize("name", SETS)
def test_a_model_without_a_joint_layout_takes_the_frames_that_show_all_joints(tmp_path: Path, name: str) -> None:
    joints = person()
    joints[3] = 0
    joints[5, LAYOUTS["kinect20"].index("left_knee")] = 0
    write(tmp_path, name, joints)
    preprocessing = Preprocessing(
        ModelConfig("t", (replace(SKELETON, layout="", shape=(20, 3)),), Taxonomy("t", {"g": ("a",)}), 1.0)
    )
    dataset = open_dataset(name, str(tmp_path))
    stream = dataset.read(dataset.clips[0], preprocessing).streams["skeleton"]
    steps = np.diff(stream.stamps_ns) * SKELETON_SETS[name].rate_hz / 1e9
    np.testing.assert_allclose(steps, [1, 1, 2, 2, 1], atol=1e-6)
    joints[:4, LAYOUTS["kinect20"].index("left_knee")] = 0
    write(tmp_path, name, joints)
    with pytest.raises(DatasetError, match="3 of 7 frames show all joints, as a model without a joint l"):
        dataset.read(dataset.clips[0], preprocessing)


@pytest.mark.parametrize("name", SETS)
def test_broken_clips_are_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, person())
    whole = path.read_text()
    for text, message in (
        (whole + "1 2 3\n", "lines; expected a multiple of"),
        ("", "0 lines"),
        (f"\n{whole}\n1.0 x\n", f"line {len(whole.splitlines()) + 3} does not begin with three numbers: '1.0 x'"),
        (whole.replace(" ", ","), "line 1 does not begin with three numbers: '"),
    ):
        path.write_text(text)
        with pytest.raises(DatasetError, match=message) as error:
            read(tmp_path, name)
        assert str(path) in str(error.value)
    write(tmp_path, name, person() * (1, 1, 0))
    with pytest.raises(DatasetError, match=f"0 of {FRAMES} frames show a person"):
        read(tmp_path, name)
    with pytest.raises(DatasetError, match=f"{name} is not in"):
        open_dataset(name, str(tmp_path / "elsewhere"))


@pytest.mark.parametrize("name", SETS)
def test_a_clip_has_five_frames_or_more(tmp_path: Path, name: str) -> None:
    """As few as the shortest of UTKinect."""
    write(tmp_path, name, person()[:5])
    assert len(read(tmp_path, name)) == 5
    write(tmp_path, name, person()[:4])
    with pytest.raises(DatasetError, match="4 of 4 frames show a person; expected 5 or more"):
        read(tmp_path, name)


def write_table(folder: Path, name: str, clips: dict[tuple[int, int, int], np.ndarray]) -> Path:
    """Clips (activity, subject, trial) in one file, as the authors publish them."""
    spec = SKELETON_SETS[name]
    rows = {
        key: np.nan_to_num(convert(joints, "kinect20", spec.layout) * (1, -1, 1) / spec.metres).reshape(len(joints), -1)
        for key, joints in clips.items()
    }
    if name == "florence3d":
        path = folder / "Florence_dataset_WorldCoordinates.txt"
        lines = [(f"{trial} {subject} {activity}", row) for (activity, subject, trial), x in rows.items() for row in x]
    else:
        path, lines, labels = folder / "joints_s01_e02.txt", [], ["s01_e02"]
        for start, ((activity, _, _), x) in zip(range(100, 10_000, 200), rows.items(), strict=False):
            camel = re.sub(r"_(.)", lambda match: match[1].upper(), spec.activities[activity - 1])
            labels.append(f"{camel}: {start} {start + 2 * len(x) - 2}")
            lines += [(f"{start + 2 * i}", row) for i, row in enumerate(x)]
            lines += [lines[-1], (f"{start + 2 * len(x)}", np.ones(60))]  # one frame twice, one of no activity
        (folder / "actionLabel.txt").write_text("\n".join([*labels, "carry: NaN NaN", ""]))
    path.write_text("".join(f"{head}   {' '.join(f'{x:.6f}' for x in row)} \n" for head, row in lines))
    return path


TABLES = sorted(name for name, spec in SKELETON_SETS.items() if spec.tables)


@pytest.mark.parametrize("name", TABLES)
def test_clips_in_one_file_are_those_in_files_of_their_own(tmp_path: Path, name: str) -> None:
    own, table = tmp_path / "own", tmp_path / "table" / "below"
    own.mkdir()
    table.mkdir(parents=True)
    clips = {(activity, 1, 2): person() * (1, 1, 1 + activity / 10) for activity in (3, 1, 2)}
    clips[1, 1, 2][3] = 0
    for (activity, subject, trial), joints in clips.items():
        write(own, name, joints, activity, subject, trial)
    write_table(table, name, clips)
    expected, found = open_dataset(name, str(own)), open_dataset(name, str(tmp_path / "table"))
    assert [(c.activity, c.subject, c.session) for c in found.clips] == [
        (c.activity, c.subject, c.session) for c in expected.clips
    ]
    for one, other in zip(expected.clips, found.clips, strict=True):
        a, b = expected.read(one, PREPROCESSING), found.read(other, PREPROCESSING)
        assert a.segments == b.segments
        np.testing.assert_array_equal(a.streams["skeleton"].stamps_ns, b.streams["skeleton"].stamps_ns)
        np.testing.assert_array_equal(np.array(a.streams["skeleton"].samples), np.array(b.streams["skeleton"].samples))


def skipped(folder: Path, name: str) -> dict[tuple[str, int], str]:
    """What is wrong with clips that cannot be read, by activity and trial; the others can."""
    dataset, wrong = open_dataset(name, str(folder)), {}
    for clip in dataset.clips:
        try:
            dataset.read(clip, PREPROCESSING)
        except DatasetError as error:
            wrong[clip.activity, clip.session] = str(error)
    return wrong


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_line_of_a_file_of_several_clips_is_named_and_costs_its_clip_alone(tmp_path: Path, name: str) -> None:
    spec = SKELETON_SETS[name]
    path = write_table(tmp_path, name, {(activity, 1, 2): person() for activity in (1, 2, 3)})
    lines = path.read_text().splitlines(keepends=True)
    assert not skipped(tmp_path, name)
    at = len(lines) // 2 - 1  # of the second clip
    values = lines[at].split()
    columns, whole = len(values), (3 if name == "florence3d" else 1)
    for damaged, message in (
        (values[:-4], f"{columns - 4} numbers in line {at + 3}; expected {columns}"),
        ([*values, "1"], f"{columns + 1} numbers in line {at + 3}; expected {columns}"),
        ([*values[:-1], "2.5m"], f"line {at + 3} has '2.5m'; expected numbers only"),
        ([*values[:-1], "\udcff"], f"line {at + 3} has '\ufffd'; expected numbers only"),  # a byte that is no text
        (values[:whole], f"{whole} numbers in line {at + 3}; expected {columns}"),
        ([*values[: whole - 1], "x", *values[whole:]], f"line {at + 3} has 'x'; expected numbers only"),
        (["0.5", *values[1:]], f"line {at + 3} begins with '{' '.join(['0.5', *values[1:whole]])}'; expected whole"),
        (["-1", *values[1:]], f"line {at + 3} begins with '{' '.join(['-1', *values[1:whole]])}'; expected whole"),
    ):
        # A comment and a blank line before it count.
        text = "".join(["% made by a test\n", "\n", *lines[:at], " ".join(damaged) + "\n", *lines[at + 1 :]])
        path.write_bytes(text.encode(errors="surrogateescape"))
        wrong = skipped(tmp_path, name)
        assert wrong.keys() == {(spec.activities[1], 2)}
        assert wrong[spec.activities[1], 2].startswith(f"{path}: {message}")
    path.write_text("".join([lines[0].replace(lines[0].split()[0], "x", 1), *lines[1:]]))
    assert skipped(tmp_path, name).keys() == {(spec.activities[0], 2)}, "the line after it says whose it is"


@pytest.mark.parametrize("name", TABLES)
def test_a_file_of_several_clips_is_read_once(tmp_path: Path, name: str) -> None:
    path = write_table(tmp_path, name, {(1, 1, 2): person()})
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / path.name.upper()
    copy.write_text(path.read_text())
    assert len(open_dataset(name, str(tmp_path)).clips) == 1
    copy.write_text(path.read_text().replace("0.", "1.", 1))
    with pytest.raises(DatasetError, match="different contents; remove one"):
        open_dataset(name, str(tmp_path))


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_files_of_several_clips_are_found_in_capital_and_small_letters(
    tmp_path: Path, name: str, change: Callable[[str], str]
) -> None:
    write_table(tmp_path, name, {(2, 1, 2): person()})
    expected, clips = read(tmp_path, name), open_dataset(name, str(tmp_path)).clips
    for path in list(tmp_path.iterdir()):
        path = path.rename(path.with_name(change(path.name)))
        if path.stem.lower() == "actionlabel":
            path.write_text(change(path.read_text()))
    assert open_dataset(name, str(tmp_path)).clips == clips
    np.testing.assert_array_equal(read(tmp_path, name), expected)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("florence3d", "'a01_s01_id01.txt' or 'Florence_dataset_WorldCoordinates.txt'"),
        ("utkinect", "'a01_s01_e01.txt' or 'joints_s01_e01.txt' with 'actionLabel.txt'"),
        ("kard", "'a01_s01_e01_realworld.txt'"),
    ],
)
def test_a_dataset_that_is_not_there_is_told_by_the_names_of_its_files(tmp_path: Path, name: str, files: str) -> None:
    with pytest.raises(DatasetError, match=f"{re.escape(f'expected files such as {files}')}$"):
        open_dataset(name, str(tmp_path))


def test_a_file_of_several_clips_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Florence_dataset_WorldCoordinates.txt"
    for text, message in (
        ("<html>\n", "line 1 has '<html>'; expected numbers only"),
        ("\n", "is empty; expected lines"),
    ):
        path.write_text(text)
        with pytest.raises(DatasetError, match=message) as error:
            open_dataset("florence3d", str(tmp_path))
        assert str(path) in str(error.value)


def test_damaged_labels_of_utkinect_cost_the_clips_that_they_do_not_name(tmp_path: Path) -> None:
    write_table(tmp_path, "utkinect", {(1, 1, 2): person(), (4, 1, 2): person()})
    recording, labels = tmp_path / "joints_s01_e02.txt", tmp_path / "actionLabel.txt"
    (tmp_path / "joints_s01_e03.txt").write_text(recording.read_text())
    second, whole = labels.read_text().replace("e02", "e03"), labels.read_text()
    activities = SKELETON_SETS["utkinect"].activities
    no_labels = f"{recording} has no labels; expected 's01_e02' in 'actionLabel.txt'"
    unlabelled = set(activities) - {"walk", "carry"}  # not recorded
    for text, expected, message in (
        (whole, set(), ""),
        ("", set(activities), no_labels),
        (whole.replace("s01_e02", "s01 e02"), set(activities), no_labels),
        (whole.replace("pickUp: 300", "fly: 300"), unlabelled, f"{labels}: line 3 is 'fly: 300 314'; expected such as"),
        (whole.replace("300 314", "300"), unlabelled, f"{labels}: line 3 is 'pickUp: 300'; expected such as"),
    ):
        labels.write_text(text + second)
        wrong = skipped(tmp_path, "utkinect")
        assert set(wrong) == {(activity, 2) for activity in expected}
        assert all(reason.startswith(message) for reason in wrong.values())


def test_a_damaged_recording_of_utkinect_costs_its_clips_alone(tmp_path: Path) -> None:
    path = write_table(tmp_path, "utkinect", {(1, 1, 2): person(), (4, 1, 2): person()})
    (tmp_path / "joints_s01_e03.txt").write_text(path.read_text())
    labels = tmp_path / "actionLabel.txt"
    labels.write_text(labels.read_text() + labels.read_text().replace("e02", "e03"))
    for content, message in (
        (b"", f"{path} is empty"),
        (b"\xff" * 9, f"{path}: line 1 has"),
        (b"x", f"{path}: line 1"),
    ):
        path.write_bytes(content)
        wrong = skipped(tmp_path, "utkinect")
        assert set(wrong) == {("walk", 2), ("pick_up", 2)}
        assert all(reason.startswith(message) for reason in wrong.values())


def test_a_label_of_frames_that_are_not_there_is_a_broken_clip(tmp_path: Path) -> None:
    write_table(tmp_path, "utkinect", {(1, 1, 2): person()})
    (tmp_path / "actionLabel.txt").write_text("s01_e02\nwalk: 5000 5100\n")
    dataset = open_dataset("utkinect", str(tmp_path))
    with pytest.raises(DatasetError, match="0 of 0 frames show a person"):
        dataset.read(dataset.clips[0], PREPROCESSING)
