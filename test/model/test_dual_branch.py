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

"""The dual-branch embedding against numpy, one window and one modality at a time, and what keeps its branches apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.dual_branch import ChannelAttention, DualBranch, TimeAttention, overlap
from mumu_ros.model.heads import DualBranchHead
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.network import Network

MODALITIES, PARTS, SIZE, TASKS = 3, 4, 6, 2
CLOSE = {"rtol": 1e-9, "atol": 1e-12}

Case = tuple[Tensor, Tensor]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Features of parts of the window, some of them absent, and which modalities are present."""
    batch = draw(st.integers(1, 3))
    bits = draw(st.lists(st.booleans(), min_size=batch * MODALITIES, max_size=batch * MODALITIES))
    mask = torch.tensor(bits).reshape(batch, MODALITIES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    features = torch.randn(batch, MODALITIES, PARTS, SIZE, generator=generator, dtype=torch.float64)
    parts = torch.rand(batch, MODALITIES, PARTS, generator=generator) < 0.7
    parts[..., -1] = True
    return (features * parts.unsqueeze(-1)).flatten(2), mask


@pytest.fixture(scope="module")
def embedding() -> DualBranch:
    torch.manual_seed(3)
    embedding = DualBranch(MODALITIES, SIZE, TASKS).double().eval()
    for module in embedding.modules():
        if isinstance(module, TimeAttention):
            nn.init.constant_(module.gamma, 0.7)
    return embedding


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def numbers(layer: nn.Module, *names: str) -> list[np.ndarray]:
    return [getattr(layer, name).detach().numpy() for name in names]


def linear(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    weight, bias = numbers(layer, "weight", "bias")
    return x @ weight.T + bias


def convolve(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    """(C, N) to (C', N), by a convolution of width 1 or 3 over N."""
    weight, bias = numbers(layer, "weight", "bias")
    reach = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (reach, reach)))
    taps = [weight[:, :, k] @ padded[:, k : k + x.shape[1]] for k in range(weight.shape[2])]
    return sum(taps) + bias[:, None]


def over_time(attention: TimeAttention, x: np.ndarray, there: np.ndarray) -> np.ndarray:
    query, key, value = (convolve(getattr(attention, name), x) for name in ("query", "key", "value"))
    weights = softmax(query.T @ key[:, there] / np.sqrt(len(x)))
    return x + attention.gamma.item() * value[:, there] @ weights.T


def over_channels(attention: ChannelAttention, x: np.ndarray, there: np.ndarray, known: np.ndarray) -> np.ndarray:
    mean = x[:, there].mean(axis=1)[None]
    query, key, value = (convolve(getattr(attention, name), mean)[0] for name in ("query", "key", "value"))
    return sigmoid(softmax(np.outer(query, key[known])) @ value[known])


def windows(case: Case) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Those in which anything is present: features (M, D, P), 0 where absent, and which modalities are."""
    for row, (features, mask) in enumerate(zip(*(x.numpy() for x in case), strict=True)):
        if mask.any():
            yield row, features.reshape(MODALITIES, PARTS, SIZE).swapaxes(1, 2) * mask[:, None, None], mask


@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_a_task_sees_all_modalities_side_by_side(embedding: DualBranch, case: Case) -> None:
    _, _, branches = (x.detach().numpy() for x in embedding(*case))
    for row, features, mask in windows(case):
        x, there = features.reshape(-1, PARTS), (features != 0).any(axis=(0, 1))
        for task, branch in enumerate(embedding.specific):
            attended = over_time(branch.time, x, there)
            gate = over_channels(branch.channels, attended, there, np.repeat(mask, SIZE))
            expected = linear(branch.project, (gate[:, None] * attended)[:, there].mean(axis=1))
            np.testing.assert_allclose(branches[row, 1 + task], np.maximum(expected, 0), **CLOSE)


@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_modalities_are_fused_one_after_the_other_into_what_tasks_share(embedding: DualBranch, case: Case) -> None:
    _, _, branches = (x.detach().numpy() for x in embedding(*case))
    for row, features, mask in windows(case):
        x, there, first = np.zeros((SIZE, PARTS)), np.zeros(PARTS, bool), True
        for index in np.flatnonzero(mask):
            second = features[index]
            there = there | (second != 0).any(axis=0)
            if first:
                x, first = second, False
                continue
            fusion = embedding.shared.fusions[index - 1]
            both = convolve(fusion.narrow, x + second) + convolve(fusion.wide, x + second)
            attended = over_time(fusion.time, both, there)
            sigma = over_channels(fusion.channels, attended, there, np.ones(SIZE, bool))[:, None]
            x = sigma * x + (1 - sigma) * second
        expected = linear(embedding.shared.project, x[:, there].mean(axis=1))
        np.testing.assert_allclose(branches[row, 0], np.maximum(expected, 0), **CLOSE)


@given(case=cases(), a=st.lists(st.floats(-3, 3), min_size=TASKS, max_size=TASKS))
@settings(max_examples=30, deadline=None)
def test_a_task_mixes_what_is_shared_and_what_is_its_own(embedding: DualBranch, case: Case, a: list[float]) -> None:
    with torch.no_grad():
        embedding.a.copy_(torch.tensor(a))
    mixed, weights, branches = (x.detach().numpy() for x in embedding(*case))
    for task, share in enumerate(sigmoid(np.array(a, np.float32).astype(float))):
        expected = share * branches[:, 0] + (1 - share) * branches[:, 1 + task]
        np.testing.assert_allclose(mixed[:, task], expected, **CLOSE)
    present = case[1].numpy().any(axis=1)
    np.testing.assert_allclose(weights.sum(axis=2), np.repeat(present[:, None], TASKS, axis=1), **CLOSE)


@given(case=cases())
@settings(max_examples=20, deadline=None)
def test_what_an_absent_modality_holds_changes_no_bit(embedding: DualBranch, case: Case) -> None:
    features, mask = case
    clean = embedding(torch.where(mask.unsqueeze(-1), features, 0), mask)
    for garbage in (float("nan"), float("inf"), -1e300):
        dirty = embedding(features.masked_fill(~mask.unsqueeze(-1), garbage), mask)
        assert all(torch.equal(a, b) for a, b in zip(clean, dirty, strict=True))


def test_either_branch_counts_one_half_at_first() -> None:
    assert torch.sigmoid(DualBranch(MODALITIES, SIZE, TASKS).a).tolist() == [0.5, 0.5]


def test_the_head_sees_parts_of_the_window(config: ModelConfig) -> None:
    """Of each modality as many as of the others, whatever their rates; where a part has no step it is zero."""
    torch.manual_seed(0)
    network = Network(dataclasses.replace(config, fusion="dual_branch", layer_norm=True)).eval()
    inputs = {name: torch.rand(1, config.steps(name), 2, 3) for name in ("imu",)}
    mask = torch.ones(1, config.steps("imu"), dtype=torch.bool)
    mask[:, 8:16] = False  # of 20 steps, segments of 4: the third and fourth of five
    features = network(inputs, {"imu": mask}).features.reshape(4, 8, 16)
    assert features[2].any(dim=-1).tolist() == [True, True, True, True, False, False, True, True]
    assert not features[[0, 1, 3]].any()


def test_logits_are_mixed_as_the_features_are(config: ModelConfig) -> None:
    torch.manual_seed(1)
    head = DualBranchHead(dataclasses.replace(config, fusion="dual_branch")).double().eval()
    features, mask = torch.randn(3, 4, 8 * 16, dtype=torch.float64), torch.ones(3, 4, dtype=torch.bool)
    output = head(features, mask, None)
    assert output.branches is not None
    shared, group, activity = output.branches.unbind(dim=1)
    for logits, classify, own, a in (
        (output.group_logits, head.group_head, group, head.embedding.a[0]),
        (output.activity_logits, head.activity_head, activity, head.embedding.a[1]),
    ):
        share = torch.sigmoid(a)
        torch.testing.assert_close(logits, share * classify(shared) + (1 - share) * classify(own))


def test_overlap_is_the_mean_of_squared_cosines() -> None:
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert overlap(torch.stack([x, 3 * x, y]).unsqueeze(0)).item() == pytest.approx(0.5)
    assert overlap(torch.stack([x, -x, -2 * x]).unsqueeze(0)).item() == pytest.approx(1)
    assert overlap(torch.stack([x, y, y]).unsqueeze(0)).item() == 0
    assert overlap(torch.zeros(2, 3, 4)).item() == 0, "of windows in which nothing is present"


def test_the_penalty_keeps_shared_and_specific_features_apart(config: ModelConfig) -> None:
    torch.manual_seed(0)
    network = Network(dataclasses.replace(config, fusion="dual_branch"))
    features = {name: torch.randn(8, 8 * 16) for name in config.names}
    present = {name: torch.ones(8, dtype=torch.bool) for name in config.names}
    activity, group = torch.arange(8) % 5, (torch.arange(8) % 5 > 1).long()
    loss = MuMuLoss(0.5, decoupling_weight=0.3)
    parts = loss(network.decide(features, present), activity, group)
    total = parts.target + 0.5 * parts.auxiliary + 0.3 * parts.decoupling
    torch.testing.assert_close(parts.total, total)
    optimizer = torch.optim.Adam(network.head.parameters(), 0.01)
    for _ in range(30):
        optimizer.zero_grad()
        loss(network.decide(features, present), activity, group).decoupling.backward()
        optimizer.step()
    after = loss(network.decide(features, present), activity, group)
    assert after.decoupling < parts.decoupling / 10


def test_other_heads_have_nothing_to_keep_apart(model: Network) -> None:
    output = model.decide({"imu": torch.randn(2, 16)}, {"imu": torch.ones(2, dtype=torch.bool)})
    parts = MuMuLoss(0.5, decoupling_weight=1.0)(output, torch.tensor([0, 4]), torch.tensor([0, 1]))
    assert parts.decoupling == 0
