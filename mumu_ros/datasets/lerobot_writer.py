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

"""Recordings and labels become a LeRobot dataset."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mumu_ros.datasets import lerobot_format as form
from mumu_ros.datasets.clip_writer import Piece, write_clips
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.lerobot_format import Grid
from mumu_ros.files import folder_beside
from mumu_ros.labelling.marks import label_text
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.reading import read_arrays
from mumu_ros.recordings import Recording
from mumu_ros.recordings.annotations import read_annotations
from mumu_ros.recordings.label_files import Label, find_labels, read_labels
from mumu_ros.recordings.stamped import Span
from mumu_ros.recordings.storage_files import check_distinct
from mumu_ros.recordings.stream_topics import resolve_topics
from mumu_ros.streams import NS_PER_S, ns_to_seconds
from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["EpisodeReport", "write_lerobot"]

_BATCH = 100
_MAX_NS = 2**62
_LONGEST_PAUSE_S = 600
_SAMPLED = 10
"""The statistics of pictures are of every one of so many."""


@dataclass(frozen=True)
class EpisodeReport:
    """What became of a recording.

    Attributes:
        bag: Its path.
        rows: Of the episode.
        labels: Number of labels.
        dropped: Image stream to the number of pictures that no row is nearest to.
        problems: What is wrong with the recording, a sentence each.
    """

    bag: Path
    rows: int
    labels: int
    dropped: Mapping[str, int]
    problems: Sequence[str]


def write_lerobot(
    bags: Sequence[Path], out: Path, config: SensorSyncConfig, labels: Sequence[Path | None]
) -> list[EpisodeReport]:
    """Write an episode for each recording; its rows have the rate of sensor_sync, the task of a row is its label.

    Samples are converted, cropped and resized as the nodes do it. Pictures are PNG in the tables, so nothing is lost.
    Without a label file, a recording's labels are those beside it, else its annotations.

    Raises:
        DatasetError: `out` exists, the rate is no whole number, or a recording has no sample.
        RecordingError: A recording cannot be read, or is given twice.
        LabelError: A label file cannot be read.
        OSError: `out` cannot be written.
    """
    out = out.resolve()
    if out.exists():
        raise DatasetError(f"{out} exists already; remove it, or choose another --out")
    if not config.rate_hz.is_integer():
        raise DatasetError(f"rate_hz is {config.rate_hz:g}; LeRobot counts whole frames a second, such as 15")
    check_distinct(bags)
    with folder_beside(out) as scratch:
        clips = scratch / "clips"
        sources = enumerate(zip(bags, labels, strict=True))
        episodes = [_extract(bag, file, config, clips / str(number)) for number, (bag, file) in sources]
        _Writer(scratch, config, episodes).write()
        shutil.rmtree(clips)
        scratch.rename(out)
    return [episode.report for episode in episodes]


@dataclass(frozen=True, eq=False)
class _Episode:
    """A recording on its grid.

    `pictures` has the files of an image stream, by row; `series` the stamps and the flat samples of a vector stream,
    and which of them are in each row.
    """

    grid: Grid
    labels: Sequence[Label]
    report: EpisodeReport
    pictures: Mapping[str, Sequence[Path | None]]
    series: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float32], Sequence[slice]]]

    def task(self, stamp_ns: int) -> str:
        for label in self.labels:
            if label.start_ns <= stamp_ns < label.end_ns:
                return label_text(label)
        return form.UNLABELLED


def _extract(bag: Path, label_file: Path | None, config: SensorSyncConfig, folder: Path) -> _Episode:
    with Recording(bag) as recording:
        topics = resolve_topics(config, recording)
        written = write_clips(recording, config, topics, [Piece("clip", 0, _MAX_NS)], folder)
        path = label_file or find_labels(bag)
        labels = read_labels(path) if path else read_annotations(recording, FOREVER_NS, topics.values())
        problems = list(recording.problems)
    if not written.spans:
        raise DatasetError(f"{bag} has no sample of {', '.join(stream.topic for stream in config.streams)}")
    _check_pauses(bag, written.spans)
    start_ns, behind_ns = written.spans[0][0], written.spans[-1][1]
    labels = [replace(x, end_ns=max(x.start_ns + 1, behind_ns)) if x.end_ns == FOREVER_NS else x for x in labels]
    grid = Grid.over(start_ns, behind_ns - 1, int(config.rate_hz))
    pictures: dict[str, Sequence[Path | None]] = {}
    series: dict[str, tuple[NDArray[np.int64], NDArray[np.float32], Sequence[slice]]] = {}
    dropped: dict[str, int] = {}
    for stream in config.streams:
        place = folder / "clip" / stream.name
        if stream.is_image:
            files = sorted(place.glob("*.png"), key=lambda file: int(file.stem))
            chosen = grid.nearest(np.array([int(file.stem) for file in files], np.int64))
            pictures[stream.name] = [files[i] if i >= 0 else None for i in chosen.tolist()]
            dropped[stream.name] = len(files) - int((chosen >= 0).sum())
        else:
            series[stream.name] = _series(stream, place.with_suffix(".npz"), grid)
    report = EpisodeReport(bag, grid.rows, len(labels), {k: n for k, n in dropped.items() if n}, problems)
    return _Episode(grid, labels, report, pictures, series)


def _check_pauses(bag: Path, spans: Sequence[Span]) -> None:
    """Refuse years of empty rows, as of a clock that was set forward while it was recorded."""
    for (_, behind_ns), (next_ns, _) in pairwise(spans):
        if next_ns - behind_ns > _LONGEST_PAUSE_S * NS_PER_S:
            start, end = ns_to_seconds(behind_ns - 1), ns_to_seconds(next_ns)
            raise DatasetError(
                f"{bag} has no sample between {start:.3f} and {end:.3f} s, over {_LONGEST_PAUSE_S} s: was a clock "
                "set while it was recorded? Split it there, into two episodes"
            )


def _series(
    stream: StreamConfig, file: Path, grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.float32], Sequence[slice]]:
    if not file.exists():
        width = int(np.prod(stream.shape))
        return np.zeros(0, np.int64), np.zeros((0, width), np.float32), [slice(0, 0)] * grid.rows
    stamps_ns, samples = read_arrays(file, ("stamps_ns", "samples"))
    return stamps_ns, samples.reshape(len(samples), -1), grid.since_the_row_before(stamps_ns)


class _Writer:
    """The files of a dataset."""

    def __init__(self, root: Path, config: SensorSyncConfig, episodes: Sequence[_Episode]) -> None:
        self._root = root
        self._episodes = episodes
        self._images = [stream for stream in config.streams if stream.is_image]
        self._vectors = [stream for stream in config.streams if not stream.is_image]
        self._fps = int(config.rate_hz)
        self._samples = {  # at most in a row
            stream.name: max(1, *(s.stop - s.start for episode in episodes for s in episode.series[stream.name][2]))
            for stream in self._vectors
        }
        self._features = self._describe()
        # A black picture is none.
        self._black = {stream.name: _black(stream) for stream in self._images}
        self._tasks: dict[str, int] = {}
        self._statistics: dict[str, _Statistics] = {}

    def write(self) -> None:
        """Write all of them."""
        rows = [self._write_episode(number, episode) for number, episode in enumerate(self._episodes)]
        (self._root / form.EPISODES_PATH).parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), self._root / form.EPISODES_PATH)
        tasks = pa.table({"task_index": list(self._tasks.values()), "task": list(self._tasks)})
        metadata = form.pandas_metadata()
        pq.write_table(tasks.replace_schema_metadata(metadata), self._root / form.TASKS_PATH)
        frames = rows[-1]["dataset_to_index"]
        described = form.info(self._features, self._fps, len(rows), frames, len(self._tasks))
        statistics = {name: statistics.summary() for name, statistics in self._statistics.items()}
        for path, content in ((form.INFO_PATH, described), (form.STATS_PATH, statistics)):
            (self._root / path).write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")

    def _describe(self) -> dict[str, Any]:
        features: dict[str, Any] = {}
        for stream in self._images:
            features[f"observation.images.{stream.name}"] = form.image_feature(stream.kind, stream.size)
            features[f"stamps.{stream.name}"] = form.stamps_feature(1)
        for stream in self._vectors:
            count = self._samples[stream.name]
            features[f"observation.{stream.name}"] = form.vector_feature(stream.type, stream.shape, count)
            features[f"stamps.{stream.name}"] = form.stamps_feature(count)
        return features

    def _write_episode(self, number: int, episode: _Episode) -> dict[str, Any]:
        """Write an episode's rows and return its row of the table of episodes."""
        chunk, file = divmod(number, form.CHUNK_SIZE)
        path = self._root / form.DATA_PATH.format(chunk_index=chunk, file_index=file)
        path.parent.mkdir(parents=True, exist_ok=True)
        first = sum(before.grid.rows for before in self._episodes[:number])
        features = form.info(self._features, self._fps, 0, 0, 0)["features"]
        schema = pa.schema([(name, form.arrow_type(feature)) for name, feature in features.items()])
        tasks: dict[str, None] = {}
        with pq.ParquetWriter(path, schema) as writer:
            for begin in range(0, episode.grid.rows, _BATCH):
                rows = range(begin, min(begin + _BATCH, episode.grid.rows))
                texts = [episode.task(int(stamp)) for stamp in episode.grid.stamps_ns[rows.start : rows.stop]]
                tasks.update(dict.fromkeys(texts))
                columns = dict(self._columns(episode, rows))
                columns |= {
                    "timestamp": np.array(rows) / np.float32(self._fps),
                    "frame_index": np.array(rows),
                    "episode_index": np.full(len(rows), number),
                    "index": first + np.array(rows),
                    "task_index": np.array([self._tasks.setdefault(text, len(self._tasks)) for text in texts]),
                }
                for name, column in columns.items():
                    self._count(name, column)
                arrays = [pa.array(_listed(columns[name]), schema.field(name).type) for name in schema.names]
                writer.write_table(pa.table(arrays, schema=schema))
        return {
            "episode_index": number,
            "tasks": list(tasks),
            "length": episode.grid.rows,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": first,
            "dataset_to_index": first + episode.grid.rows,
            "mumu_ros/start_ns": episode.grid.start_ns,
            "mumu_ros/labels": [
                {"start_ns": x.start_ns, "end_ns": x.end_ns, "group": x.group, "activity": x.activity}
                for x in episode.labels
            ],
        }

    def _columns(self, episode: _Episode, rows: range) -> Iterator[tuple[str, Any]]:
        for stream in self._images:
            files = episode.pictures[stream.name][rows.start : rows.stop]
            yield (
                f"observation.images.{stream.name}",
                [{"bytes": file.read_bytes() if file else self._black[stream.name], "path": None} for file in files],
            )
            yield f"stamps.{stream.name}", np.array([int(file.stem) if file else 0 for file in files], np.int64)
        for stream in self._vectors:
            stamps_ns, samples, parts = episode.series[stream.name]
            count = self._samples[stream.name]
            values = np.full((len(rows), count, samples.shape[1]), np.nan, np.float32)
            stamps = np.zeros((len(rows), count), np.int64)
            for row, part in enumerate(parts[rows.start : rows.stop]):
                values[row, : part.stop - part.start] = samples[part]
                stamps[row, : part.stop - part.start] = stamps_ns[part]
            yield f"observation.{stream.name}", values.reshape(len(rows), -1)
            yield f"stamps.{stream.name}", stamps.reshape(len(rows), -1) if count > 1 else stamps[:, 0]

    def _count(self, name: str, column: Any) -> None:
        statistics = self._statistics.setdefault(name, _Statistics())
        if name not in self._features or self._features[name]["dtype"] != "image":
            statistics.add(np.asarray(column, np.float64).reshape(len(column), -1))
            return
        for item in column[::_SAMPLED]:
            pixels = np.asarray(cv2.imdecode(np.frombuffer(item["bytes"], np.uint8), cv2.IMREAD_UNCHANGED), np.float64)
            scaled = pixels[..., ::-1] / 255.0 if pixels.ndim == 3 else pixels[..., None]
            statistics.add(scaled.reshape(-1, scaled.shape[2]), (scaled.shape[2], 1, 1))


@dataclass
class _Statistics:
    """Least, greatest, mean and deviation of each value, of what is there."""

    count: NDArray[np.float64] | float = 0.0
    total: NDArray[np.float64] | float = 0.0
    squares: NDArray[np.float64] | float = 0.0
    least: NDArray[np.float64] | float = np.inf
    greatest: NDArray[np.float64] | float = -np.inf
    rows: int = 0
    shape: tuple[int, ...] = field(default=(-1,))

    def add(self, values: NDArray[np.float64], shape: tuple[int, ...] = (-1,)) -> None:
        """Add rows of values."""
        known = np.isfinite(values)
        self.count = self.count + known.sum(axis=0)
        self.total = self.total + np.where(known, values, 0.0).sum(axis=0)
        self.squares = self.squares + np.where(known, values**2, 0.0).sum(axis=0)
        self.least = np.minimum(self.least, np.where(known, values, np.inf).min(axis=0))
        self.greatest = np.maximum(self.greatest, np.where(known, values, -np.inf).max(axis=0))
        self.rows += len(values)
        self.shape = shape

    def summary(self) -> dict[str, Any]:
        """As stats.json has it; 0 for values that never were there."""
        count = np.maximum(self.count, 1.0)
        mean = self.total / count
        deviation = np.sqrt(np.maximum(self.squares / count - mean**2, 0.0))
        found = {"min": self.least, "max": self.greatest, "mean": mean, "std": deviation}
        shaped = {k: np.where(self.count, v, 0.0).reshape(self.shape).tolist() for k, v in found.items()}
        return {**shaped, "count": [self.rows]}


def _black(stream: StreamConfig) -> bytes:
    pixels = np.zeros(stream.size, np.uint16) if stream.kind == "depth" else np.zeros((*stream.size, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def _listed(column: Any) -> Any:
    return list(column) if isinstance(column, np.ndarray) and column.ndim == 2 else column
