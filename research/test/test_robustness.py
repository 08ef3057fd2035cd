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

"""The study of robustness: which change of the clips each row is, and what the robot's own motion does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lightning", reason="training needs lightning (extra train)")

from mumu_ros.simulation import Simulator
from mumu_ros.simulation.true_people import TRUTH_LAYOUT
from mumu_ros.skeletons import convert
from mumu_ros.training.composition import Take
from mumu_ros.training.several_datasets import Takes
from studies import robustness
from studies.bench import Bench


@pytest.fixture
def clips() -> Takes:
    """Three seconds each of a person who stands, so that `idle` is right as long as somebody upright is seen."""
    simulator = Simulator(seed=3, seconds=9.0, people=1, image_size=(48, 64))
    (pose,) = next(simulator.people_at(np.array([1.0])))
    joints = convert(pose.joints, TRUTH_LAYOUT, "florence15")
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 90, *joints.shape))
    skeletons = (joints + noise).astype(np.float32)
    return Takes(tuple(Take(s, None, ("idle",), "utd_mhad", 6, str(k)) for k, s in enumerate(skeletons)), {})


def test_each_row_is_of_clips_that_are_changed(clips, monkeypatch, tmp_path):
    monkeypatch.setattr(robustness, "load_takes", lambda *_: clips)
    monkeypatch.setattr(robustness, "find_utd_mhad", lambda _: tmp_path)
    text = robustness.section(Bench(tmp_path, tmp_path, (0,)))
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert rows["stands"].endswith("| idle 60 |")
    assert "walk" in rows["drives towards them, 1 m/s"]
    assert rows["15 pictures a second"].endswith("| 100 (100) |")
    assert rows["with"].count("100 (100)") == 8


def test_a_clip_at_another_rate_and_speed_is_the_same_motion(clips):
    way = np.arange(90, dtype=np.float32)[:, None, None] * np.ones((1, 15, 3), np.float32)
    take = Take(way, None, ("idle",), "utd_mhad", 6, "1")
    np.testing.assert_allclose(robustness._motion(take, hz=15)[:4, 0, 0], (0, 2, 4, 6))
    np.testing.assert_allclose(robustness._motion(take, hz=10, speed=0.5)[:4, 0, 0], (0, 1.5, 3, 4.5))
