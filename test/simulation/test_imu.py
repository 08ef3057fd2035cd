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

from dataclasses import replace

import numpy as np
import pytest

from mumu_ros.simulation import GROUP_OF, Simulator
from mumu_ros.simulation.body import BODIES, JOINTS, Pose
from mumu_ros.simulation.imu import DIFFERENCE_S, GRAVITY, inertial_samples
from mumu_ros.simulation.subject import Subject

IDEAL = replace(
    Subject.draw(np.random.default_rng(0)).wrist,
    rotation=np.eye(3),
    offset=np.zeros(3),
    bias=np.zeros((2, 3)),
    noise=(0.0, 0.0),
)


def _pose(position, rotation, time_s):
    count = len(time_s)
    positions = np.zeros((count, len(JOINTS), 3))
    rotations = np.tile(np.eye(3), (count, len(BODIES), 1, 1))
    positions[:, JOINTS.index("pelvis")] = position(time_s)
    rotations[:, BODIES.index("pelvis")] = rotation(time_s)
    return Pose(positions, rotations)


def _measure(position, rotation, time_s, mounting=IDEAL):
    poses = tuple(_pose(position, rotation, time_s + shift) for shift in (-DIFFERENCE_S, 0, DIFFERENCE_S))
    still = np.zeros((len(time_s), 3))
    return inertial_samples(poses, "pelvis", "pelvis", mounting, (still, still), np.random.default_rng(0))


def _about_x(angle):
    cosine, sine = np.cos(angle), np.sin(angle)
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    return np.stack((one, zero, zero, zero, cosine, -sine, zero, sine, cosine), axis=-1).reshape(-1, 3, 3)


def _nowhere(time_s):
    return np.zeros((len(time_s), 3))


TIME_S = np.linspace(0, 1, 50)


def test_at_rest_the_sensor_reads_gravity_upwards_and_no_rate():
    samples = _measure(_nowhere, lambda t: _about_x(np.full_like(t, 0.5)), TIME_S)
    assert np.allclose(samples[:, 0], (0, GRAVITY * np.sin(0.5), GRAVITY * np.cos(0.5)))
    assert np.allclose(samples[:, 1], 0)


def test_free_fall_reads_nothing():
    samples = _measure(lambda t: np.multiply.outer(-0.5 * GRAVITY * t**2, (0, 0, 1)), lambda t: _about_x(0 * t), TIME_S)
    assert np.allclose(samples[:, 0], 0, atol=1e-6)


def test_turning_reads_the_rate_in_the_sensors_frame_and_the_centripetal_force_of_its_offset():
    mounting = replace(IDEAL, offset=np.array((0.0, 0.2, 0.0)))
    samples = _measure(_nowhere, lambda t: _about_x(3.0 * t), TIME_S, mounting)
    assert np.allclose(samples[:, 1], (3.0, 0, 0), atol=1e-5)
    gravity = GRAVITY * np.stack((0 * TIME_S, np.sin(3 * TIME_S), np.cos(3 * TIME_S)), axis=1)
    assert np.allclose(samples[:, 0] - gravity, (0, -0.2 * 3.0**2, 0), atol=1e-4)


def test_mounting_turns_the_readings_and_bias_adds_to_them():
    turned = replace(IDEAL, rotation=_about_x(np.array([np.pi / 2]))[0], bias=np.full((2, 3), 0.25))
    samples = _measure(_nowhere, lambda t: _about_x(0 * t), TIME_S, turned)
    assert np.allclose(samples[:, 0], (0.25, GRAVITY + 0.25, 0.25))
    assert np.allclose(samples[:, 1], 0.25)


def test_readings_saturate():
    samples = _measure(_nowhere, lambda t: _about_x(60.0 * t), TIME_S)
    assert samples[:, 1].max() == pytest.approx(np.radians(2000))
    shaken = _measure(lambda t: np.multiply.outer(np.sin(100 * t), (0, 0, 1)), lambda t: _about_x(0 * t), TIME_S)
    assert np.abs(shaken[:, 0]).max() == pytest.approx(16 * GRAVITY)


def test_the_simulated_belt_at_rest_reads_gravity(record, stack):
    samples = stack(record(["stand"])["imu_belt"])
    assert np.linalg.norm(samples[:, 0], axis=1) == pytest.approx(GRAVITY, abs=0.6)
    assert samples[:, 0, 2].mean() > 9.0
    assert np.abs(samples[:, 1]).max() < 0.2


def test_integrating_the_angular_rate_gives_the_rotation():
    """Gyroscope of a moving wrist: its frame turned step by step ends where the body's does."""
    simulator = Simulator(seed=1, subject=2, seconds=2, activities=["wave"], segment_s=(2, 2), image_size=(16, 16))
    time_s = np.arange(0, 2, 0.0025)
    poses = tuple(simulator.pose(time_s + shift) for shift in (-DIFFERENCE_S, 0, DIFFERENCE_S))
    still = np.zeros((len(time_s), 3))
    rate = inertial_samples(
        poses, "dominant_wrist", "dominant_forearm", IDEAL, (still, still), np.random.default_rng(0)
    )[:, 1]
    truth = poses[1].rotation("dominant_forearm")
    rotation = truth[0]
    for step in 0.5 * (rate[1:] + rate[:-1]) * 0.0025:
        cross = np.cross(np.eye(3), step)
        rotation = rotation @ (np.eye(3) + cross + 0.5 * cross @ cross)
    assert np.allclose(rotation, truth[-1], atol=0.01)
    assert np.abs(truth - truth[0]).max() > 0.3


@pytest.mark.parametrize("activity", GROUP_OF)
def test_every_activity_gives_plausible_forces(activity, record, stack):
    streams = record(["stand", activity], seconds=4.0, faults=())
    for name in ("imu_wrist", "imu_belt"):
        force = np.linalg.norm(stack(streams[name])[:, 0], axis=1)
        assert force.max() < 80
        assert force.mean() == pytest.approx(GRAVITY, abs=4)
