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

"""Equations 1 to 13 of the MuMu paper, each against numpy in float64 written from the paper alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mumu_ros.model.fusion import GMFusion, SMFusion
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.network import Network, NetworkOutput

TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()


def sm_fusion(features: np.ndarray, w_aux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One window: features (M, D) of the modalities that are there."""
    gamma = np.array([w_aux @ feature for feature in features])
    alpha = softmax(gamma)
    return sum(a * feature for a, feature in zip(alpha, features, strict=True)), alpha


def gm_fusion(features: np.ndarray, x_aux: np.ndarray, w: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """One window, with vectors as rows: K = X W^K as in equation 5."""
    key, value, query = features @ w["K"], features @ w["V"], x_aux @ w["Q"]
    weights = softmax(query @ key.T / np.sqrt(features.shape[1]))
    return w["o"] @ (weights @ value), weights


def array(layer: nn.Linear) -> np.ndarray:
    return layer.weight.detach().numpy()


def gm_weights(gm: GMFusion) -> dict[str, np.ndarray]:
    """W^K, W^V, W^Q multiply rows from the right, W^o a column from the left; torch keeps the transpose."""
    return {"K": array(gm.W_K).T, "V": array(gm.W_V).T, "Q": array(gm.W_Q).T, "o": array(gm.W_o)}


def head(x: np.ndarray, sequential: nn.Sequential) -> np.ndarray:
    first, _, _, last = sequential
    hidden = np.maximum(array(first) @ x + first.bias.detach().numpy(), 0)
    return array(last) @ hidden + last.bias.detach().numpy()


@dataclasses.dataclass(frozen=True)
class Case:
    features: torch.Tensor
    mask: torch.Tensor
    seed: int

    @property
    def size(self) -> int:
        return self.features.shape[-1]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    batch, modalities, size = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    features = 3 * torch.randn(batch, modalities, size, generator=generator, dtype=torch.float64)
    bits = draw(st.lists(st.booleans(), min_size=batch * modalities, max_size=batch * modalities))
    return Case(features, torch.tensor(bits).reshape(batch, modalities), seed)


def double(module: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=generator)
    return module


@given(cases())
@settings(max_examples=60, deadline=None)
def test_equations_1_to_3_sm_fusion(case: Case) -> None:
    fusion = double(SMFusion(case.size), case.seed)
    x_aux, alpha = (x.detach().numpy() for x in fusion(case.features, case.mask))
    w_aux = fusion.W_aux.weight.detach().numpy().reshape(-1)
    for row, there in enumerate(case.mask.numpy()):
        assert (alpha[row][~there] == 0).all()
        if not there.any():
            assert (x_aux[row] == 0).all()
            continue
        expected_aux, expected_alpha = sm_fusion(case.features[row].numpy()[there], w_aux)
        np.testing.assert_allclose(alpha[row][there], expected_alpha, **TOLERANCE)
        np.testing.assert_allclose(x_aux[row], expected_aux, **TOLERANCE)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_equations_5_to_8_gm_fusion(case: Case) -> None:
    fusion = double(GMFusion(case.size), case.seed)
    query = torch.randn(len(case.mask), case.size, dtype=torch.float64)
    x_c, weights = (x.detach().numpy() for x in fusion(case.features, query, case.mask))
    for row, there in enumerate(case.mask.numpy()):
        assert (weights[row][~there] == 0).all()
        if not there.any():
            assert (x_c[row] == 0).all()
            continue
        features = case.features[row].numpy()[there]
        expected_c, expected_weights = gm_fusion(features, query[row].numpy(), gm_weights(fusion))
        np.testing.assert_allclose(weights[row][there], expected_weights, **TOLERANCE)
        np.testing.assert_allclose(x_c[row], expected_c, **TOLERANCE)


@given(cases())
@settings(max_examples=20, deadline=None)
def test_garbage_in_an_absent_modality_changes_no_bit_of_either_fusion(case: Case) -> None:
    sm, gm = double(SMFusion(case.size), case.seed), double(GMFusion(case.size), case.seed)
    absent = ~case.mask.unsqueeze(-1).expand_as(case.features)
    clean = None
    for garbage in (0.0, float("nan"), float("inf"), -1e300):
        features = case.features.masked_fill(absent, garbage)
        x_aux, alpha = sm(features, case.mask)
        results = [x_aux, alpha, *gm(features, x_aux, case.mask)]
        clean = clean or results
        assert all(torch.equal(a, b) for a, b in zip(results, clean, strict=True))


Decision = tuple[Network, NetworkOutput, np.ndarray]


@pytest.fixture
def decision(model: Network) -> Decision:
    """A decision in float64, and X^aux computed by the oracle, with the third modality absent."""
    model = double(model, 3)
    names = model.config.names
    features = {n: torch.randn(2, 16, dtype=torch.float64) for n in names if n != "imu"}
    output = model.decide(features, {n: torch.ones(2, dtype=torch.bool) for n in features})
    there = np.stack([x.numpy() for x in features.values()], axis=1)
    w_aux = model.head.sm_fusion.W_aux.weight.detach().numpy().reshape(-1)
    return model, output, np.stack([sm_fusion(row, w_aux)[0] for row in there])


def test_equation_4_group_head(decision: Decision) -> None:
    model, output, x_aux = decision
    expected = [head(x, model.head.group_head) for x in x_aux]
    np.testing.assert_allclose(output.group_logits.detach().numpy(), expected, **TOLERANCE)


def test_equations_9_and_10_concatenate_project_and_classify(decision: Decision) -> None:
    model, output, x_aux = decision
    for row, auxiliary in enumerate(x_aux):
        features = output.features[row][output.present[row]].detach().numpy()
        x_c, _ = gm_fusion(features, auxiliary, gm_weights(model.head.gm_fusion))
        x_f = array(model.head.W_f) @ np.concatenate([x_c, auxiliary])
        expected = head(x_f, model.head.activity_head)
        np.testing.assert_allclose(output.activity_logits[row].detach().numpy(), expected, **TOLERANCE)


def cross_entropy(logits: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.mean([np.log(softmax(row)[t]) for row, t in zip(logits, truth, strict=True)]))


@given(st.integers(1, 5), st.floats(0, 3), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_equations_11_to_13_loss(batch: int, beta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randn(batch, 3, generator=generator, dtype=torch.float64) * 4
    activities = torch.randn(batch, 7, generator=generator, dtype=torch.float64) * 4
    group = torch.randint(3, (batch,), generator=generator)
    activity = torch.randint(7, (batch,), generator=generator)
    nothing = torch.zeros(batch, 0)
    output = NetworkOutput(groups, activities, nothing, nothing, nothing, nothing.bool(), None)

    parts = MuMuLoss(beta)(output, activity, group)

    target, auxiliary = (
        cross_entropy(activities.numpy(), activity.numpy()),
        cross_entropy(groups.numpy(), group.numpy()),
    )
    assert parts.auxiliary.item() == pytest.approx(auxiliary, rel=1e-9)  # (11)
    assert parts.target.item() == pytest.approx(target, rel=1e-9)  # (12)
    assert parts.total.item() == pytest.approx(target + beta * auxiliary, rel=1e-9)  # (13)


def test_deep_supervision_counts_present_modalities_only(decision: Decision) -> None:
    _, output, _ = decision
    activity = torch.tensor([0, 4])
    parts = MuMuLoss(1.0, deep_supervision_weight=0.5)(output, activity, torch.tensor([0, 1]))
    assert output.unimodal_logits is not None
    logits = output.unimodal_logits.detach().numpy()
    there = output.present.numpy()
    expected = cross_entropy(logits[there], np.repeat(activity.numpy(), there.sum(axis=1)))
    assert parts.unimodal.item() == pytest.approx(expected)
    assert parts.total.item() == pytest.approx((parts.target + parts.auxiliary + 0.5 * parts.unimodal).item())


Told = tuple[NetworkOutput, torch.Tensor, torch.Tensor, torch.Tensor]


@st.composite
def told(draw: st.DrawFn) -> Told:
    """An output of three modalities, any of them absent; the true activity and group; which are corrupted."""
    batch, seed = draw(st.integers(2, 4)), draw(st.integers(0, 1000))
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return 3 * torch.randn(batch, *shape, generator=generator, dtype=torch.float64)

    bits = st.lists(st.booleans(), min_size=3 * batch, max_size=3 * batch)
    present, corrupted = (torch.tensor(draw(bits)).reshape(batch, 3) for _ in range(2))
    nothing = torch.zeros(batch, 0)
    output = NetworkOutput(random(2), random(5), nothing, nothing, nothing, present, random(3, 5), random(3))
    return output, torch.randint(5, (batch,), generator=generator), torch.zeros(batch).long(), corrupted


@given(told())
@settings(max_examples=40, deadline=None)
def test_corrupted_modalities_teach_their_classifiers_nothing(case: Told) -> None:
    output, activity, group, corrupted = case
    parts = MuMuLoss(1.0, deep_supervision_weight=0.5)(output, activity, group, corrupted)
    assert output.unimodal_logits is not None
    good = (output.present & ~corrupted).numpy()
    truth = np.repeat(activity.numpy(), good.sum(axis=1))
    expected = cross_entropy(output.unimodal_logits.numpy()[good], truth) if good.any() else 0
    assert parts.unimodal.item() == pytest.approx(expected)
    assert parts.trust.item() == 0
    assert parts.total.item() == pytest.approx((parts.target + parts.auxiliary + 0.5 * parts.unimodal).item())


@given(told())
@settings(max_examples=40, deadline=None)
def test_trust_is_learned_from_right_and_wrong_modalities_alike(case: Told) -> None:
    """However few of the present ones are corrupted."""
    output, activity, group, corrupted = case
    parts = MuMuLoss(1.0, trust_weight=0.25)(output, activity, group, corrupted)
    assert output.trust_logits is not None
    there, wrong = output.present.numpy(), corrupted.numpy()
    trust = 1 / (1 + np.exp(-output.trust_logits.numpy()))
    sides = [-np.log(trust[there & ~wrong]), -np.log(1 - trust[there & wrong])]
    expected = np.mean([side.mean() for side in sides if len(side)]) if there.any() else 0
    assert parts.trust.item() == pytest.approx(expected)
    assert parts.unimodal.item() == 0
    assert parts.total.item() == pytest.approx((parts.target + parts.auxiliary + 0.25 * parts.trust).item())


def test_all_modalities_count_as_clean_by_default(decision: Decision) -> None:
    _, output, _ = decision
    output = dataclasses.replace(output, trust_logits=torch.randn(output.present.shape, dtype=torch.float64))
    loss, truth = MuMuLoss(1.0, 0.5, 0.5), (torch.tensor([0, 4]), torch.tensor([0, 1]))
    none = loss(output, *truth, torch.zeros_like(output.present))
    assert all(torch.equal(a, b) for a, b in zip(vars(none).values(), vars(loss(output, *truth)).values(), strict=True))


def test_a_head_without_trust_has_no_trust_to_learn(decision: Decision) -> None:
    _, output, _ = decision
    assert output.trust_logits is None
    parts = MuMuLoss(1.0, trust_weight=1.0)(output, torch.tensor([0, 4]), torch.tensor([0, 1]))
    assert parts.trust.item() == 0


def test_deep_supervision_without_its_classifiers_is_an_error(model: Network) -> None:
    plain = Network(dataclasses.replace(model.config, deep_supervision=False))
    output = plain.decide({"rgb": torch.zeros(1, 16)}, {"rgb": torch.ones(1, dtype=torch.bool)})
    with pytest.raises(ValueError, match=r"weight is 0\.3 .*deep_supervision"):
        MuMuLoss(1.0, deep_supervision_weight=0.3)(output, torch.tensor([0]), torch.tensor([0]))
