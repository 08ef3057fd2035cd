"""Features behind decisions: one row for each, thinned out when there are many, and a map that keeps them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros.evaluation import features
from mumu_ros.evaluation.decisions import DecisionLog
from mumu_ros.evaluation.features import FUSED, FeatureTap, map_features
from mumu_ros.evaluation.results import BagResult, true_labels
from mumu_ros.evaluation.scoring import TruthSegment
from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.recognition import Recognizer

S = 1_000_000_000


def recognised(model: Path, count: int) -> tuple[BagResult, FeatureTap, Recognizer]:
    """An IMU at rest, decided on `count` times."""
    recognizer = Recognizer(load_checkpoint(model))
    config = recognizer.checkpoint.config
    tap = FeatureTap(recognizer.checkpoint.model)
    log = DecisionLog(config.taxonomy, config.names)
    log.append(0, recognizer.recognize(S))  # nothing there yet
    with tap:
        for i in range(100 + 20 * count):
            recognizer.push("imu", S + i * S // 100, np.full((2, 3), i % 7, np.float32))
            if i >= 100 and i % 20 == 0:
                log.append(0, recognizer.recognize(S + i * S // 100))
    table = log.table()
    half = int(np.median(table.stamp_ns))
    truth = (TruthSegment(S, half, "wave"), TruthSegment(half, 10**12, "walk"))
    labels = true_labels(table, truth, config.taxonomy)
    return BagResult("bag", S, 10**10, S // 5, table, truth, labels, {}, (), None, ()), tap, recognizer


def test_every_decision_has_its_features(tiny_model: Path) -> None:
    torch.manual_seed(0)
    bag, tap, recognizer = recognised(tiny_model, 12)
    found = tap.features(bag)
    assert found is not None
    rows, unimodal, fused = found
    assert rows.tolist() == list(range(1, 13)), "the first moment had no decision"
    assert unimodal.shape == (12, 3, 16)
    assert fused.shape == (12, 16)
    assert not unimodal[:, :2].any(), "absent modalities have none"
    head = recognizer.checkpoint.model.head.activity_head
    logits = torch.softmax(head(torch.from_numpy(fused)) / 1.5, dim=-1).detach().numpy()
    np.testing.assert_allclose(logits, bag.decisions.activity_probabilities[1:], rtol=1e-4)


def test_of_many_decisions_every_second_is_kept(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_KEPT", 5)
    bag, tap, _ = recognised(tiny_model, 12)
    found = tap.features(bag)
    assert found is not None
    assert found[0].tolist() == [1, 5, 9]


def test_decisions_that_were_not_heard_have_no_features(tiny_model: Path) -> None:
    bag, _, recognizer = recognised(tiny_model, 3)
    assert FeatureTap(recognizer.checkpoint.model).features(bag) is None


def test_the_map_has_a_plane_for_each_sensor_that_was_there(tiny_model: Path) -> None:
    pytest.importorskip("sklearn", reason="needs the extra train")
    bag, tap, recognizer = recognised(tiny_model, 12)
    maps = map_features([bag], [tap], recognizer.checkpoint.config)
    assert [each.kind for each in maps] == ["imu", FUSED]
    assert all(each.points.shape == (12, 2) and np.isfinite(each.points).all() for each in maps)
    assert all(each.silhouette is not None and -1 <= each.silhouette <= 1 for each in maps)
