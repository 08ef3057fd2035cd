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

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.recognition.smoothing import Smoother
from mumu_ros.streams import NS_PER_S

distributions = st.lists(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda v: np.array(v) / np.sum(v)), min_size=1, max_size=20
)


@given(distributions)
def test_without_time_constant_and_hysteresis_nothing_changes(values: list[np.ndarray]) -> None:
    smoother = Smoother(0.0, 0.0)
    for i, value in enumerate(values):
        mean, _ = smoother.update(i, value)
        assert mean.tolist() == value.tolist()


@given(distributions, st.floats(0.1, 10))
def test_smoothed_distributions_stay_distributions(values: list[np.ndarray], time_constant_s: float) -> None:
    smoother = Smoother(time_constant_s, 0.1)
    for i, value in enumerate(values):
        mean, label = smoother.update(i * NS_PER_S // 5, value)
        assert mean.sum() == pytest.approx(1)
        assert mean.min() >= 0
        assert 0 <= label < 3


def test_after_one_time_constant_63_percent_of_a_change_have_arrived() -> None:
    smoother = Smoother(2.0, 0.0)
    smoother.update(0, np.array([1.0, 0.0]))
    mean, _ = smoother.update(2 * NS_PER_S, np.array([0.0, 1.0]))
    assert mean[1] == pytest.approx(1 - np.exp(-1))


def test_a_label_stays_until_another_leads_by_the_hysteresis() -> None:
    smoother = Smoother(0.0, 0.2)
    labels = [
        smoother.update(i, np.array(p))[1] for i, p in enumerate([(0.6, 0.4), (0.45, 0.55), (0.35, 0.65), (0.5, 0.5)])
    ]
    assert labels == [0, 0, 1, 1]


def test_a_stamp_before_the_last_one_begins_anew() -> None:
    """The average would give it a negative weight."""
    smoother = Smoother(1.0, 0.9)
    smoother.update(10 * NS_PER_S, np.array([1.0, 0.0]))
    mean, label = smoother.update(9 * NS_PER_S, np.array([0.0, 1.0]))
    assert (mean.tolist(), label) == ([0.0, 1.0], 1)


@pytest.mark.parametrize(("later_s", "goes_on"), [(1.9, True), (2.1, False), (3600.0, False)])
def test_what_was_decided_before_a_gap_has_no_part_in_what_comes_after_it(later_s: float, goes_on: bool) -> None:
    """Events end then, too."""
    smoother = Smoother(1.0, 0.3)
    smoother.update(0, np.array([1.0, 0.0]))
    mean, label = smoother.update(round(later_s * NS_PER_S), np.array([0.4, 0.6]))
    assert (label == 0) == (mean[0] > 0.45) == goes_on


@given(distributions, st.floats(0.1, 10), st.floats(0, 0.9))
def test_a_second_distribution_of_one_stamp_replaces_the_first(
    values: list[np.ndarray], time_constant_s: float, hysteresis: float
) -> None:
    """As after samples that came late."""
    once, twice = Smoother(time_constant_s, hysteresis), Smoother(time_constant_s, hysteresis)
    for i, value in enumerate(values):
        twice.update(i * NS_PER_S // 5, np.roll(value, 1))
        mean, label = twice.update(i * NS_PER_S // 5, value)
        expected, its_label = once.update(i * NS_PER_S // 5, value)
        assert (mean.tolist(), label) == (expected.tolist(), its_label)


def test_reset_forgets() -> None:
    smoother = Smoother(100.0, 0.9)
    smoother.update(0, np.array([1.0, 0.0]))
    smoother.clear()
    mean, label = smoother.update(1, np.array([0.0, 1.0]))
    assert (mean.tolist(), label) == ([0.0, 1.0], 1)
