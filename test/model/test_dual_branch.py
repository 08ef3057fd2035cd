"""The dual-branch embedding against numpy, and what keeps its branches apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.dual_branch import Branch, DualBranch, overlap
from mumu_ros.model.heads import DualBranchHead
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.network import Network

SIZE, TASKS = 8, 2
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Features of one to four modalities, and which are present."""
    batch, modalities = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    bits = draw(st.lists(st.booleans(), min_size=batch * modalities, max_size=batch * modalities))
    mask = torch.tensor(bits).reshape(batch, modalities)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randn(batch, modalities, SIZE, generator=generator, dtype=torch.float64), mask


@pytest.fixture(scope="module")
def embedding() -> DualBranch:
    torch.manual_seed(3)
    return DualBranch(SIZE, TASKS).double().eval()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def linear(layer: nn.Module, x: np.ndarray) -> np.ndarray:
    assert isinstance(layer, nn.Linear)
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def branch_of_one(branch: Branch, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One window: features (M, D) of the modalities that are there."""
    mean = features.mean(axis=0) if len(features) else np.zeros(SIZE)
    gate = sigmoid(linear(branch.channels[2], np.maximum(linear(branch.channels[0], mean), 0)))
    gated = gate * features
    scores = np.exp(gated @ branch.modalities.W_aux.weight.detach().numpy().reshape(-1))
    weights = scores / scores.sum()
    return np.maximum(linear(branch.project[0], weights @ gated), 0), weights


@given(case=cases())
@settings(max_examples=30, deadline=None)
def test_a_branch_attends_to_channels_and_then_to_modalities(
    embedding: DualBranch, case: tuple[Tensor, Tensor]
) -> None:
    branch = embedding.shared
    said, weights = (x.detach().numpy() for x in branch(*case))
    for row, (features, there) in enumerate(zip(*(x.numpy() for x in case), strict=True)):
        expected, expected_weights = branch_of_one(branch, features[there])
        np.testing.assert_allclose(said[row], expected, **CLOSE)
        np.testing.assert_allclose(weights[row][there], expected_weights, **CLOSE)
        assert (weights[row][~there] == 0).all()


@given(case=cases(), a=st.lists(st.floats(-3, 3), min_size=TASKS, max_size=TASKS))
@settings(max_examples=30, deadline=None)
def test_a_task_mixes_what_is_shared_and_what_is_its_own(
    embedding: DualBranch, case: tuple[Tensor, Tensor], a: list[float]
) -> None:
    with torch.no_grad():
        embedding.a.copy_(torch.tensor(a))
    mixed, weights, branches = (x.detach().numpy() for x in embedding(*case))
    parts = [branch(*case) for branch in (embedding.shared, *embedding.specific)]
    for task, share in enumerate(sigmoid(np.array(a, np.float32).astype(float))):
        for found, part in ((mixed, 0), (weights, 1)):
            shared, own = (parts[i][part].detach().numpy() for i in (0, 1 + task))
            np.testing.assert_allclose(found[:, task], share * shared + (1 - share) * own, **CLOSE)
    np.testing.assert_array_equal(branches, np.stack([said.detach().numpy() for said, _ in parts], axis=1))


@given(case=cases())
@settings(max_examples=20, deadline=None)
def test_what_an_absent_modality_holds_changes_no_bit(embedding: DualBranch, case: tuple[Tensor, Tensor]) -> None:
    features, mask = case
    clean = embedding(torch.where(mask.unsqueeze(-1), features, 0), mask)
    for garbage in (float("nan"), float("inf"), -1e300):
        dirty = embedding(features.masked_fill(~mask.unsqueeze(-1), garbage), mask)
        assert all(torch.equal(a, b) for a, b in zip(clean, dirty, strict=True))


def test_a_begins_at_one_half() -> None:
    assert DualBranch(SIZE, TASKS).a.tolist() == [0.5, 0.5]


def test_logits_are_mixed_as_the_features_are(config: ModelConfig) -> None:
    torch.manual_seed(1)
    head = DualBranchHead(dataclasses.replace(config, fusion="dual_branch")).double().eval()
    features, mask = torch.randn(3, 4, 16, dtype=torch.float64), torch.ones(3, 4, dtype=torch.bool)
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
    features = {name: torch.randn(8, 16) for name in config.names}
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
