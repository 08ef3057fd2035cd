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

"""Metrics, against their definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.evaluation.metrics import (
    auroc,
    cluster_bootstrap,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
    per_class,
    threshold_at_false_accept_rate,
    top1,
    top_k,
)

K = 4
labels = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, K - 1), min_size=n, max_size=n) for _ in range(2)])
)
confidences = st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=40)


def distributions(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(K), n), generator.integers(0, K, n)


@given(labels)
@settings(max_examples=50, deadline=None)
def test_confusions_add_up(both: tuple[list[int], list[int]]) -> None:
    truth, predicted = both
    counts = confusion_matrix(truth, predicted, K)
    assert counts.tolist() == [
        [sum(1 for p in zip(truth, predicted, strict=True) if p == (i, j)) for j in range(K)] for i in range(K)
    ]
    assert counts.trace() / counts.sum() == pytest.approx(top1(truth, predicted))


def test_scores_of_a_small_example() -> None:
    truth, predicted = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 3, 2]
    scores = per_class(truth, predicted, ["sit", "walk", "run", "never"])
    assert list(scores) == ["sit", "walk", "run"]
    assert scores["sit"] == pytest.approx({"precision": 1, "recall": 2 / 3, "f1": 4 / 5, "support": 3})
    assert scores["walk"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "support": 2})
    assert scores["run"] == pytest.approx({"precision": 1, "recall": 1, "f1": 1, "support": 1})
    assert macro_f1(truth, predicted, 4) == pytest.approx((4 / 5 + 1 / 2 + 1) / 3)
    assert top1(truth, predicted) == pytest.approx(4 / 6)


def test_a_class_that_is_never_decided_on_scores_nothing() -> None:
    assert per_class([0], [1], ["sit", "walk"]) == {"sit": {"precision": 0, "recall": 0, "f1": 0, "support": 1}}


@given(labels)
@settings(max_examples=50, deadline=None)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(both: tuple[list[int], list[int]]) -> None:
    scores = per_class(*both, [str(i) for i in range(K)]).values()
    for s in scores:
        both_zero = s["precision"] + s["recall"] == 0
        assert s["f1"] == pytest.approx(0 if both_zero else 2 / (1 / s["precision"] + 1 / s["recall"]))
    assert macro_f1(*both, K) == pytest.approx(np.mean([s["f1"] for s in scores]))


@given(st.integers(1, 50), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_top_k_grows_from_top1_to_all(n: int, seed: int) -> None:
    p, truth = distributions(n, seed)
    p = p.round(1)
    shares = [top_k(p, truth, k) for k in range(1, K + 1)]
    assert shares == sorted(shares)
    assert shares[0] == top1(truth, p.argmax(axis=1))
    assert shares[-1] == 1


def test_of_equal_probabilities_the_first_is_the_higher() -> None:
    assert top_k([[0.4, 0.4, 0.2]], [1], 1) == 0
    assert top_k([[0.4, 0.4, 0.2]], [1], 2) == 1


def test_calibration_error_by_hand() -> None:
    # Two bins: (0, 0.5] has confidence 0.5 and accuracy 1, (0.5, 1] has 0.8 on average and accuracy 1/2.
    p = [[0.5, 0.5], [0.9, 0.1], [0.7, 0.3]]
    assert expected_calibration_error(p, [0, 0, 1], bins=2) == pytest.approx((0.5 + 2 * 0.3) / 3)


@given(st.integers(1, 60), st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_calibration_error_agrees_with_its_definition(n: int, seed: int, bins: int) -> None:
    p, truth = distributions(n, seed)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == truth
    expected = 0.0
    for m in range(bins):
        members = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        if members.any():
            expected += members.mean() * abs(right[members].mean() - confidence[members].mean())
    assert expected_calibration_error(p, truth, bins) == pytest.approx(expected)


def test_certainty_costs_what_it_gets_wrong() -> None:
    p = np.eye(K)
    assert expected_calibration_error(p, np.arange(K)) == 0
    assert expected_calibration_error(p, [1, 0, 3, 2]) == 1
    assert expected_calibration_error(p.astype(np.float32) * np.float32(1 + 1e-7), np.arange(K)) == 0


@given(confidences, confidences)
@settings(max_examples=60, deadline=None)
def test_auroc_is_the_share_of_pairs_in_order(known: list[float], unknown: list[float]) -> None:
    pairs = [1.0 if k > u else 0.5 if k == u else 0.0 for k in known for u in unknown]
    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))
    assert auroc(known, unknown) + auroc(unknown, known) == pytest.approx(1)


@given(confidences, st.integers(0, 40), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=100, deadline=None)
def test_the_threshold_keeps_the_promised_rate_and_no_more(
    unknown: list[float], percent: int, dtype: type[np.floating]
) -> None:
    u = np.asarray(unknown, dtype)
    rate = percent / 40
    threshold = threshold_at_false_accept_rate(u, rate)
    # Python floats take the array's precision: that is how the recogniser compares.
    accepted = (u >= threshold).mean()
    if threshold < 1 or u.max() < 1:
        assert accepted <= rate + 1e-9
    if threshold > 0:
        just_refused = u[u < threshold].max() if (u < threshold).any() else 1
        assert (u >= just_refused).mean() > rate


def test_a_threshold_that_nothing_may_reach_is_above_the_highest() -> None:
    assert 0.7 < threshold_at_false_accept_rate([0.2, 0.7], 0) < 0.7001
    assert threshold_at_false_accept_rate([0.2, 0.7], 1) == 0
    assert threshold_at_false_accept_rate([1.0, 1.0], 0.5) == 1
    assert (np.linspace(0, 0.99, 100) >= threshold_at_false_accept_rate(np.linspace(0, 0.99, 100), 0.29)).sum() == 29


def test_an_interval_by_subject_is_wider_than_one_by_clip_where_errors_come_by_subject() -> None:
    right = [[1] * 20, [1] * 20, [1] * 20, [0] * 10 + [1] * 10, [1] * 20, [1] * 20]
    low, high = cluster_bootstrap(right, seed=1)
    by_clip = cluster_bootstrap([[value] for values in right for value in values], seed=1)
    assert low < by_clip[0]
    assert low <= np.mean(right) <= high
    assert high == 1


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=9), min_size=2, max_size=8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_an_interval_lies_within_the_clusters_means_and_narrows_with_the_level(
    clusters: list[list[float]], seed: int
) -> None:
    low, high = cluster_bootstrap(clusters, 200, seed)
    means = [np.mean(cluster) for cluster in clusters]
    assert min(means) - 1e-9 <= low <= high <= max(means) + 1e-9
    assert cluster_bootstrap(clusters, 200, seed) == (low, high)
    inner = cluster_bootstrap(clusters, 200, seed, level=0.5)
    assert low <= inner[0] <= inner[1] <= high


def test_larger_clusters_weigh_more() -> None:
    low, high = cluster_bootstrap([[1] * 99, [0]], 2000)
    assert (low, high) == (0, 1)
    middle = cluster_bootstrap([[1] * 99, [0]], 2000, level=0.1)
    assert middle == pytest.approx((0.99, 0.99))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion_matrix([0, 1], [0], 2), "2 true classes do not fit 1"),
        (lambda: confusion_matrix([0, -1], [0, 0], 2), "truth has -1; expected 0 to 1"),
        (lambda: confusion_matrix([0], [2], 2), "predicted has 2; expected 0 to 1"),
        (lambda: confusion_matrix([0.5], [1], 2), "truth is float64"),
        (lambda: top1([], []), "at least one"),
        (lambda: top1([1, 2], [1]), "2 true classes do not fit 1"),
        (lambda: macro_f1([], [], 2), "at least one"),
        (lambda: top_k([[1.0, 0.0]], [0], 0), "k is 0"),
        (lambda: top_k([1.0, 0.0], [0], 1), r"shape \(2,\)"),
        (lambda: expected_calibration_error([[1.5, 0]], [0]), "to 1.5; expected 0 to 1"),
        (lambda: expected_calibration_error([[np.nan, 0]], [0]), "expected 0 to 1"),
        (lambda: auroc([], [0.5]), "known has the shape"),
        (lambda: auroc([0.5], [np.nan]), "unknown has a NaN"),
        (lambda: threshold_at_false_accept_rate([0.5, 2], 0.1), "to 2.0; expected 0 to 1"),
        (lambda: threshold_at_false_accept_rate([0.5], 1.5), "rate is 1.5"),
        (lambda: cluster_bootstrap([[1, 0]]), "1 clusters"),
        (lambda: cluster_bootstrap([[1, 0], []]), "cluster 1 has the shape"),
        (lambda: cluster_bootstrap([[1], [0]], level=1), "level is 1"),
    ],
)
def test_senseless_input_is_quoted(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
