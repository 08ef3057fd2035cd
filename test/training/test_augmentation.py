"""Augmentation: changes what it should, and only that."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.training.augmentation import Augmentation, augment

Arrays = dict[str, np.ndarray]
FULL = Augmentation(modality_dropout=0.9, shift=0.1, color=0.3, rotation_deg=20, scale=0.1)


def batch(config: ModelConfig, size: int, seed: int) -> tuple[Arrays, Arrays]:
    generator = np.random.default_rng(seed)
    inputs, masks = {}, {}
    for m in config.modalities:
        shape = (size, config.steps(m.name), *m.shape)
        x = generator.uniform(0, 200, shape)
        inputs[m.name] = x.astype(np.uint8 if m.kind == "rgb" else np.float32)
        masks[m.name] = generator.random(shape[:2]) < 0.7
    masks[config.names[0]][:, -1] = True
    return inputs, masks


@given(st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_something_is_left_and_nothing_is_invented(config: ModelConfig, size: int, seed: int) -> None:
    inputs, masks = batch(config, size, seed)
    before = {n: x.copy() for n, x in (*inputs.items(), *((f"{n} mask", m) for n, m in masks.items()))}
    changed, kept = augment(inputs, masks, config, FULL, np.random.default_rng(seed))
    assert np.any([m.any(axis=1) for m in kept.values()], axis=0).all()
    for name in config.names:
        assert not (kept[name] & ~masks[name]).any()
        assert changed[name].shape == inputs[name].shape
        assert changed[name].dtype == inputs[name].dtype
        np.testing.assert_array_equal(inputs[name], before[name])
        np.testing.assert_array_equal(masks[name], before[f"{name} mask"])


def test_no_augmentation_changes_nothing(config: ModelConfig) -> None:
    inputs, masks = batch(config, 4, 0)
    changed, kept = augment(inputs, masks, config, Augmentation(), np.random.default_rng(0))
    for name in config.names:
        np.testing.assert_array_equal(changed[name], inputs[name])
        np.testing.assert_array_equal(kept[name], masks[name])


def test_modality_dropout_takes_whole_modalities_and_single_steps(config: ModelConfig) -> None:
    inputs, masks = batch(config, 400, 0)
    masks = {n: np.ones_like(m) for n, m in masks.items()}
    _, kept = augment(inputs, masks, config, Augmentation(modality_dropout=0.6), np.random.default_rng(0))
    gone = np.stack([~m.any(axis=1) for m in kept.values()], axis=1)
    partly = np.stack([m.any(axis=1) & ~m.all(axis=1) for m in kept.values()], axis=1)
    untouched = ~(gone | partly).any(axis=1)
    assert 0.35 < untouched.mean() < 0.55
    assert (gone.mean(axis=0) > 0.05).all()
    assert (partly.mean(axis=0) > 0.1).all()
    assert (gone.sum(axis=1) == 2).any()


def test_one_shift_and_one_color_for_a_whole_window(config: ModelConfig) -> None:
    inputs, masks = batch(config, 3, 0)
    inputs["rgb"][:] = inputs["rgb"][:, :1]
    strong = dataclasses.replace(FULL, modality_dropout=0)
    changed, _ = augment(inputs, masks, config, strong, np.random.default_rng(0))
    assert (changed["rgb"] == changed["rgb"][:, :1]).all()
    assert not (changed["rgb"] == inputs["rgb"]).all()


def test_rotation_keeps_lengths_and_angles(config: ModelConfig) -> None:
    inputs, masks = batch(config, 5, 0)
    turned, _ = augment(inputs, masks, config, Augmentation(rotation_deg=90), np.random.default_rng(0))
    for x in (inputs["imu_wrist"], turned["imu_wrist"]):
        gram = np.einsum("btjc,btkc->btjk", x, x)
        if x is inputs["imu_wrist"]:
            expected = gram
    np.testing.assert_allclose(gram, expected, rtol=1e-4)
    assert not np.allclose(inputs["imu_wrist"], turned["imu_wrist"])


@pytest.mark.parametrize(("name", "value"), [("modality_dropout", 1.0), ("shift", -0.1), ("rotation_deg", "10")])
def test_impossible_strengths_are_quoted(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{name} is {value!r}"):
        Augmentation(**{name: value})  # type: ignore[arg-type]
