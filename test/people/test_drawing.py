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

"""Any number of people, anywhere, in pictures of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mumu_ros.people import Person
from mumu_ros.people.drawing import LEFT, PANEL, RIGHT, Activity, draw
from mumu_ros.skeletons import layout

LAYOUT = layout("blazepose33")
SIZES = ((240, 320), (480, 640), (1080, 1920))


def person(
    body_id: str, roi: tuple[float, float, float, float], keypoints: NDArray[Any], visibility: float = 1.0
) -> Person:
    joints = np.full((33, 3), np.nan, np.float32)
    return Person(
        body_id, 1.0, roi, keypoints.astype(np.float32), joints, np.full(33, visibility, np.float32), "nominal"
    )


def facing(body_id: str, x: float, y: float, height: float) -> Person:
    """Somebody who faces the camera with the arms stretched out: the left one is on the picture's right."""
    arms = {"shoulder": 0.1, "elbow": 0.3, "wrist": 0.5}
    keypoints = np.full((33, 2), np.nan)
    for joint, reach in arms.items():
        keypoints[LAYOUT.index(f"left_{joint}", f"right_{joint}"), 0] = x + reach * height, x - reach * height
        keypoints[LAYOUT.index(f"left_{joint}", f"right_{joint}"), 1] = y + 0.2 * height
    return person(body_id, (x - height / 2, y, height, height), keypoints)


def grey(size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.full((*size, 3), 128, np.uint8)


def is_like(image: NDArray[Any], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(image.astype(int) - colour).max(axis=2) < 30)


@pytest.mark.parametrize("size", SIZES)
def test_the_left_arm_has_the_colour_of_the_left(size: tuple[int, int]) -> None:
    height, width = size
    image = draw(grey(size), [facing("aaaaa", width / 2, 0, height)], {})
    row = image[int(0.2 * height) - 2 : int(0.2 * height) + 3]
    where = [np.flatnonzero(is_like(row, colour).any(axis=0)) for colour in (RIGHT, LEFT)]
    assert len(where[0]) > height / 4
    assert len(where[1]) > height / 4
    assert where[0].max() < width / 2 < where[1].min()


def test_the_picture_itself_is_left_as_it_is() -> None:
    image = grey((240, 320))
    drawn = draw(image, [facing("aaaaa", 160, 20, 200)], {"aaaaa": Activity("walk", 0.9)})
    assert drawn.shape == image.shape
    assert (image == 128).all()
    assert (drawn != 128).any()


def test_nobody_in_view_leaves_the_picture() -> None:
    assert (draw(grey((240, 320)), [], {"aaaaa": Activity("walk", 0.9)}) == 128).all()


def test_joints_that_are_not_seen_are_not_drawn() -> None:
    whole = facing("aaaaa", 320, 0, 480)
    half = whole.keypoints.copy()
    half[whole.keypoints[:, 0] > 320] = np.nan
    for left_colour, right_colour, seen in (
        (False, True, person("aaaaa", whole.roi, half)),
        (False, False, person("aaaaa", whole.roi, whole.keypoints, visibility=0.0)),
    ):
        arms = draw(grey((480, 640)), [seen], {})[90:102]
        assert is_like(arms, LEFT).any() == left_colour
        assert is_like(arms, RIGHT).any() == right_colour


def test_the_longer_bar_is_that_of_the_greater_weight_and_an_absent_modality_has_none() -> None:
    def drawn(**attention: float | None) -> NDArray[np.uint8]:
        return draw(grey((480, 640)), [facing("aaaaa", 320, 200, 250)], {"aaaaa": Activity("a", 0.5, attention)})

    def coloured(image: NDArray[np.uint8]) -> int:
        return int((np.ptp(image[:190].astype(int), axis=2) > 80).sum())

    little, much, none = coloured(drawn(imu=0.1)), coloured(drawn(imu=0.9)), coloured(drawn(imu=None))
    assert none < little < much


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_labels_are_whole_and_do_not_cover_each_other(size: tuple[int, int], count: int) -> None:
    height, width = size
    people = [facing(f"bod{i}y", width * (i + 0.5) / count, 0.1 * height, height / 2) for i in range(count)]

    activities = {p.body_id: Activity("pick_up_and_throw", 1.0) for p in people}

    def panel_pixels(some: list[Person]) -> int:
        return int(is_like(draw(grey(size), some, activities), PANEL).sum())

    assert panel_pixels(people) > 0.9 * count * panel_pixels(people[:1])


coordinates = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf")))


@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 400)),
    people=st.lists(
        st.tuples(*[st.floats(-500, 900)] * 3, st.lists(coordinates, min_size=66, max_size=66)), max_size=5
    ),
    name=st.text(max_size=30),
    weight=st.one_of(st.none(), st.floats()),
)
def test_nothing_breaks_it(
    size: tuple[int, int],
    people: list[tuple[float, float, float, list[float]]],
    name: str,
    weight: float | None,
) -> None:
    figures = [
        person(str(i), (x, y, abs(extent), abs(extent)), np.array(points).reshape(33, 2))
        for i, (x, y, extent, points) in enumerate(people)
    ]
    activities = {str(i): Activity(name, 0.5, {name: weight}) for i in range(len(people))}
    assert draw(grey(size), figures, activities).shape == (*size, 3)
