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

"""Cameras, regions and filters: what goes there comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.people.camera import Camera, CameraError
from mumu_ros.people.filters import OneEuro
from mumu_ros.people.regions import Region, cut

CAMERAS = st.sampled_from(
    [
        Camera.nominal(640, 480),
        Camera(848, 480, 614.0, 614.0, 430.0, 236.0),
        Camera(640, 480, 525.0, 525.0, 319.5, 239.5, (0.1, -0.2, 0.001, -0.001, 0.05)),
    ]
)
PLACES = st.tuples(st.floats(-0.9, 0.9), st.floats(-0.7, 0.7), st.floats(0.4, 8.0))


@given(CAMERAS, PLACES)
def test_a_point_is_seen_along_the_ray_of_its_pixel(camera: Camera, place: tuple[float, float, float]) -> None:
    x, y, z = place
    point = np.array([[x * z / 2, y * z / 2, z]], np.float32)
    np.testing.assert_allclose(camera.rays(camera.project(point)), point[:, :2] / z, atol=2e-3)


@pytest.mark.parametrize(
    "camera",
    [
        Camera(1280, 720, 667.0, 667.0, 640.0, 360.0, (0.9348, 0.1747, 0, 0, 0.0034, 1.2681, 0.3976, 0.0245)),
        Camera(1280, 720, 611.0, 611.0, 640.0, 360.0, (0.8452, 0.1335, 0, 0, 0.002, 1.1784, 0.3269, 0.0166)),
        Camera(640, 576, 504.0, 504.0, 320.0, 330.0, (1.4, 0.9, 0, 0, 0.04, 1.75, 1.35, 0.23)),
        Camera(1280, 800, 570.0, 570.0, 640.0, 400.0, (10, 5, 3e-4, -2e-4, 0.2, 10.3, 8, 1.2, 0, 0, 0, 0, 0, 0)),
        Camera(1280, 720, 910.0, 910.0, 640.0, 360.0, (0.16, -0.5, 0.0, 0.0, 0.45)),
    ],
    ids=["110°", "120°", "Azure Kinect", "OAK-D wide", "RealSense"],
)
def test_every_pixel_is_seen_along_its_ray_also_in_the_corners_of_wide_lenses(camera: Camera) -> None:
    pixels = np.stack(np.meshgrid(np.linspace(0, camera.width, 33), np.linspace(0, camera.height, 19)), axis=-1)
    rays = camera.rays(pixels)
    points = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
    np.testing.assert_allclose(camera.project(points), pixels, atol=0.5)


@given(turn=st.floats(-np.pi, np.pi), off_axis=st.floats(0.0, np.pi / 2))
def test_what_is_outside_the_picture_of_a_wide_lens_is_not_folded_back_into_it(turn: float, off_axis: float) -> None:
    """Its polynomial with three coefficients rises up to 63° and falls behind that; the corners are at 60°."""
    camera = Camera(1280, 720, 658.0, 658.0, 640.0, 360.0, (-0.2633, 0.0673, 0, 0, -0.0074))
    corner = np.arctan(np.linalg.norm(camera.rays(np.zeros(2))))
    ray = np.array([np.cos(turn) * np.sin(off_axis), np.sin(turn) * np.sin(off_axis), np.cos(off_axis)])
    x, y = camera.project(ray)
    is_inside = 0 <= x < camera.width and 0 <= y < camera.height
    assert not is_inside or off_axis < corner + 0.01
    assert is_inside or off_axis > 0.5


@given(CAMERAS, st.sampled_from([0.5, 2.0, 0.25]))
def test_a_smaller_picture_of_the_same_camera_has_the_same_rays(camera: Camera, scale: float) -> None:
    small = camera.resized(round(camera.width * scale), round(camera.height * scale))
    pixels = np.array([[100.0, 50.0], [400.0, 300.0]])
    np.testing.assert_allclose(small.rays(pixels * scale), camera.rays(pixels), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": 0.0}, "focal length"),
        ({"fy": 1e6}, "focal length"),
        ({"cx": -15_000.0}, "optical centre"),
        ({"fx": float("nan")}, "finite"),
        ({"width": 0}, "at least one pixel"),
    ],
)
def test_an_impossible_camera_is_refused(change: dict[str, float], message: str) -> None:
    values = {"width": 640, "height": 480, "fx": 525.0, "fy": 525.0, "cx": 320.0, "cy": 240.0} | change
    with pytest.raises(CameraError, match=message):
        Camera(**values)  # type: ignore[arg-type]


def test_a_camera_of_another_aspect_is_refused() -> None:
    with pytest.raises(CameraError, match="640×480, the picture has 640×360"):
        Camera.nominal(640, 480).resized(640, 360)


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(40, 600))
def test_a_region_is_cut_so_that_the_person_stands_upright(angle: float, size: float) -> None:
    """What lies towards the top of the person is in the middle of the upper edge."""
    picture = np.zeros((600, 600, 3), np.uint8)
    region = Region(300.0, 300.0, size, angle)
    x, y = region.to_picture(np.array([0.5, 0.25]))
    if not (20 < x < 580 and 20 < y < 580):
        return
    radius = max(3, int(size / 20))
    picture[int(y) - radius : int(y) + radius + 1, int(x) - radius : int(x) + radius + 1] = 255
    square = cut(picture, region, 64)
    rows, columns = np.nonzero(square[..., 0] > 127)
    assert rows.mean() == pytest.approx(16, abs=2.5)
    assert columns.mean() == pytest.approx(32, abs=2.5)


def test_the_filter_calms_what_is_still_and_follows_what_is_fast() -> None:
    rng = np.random.default_rng(0)
    calm, fast = OneEuro(1.0, 2.0), OneEuro(1.0, 2.0)
    noise = rng.normal(scale=0.02, size=(90, 3)).astype(np.float32)
    ramp = np.linspace(0, 6, 90, dtype=np.float32)[:, np.newaxis] + noise  # 2 m/s at 30 Hz
    still = [calm.update(int(k / 30 * 1e9), n) for k, n in enumerate(noise)]
    followed = [fast.update(int(k / 30 * 1e9), n) for k, n in enumerate(ramp)]
    assert np.std(still[30:]) < 0.5 * np.std(noise[30:])
    assert np.abs(followed[-1] - ramp[-1]).max() < 0.12  # less than two frames


def test_what_is_not_seen_stays_unseen_and_begins_anew() -> None:
    smooth = OneEuro(1.0, 1.0)
    one, gone, far = (np.array([v], np.float32) for v in (1.0, np.nan, 5.0))
    smooth.update(0, one)
    assert np.isnan(smooth.update(33_000_000, gone)).all()
    assert smooth.update(66_000_000, far) == far
