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

"""The synchroniser as a message filter."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest

from mumu_ros.streams import SynchronizerFilter

MS = 10**6
T = 1_700_000_000 * 10**9


class Source:
    """A filter that a test feeds by hand, as message_filters.Subscriber is by its topic."""

    def __init__(self, topic):
        self.topic = topic
        self.callbacks = []

    def registerCallback(self, cb, *args):  # noqa: N802
        self.callbacks.append((cb, args))

    def send(self, stamp_ns):
        sec, nanosec = divmod(stamp_ns, 10**9)
        message = SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec)), at=stamp_ns)
        for cb, args in self.callbacks:
            cb(message, *args)
        return message


class Rig:
    def __init__(self, **kwargs):
        self.now_ns = T
        self.rgb, self.depth, self.imu = Source("rgb"), Source("depth"), Source("imu")
        self.filter = SynchronizerFilter(
            [self.rgb, self.depth], 10, 0.05, ranges=[self.imu], clock=lambda: self.now_ns, **kwargs
        )

    def play(self, count, begin=0):
        for k in range(begin, begin + count):
            self.now_ns = T + k * 40 * MS
            self.imu.send(T + k * 40 * MS - 1)
            self.rgb.send(T + k * 40 * MS)
            self.depth.send(T + k * 40 * MS)
            self.imu.send(T + k * 40 * MS + 1)


@pytest.fixture
def rig():
    return Rig()


def test_callbacks_get_frames_lists_of_samples_and_their_own_arguments(rig):
    calls, sets = [], []
    rig.filter.registerCallback(lambda *args: calls.append(args), "mine", 7)
    rig.filter.registerSetCallback(sets.append)
    rig.play(3)
    assert len(calls) == len(sets) == 3
    rgb, depth, imu, *rest = calls[1]
    assert (rgb.at, depth.at, rest) == (T + 40 * MS, T + 40 * MS, ["mine", 7])
    assert [m.at for m in imu] == [T + 1, T + 40 * MS - 1]
    assert sets[1].items[0] is rgb


def test_it_is_a_source_for_a_further_filter(rig):
    """registerCallback of the output is the one that inputs are asked for."""
    got = []

    class Next:
        def __init__(self, source):
            source.registerCallback(self.add, "q")

        def add(self, *args):
            got.append(args[-1])

    Next(rig.filter)
    rig.play(2)
    assert got == ["q", "q"]


def test_a_missing_frame_is_none_and_poll_delivers_it_when_due(rig):
    calls = []
    rig.filter.registerCallback(lambda *args: calls.append(args))
    rig.imu.send(T + 5)
    rig.rgb.send(T)
    rig.now_ns += 99 * MS
    rig.filter.poll()
    assert calls == []
    rig.now_ns += 2 * MS
    rig.filter.poll()
    ((rgb, depth, imu),) = calls
    assert (rgb.at, depth, imu) == (T, None, [])


def test_a_raising_callback_hinders_nobody(rig, caplog):
    calls = []

    def broken(*_):
        raise RuntimeError("no such person")

    rig.filter.registerCallback(broken)
    rig.filter.registerCallback(lambda *args: calls.append(args))
    with caplog.at_level(logging.ERROR):
        rig.play(5)
    assert len(calls) == 5
    assert rig.filter.callback_errors == 5
    assert "broken" in caplog.text
    assert "no such person" in caplog.text


def test_an_interrupt_in_a_callback_passes_through_and_later_messages_still_work(rig):
    calls = []

    def interrupted(*_):
        if not calls:
            calls.append("interrupted")
            raise KeyboardInterrupt

    rig.filter.registerCallback(interrupted)
    rig.filter.registerCallback(lambda *args: calls.append(args))
    with pytest.raises(KeyboardInterrupt):
        rig.play(1)
    rig.play(3, begin=1)
    assert len(calls) == 4


def test_a_callback_may_bring_in_the_next_message(rig):
    """It neither deadlocks nor lets a callback see a later set before an earlier one."""
    first, second = [], []

    def feed_more(rgb, *_):
        first.append(rgb.at)
        if len(first) < 5:
            rig.play(1, begin=len(first))

    rig.filter.registerCallback(feed_more)
    rig.filter.registerCallback(lambda rgb, *_: second.append(rgb.at))
    rig.play(1)
    assert first == second == [T + k * 40 * MS for k in range(5)]


def test_threads_do_not_reorder_output(rig):
    order, inside, release = [], threading.Event(), threading.Event()

    def slow(rgb, *_):
        if not order:
            inside.set()
            assert release.wait(10)
        order.append(rgb.at)

    rig.filter.registerCallback(slow)
    first = threading.Thread(target=rig.play, args=(1,))
    first.start()
    assert inside.wait(10)
    rig.play(3, begin=1)  # returns at once: the lock is free, and the first thread delivers these too
    assert order == []
    release.set()
    first.join(10)
    assert order == [T + k * 40 * MS for k in range(4)]


def test_a_message_without_header_is_named_with_the_remedy(rig):
    (cb, args) = rig.imu.callbacks[0]
    with pytest.raises(TypeError, match=r"SimpleNamespace on stream 'imu' has no header\.stamp.*Synchronizer\.add"):
        cb(SimpleNamespace(data=[1.0]), *args)
    calls = []
    rig.filter.registerCallback(lambda *args: calls.append(args))
    rig.play(2)
    assert len(calls) == 2


def test_statistics_carry_the_topics_names(rig):
    rig.play(10)
    assert list(rig.filter.statistics()) == ["rgb", "depth", "imu"]
    assert rig.filter.statistics()["imu"].received == 20
    assert rig.filter.epoch == 0


def test_names_can_be_given_and_must_fit():
    rig = Rig(names=["a", "b", "c"])
    assert list(rig.filter.statistics()) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="3 streams"):
        Rig(names=["a"])


def test_a_period_thins_the_sets():
    rig = Rig(period_s=0.2)
    calls = []
    rig.filter.registerCallback(lambda *args: calls.append(args))
    rig.play(26)
    assert [args[0].at - T for args in calls] == [k * 200 * MS for k in range(6)]
    assert len(calls[-1][2]) == 10


def test_after_close_nothing_more_is_delivered(rig):
    calls = []
    rig.filter.registerCallback(lambda *args: calls.append(args))
    rig.rgb.send(T)
    rig.filter.close()
    rig.play(3)
    rig.now_ns += 10**9
    rig.filter.poll()
    assert calls == []
