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

"""Each failure does what its table says, from when to when it is told, and the same however a stream is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.failures import KINDS, SENSORS, Failure, Injector, Spread, kinds_for

NS = 1_000_000_000
FITTING = [(sensor, kind) for sensor in SENSORS for kind in kinds_for(sensor)]
OF_SPREAD = [kind for kind, row in KINDS.items() if row.unit.startswith("σ")]


@settings(max_examples=60, deadline=None)
@given(
    case=st.sampled_from(FITTING),
    count=st.integers(1, 70),
    cuts=st.sets(st.integers(1, 69)),
    interval=st.none() | st.tuples(st.integers(-10, 60), st.integers(1, 60)),
    seed=st.integers(0, 3),
)
def test_any_cut_into_chunks_gives_the_same(make_stream, case, count, cuts, interval, seed) -> None:
    sensor, kind = case
    stamps_ns, samples = make_stream(sensor, count, seed)
    start_ns = end_ns = None
    if interval is not None:
        start_ns = int(stamps_ns[0]) + interval[0] * NS // 10
        end_ns = start_ns + interval[1] * NS // 10

    def injector() -> Injector:
        return Injector(Failure(kind), sensor, seed=seed, start_ns=start_ns, end_ns=end_ns)

    whole = injector().apply(stamps_ns, samples)
    piecewise = injector()
    parts = np.array(sorted(cuts))
    pairs = zip(np.split(stamps_ns, parts), np.split(samples, parts), strict=True)
    pieces = [piecewise.apply(*pair) for pair in pairs]
    np.testing.assert_array_equal(np.concatenate([stamps for stamps, _ in pieces]), whole[0])
    np.testing.assert_array_equal(np.concatenate([shown for _, shown in pieces]), whole[1])
    assert whole[1].dtype == samples.dtype


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(OF_SPREAD),
    count=st.integers(1, 250),
    begin=st.none() | st.integers(0, 200),
    cuts=st.sets(st.integers(1, 249)),
    share=st.sampled_from([0.02, 0.5, 0.98]),
    unseen_until=st.integers(0, 250),
    seed=st.integers(0, 3),
)
def test_only_what_is_hidden_is_hidden_when_it_fails(
    make_stream, kind, count, begin, cuts, share, unseen_until, seed
) -> None:
    stamps_ns, samples = make_stream("vector", count, seed)
    hidden = np.random.default_rng(seed).random(samples.shape) < share
    hidden[:unseen_until, 0] = True
    samples[hidden] = np.nan
    start_ns = None if begin is None else int(stamps_ns[0]) + begin * NS // 10
    _, shown = Injector(Failure(kind), "vector", seed=seed, start_ns=start_ns).apply(stamps_ns, samples)
    np.testing.assert_array_equal(np.isnan(shown), hidden)
    piecewise = Injector(Failure(kind), "vector", seed=seed, start_ns=start_ns)
    pairs = zip(np.split(stamps_ns, sorted(cuts)), np.split(samples, sorted(cuts)), strict=True)
    np.testing.assert_array_equal(np.concatenate([piecewise.apply(*pair)[1] for pair in pairs]), shown)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_the_spread_is_of_what_is_seen(make_stream, share: float, seed: int) -> None:
    stamps_ns, samples = make_stream("vector", 200, seed)
    samples[np.random.default_rng(seed).random(samples.shape) < share] = np.nan
    samples[:150, 0, 0] = np.nan
    samples[150:, 0, 0] = 3.0
    mean, std = Spread.of(samples[:150])
    assert np.isnan(mean[0, 0])
    assert std[0, 0] == 0
    np.testing.assert_allclose(mean.ravel()[1:], np.nanmean(samples[:150].reshape(150, 6)[:, 1:], axis=0), rtol=1e-5)
    np.testing.assert_allclose(std.ravel()[1:], np.nanstd(samples[:150].reshape(150, 6)[:, 1:], axis=0), rtol=1e-4)
    for kind in OF_SPREAD:
        live, known = (
            Injector(Failure(kind), "vector", start_ns=int(stamps_ns[150]), spread=spread).apply(stamps_ns, samples)[1]
            for spread in (None, Spread(mean, std))
        )
        np.testing.assert_allclose(live, known, rtol=1e-5, atol=1e-5)
        assert (live[150:, 0, 0] == 3.0).all(), "an element that was never seen has no spread"


def test_the_spread_of_what_is_all_seen_is_numpys_to_the_bit(make_stream) -> None:
    for sensor in SENSORS:
        samples = make_stream(sensor, 90)[1]
        mean, std = Spread.of(samples)
        np.testing.assert_array_equal(mean, samples.astype(float).mean(axis=0))
        np.testing.assert_array_equal(std, samples.astype(float).std(axis=0))


@pytest.mark.parametrize(("sensor", "kind"), FITTING)
def test_it_fails_in_its_interval_only(fail, sensor: str, kind: str) -> None:
    (stamps_ns, samples), (shown_ns, shown) = fail(kind, sensor, begin=30, end=60)
    outside = (shown_ns < stamps_ns[30]) | (shown_ns >= stamps_ns[60])
    np.testing.assert_array_equal(shown_ns[outside], np.r_[stamps_ns[:30], stamps_ns[60:]])
    np.testing.assert_array_equal(shown[outside], np.r_[samples[:30], samples[60:]])
    inside = shown[~outside]
    assert len(inside) < 30 or not np.array_equal(inside, samples[30:60])


@pytest.mark.parametrize(("sensor", "kind"), FITTING)
def test_the_samples_that_it_is_given_stay_as_they_are(make_stream, sensor: str, kind: str) -> None:
    stamps_ns, samples = make_stream(sensor, 40)
    before = samples.copy()
    Injector(Failure(kind), sensor).apply(stamps_ns, samples)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("sensor", SENSORS)
def test_dropout_leaves_nothing_or_a_share(fail, sensor: str) -> None:
    assert len(fail("dropout", sensor)[1][0]) == 0
    kept = fail("dropout=0.5", "vector", count=6000)[1][0]
    assert len(kept) == pytest.approx(3000, abs=600)


def test_half_rate_leaves_every_second_sample(fail) -> None:
    (stamps_ns, samples), (kept_ns, kept) = fail("half_rate", "rgb")
    np.testing.assert_array_equal(kept_ns, stamps_ns[::2])
    np.testing.assert_array_equal(kept, samples[::2])


@pytest.mark.parametrize(("kind", "sensor"), [("stuck", "vector"), ("frozen", "rgb"), ("frozen", "depth")])
def test_what_is_stuck_shows_the_first_sample_of_its_failure(fail, kind: str, sensor: str) -> None:
    (_, samples), (_, shown) = fail(kind, sensor, begin=30)
    assert (shown[30:] == samples[30]).all()


def test_noise_is_as_strong_as_the_stream_varies(fail) -> None:
    (_, samples), (_, shown) = fail("noise=0.5", "vector", count=4000, begin=1000)
    std = samples[:1000].astype(float).std(axis=0)
    np.testing.assert_allclose((shown - samples)[1000:].std(axis=0), 0.5 * std, rtol=0.1)


def test_bias_is_constant_and_drift_grows_with_time(fail) -> None:
    (stamps_ns, samples), (_, biased) = fail("bias=3", "vector", count=400, begin=200)
    std = samples[:200].astype(float).std(axis=0)
    np.testing.assert_allclose(np.abs((biased - samples)[200:]), np.broadcast_to(3 * std, (200, 2, 3)), rtol=1e-4)
    _, (_, drifted) = fail("drift=0.5", "vector", count=400, begin=200)
    elapsed_s = ((stamps_ns[200:] - stamps_ns[200]) / NS)[:, None, None]
    np.testing.assert_allclose(np.abs((drifted - samples)[200:]), elapsed_s * 0.5 * std, rtol=1e-3, atol=1e-5)


def test_a_saturated_sensor_ends_at_its_limits(fail) -> None:
    (_, samples), (_, shown) = fail("saturation", "vector", count=400, begin=200)
    mean, std = Spread.of(samples[:200])
    np.testing.assert_allclose(shown[200:], samples[200:].clip(mean - std, mean + std), rtol=1e-5)
    top = shown[200:, 0, 0].max()
    assert (shown[200:, 0, 0] == top).sum() > 10, "pinned to one value"


def test_a_known_spread_counts_from_the_first_sample_on(make_stream) -> None:
    stamps_ns, samples = make_stream("vector", 5)
    spread = Spread(np.zeros((2, 3)), np.full((2, 3), 2.0))
    _, shown = Injector(Failure("bias", 1.0), "vector", spread=spread).apply(stamps_ns, samples)
    np.testing.assert_allclose(np.abs(shown - samples), 2.0, rtol=1e-5)


def test_swapped_axes_are_the_same_numbers_elsewhere(fail) -> None:
    (_, samples), (_, shown) = fail("axis_swap", "vector")
    np.testing.assert_array_equal(np.sort(shown), np.sort(samples))
    assert (shown == samples).all(axis=(0, 1)).sum() == 1, "one axis stays"


@pytest.mark.parametrize("degrees", [20, 90, 180])
def test_a_turned_sensor_measures_the_same_lengths_and_angles(fail, degrees: int) -> None:
    (_, samples), (_, shown) = fail(f"mounting={degrees}", "vector")
    np.testing.assert_allclose(np.linalg.norm(shown, axis=-1), np.linalg.norm(samples, axis=-1), rtol=1e-5)
    products = np.einsum("tic,tjc->tij", samples, samples)
    np.testing.assert_allclose(np.einsum("tic,tjc->tij", shown, shown), products, rtol=1e-3, atol=1e-3)
    rotation = np.linalg.lstsq(samples.reshape(-1, 3), shown.reshape(-1, 3), rcond=None)[0]
    assert np.trace(rotation) == pytest.approx(1 + 2 * np.cos(np.deg2rad(degrees)), abs=1e-4)


def test_a_shifted_stream_shows_what_was(make_stream) -> None:
    _, samples = make_stream("rgb", 50)
    stamps_ns = np.arange(50) * NS // 10
    shown_ns, shown = Injector(Failure("shift", 0.3), "rgb").apply(stamps_ns, samples)
    np.testing.assert_array_equal(shown_ns, stamps_ns[3:], "nothing is old enough at first")
    np.testing.assert_array_equal(shown, samples[:-3])


def test_a_shifted_stream_forgets_what_was_when_time_jumps_back(make_stream) -> None:
    _, samples = make_stream("vector", 20)
    stamps_ns = np.arange(20) * NS // 10
    injector = Injector(Failure("shift", 0.3), "vector")
    first = injector.apply(stamps_ns, samples)
    again = injector.apply(stamps_ns, samples)
    np.testing.assert_array_equal(again[0], first[0])
    np.testing.assert_array_equal(again[1], first[1])


def test_a_repeated_buffer_shows_its_last_seconds_again_and_again(make_stream) -> None:
    _, samples = make_stream("depth", 100)
    stamps_ns = np.arange(100) * NS // 10
    _, shown = Injector(Failure("repeated_buffer", 1.0), "depth", start_ns=5 * NS).apply(stamps_ns, samples)
    np.testing.assert_array_equal(shown, np.r_[samples[:50], np.tile(samples[40:50], (5, 1, 1))])
    _, shown = Injector(Failure("repeated_buffer", 1.0), "depth").apply(stamps_ns, samples)
    np.testing.assert_array_equal(shown, np.tile(samples[:10], (10, 1, 1)), "a young one: its first second")


@pytest.mark.parametrize("sensor", ["rgb", "depth"])
def test_images_go_black_or_lose_a_rectangle(fail, sensor: str) -> None:
    (_, samples), (_, shown) = fail("black", sensor)
    assert not shown.any()
    (_, samples), (_, shown) = fail("occlusion=0.25", sensor)
    hidden = (shown != samples).any(axis=0)
    assert 0.25 * 0.2 < hidden.mean() <= 0.3
    assert (shown[:, hidden] == 0).all()


def test_a_blurred_image_keeps_its_brightness_and_loses_its_contrast(fail) -> None:
    (_, samples), (_, shown) = fail("blur=0.2", "rgb")
    assert shown.mean() == pytest.approx(samples.mean(), rel=0.05)
    assert shown.std() < samples.std() / 2


@pytest.mark.parametrize("kind", ["noise=5", "blur"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_depth_without_a_reading_stays_without(make_stream, kind: str, dtype: type) -> None:
    stamps_ns, samples = make_stream("depth", 30)
    samples = samples.astype(dtype)[..., None]
    name, _, amount = kind.partition("=")
    _, shown = Injector(Failure(name, float(amount) if amount else None), "depth").apply(stamps_ns, samples)
    np.testing.assert_array_equal(shown == 0, samples == 0)
    assert shown.dtype == dtype
    if name == "blur":
        valid = samples > 0
        assert shown[valid].min() >= samples[valid].min() - 1, "distances are not mixed with what is none"


@pytest.mark.parametrize("kind", ["noise", "blur"])
@pytest.mark.parametrize("none", [np.nan, np.inf])
def test_depth_that_is_not_finite_is_no_reading(make_stream, kind: str, none: float) -> None:
    stamps_ns, samples = make_stream("depth", 30)
    samples = samples.astype(np.float32)
    expected, shown = (
        Injector(Failure(kind), "depth").apply(stamps_ns, given)[1]
        for given in (samples, np.where(samples > 0, samples, np.float32(none)))
    )
    np.testing.assert_array_equal(shown, expected)


def test_the_seed_and_the_stream_decide_the_draw(make_stream) -> None:
    stamps_ns, samples = make_stream("vector", 20)

    def shown(**draw: object) -> np.ndarray:
        return Injector(Failure("noise"), "vector", **draw).apply(stamps_ns, samples)[1]

    np.testing.assert_array_equal(shown(seed=1, stream="imu"), shown(seed=1, stream="imu"))
    assert not np.array_equal(shown(seed=1), shown(seed=2))
    assert not np.array_equal(shown(stream="imu_wrist"), shown(stream="imu_belt"))


@pytest.mark.parametrize(("sensor", "kind"), [(s, k) for s in SENSORS for k in KINDS if k not in kinds_for(s)])
def test_a_kind_that_does_not_fit_is_refused_and_those_that_do_are_listed(sensor: str, kind: str) -> None:
    with pytest.raises(ValueError, match=f"'{kind}' does not apply to.*{', '.join(kinds_for(sensor))}"):
        Injector(Failure(kind), sensor)


@pytest.mark.parametrize(("kind", "shape"), [("mounting", (4, 2)), ("axis_swap", (4, 1))])
def test_vectors_without_directions_cannot_be_turned(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"'{kind}' needs samples of three axes"):
        Injector(Failure(kind), "vector").apply(np.arange(3), np.zeros((3, *shape), np.float32))
    assert kind not in kinds_for("vector", axes=shape[-1])
    assert kind in kinds_for("vector", axes=3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_without_an_amount_is_as_strong_as_the_table_says(kind: str) -> None:
    assert Failure(kind).amount == KINDS[kind].amount
    assert str(Failure(kind)) == kind


@pytest.mark.parametrize(
    ("kind", "amount", "message"),
    [
        ("fog", None, "'fog' is unknown; expected one of dropout"),
        ("noise", 0.0, "'noise=0': expected a number above 0"),
        ("noise", float("inf"), "'noise=inf'"),
        ("bias", float("nan"), "'bias=nan'"),
        ("dropout", 1.5, "above 0 and at most 1"),
        ("stuck", 1.0, "'stuck' has no amount"),
    ],
)
def test_a_failure_that_cannot_be_meant_is_refused(kind: str, amount: float | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Failure(kind, amount)
