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
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mumu_ros import cli
from mumu_ros.benchmarks import people, people_live, rooms
from mumu_ros.benchmarks.rounds import percentiles
from mumu_ros.people import Person, WeightsError, find_weights
from mumu_ros.recordings.pictures import Shot

from ..conftest import ScriptedFinder

DATA = Path(os.environ.get("MUMU_UTD_MHAD", Path(__file__).resolve().parents[3] / "shared/data/utd_mhad"))


@pytest.fixture(autouse=True)
def _weights() -> None:
    try:
        find_weights()
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.serial
def test_what_a_picture_costs_is_told_for_one_person_and_for_several() -> None:
    result = people.measure(argparse.Namespace(video=None, seconds=0.8, threads=1, live=None))
    assert {1, 3} <= set(result["cpu_ms_by_people"])
    assert result["has_depth"]
    assert 0 < result["networks_cpu_ms"]["landmarks"] < result["cpu_ms_by_people"][1]
    assert any("3 in view" in row[0] for row in people.table(result))


def test_a_video_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no video file"):
        people.measure(argparse.Namespace(video=tmp_path / "none.mp4", seconds=1.0, threads=1, live=None))


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the pictures that were read of a camera, ten a second for long; -1 when it is closed."""
    read: list[int] = []

    def source(_: str) -> Iterator[Shot]:
        try:
            for number in range(1000):
                read.append(number)
                yield Shot(1_700_000_000_000_000_000 + number * 100_000_000, np.zeros((120, 160, 3), np.uint8))
        finally:
            read.append(-1)

    monkeypatch.setattr(people, "open_source", source)
    return read


def test_a_source_is_read_for_so_many_seconds_and_no_further(camera: list[int]) -> None:
    assert len(list(people._video(argparse.Namespace(video=Path("0"), seconds=0.5)))) == 5
    assert camera == [0, 1, 2, 3, 4, 5, -1]


def test_the_pictures_of_a_bag_are_taken_from_its_first_one_on(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    assert cli.main(["simulate", str(bag), "--seconds", "1", "--image-size", "160x120"]) == 0
    shots = list(people._video(argparse.Namespace(video=bag, seconds=0.5)))
    assert 14 <= len(shots) <= 16
    assert shots[-1].stamp_ns - shots[0].stamp_ns < 500_000_000
    assert shots[0].rgb.shape == (480, 640, 3)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run in turn: a front end that finds nobody, and networks."""
    run: list[str] = []

    def views() -> Iterator[list[Person]]:
        while True:
            run.append("front end")
            yield []

    def networks(_: int) -> dict[str, Callable[[], object]]:
        return {name: lambda name=name: run.append(name) for name in ("landmarks", "detector")}  # type: ignore[misc]

    monkeypatch.setattr(people, "PeopleFinder", lambda **_: ScriptedFinder(views=views()))
    monkeypatch.setattr(people, "_network_runs", networks)
    ticks = itertools.count()
    monkeypatch.setattr(people.time, "process_time", lambda: float(next(ticks)))
    return run


def test_the_networks_are_timed_in_turn_with_the_pictures(camera: list[int], turns: list[str]) -> None:
    result = people.measure(argparse.Namespace(video=Path("0"), seconds=0.3, threads=1, live=None))
    assert turns == ["front end", "landmarks", "detector"] * 3
    assert result["networks_cpu_ms"] == {"landmarks": 1000.0, "detector": 1000.0}


def test_where_there_is_no_number_there_is_a_dash(camera: list[int], turns: list[str]) -> None:
    result = people.measure(argparse.Namespace(video=Path("0"), seconds=0.3, threads=1, live=None))
    assert json.loads(json.dumps(result, allow_nan=False))["cpu_ms_further"] is None
    live = {"latency_ms": percentiles([]), "decisions": 0, "cpu": {"people": 0.1}, "memory_mib": {"people": [1.0]}}
    rows = people.table({**result, "live": live})
    assert ["each further person", "–", "–", ""] in rows
    assert ["2 people live: picture to activity", "–", "–", ""] in rows


def test_too_few_pictures_are_refused_with_what_helps(camera: list[int]) -> None:
    with pytest.raises(ValueError, match=r"0 has 1 pictures in 0\.1 s; expected 2 or more: raise --seconds"):
        people.measure(argparse.Namespace(video=Path("0"), seconds=0.1, threads=1, live=None))


@pytest.mark.serial
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


@pytest.mark.parametrize(("trials", "asked", "read"), [(40, 2, 9), (7, 7, 7), (2, 1, 2)])
def test_as_many_clips_are_read_as_are_needed_and_nobody_is_beside_himself(
    trials: int, asked: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _Trials(trials)
    pairs: list[tuple[int, int]] = []

    def scenes(clip: Any, other: Any, _: int) -> dict[str, Any]:
        pairs.append((clip.number, other.number))
        return dict.fromkeys(rooms._CONDITIONS, (np.ones((1, 2, 2)), None))

    monkeypatch.setattr(rooms, "UtdMhad", lambda _: dataset)
    monkeypatch.setattr(rooms, "load_checkpoint", lambda _: SimpleNamespace(id="model"))
    monkeypatch.setattr(rooms, "_scenes", scenes)
    monkeypatch.setattr(rooms, "_through_front_end", lambda *_: [None])
    monkeypatch.setattr(rooms, "_recognised", lambda *_: "wave")
    assert rooms.measure(argparse.Namespace(root="", model="", clips=asked, seed=0))["clips"] == asked
    assert dataset.read_count == read
    assert all(clip != other for clip, other in pairs)


def test_one_trial_has_no_second_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "UtdMhad", lambda _: _Trials(1))
    monkeypatch.setattr(rooms, "load_checkpoint", lambda _: SimpleNamespace(id="model"))
    with pytest.raises(ValueError, match="somewhere has 1 first trials with depth; expected 2 or more"):
        rooms.measure(argparse.Namespace(root="somewhere", model="", clips=1, seed=0))


class _Trials:
    """A dataset of first trials, and how many of them were read."""

    def __init__(self, count: int) -> None:
        self.clips = [(subject, 1, 1) for subject in range(count)]
        self.read_count = 0

    def read(self, subject: int, _action: int, _trial: int) -> Any:
        self.read_count += 1
        return SimpleNamespace(number=subject, depth=np.ones((1, 2, 2)), activity="wave")
