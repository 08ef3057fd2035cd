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

"""Each corruption does what its table says, to its victim only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.datasets.clips import Clip
from mumu_ros.failures import KINDS, Failure
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.training.corruption import CORRUPTIONS, corrupt, fail
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends

Arrays = dict[str, np.ndarray]


@pytest.fixture
def windows(config: ModelConfig, make_clip: Callable[..., Clip]) -> WindowSet:
    clip = make_clip(0)
    return cut_windows(clip, config, random_ends(clip, 1.0, 2.0, np.random.default_rng(0)), 0.6)


def apply(windows: WindowSet, victims: Sequence[str | None], kind: str, seed: int = 0) -> tuple[Arrays, Arrays]:
    inputs, masks = windows.batch(range(len(victims)))
    return corrupt(windows, inputs, masks, victims, [kind] * len(victims), np.random.default_rng(seed))


@given(
    victims=st.lists(st.sampled_from((None, "rgb", "depth", "imu_wrist")), min_size=1, max_size=6),
    kind=st.sampled_from(CORRUPTIONS),
    seed=st.integers(0, 999),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_others_and_the_originals_stay_as_they_are(
    config: ModelConfig, windows: WindowSet, victims: list[str | None], kind: str, seed: int
) -> None:
    inputs, masks = windows.batch(range(len(victims)))
    before = {name: (inputs[name].copy(), masks[name].copy()) for name in config.names}
    changed = corrupt(windows, inputs, masks, victims, [kind] * len(victims), np.random.default_rng(seed))
    for name in config.names:
        for original, handed, new in zip(before[name], (inputs[name], masks[name]), changed, strict=True):
            np.testing.assert_array_equal(handed, original)
            assert new[name].dtype == original.dtype
            rows = [victim != name for victim in victims]
            np.testing.assert_array_equal(new[name][rows], original[rows])
            assert np.isfinite(new[name]).all()
    again = corrupt(windows, inputs, masks, victims, [kind] * len(victims), np.random.default_rng(seed))
    for name in config.names:
        np.testing.assert_array_equal(again[0][name], changed[0][name])


@pytest.mark.parametrize("name", ["rgb", "depth", "imu_wrist"])
def test_noise_is_as_strong_as_the_own_variation(windows: WindowSet, name: str) -> None:
    inputs, _ = windows.batch(range(8))
    noisy = apply(windows, [name] * 8, "noise")[0][name]
    own = inputs[name].astype(np.float64)
    added = noisy.astype(np.float64) - own
    # Bytes end at 0 and 255, which takes some of it away.
    assert 0.5 < added.std() / own.std(axis=1).mean() < 1.2
    assert abs(np.corrcoef(added.ravel(), own.ravel())[0, 1]) < (0.7 if name == "rgb" else 0.1)


def test_noise_on_bytes_does_not_wrap_around(windows: WindowSet) -> None:
    bright = np.full_like(windows.frames["rgb"], 250)
    bright[::2] = 255
    windows.frames["rgb"][:] = bright
    noisy = apply(windows, ["rgb"] * 8, "noise")[0]["rgb"]
    assert noisy.dtype == np.uint8
    assert noisy.min() > 200


@pytest.mark.parametrize("name", ["rgb", "imu_wrist"])
def test_stuck_is_one_sample_from_the_first_half_on(windows: WindowSet, name: str) -> None:
    inputs, _ = windows.batch(range(8))
    stuck = apply(windows, [name] * 8, "stuck")[0][name]
    for before, after in zip(inputs[name], stuck, strict=True):
        begin = next(i for i in range(len(after)) if (after[i:] == after[i]).all())
        assert begin <= len(after) / 2
        np.testing.assert_array_equal(after[: begin + 1], before[: begin + 1])


@pytest.mark.parametrize("name", ["depth", "imu_wrist"])
def test_swap_is_another_window(windows: WindowSet, name: str) -> None:
    every, _ = windows.batch(range(len(windows)))
    swapped = apply(windows, [name] * 8, "swap")[0][name]
    sources = [next(i for i, x in enumerate(every[name]) if np.array_equal(x, after)) for after in swapped]
    assert sources != list(range(8))


def test_swap_takes_the_gaps_too_but_never_an_empty_stream(windows: WindowSet) -> None:
    windows.masks["imu_wrist"][1:] = False
    windows.masks["imu_wrist"][0, :5] = False
    inputs, masks = apply(windows, ["imu_wrist"] * 2, "swap", seed=3)
    assert masks["imu_wrist"][0].sum() == 15
    np.testing.assert_array_equal(inputs["imu_wrist"][0], windows.vectors["imu_wrist"][0])
    assert not masks["imu_wrist"][1].any(), "what is not there cannot lie"


@given(seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shift_rolls_by_a_fifth_to_a_half(windows: WindowSet, seed: int) -> None:
    before = windows.vectors["imu_wrist"][0]
    after = apply(windows, ["imu_wrist"], "roll", seed)[0]["imu_wrist"][0]
    steps = [k for k in range(-10, 11) if np.array_equal(np.roll(before, k, axis=0), after)]
    assert steps
    assert 4 <= min(map(abs, steps)) <= 10


def test_only_steps_that_are_there_are_corrupted(windows: WindowSet) -> None:
    windows.masks["imu_wrist"][0, ::2] = False
    windows.vectors["imu_wrist"][0, ::2] = 0
    for kind in ("noise", "stuck", "roll"):
        inputs, masks = apply(windows, ["imu_wrist"], kind)
        assert (inputs["imu_wrist"][0, ::2] == 0).all()
        np.testing.assert_array_equal(masks["imu_wrist"][0], windows.masks["imu_wrist"][0])


@given(share=st.floats(0, 0.95), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise_hides_nothing_that_is_seen(windows: WindowSet, share: float, seed: int) -> None:
    x = windows.vectors["imu_wrist"][0]
    hidden = np.random.default_rng(seed).random(x.shape) < share
    x[:] = np.where(hidden, np.nan, np.random.default_rng(seed).normal(size=x.shape))
    noisy = apply(windows, ["imu_wrist"], "noise", seed)[0]["imu_wrist"][0]
    np.testing.assert_array_equal(np.isnan(noisy), hidden)


@given(
    kind=st.sampled_from([kind for kind, row in KINDS.items() if row.unit.startswith("σ")]),
    share=st.floats(0, 0.95),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_a_failing_skeleton_has_the_joints_that_are_seen(kind: str, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hidden = rng.random((90, 15, 1)) < share
    x = np.where(hidden, np.nan, rng.normal(size=(90, 15, 3))).astype(np.float32)
    skeleton = Modality("skeleton", "vector", (15, 3), 30.0, "cooccurrence", stride=3)
    failed, _ = fail(skeleton, Failure(kind), x, np.ones(90, np.bool_), (seed,))
    np.testing.assert_array_equal(np.isnan(failed), np.isnan(x))


def test_an_unknown_corruption_is_quoted(windows: WindowSet) -> None:
    with pytest.raises(ValueError, match=r"corruption \['fog'\]; expected some of noise, stuck, swap, roll"):
        apply(windows, ["rgb"], "fog")
