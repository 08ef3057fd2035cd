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

"""Faults that samples show by themselves: in every window that has them, and in no healthy one."""

from __future__ import annotations

import numpy as np
import pytest

from mumu_ros.failures import Failure, Fault, FaultInjector
from mumu_ros.health import find_fault
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.window_assembly import window_assembler
from mumu_ros.streams import NS_PER_S

START_NS, END_S, WINDOW_S = 1_700_000_000 * NS_PER_S, 8.0, 2.0
MODALITIES = {
    "imu": Modality("imu", "vector", (2, 3), 50.0, "cooccurrence"),
    "skeleton": Modality("skeleton", "vector", (20, 3), 15.0, "cooccurrence1d", max_gap_s=0.3, layout="kinect20"),
    "joints": Modality("joints", "vector", (6, 1), 50.0, "cooccurrence"),
    "glove": Modality("glove", "vector", (5, 3), 50.0, "cooccurrence"),
    "wrench": Modality("wrench", "vector", (2, 3), 50.0, "cooccurrence", worn=False),
    "rgb": Modality("rgb", "rgb", (32, 32, 3), 30.0, "small_cnn"),
    "depth": Modality("depth", "depth", (32, 32, 1), 10.0, "small_cnn"),
}
TAXONOMY = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run")})


def samples(name: str, count: int, noise: float = 0.02) -> np.ndarray:
    """Of somebody who stands still in front of sensors with noise; of others without."""
    rng, shape = np.random.default_rng(count), (count, *MODALITIES[name].shape)
    if name == "rgb":
        return (128 + rng.integers(-1, 2, shape)).astype(np.uint8)
    if name == "depth":
        return (2.0 + 0.001 * rng.integers(-1, 2, shape)).astype(np.float32)
    if name in ("joints", "glove", "wrench"):
        return np.full(shape, 0.25)
    x: np.ndarray = 9.81 + noise * rng.normal(size=shape)
    if name == "skeleton":
        x[:, 7:] = np.nan  # not seen
    return x


def stamps(rate_hz: float) -> np.ndarray:
    offsets: np.ndarray = np.rint(np.arange(0, END_S, 1 / rate_hz) * NS_PER_S).astype(np.int64)
    return START_NS + offsets


def faults(name: str, stamps_ns: np.ndarray, shown: np.ndarray) -> dict[float, str]:
    """The fault in each window, by seconds of its end."""
    assembler, found = window_assembler(ModelConfig("tiny", (MODALITIES[name],), TAXONOMY, window_s=WINDOW_S)), {}
    ends_s = [round(0.1 * i, 1) for i in range(5, round(10 * END_S))]
    for stamp_ns, sample in zip(map(int, stamps_ns), shown, strict=True):
        while ends_s and stamp_ns > START_NS + ends_s[0] * NS_PER_S:
            end_s = ends_s.pop(0)
            series = assembler.window(START_NS + round(end_s * NS_PER_S)).series[name]
            found[end_s] = str(find_fault(MODALITIES[name], series))
        assembler.push(name, stamp_ns, sample)
    return found


@pytest.mark.parametrize("rate_hz", [200.0, 100.0, 30.0, 15.0, 6.0])
@pytest.mark.parametrize("name", list(MODALITIES))
def test_a_healthy_sensor_is_never_flagged_at_whatever_rate(name: str, rate_hz: float) -> None:
    times = stamps(rate_hz)
    assert set(faults(name, times, samples(name, len(times))).values()) == {""}


@pytest.mark.parametrize("name", list(MODALITIES))
def test_a_driver_that_publishes_samples_several_times_is_not_stuck(name: str) -> None:
    times = stamps(100.0)
    assert set(faults(name, times, samples(name, len(times))[np.arange(len(times)) // 12]).values()) == {""}


@pytest.mark.parametrize("name", list(MODALITIES))
def test_what_is_silent_for_a_while_is_not_stuck(name: str) -> None:
    times = stamps(30.0)
    there = (times < START_NS + 3 * NS_PER_S) | (times > START_NS + 4 * NS_PER_S)
    assert set(faults(name, times[there], samples(name, len(times))[there]).values()) == {""}


def test_a_coarse_imu_at_rest_is_neither_stuck_nor_saturated() -> None:
    times = stamps(100.0)
    coarse = np.round(samples("imu", len(times), noise=0.1) / 0.3) * 0.3
    assert len(np.unique(coarse)) == 3
    assert set(faults("imu", times, coarse).values()) == {""}


@pytest.mark.parametrize("rate_hz", [200.0, 30.0, 10.0])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("imu", "stuck"),
        ("skeleton", "stuck"),
        ("rgb", "frozen"),
        ("rgb", "black"),
        ("depth", "frozen"),
        ("depth", "black"),
    ],
)
def test_a_sensor_that_repeats_a_sample_is_stuck_from_half_a_window_on(name: str, kind: str, rate_hz: float) -> None:
    found = failing(name, kind, rate_hz)
    assert all(fault == "stuck" for end_s, fault in found.items() if 4.3 <= end_s <= 6.8)
    assert not any(fault for end_s, fault in found.items() if end_s <= 3.8 or end_s >= 7.3)


def test_an_imu_at_the_end_of_its_range_is_saturated() -> None:
    times = stamps(100.0)
    swing = 10 * np.sin(1e-9 * (times - START_NS)[:, None] * np.arange(4, 10)).reshape(-1, 2, 3)
    swung = samples("imu", len(times)) + swing
    assert set(faults("imu", times, swung).values()) == {""}
    assert set(faults("imu", times, swung.clip(9.81 - 9.9, 9.81 + 9.9)).values()) == {""}, "seldom"
    assert {fault for s, fault in faults("imu", times, swung.clip(9.81 - 5, 9.81 + 5)).items() if s >= 2} == {
        "saturated"
    }


def failing(name: str, kind: str, rate_hz: float) -> dict[float, str]:
    """The fault in each window, if the sensor fails from 3 to 6 s."""
    times = stamps(rate_hz)
    injector = FaultInjector([Fault(name, (name,), Failure(kind), 3.0, 6.0)], {name: MODALITIES[name].kind}, START_NS)
    return faults(name, times, injector.show(name, times, samples(name, len(times)))[1])
