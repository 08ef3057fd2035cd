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

"""Masks: what is masked counts for nothing, and sequences turn around without it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mumu_ros.model.layers import compact, masked_mean, reverse

SEQUENCES = settings(max_examples=40, deadline=None)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """(B, T, 3) distinct numbers and a mask (B, T)."""
    batch, steps = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    bits = draw(st.lists(st.booleans(), min_size=batch * steps, max_size=batch * steps))
    x = torch.arange(batch * steps * 3, dtype=torch.float64).reshape(batch, steps, 3) + 1
    return x, torch.tensor(bits).reshape(batch, steps)


@given(sequences(), st.sampled_from([float("nan"), float("inf"), 1e300]))
@SEQUENCES
def test_masked_mean_is_of_what_is_there(sequence: tuple[Tensor, Tensor], garbage: float) -> None:
    x, mask = sequence
    mean = masked_mean(x.masked_fill(~mask.unsqueeze(-1), garbage), mask)
    for row, there in enumerate(mask):
        expected = x[row][there].mean(dim=0) if there.any() else torch.zeros(3, dtype=x.dtype)
        torch.testing.assert_close(mean[row], expected)


@given(sequences())
@SEQUENCES
def test_reverse_turns_the_unmasked_steps_and_leaves_the_others(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    front = compact(x, mask)[1]
    turned = reverse(x, front)
    for row, count in enumerate(front.sum(dim=1).tolist()):
        np.testing.assert_array_equal(turned[row, :count], x[row, :count].numpy()[::-1])
        np.testing.assert_array_equal(turned[row, count:], x[row, count:])


@given(sequences())
@SEQUENCES
def test_reverse_is_its_own_inverse(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    front = compact(x, mask)[1]
    assert torch.equal(reverse(reverse(x, front), front), x)
