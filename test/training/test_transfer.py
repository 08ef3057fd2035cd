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

"""What a network takes over from another one is what means the same in both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.transfer import is_backbone, load_backbones, transfer

IMUS = tuple(Modality(name, "vector", (2, 3), 20, "cooccurrence1d", stride=4) for name in ("wrist", "belt", "ankle"))
KNOWN = ModelConfig(
    "known", IMUS[:2], Taxonomy("k", {"gait": ("walk", "run"), "rest": ("sit",)}), 1.0, 8, deep_supervision=True
)
ACTIVITIES = ("walk", "run", "sit", "bow", "juggle")


@pytest.fixture(scope="module")
def known() -> Network:
    torch.manual_seed(0)
    return Network(KNOWN)


@settings(max_examples=20, deadline=None)
@given(
    st.permutations(IMUS).flatmap(lambda order: st.integers(1, 3).map(lambda n: tuple(order[:n]))),
    st.permutations(ACTIVITIES).flatmap(lambda order: st.integers(2, 5).map(lambda n: tuple(order[:n]))),
    st.sampled_from(["mumu", "trusted_mumu", "keyless", "dual_branch"]),
)
def test_weights_follow_the_names_of_modalities_and_activities(
    known: Network, modalities: tuple[Modality, ...], activities: tuple[str, ...], fusion: str
) -> None:
    taxonomy = Taxonomy("n", {"rest": activities[:1], "new": activities[1:]})
    config = replace(KNOWN, modalities=modalities, taxonomy=taxonomy, fusion=fusion)
    shared = [m.name for m in modalities if m.name != "ankle"]
    if not shared:
        with pytest.raises(ConfigError, match="nothing of model 'known' fits"):
            transfer(known, config)
        return
    found = transfer(known, config)
    assert found.modalities == tuple(shared)
    both = set(activities) & set(KNOWN.taxonomy.activities)
    assert set(found.activities) == (both if fusion == "mumu" else set()), "a head of another fusion knows none"
    old, new = known.state_dict(), found.model.state_dict()
    for position, name in enumerate(config.names):
        for key in (k for k in new if k.startswith(f"encoders.{position}.")):
            rest = key.split(".", 2)[2]
            if name in shared:
                assert torch.equal(new[key], old[f"encoders.{KNOWN.names.index(name)}.{rest}"])
    # A unimodal feature of `dual_branch` is one of several parts of the window.
    for i, name in enumerate(config.names if fusion != "dual_branch" else ()):
        for row, activity in enumerate(activities):
            if name in shared and activity in both:
                source = old[f"unimodal_heads.{KNOWN.names.index(name)}.weight"]
                expected = source[KNOWN.taxonomy.activity_index(activity)]
                assert torch.equal(new[f"unimodal_heads.{i}.weight"][row], expected)
    if fusion == "mumu":
        assert torch.equal(new["head.gm_fusion.W_K.weight"], old["head.gm_fusion.W_K.weight"])
        for row, activity in enumerate(activities):
            for part in ("weight", "bias") if activity in both else ():
                known_row = old[f"head.activity_head.3.{part}"][KNOWN.taxonomy.activity_index(activity)]
                assert torch.equal(new[f"head.activity_head.3.{part}"][row], known_row)
        assert torch.equal(new["head.group_head.3.weight"][0], old["head.group_head.3.weight"][1]), "rest"
        assert not torch.equal(new["head.group_head.3.weight"][1], old["head.group_head.3.weight"][0])


class OtherHead(nn.Module):
    """As another package has one: with names of its own, and weights that follow the labels in several ways."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size, activities, groups = config.feature_size, config.taxonomy.activities, config.taxonomy.group_names
        self.project = nn.Linear(size, size)
        self.classify = nn.Linear(size, len(activities))
        self.sort = nn.Linear(size, len(groups))
        self.joint = nn.Parameter(torch.randn(len(activities), len(groups)))
        self.all = nn.Linear(size, len(activities) + len(groups))


class HeadInParts(nn.Module):
    """One with a part for each activity."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Linear(config.feature_size, 1) for _ in config.taxonomy.activities)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.permutations(ACTIVITIES).flatmap(lambda order: st.integers(3, 5).map(lambda n: tuple(order[:n]))),
    st.permutations(("gait", "rest", "new")),
    st.sampled_from([8, 3, 2]),
)
def test_rows_of_a_head_of_another_package_follow_the_names_of_activities(
    monkeypatch: pytest.MonkeyPatch, activities: tuple[str, ...], groups: tuple[str, ...], size: int
) -> None:
    """Also where there are as many as before, and where the features are as many as the activities or the groups."""
    monkeypatch.setitem(FUSIONS._own, "other", f"{__name__}:OtherHead")
    taxonomy = Taxonomy("n", {groups[0]: activities[:1], groups[1]: activities[1:]})
    before = replace(KNOWN, fusion="other", feature_size=size)
    known = Network(before)
    found = transfer(known, replace(before, taxonomy=taxonomy))
    assert set(found.activities) == set(activities) & set(KNOWN.taxonomy.activities)
    old, new = known.head.state_dict(), found.model.head.state_dict()
    for key in ("classify.weight", "classify.bias", "sort.weight", "sort.bias"):
        attribute = "activities" if key.startswith("classify") else "group_names"
        was, now = getattr(KNOWN.taxonomy, attribute), getattr(taxonomy, attribute)
        for row, label in enumerate(now):
            taken = [i for i in range(len(was)) if torch.equal(new[key][row], old[key][i])]
            assert taken == ([was.index(label)] if label in was else [])
    assert torch.equal(new["project.weight"], old["project.weight"])
    is_same = (taxonomy.activities, taxonomy.group_names) == (KNOWN.taxonomy.activities, KNOWN.taxonomy.group_names)
    for key in ("joint", "all.weight"):
        assert (new[key].shape == old[key].shape and torch.equal(new[key], old[key])) == is_same


def test_parts_of_other_activities_are_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FUSIONS._own, "parts", f"{__name__}:HeadInParts")
    before = replace(KNOWN, fusion="parts")
    known = Network(before)
    for groups, is_same in (({"gait": ("run", "walk"), "rest": ("sit",)}, False), (KNOWN.taxonomy.groups, True)):
        found = transfer(known, replace(before, taxonomy=Taxonomy("n", groups)))
        weights = [network.head.state_dict()["parts.0.weight"] for network in (known, found.model)]
        assert torch.equal(*weights) == is_same
        assert found.activities == (("walk", "run", "sit") if is_same else ())


@pytest.mark.parametrize("fusion", sorted(FUSIONS))
def test_weights_of_a_modality_are_not_given_to_another_one(fusion: str) -> None:
    """With the modalities in another order, what a fusion holds of each is begun anew; what all share is taken over."""
    torch.manual_seed(1)
    config = replace(KNOWN, fusion=fusion)
    known = Network(config)
    found = transfer(known, replace(config, modalities=config.modalities[::-1])).model.state_dict()
    again = transfer(known, config).model.state_dict()
    head = {key: weight for key, weight in known.state_dict().items() if key.startswith("head.")}
    assert all(torch.equal(again[key], weight) for key, weight in head.items())
    taken = [torch.equal(found[key], weight) for key, weight in head.items() if weight.unique().numel() > 1]
    assert any(taken) == (fusion in ("mumu", "trusted_mumu")), fusion


@pytest.mark.parametrize(("known_members", "members", "taken"), [(3, 1, [0]), (1, 2, [0, 0]), (3, 3, [0, 1, 2])])
def test_each_member_takes_over_one(known_members: int, members: int, taken: list[int]) -> None:
    config = replace(KNOWN, taxonomy=Taxonomy("n", {"gait": ("walk", "juggle")}), members=members)
    known = Network(replace(KNOWN, members=known_members))
    found = transfer(known, config)
    assert found.activities == ("walk",)
    for source, member in zip(taken, found.model.members(), strict=True):
        expected = known.members()[source].encoder("belt").state_dict()
        given = member.encoder("belt").state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in given.items())
    news = [member.state_dict()["head.activity_head.3.weight"][1] for member in found.model.members()]
    assert all(not torch.equal(new, news[0]) for new in news[1:]), "what is new is another in each"


@pytest.mark.parametrize("change", [{"feature_size": 16}, {"bidirectional": True}, {"layer_norm": True}])
@pytest.mark.parametrize("back", [False, True])
def test_an_encoder_of_another_shape_is_not_said_to_be_taken_over(change: dict[str, int], back: bool) -> None:
    """Part of its weights would be random."""
    one, other = KNOWN, replace(KNOWN, name="other", **change)  # type: ignore[arg-type]
    one, other = (other, one) if back else (one, other)
    (key,) = change
    with pytest.raises(ConfigError, match=rf"nothing of model .* fits: .*{key} .*; copy modalities, .*{key}"):
        transfer(Network(one), other)


def test_activities_that_share_a_place_only_are_not_confused(known: Network) -> None:
    """As many activities, other ones: the shapes fit, the meaning does not."""
    config = replace(KNOWN, taxonomy=Taxonomy("n", {"a": ("bow", "juggle"), "b": ("sing",)}))
    model = transfer(known, config).model
    assert not torch.equal(
        model.state_dict()["head.activity_head.3.weight"], known.state_dict()["head.activity_head.3.weight"]
    )


def test_a_modality_of_another_rate_is_another_one(known: Network) -> None:
    config = replace(KNOWN, modalities=(replace(IMUS[0], rate_hz=40), IMUS[1]))
    found = transfer(known, config)
    assert found.modalities == ("belt",)
    assert "encoders of belt; wrist from nothing" in str(found)


def test_the_same_configuration_gives_the_same_answers(known: Network) -> None:
    found = transfer(known, KNOWN)
    inputs = {name: torch.randn(2, 20, 2, 3) for name in KNOWN.names}
    masks = {name: torch.ones(2, 20, dtype=torch.bool) for name in KNOWN.names}
    with torch.inference_mode():
        first, second = (m.eval()(inputs, masks) for m in (known, found.model))
    assert torch.equal(first.activity_logits, second.activity_logits)


def test_resnets_begin_with_a_backbone_from_the_disk(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `vision` is not installed")
    whole, small = tmp_path / "whole", tmp_path / "small"
    backbone = transformers.ResNetForImageClassification(transformers.ResNetConfig())
    backbone.save_pretrained(whole)
    transformers.ResNetModel(transformers.ResNetConfig(depths=[1, 1, 1, 1])).save_pretrained(small)
    camera = Modality("rgb", "rgb", (32, 32, 3), 5, "resnet50")
    config = replace(KNOWN, modalities=(camera, IMUS[0]))

    assert is_backbone(whole)
    assert not is_backbone(tmp_path)
    given = load_backbones(whole, config).encoder("rgb").spatial.backbone.state_dict()
    expected = backbone.resnet.state_dict()
    assert given.keys() == expected.keys()
    assert all(torch.equal(given[key], value) for key, value in expected.items())

    with pytest.raises(ConfigError, match=r"small' is no ResNet-50: .* other weights are missing or of another shape"):
        load_backbones(small, config)
    with pytest.raises(ConfigError, match=r"no modality has one \(wrist: cooccurrence1d, belt: cooccurrence1d\)"):
        load_backbones(whole, KNOWN)
