"""sensor_msgs/CameraInfo to the geometry of a camera."""

from __future__ import annotations

from typing import Any

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.people.camera import Camera, CameraError

__all__ = ["camera_info_to_camera"]

_MODELS = ("plumb_bob", "rational_polynomial", "")
_COEFFICIENTS = (0, 4, 5, 8, 12, 14)
"""So many distortion coefficients OpenCV's model takes."""


def camera_info_to_camera(msg: Any) -> Camera:
    """Return the camera that a sensor_msgs/msg/CameraInfo describes, of rclpy or rosbags.

    Raises:
        ConversionError: The camera is not calibrated, the matrix is impossible, or the lens has another model than
            plumb_bob or rational_polynomial.
    """
    fx, _, cx, _, fy, cy, *_ = (float(v) for v in (msg.k if hasattr(msg, "k") else msg.K))
    if fx == 0:
        raise ConversionError("CameraInfo has no camera matrix (k is 0): the camera is not calibrated")
    distortion = tuple(float(v) for v in (msg.d if hasattr(msg, "d") else msg.D))
    if any(distortion) and (msg.distortion_model not in _MODELS or len(distortion) not in _COEFFICIENTS):
        raise ConversionError(
            f"CameraInfo has distortion_model {msg.distortion_model!r} with {len(distortion)} coefficients; "
            f"expected one of {', '.join(m for m in _MODELS if m)}: use the rectified picture (image_rect)"
        )
    try:
        return Camera(int(msg.width), int(msg.height), fx, fy, cx, cy, distortion if any(distortion) else ())
    except CameraError as error:
        raise ConversionError(f"CameraInfo cannot be meant: {error}") from error
