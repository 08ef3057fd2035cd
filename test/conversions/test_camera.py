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

"""CameraInfo and the camera that it describes."""

import pytest

from mumu_ros.conversions import camera_info_to_camera, camera_to_camera_info
from mumu_ros.people.camera import Camera
from mumu_ros.recordings.typestore import BagTypes


@pytest.mark.parametrize("distortion", [(), (0.1, -0.2, 0.001, 0.002, 0.05)])
def test_a_camera_comes_back_from_its_message(distortion):
    camera = Camera(640, 480, 492.0, 490.0, 319.5, 239.5, distortion)
    message = camera_to_camera_info(camera, 3_000_000_001, "optical", BagTypes())
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (3, 1, "optical")
    assert camera_info_to_camera(message, 640, 480, "optical") == camera
