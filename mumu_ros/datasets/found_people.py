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

"""Skeletons of the people in a recording's pictures, found as the people node finds them, as a stream of its clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mumu_ros.datasets.clip_writer import Piece
from mumu_ros.people import LAYOUT, PeopleFinder
from mumu_ros.recognition.levelling import CameraTilt
from mumu_ros.recordings.pictures import read_pictures
from mumu_ros.skeletons import convert
from mumu_ros.streams import NS_PER_S, RateSampler

__all__ = ["SKELETON", "FoundPeople", "find_people", "write_skeletons"]

SKELETON = "skeleton"
"""The stream, and the modality of the model `people`."""
_LAYOUT = "florence15"
"""That model's."""
_RATE_HZ = 15
"""Of the people node."""
_ALSO_SEEN = 0.5
"""Another person is reported from this share of the pictures of a clip on that show the one it is of."""

Joints = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FoundPeople:
    """Everybody in the pictures of a recording.

    Attributes:
        stamps_ns: Of the pictures.
        people: By id, the skeleton at each stamp: (15, 3) metres as a level camera sees it, NaN where a joint is not
            seen, with at least one that is.
    """

    stamps_ns: Sequence[int]
    people: Mapping[str, Mapping[int, Joints]]


def find_people(bag: Path) -> FoundPeople:
    """Find the people in the pictures of a recording, with depth if it has any; about 30 ms of one core a picture.

    The camera's tilt is learned from all of them, so that skeletons are level from the first picture on; the camera is
    not turned while it records.

    Raises:
        RecordingError: It cannot be read, or has not one colour camera.
        WeightsError: The pose network is not there.
    """
    finder, sampler = PeopleFinder(seed=0), RateSampler(NS_PER_S // _RATE_HZ)
    found: defaultdict[str, dict[int, Joints]] = defaultdict(dict)
    stamps_ns: list[int] = []
    for shot in tqdm(read_pictures(bag, ()), f"people in {bag.name}", unit=" pictures", disable=None, leave=False):
        if stamps_ns and shot.stamp_ns < stamps_ns[-1]:
            break  # Time jumps back: from here on the same stamps mean other moments, as for the other streams.
        stamps_ns.append(shot.stamp_ns)
        if not sampler.accept(shot.stamp_ns):
            continue
        for person in finder.update(shot.stamp_ns, shot.rgb, shot.depth, shot.camera):
            found[person.body_id][shot.stamp_ns] = person.joints
    tilt = CameraTilt.of_recording(LAYOUT, (joints for seen in found.values() for joints in seen.values()))
    return FoundPeople(stamps_ns, {body: _skeletons(tilt, seen) for body, seen in found.items()})


def write_skeletons(found: FoundPeople, pieces: Sequence[Piece], folder: Path) -> tuple[dict[str, int], list[str]]:
    """Write the stream `skeleton` of each piece: of the person in most of its pictures.

    A track that shares no picture with that person's is taken for the same person, lost and found again; of several
    that could be, the one that is nearest in place.

    Returns:
        Clip to number of samples, clips with nobody left out; and a sentence for each clip that shows several people.
    """
    counts: dict[str, int] = {}
    problems = []
    for piece in pieces:
        tracks = [
            {stamp_ns: joints for stamp_ns, joints in seen.items() if piece.start_ns <= stamp_ns < piece.end_ns}
            for seen in found.people.values()
        ]
        if not any(tracks):
            continue
        first, *others = sorted(filter(None, tracks), key=len, reverse=True)
        samples = dict(first)
        while free := [i for i, track in enumerate(others) if samples.keys().isdisjoint(track)]:
            samples |= others.pop(min(free, key=lambda i: _distance_m(samples, others[i])))
        also = [track for track in others if len(track) >= _ALSO_SEEN * len(first)]
        if also:
            problems.append(
                f"{piece.clip} shows {1 + len(also)} people; the label is taken to be of the one in most pictures"
            )
        _write(folder / piece.clip, samples)
        counts[piece.clip] = len(samples)
    return counts, problems


def _distance_m(one: Mapping[int, Joints], other: Mapping[int, Joints]) -> float:
    """How far apart the joints of two tracks are, on average, where these are nearest in time; inf: none is in both."""
    stamps, others = np.sort(list(one)), np.array(list(other))
    at = np.searchsorted(stamps, others)
    before, after = stamps[(at - 1).clip(0)], stamps[at.clip(max=len(stamps) - 1)]
    near = np.where(abs(others - before) < abs(after - others), before, after)
    j = np.abs(near - others).argmin()
    apart = np.linalg.norm(one[int(near[j])] - other[int(others[j])], axis=-1)
    return float(np.nanmean(apart)) if not np.isnan(apart).all() else np.inf


def _skeletons(tilt: CameraTilt, seen: Mapping[int, Joints]) -> dict[int, Joints]:
    """Level skeletons for the model; where too little of the torso is seen to place a person, there is no joint."""
    converted = {stamp_ns: convert(tilt.level(joints), LAYOUT, _LAYOUT) for stamp_ns, joints in seen.items()}
    return {stamp_ns: joints for stamp_ns, joints in converted.items() if not np.isnan(joints).all()}


def _write(folder: Path, samples: Mapping[int, Joints]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stamps_ns = sorted(samples)
    stacked = np.stack([samples[stamp_ns] for stamp_ns in stamps_ns])
    np.savez(folder / f"{SKELETON}.npz", stamps_ns=np.array(stamps_ns, np.int64), samples=stacked)
