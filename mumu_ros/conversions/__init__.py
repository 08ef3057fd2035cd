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

"""Messages to arrays and back: the one place that knows how ROS 2 messages hold their data.

Everything reads fields only, so that messages of rclpy and messages deserialised by rosbags are served alike.
"""

from mumu_ros.conversions.camera_info import camera_info_size, camera_info_to_camera, camera_to_camera_info
from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.hri_messages import Body2D, person_to_roi, person_to_skeleton2d, skeleton2d_to_body
from mumu_ros.conversions.images import (
    MAX_PIXELS,
    RGB_ENCODINGS,
    ImageKind,
    compressed_image_to_array,
    decode_image,
    depth_to_millimetres,
    image_to_array,
)
from mumu_ros.conversions.messages import (
    MessageTypes,
    RosTypes,
    array_to_floats,
    array_to_image,
    array_to_imu,
    array_to_pose_array,
    header_stamp_ns,
    ns_to_time,
    segment_to_annotation,
    time_to_ns,
)
from mumu_ros.conversions.multimodal_frames import frame_to_samples, samples_to_frame
from mumu_ros.conversions.people_messages import is_body_id, message_to_people, people_to_message
from mumu_ros.conversions.vectors import (
    VECTOR_TYPES,
    float_array_to_array,
    imu_to_array,
    joint_state_to_array,
    pose_array_to_array,
    vector_to_array,
)

__all__ = [
    "MAX_PIXELS",
    "RGB_ENCODINGS",
    "SUPPORTED_TYPES",
    "VECTOR_TYPES",
    "Body2D",
    "ConversionError",
    "ImageKind",
    "MessageTypes",
    "RosTypes",
    "array_to_floats",
    "array_to_image",
    "array_to_imu",
    "array_to_pose_array",
    "camera_info_size",
    "camera_info_to_camera",
    "camera_to_camera_info",
    "compressed_image_to_array",
    "decode_image",
    "depth_to_millimetres",
    "float_array_to_array",
    "frame_to_samples",
    "header_stamp_ns",
    "image_to_array",
    "imu_to_array",
    "joint_state_to_array",
    "is_body_id",
    "message_to_people",
    "ns_to_time",
    "people_to_message",
    "person_to_roi",
    "person_to_skeleton2d",
    "pose_array_to_array",
    "samples_to_frame",
    "skeleton2d_to_body",
    "segment_to_annotation",
    "time_to_ns",
    "vector_to_array",
]

SUPPORTED_TYPES: dict[str, str] = {
    "sensor_msgs/msg/Image": "image",
    "sensor_msgs/msg/CompressedImage": "image",
    **dict.fromkeys(VECTOR_TYPES, "vector"),
}
"""ROS type of an input topic: "image" (streams of kind rgb or depth) or "vector"."""
