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

import numpy as np
import pytest

from mumu_ros.simulation import GROUP_OF, Simulator
from mumu_ros.simulation.renderer import DEPTH_RANGE_MM

SIZE = (240, 320)


@pytest.fixture(scope="module")
def simulator():
    return Simulator(seed=1, subject=2, seconds=0.2, activities=["stand"], image_size=SIZE)


@pytest.fixture(scope="module")
def frames(simulator):
    samples = list(simulator.samples())
    return {name: [s.data for s in samples if s.stream == name] for name in ("rgb", "depth")}


def _pixel(simulator, point):
    (x, y), depth = simulator.camera.project(np.array(point))
    return round(float(y)), round(float(x)), float(depth)


def test_camera_axes_are_an_optical_frame(simulator):
    camera = simulator.camera
    assert np.allclose(camera.axes @ camera.axes.T, np.eye(3))
    assert np.linalg.det(camera.axes) == pytest.approx(1)
    left, right = (camera.project(np.array((0.0, y, 1.0)))[0][0] for y in (-0.5, 0.5))
    low, high = (camera.project(np.array((0.0, 0.0, z)))[0][1] for z in (0.5, 1.5))
    assert left < right
    assert high < low


def test_rays_lead_back_to_the_pixels_they_came_from(simulator):
    camera = simulator.camera
    pixels, depth = camera.project(camera.position + 3.0 * camera.rays())
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    assert np.allclose(pixels, np.stack((columns, rows), axis=-1))
    assert np.allclose(depth, 3.0)


def test_depth_of_the_floor_is_its_geometry(simulator, frames):
    row, column, depth = _pixel(simulator, (0.75, 0.6, 0.0))
    measured = np.stack(frames["depth"])[:, row - 2 : row + 3, column - 2 : column + 3]
    assert np.median(measured) / 1000 == pytest.approx(depth, abs=0.03)


def test_depth_of_the_chest_is_a_little_before_its_axis(simulator, frames):
    chest = simulator.pose(np.array([0.1])).position("chest")[0] - (0, 0, 0.15)
    row, column, depth = _pixel(simulator, chest)
    measured = np.median(frames["depth"][3][row - 2 : row + 3, column - 2 : column + 3]) / 1000
    assert depth - 0.2 < measured < depth


def test_the_nearer_hides_the_farther():
    """A carried box is seen between the hands, not the body behind it."""
    simulator = Simulator(seed=1, subject=2, seconds=0.2, activities=["carry_light"], image_size=SIZE)
    image = next(sample.data for sample in simulator.samples() if sample.stream == "depth")
    pose = simulator.pose(np.array([0.006]))
    hands = 0.5 * (pose.position("dominant_hand")[0] + pose.position("off_hand")[0])
    row, column, depth = _pixel(simulator, hands)
    measured = np.median(image[row - 2 : row + 3, column - 2 : column + 3]) / 1000
    assert depth - 0.3 < measured < depth


def test_depth_readings_lie_in_the_sensors_range_or_are_missing(frames):
    readings = np.stack(frames["depth"])
    present = readings[readings > 0]
    assert DEPTH_RANGE_MM[0] <= present.min() <= present.max() <= DEPTH_RANGE_MM[1]
    assert 0.7 < len(present) / readings.size < 1.0


def test_the_person_is_where_the_body_is(simulator, frames):
    """Where the person differs from the empty room, and nowhere far from the joints."""
    joints, _ = simulator.camera.project(simulator.pose(np.array([0.1])).positions[0])
    low, high = joints.min(axis=0) - 15, joints.max(axis=0) + 15
    _, depth = simulator.room.view(simulator.camera)
    seen = frames["depth"][3].astype(float)
    rows, columns = np.nonzero((seen > 0) & (seen < 1000 * depth - 250))
    assert len(rows) > 1000
    assert low[0] <= columns.min() <= columns.max() <= high[0]
    assert low[1] <= rows.min() <= rows.max() <= high[1]


@pytest.mark.parametrize("activity", GROUP_OF)
def test_people_of_all_sizes_stay_in_view(activity):
    small = (24, 32)
    for subject in range(8):
        simulator = Simulator(
            seed=subject,
            subject=subject,
            seconds=4,
            activities=[activity],
            segment_s=(4, 4),
            image_size=small,
        )
        joints, _ = simulator.camera.project(simulator.pose(np.arange(0, 4, 0.1)).positions)
        inside = ((joints >= 0) & (joints < (small[1], small[0]))).all(axis=-1)
        assert inside.mean() > 0.97
