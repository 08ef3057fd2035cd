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

"""Transforms that are missing or late delay nothing, and those of a time that has ended are dropped."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped

from mumu_ros.nodes.transforms import WAIT, AxesTurner
from mumu_ros.pipeline.framing import Frame

S = 1_000_000_000
START_NS = 1_700_000_000 * S
FRAMES = {"wrist": "imu_wrist", "belt": "imu_belt", "plain": "imu_plain"}


class Tf:
    """Stands in for tf2_ros: it knows the transforms from `known`, and notes for how long it is to wait for others."""

    TransformException = RuntimeError

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.waited_s: list[float] = []
        self.cleared = 0
        self.TransformListener = lambda _buffer, _node: None

    def Buffer(self) -> Tf:  # noqa: N802
        return self

    def lookup_transform(self, _target: str, source: str, _time: Any, timeout: Any) -> Any:
        if source not in self.known:
            self.waited_s.append(timeout.nanoseconds / S)
            raise RuntimeError(f"{source} does not exist")
        turn = SimpleNamespace(x=0.0, y=0.0, z=1.0, w=0.0)
        return SimpleNamespace(transform=SimpleNamespace(rotation=turn))

    def clear(self) -> None:
        self.cleared += 1


@pytest.fixture
def tf(monkeypatch: pytest.MonkeyPatch) -> Tf:
    stand_in = Tf()
    monkeypatch.setitem(sys.modules, "tf2_ros", stand_in)  # type: ignore[arg-type]
    return stand_in


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr("mumu_ros.nodes.transforms.time.monotonic", lambda: now[0])
    return lambda now_s: now.__setitem__(0, now_s)


def frame(stamp_ns: int) -> Frame:
    series = {name: ([stamp_ns], [np.ones((2, 3), np.float32)]) for name in FRAMES}
    return Frame(stamp_ns, 0, "imu_plain", {}, series, [], dict(FRAMES))


def test_transforms_that_are_missing_delay_the_other_streams_once_a_second_at_most(
    tf: Tf, clock: Callable[[float], None]
) -> None:
    turner = AxesTurner(None, {"wrist": "torso", "belt": "torso"})  # type: ignore[arg-type]
    for k in range(150):  # ten seconds
        clock(k / 15)
        found = turner.apply(frame(START_NS + k * S // 15))
        assert (list(found.series), found.missing) == (["plain"], ["wrist", "belt"])
    assert sum(tf.waited_s) <= 2 * 11 * WAIT.nanoseconds / S
    assert turner.problems["belt"] == "no transform from 'imu_belt' to target_frame 'torso': imu_belt does not exist"


def test_a_transform_is_used_as_soon_as_it_is_there_and_waited_for_again(
    tf: Tf, clock: Callable[[float], None]
) -> None:
    turner = AxesTurner(None, {"wrist": "torso"})  # type: ignore[arg-type]
    turner.apply(frame(START_NS))
    tf.known = {"imu_wrist"}
    series = turner.apply(frame(START_NS + 1)).series["wrist"][1]
    assert series[0].tolist() == [[-1, -1, 1], [-1, -1, 1]]
    tf.known, tf.waited_s = set(), []
    for _ in range(2):
        turner.apply(frame(START_NS + 2))
    assert tf.waited_s == [WAIT.nanoseconds / S, 0.0]


def test_transforms_of_the_time_before_a_jump_back_are_dropped_once(tf: Tf) -> None:
    tf.known = set(FRAMES.values())
    turner = AxesTurner(None, {"wrist": "torso", "belt": "torso"})  # type: ignore[arg-type]
    for stamp_ns in (START_NS, START_NS + 30 * S, START_NS + 29 * S, START_NS + 31 * S, START_NS + 60 * S):
        turner.apply(frame(stamp_ns))
    assert tf.cleared == 0
    for stamp_ns in (START_NS, START_NS + S):
        turner.apply(frame(stamp_ns))
    assert tf.cleared == 1


@pytest.mark.skipif(not find_spec("tf2_ros"), reason="tf2_ros is not installed")
def test_a_robot_that_moves_is_known_in_the_second_round_of_a_bag_too(ros: Any) -> None:
    turner = AxesTurner(ros.node, {"wrist": "torso", "belt": "base"})
    buffer = turner._transforms._buffer

    def known(second: int, *, is_static: bool = False) -> None:
        stamped = TransformStamped(child_frame_id="imu_belt" if is_static else "imu_wrist")
        stamped.header.frame_id = "base" if is_static else "torso"
        stamped.header.stamp.sec = START_NS // S + second
        stamped.transform.rotation.w = 1.0
        (buffer.set_transform_static if is_static else buffer.set_transform)(stamped, "test")

    known(0, is_static=True)
    for _ in range(2):
        for second in range(30):
            known(second)
            found = turner.apply(frame(START_NS + second * S))
            assert set(found.series) == set(FRAMES) or second == 0
    turner.close()
