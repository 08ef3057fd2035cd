"""Joints that the people front end finds in UTD-MHAD, whose people and activities are known.

UTD-MHAD is free with depth images; drawn as shaded pictures they are people to a pose network. The joints are kept in a
folder, one file a clip, so that a training does not run the front end again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.skeletons import convert
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.training.datasets.reading import START_NS, prepare_all, select_clips, wanted_streams
from mumu_ros.training.datasets.utd_mhad import ACTIONS

__all__ = ["VARIANTS", "FrontEndDataset"]

VARIANTS = ("with_depth", "without_depth")
"""Arrays of a file, beside `stamps_s` (T,): (T, 33, 3) joints in the camera's optical frame, lifted by the depth image
or by the network's world landmarks; NaN where a joint is not seen."""

_FILE = re.compile(r"a(\d+)_s(\d+)_t(\d+)")
_LAYOUT = "blazepose33"
_FEWEST_FRAMES = 6


class FrontEndDataset:
    """Two clips a file, one with the joints lifted by depth and one without.

    Attributes:
        clips: Named as in UTD-MHAD, with the variant: `a1_s1_t1/with_depth`.
        streams: Only skeleton.
    """

    streams = ("skeleton",)

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """List the clips.

        Args:
            root: Folder of the files.
            subjects: Whose; None: everybody's.

        Raises:
            DatasetError: The folder has none, or none of these subjects.
        """
        self._root = Path(root).expanduser()
        clips = []
        for path in self._root.glob("*.npz"):
            if match := _FILE.fullmatch(path.stem):
                action, subject, trial = map(int, match.groups())
                clips += [ClipInfo(f"{path.stem}/{v}", subject, ACTIONS[action - 1], session=trial) for v in VARIANTS]
        if not clips:
            raise DatasetError(f"utd_mhad_front is not in {root!r}: expected files such as 'a1_s1_t1.npz'")
        self.clips = select_clips("utd_mhad_front", clips, subjects)

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read one variant of one file; see `Dataset.read`."""
        (stream,) = wanted_streams("utd_mhad_front", self.streams, preprocessing)
        name, variant = clip.id.split("/")
        path = self._root / f"{name}.npz"
        try:
            with np.load(path) as file:
                joints, seconds = file[variant], file["stamps_s"]
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{path} has no {variant} and stamps_s: {error}") from error
        layout = preprocessing.config.modality(stream).layout or "kinect20"
        joints = convert(joints, _LAYOUT, layout)
        there = np.flatnonzero(~np.isnan(joints).all(axis=(1, 2)))
        if len(there) < _FEWEST_FRAMES:
            raise DatasetError(f"{path}: {len(there)} frames show a person; expected {_FEWEST_FRAMES} or more")
        samples = prepare_all(stream, joints[there], preprocessing, path)
        stamps_ns = START_NS + np.round(seconds[there] * NS_PER_S).astype(np.int64)
        segment = Segment(START_NS, int(stamps_ns[-1]) + 1, clip.activity)
        return Clip({stream: Stream(stamps_ns, samples)}, (segment,), clip.subject, clip.id)
