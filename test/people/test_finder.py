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

"""Real pictures: who is found, and that each stays who it was."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from inspect import isfunction, signature
from pathlib import Path

import cv2
import numpy as np
import pytest

from mumu_ros.people import Camera, CameraError, PeopleFinder, WeightsError, fetch_weights, find_weights
from mumu_ros.people.landmarks import LAYOUT
from mumu_ros.skeletons import LAYOUTS

from ..conftest import ScriptedFinder

pytestmark = pytest.mark.slow

FPS = 24


@pytest.fixture(scope="module")
def pictures(video: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    found = []
    while True:
        there, picture = capture.read()
        if not there:
            return found
        small = cv2.resize(picture, (960, 540), interpolation=cv2.INTER_AREA)
        found.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))


def stamp_ns(frame: int) -> int:
    return 1_000_000_000 + frame * 1_000_000_000 // FPS


def test_two_people_who_push_each_other_are_two_tracks(weights: Path, pictures: list[np.ndarray]) -> None:
    """They embrace in the end; both are in at least 95 % of the frames."""
    finder = PeopleFinder(weights, seed=0)
    seen: Counter[str] = Counter()
    both = 0
    for k, picture in enumerate(pictures):
        people = finder.update(stamp_ns(k), picture)
        seen.update(person.body_id for person in people)
        both += len(people) == 2
        for person in people:
            x, y, width, height = person.roi
            assert 0 <= x <= x + width <= 960
            assert 0 <= y <= y + height <= 540
            assert person.position_source == "nominal"
            assert 2 < np.nanmedian(person.joints[:, 2]) < 7
    assert both >= 0.95 * len(pictures)
    assert len(seen) == 2


@pytest.mark.parametrize("brightness", [0.3, 2.0, 3.0])
def test_in_bad_light_things_on_tables_and_chairs_are_no_people(
    weights: Path, pictures: list[np.ndarray], brightness: float
) -> None:
    finder = PeopleFinder(weights, seed=0)
    found = [
        finder.update(stamp_ns(k), np.clip(brightness * picture, 0, 255).astype(np.uint8))
        for k, picture in enumerate(pictures[:30])
    ]
    assert {len(people) for people in found} == {2}
    assert len({person.body_id for people in found for person in people}) == 2


def test_somebody_who_comes_back_soon_is_the_same_and_later_is_another(
    weights: Path, pictures: list[np.ndarray]
) -> None:
    finder = PeopleFinder(weights, seed=0)
    blank = np.full_like(pictures[0], 128)
    first = {person.body_id for person in finder.update(stamp_ns(0), pictures[0])}
    for k in range(1, 13):
        assert finder.update(stamp_ns(k), blank) == []
    assert {person.body_id for person in finder.update(stamp_ns(13), pictures[0])} == first
    for k in range(14, 60):
        finder.update(stamp_ns(k), blank)
    later = {p.body_id for k in range(60, 90) for p in finder.update(stamp_ns(k), pictures[0])}
    assert len(later) == 2
    assert not later & first


@pytest.mark.parametrize("unread", [1, 6, 12])
def test_somebody_beside_another_person_is_seen_also_where_no_distance_is_read(
    weights: Path, pictures: list[np.ndarray], unread: int
) -> None:
    """The person on the left stands one metre behind the other; neither surface is flat."""
    finder = PeopleFinder(weights, seed=0)
    camera = Camera.nominal(960, 540)
    people = finder.update(stamp_ns(0), pictures[0])
    middles = sorted(person.roi[0] + person.roi[2] / 2 for person in people)
    columns, rows = np.meshgrid(np.arange(960), np.arange(540))
    is_left = columns < sum(middles) / 2
    depth = (np.where(is_left, 4.0, 3.0) + 0.1 * np.sin(columns / 9) * np.sin(rows / 9)).astype(np.float32)
    known: set[str] = set()
    for k in range(1, 8 + unread):
        there = np.where(is_left, 0, depth) if k > 7 else depth
        found = finder.update(stamp_ns(k), pictures[k], there, camera)
        known |= {person.body_id for person in found}
        assert len(found) == len(known) == 2


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.1])
def test_people_whose_depth_has_too_small_a_unit_are_said_to_be_tiny(
    weights: Path, pictures: list[np.ndarray], scale: float
) -> None:
    """Both are four metres away; their surface is not flat."""
    finder = PeopleFinder(weights, seed=0)
    camera = Camera(960, 540, 866.0, 866.0, 479.5, 269.5)
    columns, rows = np.meshgrid(np.arange(960), np.arange(540))
    depth = (scale * (4.0 + np.sin(columns / 9) * np.sin(rows / 9))).astype(np.float32)
    found = [finder.update(stamp_ns(k), pictures[k], depth, camera) for k in range(4)]
    assert len(found[-1]) == (2 if scale == 1 else 0)
    assert scale == 1 or finder.tiny_size == pytest.approx(scale, rel=0.3)
    finder.clear()
    assert finder.tiny_size is None


@pytest.mark.parametrize("turned", [1, 2, 20])
def test_somebody_is_upside_down_only_picture_after_picture(
    weights: Path, pictures: list[np.ndarray], turned: int
) -> None:
    """As behind a camera that is; the detector errs about single pictures, and a track would keep the error."""
    finder = PeopleFinder(weights, seed=0)
    found = [
        finder.update(stamp_ns(k), pictures[k][::-1, ::-1].copy() if k < turned else pictures[k]) for k in range(20)
    ]
    people = found[-1]
    assert people
    heights = [(p.keypoints[LAYOUTS[LAYOUT].index("left_hip"), 1] - p.keypoints[0, 1]).item() for p in people]
    assert all((height < 0) == (turned == 20) for height in heights)


def test_nobody_is_found_where_nobody_is(weights: Path) -> None:
    rng = np.random.default_rng(0)
    finder = PeopleFinder(weights)
    for k in range(10):
        assert finder.update(stamp_ns(k), rng.integers(0, 255, (240, 320, 3), np.uint8)) == []


def view(picture: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """A part of a picture, enlarged or not, at the upper left of one of 640×480."""
    part = picture[top:bottom, left:right]
    scale = min(640 / part.shape[1], 480 / part.shape[0])
    shown = np.full((480, 640, 3), 110, np.uint8)
    size = (int(part.shape[1] * scale), int(part.shape[0] * scale))
    shown[: size[1], : size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return shown


def crowd(picture: np.ndarray) -> np.ndarray:
    """Both people, twelve times."""
    return np.tile(cv2.resize(picture[:, 200:760], (160, 160), interpolation=cv2.INTER_AREA), (3, 4, 1))


@pytest.mark.parametrize(
    ("shown", "people", "is_part"),
    [
        (lambda picture: view(picture, 280, 150, 500, 310), 1, False),
        (lambda picture: view(picture, 340, 162, 438, 266), 0, True),
        (lambda picture: view(picture, 280, 310, 500, 540), 0, False),
        (crowd, 6, False),
    ],
    ids=["waist up", "half a metre away", "legs", "twenty-four"],
)
def test_people_who_are_hard_to_see_are_found_or_said_to_be_partly_seen(
    weights: Path, pictures: list[np.ndarray], shown: Callable[[np.ndarray], np.ndarray], people: int, is_part: bool
) -> None:
    finder = PeopleFinder(weights, seed=0)
    left_out = 0
    for k, picture in enumerate(pictures[:4]):
        found = finder.update(stamp_ns(k), shown(picture))
        left_out = max(left_out, finder.left_out)
        for person in found:
            outside = np.isnan(person.keypoints[:, 0])
            assert np.isnan(person.joints[outside]).all(), "a joint that is not in the picture is nowhere"
    assert (len(found), finder.sees_part) == (people, is_part)
    assert (left_out > 0) == (people == 6)


@pytest.mark.parametrize("step", [0, 6])
def test_who_moves_is_found_also_where_the_detector_sees_nobody(
    weights: Path, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("mumu_ros.people.finder.detect", lambda *_: [])
    finder = PeopleFinder(weights, seed=0)
    somebody = cv2.resize(pictures[0][150:470, 320:450], (52, 128), interpolation=cv2.INTER_AREA)
    found = []
    for k in range(16):
        picture = np.full((480, 640, 3), somebody[0].mean(axis=0), np.uint8)
        picture[200:328, 100 + step * k : 152 + step * k] = somebody
        found.append(len(finder.update(stamp_ns(k), picture)))
    assert max(found) == (step > 0)


def test_no_more_people_are_followed_than_asked_for(weights: Path, pictures: list[np.ndarray]) -> None:
    finder = PeopleFinder(weights, max_people=1)
    counts = [(len(finder.update(stamp_ns(k), picture)), finder.left_out) for k, picture in enumerate(pictures[:3])]
    assert all(count == 1 for count, _ in counts)
    assert counts[0][1] >= 1


def test_who_is_left_out_is_reported_also_while_that_part_of_the_picture_has_not_its_turn(
    weights: Path, pictures: list[np.ndarray]
) -> None:
    finder = PeopleFinder(weights, max_people=1)
    left_out = []
    for i in range(20):
        finder.update(1_000_000_000 + i * 100_000_000, pictures[i])
        left_out.append(finder.left_out)
    assert min(left_out) >= 1
    for i in range(45):
        finder.update(4_000_000_000 + i * 100_000_000, np.zeros_like(pictures[0]))
    assert finder.left_out == 0
    finder.update(10_000_000_000, pictures[0])
    finder.clear()
    assert finder.left_out == 0


def test_time_that_jumps_back_begins_anew(weights: Path, pictures: list[np.ndarray]) -> None:
    finder = PeopleFinder(weights, seed=0)
    first = {person.body_id for person in finder.update(stamp_ns(50), pictures[0])}
    again = {person.body_id for person in finder.update(stamp_ns(3), pictures[0])}
    assert len(first) == len(again) == 2
    assert not first & again


def test_a_camera_of_another_aspect_is_refused(weights: Path, pictures: list[np.ndarray]) -> None:
    with pytest.raises(CameraError, match="960×540"):
        PeopleFinder(weights).update(stamp_ns(0), pictures[0], camera=Camera.nominal(640, 480))


def test_missing_and_damaged_weights_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no pose_detection.tflite in .*mumu weights"):
        find_weights(tmp_path)
    (tmp_path / "pose_detection.tflite").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"not the expected file \(1 bytes.*delete it"):
        find_weights(tmp_path)


def test_without_openvino_the_command_that_installs_it_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/jazzy")
    with pytest.raises(WeightsError, match=r"-r requirements/people.txt -c requirements/with-ros-installed.txt \("):
        PeopleFinder(weights)


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/none"])
def test_a_folder_that_cannot_hold_the_weights_is_named_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("mumu_ros.people.weights._download", pytest.fail)
    folder = tmp_path / name
    with pytest.raises(WeightsError, match=rf"in '{folder}' \(.*--folder DIR.*MUMU_PEOPLE_WEIGHTS.*`weights`"):
        fetch_weights(folder)


def test_a_grey_picture_is_refused_in_a_sentence(weights: Path, pictures: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"the picture is uint8 of shape .*; expected uint8 of shape \(H, W, 3\)"):
        PeopleFinder(weights).update(1, pictures[0][..., 0])


def test_what_stands_in_for_the_finder_has_its_interface() -> None:
    for name, member in vars(PeopleFinder).items():
        if not name.startswith("_"):
            stand_in = getattr(ScriptedFinder, name)
            if isfunction(member):
                expected, actual = (signature(function).parameters.values() for function in (member, stand_in))
                assert [(p.name, p.default) for p in actual] == [(p.name, p.default) for p in expected]
