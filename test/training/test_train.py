"""Scoring, calibration, and one small training from simulator to model folder."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.mumu import MuMu
from mumu_ros.share import share_path
from mumu_ros.training import scoring
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.cli import register
from mumu_ros.training.clips import Clip
from mumu_ros.training.module import training_batches
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends

torch.set_num_threads(1)


@pytest.fixture
def windows(config: ModelConfig, make_clip: Callable[..., Clip]) -> WindowSet:
    clip = make_clip(0)
    return cut_windows(clip, config, random_ends(clip, 1.0, 4.0, np.random.default_rng(0)), 0.6)


def test_score_counts(config: ModelConfig, windows: WindowSet) -> None:
    names = config.taxonomy.activities
    perfect = np.eye(len(names))[windows.activity]
    assert scoring.score(perfect, windows, names)["accuracy"] == 1
    always_walk = np.tile(np.eye(len(names))[2], (len(windows), 1))
    result = scoring.score(always_walk, windows, names)
    assert result["accuracy"] == pytest.approx((windows.activity == 2).mean())
    assert result["accuracy_inside"] == pytest.approx((windows.activity == 2)[windows.inside].mean())
    assert result["by_activity"] == {"stand": 0.0, "sit": 0.0, "walk": 1.0}
    assert result["confusions"] == [["stand", "walk", 1.0]]
    json.dumps(result)


def test_dropping_modalities_equals_masking_them(config: ModelConfig, windows: WindowSet) -> None:
    model = MuMu(config).eval()
    inputs, masks = windows.batch(range(len(windows)))
    rest = ("depth", "imu_wrist")
    with torch.inference_mode():
        output = model({n: torch.from_numpy(inputs[n]) for n in rest}, {n: torch.from_numpy(masks[n]) for n in rest})
    logits = scoring.activity_logits(model, windows, ["rgb"])
    np.testing.assert_allclose(logits, output.activity_logits.numpy(), rtol=1e-4, atol=1e-5)
    none = scoring.activity_logits(model, windows, ["rgb"], share=0.0)
    np.testing.assert_array_equal(none, scoring.activity_logits(model, windows))


def test_calibration_undoes_overconfidence(
    config: ModelConfig, windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits three times too large for their accuracy need a temperature of three."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(5_000, 3)) * 2
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (generator.random((len(logits), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    many = windows.take(generator.integers(0, len(windows), len(truth)))
    object.__setattr__(many, "activity", truth)
    monkeypatch.setattr(scoring, "activity_logits", lambda *_: logits * 3)
    calibration = scoring.calibrate(MuMu(config), many, rejected=0.05)
    assert calibration.temperature == pytest.approx(3, rel=0.1)
    right = logits.argmax(axis=1) == truth
    refused = probabilities.max(axis=1) < calibration.unknown_threshold
    assert refused[right].mean() == pytest.approx(0.05, abs=0.03)


def test_batches_depend_on_the_seed_only(config: ModelConfig, windows: WindowSet) -> None:
    def first(seed: int) -> torch.Tensor:
        inputs, _, _ = next(iter(training_batches(windows, config, Augmentation(scale=0.1), 4, seed)))
        return inputs["imu_wrist"]

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_from_simulator_to_model_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    overrides = [
        "data.train_subjects=0",
        "data.calibration_subjects=1",
        "data.seconds=4",
        f"data.cache={tmp_path / 'cache'}",
        "optimization.epochs=2",
        "optimization.batch_size=2",
        "model.feature_size=8",
    ]
    sim = str(share_path("config", "training", "sim.yaml"))
    arguments = parser.parse_args(["train", sim, *overrides, "--out", str(tmp_path / "model")])
    assert arguments.run(arguments) == 0
    checkpoint = load_checkpoint(tmp_path / "model")
    assert checkpoint.calibration.temperature > 0
    assert checkpoint.provenance["data"]["train_subjects"] == 0
    assert checkpoint.provenance["optimization"]["epochs"] == 2
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert metrics["train_windows"] >= 2
    assert len(list((tmp_path / "cache").glob("*/*.npz"))) == 2

    again = ["--init", str(tmp_path / "model"), "--out", str(tmp_path / "second")]
    arguments = parser.parse_args(["train", sim, *overrides, "optimization.epochs=1", *again])
    assert arguments.run(arguments) == 0
    arguments = parser.parse_args(["train", sim, *overrides, "model.feature_size=16", *again])
    with pytest.raises(ConfigError, match="another configuration"):
        arguments.run(arguments)

    capsys.readouterr()
    command = ["test", str(tmp_path / "model"), "simulator", "--subjects", "2", "--seconds", "3", "--json"]
    arguments = parser.parse_args([*command, "--drop", "imu", "--drop", "rgb+depth:0.5"])
    assert arguments.run(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == checkpoint.id
    assert set(result["dropped"]) == {"nothing", "imu", "rgb+depth:0.5"}
    assert all(0 <= r["accuracy"] <= 1 for r in result["dropped"].values())
