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

"""Frames hold what their message holds, and messages that do not fit are counted, not fatal."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.conversions import ConversionError, array_to_image, array_to_imu, frame_to_samples, ns_to_time
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.framing import Frame, FrameBuilder, Received, is_of_stream, message_to_array
from mumu_ros.recordings.typestore import BagTypes
from mumu_ros.streams import SynchronizedSet

TYPES = BagTypes()
DATA = Path(os.environ.get("MUMU_UTD_MHAD", Path(__file__).resolve().parents[3] / "shared/data/utd_mhad"))
S = 1_000_000_000


def stream(name: str, kind: str, type_name: str, **fields: Any) -> StreamConfig:
    values = {"size": (16, 16), "crop": None, "shape": (2, 3), "reliability": "best_effort", "depth": 10, **fields}
    return StreamConfig(name=name, topic=name, type=type_name, kind=kind, **values)


STREAMS = (
    stream("rgb", "rgb", "sensor_msgs/msg/Image"),
    stream("depth", "depth", "sensor_msgs/msg/Image", crop=(0, 0, 20, 20)),
    stream("imu", "vector", "sensor_msgs/msg/Imu"),
)


def image(pixels: np.ndarray, stamp_ns: int = 5) -> Any:
    return array_to_image(pixels, stamp_ns, "camera", TYPES)


def imu(value: float, stamp_ns: int) -> tuple[int, Any]:
    return stamp_ns, array_to_imu(np.full((2, 3), value), stamp_ns, "wrist", TYPES)


@settings(max_examples=20)
@given(st.booleans(), st.booleans(), st.lists(st.floats(-100, 100), max_size=4), st.integers(0, 9))
def test_a_frame_gives_the_samples_that_its_message_gives(
    has_rgb: bool, has_depth: bool, values: list[float], epoch: int
) -> None:
    rng = np.random.default_rng(0)
    rgb = image(rng.integers(0, 256, (24, 32, 3), np.uint8)) if has_rgb else None
    depth = image(rng.integers(0, 9000, (24, 32)).astype(np.uint16), 7) if has_depth else None
    samples = tuple(imu(value, 10 + i) for i, value in enumerate(values))
    frame = FrameBuilder(STREAMS).build(SynchronizedSet(9, epoch, (rgb, depth, samples), (True, True, True)))
    message = frame.message(TYPES)
    assert (message.epoch, list(message.missing)) == (epoch, frame.missing)
    assert len(frame.missing) == [has_rgb, has_depth, bool(values)].count(False)
    ours, theirs = list(frame.samples()), list(frame_to_samples(message))
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    for (_, _, a), (_, _, b) in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_a_message_that_does_not_fit_is_counted_and_told() -> None:
    told: list[str] = []
    builder = FrameBuilder(STREAMS, lambda stream, error: told.append(f"{stream.name}: {error}"))
    small = image(np.zeros((8, 8), np.uint16))
    frame = builder.build(SynchronizedSet(9, 0, (None, small, (imu(1, 3),)), (False, True, True)))
    assert frame.missing == ["rgb", "depth"]
    assert builder.errors == {"depth": 1}
    assert told == [f"depth: {builder.last_error['depth']}"]
    assert "leaves the image of 8×8" in told[0]


@pytest.mark.parametrize("error", [cv2.error("decoder"), MemoryError(), ValueError("reshape"), KeyError("x")])
def test_whatever_a_conversion_raises_costs_its_own_stream_only(error: Exception) -> None:
    def convert(stream: StreamConfig, message: Any) -> np.ndarray:
        if stream.name == "rgb":
            raise error
        return message_to_array(stream, message)

    builder = FrameBuilder(STREAMS, convert=convert)
    rgb, depth = image(np.zeros((24, 32, 3), np.uint8)), image(np.zeros((24, 32), np.uint16))
    frame = builder.build(SynchronizedSet(9, 0, (rgb, depth, (imu(1, 3),)), (True, True, True)))
    assert frame.missing == ["rgb"]
    assert builder.errors == {"rgb": 1}
    assert type(error).__name__ in str(builder.last_error["rgb"])


def test_an_accelerometer_alone_is_found_by_its_habit() -> None:
    builder = FrameBuilder(STREAMS)
    rng = np.random.default_rng(0)

    def build(turn: float, shake: float) -> Frame:
        sample = np.array([rng.normal(9, shake, 3), (turn, 0, 0)])
        samples = ((5, array_to_imu(sample, 5, "wrist", TYPES)),)
        return builder.build(SynchronizedSet(9, 0, (None, None, samples), (False, False, True)))

    for _ in range(300):
        assert "imu" in build(0.0, 0.0).series, "at rest, without noise"
    for _ in range(100):
        build(0.0, 0.1)
    assert "imu" not in build(0.0, 0.1).series
    problem = str(builder.last_error["imu"])
    assert "accelerometer only" in problem
    assert "gyroscope's in imu.angular_velocity_topic" in problem
    assert "imu" in build(0.1, 0.1).series


def worn(samples: np.ndarray, rate_hz: float) -> tuple[np.ndarray, FrameBuilder]:
    """Which samples (T, 2, 3) of an IMU are taken, and what took them."""
    stamps_ns = [1_700_000_000 * S + round(i * S / rate_hz) for i in range(len(samples))]
    builder = FrameBuilder(STREAMS[2:], convert=lambda _, message: message.array)
    stamps = [SimpleNamespace(sec=ns // S, nanosec=ns % S) for ns in stamps_ns]
    messages = tuple(
        (ns, SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id="wrist"), array=sample))
        for ns, stamp, sample in zip(stamps_ns, stamps, samples, strict=True)
    )
    taken = builder.build(SynchronizedSet(9, 0, (messages,), (True,))).series.get("imu", ([], []))[0]
    return np.isin(stamps_ns, taken), builder


@pytest.mark.parametrize("rate_hz", [10, 50, 1000])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda imu: imu / [[9.81], [1.0]], "m/s² on average, far less than gravity: is it in g"),
        (lambda imu: imu - [[0, 0, 9.81], [0, 0, 0]], "or without gravity?"),
        (lambda imu: np.rad2deg(imu) * [[0], [1]] + imu * [[1], [0]], "is it in degrees a second?"),
    ],
)
def test_an_imu_in_other_units_is_named_within_seconds_and_taken_again_once_it_is_right(
    change: Any, words: str, rate_hz: int
) -> None:
    right = np.tile([[0, 0, 9.81], [1.0, 0.5, 0]], (5 * rate_hz, 1, 1))
    taken, builder = worn(np.concatenate([right, change(right), right]), rate_hz)
    assert taken[: 5 * rate_hz].all()
    assert not taken[8 * rate_hz : 10 * rate_hz].any()
    assert taken[13 * rate_hz :].all()
    assert words in str(builder.last_error["imu"])
    assert builder.last_error["imu"].code == "implausible"


def test_half_a_second_of_free_fall_or_of_a_swing_is_plausible() -> None:
    imu = np.tile([[0, 0, 9.81], [0.1, 0, 0]], (500, 1, 1))
    imu[200:250, 0], imu[350:400, 1, 0] = 0.0, 60.0
    assert worn(imu, 100)[0].all()


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to its folder")
def test_no_real_imu_is_taken_for_one_in_other_units_and_every_one_in_other_units_is_found() -> None:
    """Of the wrist and the thigh, 50 Hz, recorded in g and degrees a second; those of every eighth are tried so."""
    paths = sorted(DATA.rglob("*_inertial.mat"))
    assert len(paths) > 100
    for number, path in enumerate(paths):
        raw = scipy.io.loadmat(path)["d_iner"].reshape(-1, 2, 3)
        units = np.array([[9.80665], [np.deg2rad(1)]])
        assert worn(raw * units, 50)[0].all(), path.name
        for wrong in (raw * [[1], units[1]], raw * [units[0], [1]]) if number % 8 == 0 else ():
            assert not worn(np.tile(wrong, (3, 1, 1))[:350], 50)[0].all(), path.name


def test_joints_in_another_order_are_refused_unless_they_are_named() -> None:
    def build(builder: FrameBuilder, names: list[str]) -> list[float] | None:
        none = TYPES.sequence(np.zeros(0))
        message = TYPES.message(
            "sensor_msgs/msg/JointState",
            header=TYPES.message("std_msgs/msg/Header", stamp=ns_to_time(5, TYPES), frame_id=""),
            name=names,
            position=TYPES.sequence(np.array([float(ord(name)) for name in names])),
            velocity=none,
            effort=none,
        )
        frame = builder.build(SynchronizedSet(9, 0, (((5, message),),), (True,)))
        return frame.series["arm"][1][0].tolist() if frame.series else None

    def arm(**fields: Any) -> FrameBuilder:
        return FrameBuilder([stream("arm", "vector", "sensor_msgs/msg/JointState", shape=(2,), **fields)])

    unnamed, named = arm(), arm(joints=("b", "a"))
    assert build(unnamed, ["a", "b"]) == [97, 98]
    assert build(unnamed, ["b", "a"]) is None
    assert "arm.joints" in str(unnamed.last_error["arm"])
    assert build(named, ["a", "b"]) == build(named, ["b", "c", "a"]) == [98, 97]


@pytest.mark.parametrize(
    ("names", "meant"), [(["b", "a"], True), (["a"], True), (["finger", "b"], True), (["finger"], False), ([], False)]
)
def test_a_joint_state_with_none_of_the_named_joints_is_another_drivers(names: list[str], meant: bool) -> None:
    message = Received(None, lambda: SimpleNamespace(name=names))
    arm = stream("arm", "vector", "sensor_msgs/msg/JointState", shape=(2,))
    assert is_of_stream(arm, message)
    assert is_of_stream(replace(arm, joints=("a", "b")), message) is meant


def test_a_joint_state_that_cannot_be_read_is_left_to_who_converts_it() -> None:
    def read() -> Any:
        raise ConversionError("cut off")

    arm = stream("arm", "vector", "sensor_msgs/msg/JointState", shape=(2,), joints=("a", "b"))
    assert is_of_stream(arm, Received(None, read))


def test_a_message_under_another_header_has_its_stamp_and_its_own_content() -> None:
    header = TYPES.message("std_msgs/msg/Header", stamp=ns_to_time(77, TYPES), frame_id="elsewhere")
    original = image(np.full((16, 16, 3), 9, np.uint8))
    received = Received(header, lambda: original)
    frame = FrameBuilder(STREAMS).build(SynchronizedSet(77, 0, (received, None, ()), (True,) * 3))
    assert frame.frame_id == "elsewhere"
    (name, stamp_ns, pixels) = next(frame.samples())
    assert (name, stamp_ns) == ("rgb", 77)
    assert (pixels == 9).all()


@pytest.mark.parametrize("items", [(None, None, ()), (None, None, None)])
def test_an_empty_set_is_an_empty_frame(items: tuple[Any, ...]) -> None:
    frame = FrameBuilder(STREAMS).build(SynchronizedSet(1, 0, items, (False,) * 3))
    assert list(frame.samples()) == []
    assert frame.missing == ["rgb", "depth", "imu"]
