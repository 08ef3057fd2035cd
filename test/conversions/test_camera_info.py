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

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mumu_ros.conversions import ConversionError, camera_info_to_camera

FRAME = "camera_color_optical_frame"


def camera_info(**fields: Any) -> Any:
    values = {
        "header": SimpleNamespace(frame_id=FRAME),
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": np.array([600.0, 0, 310.0, 0, 605.0, 250.0, 0, 0, 1]),
        "p": np.zeros(12),
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
        **fields,
    }
    return SimpleNamespace(**values)


def test_it_is_the_camera_of_its_picture() -> None:
    camera = camera_info_to_camera(camera_info(), 640, 480, FRAME)
    assert (camera.width, camera.height) == (640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600.0, 605.0, 310.0, 250.0)
    assert camera.distortion == ()
    assert not camera.is_nominal


def test_a_resized_picture_is_seen_by_the_same_rays() -> None:
    whole = camera_info_to_camera(camera_info(), 640, 480, FRAME)
    half = camera_info_to_camera(camera_info(), 320, 240, FRAME)
    pixels = np.array([[10.0, 20.0], [200.0, 100.0]])
    np.testing.assert_allclose(half.rays(pixels), whole.rays(2 * pixels), atol=1e-6)


@pytest.mark.parametrize("x_offset", [0, 400, 1280])
def test_a_region_of_interest_may_be_anywhere_on_the_sensor(x_offset: int) -> None:
    whole = {"width": 1920, "height": 1080, "k": np.array([1400.0, 0, 960.0, 0, 1400.0, 540.0, 0, 0, 1])}
    roi = SimpleNamespace(x_offset=x_offset, y_offset=600, width=640, height=480)
    sensor = camera_info_to_camera(camera_info(**whole), 1920, 1080, FRAME)
    region = camera_info_to_camera(camera_info(**whole, roi=roi), 640, 480, FRAME)
    pixels = np.array([[0.0, 0.0], [320.0, 240.0], [640.0, 480.0]])
    np.testing.assert_allclose(region.rays(pixels), sensor.rays(pixels + np.array([x_offset, 600])), atol=1e-6)


@pytest.mark.parametrize(("cx", "cy"), [(-5.0, 250.0), (650.0, 250.0), (310.0, 500.0)])
def test_an_optical_centre_beside_the_sensor_is_refused(cx: float, cy: float) -> None:
    with pytest.raises(ConversionError, match=r"optical centre .* lies outside the sensor of 640×480"):
        camera_info_to_camera(camera_info(k=np.array([600.0, 0, cx, 0, 605.0, cy, 0, 0, 1])), 640, 480, FRAME)


@pytest.mark.parametrize(("distortion", "is_calibrated"), [([0.0] * 5, True), ([], True), ([0.1] * 5, False)])
def test_p_without_k_is_the_matrix_of_a_camera_without_distortion(distortion: list[float], is_calibrated: bool) -> None:
    message = camera_info(k=np.zeros(9), p=np.array([600.0, 0, 320, 0, 0, 600, 240, 0, 0, 0, 1, 0]), d=distortion)
    if is_calibrated:
        assert camera_info_to_camera(message, 640, 480, FRAME, "image_raw").fx == 600
    else:
        with pytest.raises(ConversionError, match="not calibrated"):
            camera_info_to_camera(message, 640, 480, FRAME, "image_raw")


def test_a_region_of_interest_and_binning_are_seen_by_the_same_rays() -> None:
    whole = camera_info_to_camera(camera_info(), 640, 480, FRAME)
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=400, height=300)
    part = camera_info_to_camera(camera_info(roi=roi, binning_x=2, binning_y=2), 200, 150, FRAME)
    pixels = np.array([[10.0, 20.0], [150.0, 100.0]])
    np.testing.assert_allclose(part.rays(pixels), whole.rays(2 * pixels + (100, 60)), atol=1e-6)


def test_without_width_and_height_it_is_of_the_picture() -> None:
    camera = camera_info_to_camera(camera_info(width=0, height=0), 640, 480, FRAME)
    assert camera == camera_info_to_camera(camera_info(), 640, 480, FRAME)


@pytest.mark.parametrize(("sides", "picture"), [({"width": 0}, (640, 480)), ({"width": 0, "height": 0}, (0, 0))])
def test_a_side_of_zero_is_named_with_its_field(sides: dict[str, int], picture: tuple[int, int]) -> None:
    with pytest.raises(ConversionError, match=r"CameraInfo has width 0 and height \d+: set both to those of"):
        camera_info_to_camera(camera_info(**sides), *picture, FRAME)


def test_distortion_is_kept_in_the_order_of_opencv() -> None:
    coefficients = [0.1, -0.2, 0.001, 0.002, 0.05]
    assert camera_info_to_camera(camera_info(d=coefficients), 640, 480, FRAME).distortion == tuple(coefficients)


@pytest.mark.parametrize("count", range(16))
@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial"])
def test_any_number_of_coefficients_makes_a_camera_that_works_or_is_refused(model: str, count: int) -> None:
    info = camera_info(d=[0.01] * count, distortion_model=model)
    if count not in (0, 4, 5, 8, 12, 14) and not (model == "plumb_bob" and count < 4):
        with pytest.raises(ConversionError, match=rf"{count} distortion coefficients .*0\.01.* end of CameraInfo\.d"):
            camera_info_to_camera(info, 640, 480, FRAME)
        return
    camera = camera_info_to_camera(info, 640, 480, FRAME)
    pixels = np.array([[100.0, 120.0], [500.0, 400.0]])
    points = np.column_stack([camera.rays(pixels), np.ones(2)])
    np.testing.assert_allclose(camera.project(points), pixels, atol=0.5)


def test_a_short_plumb_bob_is_filled_up_with_zeros() -> None:
    assert camera_info_to_camera(camera_info(d=[0.1, 0.01]), 640, 480, FRAME).distortion == (0.1, 0.01, 0.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"k": np.zeros(9)}, "focal length 0"),
        ({"k": np.array([1.0, 0, 310.0, 0, 1.0, 250.0, 0, 0, 1])}, "impossible"),
        ({"k": np.array([np.nan, 0, 310.0, 0, 600.0, 250.0, 0, 0, 1])}, "finite"),
        ({"width": 0}, "has width 0 and height 480"),
        ({"width": 640, "height": 360}, "640×360"),
        ({"d": [0.1, 0.1, 0.1, 0.1], "distortion_model": "equidistant"}, "'equidistant' is not supported"),
        ({"header": SimpleNamespace(frame_id="camera_depth_optical_frame")}, "'camera_depth_optical_frame'"),
    ],
)
def test_what_does_not_fit_the_picture_is_refused_by_value(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ConversionError, match=text):
        camera_info_to_camera(camera_info(**fields), 640, 480, FRAME)


P = np.array([440.0, 0, 320.0, 0, 0, 445.0, 240.0, 0, 0, 0, 1, 0])
PLUMB_BOB = {"d": [-0.3, 0.1, 0.0, 0.0, 0.0], "p": P}
EQUIDISTANT = {"d": [0.1, 0.01, 0.0, 0.0], "distortion_model": "equidistant", "p": P}


@pytest.mark.parametrize("lens", [PLUMB_BOB, EQUIDISTANT], ids=["plumb_bob", "equidistant"])
@pytest.mark.parametrize(
    "topic", ["/camera/image_rect", "image_rect_color", "/camera/image_rect_color/compressed", "/left/imageRectified"]
)
def test_of_a_rectified_picture_the_matrix_p_counts_and_no_distortion(topic: str, lens: dict[str, Any]) -> None:
    """REP 104; with whatever lens the raw picture was taken."""
    camera = camera_info_to_camera(camera_info(**lens), 640, 480, FRAME, topic)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (440.0, 445.0, 320.0, 240.0)
    assert camera.distortion == ()


def test_a_part_of_a_rectified_picture_is_seen_by_the_same_rays() -> None:
    whole = camera_info_to_camera(camera_info(**PLUMB_BOB), 640, 480, FRAME, "image_rect")
    roi = SimpleNamespace(x_offset=100, y_offset=60, width=400, height=300)
    info = camera_info(**PLUMB_BOB, roi=roi, binning_x=2, binning_y=2)
    part = camera_info_to_camera(info, 200, 150, FRAME, "image_rect")
    pixels = np.array([[10.0, 20.0], [150.0, 100.0]])
    np.testing.assert_allclose(part.rays(pixels), whole.rays(2 * pixels + (100, 60)), atol=1e-6)


@pytest.mark.parametrize("topic", ["", "/camera/image_raw", "/rect/image_raw/compressed", "/camera/direct_image"])
def test_of_any_other_picture_the_matrix_k_counts_and_the_distortion(topic: str) -> None:
    camera = camera_info_to_camera(camera_info(**PLUMB_BOB), 640, 480, FRAME, topic)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600.0, 605.0, 310.0, 250.0)
    assert camera.distortion == tuple(PLUMB_BOB["d"])


def test_without_the_matrix_p_the_matrix_k_counts() -> None:
    assert camera_info_to_camera(camera_info(), 640, 480, FRAME, "image_rect").fx == 600.0


def test_the_remedy_for_a_lens_that_is_not_supported_helps() -> None:
    with pytest.raises(ConversionError, match="use a rectified picture, of a topic such as image_rect, with P"):
        camera_info_to_camera(camera_info(**EQUIDISTANT), 640, 480, FRAME, "image_raw")
    camera_info_to_camera(camera_info(**EQUIDISTANT), 640, 480, FRAME, "image_rect")
