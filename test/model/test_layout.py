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

"""Skeletons with a named joint layout: a joint that is not seen is masked by itself, from sample to decision."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.encoders import BodyFrame
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.preprocessing import Preprocessing, SampleError
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.window_assembly import window_assembler
from mumu_ros.skeletons import LAYOUTS

torch.set_num_threads(1)
LAYOUT = "florence15"
JOINTS = LAYOUTS[LAYOUT].joints
SKELETON = Modality(
    "skeleton", "vector", (15, 3), 10, "cooccurrence1d", stride=2, centered=True, max_gap_s=0.3, layout=LAYOUT
)
CONFIG = ModelConfig("t", (SKELETON,), Taxonomy("t", {"g": ("a", "b", "c")}), 1.0, 8)
STEPS = CONFIG.steps("skeleton")
few = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 1000)


def network() -> Network:
    torch.manual_seed(3)
    return Network(CONFIG).eval()


def skeletons(seed: int, unseen: float) -> torch.Tensor:
    """(2, STEPS, 15, 3) with this share of the joints NaN."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, STEPS, 15, 3)).astype(np.float32)
    x[rng.random(x.shape[:3]) < unseen] = np.nan
    return torch.from_numpy(x)


@given(seed=seeds, unseen=st.floats(0, 1))
@few
def test_what_an_unseen_joint_holds_changes_no_bit(seed: int, unseen: float) -> None:
    model, x = network(), skeletons(seed, unseen)
    mask = torch.from_numpy(np.random.default_rng(seed).random((2, STEPS)) < 0.8)
    other = torch.where(x.isnan(), torch.full_like(x, 1e9), x)
    # One NaN coordinate is enough; the others of the joint may hold anything.
    other[..., 1] = torch.where(x[..., 1].isnan(), torch.nan, other[..., 1])
    expected, found = (model({"skeleton": each}, {"skeleton": mask}) for each in (x, other))
    assert torch.equal(found.activity_logits, expected.activity_logits)
    assert expected.activity_logits.isfinite().all()


@given(seed=seeds, unseen=st.floats(0, 1))
@few
def test_a_window_does_not_depend_on_the_joints_of_another(seed: int, unseen: float) -> None:
    model, x = network(), skeletons(seed, unseen)
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    together = model({"skeleton": x}, {"skeleton": mask}).activity_logits
    alone = model({"skeleton": x[:1]}, {"skeleton": mask[:1]}).activity_logits
    torch.testing.assert_close(together[:1], alone)


def test_an_unseen_joint_is_not_one_at_the_origin() -> None:
    model, x = network(), skeletons(0, 0)
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    unseen, zero = x.clone(), x.clone()
    unseen[:, :, JOINTS.index("left_wrist")] = torch.nan
    zero[:, :, JOINTS.index("left_wrist")] = 0
    logits = [model({"skeleton": each}, {"skeleton": mask}).activity_logits for each in (x, unseen, zero)]
    assert not torch.allclose(logits[0], logits[1])
    assert not torch.allclose(logits[1], logits[2])


@pytest.mark.parametrize("hidden", [("left_hip",), ("left_hip", "right_hip", "neck"), ("left_shoulder",), ("neck",)])
def test_a_body_is_placed_by_the_joints_that_are_seen(hidden: tuple[str, ...]) -> None:
    """Where somebody stands does not matter, whichever joints are never seen."""
    frame, x = BodyFrame(dataclasses.replace(SKELETON, centered=False)).double(), skeletons(1, 0).double()
    x[:, :, [JOINTS.index(joint) for joint in hidden]] = torch.nan
    mask = torch.ones(2, STEPS, dtype=torch.bool)
    elsewhere = x + torch.tensor([1.0, -0.3, 2.5], dtype=x.dtype)
    torch.testing.assert_close(frame(elsewhere, mask), frame(x, mask))


def test_a_joint_that_is_lost_now_and_then_is_averaged_over_the_steps_in_which_it_is_seen() -> None:
    frame = BodyFrame(SKELETON)
    still = skeletons(2, 0)[:, :1].expand(-1, STEPS, -1, -1).clone()
    still[:, 3:6] = torch.nan
    seen = frame(still, torch.ones(2, STEPS, dtype=torch.bool))
    assert seen[..., :6].abs().max() < 1e-5, "who does not move has no motion, and no place beside the mean"
    assert seen[..., 6].mean() == pytest.approx(1 - 3 / STEPS)


def test_samples_may_lack_joints_but_not_all() -> None:
    preprocessing = Preprocessing(CONFIG)
    sample = skeletons(4, 0)[0, 0].numpy().astype(np.float64)
    sample[3, 2] = np.nan
    prepared = preprocessing.prepare("skeleton", sample)
    assert np.isnan(prepared).all(axis=1).tolist() == [joint == 3 for joint in range(15)]
    np.testing.assert_array_equal(preprocessing.prepare("skeleton", prepared), prepared)
    with pytest.raises(SampleError, match="skeleton: no joint is seen"):
        preprocessing.prepare("skeleton", np.full((15, 3), np.nan))
    sample[3, 2] = np.inf
    with pytest.raises(SampleError, match=r"skeleton: got inf \(1 of 45 numbers\); expected finite numbers only"):
        preprocessing.prepare("skeleton", sample)


def test_a_window_has_the_joints_that_both_neighbours_of_a_step_have() -> None:
    assembler = window_assembler(CONFIG)
    start_ns, period_ns = 10**18, 10**8
    for step in range(STEPS + 1):
        sample = np.zeros((15, 3))
        sample[5] = np.nan if step in (4, 5) else step
        assert assembler.push("skeleton", start_ns + step * period_ns, sample)
    exact = assembler.window(start_ns + STEPS * period_ns).series["skeleton"]
    assert np.flatnonzero(np.isnan(exact.samples[:, 5, 0])).tolist() == [3, 4]
    between = assembler.window(start_ns + STEPS * period_ns - period_ns // 2).series["skeleton"]
    assert np.flatnonzero(np.isnan(between.samples[:, 5, 0])).tolist() == [3, 4, 5]
    assert exact.mask.all(), "a step without one joint is a step"
    assert not assembler.push("skeleton", start_ns + (STEPS + 1) * period_ns, np.full((15, 3), np.nan))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "octopus8"}, "layout is 'octopus8'; expected one of kinect20, "),
        ({"layout": "kinect20"}, r"shape is \(15, 3\); layout kinect20 has \(20, 3\)"),
        ({"body": (0, 1, 2, 3)}, r"body is \(0, 1, 2, 3\); layout florence15 names these joints"),
        ({"std": (2.0,)}, r"std \(2.0,\); a body is scaled to itself"),
        ({"encoder": "cooccurrence", "centered": False}, "that is for cooccurrence1d, not cooccurrence"),
    ],
)
def test_impossible_layouts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(SKELETON, **changes)
