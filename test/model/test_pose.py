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

"""Joints of a person in a depth image."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mumu_ros.model.modality import Modality
from mumu_ros.model.pose import PoseCNN

HEIGHT, WIDTH, FOCAL = 96, 128, 0.9
CAMERA = Modality("depth", "depth", (HEIGHT, WIDTH, 1), 10, "pose_cnn", joints=3, focal=FOCAL)
FIXTURES = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def encoder(trained: Callable[[PoseCNN], PoseCNN]) -> PoseCNN:
    torch.manual_seed(3)
    return trained(PoseCNN(CAMERA))


def person(distance: float = 3.0) -> Tensor:
    """Somebody in the middle of a picture: a body of 40 by 14 pixels, one arm out, and nothing behind."""
    image = torch.zeros(1, HEIGHT, WIDTH, 1)
    image[:, 28:68, 57:71] = distance
    image[:, 36:40, 71:85] = distance - 0.2
    return image


@given(down=st.integers(-15, 15), right=st.integers(-25, 25))
@FIXTURES
def test_joints_go_where_the_person_goes(encoder: PoseCNN, down: int, right: int) -> None:
    """A pixel is z / (focal · width) metres, in an optical frame: x to the right, y down (REP 103)."""
    image = person()
    moved = encoder(torch.roll(image, (down, right), (1, 2))) - encoder(image)
    z = image[image > 0].mean().item()
    expected = torch.tensor([right, down, 0]) * z / (FOCAL * WIDTH)
    # A pixel's edge may round to either side.
    torch.testing.assert_close(moved.reshape(3, 3), expected.expand(3, 3), atol=0.03, rtol=0)


def test_a_person_farther_away_is_seen_at_the_same_scale(encoder: PoseCNN) -> None:
    near, far = torch.zeros(2, 1, HEIGHT, WIDTH, 1)
    near[:, 20:76, 50:78] = 2.0
    far[:, 34:62, 57:71] = 4.0
    shapes = [encoder(image).reshape(3, 3) - torch.tensor([0, 0, z]) for image, z in ((near, 2.0), (far, 4.0))]
    torch.testing.assert_close(*shapes, atol=0.02, rtol=0)


def test_what_lies_beyond_the_window_is_not_seen(encoder: PoseCNN) -> None:
    """One reading in the picture's corner hardly moves the middle, and is no part of the person."""
    image = person()
    image[:, -1, -1] = 3.0
    torch.testing.assert_close(encoder(image), encoder(person()), atol=0.05, rtol=0)


def test_a_picture_without_readings_has_joints_somewhere(encoder: PoseCNN) -> None:
    assert encoder(torch.zeros(2, HEIGHT, WIDTH, 1)).isfinite().all()


def test_the_window_trembles_while_learning_only(encoder: PoseCNN) -> None:
    assert torch.equal(encoder(person()), encoder(person()))
    batch = person().expand(8, -1, -1, -1)
    assert encoder.train()(batch).std(dim=0).max() > 0
