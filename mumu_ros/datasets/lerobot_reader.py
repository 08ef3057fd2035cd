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

"""Episodes of a LeRobot dataset become recordings with label files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mumu_ros.conversions import array_to_floats, array_to_image, array_to_imu, array_to_pose_array
from mumu_ros.datasets import lerobot_format as form
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.reading import read_json
from mumu_ros.recordings import RecordingWriter
from mumu_ros.recordings.label_files import Label, write_labels
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import MAX_NAME

__all__ = ["read_lerobot"]

_START_NS = 1_700_000_000 * NS_PER_S
"""Of episodes whose stamps are not known: LeRobot's own count from 0."""
_IMAGES = ("image", "video")
_Message = tuple[int, str, str, Any]
"""Stamp, topic, type, message."""


def read_lerobot(root: Path, out: Path, progress: Callable[[Path, int], None] | None = None) -> list[Path]:
    """Write a recording for each episode (`episode_000`), and the tasks of its rows (`episode_000.labels.csv`).

    What `write_lerobot` has written gets its own stamps and labels back, another dataset the stamps of its rows.
    Pictures, also from videos, are images; vectors are what they were, else Float32MultiArray.

    Raises:
        DatasetError: It is no such dataset, or its stamps do not fit its rate.
        RecordingError, OSError: A recording cannot be written.
    """
    dataset = _Dataset.open(root)
    bags = []
    for row in dataset.episodes:
        bag = out / f"episode_{row['episode_index']:03d}"
        episode = _Episode(dataset, row)
        with RecordingWriter(bag) as writer:
            for stamp_ns, topic, type_name, message in episode.messages(writer):
                writer.write(topic, type_name, message, stamp_ns)
        if labels := episode.labels():
            write_labels(bag.with_name(f"{bag.name}.labels.csv"), labels)
        if progress:
            progress(bag, row["length"])
        bags.append(bag)
    return bags


@dataclass(frozen=True)
class _Dataset:
    root: Path
    fps: int
    features: Mapping[str, Mapping[str, Any]]
    paths: Mapping[str, str | None]
    tasks: Mapping[int, str]
    episodes: Sequence[Mapping[str, Any]]

    @classmethod
    def open(cls, root: Path) -> _Dataset:
        try:
            info = read_json(root / form.INFO_PATH)
            version = str(info["codebase_version"])
            if not version.startswith("v3."):
                raise DatasetError(f"{root} is a LeRobot dataset of version {version}; expected {form.VERSION}")
            tasks = pq.read_table(root / form.TASKS_PATH).to_pydict()
            (names,) = (column for name, column in tasks.items() if name != "task_index")
            table = ds.dataset((root / form.EPISODES_PATH).parents[1], format="parquet")
            wanted = [name for name in table.schema.names if not name.startswith("stats/")]
            episodes = sorted(table.to_table(columns=wanted).to_pylist(), key=lambda row: row["episode_index"])
            paths = {"data": info["data_path"], "video": info.get("video_path")}
            named = dict(zip(tasks["task_index"], names, strict=True))
            return cls(root, int(info["fps"]), info["features"], paths, named, episodes)
        except (KeyError, TypeError, ValueError, OSError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{root} is no LeRobot dataset: {error}") from error


class _Episode:
    """An episode's rows as messages."""

    def __init__(self, dataset: _Dataset, row: Mapping[str, Any]) -> None:
        self._dataset = dataset
        self._row = row
        self._name = f"{dataset.root}: episode {row['episode_index']}"
        self._start_ns = row.get("mumu_ros/start_ns") or _START_NS
        self._tasks: list[str] = []
        self._newest_ns: dict[str, int] = {}

    def messages(self, writer: RecordingWriter) -> Iterator[_Message]:
        """Messages in order of their stamps."""
        waiting: list[_Message] = []
        videos = {
            name: self._video(name) for name, feature in self._dataset.features.items() if feature["dtype"] == "video"
        }
        for index, row in enumerate(self._rows()):
            self._check(index, row)
            self._tasks.append(self._dataset.tasks.get(row["task_index"], ""))
            for name, feature in self._dataset.features.items():
                value = next(videos[name]) if name in videos else row.get(name)
                if name.startswith(("observation.", "action")) and value is not None:
                    waiting += self._samples(index, name, feature, value, row, writer)
            # Later rows have later vectors, and pictures at most half a period before them.
            waiting.sort(key=lambda message: message[:2])
            ready = [message for message in waiting if message[0] <= self._stamp_ns(index)]
            yield from ready
            waiting = waiting[len(ready) :]
        yield from waiting

    def labels(self) -> list[Label]:
        """The labels that were written with it; of another dataset the tasks of its rows."""
        if "mumu_ros/labels" in self._row:
            return [Label(x["start_ns"], x["end_ns"], x["group"], x["activity"]) for x in self._row["mumu_ros/labels"]]
        labels, index = [], 0
        for task, group in groupby(self._tasks):
            count = len(list(group))
            if task and task != form.UNLABELLED:
                name = " ".join(task.split())[:MAX_NAME]
                labels.append(Label(self._stamp_ns(index), self._stamp_ns(index + count), "", name))
            index += count
        return labels

    def _stamp_ns(self, index: int) -> int:
        return int(self._start_ns) + index * NS_PER_S // self._dataset.fps

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        place = {"chunk_index": self._row["data/chunk_index"], "file_index": self._row["data/file_index"]}
        path = self._dataset.root / str(self._dataset.paths["data"]).format(**place)
        own = ds.field("episode_index") == self._row["episode_index"]
        count = 0
        for batch in ds.dataset(path, format="parquet").to_batches(filter=own, batch_size=100):
            count += batch.num_rows
            yield from batch.to_pylist()
        if count != self._row["length"]:
            raise DatasetError(f"{self._name} has {count} rows in {path}, and {self._row['length']} by its table")

    def _check(self, index: int, row: Mapping[str, Any]) -> None:
        expected_s = index / self._dataset.fps
        # A float32 has no more than seven digits.
        tolerance_s = max(form.TOLERANCE_S, float(np.spacing(np.float32(expected_s))))
        if row["frame_index"] != index or abs(row["timestamp"] - expected_s) > tolerance_s:
            raise DatasetError(
                f"{self._name}: row {index} is frame {row['frame_index']} at {row['timestamp']} s; expected "
                f"{expected_s:g} s at {self._dataset.fps} frames a second"
            )

    def _samples(
        self,
        index: int,
        name: str,
        feature: Mapping[str, Any],
        value: Any,
        row: Mapping[str, Any],
        writer: RecordingWriter,
    ) -> list[_Message]:
        """The messages of a feature in a row, with stamps that were checked."""
        stream = name.removeprefix("observation.").removeprefix("images.")
        stamps = row.get(f"stamps.{stream}")
        topic = "/" + stream.replace(".", "/")
        if feature["dtype"] in _IMAGES:
            stamp_ns = self._stamp_ns(index) if stamps is None else stamps
            if not stamp_ns:
                return []
            self._accept(index, stream, stamp_ns, (0.5, 0.5))
            pixels = value if feature["dtype"] == "video" else _decoded(value["bytes"])
            return [(stamp_ns, topic, "sensor_msgs/msg/Image", array_to_image(pixels, stamp_ns, stream, writer.types))]
        described = feature.get("info") or {}
        values = np.atleast_1d(np.array(value, np.float32)).reshape(described.get("samples", 1), -1)
        shape = described.get("shape", values.shape[1:])
        type_name = described.get("type", "std_msgs/msg/Float32MultiArray")
        messages = []
        known = np.atleast_1d(self._stamp_ns(index) if stamps is None else stamps)
        for stamp_ns, sample in zip(known.tolist(), values, strict=True):
            if stamp_ns:
                self._accept(index, stream, stamp_ns, (1.0, 0.0))
                kind, message = _vector(type_name, sample.reshape(shape), stamp_ns, stream, writer)
                messages.append((stamp_ns, topic, kind, message))
        return messages

    def _accept(self, index: int, stream: str, stamp_ns: int, periods: tuple[float, float]) -> None:
        """A stamp is after the one before, and belongs to its row."""
        offset = (stamp_ns - self._stamp_ns(index)) * self._dataset.fps / NS_PER_S
        slack = 1e-6
        if stamp_ns <= self._newest_ns.get(stream, 0) or not -periods[0] - slack <= offset <= periods[1] + slack:
            raise DatasetError(
                f"{self._name}: {stream} has the stamp {stamp_ns} ns in row {index}, {offset:+.2f} periods from it and "
                f"after {self._newest_ns.get(stream, 0)} ns; expected ascending ones from {-periods[0]} to {periods[1]}"
            )
        self._newest_ns[stream] = stamp_ns

    def _video(self, name: str) -> Iterator[NDArray[np.uint8]]:
        """The frames of an episode in a video, one for each row."""
        import av

        row = self._row
        place = {"chunk_index": row[f"videos/{name}/chunk_index"], "file_index": row[f"videos/{name}/file_index"]}
        path = self._dataset.root / str(self._dataset.paths["video"]).format(video_key=name, **place)
        begin_s = row[f"videos/{name}/from_timestamp"]
        with av.open(str(path.absolute())) as container:  # FFmpeg takes what is before a colon for a protocol
            stream = container.streams.video[0]
            container.seek(max(0, int(begin_s / stream.time_base) - 1), stream=stream)
            index = 0
            for frame in container.decode(stream):
                offset_s = float(frame.time) - begin_s - index / self._dataset.fps
                if offset_s < -form.TOLERANCE_S:
                    continue
                if offset_s > form.TOLERANCE_S:
                    break
                yield frame.to_ndarray(format="rgb24")
                index += 1
        at_s = begin_s + index / self._dataset.fps
        raise DatasetError(f"{path} has no frame at {at_s:g} s, for row {index} of {self._name}")


def _vector(
    type_name: str, sample: NDArray[np.float32], stamp_ns: int, frame: str, writer: RecordingWriter
) -> tuple[str, Any]:
    """Its type and message: as it was if the array has all of it."""
    if type_name == "sensor_msgs/msg/Imu" and sample.shape == (2, 3):
        return type_name, array_to_imu(sample, stamp_ns, frame, writer.types)
    if type_name == "geometry_msgs/msg/PoseArray":
        return type_name, array_to_pose_array(sample, stamp_ns, frame, writer.types)
    return "std_msgs/msg/Float32MultiArray", array_to_floats(sample, writer.types)


def _decoded(data: bytes) -> NDArray[Any]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise DatasetError("a picture is neither PNG nor JPEG")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels
