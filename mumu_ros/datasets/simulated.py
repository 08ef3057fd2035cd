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

"""Clips from the simulator: as many people as one asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

import numpy as np

from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import select_clips, wanted_streams
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.simulation import STREAMS, Simulator

__all__ = ["SimulatorDataset"]


class SimulatorDataset:
    """One performance of each person, several activities long; nothing is read from disk.

    Attributes:
        clips: One a subject; the subject is also the seed of the performance.
        streams: Those of `mumu_ros.simulation`.
    """

    def __init__(self, root: str, subjects: Collection[int] | None, seconds: float = 60.0) -> None:
        """List the clips.

        Raises:
            DatasetError: A folder is given, or no subject is asked for.
        """
        if root:
            raise DatasetError(f"the simulator reads no folder, but {root!r} is given: leave it out")
        if subjects is None:
            raise DatasetError("the simulator has any number of people; give subjects, such as 0 to 63")
        self._seconds = seconds
        people = (ClipInfo(f"s{subject}", subject) for subject in subjects)
        self.clips = select_clips("the simulator", people, subjects)
        self.streams = tuple(stream.name for stream in STREAMS)

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Simulate a clip; see `Dataset.read`."""
        wanted = wanted_streams("the simulator", self.streams, preprocessing)
        simulator = Simulator(seed=clip.subject, subject=clip.subject, seconds=self._seconds)
        stamps: dict[str, list[int]] = defaultdict(list)
        samples: dict[str, list[np.ndarray]] = defaultdict(list)
        for sample in simulator.samples():
            if sample.stream in wanted:
                stamps[sample.stream].append(sample.stamp_ns)
                samples[sample.stream].append(preprocessing.prepare(sample.stream, sample.data))
        streams = {name: Stream(np.array(stamps[name], np.int64), samples[name]) for name in stamps}
        segments = tuple(Segment(s.start_ns, s.end_ns, s.activity) for s in simulator.segments)
        return Clip(streams, segments, clip.subject, clip.id)
