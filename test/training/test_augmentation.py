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

"""Augmentation: changes what it should, and only that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.augmentation import Augmentation, Augmented, augment, crop_to_data
from mumu_ros.training.body_augmentation import BodyAugmentation
from mumu_ros.training.windows import WindowSet

torch.set_num_threads(1)
FULL = Augmentation(modality_dropout=0.9, corruption=0.5, crop=0.6, shift=0.1, color=0.3, rotation_deg=20, scale=0.1)
Draw = Callable[..., WindowSet]


@pytest.fixture
def draw(config: ModelConfig) -> Draw:
    """draw(size, seed, there): windows of `config` with this share of their steps; each has one at least."""

    def windows(size: int, seed: int = 0, there: float = 1.0) -> WindowSet:
        generator = np.random.default_rng(seed)
        frames, indices, vectors, masks = {}, {}, {}, {}
        for m in config.modalities:
            mask = generator.random((size, config.steps(m.name))) < there
            if m.is_image:
                count = mask.size
                x = generator.uniform(0, 200, (count, *m.shape))
                frames[m.name] = x.astype(np.uint8 if m.kind == "rgb" else np.float16)
                indices[m.name] = np.where(mask, np.arange(count).reshape(mask.shape), -1).astype(np.int32)
            else:
                mask[~np.any([i.max(axis=1) >= 0 for i in indices.values()], axis=0), -1] = True
                vectors[m.name] = generator.normal(size=(*mask.shape, *m.shape)).astype(np.float32)
                masks[m.name] = mask
        labels = generator.integers(3, size=size)
        clips = np.array([f"c{i}" for i in range(size)])
        return WindowSet(frames, indices, vectors, masks, labels, np.zeros(size, np.int64), labels >= 0, clips)

    return windows


def change(windows: WindowSet, config: ModelConfig, augmentation: Augmentation, seed: int = 0) -> Augmented:
    return augment(windows, range(len(windows)), config, augmentation, np.random.default_rng(seed))


@given(st.integers(1, 6), st.floats(0.01, 1), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_something_is_left_and_the_windows_stay_as_they_are(
    config: ModelConfig, draw: Draw, size: int, there: float, seed: int
) -> None:
    windows, untouched = draw(size, seed, there), draw(size, seed, there)
    changed = change(windows, config, FULL, seed)
    assert torch.stack([mask.any(dim=1) for mask in changed.masks.values()]).any(dim=0).all()
    inputs, masks = windows.batch(range(size))
    for before, after in zip((inputs, masks), untouched.batch(range(size)), strict=True):
        for name in config.names:
            np.testing.assert_array_equal(before[name], after[name])
    for name in config.names:
        assert tuple(changed.inputs[name].shape) == inputs[name].shape
        assert changed.inputs[name].numpy().dtype == inputs[name].dtype
    np.testing.assert_array_equal(changed.activity, windows.activity)


@given(st.floats(0.01, 0.99), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_crop_leaves_something_of_every_window(config: ModelConfig, draw: Draw, share: float, seed: int) -> None:
    windows = draw(8, seed, there=0.05)
    before = windows.batch(range(8))[1]
    after = change(windows, config, Augmentation(crop=share), seed).masks
    assert torch.stack([mask.any(dim=1) for mask in after.values()]).any(dim=0).all()
    assert not any((after[name].numpy() & ~before[name]).any() for name in config.names)


def test_a_crop_takes_the_ends_of_all_modalities_alike(config: ModelConfig, draw: Draw) -> None:
    masks = change(draw(200), config, Augmentation(crop=0.3)).masks
    imu = masks["imu_wrist"]
    first, length = imu.int().argmax(dim=1), imu.sum(dim=1)
    last = 19 - imu.flip(1).int().argmax(dim=1)
    assert (last - first + 1 == length).all(), "the middle stays"
    assert 0 <= int(first.min()) < 2
    assert 4 <= int(first.max()) <= 6
    assert 13 <= int(last.min()) <= 15
    for name in ("rgb", "depth"):
        assert (masks[name].sum(dim=1) / 5 - length / 20).abs().max() < 0.25


def test_no_augmentation_changes_nothing(config: ModelConfig, draw: Draw) -> None:
    windows = draw(4, there=0.7)
    changed = change(windows, config, Augmentation())
    inputs, masks = windows.batch(range(4))
    for name in config.names:
        np.testing.assert_array_equal(changed.inputs[name], inputs[name])
        np.testing.assert_array_equal(changed.masks[name], masks[name])
    assert not changed.corrupted.any()


def test_modality_dropout_takes_whole_modalities_and_single_steps(config: ModelConfig, draw: Draw) -> None:
    kept = change(draw(400), config, Augmentation(modality_dropout=0.6)).masks
    gone = np.stack([~m.any(dim=1) for m in kept.values()], axis=1)
    partly = np.stack([m.any(dim=1) & ~m.all(dim=1) for m in kept.values()], axis=1)
    untouched = ~(gone | partly).any(axis=1)
    assert 0.35 < untouched.mean() < 0.55
    assert (gone.mean(axis=0) > 0.05).all()
    assert (partly.mean(axis=0) > 0.1).all()
    assert (gone.sum(axis=1) == 2).any()


def test_what_is_corrupted_is_told(config: ModelConfig, draw: Draw) -> None:
    windows = draw(400)
    changed = change(windows, config, Augmentation(corruption=0.6))
    assert changed.corrupted.sum(dim=1).max() == 1
    assert 0.5 < changed.corrupted.any(dim=1).float().mean() < 0.7
    assert (changed.corrupted.float().mean(dim=0) > 0.12).all()
    inputs, _ = windows.batch(range(400))
    for index, name in enumerate(config.names):
        differs = (changed.inputs[name].numpy() != inputs[name]).reshape(400, -1).any(axis=1)
        told = changed.corrupted[:, index].numpy()
        assert not differs[~told].any()
        assert differs[told].all()


@given(share=st.floats(0.05, 1), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_not_changed_is_not_told_to_be_corrupted(
    config: ModelConfig, draw: Draw, share: float, seed: int
) -> None:
    """A sensor that is worn in some clips only, and one that rests; skeletons have NaN where a joint is not seen."""
    windows = draw(40, seed)
    worn = np.random.default_rng(seed).random(40) < share
    windows.masks["imu_wrist"][:] = worn[:, None]
    windows.vectors["imu_wrist"][::2] = np.nan
    windows.frames["depth"][:] = 1
    changed = change(windows, config, Augmentation(corruption=0.9), seed)
    inputs, masks = windows.batch(range(40))
    for index, name in enumerate(config.names):
        same = [
            np.array_equal(changed.inputs[name][i], inputs[name][i], equal_nan=True)
            and np.array_equal(changed.masks[name][i], masks[name][i])
            for i in range(40)
        ]
        np.testing.assert_array_equal(changed.corrupted[:, index], np.logical_not(same))
    assert not changed.corrupted[~worn, 2].any()
    assert not changed.corrupted[:, 1].any()


def test_one_shift_and_one_color_for_a_whole_window(config: ModelConfig, draw: Draw) -> None:
    windows = draw(3)
    windows.indices["rgb"][:] = windows.indices["rgb"][:, :1]
    before = windows.batch(range(3))[0]["rgb"]
    changed = change(windows, config, Augmentation(shift=0.1, color=0.3)).inputs["rgb"].numpy()
    assert (changed == changed[:, :1]).all()
    assert not (changed == before).all()


def test_rotation_keeps_lengths_and_angles(config: ModelConfig, draw: Draw) -> None:
    windows = draw(5)
    before = windows.vectors["imu_wrist"]
    turned = change(windows, config, Augmentation(rotation_deg=90)).inputs["imu_wrist"].numpy()
    expected, gram = (np.einsum("btjc,btkc->btjk", x, x) for x in (before, turned))
    np.testing.assert_allclose(gram, expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(before, turned)


def test_a_sensor_that_is_not_worn_is_neither_turned_nor_mirrored(config: ModelConfig, draw: Draw) -> None:
    """Its mounting is known, and it does not change sides with the person."""
    modalities = tuple(dataclasses.replace(m, worn=not m.name.startswith("imu")) for m in config.modalities)
    fixed = dataclasses.replace(config, modalities=modalities)
    augmentation = Augmentation(rotation_deg=90, body=BodyAugmentation(mirror=0.9))
    changed, windows = change(draw(20), fixed, augmentation).inputs["imu_wrist"].numpy(), draw(20)
    np.testing.assert_array_equal(changed, windows.vectors["imu_wrist"])


def encoder_config(encoder: str) -> ModelConfig:
    modalities = (
        Modality("depth", "depth", (32, 32, 1), 10, "small_cnn", stride=3),
        Modality("imu", "vector", (2, 3), 22, encoder, stride=4),  # type: ignore[arg-type]
    )
    return ModelConfig("t", modalities, Taxonomy("t", {"a": ("x", "y"), "b": ("z",)}), 1.0, feature_size=8)


@pytest.mark.parametrize("encoder", ["cooccurrence1d", "cooccurrence"])
@given(missing=st.tuples(st.integers(0, 10), st.integers(0, 21)), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_without_the_empty_beginning_the_logits_are_the_same(encoder: str, missing: tuple[int, int], seed: int) -> None:
    config = encoder_config(encoder)
    torch.manual_seed(seed)
    model = Network(config).eval()
    inputs = {m.name: torch.randn(3, config.steps(m.name), *m.shape) for m in config.modalities}
    masks = {name: torch.rand(x.shape[:2]) < 0.8 for name, x in inputs.items()}
    for mask, steps in zip(masks.values(), missing, strict=True):
        mask[:, :steps] = False
    whole = Augmented(inputs, masks, torch.zeros(3, dtype=torch.long), torch.zeros(3, 2, dtype=torch.bool))
    cropped = crop_to_data(whole, config)
    with torch.inference_mode():
        expected, logits = (model(b.inputs, b.masks).activity_logits for b in (whole, cropped))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    assert sum(m.sum() for m in cropped.masks.values()) == sum(m.sum() for m in masks.values())
    if missing[1] >= 4 and encoder == "cooccurrence1d":
        assert cropped.inputs["imu"].shape[1] <= 22 - missing[1] + 3


@pytest.mark.parametrize(("name", "value"), [("modality_dropout", 1.0), ("shift", -0.1), ("rotation_deg", "10")])
def test_impossible_strengths_are_quoted(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value!r}"):
        dataclasses.replace(FULL, **{name: value})  # type: ignore[arg-type]


def test_joints_of_a_skeleton_are_lost_in_stretches() -> None:
    skeleton = Modality("skeleton", "vector", (15, 3), 10, "cooccurrence1d", layout="florence15")
    config = ModelConfig("t", (skeleton,), Taxonomy("t", {"g": ("a", "b")}), 2.0, 8)
    x = np.random.default_rng(0).normal(size=(50, 20, 15, 3)).astype(np.float32)
    there, zeros = {"skeleton": np.ones((50, 20), np.bool_)}, np.zeros(50, np.int64)
    windows = WindowSet({}, {}, {"skeleton": x}, there, zeros, zeros, zeros == 0, np.array(["c"] * 50))
    changed = change(windows, config, Augmentation(body=BodyAugmentation(joint_dropout=1.0))).inputs["skeleton"].numpy()
    lost = np.isnan(changed)
    assert (lost.all(axis=-1) == lost.any(axis=-1)).all(), "a joint is lost as a whole"
    np.testing.assert_allclose(changed[~lost], x[~lost], atol=1e-5)
    assert not lost.all(axis=(2, 3)).any(), "of every step something is left"
    assert 0.02 < lost.mean() < 0.4
    assert not np.isnan(change(windows, config, Augmentation()).inputs["skeleton"].numpy()).any()
