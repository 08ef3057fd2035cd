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

"""Rates, losses and outages from stamps alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.evaluation.sensor_reports import Outage, SensorLog, split_pauses

MS = 1_000_000
TIMEOUT_NS = 500 * MS


def watched(stamps_ms: list[int]) -> SensorLog:
    log = SensorLog(TIMEOUT_NS)
    for stamp in stamps_ms:
        log.add(stamp * MS)
    log.settle()
    return log


@given(st.sets(st.integers(1, 798), max_size=60), st.integers(5, 20))
def test_every_message_that_is_missing_is_counted(missing: set[int], period_ms: int) -> None:
    runs_short = all(not set(range(i, i + 5)) <= missing for i in missing)
    stamps = [1000 + i * period_ms for i in range(800) if i not in missing]
    log = watched(stamps)
    assert log.messages == len(stamps)
    assert log.rate_hz == pytest.approx(1000 / period_ms)
    if runs_short:  # shorter than the timeout
        assert log.lost == len(missing)
        assert not log.outages


def test_a_long_silence_is_an_outage_and_its_messages_are_not_lost_ones() -> None:
    log = watched([*range(1000, 2000, 10), *range(4000, 5000, 10)])
    assert log.outages == [Outage(1990 * MS, 4000 * MS)]
    assert log.lost == 0


def test_a_jump_back_and_a_message_out_of_order_are_no_loss() -> None:
    log = watched([*range(5000, 6000, 10), *range(1000, 2000, 10), 1985, 2000, 2010])
    assert log.lost == 0
    assert not log.outages


@pytest.mark.parametrize("garbage", [1, 90_000_000])
@pytest.mark.parametrize("at", [1, 50, 250])
def test_a_stamp_of_another_time_begins_and_ends_no_outage(garbage: int, at: int) -> None:
    stamps = [*range(5000, 8000, 10), *range(9000, 9500, 10)]
    stamps[at] = garbage
    log = watched(stamps)
    assert log.outages == [Outage(7990 * MS, 9000 * MS)]
    assert log.lost == 1
    assert log.messages == len(stamps)


@pytest.mark.parametrize("stamps", [[], [1000]])
def test_too_few_messages_have_no_rate(stamps: list[int]) -> None:
    assert watched(stamps).rate_hz is None


def test_a_pause_of_all_sensors_is_no_outage_of_one() -> None:
    def outage(start: int, end: int) -> Outage:
        return Outage(start * MS, end * MS)

    pauses, outages = split_pauses(
        {"rgb": [outage(1000, 3000), outage(5000, 6000)], "imu": [outage(1100, 2900)]}, TIMEOUT_NS
    )
    assert pauses == (outage(1000, 3000),)
    assert outages == {"rgb": (outage(5000, 6000),), "imu": ()}
    assert split_pauses({"imu": [outage(1, 2)]}, TIMEOUT_NS) == ((), {"imu": (outage(1, 2),)})


@given(st.integers(1000, 3000), st.integers(5000, 8000))
def test_silence_before_the_first_and_after_the_last_stamp_is_an_outage(first_ms: int, last_ms: int) -> None:
    log = watched(list(range(first_ms, last_ms, 10)))
    last_ms = (last_ms - first_ms - 1) // 10 * 10 + first_ms
    log.end(1000 * MS, 8000 * MS)
    assert [o for o in log.outages if o.start_ns == 1000 * MS] == (
        [Outage(1000 * MS, first_ms * MS)] if first_ms > 1500 else []
    )
    assert [o for o in log.outages if o.end_ns == 8000 * MS] == (
        [Outage(last_ms * MS, 8000 * MS)] if last_ms < 7500 else []
    )
    absent = watched([])
    absent.end(1000 * MS, 8000 * MS)
    assert absent.outages == [Outage(1000 * MS, 8000 * MS)]


def test_a_sensor_that_is_gone_makes_a_pause_of_the_others_no_outage_of_theirs() -> None:
    gone, pause = Outage(1000 * MS, 9000 * MS), Outage(4000 * MS, 6000 * MS)
    for names in (("imu", "rgb", "depth"), ("rgb", "depth", "imu")):
        of = {"imu": [gone], "rgb": [pause], "depth": [pause]}
        assert split_pauses({name: of[name] for name in names}, TIMEOUT_NS) == (
            (pause,),
            {name: (gone,) if name == "imu" else () for name in names},
        )
