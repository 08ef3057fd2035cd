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

"""As message_filters' own tests of its ApproximateTimeSynchronizer, and what is different on purpose."""

from __future__ import annotations

import logging
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.streams import ApproximateTimeSynchronizer
from mumu_ros.streams.approximate_time import SimpleFilter

S = 10**9


def message(stamp_ns: int) -> Any:
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=stamp_ns // S, nanosec=stamp_ns % S)), at=stamp_ns
    )


class Rig:
    def __init__(self, inputs: int = 2, queue_size: int = 10, slop: float = 0.1, **options: Any) -> None:
        self.inputs = [SimpleFilter() for _ in range(inputs)]
        self.filter = ApproximateTimeSynchronizer(self.inputs, queue_size, slop, **options)
        self.sets: list[tuple[int, ...]] = []
        self.filter.registerCallback(lambda *messages: self.sets.append(tuple(m.at for m in messages)))

    def send(self, number: int, *stamps_ns: int) -> None:
        for stamp_ns in stamps_ns:
            self.inputs[number].signalMessage(message(stamp_ns))


@given(st.integers(1, 9), st.randoms())
def test_scrambled_sequences_are_recombined(count: int, shuffled: random.Random) -> None:
    rig, stamps = Rig(queue_size=count), [k * S for k in range(count)]  # stamp 0, too
    rig.send(0, *shuffled.sample(stamps, count))
    assert not rig.sets
    rig.send(1, *shuffled.sample(stamps, count))
    assert sorted(rig.sets) == [(t, t) for t in stamps]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), max_size=40), st.integers(0, 4))
def test_a_set_is_complete_within_the_slop_and_each_message_is_in_one(sent: list[tuple[int, int]], slop: int) -> None:
    rig = Rig(inputs=3, queue_size=5, slop=slop)
    for number, t in sent:
        rig.send(number, t * S)
    assert all(len(found) == 3 and max(found) - min(found) <= slop * S for found in rig.sets)
    for number in range(3):
        used = [found[number] for found in rig.sets]
        assert all(used.count(t) <= sum(1 for n, at in sent if (n, at * S) == (number, t)) for t in used)


def test_of_several_messages_the_nearest_is_taken() -> None:
    rig = Rig(slop=1.0)
    rig.send(0, 0, S // 2, S)
    rig.send(1, S // 2 + 1)
    assert rig.sets == [(S // 2, S // 2 + 1)]


def test_stamps_that_differ_by_the_slop_are_a_set() -> None:
    rig = Rig(slop=0.0)
    rig.send(0, 5)
    rig.send(1, 5)
    assert rig.sets == [(5, 5)]


def test_it_goes_on_after_a_jump_back() -> None:
    rig = Rig(queue_size=3)
    rig.send(0, *(k * S for k in range(100, 110)))
    for k in range(5):
        rig.send(0, k * S)
        rig.send(1, k * S)
    assert rig.sets == [(k * S, k * S) for k in range(5)]


def test_messages_without_header_are_taken_at_their_arrival_if_that_is_allowed(caplog: Any) -> None:
    sources, sets = [SimpleFilter(), SimpleFilter()], []
    ApproximateTimeSynchronizer(sources, 5, 10.0, allow_headerless=True).registerCallback(lambda *m: sets.append(m))
    sources[0].signalMessage("a")
    sources[1].signalMessage("b")
    assert sets == [("a", "b")]
    with caplog.at_level(logging.WARNING):
        Rig().inputs[0].signalMessage("c")
    assert "a str has no header.stamp" in caplog.text
    assert "allow_headerless" in caplog.text


def test_stamps_may_be_times_of_rclpy() -> None:
    time = pytest.importorskip("rclpy.time", reason="ROS 2 is not set up")
    rig = Rig()
    rig.inputs[0].signalMessage(SimpleNamespace(header=SimpleNamespace(stamp=time.Time(seconds=7)), at=1))
    rig.send(1, 7 * S)
    assert rig.sets == [(1, 7 * S)]


def test_filters_are_chained_exchanged_and_fed_by_hand() -> None:
    rig, third, sets = Rig(), SimpleFilter(), []
    first = SimpleFilter()
    rig.filter.registerCallback(lambda a, b, mine: first.signalMessage(a), "mine")
    ApproximateTimeSynchronizer([first, third], 5, 0.1).registerCallback(lambda a, b: sets.append((a.at, b.at)))
    third.signalMessage(message(S))
    rig.send(0, S)
    rig.send(1, S)
    assert sets == [(S, S)]
    others = [SimpleFilter(), SimpleFilter()]
    rig.filter.connectInput(others)
    others[0].signalMessage(message(2 * S))
    rig.filter.add(message(2 * S), rig.filter.queues[1])
    assert rig.sets == [(S, S), (2 * S, 2 * S)]


def test_a_callback_that_raises_or_brings_in_the_next_message_locks_nothing() -> None:
    rig = Rig()

    def react(a: Any, b: Any) -> None:
        if a.at < 3 * S:
            rig.send(0, a.at + S)
            rig.send(1, a.at + S)
        else:
            raise RuntimeError("enough")

    rig.filter.registerCallback(react)
    rig.send(0, 0)
    with pytest.raises(RuntimeError, match="enough"):
        rig.send(1, 0)
    assert rig.sets == [(k * S, k * S) for k in range(4)]
    rig.send(0, 9 * S)
    with pytest.raises(RuntimeError):
        rig.send(1, 9 * S)
    assert rig.sets[-1] == (9 * S, 9 * S)


@pytest.mark.parametrize(("queue_size", "slop"), [(0, 0.1), (1, -1.0), (1, float("nan"))])
def test_what_cannot_be_meant_is_refused(queue_size: int, slop: float) -> None:
    with pytest.raises(ValueError, match="expected 1 or more, and 0 s or more"):
        ApproximateTimeSynchronizer([SimpleFilter()], queue_size, slop)
