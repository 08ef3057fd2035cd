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

"""The timeline: how long its rows are, what they show, and that names are text and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from mumu_ros.evaluation.charts import activity_colours
from mumu_ros.evaluation.decisions import DecisionLog
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.evaluation.results import BagResult, true_labels
from mumu_ros.evaluation.sensor_reports import Outage, SensorReport
from mumu_ros.evaluation.timeline import timeline
from mumu_ros.failures import Fault, parse_fault
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition import Decision

S = 1_000_000_000
TAXONOMY = Taxonomy("tiny", {"gesture": ("swipe_left", "wave"), "gait": ("walk",)})
CONFIG = ModelConfig("tiny", (Modality("imu", "vector", (2, 3), 50.0, "cooccurrence"),), TAXONOMY, window_s=1.0)


def drawn(
    seconds: int,
    segment_s: int,
    activity: str = "wave",
    sensors: dict[str, SensorReport] | None = None,
    faults: Sequence[Fault] = (),
    step_ns: int = S // 5,
    pause_s: int = 0,
) -> list[str]:
    """Rows of a recording; half of it comes after a pause."""
    log = DecisionLog(TAXONOMY, CONFIG.names)
    one = np.ones(1, np.float32)
    for stamp_ns in range(step_ns, seconds * S, step_ns):
        p = np.array([0.2, 0.6, 0.2])
        stamp_ns += pause_s * S * (2 * stamp_ns > seconds * S)
        log.append(0, Decision(stamp_ns - S, stamp_ns, "gesture", "wave", p[:2], p, one, one, 0 * one, one, one))
    table = log.table()
    truth = [TruthSegment(i * S, (i + segment_s) * S, activity) for i in range(0, seconds, segment_s)]
    labels = true_labels(table, truth, TAXONOMY)
    bag = BagResult(
        "bag", 0, (seconds + pause_s) * S, S // 5, table, truth, labels, sensors or {}, (), None, (), faults
    )
    return [str(row) for row in timeline(bag, CONFIG, activity_colours(TAXONOMY))]


@pytest.mark.parametrize(
    ("seconds", "segment_s", "rows"), [(30, 5, 1), (120, 60, 1), (240, 60, 2), (240, 2, 7), (3600, 60, 12)]
)
def test_rows_are_short_where_segments_are_and_never_too_many(seconds: int, segment_s: int, rows: int) -> None:
    assert len(drawn(seconds, segment_s)) == rows


def test_a_pause_of_years_is_not_drawn() -> None:
    years = 2 * 365 * 86400
    first, second = drawn(120, 60, pause_s=years)
    assert "bag from 0 to 60 s" in first
    assert f"bag from {years + 60} to {years + 120} s" in second
    assert max(map(len, (first, second))) < 20_000


@pytest.mark.parametrize("seconds", [10, 3600, 2 * 86400])
def test_a_row_has_no_more_ticks_than_fit(seconds: int) -> None:
    for row in drawn(seconds, max(seconds // 10, 5), step_ns=max(S // 5, min(seconds * S // 3000, 9 * S))):
        assert 2 <= len(re.findall(r">\d+ s</text>", row)) <= 13


def test_decisions_of_a_slow_camera_are_joined_and_reach_over_the_edges_of_rows() -> None:
    for number, row in enumerate(drawn(240, 60, step_ns=7 * S // 10)):
        *truth, (x, width) = re.findall(r'x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]* class="segment"', row)
        assert len(truth) == 2, "and all decisions are one segment"
        begin_s, end_s = ((float(pixel) - 96) / 900 * 120 for pixel in (x, float(x) + float(width)))
        # The first decision stands for a fifth of a second, and the last one is at 239.4 s.
        assert (begin_s, end_s) == pytest.approx((0, 119.4) if number else (0.5, 120), abs=0.02)


def test_outages_and_wrong_decisions_are_marked() -> None:
    sensors = {"imu": SensorReport("/imu", outages=(Outage(2 * S, 5 * S),))}
    (row,) = drawn(10, 5, "walk", sensors)
    assert "imu: silent for 3.0 s" in row
    assert "<title>wrong</title>" in row
    assert "wrong" not in drawn(10, 5)[0]


def test_what_was_made_to_fail_is_framed_in_the_rows_that_show_it() -> None:
    fault = parse_fault("imu:stuck:100-130", CONFIG.sensors)
    first, second = drawn(240, 60, faults=[fault])
    for row, (begin, end) in ((first, (100, 120)), (second, (120, 130))):
        assert "<title>imu: imu:stuck:100-130</title>" in row
        assert ">stuck</text>" in row
        start = 0 if row is first else 120
        assert f'x="{96 + 900 * (begin - start) / 120:.1f}"' in row
        assert f'width="{900 * (end - begin) / 120:.1f}"' in row
    assert "stuck" not in drawn(240, 60, faults=[parse_fault("imu:stuck:0-30", CONFIG.sensors)])[1]


def test_a_name_that_does_not_fit_is_shortened_by_its_first_words() -> None:
    (row,) = drawn(30, 2, "swipe_left")
    assert ">s. left</text>" in row
    assert ">swipe left</text>" in drawn(10, 5, "swipe_left")[0]


def test_names_are_text() -> None:
    (row,) = drawn(10, 5, "<b>&")
    assert "<b>" not in row
    assert "&lt;b&gt;&amp;" in row


def test_every_activity_has_a_colour_of_its_own() -> None:
    colours = activity_colours(TAXONOMY)
    assert len(set(colours.values())) == len(colours) == 3
