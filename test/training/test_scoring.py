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

"""A model's predictions for windows, how they are scored, and how their confidence is calibrated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from mumu_ros.datasets.clips import Clip
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.training import scoring
from mumu_ros.training.conditions import Condition
from mumu_ros.training.scoring import Predictions, fit_temperature, predict, score, softmax
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends

torch.set_num_threads(1)


@pytest.fixture
def windows(config: ModelConfig, make_clip: Callable[..., Clip]) -> WindowSet:
    clip = make_clip(0)
    return cut_windows(clip, config, random_ends(clip, 1.0, 4.0, np.random.default_rng(0)), 0.6)


def saying(activity_logits: np.ndarray, group_logits: np.ndarray) -> Predictions:
    weights = np.ones((len(activity_logits), 1))
    return Predictions(activity_logits, group_logits, None, weights, weights, weights[:, :, None])


def test_score_counts(config: ModelConfig, windows: WindowSet) -> None:
    truth, groups = windows.activity, config.taxonomy.group_indices[windows.activity]
    perfect = score(saying(50 * np.eye(3)[truth], np.eye(2)[groups]), windows, config.taxonomy)
    assert [perfect[key] for key in ("top1", "macro_f1", "group_top1", "top1_inside")] == [1, 1, 1, 1]
    assert perfect["ece"] == pytest.approx(0, abs=1e-6)
    assert perfect["confusions"] == []
    stand, walk = (config.taxonomy.activity_index(name) for name in ("stand", "walk"))
    always = saying(np.tile(np.eye(3)[walk], (len(windows), 1)), np.tile([1.0, 0.0], (len(windows), 1)))
    result = score(always, windows, config.taxonomy)
    share = (truth == walk).mean()
    assert result["top1"] == pytest.approx(share)
    assert result["top1_inside"] == pytest.approx((truth == walk)[windows.inside].mean())
    assert result["group_top1"] == pytest.approx((truth == stand).mean())
    assert result["macro_f1"] == pytest.approx(share / (1 + share))
    assert result["ece"] == pytest.approx(abs(np.e / (np.e + 2) - share))
    assert result["per_class"]["walk"] == pytest.approx(
        {"precision": share, "recall": 1, "f1": 2 * share / (1 + share), "support": (truth == walk).sum()}
    )
    assert result["per_subject"] == {"0": pytest.approx(share)}
    assert result["confusions"] == [("stand", "walk", 1.0)]
    assert (result["clips"], result["windows"]) == (1, len(windows))
    json.dumps(result)


def test_taking_modalities_away_equals_not_having_them(config: ModelConfig, windows: WindowSet) -> None:
    model = Network(config).eval()
    inputs, masks = windows.batch(range(len(windows)))
    rest = ("depth", "imu_wrist")
    with torch.inference_mode():
        output = model({n: torch.from_numpy(inputs[n]) for n in rest}, {n: torch.from_numpy(masks[n]) for n in rest})
    said = predict(model, windows, Condition("c", ("rgb",)))
    np.testing.assert_allclose(said.activity_logits, output.activity_logits.numpy(), rtol=1e-4, atol=1e-5)
    assert (said.gm_weights[:, 0] == 0).all()
    assert said.features.shape == (len(windows), 3, 8)
    assert said.unimodal_logits is None
    none = predict(model, windows, Condition("c", ("rgb",), share=0.0))
    np.testing.assert_array_equal(none.activity_logits, predict(model, windows).activity_logits)


def test_many_windows_are_predicted_in_order(config: ModelConfig, windows: WindowSet) -> None:
    model = Network(config).eval()
    rows = np.arange(150) % len(windows)
    many, few = predict(model, windows.take(rows)), predict(model, windows)
    np.testing.assert_allclose(many.activity_logits, few.activity_logits[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("condition", [Condition("clean"), Condition("c", ("rgb",), share=0.5)])
@pytest.mark.parametrize("deep_supervision", [False, True])
def test_no_windows_are_predicted_as_any_number(
    config: ModelConfig, windows: WindowSet, condition: Condition, deep_supervision: bool
) -> None:
    model = Network(replace(config, deep_supervision=deep_supervision)).eval()
    none, one = (predict(model, windows.take(np.arange(count)), condition) for count in (0, 1))
    for name, expected in vars(one).items():
        found = getattr(none, name)
        assert (found is None) == (expected is None), name
        if expected is not None:
            assert found.shape == (0, *expected.shape[1:]), name
            assert found.dtype == expected.dtype, name


@pytest.fixture
def overconfident() -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too large for how often they are right, and the truth."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(5_000, 3)) * 2
    truth = (generator.random((len(logits), 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return 3 * logits, truth


def test_the_temperature_undoes_overconfidence(overconfident: tuple[np.ndarray, np.ndarray]) -> None:
    assert fit_temperature(*overconfident) == pytest.approx(3, rel=0.1)


def test_the_threshold_refuses_the_least_certain(
    config: ModelConfig,
    windows: WindowSet,
    overconfident: tuple[np.ndarray, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits, truth = overconfident
    many = replace(windows.take(np.zeros(len(truth), np.int64)), activity=truth)
    asked: list[str] = []

    def say(_: Network, __: WindowSet, condition: Condition) -> Predictions:
        asked.append(condition.name)
        return saying(logits, logits)

    monkeypatch.setattr(scoring, "predict", say)
    calibration = scoring.calibrate(Network(config), many)
    assert asked == ["clean", "-rgb", "-depth", "-imu_wrist"]
    assert calibration.temperature == pytest.approx(3, rel=0.1)
    refused = softmax(logits / calibration.temperature).max(axis=1) < calibration.unknown_threshold
    assert refused[logits.argmax(axis=1) == truth].mean() == pytest.approx(0.01, abs=0.005)


def test_a_window_counts_where_something_is_left_of_it(vector_settings: Settings, vector_windows: WindowSet) -> None:
    """Half of the windows lack one sensor: without the other one there is nothing to decide by, live as here."""
    model = Network(vector_settings.model).eval()
    belt = vector_windows.masks["imu_belt"] & (np.arange(12) % 2 == 1)[:, None]
    windows = replace(vector_windows, masks={**vector_windows.masks, "imu_belt": belt})
    gone = predict(model, windows, Condition("c", ("imu_wrist",)))
    assert gone.shown.tolist() == [False, True] * 6
    whole, lacking = predict(model, windows), predict(model, windows, Condition("c", ("imu_belt",)))
    logits = [whole.activity_logits, gone.activity_logits[1::2], lacking.activity_logits]
    truth = [windows.activity, windows.activity[1::2], windows.activity]
    found = scoring.calibrate(model, windows)
    assert found.temperature == fit_temperature(np.concatenate(logits), np.concatenate(truth))

    taxonomy = vector_settings.model.taxonomy
    scored, expected = score(gone, windows, taxonomy), score(gone.take(gone.shown), windows.take(gone.shown), taxonomy)
    assert (scored["windows"], scored["clips"], scored["left_out"]) == (6, 6, 6)
    assert scored == {**expected, "left_out": 6}
    nothing = gone.take(~gone.shown)
    assert score(nothing, windows.take(~gone.shown), taxonomy) == {"clips": 0, "windows": 0, "left_out": 6}


@pytest.mark.parametrize("margin", [1.0, 3.0, 15.0])
@pytest.mark.parametrize("count", [1, 50, 2000])
def test_without_an_error_confidences_are_what_so_many_right_decisions_support(margin: float, count: int) -> None:
    logits, truth = margin * np.eye(3)[np.arange(count) % 3], np.arange(count) % 3
    confidence = softmax(logits / fit_temperature(logits, truth)).max(axis=1)
    np.testing.assert_allclose(confidence, (count + 1) / (count + 2), rtol=0.01)


def test_one_error_of_little_consequence_does_not_make_the_rest_certain() -> None:
    """499 are right by a margin of 1 to 8; of the wrong one both activities are nearly as probable."""
    truth = np.arange(500) % 3
    logits = np.linspace(1, 8, 500)[:, None] * np.eye(3)[truth]
    logits[0] = 0.01 * np.eye(3)[1]
    assert 0.3 < fit_temperature(logits, truth) < 1, "the cross-entropy with targets of 1 is least at 0.12"


def test_without_any_decision_nothing_is_fitted() -> None:
    assert fit_temperature(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 1


def test_what_was_fitted_without_an_error_is_said_and_refuses_little(
    config: ModelConfig, windows: WindowSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = 1000 * np.eye(3)[windows.activity]
    monkeypatch.setattr(scoring, "predict", lambda *_: saying(logits, logits))
    calibration = scoring.calibrate(Network(config), windows)
    count = 4 * len(windows)
    assert calibration.unknown_threshold == (count + 1) / (count + 2)
    assert f"none of the {count} decisions that the confidence is calibrated on is wrong" in capsys.readouterr().err


def test_softmax_of_large_numbers() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])
