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

"""Confidence and threshold are learnt from what was not trained on, and tell right decisions from others."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from mumu_ros.model.calibration import Calibration
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.acceptance import (
    ClipDecisions,
    accept,
    accepting_threshold,
    calibrate_acceptance,
    equal_error_threshold,
    fit_confidence,
)
from mumu_ros.training.scoring import softmax

TAXONOMY = Taxonomy("test", {"all": ("wave", "clap", "idle", "other")})


def decisions(probabilities: np.ndarray, novelty: np.ndarray, hits: np.ndarray, activity: int = 0) -> ClipDecisions:
    """Decisions for `wave`, or another activity, of which some are right; what is wrong is an unknown activity."""
    shares = np.repeat((1 - probabilities[:, None]) / 3, 4, axis=1)
    shares[:, activity] = probabilities
    right = np.zeros((len(hits), 4), np.bool_)
    right[hits, activity] = True
    return ClipDecisions(np.log(shares).astype(np.float32), novelty.astype(np.float32), right, hits)


def joined(*parts: ClipDecisions) -> ClipDecisions:
    return ClipDecisions(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(ClipDecisions))
    )


def room(seed: int, count: int = 4000) -> ClipDecisions:
    """A dataset in which a decision is right with the odds 2 p / (1 - p) exp(-1.5 (novelty - 2))."""
    rng = np.random.default_rng(seed)
    p, novelty = rng.uniform(0.3, 0.95, count), rng.uniform(1, 3, count)
    odds = 2 * p / (1 - p) * np.exp(-1.5 * (novelty - 2))
    return decisions(p, novelty, rng.random(count) < odds / (1 + odds))


def test_the_confidence_is_the_share_of_right_decisions() -> None:
    calibration = fit_confidence([room(0), room(1)], TAXONOMY, Calibration())
    found = (calibration.bias, calibration.slope, calibration.novelty_weight)
    assert found == pytest.approx((np.log(2) + 1.5 * 2, 1, 1.5), abs=0.15)
    other = room(2)
    confidence = calibration.confidence(softmax(other.logits).max(axis=1), other.novelty)
    for low in np.arange(0, 1, 0.2):
        rows = (confidence >= low) & (confidence < low + 0.2)
        assert other.hits[rows].mean() == pytest.approx(confidence[rows].mean(), abs=0.08)


def test_datasets_count_alike_and_what_has_no_novelty_not_at_all() -> None:
    alone = fit_confidence([room(0), room(1)], TAXONOMY, Calibration())
    large = room(0)
    assert fit_confidence([joined(large, large, large), room(1)], TAXONOMY, Calibration()).bias == pytest.approx(
        alone.bias, abs=1e-3
    )
    blind = decisions(np.full(50, 0.9), np.full(50, np.nan), np.zeros(50, np.bool_))
    assert fit_confidence([joined(large, blind), room(1), blind], TAXONOMY, Calibration()) == alone
    assert fit_confidence([blind], TAXONOMY, Calibration()) == Calibration()


def test_idle_and_other_are_never_accepted_and_take_no_part() -> None:
    idle = decisions(np.full(20, 0.99), np.ones(20), np.ones(20, np.bool_), activity=2)
    assert not accept(idle.logits, idle.novelty, TAXONOMY, Calibration())[1].any()
    both = joined(room(0), idle)
    found, alone = (fit_confidence([tested], TAXONOMY, Calibration()) for tested in (both, room(0)))
    assert found.slope == pytest.approx(alone.slope, abs=1e-6)


def test_what_is_novel_is_refused_however_probable() -> None:
    calibration = Calibration(unknown_threshold=0.4, novelty_weight=2, bias=2)
    twice = decisions(np.array([0.95, 0.95]), np.array([1.0, 4.0]), np.ones(2, np.bool_))
    assert accept(twice.logits, twice.novelty, TAXONOMY, calibration)[1].tolist() == [True, False]


def test_the_threshold_accepts_85_percent_of_the_known_clips_of_each_dataset_alike() -> None:
    rng = np.random.default_rng(0)
    known = np.arange(4000) % 2 == 0
    easy, hard = (decisions(rng.uniform(low, low + 0.2, 4000), np.full(4000, np.nan), known) for low in (0.7, 0.4))
    assert accepting_threshold([easy], TAXONOMY, Calibration()) == pytest.approx(0.73, abs=0.01)
    assert accepting_threshold([easy, joined(hard, hard)], TAXONOMY, Calibration()) == pytest.approx(0.58, abs=0.01)
    unnamed = decisions(np.full(4000, 0.99), np.full(4000, np.nan), known, activity=3)
    assert accepting_threshold([unnamed], TAXONOMY, Calibration()) == 0, "more than 15 % of them are refused anyway"


def test_as_many_known_clips_are_refused_as_unknown_ones_accepted() -> None:
    rooms = [room(0), joined(room(1), room(2))]
    threshold = equal_error_threshold(rooms, TAXONOMY, Calibration())
    accepted = [accept(t.logits, t.novelty, TAXONOMY, Calibration(unknown_threshold=threshold))[1] for t in rooms]
    refused = np.mean([(~which[t.known]).mean() for which, t in zip(accepted, rooms, strict=True)])
    assert refused == pytest.approx(
        np.mean([which[~t.known].mean() for which, t in zip(accepted, rooms, strict=True)]), abs=0.02
    )


def test_where_the_novelty_is_not_known_the_probability_decides_as_without() -> None:
    rooms = [room(0), room(1)]
    calibration = calibrate_acceptance(rooms, TAXONOMY, Calibration())
    by_probability = equal_error_threshold(rooms, TAXONOMY, Calibration())
    p = np.linspace(0.05, 0.95, 181)
    blind = decisions(p, np.full(len(p), np.nan), np.ones(len(p), np.bool_))
    accepted = accept(blind.logits, blind.novelty, TAXONOMY, calibration)[1]
    assert p[accepted].min() == pytest.approx(by_probability, abs=0.01)


def test_a_novelty_that_says_nothing_is_not_used() -> None:
    p, hits = np.linspace(0.3, 0.9, 400), np.arange(400) % 2 == 0
    more_novel = decisions(p, 1 + hits.astype(float), hits)
    calibration = calibrate_acceptance([more_novel], TAXONOMY, Calibration())
    assert calibration.novelty_weight == 0
    assert calibration.confidence(0.7, 5.0) == 0.7


def test_a_novelty_that_says_all_is_used_and_the_confidence_still_rises_with_the_probability() -> None:
    rng, hits = np.random.default_rng(0), np.arange(400) % 2 == 0
    less_probable = decisions(np.where(hits, 0.5, 0.7), rng.normal(2 - hits, 0.5), hits)
    calibration = calibrate_acceptance([less_probable], TAXONOMY, Calibration())
    assert calibration.novelty_weight > 1
    assert calibration.confidence(0.7, 1.0) > calibration.confidence(0.5, 1.0) > calibration.confidence(0.7, 2.0)
    accepted = accept(less_probable.logits, less_probable.novelty, TAXONOMY, calibration)[1]
    assert (accepted == hits).mean() > 0.8
