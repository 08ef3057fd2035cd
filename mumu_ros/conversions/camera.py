"""sensor_msgs/msg/CameraInfo to the camera of a picture."""

from __future__ import annotations

from typing import Any

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.people.camera import Camera, CameraError

__all__ = ["camera_info_to_camera"]

_DISTORTION_MODELS = ("plumb_bob", "rational_polynomial", "thin_prism")
"""Those whose coefficients are OpenCV's, in its order."""


def camera_info_to_camera(msg: Any, width: int, height: int, frame_id: str) -> Camera:
    """Return the camera that took a picture.

    A region of interest and binning are taken into account; a picture of another resolution and the same aspect is
    taken for a resized one.

    Args:
        msg: The message, of rclpy or rosbags.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        frame_id: Of the picture.

    Raises:
        ConversionError: The camera is not calibrated, or the message belongs to another picture.
    """
    if msg.header.frame_id and frame_id and msg.header.frame_id != frame_id:
        raise ConversionError(
            f"CameraInfo is of frame {msg.header.frame_id!r}, the picture of {frame_id!r}; use the CameraInfo beside "
            "the picture's topic"
        )
    fx, _, cx, _, fy, cy = (float(value) for value in msg.k[:6])
    if not fx or not fy:
        raise ConversionError("CameraInfo has focal length 0: the camera is not calibrated")
    if any(msg.d) and msg.distortion_model not in _DISTORTION_MODELS:
        raise ConversionError(
            f"distortion model {msg.distortion_model!r} is not supported; use a rectified picture, or one of "
            f"{', '.join(_DISTORTION_MODELS)}"
        )
    binning_x, binning_y = max(1, msg.binning_x), max(1, msg.binning_y)
    try:
        camera = Camera(
            width=(msg.roi.width or msg.width) // binning_x,
            height=(msg.roi.height or msg.height) // binning_y,
            fx=fx / binning_x,
            fy=fy / binning_y,
            cx=(cx - msg.roi.x_offset) / binning_x,
            cy=(cy - msg.roi.y_offset) / binning_y,
            distortion=tuple(float(value) for value in msg.d) if any(msg.d) else (),
        )
        return camera.resized(width, height)
    except CameraError as error:
        raise ConversionError(str(error)) from error
