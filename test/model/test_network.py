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

"""The whole network: masks, missing modalities, lengths, caching, gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.encoders import ResNet50
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network, NetworkOutput
from mumu_ros.model.taxonomy import Taxonomy

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]
MakeBatch = Callable[..., Batch]
GARBAGE = [float("nan"), float("inf"), -float("inf"), 1e30]
FIXTURES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def tensors(output: NetworkOutput) -> list[Tensor]:
    return [x for x in vars(output).values() if x is not None]


def same_bits(a: NetworkOutput, b: NetworkOutput) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def assert_close(a: NetworkOutput, b: NetworkOutput) -> None:
    torch.testing.assert_close(tensors(a), tensors(b), rtol=1e-4, atol=1e-6)


def test_shapes(model: Network, make_batch: MakeBatch) -> None:
    output = model(*make_batch(3))
    assert output.group_logits.shape == (3, 2)
    assert output.activity_logits.shape == (3, 5)
    assert output.sm_weights.shape == output.gm_weights.shape == output.present.shape == (3, 4)
    assert output.features.shape == (3, 4, 16)
    assert output.unimodal_logits is not None
    assert output.unimodal_logits.shape == (3, 4, 5)
    torch.testing.assert_close(output.sm_weights.sum(1), torch.ones(3))
    torch.testing.assert_close(output.gm_weights.sum(1), torch.ones(3))


def assert_garbage_changes_no_bit(model: Network, batch: Batch) -> None:
    """Of outputs and, in training, of gradients, wherever in the window the masked steps are."""
    inputs, masks = batch
    generator = torch.Generator().manual_seed(1)
    masks = {n: torch.rand(m.shape, generator=generator) < 0.6 for n, m in masks.items()}
    for row, name in enumerate(masks):
        masks[name][row] = False
    state = {key: value.clone() for key, value in model.state_dict().items()}

    def run(fill: float) -> tuple[NetworkOutput, list[Tensor]]:
        model.load_state_dict(state)  # training moves batch statistics
        model.zero_grad()
        torch.manual_seed(2)  # of dropout
        filled = {}
        for name, x in inputs.items():
            hidden = ~masks[name].reshape(*masks[name].shape, 1, 1, *[1] * (x.dim() - 4))
            filled[name] = x.masked_fill(hidden, fill if x.is_floating_point() else 255 * (fill != 0))
        output = model(filled, masks)
        (output.activity_logits.sum() + output.group_logits.sum()).backward()
        return output, [p.grad.clone() for p in model.parameters() if p.grad is not None]

    clean, clean_gradients = run(0.0)
    assert all(x.isfinite().all() for x in [*tensors(clean), *clean_gradients])
    for garbage in GARBAGE:
        dirty, dirty_gradients = run(garbage)
        assert same_bits(clean, dirty), garbage
        assert all(torch.equal(a, b) for a, b in zip(clean_gradients, dirty_gradients, strict=True)), garbage


@pytest.mark.parametrize("training", [False, True])
def test_garbage_in_masked_steps_changes_no_bit(model: Network, make_batch: MakeBatch, training: bool) -> None:
    assert_garbage_changes_no_bit(model.train(training), make_batch(4))


@pytest.mark.parametrize("training", [False, True])
def test_garbage_in_masked_steps_changes_no_bit_of_any_head(
    network: Network, make_batch: MakeBatch, training: bool
) -> None:
    assert_garbage_changes_no_bit(network.train(training), make_batch(4))


def test_garbage_in_an_absent_modality_changes_no_bit_of_any_decision(network: Network) -> None:
    """Where features were kept from frames, and only some modalities have any."""
    names = network.config.names
    features = {name: torch.rand(3, network.unimodal_size) for name in names}
    present = {name: torch.tensor([True, index < 2, index % 2 == 0]) for index, name in enumerate(names)}
    decisions = []
    for garbage in (0.0, *GARBAGE):
        filled = {n: x.masked_fill(~present[n][:, None], garbage) for n, x in features.items()}
        decisions.append(network.decide(filled, present))
    assert all(same_bits(decision, decisions[0]) for decision in decisions)
    assert all(x.isfinite().all() for x in tensors(decisions[0]))


@given(missing=st.sets(st.sampled_from(["rgb", "depth", "imu", "skeleton"]), min_size=1, max_size=3))
@settings(FIXTURES, max_examples=5)
def test_a_modality_that_is_not_given_equals_one_fully_masked(
    network: Network, make_batch: MakeBatch, missing: set[str]
) -> None:
    inputs, masks = make_batch(2)
    masked = {n: m & (n not in missing) for n, m in masks.items()}
    given_ = {n: x for n, x in inputs.items() if n not in missing}
    a, b = network(inputs, masked), network(given_, {n: masks[n] for n in given_})
    assert same_bits(a, b)
    absent = torch.tensor([n in missing for n in network.config.names])
    assert (a.sm_weights[:, absent] == 0).all()
    assert (a.gm_weights[:, absent] == 0).all()
    torch.testing.assert_close(a.sm_weights.sum(1), torch.ones(2))
    torch.testing.assert_close(a.gm_weights.sum(1), torch.ones(2))


@pytest.mark.parametrize("training", [False, True])
def test_nothing_present_gives_zero_weights_and_finite_logits(
    network: Network, make_batch: MakeBatch, training: bool
) -> None:
    """Gradients too: a training batch may hold such a window."""
    inputs, masks = make_batch(2)
    output = network.train(training)(inputs, {n: torch.zeros_like(m) for n, m in masks.items()})
    assert not output.present.any()
    assert (output.sm_weights == 0).all()
    assert (output.gm_weights == 0).all()
    assert all(x.isfinite().all() for x in tensors(output))
    (output.activity_logits.sum() + output.group_logits.sum()).backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@given(st.lists(st.booleans(), min_size=5, max_size=5).filter(any))
@settings(FIXTURES, max_examples=10)
def test_masked_frames_equal_the_sequence_without_them(
    model: Network, make_batch: MakeBatch, there: list[bool]
) -> None:
    inputs, masks = make_batch(1)
    keep = torch.tensor(there)
    shorter = {**inputs, "rgb": inputs["rgb"][:, keep]}
    shorter_masks = {**masks, "rgb": torch.ones(1, int(keep.sum()), dtype=torch.bool)}
    assert_close(model(inputs, {**masks, "rgb": keep[None]}), model(shorter, shorter_masks))


def test_rows_of_a_batch_do_not_see_each_other(network: Network, make_batch: MakeBatch) -> None:
    inputs, masks = make_batch(3)
    masks["rgb"][1, :3] = False
    masks["skeleton"][1, 6:] = False
    masks["imu"][2] = False
    whole = network(inputs, masks)
    for row in range(3):
        one = slice(row, row + 1)
        alone = network({n: x[one] for n, x in inputs.items()}, {n: m[one] for n, m in masks.items()})
        for part, same in zip(tensors(whole), tensors(alone), strict=True):
            torch.testing.assert_close(part[one], same, rtol=1e-4, atol=1e-5)


def test_oldest_segments_that_no_window_has_can_be_left_out(network: Network, make_batch: MakeBatch) -> None:
    """As `crop_to_data` of training does to save time; not with `cooccurrence`, which pads with something else."""
    lead = {"rgb": 2, "depth": 1, "skeleton": 5}
    inputs, masks = make_batch(2)
    inputs = {n: inputs[n] for n in lead}
    for name, steps in lead.items():
        masks[name][:, :steps] = False
    masks["skeleton"][0, 7] = False
    cropped = {n: x[:, lead[n] :] for n, x in inputs.items()}
    cropped_masks = {n: masks[n][:, lead[n] :] for n in lead}
    assert_close(network(inputs, masks), network(cropped, cropped_masks))


def test_order_of_modalities_does_not_matter(model: Network, make_batch: MakeBatch) -> None:
    order = [2, 0, 3, 1]
    config = dataclasses.replace(model.config, modalities=tuple(model.config.modalities[i] for i in order))
    other = Network(config).eval()
    other.head = model.head
    for position, i in enumerate(order):
        other.encoders[position] = model.encoders[i]
    inputs, masks = make_batch(2)
    a, b = model(inputs, masks), other(inputs, masks)
    torch.testing.assert_close(a.activity_logits, b.activity_logits, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(a.gm_weights[:, order], b.gm_weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_frames_encoded_one_by_one_give_the_same_decision(
    config: ModelConfig, make_batch: MakeBatch, stride: int
) -> None:
    strided = tuple(dataclasses.replace(m, stride=stride) if m.is_image else m for m in config.modalities)
    model = Network(dataclasses.replace(config, modalities=strided)).eval()
    inputs, masks = make_batch(2)
    masks["rgb"][0, 1] = False
    features, present = {}, {n: m.any(1) for n, m in masks.items()}
    for name, x in inputs.items():
        if name in ("rgb", "depth"):
            encoded = torch.stack([model.encode_frames(name, x[:, t]) for t in range(x.shape[1])], dim=1)
            features[name] = model.summarize(name, encoded, masks[name])
        else:
            features[name] = model.encoder(name)(x, masks[name])
    assert_close(model.decide(features, present), model(inputs, masks))


def test_stride_counts_from_the_newest_frame(config: ModelConfig, make_batch: MakeBatch) -> None:
    strided = tuple(dataclasses.replace(m, stride=2) if m.name == "rgb" else m for m in config.modalities)
    model = Network(dataclasses.replace(config, modalities=strided)).eval()
    inputs, masks = make_batch(1)
    before = model(inputs, masks)
    inputs["rgb"] = inputs["rgb"].clone()
    inputs["rgb"][:, [1, 3]] = 0  # of 5 frames, 0, 2 and 4 are segments
    assert same_bits(before, model(inputs, masks))


def test_every_length_works(model: Network, make_batch: MakeBatch) -> None:
    inputs, masks = make_batch(2)
    for length in (4, 9, 20):
        x, mask = inputs["imu"][:, -length:], masks["imu"][:, -length:]
        assert model({"imu": x}, {"imu": mask}).activity_logits.isfinite().all()


def test_gradients_reach_every_parameter(network: Network, make_batch: MakeBatch) -> None:
    output = network.train()(*make_batch(4))
    activity, group = torch.tensor([0, 1, 2, 3]), torch.tensor([0, 0, 1, 1])
    MuMuLoss(0.5, deep_supervision_weight=0.1, trust_weight=0.1)(output, activity, group).total.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, m: ({"sonar": x["imu"]}, m), r"\['sonar'\].* the model has rgb, depth, imu, skeleton"),
        (lambda _x, _m: ({}, {}), "none"),
        (lambda x, _m: (x, {}), r"rgb: input \(2, 5, 32, 40, 3\) with mask None"),
        (
            lambda x, m: ({**x, "imu": x["imu"][..., :2]}, m),
            r"imu: input \(2, 20, 2, 2\).*expected \(B, T, 2, 3\)",
        ),
        (lambda x, m: (x, {**m, "imu": m["imu"][:, 1:]}), r"imu: .* with mask \(2, 19\)"),
    ],
)
def test_bad_input_is_named(model: Network, make_batch: MakeBatch, change: Callable[..., Batch], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(*change(*make_batch(2)))


def test_vectors_cannot_be_encoded_step_by_step(model: Network) -> None:
    with pytest.raises(TypeError, match="imu: only image frames"):
        model.encode_frames("imu", torch.zeros(1, 2, 3))


def test_small_cnn_fits_a_robot_without_gpu(taxonomy: Taxonomy) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    modality = Modality("rgb", "rgb", (64, 64, 3), 10, "small_cnn")
    model = Network(ModelConfig("m", (modality,), taxonomy, window_s=2.0)).eval()
    assert sum(p.numel() for p in model.encoder("rgb").spatial.parameters()) < 150_000
    with FlopCounterMode(display=False) as counter:
        model.encode_frames("rgb", torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    assert counter.get_total_flops() <= 10e6


def test_resnet50(taxonomy: Taxonomy) -> None:
    pytest.importorskip("transformers", reason="the extra `vision` is not installed")
    modality = Modality("depth", "depth", (32, 32, 1), 2, "resnet50")
    model = Network(ModelConfig("m", (modality,), taxonomy, window_s=1.0, feature_size=8)).eval()
    spatial = model.encoder("depth").spatial
    assert 23e6 < sum(p.numel() for p in spatial.backbone.parameters()) < 24e6
    with torch.inference_mode():
        output = model({"depth": torch.ones(1, 2, 32, 32, 1)}, {"depth": torch.ones(1, 2, dtype=torch.bool)})
    assert output.activity_logits.isfinite().all()
    with pytest.raises(ValueError, match="'/nowhere' is no ResNet-50 that can be read"):
        spatial.load_backbone("/nowhere")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("downsample_in_bottleneck", True),
        ("downsample_in_first_stage", True),
        ("hidden_act", "gelu"),
        ("depths", [3, 4, 7, 3]),
    ],
)
def test_a_backbone_of_another_architecture_is_refused(key: str, value: Any, tmp_path: Path) -> None:
    """Its weights may have the shapes of ResNet-50's, but a model that is loaded again computes with those of one."""
    transformers = pytest.importorskip("transformers", reason="the extra `vision` is not installed")
    transformers.ResNetModel(transformers.ResNetConfig(**{key: value})).save_pretrained(tmp_path)
    spatial = ResNet50(Modality("rgb", "rgb", (32, 32, 3), 2, "resnet50"), 8)
    before = {name: weight.clone() for name, weight in spatial.state_dict().items()}
    with pytest.raises(ValueError, match=rf"is no ResNet-50: .*({key} {value!r}, expected|of another shape)"):
        spatial.load_backbone(tmp_path)
    assert all(torch.equal(weight, before[name]) for name, weight in spatial.state_dict().items())


def test_a_backbone_is_the_same_function_after_it_is_stored(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `vision` is not installed")
    theirs = transformers.ResNetModel(transformers.ResNetConfig()).half()
    theirs.save_pretrained(tmp_path)
    spatial = ResNet50(Modality("rgb", "rgb", (32, 32, 3), 2, "resnet50"), 8).eval()
    spatial.load_backbone(tmp_path)
    again = ResNet50(Modality("rgb", "rgb", (32, 32, 3), 2, "resnet50"), 8).eval()
    again.load_state_dict(spatial.state_dict())
    with torch.inference_mode():
        first, second = (module(torch.ones(1, 32, 32, 3)) for module in (spatial, again))
    assert torch.equal(first, second)
    assert {weight.dtype for weight in spatial.parameters()} == {torch.float32}


def test_a_pickled_backbone_is_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra `vision` is not installed")
    theirs = transformers.ResNetModel(transformers.ResNetConfig())
    theirs.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    spatial = ResNet50(Modality("rgb", "rgb", (32, 32, 3), 2, "resnet50"), 8)
    with pytest.raises(ValueError, match=r"has no model\.safetensors, and no pickle is loaded"):
        spatial.load_backbone(tmp_path)


def test_motion_is_zero_across_a_missing_step(model: Network) -> None:
    """Else every gap would look like a jerk."""
    spatial = model.encoder("imu").spatial
    seen: list[Tensor] = []
    spatial.joint_level.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    steps = torch.full((1, 20, 2, 3), 9.0)
    mask = torch.ones(1, 20, dtype=torch.bool)
    mask[0, [4, 5, 11]] = False
    spatial(steps, mask)
    raw, motion = seen[0].chunk(2, dim=1)
    assert (motion == 0).all()
    assert (raw[:, :, mask[0]] != 0).all()
    steps[0, 15:] = 19.0
    spatial(steps, mask)
    assert seen[1].chunk(2, dim=1)[1].abs().sum(dim=(0, 1, 3)).nonzero().flatten().tolist() == [15]
