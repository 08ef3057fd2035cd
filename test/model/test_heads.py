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

"""The heads that MuMu's is compared with, and the one that weighs by trust: each against numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.heads import Head, HeadOutput, head_attribute
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS

FIXTURES = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
MODALITIES, ACTIVITIES = 4, 5
CLOSE = {"rtol": 1e-9, "atol": 1e-12}

Case = tuple[Tensor, Tensor, Tensor]
Make = Callable[..., nn.Module]


@pytest.fixture
def make(config: ModelConfig) -> Make:
    """make(fusion, merge="concat"): a head in float64."""

    def make_head(fusion: Any, merge: Any = "concat") -> nn.Module:
        torch.manual_seed(2)
        return FUSIONS[fusion](dataclasses.replace(config, fusion=fusion, merge=merge)).double().eval()

    return make_head


def case(there: list[list[bool]], seed: int = 0) -> Case:
    """Features, which modalities are present, and the logits of each by itself."""
    mask = torch.tensor(there)
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(*mask.shape, 16, generator=generator, dtype=torch.float64)
    logits = 2 * torch.randn(*mask.shape, ACTIVITIES, generator=generator, dtype=torch.float64)
    return features * mask.unsqueeze(-1), mask, logits


row = st.lists(st.booleans(), min_size=MODALITIES, max_size=MODALITIES)
cases = st.builds(case, st.lists(row, min_size=1, max_size=4), st.integers(0, 1000))


def linear(layer: nn.Linear, x: np.ndarray) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def classify(layers: nn.Sequential, x: np.ndarray) -> np.ndarray:
    return linear(layers[3], np.maximum(linear(layers[0], x), 0))


def assert_close(actual: Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, **CLOSE)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("merge", ["concat", "sum"])
@given(case_=cases)
@FIXTURES
def test_weights_are_shares_among_what_is_present(make: Make, fusion: str, merge: str, case_: Case) -> None:
    _, mask, _ = case_
    output = make(fusion, merge)(*case_)
    for weights in (output.sm_weights, output.gm_weights):
        assert (weights[~mask] == 0).all()
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(dim=1), mask.any(dim=1).double())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_head_declares_whether_it_classifies_groups(make: Make, fusion: str) -> None:
    head = make(fusion)
    assert isinstance(head, Head)
    assert head.has_groups == (head(*case([[True] * MODALITIES])).group_logits is not None)


def test_a_module_that_derives_from_no_head_has_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FUSIONS._own, "plain", "torch.nn:Identity")
    attributes = ("has_groups", "parts", "attends_time")
    assert [head_attribute("plain", name) for name in attributes] == [False, 1, True]


@pytest.mark.parametrize(
    ("fusion", "merge"),
    [("mumu", "concat"), ("trusted_mumu", "concat"), ("keyless", "sum"), ("hamlet", "sum")],
)
@given(case_=cases, order=st.permutations(range(MODALITIES)))
@FIXTURES
def test_order_and_absent_modalities_do_not_matter(
    make: Make, fusion: str, merge: str, case_: Case, order: list[int]
) -> None:
    head = make(fusion, merge)
    features, mask, logits = case_
    whole: HeadOutput = head(*case_)
    other = head(features[:, order], mask[:, order], logits[:, order])
    torch.testing.assert_close(other.activity_logits, whole.activity_logits)
    torch.testing.assert_close(other.gm_weights, whole.gm_weights[:, order])
    for index, there in enumerate(mask):
        one = slice(index, index + 1)
        alone = head(features[one, there], mask[one, there], logits[one, there]) if there.any() else None
        if alone is not None:
            torch.testing.assert_close(alone.activity_logits, whole.activity_logits[one])
            torch.testing.assert_close(alone.gm_weights, whole.gm_weights[one, there])


@given(case_=cases)
@FIXTURES
def test_concat_puts_the_features_side_by_side(make: Make, case_: Case) -> None:
    features, mask, _ = case_
    head = make("keyless", "concat")
    hidden = np.maximum(linear(head.project, features.numpy().reshape(len(mask), -1)), 0)
    output = head(*case_)
    assert_close(output.activity_logits, classify(head.activity_head, hidden))
    assert output.group_logits is None


@given(case_=cases)
@FIXTURES
def test_sum_averages_those_that_are_present(make: Make, case_: Case) -> None:
    features, mask, _ = case_
    head = make("keyless", "sum")
    total = np.array([x[there].sum(axis=0) for x, there in zip(features.numpy(), mask.numpy(), strict=True)])
    count = np.maximum(mask.numpy().sum(axis=1), 1)
    hidden = np.maximum(linear(head.project, total / count[:, None]), 0)
    output = head(*case_)
    assert_close(output.activity_logits, classify(head.activity_head, hidden))
    assert_close(output.gm_weights, mask.numpy() / count[:, None])


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_hamlet_weighs_a_modality_by_how_much_the_present_ones_ask_for_it(make: Make, merge: str) -> None:
    head = make("hamlet", merge)
    features, mask, logits = case([[True, True, False, True]])
    x = features[0, mask[0]].numpy()
    size, heads = x.shape[1], head.attention.num_heads
    attention = head.attention
    projected = x @ attention.in_proj_weight.detach().numpy().T + attention.in_proj_bias.detach().numpy()
    query, key, value = (part.reshape(3, heads, -1).swapaxes(0, 1) for part in np.split(projected, 3, axis=1))
    scores = np.exp(query @ key.swapaxes(1, 2) / np.sqrt(size // heads))
    weights = scores / scores.sum(axis=2, keepdims=True)
    attended = x + linear(attention.out_proj, (weights @ value).swapaxes(0, 1).reshape(3, size))
    normalised = (attended - attended.mean(axis=1, keepdims=True)) / np.sqrt(attended.var(axis=1, keepdims=True) + 1e-5)
    full = np.zeros((MODALITIES, size))
    full[mask[0].numpy()] = normalised
    merged = normalised.mean(axis=0) if merge == "sum" else full.reshape(-1)
    hidden = np.maximum(linear(head.concat.project, merged), 0)

    output = head(features, mask, logits)

    assert heads == 4
    assert_close(output.gm_weights[0, mask[0]], weights.mean(axis=(0, 1)))
    assert_close(output.activity_logits[0], classify(head.concat.activity_head, hidden))


def _ours(block: nn.Module, x: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Before the normalisation, of one window with something present."""
    a = 1 / (1 + np.exp(-linear(block.attention, x.reshape(-1))))
    residual = np.einsum("md,mde->e", x[there], block.residual.detach().numpy()[there]) / there.sum()
    return a * x[there].mean(axis=0) + (1 - a) * x[there].max(axis=0) + residual


def _published(block: nn.Module, x: np.ndarray, there: np.ndarray) -> np.ndarray:
    hidden = np.maximum(linear(block.concept[0], x.reshape(-1)), 0)
    a = 1 / (1 + np.exp(-linear(block.concept[2], hidden)))
    residual = sum(linear(block.projections[m], x[m]) for m in np.flatnonzero(there))
    return a * x[there].mean(axis=0) + (1 - a) * x[there].min(axis=0) + residual


@pytest.mark.parametrize(("fusion", "fuse"), [("concept", _ours), ("concept_published", _published)])
@given(case_=cases)
@FIXTURES
def test_concept_lies_between_the_mean_and_an_extreme_of_what_is_present(
    make: Make, fusion: str, fuse: Callable[..., np.ndarray], case_: Case
) -> None:
    features, mask, _ = case_
    head = make(fusion)
    for x, there, decided in zip(features.numpy(), mask.numpy(), head(*case_).activity_logits, strict=True):
        fused = fuse(head.fusion, x, there) if there.any() else np.zeros(16)
        normalised = (fused - fused.mean()) / np.sqrt(fused.var() + 1e-5)
        assert_close(decided, classify(head.activity_head, normalised))


def test_the_published_concept_begins_nearer_to_the_mean(make: Make) -> None:
    last = make("concept_published").fusion.concept[2]
    assert last.bias.mean().item() == pytest.approx(0.5, abs=0.1)
    assert last.weight.std().item() == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("fusion", ["concept", "concept_published"])
@given(case_=cases, noise=st.floats(-1e6, 1e6))
@FIXTURES
def test_what_an_absent_modality_holds_does_not_reach_the_concept(
    make: Make, fusion: str, case_: Case, noise: float
) -> None:
    features, mask, _ = case_
    block = make(fusion).fusion
    garbage = torch.where(mask.unsqueeze(-1), features, torch.full_like(features, noise))
    for clean, dirty in zip(block(features, mask), block(garbage, mask), strict=True):
        assert torch.equal(clean, dirty)


@given(case_=cases)
@FIXTURES
def test_trusted_mumu_weighs_by_the_softmax_of_trust(make: Make, case_: Case) -> None:
    mask = case_[1].numpy()
    output = make("trusted_mumu")(*case_)
    odds = mask * np.exp(output.trust_logits.detach().numpy())
    weights = odds / np.where(mask.any(axis=1), odds.sum(axis=1), 1)[:, None]
    assert_close(output.sm_weights, weights)
    assert_close(output.gm_weights, weights)


@given(case_=cases)
@FIXTURES
def test_trusted_mumu_classifies_the_weighted_mean_and_lets_the_modalities_vote(make: Make, case_: Case) -> None:
    features, _, logits = (x.numpy() for x in case_)
    head = make("trusted_mumu")
    output = head(*case_)
    weights = output.gm_weights.detach().numpy()
    fused = np.einsum("bm,bmd->bd", weights, features)
    assert_close(output.group_logits, classify(head.group_head, fused))
    assert_close(output.activity_logits, classify(head.activity_head, fused) + np.einsum("bm,bmk->bk", weights, logits))


@given(case_=cases)
@FIXTURES
def test_equal_trust_is_the_plain_mean(make: Make, case_: Case) -> None:
    _, mask, _ = case_
    head = make("trusted_mumu")
    nn.init.zeros_(head.trust[2].weight)
    assert_close(head(*case_).gm_weights, mask.numpy() / np.maximum(mask.numpy().sum(axis=1, keepdims=True), 1))


def test_trust_depends_on_agreement(make: Make) -> None:
    """Two modalities with the same feature and the same confidence differ only in how far the others agree."""
    head = make("trusted_mumu")
    features, mask, _ = case([[True] * 3])
    features[:] = features[:, :1]
    logits = 5 * torch.eye(ACTIVITIES, dtype=torch.float64)[[2, 2, 4]].unsqueeze(0)
    trust = head(features, mask, logits).trust_logits[0].tolist()
    assert trust[0] == pytest.approx(trust[1], abs=1e-9)
    assert trust[0] != pytest.approx(trust[2], abs=1e-3)


def test_what_an_absent_modality_would_say_is_not_heard(make: Make) -> None:
    head = make("trusted_mumu")
    features, mask, logits = case([[True, False, True, True]])
    before = head(features, mask, logits)
    logits[0, 1] = 1e9
    after = head(features, mask, logits)
    assert torch.equal(before.activity_logits, after.activity_logits)
    assert torch.equal(before.trust_logits[mask], after.trust_logits[mask])


def test_trust_without_classifiers_is_an_error(make: Make) -> None:
    features, mask, _ = case([[True] * MODALITIES])
    with pytest.raises(ValueError, match="set deep_supervision: true"):
        make("trusted_mumu")(features, mask, None)


def test_trust_and_decision_learn_apart(config: ModelConfig) -> None:
    """The decision's loss would teach to ignore what is harder to learn."""
    network = Network(dataclasses.replace(config, fusion="trusted_mumu"))
    features = {name: torch.randn(2, 16, requires_grad=True) for name in config.names}
    corrupted = torch.tensor([[True, False, False, False], [False] * 4])
    output = network.decide(features, {name: torch.ones(2, dtype=torch.bool) for name in config.names})
    activity, group = torch.tensor([0, 4]), torch.tensor([0, 1])
    parts = MuMuLoss(0.5, 1.0, trust_weight=1.0)(output, activity, group, corrupted)

    def touched(loss: Tensor) -> set[str]:
        network.zero_grad()
        for feature in features.values():
            feature.grad = None
        loss.backward(retain_graph=True)
        learned = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
        return learned | {name for name, x in features.items() if x.grad is not None and x.grad.any()}

    trust = {name for name, _ in network.named_parameters() if name.startswith("head.trust.")}
    assert touched(parts.trust) == trust
    decided = touched(parts.target + parts.auxiliary + parts.unimodal)
    assert not decided & trust
    assert {*config.names, "head.activity_head.0.weight", "head.group_head.0.weight"} < decided


@pytest.mark.parametrize("fusion", ["non_attention", "keyless", "hamlet", "concept", "concept_published"])
def test_a_group_is_as_probable_as_its_activities_together(config: ModelConfig, fusion: Any) -> None:
    network = Network(dataclasses.replace(config, fusion=fusion)).double().eval()
    features = {name: torch.randn(3, 16, dtype=torch.float64) for name in config.names}
    output = network.decide(features, {name: torch.ones(3, dtype=torch.bool) for name in config.names})
    activities = torch.softmax(output.activity_logits, dim=1).detach().numpy()
    expected = np.stack([activities[:, :2].sum(axis=1), activities[:, 2:].sum(axis=1)], axis=1)
    assert_close(torch.softmax(output.group_logits, dim=1), expected)


def test_a_group_that_is_out_of_the_question_has_finite_logits(config: ModelConfig) -> None:
    network = Network(dataclasses.replace(config, fusion="keyless")).eval()
    with torch.no_grad():
        network.head.activity_head[3].bias[0] = 1e4
    output = network.decide({"imu": torch.zeros(1, 16)}, {"imu": torch.ones(1, dtype=torch.bool)})
    assert output.group_logits.isfinite().all()
    assert torch.softmax(output.group_logits, dim=1)[0].tolist() == pytest.approx([1, 0])
