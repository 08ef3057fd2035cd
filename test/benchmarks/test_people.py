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

"""The measurements of the people front end: they run, and say what they claim."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from mumu_ros.benchmarks import people, people_live, rooms
from mumu_ros.people import WeightsError, find_weights

DATA = Path(os.environ.get("MUMU_UTD_MHAD", Path(__file__).resolve().parents[3] / "shared/data/utd_mhad"))


@pytest.fixture(autouse=True)
def _weights() -> None:
    try:
        find_weights()
    except WeightsError as error:
        pytest.skip(str(error))


def test_what_a_picture_costs_is_told_for_one_person_and_for_several() -> None:
    result = people.measure(argparse.Namespace(video=None, seconds=0.8, threads=1, live=None))
    assert {1, 3} <= set(result["cpu_ms_by_people"])
    assert result["has_depth"]
    assert 0 < result["networks_cpu_ms"]["landmarks"] < result["cpu_ms_by_people"][1]
    assert any("3 in view" in row[0] for row in people.table(result))


def test_a_video_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video file"):
        people.measure(argparse.Namespace(video=tmp_path / "none.mp4", seconds=1.0, threads=1, live=None))


def test_the_running_nodes_are_timed_from_picture_to_activity() -> None:
    result = people_live.measure_live(1, 2.0)
    assert result["decisions"] > 0
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["p99"]
    assert set(result["cpu"]) == set(result["memory_mib"]) == {"simulator", "people", "inference"}
    assert all(len(samples) >= 2 and min(samples) > 0 for samples in result["memory_mib"].values())


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to its folder")
def test_a_real_person_in_a_room_is_found_and_recognised() -> None:
    """One clip: the model has seen this person, so that anything but the right activity is the room's fault."""
    result = rooms.measure(argparse.Namespace(root=str(DATA), model="utd-mhad-dp", clips=1, seed=0))
    assert result["right"]["room"] == 1.0
    assert result["found"]["room"] > 0.9
    assert result["clips"] == 1
    assert len(rooms.table(result)) == 5
