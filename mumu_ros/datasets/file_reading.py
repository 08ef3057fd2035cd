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

"""What the readers of several datasets share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mumu_ros import reading
from mumu_ros.datasets.clips import FEWEST_FRAMES, ClipInfo, DatasetError
from mumu_ros.files import name_problem
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing, SampleError
from mumu_ros.streams import NS_PER_S

__all__ = [
    "START_NS",
    "Video",
    "check_same",
    "prepare_all",
    "read_text",
    "select_clips",
    "shown_frames",
    "wanted_streams",
]

START_NS = 1_500_000_000 * NS_PER_S
"""Start of clips whose files have no stamps: a stamp of zero is invalid."""

_MAX_BYTES = 64 * 2**20
_WHOLE_VIDEO = 0.9
"""Share of the frames that a video's header promises; headers are often off by a few."""


def select_clips(name: str, clips: Iterable[ClipInfo], subjects: Collection[int] | None) -> tuple[ClipInfo, ...]:
    """The clips of some subjects, or of all, sorted by id.

    Raises:
        DatasetError: No clip is left.
    """
    chosen = tuple(sorted(clip for clip in clips if subjects is None or clip.subject in subjects))
    if not chosen:
        whose = "" if subjects is None else f" of subjects {', '.join(map(str, sorted(subjects)))}"
        raise DatasetError(f"{name} has no clip{whose}")
    return chosen


def wanted_streams(name: str, streams: Collection[str], preprocessing: Preprocessing) -> tuple[str, ...]:
    """The model's modalities that are among a dataset's streams, in the model's order.

    Raises:
        DatasetError: There is none.
    """
    names = preprocessing.config.names
    wanted = tuple(modality for modality in names if modality in streams)
    if not wanted:
        has = ", ".join(sorted(streams)) or "no stream"
        raise DatasetError(f"{name} has {has}; the model takes {', '.join(names)}")
    return wanted


def prepare_all(
    stream: str, samples: Iterable[np.ndarray], preprocessing: Preprocessing, path: Path
) -> list[np.ndarray]:
    """Prepare the samples of one file.

    Raises:
        DatasetError: A sample is not what its modality expects; the text names `path`.
    """
    try:
        return [preprocessing.prepare(stream, sample) for sample in samples]
    except SampleError as error:
        raise DatasetError(f"{path}: {error}") from error


def shown_frames(joints: NDArray[np.floating], modality: Modality, path: Path) -> NDArray[np.intp]:
    """Indices of those of T skeletons (T, J, 3), NaN where a joint is not seen, that a modality takes.

    With a layout they show a joint or more, without one they show all.

    Raises:
        DatasetError: There are too few; the text names `path`.
    """
    hidden = np.isnan(joints).any(axis=-1)
    shown = np.flatnonzero(~(hidden.all(axis=1) if modality.layout else hidden.any(axis=1)))
    if len(shown) < FEWEST_FRAMES:
        what = "a person" if modality.layout else "all joints, as a model without a joint layout needs"
        few = f"{len(shown)} of {len(joints)} frames show {what}"
        raise DatasetError(f"{path}: {few}; expected {FEWEST_FRAMES} or more")
    return shown


def read_text(path: Path, errors: str = "strict") -> str:
    """The contents of a UTF-8 file of at most 64 MiB, an IMU of 100 Hz for three hours; see `reading.read_text`.

    Raises:
        DatasetError: It cannot be read, or is too large.
    """
    try:
        return reading.read_text(path, _MAX_BYTES, errors)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as text: {error}") from error


def check_same(first: Path, second: Path, what: str) -> None:
    """See that two files of one clip, or whatever `what` says, are copies of each other.

    Raises:
        DatasetError: They are not, or one cannot be read.
    """
    if first != second and read_text(first) != read_text(second):
        raise DatasetError(
            f"{str(first)!r} and {str(second)!r} are the same {what} with different contents; "
            "remove one of them, or give the folder of one"
        )


class Video:
    """A video file; iterating decodes it.

    Attributes:
        path: Where it is.
        rate_hz: Frames a second, as its header says; 0: it does not.

    Raises:
        DatasetError: The file is missing, is not a video, or has a name that is not UTF-8.
    """

    def __init__(self, path: Path) -> None:
        if problem := name_problem(path):
            raise DatasetError(problem)
        self.path = path
        self._capture = cv2.VideoCapture(str(path.absolute()))  # FFmpeg takes what is before a colon for a protocol
        if not self._capture.isOpened():
            raise DatasetError(f"{path} is {'no video, or a truncated one' if path.is_file() else 'missing'}")
        self.rate_hz = float(self._capture.get(cv2.CAP_PROP_FPS))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield uint8 (H, W, 3) RGB frames, once.

        Raises:
            DatasetError: Frames are missing at the end.
        """
        promised = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        count = 0
        while True:
            there, image = self._capture.read()
            if not there:
                break
            count += 1
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        self._capture.release()
        if count < max(1, _WHOLE_VIDEO * promised):
            raise DatasetError(f"{self.path} is damaged: {count} of {promised} frames can be decoded")
