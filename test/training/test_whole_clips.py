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

"""A clip is decided by its windows: rest before and after what was done does not change the decision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.scoring import softmax
from mumu_ros.training.whole_clips import combine, seconds_before_end

TAXONOMY = Taxonomy("test", {"all": ("wave", "clap", "idle", "other")})


@given(clip_s=st.floats(0.03, 60), window_s=st.floats(0.5, 10))
def test_every_half_second_as_long_as_two_thirds_of_a_window_are_there(clip_s: float, window_s: float) -> None:
    before = seconds_before_end(clip_s, window_s)
    assert before[0] == 0, "whatever the length: one ends with the clip"
    np.testing.assert_allclose(np.diff(before), 0.5)
    assert (clip_s - before[1:] >= 2 / 3 * window_s - 1e-6).all()
    assert clip_s - (before[-1] + 0.5) < 2 / 3 * window_s + 1e-6, "no further one has room"


@given(seed=st.integers(0, 99), clips=st.integers(1, 5), windows=st.integers(1, 6))
def test_a_clip_is_decided_by_its_own_windows_in_any_order(seed: int, clips: int, windows: int) -> None:
    rng = np.random.default_rng(seed)
    clip = np.concatenate([np.arange(clips), rng.integers(0, clips, windows)])
    logits = rng.normal(0, 3, (len(clip), 4)).astype(np.float32)
    novelty = rng.uniform(0, 3, len(clip)).astype(np.float32)
    decided, score = combine(logits, novelty, clip, TAXONOMY)
    for index in range(clips):
        own = clip == index
        p = softmax(decided)[index]
        low, high = softmax(logits[own]).min(axis=0), softmax(logits[own]).max(axis=0)
        assert (p >= low - 1e-5).all()
        assert (p <= high + 1e-5).all()
        assert novelty[own].min() - 1e-5 <= score[index] <= novelty[own].max() + 1e-5
    order = rng.permutation(len(clip))
    again = combine(logits[order], novelty[order], clip[order], TAXONOMY)
    np.testing.assert_allclose(again[0], decided, atol=1e-4)
    np.testing.assert_allclose(again[1], score, atol=1e-4)


@given(seed=st.integers(0, 99))
def test_a_clip_of_one_window_is_decided_as_the_window(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (5, 4)).astype(np.float32)
    novelty = np.where(rng.random(5) < 0.5, np.nan, rng.uniform(0, 3, 5)).astype(np.float32)
    decided, score = combine(logits, novelty, np.arange(5), TAXONOMY)
    np.testing.assert_allclose(softmax(decided), softmax(logits), atol=1e-5)
    np.testing.assert_allclose(score, novelty, rtol=1e-5)


def test_rest_does_not_outvote_what_is_done() -> None:
    waves, rests = [4.0, 0, 0, 0], [0, 0, 9.0, 0]
    logits = np.array([rests, rests, waves, rests, rests, rests], np.float32)
    novelty = np.array([9, 9, 2, 9, 9, 9], np.float32)
    decided, score = combine(logits, novelty, np.array([0, 0, 0, 0, 0, 1]), TAXONOMY)
    assert decided.argmax(axis=1).tolist() == [0, 2], "nothing but rest is rest"
    assert score == pytest.approx([2, 9], abs=0.2)


def test_novelty_is_that_of_the_windows_whose_is_known() -> None:
    logits = np.zeros((3, 4), np.float32)
    _, score = combine(logits, np.array([np.nan, 2, np.nan], np.float32), np.array([0, 0, 1]), TAXONOMY)
    assert score[0] == pytest.approx(2)
    assert np.isnan(score[1])
