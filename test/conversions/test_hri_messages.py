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

"""REP 155's messages, with a stand-in that has the fields of hri_msgs, and with hri_msgs where it is installed."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import ConversionError, RosTypes, person_to_roi, person_to_skeleton2d, skeleton2d_to_body
from mumu_ros.people import Person
from mumu_ros.skeletons import layout

SIZE = (640, 480)
LAYOUT = layout("blazepose33")
ORDER = layout("hri18")
number = st.floats(width=32)
usual = st.floats(0, 1, width=32)


class StandIn:
    """Builds anything from its fields."""

    def message(self, _type_name: str, **fields: Any) -> Any:
        return SimpleNamespace(**fields)

    def sequence(self, values: Any) -> Any:
        return values


@pytest.fixture(params=["stand-in", "hri_msgs"])
def types(request: pytest.FixtureRequest) -> Any:
    if request.param == "stand-in":
        return StandIn()
    if importlib.util.find_spec("hri_msgs") is None:
        pytest.skip("hri_msgs is not installed")
    return RosTypes()


def header(types: Any) -> Any:
    if isinstance(types, StandIn):
        return SimpleNamespace()
    return types.message("std_msgs/msg/Header", frame_id="camera")


def person(keypoints: np.ndarray, visibility: np.ndarray | None = None) -> Person:
    joints = np.full((33, 3), np.nan, np.float32)
    seen = np.ones(33, np.float32) if visibility is None else visibility.astype(np.float32)
    return Person("abcde", 0.75, (64.0, 48.0, 320.0, 240.0), keypoints.astype(np.float32), joints, seen, "nominal")


def test_a_skeleton_comes_back_where_it_was(types: Any) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform((0, 0), SIZE, (33, 2))
    visibility = rng.uniform(0.1, 1, 33)
    keypoints[LAYOUT.index("left_wrist")] = np.nan
    message = person_to_skeleton2d(person(keypoints, visibility), "blazepose33", *SIZE, header(types), types)
    body = skeleton2d_to_body(message, *SIZE, "blazepose33")
    for joint in ORDER.joints:
        if joint in ("neck", "left_wrist"):
            continue
        i = LAYOUT.index(joint)[0]
        np.testing.assert_allclose(body.keypoints[i], keypoints[i], atol=0.01)
        assert body.visibility[i] == pytest.approx(visibility[i], abs=1e-6)
    assert np.isnan(body.keypoints[LAYOUT.index("left_wrist")]).all()
    assert body.visibility[LAYOUT.index("left_wrist")[0]] == 0


@given(
    points=st.lists(st.tuples(usual, usual, usual.filter(bool)), min_size=18, max_size=18),
    out=st.sets(st.integers(0, 17), max_size=17),
)
@pytest.mark.parametrize("coordinate", [-0.2, 1.3, np.nan])
def test_a_joint_outside_the_picture_is_not_seen_and_the_others_stay(
    coordinate: float, points: list[tuple[float, float, float]], out: set[int]
) -> None:
    def body(points: list[tuple[float, float, float]]) -> Any:
        message = SimpleNamespace(skeleton=[SimpleNamespace(x=x, y=y, c=c) for x, y, c in points])
        return skeleton2d_to_body(message, *SIZE, "hri18")

    found = body([(coordinate, y, c) if i in out else (x, y, c) for i, (x, y, c) in enumerate(points)])
    whole, hidden = body(points), sorted(out)
    others = [i for i in range(18) if i not in out]
    assert np.isnan(found.keypoints[hidden]).all()
    assert not found.visibility[hidden].any()
    np.testing.assert_array_equal(found.keypoints[others], whole.keypoints[others])


def test_the_neck_is_between_the_shoulders(types: Any) -> None:
    keypoints = np.full((33, 2), np.nan)
    keypoints[LAYOUT.index("left_shoulder", "right_shoulder")] = (400, 100), (200, 120)
    message = person_to_skeleton2d(person(keypoints), "blazepose33", *SIZE, header(types), types)
    neck = message.skeleton[ORDER.index("neck")[0]]
    assert (neck.x * SIZE[0], neck.y * SIZE[1]) == pytest.approx((300, 110), abs=0.01)
    assert sum(point.c > 0 for point in message.skeleton) == 3


def test_the_region_is_a_share_of_the_picture(types: Any) -> None:
    roi = person_to_roi(person(np.zeros((33, 2))), *SIZE, header(types), types)
    assert (roi.xmin, roi.ymin, roi.xmax, roi.ymax, roi.c) == pytest.approx((0.1, 0.1, 0.6, 0.6, 0.75))


@given(points=st.lists(st.tuples(number | usual, number | usual, number | usual), min_size=18, max_size=18))
def test_whatever_somebody_publishes_is_a_body_or_refused_by_value(points: list[tuple[float, float, float]]) -> None:
    message = SimpleNamespace(skeleton=[SimpleNamespace(x=x, y=y, c=c) for x, y, c in points])
    inside = [0 <= x <= 1 and 0 <= y <= 1 for x, y, _ in points]
    if any(inside) and all(0 <= c <= 1 for *_, c in points):
        body = skeleton2d_to_body(message, *SIZE, "blazepose33")
        assert ((body.visibility >= 0) & (body.visibility <= 1)).all()
        seen = ~np.isnan(body.keypoints).any(axis=1)
        assert ((body.keypoints[seen] >= 0) & (body.keypoints[seen] <= SIZE)).all()
    else:
        with pytest.raises(ConversionError, match="expected numbers from 0 to 1"):
            skeleton2d_to_body(message, *SIZE, "blazepose33")
