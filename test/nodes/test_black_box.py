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

"""The last seconds before a fault: written, bounded, and in nobody's way."""

from __future__ import annotations

import math
import threading
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.serialization import serialize_message

from mumu_ros.msg import MultimodalFrame
from mumu_ros.nodes import black_box
from mumu_ros.nodes.black_box import BlackBox
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.pipeline.framing import Frame
from mumu_ros.recordings import Recording
from mumu_ros.trials.tiny_sensors import SENSORS

STAMP_NS = 1_700_000_000 * 10**9


def frame(number: int) -> Frame:
    pixels = np.full((32, 32, 3), number % 256, np.uint8)
    return Frame(STAMP_NS + number, 0, "camera", {"rgb": (STAMP_NS + number, "camera", pixels)}, {}, [], {})


def stamps(bag: Path) -> list[int]:
    with Recording(bag) as recording:
        return [message.header.stamp.nanosec for _, _, message in recording.messages()]


class Box:
    """A black box, and what it reports."""

    def __init__(self, folder: Path, topic: str = "/multimodal_frame") -> None:
        self.folder = folder
        self.said: list[str] = []
        self._changed = threading.Condition()
        self.box = BlackBox(folder, topic, self._hear)

    def _hear(self, text: str) -> None:
        with self._changed:
            self.said.append(text)
            self._changed.notify()

    def write(self, why: str = "imu_silent") -> str:
        """Have it written; what is reported then."""
        count = len(self.said)
        self.box._written_s = -math.inf  # ten seconds have passed
        self.box.write(why)
        return self.hear(count + 1)

    def hear(self, count: int) -> str:
        """Wait until so much has been reported; the last of it."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.said) >= count, 20)
        return self.said[-1]

    @property
    def bags(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.exists() else []


def test_memory_is_bounded_and_the_newest_frames_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(black_box, "MOST_BYTES", 5 * 32 * 32 * 3 + 1)
    box = Box(tmp_path / "new" / "bags")
    for number in range(100):
        box.box.keep(frame(number))
        assert len(box.box._frames) <= 5
    assert box.bags == []
    assert str(box.folder) in box.write("a/b silent")
    (bag,) = box.bags
    assert bag.name.endswith("a_b_silent")
    assert stamps(bag) == [95, 96, 97, 98, 99]
    box.box.close()


def test_old_frames_are_forgotten_and_one_that_is_too_large_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path / "bags")
    now_s = [100.0]
    monkeypatch.setattr("mumu_ros.nodes.black_box.time.monotonic", lambda: now_s[0])
    for number in range(300):
        now_s[0] += 0.1
        box.box.keep(frame(number))
        assert len(box.box._frames) <= 102
    monkeypatch.setattr(black_box, "MOST_BYTES", 10)
    box.box.keep(frame(1))
    assert (len(box.box._frames), box.box._bytes) == (0, 0)
    box.box.close()


def test_at_most_so_many_bags_are_kept_and_others_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(black_box, "MOST_BAGS", 2)
    folder = tmp_path / "bags"
    folder.mkdir()
    (folder / "a_file_of_mine").touch()
    box = Box(folder)
    box.box.keep(frame(1))
    for why in ("a", "b", "c", "d"):
        assert "are in" in box.write(why)
    assert len(box.bags) == 3
    assert folder / "a_file_of_mine" in box.bags
    box.box.close()


def test_the_bags_of_this_run_are_deleted_last_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a robot that begins in 1970 until it is told the time."""
    monkeypatch.setattr(black_box, "MOST_BAGS", 3)
    for day in (1, 2, 3):
        (tmp_path / f"black_box_2026010{day}T000000_imu_silent").mkdir()
    box = Box(tmp_path)
    box.box.keep(frame(1))
    for year, kept in ((1971, ["1971", "20260102", "20260103"]), (1970, ["1970", "1971", "20260103"])):
        monkeypatch.setattr(black_box, "datetime", MagicMock(fromtimestamp=lambda *_, y=year: datetime(y, 1, 1)))
        written = Path(box.write().rpartition(" in ")[2])
        assert stamps(written) == [1]
        names = [bag.name.removeprefix("black_box_") for bag in box.bags]
        assert [name.startswith(begin) for name, begin in zip(names, kept, strict=True)] == [True] * 3
    box.box.close()


def test_each_robot_keeps_its_own_bags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of one second and one stream."""
    monkeypatch.setattr(black_box, "MOST_BAGS", 1)
    monkeypatch.setattr(black_box, "datetime", MagicMock(fromtimestamp=lambda *_: datetime(2026, 1, 1)))
    topics = ["/multimodal_frame", "/robot1/multimodal_frame", "/robot2/multimodal_frame", "/robot2/frames"]
    for number, topic in enumerate(topics):
        box = Box(tmp_path, topic)
        box.box.keep(frame(number))
        assert "are in" in box.write()
        box.box.close()
    bags = sorted(path.parent for path in tmp_path.rglob("metadata.yaml"))
    name = "black_box_20260101T000000_imu_silent"
    folders = ["", "robot1", "robot2", "robot2/frames"]
    assert bags == [tmp_path / folder / name for folder in folders]
    for number, (bag, topic) in enumerate(zip(bags, topics, strict=True)):
        assert stamps(bag) == [number]
        with Recording(bag) as recording:
            assert set(recording.topics) == {topic}


def test_faults_that_appear_together_make_one_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(black_box, "TOGETHER_S", 1e6)
    box = Box(tmp_path / "bags")
    box.box.keep(frame(1))
    box.write("first")
    box.box.write("second")
    box.box.close()
    assert len(box.bags) == 1


def test_faults_before_the_first_frame_do_not_keep_a_later_one_from_its_bag(tmp_path: Path) -> None:
    """As with sensors whose drivers start late."""
    box = Box(tmp_path / "bags")
    box.box.write("rgb_unpublished")
    box.box.keep(frame(1))
    box.box.write("imu_silent")
    box.hear(1)
    (bag,) = box.bags
    assert bag.name.endswith("imu_silent")
    box.box.close()


@pytest.mark.parametrize("kept_s", [1.0, 1e6])
def test_faults_soon_after_a_bag_are_in_one_more_when_it_is_time_or_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_s: float
) -> None:
    monkeypatch.setattr(black_box, "KEPT_S", kept_s)
    monkeypatch.setattr(black_box, "TOGETHER_S", 0.0)
    box = Box(tmp_path / "bags")
    box.box.keep(frame(1))
    box.write("first")
    box.box.keep(frame(2))
    box.box.write("second")
    if kept_s > 1.0:
        box.box.write("third")
        deadline_s = time.monotonic() + 20
        while box.box._worker._jobs and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert len(box.bags) == 1
        box.box.close()
    box.hear(2)
    box.box.close()
    assert sorted(bag.name.rpartition("_")[2] for bag in box.bags) == ["first", "second"]
    assert [stamps(bag)[-1] for bag in box.bags if bag.name.endswith("second")] == [2]


def test_a_folder_that_cannot_be_written_is_reported_and_nothing_else_happens(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    box = Box(tmp_path / "file" / "bags")
    box.box.keep(frame(1))
    assert "cannot be written" in box.write()
    box.box.close()


def test_sensor_sync_writes_what_was_before_a_sensor_fell_silent(ros: Any, tmp_path: Path) -> None:
    folder = tmp_path / "bags"
    streams = {"streams": ["rgb", "imu"], **SENSORS["rgb"].parameters("rgb"), **SENSORS["imu"].parameters("imu")}
    named = partial(SensorSync, namespace="robot1")
    node = ros.add(named, black_box=str(folder), timeout_s=2.0, **streams)  # a busy machine is no fault
    frames = ros.collect(MultimodalFrame, "/robot1/multimodal_frame")
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    subscribers = dict(zip([s.name for s in node._config.streams], node._subscribers, strict=True))

    def play(*names: str) -> None:
        for name in names:
            stamp_ns = ros.node.get_clock().now().nanoseconds
            subscribers[name]._receive(serialize_message(SENSORS[name].make(stamp_ns)))

    ros.wait(lambda: play("rgb", "imu") or len(frames) >= 3)
    assert not folder.exists(), "nothing is wrong yet"
    ros.wait(lambda: play("rgb") or any(folder.glob("robot1/[!.]*")))
    (bag,) = folder.glob("robot1/[!.]*")
    assert bag.name.endswith(("imu_unpublished", "rgb_unpublished"))
    with Recording(bag) as recording:
        assert {topic for topic, _, _ in recording.messages()} == {"/robot1/multimodal_frame"}


def test_a_black_box_that_is_a_file_is_refused(ros: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    streams = {"streams": ["rgb"], **SENSORS["rgb"].parameters("rgb")}
    node = ros.add(SensorSync, black_box=str(tmp_path / "file"), **streams)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "which is no folder" in capfd.readouterr().err
