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

"""LeRobot's dataset format, version 3.0: where things are, and how a stream becomes a feature.

A dataset has a row for each frame, at a constant rate, so each stream is laid on a grid (`Grid`):

    observation.images.STREAM   the picture nearest to the row, at most half a period away; black: none
    observation.STREAM          all samples of a vector since the row before, flat; NaN: none
    stamps.STREAM               their stamps in nanoseconds; 0: none

Source: lerobot 0.6 (Apache-2.0), src/lerobot/datasets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mumu_ros.streams import NS_PER_S

__all__ = [
    "CHUNK_SIZE",
    "DATA_PATH",
    "EPISODES_PATH",
    "INFO_PATH",
    "STATS_PATH",
    "TASKS_PATH",
    "TOLERANCE_S",
    "UNLABELLED",
    "VERSION",
    "Grid",
    "arrow_type",
    "image_feature",
    "info",
    "pandas_metadata",
    "stamps_feature",
    "vector_feature",
]

VERSION = "v3.0"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
CHUNK_SIZE = 1000
TOLERANCE_S = 1e-4
"""So far LeRobot lets a timestamp be off."""
UNLABELLED = "unlabelled"
"""The task of rows without a label."""

_COUNTERS = ("frame_index", "episode_index", "index", "task_index")


@dataclass(frozen=True)
class Grid:
    """The rows of an episode: row i is at start_ns + i / fps.

    Attributes:
        start_ns: Stamp of the first row.
        fps: Rows a second.
        rows: Their number.
    """

    start_ns: int
    fps: int
    rows: int

    @classmethod
    def over(cls, start_ns: int, end_ns: int, fps: int) -> Grid:
        """The rows from the first stamp of a recording until none is after the last row."""
        return cls(start_ns, fps, -(-(end_ns - start_ns) * fps // NS_PER_S) + 1)

    @property
    def stamps_ns(self) -> NDArray[np.int64]:
        """int64 (rows,), of the rows."""
        return self.start_ns + np.arange(self.rows, dtype=np.int64) * NS_PER_S // self.fps

    def nearest(self, stamps_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 (rows,): for each row the index of the stamp that is nearest to it and to no other row; -1: none."""
        rows = np.rint((stamps_ns - self.start_ns) * (self.fps / NS_PER_S)).astype(np.int64).clip(0, self.rows - 1)
        order = np.argsort(np.abs(stamps_ns - self.stamps_ns[rows]), kind="stable")[::-1]
        chosen = np.full(self.rows, -1)
        chosen[rows[order]] = order  # the nearest is written last
        return chosen

    def since_the_row_before(self, stamps_ns: NDArray[np.int64]) -> list[slice]:
        """For each row the ascending stamps after the row before, up to and with its own."""
        ends = np.searchsorted(stamps_ns, self.stamps_ns, side="right")
        return [slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def image_feature(kind: str, size: tuple[int, int]) -> dict[str, Any]:
    """A colour picture, or depth in millimetres."""
    depth = kind == "depth"
    extra = {"info": {"is_depth_map": True, "depth_unit": "mm"}} if depth else {}
    return {"dtype": "image", "shape": [*size, 1 if depth else 3], "names": ["height", "width", "channels"], **extra}


def vector_feature(type_name: str, shape: Sequence[int], samples: int) -> dict[str, Any]:
    """Up to `samples` samples of a vector in a row, flat, because policies of LeRobot take flat vectors."""
    described = {"type": type_name, "shape": list(shape), "samples": samples}
    return {"dtype": "float32", "shape": [samples * int(np.prod(shape))], "names": None, "info": described}


def stamps_feature(samples: int) -> dict[str, Any]:
    """The stamps of as many samples."""
    return {"dtype": "int64", "shape": [samples], "names": None}


def arrow_type(feature: Mapping[str, Any]) -> pa.DataType:
    """What a feature is in a Parquet file."""
    if feature["dtype"] == "image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    value = pa.from_numpy_dtype(feature["dtype"])
    return value if list(feature["shape"]) == [1] else pa.list_(value, feature["shape"][0])


def info(features: Mapping[str, Any], fps: int, episodes: int, frames: int, tasks: int) -> dict[str, Any]:
    """The content of info.json."""
    counters = {name: {"dtype": "int64", "shape": [1], "names": None} for name in _COUNTERS}
    return {
        "codebase_version": VERSION,
        "robot_type": "mumu_ros",
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK_SIZE,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": {**features, "timestamp": {"dtype": "float32", "shape": [1], "names": None}, **counters},
    }


def pandas_metadata() -> dict[bytes, bytes]:
    """What lets pandas, with which LeRobot reads its tasks, make an index of `task`, beside the column `task_index`."""
    names = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
        for name, (kind, numpy) in names.items()
    ]
    content = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    return {b"pandas": json.dumps(content).encode()}
