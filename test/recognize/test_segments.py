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

"""Decisions become what somebody did from when to when."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.recognize.segments import Labelled, Segment, segments

LABELS = st.lists(st.sampled_from(["wave", "sit", "unknown"]), min_size=1, max_size=40)


def labelled(labels: list[str], window_s: float = 2.0, period_s: float = 0.2) -> list[Labelled]:
    """Decisions about growing, then sliding windows."""
    ends = [(k + 1) * period_s for k in range(len(labels))]
    return [Labelled(max(0.0, end - window_s), end, label, 0.5) for end, label in zip(ends, labels, strict=True)]


@given(LABELS)
def test_segments_follow_each_other_without_gaps_from_the_first_to_the_last_moment(labels: list[str]) -> None:
    decisions = labelled(labels)
    rows = segments({"anna": decisions})["anna"]
    assert rows[0].from_s == decisions[0].start_s
    assert rows[-1].to_s == decisions[-1].end_s
    for one, other in itertools.pairwise(rows):
        assert one.to_s == other.from_s
        assert one.from_s <= one.to_s
        assert one.activity != other.activity


@given(LABELS)
def test_every_change_is_a_border(labels: list[str]) -> None:
    rows = segments({"anna": labelled(labels)})["anna"]
    changes = sum(a != b for a, b in itertools.pairwise(labels))
    assert len(rows) == changes + 1
    assert rows[0].confidence == pytest.approx(0.5)


def test_a_change_is_where_the_middles_of_the_windows_are() -> None:
    decisions = [Labelled(0, 2, "sit", 1.0), Labelled(1, 3, "stand", 0.8), Labelled(2, 4, "stand", 0.6)]
    assert segments({"a": decisions}) == {"a": [Segment(0, 1.5, "sit", 1.0), Segment(1.5, 4, "stand", 0.7)]}


def test_nobody_did_nothing() -> None:
    assert segments({}) == segments({"anna": []}) == {}
