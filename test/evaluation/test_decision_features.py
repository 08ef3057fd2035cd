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

"""Features behind decisions: one row for each, thinned out when there are many, and a map that keeps them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mumu_ros.evaluation import decision_features as features
from mumu_ros.evaluation.decision_features import FUSED, FeatureLog, FeatureMap, map_features
from mumu_ros.evaluation.decisions import DecisionLog
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.evaluation.report import render
from mumu_ros.evaluation.results import BagResult, true_labels
from mumu_ros.evaluation.summary import summarize
from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.recognition import Recognizer

S = 1_000_000_000


def recognised(model: Path, count: int) -> tuple[BagResult, FeatureLog, Recognizer]:
    """An IMU at rest, decided on `count` times."""
    recognizer = Recognizer(load_checkpoint(model))
    config = recognizer.checkpoint.config
    features, log = FeatureLog(), DecisionLog(config.taxonomy, config.names)

    def decide(stamp_ns: int) -> None:
        decision = recognizer.recognize(stamp_ns)
        log.append(0, decision)
        features.append(decision)

    decide(S)  # nothing there yet
    for i in range(100 + 20 * count):
        recognizer.push("imu", S + i * S // 100, np.full((2, 3), i % 7, np.float32))
        if i >= 100 and i % 20 == 0:
            decide(S + i * S // 100)
    table = log.table()
    half = int(np.median(table.stamp_ns))
    truth = (TruthSegment(S, half, "wave"), TruthSegment(half, 10**12, "walk"))
    labels = true_labels(table, truth, config.taxonomy)
    return BagResult("bag", S, 10**10, S // 5, table, truth, labels, {}, (), None, ()), features, recognizer


def test_every_decision_has_its_features(tiny_model: Path) -> None:
    bag, log, _ = recognised(tiny_model, 12)
    found = log.features(bag)
    assert found is not None
    rows, unimodal, fused = found
    assert rows.tolist() == list(range(1, 13)), "the first moment had no decision"
    assert unimodal.shape == (12, 3, 16)
    assert not unimodal[:, :2].any(), "absent modalities have none"
    assert unimodal[:, 2].any(axis=1).all()
    np.testing.assert_array_equal(fused, unimodal[:, 2], "all attention is on the modality that is there")


def test_of_many_decisions_every_second_is_kept(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_KEPT", 5)
    bag, log, _ = recognised(tiny_model, 12)
    found = log.features(bag)
    assert found is not None
    assert found[0].tolist() == [1, 5, 9]


def test_without_decisions_there_are_no_features(tiny_model: Path) -> None:
    bag, _, _ = recognised(tiny_model, 3)
    assert FeatureLog().features(bag) is None


def test_the_map_has_a_plane_for_each_sensor_that_was_there(tiny_model: Path) -> None:
    pytest.importorskip("sklearn", reason="needs the extra train")
    bag, log, recognizer = recognised(tiny_model, 12)
    maps = map_features([bag], [log], recognizer.checkpoint.config)
    assert [each.kind for each in maps] == ["imu", FUSED]
    assert all(each.points.shape == (12, 2) and np.isfinite(each.points).all() for each in maps)
    assert all(each.silhouette is not None and -1 <= each.silhouette <= 1 for each in maps)


def test_the_report_says_what_is_on_the_map(tiny_model: Path) -> None:
    bag, _, recognizer = recognised(tiny_model, 12)
    config = recognizer.checkpoint.config
    maps = [FeatureMap(kind, np.eye(2), np.zeros(2, np.int64), None) for kind in ("imu", FUSED)]
    page = render("m", [bag], config, summarize([bag], config), maps=maps)
    assert "<figcaption>imu</figcaption>" in page
    assert "<figcaption>fused: features weighted by the attention for the activity</figcaption>" in page
