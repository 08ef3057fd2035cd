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

"""Networks of several members: what they say together is the mean of what each says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mumu_ros.model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.training.settings import read_settings

VECTORS = ("imu", "skeleton")
Batch = tuple[dict[str, Tensor], dict[str, Tensor]]


@pytest.fixture
def batch(make_batch: Callable[..., Batch]) -> Batch:
    """Four windows; each modality is absent in one of them."""
    inputs, masks = ({name: part[name] for name in VECTORS} for part in make_batch(4))
    generator = torch.Generator().manual_seed(1)
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.7 for name, mask in masks.items()}
    for row, name in enumerate(VECTORS):
        masks[name][row] = False
    return inputs, masks


@pytest.fixture(params=["mumu", "trusted_mumu", "dual_branch", "keyless"])
def members(
    request: pytest.FixtureRequest, rich_config: ModelConfig, trained: Callable[[Network], Network]
) -> list[Network]:
    modalities = tuple(rich_config.modality(name) for name in VECTORS)
    config = dataclasses.replace(rich_config, modalities=modalities, fusion=request.param)
    torch.manual_seed(7)
    return [trained(Network(config)).eval() for _ in range(3)]


def test_probabilities_and_weights_are_the_mean_of_the_members(members: list[Network], batch: Batch) -> None:
    together, each = Network.of(members)(*batch), [member(*batch) for member in members]

    def mean(name: str, of: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.stack([of(getattr(output, name)) for output in each]).mean(dim=0)

    for name in ("activity_logits", "group_logits"):
        torch.testing.assert_close(getattr(together, name).exp(), mean(name, lambda x: torch.softmax(x, dim=-1)))
    for name in ("sm_weights", "gm_weights"):
        torch.testing.assert_close(getattr(together, name), mean(name, lambda x: x))
    assert torch.equal(together.features, torch.cat([output.features for output in each], dim=-1))
    assert torch.equal(together.present, each[0].present)
    assert together.unimodal_logits is not None
    assert together.unimodal_logits.shape == each[0].unimodal_logits.shape  # type: ignore[union-attr]


def test_one_member_is_the_network_itself(members: list[Network], batch: Batch) -> None:
    alone, one = members[0](*batch), Network.of(members[:1])
    assert one.state_dict().keys() == members[0].state_dict().keys()
    assert torch.equal(one(*batch).activity_logits, alone.activity_logits)


def test_members_can_be_taken_apart(members: list[Network], tmp_path: Path, batch: Batch) -> None:
    save_checkpoint(tmp_path / "m", Network.of(members))
    loaded = load_checkpoint(tmp_path / "m")
    assert loaded.config.members == 3
    assert loaded.model.unimodal_size == 3 * members[0].unimodal_size
    for member, expected in zip(loaded.model.members(), members, strict=True):
        assert member.config == expected.config
        assert torch.equal(member(*batch).activity_logits, expected(*batch).activity_logits)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_members_are_copies_of_one_kind(members: list[Network], dtype: torch.dtype) -> None:
    """Training one changes neither the network nor another; all are where the network is, and as precise."""
    network = Network.of(members).to(dtype)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    taken = network.members()
    assert [member.training for member in taken] == [False] * 3
    assert all(len(member.others) == 0 for member in taken)
    with torch.no_grad():
        for parameter in (p for member in taken for p in member.parameters()):
            assert parameter.dtype == dtype
            parameter.add_(1)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    moved = network.to("meta").members()
    assert {value.device.type for member in moved for value in member.state_dict().values()} == {"meta"}
    assert {buffer.device.type for member in moved for buffer in member.buffers()} == {"meta"}


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), 1e30])
def test_what_is_masked_changes_no_bit(members: list[Network], batch: Batch, garbage: float) -> None:
    inputs, masks = batch
    network = Network.of(members)
    dirty = {name: x.masked_fill(~masks[name][..., None, None], garbage) for name, x in inputs.items()}
    assert torch.equal(network(inputs, masks).activity_logits, network(dirty, masks).activity_logits)
    imu, only = network({"imu": inputs["imu"]}, {"imu": masks["imu"]}), {**masks, "skeleton": masks["skeleton"] & False}
    assert torch.equal(imu.activity_logits, network(inputs, only).activity_logits)


@pytest.mark.parametrize("count", [0, -1, 17, 2.0, True, "3"])
def test_impossible_numbers_of_members_are_named(members: list[Network], count: object) -> None:
    with pytest.raises(ConfigError, match=f"members is {count!r}"):
        dataclasses.replace(members[0].config, members=count)  # type: ignore[arg-type]


def test_frames_are_encoded_by_one_network(config: ModelConfig) -> None:
    with pytest.raises(ConfigError, match="members is 2; expected 1; frames of rgb, depth are encoded once"):
        dataclasses.replace(config, members=2)


def test_weights_of_fewer_members_do_not_fit(members: list[Network], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "m", Network.of(members))
    text = (tmp_path / "m" / "config.json").read_text()
    for count in (2, 4, 16):
        (tmp_path / "m" / "config.json").write_text(text.replace('"members": 3', f'"members": {count}'))
        with pytest.raises(CheckpointError, match=r"does not fit config\.json"):
            load_checkpoint(tmp_path / "m")


def test_the_shipped_model_of_people_is_what_its_configuration_trains() -> None:
    settings = read_settings("config/training/people.yaml", ["data.root=anywhere"])
    shipped = load_checkpoint("people")
    assert shipped.config == settings.model
    assert shipped.config.members == 3
    assert sum(parameter.numel() for parameter in shipped.model.parameters()) <= 1_000_000
