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

"""UTD-MHAD: 27 actions by 8 subjects before a Kinect, with one inertial sensor.

Chen, Jafari and Kehtarnavaz: UTD-MHAD: A multimodal dataset for human action recognition utilizing a depth
camera and a wearable inertial sensor, ICIP 2015.

Units and axes become those of ROS here, once: SI units, the camera's optical frame (REP 103), and a picture
that is not a mirror image. The Kinect mirrors: in the files the person's right hand is at the right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import DatasetError
from mumu_ros.datasets.utd_mhad_files import MODALITIES, UnusableFileError, read_file

__all__ = [
    "ACTIONS",
    "FRAME_RATE_HZ",
    "GROUPS",
    "HOME_PAGE",
    "MODALITIES",
    "DatasetError",
    "UtdMhad",
    "UtdMhadClip",
    "inertial_site",
]

HOME_PAGE = "https://personal.utdallas.edu/~kehtar/UTD-MHAD.html"

# fmt: off
ACTIONS: tuple[str, ...] = (
    "swipe_left", "swipe_right", "wave", "clap", "throw", "arm_cross", "basketball_shoot", "draw_x", "draw_circle_cw",
    "draw_circle_ccw", "draw_triangle", "bowling", "boxing", "baseball_swing", "tennis_swing", "arm_curl",
    "tennis_serve", "push", "knock", "catch", "pickup_throw", "jog", "walk", "sit_to_stand", "stand_to_sit", "lunge",
    "squat",
)
"""The actions in the dataset's order: action 1 is the first."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "hand_gesture": (
        "swipe_left", "swipe_right", "wave", "clap", "arm_cross", "draw_x", "draw_circle_cw", "draw_circle_ccw",
        "draw_triangle",
    ),
    "sports": (
        "throw", "basketball_shoot", "bowling", "boxing", "baseball_swing", "tennis_swing", "tennis_serve", "catch",
        "pickup_throw",
    ),
    "daily": ("push", "knock", "walk", "sit_to_stand", "stand_to_sit"),
    "training": ("arm_curl", "jog", "lunge", "squat"),
})
"""Group to its actions. Islam and Iqbal (2022) give their sizes and one action of each; the lists are ours."""
# fmt: on

_GROUP_OF = {action: group for group, actions in GROUPS.items() for action in actions}

FRAME_RATE_HZ = 30.0
"""Nominal rate of depth and skeleton."""

_FILE = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(depth|skeleton|inertial)\.mat")
_FIRST_THIGH_ACTION = 22


def inertial_site(action: int) -> str:
    """Where the sensor was worn: "wrist" for actions 1 to 21, "thigh" for 22 to 27, always on the right.

    Gravity at rest alone tells the two apart: a leak that every result on this dataset has.
    """
    return "wrist" if action < _FIRST_THIGH_ACTION else "thigh"


@dataclass(frozen=True, eq=False)
class UtdMhadClip:
    """One trial of one action; a modality that was not asked for is None.

    Attributes:
        subject: 1 to 8.
        action: 1 to 27.
        trial: 1 to 4.
        depth: (T, 240, 320) uint16, millimetres; 0 is background or no reading.
        skeleton: (T, 20, 3) float64, metres in the optical frame of the camera: x right, y down, z forward.
        inertial: (N, 2, 3) float64: specific force in m/s², angular rate in rad/s. N and T are in no fixed
            ratio (2.4 to 4.5): align them by the time relative to the clip, not by nominal rates.
    """

    subject: int
    action: int
    trial: int
    depth: NDArray[np.uint16] | None = None
    skeleton: NDArray[np.float64] | None = None
    inertial: NDArray[np.float64] | None = None

    @property
    def name(self) -> str:
        """The dataset's own, such as "a3_s2_t1"."""
        return f"a{self.action}_s{self.subject}_t{self.trial}"

    @property
    def activity(self) -> str:
        """Name of the action."""
        return ACTIONS[self.action - 1]

    @property
    def group(self) -> str:
        """Name of the group of the action."""
        return _GROUP_OF[self.activity]

    @property
    def duration_ns(self) -> int:
        """That of the frames at the nominal rate, which is steadier than the inertial sensor's.

        Raises:
            ValueError: neither depth nor skeleton was read.
        """
        frames = self.samples("depth" if self.skeleton is None else "skeleton")
        return round(len(frames) / FRAME_RATE_HZ * 1e9)

    def samples(self, modality: str) -> NDArray[Any]:
        """The samples of one of `MODALITIES`.

        Raises:
            ValueError: it was not read.
        """
        samples: NDArray[Any] | None = getattr(self, modality)
        if samples is None:
            raise ValueError(f"{modality} of {self.name} was not read; name it in the modalities of UtdMhad")
        return samples

    def stamps_ns(self, modality: str, start_ns: int = 0) -> NDArray[np.int64]:
        """(T,) or (N,) int64 stamps of a modality's samples, spread evenly over the duration from `start_ns` on.

        Raises:
            ValueError: as for `samples` and `duration_ns`.
        """
        count = len(self.samples(modality))
        return start_ns + np.arange(count, dtype=np.int64) * self.duration_ns // count


class UtdMhad:
    """The clips of a copy of the dataset, by subject, action and trial.

    Iterating reads the files. A clip with a missing, truncated or senseless file is left out and named in
    `skipped`.

    Attributes:
        clips: (subject, action, trial) of every clip that has any of the files asked for.
        skipped: File to what is wrong with it, of the clips left out so far.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        subjects: Collection[int] | None = None,
        activities: Collection[str] | None = None,
        modalities: Sequence[str] = MODALITIES,
    ) -> None:
        """List the files in the folders Depth, Skeleton and Inertial of `root`; all of them by default.

        Raises:
            DatasetError: a folder is missing, an activity or modality is unknown, or no clip is left.
        """
        self.root = Path(root)
        _require_known("activity", activities or (), ACTIONS)
        _require_known("modality", modalities, MODALITIES)
        self._modalities = tuple(modalities)
        self.skipped: dict[Path, str] = {}
        keys = {
            (int(subject), int(action), int(trial))
            for modality in modalities
            for path in self._folder(modality).iterdir()
            if (match := _FILE.fullmatch(path.name))
            for action, subject, trial, _ in (match.groups(),)
        }
        self.clips = tuple(
            (subject, action, trial)
            for subject, action, trial in sorted(keys)
            if 1 <= action <= len(ACTIONS)
            if subjects is None or subject in subjects
            if activities is None or ACTIONS[action - 1] in activities
        )
        if not self.clips:
            wanted = [f"subjects {sorted(subjects)}"] if subjects is not None else []
            wanted += [f"activities {sorted(activities)}"] if activities is not None else []
            raise DatasetError(f"{self.root} has no clip{' of ' if wanted else ''}{' and '.join(wanted)}")

    def _folder(self, modality: str) -> Path:
        folder = self.root / modality.capitalize()
        if not folder.is_dir():
            raise DatasetError(
                f"{folder} is not there; {self.root} should hold Depth, Skeleton and Inertial of UTD-MHAD"
            )
        return folder

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[UtdMhadClip]:
        for key in self.clips:
            clip = self.read(*key)
            if clip is not None:
                yield clip

    def read(self, subject: int, action: int, trial: int) -> UtdMhadClip | None:
        """Read one clip; None, with an entry in `skipped`, when one of its files cannot be used."""
        try:
            return self.load(subject, action, trial, self._modalities)
        except UnusableFileError as error:
            path, reason = error.args
            self.skipped[path] = reason
            return None

    def load(self, subject: int, action: int, trial: int, modalities: Sequence[str]) -> UtdMhadClip:
        """Read some of the files of one clip.

        Raises:
            UnusableFileError: one of them is missing, truncated or senseless.
        """
        name = UtdMhadClip(subject, action, trial).name
        data: dict[str, Any] = {}
        for modality in modalities:
            path = self.path(modality, name)
            data[modality] = read_file(path, modality)
        lengths = {modality: len(data[modality]) for modality in ("depth", "skeleton") if modality in data}
        if len(set(lengths.values())) > 1:
            raise UnusableFileError(path, f"depth and skeleton differ in length: {lengths}")
        return UtdMhadClip(subject, action, trial, **data)

    def path(self, modality: str, name: str) -> Path:
        """Where a modality of the clip of that name lies, or ought to."""
        return self.root / modality.capitalize() / f"{name}_{modality}.mat"


def _require_known(what: str, names: Collection[str], known: Sequence[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise DatasetError(f"{what} {', '.join(unknown)} is unknown; expected some of {', '.join(known)}")
