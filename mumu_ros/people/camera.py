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

"""The geometry of a camera: pixels to rays and back."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Camera", "CameraError"]

_NOMINAL_FOCAL = 0.9
"""Focal length in widths of the picture where nothing is known: 58° across. Kinect has 0.89, RealSense 0.72 to 0.96."""
_COEFFICIENTS = (0, 4, 5, 8, 12, 14)
"""How many distortion coefficients OpenCV takes."""
_FARTHEST = 20
"""The optical centre of a small region of a large sensor is this many pictures away, at most."""
_STEPS, _PRECISE = 20, 1e-4
"""Newton steps towards a ray, at most, and how near is near enough: a fifth of a millimetre at 2 m."""
_BEYOND = 1.02
"""So far from the axis, in distances of the farthest corner's ray, the model of a lens says nothing more."""


class CameraError(ValueError):
    """An impossible camera matrix, or one that does not match the picture; the message contains it and the remedy."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with lens distortion, as sensor_msgs/CameraInfo describes it.

    Attributes:
        width: Of its pictures, pixels.
        height: Of its pictures, pixels.
        fx: Focal length, pixels.
        fy: Focal length, pixels.
        cx: Optical centre, pixels; outside the picture where that is a region of the sensor.
        cy: The same.
        distortion: OpenCV's coefficients (k1, k2, p1, p2, k3, …); empty: none.
        is_nominal: Whether it is a guess, for lack of a CameraInfo.

    Raises:
        CameraError: A value is impossible.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    is_nominal: bool = False

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if self.width < 1 or self.height < 1 or not np.isfinite(numbers).all():
            raise CameraError(f"{self}: expected a picture of at least one pixel and finite numbers")
        if not (0.1 * self.width < self.fx < 20 * self.width and 0.1 * self.height < self.fy < 20 * self.height):
            raise CameraError(
                f"focal length ({self.fx:g}, {self.fy:g}) pixels is impossible for a picture of "
                f"{self.width}×{self.height}; is the camera calibrated (CameraInfo.k)?"
            )
        if max(abs(self.cx) / self.width, abs(self.cy) / self.height) > _FARTHEST:
            raise CameraError(
                f"optical centre ({self.cx:g}, {self.cy:g}) is impossible for a picture of {self.width}×{self.height}"
            )
        if len(self.distortion) not in _COEFFICIENTS:
            raise CameraError(
                f"{len(self.distortion)} distortion coefficients {self.distortion}; OpenCV takes 4, 5, 8, 12 or 14: "
                "add or remove zeros at the end of CameraInfo.d"
            )

    @classmethod
    def nominal(cls, width: int, height: int) -> Camera:
        """A guess for a camera of which nothing is known."""
        focal = _NOMINAL_FOCAL * max(width, height)
        return cls(width, height, focal, focal, width / 2, height / 2, is_nominal=True)

    def resized(self, width: int, height: int) -> Camera:
        """The camera of the same picture at another resolution.

        Raises:
            CameraError: The picture has another aspect: it is cropped, or of another camera.
        """
        if (width, height) == (self.width, self.height):
            return self
        x, y = width / self.width, height / self.height
        if abs(x / y - 1) > 0.01:
            raise CameraError(
                f"the camera matrix is for {self.width}×{self.height}, the picture has {width}×{height}, another "
                "aspect; use the CameraInfo that belongs to this picture"
            )
        return Camera(
            width, height, self.fx * x, self.fy * y, self.cx * x, self.cy * y, self.distortion, self.is_nominal
        )

    def rays(self, pixels: NDArray[np.floating]) -> NDArray[np.float32]:
        """Where pixels look: (…, 2) pixels to (…, 2) x / z and y / z in the optical frame (REP 103); NaN stays."""
        seen = (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        if self.distortion and seen.size:
            flat = seen.reshape(-1, 2)
            found = self._undistorted(np.nan_to_num(flat))
            seen = np.where(np.isnan(flat).any(axis=1, keepdims=True), np.nan, found).reshape(pixels.shape)
        return seen.astype(np.float32)

    def project(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Where points are seen: (…, 3) metres in the optical frame to (…, 2) pixels.

        NaN behind the camera; with distortion also where points are farther from the axis than the picture's corners:
        the polynomial of a wide lens would fold them back into the picture.
        """
        flat = np.asarray(points, np.float64).reshape(-1, 3)
        z = np.where(flat[:, 2:] > 0.01, flat[:, 2:], np.nan)
        rays = flat[:, :2] / z
        if self.distortion and rays.size:
            is_seen = np.linalg.norm(rays, axis=1, keepdims=True) <= _BEYOND * self._widest
            rays = np.where(is_seen, self._distorted(np.nan_to_num(rays))[0], np.nan)
        pixels = rays * (self.fx, self.fy) + (self.cx, self.cy)
        return pixels.reshape(*points.shape[:-1], 2).astype(np.float32)

    @functools.cached_property
    def _widest(self) -> float:
        """How far from the axis the picture's corners are, x / z and y / z."""
        corners = np.array([(x, y) for x in (0.0, self.width) for y in (0.0, self.height)])
        return float(np.linalg.norm(self.rays(corners), axis=1).max())

    def _undistorted(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rays, (N, 2), that the lens bends to these; of one that no ray is bent to, a ray that comes near.

        OpenCV stops after five steps, which is too early towards the corners of wide lenses. From there on it is
        Newton's method, from the ray as it is seen; steps that lead farther off are halved, else they would end beyond
        where the polynomial folds.
        """
        found = cv2.undistortPoints(seen[:, np.newaxis], np.eye(3), np.array(self.distortion))
        found = np.asarray(found, np.float64).reshape(-1, 2)
        if np.abs(self._distorted(found)[0] - seen).max() < _PRECISE:
            return found
        rays, share = seen, np.ones((len(seen), 1))
        bent, slopes = self._distorted(rays)
        for _ in range(_STEPS):
            off = seen - bent
            if np.abs(off).max() < _PRECISE:
                break
            turned = slopes.transpose(0, 2, 1)
            # Least squares: at the fold a slope is zero.
            step = np.linalg.solve(turned @ slopes + 1e-9 * np.eye(2), turned @ off[:, :, np.newaxis])[:, :, 0]
            tried = rays + share * step
            tried_bent, tried_slopes = self._distorted(tried)
            is_nearer = (((seen - tried_bent) ** 2).sum(axis=1) < (off**2).sum(axis=1))[:, np.newaxis]
            rays, bent = np.where(is_nearer, tried, rays), np.where(is_nearer, tried_bent, bent)
            slopes = np.where(is_nearer[:, :, np.newaxis], tried_slopes, slopes)
            share = np.where(is_nearer, 1.0, share / 2)
        return rays

    def _distorted(self, rays: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the lens bends rays, (N, 2) to (N, 2), and the derivatives, (N, 2, 2)."""
        lifted, zero = np.column_stack([rays, np.ones(len(rays))]), np.zeros(3)
        found = cv2.projectPoints(lifted, zero, zero, np.eye(3), np.array(self.distortion))
        bent, slopes = (np.asarray(part, np.float64) for part in found[:2])
        return bent.reshape(-1, 2), slopes[:, 3:5].reshape(-1, 2, 2)  # by the translation along x and y
