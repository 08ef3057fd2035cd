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

"""LeRobot datasets: a recording and its labels survive the way there and back, and stamps that do not fit are named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mumu_ros.conversions import (
    array_to_image,
    array_to_imu,
    header_stamp_ns,
    image_to_array,
    imu_to_array,
    segment_to_annotation,
)
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.lerobot_reader import read_lerobot
from mumu_ros.datasets.lerobot_writer import write_lerobot
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.parameter_file import given_parameters
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recordings import Recording, RecordingError, RecordingWriter
from mumu_ros.recordings.label_files import Label, labels_path, read_labels, write_labels

S = 1_000_000_000
START_NS = 1_700_000_000 * S + 123_456_789
FPS = 10
FRAMES = 25
LOST = (7, 8)
"""Frames that the camera did not send."""
LABELS = [
    Label(START_NS + S // 3, START_NS + S, "gait", "walk"),
    Label(START_NS + S, START_NS + 2 * S + 1, "", "wave"),
]
SIZE = {"width": 16, "height": 16}
STREAMS: dict[str, dict[str, Any]] = {
    "rgb": {"topic": "/camera/color", **SIZE},
    "depth": {"topic": "/camera/depth", "kind": "depth", **SIZE},
    "imu": {"topic": "/imu", "type": "sensor_msgs/msg/Imu", "kind": "vector", "shape": [2, 3]},
}
DATA = "data/chunk-000/file-000.parquet"


@pytest.fixture
def config() -> SensorSyncConfig:
    flat = {f"{name}.{key}": value for name, stream in STREAMS.items() for key, value in stream.items()}
    return SensorSyncConfig.read(given_parameters({"streams": [*STREAMS], "rate_hz": FPS, **flat}, SENSOR_SYNC))


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A camera of 10 Hz whose stamps jitter by 20 ms and which loses two frames, and an IMU of 37 Hz."""
    path = tmp_path / "kitchen"
    rng = np.random.default_rng(0)
    messages = []
    with RecordingWriter(path) as writer:
        for index in sorted(set(range(FRAMES)) - set(LOST)):
            stamp_ns = START_NS + index * S // FPS + int(rng.integers(0, S // 50)) * (index > 0)
            colour, depth = rng.integers(0, 255, (16, 16, 3), np.uint8), rng.integers(400, 4000, (16, 16), np.uint16)
            for topic, pixels in (("/camera/color", colour), ("/camera/depth", depth)):
                image = array_to_image(pixels, stamp_ns, "", writer.types)
                messages.append((stamp_ns, topic, "sensor_msgs/msg/Image", image))
        for index in range(90):
            stamp_ns = START_NS + 1 + index * S // 37
            sample = array_to_imu(rng.normal(size=(2, 3)).astype(np.float32), stamp_ns, "", writer.types)
            messages.append((stamp_ns, "/imu", "sensor_msgs/msg/Imu", sample))
        for stamp_ns, topic, type_name, message in sorted(messages, key=lambda row: row[:2]):
            writer.write(topic, type_name, message, stamp_ns)
    write_labels(labels_path(path), LABELS)
    return path


def contents(path: Path) -> dict[str, list[tuple[int, object]]]:
    """Stamps and values of each topic, by the last part of its name."""
    found: dict[str, list[tuple[int, object]]] = {}
    with Recording(path) as recording:
        for topic, _, message in recording.messages():
            name = topic.rpartition("/")[2].replace("color", "rgb")
            values = imu_to_array(message) if name == "imu" else image_to_array(message, name)  # type: ignore[arg-type]
            found.setdefault(name, []).append((header_stamp_ns(message) or 0, values.tolist()))
    return found


def test_a_recording_survives_the_way_there_and_back(bag: Path, config: SensorSyncConfig, tmp_path: Path) -> None:
    """Every stamp, every value and every label, though rows are equally spaced and samples are not."""
    with pytest.raises(RecordingError, match="is given twice"):
        write_lerobot([bag, bag], tmp_path / "set", config, [None, None])
    copy = shutil.copytree(bag, tmp_path / "copy")
    shutil.copy(labels_path(bag), labels_path(copy))
    reports = write_lerobot([bag, copy], tmp_path / "set", config, [None, None])
    assert [report.rows for report in reports] == [26, 26]
    again = read_lerobot(tmp_path / "set", tmp_path / "back")
    assert [path.name for path in again] == ["episode_000", "episode_001"]
    for path in again:
        assert contents(path) == contents(bag)
        assert read_labels(labels_path(path)) == LABELS


def test_the_tables_are_what_lerobot_reads(bag: Path, config: SensorSyncConfig, tmp_path: Path) -> None:
    write_lerobot([bag], tmp_path / "set", config, [None])
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"], info["total_tasks"]) == ("v3.0", FPS, 26, 3)
    rows = pq.read_table(tmp_path / "set" / DATA).to_pydict()
    assert set(rows) == set(info["features"])
    assert rows["timestamp"] == pytest.approx([i / FPS for i in range(26)])
    assert [i for i, stamp in enumerate(rows["stamps.rgb"]) if stamp == 0] == [*LOST, 25]
    tasks = pq.read_table(tmp_path / "set/meta/tasks.parquet").to_pydict()["task"]
    expected = ["unlabelled"] * 4 + ["gait/walk"] * 6 + ["wave"] * 11 + ["unlabelled"] * 5
    assert [tasks[i] for i in rows["task_index"]] == expected
    mean = json.loads((tmp_path / "set/meta/stats.json").read_text())["observation.images.rgb"]["mean"]
    assert np.shape(mean) == (3, 1, 1)
    assert 0.3 < mean[0][0][0] < 0.6


def test_years_without_a_sample_are_no_rows(bag: Path, config: SensorSyncConfig, tmp_path: Path) -> None:
    """A clock was set forward after a second: two years would be a billion rows."""
    ahead = tmp_path / "ahead"
    with Recording(bag) as recording, RecordingWriter(ahead) as writer:
        for topic, at_ns, message in recording.messages():
            message.header.stamp.sec += 2 * 365 * 86400 * (at_ns >= START_NS + S)
            writer.write(topic, recording.topics[topic].type_name, message, at_ns)
    with pytest.raises(DatasetError, match=r"no sample between 17000\d+\.\d+ and 17630\d+\.\d+ s.*Split it there"):
        write_lerobot([ahead], tmp_path / "set", config, [None])
    assert not (tmp_path / "set").exists()


def test_an_annotation_without_an_end_lasts_until_the_last_sample(
    bag: Path, config: SensorSyncConfig, tmp_path: Path
) -> None:
    """The log's clock is a day ahead of the stamps'."""
    later = tmp_path / "later"
    with Recording(bag) as recording, RecordingWriter(later) as writer:
        note = segment_to_annotation(START_NS, 0, "gait", "walk", writer.types)
        writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS + 86400 * S)
        for topic, at_ns, message in recording.messages():
            writer.write(topic, recording.topics[topic].type_name, message, at_ns + 86400 * S)
            newest_ns = header_stamp_ns(message) or 0
    write_lerobot([later], tmp_path / "set", config, [None])
    read_lerobot(tmp_path / "set", tmp_path / "back")
    assert read_labels(labels_path(tmp_path / "back/episode_000")) == [Label(START_NS, newest_ns + 1, "gait", "walk")]


def test_stamps_that_do_not_fit_the_rate_are_named(bag: Path, config: SensorSyncConfig, tmp_path: Path) -> None:
    write_lerobot([bag], tmp_path / "set", config, [None])
    path = tmp_path / "set" / DATA
    table = pq.read_table(path)
    for name, index, value, reason in (
        ("timestamp", 3, 0.31, r"row 3 is frame 3 at 0.31"),
        ("stamps.rgb", 5, START_NS + 12 * S // FPS, r"rgb has the stamp \d+ ns in row 5, \+7.00 periods"),
        ("frame_index", 2, 9, "row 2 is frame 9"),
    ):
        column = table.column(name).to_pylist()
        column[index] = value
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        pq.write_table(table.set_column(place, field, pa.array(column, field.type)), path)
        with pytest.raises(DatasetError, match=reason):
            read_lerobot(tmp_path / "set", tmp_path / "back")
        assert not (tmp_path / "back/episode_000").exists()


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A dataset as LeRobot itself writes it: one video for two episodes, a state, an action, a task."""
    root = tmp_path / "set"
    video = "videos/observation.images.top/chunk-000/file-000.mp4"
    for path in ("meta/episodes/chunk-000/file-000.parquet", DATA, video):
        (root / path).parent.mkdir(parents=True)
    numbers = {"dtype": "float32", "shape": [2], "names": ["a", "b"]}
    features = {
        "observation.images.top": {"dtype": "video", "shape": [32, 64, 3], "names": None},
        "observation.state": numbers,
        "action": {**numbers, "shape": [1]},
        "timestamp": {**numbers, "shape": [1]},
    }
    info = {
        "codebase_version": "v3.0",
        "fps": FPS,
        "features": features,
        "data_path": DATA.replace("000.", "{file_index:03d}."),
    }
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (root / "meta/info.json").write_text(json.dumps(info))
    pq.write_table(pa.table({"task_index": [0], "__index_level_0__": ["push the T"]}), root / "meta/tasks.parquet")
    lengths = (5, 4)
    with av.open(str(root / video), "w") as container:
        stream: Any = container.add_stream("mpeg4", FPS)
        stream.width, stream.height = 64, 32
        for index in range(sum(lengths)):
            grey = np.full((32, 64, 3), 20 * index + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    counters = [(episode, frame) for episode, length in enumerate(lengths) for frame in range(length)]
    rows = {
        "observation.state": [[float(frame), -1.0] for _, frame in counters],
        "action": [float(frame) for _, frame in counters],
        "timestamp": pa.array([frame / FPS for _, frame in counters], pa.float32()),
        "frame_index": [frame for _, frame in counters],
        "episode_index": [episode for episode, _ in counters],
        "task_index": [0] * len(counters),
    }
    pq.write_table(pa.table(rows), root / DATA)
    key = "videos/observation.images.top"
    place = {f"{kind}/{name}_index": 0 for kind in ("data", key) for name in ("chunk", "file")}
    episodes = [
        {"episode_index": i, "length": length, f"{key}/from_timestamp": i * 0.5, **place}
        for i, length in enumerate(lengths)
    ]
    pq.write_table(pa.Table.from_pylist(episodes), root / "meta/episodes/chunk-000/file-000.parquet")
    return root


def test_another_dataset_with_a_video_becomes_recordings(foreign: Path, tmp_path: Path) -> None:
    second = read_lerobot(foreign, tmp_path / "back")[1]
    with Recording(second) as recording:
        assert set(recording.topics) == {"/top", "/state", "/action"}
        greys = [float(np.mean(image_to_array(message, "rgb"))) for _, _, message in recording.messages(["/top"])]
        states = [list(message.data) for _, _, message in recording.messages(["/state"])]
    assert greys == pytest.approx([120, 140, 160, 180], abs=4)
    assert states == [[float(i), -1.0] for i in range(4)]
    (label,) = read_labels(labels_path(second))
    assert (label.activity, label.end_ns - label.start_ns) == ("push the T", 4 * S // FPS)


def test_the_folder_of_a_video_may_have_a_colon(foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(read_lerobot(foreign.rename(tmp_path / "12:30").relative_to(tmp_path), tmp_path / "back")) == 2


@pytest.mark.parametrize("content", ["", "{}", '{"codebase_version": "v2.1"}'])
def test_what_is_no_such_dataset_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text(content)
    with pytest.raises(DatasetError, match=r"is no LeRobot dataset|of version v2.1; expected v3.0"):
        read_lerobot(tmp_path, tmp_path / "out")
