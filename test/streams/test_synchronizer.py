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

"""What the synchroniser promises when sensors behave."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.streams import Synchronizer

rates = st.sampled_from([7.5, 15.0, 25.0, 30.0, 60.0, 90.0])
small = settings(max_examples=40, deadline=None)


@small
@given(
    rgb_hz=rates,
    depth_hz=rates,
    offset_ms=st.floats(-40, 40),
    delay_ms=st.floats(0, 60),
    jitter=st.floats(0, 0.1),
    drops=st.floats(0, 0.3),
    slop_s=st.floats(0.002, 0.1),
    seed=st.integers(0, 1000),
)
def test_each_reference_is_paired_with_the_nearest_frame_within_the_slop(
    traffic, rgb_hz, depth_hz, offset_ms, delay_ms, jitter, drops, slop_s, seed
):
    messages = traffic.merge(
        traffic.stream("rgb", rgb_hz, 3, jitter=jitter, drops=drops, seed=seed),
        traffic.stream(
            "depth", depth_hz, 3, offset_ms=offset_ms, delay_ms=delay_ms, jitter=jitter, drops=drops, seed=seed
        ),
    )
    # The deadline outlasts the slowest partner, so that only the pairing rule decides.
    sets = traffic.feed(
        Synchronizer(["rgb", "depth"], slop_s=slop_s, deadline_s=0.4, timeout_s=9, queue_size=99), messages
    )
    depth = traffic.stamps(messages, "depth")

    assert [s.stamp_ns for s in sets] == traffic.stamps(messages, "rgb")
    wrong = 0
    for s in sets:
        distances = [abs(stamp - s.stamp_ns) for stamp in depth]
        nearest = min(distances, default=10**18)
        paired = 10**18 if s.items[1] is None else abs(s.items[1] - s.stamp_ns)
        wrong += paired != (nearest if nearest <= round(slop_s * 1e9) else 10**18)
        assert s.items[0] == s.stamp_ns
        assert s.present == (True, s.items[1] is not None)
    # The shortest period *seen* is the bound: while few have been seen, one may yet fall short of it.
    assert wrong <= (0 if jitter == drops == 0 else 1)


@small
@given(rate_hz=rates, offset_ms=st.floats(-30, 30), drops=st.floats(0, 0.5), seed=st.integers(0, 1000))
def test_without_jitter_no_pair_ever_misses_the_nearest(traffic, rate_hz, offset_ms, drops, seed):
    messages = traffic.merge(
        traffic.stream("rgb", rate_hz, 3, drops=drops, seed=seed),
        traffic.stream("depth", 30, 3, offset_ms=offset_ms, seed=seed),
    )
    depth = traffic.stamps(messages, "depth")
    sets = traffic.feed(
        Synchronizer(["rgb", "depth"], slop_s=0.1, deadline_s=0.4, timeout_s=9, queue_size=99), messages
    )
    for s in sets[1:]:
        assert abs(s.items[1] - s.stamp_ns) == min(abs(stamp - s.stamp_ns) for stamp in depth)


def test_a_set_of_equal_stamps_leaves_with_its_last_message(traffic):
    s = Synchronizer(["rgb", "depth", "thermal"])
    for k in range(3):
        stamp = traffic.START_NS + k * 33 * traffic.MS
        assert s.add("thermal", stamp, "t", stamp) == ()
        assert s.add("rgb", stamp, "r", stamp) == ()
        (found,) = s.add("depth", stamp, "d", stamp)
        assert (found.stamp_ns, found.items) == (stamp, ("r", "d", "t"))


@pytest.mark.parametrize(
    ("offset_ms", "completed_by"),
    [
        (-3, "rgb"),  # the depth frame before lies so near that the next one, 33 ms after it, cannot be nearer
        (-14, "rgb"),
        (-17, "depth"),  # the next one may be nearer
        (11, "depth"),
    ],
)
def test_a_set_leaves_as_soon_as_no_nearer_frame_can_come(traffic, offset_ms, completed_by):
    s = Synchronizer(["rgb", "depth"])
    messages = traffic.merge(
        traffic.stream("rgb", 1000 / 33, 1), traffic.stream("depth", 1000 / 33, 1, offset_ms=offset_ms)
    )
    completing = [m.stream for m in messages if s.add(m.stream, m.stamp_ns, None, m.arrival_ns)]
    assert set(completing[6:]) == {completed_by}
    assert len(completing) >= 28


def test_few_periods_seen_are_no_bound_yet(traffic):
    """The only period seen so far has a lost frame in it."""
    s = Synchronizer(["rgb", "depth"])
    t, ms = traffic.START_NS, traffic.MS
    for stamp in (0, 66):
        s.add("depth", t + stamp * ms, stamp, t + stamp * ms)
    assert s.add("rgb", t + 96 * ms, "r", t + 96 * ms) == ()
    (found,) = s.add("depth", t + 99 * ms, 99, t + 99 * ms)
    assert found.items == ("r", 99)


def test_a_period_a_little_shorter_than_any_seen_does_not_surprise(traffic):
    s = Synchronizer(["rgb", "depth"])
    t, ms = traffic.START_NS, traffic.MS
    for k in range(10):
        s.add("depth", t + k * 33 * ms, k, t + k * 33 * ms)
    t += 9 * 33 * ms
    assert s.add("rgb", t + 16 * ms, "r", t + 16 * ms) == ()
    (found,) = s.add("depth", t + 31 * ms, "nearer", t + 31 * ms)
    assert found.items == ("r", "nearer")


def test_a_set_does_not_wait_for_a_frame_that_would_be_out_of_slop(traffic):
    s = Synchronizer(["rgb", "depth"], slop_s=0.005)
    for k in range(8):
        t = traffic.START_NS + k * 100 * traffic.MS
        s.add("depth", t, k, t)
    t += 60 * traffic.MS  # 60 ms after one depth frame, at least 30 ms before the next
    (found,) = s.add("rgb", t, "r", t)
    assert found.items == ("r", None)
    assert found.present == (True, False)


def test_a_set_leaves_at_its_deadline_with_what_there_is(traffic):
    s = Synchronizer(["rgb", "depth"], ["imu"], deadline_s=0.1)
    t = traffic.START_NS
    s.add("imu", t, "i", t)
    s.add("depth", t - 60 * traffic.MS, "d", t)
    assert s.add("rgb", t + 1, "r", t) == ()
    assert s.poll(t + 99 * traffic.MS) == ()
    (found,) = s.poll(t + 100 * traffic.MS)
    assert found.items == ("r", None, ((t, "i"),))


def test_a_range_stream_holds_a_set_until_it_has_passed_the_stamp(traffic):
    s = Synchronizer(["rgb"], ["imu"])
    t = traffic.START_NS
    s.add("imu", t - 1, "a", t)
    assert s.add("rgb", t, "r", t) == ()
    (found,) = s.add("imu", t + 1, "b", t)
    assert found.items == ("r", ((t - 1, "a"),))
    s.add("imu", t + 5, "c", t + 5)
    (found,) = s.add("rgb", t + 5, "r", t + 5)
    assert found.items[1] == ((t + 1, "b"), (t + 5, "c"))


@small
@given(
    imu_hz=st.floats(20, 400),
    rgb_hz=rates,
    delay_ms=st.floats(0, 300),
    jitter=st.floats(0, 0.9),
    drops=st.floats(0, 0.3),
    period_s=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_no_range_sample_is_lost_or_delivered_twice(
    traffic, imu_hz, rgb_hz, delay_ms, jitter, drops, period_s, seed, data
):
    """Whatever the delay, the deadline (0.1 s) included, and though neighbours may swap."""
    imu = traffic.stream("imu", imu_hz, 3, delay_ms=delay_ms, jitter=jitter, drops=drops, seed=seed)
    for i in data.draw(st.lists(st.integers(0, max(0, len(imu) - 2)), max_size=5)):
        imu[i : i + 2] = reversed(imu[i : i + 2])
    arrivals = sorted(m.arrival_ns for m in imu)
    imu = [type(m)(arrival, m.stream, m.stamp_ns) for arrival, m in zip(arrivals, imu, strict=True)]
    rgb = traffic.stream("rgb", rgb_hz, 4, drops=drops, seed=seed)
    s = Synchronizer(["rgb"], ["imu"], period_s=period_s)
    sets = traffic.feed(s, traffic.merge(rgb, imu))

    delivered = traffic.samples(sets, 1)
    assert len(delivered) == len(set(delivered))
    until = sets[-1].stamp_ns
    assert {stamp for stamp in traffic.stamps(imu, "imu") if stamp <= until} == set(delivered)
    for found in sets:
        stamps = [stamp for stamp, _ in found.items[1]]
        assert stamps == sorted(stamps)
        assert all(stamp <= found.stamp_ns for stamp in stamps)
    if s.statistics(0)["imu"].late == 0:
        assert delivered == sorted(delivered)


def test_late_range_samples_go_sorted_into_the_next_set_and_are_counted(traffic):
    s = Synchronizer(["rgb"], ["imu"], deadline_s=0.05)
    t, ms = traffic.START_NS, traffic.MS
    s.add("imu", t, 0, t)
    s.add("rgb", t + 10 * ms, "r", t + 10 * ms)
    assert len(s.poll(t + 60 * ms)) == 1
    for stamp in (t + 40 * ms, t + 8 * ms, t + 5 * ms):  # two of them before the set that left
        s.add("imu", stamp, None, t + 61 * ms)
    (found,) = s.add("rgb", t + 40 * ms, "r", t + 61 * ms)
    assert [stamp for stamp, _ in found.items[1]] == [t + 5 * ms, t + 8 * ms, t + 40 * ms]
    assert s.statistics(0)["imu"].late == 2
    assert s.statistics(0)["imu"].received == 4


@small
@given(seed=st.integers(0, 10_000), period_s=st.sampled_from([0.0, 0.1]), data=st.data())
def test_output_stamps_increase_whatever_arrives(traffic, seed, period_s, data):
    """Any order of arrival: within an epoch stamps increase, and equal input gives equal output."""
    messages = traffic.merge(
        traffic.stream("rgb", 30, 2, jitter=0.6, drops=0.3, seed=seed),
        traffic.stream("depth", 15, 2, jitter=0.6, drops=0.3, seed=seed, delay_ms=data.draw(st.floats(0, 400))),
        traffic.stream("imu", 100, 2, jitter=0.9, drops=0.3, seed=seed, delay_ms=data.draw(st.floats(0, 400))),
    )
    for i in data.draw(st.lists(st.integers(0, len(messages) - 1), max_size=20)):
        messages.append(messages.pop(i))
    runs = [
        traffic.feed(Synchronizer(["rgb", "depth"], ["imu"], period_s=period_s, queue_size=3), messages)
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    for a, b in zip(runs[0], runs[0][1:], strict=False):
        assert (a.epoch, a.stamp_ns) < (b.epoch, b.stamp_ns)


@pytest.mark.parametrize("rate_hz", [15, 30, 60, 90])
def test_a_period_makes_sets_by_time_whatever_the_cameras_rate(traffic, rate_hz):
    messages = traffic.merge(
        traffic.stream("rgb", rate_hz, 10, jitter=0.1, drops=0.02),
        traffic.stream("depth", 30, 10, offset_ms=4, jitter=0.1),
        traffic.stream("imu", 200, 10, jitter=0.1),
    )
    sets = traffic.feed(Synchronizer(["rgb", "depth"], ["imu"], period_s=0.1), messages)
    assert 98 <= len(sets) <= 102
    assert sum(s.present[1] for s in sets) == len(sets)
    assert 1950 <= len(traffic.samples(sets, 2)) <= 2000


def test_statistics_hold_rate_skew_and_life_of_each_stream(traffic):
    s = Synchronizer(["rgb", "depth"], ["imu"])
    messages = traffic.merge(
        traffic.stream("rgb", 30, 3), traffic.stream("depth", 30, 3, offset_ms=5), traffic.stream("imu", 200, 3)
    )
    traffic.feed(s, messages)
    found = s.statistics(messages[-1].arrival_ns)
    assert list(found) == ["rgb", "depth", "imu"]
    assert found["rgb"].rate_hz == pytest.approx(30, rel=0.01)
    assert found["imu"].rate_hz == pytest.approx(200, rel=0.01)
    assert found["depth"].mean_skew_ns == pytest.approx(5 * traffic.MS, abs=10)
    assert found["depth"].shortest_period_ns == pytest.approx(1e9 / 30, abs=2)
    assert found["rgb"].received == found["rgb"].paired == 90
    assert all(one.alive for one in found.values())
    later = s.statistics(messages[-1].arrival_ns + 10**9)
    assert not any(one.alive for one in later.values())
    assert later["imu"].age_s == pytest.approx(1.0)


@pytest.mark.parametrize("ahead_ms", [50, 300, 900])
def test_the_rate_of_a_camera_that_starts_behind_an_imu_is_never_negative(traffic, ahead_ms):
    """Its first frames are late: sets of the IMU alone have left."""
    s = Synchronizer(["rgb"], ["imu"], period_s=0.1)
    first, later = traffic.stream("imu", 100, 3, offset_ms=ahead_ms, delay_ms=-ahead_ms), traffic.stream("rgb", 30, 3)
    for m in traffic.merge(first, later[30:]):
        s.add(m.stream, m.stamp_ns, None, m.arrival_ns)
        assert s.statistics(m.arrival_ns)["rgb"].rate_hz >= 0
    found = s.statistics(later[-1].arrival_ns)["rgb"]
    assert found.late > 0
    assert found.received == 60
    assert found.rate_hz == pytest.approx(30, rel=0.02)


@pytest.mark.parametrize(
    ("kwargs", "value"),
    [
        ({"frames": []}, r"\(\)"),
        ({"frames": ["rgb", "rgb"]}, "rgb"),
        ({"frames": ["rgb"], "queue_size": 0}, "0"),
        ({"frames": ["rgb"], "slop_s": -0.1}, "-0.1"),
        ({"frames": ["rgb"], "period_s": float("nan")}, "nan"),
        ({"frames": ["rgb"], "timeout_s": 0.0}, "0.0"),
    ],
)
def test_invalid_arguments_are_quoted(kwargs, value):
    with pytest.raises(ValueError, match=value):
        Synchronizer(**kwargs)
