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

"""One modality's window to one feature: over time, against torch's own recurrences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.model.unimodal import UnimodalEncoder

SIZE, STEPS = 8, 6
FIXTURES = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
CAMERA = Modality("rgb", "rgb", (32, 32, 3), STEPS, "small_cnn")
DEPTH = Modality("depth", "depth", (40, 50, 1), STEPS, "pose_cnn", centered=True, body=(0, 1, 2, 3), joints=4)

Make = Callable[..., UnimodalEncoder]
row = st.lists(st.booleans(), min_size=STEPS, max_size=STEPS).filter(any)
masks = st.lists(row, min_size=1, max_size=3).map(torch.tensor)


@pytest.fixture
def make(taxonomy: Taxonomy, trained: Callable[[UnimodalEncoder], UnimodalEncoder]) -> Make:
    """make(modality, field=value …): an encoder of a model with those fields."""

    def make_encoder(modality: Modality, **fields: Any) -> UnimodalEncoder:
        torch.manual_seed(5)
        config = ModelConfig("m", (modality,), taxonomy, window_s=1.0, feature_size=SIZE, **fields)
        return trained(UnimodalEncoder(modality, config))

    return make_encoder


def without_gaps(features: Tensor, mask: Tensor) -> Any:
    """What is there of each row, as torch packs sequences of several lengths."""
    rows = [x[there] for x, there in zip(features, mask, strict=True)]
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return pack_padded_sequence(padded, mask.sum(dim=1), batch_first=True, enforce_sorted=False)


def oracle(encoder: UnimodalEncoder) -> nn.LSTM:
    """torch's LSTM, which runs both ways by itself, with the encoder's weights."""
    backward = encoder.backward_lstm
    lstm = nn.LSTM(
        encoder.lstm.input_size, encoder.lstm.hidden_size, batch_first=True, bidirectional=backward is not None
    )
    weights = dict(encoder.lstm.state_dict())
    if backward is not None:
        weights |= {f"{name}_reverse": value for name, value in backward.state_dict().items()}
    lstm.load_state_dict(weights)
    return lstm


@pytest.mark.parametrize("bidirectional", [False, True])
@given(mask=masks)
@FIXTURES
def test_without_attention_the_last_state_of_each_direction_stands_for_all(
    make: Make, bidirectional: bool, mask: Tensor
) -> None:
    encoder = make(CAMERA, fusion="non_attention", bidirectional=bidirectional)
    assert encoder.attention is None
    features = torch.rand(*mask.shape, SIZE)
    last = oracle(encoder)(without_gaps(features, mask))[1][0]  # (directions, B, width)
    expected = last.transpose(0, 1).flatten(1)
    torch.testing.assert_close(encoder.summarize(features, mask), expected)


@pytest.mark.parametrize("fusion", ["mumu", "trusted_mumu", "keyless", "hamlet"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_otherwise_keyless_attention_weighs_the_states(make: Make, fusion: str, bidirectional: bool) -> None:
    encoder = make(CAMERA, fusion=fusion, bidirectional=bidirectional, deep_supervision=True)
    assert encoder.attention is not None
    mask = torch.tensor([[True] * STEPS, [True, False, True, True, False, False]])
    features = torch.rand(*mask.shape, SIZE)
    states, counts = pad_packed_sequence(oracle(encoder)(without_gaps(features, mask))[0], batch_first=True)
    summary = encoder.summarize(features, mask)
    for index, count in enumerate(counts.tolist()):
        there = states[index, :count]
        weights = torch.softmax(there @ encoder.attention.score.weight[0], dim=0)
        torch.testing.assert_close(summary[index], weights @ there)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_head_that_looks_at_time_gets_the_mean_state_of_each_part_of_the_window(
    make: Make, bidirectional: bool
) -> None:
    """Six steps in eight parts, whose edges are rounded outwards; a part without any step is zero."""
    encoder = make(CAMERA, fusion="dual_branch", bidirectional=bidirectional)
    mask = torch.tensor([[True] * STEPS, [True, False, True, True, False, False], [False] * STEPS])
    features = torch.rand(*mask.shape, SIZE)
    parts = encoder.summarize(features, mask).reshape(3, 8, SIZE)
    states = pad_packed_sequence(oracle(encoder)(without_gaps(features[:2], mask[:2]))[0], batch_first=True)[0]
    of_part = [(0,), (0, 1), (1, 2), (2,), (3,), (3, 4), (4, 5), (5,)]
    for row, steps in ((0, {i: i for i in range(STEPS)}), (1, {0: 0, 2: 1, 3: 2})):
        for part, covered in zip(parts[row], of_part, strict=True):
            there = [states[row, steps[step]] for step in covered if step in steps]
            torch.testing.assert_close(part, torch.stack(there).mean(dim=0) if there else torch.zeros(SIZE))
    assert not parts[2].any()


def test_layer_norm_normalises_the_feature_and_leaves_an_empty_one_zero(make: Make) -> None:
    encoder = make(CAMERA, layer_norm=True)
    with torch.no_grad():
        encoder.norm.bias.fill_(3.0)
    mask = torch.tensor([[True] * STEPS, [False] * STEPS])
    summary = encoder.summarize(torch.rand(2, STEPS, SIZE), mask)
    assert summary[0].mean().item() == pytest.approx(3)
    assert summary[0].std(correction=0).item() == pytest.approx(1, rel=0.05)
    assert (summary[1] == 0).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("modality", "fields"),
    [
        (CAMERA, {}),
        (CAMERA, {"bidirectional": True, "layer_norm": True}),
        (CAMERA, {"fusion": "non_attention", "bidirectional": True}),
        (DEPTH, {"bidirectional": True, "layer_norm": True}),
        (dataclasses.replace(DEPTH, body=(), centered=False), {}),
    ],
)
def test_frames_are_encoded_once(make: Make, stride: int, modality: Modality, fields: dict[str, Any]) -> None:
    """Kept features of single frames, summarised, give what the whole window gives."""
    encoder = make(dataclasses.replace(modality, stride=stride), **fields)
    frames = torch.rand(3, STEPS, *modality.shape) * 4
    if modality.kind == "rgb":
        frames = (frames * 60).to(torch.uint8)
    mask = torch.tensor([[True] * STEPS, [False, True, True, False, True, True], [False] * STEPS])
    kept = torch.stack([encoder.encode(frames[:, step]) for step in range(STEPS)], dim=1)
    assert kept.shape[2:] == encoder.encoded_shape
    summary = encoder.summarize(kept, mask)
    torch.testing.assert_close(summary, encoder(frames, mask), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(summary, encoder(kept, mask), rtol=0, atol=0)
    assert (summary.abs().sum(dim=1) > 0).tolist() == encoder.sees(mask).tolist() == [True, True, False]


def test_poses_are_pooled_by_the_stride(make: Make) -> None:
    """As vectors are: what is older than a whole number of segments is not looked at, everything else is."""
    encoder = make(dataclasses.replace(DEPTH, stride=4))
    frames = torch.rand(1, STEPS, *DEPTH.shape) + 2
    mask = torch.ones(1, STEPS, dtype=torch.bool)
    before = encoder(frames, mask)
    for step in range(STEPS):
        changed = frames.clone()
        changed[:, step, :, :20] = 0
        assert torch.equal(encoder(changed, mask), before) == (step < STEPS % 4)
