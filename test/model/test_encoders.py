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

"""What encoders look at: a body in coordinates of its own, a sequence and its motion, the relief of a depth image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from mumu_ros.model.encoders import BodyFrame, CoOccurrence1d
from mumu_ros.model.modality import Modality

# Hip, neck, left and right shoulder, left and right hand; in metres.
PERSON = [(0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.2, 0.45, 0.0), (-0.2, 0.45, 0.0), (0.5, 0.4, 0.1), (-0.3, 0.0, 0.1)]
SKELETON = Modality("skeleton", "vector", (6, 3), 15, "cooccurrence1d", body=(0, 1, 2, 3))
STEPS = 12
FIXTURES = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

offsets = st.tuples(*[st.floats(-5, 5)] * 3)
# At least one step is there.
masks = st.lists(st.booleans(), min_size=STEPS, max_size=STEPS).filter(any)


def moving_person(seed: int = 0) -> Tensor:
    """(1, STEPS, 6, 3), float64."""
    generator = torch.Generator().manual_seed(seed)
    jitter = torch.randn(1, STEPS, len(PERSON), 3, generator=generator, dtype=torch.float64)
    return torch.tensor(PERSON, dtype=torch.float64) + 0.03 * jitter


def turned(x: Tensor, angle: float) -> Tensor:
    """About the vertical, y."""
    cos, sin = math.cos(angle), math.sin(angle)
    return x @ torch.tensor([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], dtype=x.dtype)


def frame_of(modality: Modality, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What BodyFrame makes of it: what is there, and how it changes."""
    samples, motion = BodyFrame(modality).double()(x, mask).chunk(2, dim=-1)
    return samples, motion


@pytest.mark.parametrize("centered", [False, True])
@given(there=masks, offset=offsets, angle=st.floats(-math.pi, math.pi), size=st.floats(0.5, 2))
@FIXTURES
def test_where_which_way_and_how_tall_a_person_stands_does_not_matter(
    centered: bool, there: list[bool], offset: tuple[float, ...], angle: float, size: float
) -> None:
    modality = dataclasses.replace(SKELETON, centered=centered)
    x, mask = moving_person(), torch.tensor([there])
    elsewhere = turned(x, angle) * size + torch.tensor(offset, dtype=x.dtype)
    torch.testing.assert_close(frame_of(modality, elsewhere, mask), frame_of(modality, x, mask), rtol=0, atol=1e-9)


def test_a_body_stands_upright_at_the_origin_faces_the_camera_and_has_a_torso_of_one() -> None:
    mask = torch.ones(1, STEPS, dtype=torch.bool)
    samples, _ = frame_of(SKELETON, turned(3 * moving_person() + 2, 2.5), mask)
    hip, neck, left, right = samples[0, :, :4].unbind(dim=1)
    across = (left - right).mean(dim=0)
    torch.testing.assert_close(hip.mean(dim=0), torch.zeros(3, dtype=samples.dtype))
    assert (neck - hip).norm(dim=-1).mean().item() == pytest.approx(1)
    assert across[2].item() == pytest.approx(0, abs=1e-9)
    assert across[0] > 0
    assert (neck - hip)[:, 1].min() > 0.5


def test_without_a_body_positions_are_left_as_they_are() -> None:
    x, mask = moving_person(), torch.ones(1, STEPS, dtype=torch.bool)
    samples, motion = frame_of(dataclasses.replace(SKELETON, body=()), x, mask)
    torch.testing.assert_close(samples, x)
    torch.testing.assert_close(motion[:, 1:], x[:, 1:] - x[:, :-1])
    assert (motion[:, 0] == 0).all()


@given(there=masks, offset=offsets)
@FIXTURES
def test_centered_takes_a_constant_offset_away(there: list[bool], offset: tuple[float, ...]) -> None:
    modality = Modality("imu", "vector", (6, 3), 30, "cooccurrence1d", std=(10.0,), centered=True)
    x, mask = moving_person(), torch.tensor([there])
    away = x + torch.tensor(offset, dtype=x.dtype)
    torch.testing.assert_close(frame_of(modality, away, mask), frame_of(modality, x, mask), rtol=0, atol=1e-9)
    mean = frame_of(modality, x, mask)[0].sum(dim=1)
    torch.testing.assert_close(mean, torch.zeros_like(mean), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "modality",
    [SKELETON, dataclasses.replace(SKELETON, body=()), dataclasses.replace(SKELETON, body=(), centered=True)],
    ids=["body", "plain", "centered"],
)
@given(there=masks)
@FIXTURES
def test_nothing_is_where_nothing_was_measured_and_motion_needs_both_of_its_ends(
    modality: Modality, there: list[bool]
) -> None:
    mask = torch.tensor([there])
    samples, motion = frame_of(modality, moving_person().masked_fill(~mask[..., None, None], math.nan), mask)
    assert (samples[~mask] == 0).all()
    both = torch.zeros_like(mask)
    both[:, 1:] = mask[:, 1:] & mask[:, :-1]
    assert (motion[~both] == 0).all()
    assert (motion[both].abs().sum(dim=(1, 2)) > 0).all()


def test_motion_of_what_is_centered_is_of_a_third_of_a_second() -> None:
    """So that it counts as much as the positions, whatever the rate."""
    x, mask = moving_person(), torch.ones(1, STEPS, dtype=torch.bool)
    _, motion = frame_of(dataclasses.replace(SKELETON, body=(), centered=True), x, mask)
    torch.testing.assert_close(motion[:, 1:], 5 * (x[:, 1:] - x[:, :-1]))  # 15 Hz


def test_a_body_of_no_extent_stays_finite() -> None:
    x, mask = torch.full((2, STEPS, 6, 3), 1.7), torch.ones(2, STEPS, dtype=torch.bool)
    mask[1] = False
    framed = BodyFrame(SKELETON)(x, mask)
    torch.testing.assert_close(framed, torch.zeros_like(framed), rtol=0, atol=1e-5)


@given(
    stride=st.integers(1, 6),
    extra=st.integers(0, 5),
    segments=st.integers(1, 4),
    cropped=st.integers(1, 3),
    centered=st.booleans(),
    data=st.data(),
)
@FIXTURES
def test_oldest_segments_that_nothing_was_measured_in_can_be_left_out(
    trained: Callable[[CoOccurrence1d], CoOccurrence1d],
    stride: int,
    extra: int,
    segments: int,
    cropped: int,
    centered: bool,
    data: st.DataObject,
) -> None:
    """As `crop_to_data` of training does to save time."""
    modality = dataclasses.replace(SKELETON, stride=stride, centered=centered)
    torch.manual_seed(0)
    encoder = trained(CoOccurrence1d(modality, 8))
    steps, kept = extra % stride + (cropped + segments) * stride, segments * stride
    bits = data.draw(st.lists(st.booleans(), min_size=kept, max_size=kept))
    mask = torch.tensor([[False] * (steps - kept) + bits])
    x = torch.rand(1, steps, 6, 3)
    whole, there = encoder(x, mask)
    assert whole.shape == (1, cropped + segments, 8)
    assert there.tolist() == [[False] * cropped + [any(bits[i : i + stride]) for i in range(0, kept, stride)]]
    torch.testing.assert_close((whole[:, cropped:], there[:, cropped:]), encoder(x[:, -kept:], mask[:, -kept:]))
    assert (whole[~there] == 0).all()


def test_a_feature_sees_its_neighbours_not_the_whole_window(
    trained: Callable[[CoOccurrence1d], CoOccurrence1d],
) -> None:
    """Four convolutions of three steps, the last over pooled ones: the far past does not reach the newest segment."""
    encoder = trained(CoOccurrence1d(dataclasses.replace(SKELETON, body=(), stride=4), 8))
    x, mask = torch.rand(1, 40, 6, 3), torch.ones(1, 40, dtype=torch.bool)
    before = encoder(x, mask)[0]
    x[:, :12] += 1
    after = encoder(x, mask)[0]
    assert not torch.equal(before[:, :3], after[:, :3])
    torch.testing.assert_close(before[:, 5:], after[:, 5:])
