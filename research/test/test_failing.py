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

"""What a health model is worth is measured on sensors that fail on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightning", reason="training needs lightning (extra train)")
from mumu_ros.cli import main
from mumu_ros.datasets.clips import Clip
from mumu_ros.failures import Failure, Fault
from mumu_ros.health import Description, HealthModel, load_health
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.training.conditions import Condition
from mumu_ros.training.health import learn_health
from mumu_ros.training.scoring import predict, softmax
from mumu_ros.training.settings import read_settings
from mumu_ros.training.windows import WindowSet, cut_windows
from studies.failing import catch, follow, join

S = 1_000_000_000
SENSORS = {"rgb": "rgb", "depth": "depth", "imu_wrist": "vector"}


@pytest.fixture
def checkpoint(config: ModelConfig, tmp_path: Path) -> Checkpoint:
    save_checkpoint(tmp_path / "model", Network(config).eval())
    return load_checkpoint(tmp_path / "model")


@pytest.fixture
def windows(checkpoint: Checkpoint, make_clip: Callable[..., Clip]) -> WindowSet:
    """Eighty windows of four people."""
    parts = []
    for subject in range(4):
        clip = make_clip(subject, subject)
        ends_ns = clip.segments[0].start_ns + np.linspace(1.1, 5.9, 20) * S
        parts.append(cut_windows(clip, checkpoint.config, ends_ns.astype(np.int64), 0.01))
    return WindowSet.concatenate(parts)


@pytest.fixture
def health(checkpoint: Checkpoint, windows: WindowSet, monkeypatch: pytest.MonkeyPatch) -> HealthModel:
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 100)
    return learn_health(checkpoint, [windows])


def test_stuck_and_healthy_modalities_are_distinguished(
    checkpoint: Checkpoint, health: HealthModel, windows: WindowSet
) -> None:
    conditions = [
        Condition("imu_wrist:stuck", failure=Failure("stuck"), on="imu_wrist"),
        Condition("rgb:frozen", failure=Failure("frozen"), on="rgb"),
    ]
    found = catch(checkpoint, health, windows, conditions)
    assert set(found) == {"healthy", "imu_wrist:stuck", "rgb:frozen"}
    assert max(found["healthy"]["flagged"]) < 0.2
    for condition in conditions:
        assert found[condition.name]["auroc"] > 0.9


def test_stuck_modalities_are_masked_and_other_flagged_ones_if_that_raises_the_top1_probability(
    checkpoint: Checkpoint, health: HealthModel, windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def always_rgb(_: HealthModel, description: Description) -> tuple[np.ndarray, np.ndarray]:
        flagged = np.zeros_like(description.present)
        flagged[:, checkpoint.config.names.index("rgb")] = True
        return np.full(flagged.shape, 2.0), flagged

    def top1(logits: np.ndarray) -> float:
        return float((logits.argmax(axis=1) == windows.activity).mean())

    def top1_probability(logits: np.ndarray) -> np.ndarray:
        return softmax(logits).max(axis=1, keepdims=True)

    monkeypatch.setattr("studies.failing.flag", always_rgb)
    found = catch(checkpoint, health, windows, [Condition("rgb:black", failure=Failure("black"), on="rgb")])
    whole, without = (
        predict(checkpoint.model, windows, Condition("", gone)).activity_logits for gone in ((), ("rgb",))
    )
    assert found["healthy"]["unmasked"] == pytest.approx(top1(whole))
    more_confident = np.where(top1_probability(without) > top1_probability(whole), without, whole)
    assert found["healthy"]["masked"] == pytest.approx(top1(more_confident))
    assert found["rgb:black"]["masked"] == pytest.approx(top1(without))
    assert found["rgb:black"]["flagged"] == 1


def test_a_recording_in_which_a_sensor_sticks_again_and_again(
    checkpoint: Checkpoint, health: HealthModel, make_clip: Callable[..., Clip]
) -> None:
    recording = join([make_clip(seed) for seed in range(12)], 75)
    fault = Fault("imu_wrist", ("imu_wrist",), Failure("stuck"))
    seen = follow(checkpoint, health, recording, fault, SENSORS)
    assert seen.onsets == 2
    assert len(seen.delays_s) == 2
    assert all(0.5 <= delay_s < 3 for delay_s in seen.delays_s)
    assert follow(checkpoint, health, recording, None, SENSORS).onsets == 0


def test_clips_are_joined_one_after_another_up_to_a_length(make_clip: Callable[..., Clip]) -> None:
    clips = [make_clip(seed) for seed in range(5)]
    joined = join(clips, 20)
    assert len(joined.segments) == 6
    for name, stream in joined.streams.items():
        assert (np.diff(stream.stamps_ns) > 0).all()
        assert len(stream.samples) == len(stream.stamps_ns) == 3 * len(clips[0].streams[name].stamps_ns)
    assert joined.streams["rgb"].stamps_ns[-1] - joined.streams["rgb"].stamps_ns[0] < 20 * S


def test_a_health_model_from_the_command_line(
    write_folder: Callable[[Path], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    no_processes: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 20)
    configuration, model = write_folder(tmp_path / "data"), tmp_path / "model"
    save_checkpoint(model, Network(read_settings(configuration).model).eval())
    arguments = ["health", str(model), "folder", str(configuration.parent), "--windows-per-s", "0"]
    assert main([*arguments, "--subjects", "1"]) == 2
    assert "subjects are [1]" in capsys.readouterr().err
    assert main([*arguments, "--false-alarms", "0.05"]) == 0
    assert "health.safetensors: " in capsys.readouterr().out
    assert load_health(model, load_checkpoint(model)).false_alarms == 0.05
