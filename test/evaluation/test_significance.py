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

"""Significance tests, against their definitions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.evaluation.significance import almost_stochastic_order, compare_paired, violation_ratio

samples = st.lists(st.integers(0, 1000).map(lambda i: i / 10), min_size=1, max_size=12)
BASE = np.random.default_rng(0).normal(90, 1, 10)


def test_a_violation_ratio_by_hand() -> None:
    # Quantiles of A are 1 and 3 on halves, of B 0, 2 and 4 on thirds; on sixths A − B is 1 1 -1 1 -1 -1.
    assert violation_ratio([3, 1], [2, 0, 4]) == pytest.approx(3 / 6)
    # On halves A − B is 2, -1: squares 4 and 1.
    assert violation_ratio([2, 3], [0, 4]) == pytest.approx(1 / 5)


@given(samples, samples)
@settings(max_examples=50, deadline=None)
def test_a_violation_ratio_agrees_with_a_fine_sum_over_quantiles(a: list[float], b: list[float]) -> None:
    t = (np.arange(len(a) * len(b)) + 0.5) / (len(a) * len(b))
    gaps = np.quantile(a, t, method="inverted_cdf") - np.quantile(b, t, method="inverted_cdf")
    expected = (gaps[gaps < 0] ** 2).sum() / (gaps**2).sum() if gaps.any() else 0.5
    assert violation_ratio(a, b) == pytest.approx(expected)


@given(samples, samples)
@settings(max_examples=50, deadline=None)
def test_what_violates_one_order_supports_the_other(a: list[float], b: list[float]) -> None:
    assert violation_ratio(a, b) + violation_ratio(b, a) == pytest.approx(1)


@given(samples, samples, st.floats(0.1, 10), st.floats(-100, 100))
@settings(max_examples=50, deadline=None)
def test_scale_and_shift_change_nothing(a: list[float], b: list[float], scale: float, shift: float) -> None:
    moved = violation_ratio(scale * np.array(a) + shift, scale * np.array(b) + shift)
    # Equal scores may come out unequal by rounding.
    if a != b:
        assert moved == pytest.approx(violation_ratio(a, b), abs=1e-6)
    mirrored = violation_ratio(-np.array(b), -np.array(a))
    assert mirrored == pytest.approx(violation_ratio(a, b))


@given(samples)
@settings(max_examples=20, deadline=None)
def test_a_sample_is_no_better_than_itself(a: list[float]) -> None:
    assert violation_ratio(a, a) == 0.5
    assert almost_stochastic_order(a, a, resamples=50) >= 0.5


def test_a_model_that_is_ahead_throughout_is_better_and_the_other_is_not() -> None:
    assert almost_stochastic_order(BASE + 10, BASE) == 0
    assert almost_stochastic_order(BASE, BASE + 10) == 1


def test_the_bound_rises_with_overlap_and_with_caution() -> None:
    bounds = [almost_stochastic_order(BASE + gap, BASE[::-1] + 0.3 * np.arange(10)) for gap in (0.0, 1.5, 3.0)]
    assert bounds == sorted(bounds, reverse=True)
    b = BASE + 0.3 * np.sin(np.arange(10))
    eps = violation_ratio(BASE + 0.3, b)
    careful, bold, even = (almost_stochastic_order(BASE + 0.3, b, alpha=alpha) for alpha in (0.05, 0.3, 0.5))
    assert careful > bold > even == eps


def test_the_bound_is_the_ratio_plus_a_quantile_of_bootstrap_deviations() -> None:
    a, b = BASE, BASE[:6] - 0.5
    n, m = len(a), len(b)
    generator = np.random.default_rng(5)
    ratio = violation_ratio(a, b)
    scale = np.sqrt(n * m / (n + m))
    stars = [scale * (violation_ratio(generator.choice(a, n), generator.choice(b, m)) - ratio) for _ in range(3000)]
    expected = ratio + np.std(stars) / scale * 1.6448536
    assert almost_stochastic_order(a, b, resamples=3000) == pytest.approx(expected, abs=0.02)
    assert ratio + 0.1 < expected < 0.5


def test_a_bound_is_repeatable_and_does_not_depend_on_the_order_of_scores() -> None:
    b = BASE[:6] - 0.5
    first = almost_stochastic_order(BASE, b, seed=3)
    assert almost_stochastic_order(BASE, b, seed=3) == first
    assert almost_stochastic_order(BASE, b, seed=4) != first
    assert almost_stochastic_order(BASE[::-1], b, seed=3) == pytest.approx(first, abs=0.1)


def test_noise_alone_is_seldom_called_clearly_better() -> None:
    generator = np.random.default_rng(0)
    pairs = [generator.normal(size=(2, 10)) for _ in range(60)]
    wins = sum(almost_stochastic_order(a, b, resamples=200, seed=i) < 0.2 for i, (a, b) in enumerate(pairs))
    assert wins <= 5


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_sign_flip_p_value_counts_all_assignments(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(column) / 10 for column in zip(*pairs, strict=True))
    differences = [x - y for x, y in pairs]
    flipped = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(pairs))
    ]
    result = compare_paired(a, b)
    assert result.p_value == pytest.approx(np.mean([f >= abs(sum(differences)) for f in flipped]))
    assert result.pairs == len(pairs)
    assert result.mean == pytest.approx(np.mean(differences) / 10)
    assert compare_paired(b, a).p_value == result.p_value


def test_a_paired_comparison_sees_a_small_gap_that_is_always_there() -> None:
    result = compare_paired(BASE + 0.5, BASE)
    assert (result.mean, result.std) == pytest.approx((0.5, 0))
    assert result.p_value == 2 / 2**10
    assert compare_paired(BASE, BASE).p_value == 1
    # Five seeds cannot reach 0.05, whatever the gap.
    assert compare_paired(BASE[:5] + 50, BASE[:5]).p_value == 0.0625


def test_a_single_pair_has_no_deviation() -> None:
    result = compare_paired([2.0], [1.0])
    assert np.isnan(result.std)
    assert result.p_value == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: violation_ratio([], [1.0]), r"a is \[\]"),
        (lambda: violation_ratio([1.0], [float("nan")]), r"b is \[nan\]"),
        (lambda: almost_stochastic_order([1.0], [2.0], alpha=0.95), "alpha is 0.95"),
        (lambda: compare_paired([1.0, 2.0], [1.0]), "a has 2 scores and b 1"),
        (lambda: compare_paired([0.0] * 21, [0.0] * 21), "1 to 20"),
    ],
)
def test_senseless_input_is_quoted(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
