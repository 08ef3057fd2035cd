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

"""Skeletons of other people, rooms and trackers: MSR Action3D, Florence 3D Actions, UTKinect-Action3D and KARD.

One text file a clip, named by activity, subject and trial; one line a joint, a frame after the other. Where the authors
publish several clips in a file (`skeleton_tables`), that is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mumu_ros.datasets.clips import FEWEST_FRAMES, Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, check_same, prepare_all, select_clips, shown_frames, wanted_streams
from mumu_ros.datasets.skeleton_tables import RawClip, florence_clips, lines, numbers, utkinect_clips
from mumu_ros.files import expanded
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.skeletons import LAYOUTS, convert
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import shorten

__all__ = ["SKELETON_SETS", "SkeletonSet", "SkeletonSetDataset", "florence3d", "kard", "msr_action3d", "utkinect"]

_NEAREST_M = 0.3
"""No Kinect sees nearer; trackers write zeros for what they do not see."""
_VOTERS = 60


@dataclass(frozen=True)
class SkeletonSet:
    """How a dataset is written down.

    Attributes:
        file: Pattern of a clip's file name, with activity, subject and trial.
        layout: Its joints, in the order of the lines.
        metres: Length of one unit. x and y are across and up, z is the distance from the camera.
        rate_hz: Frames a second.
        activities: In the dataset's order; activity 1 is the first.
        tables: The clips in files of several clips below a folder, by the names that files of one clip have; or what is
            wrong with a clip.
        table_files: Names of such files.
    """

    file: str
    layout: str
    metres: float
    rate_hz: float
    activities: tuple[str, ...]
    tables: Callable[[Path], Iterator[tuple[str, RawClip | str]]] | None = None
    table_files: str = ""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SKELETON_SETS: Mapping[str, SkeletonSet] = MappingProxyType(
    {
        # Li, Zhang and Liu, CVPR4HB 2010. A fourth number a line is a confidence.
        "msr_action3d": SkeletonSet(
            r"a(\d+)_s(\d+)_e(\d+)_skeleton3D\.txt",
            "msr20",
            1.0,
            15.0,
            _names(
                "high_arm_wave horizontal_arm_wave hammer hand_catch forward_punch high_throw draw_x draw_tick "
                "draw_circle hand_clap two_hand_wave side_boxing bend forward_kick side_kick jogging tennis_swing "
                "tennis_serve golf_swing pickup_throw"
            ),
        ),
        # Seidenari, Varano, Berretti, Del Bimbo and Pala, CVPRW 2013.
        "florence3d": SkeletonSet(
            r"a(\d+)_s(\d+)_id(\d+)\.txt",
            "florence15",
            1e-3,
            15.0,
            _names("wave drink answer_phone clap tie_lace sit_down stand_up read_watch bow"),
            florence_clips,
            "'Florence_dataset_WorldCoordinates.txt'",
        ),
        # Xia, Chen and Aggarwal, CVPRW 2012.
        "utkinect": SkeletonSet(
            r"a(\d+)_s(\d+)_e(\d+)\.txt",
            "utkinect20",
            1.0,
            15.0,
            _names("walk sit_down stand_up pick_up carry throw push pull wave_hands clap_hands"),
            utkinect_clips,
            "'joints_s01_e01.txt' with 'actionLabel.txt'",
        ),
        # Gaglio, Lo Re and Morana, IEEE Transactions on Human-Machine Systems 2015.
        "kard": SkeletonSet(
            r"a(\d+)_s(\d+)_e(\d+)_realworld\.txt",
            "kard15",
            1e-3,
            30.0,
            _names(
                "horizontal_arm_wave high_arm_wave two_hand_wave catch_cap high_throw draw_x draw_tick toss_paper "
                "forward_kick side_kick take_umbrella bend hand_clap walk phone_call drink sit_down stand_up"
            ),
        ),
    }
)


class SkeletonSetDataset:
    """One clip a file, with one stream: skeleton, in metres, in the camera's optical frame (REP 103).

    A joint nearer to the camera than 0.3 m is not seen (NaN); a frame of which half of the joints are not is left out,
    and for a model without a joint layout one of which any is not.
    The files do not say which way x points. People face the camera in most clips, so most of their left shoulders are
    right of the right ones in a picture that is not a mirror image; x is reversed for the whole dataset where they are
    not.

    Attributes:
        clips: Named as the files, without `.txt`; the trial is the session.
        streams: Only skeleton.
    """

    streams = ("skeleton",)

    def __init__(self, name: str, root: str, subjects: Collection[int] | None) -> None:
        """List the clips in a folder, or in a folder below it.

        Raises:
            DatasetError: The dataset is not there, no clip of these subjects is, or a clip is there twice with
                different contents.
        """
        self._name, self._set = name, SKELETON_SETS[name]
        self._sources: dict[str, Path | RawClip | str] = {}
        clips = []
        folder = expanded(root)
        for (activity, subject, trial), (clip, source) in (self._files(folder) or self._tables(folder)).items():
            if 1 <= activity <= len(self._set.activities):
                self._sources[clip] = source
                clips.append(ClipInfo(clip, subject, self._set.activities[activity - 1], session=trial))
        if not clips:
            wanted = " or ".join(filter(None, (repr(_example(self._set.file)), self._set.table_files)))
            raise DatasetError(f"{name} is not in {root!r}: expected files such as {wanted}")
        self._across = self._direction(sorted(clips)[:: -(-len(clips) // _VOTERS)])
        self.clips = select_clips(name, clips, subjects)

    def _files(self, root: Path) -> dict[tuple[int, ...], tuple[str, Path]]:
        """Name and file of each clip, by the numbers in its name, in capital or small letters."""
        pattern = re.compile(self._set.file, re.IGNORECASE)
        found: dict[tuple[int, ...], Path] = {}
        for path in sorted(root.rglob("*")):
            if not (match := pattern.fullmatch(path.name)):
                continue
            check_same(found.setdefault(tuple(map(int, match.groups())), path), path, f"clip of {self._name}")
        return {numbers: (path.stem, path) for numbers, path in found.items()}

    def _tables(self, root: Path) -> dict[tuple[int, ...], tuple[str, RawClip | str]]:
        """Clips of files of several, likewise; or what is wrong with a clip."""
        found: dict[tuple[int, ...], tuple[str, RawClip | str]] = {}
        for name, clip in self._set.tables(root) if self._set.tables else ():
            match = re.fullmatch(self._set.file, name)
            assert match, name
            found[tuple(map(int, match.groups()))] = Path(name).stem, clip
        return found

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read one clip; see `Dataset.read`."""
        (stream,) = wanted_streams(self._name, self.streams, preprocessing)
        raw = self._seen(clip)
        modality = preprocessing.config.modality(stream)
        joints = convert(raw.joints * (self._across, 1, 1), self._set.layout, modality.layout or "kinect20")
        shown = shown_frames(joints, modality, raw.path)
        samples = prepare_all(stream, joints[shown], preprocessing, raw.path)
        stamps_ns = START_NS + np.round(raw.frames[shown] * (NS_PER_S / self._set.rate_hz)).astype(np.int64)
        segment = Segment(START_NS, int(stamps_ns[-1]) + round(NS_PER_S / self._set.rate_hz), clip.activity)
        return Clip({stream: Stream(stamps_ns, samples)}, (segment,), clip.subject, clip.id)

    def _seen(self, clip: ClipInfo) -> RawClip:
        """The frames that show a person, in metres, y down and x as in the file; NaN where a joint is not seen."""
        source = self._sources[clip.id]
        if isinstance(source, str):
            raise DatasetError(source)
        raw = source if isinstance(source, RawClip) else _read_clip(source, len(LAYOUTS[self._set.layout]))
        joints = raw.joints * (self._set.metres, -self._set.metres, self._set.metres)
        joints[~(joints[..., 2] >= _NEAREST_M)] = np.nan
        shown = np.isnan(joints[..., 0]).mean(axis=1) < 0.5
        if shown.sum() < FEWEST_FRAMES:
            raise DatasetError(
                f"{raw.path}: {shown.sum()} of {len(joints)} frames show a person; expected {FEWEST_FRAMES} or more"
            )
        return RawClip(raw.path, raw.frames[shown], joints[shown])

    def _direction(self, clips: Collection[ClipInfo]) -> float:
        left, right = LAYOUTS[self._set.layout].index("left_shoulder", "right_shoulder")
        votes = []
        for clip in clips:
            try:
                joints = self._seen(clip).joints
            except DatasetError:
                continue  # It is counted when it is read.
            across = joints[:, left, 0] - joints[:, right, 0]
            if not np.isnan(across).all():  # otherwise no frame shows both shoulders
                votes.append(np.sign(np.nanmedian(across)))
        return -1.0 if sum(votes) < 0 else 1.0


def _read_clip(path: Path, count: int) -> RawClip:
    """The clip of a file of one, of `count` lines a frame."""
    rows = []
    for number, line in lines(path):
        rows.append(numbers(line.split()[:3]))
        if len(rows[-1]) < 3:
            raise DatasetError(f"{path}: line {number} does not begin with three numbers: {shorten(line, 80)!r}")
    if not rows or len(rows) % count:
        raise DatasetError(f"{path}: {len(rows)} lines; expected a multiple of {count}, one a joint")
    joints = np.array(rows).reshape(-1, count, 3)
    return RawClip(path, np.arange(len(joints), dtype=float), joints)


def _example(pattern: str) -> str:
    return pattern.replace(r"(\d+)", "01").replace("\\", "")


msr_action3d = partial(SkeletonSetDataset, "msr_action3d")
florence3d = partial(SkeletonSetDataset, "florence3d")
utkinect = partial(SkeletonSetDataset, "utkinect")
kard = partial(SkeletonSetDataset, "kard")
