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

"""What the synchroniser promises when sensors die, lag, repeat themselves or lie about the time."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.streams import Synchronizer

YEAR_2100_NS = 4_102_444_800 * 10**9
DAY_NS = 86_400 * 10**9


def three_streams(traffic, seconds, **kwargs):
    return traffic.merge(
        traffic.stream("rgb", 30, seconds, jitter=0.05, **kwargs),
        traffic.stream("depth", 30, seconds, offset_ms=5, jitter=0.05, **kwargs),
        traffic.stream("imu", 200, seconds, jitter=0.05, **kwargs),
    )


def synchronizer(**kwargs):
    return Synchronizer(["rgb", "depth"], ["imu"], **kwargs)


def assert_increasing(sets):
    for a, b in pairwise(sets):
        assert (a.epoch, a.stamp_ns) < (b.epoch, b.stamp_ns)


def shifted(messages, by_ns, arrival_ns=None):
    """The same messages with other stamps, arriving as they were or later."""
    arrival_ns = by_ns if arrival_ns is None else arrival_ns
    return [type(m)(m.arrival_ns + arrival_ns, m.stream, m.stamp_ns + by_ns) for m in messages]


class TestDropout:
    @pytest.mark.parametrize("silent", ["rgb", "depth", "imu"])
    @pytest.mark.parametrize("period_s", [0.0, 0.1])
    def test_output_goes_on_without_a_dead_stream_and_takes_it_in_again(self, traffic, silent, period_s):
        s = synchronizer(period_s=period_s, queue_size=30)
        at = {k: traffic.START_NS + k * 10**9 for k in range(9)}
        messages = [m for m in three_streams(traffic, 8) if m.stream != silent or not at[3] <= m.stamp_ns < at[5]]
        place = ["rgb", "depth", "imu"].index(silent)
        sets = []
        for m in messages:
            sets += s.add(m.stream, m.stamp_ns, m.stamp_ns, m.arrival_ns)
            if at[4] <= m.arrival_ns < at[5]:
                assert not s.statistics(m.arrival_ns)[silent].alive
                assert s.reference == ("depth" if silent == "rgb" else "rgb")
            if m.arrival_ns >= at[6]:
                assert s.statistics(m.arrival_ns)[silent].alive
                assert s.reference == "rgb"

        assert_increasing(sets)
        rate = 10 if period_s else 30
        assert len(sets) == pytest.approx(8 * rate, abs=4)
        # No moment is put out twice, once by each camera's stamp.
        assert min(b.stamp_ns - a.stamp_ns for a, b in pairwise(sets)) > 0.4e9 / rate
        for found in sets:
            if at[3] + 50 * traffic.MS < found.stamp_ns < at[5] - 50 * traffic.MS:
                assert [i for i in range(3) if not found.present[i]] == [place]
            if found.stamp_ns < at[3] - 50 * traffic.MS or found.stamp_ns > at[5] + 50 * traffic.MS:
                assert all(found.present)

    def test_a_dead_stream_is_not_waited_for(self, traffic):
        s = synchronizer(timeout_s=0.5)
        messages = [
            m for m in three_streams(traffic, 3) if m.stream != "depth" or m.stamp_ns < traffic.START_NS + 10**9
        ]
        waits = [
            m.arrival_ns - found.stamp_ns
            for m in messages
            for found in s.add(m.stream, m.stamp_ns, None, m.arrival_ns)
            if found.stamp_ns > traffic.START_NS + 1.6e9
        ]
        assert max(waits) < 6 * traffic.MS  # until the next IMU sample

    def test_a_set_that_waits_for_a_stream_leaves_when_it_is_dead(self, traffic):
        s = Synchronizer(["rgb", "depth"], deadline_s=9.0, timeout_s=0.5)
        t = traffic.START_NS
        s.add("rgb", t, "r", t)
        s.add("depth", t, "d", t)
        s.add("rgb", t + 33 * traffic.MS, "r", t + 33 * traffic.MS)
        assert s.poll(t + 500 * traffic.MS) == ()
        (found,) = s.poll(t + 501 * traffic.MS)
        assert found.items == ("r", "d")

    def test_a_stream_that_never_spoke_is_given_its_timeout_only(self, traffic):
        s = synchronizer(timeout_s=0.5)
        messages = [m for m in three_streams(traffic, 3) if m.stream != "rgb"]
        sets = traffic.feed(s, messages)
        assert s.reference == "depth"
        assert sets[-1].stamp_ns == traffic.stamps(messages, "depth")[-1]
        assert len(sets) == pytest.approx(90, abs=8)
        assert not any(found.present[0] for found in sets)

    @pytest.mark.parametrize(("period_s", "count"), [(0.1, 50), (0.0, 1000)])
    def test_range_streams_alone_make_sets(self, traffic, period_s, count):
        s = Synchronizer(["rgb"], ["wrist", "belt"], period_s=period_s)
        messages = traffic.merge(traffic.stream("wrist", 200, 5), traffic.stream("belt", 100, 5, offset_ms=1))
        sets = traffic.feed(s, messages)
        assert s.reference == "wrist"
        assert len(sets) == pytest.approx(count, rel=0.05)
        for place, stream in ((1, "wrist"), (2, "belt")):
            delivered = traffic.samples(sets, place)
            assert delivered == [t for t in traffic.stamps(messages, stream) if t <= sets[-1].stamp_ns]

    @pytest.mark.parametrize("rate_hz", [2.5, 30])
    def test_of_two_streams_the_other_takes_over(self, traffic, rate_hz):
        s = Synchronizer(["rgb", "depth"])
        rgb = [m for m in traffic.stream("rgb", 30, 4) if m.stamp_ns < traffic.START_NS + 2e9]
        sets = traffic.feed(s, traffic.merge(rgb, traffic.stream("depth", rate_hz, 4)))
        assert s.reference == "depth"
        assert len(sets) == pytest.approx(60 + 2 * rate_hz, abs=1)

    def test_the_camera_takes_over_from_the_imu(self, traffic):
        s = synchronizer()
        messages = [m for m in three_streams(traffic, 4) if m.stream == "imu" or m.stamp_ns > traffic.START_NS + 2e9]
        sets = traffic.feed(s, messages)
        assert_increasing(sets)
        late = [found for found in sets if found.stamp_ns > traffic.START_NS + 2.1e9]
        assert len(late) == pytest.approx(57, abs=2)
        assert all(all(found.present) for found in late)
        assert traffic.samples(sets, 2) == [t for t in traffic.stamps(messages, "imu") if t <= sets[-1].stamp_ns]

    def test_silence_of_all_is_noticed_by_polling(self, traffic):
        s = synchronizer()
        traffic.feed(s, three_streams(traffic, 1))
        assert s.poll(traffic.START_NS + 5 * 10**9) == ()  # and no stream takes over from another
        assert not any(one.alive for one in s.statistics(traffic.START_NS + 5 * 10**9).values())

    @pytest.mark.parametrize("timeout_s", [1.9, 2.5, 5.0])
    @pytest.mark.parametrize("period_s", [0.0, 0.1, 2.0])
    def test_a_long_timeout_is_not_taken_for_a_changed_clock(self, traffic, timeout_s, period_s):
        """No set leaves while the reference may still speak: the others' samples wait, and time has not jumped."""
        begin, end = traffic.START_NS + 3 * 10**9, traffic.START_NS + 9 * 10**9
        rgb = [m for m in traffic.stream("rgb", 25, 15) if not begin <= m.stamp_ns < end]
        messages = traffic.merge(rgb, traffic.stream("depth", 25, 15), traffic.stream("imu", 100, 15))
        s = synchronizer(timeout_s=timeout_s, period_s=period_s)
        sets = traffic.feed(s, messages)
        assert s.epoch == 0
        assert sets[-1].stamp_ns > traffic.START_NS + 14 * 10**9 - period_s * 10**9
        assert traffic.samples(sets, 2) == [t for t in traffic.stamps(messages, "imu") if t <= sets[-1].stamp_ns]

    def test_a_reference_slower_than_two_seconds_is_waited_for_as_long_as_the_timeout_says(self, traffic):
        messages = traffic.merge(
            traffic.stream("rgb", 0.4, 30), traffic.stream("depth", 10, 30), traffic.stream("imu", 100, 30)
        )
        s = synchronizer(timeout_s=5.0, period_s=0.1)
        sets = traffic.feed(s, messages)
        assert s.epoch == 0
        assert [found.stamp_ns for found in sets] == traffic.stamps(messages, "rgb")
        assert traffic.samples(sets, 2) == [t for t in traffic.stamps(messages, "imu") if t <= sets[-1].stamp_ns]

    @settings(max_examples=30, deadline=None)
    @given(
        outages=st.lists(
            st.tuples(st.sampled_from(["rgb", "depth", "imu"]), st.floats(0, 6), st.floats(0, 3)), max_size=6
        ),
        period_s=st.sampled_from([0.0, 0.1]),
    )
    def test_any_outages_leave_output_increasing_and_samples_whole(self, traffic, outages, period_s):
        def out(m):
            return any(
                m.stream == name and 0 <= m.stamp_ns - traffic.START_NS - begin * 1e9 < length * 1e9
                for name, begin, length in outages
            )

        messages = [m for m in three_streams(traffic, 6) if not out(m)]
        s = synchronizer(period_s=period_s, queue_size=30)
        sets = traffic.feed(s, messages)
        assert_increasing(sets)
        assert s.epoch == 0
        delivered = traffic.samples(sets, 2)
        assert len(set(delivered)) == len(delivered)
        assert set(delivered) >= {t for t in traffic.stamps(messages, "imu") if sets and t <= sets[-1].stamp_ns - 0.6e9}


def test_frames_that_wait_are_dropped_from_the_oldest_when_fewer_are_to_be_kept(traffic):
    s = Synchronizer(["rgb", "depth"])
    stamps = [traffic.START_NS + k * 33 * traffic.MS for k in range(12)]
    s.add("rgb", stamps[0], 0, stamps[0])
    for k, stamp in enumerate(stamps[:-1]):
        s.add("depth", stamp, k, stamp)
    s.limit("depth", 4)
    s.add("depth", stamps[-1], 11, stamps[-1])
    assert s.statistics(stamps[-1])["depth"].dropped == 7
    (found,) = s.add("rgb", stamps[8], 8, stamps[-1])
    assert found.items == (8, 8)


class TestBadStamps:
    def test_zero_negative_and_oversized_stamps_are_refused_and_counted(self, traffic):
        s = synchronizer()
        good = traffic.feed(synchronizer(), three_streams(traffic, 2))
        sets = []
        for i, m in enumerate(three_streams(traffic, 2)):
            if i % 10 == 0:
                for bad in (0, -1, 2**63, 2**80):
                    sets += s.add(m.stream, bad, "bad", m.arrival_ns)
            sets += s.add(m.stream, m.stamp_ns, m.stamp_ns, m.arrival_ns)
        sets += s.poll(m.arrival_ns + 400 * traffic.MS)
        assert sets == good
        assert sum(one.refused for one in s.statistics(0).values()) == 4 * 52

    def test_a_stream_of_refused_stamps_is_dead(self, traffic):
        """A camera driver that stamps nothing must not keep the reference from passing on."""
        s = synchronizer()
        messages = three_streams(traffic, 3)
        sets = [
            found
            for m in messages
            for found in s.add(m.stream, 0 if m.stream == "rgb" else m.stamp_ns, None, m.arrival_ns)
        ]
        assert s.reference == "depth"
        assert len(sets) > 70
        assert s.statistics(messages[-1].arrival_ns)["rgb"].refused == 90

    @pytest.mark.parametrize("stream", ["rgb", "depth", "imu"])
    @pytest.mark.parametrize("stamp_ns", [YEAR_2100_NS, 1_700_000_500_000_000_000])
    def test_one_absurd_stamp_is_refused_and_changes_nothing(self, traffic, stream, stamp_ns):
        s = synchronizer()
        messages = three_streams(traffic, 3)
        sets = []
        for i, m in enumerate(messages):
            if i == 300:
                sets += s.add(stream, stamp_ns, "bad", m.arrival_ns)
            sets += s.add(m.stream, m.stamp_ns, m.stamp_ns, m.arrival_ns)
        sets += s.poll(m.arrival_ns + 400 * traffic.MS)
        assert sets == traffic.feed(synchronizer(), messages)
        assert s.statistics(0)[stream].refused == 1

    @pytest.mark.parametrize("stream", ["rgb", "depth", "imu"])
    def test_an_absurd_stamp_as_the_very_first_does_not_stop_output(self, traffic, stream):
        s = synchronizer()
        first = [traffic.merge([type(m)(m.arrival_ns, stream, YEAR_2100_NS)]) for m in three_streams(traffic, 1)[:1]]
        messages = [*first[0], *three_streams(traffic, 4)]
        sets = traffic.feed(s, messages)
        complete = [found for found in sets if all(found.present) and found.stamp_ns < YEAR_2100_NS]
        assert len(complete) > 85  # all but the first second or so of 120
        assert_increasing(sets)

    def test_a_sensor_that_dies_after_an_absurd_stamp_does_not_stop_output(self, traffic):
        s = synchronizer()
        imu = [m for m in three_streams(traffic, 1) if m.stream == "imu"]  # long enough to lead
        lone = shifted(imu, DAY_NS, 0)
        rest = [m for m in shifted(three_streams(traffic, 5), 10**9) if m.stream != "imu"]
        sets = traffic.feed(s, lone + rest)
        assert any(one.stamp_ns > traffic.START_NS + DAY_NS // 2 for one in sets)
        found = [one for one in sets if one.stamp_ns < traffic.START_NS + DAY_NS // 2]
        assert len(found) > 110
        assert_increasing(sets)

    def test_a_stream_with_a_clock_of_its_own_does_not_move_the_others(self, traffic):
        s = synchronizer()
        messages = three_streams(traffic, 4)
        wrong = [
            type(m)(m.arrival_ns, m.stream, m.stamp_ns + DAY_NS)
            if m.stream == "depth" and m.stamp_ns > traffic.START_NS + 10**9
            else m
            for m in messages
        ]
        sets = traffic.feed(s, wrong)
        assert s.epoch == 0
        assert [found.stamp_ns for found in sets] == traffic.stamps(messages, "rgb")
        assert 75 <= s.statistics(messages[-1].arrival_ns)["depth"].refused <= 91  # the last half second is held back
        assert not s.statistics(messages[-1].arrival_ns)["depth"].alive

    @pytest.mark.parametrize("first", ["rgb", "imu"])
    @pytest.mark.parametrize("ahead", ["rgb", "imu"])
    def test_of_two_streams_that_never_agreed_the_camera_leads_whichever_starts_first(self, traffic, first, ahead):
        """The clock of one of them counts from the start of the machine."""
        boot_ns = 50 * 10**9 - traffic.START_NS
        streams = {"rgb": traffic.stream("rgb", 30, 5), "imu": traffic.stream("imu", 100, 5)}
        for name, messages in streams.items():
            started = [m for m in messages if name == first or m.stamp_ns >= traffic.START_NS + traffic.MS * 100]
            streams[name] = started if name == ahead else shifted(started, boot_ns, 0)
        s = Synchronizer(["rgb"], ["imu"], period_s=0.1)
        sets = traffic.feed(s, traffic.merge(*streams.values()))
        assert s.reference == "rgb"
        seconds = (max(m.arrival_ns for m in streams["rgb"]) - traffic.START_NS) / 1e9
        assert sum(found.present[0] for found in sets) > 10 * (seconds - 1)
        assert s.statistics(0)["rgb"].refused == 0

    def test_duplicates_are_dropped_and_counted(self, traffic):
        messages = three_streams(traffic, 2)
        doubled = [m for m in messages for _ in range(2)]
        s = synchronizer()
        assert traffic.feed(s, doubled) == traffic.feed(synchronizer(), messages)
        counts = s.statistics(0)
        assert [counts[name].duplicate for name in counts] == [60, 60, 400]
        assert [counts[name].received for name in counts] == [120, 120, 800]

    def test_a_duplicate_of_a_delivered_sample_is_not_delivered_again(self, traffic):
        s = synchronizer()
        messages = three_streams(traffic, 2)
        echo = [type(m)(m.arrival_ns + 200 * traffic.MS, m.stream, m.stamp_ns) for m in messages if m.stream == "imu"]
        sets = traffic.feed(s, traffic.merge(messages, echo))
        delivered = traffic.samples(sets, 2)
        assert len(delivered) == len(set(delivered))
        assert s.statistics(0)["imu"].duplicate == len(echo)

    def test_late_frames_are_dropped_and_counted(self, traffic):
        """A camera slower than the deadline costs its own frames, not the other streams'."""
        s = synchronizer(deadline_s=0.05)
        messages = traffic.merge(
            traffic.stream("rgb", 30, 3), traffic.stream("depth", 30, 3, delay_ms=250), traffic.stream("imu", 200, 3)
        )
        sets = traffic.feed(s, messages)
        assert [found.stamp_ns for found in sets[:90]] == traffic.stamps(messages, "rgb")
        assert s.statistics(0)["depth"].late >= 80


class TestJumps:
    @pytest.mark.parametrize("period_s", [0.0, 0.1])
    @pytest.mark.parametrize("loops", [2, 4])
    def test_a_bag_played_again_gives_as_many_outputs(self, traffic, period_s, loops):
        once = three_streams(traffic, 5)
        messages = [m for k in range(loops) for m in shifted(once, 0, k * 5 * 10**9)]
        sets = traffic.feed(synchronizer(period_s=period_s, queue_size=5), messages)
        by_epoch = [[f for f in sets if f.epoch == k] for k in range(loops)]
        assert sum(map(len, by_epoch)) == len(sets)
        first = [(f.stamp_ns, f.present[:2]) for f in by_epoch[0]]
        for again in by_epoch[1:]:
            assert [(f.stamp_ns, f.present[:2]) for f in again] == first
            assert traffic.samples(again, 2) == traffic.samples(by_epoch[0], 2)
        assert_increasing(sets)

    def test_the_arrival_clock_may_jump_back_with_the_bag(self, traffic):
        """Offline, the stamps often serve as the arrival clock too."""
        once = [m for m in three_streams(traffic, 5) if m.stream == "rgb" or m.stamp_ns < traffic.START_NS + 4.9e9]
        sets = traffic.feed(synchronizer(), once + once)  # each loop ends with sets that wait for depth
        assert sum(f.epoch == 0 for f in sets) == sum(f.epoch == 1 for f in sets) == 150

    def test_a_dead_stream_does_not_cost_the_next_loop_anything(self, traffic):
        once = three_streams(traffic, 5)
        again = [m for m in shifted(once, 0, 5 * 10**9) if m.stream != "rgb"]
        third = [m for m in shifted(once, 0, 10 * 10**9) if m.stream != "rgb"]
        sets = traffic.feed(synchronizer(queue_size=30), once + again + third)
        assert [sum(f.epoch == k for f in sets) for k in range(3)] == [150, 150, 150]

    def test_a_stream_that_stays_behind_is_outvoted(self, traffic):
        s = synchronizer()
        once = three_streams(traffic, 5)
        again = [
            type(m)(m.arrival_ns + 5 * 10**9, m.stream, m.stamp_ns + (5 * 10**9 if m.stream == "depth" else 0))
            for m in once
        ]
        sets = traffic.feed(s, once + again)
        assert s.epoch == 1
        assert sum(f.epoch == 1 for f in sets) == 150

    @pytest.mark.parametrize("stream", ["rgb", "depth", "imu"])
    def test_one_old_message_is_dropped_as_late(self, traffic, stream):
        s = synchronizer()
        messages = three_streams(traffic, 6)
        sets = []
        for i, m in enumerate(messages):
            if i in (1000, 1200):
                sets += s.add(stream, m.stamp_ns - 3 * 10**9 - 7, "old", m.arrival_ns)
            sets += s.add(m.stream, m.stamp_ns, m.stamp_ns, m.arrival_ns)
        sets += s.poll(m.arrival_ns + 400 * traffic.MS)
        assert s.epoch == 0
        assert sets == traffic.feed(synchronizer(), messages)
        assert s.statistics(0)[stream].late == 2

    def test_old_messages_of_a_lone_stream_are_dropped_too(self, traffic):
        s = Synchronizer(["rgb"])
        messages = traffic.stream("rgb", 30, 4)
        for i in (80, 100):  # with good ones between them
            messages.insert(i, type(messages[0])(messages[i].arrival_ns, "rgb", messages[i - 70].stamp_ns))
        sets = traffic.feed(s, messages)
        assert (s.epoch, len(sets)) == (0, 120)

    @pytest.mark.parametrize("by_ns", [3 * 10**9, DAY_NS, 10 * 365 * DAY_NS])
    def test_all_sensors_jumping_forward_recover_within_a_second(self, traffic, by_ns):
        """The clock is set while everything runs. No message is lost."""
        s = synchronizer()
        before, after = three_streams(traffic, 3), shifted(three_streams(traffic, 3), by_ns + 3 * 10**9, 3 * 10**9)
        sets, first_again = [], None
        for m in before + after:
            sets += s.add(m.stream, m.stamp_ns, m.stamp_ns, m.arrival_ns)
            if sets and sets[-1].stamp_ns > traffic.START_NS + by_ns and first_again is None:
                first_again = m.arrival_ns
        sets += s.poll(m.arrival_ns + 400 * traffic.MS)
        assert first_again is not None
        assert first_again - after[0].arrival_ns < 10**9
        assert [f.stamp_ns for f in sets] == traffic.stamps(before + after, "rgb")
        assert s.epoch == 0

    @pytest.mark.parametrize("by_ms", [-900, -300, 500, 900])
    def test_small_steps_of_the_clock_recover_by_themselves(self, traffic, by_ms):
        s = synchronizer()
        after = shifted(three_streams(traffic, 4), by_ms * traffic.MS + 3 * 10**9, 3 * 10**9)
        sets = traffic.feed(s, three_streams(traffic, 3) + after)
        assert s.epoch == 0
        assert_increasing(sets)
        assert sum(f.stamp_ns > after[0].stamp_ns + 10**9 for f in sets) == pytest.approx(90, abs=2)

    def test_simulated_time_that_begins_within_a_second_of_zero_is_not_a_step_from_zero(self, traffic):
        """After the simulator was reset likewise."""
        once = [
            m
            for name, rate_hz in (("rgb", 30), ("depth", 30), ("imu", 100))
            for m in traffic.stream(name, rate_hz, 4, start_ns=2 * traffic.MS)
        ]
        once.sort(key=lambda m: m.arrival_ns)
        again = [type(m)(m.arrival_ns + 4 * 10**9, m.stream, m.stamp_ns) for m in once]
        s = synchronizer()
        for epoch, messages in enumerate((once, again)):
            sets = traffic.feed(s, messages)
            counts = s.statistics(messages[-1].arrival_ns)
            assert s.epoch == epoch
            assert sum(found.epoch == epoch for found in sets) == pytest.approx(120, abs=1)
            assert all(one.alive for one in counts.values())
            assert [one.rate_hz for one in counts.values()] == pytest.approx([30, 30, 100], rel=0.02)
            periods_ns = [one.shortest_period_ns for one in counts.values()]
            assert periods_ns == pytest.approx([1e9 / 30, 1e9 / 30, 1e7], abs=2)

    def test_a_pause_of_all_sensors_is_not_a_new_epoch(self, traffic):
        s = synchronizer()
        messages = three_streams(traffic, 3) + shifted(three_streams(traffic, 3), 60 * 10**9)
        sets = traffic.feed(s, messages)
        assert s.epoch == 0
        assert [f.stamp_ns for f in sets] == traffic.stamps(messages, "rgb")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["rgb", "depth", "imu"]),
            st.one_of(st.integers(-200, 200), st.sampled_from([-(10**7), -5000, -1500, 1500, 5000, 10**7, 10**13])),
            st.booleans(),
            st.sampled_from([0, 1, 5, 30, 700]),
        ),
        max_size=150,
    ),
    period_s=st.sampled_from([0.0, 0.05]),
)
def test_whatever_arrives_output_increases_and_no_sample_comes_twice(traffic, steps, period_s):
    """Any stamps at all: a walk with jumps (in ms) that return (True) or stay."""
    s = Synchronizer(["rgb", "depth"], ["imu"], period_s=period_s, queue_size=4, range_size=20)
    stamp_ns = now_ns = traffic.START_NS
    sets = []
    for stream, step_ms, returns, wait_ms in steps:
        now_ns += wait_ms * traffic.MS
        given_ns = stamp_ns + step_ms * traffic.MS
        if not returns:
            stamp_ns = given_ns
        sets += s.add(stream, given_ns, given_ns, now_ns)
    sets += s.poll(now_ns + 10**9)
    assert_increasing(sets)
    for epoch in {found.epoch for found in sets}:
        delivered = traffic.samples([found for found in sets if found.epoch == epoch], 2)
        assert len(delivered) == len(set(delivered))
    for found in sets:
        assert found.present == (found.items[0] is not None, found.items[1] is not None, bool(found.items[2]))
        assert all(abs(item - found.stamp_ns) <= 50 * traffic.MS for item in found.items[:2] if item is not None)
        assert all(stamp <= found.stamp_ns for stamp, _ in found.items[2])
    counts = s.statistics(now_ns)
    assert sum(one.received for one in counts.values()) == len(steps)
    assert all(one.dropped >= 0 for one in counts.values())


class Thing:
    """An item whose life can be watched."""


@pytest.mark.parametrize("hostile", ["silent reference", "no camera", "frozen", "absurd", "old", "dense"])
def test_memory_is_bounded_whatever_arrives(traffic, hostile):
    s = Synchronizer(["rgb", "depth"], ["imu"], queue_size=5, range_size=50)
    alive = weakref.WeakSet()
    t = traffic.START_NS
    s.add("rgb", t, Thing(), t)
    for k in range(1, 3000):
        stamp = {
            "silent reference": t + k * 5 * traffic.MS,
            "no camera": t + k * 5 * traffic.MS,
            "frozen": t + DAY_NS,
            "absurd": t + DAY_NS * k,
            "old": t - DAY_NS - k,
            "dense": t + k,
        }[hostile]
        now = t + (k if hostile in ("silent reference", "dense") else k * 5 * traffic.MS)
        for name in ("imu",) if hostile == "no camera" else ("depth", "imu"):
            thing = Thing()
            alive.add(thing)
            s.add(name, stamp, thing, now)
        del thing
    gc.collect()
    assert len(alive) <= 5 + 64 + 3 * 50
    counts = s.statistics(now)
    assert counts["imu"].received == 2999
    if hostile == "silent reference":
        assert counts["imu"].dropped == 2999 - 50
        assert counts["depth"].dropped == 2999 - 5
