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

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.streams import RateSampler

MS = 10**6
T = 1_700_000_000 * 10**9


def frames(rate_hz, seconds, jitter=0.0, drops=0.0, seed=0):
    rng = random.Random(seed)
    return [
        T + round((k + rng.uniform(-jitter, jitter)) * 1e9 / rate_hz)
        for k in range(int(seconds * rate_hz))
        if k == 0 or rng.random() >= drops
    ]


@pytest.mark.parametrize("rate_hz", [15, 25, 30, 60, 90])
@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3])
def test_a_faster_camera_gives_the_rate_exactly(rate_hz, jitter):
    sampler = RateSampler(100 * MS)
    chosen = [t for t in frames(rate_hz, 60, jitter) if sampler.accept(t)]
    assert abs(len(chosen) - 600) <= 1
    for k, t in enumerate(chosen):  # near its due time each, however late in the minute
        assert abs(t - chosen[0] - k * 100 * MS) <= (1 + jitter) * 1e9 / rate_hz


@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_without_drops_the_frame_chosen_is_the_nearest_to_its_due_time(jitter):
    stamps = frames(60, 30, jitter)
    sampler = RateSampler(100 * MS)
    chosen = [t for t in stamps if sampler.accept(t)]
    for k, t in enumerate(chosen):
        due = chosen[0] + k * 100 * MS
        nearest = min(abs(s - due) for s in stamps)
        assert abs(t - due) <= nearest + jitter * 2e9 / 60


@pytest.mark.parametrize("rate_hz", [2, 7.5, 9.9, 10])
@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_a_slower_camera_gives_all_its_frames(rate_hz, jitter):
    stamps = frames(rate_hz, 60, jitter)
    sampler = RateSampler(100 * MS)
    assert sum(map(sampler.accept, stamps)) >= 0.99 * len(stamps)


@pytest.mark.parametrize("jitter", [0.0, 0.2])
@pytest.mark.parametrize("rate_hz", [5, 10, 15])
@pytest.mark.parametrize("every", [2, 3, 4, 6])
def test_rare_frames_are_chosen_in_every_phase_and_the_rate_stays(every, rate_hz, jitter):
    stamps = frames(30, 60, jitter)
    for phase in range(every):
        sampler = RateSampler(round(1e9 / rate_hz))
        chosen = {k for k, t in enumerate(stamps) if sampler.accept(t, is_rare=k % every == phase)}
        rare = sum(k % every == phase for k in chosen)
        assert rare >= 0.98 * min(rate_hz, 30 / every) * 60
        assert abs(len(chosen) - rate_hz * 60) <= 2


def test_after_a_slow_spell_it_does_not_catch_up():
    sampler = RateSampler(100 * MS)
    for t in frames(5, 10):
        sampler.accept(t)
    chosen = [t for t in frames(60, 20) if t > T + 10 * 10**9 and sampler.accept(t)]
    assert len(chosen) == pytest.approx(100, abs=1)


def test_after_a_gap_the_phase_starts_anew():
    sampler = RateSampler(100 * MS)
    assert sampler.accept(T)
    after = T + 1_234 * MS
    assert [sampler.accept(after + k * 25 * MS) for k in range(9)] == [k % 4 == 0 for k in range(9)]


@settings(max_examples=60)
@given(st.lists(st.integers(1, 10**10), max_size=300), st.integers(1, 10**9))
def test_whatever_comes_the_choice_is_never_denser_than_half_the_period(stamps, period_ns):
    sampler = RateSampler(period_ns)
    chosen = [t for t in stamps if sampler.accept(t)]
    assert chosen == sorted(set(chosen))
    span = (chosen[-1] - chosen[0]) if chosen else 0
    assert len(chosen) <= 2 * span / period_ns + 2


def test_a_stamp_not_after_the_newest_is_never_chosen():
    sampler = RateSampler(100 * MS)
    assert sampler.accept(T)
    assert not sampler.accept(T)
    assert not sampler.accept(T - 10**9)


def test_another_streams_frames_keep_the_phase():
    sampler = RateSampler(100 * MS)
    assert sampler.accept(T)
    sampler.follow()
    assert not sampler.accept(T + 40 * MS)
    assert sampler.accept(T + 100 * MS)


@pytest.mark.parametrize("period_ns", [0, -5])
def test_the_period_must_be_positive(period_ns):
    with pytest.raises(ValueError, match=str(period_ns)):
        RateSampler(period_ns)
