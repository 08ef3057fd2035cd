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

"""Joints that the people front end finds in UTD-MHAD, whose people and activities are known.

UTD-MHAD is free with depth images; drawn as shaded pictures they are people to a pose network. The joints are kept in a
folder, one file a clip, so that a training does not run the front end again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, prepare_all, select_clips, shown_frames, wanted_streams
from mumu_ros.datasets.utd_mhad import ACTIONS, FRAME_RATE_HZ, UtdMhad
from mumu_ros.datasets.utd_mhad_clips import find_utd_mhad
from mumu_ros.files import expanded, replacing
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.people import Camera, PeopleFinder
from mumu_ros.reading import read_arrays
from mumu_ros.simulation.shading import KINECT_FOCAL, shade
from mumu_ros.skeletons import LAYOUTS, convert
from mumu_ros.streams import NS_PER_S

__all__ = ["FrontEndDataset", "record_front_end"]

_VARIANTS = ("with_depth", "without_depth")
"""Arrays of a file, beside `stamps_s` (T,): (T, 33, 3) joints in the camera's optical frame, lifted by the depth image
or by the network's world landmarks; NaN where a joint is not seen."""

_FILE = re.compile(r"a(\d+)_s(\d+)_t(\d+)")
_LAYOUT, _COMMON_LAYOUT = "blazepose33", "florence15"
_EVERY = 2
"""Of the 30 frames a second; a robot's front end sees about 15."""


def record_front_end(
    root: str,
    out: Path,
    trials: Collection[int],
    *,
    weights: Path | None = None,
    progress: Callable[[str], None] = print,
) -> int:
    """Run the people front end over UTD-MHAD's depth images, drawn as pictures, and keep the joints that it finds.

    Clips that are in `out` already are left as they are.

    Args:
        root: UTD-MHAD's folder, as `UtdMhadDataset` takes it.
        out: Folder for the files that `FrontEndDataset` reads.
        trials: Which of each person's trials.
        weights: Of the pose network; None: where `mumu weights` puts them.
        progress: Called with a line for each clip and, where the Kinect's joints are there, one with the mean distance
            from them.

    Returns:
        How many clips were written.

    Raises:
        DatasetError: UTD-MHAD, or a trial of it, is not there.
        WeightsError: The weights are not there.
    """
    folder = find_utd_mhad(root)
    has_kinect = (folder / "Skeleton").is_dir()
    dataset = UtdMhad(folder, modalities=("depth", "skeleton") if has_kinect else ("depth",))
    there = {trial for _, _, trial in dataset.clips}
    if missing := sorted(set(trials) - there):
        raise DatasetError(f"{folder} has no trials {missing}; it has {sorted(there)}")
    out.mkdir(parents=True, exist_ok=True)
    finder = PeopleFinder(weights, max_people=1, seed=0)
    errors: list[tuple[float, float]] = []
    written = 0
    for subject, action, trial in dataset.clips:
        path = out / f"a{action}_s{subject}_t{trial}.npz"
        if trial not in trials or path.exists():
            continue
        clip = dataset.read(subject, action, trial)
        if clip is None:
            progress(f"{path.stem}: left out, {list(dataset.skipped.values())[-1]}")
            continue
        depth = clip.samples("depth")[::_EVERY]
        stamps_s = np.arange(len(depth)) * _EVERY / FRAME_RATE_HZ
        pictures = [shade(image) for image in depth]
        lifted = _follow(finder, pictures, stamps_s, depth)
        placed = _follow(finder, pictures, stamps_s, [None] * len(pictures))
        with replacing(path) as temporary:
            np.savez_compressed(temporary, stamps_s=stamps_s, with_depth=lifted, without_depth=placed)
        seen = np.count_nonzero(~np.isnan(lifted).all(axis=(1, 2)))
        progress(f"{path.stem}: somebody in {seen} of {len(lifted)} pictures")
        written += 1
        if has_kinect and seen:
            errors.append((_error_m(lifted, clip.samples("skeleton")), _error_m(placed, clip.samples("skeleton"))))
    if errors:
        with_cm, without_cm = 100 * np.nanmean(errors, axis=0)
        progress(f"mean distance from the Kinect's joints: {with_cm:.1f} cm with depth, {without_cm:.1f} cm without")
    return written


def _error_m(joints: NDArray[np.float32], kinect: NDArray[np.float64]) -> float:
    """Mean distance of the joints of every `_EVERY`th frame from the Kinect's, of those that are seen."""
    truth = convert(kinect[::_EVERY].astype(np.float32), "kinect20", _COMMON_LAYOUT)
    count = min(len(truth), len(joints))
    found = convert(joints[:count], _LAYOUT, _COMMON_LAYOUT)
    return float(np.nanmean(np.linalg.norm(found - truth[:count], axis=-1)))


def _follow(
    finder: PeopleFinder,
    pictures: Sequence[NDArray[np.uint8]],
    stamps_s: NDArray[np.float64],
    depth: Iterable[NDArray[np.uint16] | None],
) -> NDArray[np.float32]:
    """Joints of the person in the pictures of one clip, lifted where there is depth; NaN where nobody is found."""
    finder.clear()
    joints = np.full((len(pictures), len(LAYOUTS[_LAYOUT]), 3), np.nan, np.float32)
    height, width = pictures[0].shape[:2]
    focal = KINECT_FOCAL * width
    camera = Camera(width, height, focal, focal, width / 2, height / 2)
    for index, (picture, image) in enumerate(zip(pictures, depth, strict=True)):
        people = finder.update(START_NS + round(stamps_s[index] * NS_PER_S), picture, image, camera)
        if people:
            joints[index] = people[0].joints
    return joints


class FrontEndDataset:
    """Two clips a file, one with the joints lifted by depth and one without.

    Attributes:
        clips: Named as in UTD-MHAD, with the variant: `a1_s1_t1/with_depth`.
        streams: Only skeleton.
    """

    streams = ("skeleton",)

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """List the clips.

        Raises:
            DatasetError: The folder has none, or none of these subjects.
        """
        self._root = expanded(root)
        clips = []
        for path in self._root.glob("*.npz"):
            if match := _FILE.fullmatch(path.stem):
                action, subject, trial = map(int, match.groups())
                clips += [ClipInfo(f"{path.stem}/{v}", subject, ACTIONS[action - 1], session=trial) for v in _VARIANTS]
        if not clips:
            raise DatasetError(f"utd_mhad_front is not in {root!r}: expected files such as 'a1_s1_t1.npz'")
        self.clips = select_clips("utd_mhad_front", clips, subjects)

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read one variant of one file; see `Dataset.read`."""
        (stream,) = wanted_streams("utd_mhad_front", self.streams, preprocessing)
        name, variant = clip.id.split("/")
        path = self._root / f"{name}.npz"
        try:
            joints, seconds = read_arrays(path, (variant, "stamps_s"))
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path} cannot be read as {variant} and stamps_s: {error}") from error
        if joints.shape != (*seconds.shape, len(LAYOUTS[_LAYOUT]), 3) or not np.isfinite(seconds).all():
            raise DatasetError(f"{path}: {variant} is {joints.shape}, stamps_s {seconds.shape}, or not finite")
        modality = preprocessing.config.modality(stream)
        joints = convert(joints, _LAYOUT, modality.layout or "kinect20")
        there = shown_frames(joints, modality, path)
        samples = prepare_all(stream, joints[there], preprocessing, path)
        stamps_ns = START_NS + np.round(seconds[there] * NS_PER_S).astype(np.int64)
        segment = Segment(START_NS, int(stamps_ns[-1]) + 1, clip.activity)
        return Clip({stream: Stream(stamps_ns, samples)}, (segment,), clip.subject, clip.id)
