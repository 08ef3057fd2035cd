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

"""How much each task's loss counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.model.task_weights import AdaptiveWeights, FixedWeights, UncertaintyWeights

losses = st.lists(st.floats(0.01, 100), min_size=2, max_size=2)


@settings(deadline=None)
@given(losses, st.floats(0, 3), st.floats(0, 3))
def test_fixed_weights_stay(values: list[float], first: float, second: float) -> None:
    weights = FixedWeights(first, second)
    total = weights(torch.tensor(values, dtype=torch.float64))
    assert total.item() == pytest.approx(first * values[0] + second * values[1], rel=1e-9)
    weights.next_epoch()
    assert weights.weights().tolist() == [first, second]
    assert not weights.state_dict(), "what is in the settings is not kept twice"


@settings(deadline=None, max_examples=20)
@given(losses, st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_learned_uncertainty_is_kendalls(values: list[float], log_variances: list[float]) -> None:
    weights = UncertaintyWeights().double()
    with torch.no_grad():
        weights.log_variances.copy_(torch.tensor(log_variances, dtype=torch.float64))
    expected = sum(math.exp(-s) * loss + s / 2 for s, loss in zip(log_variances, values, strict=True))
    assert weights(torch.tensor(values, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_uncertainty_weights_settle_by_the_loss() -> None:
    """d/ds of exp(−s) L + s / 2 is 0 at s = log 2 L: what has the larger loss counts less."""
    weights = UncertaintyWeights()
    optimizer = torch.optim.Adam(weights.parameters(), 0.05)
    for _ in range(400):
        optimizer.zero_grad()
        weights(torch.tensor([2.0, 0.25])).backward()
        optimizer.step()
    assert weights.weights().tolist() == pytest.approx([1 / 4, 1 / 0.5], rel=0.01)


def run(epochs: list[list[list[float]]]) -> AdaptiveWeights:
    """Weights at the beginning of the epoch after these, each of some steps with two losses."""
    weights = AdaptiveWeights()
    for steps in epochs:
        weights.next_epoch()
        for step in steps:
            weights(torch.tensor(step))
    weights.next_epoch()
    return weights


epoch = st.lists(losses, min_size=1, max_size=3)


@settings(deadline=None, max_examples=40)
@given(st.lists(epoch, min_size=2, max_size=4))
def test_adaptive_weights_follow_the_means_of_the_last_two_epochs(epochs: list[list[list[float]]]) -> None:
    before, last = (np.mean(steps, axis=0) for steps in epochs[-2:])
    powers = np.exp(last / before / 2 - (last / before / 2).max())
    weights = run(epochs)
    np.testing.assert_allclose(weights.weights(), 2 * powers / powers.sum(), rtol=1e-4, atol=1e-6)
    step = torch.tensor([3.0, 5.0])
    torch.testing.assert_close(weights(step), (weights.weights() * step).sum())


@settings(deadline=None, max_examples=10)
@given(st.lists(epoch, max_size=1))
def test_both_tasks_count_the_same_until_two_epochs_can_be_compared(epochs: list[list[list[float]]]) -> None:
    assert run(epochs).weights().tolist() == [1, 1]


def test_the_task_that_falls_more_slowly_counts_more() -> None:
    slow, fast = run([[[1.0, 100.0]], [[0.9, 10.0]]]).weights().tolist()
    assert slow > 1 > fast > 0


def test_adaptive_weights_go_on_from_a_checkpoint() -> None:
    whole = run([[[4.0, 1.0]], [[3.0, 0.2]], [[1.0, 0.1]]])
    half = run([[[4.0, 1.0]], [[3.0, 0.2]]])
    resumed = AdaptiveWeights()
    resumed.load_state_dict(half.state_dict())
    resumed(torch.tensor([1.0, 0.1]))
    resumed.next_epoch()
    assert torch.equal(resumed.weights(), whole.weights())


def test_what_is_only_evaluated_is_not_learned_from() -> None:
    weights = run([[[4.0, 1.0]], [[3.0, 0.2]]])
    before = weights.weights()
    weights.eval()(torch.tensor([100.0, 0.1]))
    weights.next_epoch()
    assert torch.equal(weights.weights(), before)
