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

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.streams import StreamSpec, WindowAssembler

MS = 10**6
T = 1_700_000_000 * 10**9
END = T + 3 * 10**9
IMU = StreamSpec("imu", "vector", 50, (2, 3), max_gap_s=0.1)
RGB = StreamSpec("rgb", "frames", 10)
few = settings(max_examples=25, deadline=None)


def imu_samples(rate_hz=200, seconds=3.2, jitter=0.1, drops=0.0, seed=0):
    rng = random.Random(seed)
    values = np.random.default_rng(seed)
    return [
        (T + round((k + rng.uniform(-jitter, jitter)) * 1e9 / rate_hz), values.normal(size=(2, 3)))
        for k in range(int(seconds * rate_hz))
        if rng.random() >= drops
    ]


def filled(samples, spec=IMU, window_s=2.0):
    assembler = WindowAssembler([spec], window_s)
    for stamp, value in samples:
        assembler.push(spec.name, stamp, value)
    return assembler


def assert_same(a, b):
    assert (a.start_ns, a.end_ns, a.epoch) == (b.start_ns, b.end_ns, b.epoch)
    for name, x in a.series.items():
        y = b.series[name]
        np.testing.assert_array_equal(x.stamps_ns, y.stamps_ns)
        np.testing.assert_array_equal(x.samples, y.samples)
        np.testing.assert_array_equal(x.mask, y.mask)
        assert (x.coverage, x.age_ns) == (y.coverage, y.age_ns)


class TestVectors:
    @few
    @given(
        rate_hz=st.sampled_from([20, 50, 200, 400]),
        grid_hz=st.sampled_from([20, 50, 100]),
        drops=st.floats(0, 0.9),
        end_ms=st.integers(0, 3300),
        gap_s=st.floats(0.005, 0.5),
        seed=st.integers(0, 999),
    )
    def test_steps_are_interpolated_where_a_sample_is_near_and_zero_elsewhere(
        self, rate_hz, grid_hz, drops, end_ms, gap_s, seed
    ):
        samples = imu_samples(rate_hz, drops=drops, seed=seed)
        end = T + end_ms * MS
        found = filled(samples, StreamSpec("imu", "vector", grid_hz, (2, 3), gap_s)).window(end).series["imu"]
        known = [(t, v) for t, v in samples if t <= end]
        stamps = [t - T for t, _ in known]

        assert found.samples.shape == (2 * grid_hz, 2, 3)
        assert found.samples.dtype == np.float32
        for i in range(2 * grid_hz):
            step = end - 2 * 10**9 + (i + 1) * 10**9 // grid_hz
            assert found.stamps_ns[i] == step
            near = any(abs(step - t) <= round(gap_s * 1e9) for t, _ in known)
            inside = bool(known) and known[0][0] <= step <= known[-1][0]
            held = bool(known) and 0 < step - known[-1][0] <= 1e9 / grid_hz
            assert found.mask[i] == (near and (inside or held))
            if found.mask[i]:
                oracle = [np.interp(step - T, stamps, [v.ravel()[c] for _, v in known]) for c in range(6)]
                np.testing.assert_allclose(found.samples[i].ravel(), oracle, rtol=1e-5, atol=1e-5)
            else:
                assert not found.samples[i].any()
        came = sum(end - 2 * 10**9 < t for t, _ in known)
        assert found.coverage == pytest.approx(min(found.mask.sum(), came) / (2 * grid_hz))
        assert found.age_ns == (end - known[-1][0] if known else None)

    @pytest.mark.parametrize(("rate_hz", "coverage"), [(6.6, 0.066), (25, 0.25), (50, 0.5), (100, 1.0), (400, 1.0)])
    def test_a_slow_sensor_is_not_taken_for_a_whole_one(self, rate_hz, coverage):
        samples = [(T + round(k * 1e9 / rate_hz), np.ones((2, 3))) for k in range(round(3 * rate_hz))]
        found = filled(samples, StreamSpec("imu", "vector", 100, (2, 3), 0.1)).window(T + 2 * 10**9).series["imu"]
        assert found.mask.mean() > 0.9, "it is interpolated"
        assert found.coverage == pytest.approx(coverage, abs=0.011)

    @few
    @given(seed=st.integers(0, 999), end_ms=st.integers(500, 3000))
    def test_newer_samples_change_nothing(self, seed, end_ms):
        samples = imu_samples(seed=seed)
        end = T + end_ms * MS
        now = filled(s for s in samples if s[0] <= end)
        later = filled(s for s in samples if s[0] <= end + 10**9)
        assert_same(now.window(end), later.window(end))

    @few
    @given(st.randoms(use_true_random=False))
    def test_the_order_of_arrival_does_not_matter(self, rng):
        """Within the second that a stamp may lie behind its stream."""
        samples = imu_samples(100)
        shuffled = sorted(samples, key=lambda s: s[0] + rng.uniform(0, 0.9e9))
        assert_same(filled(samples).window(END), filled(shuffled).window(END))

    def test_a_stream_may_be_pushed_whole_before_another(self):
        a, b = (StreamSpec(name, "vector", 50, (2, 3)) for name in "ab")
        samples = imu_samples()
        apart, together = WindowAssembler([a, b], 2.0), WindowAssembler([a, b], 2.0)
        for name in "ab":
            for stamp, value in samples:
                apart.push(name, stamp, value)
        for stamp, value in samples:
            for name in "ab":
                together.push(name, stamp, value)
        assert_same(apart.window(END), together.window(END))

    def test_the_newest_sample_holds_for_one_step_at_most(self):
        samples = [s for s in imu_samples(jitter=0) if s[0] <= END - 50 * MS]
        mask = filled(samples).window(END).series["imu"].mask
        assert mask.tolist() == [True] * 98 + [False] * 2  # −40 ms … lies 10 ms after the newest, −20 ms too far

    def test_a_missing_stream_is_all_zero(self):
        found = WindowAssembler([IMU, RGB], 2.0).window(END).series
        assert not found["imu"].samples.any()
        assert not found["imu"].mask.any()
        assert (found["imu"].coverage, found["imu"].age_ns) == (0.0, None)
        assert (found["rgb"].samples, found["rgb"].coverage, found["rgb"].age_ns) == ((), 0.0, None)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
    def test_values_that_are_no_numbers_are_refused_and_counted(self, bad):
        samples = imu_samples()
        assembler = filled(samples)
        value = np.zeros((2, 3))
        value[1, 2] = bad
        assert not assembler.push("imu", samples[-1][0] + 1, value)
        assert assembler.statistics()["imu"].refused == 1
        assert_same(assembler.window(END), filled(samples).window(END))

    def test_a_wrong_shape_is_quoted(self):
        with pytest.raises(ValueError, match=r"'imu'.*\(2, 3\).*\(7,\)"):
            filled([]).push("imu", T, np.zeros(7))

    def test_duplicates_keep_the_first(self):
        samples = imu_samples()
        assembler = filled(samples)
        for stamp, value in samples[-100:]:
            assert not assembler.push("imu", stamp, value + 1)
        assert assembler.statistics()["imu"].duplicate == 100
        assert_same(assembler.window(END), filled(samples).window(END))

    def test_memory_is_bounded_and_the_window_stays_right(self):
        spec = StreamSpec("imu", "vector", 50, (1,))
        assembler = WindowAssembler([spec], 2.0)
        for k in range(20_000):
            assembler.push("imu", T + k * 5 * MS, [float(k)])
        found = assembler.window(T + 19_999 * 5 * MS).series["imu"]
        np.testing.assert_allclose(found.samples[:, 0], 19_999 - 4 * np.arange(99, -1, -1))
        assert assembler._buffers["imu"]._values.nbytes < 100_000


class TestFrames:
    @pytest.mark.parametrize("rate_hz", [15, 25, 30, 60, 90])
    def test_any_camera_fills_the_window_with_the_models_rate(self, rate_hz):
        assembler = filled([(T + round(k * 1e9 / rate_hz), k) for k in range(rate_hz * 5)], RGB)
        found = assembler.window(T + 4 * 10**9).series["rgb"]
        assert len(found.samples) == len(found.stamps_ns) == len(found.mask)
        assert 19 <= len(found.samples) <= 20
        assert found.mask.all()
        assert all(T + 2 * 10**9 < t <= T + 4 * 10**9 for t in found.stamps_ns)
        assert [T + round(k * 1e9 / rate_hz) for k in found.samples] == found.stamps_ns.tolist()
        assert found.coverage == len(found.samples) / 20

    def test_a_slow_camera_gives_all_its_frames(self):
        found = filled([(T + k * 250 * MS, k) for k in range(17)], RGB).window(T + 4 * 10**9).series["rgb"]
        assert found.samples == tuple(range(9, 17))
        assert found.coverage == 8 / 20

    def test_push_returns_which_frames_were_chosen(self):
        assembler = WindowAssembler([RGB], 2.0)
        chosen = [k for k in range(300) if assembler.push("rgb", T + k * 10 * MS, k)]
        assert chosen == list(range(0, 300, 10))
        assert assembler.statistics()["rgb"].unsampled == 270

    @few
    @given(end_ms=st.integers(0, 3500), seed=st.integers(0, 99))
    def test_newer_frames_change_nothing(self, end_ms, seed):
        rng = random.Random(seed)
        frames = [(T + round((k + rng.uniform(-0.2, 0.2)) * 1e9 / 30), k) for k in range(120)]
        end = T + end_ms * MS
        now = filled([f for f in frames if f[0] <= end], RGB)
        later = filled([f for f in frames if f[0] <= end + 0.9e9], RGB)
        assert_same(now.window(end), later.window(end))

    def test_late_and_repeated_frames_are_dropped_and_counted(self):
        assembler = filled([(T + k * 100 * MS, k) for k in range(10)], RGB)
        assert not assembler.push("rgb", T + 850 * MS, "late")
        assert not assembler.push("rgb", T + 900 * MS, "again")
        assert (assembler.statistics()["rgb"].late, assembler.statistics()["rgb"].duplicate) == (1, 1)

    def test_an_array_with_nan_is_refused(self):
        assembler = WindowAssembler([RGB], 2.0)
        assert not assembler.push("rgb", T, np.array([[1.0, np.nan]]))
        assert assembler.statistics()["rgb"].refused == 1

    def test_memory_is_bounded(self):
        assembler = filled([(T + k * 100 * MS, k) for k in range(1000)], RGB)
        assert len(assembler._buffers["rgb"]._frames) <= 30


class TestTime:
    @pytest.mark.parametrize("spec", [IMU, RGB])
    def test_a_backward_jump_starts_an_epoch_with_empty_buffers(self, spec):
        value = np.ones((2, 3)) if spec is IMU else 1
        first = [(T + k * 20 * MS, value) for k in range(500)]
        again = [(t, value * 2) for t, _ in first[:150]]
        assembler = filled(first + again, spec)
        window = assembler.window(END)
        assert window.epoch == assembler.epoch == 1
        assert_series = window.series[spec.name]
        assert np.all(np.asarray(assert_series.samples)[assert_series.mask] == 2)
        np.testing.assert_array_equal(assert_series.mask, filled(again, spec).window(END).series[spec.name].mask)

    @pytest.mark.parametrize("jump_ns", [-(10**12), 10**12])
    def test_an_array_that_is_used_again_is_each_sample_also_where_a_jump_holds_them_back(self, jump_ns):
        first = imu_samples(jitter=0, seconds=1)
        samples = [*first, *((t + jump_ns, v) for t, v in first)]
        assembler, buffer = WindowAssembler([IMU], 2.0), np.zeros((2, 3))
        for stamp, value in samples:
            buffer[:] = value
            assembler.push("imu", stamp, buffer)
        assert_same(assembler.window(samples[-1][0]), filled(samples).window(samples[-1][0]))

    def test_of_a_recording_every_sample_is_taken_whatever_the_gap_and_of_other_stamps_as_by_push(self):
        samples = [s for s in imu_samples(jitter=0) if not T + 1500 * MS < s[0] < T + 2800 * MS]
        assembler = WindowAssembler([IMU], 2.0)
        assert all(assembler.insert("imu", *sample) for sample in samples)
        assert_same(assembler.window(T + 1500 * MS), filled(samples).window(T + 1500 * MS))
        newest_ns = samples[-1][0]
        assert assembler.window(newest_ns).series["imu"].age_ns == 0
        assert filled(samples).window(newest_ns).series["imu"].age_ns > 1000 * MS, "it waits for half a second of them"
        assert not assembler.insert("imu", newest_ns + MS, np.full((2, 3), np.nan))
        assert assembler.statistics()["imu"].refused == 1

    def test_garbage_changes_nothing(self):
        samples = imu_samples()
        bad = [(0, np.ones((2, 3))), (-5, np.ones((2, 3))), (2 * T, np.ones((2, 3))), (T - 10**12, np.ones((2, 3)))]
        assembler = filled([*samples[:300], *bad, *samples[300:]])
        assert_same(assembler.window(END), filled(samples).window(END))
        counts = assembler.statistics()["imu"]
        assert (counts.refused, counts.late, assembler.epoch) == (3, 1, 0)

    def test_after_a_pause_the_window_fills_again_in_the_same_epoch(self):
        samples = imu_samples(jitter=0)
        moved = [(t + 10**12, v) for t, v in samples]
        assembler = filled([*samples, *moved])
        assert assembler.epoch == 0
        assert assembler.window(END + 10**12).series["imu"].coverage == 1.0


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: StreamSpec("a", "image", 10), "image"),
        (lambda: StreamSpec("a", "frames", 0), "0"),
        (lambda: StreamSpec("a", "vector", 10, (3,), max_gap_s=-1), "-1"),
        (lambda: StreamSpec("a", "vector", 10, (3, 0)), r"\(3, 0\)"),
        (lambda: WindowAssembler([], 2.0), r"\[\]"),
        (lambda: WindowAssembler([RGB, RGB], 2.0), "rgb"),
        (lambda: WindowAssembler([RGB], -2.0), "-2.0"),
    ],
)
def test_invalid_arguments_are_quoted(make, value):
    with pytest.raises(ValueError, match=value):
        make()
