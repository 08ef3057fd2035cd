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

"""Image encoders learn on single frames first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros.datasets.clips import Clip
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.unimodal import UnimodalEncoder
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.fit import fit
from mumu_ros.training.frame_training import FrameModule, labelled_frames
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.settings import Data, Machine, Optimization, Settings
from mumu_ros.training.windows import WindowSet, cut_windows

S = 1_000_000_000


@pytest.fixture
def clip(make_clip: Callable[..., Clip]) -> Clip:
    return make_clip(0)


@pytest.fixture
def windows(config: ModelConfig, clip: Clip) -> WindowSet:
    start = clip.segments[0].start_ns
    ends = np.arange(start + S, start + 6 * S, S // 4)
    return cut_windows(clip, config, ends, 0.6)


def settings(config: ModelConfig, **augmentation: object) -> Settings:
    return Settings(
        replace(config, dropout=0.0),
        Data("simulator", "0", "1"),
        Optimization(epochs=1, frame_epochs=1, batch_size=4),
        Augmentation(**augmentation),  # type: ignore[arg-type]
        Machine("cpu"),
    )


@pytest.mark.parametrize("name", ["rgb", "depth"])
def test_a_frame_has_the_activity_it_was_taken_in(
    config: ModelConfig, clip: Clip, windows: WindowSet, name: str
) -> None:
    """Samples are unique here, so each kept frame can be found in the clip, with its time."""
    indices, labels = labelled_frames(windows, name)
    assert len(indices) > 15
    stream = clip.streams[name]
    for index, label in zip(indices, labels, strict=True):
        frame = windows.frames[name][index]
        [at] = [i for i, sample in enumerate(stream.samples) if np.array_equal(sample.astype(frame.dtype), frame)]
        [activity] = [s.activity for s in clip.segments if s.start_ns <= stream.stamps_ns[at] < s.end_ns]
        assert config.taxonomy.activities[label] == activity


@pytest.mark.parametrize("name", ["rgb", "depth"])
def test_without_augmentation_frames_stay_as_they_are(config: ModelConfig, windows: WindowSet, name: str) -> None:
    module = FrameModule(Network(config).encoder(name), windows, settings(config))
    frames, _ = next(iter(module.train_dataloader()))
    torch.testing.assert_close(module._augment(frames), frames, rtol=0, atol=1e-3)


def test_mirroring_is_left_for_right(config: ModelConfig, windows: WindowSet) -> None:
    module = FrameModule(Network(config).encoder("depth"), windows, settings(config, flip=True))
    frames, _ = next(iter(module.train_dataloader()))
    torch.manual_seed(0)
    for before, after in zip(frames, module._augment(frames), strict=True):
        assert torch.equal(after, before) or torch.equal(after, before.flip(1))


def test_a_step_teaches_the_encoder(config: ModelConfig, windows: WindowSet) -> None:
    model = Network(config)
    module = FrameModule(model.encoder("rgb"), windows, settings(config, shift=0.1, zoom=0.1, color=0.1, flip=True))
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    loss = module.training_step(next(iter(module.train_dataloader())), 0)
    loss.backward()
    gradients = [p.grad for p in model.encoder("rgb").spatial.parameters()]
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)


def test_each_epoch_has_an_order_of_its_own_that_the_seed_gives(
    config: ModelConfig, windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: dict[int, list[float]] = {}

    def note(module: FrameModule, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        orders.setdefault(module.current_epoch, []).extend(batch[0].sum(dim=(1, 2, 3)).tolist())
        return step(module, batch, index)

    step = FrameModule.training_step
    monkeypatch.setattr(FrameModule, "training_step", note)
    vectors = replace(config, modalities=tuple(m for m in config.modalities if m.name != "rgb"))
    chosen = settings(vectors)
    chosen = replace(chosen, optimization=replace(chosen.optimization, frame_epochs=3))
    fit(chosen, windows, None, progress=False)
    first = dict(orders)
    assert sorted(first) == [0, 1, 2]
    assert sorted(first[0]) == sorted(first[1]) == sorted(first[2])
    assert len({tuple(order) for order in first.values()}) == 3
    orders.clear()
    fit(chosen, windows, None, progress=False)
    assert orders == first


@pytest.mark.parametrize("labelled", [False, True])
def test_a_camera_without_a_frame_to_learn_from_is_named(
    config: ModelConfig, clip: Clip, windows: WindowSet, capsys: pytest.CaptureFixture[str], labelled: bool
) -> None:
    """No clip has it, or no window that shows it is labelled."""
    without = Clip({name: s for name, s in clip.streams.items() if name != "rgb"}, clip.segments, clip.subject, clip.id)
    lacking = replace(windows, labels=np.zeros((len(windows), 3), np.float32))
    if labelled:
        start = clip.segments[0].start_ns
        lacking = cut_windows(without, config, np.arange(start + S, start + 6 * S, S // 4), 0.6)
    assert FrameModule(Network(config).encoder("rgb"), lacking, settings(config)).count == 0
    said = "modality 'rgb': no clip has a frame of it, or none inside a labelled activity; its encoder"
    assert said in capsys.readouterr().err
    assert FrameModule(Network(config).encoder("depth"), windows, settings(config)).count > 15
    assert capsys.readouterr().err == ""


def test_a_camera_in_no_clip_is_left_out_of_frame_training(config: ModelConfig, clip: Clip) -> None:
    without = Clip({name: s for name, s in clip.streams.items() if name != "rgb"}, clip.segments, clip.subject, clip.id)
    start = clip.segments[0].start_ns
    lacking = cut_windows(without, config, np.arange(start + S, start + 6 * S, S // 4), 0.6)
    model = fit(settings(config), lacking, None, progress=False)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.fixture
def pose_windows(pose_config: ModelConfig, clip: Clip) -> WindowSet:
    """Somebody here and there; their joints are the middle of the readings, and half a metre above it."""
    start = clip.segments[0].start_ns
    windows = cut_windows(clip, pose_config, np.arange(start + S, start + 6 * S, S // 4), 0.6)
    count = len(windows.frames["depth"])
    frames = np.zeros((count, 32, 32, 1), np.float16)
    rows, columns = np.random.default_rng(0).integers(0, 20, (2, count))
    for frame, row, column in zip(frames, rows, columns, strict=True):
        frame[row : row + 12, column : column + 6] = 3
    scale = 3 / (0.9 * 32)
    x, y = (columns + 3 - 16) * scale, (rows + 6 - 16) * scale
    joints = np.stack([x, y, np.full(count, 3.0), x, y - 0.5, np.full(count, 3.0)], axis=1).astype(np.float32)
    return replace(windows, frames={**windows.frames, "depth": frames}, poses={"depth": joints})


def test_an_encoder_learns_where_joints_are(pose_config: ModelConfig, pose_windows: WindowSet) -> None:
    torch.manual_seed(0)
    module = FrameModule(Network(pose_config).encoder("depth"), pose_windows, settings(pose_config, flip=True))
    frames, poses = next(iter(module.train_dataloader()))
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(60):
        loss = module.training_step((frames, poses), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        off = module.encoder.eval()(frames) - poses
    assert off.reshape(-1, 3).norm(dim=1).mean() < 0.1


def test_what_sees_poses_stays_as_it_is_while_windows_are_learned(
    pose_config: ModelConfig, pose_windows: WindowSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Learned from frames, then frozen: its frames are encoded once, also when a training is taken up again."""
    pose_config = replace(pose_config, deep_supervision=True)
    seen: list[dict[str, torch.Tensor]] = []
    encoded: list[int] = []

    def remember(module: NetworkModule) -> None:
        seen.append({k: v.clone() for k, v in module.model.encoder("depth").spatial.state_dict().items()})

    encode = UnimodalEncoder.encode

    def count(encoder: UnimodalEncoder, frames: torch.Tensor) -> torch.Tensor:
        if encoder.modality.sees_poses:
            encoded.append(len(frames))
        return encode(encoder, frames)

    monkeypatch.setattr(NetworkModule, "on_train_start", remember)
    monkeypatch.setattr(UnimodalEncoder, "encode", count)
    chosen = settings(pose_config, corruption=0.5, modality_dropout=0.4)
    chosen = replace(chosen, optimization=replace(chosen.optimization, epochs=2, deep_supervision_weight=0.3))
    whole = fit(chosen, pose_windows, None, progress=False)
    assert sum(encoded) == len(pose_windows.frames["depth"])
    after = whole.encoder("depth").spatial.state_dict()
    assert all(torch.equal(after[key], value) for key, value in seen[0].items())

    def die(module: NetworkModule) -> None:
        if module.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NetworkModule, "on_train_epoch_end", die)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            fit(chosen, pose_windows, tmp_path, progress=False)
    resumed = fit(chosen, pose_windows, tmp_path, progress=False).state_dict()
    assert all(torch.equal(resumed[key], value) for key, value in whole.state_dict().items())


def test_without_a_skeleton_no_pose_is_learned(pose_config: ModelConfig, pose_windows: WindowSet) -> None:
    encoder = Network(pose_config).encoder("depth")
    with pytest.raises(ConfigError, match=r"'depth': pose_cnn learns from a skeleton; name the dataset's in data"):
        FrameModule(encoder, replace(pose_windows, poses={}), settings(pose_config))
    fewer = {"depth": pose_windows.poses["depth"][:, :3]}
    with pytest.raises(ConfigError, match=r"joints is 2; the skeleton of data\.pose has 1"):
        FrameModule(encoder, replace(pose_windows, poses=fewer), settings(pose_config))
    chosen = settings(pose_config)
    with pytest.raises(ConfigError, match=r"frame_epochs is 0; depth \(pose_cnn\) learns in them"):
        fit(replace(chosen, optimization=replace(chosen.optimization, frame_epochs=0)), pose_windows, None)


def test_frames_are_learned_before_windows(
    config: ModelConfig, windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for module in (FrameModule, NetworkModule):
        monkeypatch.setattr(module, "on_train_start", lambda self: order.append(type(self).__name__))
    fit(settings(config), windows, None, progress=False)
    assert order == ["FrameModule", "FrameModule", "NetworkModule"], "rgb, depth, then all together"
