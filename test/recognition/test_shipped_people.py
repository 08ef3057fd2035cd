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

"""The shipped model `people`: whoever does not move does nothing, whatever the pose; a picture of a person is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mumu_ros.people import LAYOUT, PeopleFinder
from mumu_ros.people.landmarks import TORSO
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.recognition import Decision, Recognizer, Session
from mumu_ros.simulation import Simulator
from mumu_ros.simulation.true_people import TRUTH_LAYOUT
from mumu_ros.skeletons import convert

_NAMES_NO_ACTIVITY = {"idle", "other", "unknown"}


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    """(N, 33, 3) joints of people in the middle of what they do, in metres."""
    simulator = Simulator(seed=3, seconds=40.0, people=3, image_size=(48, 64))
    instants = simulator.people_at(np.arange(1.0, 40.0, 2.0))
    return np.stack([person.joints for people in instants for person in people])


@pytest.mark.parametrize("noise_m", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("is_smoothed", [False, True])
def test_a_pose_that_is_held_is_no_activity(poses: np.ndarray, noise_m: float, is_smoothed: bool) -> None:
    rng = np.random.default_rng(0)
    recognizer = Recognizer.from_pretrained("people", device="cpu")
    stamps = (1e9 + np.arange(60) * 1e9 / 15).astype(np.int64)
    for pose in poses:
        noise = rng.normal(0, noise_m, (75, *pose.shape))
        if is_smoothed:  # as a tracker's: slow, of the same size
            noise = np.cumsum(noise, axis=0)
            noise = (noise[15:] - noise[:-15]) / np.sqrt(15)
        joints = convert((pose + noise[:60]).astype(np.float32), TRUTH_LAYOUT, "florence15")
        decision = recognizer.classify({"skeleton": (stamps, joints)})
        assert decision.activity in _NAMES_NO_ACTIVITY
        assert decision.novelty < 2, "the novelty that is shipped belongs to the weights"


@pytest.mark.slow
@pytest.mark.parametrize("size", [1.0, 0.65])
def test_somebody_at_rest_stays_where_and_what_they_are_while_depth_fails(weights: Path, size: float) -> None:
    """An adult, and a child, who is as large in the picture and nearer: 0.3 s in every second, then for good."""
    simulator = Simulator(seed=1, seconds=7.0, activities=["stand"], room=False, image_size=(480, 640))
    finder = PeopleFinder(weights, seed=0)
    session = Session.open(InferenceConfig.of(model="people", threads=1, device="cpu"))
    torsos_m, sources, activities = [], set(), set()
    samples = [sample for sample in simulator.samples() if sample.stream in ("rgb", "depth")]
    for rgb, depth in list(zip(samples[::2], samples[1::2], strict=True))[::2]:
        stamp_ns, at_s = rgb.stamp_ns, (rgb.stamp_ns - simulator.start_ns) / 1e9
        read = None if at_s % 1 > 0.7 or at_s > 5 else (size * depth.data).astype(np.uint16)
        people = finder.update(stamp_ns, rgb.data, read, simulator.camera.intrinsics)
        torsos_m += [float(np.nanmean(person.joints[TORSO, 2])) for person in people]
        sources |= {person.position_source for person in people}
        for now_ns in session.see(stamp_ns, LAYOUT, people):
            activities |= {found.activity for _, found in session.decide(now_ns) if isinstance(found, Decision)}
    truth = next(simulator.people_at(np.array([3.0])))[0].joints[TORSO, 2].mean()
    np.testing.assert_allclose(torsos_m, size * truth, atol=0.1)
    assert len(torsos_m) > 95
    assert sources == {"depth", "perspective"}
    assert "idle" in activities <= {"idle", "unknown"}
