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

import pytest

from mumu_ros.failures import Failure, Fault
from mumu_ros.simulation import STREAMS, parse_fault


def test_a_device_fails_with_all_its_streams():
    assert parse_fault("camera:1-2").streams == ("rgb", "depth")
    assert parse_fault("imu:noise=2:1-2") == Fault("imu", ("imu_wrist", "imu_belt"), Failure("noise", 2.0), 1, 2)


def test_an_unknown_target_is_quoted_and_the_known_are_listed():
    with pytest.raises(ValueError, match="'lidar'") as caught:
        parse_fault("lidar:1-2")
    assert all(target in str(caught.value) for target in ("camera", "imu", *(stream.name for stream in STREAMS)))
