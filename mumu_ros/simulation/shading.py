"""Depth images drawn as pictures, so that what looks for people in colour pictures can look at depth."""

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["shade"]

_Grey = npt.NDArray[np.float32]

_LIGHT = np.array((0.1, -0.25, 1.0)) / np.linalg.norm((0.1, -0.25, 1.0))
"""From the surface to the light, in the camera's optical frame with z turned round: just above the camera."""
_AMBIENT = 0.4
_LIT_TO_MM = 2600
"""What is nearer is fully lit; the light falls off with the square of the distance."""
_BRIGHTEST = 235.0
_COLOUR = (1.0, 0.88, 0.78)
_DISPARITY_PER_MM = 1e6
"""Smoothing is done in 10⁶ / millimetres: a depth sensor's noise is the same everywhere in it."""
_NOISE = 6.0
_FARTHEST = _DISPARITY_PER_MM / 16000


def shade(depth: npt.NDArray[np.uint16], *, focal: float = 0.89, scale: int = 3) -> npt.NDArray[np.uint8]:
    """Draw a depth image as a surface lit from the camera.

    Args:
        depth: (H, W) uint16 millimetres, 0 where there is no reading: a plain backdrop is drawn there.
        focal: Focal length in widths of the picture.
        scale: How much larger the picture is.

    Returns:
        (scale × H, scale × W, 3) uint8, RGB.
    """
    filled = depth
    for _ in range(2):
        filled = np.where(filled > 0, filled, cv2.medianBlur(filled, 5)).astype(np.uint16)
    seen = filled > 0
    disparity = np.where(seen, _DISPARITY_PER_MM / np.maximum(filled, 1), 0).astype(np.float32)
    for _ in range(2):
        disparity = cv2.bilateralFilter(disparity, 9, _NOISE, 3).astype(np.float32)
    smooth = (_DISPARITY_PER_MM / np.maximum(disparity, _FARTHEST)).astype(np.float32)
    light = np.clip((_LIT_TO_MM / smooth) ** 2, 0.25, 1.15)
    surface = _BRIGHTEST * light * (_AMBIENT + (1 - _AMBIENT) * _lambert(smooth, focal))
    backdrop = np.linspace(90, 130, len(depth), dtype=np.float32)[:, None]
    grey = np.where(seen, surface, backdrop).astype(np.float32)
    large = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)[..., None]
    return np.clip(large * np.array(_COLOUR, np.float32), 0, 255).astype(np.uint8)


def _lambert(depth_mm: _Grey, focal: float) -> _Grey:
    """Cosine between the surface's normal and the light, at least 0."""
    pixel_mm = depth_mm / (focal * depth_mm.shape[1])
    x, y = (cv2.Sobel(depth_mm, cv2.CV_32F, *order, ksize=3) / 8 / pixel_mm for order in ((1, 0), (0, 1)))
    facing = (_LIGHT[2] - x * _LIGHT[0] - y * _LIGHT[1]) / np.sqrt(x**2 + y**2 + 1)
    return np.asarray(np.maximum(facing, 0), np.float32)
