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

"""sensor_msgs/msg/CameraInfo to the camera of a picture and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.messages import MessageTypes, make_header
from mumu_ros.conversions.transports import raw_topic
from mumu_ros.people.camera import Camera, CameraError

__all__ = ["camera_info_size", "camera_info_to_camera", "camera_to_camera_info"]

_DISTORTION_MODELS = ("plumb_bob", "rational_polynomial", "thin_prism")
"""Those whose coefficients are OpenCV's, in its order."""
_RECTIFIED = re.compile("(?<![a-z])rect|Rect")
"""As in image_rect, image_rect_color and imageRectified, but not in direct_image."""


def camera_info_size(msg: Any) -> tuple[int, int]:
    """Width and height in pixels of the pictures that a CameraInfo describes, after its ROI and binning."""
    width, height = msg.roi.width or msg.width, msg.roi.height or msg.height
    return width // max(1, msg.binning_x), height // max(1, msg.binning_y)


def camera_info_to_camera(msg: Any, width: int, height: int, frame_id: str, picture_topic: str = "") -> Camera:
    """Return the camera that took a picture of this width and height in pixels.

    A region of interest and binning are taken into account; a picture of another resolution and the same aspect is
    taken for a resized one, and a CameraInfo without width and height for one of this picture. A picture is taken for
    a rectified one where the name of its topic says so, as those of image_proc do (image_rect,
    image_rect_color/compressed).

    Raises:
        ConversionError: The camera is not calibrated, or the message belongs to another picture.
    """
    if msg.header.frame_id and frame_id and msg.header.frame_id != frame_id:
        raise ConversionError(
            f"CameraInfo is of frame {msg.header.frame_id!r}, the picture of {frame_id!r}; use the CameraInfo beside "
            "the picture's topic"
        )
    (fx, fy, cx, cy), distortion = _lens(msg, picture_topic)
    binning_x, binning_y = max(1, msg.binning_x), max(1, msg.binning_y)
    size = camera_info_size(msg)
    if size == (0, 0):  # from a driver that fills in the matrices only
        size = width, height
    if 0 in size:
        raise ConversionError(
            f"CameraInfo has width {msg.width} and height {msg.height}: set both to those of the calibrated picture"
        )
    if not (0 <= cx <= (msg.width or np.inf) and 0 <= cy <= (msg.height or np.inf)):
        raise ConversionError(
            f"optical centre ({cx:g}, {cy:g}) of CameraInfo lies outside the sensor of {msg.width}×{msg.height} pixels"
        )
    try:
        camera = Camera(
            *size,
            fx=fx / binning_x,
            fy=fy / binning_y,
            cx=(cx - msg.roi.x_offset) / binning_x,
            cy=(cy - msg.roi.y_offset) / binning_y,
            distortion=distortion,
        )
        return camera.resized(width, height)
    except CameraError as error:
        raise ConversionError(str(error)) from error


def _lens(msg: Any, picture_topic: str) -> tuple[tuple[float, float, float, float], tuple[float, ...]]:
    """fx, fy, cx and cy of the whole sensor in pixels, and the distortion's coefficients.

    REP 104: K and D are of the raw picture; P is of the rectified one, which has no distortion left.
    """
    has_p, has_k = msg.p[0] and msg.p[5], msg.k[0] and msg.k[4]
    if has_p and (_is_rectified(picture_topic) or not (has_k or any(msg.d))):
        return (float(msg.p[0]), float(msg.p[5]), float(msg.p[2]), float(msg.p[6])), ()
    fx, _, cx, _, fy, cy = (float(value) for value in msg.k[:6])
    if not fx or not fy:
        raise ConversionError("CameraInfo has focal length 0: the camera is not calibrated")
    if not any(msg.d):
        return (fx, fy, cx, cy), ()
    if msg.distortion_model not in _DISTORTION_MODELS:
        raise ConversionError(
            f"distortion model {msg.distortion_model!r} is not supported; use a rectified picture, of a topic such as "
            f"image_rect, with P in its CameraInfo (REP 104), or one of {', '.join(_DISTORTION_MODELS)}"
        )
    distortion = [float(value) for value in msg.d]
    if msg.distortion_model == "plumb_bob":  # by hand often k1 and k2 only, and OpenCV takes no less than four
        distortion += [0.0] * (4 - len(distortion))
    return (fx, fy, cx, cy), tuple(distortion)


def _is_rectified(topic: str) -> bool:
    return bool(_RECTIFIED.search(raw_topic(topic).rpartition("/")[2]))


def camera_to_camera_info(camera: Camera, stamp_ns: int, frame_id: str, types: MessageTypes) -> Any:
    """Return a camera as sensor_msgs/msg/CameraInfo, without rectification."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    return types.message(
        "sensor_msgs/msg/CameraInfo",
        header=make_header(stamp_ns, frame_id, types),
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=types.sequence(np.array(camera.distortion or (0.0,) * 5)),
        k=np.array((fx, 0, cx, 0, fy, cy, 0, 0, 1), np.float64),
        r=np.eye(3).ravel(),
        p=np.array((fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0), np.float64),
        binning_x=0,
        binning_y=0,
        roi=types.message(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )
