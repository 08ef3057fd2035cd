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

from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment

TRUTH = Truth([TruthSegment(100, 200, "walk"), TruthSegment(0, 100, "stand"), TruthSegment(250, 300, "")])


def test_the_truth_of_a_recognition_is_the_activity_at_its_stamp() -> None:
    stamps = {0: "stand", 99: "stand", 100: "walk", 199: "walk", 200: None, 260: None, 300: None, -1: None}
    assert {stamp: TRUTH.label(Recognition(stamp - 50, stamp, "x")) for stamp in stamps} == stamps


def test_a_window_is_inside_where_no_boundary_cuts_it() -> None:
    assert TRUTH.is_inside(Recognition(100, 150, "walk"))
    assert not TRUTH.is_inside(Recognition(99, 150, "walk"))
    assert not TRUTH.is_inside(Recognition(210, 240, "walk"))


def test_a_segment_that_is_announced_twice_counts_once() -> None:
    assert Truth([TruthSegment(0, 9, "a")] * 2).at(5) == TruthSegment(0, 9, "a")
