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

"""A small recording with a camera, an IMU and an annotation, shown to the label page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.conversions import array_to_image, array_to_imu, segment_to_annotation
from mumu_ros.labelling.footage import Footage
from mumu_ros.recordings import Recording, RecordingWriter

S = 1_000_000_000
START_NS = 1_700_000_000 * S
FRAMES = 120
PERIOD_NS = S // 10
"""12 s at 10 Hz."""


@pytest.fixture
def write_bag() -> Callable[..., Path]:
    """write_bag(path, stamp_ns=…): frame i is of grey 2·i, IMU samples ramp; `stamp_ns` makes stamps of log times."""

    def write(path: Path, stamp_ns: Callable[[int], int] = lambda logged_ns: logged_ns) -> Path:
        with RecordingWriter(path) as writer:
            note = segment_to_annotation(START_NS + S, START_NS + 3 * S, "gesture", "wave", writer.types)
            writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + S)
            for index in range(FRAMES):
                logged_ns = START_NS + index * PERIOD_NS
                pixels = np.full((48, 64, 3), 2 * index, np.uint8)
                image = array_to_image(pixels, stamp_ns(logged_ns), "camera", writer.types)
                writer.write("/camera", "sensor_msgs/msg/Image", image, logged_ns)
                for part in range(5):
                    at_ns = logged_ns + part * PERIOD_NS // 5
                    imu = array_to_imu(np.full((2, 3), index + part / 5), stamp_ns(at_ns), "wrist", writer.types)
                    writer.write("/imu", "sensor_msgs/msg/Imu", imu, at_ns)
        return path

    return write


@pytest.fixture
def bag(write_bag: Callable[..., Path], tmp_path: Path) -> Path:
    return write_bag(tmp_path / "kitchen")


@pytest.fixture
def footage(bag: Path) -> Iterator[Footage]:
    with Recording(bag) as recording:
        yield Footage(recording)
