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

"""Alterations: what is asked for happens, the same each time, and to nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from mumu_ros.evaluation.whatif import Alteration, Alterer, parse_alteration, robustness_alterations
from mumu_ros.failures import parse_fault
from mumu_ros.failures.timing import STRETCH_S
from mumu_ros.model.checkpoint import read_config
from mumu_ros.share import share_path

CONFIG = read_config(share_path("models", "sim"))
NAMES = CONFIG.names
SENSORS = CONFIG.sensors
S = 1_000_000_000
T0 = 1_700_000_000 * S
STAMPS = [T0 + i * S // 10 for i in range(10 * 600)]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("drop", "rgb", Alteration("drop", ("rgb",), 1.0)),
        ("drop", "imu:0.5", Alteration("drop", ("imu_wrist", "imu_belt"), 0.5)),
        ("drop", "rgb+depth:0.25", Alteration("drop", ("rgb", "depth"), 0.25)),
        ("offset", "depth:+0.2s", Alteration("offset", ("depth",), 0.2)),
        ("offset", "depth:-0.2", Alteration("offset", ("depth",), -0.2)),
        ("noise", "imu_belt:2", Alteration("noise", ("imu_belt",), 2.0)),
        ("rate", "rgb:15", Alteration("rate", ("rgb",), 15.0)),
    ],
)
def test_alterations_are_read(kind: str, text: str, expected: Alteration) -> None:
    assert parse_alteration(kind, text, SENSORS) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("drop", "sonar"),
        ("drop", "rgb:2"),
        ("drop", "rgb:half"),
        ("offset", "rgb"),
        ("offset", "rgb:0.2m"),
        ("noise", "rgb:-1"),
        ("noise", "rgb:inf"),
        ("rate", "rgb:0"),
        ("rate", "rgb:nan"),
    ],
)
def test_alterations_that_cannot_be_meant_are_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"--{kind} '{text}'"):
        parse_alteration(kind, text, SENSORS)


def kept(*alterations: Alteration, stream: str = "rgb") -> list[int]:
    alterer = Alterer(alterations, SENSORS)
    return [new for stamp in STAMPS if (new := alterer.restamp(stream, stamp)) is not None]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_dropped_sensor_is_gone_for_that_share_in_stretches(share: float) -> None:
    left = kept(Alteration("drop", ("rgb",), share))
    assert 1 - len(left) / len(STAMPS) == pytest.approx(share, abs=0.1)
    gaps = np.diff(left)
    assert all(gap < S or gap >= STRETCH_S * S for gap in gaps)
    assert left == kept(Alteration("drop", ("rgb",), share)), "the same each time"
    assert kept(Alteration("drop", ("depth",), share)) == STAMPS, "and nothing else"


def test_sensors_that_are_dropped_together_are_gone_together() -> None:
    both = Alteration("drop", ("rgb", "depth"), 0.5)
    assert kept(both) == kept(both, stream="depth")


def test_an_offset_moves_stamps_and_a_rate_thins_out() -> None:
    assert kept(Alteration("offset", ("rgb",), 0.2)) == [stamp + S // 5 for stamp in STAMPS]
    assert len(kept(Alteration("rate", ("rgb",), 5.0))) == pytest.approx(len(STAMPS) / 2, rel=0.01)
    assert kept(Alteration("rate", ("rgb",), 60.0)) == STAMPS


def test_noise_is_as_strong_as_asked_for_in_units_of_the_sensor() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([[1.0, 10.0, 0.0], [5.0, 1.0, 2.0]])
    samples = (rng.normal(size=(2000, 2, 3)) * scale).astype(np.float32)
    alterer = Alterer([Alteration("noise", ("imu_belt",), 0.5)], SENSORS)
    changed = np.stack([alterer.change("imu_belt", T0 + i, sample) for i, sample in enumerate(samples)])
    np.testing.assert_allclose((changed - samples)[1000:].std(axis=0), 0.5 * scale, rtol=0.1, atol=1e-6)
    np.testing.assert_array_equal(alterer.change("rgb", T0, samples[0]), samples[0])


def test_noisy_images_stay_images() -> None:
    rng = np.random.default_rng(0)
    alterer = Alterer([Alteration("noise", ("rgb", "depth"), 5.0)], SENSORS)
    for i in range(3):
        colour = rng.integers(0, 256, (4, 4, 3), np.uint8)
        assert alterer.change("rgb", T0 + i, colour).dtype == np.uint8
        depth = rng.integers(0, 3, (4, 4)).astype(np.uint16) * 1000
        noisy = alterer.change("depth", T0 + i, depth)
        assert noisy.dtype == np.uint16
        np.testing.assert_array_equal(noisy == 0, depth == 0)


def test_a_fault_fails_in_its_time_since_the_recordings_start() -> None:
    faults = [parse_fault(text, SENSORS) for text in ("rgb:1-2", "depth:black:3-4", "imu_belt:shift=0.5")]
    alterer = Alterer((), SENSORS, faults)
    seconds = np.array([(stamp - T0) / S for stamp in STAMPS[:60]])
    came = np.array([alterer.restamp("rgb", stamp) is not None for stamp in STAMPS[:60]])
    np.testing.assert_array_equal(came, (seconds < 1) | (seconds >= 2))
    depth = np.full((4, 4), 900, np.uint16)
    dark = np.array([not alterer.change("depth", stamp, depth).any() for stamp in STAMPS[:60]])
    np.testing.assert_array_equal(dark, (seconds >= 3) & (seconds < 4))
    late = [alterer.change("imu_belt", stamp, np.full((2, 3), i)) for i, stamp in enumerate(STAMPS[:60])]
    assert late[:5] == [None] * 5
    assert [int(sample[0, 0]) for sample in late[5:]] == list(range(55))


def test_a_driver_that_begins_without_a_clock_moves_no_fault() -> None:
    faults = [parse_fault(text, SENSORS) for text in ("rgb:1-2", "imu_belt:stuck:1-2", "depth:1-2", "rgb:1000-2000")]
    alterer = Alterer((), SENSORS, faults)
    assert alterer.idle == faults
    assert [alterer.restamp("rgb", stamp) for stamp in (0, -1)] == [0, -1], "the synchroniser counts them"
    for stamp in STAMPS[:60]:
        assert (alterer.restamp("rgb", stamp) is None) == (S <= stamp - T0 < 2 * S)
        alterer.change("imu_belt", stamp, np.zeros((2, 3), np.float32))
    assert alterer.idle == faults[2:], "depth was not recorded, nor did it last that long"


def test_the_curves_ask_for_each_sensor_and_kind() -> None:
    asked = {(a.kind, a.modalities) for a in robustness_alterations(NAMES)}
    assert asked == {(kind, (name,)) for kind in ("drop", "noise", "offset") for name in NAMES}
