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

"""What is done to skeletons in training."""

from __future__ import annotations

import numpy as np
import pytest

from mumu_ros.model.config import ConfigError
from mumu_ros.skeletons import LAYOUTS, mirror
from mumu_ros.training.body_augmentation import BodyAugmentation, mirror_imu, vary_bodies

LAYOUT = "florence15"
BATCH, STEPS = 6, 20
NOBODY = np.zeros(BATCH, np.bool_)


def skeletons(unseen: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.normal((0, 0, 3), 0.4, (BATCH, STEPS, 15, 3)).astype(np.float32)
    x[rng.random(x.shape[:3]) < unseen] = np.nan
    return x


def vary(x: np.ndarray, mirrored: np.ndarray = NOBODY, **strengths: float) -> np.ndarray:
    return vary_bodies(x, LAYOUT, BodyAugmentation(**strengths), mirrored, np.random.default_rng(0))


def test_nothing_asked_nothing_changed() -> None:
    np.testing.assert_allclose(vary(skeletons(0.3)), skeletons(0.3), atol=1e-5)


@pytest.mark.parametrize("strengths", [{"yaw_deg": 180, "pitch_deg": 90}, {"mirror": 1}, {"unplaced": 1}])
def test_views_keep_the_lengths_of_bones(strengths: dict[str, float]) -> None:
    def bones(x: np.ndarray) -> np.ndarray:
        return np.linalg.norm(x[:, :, :, None] - x[:, :, None], axis=-1)

    x = skeletons(0.2)
    np.testing.assert_allclose(bones(vary(x, **strengths)), bones(x), atol=1e-4)


def test_a_mirrored_person_is_left_handed() -> None:
    x = skeletons()
    mirrored = np.arange(BATCH) % 2 == 0
    expected = np.where(mirrored[:, None, None, None], mirror(x, LAYOUT), x)
    np.testing.assert_allclose(vary(x, mirrored), expected, atol=1e-5)


def test_the_mirror_image_of_a_turning_sensor_turns_the_other_way() -> None:
    """Angular rate is that of a rotation: R(mirror ω) = mirror R(ω) mirror."""
    accelerations, rates = np.random.default_rng(0).normal(size=(2, 3))
    image = mirror_imu(np.array([[[accelerations, rates]]], np.float32), np.array([True]))[0, 0]
    reflection = np.diag([-1.0, 1, 1])
    np.testing.assert_allclose(image[0], reflection @ accelerations, rtol=1e-6)

    def cross(v: np.ndarray) -> np.ndarray:
        return np.cross(np.eye(3), v)

    np.testing.assert_allclose(cross(image[1]), reflection @ cross(rates) @ reflection, atol=1e-6)


def test_without_a_place_hips_stay_where_they_are() -> None:
    hips = vary(skeletons(), unplaced=1)[:, :, LAYOUTS[LAYOUT].index("left_hip", "right_hip")].mean(axis=2)
    assert np.ptp(hips, axis=1).max() < 1e-4


@pytest.mark.parametrize("name", ["noise_m", "bias_m"])
def test_errors_are_as_large_as_asked_for_at_most(name: str) -> None:
    x = skeletons(0.2)
    error = vary(x, **{name: 0.05}) - x
    assert (np.isnan(error) == np.isnan(x)).all()
    spread = np.nanstd(error[..., :2])
    assert 0.01 < spread < 0.05
    still = np.nanstd(error, axis=1).max() < 1e-5
    assert still == (name == "bias_m")


def test_legs_out_of_view_are_lost_and_the_neck_stays() -> None:
    lost = np.isnan(vary(skeletons(), legs_dropout=1, joint_dropout=1)[..., 0])
    assert lost[:, :, LAYOUTS[LAYOUT].index("left_knee", "right_ankle")].all()
    assert not lost[:, :, LAYOUTS[LAYOUT].index("neck")].any()
    assert lost.mean() < 0.7


def test_the_hand_of_one_arm_is_never_seen() -> None:
    lost = np.isnan(vary(skeletons(), arms_dropout=1)[..., 0])
    hands, elbows = (lost[:, :, LAYOUTS[LAYOUT].index(f"left_{x}", f"right_{x}")] for x in ("wrist", "elbow"))
    assert (lost == lost[:, :1]).all()
    assert (hands[:, 0].sum(axis=1) == 1).all()
    assert not (elbows & ~hands).any()
    assert lost.sum() == hands.sum() + elbows.sum()


@pytest.mark.parametrize(("name", "value"), [("yaw_deg", 200), ("mirror", -0.1), ("noise_m", "much")])
def test_impossible_strengths(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"augmentation.body: {name} is {value!r}"):
        BodyAugmentation(**{name: value})  # type: ignore[arg-type]
