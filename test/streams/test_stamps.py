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


JUMPS_NS = st.integers(2 * 10**9, 10**18).flatmap(lambda size: st.sampled_from([-size, size]))


@settings(max_examples=200)
@given(
    moved=st.sets(st.integers(0, 2), min_size=1, max_size=2),
    count=st.integers(2, 3),
    order=st.permutations(range(3)),
    by_ns=JUMPS_NS,
    periods_ms=st.tuples(*[st.integers(5, 200)] * 3),
)
def test_after_streams_agreed_the_majority_is_followed_within_a_second_and_of_as_many_the_first_declared(
    moved, count, order, by_ns, periods_ms
):
    guard, clocks = guard_of(count)
    moved = {place for place in moved if place < count}
    stayed = set(range(count)) - moved
    followed = max(moved, stayed, key=lambda places: (len(places), 0 in places))
    messages = [(t, place) for place in order if place < count for t in range(0, 6000, periods_ms[place])]
    for t, place in sorted(messages, key=lambda message: message[0]):
        now_ns = T + t * MS + (by_ns if place in moved and t >= 3000 else 0)
        verdict = give(guard, clocks[place], now_ns)
        for clock, stamp, _ in guard.release():
            give(guard, clock, stamp)
        if t >= 4000 and place in followed:
            assert verdict is Verdict.GOOD
            assert clocks[place].newest_ns == now_ns


@given(by_ns=JUMPS_NS, length_ms=st.integers(0, 480), place=st.integers(0, 1))
def test_a_short_excursion_never_moves_time(by_ns, length_ms, place):
    guard, clocks = guard_of()
    for t in range(0, 4000, 20):
        away = 2000 <= t <= 2000 + length_ms
        for k, clock in enumerate(clocks):
            verdict = give(guard, clock, T + t * MS + (by_ns if away and k == place else 0))
            assert verdict is (Verdict.TURNED_AWAY if away and k == place else Verdict.GOOD)
    assert guard.epoch == 0


@given(by_ns=JUMPS_NS, later_ms=st.integers(0, 1000))
def test_of_two_publishers_of_the_first_stream_one_is_followed(by_ns, later_ms):
    guard, (a, b) = guard_of()
    for t in range(0, 4000, 20):
        give(guard, b, T + t * MS)
        assert give(guard, a, T + t * MS) is Verdict.GOOD
        if t >= later_ms + 20:
            assert give(guard, a, T + t * MS + by_ns) is Verdict.TURNED_AWAY


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
