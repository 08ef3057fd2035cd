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

"""UTD-MHAD for training: its files as streams on one clock."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, Video, prepare_all, wanted_streams
from mumu_ros.datasets.utd_mhad import HOME_PAGE, MODALITIES, UtdMhad, UtdMhadClip
from mumu_ros.files import expanded
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.skeletons import convert

__all__ = ["INERTIAL", "UtdMhadDataset", "find_utd_mhad"]

_PARTS: Mapping[str, tuple[str, Any]] = MappingProxyType(
    {
        "depth": ("depth", np.s_[:]),
        "skeleton": ("skeleton", np.s_[:]),
        "torso": ("skeleton", np.s_[:, 0:4]),
        "arms": ("skeleton", np.s_[:, 4:12]),
        "left_arm": ("skeleton", np.s_[:, 4:8]),
        "right_arm": ("skeleton", np.s_[:, 8:12]),
        "legs": ("skeleton", np.s_[:, 12:20]),
        "imu": ("inertial", np.s_[:]),
        "acceleration": ("inertial", np.s_[:, 0:1]),
        "gyroscope": ("inertial", np.s_[:, 1:2]),
    }
)
"""Stream to its file and its part of the samples. The Kinect's joints: head, shoulder centre, spine, hip centre;
shoulder, elbow, wrist, hand of the left and then the right arm; hip, knee, ankle, foot of the left and right leg."""
INERTIAL = tuple(stream for stream, (file, _) in _PARTS.items() if file == "inertial")
"""Streams of the inertial sensor, which was worn where `inertial_site` says."""


class UtdMhadDataset:
    """One clip a trial; every stream is spread evenly over the time of the frames.

    Streams: depth (uint16 millimetres), rgb, skeleton (20, 3), of which arms (8, 3), left_arm (4, 3), right_arm (4, 3),
    legs (8, 3) and torso (4, 3) are parts, and imu (2, 3), of which acceleration (1, 3) and gyroscope (1, 3) are. Units
    and axes are those of `UtdMhadClip`. The colour images are flipped as the depth images are; the same sensor mirrors
    both.

    Attributes:
        clips: Named as in the dataset, "a1_s1_t1"; the trial is the session.
        streams: Those whose folder is there.
    """

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """List the clips.

        Args:
            root: Folder with Depth, Inertial, Skeleton and RGB, or some of them. Empty: $MUMU_UTD_MHAD, else
                shared/data/utd_mhad beside the source tree.
            subjects: Whose; None: everybody's.

        Raises:
            DatasetError: The dataset is not there, or no clip of these subjects is.
        """
        self._root = find_utd_mhad(root)
        self._folders = tuple(m for m in MODALITIES if (self._root / m.capitalize()).is_dir())
        self._files = UtdMhad(self._root, subjects=subjects, modalities=self._folders)
        self._keys = {UtdMhadClip(*key).name: key for key in self._files.clips}
        clips = (UtdMhadClip(*key) for key in self._files.clips)
        self.clips = tuple(sorted(ClipInfo(c.name, c.subject, c.activity, session=c.trial) for c in clips))
        rgb = ("rgb",) if (self._root / "RGB").is_dir() else ()
        self.streams = (*rgb, *(stream for stream, (file, _) in _PARTS.items() if file in self._folders))

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read the files that the model's modalities are in; see `Dataset.read`."""
        wanted = wanted_streams("UTD-MHAD", self.streams, preprocessing)
        needed = {_PARTS[name][0] for name in wanted if name != "rgb"}
        # Frames tell the time, the inertial sensor's rate varies; a skeleton is the smaller file.
        if not needed & {"depth", "skeleton"}:
            needed.add("skeleton" if "skeleton" in self._folders else "depth")
        files = self._files.load(*self._keys[clip.id], sorted(needed))
        streams: dict[str, Stream] = {}
        for name in wanted:
            if name == "rgb":
                path = self._root / "RGB" / f"{clip.id}_color.avi"
                samples = prepare_all(name, (cv2.flip(image, 1) for image in Video(path)), preprocessing, path)
            else:
                file, part = _PARTS[name]
                path = self._files.path(file, clip.id)
                whole = files.samples(file)[part]
                if layout := preprocessing.config.modality(name).layout:
                    whole = convert(whole, "kinect20", layout)
                samples = prepare_all(name, whole, preprocessing, path)
            stamps = START_NS + np.arange(len(samples), dtype=np.int64) * files.duration_ns // len(samples)
            streams[name] = Stream(stamps, samples)
        segment = Segment(START_NS, START_NS + files.duration_ns, clip.activity)
        return Clip(streams, (segment,), clip.subject, clip.id)


def find_utd_mhad(root: str) -> Path:
    """The dataset's folder: `root`, or where it is looked for when that is empty; see `UtdMhadDataset`.

    Raises:
        DatasetError: It is not there.
    """
    if root:
        places = [expanded(root)]
    else:
        variable = os.environ.get("MUMU_UTD_MHAD")
        source_tree = Path(__file__).resolve().parents[2]
        places = [expanded(variable)] if variable else []
        if (source_tree / "pyproject.toml").is_file():
            places.append(source_tree.parent / "shared/data/utd_mhad")
    for place in places:
        if any((place / modality.capitalize()).is_dir() for modality in MODALITIES):
            return place
    raise DatasetError(
        f"UTD-MHAD is not in {', '.join(map(str, places)) or 'any place looked at'}: a folder with Depth, Inertial and "
        f"Skeleton is expected. Download it from {HOME_PAGE} (cite Chen, Jafari and Kehtarnavaz, ICIP 2015) and name "
        "the folder as the root, or in $MUMU_UTD_MHAD"
    )
