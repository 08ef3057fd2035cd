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

"""The score of following people, on cases whose answer is plain, and the tracker on people who cross."""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pytest

from mumu_ros.benchmarks import tracking
from mumu_ros.benchmarks.tracking import TrackScore
from mumu_ros.people import Person
from mumu_ros.people.landmarks import TORSO


def person(body_id: str, column: float, share: float = 1.0) -> Person:
    """Somebody whose torso is 50 pixels long, at a column of the picture."""
    keypoints = np.full((33, 2), (column, 100.0), np.float32)
    keypoints[TORSO] = [(column + 10, 60), (column - 10, 60), (column + 10, 110), (column - 10, 110)]
    return Person(
        body_id, share, (0, 0, 0, 0), keypoints, np.ones((33, 3), np.float32), np.ones(33, np.float32), "depth"
    )


def named(body_id: str, other: Person) -> Person:
    return replace(other, body_id=body_id, confidence=0.9)


@pytest.fixture
def score() -> TrackScore:
    return TrackScore()


def test_whoever_keeps_an_id_is_followed(score: TrackScore) -> None:
    for t in range(10):
        a, b = person("sim01", 100 + 10 * t), person("sim02", 300 - 10 * t)
        score.see(t / 10, [a, b], [named("right", b), named("left", a)])
    result = score.result()
    assert (result["id_switches"], result["fragments"], result["found_share"], result["ids"]) == (0, 0, 1.0, 2)
    assert (result["extra_share"], result["pixels_p50"], result["position_m_p50"]) == (0, 0, 0)


def test_two_who_exchange_their_ids_are_two_switches(score: TrackScore) -> None:
    a, b = person("sim01", 100), person("sim02", 300)
    score.see(0.0, [a, b], [named("x", a), named("y", b)])
    score.see(0.1, [a, b], [named("y", a), named("x", b)])
    score.see(0.2, [a, b], [named("y", a), named("x", b)])
    assert score.result()["id_switches"] == 2


@pytest.mark.parametrize(("away_s", "switches"), [(0.5, 1), (3.0, 0)])
def test_a_new_id_after_a_second_out_of_sight_is_no_switch(score: TrackScore, away_s: float, switches: int) -> None:
    a = person("sim01", 100)
    score.see(0.0, [a], [named("x", a)])
    score.see(away_s / 2, [replace(a, confidence=0.0)], [])
    score.see(away_s, [a], [named("y", a)])
    assert score.result()["id_switches"] == switches


def test_to_inherit_anothers_id_is_a_switch_even_after_a_long_time(score: TrackScore) -> None:
    a, b = person("sim01", 100), person("sim02", 100)
    score.see(0.0, [a], [named("x", a)])
    score.see(9.0, [replace(a, confidence=0.0), b], [named("x", b)])
    assert score.result()["id_switches"] == 1


def test_who_is_followed_stays_paired_when_somebody_else_comes_nearer(score: TrackScore) -> None:
    a, b = person("sim01", 100), person("sim02", 120)
    score.see(0.0, [a, b], [named("x", a), named("y", b)])
    score.see(0.1, [a, b], [named("x", person("", 115)), named("y", person("", 105))])
    assert score.result()["id_switches"] == 0


def test_losses_and_inventions_are_counted_apart(score: TrackScore) -> None:
    a = person("sim01", 100)
    score.see(0.0, [a], [named("x", a), named("chair", person("", 400))])
    for t in range(1, 11):
        score.see(t / 10, [a], [])
    score.see(1.1, [a], [named("x", a)])
    result = score.result()
    assert (result["found_share"], result["fragments"], result["id_switches"]) == (round(2 / 12, 4), 1, 0)
    assert result["extra_share"] == round(1 / 12, 4)


def test_whoever_is_mostly_hidden_need_not_be_found(score: TrackScore) -> None:
    score.see(0.0, [person("sim01", 100, share=0.3)], [])
    assert score.result()["found_share"] == 0  # of nobody
    score.see(0.1, [person("sim02", 100)], [named("x", person("", 100))])
    assert score.result()["found_share"] == 1


def test_the_tracker_follows_three_people_who_cross() -> None:
    """A short version of what docs/benchmarks.md reports."""
    result = tracking.measure(argparse.Namespace(pictures=False, people=3, seconds=30.0, seed=1))
    assert result["found_share"] > 0.9
    assert result["id_switches"] <= 1
    assert result["extra_share"] < 0.05
