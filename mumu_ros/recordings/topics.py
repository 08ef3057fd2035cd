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

"""The simulator's streams as topics: one table for the live node and for recordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from mumu_ros.conversions import MessageTypes, array_to_image, array_to_imu, array_to_pose_array

__all__ = [
    "ANNOTATION_TOPIC",
    "ANNOTATION_TYPE",
    "CAMERA_INFO_TOPICS",
    "CAMERA_INFO_TYPE",
    "SIMULATOR_TOPICS",
    "TRUTH_TOPIC",
    "TRUTH_TYPE",
    "UTD_MHAD_TOPICS",
    "StreamTopic",
]

ANNOTATION_TOPIC = "/annotation"
ANNOTATION_TYPE = "mumu_ros/msg/ActivityAnnotation"

TRUTH_TOPIC = "/truth/people"
"""Topic of the simulator with the true people in view."""
TRUTH_TYPE = "mumu_ros/msg/People"

CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
CAMERA_INFO_TOPICS: Mapping[str, str] = MappingProxyType(
    {"rgb": "/camera/color/camera_info", "depth": "/camera/depth/camera_info"}
)
"""Stream of `mumu_ros.simulation` to the topic that describes its camera."""

_BUILDERS: Mapping[str, Callable[[NDArray[Any], int, str, MessageTypes], Any]] = {
    "sensor_msgs/msg/Image": array_to_image,
    "sensor_msgs/msg/Imu": array_to_imu,
    "geometry_msgs/msg/PoseArray": array_to_pose_array,
}


@dataclass(frozen=True)
class StreamTopic:
    """Where the samples of a stream are published.

    Attributes:
        name: The topic.
        type_name: Its ROS type.
        frame_id: The sensor's frame.
    """

    name: str
    type_name: str
    frame_id: str

    def message(self, sample: NDArray[Any], stamp_ns: int, types: MessageTypes) -> Any:
        """Return a sample of the stream as a message of the topic."""
        return _BUILDERS[self.type_name](sample, stamp_ns, self.frame_id, types)


SIMULATOR_TOPICS: Mapping[str, StreamTopic] = MappingProxyType(
    {
        "rgb": StreamTopic("/camera/color/image_raw", "sensor_msgs/msg/Image", "camera_color_optical_frame"),
        # Registered to colour: in its frame.
        "depth": StreamTopic("/camera/depth/image_raw", "sensor_msgs/msg/Image", "camera_color_optical_frame"),
        "imu_wrist": StreamTopic("/imu/wrist", "sensor_msgs/msg/Imu", "imu_wrist"),
        "imu_belt": StreamTopic("/imu/belt", "sensor_msgs/msg/Imu", "imu_belt"),
    }
)
"""Stream of `mumu_ros.simulation` to its topic."""

UTD_MHAD_TOPICS: Mapping[str, StreamTopic] = MappingProxyType(
    {
        "depth": SIMULATOR_TOPICS["depth"],
        "skeleton": StreamTopic("/skeleton", "geometry_msgs/msg/PoseArray", "camera_depth_optical_frame"),
        "imu_wrist": SIMULATOR_TOPICS["imu_wrist"],
        # The dataset has one inertial sensor, worn on the thigh for some actions: one topic, two frames.
        "imu_thigh": StreamTopic("/imu/wrist", "sensor_msgs/msg/Imu", "imu_thigh"),
    }
)
"""Stream of a converted UTD-MHAD clip to its topic."""
