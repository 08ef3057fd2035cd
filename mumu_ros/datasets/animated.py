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

"""Generated clips of every activity of the taxonomy `people`."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from mumu_ros.animation import ACTIVITIES, LAYOUT, RATE_HZ, Performer, animate
from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, prepare_all, select_clips, wanted_streams
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.skeletons import convert
from mumu_ros.streams import NS_PER_S

__all__ = ["PEOPLE", "AnimatedDataset"]

PEOPLE = range(1, 121)
"""Subjects, unless others are asked for."""
_TIMES = 2


class AnimatedDataset:
    """People who each do each activity twice; nothing is read from disk.

    Attributes:
        clips: Named `wave_s1_t1`.
        streams: Only skeleton.
    """

    streams = ("skeleton",)

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """List the clips.

        Raises:
            DatasetError: A folder is given, or no subject.
        """
        if root:
            raise DatasetError(f"animated people are in no folder, but {root!r} is given: leave it out")
        clips = [
            ClipInfo(f"{activity}_s{subject}_t{time}", subject, activity, session=time)
            for activity in ACTIVITIES
            for subject in (PEOPLE if subjects is None else subjects)
            for time in range(1, _TIMES + 1)
        ]
        self.clips = select_clips("animated", clips, subjects)

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Animate one; see `Dataset.read`."""
        (stream,) = wanted_streams("animated", self.streams, preprocessing)
        performer = Performer.draw(np.random.default_rng(clip.subject))
        generator = np.random.default_rng((clip.subject, zlib.crc32(clip.activity.encode()), clip.session))
        joints = animate(clip.activity, performer, generator)
        stamps_ns = START_NS + np.round(np.arange(len(joints)) / RATE_HZ * NS_PER_S).astype(np.int64)
        layout = preprocessing.config.modality(stream).layout or "kinect20"
        samples = prepare_all(stream, convert(joints, LAYOUT, layout), preprocessing, Path(clip.id))
        segment = Segment(START_NS, int(stamps_ns[-1]) + 1, clip.activity)
        return Clip({stream: Stream(stamps_ns, samples)}, (segment,), clip.subject, clip.id)
