"""Image encoders learn on single frames first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.clips import Clip
from mumu_ros.training.fit import fit
from mumu_ros.training.frames import FrameModule, labelled_frames
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


def test_an_encoder_learns_to_see_poses_where_there_are_any(config: ModelConfig, windows: WindowSet) -> None:
    """The pose of a frame here is its mean colour: something that an encoder can learn to tell."""
    color = windows.frames["rgb"].mean(axis=(1, 2)) / 255
    taught = replace(windows, poses={"rgb": color.astype(np.float32)})
    torch.manual_seed(0)
    module = FrameModule(Network(config).encoder("rgb"), taught, settings(config, flip=True, shift=0.2))
    frames, poses = next(iter(module.train_dataloader()))
    assert poses.shape == (len(frames), 3)
    assert torch.equal(module._augment(frames), frames), "a picture must stay where its skeleton is"
    module.log_dict = lambda *args, **kwargs: None  # type: ignore[method-assign]
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = module.training_step((frames, poses), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def test_frames_are_learned_before_windows(
    config: ModelConfig, windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for module in (FrameModule, NetworkModule):
        monkeypatch.setattr(module, "on_train_start", lambda self: order.append(type(self).__name__))
    fit(settings(config), windows, None, progress=False)
    assert order == ["FrameModule", "FrameModule", "NetworkModule"], "rgb, depth, then all together"
