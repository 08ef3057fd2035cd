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

"""What is far from the training data is novel, and what is novel or improbable has little confidence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError
from mumu_ros.model.novelty import Novelty

USED = Calibration(novelty_weight=2.0, slope=0.6, bias=2.7, shift=-0.8)
unit = st.floats(0, 1)
scores = st.floats(0, 50)


def some_features(seed: int, count: int, size: int = 8) -> np.ndarray:
    """Of one dimension much larger than the others, as networks have them."""
    scale = np.ones(size) * 0.1
    scale[0] = 20
    return (np.random.default_rng(seed).normal(3, 1, (count, size)) * scale).astype(np.float32)


def score(novelty: Novelty, features: np.ndarray) -> np.ndarray:
    return novelty.score(["imu"], features[:, None])


@pytest.fixture
def novelty() -> Novelty:
    return Novelty("imu", some_features(0, 400))


def test_what_is_like_the_training_data_is_about_1_and_what_is_not_is_more(novelty: Novelty) -> None:
    assert np.median(score(novelty, some_features(1, 400))) == pytest.approx(1, abs=0.15)
    for dimension in range(8):
        away = some_features(1, 400)
        away[:, dimension] += 8 * away[:, dimension].std()
        assert (score(novelty, away) > 2).mean() > 0.95, f"dimension {dimension} counts like the others"


@given(st.integers(0, 100), st.integers(2, 30))
def test_the_distance_is_that_to_the_fifth_nearest(seed: int, others: int) -> None:
    rng = np.random.default_rng(seed)
    features, x = rng.normal(size=(others + 5, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    scale = features.std(axis=0)

    def fifth(row: np.ndarray, which: np.ndarray) -> float:
        return float(np.sort(np.linalg.norm((row - which) / scale, axis=1))[4])

    usual = np.median([fifth(features[i], np.delete(features, i, axis=0)) for i in range(len(features))])
    expected = [fifth(row, features) / usual for row in x]
    np.testing.assert_allclose(score(Novelty("imu", features), x), expected, rtol=1e-3)


def test_features_that_are_all_alike_make_others_novel_but_not_without_bound() -> None:
    alike = Novelty("imu", np.ones((20, 4), np.float32))
    assert score(alike, np.ones((1, 4), np.float32)) == 0
    assert np.isfinite(score(alike, np.full((1, 4), 2, np.float32))).all()
    nearly = Novelty("imu", np.concatenate([some_features(0, 20, 3), np.ones((20, 1), np.float32)], axis=1))
    assert score(nearly, np.array([[60, 0.3, 0.3, 1.001]], np.float32)) < 10, "rounding is not novel"


def test_it_is_known_of_the_modality_alone(novelty: Novelty) -> None:
    features = np.stack([some_features(1, 3), some_features(2, 3)], axis=1)
    features[0, 1] = features[1, 0] = 0
    assert np.isnan(novelty.score(["imu", "rgb"], features)).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "features",
    [
        some_features(0, 5),
        some_features(0, 2001),
        some_features(0, 9)[0],
        some_features(0, 9)[:, :0],
        some_features(0, 9) * np.float32(np.nan),
        some_features(0, 9) * np.float32(1e30),
    ],
)
def test_features_that_tell_nothing_are_refused(features: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"features of imu are float32 .*; expected numbers \(N, D\) of at most 10000"):
        Novelty("imu", features)


@given(unit, st.one_of(scores, st.just(np.nan)))
def test_without_novelty_the_confidence_is_the_probability(probability: float, score: float) -> None:
    assert Calibration().confidence(probability, score) == probability


@given(unit, unit, scores, scores)
def test_confidence_falls_with_novelty_and_rises_with_probability(p: float, q: float, near: float, far: float) -> None:
    (p, q), (near, far) = sorted((p, q)), sorted((near, far))
    assert USED.confidence(p, near) <= USED.confidence(q, near)
    assert USED.confidence(p, far) <= USED.confidence(p, near)
    assert 0 <= USED.confidence(p, far) <= USED.confidence(q, near) <= 1
    assert USED.confidence(p, np.nan) <= USED.confidence(q, np.nan) <= q + 1e-6, "shifted down"


def test_confidences_of_many_are_those_of_each() -> None:
    p, score = np.array([0.2, 0.9, 0.5]), np.array([1.0, np.nan, 3.0])
    assert USED.confidence(p, score).tolist() == [float(USED.confidence(*row)) for row in zip(p, score, strict=True)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"unknown_threshold": 1.2}, "unknown_threshold is 1.2; expected a number from 0 to 1"),
        ({"temperature": 0}, "temperature is 0; expected a number from 1e-06"),
        ({"novelty_weight": -1}, "novelty_weight is -1; expected a number from 0 to"),
        ({"bias": float("nan")}, "bias is nan"),
        ({"slope": "1"}, "slope is '1'"),
    ],
)
def test_a_calibration_is_checked(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Calibration(**values)


@pytest.fixture
def folder(tiny_model: Path) -> Path:
    """The tiny model, which knows what an IMU's features are like."""
    checkpoint = load_checkpoint(tiny_model)
    novelty = Novelty("imu", some_features(0, 50, checkpoint.model.unimodal_size))
    save_checkpoint(tiny_model, checkpoint.model, calibration=USED, novelty=novelty)
    return tiny_model


def test_a_model_folder_holds_it(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "novelty.safetensors"}
    checkpoint = load_checkpoint(folder)
    assert checkpoint.calibration == USED
    assert checkpoint.novelty is not None
    assert checkpoint.novelty.modality == "imu"
    features = some_features(0, 50, checkpoint.model.unimodal_size)
    np.testing.assert_allclose(checkpoint.novelty.features, features, rtol=1e-3)


def test_without_a_weight_it_is_not_read(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    content["calibration"]["novelty_weight"] = 0
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "novelty.safetensors").write_bytes(b"damaged")
    assert load_checkpoint(folder).novelty is None


def test_a_calibration_that_needs_it_is_not_saved_without(folder: Path) -> None:
    with pytest.raises(ValueError, match="novelty_weight of 2; give the novelty"):
        save_checkpoint(folder, load_checkpoint(folder).model, calibration=USED)
    assert load_checkpoint(folder).novelty is not None


def _of_other_weights(folder: Path) -> None:
    data = (folder / "novelty.safetensors").read_bytes()
    model = load_checkpoint(folder).model
    with torch.no_grad():
        next(model.parameters()).add_(1)
    save_checkpoint(folder, model, calibration=USED, novelty=Novelty.from_bytes(data)[0])
    (folder / "novelty.safetensors").write_bytes(data)


def _written(modality: str, size: int) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        digest = load_checkpoint(folder).id.split("@")[1]
        (folder / "novelty.safetensors").write_bytes(Novelty(modality, some_features(0, 9, size)).to_bytes(digest))

    return write


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "novelty.safetensors").unlink(), r"cannot read .*novelty\.safetensors.* novelty_weight"),
        (lambda f: (f / "novelty.safetensors").write_bytes(b""), r"novelty\.safetensors' is corrupt \(0 bytes"),
        (
            lambda f: (f / "novelty.safetensors").write_bytes((f / "model.safetensors").read_bytes()),
            r"novelty\.safetensors' is corrupt",
        ),
        (_written("rgb", 5), r"has 5 features of rgb .*expected 16 of rgb or depth or imu"),
        (_written("radar", 16), "has 16 features of radar"),
        (_of_other_weights, "by weights [0-9a-f]{8}; expected .* by [0-9a-f]{8}; the files must be of one training"),
    ],
)
def test_a_damaged_file_is_explained(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)
