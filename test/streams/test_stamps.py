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

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.streams.stamps import (
    CONFIRM_NS,
    FOREVER_NS,
    JUMP_NS,
    StampGuard,
    StreamClock,
    Verdict,
    ns_to_seconds,
    seconds_to_ns,
    stamp_ns,
)

MS = 10**6
T = 1_700_000_000 * 10**9


def guard_of(count=2):
    clocks = [StreamClock(hold_limit=100) for _ in range(count)]
    return StampGuard(clocks), clocks


def give(guard, clock, stamp):
    verdict = guard.judge(clock, stamp, stamp)
    if verdict is Verdict.GOOD:
        clock.newest_ns = max(clock.newest_ns, stamp)
    return verdict


def test_conversions():
    assert seconds_to_ns(0.1) == 100_000_000
    assert seconds_to_ns(-1.5e-9) == -2
    assert ns_to_seconds(1_500_000_000) == 1.5
    assert stamp_ns(SimpleNamespace(sec=3, nanosec=4)) == 3_000_000_004


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**9 - 1))
def test_ros_stamps_convert_exactly(sec, nanosec):
    assert divmod(stamp_ns(SimpleNamespace(sec=sec, nanosec=nanosec)), 10**9) == (sec, nanosec)


@pytest.mark.parametrize("stamp", [0, -1, -T, FOREVER_NS + 1])
def test_impossible_stamps_are_refused(stamp):
    guard, (clock, _) = guard_of()
    assert give(guard, clock, stamp) is Verdict.TURNED_AWAY
    assert (clock.refused, clock.late, clock.newest_ns) == (1, 0, 0)


@pytest.mark.parametrize(
    ("stamp", "verdict"),
    [
        (T - JUMP_NS - 1, Verdict.TURNED_AWAY),
        (T - JUMP_NS, Verdict.GOOD),
        (T + JUMP_NS, Verdict.GOOD),
        (T + JUMP_NS + 1, Verdict.TURNED_AWAY),
    ],
)
def test_the_timeline_is_a_jump_wide_on_either_side(stamp, verdict):
    guard, (clock, _) = guard_of()
    give(guard, clock, T)
    assert give(guard, clock, stamp) is verdict


def test_a_stream_may_start_behind_and_catch_up_with_the_others():
    guard, (a, b) = guard_of()
    give(guard, a, T)
    assert give(guard, b, T - 3600 * 10**9) is Verdict.GOOD
    assert give(guard, b, T) is Verdict.GOOD


@settings(max_examples=50)
@given(st.lists(st.integers(-(10**18), 10**18).filter(lambda d: abs(d) > 20 * 10**9), max_size=20, unique=True))
def test_isolated_garbage_never_moves_time(garbage):
    guard, (a, b) = guard_of()
    for k in range(100):
        assert give(guard, a, T + k * 30 * MS) is Verdict.GOOD
        assert give(guard, b, T + k * 30 * MS) is Verdict.GOOD
        if k > 1 and k - 2 < len(garbage):
            assert give(guard, a, T + garbage[k - 2]) is Verdict.TURNED_AWAY
    assert guard.epoch == 0
    assert a.late + a.refused == len(garbage)


@pytest.mark.parametrize(("to", "verdict"), [(T - 10**10, Verdict.BACKWARD), (T + 10**10, Verdict.FORWARD)])
def test_a_jump_is_confirmed_after_half_a_second_and_loses_nothing(to, verdict):
    guard, (a, b) = guard_of()
    give(guard, a, T)
    give(guard, b, T)
    stamps = [to + k * 50 * MS for k in range(11)]
    verdicts = [give(guard, clock, stamp) for stamp in stamps for clock in (a, b)]
    assert stamps[-1] - stamps[0] == CONFIRM_NS
    assert set(verdicts[:-2]) == {Verdict.TURNED_AWAY}
    assert verdicts[-2] is verdict
    released = guard.release()
    assert released == [(clock, stamp, stamp) for stamp in stamps for clock in (a, b)][:-1]
    assert guard.release() == []
    assert all(give(guard, clock, stamp) is Verdict.GOOD for clock, stamp, _ in released)
    assert (a.late, a.refused, b.late, b.refused) == (0, 0, 0, 0)
    assert guard.epoch == (verdict is Verdict.BACKWARD)


def test_what_is_held_back_is_rejected_only_once_its_stream_goes_on_where_it_was():
    guard, (a, _) = guard_of()
    give(guard, a, T)
    for k, stamp in enumerate((T - 10**10, T - 10**10 + 50 * MS)):
        assert give(guard, a, stamp) is Verdict.TURNED_AWAY
        assert (a.rejected, a.late) == ((0, 0), k + 1)
    give(guard, a, T + 50 * MS)
    assert a.rejected == (2, 0)
    give(guard, a, T + 10**10)
    assert (a.rejected, a.refused) == ((2, 0), 1)
    give(guard, a, T + 100 * MS)
    assert a.rejected == (2, 1)


def test_a_minority_does_not_move_time():
    guard, (a, b) = guard_of()
    for k in range(100):
        assert give(guard, a, T + k * 30 * MS) is Verdict.GOOD
        assert give(guard, b, T + k * 30 * MS - (10**10 if k > 10 else 0)) is (
            Verdict.TURNED_AWAY if k > 10 else Verdict.GOOD
        )
    assert b.late == 89


def test_a_majority_does():
    guard, (a, b, c) = guard_of(3)
    verdicts = []
    for k in range(40):
        give(guard, a, T + k * 30 * MS)
        verdicts += [give(guard, x, T + k * 30 * MS - (10**10 if k > 10 else 0)) for x in (b, c)]
        if guard.epoch:
            break
    assert Verdict.BACKWARD in verdicts


@pytest.mark.parametrize(("stayed", "moved"), [((1,), (0,)), ((2, 3), (0, 1)), ((1, 3), (0, 2))])
def test_of_as_many_streams_that_never_agreed_the_first_declared_decides(stayed, moved):
    """It does not matter which of them starts first."""
    for early, late in ((stayed, moved), (moved, stayed)):
        guard, clocks = guard_of(4)
        for k in range(40):
            for place in sorted((*early, *late)):
                if place in early or k > 3:
                    give(guard, clocks[place], (T if place in moved else 50 * 10**9) + k * 30 * MS)
            for clock, stamp, _ in guard.release():
                give(guard, clock, stamp)
        assert all(clocks[place].newest_ns == T + 39 * 30 * MS for place in moved)
        assert guard.epoch == 0


def test_a_stream_that_agreed_and_then_jumped_alone_does_not_move_the_other():
    guard, (a, b) = guard_of()
    for k in range(100):
        give(guard, b, T + k * 30 * MS)
        moved = give(guard, a, T + k * 30 * MS + (10**13 if k > 10 else 0))
        assert moved is (Verdict.TURNED_AWAY if k > 10 else Verdict.GOOD)


def test_a_stream_slower_than_the_bound_is_not_lost():
    guard, (a, _) = guard_of()
    taken = []
    for k in range(20):
        if give(guard, a, T + k * 3 * 10**9) is Verdict.FORWARD:
            for clock, stamp, _ in guard.release():
                taken += [stamp] if give(guard, clock, stamp) is Verdict.GOOD else []
    assert len(taken) >= 17


def test_what_is_held_is_bounded():
    guard, (a, _) = guard_of()
    give(guard, a, T)
    for k in range(1000):
        give(guard, a, T + 10**11 + k)
    assert len(a.run.held) == 100
    assert a.refused == 1000
