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

"""Which activities which sensors can tell apart."""

from itertools import combinations

import numpy as np
import pytest

from mumu_ros.simulation import GROUP_OF

CAMERA_TWINS = [("carry_light", "carry_heavy"), ("drill", "inspect")]
IMU_TWINS = [("stand", "stop_sign")]


def _equal(a, b):
    return len(a) == len(b) and all(
        x.stamp_ns == y.stamp_ns and np.array_equal(x.data, y.data) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("pair", CAMERA_TWINS)
def test_cameras_cannot_tell_these_apart_and_the_imus_can(pair, record, stack):
    first, second = (record(["walk", activity], seconds=4.0) for activity in pair)
    assert _equal(first["rgb"], second["rgb"])
    assert _equal(first["depth"], second["depth"])
    for name in ("imu_wrist", "imu_belt"):
        since = len(first[name]) * 3 // 4
        a, b = (stack(streams[name][since:])[:, 0] for streams in (first, second))
        noise = 0.07 * np.sqrt(2)
        assert np.std(a - b) > 1.5 * noise


@pytest.mark.parametrize("pair", IMU_TWINS)
def test_imus_cannot_tell_these_apart_and_the_cameras_can(pair, record, stack):
    first, second = (record(["walk", activity], seconds=4.0) for activity in pair)
    assert _equal(first["imu_wrist"], second["imu_wrist"])
    assert _equal(first["imu_belt"], second["imu_belt"])
    for name in ("rgb", "depth"):
        a, b = (stack(streams[name][-10:]).astype(float) for streams in (first, second))
        assert np.abs(a - b).max() > 20


def test_all_other_activities_differ_for_every_sensor(record, stack):
    streams = {activity: record([activity], seconds=0.5) for activity in GROUP_OF}
    for first, second in combinations(GROUP_OF, 2):
        for name in ("rgb", "depth", "imu_wrist", "imu_belt"):
            twins = CAMERA_TWINS if name in ("rgb", "depth") else IMU_TWINS
            same = _equal(streams[first][name], streams[second][name])
            assert same == ((first, second) in twins or (second, first) in twins), (first, second, name)


def test_a_running_drill_shakes_the_wrist_between_25_and_35_hz_and_the_belt_a_tenth_of_it(record, stack):
    drill, inspect = (record([activity], seconds=4.0) for activity in ("drill", "inspect"))
    shaking = {name: stack(drill[name])[:, 0] - stack(inspect[name])[:, 0] for name in ("imu_wrist", "imu_belt")}
    spectrum = np.abs(np.fft.rfft(shaking["imu_wrist"][:, 2]))
    peak_hz = np.fft.rfftfreq(len(shaking["imu_wrist"]), 1 / 200)[spectrum.argmax()]
    assert 24 < peak_hz < 36
    assert shaking["imu_belt"].std() / shaking["imu_wrist"].std() == pytest.approx(0.1, abs=0.02)
