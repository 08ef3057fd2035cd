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

"""The film that `mumu recognize --out` writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mumu_ros.recognize.cli import _Film
from mumu_ros.recordings.pictures import Shot

START_NS = 10**18


def film(path: Path, times_s: Sequence[float]) -> tuple[float, int]:
    """Write pictures of these times; the rate of the film, and how many it has."""
    with _Film(path) as written:
        for time_s in times_s:
            written.write(Shot(START_NS + round(time_s * 1e9), np.zeros((48, 64, 3), np.uint8)), [], {})
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return capture.get(cv2.CAP_PROP_FPS), count


@pytest.mark.parametrize(
    ("times_s", "rate_hz"),
    [
        ([k / 20 for k in range(30)], 20.0),
        ([0.0, *(2.0 + k / 10 for k in range(30))], 10.0),  # a live camera, while the networks warm up
        ([k / 25 + (0.4 if k > 5 else 0.0) for k in range(30)], 25.0),  # a pause among the first pictures
        ([0.0, 0.05, 0.1], 20.0),  # fewer than the rate is taken from
        ([0.0, 0.05], 20.0),
        ([0.0], 10.0),
        ([3.0, 2.0, 1.0], 240.0),  # time that runs backwards
    ],
)
def test_a_film_has_all_pictures_and_their_usual_rate(tmp_path: Path, times_s: list[float], rate_hz: float) -> None:
    rate, count = film(tmp_path / "film.mp4", times_s)
    assert rate == pytest.approx(rate_hz, rel=1e-3)
    assert count == len(times_s)


def test_without_pictures_there_is_no_film(tmp_path: Path) -> None:
    with _Film(tmp_path / "film.mp4"):
        pass
    assert not (tmp_path / "film.mp4").exists()
