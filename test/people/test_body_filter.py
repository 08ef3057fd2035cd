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

"""Joints and keypoints are calm at rest and not late in motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mumu_ros.people.body_filter import BodyFilter
from mumu_ros.people.landmarks import TORSO, Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.regions import Region

from .figures import standing

RATE_HZ = 15
WRIST = 16


def _smoothed(joints: NDArray[np.float32], visibility: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """(T, 33, 3) joints, one by one through a body_filter."""
    visibility = np.ones(joints.shape[:2], np.float32) if visibility is None else visibility
    body_filter = BodyFilter()
    poses = [Pose(1.0, j[:, :2] * 100, v, j, Region(0, 0, 1)) for j, v in zip(joints, visibility, strict=True)]
    return np.stack(
        [body_filter.joints((k + 1) * 10**9 // RATE_HZ, p, Lifted(p.world, "depth")) for k, p in enumerate(poses)]
    )


def _smoothed_in_picture(
    keypoints: NDArray[np.float32], visibility: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """(T, 33, 2) keypoints, one by one through a body_filter."""
    visibility = np.ones(keypoints.shape[:2], np.float32) if visibility is None else visibility
    body_filter = BodyFilter()
    poses = [
        Pose(1.0, k.astype(np.float32), v, np.zeros((33, 3), np.float32), Region(0, 0, 1))
        for k, v in zip(keypoints, visibility, strict=True)
    ]
    return np.stack([body_filter.keypoints((k + 1) * 10**9 // RATE_HZ, pose) for k, pose in enumerate(poses)])


def _in_picture(steps: int, torso: float) -> NDArray[np.float32]:
    """(T, 33, 2) pixels of somebody who stands around the picture's corner, with a torso of this length."""
    body = standing()[:, :2]
    length = np.linalg.norm(body[TORSO[:2]].mean(axis=0) - body[TORSO[2:]].mean(axis=0))
    return np.repeat(body[np.newaxis] * torso / length, steps, axis=0)


PLACES = st.tuples(st.floats(0, 1920), st.floats(0, 1080))
TORSOS = st.floats(30, 300)


def _standing(steps: int) -> NDArray[np.float32]:
    body = np.random.default_rng(0).uniform(-0.5, 0.5, (33, 3)).astype(np.float32) + np.float32([0, 0, 3])
    return np.repeat(body[np.newaxis], steps, axis=0)


@pytest.mark.parametrize("times_a_second", [0.5, 1.0, 2.0])
def test_a_waving_hand_is_not_late(times_a_second: float) -> None:
    joints = _standing(60)
    joints[:, WRIST, 0] += 0.3 * np.sin(2 * np.pi * times_a_second * np.arange(60) / RATE_HZ)
    late = np.abs(_smoothed(joints) - joints)[15:, WRIST, 0].mean()
    speed = np.abs(np.diff(joints[:, WRIST, 0])).mean() * RATE_HZ
    assert late / speed < 0.02, "seconds"


def test_whoever_walks_is_where_they_are() -> None:
    joints = _standing(60) + (1.4 * np.arange(60) / RATE_HZ)[:, None, None].astype(np.float32)
    assert np.abs(_smoothed(joints) - joints)[15:].max() < 0.05


def test_somebody_at_rest_is_calmer_than_the_readings() -> None:
    noise = np.random.default_rng(1).normal(0, 0.02, (200, 33, 3)).astype(np.float32)
    found = _smoothed(_standing(200) + noise)
    jitter, before = (np.abs(np.diff(x, n=2, axis=0)).mean() for x in (found, noise))
    assert jitter < 0.65 * before


def test_joints_that_are_not_seen_are_nan_and_come_back_where_they_are() -> None:
    joints, visibility = _standing(30), np.ones((30, 33), np.float32)
    visibility[10:20, WRIST] = 0.1
    joints[20:, WRIST] += 0.4
    found = _smoothed(joints, visibility)
    assert np.isnan(found[10:20, WRIST]).all()
    assert np.isfinite(np.delete(found, WRIST, axis=1)).all()
    assert np.allclose(found[20, WRIST], joints[20, WRIST], atol=0.01)
    assert np.isfinite(found[:, TORSO]).all()


@settings(max_examples=20)
@given(PLACES, TORSOS, st.integers(0, 99))
def test_somebody_at_rest_is_as_calm_everywhere_in_the_picture(
    place: tuple[float, float], torso: float, seed: int
) -> None:
    """Also the feet, which are far from the torso: 1 pixel of noise in, less out."""
    body = _in_picture(200, torso)
    noise = np.random.default_rng(seed).normal(0, 1, body.shape)
    there, at_corner = _smoothed_in_picture(body + place + noise) - place, _smoothed_in_picture(body + noise)
    np.testing.assert_allclose(there, at_corner, atol=0.05)
    assert (there - body)[15:].std(axis=0).max() < 0.9


@settings(max_examples=20)
@given(PLACES, TORSOS, st.floats(0.2, 4.0))
def test_whoever_moves_in_the_picture_is_not_late(place: tuple[float, float], torso: float, speed: float) -> None:
    """`speed` in torso lengths a second."""
    body = _in_picture(60, torso) + place
    walking = body + speed * torso * np.arange(60)[:, np.newaxis, np.newaxis] / RATE_HZ * [1, 0]
    late = np.abs(_smoothed_in_picture(walking) - walking)[15:, :, 0].max()
    assert late / (speed * torso) < 0.06, "seconds"
    assert late < 0.02 * torso


@settings(max_examples=20)
@given(PLACES, TORSOS, st.floats(1.1, 2.0))
def test_whoever_comes_nearer_is_not_moved_towards_the_corner_of_the_picture(
    place: tuple[float, float], torso: float, growth: float
) -> None:
    larger = np.linspace(1, growth, 60)[:, np.newaxis, np.newaxis]
    nearer = _in_picture(60, torso) * larger
    np.testing.assert_allclose(
        _smoothed_in_picture(nearer + place) - place, _smoothed_in_picture(nearer), atol=0.01 * torso
    )


def test_keypoints_that_are_not_seen_are_nan_and_come_back_where_they_are() -> None:
    keypoints, visibility = _in_picture(30, 100.0) + 500, np.ones((30, 33), np.float32)
    visibility[10:20, WRIST] = 0.1
    keypoints[20:, WRIST] += 80
    found = _smoothed_in_picture(keypoints, visibility)
    assert np.isnan(found[10:20, WRIST]).all()
    assert np.isfinite(np.delete(found, WRIST, axis=1)).all()
    np.testing.assert_allclose(found[20:, WRIST], keypoints[20:, WRIST], atol=0.01)
