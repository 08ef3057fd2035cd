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

"""A training set of the people in a camera's pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros import cli
from mumu_ros.datasets import found_people, open_dataset
from mumu_ros.datasets.cli import _sources
from mumu_ros.datasets.clip_writer import Piece
from mumu_ros.datasets.found_people import FoundPeople, find_people, write_skeletons
from mumu_ros.model.checkpoint import read_config
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.people import LAYOUT, Person, WeightsError, find_weights
from mumu_ros.recordings.pictures import Shot
from mumu_ros.share import share_path
from mumu_ros.skeletons import LAYOUTS
from mumu_ros.training.settings import read_settings

from ..conftest import ScriptedFinder

S = 1_000_000_000

PARAMS = """
/**/people:
  ros__parameters:
    image.topic: /camera/color/image_raw
    depth.topic: /camera/depth/image_raw
    camera_info.topic: /camera/color/camera_info
"""


def at(*stamps: int, where: float = 0.0) -> dict[int, np.ndarray]:
    return {stamp: np.full((15, 3), where + stamp, np.float32) for stamp in stamps}


def written(folder: Path, clip: str) -> tuple[list[int], list[float]]:
    with np.load(folder / clip / "skeleton.npz") as file:
        return file["stamps_ns"].tolist(), file["samples"][:, 0, 0].tolist()


def test_a_clip_is_of_the_person_who_is_seen_longest(tmp_path: Path) -> None:
    found = FoundPeople(range(1, 40), {"a": at(*range(1, 40)), "b": at(*range(5, 9), *range(20, 35), where=100)})
    counts, problems = write_skeletons(
        found, [Piece("one", 0, 10), Piece("two", 10, 40), Piece("late", 50, 60)], tmp_path
    )
    assert counts == {"one": 9, "two": 30}
    assert written(tmp_path, "one") == (list(range(1, 10)), list(range(1, 10)))
    assert problems == ["two shows 2 people; the label is taken to be of the one in most pictures"]


def test_who_was_lost_and_found_again_is_one_person(tmp_path: Path) -> None:
    found = FoundPeople(range(1, 20), {"a": at(1, 2, 3, 4), "b": at(6, 7, 8), "c": at(9, 10, where=100)})
    counts, problems = write_skeletons(found, [Piece("one", 0, 20)], tmp_path)
    assert counts == {"one": 9}
    assert written(tmp_path, "one")[0] == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert problems == []


def test_a_bystander_is_not_who_was_found_again_nearby(tmp_path: Path) -> None:
    """The bystander is in more pictures than the second track, and in some of them at the same time."""
    again = at(*(stamp for stamp in range(50, 90) if stamp % 4))
    people = {"a": at(*range(1, 50)), "bystander": at(*range(53, 90), where=100), "again": again}
    counts, problems = write_skeletons(FoundPeople(range(1, 90), people), [Piece("one", 0, 90)], tmp_path)
    stamps = [*range(1, 50), *again]
    assert written(tmp_path, "one") == (stamps, stamps)
    assert counts == {"one": len(stamps)}
    assert problems == ["one shows 2 people; the label is taken to be of the one in most pictures"]


@given(st.dictionaries(st.sampled_from("abc"), st.sets(st.integers(0, 30), min_size=1), max_size=3))
def test_every_sample_is_of_somebody_at_that_time(
    tmp_path_factory: pytest.TempPathFactory, seen: dict[str, set[int]]
) -> None:
    folder = tmp_path_factory.mktemp("clips")
    people = {body: at(*stamps, where=100.0 * (ord(body) - ord("a"))) for body, stamps in seen.items()}
    counts, _ = write_skeletons(FoundPeople(range(31), people), [Piece("one", 5, 25)], folder)
    inside = {body: {t for t in stamps if 5 <= t < 25} for body, stamps in seen.items()}
    assert bool(counts) == any(inside.values())
    if counts:
        stamps, values = written(folder, "one")
        assert counts == {"one": len(stamps)}
        assert stamps == sorted(set(stamps))
        assert len(stamps) >= max(map(len, inside.values()))
        for stamp, value in zip(stamps, values, strict=True):
            assert stamp in inside["abc"[int((value - stamp) / 100)]]


def found_in_pictures(seen: Mapping[str, Sequence[set[str]]]) -> FoundPeople:
    """What is found of people of whom these joints are seen, picture by picture, 100 ms apart from 1 s on."""
    pictures = max(map(len, seen.values()))
    camera = [Shot((10 + index) * S // 10, np.zeros((4, 4, 3), np.uint8)) for index in range(pictures)]
    people = [
        [person(body, joints[index]) for body, joints in seen.items() if index < len(joints)]
        for index in range(pictures)
    ]
    with (
        patch.object(found_people, "read_pictures", return_value=camera),
        patch.object(found_people, "PeopleFinder", return_value=ScriptedFinder(views=iter(people))),
    ):
        return find_people(Path("bag"))


def test_people_are_found_until_time_jumps_back() -> None:
    camera = [Shot((10 + index % 5) * S // 10, np.zeros((4, 4, 3), np.uint8)) for index in range(10)]
    finder = ScriptedFinder(views=([person(name, set())] for name in "aaaaabbbbb"))
    with (
        patch.object(found_people, "read_pictures", return_value=camera),
        patch.object(found_people, "PeopleFinder", return_value=finder),
    ):
        found = find_people(Path("bag"))
    assert found.stamps_ns == [shot.stamp_ns for shot in camera[:5]]
    assert len(finder.calls) == 5


def person(body: str, seen: set[str]) -> Person:
    layout = LAYOUTS[LAYOUT]
    joints = np.full((len(layout), 3), np.nan, np.float32)
    joints[layout.index(*seen)] = 1.0
    visibility = np.isfinite(joints[:, 0]).astype(np.float32)
    return Person(body, 1.0, (0.0, 0.0, 4.0, 4.0), joints[:, :2], joints, visibility, "perspective")


@given(st.lists(st.sets(st.sampled_from(["left_wrist", "right_knee", "left_toe"])), min_size=1, max_size=9))
def test_a_picture_counts_if_it_shows_a_joint_that_the_model_takes(seen: list[set[str]]) -> None:
    skeletons = found_in_pictures({"a": seen}).people["a"]
    assert list(skeletons) == [(10 + i) * S // 10 for i, joints in enumerate(seen) if joints - {"left_toe"}]
    preprocessing = Preprocessing(read_config(share_path("models", "people")))
    for joints in skeletons.values():
        preprocessing.prepare("skeleton", joints)


def test_a_clip_is_of_the_person_with_joints_however_long_another_has_none(tmp_path: Path) -> None:
    found = found_in_pictures({"a": [{"left_wrist"}] * 3, "b": [set()] * 9})
    pieces = [Piece("one", S, 2 * S), Piece("nobody", 14 * S // 10, 2 * S)]
    assert write_skeletons(found, pieces, tmp_path) == ({"one": 3}, [])


TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
KNEES = ("left_knee", "right_knee")


def leaning(degrees: float, tilt: float) -> Person:
    """Somebody who stands two metres ahead of a camera that looks down, the torso turned about the hips' line."""
    found = person("a", {*TORSO, *KNEES})
    x, (y, z) = 0.2, 0.5 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    down, forward = 0.4 * np.array([np.cos(np.radians(tilt)), np.sin(np.radians(tilt))])
    index = LAYOUTS[LAYOUT].index
    found.joints[index(*TORSO)] = [(x, -y, 2 - z), (-x, -y, 2 - z), (0.1, 0, 2), (-0.1, 0, 2)]
    found.joints[index(*KNEES)] = [(0.1, down, 2 + forward), (-0.1, down, 2 + forward)]
    return found


@pytest.mark.parametrize(
    ("leans", "tilt"),
    [
        pytest.param([0.0] * 900 + [40.0] * 225, 0, id="leans over the laptop at the end"),
        pytest.param([50.0] * 225 + [0.0] * 900, 0, id="begins with a box"),
        pytest.param([0.0] * 300 + [80.0] * 350, 0, id="lies down"),
        pytest.param([30.0] * 75, 30, id="five seconds before a camera that looks down"),
        pytest.param([55.0] * 75, 55, id="that looks far down"),
    ],
)
def test_skeletons_are_level_from_the_first_picture_on(leans: Sequence[float], tilt: float) -> None:
    pictures = [Shot(S + index * S // 15, np.zeros((4, 4, 3), np.uint8)) for index in range(len(leans))]
    finder = ScriptedFinder(views=([leaning(degrees, tilt)] for degrees in leans))
    with (
        patch.object(found_people, "read_pictures", return_value=pictures),
        patch.object(found_people, "PeopleFinder", return_value=finder),
    ):
        found = find_people(Path("bag")).people["a"]
    left, right, left_hip, right_hip = LAYOUTS["florence15"].index(*TORSO)
    for joints, lean in zip(found.values(), leans, strict=True):
        _, y, z = joints[left] + joints[right] - joints[left_hip] - joints[right_hip]
        assert np.degrees(np.arctan2(-z, -y)) == pytest.approx(lean - tilt, abs=2)


@pytest.fixture
def mumu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    monkeypatch.chdir(tmp_path)
    return lambda *words: cli.main([str(word) for word in words])


@pytest.mark.slow
def test_a_model_learns_from_pictures_what_simulated_people_do(
    mumu: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], no_processes: None
) -> None:
    try:
        find_weights()
    except WeightsError as error:
        pytest.skip(str(error))
    (tmp_path / "yours.yaml").write_text(PARAMS)
    for name, seed in (("anna", 1), ("ben", 1003)):
        simulate = ("simulate", name, "--seed", seed, "--seconds", 18, "--activities", "bow,stretch,stand")
        assert mumu(*simulate, "--image-size", "320x240") == 0
    assert mumu("dataset", "build", "anna", "ben", "--params", "yours.yaml", "--out", "set") == 0
    assert "mumu train config/training/own_people.yaml data.root=set --init people" in capsys.readouterr().out
    report = json.loads((tmp_path / "set" / "report.json").read_text())
    assert all(bag["clips"] and not bag["incomplete"] for bag in report["bags"])
    dataset = open_dataset("folder", "set")
    assert dataset.streams == ("skeleton",)
    for clip in dataset.clips:
        with np.load(tmp_path / "set" / clip.id / "skeleton.npz") as file:
            seconds = np.diff(file["stamps_ns"]) / 1e9
            joints = file["samples"]
        assert np.median(seconds) == pytest.approx(1 / 15, abs=0.01)
        assert joints.shape[1:] == (len(LAYOUTS["florence15"]), 3)
        assert 1 < np.nanmedian(joints[..., 2]) < 8, "metres before the camera"

    own = share_path("config", "training", "own_people.yaml")
    train = (
        "train",
        own,
        "data.root=set",
        "data.train_subjects=1",
        "optimization.epochs=12",
        "machine.accelerator=cpu",
    )
    assert mumu(*train, "--init", "people", "--out", "model") == 0
    assert mumu("test", "model", "folder", "set", "--subjects", 2, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["top1"] > 0.7


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("sim.yaml", (False, True)),
        ("utd_mhad.yaml", (False, True)),
        ("hri.yaml", (True, False)),
        ("cameras/realsense.yaml", (True, False)),
        (None, (False, True)),
    ],
)
def test_people_are_found_for_models_that_take_them(file: str | None, expected: tuple[bool, bool]) -> None:
    assert _sources(share_path("config", file) if file else None) == expected


def test_a_worn_imu_is_read_beside_the_people(tmp_path: Path) -> None:
    imu = "{topic: imu/wrist, type: sensor_msgs/msg/Imu}"
    text = PARAMS + f"/**/sensor_sync:\n  ros__parameters:\n    streams: [imu]\n    imu: {imu}\n"
    (tmp_path / "both.yaml").write_text(text)
    assert _sources(tmp_path / "both.yaml") == (True, True)


def test_the_configuration_goes_on_from_the_shipped_model() -> None:
    taxonomy = share_path("config", "taxonomies", "people.yaml")
    own = read_settings(share_path("config", "training", "own_people.yaml"), [f"model.taxonomy={taxonomy}"]).model
    people = read_config(share_path("models", "people"))
    assert (own.modalities, own.feature_size, own.fusion) == (people.modalities, people.feature_size, people.fusion)


def test_what_a_file_for_people_cannot_do_without_ros_is_named(
    mumu: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "for people.yaml").write_text(PARAMS)
    assert mumu("evaluate", "my models/new", "anna", "--params", "for people.yaml") == 2
    command = "mumu launch replay bag:=anna model:='my models/new' params_file:='for people.yaml'"
    assert f"{command} out:=REPORT" in capsys.readouterr().err
    assert mumu("evaluate", "my models/new", "anna", "--params", "for people.yaml", "--labels", "anna 2.csv") == 2
    assert f"{command} labels:='anna 2.csv' out:=REPORT" in capsys.readouterr().err
